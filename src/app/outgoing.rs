//! Mail's way out, as the settings say.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Mail, MailTls, MailUrl, Relay};
use crate::domain::email::{AddressError, DisplayName, EmailAddress, HeaderTextError};
use crate::mail::{
    HelloName, Login, OutboxTransport, Security, Sender, SmtpConfig, SmtpTransport, Transport, Trust, TrustError,
};

/// Why mail cannot be sent as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// The address in `mail.from` is not one.
    #[error("mail.from must be an address, or a name and an address as in: Legwork <legwork@example.com>")]
    Address(#[source] AddressError),
    /// The name in `mail.from` is not one.
    #[error("the name in mail.from cannot be used")]
    Name(#[source] HeaderTextError),
    /// The outbox's folder cannot be made.
    #[error("the outbox {path} cannot be made")]
    Outbox {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// No certificate of a relay can be checked.
    #[error("the certificates of a relay cannot be checked")]
    Trust(#[from] TrustError),
}

/// The sender written as `address` or `Name <address>`.
pub(super) fn sender(text: &str) -> Result<Sender, OutgoingError> {
    let (name, address) = match text.trim().strip_suffix('>').and_then(|rest| rest.split_once('<')) {
        Some((name, address)) => (name.trim(), address),
        None => ("", text.trim()),
    };
    let address = EmailAddress::parse(address).map_err(OutgoingError::Address)?;
    let name = if name.is_empty() {
        None
    } else {
        Some(DisplayName::parse(name).map_err(OutgoingError::Name)?)
    };
    Ok(Sender { address, name })
}

/// The transport to where mail goes.
pub(super) fn transport(mail: &Mail) -> Result<Arc<dyn Transport>, OutgoingError> {
    match &mail.url {
        MailUrl::Outbox(path) => match OutboxTransport::new(path) {
            Ok(outbox) => Ok(Arc::new(outbox)),
            Err(source) => Err(OutgoingError::Outbox {
                path: path.clone(),
                source,
            }),
        },
        MailUrl::Relay(relay) => Ok(Arc::new(SmtpTransport::new(to_relay(relay, mail)?))),
    }
}

/// How to speak to `relay`, which is greeted with the domain of the sender.
fn to_relay(relay: &Relay, mail: &Mail) -> Result<SmtpConfig, OutgoingError> {
    let trust = || Trust::load(mail.ca_file.as_deref());
    let security = match relay.tls {
        MailTls::None => Security::None,
        MailTls::Opportunistic => Security::Opportunistic(Trust::anybody()?),
        MailTls::Required => Security::StartTls(trust()?),
        MailTls::Implicit => Security::Tls(trust()?),
    };
    Ok(SmtpConfig {
        security,
        login: relay.login.as_ref().map(|login| Login {
            user: login.user.clone(),
            password: login.password.clone(),
        }),
        hello_name: HelloName::parse(sender(&mail.from)?.address.domain()).unwrap_or_default(),
        // As many as can be busy at once: an idle connection saves four round trips, and six with TLS and a login.
        max_idle: mail.concurrency,
        dot_timeout: mail.dot_timeout,
        ..SmtpConfig::new(relay.host.as_str(), relay.port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        let plain = sender("legwork@example.com").unwrap();
        assert_eq!((plain.address.as_str(), plain.name), ("legwork@example.com", None));
        let named = sender("Legwork at work <legwork@example.com>").unwrap();
        assert_eq!(named.name.unwrap().as_str(), "Legwork at work");
        for text in [
            "",
            "Legwork",
            "<>",
            "Legwork <legwork>",
            "a\r\nBcc: b@c.de <a@b.de>",
            "<a@b.de> x",
        ] {
            assert!(sender(text).is_err(), "{text}");
        }
    }
}
