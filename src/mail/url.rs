//! Where mail goes, as one setting: `smtp://host:port` or `file:path`.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::outbox::OutboxTransport;
use super::smtp::{HelloName, SmtpConfig, SmtpTransport};
use super::transport::Transport;

/// The port of `smtp://host`: that of mail relays, without TLS or AUTH (IANA).
const SMTP_PORT: u16 = 25;

/// Where mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailUrl {
    /// To a relay.
    Smtp {
        /// Name or IP address, IPv6 without brackets.
        host: String,
        /// Its port; 25 if none was given.
        port: u16,
    },
    /// Into a folder, as `.eml` files.
    File {
        /// The folder; relative ones count from the working directory.
        dir: PathBuf,
    },
}

/// Why a text is not a [`MailUrl`]; never repeats the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailUrlError {
    /// `smtps://`.
    #[error("smtps:// is not supported yet; use smtp:// to a relay on this host or a trusted network")]
    Tls,
    /// A user or a password before the `@`.
    #[error("a user and password in the mail URL are not supported yet; use a relay that needs none")]
    Credentials,
    /// Neither `smtp` nor `file`.
    #[error("the mail URL must start with smtp:// or file:")]
    Scheme,
    /// No host, or one with characters that no host has.
    #[error("the mail URL needs a host, such as smtp://localhost:25")]
    Host,
    /// Not a port.
    #[error("the port in the mail URL must be a number from 1 to 65535")]
    Port,
    /// A path, query or fragment behind the port.
    #[error("the mail URL must end after the port")]
    Trailing,
    /// `file:` without a folder, or with a host.
    #[error("the mail URL needs a folder, such as file:data/outbox")]
    Folder,
}

impl MailUrl {
    /// Reads `smtp://host`, `smtp://host:port`, `file:relative/path` or `file:///absolute/path`.
    ///
    /// # Errors
    /// [`MailUrlError`], which says what is not supported.
    pub fn parse(text: &str) -> Result<Self, MailUrlError> {
        let (scheme, rest) = text.split_once(':').ok_or(MailUrlError::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "smtp" => parse_relay(rest.strip_prefix("//").ok_or(MailUrlError::Host)?),
            "file" => parse_folder(rest),
            "smtps" => Err(MailUrlError::Tls),
            _ => Err(MailUrlError::Scheme),
        }
    }

    /// The transport to this place; `hello_name` is how a relay is greeted.
    ///
    /// # Errors
    /// An I/O error if the outbox's folder cannot be made or read. A relay is not asked before the first delivery.
    pub fn open(&self, hello_name: HelloName) -> io::Result<Arc<dyn Transport>> {
        match self {
            Self::Smtp { host, port } => {
                let config = SmtpConfig {
                    hello_name,
                    ..SmtpConfig::new(host.as_str(), *port)
                };
                Ok(Arc::new(SmtpTransport::new(config)))
            }
            Self::File { dir } => Ok(Arc::new(OutboxTransport::new(dir)?)),
        }
    }
}

