//! Who sent a request, as far as the connection and its head say it: the network and the program.
//!
//! Guarantees: where somebody comes from is the address of the connection, or what trusted proxies (`http.trusted_proxies`) say of it;
//! no client chooses it. All that is counted or written down of clients goes by this.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};

use super::State;
use super::throttle::Network;
use crate::domain::forwarded::{ForwardedHeader, Proxies};

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
            address: address_of(request),
            user_agent,
        }
    }

    /// The part of the address that one person commonly has.
    pub(super) fn network(&self) -> Option<Network> {
        self.address.map(Network::of)
    }
}

fn address_of(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let address = match request.app_data::<web::Data<State>>() {
        Some(state) => forwarded(peer, request, &state.config.http.proxies),
        None => peer,
    };
    Some(address)
}

fn forwarded(peer: IpAddr, request: &HttpRequest, proxies: &Proxies) -> IpAddr {
    let name = match proxies.header() {
        ForwardedHeader::XForwardedFor => header::X_FORWARDED_FOR,
        ForwardedHeader::Forwarded => header::FORWARDED,
    };
    let lines: Vec<&[u8]> = request
        .headers()
        .get_all(name)
        .map(header::HeaderValue::as_bytes)
        .collect();
    proxies.client(peer, lines.into_iter())
}

impl FromRequest for Client {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}
