//! Who may use which library, and which way the parts of the crate may look at one another.

use super::source::{Source, has};

/// A name, the only places that may use it, and what to do elsewhere.
const ONLY_IN: &[(&[&str], &[&str], &str)] = &[
    (
        &[
            "diesel::",
            "diesel_async::",
            "diesel_migrations::",
            "libsqlite3_sys::",
            "tokio_postgres::",
            "tokio_postgres_rustls::",
        ],
        &["src/store"],
        "ask the store for it",
    ),
    (&["lettre::"], &["src/mail"], "ask the mail part for it"),
    (
        &["actix_web::", "actix_http::"],
        &["src/api", "src/console", "src/app", "src/app.rs"],
        "keep HTTP out of this part",
    ),
    (
        &["utoipa::", "utoipa_swagger_ui::"],
        &[
            "src/api",
            "src/supervision/gate.rs",
            "src/supervision/snapshot.rs",
            "src/supervision/spec.rs",
            "src/supervision/strategy.rs",
        ],
        "say in api/openapi/types.rs how the type looks in JSON",
    ),
    (
        &["env::var", "env::vars", "env::var_os", "env::vars_os"],
        &["src/config"],
        "make it a setting of config",
    ),
    (
        &["SystemTime::now", "Timestamp::now()", "Utc::now", "Zoned::now"],
        &["src/clock"],
        "take a Clock or a Timestamp",
    ),
    (
        &["actix::Addr", "actix::WeakAddr", "actix::Recipient", "actix::prelude"],
        &["src/supervision"],
        "use supervision::Address, which counts and bounds what it sends",
    ),
];

/// The parts from the outside in. A part may use those of later rows, never those of its own row or of earlier ones.
const ROWS: &[&[&str]] = &[
    &["app"],
    &["api", "console", "workers"],
    &["jobs", "control"],
    &["mail", "reports", "outbound", "store"],
    &["domain"],
];

/// The leaves, which every row but the last may use, and the few parts that each of them may use.
const LEAVES: &[(&str, &[&str])] = &[
    ("supervision", &["clock", "telemetry"]),
    ("clock", &[]),
    // Settings are of the types that their users take: what a hash costs, in which form the log is.
    ("config", &["domain", "telemetry"]),
    ("telemetry", &[]),
    // Randomness for keys.
    ("keyring", &["domain"]),
    ("private", &[]),
    // A mail server for tests: it dates what it takes, and knows nothing of what sends to it.
    ("sandbox", &["clock", "telemetry"]),
];

/// Pure rules may name a moment, and nothing else.
const DOMAIN_MAY_USE: &[&str] = &["clock"];

/// Libraries where they do not belong.
pub(crate) fn libraries(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_in("src/")) {
        let code = source.code();
        for (names, places, instead) in ONLY_IN {
            if places.iter().any(|place| source.is_in(place)) {
                continue;
            }
            for name in names.iter().filter(|name| has(&code, name) || is_grouped(&code, name)) {
                findings.push(format!(
                    "{}: {name} belongs in {} only; {instead}",
                    source.path,
                    places.join(", ")
                ));
            }
        }
    }
    findings
}

/// Whether `name`, such as `actix::Addr`, is imported in a group: `use actix::{Actor, Addr};`.
fn is_grouped(code: &str, name: &str) -> bool {
    let Some((module, item)) = name.rsplit_once("::").filter(|(_, item)| !item.is_empty()) else {
        return false;
    };
    let opening = format!("{module}::{{");
    let groups = code
        .match_indices(&opening)
        .filter_map(|(at, _)| code.split_at(at + opening.len()).1.split_once(';'));
    groups
        .into_iter()
        .any(|(group, _)| has(group, item.trim_end_matches("()")))
}

/// Parts that look the wrong way.
pub(crate) fn directions(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        let Some(part) = part_of(&source.path) else { continue };
        let code = source.code();
        for used in parts_used(&code) {
            if used != part && !may_use(part, &used) {
                findings.push(format!(
                    "{}: {part} must not use {used}; move what both need further in, or hand it over as a parameter",
                    source.path
                ));
            }
        }
    }
    findings
}

/// The part that a file belongs to: the folder or file under `src`. The roots belong to none and may use all.
fn part_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix("src/")?.split('/').next()?.trim_end_matches(".rs");
    (!matches!(name, "lib" | "main")).then_some(name)
}

