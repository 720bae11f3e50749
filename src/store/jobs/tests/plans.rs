//! The frequent statements use the indexes that were made for them: the very statements that the code sends are explained
//! by SQLite, so that a changed query cannot keep a stale promise.

use super::*;
use crate::domain::id::WorkspaceId;
use crate::domain::job::Queue;
use crate::store::JobFilter;
use crate::store::events::Effects;
use crate::store::testing::{NODE, NOW, plans};

/// The plan of the only such statement.
fn plan_of<'a>(plans: &'a [(String, String)], part: &str) -> &'a str {
    let mut found = plans.iter().filter(|(statement, _)| statement.contains(part));
    let (_, plan) = found.next().unwrap_or_else(|| panic!("no {part} among {plans:#?}"));
    assert!(found.next().is_none(), "several {part} among {plans:#?}");
    plan
}

fn uses(plan: &str, index: &str) {
    assert!(plan.contains(index), "{index} is not used: {plan}");
    assert!(!plan.contains("TEMP B-TREE"), "it sorts: {plan}");
    assert!(!plan.contains("AUTOMATIC"), "it builds an index: {plan}");
}

#[tokio::test]
async fn a_claim_finds_due_and_available_jobs_by_their_indexes_and_changes_rows_by_id() {
    let store = TestStore::new();
    let later = NOW.plus(std::time::Duration::from_secs(1));
    store
        .enqueue(vec![job(), crate::store::NewJob { run_at: later, ..job() }])
        .await
        .unwrap();
    let plans = plans(&store, |connection| {
        let claimed = super::super::claim(connection, &request(10, later), &mut Effects::default()).unwrap();
        assert_eq!(claimed.jobs.len(), 2);
    });
    assert_eq!(plans.len(), 7, "{plans:#?}");
    let (due, made_available) = (
        plan_of(&plans, "ORDER BY `jobs`.`run_at`"),
        plan_of(&plans, "UPDATE `jobs`"),
    );
    uses(due, "jobs_to_come (run_at<?)");
    assert!(made_available.contains("(id=?)"), "{made_available}");
    let lane = "(queue=? AND kind=? AND args_version=? AND workspace_id=?";
    uses(
        plan_of(&plans, "ORDER BY rank, id"),
        &format!("jobs_in_turn {lane} AND limit_key=?)"),
    );
    let circles = plans
        .iter()
        .filter(|(statement, _)| statement.contains("SELECT circle.place"));
    let circles: Vec<&str> = circles.map(|(_, plan)| plan.as_str()).collect();
    assert_eq!(circles.len(), 2, "one for each version: {plans:#?}");
    for circle in circles {
        for step in ["AND workspace_id>?)", "AND workspace_id=?)"] {
            let step = format!("COVERING INDEX jobs_in_turn (queue=? AND kind=? AND args_version=? {step}");
            assert!(circle.contains(&step), "{step} is not in {circle}");
        }
        assert!(
            !circle.contains("TEMP B-TREE") && !circle.contains("AUTOMATIC"),
            "{circle}"
        );
    }
    uses(plan_of(&plans, "min(`jobs`.`run_at`)"), "jobs_to_come");
    uses(plan_of(&plans, "UPDATE OR FAIL jobs SET"), "(id=?)");
}

#[tokio::test]
async fn a_claim_of_several_kinds_merges_ranges_of_the_index_and_reads_nothing_between_them() {
    let store = TestStore::new();
    let kinds = ["test.work", "test.other", "test.third"].map(|name| crate::store::KnownKind { name, version: 2 });
    let of = |name| crate::store::NewJob { kind: name, ..job() };
    let new = kinds.map(|kind| {
        [
            of(kind.name),
            crate::store::NewJob {
                args_version: 2,
                ..of(kind.name)
            },
        ]
    });
    store.enqueue(new.into_iter().flatten().collect()).await.unwrap();
    let request = crate::store::ClaimRequest {
        kinds: kinds.to_vec(),
        ..request(10, NOW)
    };
    let plans = plans(&store, |connection| {
        super::super::claim(connection, &request, &mut Effects::default()).unwrap();
    });
    let plan = plan_of(&plans, "ORDER BY rank, id");
    let range = "SEARCH jobs USING INDEX jobs_in_turn \
                 (queue=? AND kind=? AND args_version=? AND workspace_id=? AND limit_key=?)";
    assert_eq!(plan.matches(range).count(), 6, "{plan}");
    assert!(plan.contains("MERGE (UNION ALL)") && !plan.contains("SCAN"), "{plan}");
    uses(plan, "jobs_in_turn");
}

