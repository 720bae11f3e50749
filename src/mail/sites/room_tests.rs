//! The rules of the room, each alone, and what holds whatever happens in it.

use proptest::prelude::*;

use super::super::known::SITES_KEPT;
use super::*;

const LIMITS: Limits = Limits { relay: 8, site: 4 };

fn go(room: &mut Room, names: &[&str], now: Instant) -> Held {
    match room.enter(names, now).0 {
        Entry::Go(held) => held,
        other => panic!("{names:?}: {other:?}"),
    }
}

fn park(room: &mut Room, names: &[&str], now: Instant) -> u64 {
    match room.enter(names, now).0 {
        Entry::Parked(ticket) => ticket,
        other => panic!("{names:?}: {other:?}"),
    }
}

fn refused(room: &mut Room, names: &[&str], now: Instant) -> NoRoom {
    match room.enter(names, now).0 {
        Entry::Refused(no_room) => no_room,
        other => panic!("{names:?}: {other:?}"),
    }
}

fn let_in(told: Vec<Told>) -> Vec<(u64, Held)> {
    told.into_iter()
        .map(|(ticket, answer)| (ticket, answer.unwrap()))
        .collect()
}

fn site(name: &str) -> Arc<str> {
    name.into()
}

/// Has a site take so many mails that it is given all that it may have.
fn prove(room: &mut Room, name: &str, now: Instant) {
    for _ in 1..LIMITS.site {
        let held = go(room, &[name], now);
        room.leave(&held, Verdict::Worked, &[Verdict::Worked], now);
    }
}

#[test]
fn a_site_that_hangs_from_the_start_gets_one_and_the_others_the_rest() {
    let (mut room, now) = (Room::new(LIMITS), Instant::now());
    let _hanging = go(&mut room, &["slow"], now);
    park(&mut room, &["slow"], now);
    prove(&mut room, "a", now);
    prove(&mut room, "b", now);
    let _others: Vec<Held> = ["a", "a", "a", "b", "b", "b", "b"]
        .map(|name| go(&mut room, &[name], now))
        .into();
    // The relay is full now, and each site but the slow one has room.
    park(&mut room, &["a"], now);
    assert_eq!(room.in_use(), LIMITS.relay);
}

#[test]
fn who_waits_is_let_in_in_turn_and_those_who_cannot_go_are_passed_over() {
    let (mut room, now) = (Room::new(Limits { relay: 3, site: 2 }), Instant::now());
    prove(&mut room, "slow", now);
    let first = go(&mut room, &["slow"], now);
    let second = go(&mut room, &["slow"], now);
    let third = go(&mut room, &["a"], now);
    let slow = park(&mut room, &["slow"], now);
    let others = [park(&mut room, &["a"], now), park(&mut room, &["b"], now)];
    let (_, told) = room.leave(&third, Verdict::Worked, &[Verdict::Worked], now);
    let mut told = let_in(told);
    assert_eq!((told.len(), told[0].0), (1, others[0]));
    let held = told.remove(0).1;
    let (_, told) = room.leave(&held, Verdict::Worked, &[Verdict::Worked], now);
    assert_eq!(let_in(told)[0].0, others[1]);
    let (_, told) = room.leave(&first, Verdict::Worked, &[Verdict::Worked], now);
    assert_eq!(let_in(told)[0].0, slow);
    drop(second);
}

#[test]
fn a_mail_for_two_busy_sites_is_not_overtaken_for_ever() {
    let (mut room, now) = (Room::new(Limits { relay: 8, site: 2 }), Instant::now());
    prove(&mut room, "a", now);
    prove(&mut room, "b", now);
    let mut a: VecDeque<Held> = (0..2).map(|_| go(&mut room, &["a"], now)).collect();
    let mut b: VecDeque<Held> = (0..2).map(|_| go(&mut room, &["b"], now)).collect();
    let both = park(&mut room, &["a", "b"], now);
    let later = [park(&mut room, &["a"], now), park(&mut room, &["b"], now)];
    let worked = |room: &mut Room, held: Option<Held>| {
        let (_, told) = room.leave(&held.unwrap(), Verdict::Worked, &[Verdict::Worked], now);
        let_in(told).into_iter().map(|(ticket, _)| ticket).collect::<Vec<_>>()
    };
    assert_eq!(worked(&mut room, a.pop_front()), Vec::<u64>::new());
    assert_eq!(worked(&mut room, b.pop_front()), [both]);
    assert_eq!(worked(&mut room, a.pop_front()), [later[0]]);
    assert_eq!(worked(&mut room, b.pop_front()), [later[1]]);
}

