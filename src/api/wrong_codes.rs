//! How often a wrong code of a second factor may be shown, so that six digits cannot be guessed.
//!
//! Guarantees: of the codes that are shown for one account at most [`IN_A_WHILE`] in five minutes and [`IN_A_DAY`] in a day may be
//! wrong, however many come at once: a code is counted before it is looked at, and given back if it is right. What is kept is
//! bounded.
//!
//! A code of the app is one of a million, and three are good at a time. So whoever has the password guesses one with a chance of
//! 3 in a million at each try: 6 in 100,000 in a day, 1 in 45 in a year of trying without rest, all of which stands in the
//! security log. Only they can use the count up, since the password is looked at first; the owner then comes in by a recovery
//! code, which cannot be guessed and is not counted.
//!
//! Left out: sharing the counts between processes. Each has its own, and they start at nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::http::Problem;
use super::throttle::with_text;
use crate::clock::Timestamp;
use crate::domain::id::AccountId;

/// Wrong codes in [`WHILE`].
const IN_A_WHILE: usize = 5;
/// A while.
const WHILE: Duration = Duration::from_secs(300);
/// Wrong codes in [`DAY`].
const IN_A_DAY: usize = 20;
/// A day.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Accounts that are kept at once; beyond it a code is refused until some are a day old.
const ACCOUNTS_MAX: usize = 50_000;

/// Codes that were wrong, or are being looked at; see the module.
#[derive(Debug, Default)]
pub struct WrongCodes(Mutex<HashMap<AccountId, Vec<Timestamp>>>);

/// A code that is being looked at.
#[must_use = "a code that is right must be given back"]
pub(super) struct Guess {
    account: AccountId,
    at: Timestamp,
}

impl WrongCodes {
    /// Counts a code as wrong until it is found to be right.
    ///
    /// # Errors
    /// 429 if there were too many.
    pub(super) fn guess(&self, account: AccountId, now: Timestamp) -> Result<Guess, Problem> {
        let mut all = self.lock();
        if all.len() >= ACCOUNTS_MAX && !all.contains_key(&account) {
            all.retain(|_, shown| shown.iter().any(|at| is_within(*at, now, DAY)));
            if all.len() >= ACCOUNTS_MAX {
                return Err(refused(IN_A_WHILE, WHILE, WHILE));
            }
        }
        let shown = all.entry(account).or_default();
        shown.retain(|at| is_within(*at, now, DAY));
        for (most, window) in [(IN_A_DAY, DAY), (IN_A_WHILE, WHILE)] {
            // The newest stand last.
            let blocks = shown.len().checked_sub(most).and_then(|index| shown.get(index));
            if let Some(oldest) = blocks.filter(|at| is_within(**at, now, window)) {
                return Err(refused(most, window, oldest.plus(window).since(now)));
            }
        }
        shown.push(now);
        Ok(Guess { account, at: now })
    }

    /// Gives a code back that was right.
    pub(super) fn was_right(&self, guess: &Guess) {
        let mut all = self.lock();
        if let Some(shown) = all.get_mut(&guess.account) {
            if let Some(index) = shown.iter().position(|at| *at == guess.at) {
                shown.remove(index);
            }
            if shown.is_empty() {
                all.remove(&guess.account);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Vec<Timestamp>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it was so lately. What lies ahead, since the clock was set back, counts as now.
fn is_within(at: Timestamp, now: Timestamp, window: Duration) -> bool {
    now < at.plus(window)
}

fn refused(most: usize, window: Duration, wait: Duration) -> Problem {
    let problem = Problem::too_many_requests(
        "too many wrong codes were shown for this account; a recovery code is taken",
        wait,
    );
    let seconds = wait.as_secs().max(1);
    let problem = with_text(
        problem,
        "ratelimit-policy",
        &format!("\"codes\";q={most};w={}", window.as_secs()),
    );
    with_text(problem, "ratelimit", &format!("\"codes\";r=0;t={seconds}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn five_wrong_codes_in_five_minutes_and_twenty_in_a_day_are_looked_at_and_no_more() {
        let (codes, account) = (WrongCodes::default(), AccountId::generate());
        let looked_at: Vec<u64> = (0..24 * 3600)
            .step_by(10)
            .filter(|second| codes.guess(account, at(*second)).is_ok())
            .collect();
        assert_eq!(looked_at[..6], [0, 10, 20, 30, 40, 300]);
        assert_eq!(looked_at.len(), 20);
        assert!(codes.guess(account, at(24 * 3600)).is_ok(), "the first is a day old");
        assert!(codes.guess(account, at(24 * 3600)).is_err());
    }

    #[test]
    fn right_codes_are_not_counted_and_accounts_do_not_share() {
        let (codes, account) = (WrongCodes::default(), AccountId::generate());
        for _ in 0..100 {
            let guess = codes.guess(account, at(0)).unwrap();
            codes.was_right(&guess);
        }
        for _ in 0..5 {
            let _wrong = codes.guess(account, at(1)).unwrap();
        }
        let Err(problem) = codes.guess(account, at(2)) else {
            panic!("a sixth was looked at")
        };
        assert_eq!(problem.slug().as_str(), "too-many-requests");
        assert!(codes.guess(AccountId::generate(), at(2)).is_ok());
        assert!(codes.guess(account, at(301)).is_ok());
    }
}
