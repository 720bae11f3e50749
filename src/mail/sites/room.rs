//! Who may speak to the relay now, who waits, and who waits too long. Pure: the present is a parameter.
//!
//! Guarantees: never more mails under way than the relay's limit, and than each site's; whoever waits is let in, the longest
//! waiting first, as soon as the relay and all its sites have room; a mail for several sites, which all answer and of which
//! none is slowed, is not overtaken at them for ever; while mails for sites that do not answer have half of the relay's
//! limit, no more are let in for such sites, but one at a time for those that have not answered yet; at most [`PARKED_MAX`]
//! wait, of a site that does not answer [`PARKED_PER_PLACE`] for each mail that it is given at once, and none for a site that
//! rests. What a site has shown it can bear is remembered as [`Known`] says.

use std::cell::OnceCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::known::Known;
use super::limit::{Change, Ended, Limit, Verdict};

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
    #[error("{site} did not answer, or took nothing, and is left alone for a while")]
    Resting {
        /// The domain.
        site: Arc<str>,
        /// For how long from now on, if nothing that is under way is taken before.
        left: Duration,
    },
    /// Enough mails wait for a site already.
    #[error("{0} answers slowly, and enough mails wait for it already")]
    Site(Arc<str>),
    /// Enough mails are under way to sites that do not answer.
    #[error("{0} has not answered so far, and enough mails are under way to sites that do not answer")]
    Silent(Arc<str>),
    /// Enough mails wait for the relay already.
    #[error("the relay takes fewer mails at once than wait for it")]
    Relay,
}

