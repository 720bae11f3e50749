//! Schedules in a real database: what a look makes of them.

use super::*;
use crate::domain::id::{AccountId, ScheduleId};
use crate::domain::report::{ReportFormat, ReportTable};
use crate::domain::schedule::{Cadence, Cron, FireOutcome, Missed, Overlap, Zones};
use crate::jobs::RecurringReport;
use crate::jobs::kinds::ReportBuild;
use crate::store::reports::KeptMax;
use crate::store::schedules::{self, Fire, Schedule, ScheduledJob, Settled};
use crate::store::testing::on_each_database;
use crate::store::{Abort, Store};
use crate::workers::ticking::settle_due;

pub(super) const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A schedule of probes, made at `now`.
pub(super) fn schedule(cron: &str, zone: &str, now: Timestamp) -> Schedule {
    let cadence = Cadence::new(Cron::parse(cron).unwrap(), Zones::bundled().get(zone).unwrap());
    let id = ScheduleId::generate();
    Schedule {
        id,
        workspace: WorkspaceId::SERVICE,
        name: id.to_string(),
        cron: cron.to_owned(),
        time_zone: zone.to_owned(),
        job: ScheduledJob {
            kind: Probe::NAME.to_owned(),
            queue: Queue::Probes.to_string(),
            args: r#"{"steps":0,"step_ms":0,"fail":null,"panic":null}"#.to_owned(),
            args_version: 1,
            given: r#"{"steps":0}"#.to_owned(),
            mails: 0,
            priority: 0,
            max_attempts: 1,
            timeout: Duration::from_secs(60),
            limit_key: None,
        },
        missed: Missed::Skip,
        overlap: Overlap::Allow,
        jitter: Duration::ZERO,
        is_bounded: true,
        paused_at: None,
        next: cadence.next(now),
        last: None,
        last_job: None,
        tick: 0,
        created_by: AccountId::generate(),
        created_at: now,
        updated_at: now,
    }
}

pub(super) async fn enter(store: &Store, schedule: &Schedule) {
    let schedule = schedule.clone();
    let entered = store.write(move |tx| schedules::insert(tx.connection(), &schedule));
    entered.await.unwrap();
}

/// A node that performs probes, with a clock of its own.
pub(super) fn node(store: &Store, now: Timestamp) -> SchedulerParts {
    SchedulerParts {
        store: store.clone(),
        registry: Registry::new().with(Probe),
        clock: Clock::manual(now),
        zones: Zones::bundled(),
        admit: Arc::new(|_, _| Ok(())),
        kept_max: KeptMax { reports: 10, bytes: 0 },
    }
}

pub(super) async fn kept(store: &Store, id: ScheduleId) -> Schedule {
    let read = store.read(move |connection| schedules::one(connection, id, JobScope::All));
    read.await.unwrap().unwrap()
}

/// The whole history, the oldest first.
pub(super) async fn history(store: &Store, id: ScheduleId) -> Vec<Fire> {
    let read = store.read(move |connection| schedules::fires(connection, id, None, 10_000));
    let mut fires = read.await.unwrap();
    fires.reverse();
    fires
}

/// The outcome of each entry and how many ticks it stands for.
pub(super) async fn outcomes(store: &Store, id: ScheduleId) -> Vec<(FireOutcome, u32)> {
    let all = history(store, id).await;
    all.into_iter().map(|fire| (fire.outcome, fire.ticks.count)).collect()
}

async fn a_node_that_dies_at_the_tick_has_done_all_of_it_or_nothing(store: TestStore) {
    let begin = at("2024-05-01T12:00:30Z");
    let made = schedule("* * * * *", "UTC", begin);
    enter(&store, &made).await;
    // Everything but the commit.
    let undone = made.clone();
    let dies = store.write(move |tx| {
        let settlement = schedules::Settlement {
            skipped: None,
            fires: vec![schedules::NewFire {
                ticks: crate::domain::schedule::Ticks::one(begin),
                made: Ok(schedules::MadeJob {
                    job: probe(None, begin),
                    report: None,
                }),
            }],
            last: begin,
            next: None,
            kept_max: KeptMax { reports: 0, bytes: 0 },
            schedule: undone.clone(),
        };
        let settled = schedules::settle(tx, &settlement, begin, &|_, _| Ok(()))?;
        assert!(matches!(settled, Settled::Here(_)));
        Err::<(), Abort<()>>(Abort::Refused(()))
    });
    assert!(dies.await.is_err());
    assert_eq!(kept(&store, made.id).await, made);
    assert_eq!(store.states(), Vec::<String>::new());
    let node = node(&store, begin.plus(MINUTE));
    settle_due(&node).await;
    assert_eq!(outcomes(&store, made.id).await, [(FireOutcome::Fired, 1)]);
}