fn may_use(part: &str, used: &str) -> bool {
    if let Some((_, allowed)) = LEAVES.iter().find(|(leaf, _)| *leaf == part) {
        return allowed.contains(&used);
    }
    if part == "domain" {
        return DOMAIN_MAY_USE.contains(&used);
    }
    let row = |name: &str| ROWS.iter().position(|row| row.contains(&name));
    let is_leaf = LEAVES.iter().any(|(leaf, _)| *leaf == used);
    is_leaf || row(part).zip(row(used)).is_some_and(|(own, other)| own < other)
}

/// The first names after `crate::`, also those in a group, that are parts of this crate.
fn parts_used(code: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for (at, opening) in code.match_indices("crate::") {
        let before = code.split_at(at).0;
        // `pub(in crate::api)` says who may see, and uses nothing.
        if before.ends_with("pub(in ") || before.ends_with('$') {
            continue;
        }
        let rest = code.split_at(at + opening.len()).1;
        let names = match rest.strip_prefix('{') {
            Some(group) => first_names(group),
            None => vec![name_at_start(rest)],
        };
        parts.extend(names.into_iter().filter(|name| is_part(name)));
    }
    parts.sort();
    parts.dedup();
    parts
}

fn is_part(name: &str) -> bool {
    LEAVES.iter().any(|(leaf, _)| *leaf == name) || ROWS.iter().any(|row| row.contains(&name))
}

fn name_at_start(text: &str) -> String {
    text.chars()
        .take_while(|char| char.is_alphanumeric() || *char == '_')
        .collect()
}

/// The first name of each member of a group, whose inner groups are skipped.
fn first_names(group: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut members = vec![String::new()];
    for char in group.chars() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(String::new()),
            char => {
                if let Some(member) = members.last_mut().filter(|_| depth == 0) {
                    member.push(char);
                }
            }
        }
    }
    members.iter().map(|member| name_at_start(member.trim())).collect()
}

#[test]
fn a_library_in_the_wrong_place_is_found_however_it_is_imported() {
    for (path, text) in [
        ("src/jobs/mod.rs", "use diesel::prelude::*;"),
        ("src/api/emails.rs", "fn f() { lettre::message::Mailbox::new() }"),
        ("src/store/mod.rs", "use actix_web::{web, App};"),
        ("src/app.rs", "let x = std::env::var(y);"),
        ("src/mail/mod.rs", "use std::env::{self, vars};"),
        ("src/jobs/run.rs", "let now = std::time::SystemTime::now();"),
        ("src/workers/mailer.rs", "use actix::{Actor, Addr, Context};"),
        ("src/workers/mailer.rs", "use actix::prelude::*;"),
    ] {
        assert_eq!(libraries(&[Source::sample(path, text)]).len(), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("src/store/jobs.rs", "use diesel::prelude::*;"),
        (
            "src/jobs/mod.rs",
            "// diesel::prelude is for the store\nlet text = \"lettre::x\";",
        ),
        ("src/workers/mailer.rs", "use actix::{Actor, Context};"),
        ("src/app/start.rs", "use actix_web::App;"),
    ] {
        assert_eq!(
            libraries(&[Source::sample(path, text)]),
            Vec::<String>::new(),
            "{path}: {text}"
        );
    }
}

#[test]
fn a_part_that_looks_outwards_or_sideways_is_found() {
    for (path, text) in [
        ("src/store/mod.rs", "use crate::api::http::Problem;"),
        ("src/jobs/mod.rs", "fn f(x: crate::workers::Mailer) {}"),
        (
            "src/mail/mod.rs",
            "use crate::{domain::id::JobId, store::{Store, jobs}};",
        ),
        ("src/api/jobs.rs", "use crate::workers::Mailer;"),
        ("src/clock/mod.rs", "use crate::telemetry::chain;"),
        ("src/supervision/mod.rs", "use crate::domain::id::JobId;"),
        ("src/domain/job.rs", "use crate::config::Config;"),
    ] {
        assert_eq!(directions(&[Source::sample(path, text)]).len(), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("src/app.rs", "use crate::{api, config::Config, workers::Mailer};"),
        (
            "src/api/jobs.rs",
            "use crate::{domain::id::{JobId, api}, jobs::Registry, store::Store};",
        ),
        (
            "src/api/http/json.rs",
            "pub(in crate::api) struct X; use crate::api::http::Y;",
        ),
        ("src/domain/job.rs", "use crate::clock::Timestamp; /// [`crate::store`]"),
        ("src/lib.rs", "use crate::api;"),
    ] {
        assert_eq!(
            directions(&[Source::sample(path, text)]),
            Vec::<String>::new(),
            "{path}: {text}"
        );
    }
}
