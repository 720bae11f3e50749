//! A lane by itself: slots, order, closing, and a worker that is down.

use super::*;
use crate::store::{ClaimRequest, KnownKind};

#[actix::test]
async fn never_more_attempts_are_in_flight_than_slots_and_each_that_ends_makes_room() {
    let (world, go) = (World::default(), Arc::new(Semaphore::new(0)));
    let service = Service::new(
        3,
        Recorded {
            world: world.clone(),
            go: Some(Arc::clone(&go)),
        },
    );
    let now = Clock::System.now();
    service
        .store
        .enqueue((0..10).map(|_| recorded(now)).collect())
        .await
        .unwrap();
    service.dispatch(true);
    world.began(3).await;
    assert_eq!(service.states().await, ["available 7", "running 3"]);
    assert_eq!(service.lane.attempts().in_flight(), 3);
    for ended in 1..=7 {
        go.add_permits(1);
        world.began(3 + ended).await;
        go.forget_permits(1);
    }
    go.add_permits(10);
    service.settled(&["completed 10"]).await;
    assert_eq!(world.most.load(Ordering::SeqCst), 3);
}

#[actix::test]
async fn where_attempts_end_fast_there_are_more_in_flight_than_the_least_and_never_more_than_the_most() {
    let (world, go) = (World::default(), Arc::new(Semaphore::new(1)));
    let recorded_by = Recorded {
        world: world.clone(),
        go: Some(Arc::clone(&go)),
    };
    let (slots, spec) = (Slots { least: 1, most: 3 }, ChildSpec::new("prober").mailbox(4));
    let registry = Registry::new().with(recorded_by);
    let service = Service::with_all(slots, registry, spec, Clock::System, eternal());
    let now = Clock::System.now();
    let new = (0..500).map(|_| recorded(now)).collect();
    service.store.enqueue(new).await.unwrap();
    service.dispatch(true);
    world.began(450).await;
    // From here on nobody ends, and as many begin as may be in flight.
    let held = go.acquire().await.unwrap();
    let full = async {
        while world.running.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, full).await.expect("no more than the least are in flight");
    drop(held);
    service.settled(&["completed 500"]).await;
    assert_eq!(world.most.load(Ordering::SeqCst), 3);
}

#[actix::test]
async fn many_turns_at_once_claim_in_order_and_nothing_twice() {
    let world = World::default();
    let service = Service::new(
        2,
        Recorded {
            world: world.clone(),
            go: None,
        },
    );
    let now = Clock::System.now();
    let new: Vec<NewJob> = (0..200).map(|_| recorded(now)).collect();
    let ids: Vec<JobId> = new.iter().map(|job| job.id).collect();
    service.store.enqueue(new).await.unwrap();
    while world.started().len() < 200 {
        let turns = (0..8).map(|_| service.lane.serve());
        futures_util::future::join_all(turns).await;
        timeout(SOON, service.lane.attempts().idle()).await.unwrap();
    }
    assert_eq!(world.started(), ids);
}

#[actix::test]
async fn nothing_is_claimed_for_a_worker_that_is_down() {
    let world = World::default();
    let policy = RestartPolicy {
        intensity: 0,
        degraded_retry: SOON,
        ..RestartPolicy::default()
    };
    let service = Service::with_policy(
        5,
        Recorded {
            world: world.clone(),
            go: None,
        },
        policy,
    );
    service.worker_is_running(true).await;
    let now = Clock::System.now();
    service
        .store
        .enqueue(vec![probe(Some(ProbePanic::Actor), now)])
        .await
        .unwrap();
    service.lane.serve().await;
    service.worker_is_running(false).await;
    timeout(SOON, service.lane.attempts().idle()).await.unwrap();
    service.store.enqueue(vec![recorded(now)]).await.unwrap();
    service.lane.serve().await;
    assert_eq!(service.states().await, ["available 1", "retryable 1"]);
    service.tree.restart("prober").unwrap();
    service.worker_is_running(true).await;
    service.lane.serve().await;
    world.began(1).await;
}

#[actix::test]
async fn a_lane_that_is_closed_claims_nothing_more() {
    let service = Service::new(
        5,
        Recorded {
            world: World::default(),
            go: None,
        },
    );
    service.worker_is_running(true).await;
    service.lane.close().await;
    service
        .store
        .enqueue(vec![recorded(Clock::System.now())])
        .await
        .unwrap();
    service.lane.serve().await;
    assert_eq!(service.states().await, ["available 1"]);
}