#[tokio::test]
async fn a_claim_looks_once_where_workspaces_have_less_than_their_turns() {
    let store = TestStore::new();
    let mut new = Vec::new();
    for count in [1, 2, 3, 1, 9, 1, 1, 1, 1, 1, 1, 1] {
        let workspace = store.workspace().await;
        new.extend((0..count).map(|_| crate::store::NewJob { workspace, ..job() }));
    }
    store.enqueue(new).await.unwrap();
    let request = crate::store::ClaimRequest {
        kinds: vec![crate::store::KnownKind {
            version: 1,
            ..request(1, NOW).kinds[0]
        }],
        ..request(16, NOW)
    };
    let plans = plans(&store, |connection| {
        let claimed = super::super::claim(connection, &request, &mut Effects::default()).unwrap();
        assert_eq!(claimed.jobs.len(), 16);
        assert!(claimed.has_more, "others were left");
    });
    let circle = plan_of(&plans, "SELECT circle.place");
    let own = "its USING COVERING INDEX jobs_in_turn (queue=? AND kind=? AND args_version=? AND workspace_id=?)";
    assert!(circle.contains(own), "what each has is counted otherwise: {circle}");
}

#[tokio::test]
async fn a_claim_among_keys_and_workspaces_searches_their_lanes_and_what_runs_under_them() {
    use crate::domain::job::{Limit, Rate};
    use crate::store::limits::{self, Limited};

    let store = TestStore::new();
    let (a, b) = (store.workspace().await, store.workspace().await);
    let of = |workspace, key: &str| crate::store::NewJob {
        workspace,
        limit_key: key.parse().ok(),
        ..job()
    };
    let new = vec![of(a, "x"), of(a, "x"), of(a, "y"), of(b, "x"), of(b, "")];
    store.enqueue(new).await.unwrap();
    let second = std::time::Duration::from_secs(1);
    let rate = Rate {
        jobs: 1,
        period: second,
        burst: 10,
    };
    let limit = Limit {
        concurrency: Some(10),
        rate: Some(rate),
    };
    let set =
        store.write(move |tx| Ok::<_, Abort<()>>(limits::set(tx, Queue::Probes, &Limited::EachKey(a), &limit, NOW)?));
    set.await.unwrap();
    let plans = plans(&store, |connection| {
        let claimed = super::super::claim(connection, &request(10, NOW), &mut Effects::default()).unwrap();
        assert_eq!(claimed.jobs.len(), 5);
    });
    let of_lane = "(queue=? AND kind=? AND args_version=? AND workspace_id=? AND limit_key=?)";
    for (part, index) in [
        (
            "WITH RECURSIVE lane",
            "jobs_in_turn (queue=? AND kind=? AND args_version=? AND workspace_id=? AND limit_key>?)",
        ),
        (
            "CROSS JOIN limits",
            "jobs_running_by_key (queue=? AND workspace_id=? AND limit_key=?)",
        ),
        ("CROSS JOIN jobs", of_lane),
    ] {
        for (statement, plan) in plans.iter().filter(|(statement, _)| statement.contains(part)) {
            assert!(plan.contains(index), "{statement}: {plan}");
            assert!(
                !plan.contains("SCAN jobs") && !plan.contains("AUTOMATIC"),
                "{statement}: {plan}"
            );
        }
        assert!(
            plans.iter().any(|(statement, _)| statement.contains(part)),
            "no {part} in {plans:#?}"
        );
    }
}

#[tokio::test]
async fn an_end_and_progress_read_and_change_rows_by_id() {
    let store = TestStore::new();
    let held = running(&store, NOW).await;
    let plans = plans(&store, |connection| {
        let progress = crate::store::AttemptProgress {
            job: held.id,
            fence: held.fence,
            progress: crate::domain::job::Progress::new(1, None, None),
            at: NOW,
        };
        super::super::progress(connection, &[&progress], &mut Effects::default()).unwrap();
        let ended = end(held.id, held.fence, AttemptEnd::Completed, NOW);
        super::super::finish(connection, &[&ended], &mut Effects::default()).unwrap();
    });
    assert_eq!(
        plans
            .iter()
            .filter(|(statement, _)| statement.starts_with("UPDATE"))
            .count(),
        2
    );
    for (statement, plan) in &plans {
        if !statement.starts_with("INSERT") {
            assert!(
                plan.contains("(id=?)") && !plan.contains("AUTOMATIC"),
                "{statement}: {plan}"
            );
        }
    }
}

