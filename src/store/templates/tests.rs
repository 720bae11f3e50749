//! Templates, on both databases.

use super::*;
use crate::clock::Timestamp;
use crate::store::testing::{NOW, TestStore, on_each_database};

on_each_database!(
    versions_count_up_and_one_of_each_locale_is_current,
    the_oldest_that_are_not_current_go,
    each_change_makes_another_revision_and_a_refused_one_none,
    what_a_workspace_has_is_bounded,
    a_layout_stays_one_as_long_as_it_is_used,
    a_template_is_its_workspaces_alone,
);

const BOUNDS: Bounds = Bounds {
    templates: 2,
    versions: 4,
    locales: 2,
    bytes: 1_000,
};

const WORKSPACE: WorkspaceId = WorkspaceId::from_bits(7);

fn new(name: &str, locale: &str, html: &str) -> NewVersion {
    NewVersion {
        workspace: WORKSPACE,
        name: name.to_owned(),
        locale: locale.to_owned(),
        subject: "Hello".to_owned(),
        html: html.to_owned(),
        text: None,
        sample: Some("{}".to_owned()),
        layout: None,
        is_layout: false,
        at: NOW,
    }
}

async fn enter(store: &TestStore, new: NewVersion) -> Result<(TemplateRecord, VersionRecord), Refusal> {
    let write = store.write(move |tx| add(tx.connection(), &new, &BOUNDS));
    write.await.map_err(|abort| match abort {
        Abort::Refused(refusal) => refusal,
        Abort::Store(error) => panic!("{error}"),
    })
}

async fn sent(store: &TestStore, name: &'static str) -> Vec<(String, u32)> {
    let read = store.read(move |connection| current(connection, WORKSPACE, name));
    let found = read.await.unwrap().map(|(_, versions)| versions).unwrap_or_default();
    let mut sent: Vec<_> = found
        .into_iter()
        .map(|version| (version.locale, version.version))
        .collect();
    sent.sort();
    sent
}

async fn revised(store: &TestStore) -> Option<i64> {
    store.read(|connection| revision(connection, WORKSPACE)).await.unwrap()
}

async fn versions_count_up_and_one_of_each_locale_is_current(store: TestStore) {
    let (first, version) = enter(&store, new("a", "", "one")).await.unwrap();
    assert_eq!((version.version, version.is_current, first.last_version), (1, true, 1));
    let later = Timestamp::from_micros(NOW.as_micros() + 1);
    let (same, second) = enter(
        &store,
        NewVersion {
            at: later,
            ..new("a", "de", "zwei")
        },
    )
    .await
    .unwrap();
    assert_eq!((same.id, second.version, same.updated_at), (first.id, 2, later));
    enter(&store, new("a", "", "three")).await.unwrap();
    assert_eq!(sent(&store, "a").await, [(String::new(), 3), ("de".to_owned(), 2)]);
    let id = first.id;
    let read = store.read(move |connection| version_html(connection, id, 1));
    assert_eq!(read.await.unwrap().as_deref(), Some("one"), "what was is kept");
    let listed = store.read(move |connection| versions(connection, id)).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|one| (one.version, one.is_current)).collect();
    assert_eq!(listed, [(3, true), (2, true), (1, false)]);
    let by_locale = store.read(move |connection| locales(connection, &[id])).await.unwrap();
    assert_eq!(by_locale.len(), 2);
}

fn version_html(connection: &mut Connection, id: TemplateId, number: u32) -> Result<Option<String>, StoreError> {
    Ok(version(connection, id, WORKSPACE, number)?.map(|version| version.html))
}

async fn the_oldest_that_are_not_current_go(store: TestStore) {
    let (template, _) = enter(&store, new("a", "de", "eins")).await.unwrap();
    for number in 2..=9 {
        enter(&store, new("a", "", &format!("{number}"))).await.unwrap();
    }
    let id = template.id;
    let kept = store.read(move |connection| versions(connection, id)).await.unwrap();
    let kept: Vec<u32> = kept.iter().map(|one| one.version).collect();
    assert_eq!(kept, [9, 8, 7, 1]);
}

async fn each_change_makes_another_revision_and_a_refused_one_none(store: TestStore) {
    assert_eq!(revised(&store).await, None);
    let (template, _) = enter(&store, new("a", "", "x")).await.unwrap();
    let first = revised(&store).await;
    assert!(first.is_some());
    assert_eq!(
        enter(&store, new("b", "", &"x".repeat(2_000))).await,
        Err(Refusal::Bytes)
    );
    assert_eq!(revised(&store).await, first);
    let write = store.write(move |tx| delete(tx.connection(), template.id, WORKSPACE));
    assert!(write.await.unwrap());
    assert!(revised(&store).await > first);
    assert_eq!(sent(&store, "a").await, []);
    let write = store.write(move |tx| delete(tx.connection(), template.id, WORKSPACE));
    assert!(!write.await.unwrap());
}

async fn what_a_workspace_has_is_bounded(store: TestStore) {
    enter(&store, new("a", "", "x")).await.unwrap();
    enter(&store, new("b", "", "x")).await.unwrap();
    assert_eq!(enter(&store, new("c", "", "x")).await, Err(Refusal::Templates));
    enter(&store, new("a", "de", "x")).await.unwrap();
    assert_eq!(enter(&store, new("a", "fr", "x")).await, Err(Refusal::Locales));
    enter(&store, new("a", "de", "y")).await.unwrap();
    assert_eq!(
        enter(&store, new("a", "de", &"x".repeat(990))).await,
        Err(Refusal::Bytes)
    );
    // Another workspace has room of its own.
    let other = NewVersion {
        workspace: WorkspaceId::from_bits(8),
        ..new("c", "", &"x".repeat(900))
    };
    enter(&store, other).await.unwrap();
}

async fn a_layout_stays_one_as_long_as_it_is_used(store: TestStore) {
    let layout = NewVersion {
        is_layout: true,
        ..new("layout", "", "{{ content }}")
    };
    let user = NewVersion {
        layout: Some("layout".to_owned()),
        ..new("mail", "", "x")
    };
    assert_eq!(enter(&store, user.clone()).await, Err(Refusal::NoLayout));
    let (made, _) = enter(&store, layout.clone()).await.unwrap();
    enter(&store, user).await.unwrap();
    assert_eq!(enter(&store, new("layout", "", "x")).await, Err(Refusal::IsLayout));
    enter(&store, layout).await.unwrap();
    let gone = store.write(move |tx| delete(tx.connection(), made.id, WORKSPACE));
    assert!(matches!(gone.await, Err(Abort::Refused(Refusal::IsLayout))));
    // Used no more, it may go.
    enter(&store, new("mail", "", "x")).await.unwrap();
    let gone = store.write(move |tx| delete(tx.connection(), made.id, WORKSPACE));
    assert!(gone.await.unwrap());
}

async fn a_template_is_its_workspaces_alone(store: TestStore) {
    let (template, _) = enter(&store, new("a", "", "x")).await.unwrap();
    let (id, other) = (template.id, WorkspaceId::from_bits(8));
    let seen = store.read(move |connection| {
        let nothing = one(connection, id, other)?.is_none()
            && version(connection, id, other, 1)?.is_none()
            && current(connection, other, "a")?.is_none()
            && list(connection, other, None, 10)?.is_empty();
        Ok::<_, StoreError>((nothing, list(connection, WORKSPACE, None, 10)?))
    });
    let (nothing, own) = seen.await.unwrap();
    assert!(nothing);
    assert_eq!(own, [template]);
    let deleted = store.write(move |tx| delete(tx.connection(), id, other));
    assert!(!deleted.await.unwrap());
}
