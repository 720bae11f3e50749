//! The documents: what they point at exists.

use super::source::Source;

/// Folders whose files the documents point at.
const ROOTS: &[&str] = &[
    "src/",
    "tests/",
    "migrations/",
    "benches/",
    "docs/",
    "packaging/",
    ".ci/",
];

/// Paths in backticks that `exists` does not know.
pub(crate) fn paths(documents: &[Source], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for document in documents {
        // Every second piece between backticks is inside them.
        for quoted in document.text.split('`').skip(1).step_by(2) {
            let plain = !quoted.contains([' ', '\n', '*', '<', '{', '…']);
            let path = quoted.split(':').next().unwrap_or(quoted);
            if plain && ROOTS.iter().any(|root| path.starts_with(root)) && !exists(path) {
                findings.push(format!(
                    "{}: points at {path}, which is not there; name what is",
                    document.path
                ));
            }
        }
    }
    findings
}

#[test]
fn a_path_that_is_gone_is_found() {
    let exists = |path: &str| path == "src/store/mod.rs" || path == "tests/";
    let good = "See `src/store/mod.rs:12`, `tests/`, `src/<part>/mod.rs`, `legwork serve` and `src/store/mod.rs`.";
    assert_eq!(
        paths(&[Source::sample("README.md", good)], exists),
        Vec::<String>::new()
    );
    assert_eq!(
        paths(
            &[Source::sample("README.md", "See `src/gone.rs`, or `src/store/mod.rs`.")],
            exists
        )
        .len(),
        1
    );
}
