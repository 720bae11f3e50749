//! The way of a request through proxies, and what a client can make of it: nothing.

use proptest::prelude::*;

use super::*;

fn proxies(header: ForwardedHeader) -> Proxies {
    let networks = ["10.0.0.0/8", "2001:db8:aaaa::/48", "127.0.0.1/32"];
    Proxies::new(networks.map(|text| text.parse().unwrap()).to_vec(), header)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[track_caller]
fn check(header: ForwardedHeader, peer: &str, lines: &[&str], expected: &str) {
    let client = proxies(header).client(ip(peer), lines.iter().map(|line| line.as_bytes()));
    assert_eq!(client, ip(expected), "{peer} {lines:?}");
}

#[test]
fn the_first_hop_that_is_no_trusted_proxy_is_the_client() {
    let (peer, header) = ("10.0.0.1", ForwardedHeader::XForwardedFor);
    for (lines, expected) in [
        (&["192.0.2.1"][..], "192.0.2.1"),
        (&[], peer),
        (&["198.51.100.1, 192.0.2.1"], "192.0.2.1"),
        (&["198.51.100.1,192.0.2.1 , 10.9.9.9"], "192.0.2.1"),
        (&["198.51.100.1", "192.0.2.1", "10.9.9.9, 10.8.8.8"], "192.0.2.1"),
        (&["192.0.2.1, , ", ""], "192.0.2.1"),
        (&["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        (&["192.0.2.1:51234"], "192.0.2.1"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&["[2001:db8::1]"], "2001:db8::1"),
        (&["[2001:db8::1]:443, 2001:db8:aaaa::5"], "2001:db8::1"),
        (&["::ffff:192.0.2.1"], "192.0.2.1"),
        (&["192.0.2.7, ::ffff:10.2.2.2"], "192.0.2.7"),
    ] {
        check(header, peer, lines, expected);
        check(header, "::ffff:10.0.0.1", lines, expected);
        check(header, "192.0.2.99", lines, "192.0.2.99");
    }
}

#[test]
fn what_cannot_be_read_ends_the_walk_at_the_hop_that_wrote_it() {
    let (peer, header) = ("10.0.0.1", ForwardedHeader::XForwardedFor);
    for hop in [
        "unknown",
        "_hidden",
        "example.org",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.1:",
        "192.0.2.1:123456",
        "192.0.2.1:http",
        "[2001:db8::1",
        "[192.0.2.1]",
        "[2001:db8::1]443",
        "2001:db8::1]:443",
        "fe80::1%eth0",
        "\"192.0.2.1\"",
        "192.0.2.1 192.0.2.2",
        "for=192.0.2.1",
        "\u{0}",
    ] {
        check(header, peer, &[hop], peer);
        check(header, peer, &["192.0.2.1", &format!("{hop}, 10.3.3.3")], "10.3.3.3");
    }
}

#[test]
fn the_standard_header_is_read_with_its_quotes_and_parameters() {
    let (peer, header) = ("127.0.0.1", ForwardedHeader::Forwarded);
    for (lines, expected) in [
        (&["for=192.0.2.1"][..], "192.0.2.1"),
        (&["For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
        (&["for=[2001:db8:cafe::17]"], "2001:db8:cafe::17"),
        (&["for=192.0.2.43, for=198.51.100.17"], "198.51.100.17"),
        (&["for=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60"),
        (
            &["proto=https; FOR = \"192.0.2.60:_port\" ; by=10.0.0.9;"],
            "192.0.2.60",
        ),
        (&["for=192.0.2.60;host=\"a,b;for=1.2.3.4\""], "192.0.2.60"),
        (&["for=192.0.2.60;host=\"a\\\",\\\\\", for=10.1.1.1"], "192.0.2.60"),
        (&["for=192.0.2.1", "for=192.0.2.2, for=10.1.1.1"], "192.0.2.2"),
        // What a client sent before: quotes that are never closed.
        (&["for=\"1.2.3.4, for=192.0.2.2"], "192.0.2.2"),
        (&["for=\"1.2.3.4\\, for=\"192.0.2.2\""], "192.0.2.2"),
        (&["host=\"\\\"\\", "for=192.0.2.2;host=\"x\""], "192.0.2.2"),
        // What names nobody.
        (&["for=unknown"], peer),
        (&["for=_secret"], peer),
        (&["proto=https"], peer),
        (&["192.0.2.1"], peer),
        (&["for=192.0.2.1;for=192.0.2.2"], peer),
        (&["for=\"192.0.2.1\"x"], peer),
        (&["for=192.0.2.1;;"], "192.0.2.1"),
        (&["for=192.0.2.1;by"], peer),
        (&["for=192.0.2.1 by=x"], peer),
        (&["for=192.0.2.2, for=unknown"], peer),
    ] {
        check(header, peer, lines, expected);
    }
}

/// A way that a proxy may name whom it had a request from.
fn named(client: IpAddr, port: u16, style: u8, header: ForwardedHeader) -> String {
    let bare = client.to_string();
    let bracketed = match client {
        IpAddr::V4(_) => bare.clone(),
        IpAddr::V6(_) => format!("[{bare}]"),
    };
    match (header, style % 4) {
        (ForwardedHeader::XForwardedFor, 0) => bare,
        (ForwardedHeader::XForwardedFor, 1) => bracketed,
        (ForwardedHeader::XForwardedFor, _) => format!("{bracketed}:{port}"),
        (ForwardedHeader::Forwarded, 0) => format!("for=\"{bracketed}\""),
        (ForwardedHeader::Forwarded, 1) => format!("proto=https;for=\"{bracketed}:{port}\";by=_me"),
        (ForwardedHeader::Forwarded, 2) => format!("For=\"{bracketed}:_p\";host=\"a\\\"b\\\\,c;for=x\""),
        (ForwardedHeader::Forwarded, _) => format!("for={bracketed};host=example.org"),
    }
}

fn headers() -> impl Strategy<Value = ForwardedHeader> {
    prop::sample::select(ForwardedHeader::ALL)
}

/// Whatever a client may write into a line, often what looks like something.
fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let piece = prop_oneof![
        Just(b"for=".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"\\".to_vec()),
        Just(b",".to_vec()),
        Just(b";".to_vec()),
        Just(b"10.1.1.1".to_vec()),
        Just(b"198.51.100.66".to_vec()),
        Just(b"[2001:db8:aaaa::1]:80".to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    let line = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    prop::collection::vec(line, 0..4)
}

/// An address that is no trusted proxy's.
fn stranger() -> impl Strategy<Value = IpAddr> {
    let any = prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| IpAddr::V6(bits.into()))
    ];
    any.prop_map(|address| address.to_canonical())
        .prop_filter("trusted", |address| {
            !proxies(ForwardedHeader::Forwarded).trusts(*address)
        })
}

proptest! {
    #[test]
    fn whoever_comes_by_no_trusted_proxy_is_where_the_connection_is(header in headers(), peer in stranger(), sent in lines()) {
        prop_assert_eq!(proxies(header).client(peer, sent.iter().map(Vec::as_slice)), peer);
    }

    #[test]
    fn no_client_chooses_its_address_whatever_it_sends(
        header in headers(),
        client in stranger(),
        sent in lines(),
        hops in prop::collection::vec((any::<u8>(), any::<u16>(), any::<bool>()), 1..4),
    ) {
        // Each proxy adds where it had the request from: at the end of the last line, or as a line of its own.
        let mut seen = sent;
        let mut from = client;
        for (index, (style, port, is_apart)) in hops.iter().enumerate() {
            let hop = named(from, *port, *style, header);
            match seen.last_mut().filter(|_| !is_apart) {
                Some(last) => {
                    last.extend_from_slice(b", ");
                    last.extend_from_slice(hop.as_bytes());
                }
                None => seen.push(hop.into_bytes()),
            }
            from = IpAddr::V4([10, 0, 0, u8::try_from(index).unwrap()].into());
        }
        prop_assert_eq!(proxies(header).client(from, seen.iter().map(Vec::as_slice)), client);
    }
}
