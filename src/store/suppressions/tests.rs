//! What is kept of who gets no mails, on both databases.

use super::*;
use crate::domain::id::{ApiKeyId, JobId};
use crate::domain::job::{AttemptEnd, Retry};
use crate::domain::suppression::SuppressionOrigin;
use crate::store::testing::{NOW, TestStore, end, job, on_each_database, plans, request};
use crate::store::{Abort, AttemptFinish, Finished};

on_each_database!(
    adding_again_keeps_the_weightier_reason_whichever_comes_first,
    of_several_with_one_key_the_weightiest_is_added_once,
    an_address_is_held_back_in_its_stream_or_in_all_and_in_its_workspace_alone,
    a_page_shows_the_newest_of_what_it_is_asked_for,
    another_workspaces_is_not_found_and_not_taken_away,
    an_end_adds_its_suppressions_in_its_own_transaction_and_one_whose_fence_is_lost_does_not,
    nothing_is_added_for_a_workspace_that_is_gone,
);

fn stream(name: &str) -> Option<Stream> {
    Some(Stream::parse(name).unwrap())
}

fn new(workspace: WorkspaceId, address: &str, stream: Option<Stream>, reason: SuppressionReason) -> NewSuppression {
    NewSuppression {
        id: SuppressionId::generate(),
        workspace,
        address: address.to_owned(),
        stream,
        reason,
        origin: SuppressionOrigin::Recipient,
        at: NOW,
    }
}

async fn added(store: &TestStore, new: Vec<NewSuppression>) {
    let write = store.write(move |tx| Ok::<_, Abort<()>>(add(tx.connection(), &new)?));
    write.await.unwrap();
}

fn all(store: &TestStore, workspace: WorkspaceId) -> Vec<Suppression> {
    let filter = SuppressionFilter {
        workspace,
        stream: None,
        reason: None,
        address: None,
        before: None,
        limit: 100,
    };
    store.look(|other| list(other, &filter).unwrap())
}

async fn adding_again_keeps_the_weightier_reason_whichever_comes_first(store: TestStore) {
    let workspace = store.workspace().await;
    for (number, first) in SuppressionReason::ALL.iter().enumerate() {
        for (other_number, second) in SuppressionReason::ALL.iter().enumerate() {
            let address = format!("a{number}-{other_number}@example.com");
            let begun = new(workspace, &address, None, *first);
            let mut then = new(workspace, &address, None, *second);
            then.at = NOW.plus(std::time::Duration::from_secs(1));
            then.origin = SuppressionOrigin::ApiKey(ApiKeyId::generate());
            added(&store, vec![begun.clone()]).await;
            added(&store, vec![then.clone()]).await;
            let found = store.look(|other| of_address(other, workspace, &address, &None).unwrap().unwrap());
            let (reason, origin, updated_at) = if second.outweighs(*first) {
                (*second, then.origin, then.at)
            } else {
                (*first, begun.origin, begun.at)
            };
            assert_eq!((found.id, found.created_at), (begun.id, NOW), "it stays the same one");
            assert_eq!(
                (found.reason, found.origin, found.updated_at),
                (reason, origin, updated_at)
            );
            let there = store.look(|other| count_there(other, &[begun.id, then.id]).unwrap());
            assert_eq!(there, 1);
        }
    }
}

async fn of_several_with_one_key_the_weightiest_is_added_once(store: TestStore) {
    use SuppressionReason::{Bounce, Complaint, Manual};
    let workspace = store.workspace().await;
    let many: Vec<_> = [Bounce, Complaint, Manual]
        .map(|reason| new(workspace, "a@example.com", stream("news"), reason))
        .into();
    let mut more: Vec<_> = (0..300)
        .map(|number| new(workspace, &format!("b{number}@example.com"), None, Manual))
        .collect();
    let ids: Vec<_> = more.iter().chain(&many).map(|one| one.id).collect();
    more.extend(many);
    added(&store, more).await;
    let found = store.look(|other| of_address(other, workspace, "a@example.com", &stream("news")).unwrap());
    assert_eq!(found.unwrap().reason, Complaint);
    assert_eq!(store.look(|other| count_there(other, &ids).unwrap()), 301);
    let counted = store.look(|other| count(other, workspace, 300).unwrap());
    assert_eq!((counted.count, counted.is_capped), (300, true));
    assert!(!store.look(|other| count(other, workspace, 301).unwrap()).is_capped);
}

async fn an_address_is_held_back_in_its_stream_or_in_all_and_in_its_workspace_alone(store: TestStore) {
    use SuppressionReason::{Bounce, Unsubscribe};
    let (workspace, other) = (store.workspace().await, store.workspace().await);
    added(
        &store,
        vec![
            new(workspace, "a@example.com", stream("news"), Unsubscribe),
            new(workspace, "b@example.com", None, Bounce),
            new(other, "c@example.com", None, Bounce),
        ],
    )
    .await;
    let asked: Vec<String> = (0..600)
        .map(|number| format!("x{number}@example.com"))
        .chain(["a", "b", "c"].map(|local| format!("{local}@example.com")))
        .collect();
    let mut found = store.look(|connection| holding(connection, workspace, &asked).unwrap());
    found.sort_by(|a, b| a.address.cmp(&b.address));
    let told: Vec<_> = found
        .iter()
        .map(|one| (one.address.as_str(), one.stream.as_deref(), one.reason))
        .collect();
    assert_eq!(
        told,
        [
            ("a@example.com", Some("news"), Unsubscribe),
            ("b@example.com", None, Bounce)
        ]
    );
    assert!(
        store
            .look(|connection| holding(connection, workspace, &[]).unwrap())
            .is_empty()
    );
}

