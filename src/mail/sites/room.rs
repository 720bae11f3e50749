//! Who may speak to the relay now, who waits, and who waits too long. Pure: the present is a parameter.
//!
//! Guarantees: never more mails under way than the relay's limit, and than each site's; whoever waits is let in, the longest
//! waiting first, as soon as the relay and all its sites have room; a mail for several sites, none of which is slowed, is not
//! overtaken at them for ever; at most [`PARKED_MAX`] wait, of a site that does not answer [`PARKED_PER_PLACE`] for each mail
//! that it is given at once, and none for a site that rests. What a site has shown it can bear is remembered while it is in
//! use, and beyond that for as long as fewer than [`SITES_KEPT`] are known.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::limit::{Change, Ended, Limit, Verdict};

/// How many mails at once a site is given before it has taken the first: one that hangs from the start costs no more.
const SITE_FIRST: usize = 1;
/// The most mails that wait in memory; the lane's slots keep it lower.
const PARKED_MAX: usize = 2_048;
/// How many mails wait for each that a site is given, if it does not answer.
const PARKED_PER_PLACE: usize = 8;
/// From when on a site does not answer, for those that come: an answer that takes longer is no reason to hold many.
const QUIET: Duration = Duration::from_secs(1);
/// How long a mail waits for a site that does not answer.
const PARKED_QUIET: Duration = Duration::from_secs(30);
/// How long a mail waits whatever happens: its attempt must have time left to be sent.
const PARKED_LONGEST: Duration = Duration::from_secs(600);
/// Sites that are remembered although nothing is under way to them.
const SITES_KEPT: usize = 4_096;

/// The most mails at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// To the relay, which is also the most connections to it.
    pub relay: usize,
    /// To each site among them.
    pub site: usize,
}

/// Why a mail is not sent now, which is no fault of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// A site is left alone for a while.
    #[error("{0} did not answer, or took nothing, and is left alone for a while")]
    Resting(Arc<str>),
    /// Enough mails wait for a site already.
    #[error("{0} answers slowly, and enough mails wait for it already")]
    Site(Arc<str>),
    /// Enough mails wait for the relay already.
    #[error("the relay takes fewer mails at once than wait for it")]
    Relay,
}

/// Leave for one mail, to be given back by [`Room::leave`].
#[derive(Debug)]
pub(super) struct Held {
    since: Instant,
    relay: u64,
    /// The sites by their index, in the order of entering, each with its round.
    sites: Vec<(usize, u64)>,
}

/// The answer to one who comes.
#[derive(Debug)]
pub(super) enum Entry {
    /// It may go.
    Go(Held),
    /// It waits under this number.
    Parked(u64),
    /// It must come again later.
    Refused(NoRoom),
}

/// What became of one who waited.
pub(super) type Told = (u64, Result<Held, NoRoom>);

/// What changed: at a site, or at the relay if it names none; and how many are allowed there now.
pub(super) type Changed = (Option<Arc<str>>, Change, usize);

struct Site {
    name: Arc<str>,
    limit: Limit,
    parked: usize,
    used_at: Instant,
}

struct Parked {
    ticket: u64,
    sites: Vec<usize>,
    since: Instant,
}

pub(super) struct Room {
    limits: Limits,
    relay: Limit,
    names: HashMap<Arc<str>, usize>,
    /// Places of forgotten sites are empty, and listed in `free`.
    sites: Vec<Option<Site>>,
    free: Vec<usize>,
    parked: VecDeque<Parked>,
    next_ticket: u64,
}

