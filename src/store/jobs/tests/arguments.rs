//! Where arguments lie.

use super::*;
use crate::domain::job::Progress;
use crate::store::NewJob;
use crate::store::testing::{NOW, on_each_database};

fn with(args: &str) -> NewJob {
    NewJob {
        args: args.to_owned(),
        ..job()
    }
}

/// Arguments of so many bytes in all.
fn of_length(length: usize) -> String {
    format!(
        "[\"{}\"]",
        "ä".repeat((length - 4) / 2) + if length.is_multiple_of(2) { "" } else { "a" }
    )
}

/// The jobs whose arguments lie apart.
fn apart(store: &TestStore) -> Vec<String> {
    let empty = store.words("SELECT id AS value FROM jobs WHERE args = '' ORDER BY id");
    assert_eq!(
        store.words("SELECT job_id AS value FROM job_args ORDER BY job_id"),
        empty
    );
    empty
}

async fn arguments(store: &TestStore, id: JobId) -> String {
    let read = store.read(move |connection| jobs::arguments(connection, id, JobScope::All));
    read.await.unwrap().unwrap().args
}

async fn change(store: &TestStore, id: JobId, args: &str) {
    let changed = jobs::ChangedArgs {
        args: args.to_owned(),
        version: 1,
    };
    let write = store.write(move |tx| jobs::retry_with(tx, id, JobScope::All, NOW, Some(&changed)));
    write.await.unwrap();
}

async fn arguments_of_any_length_are_claimed_and_read_as_they_were_given(store: TestStore) {
    let lengths = [4, 511, 512, 513, 514, 2_500, 300_000];
    let new: Vec<NewJob> = lengths.map(|length| with(&of_length(length))).into();
    assert!(new.iter().zip(lengths).all(|(job, length)| job.args.len() == length));
    store.enqueue(new.clone()).await.unwrap();
    let long: Vec<String> = new[3..].iter().map(|job| job.id.to_string()).collect();
    let expected = if store.file().is_some() { long } else { Vec::new() };
    assert_eq!(apart(&store), expected);
    let claimed = store.claim(request(100, NOW)).await.unwrap().jobs;
    for (job, held) in new.iter().zip(&claimed) {
        assert!(held.id == job.id && *held.args == *job.args, "{}", job.args.len());
        assert!(arguments(&store, job.id).await == job.args, "{}", job.args.len());
    }
    assert_eq!(claimed.len(), new.len());
}

async fn arguments_that_lie_apart_are_found_where_several_workspaces_take_turns(store: TestStore) {
    let mut new = Vec::new();
    for length in [10, 600, 700, 800] {
        let workspace = store.workspace().await;
        new.extend([length, length + 1].map(|length| NewJob {
            workspace,
            ..with(&of_length(length))
        }));
    }
    store.enqueue(new.clone()).await.unwrap();
    let claimed = store.claim(request(100, NOW)).await.unwrap().jobs;
    assert_eq!(claimed.len(), new.len());
    for held in claimed {
        let job = new.iter().find(|job| job.id == held.id).unwrap();
        assert_eq!((&*held.args, held.workspace), (job.args.as_str(), job.workspace));
    }
}

async fn changed_arguments_take_the_place_of_those_before_wherever_these_lay(store: TestStore) {
    for (before, after) in [(10, 12), (10, 2_000), (2_000, 10), (2_000, 3_000)] {
        let (before, after) = (of_length(before), of_length(after));
        let held = {
            store.enqueue(vec![with(&before)]).await.unwrap();
            claim_one(&store, NOW).await
        };
        let progress = Progress {
            done: 3,
            total: Some(4),
            note: None,
        };
        let mut end = end(held.id, held.fence, AttemptEnd::Failed(Retry::Never), NOW);
        (end.progress, end.result) = (Some(progress), Some("{}".to_owned()));
        store.finish(end).await.unwrap();
        change(&store, held.id, &after).await;
        assert_eq!(arguments(&store, held.id).await, after);
        let shown = one(&store, held.id).await;
        assert!(shown.progress.is_none() && shown.result.is_none(), "{shown:?}");
        assert_eq!(
            apart(&store),
            Vec::<String>::new(),
            "what it was before is kept nowhere"
        );
        let again = claim_one(&store, NOW).await;
        assert_eq!((again.id, &*again.args), (held.id, after.as_str()));
    }
}

