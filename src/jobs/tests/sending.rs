//! The attempts of mails: one that is told to stop after the mail went out, and one whose site rests.

use tokio::sync::Notify;

use super::kinds::{Postbox, Sending};
use super::*;
use crate::domain::email::{EmailAddress, Subject};
use crate::mail::{Content, DeliveryError, Gate, GateClosed, Limits, Receipt, Rendered, Sender, Sites, Transport};

/// A relay that answers the final dot after as long as an attempt's grace.
#[derive(Default)]
struct Thoughtful {
    asked: Notify,
}

impl Transport for Thoughtful {
    fn deliver<'a>(&'a self, _: &'a Rendered, gate: &'a dyn Gate) -> BoxFuture<'a, Result<Receipt, DeliveryError>> {
        async {
            gate.open().await.map_err(|GateClosed| DeliveryError::GateClosed)?;
            self.asked.notify_one();
            tokio::time::sleep(GRACE).await;
            Ok(Receipt {
                words: "250 Ok".to_owned(),
                refusals: Vec::new(),
            })
        }
        .boxed()
    }

    fn describe(&self) -> String {
        "a test's".to_owned()
    }
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

/// Sends a mail to ada@example.org, for which there is room in these.
async fn send(relay: &Arc<Thoughtful>, sites: &Sites, mail: Sending, ctx: JobContext) -> Outcome {
    let sender = Sender::from(address("legwork@example.com"));
    let postbox = Postbox::new(relay.clone(), sender).unwrap().within(sites.clone());
    postbox.send(mail, &ctx).await
}

fn mail() -> Sending {
    let content = Content {
        subject: Subject::parse("Hello").unwrap(),
        text: "Hello".to_owned(),
        html: None,
    };
    Sending::own(address("ada@example.org"), content)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_with_the_end_of_the_grace_is_believed() {
    let relay = Arc::new(Thoughtful::default());
    let sites = Sites::new(Limits { relay: 1, site: 1 });
    let bench = Bench::new();
    let its = relay.clone();
    let work = move |ctx: JobContext| async move { send(&its, &sites, mail(), ctx).await };
    let attempt = bench.attempt(scripted(WhenUncertain::Hold, work));
    let received = attempt.receive();
    let run = tokio::spawn(attempt.run(received));
    relay.asked.notified().await;
    // The time stands still: its grace begins now, and ends with the relay's thoughts.
    bench.stop(StopCause::CancelRequested);
    run.await.unwrap();
    assert_eq!(bench.written().await.end, AttemptEnd::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_mail_for_a_site_that_rests_comes_again_behind_the_rest() {
    let relay = Arc::new(Thoughtful::default());
    let sites = Sites::new(Limits { relay: 1, site: 1 });
    let mut hanging = sites.enter(&[address("eve@example.org")]).await.unwrap();
    tokio::time::advance(Duration::from_secs(10)).await;
    hanging.is_out_of_time();
    drop(hanging);
    assert!(sites.slowed().iter().all(|site| site.is_resting) && !sites.slowed().is_empty());
    let mut bench = Bench::new();
    bench.job.fence = 1;
    let work = move |ctx: JobContext| async move { send(&relay, &sites, mail(), ctx).await };
    let AttemptEnd::Snoozed(at) = bench.run(WhenUncertain::Hold, work).await.end else {
        panic!("it was not put off");
    };
    let rest = Duration::from_secs(30);
    assert!((NOW.plus(rest)..=NOW.plus(rest * 3 / 2)).contains(&at), "{at:?}");
}
