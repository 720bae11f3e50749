//! What no file may hold, however it is otherwise written.

use super::source::{Source, has};

/// The most lines of a file. A file that says one thing needs about 100; beyond this it says several.
const LINES_MAX: usize = 450;

/// Names of modules that say nothing of what is in them.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "misc", "shared", "stuff",
];

/// What code must not hold, and what to do instead.
const BANNED: &[(&str, &str)] = &[
    ("do_send(", "it ignores the mailbox's bound; use supervision::Address"),
    ("todo!", "finish it, or leave it out and say so in the module's head"),
    (
        "unimplemented!",
        "finish it, or leave it out and say so in the module's head",
    ),
    ("dbg!", "log an event, or take it out"),
    (
        "#[ignore",
        "a test that is not run proves nothing; make it fast, or take it out",
    ),
];

/// What tests must not wait with, and what makes it harmless: tokio's clock, once paused, jumps over a sleep.
const SLEEPS: &[(&str, &[&str])] = &[
    ("thread::sleep", &[]),
    ("time::sleep", PAUSED),
    ("time::sleep_until", PAUSED),
    ("time::interval", PAUSED),
];

/// What pauses tokio's clock.
const PAUSED: &[&str] = &["start_paused", "time::pause", "Universe::new"];

/// Tests that may sleep all the same, each with its reason.
const SLEEPERS: &[(&str, &str)] = &[
    (
        "tests/support/service.rs",
        "asks another process, over HTTP, whether it has come to a state: a bounded wait with pauses between the questions",
    ),
    (
        "tests/store/outage.rs",
        "gives a service so many requests a second while its database is gone for so long, which is what the test is about",
    ),
    (
        "tests/hostile/slowness.rs",
        "gives a service clients that send a byte now and then, which is what the test is about; it waits for nothing by that",
    ),
    (
        "tests/service/faults.rs",
        "gives another process so many requests and panics a second, which is what the test is about; it waits for none by that",
    ),
];

/// Files that do not say at their head what they are for.
pub(crate) fn heads(sources: &[Source]) -> Vec<String> {
    let silent = sources.iter().filter(|source| !source.text.starts_with("//!"));
    let told = |source: &Source| {
        format!(
            "{}: start with //! and say what the module does, guarantees and leaves out",
            source.path
        )
    };
    silent.map(told).collect()
}

/// Files that are too long.
pub(crate) fn lengths(sources: &[Source]) -> Vec<String> {
    let long = sources.iter().filter(|source| source.text.lines().count() > LINES_MAX);
    long.map(|source| format!("{}: over {LINES_MAX} lines; split it by subject", source.path))
        .collect()
}

/// Modules whose name says nothing.
pub(crate) fn names(sources: &[Source]) -> Vec<String> {
    let empty = |part: &str| EMPTY_NAMES.contains(&part.trim_end_matches(".rs"));
    let found = sources.iter().filter(|source| source.path.split('/').any(empty));
    found
        .map(|source| format!("{}: name the module by what it is responsible for", source.path))
        .collect()
}

/// Code that must not be.
pub(crate) fn banned(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        let code = source.code();
        for (name, instead) in BANNED.iter().filter(|(name, _)| has(&code, name)) {
            findings.push(format!("{}: holds {name}; {instead}", source.path));
        }
    }
    findings
}

/// Tests that wait by sleeping.
pub(crate) fn sleeps(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources
        .iter()
        .filter(|source| !SLEEPERS.iter().any(|(path, _)| *path == source.path))
    {
        let code = source.code();
        let is_test = source.is_in("tests/") || source.path.ends_with("/tests.rs") || source.path.contains("/tests/");
        let tests = if is_test {
            Some(code.as_str())
        } else {
            code.split_once("#[cfg(test)]").map(|(_, tests)| tests)
        };
        let world = world_of(&source.path, sources);
        let waits = |tests: &str| {
            let mut found = SLEEPS.iter().filter(|(name, _)| has(tests, name));
            found.any(|(_, harmless)| !harmless.iter().any(|name| has(tests, name) || has(&world, name)))
        };
        if tests.is_some_and(waits) {
            findings.push(format!(
                "{}: a test sleeps; wait for a signal, for a condition within a bound, or with tokio's paused time",
                source.path
            ));
        }
    }
    findings
}

/// The code of the `mod.rs` beside a test, which often sets up the world that its neighbours run in.
fn world_of(path: &str, sources: &[Source]) -> String {
    let beside = path.rsplit_once('/').map(|(folder, _)| format!("{folder}/mod.rs"));
    let world = sources.iter().find(|source| Some(&source.path) == beside.as_ref());
    world.map(Source::code).unwrap_or_default()
}

/// Exceptions for files that are gone.
pub(crate) fn stale_exceptions(sources: &[Source]) -> Vec<String> {
    let stale = SLEEPERS
        .iter()
        .filter(|(path, _)| !sources.iter().any(|source| source.path == *path));
    stale
        .map(|(path, _)| format!("tests/tidy/texts.rs: {path} is gone; take it off the list"))
        .collect()
}

#[test]
fn each_of_these_rules_finds_a_broken_sample_and_passes_a_good_one() {
    let good = Source::sample(
        "src/jobs/retry.rs",
        "//! Retries.\nasync fn f() { tokio::time::sleep(d).await }\n// todo!",
    );
    let long = "//! Long.\n".repeat(LINES_MAX + 1);
    type Rule = fn(&[Source]) -> Vec<String>;
    let rules: [(Rule, Source); 10] = [
        (heads, Source::sample("src/a.rs", "\n//! Late.")),
        (lengths, Source::sample("src/a.rs", &long)),
        (names, Source::sample("src/jobs/utils.rs", "//! Utils.")),
        (names, Source::sample("src/common/mod.rs", "//! Common.")),
        (
            banned,
            Source::sample("src/a.rs", "//! A.\nfn f() { address.do_send(Wake) }"),
        ),
        (banned, Source::sample("src/a.rs", "//! A.\nfn f() { todo!() }")),
        (
            banned,
            Source::sample("tests/a.rs", "//! A.\n#[ignore = \"slow\"] fn f() {}"),
        ),
        (
            sleeps,
            Source::sample("tests/a.rs", "//! A.\nfn f() { std::thread::sleep(d) }"),
        ),
        (
            sleeps,
            Source::sample(
                "src/a.rs",
                "//! A.\n#[cfg(test)]\nmod tests { async fn f() { tokio::time::sleep(d).await } }",
            ),
        ),
        (
            sleeps,
            Source::sample(
                "tests/a.rs",
                "//! A.\n#[test(start_paused = true)] fn f() { std::thread::sleep(d) }",
            ),
        ),
    ];
    let paused = "//! A.\n#[test(start_paused = true)] async fn f() { tokio::time::sleep(d).await }";
    assert_eq!(sleeps(&[Source::sample("tests/a.rs", paused)]), Vec::<String>::new());
    let world = Source::sample("src/a/tests/mod.rs", "//! A.\nfn world() { tokio::time::pause() }");
    let neighbour = Source::sample(
        "src/a/tests/b.rs",
        "//! B.\nasync fn f() { tokio::time::sleep(d).await }",
    );
    assert_eq!(sleeps(&[world, neighbour]), Vec::<String>::new());
    for (rule, broken) in rules {
        assert_eq!(
            rule(std::slice::from_ref(&broken)).len(),
            1,
            "{}: {}",
            broken.path,
            broken.text
        );
        assert_eq!(rule(std::slice::from_ref(&good)), Vec::<String>::new());
    }
}
