//! What is made of a server's offers: commands said together, sizes said beforehand, letters beyond ASCII; and a mail that the
//! server cannot take, known before anything of it is said.

use legwork::mail::{DeliveryError, Message, OpenGate, Phase, Rendered, SmtpConfig, SmtpTransport, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{CountingGate, address, mail, message};
use crate::support::relay::{Relay, Step};

const OFFERS: &str = "250-relay.test\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 8BITMIME";

fn transport(port: u16) -> SmtpTransport {
    SmtpTransport::new(SmtpConfig::new("127.0.0.1", port))
}

/// A relay that answers only once all of a step is there, however much that is; and what comes behind the last step, until
/// the client closes the connection.
pub(super) async fn scripted(steps: &'static [(&'static str, &'static str)]) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 relay.test\r\n").await.unwrap();
        for (until, answer) in steps {
            let mut said = String::new();
            while !said.ends_with(until) {
                let byte = stream
                    .read_u8()
                    .await
                    .unwrap_or_else(|_| panic!("{said:?} and no {until:?}"));
                said.push(char::from(byte));
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        let mut rest = String::new();
        // A client that closes with answers unread resets the connection.
        drop(stream.read_to_string(&mut rest).await);
        rest
    });
    (port, served)
}

const EHLO: (&str, &str) = ("EHLO localhost\r\n", "250-relay.test\r\n250 PIPELINING\r\n");

fn two() -> Rendered {
    let to = vec![address("ada@example.org").into(), address("bob@example.net").into()];
    Message { to, ..message("job_1") }.render().unwrap()
}

#[tokio::test]
async fn all_that_may_be_said_together_is_said_before_any_answer() {
    let (port, served) = scripted(&[
        EHLO,
        (
            "MAIL FROM:<legwork@example.com>\r\nRCPT TO:<ada@example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n",
            "250 2.1.0 Ok\r\n550 5.1.1 no such user\r\n250 2.1.5 Ok\r\n354 go on\r\n",
        ),
        ("\r\n.\r\n", "250 2.0.0 Ok: queued\r\n"),
    ])
    .await;
    let transport = transport(port);
    let gate = CountingGate::open();
    let receipt = transport.deliver(&two(), &gate).await.unwrap();
    assert_eq!((receipt.words.as_str(), gate.asked()), ("250 2.0.0 Ok: queued", 1));
    assert_eq!(receipt.refusals.len(), 1);
    assert_eq!((receipt.refusals[0].position, receipt.refusals[0].code), (0, Some(550)));
    assert_eq!(transport.idle_connections(), 1);
    drop(transport);
    assert_eq!(served.await.unwrap(), "");
}

#[tokio::test]
async fn a_server_that_waits_for_a_message_to_nobody_gets_none() {
    let group = "RCPT TO:<bob@example.net>\r\nDATA\r\n";
    for (answers, phase) in [
        ("250 Ok\r\n550 no\r\n450 not now\r\n354 go on\r\n", Phase::Recipient),
        ("450 not you\r\n503 no\r\n503 no\r\n354 go on\r\n", Phase::Sender),
    ] {
        let steps: &'static [_] = Box::leak(Box::new([EHLO, (group, answers)]));
        let (port, served) = scripted(steps).await;
        let transport = transport(port);
        let gate = CountingGate::open();
        let error = transport.deliver(&two(), &gate).await.unwrap_err();
        assert_eq!((error.phase(), gate.asked()), (Some(phase), 0), "{error}");
        assert!(!error.may_have_been_sent());
        // Not a byte, the dot of an empty message least of all.
        assert_eq!(served.await.unwrap(), "");
        assert_eq!(transport.idle_connections(), 0);
    }
}

#[tokio::test]
async fn a_connection_on_which_a_group_was_refused_is_in_step_and_used_again() {
    for step in [Step::Mail, Step::Rcpt, Step::Data] {
        let relay = Relay::start();
        relay.at(Step::Ehlo).reply(OFFERS);
        let transport = transport(relay.port());
        transport.deliver(&mail("job_1"), &OpenGate).await.unwrap();
        relay.at(step).times(1).reply("450 4.2.0 busy");
        let error = transport.deliver(&mail("job_2"), &OpenGate).await.unwrap_err();
        assert_eq!(error.code(), Some(450), "{step:?}: {error}");
        transport.deliver(&mail("job_3"), &OpenGate).await.unwrap();
        assert_eq!(relay.connections(), 1, "{step:?}");
        let ids: Vec<String> = relay.taken().into_iter().map(|taken| taken.message_id).collect();
        assert_eq!(ids, ["job_1@legwork.test", "job_3@legwork.test"], "{step:?}");
    }
}

#[tokio::test]
async fn what_breaks_off_in_a_group_is_no_delivery() {
    for step in [Step::Mail, Step::Rcpt, Step::Data] {
        let acts: [fn(&Relay, Step); 2] = [
            |relay, step| relay.at(step).reply("421 4.3.2 shutting down"),
            |relay, step| relay.at(step).drop_connection(),
        ];
        for act in acts {
            let relay = Relay::start();
            relay.at(Step::Ehlo).reply(OFFERS);
            act(&relay, step);
            let transport = transport(relay.port());
            let gate = CountingGate::open();
            let error = transport.deliver(&mail("job_1"), &gate).await.unwrap_err();
            assert!(matches!(error, DeliveryError::Transient { .. }), "{step:?}: {error}");
            assert_eq!((gate.asked(), transport.idle_connections()), (0, 0), "{step:?}");
            relay.wait_for_open(0).await;
            assert!(relay.taken().is_empty());
        }
    }
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_never_taken_for_that_to_the_next_mail() {
    for offers in [OFFERS, "250-relay.test\r\n250 8BITMIME"] {
        let relay = Relay::start();
        relay.at(Step::Ehlo).reply(offers);
        relay
            .at(Step::Dot)
            .times(1)
            .reply("250 2.0.0 Ok: queued\r\n250 2.0.0 and once more");
        let transport = transport(relay.port());
        transport.deliver(&mail("job_1"), &OpenGate).await.unwrap();
        relay.at(Step::Mail).reply("550 5.7.1 not from you");
        let error = transport.deliver(&mail("job_2"), &OpenGate).await.unwrap_err();
        assert_eq!((error.phase(), error.code()), (Some(Phase::Sender), Some(550)));
        assert_eq!(relay.connections(), 2);
        assert_eq!(relay.taken().len(), 1);
    }
}

#[tokio::test]
async fn the_size_is_said_where_it_is_asked_for_and_too_large_a_mail_is_not_begun() {
    let relay = Relay::start();
    relay.at(Step::Ehlo).times(1).reply(OFFERS);
    let sent = mail("job_1");
    transport(relay.port()).deliver(&sent, &OpenGate).await.unwrap();
    let size = sent.bytes.len();
    assert_eq!(
        relay.commands()[1],
        format!("MAIL FROM:<legwork@example.com> SIZE={size}")
    );
    for (offered, is_taken) in [(size, true), (size - 1, false), (0, true)] {
        let relay = Relay::start();
        relay
            .at(Step::Ehlo)
            .reply(&format!("250-relay.test\r\n250 SIZE {offered}"));
        let said = transport(relay.port()).deliver(&sent, &OpenGate).await;
        assert_eq!(said.is_ok(), is_taken, "{offered}: {said:?}");
        if let Err(error) = said {
            let DeliveryError::Permanent {
                phase: Phase::Sender,
                words,
                ..
            } = &error
            else {
                panic!("{error:?}");
            };
            assert!(words.contains(&format!("{size} bytes")), "{words}");
            assert!(!relay.commands().iter().any(|command| command.starts_with("MAIL")));
        }
    }
}

#[tokio::test]
async fn a_server_that_finds_the_mail_too_large_at_mail_refuses_it_for_good() {
    let relay = Relay::start();
    relay.at(Step::Mail).reply("552 5.3.4 Message size exceeds fixed limit");
    let error = transport(relay.port())
        .deliver(&mail("job_1"), &OpenGate)
        .await
        .unwrap_err();
    assert!(
        matches!(error, DeliveryError::Permanent { code: Some(552), .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn headers_beyond_ascii_go_only_to_a_server_that_takes_them() {
    let raw = Rendered {
        bytes: "Message-ID: <job_1@legwork.test>\r\nTo: Ada <\u{e4}da@example.org>\r\n\r\nx\r\n".into(),
        ..mail("job_1")
    };
    let relay = Relay::start();
    relay
        .at(Step::Ehlo)
        .times(1)
        .reply("250-relay.test\r\n250-8BITMIME\r\n250 SMTPUTF8");
    transport(relay.port()).deliver(&raw, &OpenGate).await.unwrap();
    assert_eq!(
        relay.commands()[1],
        "MAIL FROM:<legwork@example.com> BODY=8BITMIME SMTPUTF8"
    );
    let error = transport(relay.port()).deliver(&raw, &OpenGate).await.unwrap_err();
    let DeliveryError::Permanent {
        phase: Phase::Sender,
        words,
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert!(words.contains("SMTPUTF8"), "{words}");
    assert_eq!(relay.taken().len(), 1);
}
