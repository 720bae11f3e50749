//! Who sent a request, as far as the connection and its head say it: the network and the program.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};

use super::throttle::Network;

/// The most characters of a program's name for itself that are kept: enough for every browser.
const USER_AGENT_CHARS_MAX: usize = 200;

/// Who sent a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    /// Where from; none where that is not known, as in a test.
    pub(super) address: Option<IpAddr>,
    /// By which program, as it names itself.
    pub(super) user_agent: Option<String>,
}

impl Client {
    /// Who sent `request`.
    pub(super) fn of(request: &HttpRequest) -> Self {
        let user_agent = request
            .headers()
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .map(|text| text.chars().take(USER_AGENT_CHARS_MAX).collect());
        Self {
            address: request.peer_addr().map(|peer| peer.ip()),
            user_agent,
        }
    }

    /// The part of the address that one person commonly has.
    pub(super) fn network(&self) -> Option<Network> {
        self.address.map(Network::of)
    }
}

impl FromRequest for Client {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}
