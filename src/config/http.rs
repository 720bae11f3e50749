//! Serving HTTP: where, how much at once, behind which proxies, and for pages of which other sites.
//!
//! Guarantees: a network that has every address in it is no proxy's, and is refused; an origin is written as browsers write it, so
//! that it can be compared letter by letter.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use ipnet::IpNet;

use super::source::Settings;
use super::{ConfigError, Names, PublicUrl};
use crate::domain::forwarded::{ForwardedHeader, Proxies};

/// Serving HTTP.
#[derive(Clone, Debug)]
pub struct Http {
    /// The address and port to listen on; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Threads that serve requests; 1 to 256.
    pub workers: usize,
    /// The largest body of a request, in bytes; 1 KiB to 64 MiB.
    pub max_body_bytes: usize,
    /// The longest from the head of a request to its answer, the reading of its body included; 100 ms to 10 minutes.
    pub request_timeout: Duration,
    /// The longest that the head of a request may take to arrive; 100 ms to 10 minutes.
    pub header_timeout: Duration,
    /// The most connections at once over all threads; 1 to 100,000.
    pub max_connections: usize,
    /// The proxies whose word on where a request comes from is taken.
    pub proxies: Proxies,
    /// For how long browsers shall come by TLS alone, where people reach the service by it; 0 to 10 years, and 0 says nothing.
    pub hsts: Duration,
    /// The other sites whose pages may call the service, as browsers name them.
    pub cors_origins: Vec<String>,
}

impl Http {
    pub(super) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        const TEN_YEARS: u32 = 10 * 365 * 24 * 3600;
        Ok(Self {
            bind: settings.checked("http.bind", |text: String| {
                text.parse().or(Err(
                    "must be an IP address and a port, such as 127.0.0.1:8080 or [::]:8080",
                ))
            })?,
            workers: settings.ranged("http.workers", 1, 256)?,
            max_body_bytes: settings.ranged("http.max_body_bytes", 1024, 64 * 1024 * 1024)?,
            request_timeout: settings.millis("http.request_timeout_ms", 100, 600_000)?,
            header_timeout: settings.millis("http.header_timeout_ms", 100, 600_000)?,
            max_connections: settings.ranged("http.max_connections", 1, 100_000)?,
            proxies: Proxies::new(
                settings.checked("http.trusted_proxies", |names: Names| {
                    names.list().map(network).collect::<Result<_, _>>()
                })?,
                settings.checked("http.forwarded_header", |name: String| name.parse::<ForwardedHeader>())?,
            ),
            hsts: Duration::from_secs(settings.ranged("http.hsts_seconds", 0, TEN_YEARS)?),
            cors_origins: settings.checked("http.cors_origins", |names: Names| {
                names.list().map(origin).collect::<Result<_, _>>()
            })?,
        })
    }

    /// The most connections that each serving thread may hold, so that all together hold at most `max_connections`, or one
    /// each if there are more threads than that.
    #[must_use]
    pub fn connections_per_worker(&self) -> usize {
        let workers = NonZeroUsize::new(self.workers).unwrap_or(NonZeroUsize::MIN);
        (self.max_connections / workers).max(1)
    }
}

/// A network of proxies, or the address of one.
fn network(text: &str) -> Result<IpNet, &'static str> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().or(Err(
            "must be networks or addresses of proxies, such as 10.0.0.0/8 or 2001:db8::1",
        ))?,
    };
    if network.prefix_len() == 0 {
        return Err("must not trust every address: anybody could then say that they come from any other");
    }
    if network.addr().to_canonical() != network.addr() {
        return Err("must have IPv4 addresses written as such: 10.0.0.0/8, not ::ffff:10.0.0.0/104");
    }
    Ok(network)
}

/// An origin as browsers send it.
fn origin(text: &str) -> Result<String, &'static str> {
    let wrong = "must be origins as browsers send them, such as https://app.example.com: scheme, host and, unless it is the \
                 scheme's own, port, in lower case, with nothing after them";
    let own_port = if text.starts_with("https:") { ":443" } else { ":80" };
    let is_as_sent = PublicUrl::parse(text).is_ok_and(|url| url.as_str() == text)
        && !text.bytes().any(|byte| byte.is_ascii_uppercase())
        && !text.ends_with(own_port);
    if is_as_sent { Ok(text.to_owned()) } else { Err(wrong) }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
