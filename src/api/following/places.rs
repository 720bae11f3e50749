//! The places for streams that follow jobs, each of which holds a connection for as long as its client likes.
//!
//! Guarantees: an account holds at most [`JobStreams::OF_ACCOUNT_MAX`] of them, so that nobody takes them all; a place is
//! free again when the stream ends, however it does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::api::http::Problem;
use crate::api::throttle::with_text;
use crate::domain::id::AccountId;

/// When to try again after all places were taken.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The places; clones share them.
#[derive(Clone, Debug, Default)]
pub struct JobStreams(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<AccountId, usize>,
}

impl JobStreams {
    /// How many streams may be open at once: a quarter of the connections that the service takes by default.
    pub const OPEN_MAX: usize = 256;
    /// How many of them one account may have: a few pages, each of which a browser may open six times.
    pub const OF_ACCOUNT_MAX: usize = 16;

    /// A place, for as long as it lives.
    ///
    /// # Errors
    /// 429 if the account has as many as it may, 503 if all are taken.
    pub(super) fn enter(&self, account: AccountId) -> Result<Place, Problem> {
        let mut taken = self.taken();
        if taken.all >= Self::OPEN_MAX {
            return Err(Problem::unavailable("too many streams of events are open", RETRY_AFTER));
        }
        let own = taken.by.entry(account).or_default();
        if *own >= Self::OF_ACCOUNT_MAX {
            let problem = Problem::too_many_requests("this account has as many streams open as it may", RETRY_AFTER);
            let policy = format!("\"event_streams\";q={}", Self::OF_ACCOUNT_MAX);
            let problem = with_text(problem, "ratelimit-policy", &policy);
            return Err(with_text(problem, "ratelimit", "\"event_streams\";r=0;t=10"));
        }
        *own += 1;
        taken.all += 1;
        Ok(Place {
            streams: self.clone(),
            account,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place for a stream, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    streams: JobStreams,
    account: AccountId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.streams.taken();
        taken.all -= 1;
        if let Some(own) = taken.by.get_mut(&self.account) {
            *own -= 1;
            if *own == 0 {
                taken.by.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_few_places_and_all_have_more_and_each_is_given_back() {
        let streams = JobStreams::default();
        let greedy = AccountId::generate();
        let mut places: Vec<Place> = (0..JobStreams::OF_ACCOUNT_MAX)
            .map(|_| streams.enter(greedy).unwrap())
            .collect();
        assert_eq!(streams.enter(greedy).unwrap_err().slug().as_str(), "too-many-requests");
        while places.len() < JobStreams::OPEN_MAX {
            places.push(streams.enter(AccountId::generate()).unwrap());
        }
        let full = streams.enter(AccountId::generate()).unwrap_err();
        assert_eq!(full.slug().as_str(), "unavailable");
        drop(places);
        streams.enter(greedy).unwrap();
        assert!(streams.taken().by.is_empty() && streams.taken().all == 0);
    }
}
