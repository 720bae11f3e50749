//! Pages miss nothing and double nothing; a file is a report's under its fence alone; what expired is found.

use std::time::Duration;

use super::*;
use crate::domain::job::AttemptEnd;
use crate::store::testing::{NOW, TestStore, end, job, on_each_database, request};
use crate::store::{Held, NewJob, jobs as job_rows};

const SECOND: Duration = Duration::from_secs(1);

/// A job whose id and time are those of `at`.
fn job_at(at: Timestamp, number: u128) -> NewJob {
    let millis = u128::try_from(at.as_micros() / 1000).unwrap();
    NewJob {
        id: JobId::from_bits((millis << 80) | (7 << 76) | (2 << 62) | number),
        created_at: at,
        run_at: at,
        ..job()
    }
}

async fn walk(store: &TestStore, mut span: Span, limit: usize, mut between: impl AsyncFnMut(usize)) -> Vec<String> {
    let mut ids = Vec::new();
    for turn in 0.. {
        let current = span.clone();
        let page = store
            .read(move |connection| job_page(connection, &current, limit))
            .await
            .unwrap();
        assert!(page.rows.len() <= limit);
        ids.extend(page.rows.into_iter().map(|row| row.id));
        match page.next {
            Some(next) => span = span.behind(next),
            None => break,
        }
        between(turn).await;
    }
    ids
}

async fn pages_miss_nothing_and_double_nothing_while_rows_are_inserted(store: TestStore) {
    let there: Vec<NewJob> = (0..57).map(|number| job_at(NOW, number)).collect();
    store.enqueue(there.clone()).await.unwrap();
    let until = NOW.plus(SECOND);
    let span = Span::new(WorkspaceId::SERVICE, None, until);
    let ids = walk(&store, span, 10, async |turn| {
        let late = job_at(until, 1_000 + u128::try_from(turn).unwrap());
        store.enqueue(vec![late]).await.unwrap();
    })
    .await;
    let expected: Vec<String> = there.iter().map(|job| job.id.to_string()).collect();
    assert_eq!(ids, expected);
}

async fn a_span_holds_the_rows_from_its_start_to_before_its_end_of_its_workspace_alone(store: TestStore) {
    let other = store.workspace().await;
    let all: Vec<NewJob> = (0..10_u32).map(|n| job_at(NOW.plus(SECOND * n), n.into())).collect();
    store.enqueue(all.clone()).await.unwrap();
    let theirs = NewJob {
        workspace: other,
        ..job_at(NOW.plus(SECOND * 4), 77)
    };
    store.enqueue(vec![theirs]).await.unwrap();
    let span = Span::new(WorkspaceId::SERVICE, Some(NOW.plus(SECOND * 3)), NOW.plus(SECOND * 6));
    for limit in [1, 2, 3, 4, 100] {
        let ids = walk(&store, span.clone(), limit, async |_| {}).await;
        let expected: Vec<String> = all[3..6].iter().map(|job| job.id.to_string()).collect();
        assert_eq!(ids, expected, "{limit} a page");
    }
}

async fn a_row_whose_id_ran_ahead_of_its_time_is_not_missed(store: TestStore) {
    let ahead = NewJob {
        id: job_at(NOW.plus(Duration::from_secs(23 * 3600)), 1).id,
        ..job_at(NOW, 1)
    };
    store.enqueue(vec![ahead.clone()]).await.unwrap();
    let span = Span::new(WorkspaceId::SERVICE, Some(NOW), NOW.plus(SECOND));
    assert_eq!(walk(&store, span, 10, async |_| {}).await, [ahead.id.to_string()]);
}

