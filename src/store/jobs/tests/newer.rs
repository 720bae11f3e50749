//! Rows that a newer version wrote: queues, kinds, states and outcomes that this one does not know.

use diesel::connection::SimpleConnection;

use super::*;
use crate::domain::id::NodeId;
use crate::domain::job::Queue;
use crate::store::events::{Cursor, Followed, after};
use crate::store::jobs::{FinishedUntil, OldJobs};
use crate::store::testing::{NODE, NOW, on_each_database, plans};
use crate::store::{JobFilter, NewJob};

/// Changes rows past the CHECKs, which a newer version would have changed first.
fn newer(store: &TestStore, statement: &str) {
    let unchecked = if store.file().is_some() {
        "PRAGMA ignore_check_constraints = ON"
    } else {
        "DO $$ DECLARE one record; BEGIN
             FOR one IN SELECT conname, conrelid::regclass AS owner FROM pg_constraint
                 WHERE contype = 'c' AND conrelid IN ('jobs'::regclass, 'attempts'::regclass)
             LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.owner, one.conname); END LOOP;
         END $$"
    };
    store.look(|other| {
        other.batch_execute(unchecked).unwrap();
        other.batch_execute(statement).unwrap();
    });
}

/// All pages of so many jobs.
async fn walked(store: &TestStore, limit: usize) -> Vec<JobId> {
    let (mut before, mut found) = (None, Vec::new());
    loop {
        let filter = JobFilter {
            scope: JobScope::All,
            state: None,
            kind: None,
            queue: None,
            batch: None,
            before,
            limit,
        };
        let page = store
            .read(move |connection| jobs::list(connection, &filter))
            .await
            .unwrap();
        found.extend(page.jobs.iter().map(|job| job.id));
        match page.next {
            Some(next) => before = Some(next),
            None => return found,
        }
    }
}

async fn a_queue_that_this_version_does_not_know_breaks_nothing_and_keeps_its_jobs(store: TestStore) {
    let due = NewJob {
        run_at: NOW.plus(std::time::Duration::from_secs(1)),
        ..job()
    };
    let strange: Vec<NewJob> = vec![job(), due.clone(), job()];
    store.enqueue(strange.clone()).await.unwrap();
    let running = store.claim(request(1, NOW)).await.unwrap().jobs[0].id;
    newer(
        &store,
        "UPDATE jobs SET queue = 'faxes', kind = 'fax.send', args_version = 7",
    );
    let ours = job();
    store.enqueue(vec![ours.clone()]).await.unwrap();

    let later = due.run_at;
    let claimed = store.claim(request(10, later)).await.unwrap().jobs;
    assert_eq!(claimed.iter().map(|job| job.id).collect::<Vec<_>>(), [ours.id]);
    assert_eq!(
        store.states(),
        ["available 2", "running 2"],
        "what came due is available to whoever knows it"
    );
    let rescuer = NodeId::from_bits(2);
    let rescued = store
        .write(move |tx| Ok::<_, Abort<()>>(jobs::rescue(tx, rescuer, later)?))
        .await
        .unwrap();
    assert_eq!(rescued, [Finished::Written(JobState::Available); 2]);
    assert_eq!(one(&store, running).await.queue, "faxes");

    let waiting = store
        .read(|connection| jobs::waiting_kinds(connection, 10))
        .await
        .unwrap();
    let waiting: Vec<_> = waiting
        .iter()
        .map(|one| (one.queue.as_str(), one.kind.as_str(), one.version))
        .collect();
    assert_eq!(waiting, [("faxes", "fax.send", 7), ("probes", "test.work", 1)]);
    let (depths, running, (to_come, _)) = store
        .read(|connection| {
            Ok((
                jobs::depths(connection, 10)?,
                jobs::running(connection)?,
                jobs::to_come(connection, 10)?,
            ))
        })
        .await
        .unwrap();
    assert_eq!(depths.queues.get(&Queue::Probes), Some(&1));
    assert!(running.is_empty() && to_come.is_empty());
    assert_eq!(walked(&store, 2).await.len(), 4);
    // A person may end what nobody here can perform, and what has ended goes with its time.
    cancel(&store, strange[0].id, later).await.unwrap();
    let until = FinishedUntil {
        completed: later,
        discarded: later,
        cancelled: later,
        uncertain: later,
    };
    let old = store
        .read(move |connection| jobs::old_jobs(connection, None, &until, 10))
        .await
        .unwrap();
    assert_eq!(old.ids, [strange[0].id]);
}

