//! A fresh connection to the relay: TCP, encryption, greeting, EHLO, login.
//!
//! Guarantees: whatever fails here is [`DeliveryError::Unavailable`], since it is about the relay or about our settings and
//! never about a mail: one wrong setting must not discard every mail in the queue. No login goes over a connection that is
//! less safe than the settings ask for.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::Starttls;
use lettre::transport::smtp::extension::{ClientId, Extension};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::answer::{number, silence, words_of};
use super::config::{Security, SmtpConfig};
use super::dialogue::Connection;
use super::handshake::encrypt;
use super::stream::{Injected, PlainStream, SecureStream};
use super::tolerance::Mended;
use super::trust::Trust;
use crate::mail::transport::{DeliveryError, Phase};

/// The port on which servers expect TLS from the start (RFC 8314 §3.3).
const IMPLICIT_TLS_PORT: u16 = 465;

/// Opens a connection on which a mail can be begun.
pub(super) async fn connect(config: &SmtpConfig) -> Result<Connection, DeliveryError> {
    let stream = reach(config).await?;
    let (session, is_encrypted) = match &config.security {
        Security::None => (greet(config, Box::new(stream)).await?, false),
        Security::Tls(trust) => {
            let stream = SecureStream::greeted(*handshake(config, trust, stream).await?);
            (greet(config, Box::new(stream)).await?, true)
        }
        Security::StartTls(trust) => match start_tls(config, trust, stream).await? {
            (session, true) => (session, true),
            (_, false) => {
                let words = "the relay does not offer STARTTLS, and mail.url requires encryption";
                return Err(DeliveryError::unavailable(Phase::Encryption, words));
            }
        },
        Security::Opportunistic(trust) => start_tls(config, trust, stream).await?,
    };
    let mut connection = Connection::new(session, is_encrypted);
    if let Some(login) = &config.login {
        login.perform(&mut connection, config.command_timeout).await?;
    }
    Ok(connection)
}

async fn reach(config: &SmtpConfig) -> Result<TcpStream, DeliveryError> {
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

/// Reads the greeting and says EHLO.
async fn greet(config: &SmtpConfig, stream: Box<dyn AsyncTokioStream>) -> Result<AsyncSmtpConnection, DeliveryError> {
    let hello = ClientId::Domain(config.hello_name.as_str().to_owned());
    let limit = config.command_timeout;
    let stream = Box::new(Mended::new(stream));
    match timeout(limit, AsyncSmtpConnection::connect_with_transport(stream, &hello)).await {
        Ok(Ok(session)) => Ok(session),
        Ok(Err(error)) => Err(refused(Phase::Greeting, &error)),
        Err(_) if config.port == IMPLICIT_TLS_PORT && !matches!(config.security, Security::Tls(_)) => {
            let words = format!(
                "{}; a relay on port {IMPLICIT_TLS_PORT} is meant by smtps://",
                silence(limit)
            );
            Err(DeliveryError::unavailable(Phase::Greeting, &words))
        }
        Err(_) => Err(DeliveryError::unavailable(Phase::Greeting, &silence(limit))),
    }
}

/// Encrypts a connection if the server offers it; whether it did.
async fn start_tls(
    config: &SmtpConfig,
    trust: &Trust,
    stream: TcpStream,
) -> Result<(AsyncSmtpConnection, bool), DeliveryError> {
    let plain = PlainStream::new(stream);
    let mut session = greet(config, Box::new(plain.clone())).await?;
    if !session.server_info().supports_feature(Extension::StartTls) {
        return Ok((session, false));
    }
    let limit = config.command_timeout;
    match timeout(limit, session.command(Starttls)).await {
        Ok(Ok(answer)) if answer.has_code(220) => {}
        Ok(Ok(answer)) => {
            let words = format!("unexpected answer to STARTTLS: {}", answer.code());
            return Err(DeliveryError::unavailable(Phase::Encryption, &words));
        }
        Ok(Err(error)) => return Err(refused(Phase::Encryption, &error)),
        Err(_) => return Err(DeliveryError::unavailable(Phase::Encryption, &silence(limit))),
    }
    let stream = plain.take().map_err(|Injected| {
        let words = "more came behind the answer to STARTTLS, before the encryption; somebody may have put it there";
        DeliveryError::unavailable(Phase::Encryption, words)
    })?;
    let stream = SecureStream::greeted_before(*handshake(config, trust, stream).await?);
    // All that was said before is forgotten with the old session (RFC 3207 §4.2): the offers are those made to this EHLO.
    Ok((greet(config, Box::new(stream)).await?, true))
}

async fn handshake(
    config: &SmtpConfig,
    trust: &Trust,
    stream: TcpStream,
) -> Result<Box<tokio_rustls::client::TlsStream<TcpStream>>, DeliveryError> {
    let limit: Duration = config.command_timeout;
    match timeout(limit, encrypt(trust, &config.host, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(words)) => Err(DeliveryError::unavailable(Phase::Encryption, &words)),
        Err(_) => Err(DeliveryError::unavailable(Phase::Encryption, &silence(limit))),
    }
}

fn refused(phase: Phase, error: &lettre::transport::smtp::Error) -> DeliveryError {
    DeliveryError::Unavailable {
        phase,
        code: error.status().and_then(number),
        words: words_of(error),
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
