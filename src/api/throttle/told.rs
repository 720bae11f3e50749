//! What is left of a client's limits, told with the answers before it is all gone.
//!
//! Guarantees: an answer names one limit: that of which, of all that its request took from, the smallest part is left. It costs a
//! request two numbers, and nothing where it takes of no limit.
//!
//! The headers are those of the IETF's draft "RateLimit header fields for HTTP" (draft 10 and later). `t` is the time within
//! which one more comes back. Takings are made far from where answers are, so they are noted with the task of the request.

use std::cell::Cell;
use std::time::Duration;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;

use super::buckets::Policy;
use super::whole_seconds;
use crate::api::http::{RATE_LIMIT, RATE_LIMIT_POLICY};

tokio::task_local! {
    /// The limit of which this request left the least.
    static LEAST: Cell<Option<Left>>;
}

/// What a taking left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    policy: Policy,
    /// How much there may still be at once.
    rest: u32,
}

impl Left {
    pub(super) fn of(policy: Policy, rest: u32) -> Self {
        // A bucket that all share is larger than what one may have of it.
        let rest = rest.min(policy.burst);
        Self { policy, rest }
    }

    /// Whether there is a smaller part left than of the other.
    fn is_nearer_to_none(&self, other: &Self) -> bool {
        let part = |one: &Self, of: &Self| u64::from(one.rest).saturating_mul(u64::from(of.policy.burst));
        part(self, other) < part(other, self)
    }

    fn write(self, headers: &mut HeaderMap) {
        let Self { policy, rest } = self;
        let one_more = policy.window.checked_div(policy.amount).unwrap_or(Duration::ZERO);
        let mut set = |name: HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        set(RATE_LIMIT_POLICY, &policy.to_string());
        set(
            RATE_LIMIT,
            &format!("\"{}\";r={rest};t={}", policy.name, whole_seconds(one_more)),
        );
    }
}

/// Notes what a taking left, for the answer of the request that is at work; outside of one, as for a schedule, for nobody.
pub(super) fn note(left: Left) {
    let noted = LEAST.try_with(|least| {
        if least.get().is_none_or(|other| left.is_nearer_to_none(&other)) {
            least.set(Some(left));
        }
    });
    noted.unwrap_or_default();
}

/// The middleware around all routes: adds what is left to each answer that does not say already that nothing is.
///
/// # Errors
/// What an inner service could not answer.
pub(in crate::api) async fn tell(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let work = async {
        let mut answer = next.call(request).await?;
        let left = LEAST.try_with(Cell::get).ok().flatten();
        if let Some(left) = left.filter(|_| !answer.headers().contains_key(RATE_LIMIT)) {
            left.write(answer.headers_mut());
        }
        Ok(answer)
    };
    LEAST.scope(Cell::new(None), work).await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn left(amount: u32, burst: u32, rest: u32) -> Left {
        let policy = Policy::new("test", amount, Duration::from_secs(60)).with_burst(burst);
        Left::of(policy, rest)
    }

    #[test]
    fn the_one_that_is_nearest_to_empty_is_told() {
        let told = |all: &[Left]| {
            LEAST.sync_scope(Cell::new(None), || {
                all.iter().for_each(|left| note(*left));
                LEAST.with(Cell::get)
            })
        };
        let (half, tenth, none) = (left(10, 10, 5), left(1_000, 1_000, 100), left(3, 3, 0));
        assert_eq!(told(&[]), None);
        for all in [[half, tenth, none], [none, half, tenth], [tenth, none, half]] {
            assert_eq!(told(&all), Some(none));
        }
        assert_eq!(told(&[half, tenth]), Some(tenth));
        note(half);
    }

    proptest! {
        #[test]
        fn what_is_told_is_what_a_structured_field_may_hold(
            amount in 1..=10_000_000_u32, burst in 1..=10_000_000_u32, rest in any::<u32>(),
        ) {
            let mut headers = HeaderMap::new();
            left(amount, burst, rest).write(&mut headers);
            let text = headers.get(RATE_LIMIT).unwrap().to_str().unwrap().to_owned();
            let expected = format!("\"test\";r={};t=", rest.min(burst));
            prop_assert!(text.starts_with(&expected), "{text}");
            let seconds: u64 = text.rsplit_once('=').unwrap().1.parse().unwrap();
            prop_assert!((1..=60).contains(&seconds));
            prop_assert_eq!(headers.get(RATE_LIMIT_POLICY).unwrap(), &format!("\"test\";q={amount};w=60"));
        }
    }
}
