//! The whole service with recipients whose site hangs, or takes nothing: the others get their mail all the same.

use serde_json::{Value, json};

use crate::support::relay::{Relay, Step};
use crate::support::service::Home;

const HANGING: &str = "ada@hanging.example";
const BUSY: &str = "bob@busy.example";

fn mail(to: &str) -> Value {
    json!({ "to": to, "subject": "Hello", "text": "Hello\n" })
}

#[tokio::test]
async fn sites_that_hang_or_take_nothing_hold_up_nobody_else() {
    let relay = Relay::start();
    let hold = relay.at(Step::Rcpt).recipient(HANGING).hold();
    relay.at(Step::Rcpt).recipient(BUSY).reply("450 4.2.1 try again later");
    let home = Home::new()
        .with("LEGWORK_MAIL__URL", relay.url())
        .with("LEGWORK_MAIL__CONCURRENCY", "4");
    let key = home.operator();
    let service = home.serve();
    let mut waiting = Vec::new();
    // More than the mailer has slots, so that they would fill it if they were to wait.
    for number in 0..80 {
        let to = if number % 2 == 0 { HANGING } else { BUSY };
        let (status, job) = service.post(&key, "/v1/emails", &mail(to)).await;
        assert_eq!(status, 202, "{job}");
        waiting.push(job["id"].as_str().unwrap().to_owned());
    }
    hold.reached(1).await;
    let mut others = Vec::new();
    for number in 0..60 {
        let to = format!("eve@site-{}.example", number % 3);
        let (_, job) = service.post(&key, "/v1/emails", &mail(&to)).await;
        others.push(job["id"].as_str().unwrap().to_owned());
    }
    for id in &others {
        let job = service.job_when(&key, id, |job| job["state"] == "completed").await;
        assert_eq!(job["attempt"], 1, "{job}");
    }
    assert!(relay.connections() <= 4, "{}", relay.connections());
    // One mail is with the site that hangs, the others of its wait, and have spent nothing by that.
    let asked = format!("RCPT TO:<{HANGING}>");
    assert_eq!(relay.commands().iter().filter(|line| **line == asked).count(), 1);
    let is_snoozed = |job: &Value| job["state"] == "scheduled" && job["attempt"] == 0;
    let snoozed = service.job_when(&key, &waiting[2], is_snoozed).await;
    let why = snoozed["attempts"][0]["error"].as_str().unwrap().to_owned();
    assert!(why.contains("hanging.example answers slowly"), "{why}");
    let (_, queues) = service.get(&key, "/v1/queues").await;
    let mail = queues["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "mail");
    let busy = json!({ "site": "busy.example", "limit": 1, "resting": true });
    let slowed = &mail.unwrap()["slowed_sites"];
    let mut rested = slowed[0].clone();
    // It may be tried again at this moment.
    rested["resting"] = json!(true);
    assert_eq!((slowed.as_array().unwrap().len(), rested), (1, busy), "{slowed}");
    service.log_line(|line| line["event"] == "site_rests" && line["site"] == "busy.example");
}
