//! Which of many jobs an order means, page by page, and what a portion of them comes to.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::bulk::meant_page_scanning;
use super::*;
use crate::domain::id::WorkspaceId;
use crate::domain::job::{BulkAction, Cause, Queue, Selection, StateSet, UniqueHold, UniqueKey};
use crate::store::jobs::{Carrier, Done, GivenUpFilter, Meant, MeantJob, Portion, PortionDone};
use crate::store::testing::{KIND, NOW, on_each_database, plans};
use crate::store::{Held, NewJob, Store};

const LATER: Timestamp = Timestamp::from_micros(NOW.as_micros() + 5_000_000);

fn meant(selection: Selection, action: BulkAction) -> Meant {
    Meant::by(selection, action, LATER, None)
}

/// All that is meant, each look going over so many rows and finding so many at most.
async fn all_meant(store: &Store, meant: &Meant, limit: usize, scanned_max: usize) -> Vec<JobId> {
    let (mut all, mut behind) = (Vec::new(), None);
    loop {
        let asked = meant.clone();
        let read = store.read(move |c| meant_page_scanning(c, &asked, behind, limit, scanned_max));
        let page = read.await.unwrap();
        assert!(page.jobs.len() <= limit);
        all.extend(page.jobs.iter().map(|job| job.id));
        match page.next {
            Some(next) => {
                assert!(behind.is_none_or(|behind| behind < next), "it stands still");
                behind = Some(next);
            }
            None => return all,
        }
    }
}

async fn failed(store: &TestStore, count: usize, error: &str) -> Vec<JobId> {
    let new: Vec<NewJob> = (0..count).map(|_| job()).collect();
    let ids = new.iter().map(|job| job.id).collect();
    store.enqueue(new).await.unwrap();
    for held in store.claim(request(count, NOW)).await.unwrap().jobs {
        let mut end = end(held.id, held.fence, AttemptEnd::Failed(Retry::Never), NOW);
        end.error = Some(error.to_owned());
        store.finish(end).await.unwrap();
    }
    ids
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn every_job_of_a_filter_is_found_once_and_in_order_and_no_other_is(
        rows in proptest::collection::vec((0_usize..2, 0_usize..2, 0_usize..2, 0_usize..3), 0..40), limit in 1_usize..9,
        scanned_max in 1_usize..20,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = TestStore::new();
            let workspaces = [store.workspace().await, store.workspace().await];
            let (kinds, queues) = ([KIND, "test.other"], [Queue::Mail, Queue::Probes]);
            let mut new = Vec::new();
            for (at, (workspace, kind, queue, _)) in rows.iter().enumerate() {
                new.push(NewJob {
                    workspace: workspaces[*workspace], kind: kinds[*kind], queue: queues[*queue],
                    created_at: NOW.plus(std::time::Duration::from_micros(u64::try_from(at).unwrap())), ..job()
                });
            }
            store.enqueue(new.clone()).await.unwrap();
            for (new, (.., fate)) in new.iter().zip(&rows) {
                // 0 waits, 1 is cancelled, 2 is cancelled after the order.
                if *fate > 0 {
                    let at = if *fate == 1 { NOW } else { LATER.plus(std::time::Duration::from_secs(1)) };
                    cancel(&store, new.id, at).await.unwrap();
                }
            }
            for choice in 0..64_usize {
                let pick = |bit: usize| choice >> bit & 1 == 1;
                let half = new.get(new.len() / 2).map_or(NOW, |job| job.created_at);
                let selection = Selection {
                    state: pick(0).then_some(JobState::Cancelled),
                    workspace: pick(1).then_some(workspaces[0]),
                    kind: pick(2).then(|| KIND.to_owned()),
                    queue: pick(3).then_some(Queue::Mail),
                    created_before: pick(4).then_some(half),
                    cause: (pick(0) && pick(5)).then_some(Cause::Requested),
                    ids: if pick(5) { new.iter().take(7).map(|job| job.id).collect() } else { Vec::new() },
                    ..Selection::default()
                };
                // What is cancelled can run again; what is not named waits.
                let action = if pick(0) { BulkAction::Retry } else { BulkAction::Cancel };
                let expected: Vec<JobId> = new.iter().zip(&rows).enumerate().filter(|(at, (job, (.., fate)))| {
                    let in_state = match (pick(0), pick(5)) {
                        (true, _) => *fate == 1,
                        (false, true) => *fate < 2,
                        (false, false) => *fate == 0,
                    };
                    in_state && (!pick(1) || job.workspace == workspaces[0]) && (!pick(2) || job.kind == KIND)
                        && (!pick(3) || job.queue == Queue::Mail) && (!pick(4) || job.created_at < half)
                        && (!pick(5) || *at < 7)
                }).map(|(_, (job, _))| job.id).collect();
                let found = all_meant(&store, &meant(selection.clone(), action), limit, scanned_max).await;
                assert_eq!(found, expected, "{action} {selection:?}");
            }
        });
    }
}

