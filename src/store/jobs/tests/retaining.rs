//! What the walk through finished jobs deletes, compared with what it should.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::job::{UniqueHold, UniqueKey};
use crate::store::NewJob;
use crate::store::dialect::prelude::*;
use crate::store::testing::{NOW, on_each_database};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A job of the past: its state, when it was made and when it ended, in days, and until which day its key holds.
type Past = (usize, u32, u32, Option<u32>);

fn at(day: u32) -> Timestamp {
    NOW.plus(DAY * day)
}

fn until(days: [u32; 4], now: u32) -> jobs::FinishedUntil {
    let before = |kept: u32| at(now).minus(DAY * kept);
    jobs::FinishedUntil {
        completed: before(days[0]),
        discarded: before(days[1]),
        cancelled: before(days[2]),
        uncertain: before(days[3]),
    }
}

/// Enters the jobs in the order in which they were made, which is that of their ids.
async fn enter(store: &TestStore, mut past: Vec<Past>) -> Vec<(JobId, Past)> {
    past.sort_by_key(|(_, made, ..)| *made);
    let mut entered = Vec::new();
    for (number, (state, made, lasted, key_until)) in past.into_iter().enumerate() {
        let new = NewJob {
            created_at: at(made),
            unique: key_until.map(|day| UniqueKey {
                key: format!("key {number}"),
                hold: UniqueHold::For(DAY * day),
            }),
            ..job()
        };
        let id = new.id;
        let write = store.write(move |tx| Ok::<_, Abort<()>>(tx.enqueue_unique(&new)?));
        assert_eq!(write.await.unwrap(), jobs::Enqueued::New);
        entered.push((id, (state, made, lasted, key_until)));
    }
    let mut connection = store.other();
    for (id, (state, made, lasted, _)) in &entered {
        let state = JobState::ALL[*state];
        let finished = if state.is_final() {
            at(made + lasted).as_micros().to_string()
        } else {
            "NULL".to_owned()
        };
        let text = format!(
            "UPDATE jobs SET state = '{state}', finished_at = {finished}, node = 'n', started_at = 1, fence = 1, attempt = 1 \
             WHERE id = '{id}'"
        );
        diesel::sql_query(text).execute(&mut connection).unwrap();
        let text = format!("INSERT INTO attempts VALUES ('{id}', 1, 'w', 1, 2, 'failed', NULL, 'n', NULL)");
        diesel::sql_query(text).execute(&mut connection).unwrap();
    }
    entered
}

/// Walks once through all jobs, in pages of this many; answers how many were deleted.
async fn walk(store: &TestStore, until: jobs::FinishedUntil, now: u32, page: usize) -> usize {
    let (mut place, mut all) = (None, 0);
    loop {
        let read = store.read(move |connection| jobs::old_jobs(connection, place, &until, page));
        let old = read.await.unwrap();
        assert!(old.looked_at <= page);
        let ids = old.ids;
        let write = store.write(move |tx| Ok::<_, Abort<()>>(jobs::forget(tx.connection(), &ids, &until, at(now))?));
        all += write.await.unwrap();
        place = old.next;
        if place.is_none() {
            return all;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_walk_deletes_what_is_old_enough_for_its_state_and_nothing_else(
        past in proptest::collection::vec(
            (0..JobState::ALL.len(), 0_u32..20, 0_u32..20, proptest::option::of(1_u32..30)), 0..40
        ),
        days in proptest::array::uniform4(1_u32..20),
        now in 20_u32..40,
        page in 1_usize..9,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = TestStore::new();
            let entered = enter(&store, past).await;
            let is_kept = |(_, (state, made, lasted, key_until)): &&(JobId, Past)| {
                let kept_for = match JobState::ALL[*state] {
                    JobState::Completed => days[0],
                    JobState::Discarded => days[1],
                    JobState::Cancelled => days[2],
                    JobState::Uncertain => days[3],
                    _ => return true,
                };
                made + lasted + kept_for > now || key_until.is_some_and(|day| made + day > now)
            };
            let mut kept: Vec<String> = entered.iter().filter(is_kept).map(|(id, _)| id.to_string()).collect();
            kept.sort();
            let deleted = walk(&store, until(days, now), now, page).await;
            assert_eq!(store.words("SELECT id AS value FROM jobs ORDER BY id"), kept);
            assert_eq!(deleted, entered.len() - kept.len());
            assert_eq!(store.words("SELECT job_id AS value FROM attempts ORDER BY job_id"), kept);
            let without = "SELECT count(*) AS value FROM unique_keys WHERE job_id NOT IN (SELECT id FROM jobs)";
            assert_eq!(store.number(without), Some(0), "a key goes with its job");
            let keyed = "SELECT count(*) AS value FROM jobs WHERE unique_key IS NOT NULL AND id NOT IN \
                         (SELECT job_id FROM unique_keys)";
            assert_eq!(store.number(keyed), Some(0), "a kept job keeps its key");
        });
    }
}

async fn a_job_that_runs_again_between_the_look_and_the_deletion_stays(store: TestStore) {
    let held = running(&store, NOW).await;
    finish(&store, &held, AttemptEnd::Failed(Retry::Never), NOW).await;
    let until = until([1, 1, 1, 1], 2);
    let read = store.read(move |connection| jobs::old_jobs(connection, None, &until, 10));
    let old = read.await.unwrap().ids;
    assert_eq!(old, [held.id]);
    retry(&store, held.id, at(2)).await.unwrap();
    let write = store.write(move |tx| Ok::<_, Abort<()>>(jobs::forget(tx.connection(), &old, &until, at(2))?));
    assert_eq!(write.await.unwrap(), 0);
    assert_eq!(store.states(), ["available 1"]);
}

on_each_database!(a_job_that_runs_again_between_the_look_and_the_deletion_stays,);