async fn a_state_that_this_version_does_not_know_hides_its_own_job_alone_and_is_kept(store: TestStore) {
    let all = [job(), job(), job(), job(), job()];
    store.enqueue(all.to_vec()).await.unwrap();
    newer(
        &store,
        &format!(
            "UPDATE jobs SET state = 'resting' WHERE id IN ('{}', '{}')",
            all[1].id, all[4].id
        ),
    );
    let shown = [all[3].id, all[2].id, all[0].id];
    for limit in [1, 2, 3, 10] {
        assert_eq!(walked(&store, limit).await, shown, "{limit} a page");
    }
    assert_eq!(store.claim(request(10, NOW)).await.unwrap().jobs.len(), 3);
    let until = FinishedUntil {
        completed: NOW,
        discarded: NOW,
        cancelled: NOW,
        uncertain: NOW,
    };
    let OldJobs { ids, looked_at, .. } = store
        .read(move |connection| jobs::old_jobs(connection, None, &until, 10))
        .await
        .unwrap();
    assert_eq!((ids, looked_at), (Vec::new(), 5));
}

async fn an_outcome_that_this_version_does_not_know_hides_its_own_attempt_alone(store: TestStore) {
    let held = running(&store, NOW).await;
    finish(&store, &held, AttemptEnd::Drained, NOW).await;
    let held = claim_one(&store, NOW).await;
    finish(&store, &held, AttemptEnd::Drained, NOW).await;
    let held = claim_one(&store, NOW).await;
    newer(&store, "UPDATE attempts SET outcome = 'deferred' WHERE number = 2");
    let shown = attempts(&store, held.id).await;
    let numbers: Vec<i64> = shown.iter().map(|one| one.number).collect();
    assert_eq!(numbers, [1, 3], "{shown:?}");
}

async fn a_change_that_this_version_cannot_read_is_passed_over_and_those_around_it_are_told(store: TestStore) {
    let all = [job(), job(), job()];
    store.enqueue(all.to_vec()).await.unwrap();
    let claimed = store.claim(request(10, NOW)).await.unwrap();
    assert_eq!(claimed.jobs.len(), 3);
    // The second change of the claim becomes one to a state of a newer version.
    let id = all[1].id.as_uuid().simple();
    let word = |state: &str| format!("[\"{id}\",\"test.work\",\"probes\",\"{state}\"");
    newer(
        &store,
        &format!(
            "UPDATE events SET changes = replace(changes, '{}', '{}')",
            word("running"),
            word("resting")
        ),
    );
    let page = store
        .read(|connection| after(connection, Followed::All, Cursor::START))
        .await
        .unwrap();
    let told: Vec<_> = page
        .changes
        .iter()
        .map(|(_, change)| (change.job, change.state))
        .collect();
    let [first, second, third] = all.map(|job| job.id);
    let (available, running) = (JobState::Available, JobState::Running);
    assert_eq!(
        told,
        [
            (first, available),
            (second, available),
            (third, available),
            (first, running),
            (third, running)
        ]
    );
    let places: Vec<Cursor> = page.changes.iter().map(|(place, _)| *place).collect();
    assert!(places.is_sorted() && page.next >= places[4], "{places:?}");
    assert_eq!(NODE.to_string(), claimed_node(&store, first).await);
}

async fn claimed_node(store: &TestStore, id: JobId) -> String {
    one(store, id).await.node.unwrap()
}

#[tokio::test]
async fn the_kinds_that_wait_are_found_by_the_index_of_claims_however_many_jobs_there_are() {
    let store = TestStore::new();
    store.enqueue(vec![job(), job(), job()]).await.unwrap();
    let plans = plans(&store, |connection| {
        assert_eq!(jobs::waiting_kinds(connection, 10).unwrap().len(), 1);
    });
    assert_eq!(
        plans.len(),
        2,
        "one look a kind, and one that finds no more: {plans:#?}"
    );
    for (_, plan) in plans {
        assert!(plan.contains("jobs_in_turn") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

on_each_database!(
    a_queue_that_this_version_does_not_know_breaks_nothing_and_keeps_its_jobs,
    a_state_that_this_version_does_not_know_hides_its_own_job_alone_and_is_kept,
    an_outcome_that_this_version_does_not_know_hides_its_own_attempt_alone,
    a_change_that_this_version_cannot_read_is_passed_over_and_those_around_it_are_told,
);
