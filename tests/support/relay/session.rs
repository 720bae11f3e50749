//! The relay's side of the wire: accepting, and one dialogue after the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::{Act, Hold, Shared, Step, Taken};

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
    let (read, write) = stream.into_split();
    let mut session = Session {
        number,
        read: BufReader::new(read),
        write,
        shared: Arc::clone(&shared),
    };
    tokio::select! {
        _ = session.run() => {}
        _ = wish.wait_for(|wish| wish.generation != generation || wish.stop) => {}
    }
    drop(session);
    shared.counts.send_modify(|counts| counts.open -= 1);
}

struct Session {
    number: usize,
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    shared: Arc<Shared>,
}

/// The connection ends: by a rule, by QUIT, or because the client has closed it.
struct End;

impl Session {
    async fn run(&mut self) -> Result<(), End> {
        self.answer(Step::Greeting, None, "220 relay.test ESMTP").await?;
        let mut from = None;
        let mut to = Vec::new();
        loop {
            let line = String::from_utf8_lossy(&self.line().await?).trim_end().to_owned();
            self.shared.lock().commands.push(line.clone());
            let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    self.answer(Step::Ehlo, None, "250-relay.test\r\n250 8BITMIME").await?;
                }
                "MAIL" => {
                    if self.answer(Step::Mail, None, "250 2.1.0 Ok").await? {
                        from = Some(path_of(&line));
                    }
                }
                "RCPT" if from.is_some() => {
                    let recipient = path_of(&line);
                    if self.answer(Step::Rcpt, Some(&recipient), "250 2.1.5 Ok").await? {
                        to.push(recipient);
                    }
                }
                "DATA" if !to.is_empty() => {
                    if self
                        .answer(Step::Data, None, "354 End data with <CR><LF>.<CR><LF>")
                        .await?
                    {
                        let envelope = (from.take().unwrap_or_default(), std::mem::take(&mut to));
                        self.message(envelope).await?;
                    }
                }
                "RSET" => {
                    (from, to) = (None, Vec::new());
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

    async fn message(&mut self, (from, to): (String, Vec<String>)) -> Result<(), End> {
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
            from,
            to,
            data,
            message_id,
            connection: self.number,
        };
        let act = self.shared.act_at(Step::Dot, None);
        match act {
            Some(Act::Reply(reply)) if !reply.starts_with('2') => return self.say_and_close_after_421(&reply).await,
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

    /// Answers a command, as a rule says or else with `usual`; whether the answer was the usual one.
    async fn answer(&mut self, step: Step, recipient: Option<&str>, usual: &str) -> Result<bool, End> {
        match self.shared.act_at(step, recipient) {
            None => self.say(usual).await.map(|()| true),
            Some(Act::Hold(hold)) => {
                self.held(&hold).await?;
                self.say(usual).await.map(|()| true)
            }
            Some(Act::Reply(reply)) => self.say_and_close_after_421(&reply).await.map(|()| false),
            Some(Act::Drop | Act::TakeThenDrop) => Err(End),
        }
    }

    /// Waits until the hold is released, or the client has gone.
    async fn held(&mut self, hold: &Hold) -> Result<(), End> {
        let released = hold.wait();
        tokio::pin!(released);
        tokio::select! {
            () = &mut released => return Ok(()),
            ahead = self.read.fill_buf() => match ahead {
                Ok([]) | Err(_) => return Err(End),
                Ok(_) => {}
            },
        }
        // The client has sent more already (in the middle of a message): only the release is left to wait for.
        released.await;
        Ok(())
    }

    async fn say_and_close_after_421(&mut self, reply: &str) -> Result<(), End> {
        self.say(reply).await?;
        if reply.starts_with("421") { Err(End) } else { Ok(()) }
    }

    async fn say(&mut self, reply: &str) -> Result<(), End> {
        self.write
            .write_all(format!("{reply}\r\n").as_bytes())
            .await
            .or(Err(End))
    }

    /// One line with its end. A client that has gone, in the middle of a message too, ends the session.
    async fn line(&mut self) -> Result<Vec<u8>, End> {
        let mut line = Vec::new();
        match self.read.read_until(b'\n', &mut line).await {
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
