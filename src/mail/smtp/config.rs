//! Where the relay is, how we name ourselves to it, and how long each step may take.

use std::fmt;
use std::time::Duration;

use super::login::Login;
use super::trust::Trust;

/// The relay and the limits of a dialogue with it.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// Name or IP address of the relay, IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub security: Security,
    /// Who we are to the relay, if it wants to know.
    pub login: Option<Login>,
    /// How we name ourselves in EHLO.
    pub hello_name: HelloName,
    /// How long resolving the name and connecting may take together.
    pub connect_timeout: Duration,
    /// How long the greeting with EHLO, the TLS handshake, and the answer to each command before the message, may take.
    pub command_timeout: Duration,
    /// How long the server may take no byte more of a message that is being sent.
    pub progress_timeout: Duration,
    /// How long the answer to the final dot, or to a chunk, may take once it is sent.
    pub dot_timeout: Duration,
    /// How many idle connections are kept.
    pub max_idle: usize,
}

impl SmtpConfig {
    /// The defaults for a relay: no encryption and no login, 30 s to connect, 60 s a command, 3 min without
    /// progress in a message, 10 min for the answer to its dot, 8 idle connections.
    ///
    /// A command gets 60 s where RFC 5321 §4.5.3.2 suggests 5 min: nothing is sent yet, so giving up costs one repetition,
    /// whereas each stuck dialogue holds one of the mailer's few slots. Giving up on the answer to the dot costs certainty,
    /// so it gets the full 10 min of §4.5.3.2.6. A
    /// message may take as long as it needs, while something of it goes out every 3 min (§4.5.3.2.5).
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            security: Security::None,
            login: None,
            hello_name: HelloName::default(),
            connect_timeout: Duration::from_secs(30),
            command_timeout: Duration::from_secs(60),
            progress_timeout: Duration::from_secs(180),
            dot_timeout: Duration::from_secs(600),
            max_idle: 8,
        }
    }

    /// The relay as `smtp://host:port` or `smtps://host:port`.
    #[must_use]
    pub(in crate::mail) fn url(&self) -> String {
        let scheme = match self.security {
            Security::Tls(_) => "smtps",
            _ => "smtp",
        };
        if self.host.contains(':') {
            format!("{scheme}://[{}]:{}", self.host, self.port)
        } else {
            format!("{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// How a connection to the relay is encrypted.
#[derive(Clone, Debug)]
pub enum Security {
    /// Not at all.
    None,
    /// By STARTTLS where the server offers it, and else not at all: with [`Trust::anybody`], since who could show a false
    /// certificate could as well take the offer away.
    Opportunistic(Trust),
    /// By STARTTLS, or the relay is not used.
    StartTls(Trust),
    /// From the first byte.
    Tls(Trust),
}

/// The name in EHLO: a host name, or an address literal in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloName(String);

/// Why a text is not a [`HelloName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name for EHLO must be a host name, or an address in brackets")]
pub struct HelloNameError;

impl HelloName {
    /// Reads a name: letters, digits, dots and hyphens, or those and colons in brackets; 1 to 255 characters.
    ///
    /// # Errors
    /// [`HelloNameError`] if it is anything else; a line break would be a command of its own.
    pub fn parse(text: &str) -> Result<Self, HelloNameError> {
        let literal = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        let good = match literal {
            Some(inner) => !inner.is_empty() && inner.bytes().all(|byte| allowed(byte) || byte == b':'),
            None => !text.is_empty() && text.bytes().all(allowed),
        };
        if good && text.len() <= 255 {
            Ok(Self(text.to_owned()))
        } else {
            Err(HelloNameError)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for HelloName {
    /// `localhost`, which relays for trusted hosts take; others want a name that resolves.
    fn default() -> Self {
        Self("localhost".to_owned())
    }
}

impl fmt::Display for HelloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_name_cannot_hold_another_command() {
        for good in ["localhost", "mail-1.example.com", "[192.0.2.1]", "[IPv6:2001:db8::1]"] {
            assert_eq!(HelloName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\r\nMAIL FROM:<>", "[]", "[1", "ä", "a_b", "2001:db8::1"] {
            assert_eq!(HelloName::parse(bad), Err(HelloNameError), "{bad:?}");
        }
    }

    #[test]
    fn a_relay_is_described_as_its_url() {
        assert_eq!(
            SmtpConfig::new("relay.example.com", 25).url(),
            "smtp://relay.example.com:25"
        );
        assert_eq!(SmtpConfig::new("::1", 2525).url(), "smtp://[::1]:2525");
    }
}