/// Leave for one mail, to be given back by [`Room::leave`].
#[derive(Debug)]
pub(super) struct Held {
    number: u64,
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

struct Parked {
    ticket: u64,
    sites: Vec<usize>,
    since: Instant,
}

/// What one look at the room finds.
struct Glance {
    now: Instant,
    /// The places at each site that are kept for mails for several.
    reserved: HashMap<usize, usize>,
    /// Counted when somebody asks.
    in_doubt: OnceCell<InDoubt>,
}

impl Glance {
    fn at(now: Instant) -> Self {
        Self {
            now,
            reserved: HashMap::new(),
            in_doubt: OnceCell::new(),
        }
    }
}

/// How many of the mails under way may hold their connection for as long as a command may take.
#[derive(Default)]
struct InDoubt {
    /// For a site that has not answered yet, or for a while.
    all: usize,
    /// For one that has not answered yet.
    untried: usize,
}

pub(super) struct Room {
    relay: Limit,
    sites: Known,
    parked: VecDeque<Parked>,
    next_ticket: u64,
    /// The sites of each mail under way.
    under_way: HashMap<u64, Vec<usize>>,
    next_number: u64,
    /// When it was last looked who may go.
    looked_at: Option<Instant>,
}

impl Room {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            // It is one server that an operator chose, and told how much it may be given.
            relay: Limit::new(limits.relay, limits.relay),
            sites: Known::new(limits.site),
            parked: VecDeque::new(),
            next_ticket: 0,
            under_way: HashMap::new(),
            next_number: 0,
            looked_at: None,
        }
    }

    /// Somebody wants to send to these sites, each named once. Others who may go now are told so.
    pub(super) fn enter(&mut self, names: &[&str], now: Instant) -> (Entry, Vec<Told>) {
        let sites = self.sites.enter(names, now);
        if let Err(no_room) = self.admits(&sites, now) {
            return (Entry::Refused(no_room), Vec::new());
        }
        if self.parked.is_empty() && self.fits(&sites, &Glance::at(now)) {
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
        self.under_way.remove(&held.number);
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
            let Some(site) = self.sites.get_mut(*index) else {
                continue;
            };
            site.used_at = now;
            // Of several it is not known which one kept silent, but it was none that answered others meanwhile.
            let is_sure = held.sites.len() == 1;
            let verdict = match sites.get(place).copied().unwrap_or(Verdict::Nothing) {
                Verdict::Silent if !is_sure && site.limit.is_heard_after(held.since) => Verdict::Nothing,
                verdict => verdict,
            };
            let ended = Ended {
                round: *round,
                verdict,
                is_sure,
                ..ended
            };
            let Some(change) = site.limit.ended(ended, now) else {
                continue;
            };
            let name = Arc::clone(&site.name);
            changed.push((Some(Arc::clone(&name)), change, site.limit.now()));
            if let Change::Rests { rest, .. } = change {
                let no_room = NoRoom::Resting { site: name, left: rest };
                self.turn_away(*index, &no_room, &mut told);
            }
        }
        told.append(&mut self.let_in(now));
        (changed, told)
    }

    /// Whether one who waits has waited too long; it waits no more then. Others are told who may go by that, or since for a
    /// site that became quiet no places are kept.
    pub(super) fn look(&mut self, ticket: u64, now: Instant) -> (Option<NoRoom>, Vec<Told>) {
        let Some(parked) = self.parked.iter().find(|parked| parked.ticket == ticket) else {
            return (None, Vec::new());
        };
        let waited = now.saturating_duration_since(parked.since);
        let mut sites = parked.sites.iter().flat_map(|index| self.sites.get(*index));
        let held_up = sites.find(|site| {
            let quiet = site.limit.quiet(now);
            (quiet >= QUIET && site.parked > parked_max(&site.limit)) || quiet.min(waited) >= PARKED_QUIET
        });
        let left_out = || match waited >= PARKED_QUIET {
            true => self.left_out(&parked.sites, &Glance::at(now)).map(NoRoom::Silent),
            false => None,
        };
        let no_room = held_up.map(|site| NoRoom::Site(Arc::clone(&site.name)));
        let no_room = no_room.or_else(left_out);
        match no_room.or_else(|| (waited >= PARKED_LONGEST).then_some(NoRoom::Relay)) {
            Some(no_room) => (Some(no_room), self.give_up(ticket, now)),
            // Those who wait look in turn: once for all is enough.
            None if self
                .looked_at
                .is_some_and(|at| now.saturating_duration_since(at) < QUIET) =>
            {
                (None, Vec::new())
            }
            None => (None, self.let_in(now)),
        }
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
        let known = self.sites.all();
        known
            .filter(|site| site.limit.is_slowed())
            .map(|site| (Arc::clone(&site.name), site.limit.now(), site.limit.is_resting(now)))
            .collect()
    }

    #[cfg(test)]
    pub(super) fn limit_of(&self, name: &str) -> usize {
        let index = self.sites.index_of(name);
        index
            .and_then(|index| self.sites.get(index))
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
        let its = || sites.iter().flat_map(|index| self.sites.get(*index));
        if let Some(longest) = its().max_by_key(|site| site.limit.rests_for(now))
            && longest.limit.is_resting(now)
        {
            return Err(NoRoom::Resting {
                site: Arc::clone(&longest.name),
                left: longest.limit.rests_for(now),
            });
        }
        for site in its() {
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
        self.looked_at = Some(now);
        let mut told = Vec::new();
        let mut glance = Glance::at(now);
        let mut place = 0_usize;
        while self.relay.has_room(0) {
            let Some(parked) = self.parked.get(place) else { break };
            if self.fits(&parked.sites, &glance) {
                let Some(parked) = self.take_out(place) else { break };
                told.push((parked.ticket, Ok(self.begin(&parked.sites, now))));
                glance.in_doubt = OnceCell::new();
                continue;
            }
            // Places that are kept for long are lost to others.
            let mut sites = parked.sites.iter().flat_map(|index| self.sites.get(*index));
            let comes_soon = |limit: &Limit| !limit.is_slowed() && !is_in_doubt(limit, now);
            if parked.sites.len() > 1 && sites.all(|site| comes_soon(&site.limit)) {
                for index in &parked.sites {
                    let count = glance.reserved.entry(*index).or_default();
                    *count = count.saturating_add(1);
                }
            }
            place = place.saturating_add(1);
        }
        told
    }

    fn fits(&self, sites: &[usize], glance: &Glance) -> bool {
        let kept = |index: &usize| match glance.reserved.is_empty() {
            true => 0,
            false => glance.reserved.get(index).copied().unwrap_or(0),
        };
        let has_room = |index: &usize| {
            self.sites
                .get(*index)
                .is_none_or(|site| site.limit.has_room(kept(index)))
        };
        self.relay.has_room(0) && sites.iter().all(has_room) && self.left_out(sites, glance).is_none()
    }

    /// The site for which a mail for these is left out, since enough are under way to sites that do not answer. Some are
    /// always tried: where all is slow, new sites would never be else.
    fn left_out(&self, sites: &[usize], glance: &Glance) -> Option<Arc<str>> {
        let mut known = sites.iter().flat_map(|index| self.sites.get(*index));
        let site = known.find(|site| is_in_doubt(&site.limit, glance.now))?;
        let in_doubt = glance.in_doubt.get_or_init(|| self.in_doubt(glance.now));
        let is_first = in_doubt.untried == 0 && self.is_untried(sites);
        let has_room = in_doubt.all < (self.relay.now() / 2).max(1);
        (!has_room && !is_first).then(|| Arc::clone(&site.name))
    }

    fn in_doubt(&self, now: Instant) -> InDoubt {
        let mut count = InDoubt::default();
        for sites in self.under_way.values() {
            let mut known = sites.iter().flat_map(|index| self.sites.get(*index));
            if known.any(|site| is_in_doubt(&site.limit, now)) {
                count.all = count.all.saturating_add(1);
                count.untried = count.untried.saturating_add(usize::from(self.is_untried(sites)));
            }
        }
        count
    }

    fn is_untried(&self, sites: &[usize]) -> bool {
        let mut known = sites.iter().flat_map(|index| self.sites.get(*index));
        known.any(|site| !site.limit.has_answered())
    }

    fn begin(&mut self, sites: &[usize], now: Instant) -> Held {
        let relay = self.relay.begun(now);
        let mut held = Vec::with_capacity(sites.len());
        for index in sites {
            if let Some(site) = self.sites.get_mut(*index) {
                held.push((*index, site.limit.begun(now)));
            }
        }
        let number = self.next_number;
        self.next_number = number.wrapping_add(1);
        self.under_way.insert(number, sites.to_vec());
        Held {
            number,
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
            if let Some(site) = self.sites.get_mut(*index) {
                site.parked = count(site.parked);
            }
        }
    }
}

/// Whether what is under way to it may hang: it has not answered yet, or for a while.
fn is_in_doubt(limit: &Limit, now: Instant) -> bool {
    !limit.has_answered() || limit.quiet(now) >= QUIET
}

/// How many may wait for a site that does not answer.
fn parked_max(limit: &Limit) -> usize {
    limit.now().saturating_mul(PARKED_PER_PLACE)
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
