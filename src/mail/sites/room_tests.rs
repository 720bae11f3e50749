//! The rules of the room, each alone, and what holds whatever happens in it.

use proptest::prelude::*;

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
fn a_site_that_hangs_from_the_start_gets_two_and_the_others_the_rest() {
    let (mut room, now) = (Room::new(LIMITS), Instant::now());
    let _hanging: Vec<Held> = (0..2).map(|_| go(&mut room, &["slow"], now)).collect();
    park(&mut room, &["slow"], now);
    prove(&mut room, "a", now);
    prove(&mut room, "b", now);
    let _others: Vec<Held> = ["a", "a", "a", "b", "b", "b"]
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
    let no_room = NoRoom::Resting("slow".into());
    let told: Vec<_> = told
        .into_iter()
        .map(|(ticket, answer)| (ticket, answer.unwrap_err()))
        .collect();
    assert_eq!(told, tickets.map(|ticket| (ticket, no_room.clone())));
    assert_eq!(refused(&mut room, &["slow"], now), no_room);
    assert_eq!(room.slowed(now), [(site("slow"), 1, true)]);
    go(&mut room, &["slow"], now + rest);
}

#[test]
fn nobody_waits_for_long_for_whom_nothing_comes() {
    let (mut room, start) = (Room::new(Limits { relay: 1, site: 1 }), Instant::now());
    let _held = go(&mut room, &["a"], start);
    let [same, other] = [park(&mut room, &["a"], start), park(&mut room, &["b"], start)];
    assert_eq!(room.look(same, start + PARKED_QUIET - Duration::from_millis(1)).0, None);
    assert_eq!(room.look(same, start + PARKED_QUIET).0, Some(NoRoom::Site("a".into())));
    assert_eq!(room.look(other, start + PARKED_QUIET).0, None);
    assert_eq!(room.look(other, start + PARKED_LONGEST).0, Some(NoRoom::Relay));
}

#[test]
fn sites_beyond_what_is_kept_are_forgotten_from_the_oldest() {
    let (mut room, start) = (Room::new(LIMITS), Instant::now());
    let in_use = go(&mut room, &["kept"], start);
    for number in 0..SITES_KEPT + 100 {
        let now = start + Duration::from_millis(number as u64);
        let held = go(&mut room, &[&format!("site-{number}")], now);
        room.leave(&held, Verdict::Worked, &[Verdict::Busy], now);
    }
    assert_eq!((room.names.len(), room.sites.len()), (SITES_KEPT, SITES_KEPT));
    assert!(room.names.contains_key("kept") && !room.names.contains_key("site-0"));
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
        4 => prop::collection::vec(0_usize..4, 1..3).prop_map(Step::Enter),
        4 => (any::<prop::sample::Index>(), 0_u8..8).prop_map(|(which, how)| Step::Leave(which.index(1000), how)),
        1 => any::<prop::sample::Index>().prop_map(|which| Step::GiveUp(which.index(1000))),
        1 => (0_u64..40_000).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn no_limit_is_passed_nobody_is_lost_and_nobody_waits_who_could_go(steps in prop::collection::vec(step(), 1..200)) {
        let names = ["a", "b", "c", "d"];
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
            for site in room.sites.iter().flatten() {
                let held = under_way.iter().flat_map(|held| &held.sites);
                let held = held.filter(|(index, _)| room.names[&site.name] == *index).count();
                prop_assert_eq!(site.limit.in_use(), held);
                prop_assert!(held <= LIMITS.site);
                let parked = room.parked.iter().filter(|parked| parked.sites.contains(&room.names[&site.name]));
                prop_assert_eq!(site.parked, parked.count());
            }
            if room.parked.iter().all(|parked| parked.sites.len() == 1) {
                let none = HashMap::new();
                prop_assert!(room.parked.iter().all(|parked| !room.fits(&parked.sites, &none)));
            }
        }
        prop_assert_eq!((under_way.len(), waiting.len()), (0, 0));
    }
}
