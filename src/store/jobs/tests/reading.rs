//! Lists of jobs, page by page.

use proptest::prelude::*;

use super::*;
use crate::domain::job::Queue;
use crate::store::testing::{KIND, NOW};
use crate::store::{JobFilter, NewJob, Store};

async fn pages(store: &Store, filter: &JobFilter) -> Vec<JobId> {
    let mut filter = filter.clone();
    let mut all = Vec::new();
    loop {
        let asked = filter.clone();
        let page = store.read(move |c| jobs::list(c, &asked)).await.unwrap();
        assert!(page.len() <= filter.limit);
        all.extend(page.iter().map(|job| job.id));
        match page.last() {
            Some(last) => filter.before = Some(last.id),
            None => return all,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn pages_show_every_job_of_the_filter_once_and_the_newest_first(
        rows in proptest::collection::vec((0_usize..2, 0_usize..2, 0_usize..2, any::<bool>()), 0..40), limit in 1_usize..9,
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
                    before: None,
                    limit,
                };
                let mut expected: Vec<JobId> = new.iter().zip(&rows).filter(|(job, (.., cancelled))| {
                    (!pick(0) || job.workspace == workspaces[0]) && (!pick(1) || *cancelled)
                        && (!pick(2) || job.kind == KIND) && (!pick(3) || job.queue == Queue::Mail)
                }).map(|(job, _)| job.id).collect();
                expected.reverse();
                assert_eq!(pages(&store, &filter).await, expected, "{filter:?}");
            }
        });
    }
}

#[tokio::test]
async fn jobs_that_are_accepted_while_a_list_is_paged_do_not_shift_its_pages() {
    let store = TestStore::new();
    let new: Vec<NewJob> = (0..6).map(|_| job()).collect();
    let ids: Vec<JobId> = new.iter().rev().map(|job| job.id).collect();
    store.enqueue(new).await.unwrap();
    let filter = |before| JobFilter {
        scope: JobScope::All,
        state: None,
        kind: None,
        queue: None,
        before,
        limit: 3,
    };
    let page = |before| {
        let (store, filter) = ((*store).clone(), filter(before));
        async move {
            let page = store.read(move |c| jobs::list(c, &filter)).await.unwrap();
            page.into_iter().map(|job| job.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(page(None).await, ids[..3]);
    store.enqueue(vec![job(), job()]).await.unwrap();
    assert_eq!(page(Some(ids[2])).await, ids[3..]);
}

#[tokio::test]
async fn the_running_attempt_is_shown_last_and_has_no_end_yet() {
    let store = TestStore::new();
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