#[test]
fn few_wait_for_a_site_that_does_not_answer_and_many_for_one_that_does() {
    let (mut room, start) = (Room::new(LIMITS), Instant::now());
    let hanging = go(&mut room, &["slow"], start);
    let waiting: Vec<u64> = (0..100).map(|_| park(&mut room, &["slow"], start)).collect();
    let later = start + QUIET;
    assert_eq!(refused(&mut room, &["slow"], later), NoRoom::Site("slow".into()));
    let turned_away = waiting.iter().filter(|ticket| room.look(**ticket, later).0.is_some());
    assert_eq!(turned_away.count(), 100 - PARKED_PER_PLACE);
    assert_eq!(room.waiting(), PARKED_PER_PLACE);
    // Whoever asks again hears no more.
    assert_eq!(room.look(waiting[0], later).0, None);
    let (_, told) = room.leave(&hanging, Verdict::Worked, &[Verdict::Worked], later);
    assert_eq!(told.len(), 2);
    park(&mut room, &["slow"], later);
}

#[test]
fn a_site_that_rests_has_nobody_wait_for_it_until_it_may_be_tried_again() {
    let (mut room, start) = (Room::new(LIMITS), Instant::now());
    let held = go(&mut room, &["slow"], start);
    let tickets = [
        park(&mut room, &["slow"], start),
        park(&mut room, &["slow", "a"], start),
    ];
    let now = start + Duration::from_secs(20);
    let (changed, told) = room.leave(&held, Verdict::Worked, &[Verdict::Silent], now);
    let rest = Duration::from_secs(30);
    let rests = Change::Rests { rest, is_first: true };
    assert_eq!(changed, [(Some(site("slow")), rests, 1)]);
    let no_room = |left: Duration| NoRoom::Resting {
        site: site("slow"),
        left,
    };
    let told: Vec<_> = told
        .into_iter()
        .map(|(ticket, answer)| (ticket, answer.unwrap_err()))
        .collect();
    assert_eq!(told, tickets.map(|ticket| (ticket, no_room(rest))));
    assert_eq!(refused(&mut room, &["slow"], now), no_room(rest));
    let later = now + Duration::from_secs(7);
    assert_eq!(refused(&mut room, &["slow"], later), no_room(Duration::from_secs(23)));
    assert_eq!(
        refused(&mut room, &["a", "slow"], later),
        no_room(Duration::from_secs(23))
    );
    assert_eq!(room.slowed(now), [(site("slow"), 1, true)]);
    go(&mut room, &["slow"], now + rest);
}

#[test]
fn nobody_waits_for_long_for_whom_nothing_comes() {
    let (mut room, start) = (Room::new(Limits { relay: 1, site: 1 }), Instant::now());
    let known = go(&mut room, &["c"], start);
    room.leave(&known, Verdict::Worked, &[Verdict::Worked], start);
    let _held = go(&mut room, &["a"], start);
    let [same, new] = [park(&mut room, &["a"], start), park(&mut room, &["b"], start)];
    assert_eq!(room.look(same, start + PARKED_QUIET - Duration::from_millis(1)).0, None);
    assert_eq!(room.look(same, start + PARKED_QUIET).0, Some(NoRoom::Site("a".into())));
    assert_eq!(room.look(new, start + PARKED_QUIET).0, Some(NoRoom::Silent("b".into())));
    let other = park(&mut room, &["c"], start);
    assert_eq!(room.look(other, start + PARKED_QUIET).0, None);
    assert_eq!(room.look(other, start + PARKED_LONGEST).0, Some(NoRoom::Relay));
}

#[test]
fn mails_for_a_site_that_hangs_from_the_start_keep_no_places_at_another() {
    let (mut room, start) = (Room::new(LIMITS), Instant::now());
    prove(&mut room, "well", start);
    let _hanging = go(&mut room, &["hangs"], start);
    let both: Vec<u64> = (0..8).map(|_| park(&mut room, &["well", "hangs"], start)).collect();
    let _all: Vec<Held> = (0..LIMITS.site).map(|_| go(&mut room, &["well"], start)).collect();
    assert_eq!(room.waiting(), both.len());
}

#[test]
fn places_are_kept_until_a_site_is_quiet_and_whoever_waits_goes_then() {
    let (mut room, start) = (Room::new(LIMITS), Instant::now());
    prove(&mut room, "well", start);
    prove(&mut room, "hangs", start);
    let _hanging: Vec<Held> = (0..LIMITS.site).map(|_| go(&mut room, &["hangs"], start)).collect();
    let both: Vec<u64> = (0..8).map(|_| park(&mut room, &["well", "hangs"], start)).collect();
    let one = park(&mut room, &["well"], start);
    assert!(
        room.look(both[0], start + QUIET - Duration::from_millis(1))
            .1
            .is_empty()
    );
    let (no_room, told) = room.look(both[0], start + QUIET);
    assert_eq!((no_room, let_in(told)[0].0), (None, one));
}

