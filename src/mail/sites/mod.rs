//! How many mails at once go to the relay and to each recipient's site, which is the domain of an address.
//!
//! What is decided stands in [`room`] and [`limit`], which are pure; here it is awaited. Guarantees: whoever holds a [`Pass`]
//! is one of at most so many as the limits allow; a pass that is dropped gives its room back; waiting costs memory only, and
//! ends with a [`NoRoom`] when it takes too long, so that what waits never fills all of the mailer's slots with one site.
//!
//! Left out: sites by their mail servers, which the relay knows and this process does not.

mod known;
mod limit;
mod room;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use self::limit::{Change, Verdict};
use self::room::{Changed, Entry, Held, Room, Told};
pub use self::room::{Limits, NoRoom};
use super::transport::{DeliveryError, Receipt};
use crate::domain::email::EmailAddress;
use crate::telemetry::names::event;

/// How often one who waits looks whether it has waited too long.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The limits, and what is under way within them; clones share them.
#[derive(Clone)]
pub struct Sites {
    /// A plain mutex: never held over an await, and not while a pass is dropped.
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    room: Room,
    waiting: HashMap<u64, oneshot::Sender<Result<Pass, NoRoom>>>,
}

/// A site that is given fewer mails at once than it once was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowedSite {
    /// The domain.
    pub site: Arc<str>,
    /// How many mails at once it is given now.
    pub limit: usize,
    /// Whether it is given none for a while, since it did not answer.
    pub is_resting: bool,
}

/// Leave to hand one mail over.
pub struct Pass {
    sites: Sites,
    /// None once it was given back.
    held: Option<Held>,
    /// The sites in the order of entering.
    names: Vec<String>,
    /// What is told of the sites if nothing else is.
    unless_told: Verdict,
}

/// One who waits, until this is dropped.
struct Waiter<'a> {
    sites: &'a Sites,
    ticket: u64,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let told = {
            let mut inner = self.sites.lock();
            inner.waiting.remove(&self.ticket);
            let told = inner.room.give_up(self.ticket, Instant::now());
            self.sites.answers(&mut inner, told)
        };
        send(told);
    }
}

impl Sites {
    /// Nothing under way yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let inner = Inner {
            room: Room::new(limits),
            waiting: HashMap::new(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Waits until one more mail may go to all of these recipients' sites.
    ///
    /// # Errors
    /// [`NoRoom`] if it is not worth waiting for; the mail can be sent later.
    pub async fn enter(&self, to: &[EmailAddress]) -> Result<Pass, NoRoom> {
        let names = sites_of(to);
        let (ticket, mut answer) = {
            let sites: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut inner = self.lock();
            let (entry, told) = inner.room.enter(&sites, Instant::now());
            let told = self.answers(&mut inner, told);
            let entered = match entry {
                Entry::Go(held) => Ok(Ok(self.pass(held))),
                Entry::Refused(no_room) => Ok(Err(no_room)),
                Entry::Parked(ticket) => {
                    let (sender, answer) = oneshot::channel();
                    inner.waiting.insert(ticket, sender);
                    Err((ticket, answer))
                }
            };
            drop(inner);
            send(told);
            match entered {
                Ok(entered) => return entered.map(|pass| pass.to(names)),
                Err(waits) => waits,
            }
        };
        let _waiter = Waiter { sites: self, ticket };
        loop {
            match timeout(LOOK_EVERY, &mut answer).await {
                Ok(Ok(answer)) => return answer.map(|pass| pass.to(names)),
                // Nobody drops the other end but with an answer.
                Ok(Err(_)) => return Err(NoRoom::Relay),
                Err(_) => {
                    if let Some(no_room) = self.look(ticket) {
                        return Err(no_room);
                    }
                }
            }
        }
    }

    /// The sites that are given less than they once were, by name.
    #[must_use]
    pub fn slowed(&self) -> Vec<SlowedSite> {
        let slowed = self.lock().room.slowed(Instant::now());
        let mut slowed: Vec<SlowedSite> = slowed
            .into_iter()
            .map(|(site, limit, is_resting)| SlowedSite {
                site,
                limit,
                is_resting,
            })
            .collect();
        slowed.sort_by(|one, other| one.site.cmp(&other.site));
        slowed
    }

    /// How many mails are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.lock().room.in_use()
    }

