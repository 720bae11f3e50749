//! Logins and what strangers can do to them, by a clock that the test moves.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use actix_web::ResponseError as _;
use actix_web::http::header;
use proptest::prelude::*;

use super::*;
use crate::api::client::Client;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::domain::email::EmailAddress;
use crate::domain::id::DeviceId;
use crate::jobs::{DepthLimits, MailCounts, OwnQuotas};

struct Door {
    throttle: Throttle,
    clock: Clock,
}

impl Door {
    fn with(variables: &[(&str, &str)]) -> Self {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let limits = Config::from_parts(None, variables).unwrap().limits;
        let clock = Clock::manual(Timestamp::from_micros(1_700_000_000_000_000));
        let depths = Depths::new(&DepthLimits {
            queues: Vec::new(),
            workspace: 0,
            own: OwnQuotas::default(),
            is_alone: true,
        });
        let mail_counts = MailCounts::new(0, OwnQuotas::default());
        Self {
            throttle: Throttle::new(&limits, &depths, &mail_counts, &clock),
            clock,
        }
    }

    /// Tries a login; in how many seconds to come back if it may not be tried.
    fn login(&self, email: &str, from: &Client, device: Option<DeviceId>) -> Result<(), u64> {
        let taken = self.throttle.take_login(&address(email), from, device);
        taken.map_err(|problem| {
            let answer = problem.error_response();
            let seconds = answer.headers().get(header::RETRY_AFTER).unwrap().to_str().unwrap();
            seconds.parse().unwrap()
        })
    }
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn from(address: impl Into<IpAddr>) -> Client {
    Client {
        address: Some(address.into()),
        user_agent: None,
    }
}

/// One of many networks, in two neighbourhoods.
fn stranger(number: u32) -> Client {
    from(Ipv4Addr::from(
        u32::from(Ipv4Addr::new(198, 18, 0, 0)) + number * 113 % (2 << 16),
    ))
}

#[test]
fn ten_thousand_wrong_logins_from_a_thousand_networks_lock_nobody_out() {
    // The same for an address that has an account and for one that has none: nothing here knows.
    for email in ["ada@example.org", "nobody@example.org"] {
        let door = Door::with(&[]);
        let (own, home) = (DeviceId::generate(), Ipv4Addr::new(192, 0, 2, 1));
        let tries = (0..10_000).filter(|number| door.login(email, &stranger(number % 1_000), None).is_ok());
        assert_eq!(
            tries.count(),
            30 + 2,
            "those of a minute, and one to spare of each neighbourhood"
        );

        assert_eq!(door.login(email, &from(home), Some(own)), Ok(()), "the owner's device");
        assert_eq!(door.login(email, &stranger(1), Some(own)), Ok(()), "wherever it is");
        assert_eq!(
            door.login("bob@example.org", &stranger(1), None),
            Ok(()),
            "another address"
        );
        assert_eq!(
            door.login(email, &from(home), None),
            Ok(()),
            "a new device from elsewhere"
        );
        assert_eq!(door.login(email, &from(home), None), Err(2), "which is slowed then");
        let nearby = door.login(email, &stranger(1_000), None);
        assert_eq!(nearby, Err(2), "and so is one from among the strangers, by as little");
        door.clock.advance(Duration::from_secs(2));
        assert_eq!(door.login(email, &from(home), None), Ok(()));
    }
}

#[test]
fn a_device_has_as_many_tries_as_a_network_and_no_more() {
    let door = Door::with(&[("LEGWORK_LIMITS__LOGINS_PER_MINUTE", "3")]);
    let (device, other) = (DeviceId::generate(), DeviceId::generate());
    let here = || from(Ipv4Addr::new(192, 0, 2, 1));
    for _ in 0..3 {
        assert_eq!(door.login("ada@example.org", &here(), Some(device)), Ok(()));
    }
    assert_eq!(door.login("ada@example.org", &here(), Some(device)), Err(20));
    assert_eq!(door.login("ada@example.org", &here(), Some(other)), Ok(()));
    assert_eq!(door.login("ada@example.org", &here(), None), Ok(()));
    assert_eq!(door.login("bob@example.org", &here(), Some(device)), Ok(()));
}

#[test]
fn each_limit_can_be_turned_off() {
    let door = Door::with(&[
        ("LEGWORK_LIMITS__LOGINS_PER_MINUTE", "0"),
        ("LEGWORK_LIMITS__LOGINS_PER_MINUTE_ADDRESS", "0"),
        ("LEGWORK_LIMITS__RESETS_PER_HOUR", "0"),
        ("LEGWORK_LIMITS__RESETS_PER_HOUR_NETWORK", "0"),
        ("LEGWORK_LIMITS__RESETS_PER_HOUR_ADDRESS", "0"),
        ("LEGWORK_LIMITS__REGISTRATIONS_PER_HOUR", "0"),
        ("LEGWORK_LIMITS__REGISTRATIONS_PER_HOUR_ADDRESS", "0"),
        ("LEGWORK_LIMITS__REFUSALS_KEPT_PER_MINUTE", "0"),
    ]);
    let (ada, client) = (address("ada@example.org"), stranger(1));
    for _ in 0..200 {
        door.throttle.take_login(&ada, &client, None).unwrap();
        door.throttle.take_reset(&ada, &client).unwrap();
        door.throttle.take_registration(&ada, &client).unwrap();
        assert!(door.throttle.keeps_refusal());
    }
}

#[test]
fn links_for_one_address_are_few_and_one_is_always_newer_than_the_last_is_old() {
    let door = Door::with(&[]);
    let (ada, mut mailed) = (address("ada@example.org"), Vec::new());
    for second in 0..4 * 3600_u32 {
        let client = stranger(second);
        if second % 10 == 0 && door.throttle.take_reset(&ada, &client).is_ok() {
            mailed.push(second);
        }
        door.clock.advance(Duration::from_secs(1));
    }
    assert!(mailed.len() <= 20 * 5, "{mailed:?}");
    let longest = mailed.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest <= 610, "a link is good for ten minutes: {longest} s");
}

