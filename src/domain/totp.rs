//! Time-based one-time codes (RFC 6238): six digits that an app on a telephone makes of a secret and the time.
//!
//! Guarantees: SHA-1, six digits and thirty seconds, which is what every app knows; a code is good in its own step and in one
//! on either side, for clocks that differ; which step it was is told, so that the store can take each step once; all steps are
//! compared in constant time; a secret is not shown by `Debug` and is wiped from memory after use.
//!
//! Left out: how often somebody may guess, which is for whoever asks for codes.

use std::fmt;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use subtle::ConstantTimeEq as _;
use totp_rs::{Builder, Secret, Totp};

use super::token::{EntropyError, random_bytes};
use crate::clock::Timestamp;

/// Bytes in a secret: the 160 bits that RFC 4226, section 4, recommends.
const SECRET_BYTES: usize = 20;
/// Digits in a code.
const DIGITS: usize = 6;
/// How long a code is shown, in seconds.
const STEP_SECONDS: i64 = 30;
/// Steps before and after the present one whose codes are taken too.
const STEPS_ASIDE: i64 = 1;

/// What an app makes codes of.
pub struct TotpSecret(SecretBox<[u8; SECRET_BYTES]>);

/// A code as somebody typed it.
#[derive(Clone)]
pub struct TotpCode(SecretString);

/// The secret could not be written as a link: a fault of ours, since all its parts are made here.
#[derive(Debug, thiserror::Error)]
#[error("the secret could not be written as a link")]
pub struct TotpUriError(#[source] totp_rs::TotpError);

impl TotpSecret {
    /// A new secret.
    ///
    /// # Errors
    /// If the system's random source fails.
    pub fn generate() -> Result<Self, EntropyError> {
        Ok(Self(SecretBox::new(Box::new(random_bytes()?))))
    }

    /// The secret with these bytes; none unless there are twenty.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(SecretBox::new(Box::new(bytes.try_into().ok()?))))
    }

    /// The bytes, to be sealed.
    #[must_use]
    pub fn expose(&self) -> &[u8; SECRET_BYTES] {
        self.0.expose_secret()
    }

    /// The secret in base32, to be typed into an app.
    #[must_use]
    pub fn base32(&self) -> SecretString {
        Secret::from(*self.expose()).to_base32().into()
    }

    /// The secret as a link, which apps read from a picture: `otpauth://totp/…`.
    ///
    /// # Errors
    /// When one of the names cannot stand in a link.
    pub fn uri(&self, issuer: &str, account: &str) -> Result<SecretString, TotpUriError> {
        // A colon parts the two in the link.
        let builder = self.builder().with_account_name(account.replace(':', ""));
        let totp = builder.with_issuer(Some(issuer.replace(':', ""))).build();
        let uri = totp.and_then(|totp| totp.to_url());
        uri.map(SecretString::from).map_err(TotpUriError)
    }

    /// In which step the code is good, if it is within a step of `now`.
    #[must_use]
    pub fn step_of(&self, code: &TotpCode, now: Timestamp) -> Option<i64> {
        let totp = self.totp();
        let present = now.as_micros().div_euclid(1_000_000).div_euclid(STEP_SECONDS);
        let mut found = None;
        // All of them, whichever it is, so that the time does not tell.
        for step in (present - STEPS_ASIDE)..=(present + STEPS_ASIDE) {
            let made = code_at(&totp, step);
            if bool::from(made.as_bytes().ct_eq(code.0.expose_secret().as_bytes())) {
                found = Some(step);
            }
        }
        found
    }

    /// The code that an app shows at `now`.
    #[must_use]
    pub fn code_at(&self, now: Timestamp) -> String {
        let step = now.as_micros().div_euclid(1_000_000).div_euclid(STEP_SECONDS);
        code_at(&self.totp(), step).to_string()
    }

    fn builder(&self) -> Builder {
        Builder::new().with_secret(*self.expose())
    }

    fn totp(&self) -> Totp {
        // What could be refused is the length of the secret, which is fixed.
        self.builder().build_noncompliant()
    }
}

fn code_at(totp: &Totp, step: i64) -> Zeroizing<String> {
    let seconds = u64::try_from(step.saturating_mul(STEP_SECONDS)).unwrap_or(0);
    Zeroizing::new(totp.generate(seconds).to_string())
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(redacted)")
    }
}

impl TotpCode {
    /// The code in `text`: six digits, blanks forgiven, since apps show them in two groups.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut digits = Zeroizing::new(String::with_capacity(DIGITS));
        for character in text.chars().filter(|character| *character != ' ') {
            if !character.is_ascii_digit() || digits.len() == DIGITS {
                return None;
            }
            digits.push(character);
        }
        (digits.len() == DIGITS).then(|| Self(digits.as_str().into()))
    }
}

impl fmt::Debug for TotpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpCode(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn code(text: &str) -> TotpCode {
        TotpCode::parse(text).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B, of which the last six of eight digits are these.
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        for (seconds, made) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.code_at(at(seconds)), made);
            assert_eq!(secret.step_of(&code(made), at(seconds)), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_is_good_for_a_step_on_either_side_and_no_more() {
        let secret = TotpSecret::from_bytes(&[7; 20]).unwrap();
        let shown = code(&secret.code_at(at(3_000)));
        let good: Vec<i64> = (2_900..3_100)
            .filter(|seconds| secret.step_of(&shown, at(*seconds)) == Some(100))
            .collect();
        assert_eq!(
            (good.first(), good.last(), good.len()),
            (Some(&2_970), Some(&3_059), 90)
        );
    }

    #[test]
    fn the_link_names_the_service_and_the_account_and_holds_the_secret() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        let base32 = secret.base32();
        assert_eq!(base32.expose_secret(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let uri = secret.uri("Legwork", "ada+x@example.com").unwrap();
        let uri = uri.expose_secret();
        assert!(uri.starts_with("otpauth://totp/Legwork:ada%2B"), "{uri}");
        assert!(
            uri.contains(base32.expose_secret()) && uri.contains("issuer=Legwork"),
            "{uri}"
        );
    }

    #[test]
    fn nothing_of_a_secret_or_a_code_is_shown_by_debug() {
        let secret = TotpSecret::generate().unwrap();
        let shown = format!("{secret:?} {:?}", code("123456"));
        assert_eq!(shown, "TotpSecret(redacted) TotpCode(redacted)");
        assert!(TotpSecret::from_bytes(&[0; 19]).is_none() && TotpSecret::from_bytes(&[0; 21]).is_none());
    }

    proptest! {
        #[test]
        fn six_digits_are_a_code_however_they_are_spaced_and_nothing_else_is(text in "\\PC{0,12}|[0-9 ]{5,9}") {
            let digits: String = text.chars().filter(|character| *character != ' ').collect();
            let is_code = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
            let parsed = TotpCode::parse(&text);
            prop_assert_eq!(parsed.is_some(), is_code);
            if let Some(code) = parsed {
                prop_assert_eq!(code.0.expose_secret(), &digits);
            }
        }

        #[test]
        fn each_code_is_found_in_its_own_step(bytes in any::<[u8; 20]>(), seconds in 0_i64..4_000_000_000) {
            let secret = TotpSecret::from_bytes(&bytes).unwrap();
            let step = secret.step_of(&code(&secret.code_at(at(seconds))), at(seconds)).unwrap();
            // Two neighbouring steps may show one code.
            prop_assert!((step - seconds / 30).abs() <= 1);
        }
    }
}
