//! The attempt of a mail that is told to stop after the mail went out.

use tokio::sync::{Notify, oneshot};

use super::kinds::{Postbox, Sending};
use super::*;
use crate::domain::email::{EmailAddress, Subject};
use crate::mail::{Content, DeliveryError, Gate, GateClosed, Limits, Receipt, Rendered, Sender, Sites, Transport};

/// A relay that answers the final dot when the test says so.
struct Thoughtful {
    asked: Notify,
    answer: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Transport for Thoughtful {
    fn deliver<'a>(&'a self, _: &'a Rendered, gate: &'a dyn Gate) -> BoxFuture<'a, Result<Receipt, DeliveryError>> {
        async {
            gate.open().await.map_err(|GateClosed| DeliveryError::GateClosed)?;
            let answer = self.answer.lock().unwrap().take().expect("one mail is sent");
            self.asked.notify_one();
            answer.await.unwrap();
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
    let (answer, awaited) = oneshot::channel();
    let relay = Arc::new(Thoughtful {
        asked: Notify::new(),
        answer: Mutex::new(Some(awaited)),
    });
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
    bench.stop(StopCause::CancelRequested);
    // The attempt hears of it, and its grace begins.
    tokio::task::yield_now().await;
    answer.send(()).unwrap();
    tokio::time::advance(GRACE + Duration::from_millis(1)).await;
    run.await.unwrap();
    assert_eq!(bench.written().await.end, AttemptEnd::Completed);
}
