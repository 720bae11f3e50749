//! Delivery to an SMTP relay, driven step by step so that each way to fail is told apart.
//!
//! Guarantees: the gate is asked after the server has taken the sender, a recipient and DATA or a first chunk, and before the
//! last piece of the message, which for all but large ones is the whole; a mail goes to those recipients whom the server takes,
//! and the others are named with what it said; only silence, or an answer that is none, after the final dot was begun or the
//! last chunk was sent is uncertain; a delivery that is dropped half-way closes its connection, which is never used again; what
//! is wrong with the relay or with our settings (no connection, no encryption, no login) is told apart from what is wrong with a
//! mail; a password goes only over a connection that is as safe as the settings ask for, and into no error.
//!
//! Left out: BINARYMIME (all that is built is text), HELO for servers from before 1995, and MX lookup (it speaks to one relay). A
//! connection belongs to the runtime on which it was opened: use one `SmtpTransport` from one runtime, or accept that a
//! connection of a runtime that has ended is found broken and replaced.

mod answer;
mod body;
mod breaker;
mod config;
mod connect;
mod dialogue;
mod handshake;
mod login;
mod offers;
mod pool;
mod tolerance;
mod transaction;
mod trust;
mod wire;

use std::sync::atomic::AtomicBool;

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use breaker::Breaker;
pub use config::{HelloName, HelloNameError, Security, SmtpConfig};
use dialogue::{Connection, Dialogue, Stop};
pub use login::Login;
use pool::Pool;
pub use trust::{Trust, TrustError};

use super::message::Rendered;
use super::transport::{DeliveryError, Gate, Phase, Receipt, Transport};

/// Delivers to one relay, keeping a bounded number of idle connections for reuse.
pub struct SmtpTransport {
    config: SmtpConfig,
    idle: Pool,
    breaker: Breaker,
    knows_no_chunks: AtomicBool,
}

impl SmtpTransport {
    /// A transport for the relay in `config`; connects at the first delivery.
    #[must_use]
    pub fn new(config: SmtpConfig) -> Self {
        let idle = Pool::new(config.max_idle);
        let breaker = Breaker::new(config.url());
        Self {
            config,
            idle,
            breaker,
            knows_no_chunks: AtomicBool::new(false),
        }
    }

    /// How many connections are kept idle now, those that will not be used again because they are too old included.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.idle.len()
    }

    async fn run(&self, mail: &Rendered, gate: &dyn Gate) -> Result<Receipt, DeliveryError> {
        let dialogue = Dialogue::new(&self.config, mail, gate.transcript(), &self.knows_no_chunks)?;
        let mut connection = self.begin(&dialogue).await?;
        let _in_use = self.idle.in_use();
        match dialogue.carry(&mut connection, gate).await {
            Ok(receipt) => {
                self.idle.put(connection);
                Ok(receipt)
            }
            // It took MAIL, so that it can be used for others: no fault of the relay, whatever is wrong with this mail.
            Err(Stop::Refused(error)) => {
                self.reset_and_keep(&dialogue, connection).await;
                Err(error)
            }
            Err(Stop::Broken { error, .. }) => Err(error),
        }
    }

    /// A connection, an idle one if there is one, on which MAIL was taken.
    async fn begin(&self, dialogue: &Dialogue<'_>) -> Result<Connection, DeliveryError> {
        if let Some(idle) = self.idle.take()
            && let Some(begun) = self.begin_again(dialogue, idle).await?
        {
            return Ok(begun);
        }
        if self.idle.is_full()
            && let Some(begun) = self.begin_on_the_next_free(dialogue).await?
        {
            return Ok(begun);
        }
        let pass = self.breaker.enter()?;
        let opening = self.idle.in_use();
        let opened = dialogue.connect_and_name_sender().await;
        drop(opening);
        let begun = match opened {
            Err(error) if is_crowded(&error) => {
                self.idle.note_crowded();
                let begun = self.begin_on_the_next_free(dialogue).await;
                begun.and_then(|begun| begun.ok_or(error))
            }
            opened => opened,
        };
        match &begun {
            Ok(_) => pass.worked(),
            // Lost, or silent, or closing: no better than no connection.
            Err(
                error @ DeliveryError::Transient {
                    code: None | Some(dialogue::CLOSING),
                    ..
                },
            )
            | Err(error @ DeliveryError::Unavailable { .. }) => pass.failed(error),
            // It answered, and that is about the mail.
            Err(_) => pass.worked(),
        }
        begun
    }

    /// MAIL on a connection that was used before; nothing where the server has closed it, or says that it is about to:
    /// nothing was lost then but time.
    async fn begin_again(
        &self,
        dialogue: &Dialogue<'_>,
        mut connection: Connection,
    ) -> Result<Option<Connection>, DeliveryError> {
        let _in_use = self.idle.in_use();
        match dialogue.name_sender(&mut connection).await {
            Ok(()) => {
                self.breaker.worked();
                Ok(Some(connection))
            }
            Err(Stop::Broken { stale: true, .. }) => Ok(None),
            Err(Stop::Refused(error)) => {
                self.reset_and_keep(dialogue, connection).await;
                Err(error)
            }
            Err(Stop::Broken { error, .. }) => Err(error),
        }
    }

    /// Takes turns on the connections that the relay allows, as long as some are in use; nothing if none comes free.
    async fn begin_on_the_next_free(&self, dialogue: &Dialogue<'_>) -> Result<Option<Connection>, DeliveryError> {
        match timeout(self.config.command_timeout, self.idle.next_free()).await {
            Ok(Some(freed)) => self.begin_again(dialogue, freed).await,
            Ok(None) | Err(_) => Ok(None),
        }
    }

    /// Keeps a connection on which a command was refused, once the server has forgotten the mail.
    async fn reset_and_keep(&self, dialogue: &Dialogue<'_>, mut connection: Connection) {
        if dialogue.reset(&mut connection).await {
            self.idle.put(connection);
        }
    }
}

/// Whether the relay answers, and has no room for one connection more: many limit how many one client may have.
fn is_crowded(error: &DeliveryError) -> bool {
    (error.phase(), error.code()) == (Some(Phase::Greeting), Some(dialogue::CLOSING))
}

impl Transport for SmtpTransport {
    fn deliver<'a>(&'a self, mail: &'a Rendered, gate: &'a dyn Gate) -> BoxFuture<'a, Result<Receipt, DeliveryError>> {
        Box::pin(self.run(mail, gate))
    }

    fn describe(&self) -> String {
        self.config.url()
    }
}
