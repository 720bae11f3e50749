//! Where a request comes from: the address of its connection, or the part of it that one person commonly has.
//!
//! What the address of a client is, proxies and all, is [`super::super::client`]'s to say.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use std::future::{Ready, ready};

use super::super::State;
use super::super::client::Client;
use super::super::http::Problem;

/// An IPv4 address, or the first 64 bits of an IPv6 address: those that follow are the client's own to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::api) struct Network(IpAddr);

impl Network {
    /// The network of an address.
    pub(in crate::api) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

impl Network {
    /// What is around it: 16 bits of an IPv4 address, 32 of an IPv6 address, of which nobody has many.
    pub(super) fn surroundings(self) -> Self {
        Self(match self.0 {
            IpAddr::V4(address) => {
                let [a, b, ..] = address.octets();
                IpAddr::V4(Ipv4Addr::new(a, b, 0, 0))
            }
            IpAddr::V6(address) => {
                let [a, b, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0))
            }
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

/// A request that its network may make now; others are refused with 429 before their body is read.
pub(in crate::api) struct NetworkTurn;

impl FromRequest for NetworkTurn {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let taken = match request.app_data::<web::Data<State>>() {
            Some(state) => state.throttle.take_entry(&Client::of(request)),
            // The handler's own state is missing then too, which is told as what it is.
            None => Ok(()),
        };
        ready(taken.map(|()| Self))
    }
}
