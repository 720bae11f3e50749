//! The tables about schedules.

diesel::table! {
    schedules (id) {
        id -> Text,
        workspace_id -> Text,
        name -> Text,
        cron -> Text,
        time_zone -> Text,
        kind -> Text,
        queue -> Text,
        args -> Text,
        args_version -> BigInt,
        given -> Text,
        mails -> BigInt,
        priority -> BigInt,
        max_attempts -> BigInt,
        timeout_ms -> BigInt,
        limit_key -> Text,
        missed -> Text,
        catch_up -> Nullable<BigInt>,
        overlap -> Text,
        jitter_ms -> BigInt,
        is_bounded -> BigInt,
        paused_at -> Nullable<BigInt>,
        next_at -> Nullable<BigInt>,
        last_at -> Nullable<BigInt>,
        last_job_id -> Nullable<Text>,
        tick -> BigInt,
        created_by -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    schedule_fires (schedule_id, tick_at) {
        schedule_id -> Text,
        tick_at -> BigInt,
        workspace_id -> Text,
        outcome -> Text,
        since -> BigInt,
        ticks -> BigInt,
        job_id -> Nullable<Text>,
        cause -> Nullable<Text>,
        at -> BigInt,
    }
}
