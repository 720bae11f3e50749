//! Telling the service manager how far the service is, as systemd's `sd_notify` does: one datagram each.
//!
//! Guarantees: it never blocks, and a manager that does not listen costs a line in the log and nothing else.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::config;
use crate::telemetry::names::event;

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The service listens, and its workers claim jobs.
    Ready,
    /// The shutdown began.
    Stopping,
}

impl Progress {
    const fn message(self) -> &'static str {
        match self {
            Self::Ready => "READY=1",
            Self::Stopping => "STOPPING=1",
        }
    }
}

/// Tells it, if anybody asked to be told.
pub(super) fn tell(progress: Progress) {
    let Some(socket) = config::notify_socket() else {
        return;
    };
    if let Err(error) = send(&socket, progress.message()) {
        tracing::warn!(
            event = event::NOTIFY_FAILED,
            %error,
            "the service manager could not be told how far the service is"
        );
    }
}

/// Sends `message` to the socket of this name: a path, or `@` and the name of an abstract one.
fn send(socket: &OsStr, message: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let datagram = UnixDatagram::unbound()?;
    datagram.set_nonblocking(true)?;
    datagram.send_to_addr(message.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(listener: &UnixDatagram) -> String {
        let mut bytes = [0; 64];
        let length = listener.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_message_reaches_a_socket_in_a_folder_and_an_abstract_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), Progress::Ready.message()).unwrap();
        assert_eq!(received(&listener), "READY=1");
        let name = format!("legwork-test-{}", std::process::id());
        let listener = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(OsStr::new(&format!("@{name}")), Progress::Stopping.message()).unwrap();
        assert_eq!(received(&listener), "STOPPING=1");
        assert!(send(folder.path().join("nobody").as_os_str(), "READY=1").is_err());
    }
}
