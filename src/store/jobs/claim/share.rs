//! Sharing out what may start among the lanes that have something available.
//!
//! Guarantees: as many jobs are taken as were asked for, unless no more can start; where that is not known after some looks,
//! the answer says so, and the next claim goes on where this one ended.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::store::dialect::prelude::*;

use super::lanes::{Lane, Look, Seen, Width, look, ranges_of};
use super::limited::Limits;
use super::take::{ClaimRow, take};
use super::{ClaimRequest, Claimed, STATEMENT_ROWS_MAX, cancel_overdue};
use crate::clock::Timestamp;
use crate::domain::job::{Turn, Waiting};
use crate::store::dialect::{Firsts, Listed, ListedLane, Literally, Merged, Range};
use crate::store::events::Effects;
use crate::store::schema::jobs;
use crate::store::text::number;
use crate::store::{Connection, StoreError};

/// Looks of one claim: one is enough unless limits or other claims hold much back, or a workspace with several keys or a great
/// weight has less than it was dealt.
const LOOKS_MAX: usize = 4;
/// How many jobs the turn of a workspace of weight 1 is long. Each workspace that a claim serves costs it searches, and pages of
/// the index that are written: with turns of one job that would be several times what the jobs themselves cost.
const TURN_LENGTH: u32 = 4;
/// How many times as wide the next look is, for what is left to find, if one found less than was asked for, and if it found
/// less than half of that.
const WIDER: usize = 2;
const MUCH_WIDER: usize = 8;
/// When to go on with lanes of which many were looked at and none could start.
const GO_ON_AFTER: Duration = Duration::from_millis(50);

/// Takes up to as many jobs as are asked for, and enters them and what else is to be said into `claimed`.
pub(super) fn share_out(
    connection: &mut Connection,
    request: &ClaimRequest,
    mut limits: Limits,
    claimed: &mut Claimed,
    effects: &mut Effects,
) -> Result<(), StoreError> {
    let ranges = ranges_of(request);
    let asked = request.limit.min(STATEMENT_ROWS_MAX);
    let mut times = 1_usize;
    for _ in 0..LOOKS_MAX {
        let mut left = asked.saturating_sub(claimed.jobs.len()).saturating_sub(claimed.overdue);
        let of_queue = limits.room_of_queue(connection, request.now)?;
        if let Some(room) = of_queue.now {
            left = left.min(usize::try_from(room).unwrap_or(usize::MAX));
        }
        if left == 0 {
            claimed.is_held_back |= of_queue.is_full();
            claimed.has_more = !of_queue.is_full();
            claimed.look_again(of_queue.next_at);
            return Ok(());
        }
        let width = width_of(left, &claimed.turn, times);
        let mut seen = look(connection, &ranges, &mut claimed.turn, width)?;
        limits.enter_rooms(connection, &mut seen, request.now)?;
        for room in seen.workspaces.iter().flat_map(|one| &one.lanes).map(|lane| lane.room) {
            claimed.is_held_back |= room.is_full();
            claimed.look_again(room.next_at);
        }
        let wanted = deal(&seen, claimed, left);
        claimed.is_held_back |= wanted.iter().any(|one| one.lane.room.now == Some(one.count));
        let rows = rows_of(connection, &ranges, &wanted)?;
        let may_have_rest = may_have_rest(&wanted, &rows, left);
        let got = rows.len();
        claimed.overdue += cancel_overdue(connection, rows.iter().map(|row| &row.standing), request.now, effects)?;
        let taken = take(connection, rows, request, effects)?;
        let next_at = limits.started(connection, &taken, request.now)?;
        claimed.look_again(next_at);
        claimed.jobs.extend(taken);
        if seen.is_whole && seen.has_all_keys && !may_have_rest {
            return Ok(());
        }
        if claimed.jobs.len() >= asked {
            claimed.has_more = true;
            return Ok(());
        }
        // Much of what was seen could not start: more of it at once.
        times = times.saturating_mul(if got < left / 2 { MUCH_WIDER } else { WIDER });
    }
    claimed.has_more = !claimed.jobs.is_empty();
    if claimed.jobs.is_empty() {
        claimed.look_again(Some(request.now.plus(GO_ON_AFTER)));
    }
    Ok(())
}

