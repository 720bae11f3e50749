//! The yardstick of the accepts: a Go handler that starts a goroutine for each request and keeps nothing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use crate::machine;
use crate::round::{MAIL, Request, Round, load};
use crate::server::free_port;

/// The handler's program, built.
pub(crate) struct Goroutine {
    folder: tempfile::TempDir,
}

struct Peer(Child);

impl Goroutine {
    /// Builds it.
    pub(crate) fn build() -> Self {
        let this = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/yardsticks/goroutine.go");
        let built = machine::command("go")
            .args(["build", "-o"])
            .arg(this.binary())
            .arg(source)
            .status()
            .unwrap();
        assert!(built.success(), "the yardstick could not be built");
        this
    }

    /// What a new process of it makes of the mail that is accepted in every measurement.
    pub(crate) fn accept(&self, connections: u32, seconds: u32) -> Round {
        let bind = format!("127.0.0.1:{}", free_port());
        let _peer = Peer(Command::new(self.binary()).arg(&bind).spawn().unwrap());
        std::thread::sleep(Duration::from_millis(300));
        load(
            &Request::post(&format!("http://{bind}/accept"), "none", MAIL),
            connections,
            seconds,
        )
    }

    fn binary(&self) -> PathBuf {
        self.folder.path().join("goroutine")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // A failure means that it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
