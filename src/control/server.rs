//! The actor that takes connections to the control socket.
//!
//! Guarantees: a connection that panics ends alone; one that cannot be taken is tried again; all end soon after the actor
//! does. Its restart loses no connection that waits to be taken, since the socket stays.

use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt as _, AsyncContext as _, WrapFuture as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connection::{Peer, converse};
use super::controls::Controls;
use super::desk::JobDesk;
use super::protocol::{Answer, ErrorKind};
use crate::supervision;
use crate::telemetry::names::event;

/// How many connections are served at once: a terminal or two for each operator, and their scripts.
pub const CONNECTIONS_MAX: usize = 16;

/// How long to wait after a connection could not be taken, which is mostly for want of file descriptors.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the actor works with.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) listener: Arc<StdListener>,
    /// The user whose service it is.
    pub(super) owner: u32,
    /// One permit for each connection that may be open.
    pub(super) places: Arc<Semaphore>,
    pub(super) controls: Controls,
    pub(super) desk: Option<Arc<dyn JobDesk>>,
}

/// Takes connections, and has each served by a task of its own.
pub(super) struct ControlServer {
    parts: Parts,
    ending: CancellationToken,
    /// Tells the connections, however the actor comes to its end.
    _ends: DropGuard,
}

impl ControlServer {
    pub(super) fn new(parts: Parts) -> Self {
        let ending = CancellationToken::new();
        Self {
            parts,
            _ends: ending.clone().drop_guard(),
            ending,
        }
    }
}

impl Actor for ControlServer {
    type Context = supervision::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // The same socket under another descriptor, since the one before was taken by the actor before.
        let listener = self.parts.listener.try_clone().and_then(UnixListener::from_std);
        match listener {
            Ok(listener) => {
                // A task beside the actor: one who suspended all actors must be able to come back and resume them.
                let taking = tokio::spawn(take(listener, self.parts.clone(), self.ending.clone()));
                // It ends before the actor only by a panic, which is then the actor's failure too.
                ctx.spawn(taking.into_actor(self).map(|_, _, ctx: &mut Self::Context| ctx.stop()));
            }
            Err(error) => {
                not_taken(&error);
                // A failure of this actor, which is tried again.
                ctx.stop();
            }
        }
    }
}

supervision::supervised!(ControlServer);

async fn take(listener: UnixListener, parts: Parts, ending: CancellationToken) {
    loop {
        let taken = tokio::select! {
            biased;
            () = ending.cancelled() => return,
            taken = listener.accept() => taken,
        };
        match taken {
            Ok((stream, _)) => admit(stream, &parts, &ending),
            Err(error) => {
                not_taken(&error);
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

fn not_taken(error: &std::io::Error) {
    tracing::warn!(event = event::CONTROL_FAILED, %error, "a connection to the control socket could not be taken");
}

fn admit(stream: UnixStream, parts: &Parts, ending: &CancellationToken) {
    let uid = match stream.peer_cred() {
        Ok(peer) => peer.uid(),
        Err(error) => return not_taken(&error),
    };
    if !may_connect(uid, parts.owner) {
        tracing::warn!(
            event = event::CONTROL_REFUSED,
            uid,
            "another user connected to the control socket, and was refused"
        );
        return refuse(
            &stream,
            ErrorKind::NotAllowed,
            "only the user of the service, and root, may ask here",
        );
    }
    let Ok(place) = Arc::clone(&parts.places).try_acquire_owned() else {
        return refuse(
            &stream,
            ErrorKind::Busy,
            "too many connections to the control socket are open",
        );
    };
    let peer = Peer {
        controls: parts.controls.clone(),
        desk: parts.desk.clone(),
        uid,
        ending: ending.clone(),
    };
    tokio::spawn(async move {
        let (reader, writer) = stream.into_split();
        converse(reader, writer, &peer).await;
        drop(place);
    });
}

/// Whether the user of this number may steer a service of `owner`.
fn may_connect(uid: u32, owner: u32) -> bool {
    uid == owner || uid == 0
}

/// One line, without waiting: a connection that is new has room for it, and whoever is refused is owed no more.
fn refuse(stream: &UnixStream, error: ErrorKind, detail: &str) {
    let detail = detail.to_owned();
    let line = Answer::Error { error, detail }.to_line();
    drop(stream.try_write(line.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::may_connect;

    #[test]
    fn only_the_services_own_user_and_root_may_connect() {
        assert!(may_connect(1000, 1000) && may_connect(0, 1000) && may_connect(0, 0));
        assert!(!may_connect(1001, 1000) && !may_connect(1000, 0) && !may_connect(u32::MAX, 1000));
    }
}
