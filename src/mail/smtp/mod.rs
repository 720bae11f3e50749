//! Delivery to an SMTP relay, driven step by step so that each way to fail is told apart.
//!
//! Guarantees: the gate is asked after the server has taken the sender, all recipients and DATA, and before the first byte
//! of the message; a mail goes to all of its recipients or to none (if one is refused, the dialogue is reset and nothing is
//! sent to anybody); only silence, or an answer that is none, after the final dot was begun is uncertain; a delivery that
//! is dropped half-way closes its connection, which is never used again.
//!
//! Left out: TLS, AUTH, PIPELINING, SIZE, and MX lookup (it speaks to one relay). A connection belongs to the runtime on
//! which it was opened: use one `SmtpTransport` from one runtime, or accept that a connection of a runtime that has ended is
//! found broken and replaced.

mod config;
mod dialogue;
mod pool;

use futures_util::future::BoxFuture;

pub use config::{HelloName, HelloNameError, SmtpConfig};
use dialogue::{Dialogue, Stop};
use pool::Pool;

use super::message::Rendered;
use super::transport::{DeliveryError, Gate, Receipt, Transport};

/// Delivers to one relay, keeping a bounded number of idle connections for reuse.
pub struct SmtpTransport {
    config: SmtpConfig,
    idle: Pool,
}

impl SmtpTransport {
    /// A transport for the relay in `config`; connects at the first delivery.
    #[must_use]
    pub fn new(config: SmtpConfig) -> Self {
        let idle = Pool::new(config.max_idle);
        Self { config, idle }
    }

    /// How many connections are kept idle now, those that will not be used again because they are too old included.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.idle.len()
    }

    async fn run(&self, mail: &Rendered, gate: &dyn Gate) -> Result<Receipt, DeliveryError> {
        let dialogue = Dialogue::new(&self.config, mail)?;
        let mut connection = match self.idle.take() {
            None => dialogue.connect_and_name_sender().await,
            Some(mut reused) => match dialogue.name_sender(&mut reused).await {
                // The server has closed it while it was idle, or says that it is about to: nothing was lost but time.
                Err(Stop::Broken { stale: true, .. }) => dialogue.connect_and_name_sender().await,
                Err(Stop::Refused(error)) => {
                    self.reset_and_keep(&dialogue, reused).await;
                    return Err(error);
                }
                Err(Stop::Broken { error, .. }) => return Err(error),
                Ok(()) => Ok(reused),
            },
        }?;
        let carried = dialogue.carry(&mut connection, gate).await;
        match carried {
            Ok(receipt) => {
                self.idle.put(connection);
                Ok(receipt)
            }
            Err(Stop::Refused(error)) => {
                self.reset_and_keep(&dialogue, connection).await;
                Err(error)
            }
            Err(Stop::Broken { error, .. }) => Err(error),
        }
    }

    /// Keeps a connection on which a command was refused, once the server has forgotten the mail.
    async fn reset_and_keep(&self, dialogue: &Dialogue<'_>, mut connection: dialogue::Connection) {
        if dialogue.reset(&mut connection).await {
            self.idle.put(connection);
        }
    }
}

impl Transport for SmtpTransport {
    fn deliver<'a>(&'a self, mail: &'a Rendered, gate: &'a dyn Gate) -> BoxFuture<'a, Result<Receipt, DeliveryError>> {
        Box::pin(self.run(mail, gate))
    }

    fn describe(&self) -> String {
        self.config.url()
    }
}
