//! The socket's file: made for its owner only, replaced if a dead process left it, removed at the end.
//!
//! Guarantees: there is no moment at which somebody else could connect: the socket is made in a folder of mode 0700 and only
//! then moved to its name, which also puts it in the place of what a dead process left, at once. A thing of that name that
//! is no socket is left alone. Whoever calls holds the lock on the data folder, so that no living service is cut off.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::controls::Controls;
use super::desk::JobDesk;
use super::server::{CONNECTIONS_MAX, ControlServer, Parts};
use crate::private;
use crate::supervision::ChildSpec;

/// The socket's name in the data folder.
const NAME: &str = "control.sock";

/// Where it is made; with the name within, no longer than [`NAME`], so that a path that can hold that can hold this.
const MAKING: &str = ".control";
const MAKING_NAME: &str = "s";

/// Where the control socket of a data folder is.
#[must_use]
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The operating system takes no such path for a socket: on Linux, it has more than 107 bytes.
    #[error("the path {path} is longer than a socket's may be; give the service a data_dir with a shorter one")]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// Something else has its name.
    #[error("{path} is there and no socket; move it away")]
    InTheWay {
        /// The path.
        path: PathBuf,
    },
    /// It cannot be made.
    #[error("the socket {path} cannot be made")]
    Io {
        /// The path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The control socket of a service; dropping it removes its file.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    listener: Arc<UnixListener>,
    owner: u32,
    places: Arc<Semaphore>,
}

/// The connections to a control socket.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Semaphore>);

impl Connections {
    /// Waits until nobody is connected any more; to be asked once the child has stopped.
    pub async fn closed(&self) {
        let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
        // The semaphore is never closed, so that this waits for the connections alone.
        drop(self.0.acquire_many(all).await);
    }
}

impl ControlSocket {
    /// Makes the socket in `data_dir`, which the caller has locked. Who connects waits until [`serve`](Self::serve).
    ///
    /// # Errors
    /// [`SocketError`]; then there is none.
    pub fn bind(data_dir: &Path) -> Result<Self, SocketError> {
        let path = socket_path(data_dir);
        if is_too_long(&path) {
            return Err(SocketError::TooLong { path });
        }
        if fs::symlink_metadata(&path).is_ok_and(|there| !there.file_type().is_socket()) {
            return Err(SocketError::InTheWay { path });
        }
        match make(data_dir, &path) {
            Ok((listener, owner)) => Ok(Self {
                path,
                listener: Arc::new(listener),
                owner,
                places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            }),
            Err(source) => Err(SocketError::Io { path, source }),
        }
    }

    /// Serves it by a child `control` of the tree, with `desk` for what is asked about jobs, on the current arbiter: not on one that may be what an operator wants to
    /// look at.
    pub fn serve(&self, controls: Controls, desk: Option<Arc<dyn JobDesk>>, shutdown: Duration) {
        let tree = controls.tree().clone();
        let parts = Parts {
            listener: Arc::clone(&self.listener),
            owner: self.owner,
            places: Arc::clone(&self.places),
            controls,
            desk,
        };
        let spec = ChildSpec::new("control").shutdown(shutdown);
        tree.start(spec, move || ControlServer::new(parts.clone()));
    }

    /// Its connections.
    #[must_use]
    pub fn connections(&self) -> Connections {
        Connections(Arc::clone(&self.places))
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // If it cannot be removed, the next start replaces it.
        drop(fs::remove_file(&self.path));
    }
}

/// Whether no socket can have such a path.
fn is_too_long(path: &Path) -> bool {
    SocketAddr::from_pathname(path).is_err()
}

fn make(data_dir: &Path, path: &Path) -> io::Result<(UnixListener, u32)> {
    let folder = data_dir.join(MAKING);
    let making = folder.join(MAKING_NAME);
    // What a process left that was killed just here.
    absent_is_fine(fs::remove_file(&making))?;
    absent_is_fine(fs::remove_dir(&folder))?;
    // Not one that somebody else has just put there.
    private::new_folder(&folder)?;
    let listener = UnixListener::bind(&making)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(&making, fs::Permissions::from_mode(0o600))?;
    // Its own file tells as whom this process makes files, without asking the system by unsafe code.
    let owner = fs::symlink_metadata(&making)?.uid();
    fs::rename(&making, path)?;
    fs::remove_dir(&folder)?;
    Ok((listener, owner))
}

fn absent_is_fine(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn the_socket_is_its_owners_only_also_in_a_folder_that_is_open_and_is_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let socket = ControlSocket::bind(folder.path()).unwrap();
        let path = socket_path(folder.path());
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        UnixStream::connect(&path).unwrap();
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_process_left_is_replaced_at_whatever_moment_it_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        let path = socket_path(folder.path());
        drop(UnixListener::bind(&path).unwrap());
        assert!(UnixStream::connect(&path).is_err(), "nobody listens there");
        let making = folder.path().join(MAKING);
        fs::create_dir(&making).unwrap();
        drop(UnixListener::bind(making.join(MAKING_NAME)).unwrap());
        let _socket = ControlSocket::bind(folder.path()).unwrap();
        UnixStream::connect(&path).unwrap();
        assert!(!making.exists());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let makes: [fn(&Path); 3] = [
            |path| fs::write(path, "mine").unwrap(),
            |path| fs::create_dir(path).unwrap(),
            |path| std::os::unix::fs::symlink("/nowhere", path).unwrap(),
        ];
        for make in makes {
            let folder = tempfile::tempdir().unwrap();
            let path = socket_path(folder.path());
            make(&path);
            let refused = ControlSocket::bind(folder.path()).unwrap_err();
            assert!(matches!(refused, SocketError::InTheWay { .. }), "{refused}");
            assert!(fs::symlink_metadata(&path).is_ok());
        }
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join(MAKING)).unwrap();
        let refused = ControlSocket::bind(folder.path()).unwrap_err();
        assert!(
            matches!(refused, SocketError::Io { .. }),
            "it is not made behind a link: {refused}"
        );
    }

    #[test]
    fn a_path_that_is_too_long_is_refused_with_what_helps_and_the_longest_that_fits_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let spare = 107 - socket_path(folder.path()).as_os_str().len() - 1;
        for (length, fits) in [(spare, true), (spare + 1, false)] {
            let data_dir = folder.path().join("d".repeat(length));
            fs::create_dir(&data_dir).unwrap();
            let bound = ControlSocket::bind(&data_dir);
            match bound {
                Ok(_) => assert!(fits, "{length}"),
                Err(refused) => {
                    assert!(!fits, "{refused:?}");
                    assert!(refused.to_string().contains("shorter"), "{refused}");
                }
            }
        }
    }
}
