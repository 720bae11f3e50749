//! Which lanes have something available: workspaces in the order of the circle, and the keys of those that use them.
//!
//! Guarantees: so many workspaces are seen as were asked for, by what they may start in a turn or by their number, unless there
//! are no more; of one with many keys a part is seen at a time, and the next look sees the next part.

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
    /// How many it has available in all ranges; none where one of them may have more than was counted.
    pub(super) available: Option<u64>,
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
    /// How many jobs the turn of a workspace of weight 1 is long.
    pub(super) turn: u32,
    /// It is enough when what the workspaces may start in a turn each comes to this.
    pub(super) starts: usize,
    /// The most workspaces.
    pub(super) workspaces: usize,
}

impl Width {
    /// How far what a workspace has available is counted: a turn of this weight, so that no backlog costs a look more entries of
    /// the index. Where some have greater weights, more workspaces are seen than are needed.
    const COUNTED_WEIGHT: u32 = 8;

    /// The most that is counted of a workspace.
    pub(super) fn counted(self) -> u32 {
        self.turn.saturating_mul(Self::COUNTED_WEIGHT)
    }

    /// How many a workspace of this weight has available, where so many were counted that it may start; none if it may have more.
    fn available(self, weight: u32, starts: i64) -> Option<u64> {
        let most = weight.saturating_mul(self.turn).min(self.counted());
        u64::try_from(starts).ok().filter(|starts| *starts < u64::from(most))
    }
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
            turn: i64::from(width.turn),
            counted: i64::from(width.counted()),
            starts: number(width.starts),
            limit: number(width.workspaces),
            // What is behind that would not be known to be in turn.
            until: horizon.clone(),
        };
        let steps: Vec<Step> = circle.load(connection)?;
        // Where one range is left early, it is not known who has something in it behind that.
        let is_left_early = steps
            .last()
            .is_some_and(|(place, name, ..)| *place == 0 || name.as_ref().is_some_and(|name| *name < from));
        // Beyond the horizon it need not be known.
        let is_beyond = horizon.as_ref().is_some_and(|(place, name)| {
            let last = steps.last().map(|(at, who, ..)| (at, who));
            last.is_some_and(|(at, who)| who.as_ref().map_or(at == place, |who| (at, who) > (place, name)))
        });
        let mut end = None;
        // The one behind says what this one may start.
        let nexts: Vec<i64> = steps.iter().skip(1).map(|(_, _, _, before, ..)| *before).collect();
        for ((place, name, weight, before, key, other), next) in steps.into_iter().zip(nexts) {
            let (Some(name), Some(key)) = (name, key) else {
                continue;
            };
            end = Some((place, name.clone()));
            let weight = unsigned(weight, "workspaces", "weight")?;
            let available = width.available(weight, next.saturating_sub(before));
            let its = found.entry((place, name)).or_insert(Found {
                weight,
                available: Some(0),
                parts: Vec::new(),
            });
            its.available = its
                .available
                .zip(available)
                .map(|(one, other)| one.saturating_add(other));
            its.parts.push(Part {
                index,
                key,
                has_others: other.is_some(),
            });
        }
        if let Some(end) = end.filter(|_| is_left_early && !is_beyond) {
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
struct Found {
    weight: u32,
    available: Option<u64>,
    parts: Vec<Part>,
}

/// What a workspace has in one of the ranges.
struct Part {
    index: usize,
    /// Its last key.
    key: String,
    has_others: bool,
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
    for (position, (name, its)) in found.into_iter().enumerate() {
        let parts = its.parts;
        let mut seen_one = Seen {
            workspace: name.parse().ok(),
            name,
            weight: its.weight,
            available: its.available,
            lanes: Vec::new(),
        };
        let key = parts.first().map(|part| part.key.clone()).unwrap_or_default();
        if parts.iter().all(|part| part.key == key && !part.has_others) {
            seen_one.lanes.push(Lane {
                key,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::JobId;
    use crate::domain::job::Waiting;
    use crate::store::testing::{NOW, TestStore, job, on_each_database, request};
    use crate::store::{KnownKind, NewJob};

    /// Workspaces in the order of the circle, with these weights and so many jobs, of two versions in turn.
    async fn circle(store: &TestStore, each: &[(u32, usize)]) -> Vec<WorkspaceId> {
        let all: Vec<WorkspaceId> = (1..).take(each.len()).map(WorkspaceId::from_bits).collect();
        let mut new = Vec::new();
        for (workspace, (weight, count)) in all.iter().zip(each) {
            store.execute(&format!(
                "INSERT INTO workspaces (id, name, created_at, weight) VALUES ('{workspace}', 'one', 0, {weight})"
            ));
            new.extend((1..=*count).map(|number| NewJob {
                workspace: *workspace,
                args_version: if number % 2 == 0 { 2 } else { 1 },
                ..job()
            }));
        }
        store.enqueue(new).await.unwrap();
        all
    }

    /// What a look sees, in turns of four: whose, their weights, and what they have.
    fn seen(store: &TestStore, version: u32, starts: usize) -> (Vec<(u32, Option<u64>)>, bool) {
        let look = look_from(store, Turn::default(), version, starts);
        let each = look.workspaces.iter().map(|one| (one.weight, one.available));
        (each.collect(), look.is_whole)
    }

    fn look_from(store: &TestStore, mut turn: Turn, version: u32, starts: usize) -> Look {
        let request = ClaimRequest {
            kinds: vec![KnownKind {
                version,
                ..request(1, NOW).kinds[0]
            }],
            ..request(1, NOW)
        };
        let width = Width {
            turn: 4,
            starts,
            workspaces: 100,
        };
        store.look(move |connection| look(connection, &ranges_of(&request), &mut turn, width).unwrap())
    }

    async fn a_look_sees_as_many_as_have_enough_together_and_counts_what_is_less_than_a_turn(store: TestStore) {
        // Of version 1 there are, by turns of four: 1 of 4, 3 of 4, 8 of 8, 5 of 4, 32 of 400, 31 of 36.
        let each = [(1, 1), (1, 5), (2, 16), (1, 10), (100, 80), (9, 62)];
        circle(&store, &each).await;
        let all = [
            (1, Some(1)),
            (1, Some(3)),
            (2, None),
            (1, None),
            // Nothing beyond 32 is counted, so that there may be more.
            (100, None),
            (9, Some(31)),
        ];
        for (starts, count) in [
            (1, 1),
            (2, 2),
            (4, 2),
            (5, 3),
            (12, 3),
            (13, 4),
            (16, 4),
            (17, 5),
            (48, 5),
            (49, 6),
        ] {
            let (seen, is_whole) = seen(&store, 1, starts);
            assert_eq!(seen, all[..count], "{starts}");
            assert!(!is_whole, "{starts}: it was left before it was known to be");
        }
        // Version 2 adds 0, 2, 8, 5, 40 and 31; beyond where the first version is left nothing is known.
        let (few, is_whole) = seen(&store, 2, 4);
        assert_eq!((few, is_whole), (vec![(1, Some(1)), (1, Some(5))], false));
        let (seen, is_whole) = seen(&store, 2, 1_000);
        assert_eq!(seen.len(), 6);
        assert_eq!(seen[..2], [(1, Some(1)), (1, Some(5))]);
        assert_eq!((seen[3], seen[5]), ((1, None), (9, Some(62))));
        assert!(is_whole);
    }

    async fn a_range_with_little_takes_nothing_from_what_another_shows(store: TestStore) {
        let of = |number, args_version| NewJob {
            workspace: WorkspaceId::from_bits(number),
            args_version,
            ..job()
        };
        let mut new: Vec<NewJob> = (1..=5).flat_map(|number| vec![of(number, 1); 4]).collect();
        new.iter_mut().for_each(|job| job.id = JobId::generate());
        new.push(of(1, 2));
        store.enqueue(new).await.unwrap();
        let whose = |turn: &Turn| -> Vec<u128> {
            let look = look_from(&store, turn.clone(), 2, 12);
            let numbers = look.workspaces.iter().map(|seen| {
                (1..=9)
                    .find(|number| Some(WorkspaceId::from_bits(*number)) == seen.workspace)
                    .unwrap()
            });
            numbers.collect()
        };
        let first = Turn::default();
        let mut behind_four = Turn::default();
        let four = Waiting {
            workspace: WorkspaceId::from_bits(4),
            weight: 4,
            room: None,
        };
        behind_four.deal(&[four], false, 4);
        assert_eq!((whose(&first), whose(&behind_four)), (vec![1, 2, 3], vec![5, 1, 2]));
        // The same where it goes on behind that.
        store.enqueue(vec![of(9, 2)]).await.unwrap();
        assert_eq!((whose(&first), whose(&behind_four)), (vec![1, 2, 3], vec![5, 9, 1, 2]));
    }

    on_each_database!(
        a_look_sees_as_many_as_have_enough_together_and_counts_what_is_less_than_a_turn,
        a_range_with_little_takes_nothing_from_what_another_shows,
    );
}
