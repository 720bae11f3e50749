//! Workspaces take turns, by the real claim code, and keys take theirs.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::domain::id::WorkspaceId;
use crate::domain::job::{LimitKey, Turn};
use crate::store::testing::{NODE, NOW, enter_workspace, on_each_database};
use crate::store::{ClaimRequest, Claimed, NewJob, workspaces};

/// Workspaces with these weights.
async fn weighted(store: &TestStore, weights: &[u32]) -> Vec<WorkspaceId> {
    let weights = weights.to_vec();
    let enter = store.write(move |tx| {
        let mut all = Vec::new();
        for weight in &weights {
            let id = WorkspaceId::generate();
            enter_workspace(tx.connection(), id)?;
            let to = workspaces::WorkspaceChange {
                weight: Some(*weight),
                ..workspaces::WorkspaceChange::default()
            };
            assert!(workspaces::change(tx.connection(), id, &to)?.is_some());
            all.push(id);
        }
        Ok::<_, Abort<()>>(all)
    });
    enter.await.unwrap()
}

fn of(workspace: WorkspaceId, count: usize) -> impl Iterator<Item = NewJob> {
    (0..count).map(move |_| NewJob { workspace, ..job() })
}

fn keyed(workspace: WorkspaceId, key: &str, priority: i32) -> NewJob {
    NewJob {
        workspace,
        priority,
        limit_key: Some(key.parse::<LimitKey>().unwrap()),
        ..job()
    }
}

/// A claim that goes on where the one before ended.
pub(super) async fn claim_on(store: &TestStore, turn: &mut Turn, limit: usize) -> Claimed {
    let asked = ClaimRequest {
        turn: turn.clone(),
        node: NODE,
        ..request(limit, NOW)
    };
    let claimed = store.claim(asked).await.unwrap();
    assert!(claimed.jobs.len() <= limit);
    *turn = claimed.turn.clone();
    claimed
}

fn counts(claimed: &Claimed) -> HashMap<WorkspaceId, usize> {
    let mut counts = HashMap::new();
    for job in &claimed.jobs {
        *counts.entry(job.workspace).or_default() += 1;
    }
    counts
}

/// A thousand workspaces: one with a burst, the others with a few jobs each; all are served by their weights, in whatever
/// portions they are claimed.
async fn a_thousand_workspaces_share_by_their_weights_and_a_burst_delays_nobody(store: TestStore) {
    const COUNT: usize = 1_000;
    const TURNS: usize = 2;
    /// Jobs in a turn of weight 1.
    const LENGTH: usize = 4;
    let weights: Vec<u32> = (0..COUNT).map(|number| [1, 1, 2, 5][number % 4]).collect();
    let all = weighted(&store, &weights).await;
    let (burst, weight_of): (_, BTreeMap<WorkspaceId, u32>) = (all[500], all.iter().copied().zip(weights).collect());
    store.enqueue(of(burst, 3_000).collect()).await.unwrap();
    let turn_of = |id: &WorkspaceId| usize::try_from(weight_of[id]).unwrap() * LENGTH;
    let few = |id: &WorkspaceId| turn_of(id) * TURNS;
    let others = all.iter().filter(|id| **id != burst);
    let new: Vec<NewJob> = others.clone().flat_map(|id| of(*id, few(id))).collect();
    let mut left = new.len();
    for part in new.chunks(2_000) {
        store.enqueue(part.to_vec()).await.unwrap();
    }
    let mut turn = Turn::default();
    let mut served: BTreeMap<WorkspaceId, usize> = BTreeMap::new();
    let portions = [256, 7, 500, 100, 31, 500];
    for portion in portions.into_iter().cycle() {
        let claimed = claim_on(&store, &mut turn, portion).await;
        assert_eq!(claimed.jobs.len(), portion, "nothing is left free while anything waits");
        for (id, count) in counts(&claimed) {
            *served.entry(id).or_default() += count;
        }
        // Turns that are over, of all that have anything left.
        let turns = all.iter().map(|id| {
            let count = served.get(id).copied().unwrap_or(0);
            (count / turn_of(id), *id != burst && count == few(id))
        });
        let going: Vec<usize> = turns.filter(|(_, is_over)| !is_over).map(|(turns, _)| turns).collect();
        let (least, most) = (going.iter().min().unwrap(), going.iter().max().unwrap());
        if left > 0 {
            assert!(most - least <= 1, "{least} to {most} turns");
        }
        left = new.len()
            - others
                .clone()
                .map(|id| served.get(id).copied().unwrap_or(0))
                .sum::<usize>();
        if left == 0 {
            break;
        }
    }
    // The burst has what it is due and no more, and the rest of it is all that is left.
    let bursts = served[&burst];
    assert!(bursts <= (TURNS + 1) * turn_of(&burst) + 500, "{bursts}");
    assert_eq!(
        claim_on(&store, &mut turn, 500).await.jobs.len(),
        500,
        "the burst has all now"
    );
}

