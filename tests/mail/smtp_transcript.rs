//! What was said in a delivery, told to whoever wants it.

use std::time::Duration;

use futures_util::future::BoxFuture;
use legwork::mail::{
    DeliveryError, Gate, GateClosed, Login, SmtpConfig, SmtpTransport, TRANSCRIPT_BYTES_MAX, Transcript, Transport,
};
use secrecy::SecretString;

use super::{address, mail, message};
use crate::support::relay::{Offer, OfferedLogin, Relay, Step};

/// An open gate that keeps what is said.
pub(super) struct Keeping(Transcript);

impl Keeping {
    pub(super) fn new() -> Self {
        Self(Transcript::new())
    }

    /// What was said, without the times.
    pub(super) fn lines(&self) -> Vec<String> {
        let text = self.0.take().unwrap();
        let without_time = |line: &str| line.split_once(' ').unwrap().1.to_owned();
        text.lines().map(without_time).collect()
    }
}

impl Gate for Keeping {
    fn open<'a>(&'a self) -> BoxFuture<'a, Result<(), GateClosed>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn transcript(&self) -> Option<&Transcript> {
        Some(&self.0)
    }
}

#[tokio::test]
async fn both_sides_are_written_down_without_password_address_and_message() {
    let relay = Relay::offering(Offer {
        login: Some(OfferedLogin {
            in_the_clear: true,
            ..OfferedLogin::by("LOGIN")
        }),
        ..Offer::default()
    });
    let transport = SmtpTransport::new(SmtpConfig {
        login: Some(Login {
            user: "ada@example.com".to_owned(),
            password: SecretString::from("open sesame"),
        }),
        ..SmtpConfig::new("127.0.0.1", relay.port())
    });
    let keeping = Keeping::new();
    let sent = mail("job_1");
    transport.deliver(&sent, &keeping).await.unwrap();
    let bytes = sent.bytes.len();
    let lines = keeping.lines();
    // The words of the relay are its own; what matters is who says what in which order.
    let expected = [
        "-- connected to the relay".to_owned(),
        "S: 220 ".to_owned(),
        "C: EHLO localhost".to_owned(),
        "S: 250 ".to_owned(),
        "C: AUTH LOGIN ***".to_owned(),
        "S: 334 ".to_owned(),
        "C: ***".to_owned(),
        "S: 334 ".to_owned(),
        "C: ***".to_owned(),
        "S: 235 ".to_owned(),
        "C: MAIL FROM:<l***@example.com>".to_owned(),
        "S: 250 ".to_owned(),
        "C: RCPT TO:<a***@example.org>".to_owned(),
        "S: 250 ".to_owned(),
        "C: DATA".to_owned(),
        "S: 354 ".to_owned(),
        format!("C: ({bytes} bytes and the final dot)"),
        "S: 250 2.0.0 Ok: queued".to_owned(),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(&expected) {
        assert!(line.starts_with(expected), "{line:?} for {expected:?}");
    }
    let all = lines.join("\n");
    for secret in ["sesame", "b3BlbiBzZXNhbWU=", "ada@", "legwork@", "Hello"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }

    let keeping = Keeping::new();
    transport.deliver(&mail("job_2"), &keeping).await.unwrap();
    let lines = keeping.lines();
    assert_eq!(lines[0], "-- a connection that is kept; mail 2 on it");
    assert_eq!(lines[1], "C: MAIL FROM:<l***@example.com>");
}

#[tokio::test]
async fn what_was_said_until_then_is_left_of_a_delivery_that_failed_or_was_dropped() {
    let relay = Relay::start();
    relay.at(Step::Dot).times(1).drop_connection();
    let transport = SmtpTransport::new(SmtpConfig::new("127.0.0.1", relay.port()));
    let keeping = Keeping::new();
    let error = transport.deliver(&mail("job_1"), &keeping).await.unwrap_err();
    assert!(error.may_have_been_sent());
    let lines = keeping.lines();
    assert!(
        lines[lines.len() - 2].starts_with("C: (") && lines.last().unwrap().starts_with("-- "),
        "{lines:?}"
    );

    let hold = relay.at(Step::Rcpt).hold();
    let keeping = Keeping::new();
    let sent = mail("job_2");
    {
        let delivery = transport.deliver(&sent, &keeping);
        tokio::select! {
            _ = delivery => panic!("nobody released it"),
            () = hold.reached(1) => {}
        }
    }
    assert_eq!(keeping.lines().last().unwrap(), "C: RCPT TO:<a***@example.org>");
}

#[tokio::test]
async fn a_long_dialogue_is_cut_in_its_middle() {
    let relay = Relay::start();
    relay.at(Step::Rcpt).reply(&format!("250 {}", "x".repeat(400)));
    let to = (0..100)
        .map(|number| address(&format!("{number}@example.org")).into())
        .collect();
    let many = legwork::mail::Message { to, ..message("job_1") }.render().unwrap();
    let keeping = Keeping::new();
    let transport = SmtpTransport::new(SmtpConfig::new("127.0.0.1", relay.port()));
    transport.deliver(&many, &keeping).await.unwrap();
    let text = keeping.0.take().unwrap();
    assert!(text.len() <= TRANSCRIPT_BYTES_MAX, "{}", text.len());
    assert!(
        text.contains("connected to") && text.contains(" lines left out ") && text.ends_with("queued\n"),
        "{text}"
    );
}

#[tokio::test]
async fn the_answer_to_the_dot_has_a_time_of_its_own() {
    let relay = Relay::start();
    let hold = relay.at(Step::Dot).hold();
    let transport = SmtpTransport::new(SmtpConfig {
        dot_timeout: Duration::from_millis(50),
        ..SmtpConfig::new("127.0.0.1", relay.port())
    });
    let keeping = Keeping::new();
    let error = transport.deliver(&mail("job_1"), &keeping).await.unwrap_err();
    assert_eq!(error, DeliveryError::uncertain("no answer within 0.05 s"));
    assert_eq!(keeping.lines().last().unwrap(), "-- no answer within 0.05 s");
    hold.release();
}