#[actix::test]
async fn closing_gives_back_what_was_claimed_for_a_worker_that_went_down_meanwhile() {
    let world = World::default();
    let policy = RestartPolicy {
        intensity: 0,
        degraded_retry: SOON * 10,
        ..RestartPolicy::default()
    };
    let service = Service::with_policy(
        50,
        Recorded {
            world: world.clone(),
            go: None,
        },
        policy,
    );
    service.worker_is_running(true).await;
    let now = Clock::System.now();
    // The first panics the worker; four wait in its mailbox, and the rest for room there.
    let mut new = vec![probe(Some(ProbePanic::Actor), now)];
    new.extend((0..20).map(|_| recorded(now)));
    service.store.enqueue(new).await.unwrap();
    let turn = service.lane.serve();
    tokio::pin!(turn);
    let down = service.worker_is_running(false);
    tokio::select! {
        _ = &mut turn => panic!("everything was sent to a worker that is down"),
        () = down => {}
    }
    service.settled(&["retryable 1", "running 20"]).await;
    // The one that panicked is struck off just after its end was written.
    let listed = || async { service.lane.attempts().in_flight() == 20 };
    service
        .until("all that is claimed to be listed, and no more", listed)
        .await;
    let close = futures_util::future::join(turn, service.lane.close());
    timeout(SOON, close)
        .await
        .expect("closing waits for a worker that is down");
    service.settled(&["available 16", "retryable 1", "running 4"]).await;
    service.tree.stop().await;
    service.settled(&["available 20", "retryable 1"]).await;
    assert!(world.started().is_empty());
}

#[actix::test]
async fn a_cancel_ends_what_waits_for_a_worker_that_is_down() {
    let policy = RestartPolicy {
        intensity: 0,
        degraded_retry: SOON * 10,
        ..RestartPolicy::default()
    };
    let recorded_kind = Recorded {
        world: World::default(),
        go: None,
    };
    let service = Service::with_policy(50, recorded_kind, policy);
    service.worker_is_running(true).await;
    let now = Clock::System.now();
    let (guilty, waiting) = (probe(Some(ProbePanic::Actor), now), recorded(now));
    let id = waiting.id;
    service.store.enqueue(vec![guilty, waiting]).await.unwrap();
    service.lane.serve().await;
    service.worker_is_running(false).await;
    service.settled(&["retryable 1", "running 1"]).await;
    let cancel = service.store.write(move |tx| jobs::cancel(tx, id, JobScope::All, now));
    cancel.await.unwrap();
    assert!(service.lane.cancel(id));
    service.settled(&["cancelled 1", "retryable 1"]).await;
    service
        .until("the slot to be free", || async {
            service.lane.attempts().in_flight() == 0
        })
        .await;
}

#[actix::test]
async fn a_drain_gives_running_attempts_back() {
    let (world, go) = (World::default(), Arc::new(Semaphore::new(0)));
    let service = Service::new(
        2,
        Recorded {
            world: world.clone(),
            go: Some(go),
        },
    );
    service.worker_is_running(true).await;
    let now = Clock::System.now();
    let new = [recorded(now), recorded(now)];
    service.store.enqueue(new.to_vec()).await.unwrap();
    service.lane.serve().await;
    world.began(2).await;
    service.lane.close().await;
    service.lane.attempts().stop_all(StopCause::Draining);
    timeout(SOON, service.lane.attempts().idle()).await.unwrap();
    for new in new {
        let job = service.job(new.id).await;
        assert_eq!((job.state, job.attempt), (JobState::Available, 0));
    }
}

#[actix::test]
async fn what_was_claimed_without_its_answer_is_taken_back_and_what_an_attempt_has_is_not() {
    let (world, go) = (World::default(), Arc::new(Semaphore::new(0)));
    let service = Service::new(
        1,
        Recorded {
            world: world.clone(),
            go: Some(Arc::clone(&go)),
        },
    );
    let now = Clock::System.now();
    service.store.enqueue(vec![recorded(now)]).await.unwrap();
    service.lane.serve().await;
    world.began(1).await;
    // The answer of this one reaches nobody, as when the connection is lost during the commit.
    let unheard = recorded(now);
    let id = unheard.id;
    service.store.enqueue(vec![unheard]).await.unwrap();
    let claim = ClaimRequest {
        queue: Queue::Probes,
        kinds: vec![KnownKind {
            name: Recorded::NAME,
            version: 1,
        }],
        limit: 1,
        turn: Default::default(),
        node: NODE,
        now,
    };
    assert_eq!(service.store.claim(claim).await.unwrap().jobs.len(), 1);
    service.lane.take_back_unlisted().await;
    assert_eq!(service.states().await, ["available 1", "running 1"]);
    assert_eq!(service.job(id).await.state, JobState::Available);
    go.add_permits(2);
    service
        .until("both", || async {
            service.lane.serve().await;
            service.states().await == ["completed 2"]
        })
        .await;
    assert_eq!(world.started().len(), 2);
}
