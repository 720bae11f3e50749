//! Lists of jobs, page by page.

use proptest::prelude::*;

use super::*;
use crate::domain::job::Queue;
use crate::store::testing::{KIND, NOW, on_each_database};
use crate::store::{JobFilter, NewJob, Store};

/// All pages, each of which looks at so many rows at most; and how many there were.
async fn pages(store: &Store, filter: &JobFilter, scanned_max: usize) -> (Vec<JobId>, usize) {
    let mut filter = filter.clone();
    let (mut all, mut count) = (Vec::new(), 0);
    loop {
        let asked = filter.clone();
        let read = store.read(move |c| super::super::page::list_scanning(c, &asked, scanned_max));
        let page = read.await.unwrap();
        assert!(page.jobs.len() <= filter.limit);
        all.extend(page.jobs.iter().map(|job| job.id));
        count += 1;
        match page.next {
            Some(next) => {
                assert!(
                    filter.before.is_none_or(|before| next.to_string() < before.to_string()),
                    "it stands still"
                );
                filter.before = Some(next);
            }
            None => return (all, count),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn pages_show_every_job_of_the_filter_once_and_the_newest_first(
        rows in proptest::collection::vec((0_usize..2, 0_usize..2, 0_usize..2, any::<bool>()), 0..40), limit in 1_usize..9,
        scanned_max in 1_usize..20,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = TestStore::new();
            let workspaces = [store.workspace().await, store.workspace().await];
            let (kinds, queues) = ([KIND, "test.other"], [Queue::Mail, Queue::Probes]);
            let new: Vec<NewJob> = rows.iter().map(|(workspace, kind, queue, _)| NewJob {
                workspace: workspaces[*workspace], kind: kinds[*kind], queue: queues[*queue], ..job()
            }).collect();
            let mut shuffled = new.clone();
            shuffled.sort_by_key(|job| job.workspace);
            store.enqueue(shuffled).await.unwrap();
            for (new, (.., cancels)) in new.iter().zip(&rows) {
                if *cancels { cancel(&store, new.id, NOW).await.unwrap(); }
            }
            for choice in 0..16_usize {
                let pick = |bit: usize| choice >> bit & 1 == 1;
                let filter = JobFilter {
                    scope: if pick(0) { JobScope::Workspace(workspaces[0]) } else { JobScope::All },
                    state: pick(1).then_some(JobState::Cancelled),
                    kind: pick(2).then(|| KIND.to_owned()),
                    queue: pick(3).then_some(Queue::Mail),
                    batch: None,
                    before: None,
                    limit,
                };
                let mut expected: Vec<JobId> = new.iter().zip(&rows).filter(|(job, (.., cancelled))| {
                    (!pick(0) || job.workspace == workspaces[0]) && (!pick(1) || *cancelled)
                        && (!pick(2) || job.kind == KIND) && (!pick(3) || job.queue == Queue::Mail)
                }).map(|(job, _)| job.id).collect();
                expected.reverse();
                assert_eq!(pages(&store, &filter, scanned_max).await.0, expected, "{filter:?}");
            }
        });
    }
}

async fn jobs_that_are_accepted_while_a_list_is_paged_do_not_shift_its_pages(store: TestStore) {
    let new: Vec<NewJob> = (0..6).map(|_| job()).collect();
    let ids: Vec<JobId> = new.iter().rev().map(|job| job.id).collect();
    store.enqueue(new).await.unwrap();
    let filter = |before| JobFilter {
        scope: JobScope::All,
        state: None,
        kind: None,
        queue: None,
        batch: None,
        before,
        limit: 3,
    };
    let page = |before| {
        let (store, filter) = ((*store).clone(), filter(before));
        async move {
            let page = store.read(move |c| jobs::list(c, &filter)).await.unwrap();
            page.jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(page(None).await, ids[..3]);
    store.enqueue(vec![job(), job()]).await.unwrap();
    assert_eq!(page(Some(ids[2])).await, ids[3..]);
}

async fn the_running_attempt_is_shown_last_and_has_no_end_yet(store: TestStore) {
    let held = running(&store, NOW).await;
    finish(&store, &held, AttemptEnd::Drained, NOW).await;
    let held = claim_one(&store, NOW).await;
    let shown = attempts(&store, held.id).await;
    let numbers: Vec<_> = shown
        .iter()
        .map(|attempt| (attempt.number, attempt.finished_at.is_some()))
        .collect();
    assert_eq!(numbers, [(1, true), (2, false)]);
    assert_eq!(shown[1].outcome, None);
}

#[tokio::test]
async fn a_rare_job_among_a_hundred_thousand_is_found_by_pages_that_each_look_at_ten_thousand() {
    use diesel::connection::SimpleConnection;
    let store = TestStore::new();
    let rare = job();
    let id = rare.id;
    store.enqueue(vec![rare]).await.unwrap();
    cancel(&store, id, NOW).await.unwrap();
    store
        .enqueue(vec![NewJob {
            kind: "test.other",
            ..job()
        }])
        .await
        .unwrap();
    let columns = store
        .words("SELECT name AS value FROM pragma_table_info('jobs') WHERE name <> 'id'")
        .join(", ");
    let copy = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
         INSERT INTO jobs (id, {columns}) SELECT 'job_ffffffffffff7fff8fff' || printf('%012x', n.i), {columns} \
         FROM jobs, n WHERE kind = 'test.other'"
    );
    store.look(|other| other.batch_execute(&copy).unwrap());
    for (scope, state, kind) in [
        (JobScope::All, Some(JobState::Cancelled), None),
        (
            JobScope::Workspace(crate::domain::id::WorkspaceId::SERVICE),
            None,
            Some(KIND.to_owned()),
        ),
    ] {
        let filter = JobFilter {
            scope,
            state,
            kind,
            queue: None,
            batch: None,
            before: None,
            limit: 50,
        };
        assert_eq!(pages(&store, &filter, jobs::SCANNED_MAX).await, (vec![id], 11));
    }
}

#[tokio::test]
async fn of_many_attempts_the_newest_hundred_are_shown() {
    use diesel::connection::SimpleConnection;
    let store = TestStore::new();
    let held = running(&store, NOW).await;
    finish(&store, &held, AttemptEnd::Drained, NOW).await;
    let copy = "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 250) \
                INSERT INTO attempts (job_id, number, workspace_id, started_at, finished_at, outcome, node) \
                SELECT job_id, n.i, workspace_id, started_at, finished_at, outcome, node FROM attempts, n; \
                UPDATE jobs SET fence = 250";
    store.look(|other| other.batch_execute(copy).unwrap());
    let held = claim_one(&store, NOW).await;
    assert_eq!(held.fence, 251);
    let numbers: Vec<i64> = attempts(&store, held.id)
        .await
        .iter()
        .map(|attempt| attempt.number)
        .collect();
    assert_eq!(numbers, (151..=251).collect::<Vec<_>>());
}

on_each_database!(
    jobs_that_are_accepted_while_a_list_is_paged_do_not_shift_its_pages,
    the_running_attempt_is_shown_last_and_has_no_end_yet,
);
