//! The dispatcher over a real store: everything runs once, in order, through panics, lost wakes and lost cancels.

use super::*;

#[actix::test]
async fn ten_thousand_jobs_pass_a_mailbox_of_four_in_order_and_none_is_refused() {
    let world = World::default();
    let service = Service::new(
        64,
        Recorded {
            world: world.clone(),
            go: None,
        },
    );
    let now = Clock::System.now();
    let new: Vec<NewJob> = (0..10_000).map(|_| recorded(now)).collect();
    let ids: Vec<JobId> = new.iter().map(|job| job.id).collect();
    for part in new.chunks(500) {
        service.store.enqueue(part.to_vec()).await.unwrap();
    }
    service.dispatch(true);
    world.began(10_000).await;
    service.settled(&["completed 10000"]).await;
    assert!(world.started() == ids, "the jobs did not start in order");
    let mailbox = service.worker.mailbox();
    assert_eq!((mailbox.capacity, mailbox.depth), (4, 0));
    let events = service.tree.recent();
    assert!(
        events
            .iter()
            .all(|event| event.kind != crate::supervision::EventKind::MailboxFull),
        "{events:?}"
    );
}

#[actix::test]
async fn a_worker_that_panics_amid_a_thousand_jobs_loses_none_and_the_guilty_is_quarantined_at_its_third() {
    let world = World::default();
    let service = Service::new(
        16,
        Recorded {
            world: world.clone(),
            go: None,
        },
    );
    let now = Clock::System.now();
    let mut new: Vec<NewJob> = (0..1_000).map(|_| recorded(now)).collect();
    let guilty = NewJob {
        max_attempts: 10,
        ..probe(Some(ProbePanic::Actor), now)
    };
    let id = guilty.id;
    new.insert(500, guilty);
    service.dispatch(true);
    service.store.enqueue(new).await.unwrap();
    service.settled(&["completed 1000", "discarded 1"]).await;
    let job = service.job(id).await;
    assert_eq!((job.cause.as_deref(), job.attempt), (Some("quarantined"), 3));
    let started = world.started();
    let once: std::collections::HashSet<&JobId> = started.iter().collect();
    assert_eq!((started.len(), once.len()), (1_000, 1_000), "each ran once");
    service.worker_is_running(true).await;
    let prober = service.tree.snapshot().children.remove(0);
    assert_eq!((prober.name.as_str(), prober.restarts), ("prober", 3));
}

#[actix::test]
async fn a_lost_wake_costs_one_poll() {
    let world = World::default();
    let service = Service::new(
        2,
        Recorded {
            world: world.clone(),
            go: None,
        },
    );
    let dispatcher = service.dispatch(false);
    service
        .until("the dispatcher", || async { dispatcher.is_running() })
        .await;
    let began = std::time::Instant::now();
    service
        .store
        .enqueue(vec![recorded(Clock::System.now())])
        .await
        .unwrap();
    world.began(1).await;
    assert!(began.elapsed() < POLL_EVERY * 3, "{:?}", began.elapsed());
}

#[actix::test]
async fn a_cancel_whose_message_was_lost_ends_the_attempt_within_a_poll() {
    let (world, go) = (World::default(), Arc::new(Semaphore::new(0)));
    let service = Service::new(
        2,
        Recorded {
            world: world.clone(),
            go: Some(go),
        },
    );
    service.dispatch(true);
    let new = recorded(Clock::System.now());
    let id = new.id;
    service.store.enqueue(vec![new]).await.unwrap();
    world.began(1).await;
    let now = Clock::System.now();
    // The row alone: nobody tells the lane.
    let asked = service.store.write(move |tx| jobs::cancel(tx, id, JobScope::All, now));
    assert_eq!(asked.await.unwrap().state, JobState::Running);
    let began = std::time::Instant::now();
    service.settled(&["cancelled 1"]).await;
    assert!(began.elapsed() < POLL_EVERY * 3, "{:?}", began.elapsed());
}

#[actix::test]
async fn a_job_that_becomes_due_is_performed_without_a_wake_or_a_poll() {
    let world = World::default();
    let service = Service::new(
        2,
        Recorded {
            world: world.clone(),
            go: None,
        },
    );
    let later = Clock::System.now().plus(Duration::from_millis(300));
    let order = Order {
        run_at: Some(later),
        ..Order::default()
    };
    let new = new_job::<Recorded>(&(), WorkspaceId::SERVICE, Clock::System.now(), order).unwrap();
    let id = new.id;
    service.store.enqueue(vec![new]).await.unwrap();
    service.dispatch(true);
    world.began(1).await;
    service.settled(&["completed 1"]).await;
    let waited = service.job(id).await.started_at.unwrap().since(later);
    assert!(waited < POLL_EVERY / 2, "it was found late, after {waited:?}");
}

#[actix::test]
async fn failed_attempts_are_tried_again_until_they_are_spent() {
    let service = Service::new(
        4,
        Recorded {
            world: World::default(),
            go: None,
        },
    );
    service.dispatch(true);
    let order = Order {
        max_attempts: Some(1),
        ..Order::default()
    };
    let args = ProbeArgs {
        steps: 2,
        step_ms: 0,
        fail: Some(crate::jobs::kinds::ProbeFailure::Always),
        panic: None,
    };
    let new = new_job::<Probe>(&args, WorkspaceId::SERVICE, Clock::System.now(), order).unwrap();
    let id = new.id;
    service.store.enqueue(vec![new]).await.unwrap();
    service.settled(&["discarded 1"]).await;
    let job = service.job(id).await;
    assert_eq!(
        job.progress.map(|progress| progress.done),
        Some(2),
        "the last progress is kept"
    );
    assert_eq!(job.cause.as_deref(), Some("attempts_spent"));
}

#[actix::test]
async fn a_pause_leaves_what_runs_alone_and_a_resume_claims_what_waits() {
    use crate::domain::id::AccountId;
    use crate::store::{Abort, queues};
    let (world, go) = (World::default(), Arc::new(Semaphore::new(0)));
    let service = Service::new(
        4,
        Recorded {
            world: world.clone(),
            go: Some(Arc::clone(&go)),
        },
    );
    service.dispatch(true);
    let now = Clock::System.now();
    service.store.enqueue(vec![recorded(now)]).await.unwrap();
    world.began(1).await;
    let pause = service.store.write(move |tx| {
        Ok::<_, Abort<()>>(queues::pause(
            tx.connection(),
            Queue::Probes,
            AccountId::generate(),
            now,
        )?)
    });
    assert!(pause.await.unwrap());
    service.store.enqueue(vec![recorded(now)]).await.unwrap();
    service.lane.serve().await;
    go.add_permits(2);
    service.settled(&["available 1", "completed 1"]).await;
    let resume = service
        .store
        .write(|tx| Ok::<_, Abort<()>>(queues::resume(tx, Queue::Probes)?));
    assert!(resume.await.unwrap());
    service.settled(&["completed 2"]).await;
}
