//! Depths as requests, claims and counts meet in them.

use super::*;

const MAIL: Queue = Queue::Mail;

fn depths(queue: u64, workspace: u64, is_alone: bool) -> Depths {
    Depths::new(&DepthLimits {
        queues: vec![(MAIL, queue)],
        workspace,
        own: OwnQuotas::default(),
        is_alone,
    })
}

fn found(queue: u64, workspaces: &[(WorkspaceId, u64)]) -> DepthCounts {
    DepthCounts {
        queues: HashMap::from([(MAIL, queue)]),
        workspaces: workspaces.iter().copied().collect(),
    }
}

fn count(depths: &Depths, found: &DepthCounts, api: usize) {
    let now = Instant::now();
    depths.begin(now);
    depths.counted(found, Alive { api, work: 1 }, (now, now));
}

/// How many of a hundred are taken.
fn taken(depths: &Depths, workspace: WorkspaceId) -> usize {
    (0..100).filter(|_| depths.take(MAIL, workspace).is_ok()).count()
}

#[test]
fn a_full_queue_refuses_all_workspaces_and_lets_in_as_many_as_leave() {
    let depths = depths(3, 0, true);
    let (a, b) = (WorkspaceId::generate(), WorkspaceId::generate());
    assert_eq!((taken(&depths, a), taken(&depths, b)), (3, 0));
    depths.left(MAIL, [a, a]);
    assert_eq!((taken(&depths, b), depths.waiting(MAIL)), (2, 3));
    let full = depths.take(MAIL, b).unwrap_err();
    assert_eq!(
        (full.of, full.max, full.wait),
        (FullOf::Queue, 3, Duration::from_secs(60))
    );
    assert!(depths.take(Queue::Probes, b).is_ok(), "another queue has its own");
    depths.add(MAIL, b, 10);
    assert_eq!(depths.waiting(MAIL), 13, "what has no limit counts");
}

#[test]
fn a_workspace_at_its_limit_takes_nothing_of_the_queue_and_the_others_go_on() {
    let depths = depths(100, 4, true);
    let (a, b) = (WorkspaceId::generate(), WorkspaceId::generate());
    assert_eq!((taken(&depths, a), taken(&depths, b)), (4, 4));
    assert_eq!(depths.take(MAIL, a).unwrap_err().of, FullOf::Workspace);
    assert_eq!(depths.waiting(MAIL), 8);
    depths.left(MAIL, [a]);
    assert_eq!((taken(&depths, a), taken(&depths, b)), (1, 0));
}

#[test]
fn a_count_decides_and_forgets_who_has_nothing_waiting() {
    let depths = depths(10, 5, true);
    let (a, b) = (WorkspaceId::generate(), WorkspaceId::generate());
    taken(&depths, a);
    count(&depths, &found(9, &[(b, 4)]), 1);
    assert_eq!(
        (taken(&depths, b), taken(&depths, a)),
        (1, 0),
        "the queue has one place"
    );
    count(&depths, &found(0, &[]), 1);
    count(&depths, &found(0, &[]), 1);
    assert_eq!(read(&depths.inner.workspaces).len(), 0);
    assert_eq!(taken(&depths, a), 5);
}

#[test]
fn nodes_share_what_is_left() {
    let depths = depths(400, 0, false);
    count(&depths, &found(390, &[]), 2);
    assert_eq!(taken(&depths, WorkspaceId::generate()), 5);
    count(&depths, &found(0, &[]), 4);
    assert_eq!(taken(&depths, WorkspaceId::generate()), 25, "a quarter, among four");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_refused_is_told_how_long_the_queue_takes_for_a_hundredth_of_its_limit() {
    let depths = depths(1_000, 0, true);
    let me = WorkspaceId::generate();
    depths.add(MAIL, me, 1_000);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        (0..2).for_each(|_| depths.ended(MAIL));
        assert!(depths.is_due(Instant::now()), "nothing was ever counted");
    }
    assert!((depths.rate(MAIL) - 2.0).abs() < 0.1, "{}", depths.rate(MAIL));
    // Eleven at two a second, or a little less.
    assert_eq!(depths.take(MAIL, me).unwrap_err().wait, Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_performs_nothing_sees_by_two_counts_how_fast_others_drain() {
    let depths = depths(1_000, 0, false);
    count(&depths, &found(500, &[]), 1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    depths.add(MAIL, WorkspaceId::generate(), 50);
    count(&depths, &found(350, &[]), 1);
    // 500 were there and 50 came; 200 went in ten seconds. The first is half of it.
    assert!((depths.rate(MAIL) - 10.0).abs() < 0.01, "{}", depths.rate(MAIL));
}

#[tokio::test(start_paused = true)]
async fn counts_take_a_hundredth_of_the_time_and_three_while_somebody_is_refused_and_are_never_old() {
    let depths = depths(1, 0, true);
    let due_after = async |cost: Duration| {
        let began = Instant::now();
        depths.begin(began);
        tokio::time::sleep(cost).await;
        depths.counted(&found(1, &[]), Alive::default(), (began, Instant::now()));
        let ended = Instant::now();
        move |depths: &Depths, after: u64| depths.is_due(ended + Duration::from_millis(after))
    };
    let due = due_after(Duration::from_millis(1)).await;
    assert!(!due(&depths, 999) && due(&depths, 1_000));
    let due = due_after(Duration::from_millis(100)).await;
    assert!(!due(&depths, 9_999) && due(&depths, 10_000));
    assert!(depths.take(MAIL, WorkspaceId::generate()).is_err());
    assert!(!due(&depths, 2_999) && due(&depths, 3_000));
    let due = due_after(Duration::from_secs(10)).await;
    assert!(!due(&depths, 179_999) && due(&depths, 180_000));
}
