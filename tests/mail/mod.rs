//! The mail transports against the world outside: a relay over TCP, a folder; and what another program reads in the messages.

mod matrix;
mod mime;
mod opensmtpd;
mod outbox;
mod postfix;
mod real_server;
mod smtp_chunking;
mod smtp_dialogue;
mod smtp_failures;
mod smtp_login;
mod smtp_oddities;
mod smtp_pipelining;
mod smtp_recipients;
mod smtp_tls;
mod smtp_transcript;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use legwork::domain::email::{EmailAddress, Subject};
use legwork::mail::{Extras, Gate, GateClosed, Message, Rendered, Sender};

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn message(id: &str) -> Message {
    Message {
        id: format!("{id}@legwork.test"),
        date: "2026-01-31T08:30:00.123456Z".parse().unwrap(),
        from: Sender {
            address: address("legwork@example.com"),
            name: None,
        },
        to: vec![address("ada@example.org").into()],
        subject: Subject::parse("Hello").unwrap(),
        text: "Hello Ada\n".to_owned(),
        html: None,
        job: Some(id.to_owned()),
        extras: Extras::default(),
    }
}

fn mail(id: &str) -> Rendered {
    message(id).render().unwrap()
}

/// Moves this runtime's clock; it stands still for no await but this one, or it would run ahead of the relay's answers.
pub(crate) async fn let_pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// A gate that counts how often it is asked, and is open or shut.
struct CountingGate {
    asked: AtomicUsize,
    answer: Result<(), GateClosed>,
}

impl CountingGate {
    fn open() -> Self {
        Self {
            asked: AtomicUsize::new(0),
            answer: Ok(()),
        }
    }

    fn shut() -> Self {
        Self {
            asked: AtomicUsize::new(0),
            answer: Err(GateClosed),
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Gate for CountingGate {
    fn open<'a>(&'a self) -> BoxFuture<'a, Result<(), GateClosed>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.answer
        })
    }
}
