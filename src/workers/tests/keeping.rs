//! The keeper and the lease: what is cleared away, how, and what a node does that cannot renew its lease.

use super::*;
use crate::config::Retention;
use crate::domain::roles::Roles;
use crate::reports::ReportFolder;
use crate::store::testing::{NOW, end, job, request};
use crate::store::{Abort, SessionUses, nodes};
use crate::workers::beat::beat;
use crate::workers::clearing::clear;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn keeper(store: &TestStore, clock: &Clock, lease: &Lease) -> KeeperParts {
    KeeperParts {
        session_uses: SessionUses::default(),
        session_idle: Duration::from_secs(72 * 3600),
        store: (**store).clone(),
        reports: ReportFolder::open(store.beside("reports")).unwrap(),
        node: NODE,
        roles: Roles::Both,
        attempts: Vec::new(),
        clock: clock.clone(),
        lease: lease.clone(),
        events_kept: Duration::from_secs(3600),
        retention: Retention {
            completed: 7 * DAY,
            discarded: 30 * DAY,
            cancelled: 30 * DAY,
            uncertain: 30 * DAY,
            acts: 365 * DAY,
            security: 365 * DAY,
        },
        depths: Depths::new(&DepthLimits::default()),
        walk: Walk::default(),
        registry: Registry::new().with(Probe),
        elsewhere: KindsElsewhere::default(),
        contracting: Contracting::after(Duration::ZERO),
        sweep: Arc::new(|| {}),
    }
}

/// So many jobs that ended in this way at [`NOW`]; one of them.
async fn ended(store: &TestStore, count: usize, how: AttemptEnd) -> JobId {
    store.enqueue((0..count).map(|_| job()).collect()).await.unwrap();
    let mut last = None;
    while let Some(held) = store.claim(request(500, NOW)).await.unwrap().jobs.pop() {
        last = Some(held.id);
        store.finish(end(held.id, held.fence, how, NOW)).await.unwrap();
        // The others of the claim.
        let left = store.words("SELECT id || ' ' || fence AS value FROM jobs WHERE state = 'running'");
        let ends = left.iter().map(|row| {
            let (id, fence) = row.split_once(' ').unwrap();
            store.finish(end(id.parse().unwrap(), fence.parse().unwrap(), how, NOW))
        });
        futures_util::future::try_join_all(ends).await.unwrap();
    }
    last.unwrap()
}

#[tokio::test]
async fn finished_jobs_go_with_their_attempts_when_their_time_is_over_and_no_others() {
    let store = TestStore::new();
    let (clock, lease) = (Clock::manual(NOW), Lease::taken_at(Instant::now()));
    let parts = keeper(&store, &clock, &lease);
    let uncertain = AttemptEnd::Uncertain(
        crate::domain::job::WhenUncertain::Hold,
        crate::domain::job::Retry::Never,
    );
    ended(&store, 1_201, AttemptEnd::Completed).await;
    let again = ended(&store, 2, AttemptEnd::Failed(crate::domain::job::Retry::Never)).await;
    ended(&store, 2, AttemptEnd::Cancelled).await;
    ended(&store, 2, uncertain).await;
    store.enqueue(vec![job()]).await.unwrap();
    let all = [
        "available 1",
        "cancelled 2",
        "completed 1201",
        "discarded 2",
        "uncertain 2",
    ];
    clock.advance(7 * DAY - Duration::from_secs(1));
    clear(&parts).await;
    assert_eq!(store.states(), all, "too early");
    clock.advance(Duration::from_secs(1));
    clear(&parts).await;
    assert_eq!(
        store.states(),
        ["available 1", "cancelled 2", "discarded 2", "uncertain 2"]
    );
    assert_eq!(store.number("SELECT count(*) AS value FROM attempts"), Some(6));
    let now = clock.now();
    let retried = store.write(move |tx| jobs::retry(tx, again, JobScope::All, now));
    retried.await.unwrap();
    clock.advance(23 * DAY);
    clear(&parts).await;
    assert_eq!(
        store.states(),
        ["available 2"],
        "one was waiting all the time, one was run again"
    );
}

#[tokio::test]
async fn clearing_leaves_the_writer_to_others_between_two_batches() {
    let store = TestStore::new();
    let (clock, lease) = (Clock::manual(NOW), Lease::taken_at(Instant::now()));
    ended(&store, 2_000, AttemptEnd::Completed).await;
    clock.advance(8 * DAY);
    let parts = keeper(&store, &clock, &lease);
    let clearing = clear(&parts);
    tokio::pin!(clearing);
    let mut seen = std::collections::BTreeSet::new();
    let count = || {
        store
            .number("SELECT count(*) AS value FROM jobs WHERE state = 'completed'")
            .unwrap()
    };
    loop {
        tokio::select! {
            biased;
            () = &mut clearing => break,
            written = store.enqueue(vec![job()]) => {
                written.unwrap();
                seen.insert(count());
            }
        }
    }
    assert!(
        seen.iter().all(|left| left % 500 == 0),
        "more than a batch at once: {seen:?}"
    );
    assert!(seen.len() >= 3, "others did not write between batches: {seen:?}");
    assert_eq!(count(), 0);
}

