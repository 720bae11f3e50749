//! The relay's side of the wire: accepting, and one dialogue after the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::step::{OfferedLogin, OfferedTls, Step, Taken};
use super::{Act, Hold, Shared};

/// Listens while the test wants it, until the relay is dropped.
pub(super) async fn accept(listener: TcpListener, address: SocketAddr, shared: &Arc<Shared>) {
    let mut wish = shared.wish.subscribe();
    let mut listener = Some(listener);
    loop {
        let wanted = *wish.borrow_and_update();
        if wanted.stop {
            return;
        }
        if wanted.listening != listener.is_some() {
            listener = if wanted.listening {
                Some(TcpListener::bind(address).await.unwrap())
            } else {
                None
            };
            shared.counts.send_modify(|counts| counts.listening = wanted.listening);
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await.unwrap(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // A wish comes first: a connection made after it must not be served as one from before.
            biased;
            changed = wish.changed() => changed.unwrap(),
            (stream, _) = accepted => {
                let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                shared.counts.send_modify(|counts| counts.open += 1);
                tokio::spawn(serve(stream, number, wanted.generation, Arc::clone(shared)));
            }
        }
    }
}

async fn serve(stream: TcpStream, number: usize, generation: usize, shared: Arc<Shared>) {
    let mut wish = shared.wish.subscribe();
    stream.set_nodelay(true).unwrap();
    let mut session = Session {
        number,
        stream: BufReader::new(Box::new(stream)),
        shared: Arc::clone(&shared),
        is_encrypted: false,
        is_logged_in: false,
    };
    tokio::select! {
        _ = session.run() => {}
        _ = wish.wait_for(|wish| wish.generation != generation || wish.stop) => {}
    }
    drop(session);
    shared.counts.send_modify(|counts| counts.open -= 1);
}

/// What a dialogue goes over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) struct Session {
    number: usize,
    stream: BufReader<Box<dyn Stream>>,
    shared: Arc<Shared>,
    is_encrypted: bool,
    pub(super) is_logged_in: bool,
}

/// The connection ends: by a rule, by QUIT, or because the client has closed it.
pub(super) struct End;

/// A mail that is being begun.
#[derive(Default)]
struct Envelope {
    from: Option<String>,
    to: Vec<String>,
}