async fn jobs_of_one_fault_are_meant_by_it_and_grouped_by_it(store: TestStore) {
    let lost = failed(&store, 3, "no route to 10.0.0.1").await;
    let other = failed(&store, 2, "no route to <ada@example.com>").await;
    let silent = failed(&store, 1, "").await;
    let of = |fault: &str| Selection {
        error: Some(fault.to_owned()),
        ..Selection::default()
    };
    for (fault, ids) in [
        ("no route to #.#.#.#", lost),
        ("no route to <<address>>", other),
        ("", silent),
        ("no route to 10.0.0.1", Vec::new()),
    ] {
        for limit in [1, 2, 100] {
            let found = all_meant(&store, &meant(of(fault), BulkAction::Retry), limit, 4).await;
            assert_eq!(found, ids, "{fault}");
        }
    }
    let filter = GivenUpFilter {
        scope: JobScope::All,
        state: JobState::Discarded,
        queue: Some(Queue::Probes),
        kind: None,
        since: Some(NOW),
    };
    let read = store.read(move |c| jobs::given_up(c, &filter, None, 4));
    let page = read.await.unwrap();
    let faults: BTreeSet<&str> = page.jobs.iter().map(|job| job.fault.as_str()).collect();
    assert_eq!((page.looked_at, page.next.is_some()), (4, true));
    assert_eq!(
        faults,
        BTreeSet::from(["", "no route to #.#.#.#", "no route to <<address>>"])
    );
    assert!(page.jobs.iter().all(|job| job.cause.as_deref() == Some("permanent")));
}

/// A running job that carries an order out.
async fn carrier(store: &TestStore) -> Carrier {
    let held = running(store, NOW).await;
    Carrier {
        job: held.id,
        fence: held.fence,
    }
}

async fn do_it(store: &TestStore, portion: Portion) -> PortionDone {
    let write = store.write(move |tx| {
        Ok::<_, Abort<()>>(jobs::do_portion(tx, &portion, |all| {
            format!("{{\"came\":{}}}", all.len())
        })?)
    });
    write.await.unwrap()
}

fn portion(carrier: &Carrier, ids: &[JobId], action: BulkAction) -> Portion {
    let selection = Selection {
        ids: ids.to_vec(),
        ..Selection::default()
    };
    Portion {
        action,
        meant: meant(selection, action),
        jobs: ids.iter().map(|id| MeantJob { id: *id, fence: 1 }).collect(),
        changed: None,
        carrier: carrier.clone(),
        now: LATER,
    }
}