    /// How many mails wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().room.waiting()
    }

    fn look(&self, ticket: u64) -> Option<NoRoom> {
        let (no_room, told) = {
            let mut inner = self.lock();
            let (no_room, told) = inner.room.look(ticket, Instant::now());
            (no_room, self.answers(&mut inner, told))
        };
        send(told);
        no_room
    }

    fn leave(&self, held: &Held, relay: Verdict, sites: &[Verdict]) {
        let (changed, told) = {
            let mut inner = self.lock();
            let (changed, told) = inner.room.leave(held, relay, sites, Instant::now());
            (changed, self.answers(&mut inner, told))
        };
        changed.iter().for_each(log);
        send(told);
    }

    /// The answers for those who wait, each with its way to them.
    fn answers(&self, inner: &mut Inner, told: Vec<Told>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(told.len());
        for (ticket, answer) in told {
            let answer = answer.map(|held| self.pass(held));
            answers.push((inner.waiting.remove(&ticket), answer));
        }
        answers
    }

    fn pass(&self, held: Held) -> Pass {
        Pass {
            sites: self.clone(),
            held: Some(held),
            names: Vec::new(),
            unless_told: Verdict::Nothing,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // No code that holds it can leave it half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Answer = (Option<oneshot::Sender<Result<Pass, NoRoom>>>, Result<Pass, NoRoom>);

/// Not to be called under the lock: a pass that nobody takes any more is dropped here.
fn send(answers: Vec<Answer>) {
    for (sender, answer) in answers {
        if let Some(sender) = sender {
            drop(sender.send(answer));
        }
    }
}

impl Pass {
    fn to(mut self, names: Vec<String>) -> Self {
        self.names = names;
        self
    }

    /// The delivery to these recipients, whose sites were entered, has ended like this.
    pub fn ended(mut self, to: &[EmailAddress], delivered: &Result<Receipt, DeliveryError>) {
        let (relay, said) = verdict::judge(delivered);
        let Some(held) = self.held.take() else { return };
        let mut sites = vec![Verdict::Nothing; self.names.len()];
        for (position, address) in to.iter().enumerate() {
            let is_its = |name: &String| name.eq_ignore_ascii_case(address.domain());
            let place = self.names.iter().position(is_its);
            if let Some(site) = place.and_then(|place| sites.get_mut(place)) {
                *site = worse(*site, said.of(position));
            }
        }
        self.sites.leave(&held, relay, &sites);
    }

    /// The time for the whole is over: if the delivery does not end with an answer after all, it was silence.
    pub fn is_out_of_time(&mut self) {
        self.unless_told = Verdict::Silent;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            let sites = vec![self.unless_told; self.names.len()];
            self.sites.leave(&held, Verdict::Nothing, &sites);
        }
    }
}

/// The one that asks for more care.
fn worse(one: Verdict, other: Verdict) -> Verdict {
    let rank = |verdict: Verdict| match verdict {
        Verdict::Nothing => 0_u8,
        Verdict::Worked => 1,
        Verdict::Busy => 2,
        Verdict::Silent => 3,
    };
    if rank(other) > rank(one) { other } else { one }
}

/// The sites of these recipients, each once.
fn sites_of(to: &[EmailAddress]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for address in to {
        // A mail has at most a hundred.
        if !names.iter().any(|name| name.eq_ignore_ascii_case(address.domain())) {
            names.push(address.domain().to_ascii_lowercase());
        }
    }
    names
}

fn log((site, change, limit): &Changed) {
    let limit = *limit;
    match (site, change) {
        (Some(site), Change::Slowed) => tracing::warn!(
            event = event::SITE_SLOWED,
            %site,
            limit,
            "a site asks for fewer mails at once, or does not answer"
        ),
        (Some(site), Change::Recovered) => tracing::info!(
            event = event::SITE_RECOVERED,
            %site,
            limit,
            "a site is given as many mails at once as before"
        ),
        (Some(site), Change::Rests { rest, is_first: true }) => {
            let rest_ms = u64::try_from(rest.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(
                event = event::SITE_RESTS,
                %site,
                rest_ms,
                "a site does not answer, or takes nothing; its mails wait without a connection"
            );
        }
        (None, Change::Slowed) => tracing::warn!(
            event = event::RELAY_SLOWED,
            limit,
            "the relay asks for fewer mails at once, or does not answer"
        ),
        (None, Change::Recovered) => tracing::info!(
            event = event::RELAY_RECOVERED,
            limit,
            "the relay is given as many mails at once as before"
        ),
        (_, Change::Rests { .. }) => {}
    }
}