/// How much is to be seen for so many starts; what was seen before could not all start if it is to be so many `times` as much.
fn width_of(starts: usize, turn: &Turn, times: usize) -> Width {
    let width = Width {
        turn: TURN_LENGTH,
        starts: 0,
        workspaces: 0,
    };
    // Of the turn under way all is counted, with what it has had already.
    let spent = turn.spent().min(width.counted());
    let mut starts = starts.saturating_add(usize::try_from(spent).unwrap_or(0));
    if times > 1 {
        // Whole turns, so that of workspaces with much as many more are seen as of those with little.
        starts = starts
            .next_multiple_of(usize::try_from(TURN_LENGTH).unwrap_or(1))
            .saturating_mul(times);
    }
    Width {
        starts,
        workspaces: starts.min(STATEMENT_ROWS_MAX),
        ..width
    }
}

impl Claimed {
    /// Has the next claim be no later than this, if it is a time.
    fn look_again(&mut self, at: Option<Timestamp>) {
        self.again_at = match (self.again_at, at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}

/// How many of a lane are to be taken.
struct Wanted<'a> {
    seen: &'a Seen,
    /// Where its workspace stands in the circle.
    place: usize,
    lane: &'a Lane,
    count: u64,
}

/// Deals so many starts out among those that were seen.
fn deal<'a>(look: &'a Look, claimed: &mut Claimed, left: usize) -> Vec<Wanted<'a>> {
    let waiting = look.workspaces.iter().filter_map(|seen| {
        let rooms = seen.lanes.iter().map(|lane| lane.room.now);
        // Of several lanes it is not known what each of them has.
        let only_lane = seen.available.filter(|_| seen.lanes.len() == 1);
        let room = rooms
            .reduce(|one, other| Some(one?.saturating_add(other?)))
            .unwrap_or(Some(0));
        Some(Waiting {
            workspace: seen.workspace?,
            weight: seen.weight.saturating_mul(TURN_LENGTH),
            room: [room, only_lane].into_iter().flatten().min(),
        })
    });
    let waiting: Vec<Waiting> = waiting.collect();
    let limit = u64::try_from(left).unwrap_or(u64::MAX);
    let mut dealt = claimed.turn.deal(&waiting, look.is_whole, limit).into_iter();
    let mut wanted = Vec::new();
    for (place, seen) in look.workspaces.iter().enumerate() {
        let counts = match seen.workspace {
            Some(_) => among(&seen.lanes, dealt.next().unwrap_or(0)),
            // What cannot be read is come across one at a time, and set aside.
            None => vec![1; seen.lanes.len()],
        };
        let lanes = seen.lanes.iter().zip(counts).filter(|(_, count)| *count > 0);
        wanted.extend(lanes.map(|(lane, count)| Wanted {
            seen,
            place,
            lane,
            count,
        }));
    }
    wanted
}

/// What a workspace was dealt, among its lanes: one each, those with the lowest rank first, as long as there is any.
fn among(lanes: &[Lane], dealt: u64) -> Vec<u64> {
    if lanes.len() == 1 {
        return vec![dealt];
    }
    let (mut counts, mut left) = (vec![0_u64; lanes.len()], dealt);
    loop {
        let before = left;
        for (lane, count) in lanes.iter().zip(&mut counts) {
            if left > 0 && lane.room.now.is_none_or(|room| *count < room) {
                (*count, left) = (*count + 1, left - 1);
            }
        }
        if left == 0 || left == before {
            return counts;
        }
    }
}

