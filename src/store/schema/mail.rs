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

diesel::table! {
    uploads (id) {
        id -> Text,
        workspace_id -> Text,
        name -> Text,
        content_type -> Text,
        byte_count -> BigInt,
        sha256 -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    upload_chunks (upload_id, number) {
        upload_id -> Text,
        workspace_id -> Text,
        number -> BigInt,
        data -> Binary,
    }
}

diesel::table! {
    upload_uses (upload_id, job_id) {
        upload_id -> Text,
        workspace_id -> Text,
        job_id -> Text,
    }
}
