//! The tables as diesel knows them: portable types, one schema for every database. A test compares it with the migrations.

mod mail;
mod scheduling;
mod templating;

pub(super) use mail::{mail_counts, suppressions, upload_chunks, upload_uses, uploads};
pub(super) use scheduling::{schedule_fires, schedules};
pub(super) use templating::{template_revisions, template_versions, templates};

diesel::table! {
    workspaces (id) {
        id -> Text,
        name -> Text,
        created_at -> BigInt,
        weight -> BigInt,
        jobs_waiting_max -> Nullable<BigInt>,
        mails_per_day -> Nullable<BigInt>,
        bytes_stored_max -> Nullable<BigInt>,
        sender_domains -> Nullable<Text>,
    }
}

diesel::table! {
    accounts (id) {
        id -> Text,
        workspace_id -> Text,
        email -> Text,
        email_canonical -> Text,
        name -> Text,
        password_hash -> Text,
        is_operator -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        deletion_at -> Nullable<BigInt>,
        password_changed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    registrations (id) {
        id -> Text,
        workspace_id -> Text,
        email -> Text,
        email_canonical -> Text,
        name -> Text,
        password_hash -> Text,
        token_hash -> Text,
        key_id -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        workspace_id -> Text,
        account_id -> Text,
        token_hash -> Text,
        user_agent -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
        network -> Nullable<Text>,
        confirmed_at -> Nullable<BigInt>,
        device_id -> Nullable<Text>,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Text,
        workspace_id -> Text,
        account_id -> Text,
        name -> Text,
        key_hash -> Text,
        scopes -> Text,
        created_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        prefix -> Nullable<Text>,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        replaced_by -> Nullable<Text>,
    }
}

diesel::table! {
    credential_changes (number) {
        number -> BigInt,
        account_id -> Text,
    }
}

diesel::table! {
    nodes (id) {
        id -> Text,
        version -> Text,
        started_at -> BigInt,
        lease_until -> BigInt,
        roles -> Text,
        release -> BigInt,
    }
}

diesel::table! {
    node_kinds (node_id, kind) {
        node_id -> Text,
        kind -> Text,
        version -> BigInt,
    }
}

diesel::table! {
    schema_needs (id) {
        id -> BigInt,
        oldest_release -> BigInt,
    }
}

diesel::table! {
    jobs (id) {
        id -> Text,
        workspace_id -> Text,
        kind -> Text,
        queue -> Text,
        state -> Text,
        priority -> BigInt,
        rank -> BigInt,
        args -> Text,
        args_version -> BigInt,
        attempt -> BigInt,
        max_attempts -> BigInt,
        timeout_ms -> BigInt,
        run_at -> BigInt,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
        fence -> BigInt,
        node -> Nullable<Text>,
        cancel_requested_at -> Nullable<BigInt>,
        no_return_at -> Nullable<BigInt>,
        deadline_at -> Nullable<BigInt>,
        cause -> Nullable<Text>,
        result -> Nullable<Text>,
        progress_done -> Nullable<BigInt>,
        progress_total -> Nullable<BigInt>,
        progress_note -> Nullable<Text>,
        progress_at -> Nullable<BigInt>,
        worker_panics -> BigInt,
        deaths -> BigInt,
        unique_key -> Nullable<Text>,
        request_id -> Nullable<Text>,
        limit_key -> Text,
        schedule_id -> Nullable<Text>,
        batch_id -> Nullable<Text>,
        is_waited_for -> BigInt,
        labels -> Nullable<Text>,
    }
}

diesel::table! {
    job_args (job_id) {
        job_id -> Text,
        workspace_id -> Text,
        args -> Text,
    }
}

diesel::table! {
    limits (queue, workspace_id, limit_key) {
        queue -> Text,
        workspace_id -> Text,
        limit_key -> Text,
        concurrency -> Nullable<BigInt>,
        rate -> Nullable<BigInt>,
        period_ms -> Nullable<BigInt>,
        burst -> Nullable<BigInt>,
        updated_at -> BigInt,
    }
}

diesel::table! {
    limit_buckets (queue, workspace_id, limit_key) {
        queue -> Text,
        workspace_id -> Text,
        limit_key -> Text,
        full_at -> BigInt,
    }
}

diesel::table! {
    limited_queues (queue) {
        queue -> Text,
    }
}

diesel::table! {
    attempts (job_id, number) {
        job_id -> Text,
        number -> BigInt,
        workspace_id -> Text,
        started_at -> BigInt,
        finished_at -> BigInt,
        outcome -> Text,
        error -> Nullable<Text>,
        node -> Text,
        transcript -> Nullable<Text>,
    }
}

diesel::table! {
    unique_keys (workspace_id, unique_key) {
        workspace_id -> Text,
        unique_key -> Text,
        job_id -> Text,
        scope -> Text,
        held_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    idempotency_keys (workspace_id, idempotency_key) {
        workspace_id -> Text,
        idempotency_key -> Text,
        fingerprint -> Text,
        job_id -> Text,
        body -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    events (seq) {
        seq -> BigInt,
        tx -> BigInt,
        workspace_id -> Text,
        at -> BigInt,
        changes -> Text,
    }
}

diesel::table! {
    acts (id) {
        id -> Text,
        at -> BigInt,
        workspace_id -> Text,
        account_id -> Nullable<Text>,
        action -> Text,
        subject_kind -> Text,
        subject_id -> Text,
        detail -> Text,
        request_id -> Nullable<Text>,
        via -> Text,
    }
}

diesel::table! {
    queues (name) {
        name -> Text,
        paused_at -> BigInt,
        paused_by -> Text,
    }
}

diesel::table! {
    reports (id) {
        id -> Text,
        workspace_id -> Text,
        job_id -> Text,
        table_name -> Text,
        format -> Text,
        from_at -> Nullable<BigInt>,
        to_at -> BigInt,
        created_at -> BigInt,
        built_at -> Nullable<BigInt>,
        expires_at -> Nullable<BigInt>,
        fence -> Nullable<BigInt>,
        row_count -> Nullable<BigInt>,
        byte_count -> Nullable<BigInt>,
        sha256 -> Nullable<Text>,
    }
}

diesel::table! {
    batches (id) {
        id -> Text,
        workspace_id -> Text,
        name -> Nullable<Text>,
        job_count -> BigInt,
        finishing_job_id -> Nullable<Text>,
        created_at -> BigInt,
        sealed_at -> Nullable<BigInt>,
        cancel_requested_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    waiters (job_id) {
        job_id -> Text,
        workspace_id -> Text,
        run_at -> BigInt,
        on_failure -> Text,
        batch_id -> Nullable<Text>,
    }
}

diesel::table! {
    dependencies (job_id, waits_for) {
        job_id -> Text,
        waits_for -> Text,
        workspace_id -> Text,
        ended_state -> Nullable<Text>,
    }
}

diesel::table! {
    address_changes (id) {
        id -> Text,
        workspace_id -> Text,
        account_id -> Text,
        email -> Text,
        email_canonical -> Text,
        token_hash -> Text,
        key_id -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    password_resets (id) {
        id -> Text,
        workspace_id -> Text,
        account_id -> Text,
        token_hash -> Text,
        key_id -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    second_factors (account_id) {
        account_id -> Text,
        workspace_id -> Text,
        sealed_secret -> Text,
        key_id -> Text,
        created_at -> BigInt,
        confirmed_at -> Nullable<BigInt>,
        last_step -> BigInt,
    }
}

diesel::table! {
    recovery_codes (account_id, code_hash) {
        account_id -> Text,
        code_hash -> Text,
        workspace_id -> Text,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    devices (id) {
        id -> Text,
        workspace_id -> Text,
        account_id -> Text,
        user_agent -> Nullable<Text>,
        network -> Nullable<Text>,
        created_at -> BigInt,
        last_used_at -> BigInt,
    }
}

diesel::table! {
    security_events (id) {
        id -> Text,
        at -> BigInt,
        workspace_id -> Text,
        account_id -> Nullable<Text>,
        event -> Text,
        network -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        request_id -> Nullable<Text>,
        detail -> Text,
    }
}

diesel::joinable!(sessions -> accounts (account_id));
diesel::joinable!(api_keys -> accounts (account_id));
diesel::joinable!(second_factors -> accounts (account_id));
diesel::joinable!(password_resets -> accounts (account_id));
diesel::joinable!(address_changes -> accounts (account_id));
diesel::allow_tables_to_appear_in_same_query!(
    accounts,
    sessions,
    api_keys,
    second_factors,
    password_resets,
    address_changes,
    jobs,
    attempts,
    reports,
    unique_keys,
    batches,
    waiters,
    dependencies,
    uploads,
    upload_uses,
);
diesel::allow_tables_to_appear_in_same_query!(nodes, node_kinds);
diesel::allow_tables_to_appear_in_same_query!(schedule_fires, jobs);
diesel::allow_tables_to_appear_in_same_query!(job_args, jobs);
