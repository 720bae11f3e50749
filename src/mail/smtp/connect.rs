//! A fresh connection to the relay: TCP, encryption, greeting, EHLO, login.
//!
//! Guarantees: whatever fails here is [`DeliveryError::Unavailable`], since it is about the relay or about our settings and
//! never about a mail: one wrong setting must not discard every mail in the queue. No login goes over a connection that is
//! less safe than the settings ask for.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lettre::transport::smtp::response::Response;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::answer::{Lost, number, said, silence};
use super::config::{Security, SmtpConfig};
use super::dialogue::Connection;
use super::handshake::encrypt;
use super::offers::Offers;
use super::transaction::{log_heard, log_note, log_said};
use super::trust::Trust;
use super::wire::{Injected, Wire};
use crate::mail::transcript::Transcript;
use crate::mail::transport::{DeliveryError, Phase};
use crate::mail::words::sanitise;

/// The port on which servers expect TLS from the start (RFC 8314 §3.3).
const IMPLICIT_TLS_PORT: u16 = 465;

/// Opens a connection on which a mail can be begun.
pub(super) async fn connect(config: &SmtpConfig, transcript: Option<&Transcript>) -> Result<Connection, DeliveryError> {
    let opened = open(config, transcript).await;
    if let Err(error) = &opened
        && error.code().is_none()
    {
        log_note(transcript, || error.to_string());
    }
    opened
}

async fn open(config: &SmtpConfig, transcript: Option<&Transcript>) -> Result<Connection, DeliveryError> {
    let stream = reach(config, transcript).await?;
    let fresh = Fresh { config, transcript };
    let mut connection = match &config.security {
        Security::None => fresh.greeted(Wire::plain(stream), false).await?,
        Security::Tls(trust) => {
            let wire = fresh.handshake(trust, stream).await?;
            fresh.greeted(wire, true).await?
        }
        Security::StartTls(trust) => {
            let connection = fresh.start_tls(trust, stream).await?;
            if !connection.is_encrypted() {
                let words = "the relay does not offer STARTTLS, and mail.url requires encryption";
                return Err(DeliveryError::unavailable(Phase::Encryption, words));
            }
            connection
        }
        Security::Opportunistic(trust) => fresh.start_tls(trust, stream).await?,
    };
    if let Some(login) = &config.login {
        login
            .perform(&mut connection, config.command_timeout, transcript)
            .await?;
    }
    Ok(connection)
}

async fn reach(config: &SmtpConfig, transcript: Option<&Transcript>) -> Result<TcpStream, DeliveryError> {
    let limit = config.connect_timeout;
    let failed = |words: &str| DeliveryError::unavailable(Phase::Connect, words);
    let target = (config.host.as_str(), config.port);
    let connecting = async { any_of(&lookup_host(target).await?.collect::<Vec<_>>(), limit).await };
    let stream = match timeout(limit, connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(failed(&error.to_string())),
        Err(_) => return Err(failed(&silence(limit))),
    };
    // A dialogue is a chain of small writes; Nagle's algorithm would hold each back for the peer's delayed answer.
    stream.set_nodelay(true).map_err(|error| failed(&error.to_string()))?;
    // Not where: whoever reads the job need not know the operator's hosts.
    log_note(transcript, || "connected to the relay".to_owned());
    Ok(stream)
}

/// Connects to the first of a host's addresses that answers. Each but the last gets an equal part of `limit`, so that one that
/// is dead, or of a network that drops what it is sent, leaves the others theirs.
async fn any_of(addresses: &[SocketAddr], limit: Duration) -> io::Result<TcpStream> {
    let Some((last, others)) = addresses.split_last() else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "its name has no address"));
    };
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let share = limit.checked_div(count).unwrap_or(limit);
    for address in others {
        if let Ok(Ok(stream)) = timeout(share, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    TcpStream::connect(last).await
}

/// A connection that is being opened.
#[derive(Clone, Copy)]
struct Fresh<'a> {
    config: &'a SmtpConfig,
    transcript: Option<&'a Transcript>,
}

