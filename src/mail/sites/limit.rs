//! How many mails at once a relay or a site is given, by how it bears them. Pure: the present is a parameter.
//!
//! Guarantees: never below 1 and never above `most`; an answer that asks for less halves it once for all that were under way
//! together; silence halves it each time, since each costs a connection for as long as a command may take; it grows by one
//! after as many successes as it allows, or by one with each while it was never halved; whoever bears not even one at a time
//! is left alone for a while, longer each time.

use std::time::Duration;

use tokio::time::Instant;

/// How long a site is left alone that is silent although it is given one mail at a time: the first time, and at most. Doubled
/// each time, so that of many silent sites each costs a connection for a small part of the time only.
const SILENT_REST: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));
/// From when on silence is worth a rest: a connection that is lost at once was not held.
const SILENT_FOR: Duration = Duration::from_secs(5);
/// The same for one that only ever asks for less.
const BUSY_REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// So often in a row it may ask for less, given one mail at a time, before it is left alone: a few are single mailboxes, or
/// greylisting.
const BUSY_MAX: usize = 8;

/// What an attempt to hand over a mail tells about whom it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It answered, and not that it is busy.
    Worked,
    /// It asked for less: 421, 450 or 451.
    Busy,
    /// It did not answer.
    Silent,
    /// Nothing.
    Nothing,
}

/// What a verdict changed that people are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is given less from now on, the first time since it had all.
    Slowed,
    /// It is given all again.
    Recovered,
    /// It is left alone for so long.
    Rests {
        /// How long.
        rest: Duration,
        /// Whether it was not left alone since it last took something.
        is_first: bool,
    },
}

/// What is known of one that is under way no more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// What [`Limit::begun`] answered.
    pub(super) round: u64,
    /// What it told.
    pub(super) verdict: Verdict,
    /// Whether that is certainly about this one.
    pub(super) is_sure: bool,
    /// How long it took.
    pub(super) lasted: Duration,
}

/// One relay's or site's limit, and what is under way within it.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    most: usize,
    now: usize,
    in_use: usize,
    /// Successes since the limit last changed.
    good: usize,
    /// How often in a row it asked for less while it was given one at a time.
    bad: usize,
    /// Whether each success is worth one more: it was never halved.
    is_quick: bool,
    /// Whether people were told that it is slowed.
    is_slowed: bool,
    /// Counts the halvings, so that what was under way at one is told apart.
    round: u64,
    rest: Duration,
    rests_until: Option<Instant>,
    /// When it last answered, or began to be used after nothing was under way.
    heard_at: Option<Instant>,
    /// Whether it ever answered, and since it was last left alone for its silence.
    has_answered: bool,
}

impl Limit {
    /// A limit of `first` that may grow to `most`; both at least 1.
    pub(super) fn new(first: usize, most: usize) -> Self {
        let most = most.max(1);
        Self {
            most,
            now: first.clamp(1, most),
            in_use: 0,
            good: 0,
            bad: 0,
            is_quick: true,
            is_slowed: false,
            round: 0,
            rest: Duration::ZERO,
            rests_until: None,
            heard_at: None,
            has_answered: false,
        }
    }

    /// How many it allows.
    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// How many are under way.
    pub(super) fn in_use(&self) -> usize {
        self.in_use
    }

    /// Whether it allows less than it once did.
    pub(super) fn is_slowed(&self) -> bool {
        self.is_slowed
    }

    /// Whether one more is allowed beside `reserved` that are kept for others.
    pub(super) fn has_room(&self, reserved: usize) -> bool {
        self.in_use.saturating_add(reserved) < self.now
    }

    /// Whether it is left alone at this time.
    pub(super) fn is_resting(&self, now: Instant) -> bool {
        !self.rests_for(now).is_zero()
    }