#[tokio::test]
async fn running_jobs_and_their_cancels_are_found_by_the_index_of_running_ones() {
    let store = TestStore::new();
    let plans = plans(&store, |connection| {
        jobs::cancel_requested(connection, NODE).unwrap();
    });
    uses(plan_of(&plans, "cancel_requested_at"), "jobs_running (node=?)");
}

#[tokio::test]
async fn lists_walk_an_index_in_their_order() {
    let store = TestStore::new();
    let filter = |scope, before| JobFilter {
        scope,
        state: Some(JobState::Completed),
        kind: Some("test.work".to_owned()),
        queue: Some(Queue::Mail),
        batch: None,
        before,
        limit: 10,
    };
    store.enqueue(vec![job(), job()]).await.unwrap();
    let (workspace, before) = (JobScope::Workspace(WorkspaceId::SERVICE), Some(JobId::generate()));
    for (scope, before, scanned, shown) in [
        (
            workspace,
            None,
            "jobs_by_workspace (workspace_id=?)",
            "jobs_by_workspace (workspace_id=? AND id>?)",
        ),
        (
            workspace,
            before,
            "jobs_by_workspace (workspace_id=? AND id<?)",
            "jobs_by_workspace (workspace_id=? AND id>? AND id<?)",
        ),
        (
            JobScope::All,
            before,
            "sqlite_autoindex_jobs_1 (id<?)",
            "sqlite_autoindex_jobs_1 (id>? AND id<?)",
        ),
    ] {
        let plans = plans(&store, |connection| {
            // So few are looked at that there is a last one, which bounds the page.
            super::super::page::list_scanning(connection, &filter(scope, before), 1).unwrap();
        });
        assert_eq!(plans.len(), 2, "{plans:?}");
        uses(&plans[0].1, scanned);
        uses(&plans[1].1, shown);
    }
    let counted = plans(&store, |connection| {
        jobs::available(connection, Queue::Mail, 5).unwrap();
    });
    uses(plan_of(&counted, "COUNT"), "jobs_in_turn (queue=?)");
    let counted = plans(&store, |connection| {
        jobs::depths(connection, 5).unwrap();
    });
    assert_eq!(counted.len(), 4, "{counted:#?}");
    for (statement, plan) in &counted {
        // SQLite looks at the state again where there are two of them.
        let covers = plan.contains("COVERING INDEX jobs_in_turn") || plan.contains("INDEX jobs_to_come");
        assert!(covers, "{statement} reads other rows: {plan}");
    }
    let kinds = [crate::store::KnownKind {
        name: "test.work",
        version: 1,
    }];
    let looked = plans(&store, |connection| {
        jobs::oldest(connection, Queue::Mail, &kinds).unwrap();
        let place = jobs::Place {
            workspace: WorkspaceId::SERVICE,
            limit_key: String::new(),
            rank: 7,
            id: JobId::generate(),
        };
        jobs::ahead(connection, Queue::Mail, &kinds, &place, 5).unwrap();
        jobs::to_come(connection, 5).unwrap();
    });
    let lane = "jobs_in_turn (queue=? AND kind=? AND args_version=? AND workspace_id=?";
    uses(&looked[0].1, &format!("{lane})"));
    uses(&looked[1].1, &format!("{lane} AND limit_key=? AND rank<?)"));
    uses(&looked[2].1, "INDEX jobs_to_come");
    let counted = plans(&store, |connection| {
        jobs::running(connection).unwrap();
    });
    assert!(plan_of(&counted, "COUNT").contains("jobs_running"), "{counted:?}");
}

#[tokio::test]
async fn what_is_deleted_is_found_on_a_walk_by_id_and_attempts_go_by_their_job() {
    let store = TestStore::new();
    let held = running(&store, NOW).await;
    finish(&store, &held, AttemptEnd::Completed, NOW).await;
    let plans = plans(&store, |connection| {
        let until = jobs::FinishedUntil {
            completed: NOW,
            discarded: NOW,
            cancelled: NOW,
            uncertain: NOW,
        };
        let old = jobs::old_jobs(connection, None, &until, 10).unwrap();
        assert_eq!(old.ids, [held.id]);
        assert_eq!(jobs::forget(connection, &old.ids, &until, NOW).unwrap(), 1);
    });
    let walk = plan_of(&plans, "`created_at`");
    assert!(walk.contains("(id>?)") && !walk.contains("TEMP B-TREE"), "{walk}");
    let delete = plan_of(&plans, "DELETE");
    assert!(delete.contains("(id=?)"), "{delete}");
    assert_eq!(store.number("SELECT count(*) AS value FROM attempts"), Some(0));
}
