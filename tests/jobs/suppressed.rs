//! Who gets no mails of a stream: whom a mail leaves out, and whom a server's answer puts on the list.

use std::time::Duration;

use legwork::domain::email::EmailAddress;
use legwork::domain::id::{JobId, SuppressionId, WorkspaceId};
use legwork::domain::job::JobState;
use legwork::domain::list_unsubscribe::{ListUnsubscribe, UnsubscribeLink};
use legwork::domain::stream::Stream;
use legwork::domain::suppression::{SuppressionOrigin, SuppressionReason};
use legwork::jobs::kinds::Unsubscribing;
use legwork::store::Abort;
use legwork::store::suppressions::{self, NewSuppression, Suppression, SuppressionFilter};
use serde_json::{Value, json};

use super::simulation::{Simulation, after};
use crate::support::relay::Step;

const HOUR: Duration = Duration::from_secs(3600);
const ADA: &str = "ada@example.org";
const BOB: &str = "Bob@example.net";

impl Simulation {
    async fn suppress(&self, address: &str, stream: Option<&str>, reason: SuppressionReason) {
        let new = NewSuppression {
            id: SuppressionId::generate(),
            workspace: WorkspaceId::SERVICE,
            address: EmailAddress::parse(address).unwrap().canonical(),
            stream: stream.map(|name| Stream::parse(name).unwrap()),
            reason,
            origin: SuppressionOrigin::Recipient,
            at: self.clock.now(),
        };
        let write = self
            .store
            .write(move |tx| Ok::<_, Abort<()>>(suppressions::add(tx.connection(), std::slice::from_ref(&new))?));
        write.await.unwrap();
    }

    async fn suppressions(&self) -> Vec<Suppression> {
        let filter = SuppressionFilter {
            workspace: WorkspaceId::SERVICE,
            stream: None,
            reason: None,
            address: None,
            before: None,
            limit: 100,
        };
        let read = self
            .store
            .read(move |connection| suppressions::list(connection, &filter));
        read.await.unwrap()
    }

    async fn told(&self, id: JobId) -> (JobState, Value, Option<String>) {
        let (job, attempts) = self.job(id).await;
        let result: Value = serde_json::from_str(job.result.as_deref().unwrap()).unwrap();
        let error = attempts.last().and_then(|attempt| attempt.error.clone());
        (job.state, result["recipients"].clone(), error)
    }

    fn envelopes(&self) -> Vec<Vec<String>> {
        self.relay.taken().into_iter().map(|mail| mail.to).collect()
    }
}

#[actix::test]
async fn who_is_suppressed_in_the_stream_or_in_all_is_left_out_and_the_others_get_the_mail() {
    let world = Simulation::new();
    world.suppress(BOB, Some("news"), SuppressionReason::Unsubscribe).await;
    world
        .suppress("eve@example.com", None, SuppressionReason::Complaint)
        .await;
    let to = [ADA, BOB, "eve@example.com"];
    let news = world.accept_in("news", None, &to).await;
    let other = world.accept_in("alerts", None, &to).await;
    assert!(!world.run_until(after(HOUR)).await);
    let mut envelopes = world.envelopes();
    envelopes.sort();
    assert_eq!(envelopes, [vec![ADA], vec![ADA, BOB]]);
    let (state, recipients, _) = world.told(news).await;
    assert_eq!(state, JobState::Completed);
    assert_eq!(
        recipients,
        json!([
            { "to": ADA, "status": "sent", "reply": null },
            { "to": BOB, "status": "suppressed", "reply": null, "reason": "unsubscribe" },
            { "to": "eve@example.com", "status": "suppressed", "reply": null, "reason": "complaint" },
        ])
    );
    assert_eq!(world.told(other).await.1[1]["status"], "sent");
}

#[actix::test]
async fn a_mail_all_of_whose_recipients_are_suppressed_ends_discarded_and_no_server_hears_of_it() {
    let world = Simulation::new();
    world.suppress(ADA, Some("news"), SuppressionReason::Unsubscribe).await;
    let id = world.accept_in("news", None, &[ADA]).await;
    assert!(!world.run_until(after(HOUR)).await);
    let (state, recipients, error) = world.told(id).await;
    assert_eq!(state, JobState::Discarded);
    assert_eq!(recipients[0]["status"], "suppressed");
    assert_eq!(
        error.unwrap(),
        "sent to 0 of 1; a***@example.org is suppressed (unsubscribe)"
    );
    assert!(world.relay.commands().is_empty(), "{:?}", world.relay.commands());
    // Taken back, a person's retry sends it.
    let one = world.suppressions().await.remove(0).id;
    let write = world
        .store
        .write(move |tx| Ok::<_, Abort<()>>(suppressions::remove(tx.connection(), one, WorkspaceId::SERVICE)?));
    assert!(write.await.unwrap().is_some());
    world.retry(id).await;
    assert!(!world.run_until(after(HOUR * 2)).await);
    assert_eq!(world.told(id).await.0, JobState::Completed);
    assert_eq!(world.envelopes(), [[ADA]]);
}

