//! Which lanes have something available: workspaces in the order of the circle, and the keys of those that use them.
//!
//! Guarantees: so many workspaces are seen as were asked for, by their weights or by their number, unless there are no more; of
//! one with many keys a part is seen at a time, and the next look sees the next part.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::dialect::prelude::*;

use super::ClaimRequest;
use crate::domain::id::WorkspaceId;
use crate::domain::job::{Room, Turn};
use crate::store::dialect::{Circle, Keys, Listed, ListedLane, Range, Step};
use crate::store::text::{number, unsigned};
use crate::store::{Connection, StoreError};

/// Keys in all that one look sees, shared by the workspaces that use them.
const KEYS_MAX: usize = 1_024;
/// Keys of one workspace that one look sees: at least and at most.
const KEYS_EACH: (usize, usize) = (8, 256);

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// In the order of the circle.
    pub(super) workspaces: Vec<Seen>,
    /// Whether no other workspace has anything available.
    pub(super) is_whole: bool,
    /// Whether all keys of theirs were seen.
    pub(super) has_all_keys: bool,
}

/// A workspace that has something available.
#[derive(Debug)]
pub(super) struct Seen {
    /// As its jobs name it.
    pub(super) name: String,
    /// Who that is; none where the name is no id, as a person's hand leaves it.
    pub(super) workspace: Option<WorkspaceId>,
    /// Its share.
    pub(super) weight: u32,
    /// Its lanes, that with the lowest rank first.
    pub(super) lanes: Vec<Lane>,
}

/// What a workspace has available under one key.
#[derive(Debug)]
pub(super) struct Lane {
    /// The key; empty for what has none.
    pub(super) key: String,
    /// The lowest rank of it; 0 for the only lane of a workspace.
    pub(super) rank: i64,
    /// In which of the ranges.
    pub(super) ranges: BTreeSet<usize>,
    /// What limits leave.
    pub(super) room: Room,
}

/// The ranges of the index that the asker's kinds are: one for each kind and version.
pub(super) fn ranges_of(request: &ClaimRequest) -> Vec<Range> {
    let of_kind = |kind: &super::KnownKind| {
        let (queue, kind, version) = (request.queue.as_str(), kind.name, i64::from(kind.version));
        (1..=version).map(move |version| Range { queue, kind, version })
    };
    request.kinds.iter().flat_map(of_kind).collect()
}

/// How much a look is to see.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    /// It is enough when the weights of the workspaces come to this.
    pub(super) weights: usize,
    /// The most workspaces.
    pub(super) workspaces: usize,
}

/// Looks at workspaces from the turn on.
pub(super) fn look(
    connection: &mut Connection,
    ranges: &[Range],
    turn: &mut Turn,
    width: Width,
) -> Result<Look, StoreError> {
    let from = turn.from().map_or_else(String::new, |(at, is_out)| {
        // Behind the id and before every other: ids are of one length, and no id has this sign.
        if is_out { format!("{at}~") } else { at.to_string() }
    });
    let mut found: BTreeMap<(i32, String), Found> = BTreeMap::new();
    let mut horizon: Option<(i32, String)> = None;
    for (index, range) in ranges.iter().enumerate() {
        let circle = Circle {
            range: *range,
            from: from.clone(),
            weights: number(width.weights),
            limit: number(width.workspaces),
        };
        let steps: Vec<Step> = circle.load(connection)?;
        // Where one range is left early, it is not known who has something in it behind that.
        let is_left_early = steps
            .last()
            .is_some_and(|(place, name, ..)| *place == 0 || name.as_ref().is_some_and(|name| *name < from));
        let mut end = None;
        // The one behind says what this one weighs.
        let nexts: Vec<i64> = steps.iter().skip(1).map(|(_, _, before, ..)| *before).collect();
        for ((place, name, before, first, last), next) in steps.into_iter().zip(nexts) {
            let (Some(name), Some(first), Some(last)) = (name, first, last) else {
                continue;
            };
            end = Some((place, name.clone()));
            let its = found.entry((place, name)).or_default();
            its.weight = unsigned(next.saturating_sub(before), "workspaces", "weight")?;
            its.parts.push(Part { index, first, last });
        }
        if let Some(end) = end.filter(|_| is_left_early) {
            horizon = Some(horizon.map_or(end.clone(), |before| before.min(end)));
        }
    }
    let is_cut_off = horizon.is_some();
    let seen = found
        .into_iter()
        .filter(|(place, _)| horizon.as_ref().is_none_or(|horizon| place <= horizon))
        .map(|((_, name), found)| (name, found))
        .collect();
    let (workspaces, has_all_keys) = with_lanes(connection, ranges, turn, seen)?;
    Ok(Look {
        workspaces,
        is_whole: !is_cut_off,
        has_all_keys,
    })
}