    /// For how long it is left alone from this time on.
    pub(super) fn rests_for(&self, now: Instant) -> Duration {
        self.rests_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// How long it has not answered although something is under way.
    pub(super) fn quiet(&self, now: Instant) -> Duration {
        match self.heard_at {
            Some(at) if self.in_use > 0 => now.saturating_duration_since(at),
            _ => Duration::ZERO,
        }
    }

    /// Whether it answered, ever and since it was last left alone for its silence.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Whether it answered later than this, at which something was begun that is still under way.
    pub(super) fn is_heard_after(&self, begun: Instant) -> bool {
        self.heard_at.is_some_and(|at| at > begun)
    }

    /// One more is under way. Answers what [`Limit::ended`] wants to know of it.
    pub(super) fn begun(&mut self, now: Instant) -> u64 {
        if self.in_use == 0 {
            self.heard_at = Some(now);
        }
        self.in_use = self.in_use.saturating_add(1);
        self.round
    }

    /// One is under way no more.
    pub(super) fn ended(&mut self, ended: Ended, now: Instant) -> Option<Change> {
        self.in_use = self.in_use.saturating_sub(1);
        if matches!(ended.verdict, Verdict::Worked | Verdict::Busy) {
            self.heard_at = Some(now);
            self.has_answered = true;
        }
        let is_earlier = ended.round < self.round;
        match ended.verdict {
            Verdict::Nothing => None,
            Verdict::Worked => self.worked(),
            Verdict::Busy if is_earlier => None,
            Verdict::Silent | Verdict::Busy if self.now > 1 => self.halve(),
            // Those that were under way when it came down to one say nothing about one at a time.
            Verdict::Silent if is_earlier || !ended.is_sure || ended.lasted < SILENT_FOR => None,
            Verdict::Silent => {
                self.has_answered = false;
                Some(self.rest(SILENT_REST, now))
            }
            Verdict::Busy => {
                self.bad = self.bad.saturating_add(1);
                (ended.is_sure && self.bad >= BUSY_MAX).then(|| self.rest(BUSY_REST, now))
            }
        }
    }

    fn worked(&mut self) -> Option<Change> {
        self.bad = 0;
        self.rest = Duration::ZERO;
        self.rests_until = None;
        self.good = self.good.saturating_add(1);
        if self.now < self.most && (self.is_quick || self.good >= self.now) {
            self.now = self.now.saturating_add(1);
            self.good = 0;
        }
        (self.now == self.most && std::mem::take(&mut self.is_slowed)).then_some(Change::Recovered)
    }

    fn halve(&mut self) -> Option<Change> {
        self.round = self.round.saturating_add(1);
        self.good = 0;
        self.is_quick = false;
        self.now = (self.now / 2).max(1);
        (!std::mem::replace(&mut self.is_slowed, true)).then_some(Change::Slowed)
    }

    fn rest(&mut self, (first, most): (Duration, Duration), now: Instant) -> Change {
        let is_first = self.rest.is_zero();
        self.rest = self.rest.saturating_mul(2).clamp(first, most);
        self.rests_until = now.checked_add(self.rest);
        // One of a limit of one was never halved.
        self.is_slowed = true;
        self.is_quick = false;
        Change::Rests {
            rest: self.rest,
            is_first,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(limit: &mut Limit, verdict: Verdict, now: Instant) -> Option<Change> {
        let round = limit.begun(now);
        limit.ended(told(round, verdict), now)
    }

    fn told(round: u64, verdict: Verdict) -> Ended {
        Ended {
            round,
            verdict,
            is_sure: true,
            lasted: SILENT_FOR,
        }
    }

    #[test]
    fn those_under_way_together_halve_it_once_when_busy_and_each_when_silent() {
        let now = Instant::now();
        for (verdict, left) in [(Verdict::Busy, 8), (Verdict::Silent, 1)] {
            let mut limit = Limit::new(16, 16);
            let rounds: Vec<u64> = (0..16).map(|_| limit.begun(now)).collect();
            let changes: Vec<_> = rounds
                .into_iter()
                .flat_map(|round| limit.ended(told(round, verdict), now))
                .collect();
            assert_eq!((limit.now(), changes), (left, vec![Change::Slowed]), "{verdict:?}");
        }
    }

    #[test]
    fn it_grows_quickly_until_it_was_halved_and_slowly_then() {
        let now = Instant::now();
        let mut limit = Limit::new(2, 8);
        for allowed in [3, 4, 5, 6, 7, 8, 8] {
            assert_eq!(one(&mut limit, Verdict::Worked, now), None);
            assert_eq!(limit.now(), allowed);
        }
        assert_eq!(one(&mut limit, Verdict::Busy, now), Some(Change::Slowed));
        for allowed in [4, 4, 4, 5, 5, 5, 5, 5, 6] {
            assert_eq!(one(&mut limit, Verdict::Worked, now), None);
            assert_eq!(limit.now(), allowed);
        }
        let recovered = (0..13).find_map(|_| one(&mut limit, Verdict::Worked, now));
        assert_eq!((recovered, limit.now()), (Some(Change::Recovered), 8));
    }

    fn rest(change: Option<Change>) -> (u64, bool) {
        match change {
            Some(Change::Rests { rest, is_first }) => (rest.as_secs(), is_first),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_site_that_stays_silent_rests_longer_each_time_until_it_takes_something() {
        let now = Instant::now();
        let mut limit = Limit::new(2, 8);
        assert_eq!(one(&mut limit, Verdict::Silent, now), Some(Change::Slowed));
        for seconds in [30, 60, 120, 240, 480, 600, 600] {
            let change = one(&mut limit, Verdict::Silent, now);
            assert_eq!(rest(change), (seconds, seconds == 30));
            let rest = Duration::from_secs(seconds);
            assert!(limit.is_resting(now + rest - Duration::from_millis(1)) && !limit.is_resting(now + rest));
        }
        one(&mut limit, Verdict::Worked, now);
        assert!(!limit.is_resting(now));
        one(&mut limit, Verdict::Silent, now);
        assert_eq!(rest(one(&mut limit, Verdict::Silent, now)), (30, true));
    }

    #[test]
    fn a_connection_that_is_lost_at_once_is_no_reason_to_rest() {
        let now = Instant::now();
        let mut limit = Limit::new(1, 1);
        for (is_sure, lasted) in [(true, SILENT_FOR - Duration::from_millis(1)), (false, SILENT_FOR)] {
            let round = limit.begun(now);
            let ended = Ended {
                is_sure,
                lasted,
                ..told(round, Verdict::Silent)
            };
            assert_eq!(limit.ended(ended, now), None);
        }
    }

    #[test]
    fn a_site_that_only_ever_asks_for_less_rests_after_some_times_and_one_that_takes_some_does_not() {
        let now = Instant::now();
        let mut limit = Limit::new(1, 1);
        let busy = |limit: &mut Limit| one(limit, Verdict::Busy, now);
        for _ in 0..3 {
            assert!((1..BUSY_MAX).all(|_| busy(&mut limit).is_none()));
            assert_eq!(one(&mut limit, Verdict::Worked, now), None);
        }
        assert!((1..BUSY_MAX).all(|_| busy(&mut limit).is_none()));
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(rest(busy(&mut limit)), (seconds, seconds == 1));
        }
        assert_eq!(one(&mut limit, Verdict::Worked, now), Some(Change::Recovered));
    }

    proptest! {
        #[test]
        fn it_stays_between_one_and_the_most_and_tells_of_each_slowing_once(
            first in 0_usize..20,
            most in 0_usize..20,
            steps in prop::collection::vec((0_u8..6, 0_usize..20), 0..200),
        ) {
            let now = Instant::now();
            let mut limit = Limit::new(first, most);
            let mut under_way = Vec::new();
            let mut is_slowed = false;
            for (step, which) in steps {
                let verdict = match step {
                    0 | 1 => {
                        if limit.has_room(0) {
                            under_way.push(limit.begun(now));
                        }
                        continue;
                    }
                    2 => Verdict::Worked,
                    3 => Verdict::Busy,
                    4 => Verdict::Silent,
                    _ => Verdict::Nothing,
                };
                if under_way.is_empty() {
                    continue;
                }
                let round = under_way.swap_remove(which % under_way.len());
                let before = limit.now();
                match limit.ended(told(round, verdict), now) {
                    Some(Change::Slowed) => prop_assert!(!std::mem::replace(&mut is_slowed, true)),
                    Some(Change::Recovered) => prop_assert!(std::mem::replace(&mut is_slowed, false)),
                    Some(Change::Rests { .. }) => {
                        prop_assert_eq!(limit.now(), 1);
                        is_slowed = true;
                    }
                    None => {}
                }
                prop_assert!((1..=most.max(1)).contains(&limit.now()));
                prop_assert!(limit.now() <= before + 1);
                prop_assert_eq!(limit.in_use(), under_way.len());
                prop_assert_eq!(limit.is_slowed(), is_slowed);
            }
        }
    }
}
