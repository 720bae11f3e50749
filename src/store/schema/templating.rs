//! The tables of templates.

diesel::table! {
    templates (id) {
        id -> Text,
        workspace_id -> Text,
        name -> Text,
        last_version -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    template_versions (template_id, version) {
        template_id -> Text,
        version -> BigInt,
        workspace_id -> Text,
        locale -> Text,
        is_current -> BigInt,
        subject -> Text,
        html -> Text,
        text -> Nullable<Text>,
        sample -> Nullable<Text>,
        layout -> Nullable<Text>,
        bytes -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    template_revisions (workspace_id) {
        workspace_id -> Text,
        revision -> BigInt,
    }
}

diesel::joinable!(template_versions -> templates (template_id));
diesel::allow_tables_to_appear_in_same_query!(templates, template_versions);
