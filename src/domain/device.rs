//! What a browser shows to say that it has logged in before: for each of a few accounts an id, and a proof that it is ours.
//!
//! Guarantees: reading takes any text and gives nothing for one that is not written exactly as we write it; at most
//! [`ACCOUNTS_MAX`] accounts are kept, the latest first.
//!
//! Left out: whether a proof is good, which takes the keys.

use std::fmt::Write as _;

use super::id::DeviceId;

/// Accounts that one browser is known to at once: a person has few, and all of them go into one cookie.
pub const ACCOUNTS_MAX: usize = 5;

/// Characters of a proof: base64url of 256 bits.
const PROOF_CHARS: usize = 43;

/// A device of one account, with the proof of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// The device.
    pub id: DeviceId,
    /// What the keys make of it and its account. Not checked.
    pub proof: String,
}

/// The devices that a browser is, of one account each, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownDevices(Vec<KnownDevice>);

impl KnownDevices {
    /// Those in the value of a cookie; none if it is not one of ours.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let all: Option<Vec<KnownDevice>> = text.split('~').map(parse_one).collect();
        Self(all.filter(|all| all.len() <= ACCOUNTS_MAX).unwrap_or_default())
    }

    /// The first that is good by `is_good`.
    #[must_use]
    pub fn find(&self, is_good: impl Fn(&KnownDevice) -> bool) -> Option<DeviceId> {
        self.0.iter().find(|known| is_good(known)).map(|known| known.id)
    }

    /// The same with this one at the front, in place of whatever else was `replaced`.
    #[must_use]
    pub fn with(self, latest: KnownDevice, replaced: Option<DeviceId>) -> Self {
        let others = self.0.into_iter();
        let others = others.filter(|known| known.id != latest.id && Some(known.id) != replaced);
        let others: Vec<_> = others.take(ACCOUNTS_MAX - 1).collect();
        Self(std::iter::once(latest).chain(others).collect())
    }

    /// The value of a cookie: `{id}.{proof}`, joined by `~`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (index, KnownDevice { id, proof }) in self.0.iter().enumerate() {
            let tilde = if index == 0 { "" } else { "~" };
            // Writing into a text does not fail.
            if write!(text, "{tilde}{id}.{proof}").is_err() {}
        }
        text
    }
}

fn parse_one(text: &str) -> Option<KnownDevice> {
    let (id, proof) = text.split_once('.')?;
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let good = proof.len() == PROOF_CHARS && proof.bytes().all(is_known);
    Some(KnownDevice {
        id: id.parse().ok().filter(|_| good)?,
        proof: proof.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(letter: &str) -> KnownDevice {
        KnownDevice {
            id: DeviceId::generate(),
            proof: letter.repeat(PROOF_CHARS),
        }
    }

    #[test]
    fn the_latest_is_first_and_the_oldest_beyond_five_is_forgotten() {
        let all: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(known).to_vec();
        let kept = all
            .iter()
            .fold(KnownDevices::default(), |kept, one| kept.with(one.clone(), None));
        assert_eq!(kept.0.iter().map(|one| &one.proof[..1]).collect::<String>(), "fedcb");
        assert_eq!(KnownDevices::parse(&kept.to_text()), kept);
        let again = kept.clone().with(all[2].clone(), None);
        assert_eq!(again.0.iter().map(|one| &one.proof[..1]).collect::<String>(), "cfedb");
        let replaced = kept.with(known("x"), Some(all[4].id));
        assert_eq!(
            replaced.0.iter().map(|one| &one.proof[..1]).collect::<String>(),
            "xfdcb"
        );
    }

    #[test]
    fn a_value_that_is_not_ours_holds_none() {
        let good = KnownDevices::default().with(known("a"), None).to_text();
        for bad in [
            String::new(),
            "~".into(),
            format!("{good}~"),
            format!("{good}a"),
            good.replace('.', ""),
            good.replace("dev_", "acc_"),
            [good.as_str(); ACCOUNTS_MAX + 1].join("~"),
        ] {
            assert_eq!(KnownDevices::parse(&bad), KnownDevices::default(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_as_it_was(text in "\\PC{0,90}|(dev_[0-9a-f]{32}\\.[A-Za-z0-9_-]{43}~?){0,6}") {
            let read = KnownDevices::parse(&text);
            if read != KnownDevices::default() {
                prop_assert_eq!(read.to_text(), text);
            }
        }
    }
}