async fn a_schedule_whose_row_cannot_be_read_holds_up_no_other(store: TestStore) {
    let begin = at("2024-05-01T12:00:30Z");
    let [broken, whole] = [(); 2].map(|()| schedule("* * * * *", "UTC", begin));
    enter(&store, &broken).await;
    enter(&store, &whole).await;
    store.run(&format!(
        "UPDATE schedules SET created_by = 'nobody' WHERE id = '{}'",
        broken.id
    ));
    settle_due(&node(&store, begin.plus(MINUTE))).await;
    assert_eq!(outcomes(&store, whole.id).await, [(FireOutcome::Fired, 1)]);
}

async fn what_was_missed_becomes_what_the_schedule_says(store: TestStore) {
    let begin = at("2024-05-01T12:00:30Z");
    let rules = [
        (
            Missed::Skip,
            vec![
                (FireOutcome::SkippedMissed, 58),
                (FireOutcome::Fired, 1),
                (FireOutcome::Fired, 1),
            ],
        ),
        (Missed::Coalesce, vec![(FireOutcome::Coalesced, 60)]),
        (
            Missed::CatchUp(2),
            std::iter::once((FireOutcome::SkippedMissed, 56))
                .chain([(FireOutcome::Fired, 1); 4])
                .collect(),
        ),
    ];
    let mut all = Vec::new();
    for (missed, wanted) in rules {
        let schedule = Schedule {
            missed,
            ..schedule("* * * * *", "UTC", begin)
        };
        enter(&store, &schedule).await;
        all.push((schedule.id, wanted));
    }
    // The last tick and the one a minute before it are within the grace.
    let node = node(&store, begin.plus(MINUTE * 60 - Duration::from_secs(30)));
    settle_due(&node).await;
    for (id, wanted) in all {
        assert_eq!(outcomes(&store, id).await, wanted);
    }
}

async fn a_tick_is_skipped_while_the_job_before_has_not_ended(store: TestStore) {
    let begin = at("2024-05-01T12:00:30Z");
    let made = Schedule {
        overlap: Overlap::Skip,
        ..schedule("* * * * *", "UTC", begin)
    };
    enter(&store, &made).await;
    let node = node(&store, begin);
    for _ in 0..2 {
        node.clock.advance(MINUTE);
        settle_due(&node).await;
    }
    let (fired, skipped) = ((FireOutcome::Fired, 1), (FireOutcome::SkippedOverlap, 1));
    assert_eq!(outcomes(&store, made.id).await, [fired, skipped]);
    let job = kept(&store, made.id).await.last_job.unwrap();
    let now = node.clock.now();
    store
        .write(move |tx| jobs::cancel(tx, job, JobScope::All, now))
        .await
        .unwrap();
    node.clock.advance(MINUTE);
    settle_due(&node).await;
    assert_eq!(outcomes(&store, made.id).await, [fired, skipped, fired]);
}

async fn what_a_node_does_not_know_is_left_to_others(store: TestStore) {
    let begin = at("2024-05-01T12:00:30Z");
    let mut newer = schedule("* * * * *", "UTC", begin);
    newer.job.args_version = 2;
    let mut unknown = schedule("* * * * *", "UTC", begin);
    unknown.job.kind = "test.unknown".to_owned();
    for schedule in [&newer, &unknown] {
        enter(&store, schedule).await;
    }
    let node = node(&store, begin.plus(MINUTE));
    assert_eq!(settle_due(&node).await, None);
    for schedule in [&newer, &unknown] {
        assert_eq!(kept(&store, schedule.id).await, *schedule);
    }
}