impl Room {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            // It is one server that an operator chose, and told how much it may be given.
            relay: Limit::new(limits.relay, limits.relay),
            names: HashMap::new(),
            sites: Vec::new(),
            free: Vec::new(),
            parked: VecDeque::new(),
            next_ticket: 0,
        }
    }

    /// Somebody wants to send to these sites, each named once. Others who may go now are told so.
    pub(super) fn enter(&mut self, names: &[&str], now: Instant) -> (Entry, Vec<Told>) {
        let sites: Vec<usize> = names.iter().map(|name| self.site(name, now)).collect();
        if let Err(no_room) = self.admits(&sites, now) {
            return (Entry::Refused(no_room), Vec::new());
        }
        if self.parked.is_empty() && self.fits(&sites, &HashMap::new()) {
            return (Entry::Go(self.begin(&sites, now)), Vec::new());
        }
        let ticket = self.next_ticket;
        self.next_ticket = self.next_ticket.wrapping_add(1);
        self.count_parked(&sites, |parked| parked.saturating_add(1));
        self.parked.push_back(Parked {
            ticket,
            sites,
            since: now,
        });
        let mut told = self.let_in(now);
        match told.iter().position(|(other, _)| *other == ticket) {
            Some(place) => match told.swap_remove(place).1 {
                Ok(held) => (Entry::Go(held), told),
                Err(no_room) => (Entry::Refused(no_room), told),
            },
            None => (Entry::Parked(ticket), told),
        }
    }

    /// What was let in has ended: what it told of the relay, and of each site in the order of entering.
    pub(super) fn leave(
        &mut self,
        held: &Held,
        relay: Verdict,
        sites: &[Verdict],
        now: Instant,
    ) -> (Vec<Changed>, Vec<Told>) {
        let mut changed = Vec::new();
        let mut told = Vec::new();
        let ended = Ended {
            round: held.relay,
            verdict: relay,
            // Whether a relay is used at all is the breaker's.
            is_sure: false,
            lasted: now.saturating_duration_since(held.since),
        };
        if let Some(change) = self.relay.ended(ended, now) {
            changed.push((None, change, self.relay.now()));
        }
        for (place, (index, round)) in held.sites.iter().enumerate() {
            let ended = Ended {
                round: *round,
                verdict: sites.get(place).copied().unwrap_or(Verdict::Nothing),
                // Of several it is not known which one kept silent.
                is_sure: held.sites.len() == 1,
                ..ended
            };
            let Some(site) = self.sites.get_mut(*index).and_then(Option::as_mut) else {
                continue;
            };
            site.used_at = now;
            let Some(change) = site.limit.ended(ended, now) else {
                continue;
            };
            let name = Arc::clone(&site.name);
            changed.push((Some(Arc::clone(&name)), change, site.limit.now()));
            if matches!(change, Change::Rests { .. }) {
                self.turn_away(*index, &NoRoom::Resting(name), &mut told);
            }
        }
        told.append(&mut self.let_in(now));
        (changed, told)
    }

    /// Whether one who waits has waited too long; it waits no more then, which others are told who may go by that.
    pub(super) fn look(&mut self, ticket: u64, now: Instant) -> (Option<NoRoom>, Vec<Told>) {
        let Some(parked) = self.parked.iter().find(|parked| parked.ticket == ticket) else {
            return (None, Vec::new());
        };
        let waited = now.saturating_duration_since(parked.since);
        let held_up = parked.sites.iter().flat_map(|index| self.known(*index)).find(|site| {
            let quiet = site.limit.quiet(now);
            (quiet >= QUIET && site.parked > parked_max(&site.limit)) || quiet.min(waited) >= PARKED_QUIET
        });
        let no_room = match held_up {
            Some(site) => NoRoom::Site(Arc::clone(&site.name)),
            None if waited >= PARKED_LONGEST => NoRoom::Relay,
            None => return (None, Vec::new()),
        };
        (Some(no_room), self.give_up(ticket, now))
    }

    /// One who waited waits no more.
    pub(super) fn give_up(&mut self, ticket: u64, now: Instant) -> Vec<Told> {
        let Some(place) = self.parked.iter().position(|parked| parked.ticket == ticket) else {
            return Vec::new();
        };
        self.take_out(place);
        self.let_in(now)
    }

    /// The sites that are given less than they once had, with how much.
    pub(super) fn slowed(&self, now: Instant) -> Vec<(Arc<str>, usize, bool)> {
        let known = self.sites.iter().flatten();
        known
            .filter(|site| site.limit.is_slowed())
            .map(|site| (Arc::clone(&site.name), site.limit.now(), site.limit.is_resting(now)))
            .collect()
    }

    #[cfg(test)]
    pub(super) fn limit_of(&self, name: &str) -> usize {
        let index = self.names.get(name);
        index
            .and_then(|index| self.known(*index))
            .map_or(0, |site| site.limit.now())
    }

    /// How many are under way.
    pub(super) fn in_use(&self) -> usize {
        self.relay.in_use()
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.parked.len()
    }

    fn admits(&self, sites: &[usize], now: Instant) -> Result<(), NoRoom> {
        for site in sites.iter().flat_map(|index| self.known(*index)) {
            if site.limit.is_resting(now) {
                return Err(NoRoom::Resting(Arc::clone(&site.name)));
            }
            if site.limit.quiet(now) >= QUIET && site.parked >= parked_max(&site.limit) {
                return Err(NoRoom::Site(Arc::clone(&site.name)));
            }
        }
        if self.parked.len() >= PARKED_MAX {
            return Err(NoRoom::Relay);
        }
        Ok(())
    }

    fn let_in(&mut self, now: Instant) -> Vec<Told> {
        let mut told = Vec::new();
        let mut reserved: HashMap<usize, usize> = HashMap::new();
        let mut place = 0_usize;
        while self.relay.has_room(0) {
            let Some(parked) = self.parked.get(place) else { break };
            if self.fits(&parked.sites, &reserved) {
                let Some(parked) = self.take_out(place) else { break };
                told.push((parked.ticket, Ok(self.begin(&parked.sites, now))));
                continue;
            }
            let mut sites = parked.sites.iter().flat_map(|index| self.known(*index));
            if parked.sites.len() > 1 && sites.all(|site| !site.limit.is_slowed()) {
                for index in &parked.sites {
                    let count = reserved.entry(*index).or_default();
                    *count = count.saturating_add(1);
                }
            }
            place = place.saturating_add(1);
        }
        told
    }

    fn fits(&self, sites: &[usize], reserved: &HashMap<usize, usize>) -> bool {
        let kept = |index: &usize| match reserved.is_empty() {
            true => 0,
            false => reserved.get(index).copied().unwrap_or(0),
        };
        let has_room = |index: &usize| self.known(*index).is_none_or(|site| site.limit.has_room(kept(index)));
        self.relay.has_room(0) && sites.iter().all(has_room)
    }

    fn begin(&mut self, sites: &[usize], now: Instant) -> Held {
        let relay = self.relay.begun(now);
        let mut held = Vec::with_capacity(sites.len());
        for index in sites {
            if let Some(site) = self.sites.get_mut(*index).and_then(Option::as_mut) {
                held.push((*index, site.limit.begun(now)));
            }
        }
        Held {
            since: now,
            relay,
            sites: held,
        }
    }

    /// Whoever waits for this site is told that there is no room.
    fn turn_away(&mut self, index: usize, no_room: &NoRoom, told: &mut Vec<Told>) {
        let mut place = 0_usize;
        while let Some(parked) = self.parked.get(place) {
            if !parked.sites.contains(&index) {
                place = place.saturating_add(1);
            } else if let Some(parked) = self.take_out(place) {
                told.push((parked.ticket, Err(no_room.clone())));
            }
        }
    }

    fn take_out(&mut self, place: usize) -> Option<Parked> {
        let parked = self.parked.remove(place)?;
        self.count_parked(&parked.sites, |count| count.saturating_sub(1));
        Some(parked)
    }

    fn count_parked(&mut self, sites: &[usize], count: impl Fn(usize) -> usize) {
        for index in sites {
            if let Some(site) = self.sites.get_mut(*index).and_then(Option::as_mut) {
                site.parked = count(site.parked);
            }
        }
    }

    fn known(&self, index: usize) -> Option<&Site> {
        self.sites.get(index).and_then(Option::as_ref)
    }

    fn site(&mut self, name: &str, now: Instant) -> usize {
        if let Some(index) = self.names.get(name) {
            return *index;
        }
        if self.names.len() >= SITES_KEPT {
            self.forget_one();
        }
        let name: Arc<str> = name.into();
        let site = Some(Site {
            name: Arc::clone(&name),
            limit: Limit::new(SITE_FIRST, self.limits.site),
            parked: 0,
            used_at: now,
        });
        let index = match self.free.pop() {
            Some(index) => {
                if let Some(place) = self.sites.get_mut(index) {
                    *place = site;
                }
                index
            }
            None => {
                self.sites.push(site);
                self.sites.len().saturating_sub(1)
            }
        };
        self.names.insert(name, index);
        index
    }

    /// Forgets the site that has not been used for the longest. If all are in use there is nothing to forget: those are no
    /// more than the mails under way have recipients.
    fn forget_one(&mut self) {
        let idle = self.sites.iter().enumerate().filter_map(|(index, site)| {
            let site = site.as_ref()?;
            (site.limit.in_use() == 0 && site.parked == 0).then_some((site.used_at, index))
        });
        let Some((_, index)) = idle.min() else { return };
        if let Some(site) = self.sites.get_mut(index).and_then(Option::take) {
            self.names.remove(&site.name);
            self.free.push(index);
        }
    }
}

/// How many may wait for a site that does not answer.
fn parked_max(limit: &Limit) -> usize {
    limit.now().saturating_mul(PARKED_PER_PLACE)
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
