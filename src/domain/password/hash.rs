//! The stored form of a password: argon2id, as a PHC string.
//!
//! Guarantees: a check with no stored hash costs one hash of the same parameters and never succeeds; hashes made under
//! earlier parameters still verify, since a PHC string carries its own, and so do those of passwords that were not composed
//! (NFC) before they were hashed.

use std::fmt;

use argon2::password_hash::phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;

use super::Password;

/// Bytes in a salt: the 128 bits that RFC 9106, 3.1 recommends.
pub const SALT_BYTES: usize = 16;

/// What one hash costs whoever makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory for one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Lanes; more than one only helps hashers that use threads, which this one does not.
    pub lanes: u32,
}

impl PasswordCost {
    /// OWASP's minimum for argon2id (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane.
    pub const OWASP: Self = Self {
        memory_kib: 19 * 1024,
        passes: 2,
        lanes: 1,
    };

    /// The least that argon2 allows (8 KiB, 1 pass); protects nothing, for tests only.
    pub const TRIVIAL: Self = Self {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self::OWASP
    }
}

/// Why a hash could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PasswordHashError {
    /// The cost is not one that argon2 allows.
    #[error("not a cost that argon2 allows")]
    Cost(#[source] argon2::Error),
    /// The hash could not be computed.
    #[error("cannot hash a password")]
    Hash(#[source] argon2::password_hash::Error),
    /// A text is not a PHC string.
    #[error("not a password hash in PHC form")]
    Parse(#[source] phc::Error),
}

/// A password's stored form, such as `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The hash that was stored as `text`.
    ///
    /// # Errors
    ///
    /// If `text` is not a PHC string.
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        phc::PasswordHash::new(text).map_err(PasswordHashError::Parse)?;
        Ok(Self(text.into()))
    }

    /// The PHC string, to be stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

/// Makes and checks hashes; one for the whole process, shared by reference.
#[derive(Clone)]
pub struct PasswordHasher {
    argon2: Argon2<'static>,
    /// What an unknown account's password is checked against, so that it takes as long as a known one's.
    dummy: PasswordHash,
}

impl PasswordHasher {
    /// A hasher whose hashes cost `cost`. Makes one hash, so it blocks for as long.
    ///
    /// # Errors
    ///
    /// If argon2 does not allow that cost.
    pub fn new(cost: PasswordCost) -> Result<Self, PasswordHashError> {
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None).map_err(PasswordHashError::Cost)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let dummy = hash(&argon2, b"no account has this password", &[0; SALT_BYTES])?;
        Ok(Self { argon2, dummy })
    }

    /// The stored form of `password` under a `salt` that is random and used once.
    ///
    /// # Errors
    ///
    /// If the hash cannot be computed, which only a lack of memory brings about.
    pub fn hash(&self, password: &Password, salt: &[u8; SALT_BYTES]) -> Result<PasswordHash, PasswordHashError> {
        hash(&self.argon2, password.as_bytes(), salt)
    }

    /// Whether `text` is the password that `stored` was made of: composed, or else as it is, if that differs. Without a stored
    /// hash the answer is no, after the same time.
    #[must_use]
    pub fn verify(&self, text: &str, stored: Option<&PasswordHash>) -> bool {
        let composed = composed(text);
        let composed = composed.expose_secret();
        let matches = |hash: &PasswordHash| {
            let Ok(parsed) = phc::PasswordHash::new(hash.as_str()) else {
                return false;
            };
            let is = |text: &str| self.argon2.verify_password(text.as_bytes(), &parsed).is_ok();
            is(composed) || composed != text && is(text)
        };
        match stored {
            Some(hash) => matches(hash),
            None => {
                // `black_box`, so that the work is done although its answer is not used.
                std::hint::black_box(matches(&self.dummy));
                false
            }
        }
    }

    /// Whether a hash was made under another cost than hashes are made under now, so that the password is to be hashed anew
    /// once it is seen.
    #[must_use]
    pub fn is_outdated(&self, stored: &PasswordHash) -> bool {
        let cost = |hash: &PasswordHash| -> Option<String> {
            // The algorithm, its version and its parameters stand before the salt.
            hash.as_str().rsplitn(3, '$').nth(2).map(str::to_owned)
        };
        cost(stored) != cost(&self.dummy)
    }

    /// The hash of a password that is in use, whatever would be asked of a new one.
    ///
    /// # Errors
    ///
    /// As [`Self::hash`].
    pub fn hash_again(&self, text: &str, salt: &[u8; SALT_BYTES]) -> Result<PasswordHash, PasswordHashError> {
        hash(&self.argon2, composed(text).expose_secret().as_bytes(), salt)
    }
}

impl fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHasher")
            .field("params", self.argon2.params())
            .finish()
    }
}

