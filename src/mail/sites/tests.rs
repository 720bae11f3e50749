//! Waiting for room, and giving it back.

use super::*;
use crate::mail::transport::{Phase, Refusal};

fn to(addresses: &[&str]) -> Vec<EmailAddress> {
    addresses
        .iter()
        .map(|text| EmailAddress::parse(text).unwrap())
        .collect()
}

fn taken() -> Result<Receipt, DeliveryError> {
    Ok(Receipt {
        words: "250 ok".to_owned(),
        refusals: Vec::new(),
    })
}

fn sites(relay: usize, site: usize) -> Sites {
    Sites::new(Limits { relay, site })
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_is_dropped_or_ended_lets_the_next_one_in() {
    let (sites, ada) = (sites(1, 1), to(&["ada@example.com"]));
    let first = sites.enter(&ada).await.unwrap();
    let mut second = Box::pin(sites.enter(&ada));
    assert!(timeout(Duration::from_millis(1), &mut second).await.is_err());
    drop(first);
    let second = second.await.unwrap();
    let mut third = Box::pin(sites.enter(&ada));
    assert!(timeout(Duration::from_millis(1), &mut third).await.is_err());
    second.ended(&ada, &taken());
    drop(third.await.unwrap());
    assert_eq!((sites.under_way(), sites.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_who_goes_away_while_it_waits_leaves_nothing_behind() {
    let (sites, ada) = (sites(1, 1), to(&["ada@example.com"]));
    let first = sites.enter(&ada).await.unwrap();
    let mut told_and_gone = Box::pin(sites.enter(&ada));
    let mut gone = Box::pin(sites.enter(&ada));
    for waiting in [&mut told_and_gone, &mut gone] {
        assert!(timeout(Duration::from_millis(1), waiting).await.is_err());
    }
    drop(gone);
    // Let in, but not polled any more.
    drop(first);
    assert_eq!((sites.under_way(), sites.waiting()), (1, 0));
    drop(told_and_gone);
    assert_eq!((sites.under_way(), sites.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_domain_is_the_site_however_it_is_written_and_counts_once_a_mail() {
    let sites = sites(8, 2);
    let one = to(&["a@example.com"]);
    sites.enter(&one).await.unwrap().ended(&one, &taken());
    let first = sites.enter(&to(&["a@Example.com", "b@example.COM"])).await.unwrap();
    let _second = sites.enter(&to(&["c@example.com"])).await.unwrap();
    let third = to(&["d@EXAMPLE.com"]);
    let mut third = Box::pin(sites.enter(&third));
    assert!(timeout(Duration::from_millis(1), &mut third).await.is_err());
    drop(first);
    assert!(third.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_site_that_keeps_silent_is_sent_away_in_time() {
    let (sites, ada) = (sites(8, 1), to(&["ada@example.com"]));
    let mut hanging = sites.enter(&ada).await.unwrap();
    let before = Instant::now();
    let no_room = sites.enter(&ada).await.err().unwrap();
    assert_eq!(no_room, NoRoom::Site("example.com".into()));
    assert!((30..=31).contains(&before.elapsed().as_secs()));
    assert!(sites.slowed().is_empty());
    hanging.is_out_of_time();
    drop(hanging);
    let no_room = sites.enter(&ada).await.err().unwrap();
    let rests = NoRoom::Resting {
        site: "example.com".into(),
        left: Duration::from_secs(30),
    };
    assert_eq!(no_room, rests);
    let slowed = SlowedSite {
        site: "example.com".into(),
        limit: 1,
        is_resting: true,
    };
    assert_eq!(sites.slowed(), [slowed]);
    // Whoever comes once it may be tried again is let in.
    tokio::time::advance(Duration::from_secs(30)).await;
    sites.enter(&ada).await.unwrap().ended(&ada, &taken());
    assert!(sites.slowed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_left_out_meanwhile_changes_nothing_about_whom_an_answer_is_about() {
    let sites = sites(8, 4);
    let all = to(&["a@gone.example", "b@busy.example", "c@Busy.example", "d@well.example"]);
    let pass = sites.enter(&all).await.unwrap();
    let refusal = Refusal {
        position: 1,
        is_final: false,
        code: Some(450),
        words: String::new(),
    };
    let receipt = Receipt {
        words: "250 ok".to_owned(),
        refusals: vec![refusal],
    };
    pass.ended(&all[1..], &Ok(receipt));
    let limits = ["gone.example", "busy.example", "well.example"].map(|name| sites.lock().room.limit_of(name));
    assert_eq!(limits, [1, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_asks_for_less_gets_less_whatever_the_site() {
    let sites = sites(4, 4);
    for known in ["a@two.example", "a@three.example", "a@four.example"] {
        let known = to(&[known]);
        sites.enter(&known).await.unwrap().ended(&known, &taken());
    }
    let greeted_with_421 = DeliveryError::Unavailable {
        phase: Phase::Greeting,
        code: Some(421),
        words: "too many connections".to_owned(),
    };
    let one = to(&["a@one.example"]);
    sites.enter(&one).await.unwrap().ended(&one, &Err(greeted_with_421));
    let _two = [
        sites.enter(&to(&["a@two.example"])).await.unwrap(),
        sites.enter(&to(&["a@three.example"])).await.unwrap(),
    ];
    let four = to(&["a@four.example"]);
    let mut four = Box::pin(sites.enter(&four));
    assert!(timeout(Duration::from_millis(1), &mut four).await.is_err());
}