async fn of_a_portion_one_whose_unique_key_was_taken_is_refused_alone(store: TestStore) {
    let unique = |key: &str| {
        Some(UniqueKey {
            key: key.to_owned(),
            hold: UniqueHold::Unfinished,
        })
    };
    let mut ids = Vec::new();
    for key in ["a", "b", "c"] {
        let new = NewJob {
            unique: unique(key),
            ..job()
        };
        ids.push(new.id);
        let write = store.write(move |tx| Ok::<_, Abort<()>>(tx.enqueue_unique(&new).map(drop)?));
        write.await.unwrap();
        let held = claim_one(&store, NOW).await;
        finish(&store, &held, AttemptEnd::Failed(Retry::Never), NOW).await;
    }
    let carrier = carrier(&store).await;
    let taker = NewJob {
        unique: unique("b"),
        ..job()
    };
    let write = store.write(move |tx| Ok::<_, Abort<()>>(tx.enqueue_unique(&taker).map(drop)?));
    write.await.unwrap();
    let done = do_it(&store, portion(&carrier, &ids, BulkAction::Retry)).await;
    let PortionDone::Yes(all) = done else {
        panic!("{done:?}")
    };
    let told: Vec<Option<&str>> = all
        .iter()
        .map(|done| match done {
            Done::Changed(_) => None,
            Done::Refused(reason) => Some(*reason),
        })
        .collect();
    assert_eq!(told, [None, Some("key_taken"), None]);
    let states = [
        one(&store, ids[0]).await,
        one(&store, ids[1]).await,
        one(&store, ids[2]).await,
    ];
    let states = states.map(|job| (job.state, job.max_attempts));
    let again = (JobState::Available, 4);
    assert_eq!(states, [again, (JobState::Discarded, 3), again]);
    assert_eq!(one(&store, carrier.job).await.result.as_deref(), Some("{\"came\":3}"));
    // Nobody is told of the one that was undone.
    let events = store.words("SELECT changes AS value FROM events ORDER BY seq DESC LIMIT 1");
    let is_told = |id: JobId| events[0].contains(&id.as_uuid().simple().to_string());
    assert_eq!((is_told(ids[0]), is_told(ids[1])), (true, false), "{events:?}");
}

async fn a_portion_of_an_attempt_that_is_asked_to_end_or_lost_its_job_changes_nothing(store: TestStore) {
    let ids = failed(&store, 2, "x").await;
    let carrier = carrier(&store).await;
    let before = all(&store);
    let stale = Carrier {
        fence: carrier.fence - 1,
        ..carrier.clone()
    };
    let done = do_it(&store, portion(&stale, &ids, BulkAction::Retry)).await;
    assert!(matches!(done, PortionDone::Stopped(Held::No)), "{done:?}");
    assert_eq!(all(&store), before);
    cancel(&store, carrier.job, NOW).await.unwrap();
    let before = all(&store);
    let done = do_it(&store, portion(&carrier, &ids, BulkAction::Retry)).await;
    assert!(
        matches!(done, PortionDone::Stopped(Held::Yes { cancel_requested: true })),
        "{done:?}"
    );
    assert_eq!(all(&store), before);
}

async fn what_changed_between_the_look_and_the_portion_is_left_alone(store: TestStore) {
    let ids = failed(&store, 3, "x").await;
    let carrier = carrier(&store).await;
    let mut portion = portion(&carrier, &ids, BulkAction::Retry);
    portion.meant.states = StateSet::Only(JobState::Discarded);
    // One runs again and completes, one begins and fails again.
    for (id, how) in [
        (ids[0], AttemptEnd::Completed),
        (ids[1], AttemptEnd::Failed(Retry::Never)),
    ] {
        retry(&store, id, NOW).await.unwrap();
        let held = claim_one(&store, NOW).await;
        finish(&store, &held, how, NOW).await;
    }
    let done = do_it(&store, portion).await;
    let PortionDone::Yes(all) = done else {
        panic!("{done:?}")
    };
    assert!(
        matches!(
            &all[..],
            [
                Done::Refused("changed_meanwhile"),
                Done::Refused("changed_meanwhile"),
                Done::Changed(_)
            ]
        ),
        "{all:?}"
    );
    assert_eq!(one(&store, ids[0]).await.state, JobState::Completed);
}

async fn a_cancel_of_what_was_cancelled_before_counts_as_none(store: TestStore) {
    let (before, waiting) = (job(), job());
    let ids = [before.id, waiting.id];
    let carrier = carrier(&store).await;
    store.enqueue(vec![before, waiting]).await.unwrap();
    cancel(&store, ids[0], NOW).await.unwrap();
    let mut portion = portion(&carrier, &ids, BulkAction::Cancel);
    portion.jobs.iter_mut().for_each(|one| one.fence = 0);
    let done = do_it(&store, portion).await;
    let PortionDone::Yes(all) = done else {
        panic!("{done:?}")
    };
    assert!(
        matches!(&all[..], [Done::Refused("not_now"), Done::Changed(_)]),
        "{all:?}"
    );
}

