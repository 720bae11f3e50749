//! The dialogue with a relay that does as it should: what arrives, and how connections are used again.

use std::sync::Arc;
use std::time::Duration;

use legwork::domain::email::Subject;
use legwork::mail::{DeliveryError, HelloName, Message, OpenGate, SmtpConfig, SmtpTransport, Transport};

use super::{CountingGate, address, let_pass, mail, message};
use crate::support::relay::{Relay, Step};

fn transport(relay: &Relay) -> SmtpTransport {
    SmtpTransport::new(SmtpConfig::new("127.0.0.1", relay.port()))
}

async fn deliver(transport: &SmtpTransport, id: &str) -> Result<String, DeliveryError> {
    transport
        .deliver(&mail(id), &OpenGate)
        .await
        .map(|receipt| receipt.words)
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_rendered_and_the_receipt_holds_the_servers_words() {
    let relay = Relay::start();
    let sent = Message {
        to: vec![address("ada@example.org").into(), address("bob@example.net").into()],
        ..message("job_1")
    };
    let rendered = sent.render().unwrap();
    let gate = CountingGate::open();
    let receipt = transport(&relay).deliver(&rendered, &gate).await.unwrap();
    assert_eq!(receipt.words, "250 2.0.0 Ok: queued");
    assert_eq!(gate.asked(), 1);
    let taken = relay.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].from, "legwork@example.com");
    assert_eq!(taken[0].to, ["ada@example.org", "bob@example.net"]);
    assert_eq!(taken[0].message_id, "job_1@legwork.test");
    assert_eq!(taken[0].data, rendered.bytes);
    assert_eq!(
        relay.commands(),
        [
            "EHLO localhost",
            "MAIL FROM:<legwork@example.com>",
            "RCPT TO:<ada@example.org>",
            "RCPT TO:<bob@example.net>",
            "DATA",
        ]
    );
}

#[tokio::test]
async fn dots_long_lines_and_text_beyond_ascii_survive_the_way() {
    let relay = Relay::start();
    let transport = transport(&relay);
    let texts = [
        ".\n..\n.a\nb.\n\n.\n",
        ".",
        "\n",
        "",
        "Grüße\n.\nKöln",
        &"x".repeat(20_000),
        &format!("{}\n", ".".repeat(3_000)),
        "no line end",
        "a\r\n.\r\nMAIL FROM:<eve@example.com>\r\n",
        "a\n.\nb\r.\rc\n",
    ];
    for (number, text) in texts.iter().enumerate() {
        for html in [None, Some(format!("<p>{text}</p>\n."))] {
            let sent = Message {
                text: (*text).to_owned(),
                html,
                subject: Subject::parse("Grüße …").unwrap(),
                ..message(&format!("job_{number}"))
            };
            let rendered = sent.render().unwrap();
            transport.deliver(&rendered, &OpenGate).await.unwrap();
            assert_eq!(relay.taken().last().unwrap().data, rendered.bytes, "{text:?}");
        }
    }
    assert_eq!(relay.taken().len(), texts.len() * 2);
    assert_eq!(
        relay.connections(),
        1,
        "what a text holds must not end the message early"
    );
}

#[tokio::test]
async fn a_text_arrives_readable_with_one_kind_of_line_end() {
    let relay = Relay::start();
    let sent = Message {
        text: "one\ntwo\r\n.three".to_owned(),
        ..message("job_1")
    };
    transport(&relay)
        .deliver(&sent.render().unwrap(), &OpenGate)
        .await
        .unwrap();
    assert!(relay.taken()[0].text().ends_with("\r\n\r\none\r\ntwo\r\n.three\r\n"));
}

#[tokio::test]
async fn the_hello_name_is_said() {
    let relay = Relay::start();
    let hello_name = HelloName::parse("legwork.test").unwrap();
    let transport = SmtpTransport::new(SmtpConfig {
        hello_name,
        ..SmtpConfig::new("127.0.0.1", relay.port())
    });
    transport.deliver(&mail("job_1"), &OpenGate).await.unwrap();
    assert_eq!(relay.commands()[0], "EHLO legwork.test");
    assert_eq!(transport.describe(), relay.url());
}

#[tokio::test]
async fn mails_after_another_share_a_connection() {
    let relay = Relay::start();
    let transport = transport(&relay);
    for id in ["job_1", "job_2", "job_3"] {
        deliver(&transport, id).await.unwrap();
    }
    assert_eq!(relay.connections(), 1);
    assert_eq!(transport.idle_connections(), 1);
    assert!(!relay.commands().iter().any(|command| command == "NOOP"));
}

#[tokio::test]
async fn only_so_many_idle_connections_are_kept() {
    let relay = Relay::start();
    let config = SmtpConfig {
        max_idle: 2,
        ..SmtpConfig::new("127.0.0.1", relay.port())
    };
    let transport = Arc::new(SmtpTransport::new(config));
    let hold = relay.at(Step::Dot).hold();
    let tasks: Vec<_> = (0..4)
        .map(|number| {
            let transport = Arc::clone(&transport);
            tokio::spawn(async move { deliver(&transport, &format!("job_{number}")).await })
        })
        .collect();
    hold.reached(4).await;
    hold.release();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(transport.idle_connections(), 2);
    relay.wait_for_open(2).await;
    drop(transport);
    relay.wait_for_open(0).await;
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_is_replaced_at_once() {
    let relay = Relay::start();
    let transport = transport(&relay);
    deliver(&transport, "job_1").await.unwrap();
    relay.close_connections().await;
    deliver(&transport, "job_2").await.unwrap();
    let brought_by: Vec<usize> = relay.taken().iter().map(|taken| taken.connection).collect();
    assert_eq!(brought_by, [1, 2]);
    assert_eq!(transport.idle_connections(), 1);
}

#[tokio::test]
async fn a_reused_connection_on_which_the_server_says_421_is_replaced_at_once() {
    let relay = Relay::start();
    let transport = transport(&relay);
    deliver(&transport, "job_1").await.unwrap();
    relay.at(Step::Mail).times(1).reply("421 4.4.2 idle for too long");
    deliver(&transport, "job_2").await.unwrap();
    assert_eq!(relay.connections(), 2);
    let ids: Vec<String> = relay.taken().into_iter().map(|taken| taken.message_id).collect();
    assert_eq!(ids, ["job_1@legwork.test", "job_2@legwork.test"]);
}

#[tokio::test]
async fn only_one_fresh_connection_is_tried_for_a_stale_one() {
    let relay = Relay::start();
    let transport = transport(&relay);
    deliver(&transport, "job_1").await.unwrap();
    relay.at(Step::Mail).drop_connection();
    let error = deliver(&transport, "job_2").await.unwrap_err();
    assert!(matches!(error, DeliveryError::Transient { .. }), "{error}");
    assert_eq!(relay.connections(), 2);
    assert_eq!(transport.idle_connections(), 0);
}

#[tokio::test]
async fn a_connection_that_was_idle_for_30_seconds_is_not_used_again() {
    let relay = Relay::start();
    let transport = transport(&relay);
    deliver(&transport, "job_1").await.unwrap();
    let_pass(Duration::from_secs(29)).await;
    deliver(&transport, "job_2").await.unwrap();
    assert_eq!(relay.connections(), 1);
    let_pass(Duration::from_secs(30)).await;
    deliver(&transport, "job_3").await.unwrap();
    assert_eq!(relay.connections(), 2);
    relay.wait_for_open(1).await;
}
