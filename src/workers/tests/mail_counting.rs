//! Counts of mails between processes of one database, and over a restart.

use crate::domain::id::{NodeId, WorkspaceId};
use crate::jobs::{DepthLimits, Depths, MailCounts, OwnQuotas};
use crate::store::Abort;
use crate::store::testing::{NOW, TestStore, on_each_database};
use crate::store::workspaces::{self, WorkspaceChange};
use crate::workers::MailLedger;

/// A process in which each workspace may send so many mails.
pub(super) fn process(max: u64) -> MailLedger {
    let quotas = OwnQuotas::default();
    let depths = Depths::new(&DepthLimits {
        own: quotas.clone(),
        ..DepthLimits::default()
    });
    let counts = MailCounts::new(max, quotas.clone());
    MailLedger::new(counts, quotas, depths, NodeId::generate())
}

fn used(process: &MailLedger, workspace: WorkspaceId) -> u64 {
    process.counts.used(workspace, NOW).0
}

async fn a_restart_forgets_nothing_that_was_written_and_no_other_process_is_overlooked(store: TestStore) {
    let workspace = store.workspace().await;
    let (here, there) = (process(5), process(5));
    assert!(here.counts.take(workspace, 3, NOW).is_ok());
    here.write(&store).await;
    assert_eq!(here.counts.unwritten(10), []);
    // Another process, or that one after a restart.
    there.read(&store, NOW).await;
    assert_eq!(used(&there, workspace), 3);
    assert!(there.counts.take(workspace, 2, NOW).is_ok() && there.counts.take(workspace, 1, NOW).is_err());
    there.write(&store).await;
    for _ in 0..2 {
        // Read twice, counted once.
        here.read(&store, NOW).await;
        assert_eq!(used(&here, workspace), 5);
    }
    // What came to nothing is taken back there too.
    there.counts.give_back(workspace, 2);
    there.write(&store).await;
    here.read(&store, NOW).await;
    assert_eq!(used(&here, workspace), 3);
}

async fn a_quota_that_is_set_elsewhere_holds_from_the_next_look_on(store: TestStore) {
    let workspace = store.workspace().await;
    let here = process(0);
    assert!(here.counts.take(workspace, 7, NOW).is_ok());
    let to = WorkspaceChange {
        mails_per_day: Some(Some(7)),
        jobs_waiting_max: Some(Some(4)),
        ..WorkspaceChange::default()
    };
    let write = store.write(move |tx| Ok::<_, Abort<()>>(workspaces::change(tx.connection(), workspace, &to)?));
    write.await.unwrap();
    assert!(here.counts.take(workspace, 1, NOW).is_ok(), "it was not looked at yet");
    here.read(&store, NOW).await;
    assert!(here.counts.take(workspace, 1, NOW).is_err());
    let taken = (0..9).filter(|_| here.depths.take(crate::domain::job::Queue::Mail, workspace).is_ok());
    // This process has the database to itself, or its share of the quota.
    assert!((1..=4).contains(&taken.count()));
}

on_each_database!(
    a_restart_forgets_nothing_that_was_written_and_no_other_process_is_overlooked,
    a_quota_that_is_set_elsewhere_holds_from_the_next_look_on,
);