async fn a_page_of_mails_looks_at_no_more_rows_than_its_limit_however_few_are_mails(store: TestStore) {
    let mut all: Vec<NewJob> = (0..30).map(|number| job_at(NOW, number)).collect();
    all[29].kind = "email.send";
    // So long that a file has it apart from the job's row.
    let data = "x".repeat(1_000);
    all[29].args = r#"{"to":["a@b.c","d@e.f"],"body":{"template":{"name":"welcome","data":"#.to_owned()
        + &format!(r#"{{"x":"{data}"}}}}}}}}"#);
    all[28].kind = "email.send";
    all[27].kind = "email.send";
    all[27].args = r#"{"to":["a@b.c"],"body":{"written":{"subject":"Hi","text":"x","html":null}},
        "made_by":{"template":{"id":null,"name":"order","version":null,"locale":null},"data":{}}}"#
        .to_owned();
    // Only SQLite says of a text whether it is JSON before it reads it.
    if store.file().is_some() {
        all[28].args = "redacted".to_owned();
    }
    store.enqueue(all).await.unwrap();
    let span = Span::new(WorkspaceId::SERVICE, None, NOW.plus(SECOND));
    let first = {
        let span = span.clone();
        store
            .read(move |connection| mail_page(connection, &span, 10))
            .await
            .unwrap()
    };
    assert_eq!((first.rows.len(), first.next.is_some()), (0, true));
    let rest = store
        .read(move |connection| mail_page(connection, &span, 40))
        .await
        .unwrap();
    assert_eq!(rest.next, None);
    let [rendered, redacted, mail] = &rest.rows[..] else {
        panic!("{rest:?}")
    };
    assert_eq!((redacted.to.len(), &redacted.subject), (0, &None));
    let named = (rendered.template.as_deref(), rendered.subject.as_deref());
    assert_eq!(named, (Some("order"), Some("Hi")));
    assert_eq!(mail.to, ["a@b.c", "d@e.f"]);
    assert_eq!((mail.template.as_deref(), &mail.message_id), (Some("welcome"), &None));
}

#[tokio::test]
async fn pages_go_by_the_index_of_the_workspace_and_sort_nothing() {
    let store = TestStore::new();
    let plans = crate::store::testing::plans(&store, |connection| {
        let span = Span::new(WorkspaceId::SERVICE, Some(NOW), NOW.plus(SECOND));
        job_page(connection, &span, 10).unwrap();
        mail_page(connection, &span, 10).unwrap();
    });
    assert_eq!(plans.len(), 4, "{plans:#?}");
    for (statement, plan) in &plans {
        assert!(
            plan.contains("jobs_by_workspace (workspace_id=? AND id>? AND id<?)"),
            "{statement}: {plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{statement}: {plan}");
        let is_key_alone = statement.starts_with("SELECT `jobs`.`id` FROM");
        assert_eq!(plan.contains("COVERING"), is_key_alone, "{statement}: {plan}");
    }
}

#[tokio::test]
async fn what_a_workspace_keeps_is_counted_in_an_index_of_its_own() {
    let store = TestStore::new();
    let plans = crate::store::testing::plans(&store, |connection| {
        kept_of(connection, WorkspaceId::SERVICE, 10).unwrap();
    });
    assert_eq!(plans.len(), 1, "{plans:#?}");
    assert!(plans[0].1.contains("reports_kept (workspace_id=?)"), "{plans:#?}");
}

/// A report whose job is running under the fence that is answered.
async fn running(store: &TestStore) -> (NewReport, i64) {
    let job = job();
    let report = NewReport {
        id: ReportId::generate(),
        workspace: job.workspace,
        job: job.id,
        table: ReportTable::Jobs,
        format: ReportFormat::Csv,
        from: None,
        to: NOW,
        created_at: NOW,
    };
    let new = report.clone();
    let write = store.write(move |tx| {
        insert(tx.connection(), &new)?;
        Ok::<_, Abort<()>>(tx.enqueue(&job)?)
    });
    write.await.unwrap();
    let claimed = store.claim(request(1, NOW)).await.unwrap();
    (report, claimed.jobs[0].fence)
}

async fn entered(store: &TestStore, report: &NewReport, fence: i64) -> FileEntered {
    entered_within(store, report, fence, 0).await
}

/// The same where so many bytes may be kept.
async fn entered_within(store: &TestStore, report: &NewReport, fence: i64, stored_max: u64) -> FileEntered {
    let new = NewFile {
        report: report.id,
        job: report.job,
        fence,
        rows: 3,
        bytes: 100,
        sha256: "ab".to_owned(),
        built_at: NOW,
        expires_at: NOW.plus(SECOND),
        stored_max,
    };
    let write = store.write(move |tx| Ok::<_, Abort<()>>(enter_file(tx.connection(), &new)?));
    write.await.unwrap()
}

