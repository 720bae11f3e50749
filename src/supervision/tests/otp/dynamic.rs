//! Children of one spec, started on demand.

use super::*;

/// A supervisor of children that are built from their names.
struct Jobs {
    tree: Tree,
    stage: Stage,
    jobs: Dynamic<Player, String>,
}

impl Jobs {
    fn of(supervisor: SupervisorSpec, child: ChildSpec) -> Self {
        let (tree, stage) = (tree(), Stage::default());
        let builder = stage.clone();
        let jobs = tree
            .root()
            .dynamic(supervisor, child, move |name: &String| builder.player(name));
        Self { tree, stage, jobs }
    }

    fn start(&self, name: &str) -> Address<Player> {
        self.jobs.start(name.to_owned())
    }

    async fn close(self) -> Closing {
        close(&self.tree, &self.stage).await
    }
}

fn group() -> SupervisorSpec {
    super::group(Strategy::Dynamic)
}

#[actix::test]
async fn the_one_that_fails_is_restarted_alone_with_its_own_argument() {
    let scene = Jobs::of(group(), child("job"));
    let all = [scene.start("a"), scene.start("b"), scene.start("c")];
    let names = all.each_ref().map(|address| address.name().to_owned());
    assert_eq!(names, ["job", "job#2", "job#3"]);
    let before = lives(&all).await;
    scene.stage.mark();
    panics(&all[1]).await;
    pass(5 * SECOND).await;
    let after = lives(&all).await;
    assert_eq!((after[0], after[2]), (before[0], before[2]));
    assert_eq!(scene.stage.built(), ["b"]);
    scene.close().await;
}

#[actix::test]
async fn one_failure_too_many_ends_all_and_a_restarted_supervisor_begins_without_them() {
    let scene = Jobs::of(group().restart(Restart::Permanent), child("job"));
    let all = [scene.start("a"), scene.start("b"), scene.start("c")];
    for address in &all[..2] {
        panics(address).await;
        pass(5 * SECOND).await;
    }
    lives(&all).await;
    scene.stage.mark();
    panics(&all[2]).await;
    pass(5 * SECOND).await;
    assert!(scene.stage.built().is_empty());
    assert_eq!((scene.jobs.count(), scene.stage.alive()), (0, 0));
    assert!(all.iter().all(is_closed));
    assert_eq!(scene.tree.inspect("group").unwrap().restarts, 1);
    let new = scene.start("new");
    life(&new).await;
    assert_eq!(scene.stage.built(), ["new"]);
    scene.close().await;
}

#[actix::test]
async fn an_argument_that_cannot_be_built_again_escalates() {
    let scene = Jobs::of(group(), child("job"));
    let (bad, innocent) = (scene.start("bad"), scene.start("innocent"));
    life(&innocent).await;
    scene.stage.part("bad", |part| part.factory_fails = u32::MAX);
    panics(&bad).await;
    pass(HOUR).await;
    assert!(scene.tree.inspect("group").is_err());
    assert!(is_closed(&innocent));
    assert_eq!(scene.stage.stopped(), ["innocent"]);
    scene.close().await;
}

#[actix::test]
async fn all_are_told_to_end_at_once_and_have_the_same_time() {
    let scene = Jobs::of(group(), child("job").shutdown(2 * SECOND));
    let all = [scene.start("a"), scene.start("b"), scene.start("slow")];
    lives(&all).await;
    for (name, time) in [("a", SECOND), ("b", SECOND), ("slow", 5 * SECOND)] {
        scene.stage.part(name, |part| part.stops_after = time);
    }
    let closing = scene.close().await;
    assert!(about(closing.took, 2 * SECOND));
    let how = all.each_ref().map(|address| closing.how(address.name()));
    assert_eq!(how, [StopKind::Clean, StopKind::Clean, StopKind::CutOff]);
}

#[actix::test]
async fn those_to_be_killed_are_all_killed_at_once() {
    let scene = Jobs::of(group(), child("job").ending(Shutdown::Kill).restart(Restart::Temporary));
    for number in 0..10 {
        let name = number.to_string();
        scene.stage.part(&name, |part| part.stops_after = HOUR);
        life(&scene.start(&name)).await;
    }
    let closing = scene.close().await;
    assert_eq!(closing.took, Duration::ZERO);
    assert_eq!(
        closing
            .stopped
            .iter()
            .filter(|child| child.how == StopKind::CutOff)
            .count(),
        10
    );
}

#[actix::test]
async fn those_that_end_in_their_own_way_when_told_to_hold_nothing_up() {
    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
        let scene = Jobs::of(group(), child("job").restart(restart));
        let all = [scene.start("nice"), scene.start("nasty"), scene.start("late")];
        lives(&all).await;
        scene.stage.part("nasty", |part| part.stopped_fails = true);
        scene.stage.part("late", |part| part.stops_after = SECOND);
        let panicking = all[2].clone();
        let stopping = actix::spawn(scene.close());
        settle().await;
        assert!(is_closed(&panicking));
        let closing = stopping.await.unwrap();
        assert!(closing.is_clean(), "{restart:?} {:?}", closing.stopped);
    }
}

