//! One connection to the control socket: requests in turn, each answered before the next is read.
//!
//! Guarantees: nothing is read beyond a line's bound; whoever says nothing, or takes no answer, is cut off in time; a line
//! that is no request is answered and ends the connection, since what follows it cannot be trusted to be one either; when
//! the service stops, whoever follows events gets `end`.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::controls::{By, Controls};
use super::desk::{DeskRefusal, JobDesk};
use super::protocol::{Answer, ErrorKind, LINE_BYTES_MAX, Request, Unfit};
use crate::supervision::{Heard, NoSuchChild};

/// The longest for a request to be there, from the connection or the answer before: programs write it at once.
pub const REQUEST_MAX: Duration = Duration::from_secs(5);

/// The longest for an answer to be taken: somebody who pages through events looks at one page that long, and is then told
/// by the end of the connection that it did not go on.
pub const ANSWER_MAX: Duration = Duration::from_secs(60);

/// How long an answer may still take once the service stops.
const LAST_WORD_MAX: Duration = Duration::from_millis(500);

/// What the service says when it goes.
const STOPPING: &str = "the service is shutting down, or its control socket is restarted";

/// Who is connected, and to what.
pub(super) struct Peer {
    pub(super) controls: Controls,
    /// Who answers about jobs, if anybody does.
    pub(super) desk: Option<Arc<dyn JobDesk>>,
    /// The user's number, as the kernel says.
    pub(super) uid: u32,
    /// Cancelled when the connection is to end.
    pub(super) ending: CancellationToken,
}

/// The connection is over.
struct Over;

type Going = Result<(), Over>;

/// Serves a connection to its end.
pub(super) async fn converse(reader: impl AsyncRead + Unpin, writer: impl AsyncWrite + Unpin, peer: &Peer) {
    let mut conversation = Conversation {
        reader: BufReader::new(reader),
        writer,
        peer,
    };
    while conversation.turn().await.is_ok() {}
}

struct Conversation<'a, R, W> {
    reader: BufReader<R>,
    writer: W,
    peer: &'a Peer,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Conversation<'_, R, W> {
    async fn turn(&mut self) -> Going {
        let line = tokio::select! {
            biased;
            () = self.peer.ending.cancelled() => return Err(Over),
            line = timeout(REQUEST_MAX, read_line(&mut self.reader)) => line,
        };
        let request = match line {
            Ok(Ok(None)) | Ok(Err(Broken::Io)) => return Err(Over),
            Ok(Ok(Some(line))) => Request::parse(&line),
            Ok(Err(Broken::Unfit(unfit))) => Err(unfit),
            Err(_elapsed) => {
                let detail = format!("no request came within {} s", REQUEST_MAX.as_secs());
                let error = ErrorKind::TimedOut;
                return self.last(&Answer::Error { error, detail }).await;
            }
        };
        match request {
            Ok(request) => self.answer(request).await,
            Err(unfit) => self.last(&unfit.into()).await,
        }
    }

    async fn answer(&mut self, request: Request) -> Going {
        let controls = &self.peer.controls;
        let refused = |error: NoSuchChild| Answer::from(crate::supervision::OrderError::from(error));
        match request {
            Request::Tree => {
                let root = controls.tree().snapshot();
                self.say(&Answer::Tree { root }).await
            }
            Request::Inspect { name, backtrace } => {
                let node = controls.inspect(&name);
                let backtrace = match &node {
                    Ok(_) if backtrace => controls.backtrace(&name).await,
                    _ => Ok(None),
                };
                let answer = match (node, backtrace) {
                    (Ok(node), Ok(backtrace)) => Answer::Node { node, backtrace },
                    (Err(error), _) | (_, Err(error)) => refused(error),
                };
                self.say(&answer).await
            }
            Request::Order { act, name } => {
                let by = By::Socket { uid: self.peer.uid };
                let answer = match controls.give(act, &name, by) {
                    Ok(()) => Answer::Ordered {
                        name: &name,
                        ordered: act,
                    },
                    Err(error) => error.into(),
                };
                self.say(&answer).await
            }
            Request::Events { follow } => self.tell_events(follow).await,
            Request::Jobs { ask, words } => {
                let answer = match &self.peer.desk {
                    Some(desk) => desk.ask(ask, words, self.peer.uid).await,
                    None => Err(DeskRefusal {
                        error: ErrorKind::Failed,
                        detail: "this service answers nothing about jobs here".to_owned(),
                    }),
                };
                let answer = answer.map_or_else(Answer::from, |told| Answer::Jobs { told });
                self.say(&answer).await
            }
        }
    }

    async fn tell_events(&mut self, follow: bool) -> Going {
        let mut events = self.peer.controls.tree().subscribe();
        for event in events.recent().to_vec() {
            self.say(&Answer::Event { event: &event }).await?;
        }
        if !follow {
            let detail = "these were the recent events";
            return self.say(&Answer::End { detail }).await;
        }
        loop {
            let heard = tokio::select! {
                biased;
                () = self.peer.ending.cancelled() => None,
                // Whoever follows has said all; more, or the end, means that they are gone or mistaken.
                _ = self.reader.fill_buf() => return Err(Over),
                heard = events.next() => heard,
            };
            match heard {
                Some(Heard::Event(event)) => self.say(&Answer::Event { event: &event }).await?,
                Some(Heard::Missed(missed)) => self.say(&Answer::Missed { missed }).await?,
                None => return self.last(&Answer::End { detail: STOPPING }).await,
            }
        }
    }

    async fn say(&mut self, answer: &Answer<'_>) -> Going {
        let line = answer.to_line();
        let ending = &self.peer.ending;
        tokio::select! {
            biased;
            written = self.writer.write_all(line.as_bytes()) => written.or(Err(Over)),
            () = sleep(ANSWER_MAX) => Err(Over),
            () = async { ending.cancelled().await; sleep(LAST_WORD_MAX).await } => Err(Over),
        }
    }

    /// Says it, and ends the connection.
    async fn last(&mut self, answer: &Answer<'_>) -> Going {
        self.say(answer).await?;
        Err(Over)
    }
}

/// Why a line could not be read.
enum Broken {
    /// The connection failed.
    Io,
    /// It is none.
    Unfit(Unfit),
}

/// The next line with its end; `None` if the other side has ended.
async fn read_line(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Vec<u8>>, Broken> {
    let mut line = Vec::new();
    let bound = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
    let read = reader.take(bound).read_until(b'\n', &mut line).await;
    read.or(Err(Broken::Io))?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() >= LINE_BYTES_MAX => Err(Broken::Unfit(Unfit::TooLong)),
        Some(_) => Err(Broken::Unfit(Unfit::CutOff)),
    }
}
