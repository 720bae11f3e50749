//! Workspaces' templates as they are rendered, on both databases.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::mail::Place;
use crate::store::templates::{Bounds, NewVersion, Refusal, add, delete};
use crate::store::testing::{NOW, TestStore, on_each_database};

on_each_database!(
    the_nearest_locale_is_rendered,
    a_change_is_seen_at_once_by_who_is_told_and_soon_by_others,
    a_layout_that_changes_is_seen_in_what_is_rendered_in_it,
    nothing_is_read_as_long_as_nothing_changes,
    a_replacement_is_sent_until_it_fails,
);

const BOUNDS: Bounds = Bounds {
    templates: 10,
    versions: 10,
    locales: 10,
    bytes: 1_000_000,
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
        sample: None,
        layout: None,
        is_layout: html.contains("content"),
        at: NOW,
    }
}

async fn enter(store: &Store, new: NewVersion) {
    let write = store.write(move |tx| add(tx.connection(), &new, &BOUNDS));
    write.await.unwrap();
}

async fn rendered(library: &TemplateLibrary, name: &str, locale: Option<&str>) -> Option<(String, UsedTemplate)> {
    let locale = locale.map(|locale| Locale::parse(locale).unwrap());
    let data = Arc::new(json!({ "name": "Ada" }));
    let rendered = library.render(WORKSPACE, name, locale.as_ref(), &data).await.unwrap();
    rendered.map(|(content, used)| (content.html.unwrap(), used))
}

async fn html(library: &TemplateLibrary, name: &str) -> String {
    rendered(library, name, None).await.unwrap().0
}

async fn the_nearest_locale_is_rendered(store: TestStore) {
    for (locale, words) in [("", "Hello"), ("de", "Guten Tag"), ("de-AT", "Servus")] {
        enter(&store, new("a", locale, &format!("{words} {{{{ name }}}}"))).await;
    }
    let library = TemplateLibrary::over(store.clone());
    for (locale, words, found, version) in [
        (None, "Hello Ada", None, 1),
        (Some("de-AT"), "Servus Ada", Some("de-AT"), 3),
        (Some("de-CH-1901"), "Guten Tag Ada", Some("de"), 2),
        (Some("fr"), "Hello Ada", None, 1),
    ] {
        let (html, used) = rendered(&library, "a", locale).await.unwrap();
        assert_eq!(
            (html.as_str(), used.locale.as_deref(), used.version),
            (words, found, version)
        );
    }
    assert!(rendered(&library, "b", None).await.is_none());
    enter(&store, new("c", "de", "x")).await;
    library.changed(WORKSPACE);
    let none = library.render(WORKSPACE, "c", None, &Arc::default()).await;
    assert!(matches!(none, Err(Unrendered::Locale(known)) if known == ["de"]));
}

async fn a_change_is_seen_at_once_by_who_is_told_and_soon_by_others(store: TestStore) {
    let (own, other) = (
        TemplateLibrary::over(store.clone()),
        TemplateLibrary::over(store.clone()),
    );
    assert!(rendered(&own, "a", None).await.is_none());
    assert!(rendered(&other, "a", None).await.is_none());
    for words in ["one", "two", "three"] {
        enter(&store, new("a", "", words)).await;
        own.changed(WORKSPACE);
        assert_eq!(html(&own, "a").await, words);
        let soon = async {
            while rendered(&other, "a", None).await.is_none_or(|(html, _)| html != words) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), soon).await.unwrap();
    }
}

async fn a_layout_that_changes_is_seen_in_what_is_rendered_in_it(store: TestStore) {
    let library = TemplateLibrary::over(store.clone());
    enter(&store, new("layout", "", "<{{ content }}>")).await;
    enter(&store, new("layout", "de", "[{{ content }}]")).await;
    let mail = NewVersion {
        layout: Some("layout".to_owned()),
        ..new("a", "", "x")
    };
    enter(&store, mail).await;
    assert_eq!(html(&library, "a").await, "<x>");
    assert_eq!(rendered(&library, "a", Some("de-AT")).await.unwrap().0, "[x]");
    enter(&store, new("layout", "", "({{ content }})")).await;
    library.changed(WORKSPACE);
    assert_eq!(html(&library, "a").await, "(x)");
}

async fn nothing_is_read_as_long_as_nothing_changes(store: TestStore) {
    let library = TemplateLibrary::over(store.clone());
    enter(&store, new("a", "", "x")).await;
    let first = library.find(WORKSPACE, "a").await.unwrap().unwrap();
    // Behind its back, so that a read would tell.
    store.run("DELETE FROM template_versions");
    let again = library.find(WORKSPACE, "a").await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    // Nor when it was asked whether anything changed, and nothing did.
    tokio::time::pause();
    tokio::time::advance(CHECKED_EVERY * 2).await;
    tokio::time::resume();
    let later = library.find(WORKSPACE, "a").await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&first, &later));
    assert!(library.find(WORKSPACE, "none").await.unwrap().is_none());
}

