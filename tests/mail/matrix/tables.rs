//! What is expected of each fault at each step.
//!
//! `S` is snoozed (no attempt spent) and then sent, `R` is to be tried again and then sent, `D` discarded, `U` uncertain by the rule
//! to hold and repeated by the rule to repeat, `C` completed.

use super::stage::Fault;

/// A step, a fault, where the job is after it, and when all is over the attempts spent and the copies received. Where it is uncertain,
/// the rule to repeat costs an attempt and a copy more.
#[derive(Clone, Copy)]
pub(super) struct Row(
    pub(super) &'static str,
    pub(super) Fault,
    pub(super) char,
    pub(super) u32,
    pub(super) usize,
);

/// Up to the mail: whatever happens is the relay's.
pub(super) const BEFORE_MAIL: &[Row] = &[
    Row("connect", Fault::Close, 'S', 1, 1),
    Row("greeting", Fault::Close, 'S', 1, 1),
    Row("greeting", Fault::Reset, 'S', 1, 1),
    Row("greeting", Fault::Hang, 'S', 1, 1),
    Row("greeting", Fault::NotNow, 'S', 1, 1),
    Row("greeting", Fault::Never, 'S', 1, 1),
    Row("greeting", Fault::Garbage, 'S', 1, 1),
    Row("greeting", Fault::SlowBytes, 'C', 1, 1),
    Row("greeting", Fault::TooSlowBytes, 'S', 1, 1),
    Row("ehlo", Fault::Close, 'S', 1, 1),
    Row("ehlo", Fault::Reset, 'S', 1, 1),
    Row("ehlo", Fault::Hang, 'S', 1, 1),
    Row("ehlo", Fault::NotNow, 'S', 1, 1),
    Row("ehlo", Fault::Never, 'S', 1, 1),
    Row("ehlo", Fault::Garbage, 'S', 1, 1),
    Row("ehlo", Fault::SlowBytes, 'C', 1, 1),
    Row("ehlo", Fault::TooSlowBytes, 'S', 1, 1),
    Row("starttls", Fault::Close, 'S', 1, 1),
    Row("starttls", Fault::Reset, 'S', 1, 1),
    Row("starttls", Fault::Hang, 'S', 1, 1),
    Row("starttls", Fault::NotNow, 'S', 1, 1),
    Row("starttls", Fault::Never, 'S', 1, 1),
    Row("starttls", Fault::Garbage, 'S', 1, 1),
    Row("starttls", Fault::SlowBytes, 'C', 1, 1),
    Row("starttls", Fault::TooSlowBytes, 'S', 1, 1),
    Row("handshake", Fault::Close, 'S', 1, 1),
    Row("handshake", Fault::Reset, 'S', 1, 1),
    Row("handshake", Fault::Hang, 'S', 1, 1),
    Row("handshake", Fault::NotNow, 'S', 1, 1),
    Row("handshake", Fault::Never, 'S', 1, 1),
    Row("handshake", Fault::Garbage, 'S', 1, 1),
    Row("ehlo-again", Fault::Close, 'S', 1, 1),
    Row("ehlo-again", Fault::Reset, 'S', 1, 1),
    Row("ehlo-again", Fault::Hang, 'S', 1, 1),
    Row("ehlo-again", Fault::NotNow, 'S', 1, 1),
    Row("ehlo-again", Fault::Never, 'S', 1, 1),
    Row("ehlo-again", Fault::Garbage, 'S', 1, 1),
    Row("ehlo-again", Fault::SlowBytes, 'C', 1, 1),
    Row("ehlo-again", Fault::TooSlowBytes, 'S', 1, 1),
    Row("auth", Fault::Close, 'S', 1, 1),
    Row("auth", Fault::Reset, 'S', 1, 1),
    Row("auth", Fault::Hang, 'S', 1, 1),
    Row("auth", Fault::NotNow, 'S', 1, 1),
    Row("auth", Fault::Never, 'S', 1, 1),
    Row("auth", Fault::Garbage, 'S', 1, 1),
    Row("auth", Fault::SlowBytes, 'C', 1, 1),
    Row("auth", Fault::TooSlowBytes, 'S', 1, 1),
    Row("auth-user", Fault::Close, 'S', 1, 1),
    Row("auth-user", Fault::Reset, 'S', 1, 1),
    Row("auth-user", Fault::Hang, 'S', 1, 1),
    Row("auth-user", Fault::NotNow, 'S', 1, 1),
    Row("auth-user", Fault::Never, 'S', 1, 1),
    Row("auth-user", Fault::Garbage, 'S', 1, 1),
    Row("auth-password", Fault::Close, 'S', 1, 1),
    Row("auth-password", Fault::Reset, 'S', 1, 1),
    Row("auth-password", Fault::Hang, 'S', 1, 1),
    Row("auth-password", Fault::NotNow, 'S', 1, 1),
    Row("auth-password", Fault::Never, 'S', 1, 1),
    Row("auth-password", Fault::Garbage, 'S', 1, 1),
];

