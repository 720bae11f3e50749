//! The whole service with a relay that wants TLS and a login.

use serde_json::{Value, json};

use crate::support::certificates::Authority;
use crate::support::relay::{Offer, OfferedLogin, OfferedTls, Relay, Step};
use crate::support::service::Home;

/// A relay of this kind, and a home whose service is to use it; `{}` in `url` stands for its port.
fn world(implicit: bool, url: &str) -> (Authority, Relay, Home) {
    let authority = Authority::new();
    let config = authority.issue(&["localhost"]).server_config();
    let relay = Relay::offering(Offer {
        tls: if implicit {
            OfferedTls::Implicit(config)
        } else {
            OfferedTls::StartTls(config)
        },
        login: Some(OfferedLogin::by("PLAIN LOGIN")),
    });
    let home = Home::new()
        .with("LEGWORK_MAIL__URL", url.replace("{}", &relay.port().to_string()))
        .with("LEGWORK_MAIL__CA_FILE", authority.file().display().to_string());
    (authority, relay, home)
}

fn mail() -> Value {
    json!({ "to": ["bob@example.org", "eve@example.org"], "subject": "Hello", "text": "Hello\n" })
}

#[tokio::test]
async fn mail_goes_encrypted_and_logged_in_however_the_login_is_set() {
    for (implicit, url, password) in [
        (true, "smtps://ada%40example.com:open%20sesame@localhost:{}", None),
        (
            false,
            "smtp://ada%40example.com:open%20sesame@localhost:{}?tls=required",
            None,
        ),
        (true, "smtps://ada@example.com@localhost:{}", Some("open sesame")),
    ] {
        let (_authority, relay, mut home) = world(implicit, url);
        if let Some(password) = password {
            home = home.with("LEGWORK_MAIL__PASSWORD", password);
        }
        let key = home.operator();
        let service = home.serve();
        let (status, job) = service.post(&key, "/v1/emails", &mail()).await;
        assert_eq!(status, 202, "{job}");
        let done = |job: &Value| job["state"] == "completed";
        let job = service.job_when(&key, job["id"].as_str().unwrap(), done).await;
        assert_eq!(job["result"]["recipients"][1]["to"], "eve@example.org");
        assert_eq!(job["result"]["recipients"][1]["status"], "sent");
        let taken = relay.taken();
        assert!(taken.len() == 1 && taken[0].is_encrypted && taken[0].is_logged_in);
    }
}

#[tokio::test]
async fn a_refused_recipient_is_told_to_the_client_and_not_to_the_log() {
    let (_authority, relay, home) = world(true, "smtps://ada@example.com:open%20sesame@localhost:{}");
    relay
        .at(Step::Rcpt)
        .recipient("eve@example.org")
        .reply("550 5.1.1 <eve@example.org>: user unknown");
    let key = home.operator();
    let service = home.serve();
    let (_, job) = service.post(&key, "/v1/emails", &mail()).await;
    let done = |job: &Value| job["state"] == "completed";
    let job = service.job_when(&key, job["id"].as_str().unwrap(), done).await;
    let refused = &job["result"]["recipients"][1];
    assert_eq!(
        (&refused["to"], &refused["status"]),
        (&json!("eve@example.org"), &json!("refused"))
    );
    assert_eq!(refused["reply"], "550 5.1.1 <e***@example.org>: user unknown");
    assert_eq!(relay.taken()[0].to, ["bob@example.org"]);
    assert!(!service.log().concat().contains("eve@example.org"));
}

#[tokio::test]
async fn a_wrong_password_makes_mail_wait_and_shows_in_one_warning_and_nowhere_as_it_is() {
    let (_authority, relay, home) = world(true, "smtps://ada@example.com:swordfish@localhost:{}");
    let key = home.operator();
    let service = home.serve();
    let mut jobs = Vec::new();
    for _ in 0..3 {
        let (_, job) = service.post(&key, "/v1/emails", &mail()).await;
        let id = job["id"].as_str().unwrap().to_owned();
        jobs.push(service.job_when(&key, &id, |job| job["state"] == "scheduled").await);
    }
    for job in &jobs {
        assert_eq!(job["attempt"], 0, "a wrong setting spends no attempt");
        assert_eq!(job["attempts"][0]["outcome"], "snoozed");
        let error = job["attempts"][0]["error"].as_str().unwrap();
        assert!(error.contains("failed at login") && error.contains("535"), "{error}");
    }
    assert_eq!(relay.connections(), 1, "it is not tried with every mail");
    let log = service.log();
    let warnings: Vec<_> = log.iter().filter(|line| line.contains("relay_down")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("WARN") && warnings[0].contains("535"),
        "{warnings:?}"
    );
    let shown = format!("{} {jobs:?}", log.join("\n"));
    // As it is, and as it goes over the wire.
    for secret in ["swordfish", "c3dvcmRmaXNo", "AGFkYUBleGFtcGxlLmNvbQ", "ada@example.com"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn a_start_without_a_certificate_to_trust_names_the_file() {
    let home = Home::new()
        .with("LEGWORK_MAIL__URL", "smtps://ada:swordfish@localhost")
        .with("LEGWORK_MAIL__CA_FILE", "missing.pem");
    let said = home.run(&["serve"], "");
    assert_eq!(said.status.code(), Some(1));
    assert!(
        said.stderr.contains("missing.pem holds no certificate"),
        "{}",
        said.stderr
    );
    assert!(!said.stderr.contains("swordfish"), "{}", said.stderr);
}
