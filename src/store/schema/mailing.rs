//! The tables about mails.

diesel::table! {
    mail_counts (workspace_id, hour, node) {
        workspace_id -> Text,
        hour -> BigInt,
        node -> Text,
        mails -> BigInt,
    }
}

diesel::table! {
    suppressions (id) {
        id -> Text,
        workspace_id -> Text,
        address -> Text,
        stream -> Text,
        reason -> Text,
        origin -> Text,
        origin_id -> Nullable<Text>,
        reply -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
