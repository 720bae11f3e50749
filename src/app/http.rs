//! The HTTP server: limits, middleware in their order, and the routes.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

use super::AppError;
use crate::api::http::{Browsers, LargeBodies, Limits, browsers, request_id, security, unread};
use crate::api::{self, State};
use crate::config::Config;

/// Bodies beyond `http.max_body_bytes` that are at work at once, in KiB together: each is in memory about three times.
const LARGE_BODIES_KIB: u32 = 128 * 1024;

/// Takes the port, and answers the address that was taken beside it. Nobody is answered before [`listen`].
pub(super) fn bind(config: &Config) -> Result<(TcpListener, SocketAddr), AppError> {
    let refused = |source| AppError::Bind {
        bind: config.http.bind,
        source,
    };
    let listener = TcpListener::bind(config.http.bind).map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

/// Serves what comes to `listener`; the server runs once it is polled.
pub(super) fn listen(config: &Config, listener: TcpListener, state: web::Data<State>) -> Result<Server, AppError> {
    let limits = web::Data::new(Limits {
        max_body_bytes: config.http.max_body_bytes,
        // With what is around its texts and its files.
        mail_body_bytes: config.mail.message_bytes_max.saturating_add(config.http.max_body_bytes),
        request_timeout: config.http.request_timeout,
    });
    let large = web::Data::new(LargeBodies::new(LARGE_BODIES_KIB));
    let (is_tls, hsts) = (config.public_url.is_tls(), config.http.hsts);
    let to_browsers = web::Data::new(Browsers::new(is_tls, hsts, &config.http.cors_origins));
    let roles = config.roles;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(limits.clone())
            .app_data(large.clone())
            .app_data(to_browsers.clone())
            .default_service(web::to(security::not_found))
            .configure(api::routes_of(roles))
            .wrap(from_fn(security::limit_time))
            .wrap(from_fn(browsers::answer_for_other_sites))
            .wrap(from_fn(request_id::track))
            .wrap(from_fn(unread::close))
    })
    .workers(config.http.workers)
    .max_connections(config.http.connections_per_worker())
    .client_request_timeout(config.http.header_timeout)
    // A client that has closed its side is gone: who waits for a job, or follows one, is found out by that at once.
    .h1_allow_half_closed(false)
    .shutdown_timeout(seconds(config.shutdown.http))
    .disable_signals();
    let refused = |source| AppError::Bind {
        bind: config.http.bind,
        source,
    };
    Ok(server.listen(listener).map_err(refused)?.run())
}

/// Whole seconds, rounded up, as the server counts its patience.
fn seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}