async fn bytes_are_kept_up_to_the_quota_and_a_report_that_is_built_anew_takes_its_own_place(store: TestStore) {
    let within = async |stored_max: u64| {
        let (report, fence) = running(&store).await;
        (entered_within(&store, &report, fence, stored_max).await, report, fence)
    };
    let less_at = Some(NOW.plus(SECOND));
    let kept = |used, max, less_at| BytesKept { used, max, less_at };
    assert_eq!(within(99).await.0, FileEntered::NoRoom(kept(0, 99, None)));
    let (first, report, fence) = within(100).await;
    assert_eq!(first, FileEntered::Yes { replaced: None });
    let again = entered_within(&store, &report, fence, 100).await;
    assert_eq!(again, FileEntered::Yes { replaced: Some(fence) });
    assert_eq!(within(199).await.0, FileEntered::NoRoom(kept(100, 199, less_at)));
    let room_for = async |reports: usize, bytes: u64| {
        let max = KeptMax { reports, bytes };
        let read = store.read(move |connection| room(connection, WorkspaceId::SERVICE, max));
        read.await.unwrap()
    };
    assert_eq!(room_for(0, 101).await, None);
    assert_eq!(room_for(0, 100).await, Some(NoRoom::Bytes(kept(100, 100, less_at))));
    assert_eq!(
        room_for(3, 0).await,
        Some(NoRoom::Reports { max: 3 }),
        "two of them may be built yet"
    );
    assert_eq!(room_for(0, 0).await, None);
    // A quota of its own goes before, and what has expired is not kept.
    store.run("UPDATE workspaces SET bytes_stored_max = 250");
    assert_eq!(within(1).await.0, FileEntered::Yes { replaced: None });
    assert_eq!(within(0).await.0, FileEntered::NoRoom(kept(200, 250, less_at)));
    let write = store.write(|tx| Ok::<_, Abort<()>>(expire(tx.connection(), NOW.plus(SECOND), 10)?));
    assert_eq!(write.await.unwrap().len(), 2);
    let stored = store
        .read(|connection| stored(connection, WorkspaceId::SERVICE))
        .await
        .unwrap();
    assert_eq!((stored.bytes, stored.less_at), (0, None));
}

async fn record(store: &TestStore, id: ReportId) -> Option<ReportRecord> {
    store
        .read(move |connection| one(connection, id, JobScope::All))
        .await
        .unwrap()
}

async fn a_file_is_entered_under_the_fence_of_the_running_attempt_alone(store: TestStore) {
    let (report, fence) = running(&store).await;
    assert_eq!(entered(&store, &report, fence + 1).await, FileEntered::NotHeld);
    assert!(record(&store, report.id).await.unwrap().file.is_none());
    assert_eq!(
        entered(&store, &report, fence).await,
        FileEntered::Yes { replaced: None }
    );
    let lost = end(report.job, fence, AttemptEnd::Lost, NOW);
    store.finish(lost).await.unwrap();
    assert_eq!(entered(&store, &report, fence).await, FileEntered::NotHeld);
    let again = store.claim(request(1, NOW)).await.unwrap().jobs[0].fence;
    assert_eq!(
        entered(&store, &report, again).await,
        FileEntered::Yes { replaced: Some(fence) }
    );
    let file = record(&store, report.id).await.unwrap().file.unwrap();
    assert_eq!((file.fence, file.rows, file.bytes), (Some(again), 3, 100));
}

async fn no_file_is_entered_once_a_cancel_was_asked_for_or_the_report_is_deleted(store: TestStore) {
    let (report, fence) = running(&store).await;
    let job = report.job;
    let cancel = store.write(move |tx| job_rows::cancel(tx, job, JobScope::All, NOW));
    cancel.await.unwrap();
    assert_eq!(entered(&store, &report, fence).await, FileEntered::NotHeld);

    let (report, fence) = running(&store).await;
    let id = report.id;
    let deleted = store.write(move |tx| Ok::<_, Abort<()>>(delete(tx, id, JobScope::All, NOW)?));
    let deleted = deleted.await.unwrap().unwrap();
    assert_eq!((deleted.cancelled, deleted.fence), (Some(report.job), None));
    assert_eq!(entered(&store, &report, fence).await, FileEntered::NoReport);
    let progress = crate::store::AttemptProgress {
        job: report.job,
        fence,
        progress: crate::domain::job::Progress::default(),
        at: NOW,
    };
    let held = store.progress(progress).await.unwrap();
    assert_eq!(held, Held::Yes { cancel_requested: true }, "the attempt is told");
    let gone = store.write(move |tx| Ok::<_, Abort<()>>(delete(tx, id, JobScope::All, NOW)?));
    assert!(gone.await.unwrap().is_none());
}