impl Fresh<'_> {
    /// Reads the greeting and says EHLO.
    async fn greeted(self, mut wire: Wire, is_encrypted: bool) -> Result<Connection, DeliveryError> {
        let greeting = async {
            let answer = wire.answer().await?;
            log_heard(self.transcript, &answer);
            if answer.is_positive() {
                self.hello(&mut wire).await
            } else {
                Ok(answer)
            }
        };
        let hello = self.within_time(greeting).await?;
        Ok(Connection::new(wire, Offers::of(&hello), is_encrypted))
    }

    /// The positive answer to a greeting, in the time of one command.
    async fn within_time(
        self,
        greeting: impl Future<Output = Result<Response, Lost>>,
    ) -> Result<Response, DeliveryError> {
        let limit = self.config.command_timeout;
        match timeout(limit, greeting).await {
            Ok(Ok(answer)) if answer.is_positive() => Ok(answer),
            Ok(Ok(answer)) => Err(refused(Phase::Greeting, &answer)),
            Ok(Err(lost)) => Err(DeliveryError::unavailable(Phase::Greeting, lost.words())),
            Err(_) if self.config.port == IMPLICIT_TLS_PORT && !matches!(self.config.security, Security::Tls(_)) => {
                let words = format!(
                    "{}; a relay on port {IMPLICIT_TLS_PORT} is meant by smtps://",
                    silence(limit)
                );
                Err(DeliveryError::unavailable(Phase::Greeting, &words))
            }
            Err(_) => Err(DeliveryError::unavailable(Phase::Greeting, &silence(limit))),
        }
    }

    async fn hello(self, wire: &mut Wire) -> Result<Response, Lost> {
        self.say(wire, &format!("EHLO {}\r\n", self.config.hello_name)).await
    }

    async fn say(self, wire: &mut Wire, text: &str) -> Result<Response, Lost> {
        log_said(self.transcript, text);
        let written = wire.write_all(text.as_bytes()).await;
        written.map_err(|error| Lost::of(&error.to_string()))?;
        let answer = wire.answer().await?;
        log_heard(self.transcript, &answer);
        Ok(answer)
    }

    /// Greets, and encrypts the connection if the server offers it.
    async fn start_tls(self, trust: &Trust, stream: TcpStream) -> Result<Connection, DeliveryError> {
        let connection = self.greeted(Wire::plain(stream), false).await?;
        if !connection.offers.start_tls {
            return Ok(connection);
        }
        let mut wire = connection.wire;
        let limit = self.config.command_timeout;
        match timeout(limit, self.say(&mut wire, "STARTTLS\r\n")).await {
            Ok(Ok(answer)) if answer.has_code(220) => {}
            Ok(Ok(answer)) if answer.is_positive() => {
                let words = format!("unexpected answer to STARTTLS: {}", answer.code());
                return Err(DeliveryError::unavailable(Phase::Encryption, &words));
            }
            Ok(Ok(answer)) => return Err(refused(Phase::Encryption, &answer)),
            Ok(Err(lost)) => return Err(DeliveryError::unavailable(Phase::Encryption, lost.words())),
            Err(_) => return Err(DeliveryError::unavailable(Phase::Encryption, &silence(limit))),
        }
        let stream = wire.into_plain().map_err(|Injected| {
            let words =
                "more came behind the answer to STARTTLS, before the encryption; somebody may have put it there";
            DeliveryError::unavailable(Phase::Encryption, words)
        })?;
        let mut wire = self.handshake(trust, stream).await?;
        // All that was said before is forgotten (RFC 3207 §4.2): the offers are those made to this EHLO.
        let hello = self.within_time(self.hello(&mut wire)).await?;
        Ok(Connection::new(wire, Offers::of(&hello), true))
    }

    async fn handshake(self, trust: &Trust, stream: TcpStream) -> Result<Wire, DeliveryError> {
        let limit = self.config.command_timeout;
        let stream = match timeout(limit, encrypt(trust, &self.config.host, stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(words)) => return Err(DeliveryError::unavailable(Phase::Encryption, &words)),
            Err(_) => return Err(DeliveryError::unavailable(Phase::Encryption, &silence(limit))),
        };
        log_note(self.transcript, || match stream.get_ref().1.protocol_version() {
            Some(version) => format!("encrypted by {version:?}"),
            None => "encrypted".to_owned(),
        });
        Ok(Wire::secure(stream))
    }
}

fn refused(phase: Phase, answer: &Response) -> DeliveryError {
    DeliveryError::Unavailable {
        phase,
        code: number(answer.code()),
        words: sanitise(&said(answer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpSocket;

    /// An address that drops what it is sent: a listener whose queue is full. Both are to be kept.
    async fn dropping() -> (tokio::net::TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            waiting.push(stream.unwrap());
        }
        (listener, waiting)
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_leaves_time_for_the_others() {
        let (dead, _waiting) = dropping().await;
        let alive = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refusing = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let (dead, alive) = (dead.local_addr().unwrap(), alive.local_addr().unwrap());
        for addresses in [&[dead, alive][..], &[refusing, dead, alive], &[alive, dead], &[alive]] {
            let limit = Duration::from_secs(2);
            let connected = timeout(limit, any_of(addresses, limit)).await;
            assert_eq!(connected.unwrap().unwrap().peer_addr().unwrap(), alive, "{addresses:?}");
        }
        assert_eq!(
            any_of(&[refusing], Duration::from_secs(2)).await.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        assert!(any_of(&[], Duration::from_secs(2)).await.is_err());
    }
}
