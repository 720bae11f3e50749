//! A real mail server as a process of its own, on loopback ports of its own, in a folder of its own.
//!
//! What each of them offers: STARTTLS on one port, TLS from the start on another, for `localhost`; the login `ada` with `open
//! sesame`, and nothing without it; mail for `ada@example.org` and `bob@example.org`, kept in maildirs, and for nobody else.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::certificates::Authority;
use super::service::{PATIENCE, breathe};

/// A server that is ready for mail; it is killed when dropped.
pub(crate) struct MailServer {
    process: Child,
    /// Whose certificate it shows.
    pub(crate) authority: Authority,
    folder: tempfile::TempDir,
    pub(crate) starttls_port: u16,
    pub(crate) tls_port: u16,
}

/// What a server is to be started with.
pub(crate) struct Prepared {
    pub(crate) authority: Authority,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) starttls_port: u16,
    pub(crate) tls_port: u16,
}

impl Prepared {
    /// A folder that the server's users can enter, with its certificate and its key in it, and two free ports.
    pub(crate) fn new() -> Self {
        let authority = Authority::new();
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        authority.issue(&["localhost"]).write(folder.path());
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // Both are held until both are known, or they might be one.
        let (one, other) = (free(), free());
        Self {
            authority,
            folder,
            starttls_port: one.local_addr().unwrap().port(),
            tls_port: other.local_addr().unwrap().port(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the server's.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// Makes a folder of the server's.
    pub(crate) fn make(&self, name: &str, mode: u32, owner: Option<(u32, u32)>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(&path, Some(user), Some(group)).unwrap();
        }
    }

    /// Starts the server and waits until it greets.
    pub(crate) async fn start(self, mut command: Command) -> MailServer {
        let log = std::fs::File::create(self.path().join("output")).unwrap();
        let process = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = MailServer {
            process,
            authority: self.authority,
            folder: self.folder,
            starttls_port: self.starttls_port,
            tls_port: self.tls_port,
        };
        server.wait_until_it_greets().await;
        server
    }
}

impl MailServer {
    async fn wait_until_it_greets(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !greets(self.starttls_port) {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "the mail server ended: {ended:?}\n{}", self.log());
            assert!(
                Instant::now() < deadline,
                "the mail server does not greet\n{}",
                self.log()
            );
            breathe().await;
        }
    }

    /// What it wrote to its log.
    pub(crate) fn log(&self) -> String {
        ["output", "log"]
            .map(|name| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default())
            .concat()
    }

    /// Waits until `user` has `count` mails, and answers with them.
    pub(crate) async fn mails_of(&self, user: &str, count: usize) -> Vec<String> {
        let new = self.folder.path().join("mail").join(user).join("new");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mails = files_in(&new);
            if mails.len() >= count {
                return mails
                    .iter()
                    .map(|path| std::fs::read_to_string(path).unwrap())
                    .collect();
            }
            assert!(
                Instant::now() < deadline,
                "{user} has {} mails\n{}",
                mails.len(),
                self.log()
            );
            breathe().await;
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // First as its manual says, so that it ends the processes that it has started.
        let asked = Command::new("kill").arg(self.process.id().to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while asked.as_ref().is_ok_and(std::process::ExitStatus::success)
            && matches!(self.process.try_wait(), Ok(None))
            && Instant::now() < deadline
        {
            std::thread::yield_now();
        }
        // Gone already, if it did as it was told.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Whether a mail server answers on this port.
fn greets(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("220 ")
}