#[test]
fn the_silence_of_a_mail_for_several_is_not_held_against_a_site_that_answered_meanwhile() {
    let (mut room, start) = (Room::new(LIMITS), Instant::now());
    prove(&mut room, "well", start);
    prove(&mut room, "hangs", start);
    let both = go(&mut room, &["well", "hangs"], start);
    let now = start + Duration::from_secs(60);
    let one = go(&mut room, &["well"], start);
    room.leave(&one, Verdict::Worked, &[Verdict::Worked], now);
    let (changed, _) = room.leave(&both, Verdict::Worked, &[Verdict::Silent; 2], now);
    assert_eq!(changed, [(Some(site("hangs")), Change::Slowed, LIMITS.site / 2)]);
}

#[test]
fn sites_that_nobody_has_heard_of_get_half_of_the_relay_and_their_mails_do_not_wait_for_long() {
    let (mut room, start) = (Room::new(LIMITS), Instant::now());
    prove(&mut room, "well", start);
    let names: Vec<String> = (0..LIMITS.relay).map(|number| format!("new-{number}")).collect();
    let (tried, rest) = names.split_at(LIMITS.relay / 2);
    let mut tried: Vec<Held> = tried.iter().map(|name| go(&mut room, &[name], start)).collect();
    let rest: Vec<u64> = rest.iter().map(|name| park(&mut room, &[name], start)).collect();
    let with_another = park(&mut room, &["well", "new-9"], start);
    let known: Vec<Held> = (0..LIMITS.site).map(|_| go(&mut room, &["well"], start)).collect();
    for held in &known {
        room.leave(held, Verdict::Worked, &[Verdict::Worked], start);
    }
    // One that answers makes room for the next.
    let (_, told) = room.leave(&tried.remove(0), Verdict::Worked, &[Verdict::Worked], start);
    let told = let_in(told);
    assert_eq!((told.len(), told[0].0), (1, rest[0]));
    let later = start + PARKED_QUIET;
    assert_eq!(room.look(rest[1], later - Duration::from_millis(1)).0, None);
    assert_eq!(room.look(rest[1], later).0, Some(NoRoom::Silent("new-5".into())));
    assert_eq!(room.look(with_another, later).0, Some(NoRoom::Silent("new-9".into())));
}

#[test]
fn many_new_sites_that_answer_are_all_served() {
    let (mut room, now) = (Room::new(LIMITS), Instant::now());
    let mut under_way: VecDeque<Held> = VecDeque::new();
    for number in 0..1_000 {
        under_way.extend(match room.enter(&[&format!("new-{number}")], now).0 {
            Entry::Go(held) => Some(held),
            Entry::Parked(_) => None,
            Entry::Refused(no_room) => panic!("{no_room}"),
        });
    }
    let mut served = 0;
    while let Some(held) = under_way.pop_front() {
        served += 1;
        let (_, told) = room.leave(&held, Verdict::Worked, &[Verdict::Worked], now);
        under_way.extend(let_in(told).into_iter().map(|(_, held)| held));
        assert!(under_way.len() <= LIMITS.relay / 2);
    }
    assert_eq!((served, room.waiting()), (1_000, 0));
}

#[test]
fn where_known_sites_are_all_slow_a_new_one_is_tried_all_the_same() {
    let (mut room, start) = (Room::new(LIMITS), Instant::now());
    prove(&mut room, "slow", start);
    let _slow: Vec<Held> = (0..LIMITS.site).map(|_| go(&mut room, &["slow"], start)).collect();
    let later = start + QUIET;
    let _first = go(&mut room, &["new"], later);
    park(&mut room, &["newer"], later);
}

#[test]
fn a_site_that_rested_for_its_silence_is_as_good_as_new() {
    let (mut room, start) = (Room::new(Limits { relay: 2, site: 1 }), Instant::now());
    for name in ["gone", "lost"] {
        for verdict in [Verdict::Worked, Verdict::Silent] {
            let held = go(&mut room, &[name], start);
            room.leave(&held, Verdict::Worked, &[verdict], start + Duration::from_secs(60));
        }
    }
    let later = start + Duration::from_secs(600);
    let _held = go(&mut room, &["gone"], later);
    park(&mut room, &["lost"], later);
}

