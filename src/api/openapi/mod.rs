//! The description of every route in OpenAPI 3.1, made from the handlers and their types.
//!
//! Guarantees: no route is missing, every example is accepted, every limit is the one that the code holds, and every answer
//! is as described: tests compare the document with the running service. What a handler says about itself stands above it;
//! what follows for every route of its sort (who may come in, how it refuses) is added in one place, [`answers`] and [`roles`].
//!
//! Left out: the pages for people (`/`, `/verify`, `/confirm-address`, `/reset`, `/unsubscribe`, `/docs`), which are no part of the API.

mod answers;
mod asking;
mod presence;
mod publish;
mod results;
mod roles;
mod types;

use utoipa::OpenApi as _;

use answers::Answers;
use asking::Asking;
use presence::Presence;
use roles::Roles;

pub(super) use answers::Accepted;
pub(super) use publish::{Published, show_docs, show_docs_file, show_openapi};
pub(super) use results::JobResult;
pub(super) use types::{MailboxBody, RecipientAddress, Recipients, SecondFactorCode};

use super::{
    account_deletion, accounts, address_changes, api_keys, audit, batches, bulk, causes, emails, following, health,
    jobs, limits, nodes, password_changes, password_resets, probes, queues, reports, schedules, second_factor,
    security_events, sessions, supervision, suppressions, templates, uploads, verification, workspaces,
};

/// The document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Legwork",
        description = "Answers at once and does the legwork later: slow work is a durable job, accepted with 202 and looked \
                       at under its `Location`. Errors are `application/problem+json` (RFC 9457).",
    ),
    paths(
        health::show_live,
        health::show_ready,
        publish::show_openapi,
        accounts::create_account,
        verification::verify_account,
        accounts::show_account,
        accounts::update_account,
        account_deletion::delete_account,
        account_deletion::restore_account,
        address_changes::ask_for_address,
        address_changes::confirm_address,
        password_changes::change_password,
        password_resets::create_password_reset,
        password_resets::confirm_password_reset,
        sessions::list_sessions,
        sessions::create_session,
        sessions::show_session,
        sessions::delete_current_session,
        sessions::delete_session,
        sessions::delete_other_sessions,
        sessions::confirm_session,
        second_factor::show_second_factor,
        second_factor::begin_second_factor,
        second_factor::confirm_second_factor,
        second_factor::delete_second_factor,
        second_factor::replace_recovery_codes,
        api_keys::list_api_keys,
        api_keys::create_api_key,
        api_keys::delete_api_key,
        api_keys::rotate_api_key,
        security_events::list_security_events,
        emails::create_email,
        emails::create_emails,
        uploads::create_upload,
        uploads::list_uploads,
        uploads::show_upload,
        uploads::delete_upload,
        probes::create_probe,
        probes::create_probes,
        reports::create_report,
        reports::list_reports,
        reports::show_report,
        reports::show_report_file,
        reports::delete_report,
        batches::create_batch,
        batches::list_batches,
        batches::show_batch,
        batches::add_jobs,
        batches::seal_batch,
        batches::cancel_batch,
        schedules::create_schedule,
        schedules::list_schedules,
        schedules::preview_schedule,
        schedules::show_schedule,
        schedules::update_schedule,
        schedules::delete_schedule,
        schedules::list_fires,
        schedules::pause_schedule,
        schedules::resume_schedule,
        schedules::run_schedule,
        suppressions::create_suppression,
        suppressions::import_suppressions,
        suppressions::list_suppressions,
        suppressions::show_suppression,
        suppressions::delete_suppression,
        templates::create_template,
        templates::list_templates,
        templates::show_template,
        templates::delete_template,
        templates::preview_template,
        templates::show_version,
        templates::restore_version,
        templates::list_built_ins,
        templates::show_built_in,
        templates::replace_built_in,
        templates::delete_built_in,
        limits::list_limits,
        limits::show_limit,
        limits::set_limit,
        limits::delete_limit,
        jobs::list_jobs,
        following::stream_jobs,
        causes::list_causes,
        jobs::show_job,
        following::stream_job,
        jobs::cancel_job,
        jobs::retry_job,
        jobs::resolve::resolve_job,
        bulk::preview_bulk,
        bulk::create_bulk,
        audit::list_acts,
        queues::list_queues,
        queues::pause_queue,
        queues::resume_queue,
        limits::show_queue_limit,
        limits::set_queue_limit,
        limits::delete_queue_limit,
        workspaces::list_workspaces,
        workspaces::show_current_workspace,
        workspaces::show_workspace,
        workspaces::update_workspace,
        nodes::list_nodes,
        supervision::show_tree,
        supervision::stream_events,
        supervision::show_node,
        supervision::restart_child,
        supervision::suspend_child,
        supervision::resume_child,
        supervision::panic_child,
    ),
    tags(
        (name = "accounts", description = "Registering an account, and one's own: its address, its password, its end."),
        (name = "sessions", description = "Logging in, seeing where one is logged in, logging out."),
        (name = "api keys", description = "What programs come in with."),
        (name = "work", description = "Handing over slow work: each answers 202 with the job, once it is on disk."),
        (name = "batches", description = "Groups of jobs that are counted, finished and cancelled together."),
        (name = "limits", description = "How many jobs with one key may run at once, and how fast they may start."),
        (name = "jobs", description = "Looking at jobs, cancelling them, running them again."),
        (name = "resources", description = "What work has made, and what makes work."),
        (name = "operators", description = "How the service itself is doing, and steering it."),
        (name = "open", description = "What anybody may ask."),
    ),
    modifiers(&Asking, &Roles, &Answers, &Presence),
)]
struct Document;