/// From MAIL on.
pub(super) const OF_THE_MAIL: &[Row] = &[
    Row("mail", Fault::Close, 'R', 2, 1),
    Row("mail", Fault::Reset, 'R', 2, 1),
    Row("mail", Fault::Hang, 'R', 2, 1),
    Row("mail", Fault::NotNow, 'R', 2, 1),
    // It is the sender that is refused, which is a matter of settings and no fault of the mail.
    Row("mail", Fault::Never, 'R', 2, 1),
    Row("mail", Fault::Garbage, 'R', 2, 1),
    Row("mail", Fault::SlowBytes, 'C', 1, 1),
    Row("mail", Fault::TooSlowBytes, 'R', 2, 1),
    Row("rcpt-first", Fault::Close, 'R', 2, 1),
    Row("rcpt-first", Fault::Reset, 'R', 2, 1),
    Row("rcpt-first", Fault::Hang, 'R', 2, 1),
    // The others get theirs at once, and this one a mail of its own.
    Row("rcpt-first", Fault::NotNow, 'R', 2, 1),
    Row("rcpt-first", Fault::Never, 'C', 1, 0),
    Row("rcpt-first", Fault::Garbage, 'R', 2, 1),
    Row("rcpt-first", Fault::SlowBytes, 'C', 1, 1),
    Row("rcpt-first", Fault::TooSlowBytes, 'R', 2, 1),
    Row("rcpt-last", Fault::Close, 'R', 2, 1),
    Row("rcpt-last", Fault::Reset, 'R', 2, 1),
    Row("rcpt-last", Fault::Hang, 'R', 2, 1),
    Row("rcpt-last", Fault::NotNow, 'R', 2, 1),
    Row("rcpt-last", Fault::Never, 'C', 1, 0),
    Row("rcpt-last", Fault::Garbage, 'R', 2, 1),
    Row("rcpt-last", Fault::TooSlowBytes, 'R', 2, 1),
    Row("rcpt-all", Fault::NotNow, 'R', 2, 1),
    Row("rcpt-all", Fault::Never, 'D', 1, 0),
    Row("data", Fault::Close, 'R', 2, 1),
    Row("data", Fault::Reset, 'R', 2, 1),
    Row("data", Fault::Hang, 'R', 2, 1),
    Row("data", Fault::NotNow, 'R', 2, 1),
    Row("data", Fault::Never, 'D', 1, 0),
    Row("data", Fault::Garbage, 'R', 2, 1),
    Row("data", Fault::SlowBytes, 'C', 1, 1),
    Row("data", Fault::TooSlowBytes, 'R', 2, 1),
    // The dot has arrived, and the mail is not taken.
    Row("dot", Fault::Close, 'U', 1, 0),
    Row("dot", Fault::Reset, 'U', 1, 0),
    Row("dot", Fault::Hang, 'U', 1, 0),
    Row("dot", Fault::NotNow, 'R', 2, 1),
    Row("dot", Fault::Never, 'D', 1, 0),
    Row("dot", Fault::Garbage, 'U', 1, 0),
    Row("dot", Fault::SlowBytes, 'C', 1, 1),
    // The mail is taken, and we are not told.
    Row("taken", Fault::Close, 'U', 1, 1),
    Row("taken", Fault::Reset, 'U', 1, 1),
    Row("taken", Fault::Hang, 'U', 1, 1),
    Row("taken", Fault::Garbage, 'U', 1, 1),
    Row("taken", Fault::SlowBytes, 'C', 1, 1),
    Row("taken", Fault::TooSlowBytes, 'U', 1, 1),
    // A server that takes a mail and says that it has not is believed.
    Row("taken", Fault::NotNow, 'R', 2, 2),
    Row("taken", Fault::Never, 'D', 1, 1),
];

/// In the middle of a message that is larger than all buffers: its dot was not sent.
pub(super) const IN_THE_BODY: &[Row] = &[
    Row("body", Fault::Close, 'R', 2, 1),
    Row("body", Fault::Reset, 'R', 2, 1),
    Row("body", Fault::Hang, 'R', 2, 1),
];
