//! Mail's way out, as the settings say.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::MailUrl;
use crate::domain::email::{AddressError, DisplayName, EmailAddress, HeaderTextError};
use crate::mail::{HelloName, OutboxTransport, Sender, SmtpConfig, SmtpTransport, Transport};

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

/// The transport to where mail goes. A relay is greeted with the domain of the sender.
pub(super) fn transport(url: &MailUrl, from: &str) -> Result<Arc<dyn Transport>, OutgoingError> {
    match url {
        MailUrl::Outbox(path) => match OutboxTransport::new(path) {
            Ok(outbox) => Ok(Arc::new(outbox)),
            Err(source) => Err(OutgoingError::Outbox {
                path: path.clone(),
                source,
            }),
        },
        MailUrl::Smtp { host, port } => {
            let hello_name = HelloName::parse(sender(from)?.address.domain()).unwrap_or_default();
            Ok(Arc::new(SmtpTransport::new(SmtpConfig {
                hello_name,
                ..SmtpConfig::new(host.as_str(), *port)
            })))
        }
    }
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