/// Whether a lane may have more than was taken of it: it gave all that was wanted, and limits would let it give more. If less
/// was wanted in all than there was room for, there is none.
fn may_have_rest(wanted: &[Wanted<'_>], rows: &[ClaimRow], left: usize) -> bool {
    let all: u64 = wanted.iter().map(|one| one.count).sum();
    if all < u64::try_from(left).unwrap_or(u64::MAX) {
        return false;
    }
    let mut got: HashMap<(&str, &str), u64> = HashMap::new();
    for row in rows {
        *got.entry((&row.standing.workspace_id, &row.limit_key)).or_default() += 1;
    }
    wanted.iter().any(|one| {
        let got = got.get(&(&one.seen.name, &one.lane.key)).copied().unwrap_or(0);
        got >= one.count && one.lane.room.now.is_none_or(|room| room > got)
    })
}

/// The first jobs of these lanes, as many of each as are wanted, in the order in which they are to start: in turns, and those
/// of a workspace by rank.
fn rows_of(connection: &mut Connection, ranges: &[Range], wanted: &[Wanted<'_>]) -> Result<Vec<ClaimRow>, StoreError> {
    if let [one] = wanted {
        return Ok(of_one(connection, ranges, one)?);
    }
    let mut by_lane: HashMap<(String, String), Vec<ClaimRow>> = HashMap::new();
    for row in of_several(connection, ranges, wanted)? {
        let lane = (row.standing.workspace_id.clone(), row.limit_key.clone());
        by_lane.entry(lane).or_default().push(row);
    }
    let by_rank =
        |one: &ClaimRow, other: &ClaimRow| (one.rank, &one.standing.id).cmp(&(other.rank, &other.standing.id));
    let mut by_place: BTreeMap<usize, (u32, Vec<ClaimRow>)> = BTreeMap::new();
    for one in wanted {
        let lane = (one.seen.name.clone(), one.lane.key.clone());
        let mut rows = by_lane.remove(&lane).unwrap_or_default();
        rows.sort_unstable_by(by_rank);
        rows.truncate(usize::try_from(one.count).unwrap_or(usize::MAX));
        let (_, its) = by_place
            .entry(one.place)
            .or_insert_with(|| (one.seen.weight, Vec::new()));
        its.extend(rows);
    }
    let mut in_turns: Vec<((usize, usize, usize), ClaimRow)> = Vec::new();
    for (place, (weight, mut rows)) in by_place {
        rows.sort_unstable_by(by_rank);
        let weight = usize::try_from(weight).unwrap_or(1).max(1);
        in_turns.extend(
            rows.into_iter()
                .enumerate()
                .map(|(index, row)| ((index / weight, place, index), row)),
        );
    }
    in_turns.sort_by_key(|(order, _)| *order);
    Ok(in_turns.into_iter().map(|(_, row)| row).collect())
}

/// Those of one lane: a range of the index for each kind and version, merged.
fn of_one(connection: &mut Connection, ranges: &[Range], one: &Wanted<'_>) -> QueryResult<Vec<ClaimRow>> {
    let its = one.lane.ranges.iter().filter_map(|index| ranges.get(*index));
    let ranges = its.map(|range| {
        jobs::table
            .filter(jobs::queue.eq(range.queue))
            // A literal, since a partial index is not used for a state that is a bound value.
            .filter(Literally("jobs.state = 'available'"))
            .filter(jobs::kind.eq(range.kind))
            .filter(jobs::args_version.eq(range.version))
            .filter(jobs::workspace_id.eq(&one.seen.name))
            .filter(jobs::limit_key.eq(&one.lane.key))
            .select(ClaimRow::columns())
    });
    let merged = Merged {
        ranges: ranges.collect(),
        order: "rank, id",
        limit: number(one.count),
    };
    merged.load(connection)
}

/// Those of several lanes, in no order, and of a lane in several ranges as many from each.
fn of_several(connection: &mut Connection, ranges: &[Range], wanted: &[Wanted<'_>]) -> QueryResult<Vec<ClaimRow>> {
    let mut groups: BTreeMap<(usize, u64), Vec<ListedLane<'_>>> = BTreeMap::new();
    for one in wanted {
        for index in &one.lane.ranges {
            let lane = ListedLane {
                w: &one.seen.name,
                k: &one.lane.key,
                n: one.count,
            };
            groups
                .entry((*index, Firsts::group(connection, one.count)))
                .or_default()
                .push(lane);
        }
    }
    let mut all = Vec::new();
    for ((index, _), lanes) in groups {
        let Some(range) = ranges.get(index) else { continue };
        let firsts = Firsts {
            columns: ClaimRow::columns(),
            range: *range,
            listed: Listed::of(&lanes),
            most: number(lanes.iter().map(|lane| lane.n).max().unwrap_or(0)),
        };
        let rows: Vec<ClaimRow> = firsts.load(connection)?;
        all.extend(rows);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::WorkspaceId;

    #[test]
    fn a_look_is_for_what_is_asked_and_a_further_one_for_whole_turns_of_it() {
        let mut turn = Turn::default();
        let starts = |asked, turn: &Turn, times| width_of(asked, turn, times).starts;
        assert_eq!((starts(1, &turn, 1), starts(1, &turn, 8)), (1, 32));
        assert_eq!((starts(102, &turn, 1), starts(102, &turn, 2)), (102, 208));
        assert_eq!(width_of(102, &turn, 8).workspaces, STATEMENT_ROWS_MAX);
        // What a heavy one has had of its turn is no reason to see more than it is counted with.
        let heavy = Waiting {
            workspace: WorkspaceId::from_bits(1),
            weight: 100 * TURN_LENGTH,
            room: None,
        };
        turn.deal(&[heavy], false, 3);
        assert_eq!(starts(1, &turn, 1), 4);
        turn.deal(&[heavy], false, 300);
        assert_eq!(starts(1, &turn, 1), 33);
    }
}
