//! Who the tests are about: people with an account, and those who have none yet.

use std::time::Instant;

use serde_json::json;

use crate::support::service::{Home, PATIENCE, Service, breathe};

/// The password of everybody here.
pub(super) const PASSWORD: &str = "a good long password";

/// A service without the limits that would end a test of something else.
pub(super) fn unlimited() -> Home {
    let limits = [
        "LEGWORK_LIMITS__ENTRIES_PER_MINUTE",
        "LEGWORK_LIMITS__REGISTRATIONS_PER_HOUR",
        "LEGWORK_LIMITS__REGISTRATIONS_PER_HOUR_ADDRESS",
        "LEGWORK_LIMITS__RESETS_PER_HOUR",
        "LEGWORK_LIMITS__RESETS_PER_HOUR_NETWORK",
        "LEGWORK_LIMITS__RESETS_PER_HOUR_ADDRESS",
        "LEGWORK_LIMITS__LOGINS_PER_MINUTE",
        "LEGWORK_LIMITS__LOGINS_PER_MINUTE_ADDRESS",
    ];
    limits
        .into_iter()
        .fold(Home::new(), |home, limit| home.with(limit, "0"))
}

/// Makes an account by the command line.
pub(super) fn account(home: &Home, email: &str) {
    let said = home.run(
        &["account", "create", "--email", email, "--password-stdin"],
        &format!("{PASSWORD}\n"),
    );
    assert!(said.status.success(), "{}", said.stderr);
}

/// Logs in and answers the token.
pub(super) async fn log_in(service: &Service, email: &str) -> String {
    let (status, login) = service
        .post_openly("/v1/sessions", &json!({ "email": email, "password": PASSWORD }))
        .await;
    assert_eq!(status, 201, "{login}");
    login["token"].as_str().unwrap().to_owned()
}

/// Registers, and answers the token that is mailed.
pub(super) async fn register(home: &Home, service: &Service, email: &str) -> String {
    let person = json!({ "email": email, "password": PASSWORD, "name": "Ada" });
    let (status, told) = service.post_openly("/v1/accounts", &person).await;
    assert_eq!(status, 202, "{told}");
    mailed(home, email, "/verify?token=").await
}

/// What follows `mark` in the newest mail to `email` that has it, once there is one.
pub(super) async fn mailed(home: &Home, email: &str, mark: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        for mail in home.outbox() {
            let text = mail.replace("=\r\n", "").replace("=3D", "=");
            if text.contains(&format!("To: {email}"))
                && let Some((_, rest)) = text.split_once(mark)
            {
                let in_token = |char: &char| char.is_ascii_alphanumeric() || "-_".contains(*char);
                return rest.chars().take_while(in_token).collect();
            }
        }
        assert!(Instant::now() < deadline, "no mail to {email}");
        breathe().await;
    }
}
