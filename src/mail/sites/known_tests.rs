//! What is forgotten, and what is not.

use std::time::Duration;

use super::super::limit::{Ended, Verdict};
use super::*;

/// As many sites as are kept, each used a millisecond after the one before, the first at `start`.
fn full(start: Instant) -> Known {
    let mut known = Known::new(4);
    for number in 0..SITES_KEPT {
        known.enter(
            &[&format!("site-{number}")],
            start + Duration::from_millis(u64::try_from(number).unwrap()),
        );
    }
    known
}

#[test]
fn sites_that_are_entered_together_never_share_a_place() {
    let start = Instant::now();
    let mut known = full(start);
    let later = start + Duration::from_secs(60);
    let mut entered = known.enter(&["site-0", "new", "newer"], later);
    assert_eq!(known.index_of("site-0"), Some(entered[0]));
    entered.sort_unstable();
    entered.dedup();
    assert_eq!((entered.len(), known.names.len()), (3, SITES_KEPT));
    // At the same moment: the last took the first place, which would be the next to be emptied.
    let mut known = Known::new(4);
    let names: Vec<String> = (0..=SITES_KEPT).map(|number| format!("site-{number}")).collect();
    names.iter().for_each(|name| drop(known.enter(&[name], start)));
    let mut entered = known.enter(&[&names[SITES_KEPT], "new"], start);
    entered.dedup();
    assert_eq!(entered.len(), 2);
}

#[test]
fn one_that_is_looked_up_again_is_not_the_oldest_any_more() {
    let start = Instant::now();
    let mut known = full(start);
    let later = start + Duration::from_secs(60);
    known.enter(&["site-0"], later);
    known.enter(&["new"], later);
    assert!(known.index_of("site-0").is_some() && known.index_of("site-1").is_none());
}

#[test]
fn a_site_that_rests_is_not_forgotten_until_it_may_be_tried_again() {
    let start = Instant::now();
    let mut known = full(start);
    let index = known.index_of("site-0").unwrap();
    let limit = &mut known.get_mut(index).unwrap().limit;
    let ended = Ended {
        round: limit.begun(start),
        verdict: Verdict::Silent,
        is_sure: true,
        lasted: Duration::from_secs(60),
    };
    limit.ended(ended, start);
    known.enter(&["new"], start + Duration::from_secs(29));
    assert!(known.index_of("site-0").is_some());
    known.enter(&["newer"], start + Duration::from_secs(30));
    assert!(known.index_of("site-0").is_none());
}
