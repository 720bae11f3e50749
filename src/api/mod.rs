//! The HTTP surface: translates requests into store transactions and answers.
//!
//! Guarantees: a handler answers after at most one commit and never waits for slow work; 201 and 202 mean committed; a
//! client sees its own workspace only, and another's id is as good as none; whoever may not come in learns that before
//! anything about what they sent. All routes stand in `endpoints`, each with the scope that an API key needs for it.
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
mod endpoints;
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
use endpoints::endpoints;
use http::{Endpoint, Problem, Routed};

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
