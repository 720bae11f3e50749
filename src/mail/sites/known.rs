//! The sites that are known, each by its name and by its index. Pure: the present is a parameter.
//!
//! Guarantees: an index stays a site's for as long as something is under way to it, waits for it, or it rests. Beyond
//! [`SITES_KEPT`] the site that has not been used for the longest is forgotten.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::limit::Limit;

/// How many mails at once a site is given before it has taken the first: one that hangs from the start costs no more.
const SITE_FIRST: usize = 1;
/// Sites that are remembered although nothing is under way to them.
pub(super) const SITES_KEPT: usize = 4_096;

/// What is known of one.
pub(super) struct Site {
    pub(super) name: Arc<str>,
    pub(super) limit: Limit,
    /// How many mails wait for it.
    pub(super) parked: usize,
    pub(super) used_at: Instant,
}

pub(super) struct Known {
    /// The most mails at once to each.
    most: usize,
    names: HashMap<Arc<str>, usize>,
    /// Places of forgotten sites are empty, and listed in `free`.
    sites: Vec<Option<Site>>,
    free: Vec<usize>,
}

impl Known {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            names: HashMap::new(),
            sites: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<&Site> {
        self.sites.get(index).and_then(Option::as_ref)
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Site> {
        self.sites.get_mut(index).and_then(Option::as_mut)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter().flatten()
    }

    #[cfg(test)]
    pub(super) fn index_of(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The indices of these sites, each named once, which are used now.
    pub(super) fn enter(&mut self, names: &[&str], now: Instant) -> Vec<usize> {
        let mut entered = Vec::with_capacity(names.len());
        for name in names {
            let index = self.enter_one(name, &entered, now);
            entered.push(index);
        }
        entered
    }

    fn enter_one(&mut self, name: &str, entered: &[usize], now: Instant) -> usize {
        if let Some(index) = self.names.get(name).copied() {
            if let Some(site) = self.get_mut(index) {
                site.used_at = now;
            }
            return index;
        }
        while self.names.len() >= SITES_KEPT && self.forget_one(entered, now) {}
        let name: Arc<str> = name.into();
        let site = Some(Site {
            name: Arc::clone(&name),
            limit: Limit::new(SITE_FIRST, self.most),
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

    /// Forgets the site that has not been used for the longest, but none of those that are entered now. If all are in use
    /// there is nothing to forget: those are no more than the mails under way have recipients, and those that rest.
    fn forget_one(&mut self, entered: &[usize], now: Instant) -> bool {
        let idle = self.sites.iter().enumerate().filter_map(|(index, site)| {
            let site = site.as_ref()?;
            let is_used = site.limit.in_use() > 0 || site.parked > 0 || site.limit.is_resting(now);
            (!is_used && !entered.contains(&index)).then_some((site.used_at, index))
        });
        let Some((_, index)) = idle.min() else { return false };
        let Some(site) = self.sites.get_mut(index).and_then(Option::take) else {
            return false;
        };
        self.names.remove(&site.name);
        self.free.push(index);
        true
    }
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
