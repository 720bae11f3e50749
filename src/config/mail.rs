//! Where mail goes: a folder, or a relay with its encryption and its login, as one URL.
//!
//! Guarantees: a password goes unencrypted to another machine only if `?tls=none` says so; no message, no `Display` and no
//! `Debug` holds a user or a password.
//!
//! Left out: what the encryption is made of and whose certificates are believed (the mail part).

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use secrecy::SecretString;

use super::percent;
use super::url::{UrlError, split_port};

/// Where mail goes.
#[derive(Clone, Debug)]
pub enum MailUrl {
    /// A folder that keeps each mail as an `.eml` file.
    Outbox(PathBuf),
    /// A mail server that takes it from here.
    Relay(Relay),
}

/// A mail server, and how to speak to it.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Its name or IP address, without brackets.
    pub host: String,
    /// Its port; unless given, 465 for `smtps`, else 587 with a login and 25 without.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// Who the service is to it.
    pub login: Option<MailLogin>,
}

/// How the connection to a relay is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// `?tls=none`, and the default on this machine: not at all.
    None,
    /// `?tls=opportunistic`, and the default for other machines without a login: by STARTTLS if it is offered, whatever
    /// certificate is shown, as between mail servers.
    Opportunistic,
    /// `?tls=required`, and the default for other machines with a login: by STARTTLS, the certificate checked.
    Required,
    /// `smtps`: from the first byte, the certificate checked.
    Implicit,
}

/// Who the service is to a relay.
#[derive(Clone)]
pub struct MailLogin {
    /// The user.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// The login that is set apart from the URL.
#[derive(Clone, Default)]
pub(super) struct ApartLogin {
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretString>,
}

impl fmt::Debug for MailLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailLogin")
    }
}

impl MailUrl {
    /// The address written as `text`, with its login in it.
    ///
    /// # Errors
    ///
    /// If it is neither `file:folder` nor `smtp://` or `smtps://` with a host, or would send a password in the clear to
    /// another machine without saying so.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        Self::with_login(text, &ApartLogin::default())
    }

    pub(super) fn with_login(text: &str, apart: &ApartLogin) -> Result<Self, UrlError> {
        if let Some(folder) = text.strip_prefix("file:") {
            let folder = folder.strip_prefix("//").unwrap_or(folder);
            return match folder {
                "" => Err(UrlError("must name a folder after file:")),
                _ if apart.username.is_some() || apart.password.is_some() => Err(UrlError(
                    "names a folder, which needs no mail.username and no mail.password",
                )),
                folder => Ok(Self::Outbox(folder.into())),
            };
        }
        let (is_smtps, rest) = match (text.strip_prefix("smtp://"), text.strip_prefix("smtps://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(UrlError("must be smtp://host, smtps://host or file:folder")),
        };
        // From the right, since many write the @ of a user that is a mail address as it is.
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let (host, port) = place_of(place.strip_suffix('/').unwrap_or(place))?;
        let login = login_of(login, apart)?;
        let tls = tls_of(query, is_smtps, is_this_machine(host), login.is_some())?;
        let usual_port = match (is_smtps, &login) {
            (true, _) => 465,
            (false, Some(_)) => 587,
            (false, None) => 25,
        };
        Ok(Self::Relay(Relay {
            host: host.to_owned(),
            port: port.unwrap_or(usual_port),
            tls,
            login,
        }))
    }
}

fn place_of(text: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = split_port(text).ok_or(UrlError("must have a port from 1 to 65535"))?;
    let good = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_' | ':');
    if host.is_empty() || port == Some(0) || !host.chars().all(good) {
        return Err(UrlError(
            "must name a host and nothing after it but ?tls=, such as smtp://127.0.0.1:25",
        ));
    }
    Ok((host, port))
}

fn login_of(in_url: Option<&str>, apart: &ApartLogin) -> Result<Option<MailLogin>, UrlError> {
    let (user, password) = match in_url {
        None => (None, None),
        Some(text) => match text.split_once(':') {
            Some((user, password)) => (Some(decoded(user)?), Some(SecretString::from(decoded(password)?))),
            None => (Some(decoded(text)?), None),
        },
    };
    if user.is_some() && apart.username.is_some() || password.is_some() && apart.password.is_some() {
        return Err(UrlError(
            "and mail.username or mail.password say the same twice; say it once",
        ));
    }
    let user = user.or_else(|| apart.username.clone());
    let password = password.or_else(|| apart.password.clone());
    let (user, password) = match (user, password) {
        (None, None) => return Ok(None),
        (Some(user), Some(password)) => (user, password),
        (Some(_), None) => {
            return Err(UrlError(
                "has a user without a password; mail.password is the place for it",
            ));
        }
        (None, Some(_)) => {
            return Err(UrlError(
                "has no user for the password; mail.username is the place for it",
            ));
        }
    };
    let usable = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    if usable(&user) && usable(secrecy::ExposeSecret::expose_secret(&password)) {
        Ok(Some(MailLogin { user, password }))
    } else {
        Err(UrlError(
            "must have a user and a password that are not empty and hold no control characters",
        ))
    }
}

fn tls_of(query: Option<&str>, is_smtps: bool, is_this_machine: bool, has_login: bool) -> Result<MailTls, UrlError> {
    let asked = match query {
        None => None,
        Some("tls=none") => Some(MailTls::None),
        Some("tls=opportunistic") => Some(MailTls::Opportunistic),
        Some("tls=required") => Some(MailTls::Required),
        Some(_) => {
            return Err(UrlError(
                "may have ?tls=none, ?tls=opportunistic or ?tls=required, and nothing else after a question mark",
            ));
        }
    };
    match asked {
        Some(_) if is_smtps => Err(UrlError("must not have ?tls= with smtps://, which is always encrypted")),
        None if is_smtps => Ok(MailTls::Implicit),
        Some(MailTls::Opportunistic) if has_login && !is_this_machine => Err(UrlError(
            "would give the password to whoever answers; use ?tls=required, or ?tls=none on a network that is safe",
        )),
        Some(tls) => Ok(tls),
        None if is_this_machine => Ok(MailTls::None),
        None if has_login => Ok(MailTls::Required),
        None => Ok(MailTls::Opportunistic),
    }
}

/// Whether what is sent to `host` does not leave this machine.
fn is_this_machine(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_a_name) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// The user or the password that `text` stands for.
fn decoded(text: &str) -> Result<String, UrlError> {
    percent::decoded(text).ok_or(UrlError(
        "has a user or a password that is not UTF-8, or a % in it that is not followed by two hexadecimal digits; write it %25",
    ))
}

/// The sender, checked only for what would break a header; the mail part reads it properly at the start.
pub(super) fn parse_from(text: String) -> Result<String, &'static str> {
    let usable = text.contains('@') && !text.chars().any(char::is_control);
    if usable {
        Ok(text)
    } else {
        Err("must be an e-mail address, such as Legwork <legwork@example.org>")
    }
}

impl fmt::Display for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outbox(folder) => write!(f, "file:{}", folder.display()),
            Self::Relay(relay) => relay.fmt(f),
        }
    }
}

impl fmt::Display for Relay {
    /// The URL without the login, its encryption said in full.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, query) = match self.tls {
            MailTls::None => ("smtp", "?tls=none"),
            MailTls::Opportunistic => ("smtp", "?tls=opportunistic"),
            MailTls::Required => ("smtp", "?tls=required"),
            MailTls::Implicit => ("smtps", ""),
        };
        let port = self.port;
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{port}{query}", self.host)
        } else {
            write!(f, "{scheme}://{}:{port}{query}", self.host)
        }
    }
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;
