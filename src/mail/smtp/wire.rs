//! The stream to a relay: what is written, and its answers, each read whole.
//!
//! Guarantees: an answer is bounded in its lines and as a whole, however long a server makes it; what a server, or somebody
//! in between, sends without being asked is seen ([`Wire::is_quiet`], [`Wire::into_plain`]) and never read as the answer to
//! a later command: not on a connection that is used again, and not behind the answer to STARTTLS (RFC 3207 §6; the fault
//! known as CVE-2011-0411).

use std::io;

use lettre::transport::smtp::response::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::answer::Lost;
use super::tolerance::Line;

/// How much is read at once: more than all answers about one mail but to EHLO.
const READ_BYTES: usize = 2 * 1024;
/// A line beyond this is no answer.
const ENDLESS_BYTES: usize = 100_000;
/// The most bytes of all lines of one answer, or of several that came together.
const ANSWERS_BYTES_MAX: usize = 100_000;

/// A stream to a relay.
pub(super) struct Wire {
    stream: Stream,
    line: Line,
    /// Read and mended, and not asked for yet.
    ahead: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// A plain stream held more than the answers that were asked for.
#[derive(Debug)]
pub(super) struct Injected;

impl Wire {
    /// In the clear.
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self::new(Stream::Plain(stream))
    }

    /// Encrypted.
    pub(super) fn secure(stream: Box<TlsStream<TcpStream>>) -> Self {
        Self::new(Stream::Secure(stream))
    }

    fn new(stream: Stream) -> Self {
        Self {
            stream,
            line: Line::default(),
            ahead: Vec::new(),
        }
    }

    /// The next answer.
    ///
    /// # Errors
    /// [`Lost`] when the connection ends before it, or what comes is none; the stream is of no use then.
    pub(super) async fn answer(&mut self) -> Result<Response, Lost> {
        // Where the line begins that is looked at.
        let mut from = 0;
        loop {
            while let Some(length) = line_length(self.ahead.get(from..).unwrap_or_default()) {
                let line = self.ahead.get(from..).unwrap_or_default();
                let goes_on = length > 4 && line.get(3) == Some(&b'-');
                from = from.saturating_add(length);
                if !goes_on {
                    let whole: Vec<u8> = self.ahead.drain(..from).collect();
                    return Lost::unless_smtp(&whole);
                }
            }
            if self.ahead.len() > ANSWERS_BYTES_MAX {
                return Err(Lost::of("the server answers and does not come to an end"));
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Lost> {
        let mut space = [0; READ_BYTES];
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read(&mut space).await,
            Stream::Secure(stream) => stream.read(&mut space).await,
        };
        let count = read.map_err(|error| Lost::of(&error.to_string()))?;
        if count == 0 {
            return Err(Lost::of("the server closed the connection"));
        }
        for byte in space.iter().take(count) {
            self.line.mend(*byte, &mut self.ahead);
        }
        if self.line.length() > ENDLESS_BYTES {
            return Err(Lost::of("the server answers with a line that does not end"));
        }
        Ok(())
    }

    /// Writes all of `bytes` at once.
    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Secure(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Writes as much of `bytes` as the stream takes now.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write(bytes).await,
            Stream::Secure(stream) => stream.write(bytes).await,
        }
    }

    /// Sees to it that what was written is on its way.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(_) => Ok(()),
            Stream::Secure(stream) => stream.flush().await,
        }
    }

    /// Whether nothing has come that nobody asked for, as far as is known without waiting: neither an answer nor, in the
    /// clear, the end of the connection.
    pub(super) fn is_quiet(&self) -> bool {
        let is_open = match &self.stream {
            // It reads only if the runtime has heard of something.
            Stream::Plain(stream) => {
                matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            // What has come may be about the encryption; the next answer tells.
            Stream::Secure(_) => true,
        };
        is_open && self.ahead.is_empty()
    }

    /// The plain stream, to be encrypted.
    ///
    /// # Errors
    /// [`Injected`] if the server, or somebody in between, has sent more than it was asked for.
    pub(super) fn into_plain(self) -> Result<TcpStream, Injected> {
        match self.stream {
            Stream::Plain(stream) if self.ahead.is_empty() => Ok(stream),
            _ => Err(Injected),
        }
    }
}

/// How long the first line of `bytes` is with its end, if it is whole.
fn line_length(bytes: &[u8]) -> Option<usize> {
    bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .map(|at| at.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (Wire::plain(client), server)
    }

    /// The answers that are read of what a server says before it closes the connection, and why there are no more.
    async fn heard(said: &[u8]) -> (Vec<String>, String) {
        let (mut wire, mut server) = pair().await;
        let said = said.to_vec();
        let task = tokio::spawn(async move {
            // The other side may have heard enough.
            drop(server.write_all(&said).await);
        });
        let mut answers = Vec::new();
        let lost = loop {
            match wire.answer().await {
                Ok(answer) => {
                    let words: Vec<&str> = answer.message().collect();
                    answers.push(format!("{} {}", answer.code(), words.join("|")));
                }
                Err(lost) => break lost.words().to_owned(),
            }
        };
        drop(wire);
        task.await.unwrap();
        (answers, lost)
    }

    #[tokio::test]
    async fn answers_that_come_together_are_told_apart() {
        let (answers, lost) = heard(b"250-a\r\n250 b\r\n250 c\r\n354\r\n421 bye\r\n").await;
        assert_eq!(answers, ["250 a|b", "250 c", "354 ", "421 bye"]);
        assert_eq!(lost, "the server closed the connection");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_said_to_be_none() {
        for said in [
            &b"hello there\r\n"[..],
            b"250-a\r\n354 b\r\n",
            b"ok\r\n-250 x\r\n",
            b"\r\n",
            b"2500 x\r\n",
        ] {
            let (answers, lost) = heard(said).await;
            assert!(answers.is_empty(), "{answers:?}");
            assert!(lost.contains("not SMTP"), "{lost}");
        }
        assert!(heard(b"250 half").await.1.contains("closed"));
        assert!(heard(&vec![b'x'; 300_000]).await.1.contains("does not end"));
        let endless = b"250-x\r\n".repeat(50_000);
        assert!(heard(&endless).await.1.contains("does not come to an end"));
    }

    #[tokio::test]
    async fn what_nobody_asked_for_is_seen() {
        let (wire, mut server) = pair().await;
        assert!(wire.is_quiet());
        server.write_all(b"421 idle\r\n").await.unwrap();
        let heard = async {
            while wire.is_quiet() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), heard)
            .await
            .unwrap();

        let (mut wire, mut server) = pair().await;
        server.write_all(b"220 go\r\n250 injected\r\n").await.unwrap();
        wire.answer().await.unwrap();
        assert!(wire.into_plain().is_err());
    }
}
