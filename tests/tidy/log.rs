//! The log: every place that writes a line, and the tables of `docs/LOG.md`, say the same.

use std::collections::{BTreeMap, BTreeSet};

use super::log_table::{LogTable, Row};
use super::source::Source;

/// Where the names of events are.
const NAMES: &str = "src/telemetry/names.rs";

/// A place that writes lines of several events, whose name and level are known only when it runs; a test of its own, beside
/// it, holds each of them against the table.
const BY_KIND: &str = "src/supervision/event.rs";

/// Levels whose lines must say which event they are.
const WITH_EVENT: [&str; 3] = ["error", "warn", "info"];

/// One call of a logging macro.
struct Site {
    path: String,
    level: String,
    /// The constant that names the event.
    event: Option<String>,
    fields: BTreeSet<String>,
}

/// Calls outside tests.
fn sites(sources: &[Source]) -> Vec<Site> {
    let mut sites = Vec::new();
    for source in sources.iter().filter(|source| is_served(source)) {
        let code = source.code();
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or(&code);
        for (at, opening) in code.match_indices("tracing::") {
            let rest = code.split_at(at + opening.len()).1;
            let Some((level, body)) = rest.split_once("!(") else {
                continue;
            };
            let level = level.trim_start_matches('$');
            if [&WITH_EVENT[..], &["debug", "trace", "level"]]
                .concat()
                .contains(&level)
            {
                sites.push(site(&source.path, level, arguments(body)));
            }
        }
    }
    sites
}

fn is_served(source: &Source) -> bool {
    let is_test =
        source.path.contains("/tests/") || source.path.ends_with("tests.rs") || source.path.ends_with("checked_log.rs");
    source.is_in("src/") && !is_test
}

/// The arguments up to the parenthesis that closes `body`, cut at their commas.
fn arguments(body: &str) -> Vec<String> {
    let (mut depth, mut all, mut current) = (0_usize, Vec::new(), String::new());
    for char in body.chars() {
        match char {
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if char == ',' && depth == 0 {
            all.push(std::mem::take(&mut current));
        } else {
            current.push(char);
        }
    }
    all.push(current);
    all.into_iter().map(|one| one.trim().to_owned()).collect()
}

fn site(path: &str, level: &str, arguments: Vec<String>) -> Site {
    let mut site = Site {
        path: path.into(),
        level: level.into(),
        event: None,
        fields: BTreeSet::new(),
    };
    for argument in arguments {
        if argument.starts_with("target:") {
            continue;
        }
        let is_name = |char: char| char.is_alphanumeric() || char == '_';
        let name: String = argument
            .trim_start_matches(['%', '?'])
            .chars()
            .take_while(|char| is_name(*char))
            .collect();
        if name.is_empty() {
            // A text, blanked: the message, after which only its own arguments come.
            break;
        }
        if name == "event" {
            let constant = argument.rsplit_once("event::").map(|(_, constant)| constant.to_owned());
            site.event =
                constant.filter(|constant| constant.chars().all(|char| char.is_ascii_uppercase() || char == '_'));
        } else {
            site.fields.insert(name);
        }
    }
    site
}

/// The constants of the names, and the names.
fn names(sources: &[Source]) -> BTreeMap<String, String> {
    let file = sources.iter().find(|source| source.path == NAMES);
    let lines = file.map_or("", |file| file.text.as_str()).lines();
    let constants = lines.filter_map(|line| line.trim().strip_prefix("pub const ")?.split_once(": &str = "));
    constants
        .map(|(constant, name)| (constant.into(), name.trim_matches(['"', ';']).into()))
        .collect()
}

/// Logging macros that are called in another way than `tracing::info!(…)`, so that this file would not see them.
fn unseen(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_in("src/")) {
        let code = source.code();
        for level in ["error", "warn", "info", "debug", "trace", "event"] {
            let call = format!("{level}!(");
            let before = |at: usize| code.split_at(at).0;
            let mut calls = code
                .match_indices(&call)
                .filter(|(at, _)| !before(*at).ends_with(char::is_alphanumeric));
            if calls.any(|(at, _)| !before(at).ends_with("tracing::") && !before(at).ends_with('_')) {
                findings.push(format!("{}: calls {level}!; write tracing::{level}!", source.path));
            }
        }
    }
    findings
}

