//! What a template is called, and the locale that one of its versions is written in.
//!
//! Guarantees: a name and a locale can be put into a path, a header and a log as they are; a locale has one form, however it was
//! written (`de-at` is `de-AT`); what is looked for in a locale is found in the nearest there is, in one order
//! ([`Locale::and_wider`]).
//!
//! Left out: which languages and regions there are.

use std::fmt;

/// The most characters of a template's name.
pub const TEMPLATE_NAME_CHARS_MAX: usize = 100;

/// The most characters of a locale: a language, a script, a region and a variant.
pub const LOCALE_CHARS_MAX: usize = 35;

/// The name of a template: 1 to [`TEMPLATE_NAME_CHARS_MAX`] lower-case letters, digits, `-`, `_` and `.`, starting with a letter
/// or a digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateName(String);

/// Why a text is not a [`TemplateName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {TEMPLATE_NAME_CHARS_MAX} lower-case letters, digits, -, _ and ., starting with a letter or a digit"
)]
pub struct TemplateNameError;

impl TemplateName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`TemplateNameError`] if it is not of its documented form.
    pub fn parse(text: &str) -> Result<Self, TemplateNameError> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = text.len() <= TEMPLATE_NAME_CHARS_MAX
            && text.bytes().next().is_some_and(is_plain)
            && text
                .bytes()
                .all(|byte| is_plain(byte) || matches!(byte, b'-' | b'_' | b'.'));
        is_name.then(|| Self(text.to_owned())).ok_or(TemplateNameError)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for TemplateName {
    type Err = TemplateNameError;

    fn from_str(text: &str) -> Result<Self, TemplateNameError> {
        Self::parse(text)
    }
}

/// A language, and perhaps a script, a region and more, as in `de`, `de-AT` and `zh-Hant-TW` (the form of BCP 47).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locale(String);

/// Why a text is not a [`Locale`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a language such as de, perhaps with a script and a region: de-AT, zh-Hant-TW")]
pub struct LocaleError;

impl Locale {
    /// Reads a locale and gives it its one form: the language in small letters, a script with a capital, a region in capitals.
    ///
    /// # Errors
    /// [`LocaleError`] if it is not of the form of one.
    pub fn parse(text: &str) -> Result<Self, LocaleError> {
        if text.len() > LOCALE_CHARS_MAX {
            return Err(LocaleError);
        }
        let mut form = String::with_capacity(text.len());
        for (index, part) in text.split('-').enumerate() {
            let is_language = (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic());
            let is_other = (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
            match index {
                0 if is_language => form.push_str(&part.to_ascii_lowercase()),
                0 => return Err(LocaleError),
                _ if is_other => {
                    form.push('-');
                    form.push_str(&shaped(part));
                }
                _ => return Err(LocaleError),
            }
        }
        Ok(Self(form))
    }

    /// The locale.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This one and what is wider, the nearest first: `de-AT`, `de`, and the empty text, which stands for no locale.
    pub fn and_wider(&self) -> impl Iterator<Item = &str> {
        let narrower = std::iter::successors(Some(self.as_str()), |one| one.rsplit_once('-').map(|(wider, _)| wider));
        narrower.chain(std::iter::once(""))
    }
}

/// A part behind the language: a script has four letters, a region two.
fn shaped(part: &str) -> String {
    let is_letters = part.bytes().all(|byte| byte.is_ascii_alphabetic());
    match part.len() {
        2 if is_letters => part.to_ascii_uppercase(),
        4 if is_letters => {
            let (first, rest) = part.split_at(1);
            first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
        }
        _ => part.to_ascii_lowercase(),
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Locale {
    type Err = LocaleError;

    fn from_str(text: &str) -> Result<Self, LocaleError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_locale_has_one_form() {
        for (text, form) in [
            ("de", "de"),
            ("DE-at", "de-AT"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("sl-Rozaj", "sl-rozaj"),
            ("es-419", "es-419"),
        ] {
            assert_eq!(Locale::parse(text).unwrap().as_str(), form);
        }
        for text in [
            "",
            "d",
            "de_AT",
            "de-",
            "-de",
            "de--AT",
            "12",
            "deutsch",
            "de-AT\r\n",
            "de-a\u{e4}",
            &"de-".repeat(20),
        ] {
            assert_eq!(Locale::parse(text), Err(LocaleError), "{text}");
        }
    }

    #[test]
    fn a_locale_widens_to_its_language_and_then_to_none() {
        let locale = Locale::parse("zh-Hant-TW").unwrap();
        assert_eq!(
            locale.and_wider().collect::<Vec<_>>(),
            ["zh-Hant-TW", "zh-Hant", "zh", ""]
        );
    }

    #[test]
    fn names_are_of_few_characters() {
        for text in ["a", "0", "order.confirmed_v2", "welcome", &"a".repeat(100)] {
            assert_eq!(TemplateName::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            "-a",
            ".",
            "A",
            "a b",
            "a/b",
            "../a",
            "\u{e4}",
            "a\n",
            &"a".repeat(101),
        ] {
            assert_eq!(TemplateName::parse(text), Err(TemplateNameError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_form_of_a_locale_is_a_fixed_point_of_printable_text(text in "[a-zA-Z0-9-]{0,12}|\\PC{0,12}") {
            if let Ok(locale) = Locale::parse(&text) {
                prop_assert_eq!(&Locale::parse(locale.as_str()).unwrap(), &locale);
                prop_assert!(locale.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
                prop_assert!(locale.as_str().eq_ignore_ascii_case(&text));
            }
        }
    }
}
