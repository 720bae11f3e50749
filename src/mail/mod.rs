//! Mail: from a template's fields to a message, from a message to bytes, from bytes to a relay or a folder.
//!
//! The only importer of lettre. Guarantees: a message renders to the same bytes each time ([`Message::render`]); no value
//! can add a header, a recipient or an SMTP command; a delivery says whether the mail can have been handed over
//! ([`DeliveryError`]), and asks a [`Gate`] before it hands it over; how many go to the relay and to a site at once is bounded
//! by what they bear ([`Sites`]).
//!
//! Left out: jobs, retries, policy and the store (that is the mailer's), DKIM. A delivery keeps no state beyond idle connections.

mod memory;
mod message;
mod outbox;
mod sites;
mod smtp;
mod templates;
mod transcript;
mod transport;
mod unsubscribe;
mod words;

pub use memory::{MemoryTransport, WaitedTooLong};
pub use message::{AttachedFile, Envelope, Extras, Message, RECIPIENTS_MAX, RenderError, Rendered, Sender};
pub use outbox::OutboxTransport;
pub use sites::{Limits, NoRoom, Pass, Sites, SlowedSite};
pub use smtp::{HelloName, HelloNameError, Login, Security, SmtpConfig, SmtpTransport, Trust, TrustError};
pub use templates::{
    BuiltIn, CONTENT, CompiledTemplate, Content, FieldProblem, Part, Place, TemplateError, TemplateFault,
    TemplateSource, Templates, VALUE_CHARS_MAX, built_in, built_ins, text_of_html,
};
pub use transcript::{TRANSCRIPT_BYTES_MAX, Transcript};
pub use transport::{DeliveryError, Gate, GateClosed, OpenGate, Phase, Receipt, Refusal, Transport};
pub use unsubscribe::UnsubscribeHeader;
pub use words::WORDS_CHARS_MAX;
