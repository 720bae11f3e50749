//! The keys of the service: what signs links in mails and whatever else must be provably our own.
//!
//! Guarantees: keys are 256 random bits each, made at the first start and kept in a file that only its owner can read, or
//! given by the operator; the first key signs and all of them verify, so that keys can be rotated without breaking links
//! that are under way; no key and nothing derived from one is shown by `Debug`, and both are wiped from memory after use.
//!
//! Left out: removing old keys, which is an edit of the file or of the setting, because only the operator knows what was
//! signed and sealed with them.

mod file;
mod seal;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

pub use seal::SealError;

use crate::domain::token::{EntropyError, random_bytes};

/// Bytes in a key: 256 bits, the output of the hash that uses it.
const KEY_BYTES: usize = 32;

/// The most keys in a ring; each one costs a hash when something is verified.
const KEYS_MAX: usize = 16;

/// The name of a key, stored beside what was derived under it: 1 to 32 characters of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(String);

/// A text is not a [`KeyId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a key id of 1 to 32 letters, digits, underscores and hyphens")]
pub struct ParseKeyIdError;

impl KeyId {
    /// The id as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A new id; random, so that ids of keys made on different machines differ.
    fn generate() -> Result<Self, EntropyError> {
        let digits = u32::from_be_bytes(random_bytes()?);
        Ok(Self(format!("k{digits:08x}")))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for KeyId {
    type Err = ParseKeyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let good = (1..=32).contains(&text.len()) && text.bytes().all(known);
        if good {
            Ok(Self(text.into()))
        } else {
            Err(ParseKeyIdError)
        }
    }
}

/// Why there is no usable key ring. No message holds a part of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The key file, or the folder it belongs in, could not be read or made.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was attempted, as a verb.
        action: &'static str,
        /// What it was attempted on.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: std::io::Error,
    },
    /// Others than its owner may read or change the key file.
    #[error(
        "the key file {} is open to others (mode {mode:04o}); whoever read it can forge links, so replace it if that may \
         have happened, else run: chmod 600 {}", path.display(), path.display()
    )]
    OpenToOthers {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line or an entry is not `id:base64`.
    #[error("key {position} of {origin} is not usable: {reason}")]
    Malformed {
        /// Where the keys come from: a path, or the name of the variable.
        origin: String,
        /// Which one it is, counted from 1.
        position: usize,
        /// What is wrong with it, in plain words.
        reason: &'static str,
    },
    /// There is no key, or there are more than 16.
    #[error("{origin} holds {count} keys, not 1 to {KEYS_MAX}")]
    Count {
        /// Where the keys come from: a path, or the name of the variable.
        origin: String,
        /// How many there are.
        count: usize,
    },
    /// No key could be made.
    #[error("cannot make a key")]
    Entropy(#[from] EntropyError),
}

struct Key {
    id: KeyId,
    secret: SecretBox<[u8; KEY_BYTES]>,
}

impl Key {
    fn generate() -> Result<Self, EntropyError> {
        Ok(Self {
            id: KeyId::generate()?,
            secret: SecretBox::new(Box::new(random_bytes()?)),
        })
    }

    /// HMAC-SHA256 of the pair. The purpose is preceded by its length, so that no two pairs give one message.
    fn mac(&self, purpose: &str, subject: &str) -> [u8; KEY_BYTES] {
        // HMAC takes keys of every length, and this one always has 32 bytes, so the key is never refused.
        #[expect(clippy::expect_used, reason = "a fixed-size key is never refused")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.expose_secret()).expect("32 bytes are a key");
        mac.update(&u64::try_from(purpose.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(purpose.as_bytes());
        mac.update(subject.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The same as text.
    fn derive(&self, purpose: &str, subject: &str) -> SecretString {
        URL_SAFE_NO_PAD
            .encode(Zeroizing::new(self.mac(purpose, subject)))
            .into()
    }
}

/// The service's keys, newest first.
pub struct KeyRing {
    newest: Key,
    older: Vec<Key>,
}

impl KeyRing {
    /// The ring given as `id:base64,id:base64` (32 bytes each), or, if none is given, the one in the file `keys` in
    /// `data_dir`, which is made with one new key (and mode 0600) if it does not exist.
    ///
    /// # Errors
    ///
    /// If the text or the file does not hold 1 to 16 keys with different ids, or the file cannot be read or made, or others
    /// than its owner may read it.
    pub fn open(data_dir: &Path, given: Option<&SecretString>) -> Result<Self, KeyRingError> {
        match given {
            Some(text) => text::parse_list(text.expose_secret(), "LEGWORK_SECRET_KEYS"),
            None => file::load_or_make(data_dir),
        }
    }

    /// A ring of one new key that is kept nowhere; for tests and for a service that keeps nothing either.
    ///
    /// # Errors
    ///
    /// If the system's random source fails.
    pub fn ephemeral() -> Result<Self, KeyRingError> {
        Ok(Self {
            newest: Key::generate()?,
            older: Vec::new(),
        })
    }

    /// The secret of `subject` for `purpose` under the newest key (HMAC-SHA256 as 43 characters of base64url), and that
    /// key's id, to be stored so that [`Self::derive_with`] makes the same text later.
    #[must_use]
    pub fn derive(&self, purpose: &str, subject: &str) -> (KeyId, SecretString) {
        (self.newest.id.clone(), self.newest.derive(purpose, subject))
    }

    /// The same secret as [`Self::derive`] made when `key` was the newest; `None` if the ring no longer holds that key.
    #[must_use]
    pub fn derive_with(&self, key: &KeyId, purpose: &str, subject: &str) -> Option<SecretString> {
        self.keys()
            .find(|held| held.id == *key)
            .map(|held| held.derive(purpose, subject))
    }

    /// Whether `text` is what a key of the ring makes of `purpose` and `subject`; compared in constant time.
    #[must_use]
    pub fn verify(&self, purpose: &str, subject: &str, text: &str) -> bool {
        let matches = |key: &Key| {
            key.derive(purpose, subject)
                .expose_secret()
                .as_bytes()
                .ct_eq(text.as_bytes())
                .into()
        };
        self.keys().any(matches)
    }

    /// The id of the key that signs.
    #[must_use]
    pub fn newest(&self) -> &KeyId {
        &self.newest.id
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

impl fmt::Debug for KeyRing {
    /// The ids only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyRing")
            .field(&self.keys().map(|key| &key.id).collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn ring(text: &str) -> KeyRing {
        KeyRing::open(Path::new("/nonexistent"), Some(&text.into())).unwrap()
    }

    pub(super) fn key(id: &str, byte: u8) -> String {
        format!("{id}:{}", base64::engine::general_purpose::STANDARD.encode([byte; 32]))
    }

    #[test]
    fn a_derived_secret_is_the_same_each_time_and_differs_by_purpose_subject_and_key() {
        let ring = ring(&[key("b", 2), key("a", 1)].join(","));
        let (id, secret) = ring.derive("verify", "reg_1");
        assert_eq!((id.as_str(), secret.expose_secret().len()), ("b", 43));
        assert_eq!(ring.derive("verify", "reg_1").1.expose_secret(), secret.expose_secret());
        for other in [ring.derive("verify", "reg_2").1, ring.derive("reset", "reg_1").1] {
            assert_ne!(other.expose_secret(), secret.expose_secret());
        }
        let older = ring.derive_with(&"a".parse().unwrap(), "verify", "reg_1").unwrap();
        assert_ne!(older.expose_secret(), secret.expose_secret());
    }

    #[test]
    fn a_secret_outlives_the_rotation_of_its_key_and_ends_with_its_removal() {
        let (id, secret) = ring(&key("a", 1)).derive("verify", "reg_1");
        let rotated = ring(&[key("b", 2), key("a", 1)].join(","));
        let again = rotated.derive_with(&id, "verify", "reg_1").unwrap();
        assert_eq!(again.expose_secret(), secret.expose_secret());
        assert!(rotated.verify("verify", "reg_1", secret.expose_secret()));
        assert!(!rotated.verify("verify", "reg_2", secret.expose_secret()));
        let removed = ring(&key("b", 2));
        assert!(removed.derive_with(&id, "verify", "reg_1").is_none());
        assert!(!removed.verify("verify", "reg_1", secret.expose_secret()));
    }

    #[test]
    fn debug_shows_ids_and_nothing_of_the_keys() {
        assert_eq!(format!("{:?}", ring(&key("a", 1))), "KeyRing([KeyId(\"a\")])");
    }

    proptest! {
        #[test]
        fn pairs_that_read_the_same_when_joined_do_not_collide(text in "[a-c]{2,12}", one in 0_usize..12, two in 0_usize..12) {
            let (one, two) = (one % text.len(), two % text.len());
            prop_assume!(one != two);
            let ring = ring(&key("a", 1));
            let derive = |at: usize| ring.derive(&text[..at], &text[at..]).1.expose_secret().to_owned();
            prop_assert_ne!(derive(one), derive(two));
        }
    }
}
