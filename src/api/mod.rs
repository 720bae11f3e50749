//! The HTTP surface: translates requests into store transactions and answers.
//!
//! Guarantees: a handler answers after at most one commit and never waits for slow work; 201 and 202 mean committed; a
//! client sees its own workspace only, and another's id is as good as none; whoever may not come in learns that before
//! anything about what they sent. All routes stand in [`endpoints`], each with the scope that an API key needs for it.
//!
//! A handler waits for slow work only where the client prefers that (`Prefer: wait`), for a minute at most and in one of few
//! places.

mod account_deletion;
mod accounts;
mod acting;
mod address_changes;
mod after;
mod api_keys;
mod audit;
mod auth;
mod batches;
mod bulk;
mod causes;
mod client;
mod credential_cache;
mod credentials;
mod desk;
mod devices;
mod emails;
mod failure;
mod following;
mod health;
pub mod http;
mod idempotency;
mod jobs;
mod key_uses;
mod limits;
mod nodes;
mod openapi;
mod order;
mod ordering;
mod page;
mod pages;
mod password_changes;
mod password_resets;
mod passwords;
mod prefer;
mod probes;
mod queues;
mod quota;
mod reading;
mod reports;
mod schedules;
mod second_factor;
mod security_events;
mod security_log;
mod sessions;
mod sse;
mod state;
mod supervision;
mod suppressions;
mod templates;
#[cfg(test)]
mod tests;
mod then;
mod throttle;
mod unique;
mod unsubscribe;
mod uploads;
mod verification;
mod waiting;
mod work;
mod workspaces;
mod wrong_codes;

pub use credential_cache::CredentialCache;
pub use desk::Desk;
pub use following::JobStreams;
pub use health::Readiness;
pub use http::HashingPool;
pub use idempotency::KeyTurns;
pub use key_uses::KeyUses;
pub use openapi::document as openapi_document;
pub use reading::ReadsNoted;
pub use reports::Downloads;
pub use state::{CancelAttempt, EventStreams, QueueWorker, ShutdownFlag, State};
pub use throttle::Throttle;
pub use waiting::Waiters;
pub use wrong_codes::WrongCodes;

use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, web};

use crate::domain::roles::Roles;
use crate::domain::scope::Scope;
use http::{Endpoint, Endpoints, Problem, Routed};

/// Registers the routes of a node with these roles: every one, or, where jobs are performed and nothing else, those that say
/// whether it is there; what there is elsewhere is told to whoever asks for it.
pub fn routes_of(roles: Roles) -> fn(&mut web::ServiceConfig) {
    if roles.has_api() { routes } else { routes_without_api }
}

fn routes_without_api(config: &mut web::ServiceConfig) {
    let elsewhere = async || {
        Err::<HttpResponse, _>(Problem::not_here(
            "this node performs jobs and answers nothing but /health and /openapi.json; ask one that has the role api",
        ))
    };
    config
        .app_data(web::Data::new(openapi::Published::default()))
        .service(Endpoint::at("/health/live").get(health::show_live))
        .service(Endpoint::at("/health/ready").get(health::show_ready))
        .service(Endpoint::at("/openapi.json").get(openapi::show_openapi))
        .default_service(web::to(elsewhere));
}

/// Registers every route of the service.
fn routes(config: &mut web::ServiceConfig) {
    let mut all: Vec<Endpoint> = endpoints().into_iter().collect();
    // They are asked in this order, for each request: one without parts that vary is compared as a text, the others as
    // expressions, at many times the cost.
    all.sort_by_key(|endpoint| endpoint.pattern().contains('{'));
    let routed: Routed = all.iter().collect();
    let all = all
        .into_iter()
        .fold(web::scope(""), |scope, endpoint| scope.service(endpoint));
    config
        .app_data(web::Data::new(openapi::Published::default()))
        .app_data(web::Data::new(routed))
        .service(all.wrap(from_fn(idempotency::heed)).wrap(from_fn(throttle::tell)));
}