/// A workspace that was come across.
#[derive(Default)]
struct Found {
    weight: u32,
    parts: Vec<Part>,
}

/// What a workspace has in one of the ranges.
struct Part {
    index: usize,
    first: String,
    last: String,
}

/// The lanes of workspaces, and whether all were seen.
fn with_lanes(
    connection: &mut Connection,
    ranges: &[Range],
    turn: &mut Turn,
    found: Vec<(String, Found)>,
) -> Result<(Vec<Seen>, bool), StoreError> {
    let mut seen: Vec<Seen> = Vec::with_capacity(found.len());
    let mut keyed: Vec<usize> = Vec::new();
    for (position, (name, Found { weight, parts })) in found.into_iter().enumerate() {
        let mut seen_one = Seen {
            workspace: name.parse().ok(),
            name,
            weight,
            lanes: Vec::new(),
        };
        let first = parts.first().map(|part| part.first.clone()).unwrap_or_default();
        if parts.iter().all(|part| part.first == first && part.last == first) {
            seen_one.lanes.push(Lane {
                key: first,
                rank: 0,
                ranges: parts.iter().map(|part| part.index).collect(),
                room: Room::ENDLESS,
            });
        } else {
            keyed.push(position);
        }
        seen.push(seen_one);
    }
    let has_all = keyed.is_empty() || add_keys(connection, ranges, turn, &mut seen, &keyed)?;
    Ok((seen, has_all))
}

/// Adds the lanes of those workspaces that have several; answers whether all of them were seen.
fn add_keys(
    connection: &mut Connection,
    ranges: &[Range],
    turn: &mut Turn,
    seen: &mut [Seen],
    keyed: &[usize],
) -> Result<bool, StoreError> {
    let (least, most) = KEYS_EACH;
    let each = (KEYS_MAX / keyed.len().max(1)).clamp(least, most);
    let from_of = |one: &Seen| {
        let key = one.workspace.and_then(|workspace| turn.key_of(workspace));
        // Behind the key and before every other, since keys have no control characters.
        key.map_or_else(String::new, |key| format!("{key}\u{1}"))
    };
    let asked: Vec<(String, String)> = keyed
        .iter()
        .filter_map(|position| seen.get(*position))
        .map(|one| (one.name.clone(), from_of(one)))
        .collect();
    let rows: Vec<ListedLane<'_>> = asked.iter().map(|(w, k)| ListedLane { w, k, n: 0 }).collect();
    let listed = Listed::of(&rows);
    let mut lanes: BTreeMap<String, BTreeMap<String, Lane>> = BTreeMap::new();
    let mut horizons: BTreeMap<String, String> = BTreeMap::new();
    for (index, range) in ranges.iter().enumerate() {
        let keys = Keys {
            range: *range,
            listed: listed.clone(),
            limit: number(each),
        };
        let mut counts: BTreeMap<String, (usize, String)> = BTreeMap::new();
        let rows: Vec<(String, String, i64)> = keys.load(connection)?;
        for (name, key, rank) in rows {
            let (count, last) = counts.entry(name.clone()).or_default();
            (*count, *last) = (*count + 1, key.clone().max(std::mem::take(last)));
            let lane = lanes
                .entry(name)
                .or_default()
                .entry(key.clone())
                .or_insert_with(|| Lane {
                    key,
                    rank,
                    ranges: BTreeSet::new(),
                    room: Room::ENDLESS,
                });
            lane.rank = lane.rank.min(rank);
            lane.ranges.insert(index);
        }
        for (name, (_, last)) in counts.into_iter().filter(|(_, (count, _))| *count >= each) {
            let horizon = horizons.entry(name).or_insert_with(|| last.clone());
            *horizon = last.min(std::mem::take(horizon));
        }
    }
    let mut has_all = true;
    for (position, (name, from)) in keyed.iter().zip(&asked) {
        let Some(one) = seen.get_mut(*position) else { continue };
        let horizon = horizons.remove(name);
        let mut its: Vec<Lane> = lanes.remove(name).unwrap_or_default().into_values().collect();
        its.retain(|lane| horizon.as_ref().is_none_or(|horizon| lane.key <= *horizon));
        its.sort_by_key(|lane| lane.rank);
        one.lanes = its;
        has_all &= horizon.is_none() && from.is_empty();
        if let Some(workspace) = one.workspace {
            turn.seen(workspace, horizon);
        }
    }
    Ok(has_all)
}