/// The text in Unicode's composed form (NFC).
fn composed(text: &str) -> SecretString {
    text.nfc().collect::<String>().into()
}

fn hash(argon2: &Argon2<'_>, password: &[u8], salt: &[u8]) -> Result<PasswordHash, PasswordHashError> {
    let hash: phc::PasswordHash = argon2
        .hash_password_with_salt(password, salt)
        .map_err(PasswordHashError::Hash)?;
    Ok(PasswordHash(hash.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher() -> PasswordHasher {
        PasswordHasher::new(PasswordCost::TRIVIAL).unwrap()
    }

    #[test]
    fn the_right_password_verifies_and_others_do_not() {
        let hasher = hasher();
        let stored = hasher
            .hash(&Password::parse("correct horse").unwrap(), &[1; SALT_BYTES])
            .unwrap();
        assert!(
            stored.as_str().starts_with("$argon2id$v=19$m=8,t=1,p=1$"),
            "{}",
            stored.as_str()
        );
        let read_back = PasswordHash::parse(stored.as_str()).unwrap();
        assert!(hasher.verify("correct horse", Some(&read_back)));
        for other in ["correct horsf", "Correct horse", "correct horse ", ""] {
            assert!(!hasher.verify(other, Some(&read_back)), "{other}");
        }
    }

    #[test]
    fn an_account_that_does_not_exist_has_no_password_not_even_the_dummy_one() {
        assert!(!hasher().verify("no account has this password", None));
    }

    #[test]
    fn the_dummy_hash_has_the_cost_of_real_ones() {
        let hasher = hasher();
        let real = hasher
            .hash(&Password::parse("correct horse").unwrap(), &[1; SALT_BYTES])
            .unwrap();
        let cost = |hash: &PasswordHash| hash.as_str().split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(cost(&hasher.dummy), cost(&real));
    }

    #[test]
    fn one_password_under_two_salts_gives_two_hashes() {
        let hasher = hasher();
        let password = Password::parse("correct horse").unwrap();
        let hash = |salt| hasher.hash(&password, &[salt; SALT_BYTES]).unwrap();
        assert_ne!(hash(1).as_str(), hash(2).as_str());
    }

    #[test]
    fn a_hash_made_under_another_cost_still_verifies() {
        let other = PasswordHasher::new(PasswordCost {
            memory_kib: 16,
            passes: 2,
            lanes: 1,
        })
        .unwrap();
        let stored = other
            .hash(&Password::parse("correct horse").unwrap(), &[1; SALT_BYTES])
            .unwrap();
        assert!(hasher().verify("correct horse", Some(&stored)));
    }

    #[test]
    fn a_hash_is_outdated_if_its_cost_is_another_one_and_not_by_its_salt() {
        let (hasher, password) = (hasher(), Password::parse("correct horse").unwrap());
        let other = PasswordHasher::new(PasswordCost {
            passes: 2,
            ..PasswordCost::TRIVIAL
        });
        let (old, new) = (
            other.unwrap().hash(&password, &[1; SALT_BYTES]).unwrap(),
            hasher.hash(&password, &[2; SALT_BYTES]).unwrap(),
        );
        assert!(hasher.is_outdated(&old));
        assert!(!hasher.is_outdated(&new));
        let again = hasher.hash_again("correct horse", &[3; SALT_BYTES]).unwrap();
        assert!(!hasher.is_outdated(&again) && hasher.verify("correct horse", Some(&again)));
    }

    #[test]
    fn a_password_is_found_composed_or_not_and_also_where_it_was_stored_as_it_was_typed() {
        let (composed, decomposed) = ("caf\u{e9} au lait", "cafe\u{301} au lait");
        let hasher = hasher();
        let of_now = hasher
            .hash(&Password::parse(decomposed).unwrap(), &[1; SALT_BYTES])
            .unwrap();
        assert!(hasher.verify(composed, Some(&of_now)) && hasher.verify(decomposed, Some(&of_now)));
        let of_before = hash(&hasher.argon2, decomposed.as_bytes(), &[1; SALT_BYTES]).unwrap();
        assert!(hasher.verify(decomposed, Some(&of_before)));
        assert!(!hasher.verify(composed, Some(&of_before)));
    }

    #[test]
    fn the_default_cost_is_owasps_minimum_and_senseless_ones_are_refused() {
        let defaults = Params::DEFAULT;
        let cost = PasswordCost::default();
        assert_eq!((cost.memory_kib, cost.passes), (defaults.m_cost(), defaults.t_cost()));
        assert!(PasswordHasher::new(PasswordCost { passes: 0, ..cost }).is_err());
        assert!(PasswordHash::parse("plain text").is_err());
    }
}
