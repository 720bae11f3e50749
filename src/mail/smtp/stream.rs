//! The streams that lettre speaks through: a plain one that can be taken back for TLS, and an encrypted one.
//!
//! Guarantees: of a plain stream that may become encrypted, lettre is handed one line at a time, so that whatever a third
//! party put behind the answer to STARTTLS is still here when the stream is taken back, is seen, and is never read as an
//! answer of the encrypted part (RFC 3207 §6; the fault known as CVE-2011-0411).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// How much is read of a plain stream at once: more than any answer but one to EHLO, and that comes line by line.
const READ_BYTES: usize = 1024;

/// A plain stream of which this side keeps a handle; clones are the same stream.
#[derive(Clone, Debug)]
pub(super) struct PlainStream {
    /// A plain mutex: it is held for one poll, and never contended, since only the owner of the dialogue polls.
    inner: Arc<Mutex<Plain>>,
}

#[derive(Debug)]
struct Plain {
    /// None once it was taken back.
    stream: Option<TcpStream>,
    /// Read, and not handed out yet.
    ahead: Vec<u8>,
}

/// What a plain stream that was taken back held beyond its last answer.
#[derive(Debug)]
pub(super) struct Injected;

impl PlainStream {
    pub(super) fn new(stream: TcpStream) -> Self {
        let plain = Plain {
            stream: Some(stream),
            ahead: Vec::new(),
        };
        Self {
            inner: Arc::new(Mutex::new(plain)),
        }
    }

    /// Takes the stream out of the hands of whoever holds a clone, for whom it is closed from then on.
    ///
    /// # Errors
    /// [`Injected`] if the server, or somebody in between, has sent more than it was asked for.
    pub(super) fn take(&self) -> Result<TcpStream, Injected> {
        let mut inner = self.lock();
        match inner.stream.take() {
            Some(stream) if inner.ahead.is_empty() => Ok(stream),
            _ => Err(Injected),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Plain> {
        // No poll leaves it half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, act: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &mut self.lock().stream {
            Some(stream) => act(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl Plain {
    fn poll_line(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        if self.ahead.is_empty() {
            let mut space = [0; READ_BYTES];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(stream).poll_read(cx, &mut read))?;
            self.ahead.extend_from_slice(read.filled());
        }
        let line = self.ahead.iter().position(|byte| *byte == b'\n');
        let length = line.map_or(self.ahead.len(), |end| end.saturating_add(1));
        let handed: Vec<u8> = self.ahead.drain(..length.min(buf.remaining())).collect();
        buf.put_slice(&handed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for PlainStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_line(cx, buf)
    }
}

impl AsyncWrite for PlainStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(cx))
    }
}

impl AsyncTokioStream for PlainStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.lock().stream {
            Some(stream) => stream.peer_addr(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// An encrypted stream.
#[derive(Debug)]
pub(super) struct SecureStream {
    stream: TlsStream<TcpStream>,
    /// What is read before anything of the stream.
    greeting: &'static [u8],
}

impl SecureStream {
    /// A stream on which the server greets.
    pub(super) fn greeted(stream: TlsStream<TcpStream>) -> Self {
        Self { stream, greeting: b"" }
    }

    /// A stream whose server has greeted already, before it was encrypted. lettre begins a dialogue by reading a greeting,
    /// and after STARTTLS there is none (RFC 3207 §4.2), so that it is given one.
    pub(super) fn greeted_before(stream: TlsStream<TcpStream>) -> Self {
        Self {
            stream,
            greeting: b"220 encrypted\r\n",
        }
    }
}

impl AsyncRead for SecureStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.greeting.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let (handed, rest) = self.greeting.split_at(self.greeting.len().min(buf.remaining()));
        buf.put_slice(handed);
        self.greeting = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SecureStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for SecureStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().0.peer_addr()
    }
}
