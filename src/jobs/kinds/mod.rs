//! The kinds of work that this service knows, one file each.
//!
//! Left out: which kinds a process performs; the application builds its registry.

mod account_exists;
mod email_send;
mod jobs_bulk;
mod new_device_mail;
mod postbox;
mod probe;
mod recipients;
mod registration_mail;
mod report_build;

pub use account_exists::{AccountExists, AccountExistsArgs};
pub use email_send::{EmailBody, EmailSend, EmailSendArgs};
pub use jobs_bulk::{Hurry, JobsBulk, JobsBulkArgs, OtherArgs};
pub use new_device_mail::{NewDeviceMail, NewDeviceMailArgs};
pub use postbox::{Postbox, Sending};
pub use probe::{Probe, ProbeArgs, ProbeFailure, ProbePanic};
pub use registration_mail::{RegistrationMail, RegistrationMailArgs, TOKEN_PURPOSE};
pub use report_build::{ReportBuild, ReportBuildArgs, ReportLimits};
