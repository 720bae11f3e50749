//! Counts of mails against a list of all that were sent.

use proptest::prelude::*;

use super::*;
use crate::store::workspaces::Quotas;

const START: Timestamp = begin_of(472_222);

fn counts(max: u64) -> MailCounts {
    MailCounts::new(max, OwnQuotas::default())
}

/// What may happen.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many minutes pass.
    Pass(u64),
    /// So many mails are asked for.
    Take(u64),
    /// The last that were taken come to nothing.
    GiveBack,
    /// Others sent so many in this hour, in all.
    Others(u64),
    /// What there is to write is written, and what counts no more is let go of.
    Write,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1_u64..400).prop_map(Step::Pass),
        5 => (1_u64..40).prop_map(Step::Take),
        1 => Just(Step::GiveBack),
        1 => (0_u64..30).prop_map(Step::Others),
        2 => Just(Step::Write),
    ]
}

proptest! {
    #[test]
    fn within_the_hours_of_a_day_no_more_is_let_through_than_the_quota_and_what_is_refused_fits_when_it_is_said(
        max in 1_u64..120,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let (all, id) = (counts(max), WorkspaceId::generate());
        let mut now = START;
        // What was sent here and by others, by the hour; and what the database was told.
        let (mut sent, mut others): (HashMap<i64, u64>, HashMap<i64, u64>) = Default::default();
        let mut table: HashMap<i64, u64> = HashMap::new();
        let mut last: Option<u64> = None;
        for step in steps {
            let hour = hour_of(now);
            let within = |counts: &HashMap<i64, u64>, hour: i64| -> u64 {
                counts.iter().filter(|(one, _)| **one > hour - 24).map(|(_, mails)| *mails).sum()
            };
            let used = within(&sent, hour) + within(&others, hour);
            match step {
                Step::Pass(minutes) => {
                    now = now.plus(Duration::from_secs(60 * minutes));
                    last = None;
                }
                Step::Take(mails) => match all.take(id, mails, now) {
                    Ok(()) => {
                        prop_assert!(used + mails <= max);
                        *sent.entry(hour).or_default() += mails;
                        last = Some(mails);
                    }
                    Err(full) => {
                        prop_assert!(used + mails > max);
                        prop_assert_eq!((full.used, full.max), (used, max));
                        let fits = |hour: i64| within(&sent, hour) + within(&others, hour) + mails <= max;
                        match full.room_at {
                            Some(at) => prop_assert!(fits(hour_of(at)) && !fits(hour_of(at) - 1) && at > now),
                            None => prop_assert!(mails > max),
                        }
                    }
                },
                Step::GiveBack => {
                    if let Some(mails) = last.take() {
                        all.give_back(id, mails);
                        *sent.entry(hour).or_default() -= mails;
                    }
                }
                Step::Others(mails) => {
                    all.of_others(&[HourCount { workspace: id, hour, mails }]);
                    others.insert(hour, mails);
                }
                Step::Write => {
                    let rows = all.unwritten(100);
                    for row in &rows {
                        table.insert(row.hour, row.mails);
                    }
                    all.written(&rows);
                    prop_assert_eq!(all.unwritten(100), vec![]);
                    all.sweep(now);
                    for (one, mails) in &sent {
                        if *one > hour - 24 {
                            prop_assert_eq!(table.get(one).copied().unwrap_or(0), *mails);
                        }
                    }
                }
            }
            prop_assert_eq!(all.used(id, now).0, within(&sent, hour_of(now)) + within(&others, hour_of(now)));
        }
    }
}

#[test]
fn a_quota_of_its_own_goes_before_the_settings_and_none_is_no_limit() {
    let own = OwnQuotas::default();
    let all = MailCounts::new(3, own.clone());
    let (a, b) = (WorkspaceId::generate(), WorkspaceId::generate());
    let quotas = |mails| Quotas {
        mails_per_day: Some(mails),
        ..Quotas::default()
    };
    own.set(a, quotas(0));
    assert!(all.take(a, 1_000, START).is_ok() && all.take(b, 4, START).is_err());
    own.set(a, quotas(1_001));
    assert!(all.take(a, 1, START).is_ok() && all.take(a, 1, START).is_err());
    all.count(b, 10, START);
    assert_eq!(all.used(b, START), (10, Some(begin_of(472_222 + 24))));
    assert_eq!(all.used(WorkspaceId::generate(), START), (0, None));
}

#[test]
fn what_is_counted_while_it_is_written_is_written_the_next_time() {
    let (all, id) = (counts(10), WorkspaceId::generate());
    assert!(all.take(id, 2, START).is_ok());
    let rows = all.unwritten(10);
    assert!(all.take(id, 1, START).is_ok());
    all.written(&rows);
    let hour = hour_of(START);
    assert_eq!(
        all.unwritten(10),
        [HourCount {
            workspace: id,
            hour,
            mails: 3
        }]
    );
    all.sweep(START.plus(Duration::from_secs(24 * 3600)));
    assert_eq!(all.with(|days| days.len()), 0);
}
