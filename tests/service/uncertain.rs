//! Mails of which nobody knows whether they went out: repeated after a wait or held, through silence, shutdowns and `kill -9`.

use serde_json::{Value, json};

use crate::support::relay::{Relay, Step};
use crate::support::service::{Home, Service};

/// A service whose uncertain mails are repeated soon, and the relay that they go to.
fn world() -> (Relay, Home) {
    let relay = Relay::start();
    let home = Home::new()
        .with("LEGWORK_MAIL__URL", relay.url())
        .with("LEGWORK_MAIL__UNCERTAIN_WAIT", "1s")
        .with("LEGWORK_SHUTDOWN__GRACE_MS", "100");
    (relay, home)
}

async fn send(service: &Service, key: &str, on_uncertain: &str) -> String {
    // Of a site each, so that neither waits for the other.
    let to = format!("r@{on_uncertain}.example.com");
    let mail = json!({ "to": to, "subject": "Invoice", "text": "...", "on_uncertain": on_uncertain });
    let (status, job) = service.post(key, "/v1/emails", &mail).await;
    assert_eq!(status, 202, "{job}");
    job["id"].as_str().unwrap().to_owned()
}

fn outcomes(job: &Value) -> Vec<&str> {
    let attempts = job["attempts"].as_array().unwrap().iter();
    attempts.map(|attempt| attempt["outcome"].as_str().unwrap()).collect()
}

/// Both copies of a mail are one to a reader's program.
fn are_one_mail(relay: &Relay) {
    let taken = relay.taken();
    assert_eq!(taken.len(), 2);
    let date = |text: &str| text.lines().find(|line| line.starts_with("Date:")).map(str::to_owned);
    let (first, second) = (taken[0].text(), taken[1].text());
    assert_eq!(taken[0].message_id, taken[1].message_id);
    assert!(date(&first).is_some() && date(&first) == date(&second));
}

#[tokio::test]
async fn a_mail_that_may_have_gone_out_goes_again_after_the_wait_and_its_job_says_that_there_may_be_a_copy() {
    let (relay, home) = world();
    let key = home.operator();
    let service = home.serve();
    relay.at(Step::Dot).times(1).take_then_drop();
    let id = send(&service, &key, "retry").await;
    let done = service.job_when(&key, &id, |job| job["finished_at"].is_string()).await;
    assert_eq!(
        (&done["state"], &done["copies_possible"]),
        (&json!("completed"), &json!(1)),
        "{done}"
    );
    assert_eq!(outcomes(&done), ["uncertain", "completed"]);
    let time = |place: usize, name: &str| -> legwork::clock::Timestamp {
        done["attempts"][place][name].as_str().unwrap().parse().unwrap()
    };
    let waited = time(1, "started_at").since(time(0, "finished_at"));
    assert!(
        (1..5).contains(&waited.as_secs()),
        "not the backoff of a failed mail: {waited:?}"
    );
    let said = done["attempts"][0]["transcript"].as_str().unwrap();
    assert!(
        said.contains(" C: MAIL FROM:<l***@") && said.contains("and the final dot)"),
        "{said}"
    );
    assert!(said.contains(" -- the server closed the connection"), "{said}");
    assert!(!said.contains("r@"), "{said}");
    let said = done["attempts"][1]["transcript"].as_str().unwrap();
    assert!(said.contains(" S: 250 2.0.0 Ok: queued"), "{said}");
    are_one_mail(&relay);
}

#[tokio::test]
async fn a_shutdown_past_the_dot_is_uncertain_and_costs_no_attempt() {
    let (relay, home) = world();
    let key = home.operator();
    let service = home.serve();
    let hold = relay.at(Step::Dot).times(2).hold();
    let (again, held) = (send(&service, &key, "retry").await, send(&service, &key, "hold").await);
    hold.reached(2).await;
    service.signal("TERM");
    assert_eq!(service.wait().0, Some(0));
    hold.release();
    let service = home.serve();
    let done = service
        .job_when(&key, &again, |job| job["finished_at"].is_string())
        .await;
    assert_eq!(
        (&done["state"], &done["copies_possible"]),
        (&json!("completed"), &json!(1)),
        "{done}"
    );
    assert_eq!(
        (outcomes(&done), &done["attempt"]),
        (vec!["uncertain", "completed"], &json!(1)),
        "{done}"
    );
    let said = done["attempts"][0]["transcript"].as_str().unwrap();
    assert!(
        said.ends_with("and the final dot)\n"),
        "what was said until then: {said}"
    );

    let uncertain = service
        .job_when(&key, &held, |job| job["finished_at"].is_string())
        .await;
    assert_eq!(
        (&uncertain["state"], &uncertain["copies_possible"]),
        (&json!("uncertain"), &json!(1))
    );
    assert_eq!(relay.taken().len(), 3, "both, and the copy of one");
    let resolve = |state: &str| home.run(&["jobs", "resolve", &held, "--as", state], "");
    let said = resolve("completed");
    assert!(
        said.status.success() && said.stdout.contains("resolved"),
        "{}{}",
        said.stdout,
        said.stderr
    );
    assert!(said.stdout.contains("copies_possible      1"), "{}", said.stdout);
    assert_eq!(resolve("discarded").status.code(), Some(5), "it is said already");
    assert_eq!(resolve("available").status.code(), Some(2));
    let shown = home.run(&["jobs", "show", &again], "").stdout;
    assert!(
        shown.contains("attempt 1, milliseconds since it began:\n  ") && shown.contains(" -- connected"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_mail_that_is_repeated_says_after_a_kill_that_there_may_be_a_copy() {
    let (relay, home) = world();
    let key = home.operator();
    let service = home.serve();
    let hold = relay.at(Step::Dot).times(1).hold();
    let id = send(&service, &key, "retry").await;
    hold.reached(1).await;
    service.kill_9();
    hold.release();
    let service = home.serve();
    let done = service.job_when(&key, &id, |job| job["finished_at"].is_string()).await;
    assert_eq!(
        (&done["state"], &done["copies_possible"]),
        (&json!("completed"), &json!(1)),
        "{done}"
    );
    assert_eq!(
        (outcomes(&done), &done["attempt"]),
        (vec!["lost", "completed"], &json!(1))
    );
    are_one_mail(&relay);
}
