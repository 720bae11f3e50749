//! What a client marks its mails with: tags and metadata, which stay with the service and never go out with the mail.

/// The most tags of one mail.
pub const TAGS_MAX: usize = 20;
/// The most characters of a tag, and of a metadata field's name.
pub const LABEL_CHARS_MAX: usize = 50;
/// The most fields of a mail's metadata.
pub const METADATA_FIELDS_MAX: usize = 20;
/// The most characters of a field's value.
pub const METADATA_VALUE_CHARS_MAX: usize = 500;

/// Why a text is not a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Other characters, none or too many.
    #[error("must be 1 to {LABEL_CHARS_MAX} letters, digits and .:_- of ASCII, the first a letter or a digit")]
    Tag,
    /// A value that is too long.
    #[error("must have at most {METADATA_VALUE_CHARS_MAX} characters")]
    TooLong,
    /// NUL, which no database keeps.
    #[error("must not contain the character NUL")]
    Nul,
}

/// A tag, or the name of a metadata field.
///
/// # Errors
/// [`LabelError::Tag`] if it is not one.
pub fn tag(text: &str) -> Result<(), LabelError> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b".:_-".contains(&byte);
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first && text.len() <= LABEL_CHARS_MAX && text.bytes().all(is_good) {
        Ok(())
    } else {
        Err(LabelError::Tag)
    }
}

/// The value of a metadata field.
///
/// # Errors
/// [`LabelError`] if it is too long or holds NUL.
pub fn metadata_value(text: &str) -> Result<(), LabelError> {
    if text.contains('\0') {
        return Err(LabelError::Nul);
    }
    if text.chars().count() > METADATA_VALUE_CHARS_MAX {
        return Err(LabelError::TooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_short_word() {
        for text in ["a", "welcome", "2026.spring", "team:billing_x-1", &"a".repeat(50)] {
            assert_eq!(tag(text), Ok(()), "{text:?}");
        }
        for text in ["", " a", "a b", "ä", "-a", ".a", "a\n", &"a".repeat(51)] {
            assert_eq!(tag(text), Err(LabelError::Tag), "{text:?}");
        }
    }

    #[test]
    fn a_value_is_any_bounded_text_but_nul() {
        assert_eq!(metadata_value(&"ä".repeat(500)), Ok(()));
        assert_eq!(metadata_value(&"ä".repeat(501)), Err(LabelError::TooLong));
        assert_eq!(metadata_value("a\0"), Err(LabelError::Nul));
    }
}
