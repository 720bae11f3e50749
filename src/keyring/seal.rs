//! Sealing: encryption of what must be read back, such as the secret of a second factor.
//!
//! Guarantees: what is sealed is read back with the same purpose and subject only, and an altered text not at all
//! (ChaCha20-Poly1305, the subject as associated data); two texts of the same are never alike (a random nonce of 96 bits: of
//! 2^32 of one purpose, which is far more than there are accounts, two share one with a chance of 1 in 2^33 or less); each
//! purpose has a key of its own, derived from one of the ring.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::zeroize::Zeroizing;

use super::{Key, KeyId, KeyRing};
use crate::domain::token::{EntropyError, random_bytes};

/// What the keys of sealing are derived for; what is sealed for a purpose is no secret that is derived for it.
const PURPOSE: &str = "seal";

/// Why something was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The system's random source failed.
    #[error("no nonce could be made")]
    Entropy(#[from] EntropyError),
    /// The cipher refused, which it does for texts of many gigabytes.
    #[error("the text could not be sealed")]
    Cipher,
}

impl KeyRing {
    /// Seals `plain` under the newest key, as text, with that key's id, to be stored beside it.
    ///
    /// # Errors
    /// If the system's random source fails.
    pub fn seal(&self, purpose: &str, subject: &str, plain: &[u8]) -> Result<(KeyId, String), SealError> {
        let nonce = random_bytes::<NONCE_LEN>()?;
        let mut text = Zeroizing::new(plain.to_vec());
        let tag = cipher(&self.newest, purpose)
            .and_then(|key| {
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.seal_in_place_separate_tag(nonce, Aad::from(subject), &mut text)
            })
            .map_err(|_unspecified| SealError::Cipher)?;
        let sealed = [&nonce, text.as_slice(), tag.as_ref()].concat();
        Ok((self.newest.id.clone(), URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// What was sealed so under the key with this id; none if the ring no longer holds that key, or the text was sealed for
    /// another purpose or subject, or is not as it was.
    #[must_use]
    pub fn unseal(&self, key: &KeyId, purpose: &str, subject: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let key = self.keys().find(|held| held.id == *key)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = cipher(key, purpose).ok()?;
        let plain = opened.open_in_place(nonce, Aad::from(subject), &mut text).ok()?;
        Some(Zeroizing::new(plain.to_vec()))
    }
}

fn cipher(key: &Key, purpose: &str) -> Result<LessSafeKey, ring::error::Unspecified> {
    let bytes = Zeroizing::new(key.mac(PURPOSE, purpose));
    Ok(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, bytes.as_slice())?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{key, ring};
    use super::*;

    #[test]
    fn what_is_sealed_is_read_back_for_its_own_subject_and_purpose_alone() {
        let ring = ring(&key("a", 1));
        let (id, sealed) = ring.seal("totp", "acc_1", b"secret").unwrap();
        assert_eq!(
            ring.unseal(&id, "totp", "acc_1", &sealed).unwrap().as_slice(),
            b"secret"
        );
        assert!(
            ring.unseal(&id, "totp", "acc_2", &sealed).is_none(),
            "another account's"
        );
        assert!(ring.unseal(&id, "other", "acc_1", &sealed).is_none(), "another purpose");
        assert!(ring.unseal(&"b".parse().unwrap(), "totp", "acc_1", &sealed).is_none());
        assert_ne!(ring.seal("totp", "acc_1", b"secret").unwrap().1, sealed, "never alike");
    }

    #[test]
    fn a_seal_outlives_the_rotation_of_its_key_and_ends_with_its_removal() {
        let (id, sealed) = ring(&key("a", 1)).seal("totp", "acc_1", b"secret").unwrap();
        let rotated = ring(&[key("b", 2), key("a", 1)].join(","));
        assert_eq!(
            rotated.unseal(&id, "totp", "acc_1", &sealed).unwrap().as_slice(),
            b"secret"
        );
        assert_eq!(rotated.seal("totp", "acc_1", b"x").unwrap().0.as_str(), "b");
        assert!(ring(&key("b", 2)).unseal(&id, "totp", "acc_1", &sealed).is_none());
    }

    proptest! {
        #[test]
        fn an_altered_text_is_not_read(plain in prop::collection::vec(any::<u8>(), 0..40), at in any::<usize>(), bit in 0_u8..8) {
            let ring = ring(&key("a", 1));
            let (id, sealed) = ring.seal("totp", "acc_1", &plain).unwrap();
            let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(ring.unseal(&id, "totp", "acc_1", &URL_SAFE_NO_PAD.encode(bytes)).is_none());
        }

        #[test]
        fn a_text_that_is_no_seal_is_not_read(text in "\\PC{0,80}|[A-Za-z0-9_-]{0,80}") {
            let ring = ring(&key("a", 1));
            prop_assert!(ring.unseal(&"a".parse().unwrap(), "totp", "acc_1", &text).is_none());
        }
    }
}
