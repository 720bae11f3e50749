//! Coming down in order: named phases, each with a time of its own.
//!
//! stop accepting → drain HTTP → stop claiming → drain attempts (what is left is ended, its attempt given back) → release
//! the lease → stop the actors → stop the writer, who writes first what it was given. A phase that runs out of its time is logged, and the next one begins:
//! whatever it left undone is what a `kill -9` leaves, and the next start takes it back.
//!
//! The same way is gone when the HTTP server has ended by itself, and when the supervision tree has failed. In that last case nothing can be written any more, and each phase finds that
//! out at once or runs out of its time.
//!
//! There is no phase for the log: its last lines are written when all of this has ended. Threads that a phase left blocked end
//! with the process.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;

use super::tree::{CONTROL, GUARD, Grown, JOBS, Planted};
use crate::api::ShutdownFlag;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{Connections, ControlSocket};
use crate::domain::id::NodeId;
use crate::jobs::{GRACE, StopCause};
use crate::store::{Abort, ServeLock, SessionUses, Store, StoreError, nodes};
use crate::supervision::shutdown::{PartReport, Phase, Shutdown, TaskEnd, TaskOutput};
use crate::supervision::{StopKind, Stopped, Tree};
use crate::telemetry;
use crate::telemetry::names::event;
use crate::workers::Lane;

/// How much longer a phase is waited for than what it waits for takes by a limit of its own.
const MARGIN: Duration = Duration::from_secs(1);

/// How long attempts that were told to end may take beyond their own grace to have their ends written.
const WRITE_ENDS: Duration = Duration::from_secs(3);

/// The writer in the tree.
const WRITER: &str = "writer";

/// The phase in which attempts may come to their own ends.
const ATTEMPTS: &str = "attempts";

/// What is to be brought down.
pub(super) struct Parts {
    pub(super) config: Arc<Config>,
    pub(super) store: Store,
    pub(super) session_uses: SessionUses,
    pub(super) clock: Clock,
    pub(super) node: NodeId,
    pub(super) http: ServerHandle,
    pub(super) shutdown: ShutdownFlag,
    pub(super) planted: Planted,
    pub(super) grown: Grown,
    /// Its file is removed when this is dropped.
    pub(super) control: Option<ControlSocket>,
    /// Held until all else is down.
    pub(super) _lock: ServeLock,
}

/// Goes through the phases; the log has the report.
pub(super) async fn run(parts: Parts) {
    // Streams and readiness see the flag; the server stops accepting at once and waits for what is under way.
    parts.shutdown.raise();
    let Parts {
        store,
        session_uses,
        clock,
        http,
        node,
        control,
        planted,
        ..
    } = parts;
    // One that an operator suspended would have each phase that writes run out of its time; if it was not, that is as well.
    drop(planted.tree.resume(WRITER));
    let connections = control.as_ref().map(ControlSocket::connections);
    let Grown { lanes, .. } = parts.grown;
    let tree = planted.tree.clone();
    let limits = &parts.config.shutdown;
    let leaving = store.clone();
    let all_idle = |phase: Phase| each_lane(phase, &lanes, |lane| async move { lane.attempts().idle().await });

    Shutdown::new()
        .phase(
            Phase::new("http")
                .within(limits.http.saturating_add(MARGIN))
                .task("server", move || http.stop(true)),
        )
        .phase(each_lane(
            Phase::new("claiming").within(limits.store),
            &lanes,
            |lane| async move { lane.close().await },
        ))
        .phase(all_idle(Phase::new(ATTEMPTS).within(limits.grace)))
        .phase(each_lane(
            Phase::new("attempts_ended")
                .within(GRACE + WRITE_ENDS)
                .only_if(|so_far| so_far.ran_out(ATTEMPTS)),
            &lanes,
            |lane| async move {
                lane.attempts().stop_all(StopCause::Draining);
                lane.attempts().idle().await;
            },
        ))
        .phase(
            Phase::new("lease")
                .within(limits.store)
                .task("node", move || leave(leaving, node, session_uses, clock)),
        )
        .phase(
            Phase::new("actors")
                .within(limits.actors.saturating_add(MARGIN))
                .task("tree", move || stop_actors(tree, connections)),
        )
        // What waited in the mailbox of a worker that was down was thrown away with it, and gives itself back.
        .phase(all_idle(Phase::new("given_back").within(WRITE_ENDS)))
        .phase(
            Phase::new("store")
                .within(limits.store)
                .task("database", move || close(planted)),
        )
        .run()
        .await;
}

/// The phase with a task for each lane, by the name of its queue.
fn each_lane<W>(phase: Phase, lanes: &[Arc<Lane>], work: impl Fn(Arc<Lane>) -> W + Copy + Send + 'static) -> Phase
where
    W: Future<Output = ()> + Send + 'static,
{
    lanes.iter().fold(phase, |phase, lane| {
        let lane = Arc::clone(lane);
        phase.task(lane.queue().as_str(), move || work(lane))
    })
}

/// Releases the lease, and writes first what was noted of logins, which nobody uses here any more.
async fn leave(store: Store, node: NodeId, uses: SessionUses, clock: Clock) -> Result<(), StoreError> {
    if let Err(error) = uses.write_all(&store, clock.now()).await {
        let error = telemetry::chain(&error);
        tracing::warn!(
            event = event::SESSION_USES_UNWRITTEN,
            error,
            "it could not be written when logins were last used; some may end a little early"
        );
    }
    release_lease(store, node).await
}

async fn release_lease(store: Store, node: NodeId) -> Result<(), StoreError> {
    let left = store
        .write(move |tx| Ok::<_, Abort<Infallible>>(nodes::leave(tx.connection(), node)?))
        .await;
    let Err(Abort::Store(error)) = left else { return Ok(()) };
    // Why not is told by the line of the phase.
    tracing::warn!(
        event = event::LEASE_KEPT,
        %node,
        "the lease could not be released; it ends by itself"
    );
    Err(error)
}

/// Stops all actors, and tells how each of them ended.
async fn stop_actors(tree: Tree, connections: Option<Connections>) -> TaskOutput {
    let mut stopped = Vec::new();
    // The control socket last, so that whoever follows events over it hears of the others' ends.
    for name in [JOBS, GUARD, CONTROL] {
        // One that is not there was not started, or has ended with the whole tree.
        stopped.extend(tree.stop_branch(name).await.unwrap_or_default());
    }
    // Until they were told of the end.
    if let Some(connections) = connections {
        connections.closed().await;
    }
    stopped.into_iter().map(report_of).collect()
}

fn report_of(stopped: Stopped) -> PartReport {
    if stopped.how != StopKind::Clean {
        tracing::warn!(
            event = event::CUT_OFF,
            actor = stopped.name,
            how = ?stopped.how,
            undelivered = stopped.undelivered,
            "an actor was cut off"
        );
    }
    PartReport {
        name: stopped.name,
        how: match stopped.how {
            StopKind::Clean => TaskEnd::Done,
            StopKind::CutOff => TaskEnd::CutOff,
            StopKind::Abandoned => TaskEnd::StillRunning,
        },
    }
}

/// Stops what is left of the tree: the writer, which has then committed all that it was given.
async fn close(planted: Planted) -> TaskOutput {
    let stopped = planted.tree.stop().await;
    planted.arbiter.stop();
    stopped.into_iter().map(report_of).collect()
}
