//! What is shown as a second factor: a code of an app, or a recovery code in its place.

use super::recovery::RecoveryCode;
use super::totp::TotpCode;

/// A code as somebody typed it.
#[derive(Debug)]
pub enum ShownCode {
    /// One that an app made.
    Totp(TotpCode),
    /// One that was kept for when the app is lost.
    Recovery(RecoveryCode),
}

/// A text is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the six digits of the app, or a recovery code")]
pub struct ParseCodeError;

impl ShownCode {
    /// The code in `text`; which it is shows by its length.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, ParseCodeError> {
        let totp = TotpCode::parse(text).map(Self::Totp);
        let code = totp.or_else(|| RecoveryCode::parse(text).map(Self::Recovery));
        code.ok_or(ParseCodeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_are_of_the_app_and_twenty_characters_a_recovery_code() {
        assert!(matches!(ShownCode::parse("123 456"), Ok(ShownCode::Totp(_))));
        assert!(matches!(
            ShownCode::parse("ABCDE-FGHJK-MNPQR-STVWX"),
            Ok(ShownCode::Recovery(_))
        ));
        assert!(ShownCode::parse("1234567").is_err());
    }
}
