//! The migrations: the same on both databases, reversible, and with a workspace in every table.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;

/// Tables whose rows belong to no workspace, each with its reason.
const WITHOUT_WORKSPACE: &[(&str, &str)] = &[
    ("workspaces", "is the workspace itself"),
    ("nodes", "a process serves every workspace"),
    ("queues", "a queue is paused for every workspace"),
];

/// The folders of migrations for each database: `sqlite` → names.
fn folders(files: &[Source]) -> BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> {
    let mut databases: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for file in files {
        let mut parts = file.path.split('/').skip(1);
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

/// Migrations that cannot be undone, or that one database lacks.
pub(crate) fn parity(files: &[Source]) -> Vec<String> {
    let databases = folders(files);
    let mut findings = Vec::new();
    for (database, migrations) in &databases {
        for (name, held) in migrations {
            for missing in ["up.sql", "down.sql"].into_iter().filter(|file| !held.contains(file)) {
                findings.push(format!("migrations/{database}/{name}: write its {missing}"));
            }
            for (other, theirs) in databases.iter().filter(|(other, _)| *other != database) {
                if !theirs.contains_key(name) {
                    findings.push(format!(
                        "migrations/{other}: lacks {name}, which {database} has; write it too"
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
    let lines = sql
        .lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    let sql = lines.collect::<Vec<_>>().join("\n").to_lowercase();
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
