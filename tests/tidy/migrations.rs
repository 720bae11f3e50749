//! The migrations: the same on both databases, reversible, with a workspace in every table, and those that run beside older nodes
//! take nothing away that these use.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;

/// Tables whose rows belong to no workspace, each with its reason.
const WITHOUT_WORKSPACE: &[(&str, &str)] = &[
    ("workspaces", "is the workspace itself"),
    ("nodes", "a process serves every workspace"),
    ("queues", "a queue is paused for every workspace"),
    ("limited_queues", "a queue has limits of any workspace"),
    ("node_kinds", "a process performs its kinds for every workspace"),
    ("schema_needs", "the schema is everybody's"),
    (
        "credential_changes",
        "says whose credentials changed, and nothing of what they are",
    ),
];

/// The last migration of the time before nodes of two versions served side by side.
const LAST_ALONE: &str = "2026-11-24-300000_engine";

/// What takes away what others may be using. An index is no more than speed, and may go.
const TAKES_AWAY: &[&str] = &[
    "drop table",
    "drop column",
    "drop constraint",
    "drop default",
    "rename",
    "alter column",
    "truncate",
];

/// Where the migrations lie that expand a schema, and those that contract it.
const EXPANDING: &str = "migrations/";
const CONTRACTING: &str = "migrations/contract/";

/// The folders of migrations for each database beneath `root`: `sqlite` → names.
fn folders<'a>(files: &'a [Source], root: &str) -> BTreeMap<&'a str, BTreeMap<&'a str, BTreeSet<&'a str>>> {
    let mut databases: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    let is_here = |file: &&Source| file.path.starts_with(CONTRACTING) == (root == CONTRACTING);
    for file in files.iter().filter(is_here) {
        let mut parts = file.path.strip_prefix(root).unwrap_or_default().split('/');
        if let (Some(database), Some(name), Some(file)) = (parts.next(), parts.next(), parts.next()) {
            databases
                .entry(database)
                .or_default()
                .entry(name)
                .or_default()
                .insert(file);
        }
    }
    databases
}

/// Migrations that cannot be undone, or that one database lacks; and two of both sorts that have one version.
pub(crate) fn parity(files: &[Source]) -> Vec<String> {
    let mut findings = parity_of(files, EXPANDING);
    findings.extend(parity_of(files, CONTRACTING));
    let versions = |root| -> BTreeSet<String> {
        let names = folders(files, root).into_values().flat_map(BTreeMap::into_keys);
        // As the database keeps them.
        names
            .filter_map(|name| Some(name.split_once('_')?.0.replace('-', "")))
            .collect()
    };
    let twice = versions(EXPANDING)
        .intersection(&versions(CONTRACTING))
        .cloned()
        .collect::<Vec<_>>();
    findings.extend(
        twice
            .iter()
            .map(|version| format!("migrations: {version} is the version of two; give one another")),
    );
    findings
}

/// Statements on PostgreSQL that take away what nodes of the version before use, outside the migrations that wait for these to
/// be gone. SQLite has one node, and changes a table by making it anew.
pub(crate) fn expands(files: &[Source]) -> Vec<String> {
    let folder = format!("{EXPANDING}postgres/");
    let mut findings = Vec::new();
    for file in files {
        let Some((name, "up.sql")) = file.path.strip_prefix(&folder).and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        if name <= LAST_ALONE {
            continue;
        }
        let code = code(&file.text);
        let words: Vec<&str> = code.split_whitespace().collect();
        let code = words.join(" ");
        for taken in TAKES_AWAY.iter().filter(|taken| code.contains(**taken)) {
            findings.push(format!(
                "{}: {taken} takes away what nodes of the version before may use; it belongs into {CONTRACTING}",
                file.path
            ));
        }
    }
    findings
}

fn parity_of(files: &[Source], root: &str) -> Vec<String> {
    let databases = folders(files, root);
    let mut findings = Vec::new();
    for (database, migrations) in &databases {
        for (name, held) in migrations {
            for missing in ["up.sql", "down.sql"].into_iter().filter(|file| !held.contains(file)) {
                findings.push(format!("{root}{database}/{name}: write its {missing}"));
            }
            for (other, theirs) in databases.iter().filter(|(other, _)| *other != database) {
                if !theirs.contains_key(name) {
                    findings.push(format!(
                        "{root}{other}: lacks {name}, which {database} has; write it too"
                    ));
                }
            }
        }
    }
    findings
}

/// Tables whose rows belong to nobody.
pub(crate) fn workspaces(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with("/up.sql")) {
        for (table, columns) in tables(&file.text) {
            let excepted = WITHOUT_WORKSPACE.iter().any(|(name, _)| *name == table);
            if !excepted && !columns.split_whitespace().any(|word| word == "workspace_id") {
                findings.push(format!(
                    "{}: table {table} lacks workspace_id; every row belongs to a workspace, or the table is listed in \
                     tests/tidy/migrations.rs with its reason",
                    file.path
                ));
            }
        }
    }
    findings
}