async fn arguments_that_lie_apart_go_with_their_jobs(store: TestStore) {
    let new = [with(&of_length(900)), with(&of_length(901)), with("{}")];
    store.enqueue(new.to_vec()).await.unwrap();
    for held in store.claim(request(100, NOW)).await.unwrap().jobs {
        let how = if held.id == new[1].id {
            AttemptEnd::Drained
        } else {
            AttemptEnd::Completed
        };
        finish(&store, &held, how, NOW).await;
    }
    let until = jobs::FinishedUntil {
        completed: NOW,
        discarded: NOW,
        cancelled: NOW,
        uncertain: NOW,
    };
    let ids: Vec<JobId> = new.iter().map(|job| job.id).collect();
    let write = store.write(move |tx| Ok::<_, Abort<()>>(jobs::forget(tx.connection(), &ids, &until, NOW)?));
    assert_eq!(write.await.unwrap(), 2);
    let mut left = vec![new[1].id.to_string()];
    left.retain(|_| store.file().is_some());
    assert_eq!(apart(&store), left);
    assert_eq!(arguments(&store, new[1].id).await, new[1].args);
}

on_each_database!(
    arguments_of_any_length_are_claimed_and_read_as_they_were_given,
    arguments_that_lie_apart_are_found_where_several_workspaces_take_turns,
    changed_arguments_take_the_place_of_those_before_wherever_these_lay,
    arguments_that_lie_apart_go_with_their_jobs,
);

#[tokio::test]
async fn a_job_whose_arguments_are_gone_is_set_aside_and_those_behind_it_are_claimed() {
    let store = TestStore::new();
    let new = [with(&of_length(900)), with(&of_length(901))];
    store.enqueue(new.to_vec()).await.unwrap();
    store.run(&format!("DELETE FROM job_args WHERE job_id = '{}'", new[0].id));
    let claimed = store.claim(request(10, NOW)).await.unwrap().jobs;
    assert_eq!(claimed.iter().map(|job| job.id).collect::<Vec<_>>(), [new[1].id]);
    assert_eq!(one(&store, new[0].id).await.state, JobState::Discarded);
    assert_eq!(arguments(&store, new[0].id).await, "");
}

#[tokio::test]
async fn arguments_go_back_into_their_rows_before_the_table_goes() {
    let store = TestStore::new();
    let new = [with(&of_length(900)), with("{}"), with(&of_length(901))];
    store.enqueue(new.to_vec()).await.unwrap();
    store.run(&format!("DELETE FROM job_args WHERE job_id = '{}'", new[2].id));
    store.run(include_str!(
        "../../../../migrations/sqlite/2026-12-02-000000_arguments/down.sql"
    ));
    let args = store.words("SELECT args AS value FROM jobs ORDER BY id");
    assert_eq!(args, [new[0].args.as_str(), "{}", ""]);
}

/// Pages of the file that hold the rows of so many jobs with such arguments, without what lies apart.
async fn pages_of(count: usize, args: &str) -> i64 {
    let store = TestStore::new();
    store.enqueue((0..count).map(|_| with(args)).collect()).await.unwrap();
    store
        .number("SELECT count(*) AS value FROM dbstat WHERE name = 'jobs'")
        .unwrap()
}

#[tokio::test]
async fn what_the_rows_of_jobs_take_in_a_file_does_not_grow_with_long_arguments() {
    let [short, long, longer] = [
        pages_of(500, "{}").await,
        pages_of(500, &of_length(513)).await,
        pages_of(500, &of_length(30_000)).await,
    ];
    assert!(
        short > 20 && long <= short && longer == long,
        "{short}, {long}, {longer}"
    );
}
