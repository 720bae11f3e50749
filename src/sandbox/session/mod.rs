//! The relay's side of the wire: accepting, and one dialogue after the other.

mod login;
mod message;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};

use self::message::Envelope;
use self::wire::Wire;
use super::act::Act;
use super::address::address_fault;
use super::offer::{OfferedLogin, OfferedTls};
use super::relay::Shared;
use super::step::Step;
use super::transcript::{Side, Transcript};

/// How the relay names itself.
const NAME: &str = "sandbox.invalid";
/// The most bytes of a line of the dialogue.
const LINE_MAX: usize = 16 * 1024;
/// After so many commands that are none, the connection is closed.
const MISTAKES_MAX: usize = 50;
/// How long to wait where no connection can be accepted, which mends itself when others end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A recipient, with the fault that the address asks for.
pub(super) struct Recipient {
    pub(super) address: String,
    pub(super) fault: Option<(Step, Act, bool)>,
}

impl Recipient {
    fn of(address: String) -> Self {
        let fault = address_fault(&address);
        Self { address, fault }
    }
}

/// The connection ends: by a rule, by QUIT, or because the client has closed it.
struct End;

/// Listens while that is wanted, until the relay is dropped.
pub(super) async fn accept(listener: TcpListener, address: SocketAddr, shared: &Arc<Shared>) {
    let mut wish = shared.wish.subscribe();
    let mut listener = Some(listener);
    loop {
        let wanted = *wish.borrow_and_update();
        if wanted.stop {
            return;
        }
        if wanted.listening != listener.is_some() {
            listener = match wanted.listening {
                true => TcpListener::bind(address).await.ok(),
                false => None,
            };
            let listening = listener.is_some();
            shared.counts.send_modify(|counts| counts.listening = listening);
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None if wanted.listening => Err(std::io::ErrorKind::AddrInUse.into()),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // A wish comes first: a connection made after it must not be served as one from before.
            biased;
            changed = wish.changed() => if changed.is_err() { return },
            accepted = accepted => match accepted {
                Ok((stream, _)) => {
                    let number = shared.connections.fetch_add(1, Ordering::SeqCst).saturating_add(1);
                    shared.counts.send_modify(|counts| counts.open = counts.open.saturating_add(1));
                    tokio::spawn(serve(stream, number, wanted.generation, Arc::clone(shared)));
                }
                Err(_none) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

async fn serve(stream: TcpStream, number: usize, generation: usize, shared: Arc<Shared>) {
    let mut wish = shared.wish.subscribe();
    if let Ok(wire) = Wire::new(stream) {
        let mut session = Session {
            number,
            wire,
            shared: Arc::clone(&shared),
            opening: None,
            transcript: Transcript::default(),
            is_encrypted: false,
            is_logged_in: false,
        };
        tokio::select! {
            _ = session.run() => {}
            _ = wish.wait_for(|wish| wish.generation != generation || wish.stop) => {}
        }
    }
    shared
        .counts
        .send_modify(|counts| counts.open = counts.open.saturating_sub(1));
}

struct Session {
    number: usize,
    wire: Wire,
    shared: Arc<Shared>,
    /// What was said before the first mail: the beginning of each transcript.
    opening: Option<Transcript>,
    transcript: Transcript,
    is_encrypted: bool,
    is_logged_in: bool,
}

impl Session {
    async fn run(&mut self) -> Result<(), End> {
        let ended = self.dialogue().await;
        // What was said before an end is said, unless that is a reset.
        self.wire.flush().await?;
        ended
    }

    async fn dialogue(&mut self) -> Result<(), End> {
        if let OfferedTls::Implicit(config) = &self.shared.options.offer.tls {
            let config = Arc::clone(config);
            self.encrypt(config).await?;
        }
        if self.shared.counts.borrow().open > self.shared.options.connections_max {
            self.say("421 4.7.0 Too many connections");
            return Err(End);
        }
        self.answer(Step::Greeting, &[], &format!("220 {NAME} ESMTP")).await?;
        let mut envelope = Envelope::default();
        let mut mistakes = 0_usize;
        loop {
            let line = self.next_line().await?;
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    envelope = Envelope::default();
                    self.hello().await?;
                }
                "HELO" => {
                    envelope = Envelope::default();
                    self.answer(Step::Ehlo, &[], &format!("250 {NAME}")).await?;
                }
                "STARTTLS" => {
                    envelope = Envelope::default();
                    self.start_tls().await?;
                }
                "AUTH" => self.log_in(&line).await?,
                "MAIL" => self.sender(&mut envelope, &line).await?,
                "RCPT" => self.recipient(&mut envelope, &line).await?,
                "DATA" => self.data(&mut envelope).await?,
                "BDAT" if self.shared.options.extensions.chunking => self.chunk(&mut envelope, &line).await?,
                "RSET" => {
                    envelope = Envelope::default();
                    self.answer(Step::Rset, &[], "250 2.0.0 Ok").await?;
                }
                "NOOP" => self.say("250 2.0.0 Ok"),
                "VRFY" => self.say("252 2.0.0 Send some mail, and see"),
                "QUIT" => {
                    self.answer(Step::Quit, &[], "221 2.0.0 Bye").await?;
                    return Err(End);
                }
                // A browser that was made to speak to this port.
                "GET" | "POST" | "PUT" | "HEAD" | "OPTIONS" | "CONNECT" => {
                    self.say("221 2.7.0 This is no web server");
                    return Err(End);
                }
                _ => {
                    mistakes = mistakes.saturating_add(1);
                    self.say("500 5.5.2 Unknown command");
                }
            }
            if mistakes > MISTAKES_MAX {
                self.say("421 4.7.0 Too many mistakes");
                return Err(End);
            }
        }
    }

    async fn hello(&mut self) -> Result<(), End> {
        let offers_start_tls = matches!(self.shared.options.offer.tls, OfferedTls::StartTls(_));
        let step = if offers_start_tls && self.is_encrypted {
            Step::EhloAgain
        } else {
            Step::Ehlo
        };
        let mut lines = self.shared.options.extensions.lines();
        if offers_start_tls && !self.is_encrypted {
            lines.push("STARTTLS".to_owned());
        }
        lines.extend(self.login_offered().map(|login| format!("AUTH {}", login.mechanisms)));
        let mut answer = NAME.to_owned();
        for line in lines {
            answer = format!("{answer}\r\n250-{line}");
        }
        // The hyphen says that more lines come, and so is for all but the last.
        let answer = match answer.rsplit_once("\r\n250-") {
            Some((before, last)) => format!("250-{before}\r\n250 {last}"),
            None => format!("250 {answer}"),
        };
        self.answer(step, &[], &answer).await?;
        Ok(())
    }

    fn login_offered(&self) -> Option<&OfferedLogin> {
        let login = self.shared.options.offer.login.as_ref();
        login.filter(|login| login.in_the_clear || self.is_encrypted)
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        let config = match &self.shared.options.offer.tls {
            OfferedTls::StartTls(config) if !self.is_encrypted => Arc::clone(config),
            _ => {
                self.say("502 5.5.1 Not implemented");
                return Ok(());
            }
        };
        let usual = "220 2.0.0 Ready to start TLS";
        if self.answer(Step::StartTls, &[], usual).await? {
            self.encrypt(config).await?;
        }
        Ok(())
    }

    /// A handshake; a reply or garbage that a rule gives is sent instead, in the clear.
    async fn encrypt(&mut self, config: Arc<ServerConfig>) -> Result<(), End> {
        match self.shared.act_at(Step::Handshake, &[]) {
            None | Some(Act::Bounce | Act::Trickle(_)) => {}
            Some(Act::Hold(hold)) => {
                // The client has begun once its first bytes are here.
                self.wire.begun().await?;
                hold.wait().await;
            }
            Some(Act::Delay(time)) => {
                self.wire.flush().await?;
                tokio::time::sleep(time).await;
            }
            Some(act) => {
                self.answer_by(Some(act), "").await?;
                return Err(End);
            }
        }
        self.wire.encrypt(config).await?;
        self.is_encrypted = true;
        Ok(())
    }

    /// Answers a command, as a rule says or else with `usual`; whether the answer was the usual one, in its kind at least.
    async fn answer(&mut self, step: Step, to: &[Recipient], usual: &str) -> Result<bool, End> {
        let act = self.shared.act_at(step, to);
        self.answer_by(act, usual).await
    }

    async fn answer_by(&mut self, act: Option<Act>, usual: &str) -> Result<bool, End> {
        match act {
            None | Some(Act::Bounce) => self.say(usual),
            Some(Act::Hold(hold)) => {
                self.wire.wait(hold.wait()).await?;
                self.say(usual);
            }
            Some(Act::Delay(time)) => {
                self.wire.wait(tokio::time::sleep(time)).await?;
                self.say(usual);
            }
            Some(Act::Trickle(time)) => self.trickle(usual, time).await?,
            Some(Act::Reply(reply)) => {
                self.say_and_close_after_421(&reply)?;
                return Ok(reply.get(..3) == usual.as_bytes().get(..3));
            }
            Some(Act::Garbage(bytes)) => {
                self.note(&format!("({} bytes that are no SMTP)", bytes.len()));
                self.wire.say(&bytes);
                return Ok(false);
            }
            Some(Act::Hang) => {
                self.note("(no answer)");
                return Err(self.wire.until_gone().await);
            }
            Some(Act::Reset) => {
                self.note("(the connection is reset)");
                self.wire.flush().await?;
                self.wire.will_reset();
                return Err(End);
            }
            Some(Act::Drop | Act::TakeThenDrop) => {
                self.note("(the connection is closed)");
                return Err(End);
            }
        }
        Ok(true)
    }

    /// An answer, a byte each so often.
    async fn trickle(&mut self, usual: &str, time: Duration) -> Result<(), End> {
        self.note(usual);
        for byte in [usual.as_bytes(), b"\r\n"].concat() {
            self.wire.wait(tokio::time::sleep(time)).await?;
            self.wire.say(&[byte]);
        }
        self.wire.flush().await
    }

    fn say_and_close_after_421(&mut self, reply: &[u8]) -> Result<(), End> {
        self.say(reply);
        if reply.starts_with(b"421") { Err(End) } else { Ok(()) }
    }

    fn say(&mut self, reply: impl AsRef<[u8]>) {
        let now = self.shared.options.clock.now();
        for line in reply.as_ref().split(|byte| *byte == b'\n') {
            self.transcript.add(now, Side::Server, line);
        }
        self.wire.say(reply.as_ref());
        self.wire.say(b"\r\n");
    }

    /// Writes something down as said by the relay.
    fn note(&self, words: &str) {
        let now = self.shared.options.clock.now();
        self.transcript.add(now, Side::Server, words.as_bytes());
    }

    /// A line of the dialogue without its end; it is written down.
    async fn next_line(&mut self) -> Result<String, End> {
        let line = self.command_line().await?;
        let has_verb = |verb: &str| {
            line.get(..verb.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(verb))
        };
        if has_verb("MAIL") {
            let opening = self.opening.get_or_insert_with(|| self.transcript.branch());
            self.transcript = opening.branch();
        }
        let now = self.shared.options.clock.now();
        let shown = if has_verb("AUTH") {
            let mechanism: Vec<&str> = line.split(' ').take(2).collect();
            format!("{} …", mechanism.join(" "))
        } else {
            line.clone()
        };
        self.transcript.add(now, Side::Client, shown.as_bytes());
        Ok(line)
    }

    /// A line that holds a password, or a part of one: only that it came is written down.
    async fn secret_line(&mut self) -> Result<String, End> {
        let line = self.command_line().await?;
        self.transcript
            .add(self.shared.options.clock.now(), Side::Client, "…".as_bytes());
        Ok(line)
    }

    async fn command_line(&mut self) -> Result<String, End> {
        let line = self.wire.piece(LINE_MAX).await?;
        if !line.ends_with(b"\n") {
            self.say("500 5.5.6 Line too long");
            return Err(End);
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        self.shared.command(line.clone());
        Ok(line)
    }
}