async fn a_report_is_found_and_deleted_in_its_own_workspace_alone(store: TestStore) {
    let other = JobScope::Workspace(store.workspace().await);
    let (report, _) = running(&store).await;
    let id = report.id;
    let found = store.read(move |connection| one(connection, id, other)).await.unwrap();
    assert!(found.is_none());
    let deleted = store.write(move |tx| Ok::<_, Abort<()>>(delete(tx, id, other, NOW)?));
    assert!(deleted.await.unwrap().is_none());
    let listed = store
        .read(move |connection| list(connection, other, None, 10))
        .await
        .unwrap();
    assert!(listed.is_empty());
    let own = JobScope::Workspace(WorkspaceId::SERVICE);
    let listed = store
        .read(move |connection| list(connection, own, None, 10))
        .await
        .unwrap();
    assert_eq!(listed[0].id, id);
}

async fn expired_files_are_taken_from_their_reports_and_old_rows_forgotten(store: TestStore) {
    let (report, fence) = running(&store).await;
    entered(&store, &report, fence).await;
    let ids = [report.id];
    let owned_now = || async { store.read(move |connection| owned(connection, &ids)).await.unwrap() };
    let one_of = owned_now().await[&report.id];
    assert_eq!((one_of.fence, one_of.running), (Some(fence), Some(fence)));
    let at = |now| {
        let write = store.write(move |tx| {
            let expired = expire(tx.connection(), now, 10)?;
            let forgotten = forget(tx.connection(), now, 10)?;
            Ok::<_, Abort<()>>((expired, forgotten))
        });
        async { write.await.unwrap() }
    };
    assert_eq!(at(NOW).await, (vec![], 0));
    let (expired, forgotten) = at(NOW.plus(SECOND)).await;
    let expected = Expired {
        report: report.id,
        format: ReportFormat::Csv,
        fence,
    };
    assert_eq!((expired, forgotten), (vec![expected], 0));
    assert_eq!(owned_now().await[&report.id].fence, None);
    assert_eq!(at(NOW.plus(SECOND * 2)).await, (vec![], 1));
    assert!(record(&store, report.id).await.is_none());
}

async fn a_report_that_was_never_built_is_forgotten_only_once_its_job_has_ended(store: TestStore) {
    let (report, fence) = running(&store).await;
    let later = NOW.plus(SECOND);
    let forgotten = || {
        let write = store.write(move |tx| Ok::<_, Abort<()>>(forget(tx.connection(), later, 10)?));
        async { write.await.unwrap() }
    };
    assert_eq!(forgotten().await, 0);
    store
        .finish(end(report.job, fence, AttemptEnd::Cancelled, NOW))
        .await
        .unwrap();
    assert_eq!(forgotten().await, 1);
}

on_each_database!(
    bytes_are_kept_up_to_the_quota_and_a_report_that_is_built_anew_takes_its_own_place,
    pages_miss_nothing_and_double_nothing_while_rows_are_inserted,
    a_span_holds_the_rows_from_its_start_to_before_its_end_of_its_workspace_alone,
    a_row_whose_id_ran_ahead_of_its_time_is_not_missed,
    a_page_of_mails_looks_at_no_more_rows_than_its_limit_however_few_are_mails,
    a_file_is_entered_under_the_fence_of_the_running_attempt_alone,
    no_file_is_entered_once_a_cancel_was_asked_for_or_the_report_is_deleted,
    a_report_is_found_and_deleted_in_its_own_workspace_alone,
    expired_files_are_taken_from_their_reports_and_old_rows_forgotten,
    a_report_that_was_never_built_is_forgotten_only_once_its_job_has_ended,
);
