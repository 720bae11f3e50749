//! An address with the name that is shown beside it.

use serde::de::Error as _;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{AddressError, DisplayName, EmailAddress, HeaderTextError};

/// Whom a mail is from or goes to.
///
/// Serialized, one without a name is its address alone, as recipients were written before they could have names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The address.
    pub address: EmailAddress,
    /// The name shown beside it.
    pub name: Option<DisplayName>,
}

/// Why something is not a [`Mailbox`]; never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailboxError {
    /// The address is not one.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The name is not one.
    #[error("the name {0}")]
    Name(#[from] HeaderTextError),
    /// The name holds what programs would take for an encoding and show as something else.
    #[error("the name must not contain =?")]
    EncodedName,
}

impl Mailbox {
    /// A mailbox of a name, which may be missing, and an address, which may be international.
    ///
    /// # Errors
    /// [`MailboxError`] if one of them is not what it must be.
    pub fn new(address: &str, name: Option<&str>) -> Result<Self, MailboxError> {
        let address = EmailAddress::parse_international(address)?;
        let name = name.map(DisplayName::parse).transpose()?;
        if name.as_ref().is_some_and(|name| name.as_str().contains("=?")) {
            return Err(MailboxError::EncodedName);
        }
        Ok(Self { address, name })
    }

    /// Reads `address`, or `Name <address>`.
    ///
    /// # Errors
    /// [`MailboxError`] if it is neither.
    pub fn parse(text: &str) -> Result<Self, MailboxError> {
        match text.trim_end().strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
            Some((name, address)) => {
                let name = name.trim_matches(' ');
                // Quotes around the whole name are how headers write it.
                let unquoted = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                let name = unquoted.unwrap_or(name);
                Self::new(address, Some(name).filter(|name| !name.is_empty()))
            }
            None => Self::new(text, None),
        }
    }
}

impl From<EmailAddress> for Mailbox {
    fn from(address: EmailAddress) -> Self {
        Self { address, name: None }
    }
}

impl Serialize for Mailbox {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(name) = &self.name else {
            return self.address.serialize(serializer);
        };
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("email", &self.address)?;
        map.serialize_entry("name", name)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Mailbox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Alone(String),
            Named { email: String, name: Option<String> },
        }
        let (email, name) = match Written::deserialize(deserializer)? {
            Written::Alone(email) => (email, None),
            Written::Named { email, name } => (email, name),
        };
        Self::new(&email, name.as_deref()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> (String, Option<String>) {
        let mailbox = Mailbox::parse(text).unwrap();
        let name = mailbox.name.map(|name| name.as_str().to_owned());
        (mailbox.address.as_str().to_owned(), name)
    }

    #[test]
    fn an_address_may_have_a_name_in_front_of_it() {
        let (ada, name) = ("ada@example.org".to_owned(), |name: &str| Some(name.to_owned()));
        assert_eq!(shown("ada@example.org"), (ada.clone(), None));
        assert_eq!(shown("<ada@example.org>"), (ada.clone(), None));
        assert_eq!(shown("Ada <ada@example.org>"), (ada.clone(), name("Ada")));
        assert_eq!(
            shown("\"Lovelace, Ada\" <ada@example.org>"),
            (ada.clone(), name("Lovelace, Ada"))
        );
        assert_eq!(
            shown("Ada <the> First <ada@example.org>"),
            (ada, name("Ada <the> First"))
        );
        for text in [
            "",
            "Ada",
            "Ada <ada>",
            "Ada <ada@example.org",
            "Ada\r\nBcc: eve@example.org <ada@example.org>",
            "Ada <ada@example.org>\r\nBcc: eve@example.org",
            "=?utf-8?q?Eve?= <ada@example.org>",
            "Ada <ada@example.org> <eve@example.org",
            "ada@example.org, eve@example.org",
        ] {
            assert!(Mailbox::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn one_without_a_name_is_written_as_its_address_and_read_as_it_was_before() {
        let plain = Mailbox::parse("ada@example.org").unwrap();
        assert_eq!(serde_json::to_string(&plain).unwrap(), "\"ada@example.org\"");
        let named = Mailbox::parse("Ada <ada@example.org>").unwrap();
        assert_eq!(
            serde_json::to_string(&named).unwrap(),
            r#"{"email":"ada@example.org","name":"Ada"}"#
        );
        for mailbox in [plain, named] {
            let text = serde_json::to_string(&mailbox).unwrap();
            assert_eq!(serde_json::from_str::<Mailbox>(&text).unwrap(), mailbox);
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_fault_and_no_accepted_one_breaks_a_line(text in any::<String>(), name in any::<String>()) {
            let whole = format!("{name} <ada@example.org>");
            for text in [text, whole] {
                if let Ok(mailbox) = Mailbox::parse(&text) {
                    let name = mailbox.name.as_ref().map_or("", DisplayName::as_str);
                    prop_assert!(!name.chars().any(char::is_control));
                }
            }
        }
    }
}
