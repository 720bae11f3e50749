//! How many mails at once a relay or a site is given, by how it bears them. Pure: the present is a parameter.
//!
//! Guarantees: never below 1 and never above `most`; an answer that asks for less halves it once for all that were under way
//! together; silence halves it each time, since each costs a connection for as long as a command may take; it grows by one
//! after as many successes as it allows, or by one with each while it was never halved.

use std::time::Duration;

use tokio::time::Instant;

/// How long a site that is silent although it is given one mail at a time is left alone: the first time, and at most. Doubled
/// each time, so that of many silent sites each costs a connection for a small part of the time only.
const REST_FIRST: Duration = Duration::from_secs(30);
const REST_MOST: Duration = Duration::from_secs(600);

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
    Rests(Duration),
}

/// One relay's or site's limit, and what is under way within it.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    most: usize,
    now: usize,
    in_use: usize,
    /// Successes since the limit last changed.
    good: usize,
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
            is_quick: true,
            is_slowed: false,
            round: 0,
            rest: Duration::ZERO,
            rests_until: None,
            heard_at: None,
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
        self.rests_until.is_some_and(|until| now < until)
    }

    /// How long it has not answered although something is under way.
    pub(super) fn quiet(&self, now: Instant) -> Duration {
        match self.heard_at {
            Some(at) if self.in_use > 0 => now.saturating_duration_since(at),
            _ => Duration::ZERO,
        }
    }

    /// One more is under way. Answers what [`Limit::ended`] wants to know of it.
    pub(super) fn begun(&mut self, now: Instant) -> u64 {
        if self.in_use == 0 {
            self.heard_at = Some(now);
        }
        self.in_use = self.in_use.saturating_add(1);
        self.round
    }

    /// One that began in this round is under way no more. `may_rest` says whether silence is certainly this one's.
    pub(super) fn ended(&mut self, round: u64, verdict: Verdict, may_rest: bool, now: Instant) -> Option<Change> {
        self.in_use = self.in_use.saturating_sub(1);
        if matches!(verdict, Verdict::Worked | Verdict::Busy) {
            self.heard_at = Some(now);
            self.rest = Duration::ZERO;
            self.rests_until = None;
        }
        match verdict {
            Verdict::Nothing => None,
            Verdict::Worked => self.worked(),
            Verdict::Busy if round < self.round => None,
            Verdict::Busy => self.halve(),
            Verdict::Silent if self.now > 1 => self.halve(),
            // Those that were under way when it came down to one say nothing about one at a time.
            Verdict::Silent if round < self.round || !may_rest => None,
            Verdict::Silent => {
                self.rest = self.rest.saturating_mul(2).clamp(REST_FIRST, REST_MOST);
                self.rests_until = now.checked_add(self.rest);
                // Those of a limit of one from the start.
                self.is_slowed = true;
                Some(Change::Rests(self.rest))
            }
        }
    }

    fn worked(&mut self) -> Option<Change> {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(limit: &mut Limit, verdict: Verdict, now: Instant) -> Option<Change> {
        let round = limit.begun(now);
        limit.ended(round, verdict, true, now)
    }

    #[test]
    fn those_under_way_together_halve_it_once_when_busy_and_each_when_silent() {
        let now = Instant::now();
        for (verdict, left) in [(Verdict::Busy, 8), (Verdict::Silent, 1)] {
            let mut limit = Limit::new(16, 16);
            let rounds: Vec<u64> = (0..16).map(|_| limit.begun(now)).collect();
            let changes: Vec<_> = rounds
                .into_iter()
                .flat_map(|round| limit.ended(round, verdict, true, now))
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

    #[test]
    fn a_site_that_stays_silent_rests_longer_each_time_and_an_answer_ends_that() {
        let now = Instant::now();
        let mut limit = Limit::new(2, 8);
        assert_eq!(one(&mut limit, Verdict::Silent, now), Some(Change::Slowed));
        for seconds in [30, 60, 120, 240, 480, 600, 600] {
            let rest = Duration::from_secs(seconds);
            assert_eq!(one(&mut limit, Verdict::Silent, now), Some(Change::Rests(rest)));
            assert!(limit.is_resting(now + rest - Duration::from_millis(1)) && !limit.is_resting(now + rest));
        }
        one(&mut limit, Verdict::Busy, now);
        assert!(!limit.is_resting(now));
        assert_eq!(
            one(&mut limit, Verdict::Silent, now),
            Some(Change::Rests(Duration::from_secs(30)))
        );
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
                match limit.ended(round, verdict, true, now) {
                    Some(Change::Slowed) => prop_assert!(!std::mem::replace(&mut is_slowed, true)),
                    Some(Change::Recovered) => prop_assert!(std::mem::replace(&mut is_slowed, false)),
                    Some(Change::Rests(_)) => {
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