#[test]
fn sites_beyond_what_is_kept_are_forgotten_from_the_oldest() {
    let (mut room, start) = (Room::new(LIMITS), Instant::now());
    let in_use = go(&mut room, &["kept"], start);
    for number in 0..SITES_KEPT + 100 {
        let now = start + Duration::from_millis(u64::try_from(number).unwrap());
        let held = go(&mut room, &[&format!("site-{number}")], now);
        room.leave(&held, Verdict::Worked, &[Verdict::Busy], now);
    }
    assert_eq!(room.sites.all().count(), SITES_KEPT);
    assert!(room.sites.index_of("kept").is_some() && room.sites.index_of("site-0").is_none());
    room.leave(&in_use, Verdict::Worked, &[Verdict::Worked], start);
}

#[derive(Clone, Debug)]
enum Step {
    Enter(Vec<usize>),
    Leave(usize, u8),
    GiveUp(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(0_usize..8, 1..3).prop_map(Step::Enter),
        4 => (any::<prop::sample::Index>(), 0_u8..8).prop_map(|(which, how)| Step::Leave(which.index(1000), how)),
        1 => any::<prop::sample::Index>().prop_map(|which| Step::GiveUp(which.index(1000))),
        1 => (0_u64..40_000).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn no_limit_is_passed_nobody_is_lost_and_nobody_waits_who_could_go(steps in prop::collection::vec(step(), 1..200)) {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let (mut room, mut now) = (Room::new(LIMITS), Instant::now());
        let (mut under_way, mut waiting): (Vec<Held>, Vec<u64>) = (Vec::new(), Vec::new());
        let mut all = steps;
        // At the end all go on that wait, and leave as if they had worked.
        all.extend((0..600).map(|_| Step::Leave(0, 0)));
        for step in all {
            let told = match step {
                Step::Enter(mut which) => {
                    which.sort_unstable();
                    which.dedup();
                    let sites: Vec<&str> = which.iter().map(|which| names[*which]).collect();
                    let (entry, told) = room.enter(&sites, now);
                    match entry {
                        Entry::Go(held) => under_way.push(held),
                        Entry::Parked(ticket) => waiting.push(ticket),
                        Entry::Refused(_) => {}
                    }
                    told
                }
                Step::Leave(_, _) if under_way.is_empty() => continue,
                Step::Leave(which, how) => {
                    let held = under_way.swap_remove(which % under_way.len());
                    let verdict = match how {
                        0..=4 => Verdict::Worked,
                        5 => Verdict::Busy,
                        6 => Verdict::Silent,
                        _ => Verdict::Nothing,
                    };
                    room.leave(&held, verdict, &[verdict, verdict], now).1
                }
                Step::GiveUp(_) if waiting.is_empty() => continue,
                Step::GiveUp(which) => {
                    let ticket = waiting.swap_remove(which % waiting.len());
                    room.give_up(ticket, now)
                }
                Step::Pass(ms) => {
                    now += Duration::from_millis(ms);
                    let mut told = Vec::new();
                    for ticket in waiting.clone() {
                        let (no_room, mut others) = room.look(ticket, now);
                        if no_room.is_some() {
                            waiting.retain(|other| *other != ticket);
                        }
                        told.append(&mut others);
                    }
                    told
                }
            };
            for (ticket, answer) in told {
                let place = waiting.iter().position(|other| *other == ticket);
                prop_assert!(place.is_some(), "nobody waits under {}", ticket);
                waiting.swap_remove(place.unwrap());
                under_way.extend(answer.ok());
            }
            prop_assert_eq!((room.in_use(), room.waiting()), (under_way.len(), waiting.len()));
            prop_assert!(room.in_use() <= LIMITS.relay);
            prop_assert_eq!(room.under_way.len(), under_way.len());
            prop_assert!(room.in_doubt(now).untried <= LIMITS.relay / 2);
            for site in room.sites.all() {
                let its = room.sites.index_of(&site.name).unwrap();
                let held = under_way.iter().flat_map(|held| &held.sites);
                let held = held.filter(|(index, _)| its == *index).count();
                prop_assert_eq!(site.limit.in_use(), held);
                prop_assert!(held <= LIMITS.site);
                let parked = room.parked.iter().filter(|parked| parked.sites.contains(&its));
                prop_assert_eq!(site.parked, parked.count());
            }
            if room.parked.iter().all(|parked| parked.sites.len() == 1) {
                let glance = Glance::at(now);
                prop_assert!(room.parked.iter().all(|parked| !room.fits(&parked.sites, &glance)));
            }
        }
        prop_assert_eq!((under_way.len(), waiting.len()), (0, 0));
    }
}