async fn a_page_shows_the_newest_of_what_it_is_asked_for(store: TestStore) {
    use SuppressionReason::{Bounce, Manual};
    let workspace = store.workspace().await;
    let made = [
        new(workspace, "a@example.com", stream("news"), Bounce),
        new(workspace, "b@example.com", stream("news"), Manual),
        new(workspace, "a@example.com", None, Manual),
    ];
    added(&store, made.to_vec()).await;
    let filter = |change: &dyn Fn(&mut SuppressionFilter)| {
        let mut filter = SuppressionFilter {
            workspace,
            stream: None,
            reason: None,
            address: None,
            before: None,
            limit: 100,
        };
        change(&mut filter);
        let found = store.look(|other| list(other, &filter).unwrap());
        found.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    let [a, b, c] = made.map(|one| one.id);
    assert_eq!(filter(&|_| {}), [c, b, a]);
    assert_eq!(filter(&|filter| filter.limit = 2), [c, b]);
    assert_eq!(filter(&|filter| filter.before = Some(b)), [a]);
    assert_eq!(filter(&|filter| filter.stream = stream("news")), [b, a]);
    assert_eq!(filter(&|filter| filter.reason = Some(Manual)), [c, b]);
    assert_eq!(
        filter(&|filter| filter.address = Some("a@example.com".to_owned())),
        [c, a]
    );
    let all_of_it = |filter: &mut SuppressionFilter| {
        filter.stream = stream("news");
        filter.reason = Some(Manual);
        filter.address = Some("b@example.com".to_owned());
    };
    assert_eq!(filter(&all_of_it), [b]);
}

async fn another_workspaces_is_not_found_and_not_taken_away(store: TestStore) {
    let (workspace, other) = (store.workspace().await, store.workspace().await);
    let mine = new(workspace, "a@example.com", None, SuppressionReason::Manual);
    added(&store, vec![mine.clone()]).await;
    assert_eq!(store.look(|connection| one(connection, mine.id, other).unwrap()), None);
    assert!(all(&store, other).is_empty());
    let id = mine.id;
    let by = async |workspace| {
        let write = store.write(move |tx| Ok::<_, Abort<()>>(remove(tx.connection(), id, workspace)?));
        write.await.unwrap()
    };
    assert_eq!(by(other).await, None);
    assert_eq!(by(workspace).await.unwrap().address, "a@example.com");
    assert_eq!(by(workspace).await, None);
}

async fn an_end_adds_its_suppressions_in_its_own_transaction_and_one_whose_fence_is_lost_does_not(store: TestStore) {
    let (one, two) = (job(), job());
    store.enqueue(vec![one.clone(), two.clone()]).await.unwrap();
    let claimed = store.claim(request(2, NOW)).await.unwrap().jobs;
    assert_eq!(claimed.len(), 2);
    let finish = |job: JobId, fence: i64, address: &str| AttemptFinish {
        suppress: vec![NewSuppression {
            origin: SuppressionOrigin::Job {
                job,
                reply: "550 5.1.1 no\0 such user".to_owned(),
            },
            ..new(WorkspaceId::SERVICE, address, stream("news"), SuppressionReason::Bounce)
        }],
        ..end(job, fence, AttemptEnd::Failed(Retry::Never), NOW)
    };
    let kept = store.finish(finish(one.id, claimed[0].fence, "a@example.com"));
    assert!(matches!(kept.await.unwrap(), Finished::Written(_)));
    let lost = store.finish(finish(two.id, claimed[1].fence + 1, "b@example.com"));
    assert_eq!(lost.await.unwrap(), Finished::LeaseLost);
    let found = all(&store, WorkspaceId::SERVICE);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].address, "a@example.com");
    let SuppressionOrigin::Job { job, reply } = &found[0].origin else {
        panic!("{found:?}");
    };
    assert_eq!((*job, reply.as_str()), (one.id, "550 5.1.1 no\u{fffd} such user"));
}

async fn nothing_is_added_for_a_workspace_that_is_gone(store: TestStore) {
    let (here, gone) = (store.workspace().await, WorkspaceId::generate());
    for workspace in [here, gone] {
        let new = new(
            workspace,
            "a@example.com",
            stream("news"),
            SuppressionReason::Unsubscribe,
        );
        let write = store.write(move |tx| Ok::<_, Abort<()>>(add_if_there(tx.connection(), &new)?));
        write.await.unwrap();
    }
    assert_eq!(store.number("SELECT count(*) AS value FROM suppressions"), Some(1));
}

#[test]
fn what_a_mail_asks_and_every_page_are_found_by_an_index() {
    let store = TestStore::new();
    let workspace = WorkspaceId::SERVICE;
    let filter = SuppressionFilter {
        workspace,
        stream: None,
        reason: None,
        address: None,
        before: Some(SuppressionId::generate()),
        limit: 50,
    };
    let filters = [
        filter.clone(),
        SuppressionFilter {
            stream: stream("news"),
            ..filter.clone()
        },
        SuppressionFilter {
            reason: Some(SuppressionReason::Bounce),
            ..filter.clone()
        },
        SuppressionFilter {
            address: Some("a@example.com".to_owned()),
            ..filter
        },
    ];
    let found = plans(&store, |connection| {
        let asked = ["a@example.com".to_owned(), "b@example.com".to_owned()];
        holding(connection, workspace, &asked).unwrap();
        for filter in &filters {
            list(connection, filter).unwrap();
        }
        count(connection, workspace, 10).unwrap();
    });
    assert!(found.len() >= 6, "{found:?}");
    for (statement, plan) in found {
        assert!(
            plan.contains("USING") && plan.contains("INDEX suppressions_by"),
            "{statement}\n{plan}"
        );
        assert!(!plan.contains("SCAN suppressions"), "{statement}\n{plan}");
    }
}
