//! Where a request comes from that passed through proxies.
//!
//! Guarantees: only what trusted proxies wrote is believed. The way of a request is walked back from its connection, hop by hop,
//! as long as the hop is trusted; what cannot be read ends the walk at the hop that wrote it. What stands further left, which a
//! client may have sent itself, changes nothing: not even a quote that is never closed.
//!
//! Left out: the PROXY protocol, and what proxies say of the scheme and the host, which the settings say.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::named::named;

named! {
    /// In which header the proxies say whom they had a request from. The other one is passed over, since a proxy that does not
    /// write it passes it on as a client sent it.
    ForwardedHeader {
        /// `X-Forwarded-For`: addresses with commas between.
        XForwardedFor = "x-forwarded-for",
        /// `Forwarded` (RFC 7239).
        Forwarded = "forwarded",
    }
}

/// The proxies in front of the service.
#[derive(Clone, Debug)]
pub struct Proxies {
    networks: Vec<IpNet>,
    header: ForwardedHeader,
}

impl Proxies {
    /// Those in these networks, which write this header.
    #[must_use]
    pub fn new(networks: Vec<IpNet>, header: ForwardedHeader) -> Self {
        Self { networks, header }
    }

    /// The header to look into.
    #[must_use]
    pub fn header(&self) -> ForwardedHeader {
        self.header
    }

    /// Whether what comes from this address is believed.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Where a request comes from that came over a connection from `peer`, with these lines of the header in the order in which
    /// they stand: the first hop, seen from here, that is no trusted proxy; or else the furthest that is named.
    pub fn client<'a>(&self, peer: IpAddr, lines: impl DoubleEndedIterator<Item = &'a [u8]>) -> IpAddr {
        let mut client = peer.to_canonical();
        let header = self.header;
        let hops = lines.rev().flat_map(|line| FromTheRight::of(line, header));
        for hop in hops.filter(|hop| !hop.is_empty()) {
            if !self.trusts(client) {
                break;
            }
            let Some(before) = node(hop, header) else { break };
            client = before;
        }
        client
    }
}

/// The elements of a list, the last first, without the blanks around them.
struct FromTheRight<'a> {
    rest: Option<&'a [u8]>,
    may_quote: bool,
}

impl<'a> FromTheRight<'a> {
    fn of(line: &'a [u8], header: ForwardedHeader) -> Self {
        Self {
            rest: Some(line),
            may_quote: header == ForwardedHeader::Forwarded,
        }
    }

    /// Where the last element begins, and where the rest ends. Seen from the right, a quote opens what it closes, so that
    /// nothing to the left of an element can make it another one.
    fn split(&self, list: &'a [u8]) -> (Option<&'a [u8]>, &'a [u8]) {
        let mut is_quoted = false;
        for (index, byte) in list.iter().enumerate().rev() {
            let (before, after) = list.split_at(index);
            match byte {
                b'"' if self.may_quote => is_quoted = !is_quoted || is_escaped(before),
                b',' if !is_quoted => return (Some(before), after.get(1..).unwrap_or_default()),
                _ => {}
            }
        }
        (None, list)
    }
}

impl<'a> Iterator for FromTheRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let list = self.rest.take()?;
        let (rest, element) = self.split(list);
        self.rest = rest;
        Some(element.trim_ascii())
    }
}

/// Whether a quote behind this stands for itself, within a quoted string.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The address that an element of the header names; none if it names none, or hides it.
fn node(element: &[u8], header: ForwardedHeader) -> Option<IpAddr> {
    let element = std::str::from_utf8(element).ok()?;
    match header {
        ForwardedHeader::XForwardedFor => address(element),
        ForwardedHeader::Forwarded => address(&forwarded_for(element)?),
    }
}

/// The value of `for` among the pairs of an element; none if it is not there once, or a pair is none.
fn forwarded_for(element: &str) -> Option<Cow<'_, str>> {
    let (mut found, mut rest) = (None, element);
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value_before(after)?;
        if name.trim_ascii().eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
        rest = match after.trim_ascii_start() {
            "" => return found,
            more => more.strip_prefix(';')?.trim_start_matches([';', ' ', '\t']),
        };
        if rest.is_empty() {
            return found;
        }
    }
}

/// The value that a text begins with, quoted or not, and what is behind it.
fn value_before(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.trim_ascii_start().strip_prefix('"') else {
        let (value, after) = text.split_at(text.find(';').unwrap_or(text.len()));
        let value = value.trim_ascii();
        // More is let through than a token may have: brackets and colons, which many forget to quote.
        let is_plain = !value.contains(['"', '\\', ' ', '\t']);
        return is_plain.then_some((Cow::Borrowed(value), after));
    };
    let mut value = String::new();
    let mut all = quoted.chars();
    loop {
        match all.next()? {
            '"' => return Some((Cow::Owned(value), all.as_str())),
            '\\' => value.push(all.next()?),
            other => value.push(other),
        }
    }
}

/// The address of a node: bare, or an IPv6 address in brackets, with or without a port. One that is `unknown` or hides behind an
/// underscore has none.
fn address(node: &str) -> Option<IpAddr> {
    if let Ok(bare) = node.parse::<IpAddr>() {
        return Some(bare.to_canonical());
    }
    let (address, port) = match node.strip_prefix('[') {
        Some(bracketed) => {
            let (address, port) = bracketed.split_once(']')?;
            (IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), port)
        }
        None => {
            let colon = node.find(':')?;
            let (address, port) = node.split_at(colon);
            (IpAddr::V4(address.parse::<Ipv4Addr>().ok()?), port)
        }
    };
    is_port(port).then(|| address.to_canonical())
}

/// Whether this is nothing, or a colon and a port or what hides one.
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else {
        return text.is_empty();
    };
    let is_hidden = |rest: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        !rest.is_empty() && rest.bytes().all(allowed)
    };
    match port.strip_prefix('_') {
        Some(rest) => is_hidden(rest),
        None => (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests;
