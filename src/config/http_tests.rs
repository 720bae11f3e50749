//! Proxies and origins among the settings.

use std::path::Path;

use super::*;
use crate::config::Config;

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Http, String> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = Config::from_parts(Some((Path::new("legwork.toml"), file)), variables);
    config.map(|config| config.http).map_err(|error| error.to_string())
}

#[test]
fn no_proxy_is_trusted_and_no_other_site_is_named_unless_a_setting_does() {
    let http = load("", &[]).unwrap();
    assert!(!http.proxies.trusts("127.0.0.1".parse().unwrap()) && http.cors_origins.is_empty());
    assert_eq!(http.proxies.header(), ForwardedHeader::XForwardedFor);
    assert_eq!(http.hsts, Duration::from_secs(2 * 365 * 24 * 3600));
}

#[test]
fn proxies_are_networks_or_addresses_listed_in_the_file_or_joined_in_a_variable() {
    let listed = "[http]\ntrusted_proxies = ['10.0.0.0/8', '2001:db8::1']\nforwarded_header = 'forwarded'";
    let joined = [("LEGWORK_HTTP__TRUSTED_PROXIES", " 10.0.0.0/8 ,2001:db8::1")];
    for http in [load(listed, &[]).unwrap(), load("", &joined).unwrap()] {
        for (address, is_trusted) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("2001:db8::1", true),
            ("11.1.2.3", false),
            ("2001:db8::2", false),
        ] {
            assert_eq!(http.proxies.trusts(address.parse().unwrap()), is_trusted, "{address}");
        }
    }
    assert_eq!(load(listed, &[]).unwrap().proxies.header(), ForwardedHeader::Forwarded);
    for (given, told) in [
        ("proxy.example.com", "must be networks or addresses"),
        ("10.0.0.0/33", "must be networks or addresses"),
        ("10.0.0.1:80", "must be networks or addresses"),
        ("0.0.0.0/0", "must not trust every address"),
        ("10.0.0.1,::/0", "must not trust every address"),
        ("::ffff:10.0.0.0/104", "must have IPv4 addresses written as such"),
    ] {
        let message = load("", &[("LEGWORK_HTTP__TRUSTED_PROXIES", given)]).unwrap_err();
        assert!(message.contains(told) && message.contains(given), "{message}");
    }
    let message = load("", &[("LEGWORK_HTTP__FORWARDED_HEADER", "x-real-ip")]).unwrap_err();
    assert!(message.contains("x-forwarded-for, forwarded"), "{message}");
}

#[test]
fn origins_are_written_as_browsers_send_them() {
    let of = |text: &str| load("", &[("LEGWORK_HTTP__CORS_ORIGINS", text)]);
    let given = "https://app.example.com,http://localhost:3000,http://[::1]:8080";
    assert_eq!(of(given).unwrap().cors_origins, given.split(',').collect::<Vec<_>>());
    for wrong in [
        "*",
        "null",
        "app.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://App.example.com",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "https://*.example.com",
        "ftp://app.example.com",
    ] {
        let message = of(wrong).unwrap_err();
        assert!(
            message.contains("must be origins as browsers send them"),
            "{wrong}: {message}"
        );
    }
}