fn parse_relay(rest: &str) -> Result<MailUrl, MailUrlError> {
    if rest.contains('@') {
        return Err(MailUrlError::Credentials);
    }
    let (authority, trailing) = match rest.find(['/', '?', '#']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if !matches!(trailing, "" | "/") {
        return Err(MailUrlError::Trailing);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(literal) => {
            let (host, behind) = literal.split_once(']').ok_or(MailUrlError::Host)?;
            let good = host.parse::<std::net::Ipv6Addr>().is_ok();
            let port = if behind.is_empty() {
                None
            } else {
                Some(behind.strip_prefix(':').ok_or(MailUrlError::Port)?)
            };
            (good.then_some(host).ok_or(MailUrlError::Host)?, port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let host_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    if host.is_empty() || !host.bytes().all(host_byte) {
        return Err(MailUrlError::Host);
    }
    let port = match port {
        None => SMTP_PORT,
        Some(text) => text.parse().ok().filter(|port| *port != 0).ok_or(MailUrlError::Port)?,
    };
    Ok(MailUrl::Smtp {
        host: host.to_owned(),
        port,
    })
}

fn parse_folder(rest: &str) -> Result<MailUrl, MailUrlError> {
    let path = match rest.strip_prefix("//") {
        // Between the second and the third slash stands a host, which a folder of ours does not have.
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => return Err(MailUrlError::Folder),
        None => rest,
    };
    if path.is_empty() || path.contains('\0') {
        return Err(MailUrlError::Folder);
    }
    Ok(MailUrl::File {
        dir: PathBuf::from(path),
    })
}

impl fmt::Display for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Smtp { host, port } => f.write_str(&SmtpConfig::new(host.as_str(), *port).url()),
            // With two slashes before an absolute path: one that begins with two of its own would read as a host.
            Self::File { dir } if dir.is_absolute() => write!(f, "file://{}", dir.display()),
            Self::File { dir } => write!(f, "file:{}", dir.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn smtp(host: &str, port: u16) -> MailUrl {
        MailUrl::Smtp {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn relays_and_folders_are_read() {
        assert_eq!(
            MailUrl::parse("smtp://relay.example.com:2525"),
            Ok(smtp("relay.example.com", 2525))
        );
        assert_eq!(MailUrl::parse("smtp://localhost"), Ok(smtp("localhost", 25)));
        assert_eq!(MailUrl::parse("SMTP://127.0.0.1:1025/"), Ok(smtp("127.0.0.1", 1025)));
        assert_eq!(MailUrl::parse("smtp://[::1]:25"), Ok(smtp("::1", 25)));
        assert_eq!(
            MailUrl::parse("file:data/outbox"),
            Ok(MailUrl::File {
                dir: "data/outbox".into()
            })
        );
        assert_eq!(
            MailUrl::parse("file:/var/outbox"),
            Ok(MailUrl::File {
                dir: "/var/outbox".into()
            })
        );
        assert_eq!(
            MailUrl::parse("file:///var/outbox"),
            Ok(MailUrl::File {
                dir: "/var/outbox".into()
            })
        );
    }

    #[test]
    fn what_is_not_supported_is_refused_with_its_reason_and_without_the_password() {
        for (text, why) in [
            ("", MailUrlError::Scheme),
            ("relay", MailUrlError::Scheme),
            ("http://relay", MailUrlError::Scheme),
            ("smtps://relay", MailUrlError::Tls),
            ("smtps://ada:s3cret@relay", MailUrlError::Tls),
            ("smtp://ada:s3cret@relay:25", MailUrlError::Credentials),
            ("smtp://", MailUrlError::Host),
            ("smtp:relay", MailUrlError::Host),
            ("smtp://re lay", MailUrlError::Host),
            ("smtp://[::1", MailUrlError::Host),
            ("smtp://[relay]:25", MailUrlError::Host),
            ("smtp://relay:", MailUrlError::Port),
            ("smtp://relay:0", MailUrlError::Port),
            ("smtp://relay:65536", MailUrlError::Port),
            ("smtp://::1", MailUrlError::Host),
            ("smtp://relay:25/inbox", MailUrlError::Trailing),
            ("smtp://relay?tls=yes", MailUrlError::Trailing),
            ("file:", MailUrlError::Folder),
            ("file://host/outbox", MailUrlError::Folder),
        ] {
            assert_eq!(MailUrl::parse(text), Err(why), "{text}");
            assert!(!why.to_string().contains("s3cret"));
        }
    }

    #[test]
    fn a_folder_that_begins_with_two_slashes_is_shown_so_that_it_reads_back() {
        let url = MailUrl::parse("file:////var/outbox").unwrap();
        assert_eq!(url.to_string(), "file:////var/outbox");
        assert_eq!(
            MailUrl::parse("file:/var/outbox").unwrap().to_string(),
            "file:///var/outbox"
        );
        assert_eq!(
            MailUrl::parse("file:data/outbox").unwrap().to_string(),
            "file:data/outbox"
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_back(text in "(smtp://|file:|file://)\\PC{0,30}") {
            if let Ok(url) = MailUrl::parse(&text) {
                prop_assert_eq!(MailUrl::parse(&url.to_string()), Ok(url));
            }
        }
    }
}
