//! The attempt of a mail that is told to stop after the mail went out.

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

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_with_the_end_of_the_grace_is_believed() {
    let address = |text: &str| EmailAddress::parse(text).unwrap();
    let relay = Arc::new(Thoughtful::default());
    let sites = Sites::new(Limits { relay: 1, site: 1 });
    let sender = Sender::from(address("legwork@example.com"));
    let postbox = Postbox::new(relay.clone(), sender).unwrap().within(sites);
    let content = Content {
        subject: Subject::parse("Hello").unwrap(),
        text: "Hello".to_owned(),
        html: None,
    };
    let mail = Sending::own(address("ada@example.org"), content);
    let bench = Bench::new();
    let work = move |ctx: JobContext| async move { postbox.send(mail, &ctx).await };
    let attempt = bench.attempt(scripted(WhenUncertain::Hold, work));
    let received = attempt.receive();
    let run = tokio::spawn(attempt.run(received));
    relay.asked.notified().await;
    // The time stands still: its grace begins now, and ends with the relay's thoughts.
    bench.stop(StopCause::CancelRequested);
    run.await.unwrap();
    assert_eq!(bench.written().await.end, AttemptEnd::Completed);
}
