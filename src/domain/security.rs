//! What concerns the security of accounts, as it is written down.

use super::named::named;

named! {
    /// What happened. Names are added to, never renamed.
    SecurityEvent {
        /// Somebody logged in.
        LoggedIn = "login.succeeded",
        /// A login was refused.
        LoginRefused = "login.refused",
        /// Somebody logged in by a browser or program that had not logged in to the account before.
        NewDevice = "login.new_device",
        /// A login was ended by its owner.
        LoggedOut = "session.ended",
        /// All other logins of an account were ended.
        OthersLoggedOut = "session.others_ended",
        /// Whoever holds a login showed the password again, and the second factor where there is one.
        Confirmed = "session.confirmed",
        /// That was refused.
        ConfirmationRefused = "session.confirmation_refused",
        /// An account was made.
        AccountMade = "account.made",
        /// Another address was asked for.
        AddressChangeAsked = "address.change_asked",
        /// The address was changed.
        AddressChanged = "address.changed",
        /// The password was changed by whoever knew it.
        PasswordChanged = "password.changed",
        /// A link to set another password was mailed.
        ResetMailed = "password.reset_mailed",
        /// The password was set by such a link.
        PasswordReset = "password.reset",
        /// The deletion of an account was asked for.
        DeletionAsked = "account.deletion_asked",
        /// It was taken back.
        DeletionTakenBack = "account.deletion_taken_back",
        /// The account is gone.
        AccountDeleted = "account.deleted",
        /// A second factor was turned on.
        SecondFactorOn = "second_factor.on",
        /// It was turned off.
        SecondFactorOff = "second_factor.off",
        /// A recovery code was used in its place.
        RecoveryCodeUsed = "second_factor.recovery_code_used",
        /// New recovery codes were made, and the old ones are void.
        RecoveryCodesMade = "second_factor.recovery_codes_made",
        /// An API key was made.
        KeyMade = "api_key.made",
        /// An API key was given a successor.
        KeyRotated = "api_key.rotated",
        /// An API key was revoked.
        KeyRevoked = "api_key.revoked",
        /// The account became an operator's.
        OperatorGranted = "role.operator_granted",
        /// It is an operator's no more.
        OperatorRevoked = "role.operator_revoked",
        /// An operator read what is another workspace's.
        OperatorRead = "operator.read",
    }
}
