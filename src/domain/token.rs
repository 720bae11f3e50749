//! Secrets that clients carry: session tokens and API keys.
//!
//! Guarantees: a token holds 256 bits from the system's random source, so guessing one is hopeless and its stored form
//! needs no salt and no slow hash; only the SHA-256 of a token is ever stored; neither a token nor its hash is shown by
//! `Debug`; hashes are compared in constant time.
//!
//! Left out: when a token ends and what it may do, which belong to the session or the API key that holds its hash.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Random bytes in a token: 256 bits.
const SECRET_BYTES: usize = 32;

/// Characters of base64url without padding for [`SECRET_BYTES`].
const SECRET_CHARS: usize = 43;

/// Characters in a prefix such as `lws_`.
const PREFIX_CHARS: usize = 4;

/// What a token stands for; shown by its prefix, so that a leaked one can be recognised by scanners and people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A login of a person: `lws_…`.
    Session,
    /// A key with which a program calls the service: `lwk_…`.
    ApiKey,
}

impl TokenKind {
    /// What every token of this kind starts with, underscore included.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "lws_",
            Self::ApiKey => "lwk_",
        }
    }

    fn of(text: &str) -> Option<Self> {
        [Self::Session, Self::ApiKey]
            .into_iter()
            .find(|kind| text.starts_with(kind.prefix()))
    }
}

/// The system's random source failed, so that no secret can be made.
#[derive(Debug, thiserror::Error)]
#[error("the system's random source failed")]
pub struct EntropyError(#[source] getrandom::Error);

/// `N` bytes from the system's random source.
///
/// # Errors
///
/// If the source fails, which a booted system does not let happen.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(EntropyError)?;
    Ok(bytes)
}

/// A secret that a client carries; its text is shown once, to whom it was made for, and wiped from memory after use.
#[derive(Clone)]
pub struct Token(SecretString);

impl Token {
    /// A new token of `kind`, made of 256 random bits.
    ///
    /// # Errors
    ///
    /// If the system's random source fails.
    pub fn generate(kind: TokenKind) -> Result<Self, EntropyError> {
        let secret = random_bytes::<SECRET_BYTES>()?;
        let mut text = String::with_capacity(PREFIX_CHARS + SECRET_CHARS);
        text.push_str(kind.prefix());
        URL_SAFE_NO_PAD.encode_string(secret, &mut text);
        Ok(Self(text.into()))
    }

    /// The token written as `text`, with its kind; `None` unless it is written exactly as we write tokens: a known prefix
    /// and 43 characters of base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<(TokenKind, Self)> {
        let kind = TokenKind::of(text)?;
        let secret = text.get(PREFIX_CHARS..)?;
        if secret.len() != SECRET_CHARS {
            return None;
        }
        // So many characters, if they are base64url at all, are always 32 bytes.
        URL_SAFE_NO_PAD.decode(secret).ok()?;
        Some((kind, Self(text.into())))
    }

    /// The form in which the token is stored and looked up.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose())
    }

    /// The text itself, for the one answer or header that carries it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// The SHA-256 of a token's whole text, prefix included; shown as 64 lower-case hexadecimal digits, as it is stored.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; SECRET_BYTES]);

/// Why a text is not a [`TokenHash`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a token hash of 64 lower-case hexadecimal digits")]
pub struct ParseTokenHashError;

impl TokenHash {
    /// The hash of `text`, whatever it is; also for secrets derived by the key ring.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

impl Hash for TokenHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialEq for TokenHash {
    /// Takes the same time wherever the first difference is.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(redacted)")
    }
}

impl FromStr for TokenHash {
    type Err = ParseTokenHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 2 * SECRET_BYTES || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ParseTokenHashError);
        }
        let mut bytes = [0; SECRET_BYTES];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).or(Err(ParseTokenHashError))?;
            *byte = u8::from_str_radix(digits, 16).or(Err(ParseTokenHashError))?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_reads_back_with_its_kind() {
        for (kind, prefix) in [(TokenKind::Session, "lws_"), (TokenKind::ApiKey, "lwk_")] {
            let token = Token::generate(kind).unwrap();
            assert!(token.expose().starts_with(prefix));
            let (found, parsed) = Token::parse(token.expose()).unwrap();
            assert_eq!((found, parsed.hash()), (kind, token.hash()));
        }
    }

    #[test]
    fn no_two_tokens_are_equal() {
        let (one, other) = (
            Token::generate(TokenKind::Session).unwrap(),
            Token::generate(TokenKind::Session).unwrap(),
        );
        assert_ne!(one.expose(), other.expose());
        assert_ne!(one.hash(), other.hash());
    }

    #[test]
    fn a_text_of_another_length_prefix_or_alphabet_is_not_a_token() {
        let good = format!("lws_{}", "A".repeat(43));
        assert!(Token::parse(&good).is_some());
        for bad in [
            String::new(),
            "lws_".into(),
            good.replace("lws_", "lwx_"),
            good.replace("lws_", "LWS_"),
            format!("{good}A"),
            format!("lws_{}", "A".repeat(42)),
            format!("lws_{}+", "A".repeat(42)),
            format!("lws_{}=", "A".repeat(42)),
            format!("lws_{} ", "A".repeat(42)),
            // The last character carries two unused bits; a set one would be a second spelling of the same secret.
            format!("lws_{}B", "A".repeat(42)),
            format!("lws_{}é", "A".repeat(41)),
        ] {
            assert!(Token::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_hash_is_the_sha_256_of_the_whole_text_in_hexadecimal() {
        let hash = TokenHash::of("abc");
        assert_eq!(
            hash.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(hash.to_string().parse::<TokenHash>(), Ok(hash));
        assert_ne!(hash, TokenHash::of("abd"));
        for bad in [
            "",
            "ba78",
            &hash.to_string().to_uppercase(),
            &format!("{hash}0"),
            &"g".repeat(64),
        ] {
            assert!(bad.parse::<TokenHash>().is_err(), "{bad}");
        }
    }

    #[test]
    fn neither_a_token_nor_its_hash_is_shown_by_debug() {
        let token = Token::generate(TokenKind::ApiKey).unwrap();
        assert_eq!(
            format!("{token:?} {:?}", token.hash()),
            "Token(redacted) TokenHash(redacted)"
        );
    }

    proptest! {
        #[test]
        fn no_text_is_a_fault_and_a_hash_is_written_in_one_way(text in any::<String>(), digits in "[0-9a-fA-F]{60,66}") {
            drop(Token::parse(&text));
            let hash = TokenHash::of(&text);
            prop_assert_eq!(hash.to_string().parse::<TokenHash>(), Ok(hash));
            for text in [text, digits] {
                if let Ok(hash) = text.parse::<TokenHash>() {
                    prop_assert_eq!(hash.to_string(), text);
                }
            }
        }

        #[test]
        fn a_token_with_another_letter_is_another_or_none(at in 0..47_usize, letter in "[ -~]") {
            let token = Token::generate(TokenKind::Session).unwrap();
            let mut text = token.expose().to_owned();
            text.replace_range(at..=at, &letter);
            let found = Token::parse(&text);
            prop_assert_eq!(found.is_some_and(|(_, found)| found.hash() == token.hash()), text == token.expose());
        }

        #[test]
        fn whatever_parses_is_written_exactly_as_given(text in ".{0,60}|lw[sk]_[A-Za-z0-9_-]{43}") {
            if let Some((kind, token)) = Token::parse(&text) {
                prop_assert_eq!(token.expose(), &text);
                prop_assert!(text.starts_with(kind.prefix()) && text.len() == 47);
            }
        }
    }
}