#[actix::test]
async fn one_is_stopped_by_hand_and_forgotten() {
    let scene = Jobs::of(group(), child("job"));
    let all = [scene.start("a"), scene.start("b")];
    let before = lives(&all).await;
    scene.tree.stop_child(all[0].name()).await.unwrap();
    assert_eq!(scene.jobs.count(), 1);
    assert!(scene.tree.stop_child(all[0].name()).await.is_err());
    pass(HOUR).await;
    assert!(is_closed(&all[0]));
    assert_eq!(life(&all[1]).await, before[1]);
    scene.close().await;
}

#[actix::test]
async fn one_in_a_restart_loop_is_stopped_at_once_and_the_others_come_back() {
    let scene = Jobs::of(group().intensity(1_000, SECOND), child("job"));
    let all = [scene.start("a"), scene.start("b"), scene.start("c")];
    let before = lives(&all).await;
    for (name, address) in [("a", &all[0]), ("b", &all[1])] {
        scene.stage.part(name, |part| part.factory_fails = u32::MAX);
        panics(address).await;
    }
    pass(20 * SECOND).await;
    assert_eq!(scene.jobs.count(), 3, "those that wait are counted");
    let began = tokio::time::Instant::now();
    scene.tree.stop_child(all[0].name()).await.unwrap();
    assert_eq!((scene.jobs.count(), began.elapsed()), (2, Duration::ZERO));
    scene.stage.part("b", |part| part.factory_fails = 0);
    assert_ne!(life(&all[1]).await, before[1]);
    assert_eq!(life(&all[2]).await, before[2]);
    scene.close().await;
}

#[actix::test]
async fn counts_and_lists_agree_and_the_list_is_bounded() {
    let scene = Jobs::of(group(), child("job").restart(Restart::Temporary));
    let mut all = Vec::new();
    for number in 1..=1_200 {
        all.push(scene.start("job"));
        if number == 1_000 {
            assert_eq!(scene.jobs.count(), 1_000);
        }
    }
    settle().await;
    let group = scene.tree.inspect("group").unwrap();
    assert_eq!((group.children_count, group.children.len()), (1_200, 1_000));
    for address in &all {
        address.tell(Boom(0)).await.unwrap();
    }
    for address in &all {
        address.ended().await;
    }
    settle().await;
    assert_eq!(scene.jobs.count(), 0);
    assert!(scene.tree.inspect("group").is_ok(), "the supervisor stays");
    scene.close().await;
}

#[actix::test]
async fn there_are_never_more_than_the_supervisor_may_have() {
    let scene = Jobs::of(group().children_max(2), child("job").restart(Restart::Temporary));
    let all = [scene.start("a"), scene.start("b")];
    lives(&all).await;
    assert!(is_closed(&scene.start("c")));
    all[0].tell(Quit).await.unwrap();
    all[0].ended().await;
    settle().await;
    life(&scene.start("d")).await;
    assert_eq!(scene.stage.built(), ["a", "b", "d"]);
    scene.close().await;
}

#[actix::test]
async fn the_last_significant_one_that_is_done_ends_the_supervisor() {
    for (rule, ends_with_the_first) in [
        (AutoShutdown::AnySignificant, true),
        (AutoShutdown::AllSignificant, false),
    ] {
        let spec = child("job").restart(Restart::Temporary).significant();
        let scene = Jobs::of(group().auto_shutdown(rule), spec);
        let all = [scene.start("a"), scene.start("b")];
        lives(&all).await;
        all[0].tell(Quit).await.unwrap();
        pass(SECOND).await;
        assert_eq!(scene.tree.inspect("group").is_err(), ends_with_the_first);
        drop(all[1].try_tell(Quit));
        pass(SECOND).await;
        assert!(scene.tree.inspect("group").is_err());
        scene.close().await;
    }
}

#[actix::test]
async fn an_argument_is_dropped_with_its_child() {
    let (tree, stage) = (tree(), Stage::default());
    let builder = stage.clone();
    let spec = child("job").restart(Restart::Temporary);
    let jobs = tree
        .root()
        .dynamic(group(), spec, move |_: &Arc<()>| builder.player("job"));
    let argument = Arc::new(());
    for number in 0..20 {
        let job = jobs.start(Arc::clone(&argument));
        job.tell(Boom(number)).await.unwrap();
        job.ended().await;
    }
    settle().await;
    assert_eq!(Arc::strong_count(&argument), 1);
    tree.stop().await;
}
