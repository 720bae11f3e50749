//! `legwork sandbox`: a mail server for tests with its pages and its HTTP interface, in a process of its own.
//!
//! Guarantees: no mail leaves it; it listens on loopback unless told otherwise; a captured mail runs nothing in the browser
//! that shows it and loads nothing from elsewhere; other sites can neither read what it holds nor change it, be it by a form,
//! a script or a name that they let point here (see [`guard`]).
//!
//! Left out: logins (whoever reaches it sees all), storage, and anything of the service: it needs no settings and no database.

mod answers;
mod guard;
mod pages;
mod routes;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

use self::guard::Names;
use crate::sandbox::{Options, Relay, Rule};

/// How a sandbox is set up.
#[derive(Clone)]
pub struct SandboxOptions {
    /// The relay.
    pub relay: Options,
    /// Where its pages and its HTTP interface are.
    pub http: SocketAddr,
    /// Names by which it may be asked besides addresses and `localhost`, such as that of a container.
    pub names: Vec<String>,
    /// Rules that stand from the start.
    pub rules: Vec<Rule>,
}

/// Why a sandbox does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The address for mail cannot be had.
    #[error("the sandbox cannot listen on {at} for mail; --smtp is for another address")]
    Smtp {
        /// Which.
        at: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The address for its pages cannot be had, or they ended.
    #[error("the sandbox cannot listen on {at} for HTTP; --http is for another address")]
    Http {
        /// Which.
        at: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A sandbox that listens.
pub struct Sandbox {
    relay: Arc<Relay>,
    listener: TcpListener,
    http: SocketAddr,
    names: Names,
}

impl Sandbox {
    /// Takes both ports; mail is taken from now on.
    ///
    /// # Errors
    /// [`SandboxError`] when one of them cannot be had.
    pub fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        let at = options.http;
        let refused = |source| SandboxError::Http { at, source };
        let listener = TcpListener::bind(at).map_err(refused)?;
        let http = listener.local_addr().map_err(refused)?;
        let at = options.relay.bind;
        let relay = Relay::open(options.relay).map_err(|source| SandboxError::Smtp { at, source })?;
        for rule in options.rules {
            relay.rule(rule);
        }
        Ok(Self {
            relay: Arc::new(relay),
            listener,
            http,
            names: Names::new(options.names),
        })
    }

    /// Where mail is taken, as the service's setting `mail.url` has it.
    #[must_use]
    pub fn smtp_url(&self) -> String {
        self.relay.url()
    }

    /// Where its pages are.
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Serves its pages until SIGINT or SIGTERM. Needs an actix system.
    ///
    /// # Errors
    /// [`SandboxError::Http`] when the server fails.
    pub async fn serve(self) -> Result<(), SandboxError> {
        let at = self.http;
        let refused = |source| SandboxError::Http { at, source };
        let relay = web::Data::from(self.relay);
        let names = web::Data::new(self.names);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(relay.clone())
                .app_data(names.clone())
                .configure(routes::configure)
                .wrap(from_fn(guard::guard))
        })
        .workers(2)
        .shutdown_timeout(1)
        .listen(self.listener)
        .map_err(refused)?;
        server.run().await.map_err(refused)
    }
}