/// Every route of the service.
fn endpoints() -> Endpoints {
    let at = Endpoint::at;
    // An API key needs the scope that is named before the method; without one, it takes a login or nobody is asked.
    Endpoints::default()
        // Open.
        .service(at("/").get(pages::show_home))
        .service(
            at("/verify")
                .get(verification::show_verify)
                .post(verification::post_verify),
        )
        .service(
            at("/confirm-address")
                .get(address_changes::show_confirm_address)
                .post(address_changes::post_confirm_address),
        )
        .service(
            at("/reset")
                .get(password_resets::show_reset)
                .post(password_resets::post_reset),
        )
        .service(
            at("/unsubscribe")
                .get(unsubscribe::show_unsubscribe)
                .post(unsubscribe::post_unsubscribe),
        )
        .service(at("/health/live").get(health::show_live))
        .service(at("/health/ready").get(health::show_ready))
        .service(at("/openapi.json").get(openapi::show_openapi))
        .service(at("/docs").get(openapi::show_docs))
        .service(at("/docs/{file}").get(openapi::show_docs_file))
        // Accounts, sessions and keys.
        .service(at("/v1/accounts").post(accounts::create_account))
        .service(at("/v1/accounts/verify").post(verification::verify_account))
        .service(
            at("/v1/accounts/me")
                .patch(accounts::update_account)
                .delete(account_deletion::delete_account)
                .takes(Scope::AccountRead)
                .get(accounts::show_account),
        )
        .service(at("/v1/accounts/me/email").post(address_changes::ask_for_address))
        .service(at("/v1/accounts/me/password").post(password_changes::change_password))
        .service(at("/v1/accounts/me/restore").post(account_deletion::restore_account))
        .service(at("/v1/accounts/confirm-address").post(address_changes::confirm_address))
        .service(at("/v1/password-resets").post(password_resets::create_password_reset))
        .service(at("/v1/password-resets/confirm").post(password_resets::confirm_password_reset))
        .service(
            at("/v1/accounts/me/second-factor")
                .get(second_factor::show_second_factor)
                .post(second_factor::begin_second_factor)
                .delete(second_factor::delete_second_factor),
        )
        .service(at("/v1/accounts/me/second-factor/confirm").post(second_factor::confirm_second_factor))
        .service(at("/v1/accounts/me/second-factor/recovery-codes").post(second_factor::replace_recovery_codes))
        .service(
            at("/v1/sessions")
                .get(sessions::list_sessions)
                .post(sessions::create_session),
        )
        .service(
            at("/v1/sessions/current")
                .get(sessions::show_session)
                .delete(sessions::delete_current_session),
        )
        .service(at("/v1/sessions/current/confirm").post(sessions::confirm_session))
        .service(at("/v1/sessions/others").delete(sessions::delete_other_sessions))
        .service(at("/v1/sessions/{id}").delete(sessions::delete_session))
        .service(
            at("/v1/api-keys")
                .get(api_keys::list_api_keys)
                .post(api_keys::create_api_key),
        )
        .service(at("/v1/api-keys/{id}").delete(api_keys::delete_api_key))
        .service(at("/v1/api-keys/{id}/rotate").post(api_keys::rotate_api_key))
        .service(
            at("/v1/security-events")
                .takes(Scope::AccountRead)
                .get(security_events::list_security_events),
        )
        // Work.
        .service(
            at("/v1/emails")
                .takes_mails()
                .takes(Scope::EmailsWrite)
                .post(emails::create_email),
        )
        .service(
            at("/v1/emails/batch")
                .takes_mails()
                .takes(Scope::EmailsWrite)
                .post(emails::create_emails),
        )
        .service(
            at("/v1/uploads")
                .takes(Scope::UploadsRead)
                .get(uploads::list_uploads)
                .takes(Scope::UploadsWrite)
                .post(uploads::create_upload),
        )
        .service(
            at("/v1/uploads/{id}")
                .takes(Scope::UploadsRead)
                .get(uploads::show_upload)
                .takes(Scope::UploadsWrite)
                .delete(uploads::delete_upload),
        )
        .service(at("/v1/probes").takes(Scope::ProbesWrite).post(probes::create_probe))
        .service(
            at("/v1/probes/batch")
                .takes(Scope::OperatorsWrite)
                .post(probes::create_probes),
        )
        .service(
            at("/v1/reports")
                .takes(Scope::ReportsRead)
                .get(reports::list_reports)
                .takes(Scope::ReportsWrite)
                .post(reports::create_report),
        )
        .service(
            at("/v1/reports/{id}")
                .takes(Scope::ReportsRead)
                .get(reports::show_report)
                .takes(Scope::ReportsWrite)
                .delete(reports::delete_report),
        )
        .service(
            at("/v1/reports/{id}/file")
                .takes(Scope::ReportsRead)
                .get(reports::show_report_file),
        )
        .service(
            at("/v1/batches")
                .takes(Scope::BatchesRead)
                .get(batches::list_batches)
                .takes(Scope::BatchesWrite)
                .post(batches::create_batch),
        )
        .service(
            at("/v1/batches/{id}")
                .takes(Scope::BatchesRead)
                .get(batches::show_batch),
        )
        .service(
            at("/v1/batches/{id}/jobs")
                .takes(Scope::BatchesWrite)
                .post(batches::add_jobs),
        )
        .service(
            at("/v1/batches/{id}/seal")
                .takes(Scope::BatchesWrite)
                .post(batches::seal_batch),
        )
        .service(
            at("/v1/batches/{id}/cancel")
                .takes(Scope::BatchesWrite)
                .post(batches::cancel_batch),
        )
        .service(
            at("/v1/schedules")
                .takes(Scope::SchedulesRead)
                .get(schedules::list_schedules)
                .takes(Scope::SchedulesWrite)
                .post(schedules::create_schedule),
        )
        .service(
            at("/v1/schedules/preview")
                .takes(Scope::SchedulesRead)
                .post(schedules::preview_schedule),
        )
        .service(
            at("/v1/schedules/{id}")
                .takes(Scope::SchedulesRead)
                .get(schedules::show_schedule)
                .takes(Scope::SchedulesWrite)
                .patch(schedules::update_schedule)
                .delete(schedules::delete_schedule),
        )
        .service(
            at("/v1/schedules/{id}/fires")
                .takes(Scope::SchedulesRead)
                .get(schedules::list_fires),
        )
        .service(
            at("/v1/schedules/{id}/pause")
                .takes(Scope::SchedulesWrite)
                .post(schedules::pause_schedule),
        )
        .service(
            at("/v1/schedules/{id}/resume")
                .takes(Scope::SchedulesWrite)
                .post(schedules::resume_schedule),
        )
        .service(
            at("/v1/schedules/{id}/run")
                .takes(Scope::SchedulesWrite)
                .post(schedules::run_schedule),
        )
        .service(
            at("/v1/templates")
                .takes(Scope::TemplatesRead)
                .get(templates::list_templates)
                .takes(Scope::TemplatesWrite)
                .post(templates::create_template),
        )
        .service(
            at("/v1/templates/built-in")
                .takes(Scope::OperatorsRead)
                .get(templates::list_built_ins),
        )
        .service(
            at("/v1/templates/built-in/{name}")
                .takes(Scope::OperatorsRead)
                .get(templates::show_built_in)
                .takes(Scope::OperatorsWrite)
                .put(templates::replace_built_in)
                .delete(templates::delete_built_in),
        )
        .service(
            at("/v1/templates/{id}")
                .takes(Scope::TemplatesRead)
                .get(templates::show_template)
                .takes(Scope::TemplatesWrite)
                .delete(templates::delete_template),
        )
        .service(
            at("/v1/templates/{id}/preview")
                .takes(Scope::TemplatesRead)
                .post(templates::preview_template),
        )
        .service(
            at("/v1/templates/{id}/versions/{version}")
                .takes(Scope::TemplatesRead)
                .get(templates::show_version),
        )
        .service(
            at("/v1/templates/{id}/versions/{version}/restore")
                .takes(Scope::TemplatesWrite)
                .post(templates::restore_version),
        )
        .service(
            at("/v1/suppressions")
                .takes(Scope::SuppressionsRead)
                .get(suppressions::list_suppressions)
                .takes(Scope::SuppressionsWrite)
                .post(suppressions::create_suppression),
        )
        .service(
            at("/v1/suppressions/import")
                .takes(Scope::SuppressionsWrite)
                .post(suppressions::import_suppressions),
        )
        .service(
            at("/v1/suppressions/{id}")
                .takes(Scope::SuppressionsRead)
                .get(suppressions::show_suppression)
                .takes(Scope::SuppressionsWrite)
                .delete(suppressions::delete_suppression),
        )
        .service(at("/v1/limits").takes(Scope::LimitsRead).get(limits::list_limits))
        .service(
            at("/v1/limits/{queue}/{key}")
                .takes(Scope::LimitsRead)
                .get(limits::show_limit)
                .takes(Scope::LimitsWrite)
                .put(limits::set_limit)
                .delete(limits::delete_limit),
        )
        .service(at("/v1/jobs").takes(Scope::JobsRead).get(jobs::list_jobs))
        .service(at("/v1/jobs/causes").takes(Scope::JobsRead).get(causes::list_causes))
        .service(at("/v1/jobs/bulk").takes(Scope::OperatorsWrite).post(bulk::create_bulk))
        .service(
            at("/v1/jobs/bulk/preview")
                .takes(Scope::OperatorsRead)
                .post(bulk::preview_bulk),
        )
        .service(
            at("/v1/jobs/events")
                .takes(Scope::JobsRead)
                .stream(following::stream_jobs),
        )
        .service(at("/v1/jobs/{id}").takes(Scope::JobsRead).get(jobs::show_job))
        .service(
            at("/v1/jobs/{id}/events")
                .takes(Scope::JobsRead)
                .stream(following::stream_job),
        )
        .service(
            at("/v1/jobs/{id}/cancel")
                .takes(Scope::JobsWrite)
                .post(jobs::cancel_job),
        )
        .service(at("/v1/jobs/{id}/retry").takes(Scope::JobsWrite).post(jobs::retry_job))
        .service(
            at("/v1/jobs/{id}/resolve")
                .takes(Scope::JobsWrite)
                .post(jobs::resolve::resolve_job),
        )
        // Operators.
        .service(at("/v1/queues").takes(Scope::OperatorsRead).get(queues::list_queues))
        .service(
            at("/v1/queues/{name}/pause")
                .takes(Scope::OperatorsWrite)
                .post(queues::pause_queue),
        )
        .service(
            at("/v1/queues/{name}/resume")
                .takes(Scope::OperatorsWrite)
                .post(queues::resume_queue),
        )
        .service(at("/v1/audit").takes(Scope::OperatorsRead).get(audit::list_acts))
        .service(
            at("/v1/queues/{name}/limit")
                .takes(Scope::OperatorsRead)
                .get(limits::show_queue_limit)
                .takes(Scope::OperatorsWrite)
                .put(limits::set_queue_limit)
                .delete(limits::delete_queue_limit),
        )
        .service(
            at("/v1/workspaces")
                .takes(Scope::OperatorsRead)
                .get(workspaces::list_workspaces),
        )
        .service(
            at("/v1/workspaces/current")
                .takes(Scope::AccountRead)
                .get(workspaces::show_current_workspace),
        )
        .service(
            at("/v1/workspaces/{id}")
                .takes(Scope::AccountRead)
                .get(workspaces::show_workspace)
                .takes(Scope::OperatorsWrite)
                .patch(workspaces::update_workspace),
        )
        .service(at("/v1/nodes").takes(Scope::OperatorsRead).get(nodes::list_nodes))
        .service(
            at("/v1/supervision")
                .takes(Scope::OperatorsRead)
                .get(supervision::show_tree),
        )
        .service(
            at("/v1/supervision/events")
                .takes(Scope::OperatorsRead)
                .stream(supervision::stream_events),
        )
        .service(
            at("/v1/supervision/{name}")
                .takes(Scope::OperatorsRead)
                .get(supervision::show_node),
        )
        .service(
            at("/v1/supervision/{name}/restart")
                .takes(Scope::OperatorsWrite)
                .post(supervision::restart_child),
        )
        .service(
            at("/v1/supervision/{name}/suspend")
                .takes(Scope::OperatorsWrite)
                .post(supervision::suspend_child),
        )
        .service(
            at("/v1/supervision/{name}/resume")
                .takes(Scope::OperatorsWrite)
                .post(supervision::resume_child),
        )
        .service(
            at("/v1/supervision/{name}/panic")
                .takes(Scope::OperatorsWrite)
                .post(supervision::panic_child),
        )
}
