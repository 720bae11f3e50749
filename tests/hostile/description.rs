//! `/openapi.json` against the running service, by schemathesis: a program of others, which knows nothing of this service but its
//! description, sends what the description permits and what it forbids, and holds every answer against it.
//!
//! `schemathesis.toml`, beside this file, says what it does and what it leaves out, each with its reason.

use std::path::Path;
use std::process::Stdio;

use super::people::{account, log_in, unlimited};
use crate::support::required;

/// Where the program is, if it is not in `PATH`.
const VARIABLE: &str = "LEGWORK_TEST_SCHEMATHESIS";

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_the_description_says_and_none_is_a_fault() {
    let program = std::env::var(VARIABLE).unwrap_or_else(|_unset| "schemathesis".to_owned());
    let Some(mut schemathesis) = required::program("schemathesis", &program) else {
        return;
    };
    let home = unlimited();
    let key = home.operator();
    for email in ["ada@example.com", "last@example.com", "leaving@example.com"] {
        account(&home, email);
    }
    let service = home.serve();
    let login = log_in(&service, "ada@example.com").await;
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/schemathesis.toml");
    schemathesis
        .arg("--config-file")
        .arg(config)
        .args(["run", &service.url("/openapi.json")])
        // It leaves files where it runs.
        .current_dir(home.path())
        .env("LEGWORK_KEY", &key)
        .env("LEGWORK_LOGIN", &login)
        .env("LEGWORK_LAST_LOGIN", log_in(&service, "last@example.com").await)
        .env("LEGWORK_LEAVING_LOGIN", log_in(&service, "leaving@example.com").await);
    let said = schemathesis.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(
        said.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&said.stderr)
    );
    assert!(text.contains("Test cases:"), "it sent nothing: {text}");
    // Both were good to the end, or all that was answered would be a 401.
    assert_eq!(service.get(&key, "/v1/queues").await.0, 200);
    assert_eq!(service.get(&login, "/v1/sessions/current").await.0, 200);
}