#[actix::test]
async fn what_is_added_while_a_mail_waits_to_be_tried_again_holds_for_the_next_attempt() {
    let world = Simulation::new();
    world.relay.at(Step::Rcpt).times(1).reply("450 4.2.0 greylisted");
    let id = world.accept_in("news", None, &[ADA]).await;
    world.run_until(after(Duration::from_secs(1))).await;
    assert_eq!(world.told(id).await.0, JobState::Retryable);
    world.suppress(ADA, Some("news"), SuppressionReason::Unsubscribe).await;
    assert!(!world.run_until(after(HOUR)).await);
    assert_eq!(world.told(id).await.0, JobState::Discarded);
    assert!(world.envelopes().is_empty());
}

#[actix::test]
async fn a_server_that_says_that_there_is_no_such_address_has_it_suppressed_in_that_stream() {
    let world = Simulation::new();
    let reply = "550 5.1.1 <bob@example.net>: User unknown";
    world.relay.at(Step::Rcpt).recipient(BOB).reply(reply);
    let id = world.accept_in("news", None, &[ADA, BOB]).await;
    assert!(!world.run_until(after(HOUR)).await);
    let found = world.suppressions().await;
    assert_eq!(found.len(), 1, "{found:?}");
    let one = &found[0];
    assert_eq!(
        (
            one.address.as_str(),
            one.stream.as_ref().map(Stream::as_str),
            one.reason
        ),
        ("bob@example.net", Some("news"), SuppressionReason::Bounce)
    );
    let said = "550 5.1.1 <b***@example.net>: User unknown".to_owned();
    assert_eq!(one.origin, SuppressionOrigin::Job { job: id, reply: said });
    assert_eq!(
        world.told(id).await.1[1]["status"],
        "refused",
        "what the server said is told as it is"
    );
    // The next mail of the stream does not ask for it, one of another does.
    world.relay.heal();
    for (stream, asked) in [("news", vec![ADA]), ("alerts", vec![ADA, BOB])] {
        world.accept_in(stream, None, &[ADA, BOB]).await;
        world.run_until(world.clock.now().plus(HOUR)).await;
        assert_eq!(world.envelopes().pop().unwrap(), asked, "{stream}");
    }
}

#[actix::test]
async fn a_policy_a_full_mailbox_and_bare_words_suppress_nobody() {
    let world = Simulation::new();
    for reply in [
        "554 5.7.1 blocked using a list",
        "552 5.2.2 mailbox full",
        "550 no such user here",
        "450 4.1.1 unverified",
        "550 5.7.1 relaying denied",
    ] {
        world.relay.heal();
        world.relay.at(Step::Rcpt).reply(reply);
        world.accept_in("news", None, &[ADA]).await;
        world.run_until(world.clock.now().plus(Duration::from_secs(1))).await;
        assert!(world.suppressions().await.is_empty(), "{reply}");
    }
    // What is said after the message is about the message.
    world.relay.heal();
    world.relay.at(Step::Dot).reply("550 5.1.1 no such user");
    world.accept_in("news", None, &[ADA]).await;
    world.run_until(world.clock.now().plus(Duration::from_secs(1))).await;
    assert!(world.suppressions().await.is_empty());
}

#[actix::test]
async fn a_mail_says_how_its_stream_ends_and_its_link_stands_for_its_reader_alone() {
    let world = Simulation::new();
    world.relay.at(Step::Dot).times(1).reply("451 4.3.0 later");
    world.accept_in("news", Some(ListUnsubscribe::OneClick), &[BOB]).await;
    assert!(!world.run_until(after(HOUR)).await);
    let own = ["https://example.com/leave", "mailto:leave@example.com"];
    let own = own.map(|link| UnsubscribeLink::parse(link).unwrap()).to_vec();
    world
        .accept_in("news", Some(ListUnsubscribe::Links(own)), &[ADA, BOB])
        .await;
    assert!(!world.run_until(after(HOUR * 2)).await);
    world.accept(&[ADA]).await;
    assert!(!world.run_until(after(HOUR * 3)).await);
    let taken = world.relay.taken();
    let texts: Vec<String> = taken
        .iter()
        .map(|mail| String::from_utf8(mail.data.clone()).unwrap())
        .collect();
    let (start, end) = ("List-Unsubscribe: <https://legwork.example/unsubscribe?token=", ">\r\n");
    let (_, rest) = texts[0].split_once(start).expect("the mail has the header");
    let (token, _) = rest.split_once(end).unwrap();
    let asked = Unsubscribing::of(token, &world.keys).unwrap();
    assert_eq!(
        (asked.workspace, asked.stream.as_str(), asked.address.as_str()),
        (WorkspaceId::SERVICE, "news", "bob@example.net")
    );
    assert!(texts[0].contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
    assert!(texts[1].contains("\r\nList-Unsubscribe: <https://example.com/leave>,\r\n <mailto:leave@example.com>\r\n"));
    assert!(!texts[1].contains("One-Click"));
    assert!(!texts[2].contains("List-Unsubscribe"));
    assert!(
        texts
            .iter()
            .flat_map(|text| text.split("\r\n"))
            .all(|line| line.len() <= 998)
    );
}