async fn a_replacement_is_sent_until_it_fails(store: TestStore) {
    let library = TemplateLibrary::over(store.clone());
    let data = json!({ "name": "Ada", "link": "https://a.example/?t=1" });
    let render = async |library: &TemplateLibrary| library.render_replacement("password-reset", data.clone()).await;
    assert!(render(&library).await.unwrap().is_none());
    let good = NewVersion {
        workspace: WorkspaceId::SERVICE,
        ..new("password-reset", "", "<a href=\"{{ link | href }}\">x</a>")
    };
    enter(&store, good.clone()).await;
    library.changed(WorkspaceId::SERVICE);
    assert!(render(&library).await.unwrap().unwrap().html.unwrap().contains("/?t=1"));
    for html in ["{{ nothing }}", "{% if", "no link"] {
        let bad = NewVersion {
            html: html.to_owned(),
            ..good.clone()
        };
        enter(&store, bad).await;
        library.changed(WorkspaceId::SERVICE);
        assert!(matches!(render(&library).await, Err(Unrendered::Fault(_))), "{html}");
    }
    let id = store.read(|connection| templates::current(connection, WorkspaceId::SERVICE, "password-reset"));
    let id = id.await.unwrap().unwrap().0.id;
    let write = store.write(move |tx| delete(tx.connection(), id, WorkspaceId::SERVICE));
    let deleted: Result<bool, crate::store::Abort<Refusal>> = write.await;
    assert!(deleted.unwrap());
    library.changed(WorkspaceId::SERVICE);
    assert!(render(&library).await.unwrap().is_none());
}

#[tokio::test]
async fn a_rendering_that_panics_is_an_error_and_gives_its_place_back() {
    let store = TestStore::new();
    let library = TemplateLibrary::over(store.clone());
    for _ in 0..slots::WAITING_MAX * 2 {
        let panicked = library.run(WORKSPACE, || -> () { panic!("on purpose") }).await;
        assert!(matches!(panicked, Err(Unrendered::Unfinished(None))));
    }
    assert_eq!(library.run(WORKSPACE, || 7).await.unwrap(), 7);
}

#[tokio::test]
async fn a_value_that_is_thousands_of_times_within_itself_ends_nothing() {
    let store = TestStore::new();
    let library = TemplateLibrary::over(store.clone());
    for (number, wrapped) in ["[ns.a]", "{'a': ns.a}", "(ns.a,)", "ns.a | list | chain(ns.a)"]
        .iter()
        .enumerate()
    {
        let html = format!(
            "{{% set ns = namespace(a=[1]) %}}{{% for i in range(4000) %}}{{% set ns.a = {wrapped} %}}{{% endfor %}}{{{{ ns.a }}}}"
        );
        let name = format!("deep-{number}");
        enter(&store, new(&name, "", &html)).await;
        library.changed(WORKSPACE);
        // Whatever comes of it, this goes on.
        drop(library.render(WORKSPACE, &name, None, &Arc::new(json!({}))).await);
    }
    assert_eq!(library.run(WORKSPACE, || 7).await.unwrap(), 7);
}

#[tokio::test]
async fn a_fault_names_its_place_and_not_the_data() {
    let store = TestStore::new();
    enter(&store, new("a", "", "{{ name | int }}")).await;
    let library = TemplateLibrary::over(store.clone());
    let data = Arc::new(json!({ "name": "secret" }));
    let Err(error) = library.render(WORKSPACE, "a", None, &data).await else {
        panic!("it was rendered");
    };
    assert!(matches!(&error, Unrendered::Fault(fault) if matches!(fault.place, Place::Part(_))));
    assert!(!crate::telemetry::chain(&error).contains("secret"), "{error}");
}

#[tokio::test]
async fn who_renders_without_end_holds_up_neither_others_nor_the_service() {
    let store = TestStore::new();
    let replacement = NewVersion {
        workspace: WorkspaceId::SERVICE,
        ..new("password-reset", "", "<a href=\"{{ link | href }}\">x</a>")
    };
    enter(&store, replacement).await;
    let library = TemplateLibrary::over(store.clone());
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let mut running = tokio::task::JoinSet::new();
    let mut asks = 0;
    // As many as it may have, and as many as may wait.
    while library.inner.slots.place(WORKSPACE).is_some() {
        let (library, held) = (library.clone(), Arc::clone(&held));
        running.spawn(async move { library.run(WORKSPACE, move || held.lock().unwrap().recv().ok()).await });
        asks += 1;
        tokio::task::yield_now().await;
    }
    assert!(asks > 1, "{asks}");
    assert!(matches!(library.run(WORKSPACE, || 7).await, Err(Unrendered::Busy)));
    let soon = Duration::from_secs(5);
    let other = library.run(WorkspaceId::from_bits(8), || 7);
    assert_eq!(tokio::time::timeout(soon, other).await.unwrap().unwrap(), 7);
    let data = json!({ "name": "Ada", "link": "https://a.example/" });
    assert!(
        library
            .render_replacement("password-reset", data)
            .await
            .unwrap()
            .is_some()
    );
    drop(release);
    while let Some(ended) = running.join_next().await {
        ended.unwrap().unwrap();
    }
    assert_eq!(library.run(WORKSPACE, || 7).await.unwrap(), 7);
}

#[tokio::test]
async fn a_mail_of_the_services_own_does_not_wait_long_for_what_replaces_it() {
    let store = TestStore::new();
    let replacement = NewVersion {
        workspace: WorkspaceId::SERVICE,
        ..new("password-reset", "", "<a href=\"{{ link | href }}\">x</a>")
    };
    enter(&store, replacement).await;
    let library = TemplateLibrary::over(store.clone());
    let mut held = Vec::new();
    for _ in 0..slots::OWN {
        held.push(library.inner.slots.own().await);
    }
    let data = json!({ "name": "Ada", "link": "https://a.example/" });
    // Read first, since the clock does not stand still for the database.
    library.find(WorkspaceId::SERVICE, "password-reset").await.unwrap();
    tokio::time::pause();
    let late = library.render_replacement("password-reset", data).await;
    assert!(matches!(late, Err(Unrendered::Busy)), "{late:?}");
}