/// Where code and tables differ.
pub(crate) fn differences(sources: &[Source], table: &LogTable) -> Vec<String> {
    let (sites, names) = (sites(sources), names(sources));
    let mut findings = unseen(sources);
    let mut by_event: BTreeMap<&str, Vec<&Site>> = BTreeMap::new();
    for site in &sites {
        let (path, level) = (&site.path, &site.level);
        match site.event.as_ref().map(|constant| names.get(constant)) {
            _ if path == BY_KIND => {}
            Some(Some(name)) => by_event.entry(name).or_default().push(site),
            Some(None) => findings.push(format!("{path}: an event that {NAMES} does not name")),
            None if WITH_EVENT.contains(&level.as_str()) => {
                findings.push(format!(
                    "{path}: a line of level {level} without `event = event::NAME`; give it one of {NAMES}"
                ));
            }
            None => {}
        }
        let unknown = site.fields.iter().filter(|field| !table.fields.contains_key(*field));
        findings.extend(
            unknown.map(|field| format!("{path}: logs {field}, which is no field of docs/LOG.md; describe it there")),
        );
    }
    let kinds = sources
        .iter()
        .find(|source| source.path == BY_KIND)
        .map(Source::code)
        .unwrap_or_default();
    for (constant, name) in &names {
        let Some(row) = table.events.get(name) else {
            findings.push(format!("docs/LOG.md: has no row for the event {name}; write it"));
            continue;
        };
        match by_event.get(name.as_str()) {
            Some(sites) => findings.extend(objections(name, row, sites)),
            None if kinds.contains(&format!("event::{constant}")) => {}
            None => findings.push(format!(
                "{NAMES}: nothing logs {constant}; take it out, and its row in docs/LOG.md"
            )),
        }
    }
    let known = |name: &&String| !names.values().any(|known| known == *name);
    findings.extend(
        table
            .events
            .keys()
            .filter(known)
            .map(|name| format!("docs/LOG.md: nothing logs the event {name}; take its row out")),
    );
    let used: BTreeSet<&String> = sites.iter().flat_map(|site| &site.fields).collect();
    let unused = table.fields.keys().filter(|field| !used.contains(field));
    findings.extend(unused.map(|field| format!("docs/LOG.md: nothing logs the field {field}; take it out")));
    findings
}

/// Where the row of an event differs from the places that log it.
fn objections(name: &str, row: &Row, sites: &[&Site]) -> Vec<String> {
    let mut findings = Vec::new();
    let levels: BTreeSet<&String> = sites.iter().map(|site| &site.level).collect();
    if levels != row.levels.iter().collect() {
        findings.push(format!(
            "docs/LOG.md: {name} is logged at {levels:?}, not {:?}",
            row.levels
        ));
    }
    let fields: BTreeSet<&String> = sites.iter().flat_map(|site| &site.fields).collect();
    let listed: BTreeSet<&String> = row.always.iter().chain(&row.sometimes).collect();
    if fields != listed {
        findings.push(format!("docs/LOG.md: {name} has the fields {fields:?}, not {listed:?}"));
    }
    for field in &row.always {
        let without = sites.iter().filter(|site| !site.fields.contains(field));
        findings.extend(without.map(|site| format!("{}: {name} always has {field}, says docs/LOG.md", site.path)));
    }
    findings
}

#[test]
fn a_difference_between_the_code_and_the_tables_is_found_on_either_side() {
    let names = "pub mod event {\n    pub const UP: &str = \"up\";\n}";
    let page = "| `up` | info | when | `node` | `error` |\n| `node` | string | | one |\n| `error` | string | | two |";
    let good =
        "fn f() { tracing::info!(target: \"x\", event = names::event::UP, %node, error = e(a, b), \"up {}\", x) }";
    let found = |code: &str, names: &str, page: &str| {
        let sources = [Source::sample("src/a.rs", code), Source::sample(NAMES, names)];
        differences(&sources, &LogTable::parse(page)).join("\n")
    };
    assert_eq!(found(good, names, page), "");
    for (code, wanted) in [
        ("fn f() { tracing::info!(\"up\") }", "without `event"),
        ("use tracing::info; fn f() { info!(\"up\") }", "write tracing::info!"),
        (
            "fn f() { tracing::warn!(event = \"up\", node, error, \"up\") }",
            "without `event",
        ),
        (
            "fn f() { tracing::info!(event = event::DOWN, node, error, \"up\") }",
            "does not name",
        ),
        (
            "fn f() { tracing::warn!(event = event::UP, node, error, \"up\") }",
            "is logged at",
        ),
        (
            "fn f() { tracing::info!(event = event::UP, error, \"up\") }",
            "always has node",
        ),
        (
            "fn f() { tracing::info!(event = event::UP, node, \"up\") }",
            "nothing logs the field error",
        ),
        (
            "fn f() { tracing::info!(event = event::UP, node, error, other, \"up\") }",
            "no field of docs/LOG.md",
        ),
        ("fn f() { tracing::debug!(other, \"up\") }", "no field of docs/LOG.md"),
    ] {
        let all = found(code, names, page);
        assert!(all.contains(wanted), "{code}: {all}");
    }
    let more_names = "pub const UP: &str = \"up\";\npub const DOWN: &str = \"down\";";
    assert!(found(good, more_names, page).contains("no row for the event down"));
    let more_rows = format!("{page}\n| `down` | info | when | | |\n| `left` | string | | three |");
    let all = found(good, names, &more_rows);
    assert!(
        all.contains("nothing logs the event down") && all.contains("nothing logs the field left"),
        "{all}"
    );
    assert!(found(good, more_names, &more_rows).contains("nothing logs DOWN"));
}
