//! Delivery to an SMTP relay, driven step by step so that each way to fail is told apart.
//!
//! Guarantees: the gate is asked after the server has taken the sender, all recipients and DATA, and before the first byte
//! of the message; a mail goes to those recipients whom the server takes, and the others are named with what it said; only
//! silence, or an answer that is none, after the final dot was begun is uncertain; a delivery that is dropped half-way
//! closes its connection, which is never used again; what is wrong with the relay or with our settings (no connection, no
//! encryption, no login) is told apart from what is wrong with a mail; a password goes only over a connection that is as
//! safe as the settings ask for, and into no error.
//!
//! Left out: PIPELINING, SIZE, HELO for servers from before 1995, and MX lookup (it speaks to one relay). A connection belongs to the runtime on
//! which it was opened: use one `SmtpTransport` from one runtime, or accept that a connection of a runtime that has ended is
//! found broken and replaced.

mod answer;
mod breaker;
mod config;
mod connect;
mod dialogue;
mod handshake;
mod login;
mod pool;
mod stream;
mod tolerance;
mod trust;

use futures_util::future::BoxFuture;

use breaker::Breaker;
pub use config::{HelloName, HelloNameError, Security, SmtpConfig};
use dialogue::{Connection, Dialogue, Stop};
pub use login::Login;
use pool::Pool;
pub use trust::{Trust, TrustError};

use super::message::Rendered;
use super::transport::{DeliveryError, Gate, Receipt, Transport};

/// Delivers to one relay, keeping a bounded number of idle connections for reuse.
pub struct SmtpTransport {
    config: SmtpConfig,
    idle: Pool,
    breaker: Breaker,
}

impl SmtpTransport {
    /// A transport for the relay in `config`; connects at the first delivery.
    #[must_use]
    pub fn new(config: SmtpConfig) -> Self {
        let idle = Pool::new(config.max_idle);
        let breaker = Breaker::new(config.url());
        Self { config, idle, breaker }
    }

    /// How many connections are kept idle now, those that will not be used again because they are too old included.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.idle.len()
    }

    async fn run(&self, mail: &Rendered, gate: &dyn Gate) -> Result<Receipt, DeliveryError> {
        let dialogue = Dialogue::new(&self.config, mail)?;
        let mut connection = self.begin(&dialogue).await?;
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
        let Some(mut reused) = self.idle.take() else {
            return self.begin_afresh(dialogue).await;
        };
        match dialogue.name_sender(&mut reused).await {
            Ok(()) => {
                self.breaker.worked();
                Ok(reused)
            }
            // The server has closed it while it was idle, or says that it is about to: nothing was lost but time.
            Err(Stop::Broken { stale: true, .. }) => self.begin_afresh(dialogue).await,
            Err(Stop::Refused(error)) => {
                self.reset_and_keep(dialogue, reused).await;
                Err(error)
            }
            Err(Stop::Broken { error, .. }) => Err(error),
        }
    }

    async fn begin_afresh(&self, dialogue: &Dialogue<'_>) -> Result<Connection, DeliveryError> {
        let pass = self.breaker.enter()?;
        let begun = dialogue.connect_and_name_sender().await;
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

    /// Keeps a connection on which a command was refused, once the server has forgotten the mail.
    async fn reset_and_keep(&self, dialogue: &Dialogue<'_>, mut connection: Connection) {
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
