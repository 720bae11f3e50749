//! The bytes of one connection: lines in, answers out, encryption, and the ways to end it.
//!
//! Answers are gathered as long as another whole command is there already (RFC 2920), so that who pipelines gets them together
//! and in order.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::End;

/// How long a client may say nothing, or not take what is said to it.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// What a dialogue goes over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One connection.
pub(super) struct Wire {
    stream: BufReader<Box<dyn Stream>>,
    unsent: Vec<u8>,
    is_reset: Arc<AtomicBool>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let is_reset = Arc::new(AtomicBool::new(false));
        let socket = Socket {
            stream,
            is_reset: Arc::clone(&is_reset),
        };
        Ok(Self {
            stream: BufReader::with_capacity(64 * 1024, Box::new(socket)),
            unsent: Vec::new(),
            is_reset,
        })
    }

    /// Bytes up to the end of a line, that included, or `most` of them where it is longer.
    pub(super) async fn piece(&mut self, most: usize) -> Result<Vec<u8>, End> {
        let mut piece = Vec::new();
        loop {
            let ahead = self.ahead().await?;
            let room = most.saturating_sub(piece.len());
            let ahead = ahead.get(..room).unwrap_or(ahead);
            let end = ahead
                .iter()
                .position(|byte| *byte == b'\n')
                .map(|at| at.saturating_add(1));
            let used = end.unwrap_or(ahead.len());
            piece.extend_from_slice(ahead.get(..used).unwrap_or_default());
            self.stream.consume(used);
            if end.is_some() || piece.len() >= most {
                return Ok(piece);
            }
        }
    }

    /// At least one byte and at most `most` of them.
    pub(super) async fn some(&mut self, most: usize) -> Result<Vec<u8>, End> {
        let ahead = self.ahead().await?;
        let some = ahead.get(..most).unwrap_or(ahead).to_vec();
        self.stream.consume(some.len());
        Ok(some)
    }

    /// What has arrived and is not read; waits for it if there is none. A client that has gone ends the session.
    async fn ahead(&mut self) -> Result<&[u8], End> {
        if !self.stream.buffer().contains(&b'\n') {
            self.flush().await?;
        }
        match tokio::time::timeout(IDLE_MAX, self.stream.fill_buf()).await {
            Ok(Ok(ahead)) if !ahead.is_empty() => Ok(ahead),
            _ => Err(End),
        }
    }

    /// Adds an answer, which goes out with the next wait.
    pub(super) fn say(&mut self, answer: &[u8]) {
        self.unsent.extend_from_slice(answer);
    }

    /// Sends what is said.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let sending = async {
            self.stream.write_all(&self.unsent).await?;
            self.stream.flush().await
        };
        match tokio::time::timeout(IDLE_MAX, sending).await {
            Ok(Ok(())) => self.unsent.clear(),
            _ => return Err(End),
        }
        Ok(())
    }

    /// Waits for `over`, or until the client has gone. If it has sent more already, only `over` is left to wait for.
    pub(super) async fn wait(&mut self, over: impl Future<Output = ()>) -> Result<(), End> {
        self.flush().await?;
        tokio::pin!(over);
        tokio::select! {
            () = &mut over => return Ok(()),
            ahead = self.stream.fill_buf() => match ahead {
                Ok([]) | Err(_) => return Err(End),
                Ok(_) => {}
            },
        }
        over.await;
        Ok(())
    }

    /// Reads and forgets until the client has gone.
    pub(super) async fn until_gone(&mut self) -> End {
        if self.flush().await.is_ok() {
            while let Ok(ahead) = self.stream.fill_buf().await
                && !ahead.is_empty()
            {
                let count = ahead.len();
                self.stream.consume(count);
            }
        }
        End
    }

    /// From now on the end of the connection is a reset.
    pub(super) fn will_reset(&self) {
        self.is_reset.store(true, Ordering::SeqCst);
    }

    /// A handshake. Whatever came unencrypted after the client's last line is taken as a part of it, and breaks it.
    pub(super) async fn encrypt(&mut self, config: Arc<ServerConfig>) -> Result<(), End> {
        self.flush().await?;
        let nothing: Box<dyn Stream> = Box::new(tokio::io::empty());
        let plain = std::mem::replace(&mut self.stream, BufReader::new(nothing));
        let encrypted = tokio::time::timeout(IDLE_MAX, TlsAcceptor::from(config).accept(plain)).await;
        let encrypted = encrypted.or(Err(End))?.or(Err(End))?;
        self.stream = BufReader::with_capacity(64 * 1024, Box::new(encrypted));
        Ok(())
    }

    /// Waits until the client has sent something, which is not read.
    pub(super) async fn begun(&mut self) -> Result<(), End> {
        self.ahead().await.map(|_| ())
    }
}

/// A socket whose end can be a reset instead of a close.
struct Socket {
    stream: TcpStream,
    is_reset: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_reset.load(Ordering::SeqCst) {
            // If it cannot be set, the client has gone already.
            drop(self.stream.set_zero_linger());
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