#[tokio::test]
async fn a_look_for_few_among_many_that_have_ended_goes_over_no_more_rows_than_it_may() {
    let store = TestStore::new();
    failed(&store, 20, "x").await;
    let waiting = job();
    store.enqueue(vec![waiting.clone()]).await.unwrap();
    for state in [None, Some(JobState::Available)] {
        let selection = Selection {
            state,
            kind: Some(KIND.to_owned()),
            ..Selection::default()
        };
        let asked = meant(selection, BulkAction::Cancel);
        let (mut behind, mut looks, mut found) = (None, 0, Vec::new());
        loop {
            let (look, after) = (asked.clone(), behind);
            let read = store.read(move |c| meant_page_scanning(c, &look, after, 10, 5));
            let page = read.await.unwrap();
            found.extend(page.jobs.iter().map(|job| job.id));
            looks += 1;
            behind = page.next;
            if behind.is_none() {
                break;
            }
        }
        assert_eq!((found, looks), (vec![waiting.id], 5), "{state:?}");
    }
}

#[tokio::test]
async fn what_was_given_up_is_found_by_its_index_and_all_else_on_a_walk_by_id() {
    let store = TestStore::new();
    failed(&store, 2, "x").await;
    for (workspace, index) in [
        (None, "jobs_given_up (state=?"),
        (
            Some(WorkspaceId::SERVICE),
            "jobs_given_up_by_workspace (workspace_id=? AND state=?",
        ),
    ] {
        let selection = Selection {
            workspace,
            queue: Some(Queue::Probes),
            ..Selection::default()
        };
        let asked = meant(selection, BulkAction::Retry);
        let looked = plans(&store, |connection| {
            meant_page_scanning(connection, &asked, Some(JobId::from_bits(1)), 10, 1).unwrap();
        });
        assert_eq!(looked.len(), 2, "{looked:?}");
        for (statement, plan) in &looked {
            assert!(
                plan.contains(index) && !plan.contains("TEMP B-TREE"),
                "{statement}: {plan}"
            );
        }
    }
    let asked = meant(
        Selection {
            queue: Some(Queue::Probes),
            ..Selection::default()
        },
        BulkAction::Cancel,
    );
    let looked = plans(&store, |connection| {
        meant_page_scanning(connection, &asked, Some(JobId::from_bits(1)), 10, 1).unwrap();
    });
    for (statement, plan) in &looked {
        assert!(
            plan.contains("sqlite_autoindex_jobs_1 (id>?") && !plan.contains("TEMP B-TREE"),
            "{statement}: {plan}"
        );
    }
    for (scope, index) in [
        (JobScope::All, "jobs_given_up (state=? AND id<?)"),
        (
            JobScope::Workspace(WorkspaceId::SERVICE),
            "jobs_given_up_by_workspace (workspace_id=? AND state=? AND id<?)",
        ),
    ] {
        let filter = GivenUpFilter {
            scope,
            state: JobState::Discarded,
            queue: None,
            kind: None,
            since: None,
        };
        let looked = plans(&store, |connection| {
            jobs::given_up(connection, &filter, Some(JobId::generate()), 10).unwrap();
        });
        assert!(
            looked[0].1.contains(index) && !looked[0].1.contains("TEMP B-TREE"),
            "{looked:?}"
        );
        // The errors by their attempts.
        assert!(looked[1].1.contains("attempts USING INDEX"), "{looked:?}");
    }
}

on_each_database!(
    jobs_of_one_fault_are_meant_by_it_and_grouped_by_it,
    of_a_portion_one_whose_unique_key_was_taken_is_refused_alone,
    a_portion_of_an_attempt_that_is_asked_to_end_or_lost_its_job_changes_nothing,
    what_changed_between_the_look_and_the_portion_is_left_alone,
    a_cancel_of_what_was_cancelled_before_counts_as_none,
);