async fn whoever_comes_anew_beside_a_crowd_is_next(store: TestStore) {
    let all = weighted(&store, &[1, 1, 1]).await;
    store.enqueue(of(all[0], 500).collect()).await.unwrap();
    let mut turn = Turn::default();
    for _ in 0..3 {
        assert_eq!(claim_on(&store, &mut turn, 100).await.jobs.len(), 100);
    }
    store
        .enqueue(of(all[2], 1).chain(of(all[1], 2)).collect())
        .await
        .unwrap();
    let next = claim_on(&store, &mut turn, 3).await;
    let whose: Vec<WorkspaceId> = next.jobs.iter().map(|job| job.workspace).collect();
    assert_eq!(whose, [all[1], all[2], all[1]], "they start in turn");
    // What the others leave is the crowd's.
    let rest = claim_on(&store, &mut turn, 50).await;
    assert_eq!(counts(&rest), HashMap::from([(all[0], 50)]));
    assert!(rest.has_more);
    let rest = claim_on(&store, &mut turn, 500).await;
    assert!(rest.jobs.len() == 150 && !rest.has_more);
}

async fn claims_of_one_job_each_go_round_and_always_get_one(store: TestStore) {
    let all = weighted(&store, &[1, 100, 1]).await;
    for id in &all {
        store.enqueue(of(*id, 6).collect()).await.unwrap();
    }
    let mut turn = Turn::default();
    let mut whose = Vec::new();
    for _ in 0..18 {
        whose.extend(
            claim_on(&store, &mut turn, 1)
                .await
                .jobs
                .iter()
                .map(|job| job.workspace),
        );
    }
    let expected = [(0, 4), (1, 6), (2, 4), (0, 2), (2, 2)];
    let expected = expected.map(|(index, count)| vec![all[index]; count]).concat();
    assert_eq!(whose, expected);
}

async fn the_keys_of_a_workspace_go_by_their_first_ranks_and_all_of_them_have_their_turn(store: TestStore) {
    let own = weighted(&store, &[1]).await[0];
    let mut new: Vec<NewJob> = (0..400).map(|number| keyed(own, &format!("key {number}"), 0)).collect();
    new.extend(of(own, 5));
    let urgent = [keyed(own, "later", 5), keyed(own, "first", 10)];
    new.extend(urgent.clone());
    store.enqueue(new).await.unwrap();
    let mut turn = Turn::default();
    let (mut claimed, mut claims) = (Vec::new(), 0);
    while claimed.len() < 407 {
        let jobs = claim_on(&store, &mut turn, 30).await.jobs;
        claimed.extend(jobs.into_iter().map(|job| job.id));
        claims += 1;
        assert!(claims <= 14, "each claim gets its number");
    }
    // Of those that one look sees: "first" and what has no key are among the first 256, in the order of keys.
    assert_eq!(claimed[0], urgent[1].id);
    assert!(claimed[..120].contains(&urgent[0].id), "the rest has its turn");
}

async fn keys_with_more_and_less_than_their_share_of_a_turn_leave_nothing_free(store: TestStore) {
    let all = weighted(&store, &[1, 3]).await;
    let mut new = vec![keyed(all[0], "a", 1), keyed(all[0], "b", 0), keyed(all[0], "b", 0)];
    new.extend((0..6).map(|_| keyed(all[1], "a", 0)));
    new.extend(of(all[1], 1));
    store.enqueue(new).await.unwrap();
    let claimed = claim_on(&store, &mut Turn::default(), 20).await;
    assert_eq!(counts(&claimed), HashMap::from([(all[0], 3), (all[1], 7)]));
}

async fn jobs_of_a_workspace_without_keys_are_claimed_by_rank_whoever_else_waits(store: TestStore) {
    let all = weighted(&store, &[1, 3]).await;
    let late = NewJob {
        priority: -1,
        workspace: all[1],
        ..job()
    };
    let early = NewJob {
        priority: 1,
        workspace: all[1],
        ..job()
    };
    store.enqueue(vec![late.clone(), early.clone()]).await.unwrap();
    store.enqueue(of(all[0], 2).collect()).await.unwrap();
    let jobs = claim_on(&store, &mut Turn::default(), 10).await.jobs;
    let own: Vec<JobId> = jobs
        .iter()
        .filter(|job| job.workspace == all[1])
        .map(|job| job.id)
        .collect();
    assert_eq!(own, [early.id, late.id]);
    assert_eq!(jobs[0].workspace, all[0]);
    assert_eq!(
        jobs[3].workspace, all[0],
        "its second turn comes after the other's first"
    );
}

on_each_database!(
    a_thousand_workspaces_share_by_their_weights_and_a_burst_delays_nobody,
    whoever_comes_anew_beside_a_crowd_is_next,
    claims_of_one_job_each_go_round_and_always_get_one,
    the_keys_of_a_workspace_go_by_their_first_ranks_and_all_of_them_have_their_turn,
    keys_with_more_and_less_than_their_share_of_a_turn_leave_nothing_free,
    jobs_of_a_workspace_without_keys_are_claimed_by_rank_whoever_else_waits,
);