#[actix::test]
async fn a_keeper_renews_the_lease_as_soon_as_it_starts() {
    let store = TestStore::new();
    let (clock, lease) = (Clock::manual(NOW), Lease::taken_at(long_ago()));
    let enter =
        store.write(|tx| Ok::<_, Abort<()>>(nodes::enter(tx.connection(), NODE, ("1", Roles::Both), NOW, LEASE)?));
    enter.await.unwrap();
    clock.advance(LEASE);
    assert!(!lease.is_held(Instant::now()));
    let tree = Tree::new("root", clock.clone());
    let parts = keeper(&store, &clock, &lease);
    tree.start(ChildSpec::new("keeper"), move || Keeper::new(parts.clone()));
    let renewed = async {
        while !lease.is_held(Instant::now()) {
            store.ping(SOON).await.unwrap();
        }
    };
    timeout(SOON, renewed).await.expect("the lease was not renewed");
    let until = clock.now().plus(LEASE).as_micros();
    assert_eq!(store.number("SELECT lease_until AS value FROM nodes"), Some(until));
}

/// When a lease was taken that has lapsed.
fn long_ago() -> Instant {
    Instant::now() - LEASE
}

/// A service with a guard that has one job at work, which waits to be let go.
async fn at_work(lease: &Lease) -> (Service, World, Arc<Semaphore>) {
    let (world, go) = (World::default(), Arc::new(Semaphore::new(0)));
    let recorded_kind = Recorded {
        world: world.clone(),
        go: Some(Arc::clone(&go)),
    };
    let clock = Clock::manual(NOW);
    let service = Service::with_parts(2, recorded_kind, RestartPolicy::default(), clock, lease.clone());
    let guard = GuardParts {
        node: NODE,
        lease: lease.clone(),
        attempts: vec![service.lane.attempts().clone()],
    };
    service
        .tree
        .start(ChildSpec::new("guard"), move || Guard::new(guard.clone()));
    service.store.enqueue(vec![recorded(NOW)]).await.unwrap();
    service.lane.serve().await;
    world.began(1).await;
    (service, world, go)
}

/// Waits until the service has no attempt.
async fn idle(service: &Service) {
    service
        .until("the attempt to end", || async {
            service.lane.attempts().in_flight() == 0
        })
        .await;
}

#[actix::test]
async fn a_node_that_cannot_renew_its_lease_ends_its_work_and_claims_again_once_it_can() {
    let lease = Lease::taken_at(Instant::now());
    // Without a dispatcher: whatever became of that, the guard does not need it.
    let (service, world, go) = at_work(&lease).await;
    lease.renew(Instant::now() - LEASE_BEAT * 2);
    service.lane.serve().await;
    assert_eq!(service.lane.attempts().in_flight(), 1, "one missed beat ends nothing");
    lease.renew(long_ago());
    idle(&service).await;
    service.store.enqueue(vec![recorded(NOW)]).await.unwrap();
    service.lane.serve().await;
    assert_eq!(world.started().len(), 1, "claimed without a lease");
    lease.renew(Instant::now());
    go.add_permits(2);
    service.dispatch(true);
    service.settled(&["completed 2"]).await;
}

#[actix::test]
async fn a_node_whose_work_was_taken_over_enters_anew_once_its_own_has_ended_and_then_claims_again() {
    let lease = Lease::taken_at(Instant::now());
    let (service, world, go) = at_work(&lease).await;
    let mut parts = keeper(&service.store, &service.clock, &lease);
    parts.attempts = vec![service.lane.attempts().clone()];
    let row = "SELECT count(*) AS value FROM nodes WHERE lease_until > 0";
    // Somebody took all of it back, and removed the row: none is there.
    let node = crate::domain::id::NodeId::from_bits(9);
    let rescue = service
        .store
        .write(move |tx| Ok::<_, Abort<()>>(jobs::rescue(tx, node, NOW)?));
    assert_eq!(rescue.await.unwrap().len(), 1);
    let term = lease.term(Instant::now());
    beat(&parts).await;
    assert_eq!(
        service.lane.attempts().in_flight(),
        0,
        "it entered while its work went on"
    );
    assert_eq!(service.store.number(row), Some(1));
    assert!(lease.is_held(Instant::now()) && lease.term(Instant::now()) != term);
    assert_eq!(service.states().await, ["available 1"], "its late end was written");
    go.add_permits(1);
    service.dispatch(true);
    service.settled(&["completed 1"]).await;
    assert_eq!(world.started().len(), 2);
}

#[actix::test]
async fn a_node_that_is_being_taken_over_takes_back_itself_what_its_rescuer_left_undone() {
    let lease = Lease::taken_at(Instant::now());
    let (service, _world, _go) = at_work(&lease).await;
    let mut parts = keeper(&service.store, &service.clock, &lease);
    parts.attempts = vec![service.lane.attempts().clone()];
    let marked = service.store.write(|tx| {
        nodes::enter(tx.connection(), NODE, ("1", Roles::Both), NOW.minus(LEASE * 2), LEASE)?;
        Ok::<_, Abort<()>>(nodes::take_over(tx.connection(), NODE, NOW)?)
    });
    assert!(marked.await.unwrap());
    beat(&parts).await;
    assert_eq!(service.states().await, ["available 1"]);
    let until = NOW.plus(LEASE).as_micros();
    assert_eq!(
        service.store.number("SELECT lease_until AS value FROM nodes"),
        Some(until)
    );
    assert!(lease.is_held(Instant::now()));
}
