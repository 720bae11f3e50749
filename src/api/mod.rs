//! The HTTP surface: translates requests into store transactions and answers.
//!
//! Guarantees: a handler answers after at most one commit and never waits for slow work; 201 and 202 mean committed; a
//! client sees its own workspace only, and another's id is as good as none; whoever may not come in learns that before
//! anything about what they sent. All routes stand in [`routes`].
//!
//! A handler waits for slow work only where the client prefers that (`Prefer: wait`), for a minute at most and in one of few
//! places.

mod accounts;
mod acting;
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
mod limits;
mod nodes;
mod openapi;
mod order;
mod page;
mod pages;
mod prefer;
mod probes;
mod queues;
mod reports;
mod schedules;
mod second_factor;
mod security_log;
mod sessions;
mod sse;
mod state;
mod supervision;
#[cfg(test)]
mod tests;
mod then;
mod throttle;
mod unique;
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
pub use openapi::document as openapi_document;
pub use reports::Downloads;
pub use state::{CancelAttempt, EventStreams, QueueWorker, ShutdownFlag, State};
pub use throttle::Throttle;
pub use waiting::Waiters;
pub use wrong_codes::WrongCodes;

use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, web};

use crate::domain::roles::Roles;
use http::{Endpoint, Endpoints, Problem};

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
    let all = all
        .into_iter()
        .fold(web::scope(""), |scope, endpoint| scope.service(endpoint));
    config
        .app_data(web::Data::new(openapi::Published::default()))
        .service(all.wrap(from_fn(idempotency::heed)));
}

/// Every route of the service.
fn endpoints() -> Endpoints {
    let at = Endpoint::at;
    Endpoints::default()
        // Open.
        .service(at("/").get(pages::show_home))
        .service(
            at("/verify")
                .get(verification::show_verify)
                .post(verification::post_verify),
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
                .get(accounts::show_account)
                .patch(accounts::update_account),
        )
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
        // Work.
        .service(at("/v1/emails").post(emails::create_email))
        .service(at("/v1/probes").post(probes::create_probe))
        .service(at("/v1/probes/batch").post(probes::create_probes))
        .service(
            at("/v1/reports")
                .get(reports::list_reports)
                .post(reports::create_report),
        )
        .service(
            at("/v1/reports/{id}")
                .get(reports::show_report)
                .delete(reports::delete_report),
        )
        .service(at("/v1/reports/{id}/file").get(reports::show_report_file))
        .service(at("/v1/batches").get(batches::list_batches).post(batches::create_batch))
        .service(at("/v1/batches/{id}").get(batches::show_batch))
        .service(at("/v1/batches/{id}/jobs").post(batches::add_jobs))
        .service(at("/v1/batches/{id}/seal").post(batches::seal_batch))
        .service(at("/v1/batches/{id}/cancel").post(batches::cancel_batch))
        .service(
            at("/v1/schedules")
                .get(schedules::list_schedules)
                .post(schedules::create_schedule),
        )
        .service(at("/v1/schedules/preview").post(schedules::preview_schedule))
        .service(
            at("/v1/schedules/{id}")
                .get(schedules::show_schedule)
                .patch(schedules::update_schedule)
                .delete(schedules::delete_schedule),
        )
        .service(at("/v1/schedules/{id}/fires").get(schedules::list_fires))
        .service(at("/v1/schedules/{id}/pause").post(schedules::pause_schedule))
        .service(at("/v1/schedules/{id}/resume").post(schedules::resume_schedule))
        .service(at("/v1/schedules/{id}/run").post(schedules::run_schedule))
        .service(at("/v1/limits").get(limits::list_limits))
        .service(
            at("/v1/limits/{queue}/{key}")
                .get(limits::show_limit)
                .put(limits::set_limit)
                .delete(limits::delete_limit),
        )
        .service(at("/v1/jobs").get(jobs::list_jobs))
        .service(at("/v1/jobs/causes").get(causes::list_causes))
        .service(at("/v1/jobs/bulk").post(bulk::create_bulk))
        .service(at("/v1/jobs/bulk/preview").post(bulk::preview_bulk))
        .service(at("/v1/jobs/events").stream(following::stream_jobs))
        .service(at("/v1/jobs/{id}").get(jobs::show_job))
        .service(at("/v1/jobs/{id}/events").stream(following::stream_job))
        .service(at("/v1/jobs/{id}/cancel").post(jobs::cancel_job))
        .service(at("/v1/jobs/{id}/retry").post(jobs::retry_job))
        // Operators.
        .service(at("/v1/queues").get(queues::list_queues))
        .service(at("/v1/queues/{name}/pause").post(queues::pause_queue))
        .service(at("/v1/queues/{name}/resume").post(queues::resume_queue))
        .service(at("/v1/audit").get(audit::list_acts))
        .service(
            at("/v1/queues/{name}/limit")
                .get(limits::show_queue_limit)
                .put(limits::set_queue_limit)
                .delete(limits::delete_queue_limit),
        )
        .service(at("/v1/workspaces").get(workspaces::list_workspaces))
        .service(
            at("/v1/workspaces/{id}")
                .get(workspaces::show_workspace)
                .patch(workspaces::update_workspace),
        )
        .service(at("/v1/nodes").get(nodes::list_nodes))
        .service(at("/v1/supervision").get(supervision::show_tree))
        .service(at("/v1/supervision/events").stream(supervision::stream_events))
        .service(at("/v1/supervision/{name}").get(supervision::show_node))
        .service(at("/v1/supervision/{name}/restart").post(supervision::restart_child))
        .service(at("/v1/supervision/{name}/suspend").post(supervision::suspend_child))
        .service(at("/v1/supervision/{name}/resume").post(supervision::resume_child))
        .service(at("/v1/supervision/{name}/panic").post(supervision::panic_child))
}