/// The name and the columns of each table that `sql` creates.
fn tables(sql: &str) -> Vec<(String, String)> {
    let sql = code(sql);
    let statements = sql
        .split(';')
        .filter_map(|statement| statement.split_once("create table "));
    let named = statements.filter_map(|(_, rest)| rest.split_once('('));
    let clean = |name: &str| {
        name.replace("if not exists", "")
            .trim()
            .trim_matches(['"', '`'])
            .to_owned()
    };
    named
        .map(|(name, columns)| (clean(name), columns.replace([',', '(', ')'], " ")))
        .collect()
}

/// The statements without their comments, in small letters.
fn code(sql: &str) -> String {
    let lines = sql
        .lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    lines.collect::<Vec<_>>().join("\n").to_lowercase()
}

#[test]
fn a_migration_that_takes_away_what_older_nodes_use_is_found() {
    let up = |name: &str, text| expands(&[Source::sample(&format!("migrations/{name}/up.sql"), text)]).len();
    let after = "postgres/2026-12-01-000000_a";
    assert_eq!(
        up(
            after,
            "-- DROP TABLE a;\nALTER TABLE a ADD COLUMN b TEXT; DROP INDEX c;"
        ),
        0
    );
    for text in [
        "DROP TABLE a;",
        "alter table a drop  column b;",
        "ALTER TABLE a\n    RENAME TO b;",
        "ALTER TABLE a ALTER COLUMN b SET NOT NULL;",
    ] {
        assert_eq!(up(after, text), 1, "{text}");
    }
    for elsewhere in [LAST_ALONE, "2026-12-01-000000_a"] {
        let (before, sqlite, contract) = ("postgres", "sqlite", "contract/postgres");
        let folder = if elsewhere == LAST_ALONE {
            [before, contract]
        } else {
            [sqlite, contract]
        };
        for folder in folder {
            assert_eq!(
                up(&format!("{folder}/{elsewhere}"), "DROP TABLE a;"),
                0,
                "{folder}/{elsewhere}"
            );
        }
    }
}

#[test]
fn contracting_migrations_are_held_to_the_same_and_have_versions_of_their_own() {
    let both = |name: &str| -> Vec<Source> {
        let databases = ["sqlite", "postgres"].into_iter();
        databases
            .flat_map(|database| {
                ["up.sql", "down.sql"]
                    .map(|file| Source::sample(&format!("migrations/{name}/{file}").replace("DB", database), ""))
            })
            .collect()
    };
    let mut files = both("DB/2026-01-01-000000_a");
    files.extend(both("contract/DB/2026-01-02-000000_b"));
    assert_eq!(parity(&files), Vec::<String>::new());
    files.extend(both("contract/DB/2026-01-01-000000_c"));
    assert_eq!(
        parity(&files),
        ["migrations: 20260101000000 is the version of two; give one another"]
    );
    let half = [Source::sample("migrations/contract/sqlite/1_a/up.sql", "")];
    assert_eq!(parity(&half), ["migrations/contract/sqlite/1_a: write its down.sql"]);
}

#[test]
fn a_migration_that_is_not_whole_or_not_on_both_databases_is_found() {
    let file = |path: &str| Source::sample(path, "");
    let whole = |database: &str| {
        [
            file(&format!("migrations/{database}/1_a/up.sql")),
            file(&format!("migrations/{database}/1_a/down.sql")),
        ]
    };
    assert_eq!(parity(&whole("sqlite")), Vec::<String>::new());
    assert_eq!(
        parity(&whole("sqlite").into_iter().chain(whole("postgres")).collect::<Vec<_>>()),
        Vec::<String>::new()
    );
    assert_eq!(parity(&[file("migrations/sqlite/1_a/up.sql")]).len(), 1);
    let mut both: Vec<Source> = whole("sqlite").into_iter().chain(whole("postgres")).collect();
    both.push(file("migrations/sqlite/2_b/up.sql"));
    both.push(file("migrations/sqlite/2_b/down.sql"));
    assert_eq!(
        parity(&both),
        ["migrations/postgres: lacks 2_b, which sqlite has; write it too"]
    );
}

#[test]
fn a_table_without_a_workspace_is_found() {
    let up = |text| [Source::sample("migrations/sqlite/1_a/up.sql", text)];
    let good = "CREATE TABLE jobs (id TEXT, workspace_id TEXT NOT NULL);\nCREATE TABLE nodes (id TEXT);\nCREATE INDEX i ON jobs (id);";
    assert_eq!(workspaces(&up(good)), Vec::<String>::new());
    assert_eq!(
        workspaces(&up(
            "-- workspace_id\nCREATE TABLE IF NOT EXISTS keys (\n id TEXT -- workspace_id\n);"
        ))
        .len(),
        1
    );
    assert_eq!(
        workspaces(&up("create table a (workspace_id text); create table b (id text);")).len(),
        1
    );
}
