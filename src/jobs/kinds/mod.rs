//! The kinds of work that this service knows, one file each.
//!
//! Left out: which kinds a process performs; the application builds its registry.

mod account_delete;
mod account_exists;
mod account_mail;
mod address_mail;
mod email_send;
mod jobs_bulk;
mod new_device_mail;
mod notices;
mod postbox;
mod probe;
mod recipients;
mod registration_mail;
mod report_build;
mod reset_mail;
mod unsubscribe_link;

pub use account_delete::{AccountDelete, AccountDeleteArgs};
pub use account_exists::{AccountExists, AccountExistsArgs};
pub use address_mail::{ADDRESS_PURPOSE, AddressMail, AddressMailArgs};
pub use email_send::{Attached, EmailBody, EmailSend, EmailSendArgs, MadeBy};
pub use jobs_bulk::{Hurry, JobsBulk, JobsBulkArgs, OtherArgs};
pub use new_device_mail::{NewDeviceMail, NewDeviceMailArgs};
pub use notices::{AddressChangedArgs, DeletionAskedArgs, Notice, PasswordChangedArgs, Told};
pub use postbox::{Postbox, Sending};
pub use probe::{Probe, ProbeArgs, ProbeFailure, ProbePanic};
pub use registration_mail::{RegistrationMail, RegistrationMailArgs, TOKEN_PURPOSE};
pub use report_build::{ReportBuild, ReportBuildArgs, ReportLimits};
pub use reset_mail::{RESET_PURPOSE, RESET_TTL, ResetMail, ResetMailArgs};
pub use unsubscribe_link::{UnsubscribeLinks, Unsubscribing};