impl Session {
    async fn run(&mut self) -> Result<(), End> {
        if let OfferedTls::Implicit(config) = &self.shared.offer.tls {
            let config = Arc::clone(config);
            self.encrypt(config).await?;
        }
        self.answer(Step::Greeting, None, "220 relay.test ESMTP").await?;
        let mut envelope = Envelope::default();
        loop {
            let line = self.next_line().await?;
            let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.hello().await?,
                "STARTTLS" => {
                    envelope = Envelope::default();
                    self.start_tls().await?;
                }
                "AUTH" => self.log_in(&line).await?,
                "MAIL" => {
                    if self.answer(Step::Mail, None, "250 2.1.0 Ok").await? {
                        envelope.from = Some(path_of(&line));
                    }
                }
                "RCPT" if envelope.from.is_some() => {
                    let recipient = path_of(&line);
                    if self.answer(Step::Rcpt, Some(&recipient), "250 2.1.5 Ok").await? {
                        envelope.to.push(recipient);
                    }
                }
                "DATA" if !envelope.to.is_empty() => {
                    if self
                        .answer(Step::Data, None, "354 End data with <CR><LF>.<CR><LF>")
                        .await?
                    {
                        self.message(std::mem::take(&mut envelope)).await?;
                    }
                }
                "RSET" => {
                    envelope = Envelope::default();
                    self.answer(Step::Rset, None, "250 2.0.0 Ok").await?;
                }
                "NOOP" => self.say("250 2.0.0 Ok").await?,
                "QUIT" => {
                    self.say("221 2.0.0 Bye").await?;
                    return Err(End);
                }
                "RCPT" | "DATA" => self.say("503 5.5.1 Bad sequence of commands").await?,
                _ => self.say("500 5.5.2 Unknown command").await?,
            }
        }
    }

    async fn hello(&mut self) -> Result<(), End> {
        let offers_start_tls = matches!(self.shared.offer.tls, OfferedTls::StartTls(_));
        let step = if offers_start_tls && self.is_encrypted {
            Step::EhloAgain
        } else {
            Step::Ehlo
        };
        let mut lines = vec!["relay.test".to_owned(), "8BITMIME".to_owned()];
        if offers_start_tls && !self.is_encrypted {
            lines.push("STARTTLS".to_owned());
        }
        lines.extend(self.login_offered().map(|login| format!("AUTH {}", login.mechanisms)));
        let last = lines.pop().unwrap();
        let first: String = lines.iter().map(|line| format!("250-{line}\r\n")).collect();
        self.answer(step, None, &format!("{first}250 {last}")).await?;
        Ok(())
    }

    pub(super) fn login_offered(&self) -> Option<&OfferedLogin> {
        let login = self.shared.offer.login.as_ref();
        login.filter(|login| login.in_the_clear || self.is_encrypted)
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        let OfferedTls::StartTls(config) = &self.shared.offer.tls else {
            return self.say("502 5.5.1 Not implemented").await;
        };
        let config = Arc::clone(config);
        if self
            .answer(Step::StartTls, None, "220 2.0.0 Ready to start TLS")
            .await?
        {
            self.encrypt(config).await?;
        }
        Ok(())
    }

    /// A handshake; a reply that a rule gives is sent instead, in the clear.
    async fn encrypt(&mut self, config: Arc<ServerConfig>) -> Result<(), End> {
        match self.shared.act_at(Step::Handshake, None) {
            None => {}
            Some(Act::Hold(hold)) => {
                // The client has begun once its first bytes are here.
                self.stream.fill_buf().await.or(Err(End))?;
                hold.wait().await;
            }
            Some(Act::Reply(reply)) => {
                self.say(&reply).await?;
                return Err(End);
            }
            Some(Act::Drop | Act::TakeThenDrop) => return Err(End),
        }
        let nothing: Box<dyn Stream> = Box::new(tokio::io::empty());
        let plain = std::mem::replace(&mut self.stream, BufReader::new(nothing));
        let encrypted = TlsAcceptor::from(config).accept(plain).await.or(Err(End))?;
        self.stream = BufReader::new(Box::new(encrypted));
        self.is_encrypted = true;
        Ok(())
    }

    async fn message(&mut self, envelope: Envelope) -> Result<(), End> {
        let mut data = Vec::new();
        loop {
            let line = self.line().await?;
            if line == b".\r\n" {
                break;
            }
            // Any act but a hold ends the connection here: a server has nothing to say in the middle of a message.
            match self.shared.act_at(Step::Body, None) {
                None => {}
                Some(Act::Hold(hold)) => self.held(&hold).await?,
                Some(_) => return Err(End),
            }
            data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        let message_id = message_id_of(&data);
        let mail = Taken {
            from: envelope.from.unwrap_or_default(),
            to: envelope.to,
            data,
            message_id,
            connection: self.number,
            is_encrypted: self.is_encrypted,
            is_logged_in: self.is_logged_in,
        };
        let act = self.shared.act_at(Step::Dot, None);
        match act {
            Some(Act::Reply(reply)) if !reply.starts_with(b"2") => return self.say_and_close_after_421(&reply).await,
            Some(Act::Drop) => return Err(End),
            _ => self.shared.take(mail),
        }
        match act {
            Some(Act::TakeThenDrop) => Err(End),
            Some(Act::Reply(reply)) => self.say(&reply).await,
            Some(Act::Hold(hold)) => {
                self.held(&hold).await?;
                self.say("250 2.0.0 Ok: queued").await
            }
            Some(Act::Drop) | None => self.say("250 2.0.0 Ok: queued").await,
        }
    }

    /// Answers a command, as a rule says or else with `usual`; whether the answer was the usual one, in its kind at least.
    pub(super) async fn answer(&mut self, step: Step, recipient: Option<&str>, usual: &str) -> Result<bool, End> {
        match self.shared.act_at(step, recipient) {
            None => self.say(usual).await.map(|()| true),
            Some(Act::Hold(hold)) => {
                self.held(&hold).await?;
                self.say(usual).await.map(|()| true)
            }
            Some(Act::Reply(reply)) => {
                self.say_and_close_after_421(&reply).await?;
                Ok(reply.get(..3) == usual.as_bytes().get(..3))
            }
            Some(Act::Drop | Act::TakeThenDrop) => Err(End),
        }
    }

    /// Waits until the hold is released, or the client has gone.
    async fn held(&mut self, hold: &Hold) -> Result<(), End> {
        let released = hold.wait();
        tokio::pin!(released);
        tokio::select! {
            () = &mut released => return Ok(()),
            ahead = self.stream.fill_buf() => match ahead {
                Ok([]) | Err(_) => return Err(End),
                Ok(_) => {}
            },
        }
        // The client has sent more already (in the middle of a message): only the release is left to wait for.
        released.await;
        Ok(())
    }

    async fn say_and_close_after_421(&mut self, reply: &[u8]) -> Result<(), End> {
        self.say(reply).await?;
        if reply.starts_with(b"421") { Err(End) } else { Ok(()) }
    }

    pub(super) async fn say(&mut self, reply: impl AsRef<[u8]>) -> Result<(), End> {
        let reply = [reply.as_ref(), b"\r\n"].concat();
        self.stream.write_all(&reply).await.or(Err(End))?;
        self.stream.flush().await.or(Err(End))
    }

    /// A line of the dialogue without its end; it is recorded.
    pub(super) async fn next_line(&mut self) -> Result<String, End> {
        let line = String::from_utf8_lossy(&self.line().await?).trim_end().to_owned();
        self.shared.lock().commands.push(line.clone());
        Ok(line)
    }

    /// One line with its end. A client that has gone, in the middle of a message too, ends the session.
    async fn line(&mut self) -> Result<Vec<u8>, End> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line).await {
            Ok(_) if line.ends_with(b"\n") => Ok(line),
            Ok(_) | Err(_) => Err(End),
        }
    }
}

/// What stands between the angle brackets of `MAIL FROM:<…>` and `RCPT TO:<…>`.
fn path_of(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map(|(path, _)| path.to_owned()).unwrap_or_default()
}

fn message_id_of(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let line = head.split("\r\n").find_map(|line| line.strip_prefix("Message-ID: <"));
    line.map(|rest| rest.trim_end_matches('>').to_owned())
        .unwrap_or_default()
}
