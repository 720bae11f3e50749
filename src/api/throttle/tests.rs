//! Buckets and counts alone, by a clock that the test moves.

use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn policy(amount: u32, burst: u32) -> Policy {
    Policy {
        name: "test",
        amount,
        window: MINUTE,
        burst,
    }
}

proptest! {
    #[test]
    fn no_key_ever_gets_more_than_its_burst_and_its_rate(
        amount in 1_u32..200,
        burst in 1_u32..50,
        takings in prop::collection::vec((0_u64..5_000, 1_u32..60), 1..200),
    ) {
        let clock = Clock::manual(NOW);
        let buckets = Buckets::new(policy(amount, burst), &clock);
        let mut taken = 0_u32;
        for (wait_ms, count) in takings {
            clock.advance(Duration::from_millis(wait_ms));
            let before = taken;
            match buckets.take(&1, count) {
                Ok(()) => taken += count,
                Err(Refusal { wait: None, .. }) => prop_assert!(count > burst),
                Err(Refusal { wait: Some(wait), .. }) => {
                    prop_assert!(count <= burst && !wait.is_zero());
                    // The wait that is told is long enough, and a refusal takes nothing.
                    clock.advance(wait + Duration::from_micros(1));
                    prop_assert!(buckets.take(&1, count).is_ok());
                    taken += count;
                }
            }
            let gone = clock.now().since(NOW).as_secs_f64();
            let most = f64::from(burst) + gone * f64::from(amount) / 60.0 + 1.0;
            prop_assert!(f64::from(taken) <= most, "{taken} after {gone} s, {before} before");
        }
    }
}

#[test]
fn a_limit_of_nothing_is_no_limit() {
    let buckets = Buckets::new(policy(0, 1), &Clock::manual(NOW));
    for _ in 0..1_000 {
        assert_eq!(buckets.take(&1, u32::MAX), Ok(()));
    }
}

#[test]
fn keys_do_not_share_until_there_are_too_many_and_then_share_what_is_bounded() {
    let clock = Clock::manual(NOW);
    let buckets = Buckets::bounded(policy(1, 1), &clock, 10);
    for key in 0..9 {
        assert_eq!(buckets.take(&key, 1), Ok(()));
        assert!(buckets.take(&key, 1).is_err());
    }
    assert_eq!(buckets.take(&9, 1), Ok(()));
    let shared = (10..1_000).filter(|key| buckets.take(key, 1).is_ok()).count();
    assert_eq!((shared, buckets.keys()), (100, 10));
    clock.advance(Duration::from_secs(121));
    buckets.sweep();
    assert_eq!(buckets.keys(), 0, "full buckets are let go");
    assert_eq!(buckets.take(&2_000, 1), Ok(()));
}

#[test]
fn a_clock_that_is_set_back_by_an_hour_holds_nobody_up() {
    let micros = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(NOW.as_micros()));
    let clock = Clock::Manual(std::sync::Arc::clone(&micros));
    let buckets = Buckets::new(policy(60, 1), &clock);
    assert_eq!(buckets.take(&1, 1), Ok(()));
    micros.fetch_sub(3_600_000_000, std::sync::atomic::Ordering::SeqCst);
    let refusal = buckets.take(&1, 1).unwrap_err();
    assert!(refusal.wait.unwrap() <= Duration::from_secs(1), "{refusal:?}");
    clock.advance(Duration::from_secs(1));
    assert_eq!(buckets.take(&1, 1), Ok(()));
}

#[test]
fn an_ipv6_client_cannot_walk_through_its_own_network() {
    let of = |text: &str| Network::of(text.parse().unwrap());
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff:1:2:3"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
}

#[test]
fn the_surroundings_of_a_network_are_what_nobody_has_many_of() {
    let of = |text: &str| Network::of(text.parse().unwrap()).surroundings();
    assert_eq!(of("192.0.2.1"), of("192.0.200.7"));
    assert_ne!(of("192.0.2.1"), of("192.1.2.1"));
    assert_eq!(of("2001:db8:1::1"), of("2001:db8:ffff:2::1"));
    assert_ne!(of("2001:db8::1"), of("2001:db9::1"));
}
