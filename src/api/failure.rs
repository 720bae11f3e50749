//! What a client is told when a part of the service fails.
//!
//! Guarantees: only what may well succeed a little later is a 503, with `Retry-After`; all else is a 500; the cause goes to
//! the log once, and none of it to the client.

use std::time::Duration;

use super::http::Problem;
use crate::domain::password::PasswordHashError;
use crate::domain::token::EntropyError;
use crate::store::{Abort, StoreError};

/// When to try again after the database was busy: its own waits are at most a few seconds.
const RETRY_AFTER: Duration = Duration::from_secs(2);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            Self::unavailable("the database cannot serve this now", RETRY_AFTER).with_cause(error)
        } else {
            Self::internal(error)
        }
    }
}

impl From<EntropyError> for Problem {
    fn from(error: EntropyError) -> Self {
        Self::internal(error)
    }
}

impl From<PasswordHashError> for Problem {
    fn from(error: PasswordHashError) -> Self {
        Self::internal(error)
    }
}

/// For `map_err` after a write: a refusal becomes what `told` makes of it, a failure what it always becomes.
pub(super) fn or_refused<E>(told: impl FnOnce(E) -> Problem) -> impl FnOnce(Abort<E>) -> Problem {
    move |abort| match abort {
        Abort::Refused(refusal) => told(refusal),
        Abort::Store(error) => error.into(),
    }
}
