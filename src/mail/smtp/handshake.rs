//! The TLS handshake with a relay, and its failures in plain words.

use std::io;
use std::net::IpAddr;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, Error};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::trust::Trust;
use crate::clock::Timestamp;

/// Encrypts `stream` to the relay `host`.
///
/// # Errors
/// What is wrong, in words for people.
pub(super) async fn encrypt(trust: &Trust, host: &str, stream: TcpStream) -> Result<Box<TlsStream<TcpStream>>, String> {
    let name = match host.parse::<IpAddr>() {
        Ok(ip) => ServerName::from(ip),
        Err(_not_an_address) => ServerName::try_from(host.to_owned())
            .map_err(|_invalid| format!("{host} is no name that a certificate could be for"))?,
    };
    let handshake = Box::pin(TlsConnector::from(trust.config()).connect(name, stream));
    handshake.await.map(Box::new).map_err(|error| explain(&error, host))
}

/// What a failed handshake with `host` means and what helps.
fn explain(error: &io::Error, host: &str) -> String {
    let Some(cause) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => "the relay closed the connection during the TLS handshake".to_owned(),
            _ => error.to_string(),
        };
    };
    match cause {
        Error::InvalidCertificate(problem) => certificate(problem, host),
        Error::InvalidMessage(_) => "what answered does not speak TLS; a port with TLS from the start is meant by \
                                     smtps://, one with STARTTLS by smtp://"
            .to_owned(),
        Error::PeerIncompatible(_) | Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the relay does not speak TLS 1.2 or newer in a way that is known here".to_owned()
        }
        other => format!("the TLS handshake failed: {other}"),
    }
}

fn certificate(problem: &CertificateError, host: &str) -> String {
    match problem {
        CertificateError::UnknownIssuer => {
            "the relay's certificate is issued by nobody whom this system trusts; if that \
                                            is a private authority, name its certificate in mail.ca_file"
                .to_owned()
        }
        // What an authority that was made anew under its old name leads to.
        CertificateError::BadSignature => {
            "the relay's certificate is not signed by the authority that is trusted here under \
                                           that name; the certificate in mail.ca_file may be an older one"
                .to_owned()
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            let micros = i64::try_from(not_after.as_secs())
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000_000);
            format!(
                "the relay's certificate has expired, on {}",
                Timestamp::from_micros(micros)
            )
        }
        CertificateError::Expired => "the relay's certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the relay's certificate is not valid yet; one of the two clocks may be wrong".to_owned()
        }
        CertificateError::NotValidForName => format!("the relay's certificate is not for {host}"),
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!(
                "the relay's certificate is not for {host}; it is for {}",
                names(presented)
            )
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "the relay shows the certificate of an authority as its own; it needs one of its own, issued by that \
             authority"
                .to_owned()
        }
        other => format!("the relay's certificate is not accepted: {other}"),
    }
}

/// The names in a certificate, as rustls tells them: `DnsName("mail.example.com")`, `IpAddress(127.0.0.1)`.
fn names(presented: &[String]) -> String {
    /// A certificate may hold hundreds.
    const NAMES_MAX: usize = 5;
    let plain = |name: &String| {
        let inner = name
            .split_once('(')
            .map_or(name.as_str(), |(_, rest)| rest.trim_end_matches(')'));
        inner.trim_matches('"').to_owned()
    };
    let shown: Vec<String> = presented.iter().take(NAMES_MAX).map(plain).collect();
    match (shown.len(), presented.len()) {
        (0, _) => "no name at all (only those in its subjectAltName count)".to_owned(),
        (shown_count, count) if shown_count < count => format!("{} and more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(error: Error) -> String {
        explain(&io::Error::other(error), "mail.example.com")
    }

    #[test]
    fn each_failure_of_a_certificate_says_what_is_wrong_with_it() {
        for (problem, words) in [
            (CertificateError::UnknownIssuer, "mail.ca_file"),
            (CertificateError::Expired, "has expired"),
            (CertificateError::NotValidYet, "not valid yet"),
            (CertificateError::NotValidForName, "is not for mail.example.com"),
            (CertificateError::BadSignature, "may be an older one"),
            (CertificateError::BadEncoding, "is not accepted"),
        ] {
            let said = explained(Error::InvalidCertificate(problem));
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn the_names_in_a_certificate_are_shown_plainly_and_few() {
        let presented = ["DnsName(\"a.example\")", "IpAddress(127.0.0.1)", "b.example"].map(str::to_owned);
        assert_eq!(names(&presented), "a.example, 127.0.0.1, b.example");
        assert!(names(&[]).starts_with("no name at all"));
        let many: Vec<String> = (0..9).map(|number| format!("{number}.example")).collect();
        assert!(names(&many).ends_with("4.example and more"));
    }

    #[test]
    fn a_server_that_speaks_no_tls_or_an_old_one_is_told_apart_from_a_lost_connection() {
        let alert = Error::AlertReceived(AlertDescription::ProtocolVersion);
        assert!(explained(alert).contains("TLS 1.2 or newer"));
        let plain = Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert!(explained(plain).contains("does not speak TLS"));
        let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert!(explain(&cut, "a").contains("closed the connection during"));
    }
}
