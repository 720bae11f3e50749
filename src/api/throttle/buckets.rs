//! Token buckets, one a key.
//!
//! Guarantees: a key gets at most its burst at once, and over time at most its rate; a refused taking takes nothing; about
//! [`KEYS_MAX`] keys are kept, and while there are so many, all share one larger bucket; a clock that is set back holds
//! nobody up. What a taking leaves is told with the answer, but of buckets that strangers share.

use std::fmt;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};

use super::told::{self, Left};
use crate::clock::Clock;

/// Keys that are kept at once: about 10 MB of memory.
const KEYS_MAX: usize = 100_000;
/// How much larger than one key's the bucket is that all share while too many keys are kept.
const SHARED_FACTOR: u32 = 100;

/// How much of something there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// What it is called in answers.
    pub(super) name: &'static str,
    /// How much in a window, over time; 0 for no limit.
    pub(super) amount: u32,
    /// The window.
    pub(super) window: Duration,
    /// How much at once.
    pub(super) burst: u32,
}

impl Policy {
    /// So much in a window, and at once.
    pub(super) const fn new(name: &'static str, amount: u32, window: Duration) -> Self {
        Self {
            name,
            amount,
            window,
            burst: amount,
        }
    }

    /// The same, with so much at once.
    pub(super) const fn with_burst(self, burst: u32) -> Self {
        Self { burst, ..self }
    }
}

impl fmt::Display for Policy {
    /// The form of `RateLimit-Policy`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name, amount, window, ..
        } = self;
        write!(f, "\"{name}\";q={amount};w={}", window.as_secs())
    }
}

/// A taking that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Under which policy.
    pub(super) policy: Policy,
    /// When it may be tried again; none if it is more than the burst, and no wait will do.
    pub(super) wait: Option<Duration>,
}

/// Buckets under one policy.
pub(super) struct Buckets<K: Hash + Eq + Clone> {
    policy: Policy,
    /// Whether what is left is for everybody to see who takes.
    is_told: bool,
    /// None without a limit.
    limiters: Option<Limiters<K>>,
}

struct Limiters<K: Hash + Eq + Clone> {
    each: RateLimiter<K, HashMapStateStore<K>, Ticks, StateInformationMiddleware>,
    shared: RateLimiter<NotKeyed, InMemoryState, Ticks, StateInformationMiddleware>,
    ticks: Ticks,
    keys_max: usize,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// Full buckets.
    pub(super) fn new(policy: Policy, clock: &Clock) -> Self {
        Self::bounded(policy, clock, KEYS_MAX)
    }

    /// The same, of which at most so many are kept.
    pub(super) fn bounded(policy: Policy, clock: &Clock, keys_max: usize) -> Self {
        let ticks = Ticks::of(clock);
        let limiters = quota(policy, 1)
            .zip(quota(policy, SHARED_FACTOR))
            .map(|(each, shared)| Limiters {
                each: RateLimiter::hashmap_with_clock(each, ticks.clone()).with_middleware(),
                shared: RateLimiter::direct_with_clock(shared, ticks.clone()).with_middleware(),
                ticks,
                keys_max,
            });
        Self {
            policy,
            is_told: true,
            limiters,
        }
    }

    /// The same, of which is not told what is left: it would say what others do with the same key.
    pub(super) fn in_silence(self) -> Self {
        Self { is_told: false, ..self }
    }

    /// Takes `count` out of the bucket of `key`, or nothing.
    pub(super) fn take(&self, key: &K, count: u32) -> Result<(), Refusal> {
        let (Some(limiters), Some(count)) = (&self.limiters, NonZeroU32::new(count)) else {
            return Ok(());
        };
        let refused = |wait| Refusal {
            policy: self.policy,
            wait,
        };
        match limiters.take(key, count) {
            Ok(Ok(state)) => {
                if self.is_told {
                    told::note(Left::of(self.policy, state.remaining_burst_capacity()));
                }
                Ok(())
            }
            Ok(Err(not_until)) => Err(refused(Some(not_until.wait_time_from(limiters.ticks.now())))),
            Err(_more_than_the_burst) => Err(refused(None)),
        }
    }

    /// Lets go of the keys whose buckets are full.
    pub(super) fn sweep(&self) {
        if let Some(limiters) = &self.limiters {
            limiters.each.retain_recent();
            limiters.each.shrink_to_fit();
        }
    }

    /// How many keys are kept.
    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.limiters.as_ref().map_or(0, |limiters| limiters.each.len())
    }
}

type Taken = Result<Result<StateSnapshot, NotUntil<Nanos>>, governor::InsufficientCapacity>;

impl<K: Hash + Eq + Clone> Limiters<K> {
    fn take(&self, key: &K, count: NonZeroU32) -> Taken {
        if self.each.len() >= self.keys_max {
            self.shared.check_n(count)
        } else {
            self.each.check_key_n(key, count)
        }
    }
}

impl<K: Hash + Eq + Clone> fmt::Debug for Buckets<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Buckets").field(&self.policy).finish()
    }
}

/// The quota of `factor` buckets in one; none without a limit.
fn quota(policy: Policy, factor: u32) -> Option<Quota> {
    let amount = NonZeroU32::new(policy.amount.saturating_mul(factor))?;
    let burst = NonZeroU32::new(policy.burst.saturating_mul(factor)).unwrap_or(NonZeroU32::MIN);
    Some(Quota::with_period(policy.window / amount.get())?.allow_burst(burst))
}

/// Our clock as the limiter's, which must not go back: where the machine's clock is set back, time goes on from where it was.
#[derive(Clone, Debug)]
struct Ticks {
    clock: Clock,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug)]
struct Seen {
    /// The clock's latest time, in microseconds.
    latest: i64,
    /// How far it has been set back in all.
    set_back: i64,
}

impl Ticks {
    fn of(clock: &Clock) -> Self {
        let seen = Seen {
            latest: clock.now().as_micros(),
            set_back: 0,
        };
        Self {
            clock: clock.clone(),
            seen: Arc::new(Mutex::new(seen)),
        }
    }
}

impl governor::clock::Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let now = self.clock.now().as_micros();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.set_back = seen.set_back.saturating_add(seen.latest.saturating_sub(now).max(0));
        seen.latest = now;
        let micros = u64::try_from(now.saturating_add(seen.set_back)).unwrap_or(0);
        Nanos::new(micros.saturating_mul(1_000))
    }
}