async fn what_was_changed_since_it_was_read_is_not_settled(store: TestStore) {
    let begin = at("2024-05-01T12:00:30Z");
    let made = schedule("* * * * *", "UTC", begin);
    enter(&store, &made).await;
    let changed = Schedule {
        name: "another".to_owned(),
        ..made.clone()
    };
    let save = changed.clone();
    store
        .write(move |tx| schedules::save(tx.connection(), &save))
        .await
        .unwrap();
    let settlement = schedules::Settlement {
        skipped: None,
        fires: Vec::new(),
        last: begin,
        next: None,
        kept_max: KeptMax { reports: 0, bytes: 0 },
        schedule: made.clone(),
    };
    let settle = store.write(move |tx| Ok::<_, Abort<()>>(schedules::settle(tx, &settlement, begin, &|_, _| Ok(()))?));
    assert_eq!(settle.await.unwrap(), Settled::Elsewhere);
    assert_eq!(kept(&store, made.id).await, Schedule { tick: 1, ..changed });
}

async fn a_report_is_made_anew_for_each_tick_of_the_rows_up_to_it(store: TestStore) {
    let begin = at("2024-05-01T12:00:30Z");
    let report = RecurringReport {
        table: ReportTable::Jobs,
        format: ReportFormat::Csv,
        from: None,
        to: None,
        csv_formula_guard: true,
    };
    let mut made = schedule("* * * * *", "UTC", begin);
    made.jitter = Duration::from_secs(30);
    made.job.kind = ReportBuild::NAME.to_owned();
    made.job.args = serde_json::to_string(&report).unwrap();
    enter(&store, &made).await;
    let mut node = node(&store, begin);
    let folder = crate::reports::ReportFolder::open(store.beside("reports")).unwrap();
    let limits = crate::jobs::kinds::ReportLimits {
        max_rows: 1,
        max_bytes: 1,
        ttl: MINUTE,
        stored_max: 0,
    };
    node.registry = node
        .registry
        .with(ReportBuild::new(node.store.clone(), folder, limits, "http://localhost"));
    node.kept_max.reports = 2;
    for _ in 0..3 {
        node.clock.advance(MINUTE);
        settle_due(&node).await;
    }
    let (fired, refused) = ((FireOutcome::Fired, 1), (FireOutcome::Refused, 1));
    assert_eq!(
        outcomes(&store, made.id).await,
        [fired, fired, refused],
        "it may keep two"
    );
    let rows = store.number(
        "SELECT count(*) AS value FROM reports JOIN jobs ON jobs.id = reports.job_id AND reports.to_at = jobs.run_at \
         WHERE jobs.kind = 'report.build' AND jobs.args LIKE '%' || reports.id || '%'",
    );
    assert_eq!(rows, Some(2));
}

async fn a_tick_that_is_not_admitted_makes_nothing_and_says_why(store: TestStore) {
    let begin = at("2024-05-01T12:00:30Z");
    let made = schedule("* * * * *", "UTC", begin);
    enter(&store, &made).await;
    let mut node = node(&store, begin.plus(MINUTE));
    node.admit = Arc::new(|_, queue| Err(format!("no room in {queue}")));
    settle_due(&node).await;
    let fires = history(&store, made.id).await;
    assert_eq!(
        (fires[0].outcome, fires[0].cause.as_deref()),
        (FireOutcome::Refused, Some("no room in probes"))
    );
    assert_eq!(store.states(), Vec::<String>::new());
}

async fn a_history_is_bounded(store: TestStore) {
    let begin = at("2024-05-01T12:00:30Z");
    let made = Schedule {
        missed: Missed::CatchUp(100),
        ..schedule("* * * * *", "UTC", begin)
    };
    enter(&store, &made).await;
    let node = node(&store, begin);
    let mut most = 0;
    for _ in 0..70 {
        node.clock.advance(MINUTE * 40);
        settle_due(&node).await;
        most = most.max(history(&store, made.id).await.len());
    }
    let kept = history(&store, made.id).await;
    assert!((1_000..=1_000 + 7 * 41).contains(&kept.len()), "{}", kept.len());
    assert!(most < 2_700, "{most}");
    assert_eq!(kept.last().unwrap().ticks.last, at("2024-05-03T10:40:00Z"));
}

on_each_database!(
    a_node_that_dies_at_the_tick_has_done_all_of_it_or_nothing,
    a_schedule_whose_row_cannot_be_read_holds_up_no_other,
    what_was_missed_becomes_what_the_schedule_says,
    a_tick_is_skipped_while_the_job_before_has_not_ended,
    what_a_node_does_not_know_is_left_to_others,
    what_was_changed_since_it_was_read_is_not_settled,
    a_report_is_made_anew_for_each_tick_of_the_rows_up_to_it,
    a_tick_that_is_not_admitted_makes_nothing_and_says_why,
    a_history_is_bounded,
);
