//! What people say of uncertain jobs, and what attempts tell beside their outcome.

use super::*;
use crate::domain::job::{AttemptOutcome, Cause, Resolution, WhenUncertain};
use crate::store::testing::{NOW, on_each_database};

const LATER: Timestamp = Timestamp::from_micros(NOW.as_micros() + 5_000_000);
const HELD: AttemptEnd = AttemptEnd::Uncertain(WhenUncertain::Hold, Retry::Never);

async fn resolve(
    store: &TestStore,
    id: JobId,
    scope: JobScope,
    resolution: Resolution,
) -> Result<JobRecord, Abort<jobs::OrderRefused>> {
    store
        .write(move |tx| jobs::resolve(tx, id, scope, resolution, LATER))
        .await
}

async fn an_uncertain_job_becomes_what_a_person_says_and_keeps_its_attempts(store: TestStore) {
    for (resolution, state) in [
        (Resolution::Completed, JobState::Completed),
        (Resolution::Discarded, JobState::Discarded),
    ] {
        let held = running(&store, NOW).await;
        finish(&store, &held, HELD, NOW).await;
        let before = attempts(&store, held.id).await.len();
        let job = resolve(&store, held.id, JobScope::All, resolution).await.unwrap();
        assert!(is_final(&job, state));
        assert_eq!(job.cause.as_deref(), Some(Cause::Resolved.as_str()));
        assert_eq!((job.finished_at, job.attempt), (Some(LATER), 1));
        let after = attempts(&store, held.id).await;
        assert_eq!((before, after.len()), (1, 1), "no attempt is made up");
        assert_eq!(after[0].outcome, Some(AttemptOutcome::Uncertain));
        // Said is said; but a person may change their mind and have it run again.
        let twice = resolve(&store, held.id, JobScope::All, resolution).await;
        assert!(matches!(twice, Err(Abort::Refused(jobs::OrderRefused::State(_)))));
        retry(&store, held.id, LATER).await.unwrap();
        let again = claim_one(&store, LATER).await;
        finish(&store, &again, AttemptEnd::Completed, LATER).await;
        let told: Vec<_> = attempts(&store, held.id).await.iter().map(|one| one.outcome).collect();
        assert_eq!(told, [Some(AttemptOutcome::Uncertain), Some(AttemptOutcome::Completed)]);
    }
}

async fn no_other_job_is_what_a_person_says(store: TestStore) {
    let held = running(&store, NOW).await;
    let before = all(&store);
    let mine = JobScope::Workspace(crate::domain::id::WorkspaceId::generate());
    for scope in [JobScope::All, mine] {
        let refused = resolve(&store, held.id, scope, Resolution::Completed).await;
        assert!(matches!(refused, Err(Abort::Refused(_))), "{scope:?}");
    }
    assert_eq!(all(&store), before);
    finish(&store, &held, HELD, NOW).await;
    let refused = resolve(&store, held.id, mine, Resolution::Completed).await;
    assert!(matches!(refused, Err(Abort::Refused(jobs::OrderRefused::NoSuchJob))));
}

async fn what_was_said_in_an_attempt_is_kept_with_it_and_read_where_it_is_asked_for(store: TestStore) {
    let held = running(&store, NOW).await;
    let retry_at = AttemptEnd::Failed(Retry::At(NOW));
    let said = |fence, how, text: Option<&str>| crate::store::AttemptFinish {
        transcript: text.map(str::to_owned),
        ..end(held.id, fence, how, NOW)
    };
    store
        .finish(said(held.fence, retry_at, Some("0 S: 220\0hi\n")))
        .await
        .unwrap();
    store
        .write(move |tx| jobs::retry(tx, held.id, JobScope::All, NOW))
        .await
        .unwrap();
    let second = claim_one(&store, NOW).await;
    // One that completes has a record where there is more to say, and none where there is not.
    store
        .finish(said(second.fence, AttemptEnd::Completed, Some("0 C: QUIT\n")))
        .await
        .unwrap();
    let rows = store.words("SELECT CAST(COUNT(*) AS TEXT) AS value FROM attempts");
    assert_eq!(rows, ["2"]);
    let plain = attempts(&store, held.id).await;
    assert!(plain.iter().all(|attempt| attempt.transcript.is_none()));
    let shown = store.read(move |connection| {
        let mut shown = plain;
        jobs::add_transcripts(connection, held.id, &mut shown)?;
        Ok(shown)
    });
    let texts: Vec<_> = shown.await.unwrap().into_iter().map(|one| one.transcript).collect();
    assert_eq!(
        texts,
        [Some("0 S: 220\u{fffd}hi\n".to_owned()), Some("0 C: QUIT\n".to_owned())]
    );
}

async fn outcomes_are_counted_also_where_not_all_attempts_are_shown(store: TestStore) {
    let held = running(&store, NOW).await;
    finish(&store, &held, HELD, NOW).await;
    for _ in 0..2 {
        retry(&store, held.id, NOW).await.unwrap();
        let again = claim_one(&store, NOW).await;
        finish(&store, &again, AttemptEnd::Lost, NOW).await;
        cancel(&store, held.id, NOW).await.unwrap();
    }
    let all = attempts(&store, held.id).await;
    for shown in [all.clone(), all[1..].to_vec(), Vec::new()] {
        let counts = store.read(move |connection| {
            let count = |connection: &mut _, outcome| jobs::count_ended_as(connection, held.id, &shown, outcome);
            Ok((
                shown.len(),
                count(connection, AttemptOutcome::Uncertain)?,
                count(connection, AttemptOutcome::Lost)?,
            ))
        });
        match counts.await.unwrap() {
            (0, none, lost) => assert_eq!((none, lost), (0, 0), "nothing was shown since there is nothing"),
            (_, uncertain, lost) => assert_eq!((uncertain, lost), (1, 2)),
        }
    }
}

on_each_database!(
    an_uncertain_job_becomes_what_a_person_says_and_keeps_its_attempts,
    no_other_job_is_what_a_person_says,
    what_was_said_in_an_attempt_is_kept_with_it_and_read_where_it_is_asked_for,
    outcomes_are_counted_also_where_not_all_attempts_are_shown,
);
