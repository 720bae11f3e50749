//! An SMTP relay for tests: it captures what it takes, sends nothing on, and fails at any step when told.
//!
//! Guarantees: it runs on a thread and a runtime of its own, so that it answers whatever the caller's runtime does (a paused
//! clock, a blocked thread); what counts as taken is what was recorded at the final dot, or at the last chunk; what it keeps
//! is bounded in number and in bytes, and the oldest goes first; no password is in a transcript.
//!
//! A fault is ordered by a [`Rule`] for a [`Step`], or by the recipient's address (see [`address_fault`]). Rules are tried in
//! the order in which they were given; the first that fits a step, and is not used up, acts. Addresses come after rules.
//!
//! Left out: the pages and the HTTP interface of `legwork sandbox` (`app::sandbox`), storage (a sandbox forgets all when it
//! ends), and any policy of real servers: whoever sends, to whomever, is taken.

mod act;
mod address;
mod bounce;
mod capture;
mod certificate;
mod hold;
mod offer;
mod reading;
mod relay;
mod rule;
mod session;
mod step;
mod transcript;
#[cfg(feature = "testing")]
mod waits;

pub use act::Act;
pub use address::{ADDRESS_FAULTS, address_fault};
pub use capture::Taken;
pub use certificate::{CertificateError, self_signed};
pub use hold::Hold;
pub use offer::{Extensions, Offer, OfferedLogin, OfferedTls};
pub use reading::{Attachment, Header, Reading};
pub use relay::{Keep, Options, Relay};
pub use rule::{Rule, RuleAt, RuleError, RuleStanding};
pub use step::Step;
pub use transcript::{Line, Side, Transcript};