#[test]
fn one_network_cannot_have_links_and_welcomes_mailed_without_end() {
    let door = Door::with(&[]);
    let client = stranger(1);
    let asked = |number: u32| address(&format!("a{number}@example.org"));
    let links = (0..100).filter(|number| door.throttle.take_reset(&asked(*number), &client).is_ok());
    assert_eq!(links.count(), 20);
    let to_one = (0..100).filter(|_| door.throttle.take_reset(&asked(1), &stranger(2)).is_ok());
    assert_eq!(to_one.count(), 5);
    let one = address("ada@example.org");
    let welcomes = (0..100).filter(|_| door.throttle.take_registration(&one, &client).is_ok());
    assert_eq!(welcomes.count(), 5);
    door.throttle.take_registration(&one, &stranger(2)).unwrap();
    door.throttle.take_registration(&asked(1), &client).unwrap();
}

#[test]
fn a_flood_of_refused_logins_is_written_down_in_part() {
    let door = Door::with(&[("LEGWORK_LIMITS__REFUSALS_KEPT_PER_MINUTE", "5")]);
    let kept = || (0..1_000).filter(|_| door.throttle.keeps_refusal()).count();
    assert_eq!(kept(), 5);
    door.clock.advance(Duration::from_secs(60));
    assert_eq!(kept(), 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_strangers_try_a_device_that_is_known_is_let_in_and_their_tries_are_bounded(
        tries in prop::collection::vec((any::<u32>(), 0_u64..2_000, 0_u8..3), 1..400),
    ) {
        let door = Door::with(&[]);
        let (own, began) = (DeviceId::generate(), door.clock.now());
        let mut let_through = 0_u32;
        let mut last = None;
        for (number, wait_ms, whose) in tries {
            door.clock.advance(Duration::from_millis(wait_ms));
            let email = ["ada@example.org", "bob@example.org", "nobody@example.org"][usize::from(whose)];
            match door.login(email, &stranger(number % 100_000), None) {
                Ok(()) if whose == 0 => let_through += 1,
                Ok(()) => {}
                // Never longer than it takes for one more to come back.
                Err(seconds) => prop_assert!(seconds <= 6, "{seconds}"),
            }
            let now = door.clock.now();
            // A person tries at most every six seconds.
            if last.is_none_or(|last| now.since(last) >= Duration::from_secs(6)) {
                prop_assert_eq!(door.login("ada@example.org", &stranger(number % 100_000), Some(own)), Ok(()));
                last = Some(now);
            }
        }
        let minutes = door.clock.now().since(began).as_secs_f64() / 60.0;
        // Two neighbourhoods, each with one to spare at once and two an hour.
        let most = 30.0 + 30.0 * minutes + 2.0 * (1.0 + minutes / 30.0) + 1.0;
        prop_assert!(f64::from(let_through) <= most, "{let_through} in {minutes} minutes");
    }
}
