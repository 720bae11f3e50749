//! Logging in to the relay by AUTH PLAIN or LOGIN.
//!
//! Guarantees: what is used is what the server offers on the connection as it is then, after STARTTLS if there is one; the
//! password is in no `Debug`, no error and no transcript, whatever the server repeats of it.
//!
//! Left out: mechanisms that need a challenge or a token of others (CRAM-MD5, SCRAM, XOAUTH2).

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::commands::Auth;
use lettre::transport::smtp::response::Response;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::answer::{number, said, silence};
use super::dialogue::Connection;
use crate::mail::transcript::{Side, Transcript};
use crate::mail::transport::{DeliveryError, Phase};
use crate::mail::words::sanitise;

/// The best first: PLAIN takes one round trip and no guess at what a challenge asks for.
const MECHANISMS: &[Mechanism] = &[Mechanism::Plain, Mechanism::Login];
/// LOGIN asks for the user and for the password.
const CHALLENGES_MAX: usize = 2;

/// Who we are to the relay.
#[derive(Clone)]
pub struct Login {
    /// The user, often a mail address.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

impl Login {
    /// Logs in; each answer may take as long as `limit`.
    pub(super) async fn perform(
        &self,
        connection: &mut Connection,
        limit: Duration,
        transcript: Option<&Transcript>,
    ) -> Result<(), DeliveryError> {
        let Some(mechanism) = connection.offers.login(MECHANISMS) else {
            let words = if connection.is_encrypted() {
                "the relay offers no login by PLAIN or LOGIN"
            } else {
                "the relay offers no login by PLAIN or LOGIN without encryption; ?tls=required in mail.url asks for it"
            };
            return Err(DeliveryError::unavailable(Phase::Login, words));
        };
        let log = |side: Side, words: &str| {
            if let Some(transcript) = transcript {
                transcript.foreign(side, words);
            }
        };
        let not_understood = |_error: lettre::transport::smtp::Error| {
            DeliveryError::unavailable(Phase::Login, "the relay asks in a way that is not understood")
        };
        let credentials = Credentials::new(self.user.clone(), self.password.expose_secret().to_owned());
        let mut command = Auth::new(mechanism, credentials.clone(), None).map_err(not_understood)?;
        let mut shown = format!("AUTH {mechanism} ***");
        for _ in 0..=CHALLENGES_MAX {
            log(Side::Client, &shown);
            let line = command.to_string();
            let answer = match timeout(limit, connection.command(line.trim_end())).await {
                Err(_) => return Err(DeliveryError::unavailable(Phase::Login, &silence(limit))),
                Ok(Err(lost)) => {
                    let words = self.without_secrets(lost.words());
                    return Err(DeliveryError::unavailable(Phase::Login, &words));
                }
                Ok(Ok(answer)) => answer,
            };
            // Over the server's own words, before anything is cut off them.
            let words = self.without_secrets(&said(&answer));
            log(Side::Server, &format!("{} {words}", answer.code()));
            if answer.has_code(334) {
                command = Auth::new_from_response(mechanism, credentials.clone(), &answer).map_err(not_understood)?;
                "***".clone_into(&mut shown);
            } else {
                return accepted(&answer, words);
            }
        }
        Err(DeliveryError::unavailable(
            Phase::Login,
            "the relay asked for more than a user and a password",
        ))
    }

    /// `text` without anything that the password can be seen from: as it is, as it goes over the wire, and pieces of that.
    fn without_secrets(&self, text: &str) -> String {
        /// A word of the server's of at least so many characters that lies within a secret is a piece of it; shorter ones
        /// do so by chance, and say next to nothing.
        const PIECE_CHARS_MIN: usize = 5;
        let password = self.password.expose_secret();
        let secrets = [
            password.to_owned(),
            STANDARD.encode(password),
            STANDARD.encode(format!("\0{}\0{password}", self.user)),
        ];
        let mut text = text.to_owned();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.as_str(), "***");
        }
        let is_piece = |word: &str| {
            let word = word.trim_matches(|char: char| !char.is_alphanumeric());
            word.chars().count() >= PIECE_CHARS_MIN && secrets.iter().any(|secret| secret.contains(word))
        };
        let words = text.split_whitespace();
        let words = words.map(|word| if is_piece(word) { "***" } else { word });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// The last answer, whose words hold no secret: 235, or something that is no success.
fn accepted(answer: &Response, words: String) -> Result<(), DeliveryError> {
    if answer.has_code(235) {
        return Ok(());
    }
    let words = if answer.is_positive() {
        format!("unexpected answer: {words}")
    } else {
        words
    };
    Err(DeliveryError::Unavailable {
        phase: Phase::Login,
        code: number(answer.code()),
        words: sanitise(&words),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn login(password: &str) -> Login {
        Login {
            user: "ada".to_owned(),
            password: SecretString::from(password),
        }
    }

    #[test]
    fn a_login_shows_nothing() {
        assert_eq!(format!("{:?}", login("sesame")), "Login");
    }

    #[test]
    fn what_a_server_repeats_of_the_password_is_taken_out() {
        let login = login("open sesame!");
        let plain = STANDARD.encode("\0ada\0open sesame!");
        for repeated in [
            "open sesame!".to_owned(),
            STANDARD.encode("open sesame!"),
            plain.clone(),
            plain.split_at(14).0.to_owned(),
            format!("<{}>", plain.split_at(9).1),
            "sesame".to_owned(),
        ] {
            let said = login.without_secrets(&format!("5.7.8 bad login {repeated} for ada"));
            assert_eq!(
                said.replace("<***>", "***"),
                "5.7.8 bad login *** for ada",
                "{repeated}"
            );
        }
        assert_eq!(login.without_secrets("5.7.8 try again later"), "5.7.8 try again later");
    }

    proptest! {
        #[test]
        fn no_password_survives(password in "[ -~]{5,40}", before in "[a-z ]{0,20}") {
            let login = login(&password);
            let said = login.without_secrets(&format!("{before}{password} {}", STANDARD.encode(&password)));
            prop_assert!(password.trim().is_empty() || !said.contains(&password) || "***".contains(&password));
            prop_assert!(!said.contains(&STANDARD.encode(&password)));
        }
    }
}
