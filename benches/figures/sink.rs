//! Postfix' smtp-sink: a mail server that takes everything and keeps nothing.

use std::process::{Child, Stdio};
use std::time::Duration;

use crate::machine;
use crate::server::free_port;

/// A running one.
pub(crate) struct Sink {
    process: Child,
    pub(crate) address: String,
}

impl Sink {
    /// Starts it on a free port.
    pub(crate) fn start() -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        // As root it insists on another user to become.
        let process = machine::command("smtp-sink")
            .args(["-u", "nobody", &address, "1024"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(300));
        Self { process, address }
    }

    /// It, as `mail.url`.
    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // A failure means that it has ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
