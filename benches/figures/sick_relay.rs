//! A mail server for figures: it keeps nothing, takes its time, and of ten sites two may be sick.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The site that hangs, and the one that answers 450.
const HANGS: &[u8] = b"@site-8.";
const BUSY: &[u8] = b"@site-9.";

/// A running one, on a thread of its own until the process ends.
pub(crate) struct SickRelay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// How long it thinks about each mail.
    thought: Duration,
    sick: bool,
    /// Mails that were taken for the eight sites that are always well, and when the last one was.
    taken: AtomicU64,
    last: Mutex<Instant>,
}

impl SickRelay {
    pub(crate) fn start(thought: Duration, sick: bool) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            thought,
            sick,
            taken: AtomicU64::new(0),
            last: Mutex::new(Instant::now()),
        });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    // A client that has gone ends its dialogue.
                    tokio::spawn(serve(stream, Arc::clone(&served)));
                }
            });
        });
        Self { address, shared }
    }

    /// It, as `mail.url`.
    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    pub(crate) fn taken(&self) -> u64 {
        self.shared.taken.load(Ordering::SeqCst)
    }

    pub(crate) fn last_taken(&self) -> Instant {
        *self.shared.last.lock().unwrap()
    }
}

/// One dialogue, its commands in groups.
async fn serve(stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut said: Vec<u8> = b"220 figures ESMTP\r\n".to_vec();
    let (mut recipients, mut counted) = (0_u32, false);
    let mut line = Vec::new();
    loop {
        // Answers go out once nothing more has come.
        if stream.buffer().is_empty() {
            stream.get_mut().write_all(&said).await?;
            said.clear();
        }
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let has = |site: &[u8]| line.windows(site.len()).any(|part| part == site);
        match line.get(..4) {
            Some(b"EHLO") => said.extend_from_slice(b"250-figures\r\n250-PIPELINING\r\n250 8BITMIME\r\n"),
            Some(b"MAIL") => {
                recipients = 0;
                said.extend_from_slice(b"250 2.1.0 Ok\r\n");
            }
            Some(b"RCPT") if shared.sick && has(HANGS) => {
                stream.get_mut().write_all(&said).await?;
                std::future::pending::<()>().await;
            }
            Some(b"RCPT") if shared.sick && has(BUSY) => said.extend_from_slice(b"450 4.2.1 Busy\r\n"),
            Some(b"RCPT") => {
                recipients += 1;
                counted = !has(HANGS) && !has(BUSY);
                said.extend_from_slice(b"250 2.1.5 Ok\r\n");
            }
            Some(b"DATA") if recipients == 0 => said.extend_from_slice(b"554 5.5.1 No valid recipients\r\n"),
            Some(b"DATA") => {
                said.extend_from_slice(b"354 Go ahead\r\n");
                stream.get_mut().write_all(&said).await?;
                said.clear();
                while line != b".\r\n" {
                    line.clear();
                    if stream.read_until(b'\n', &mut line).await? == 0 {
                        return Ok(());
                    }
                }
                if !shared.thought.is_zero() {
                    tokio::time::sleep(shared.thought).await;
                }
                if counted {
                    *shared.last.lock().unwrap() = Instant::now();
                    shared.taken.fetch_add(1, Ordering::SeqCst);
                }
                said.extend_from_slice(b"250 2.0.0 Ok: kept nowhere\r\n");
            }
            _ => said.extend_from_slice(b"250 2.0.0 Ok\r\n"),
        }
    }
}
