//! Messages in chunks, for servers that offer CHUNKING (RFC 3030).

use std::time::Duration;

use legwork::mail::{DeliveryError, Message, OpenGate, Phase, Rendered, SmtpConfig, SmtpTransport, Transport};
use legwork::sandbox::{Act, Extensions};

use super::smtp_pipelining::scripted;
use super::smtp_transcript::Keeping;
use super::{CountingGate, address, mail, message};
use crate::support::relay::{Offer, Relay, Step};

/// More than one piece.
const LARGE: usize = 200_000;

fn relay(pipelining: bool) -> Relay {
    let extensions = Extensions {
        pipelining,
        ..Extensions::ALL
    };
    Relay::offering_with(Offer::default(), extensions)
}

fn transport(relay: &Relay) -> SmtpTransport {
    SmtpTransport::new(SmtpConfig::new("127.0.0.1", relay.port()))
}

/// Its lines begin with dots, and its last one has no end.
fn with_dots(id: &str, bytes: usize) -> Rendered {
    let mut sent = mail(id);
    sent.bytes.extend(b".dots\r\n..\r\n.\r\n".repeat(bytes / 14 + 1));
    sent.bytes.extend(b".");
    sent
}

/// How long the first line of a message is, with its end.
pub(super) fn first_line(message: &[u8]) -> usize {
    message.windows(2).position(|two| two == b"\r\n").unwrap() + 2
}

#[tokio::test]
async fn a_message_in_chunks_arrives_as_it_is_without_data() {
    for (pipelining, bytes) in [(true, 100), (false, 100), (true, LARGE), (false, LARGE)] {
        let relay = relay(pipelining);
        let transport = transport(&relay);
        for id in ["job_1", "job_2"] {
            let sent = with_dots(id, bytes);
            let receipt = transport.deliver(&sent, &OpenGate).await.unwrap();
            assert_eq!(receipt.words, "250 2.0.0 Ok: queued");
            let taken = relay.taken().pop().unwrap();
            assert!(
                taken.data == [&sent.bytes[..], b"\r\n"].concat(),
                "{pipelining}, {bytes}"
            );
        }
        assert_eq!(relay.connections(), 1);
        let commands = relay.commands();
        let chunks = commands.iter().filter(|command| command.starts_with("BDAT")).count();
        assert_eq!(chunks, if bytes == LARGE { 6 } else { 4 }, "{commands:?}");
        assert!(!commands.iter().any(|command| command == "DATA"), "{commands:?}");
    }
}

#[tokio::test]
async fn a_connection_on_which_nobody_was_left_is_used_again() {
    for pipelining in [true, false] {
        let relay = relay(pipelining);
        let transport = transport(&relay);
        for (step, times) in [(Step::Rcpt, 2), (Step::Mail, 1), (Step::Dot, 1)] {
            relay.at(step).times(times).reply("450 4.2.0 busy");
            let to = vec![address("ada@example.org").into(), address("bob@example.net").into()];
            let two = Message { to, ..message("job_1") }.render().unwrap();
            let error = transport.deliver(&two, &OpenGate).await.unwrap_err();
            assert!(!error.may_have_been_sent(), "{step:?}: {error:?}");
            transport.deliver(&mail("job_2"), &OpenGate).await.unwrap();
        }
        assert_eq!((relay.connections(), relay.taken().len()), (1, 3), "{pipelining}");
    }
}

#[tokio::test]
async fn the_gate_is_asked_before_the_last_chunk_and_a_shut_one_leaves_no_mail() {
    for bytes in [100, LARGE] {
        let relay = relay(true);
        let transport = transport(&relay);
        let gate = CountingGate::shut();
        let error = transport.deliver(&with_dots("job_1", bytes), &gate).await.unwrap_err();
        assert!(matches!(error, DeliveryError::GateClosed), "{error:?}");
        assert_eq!((gate.asked(), transport.idle_connections()), (1, 0));
        relay.wait_for_open(0).await;
        assert!(relay.taken().is_empty());
        let chunks: Vec<String> = relay.commands();
        let chunks: Vec<&String> = chunks.iter().filter(|command| command.starts_with("BDAT")).collect();
        assert_eq!(
            chunks.len(),
            1 + usize::from(bytes == LARGE),
            "all but the last: {chunks:?}"
        );
    }
}

#[tokio::test]
async fn a_chunk_that_is_refused_is_no_delivery_and_the_gate_is_not_asked() {
    let relay = relay(true);
    let transport = transport(&relay);
    for (code, connections) in [(452, 1), (421, 2)] {
        relay.at(Step::Chunk).times(1).reply(&format!("{code} 4.3.1 no room"));
        let gate = CountingGate::open();
        let error = transport.deliver(&with_dots("job_1", LARGE), &gate).await.unwrap_err();
        assert_eq!(
            (error.phase(), error.code()),
            (Some(Phase::Data), Some(code)),
            "{error}"
        );
        assert_eq!(gate.asked(), 0);
        transport.deliver(&with_dots("job_1", LARGE), &gate).await.unwrap();
        assert_eq!(relay.connections(), connections);
    }
    assert_eq!(relay.taken().len(), 2);
}

#[tokio::test]
async fn a_server_has_as_long_for_a_chunk_as_for_the_end() {
    let relay = relay(true);
    relay.at(Step::Chunk).act(Act::Delay(Duration::from_millis(900)));
    let transport = SmtpTransport::new(SmtpConfig {
        command_timeout: Duration::from_millis(300),
        ..SmtpConfig::new("127.0.0.1", relay.port())
    });
    transport.deliver(&with_dots("job_1", LARGE), &OpenGate).await.unwrap();
}

#[tokio::test]
async fn a_server_that_takes_no_chunks_all_the_same_gets_one_header_and_then_data() {
    let relay = relay(true);
    // It takes the chunk for a line, and answers that too.
    relay
        .at(Step::Data)
        .times(1)
        .reply("502 5.5.2 what?\r\n500 5.5.2 and what?");
    let transport = transport(&relay);
    let gate = CountingGate::open();
    let error = transport.deliver(&mail("job_1"), &gate).await.unwrap_err();
    assert!(
        matches!(error, DeliveryError::Transient { code: Some(502), .. }),
        "{error:?}"
    );
    assert_eq!((gate.asked(), transport.idle_connections()), (0, 0));
    transport.deliver(&mail("job_1"), &gate).await.unwrap();
    let commands = relay.commands();
    let begins = commands
        .iter()
        .filter(|command| command.starts_with("BDAT") || *command == "DATA");
    let begins: Vec<&str> = begins.map(|command| command.split(' ').next().unwrap()).collect();
    assert_eq!(begins, ["BDAT", "DATA"], "{commands:?}");
    assert_eq!((relay.connections(), relay.taken().len()), (2, 1));
}

#[tokio::test]
async fn a_server_that_refuses_the_sender_and_takes_all_else_is_told_to_forget_it() {
    let taken = "250 Ok\r\n250 Ok\r\n250 Ok\r\n";
    let steps: &'static [_] = Box::leak(Box::new([
        (
            "EHLO localhost\r\n",
            "250-relay.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
        ),
        ("+0000\r\n", taken),
        ("Hello Ada\r\n\r\n", "250 2.0.0 Ok: queued\r\n"),
        ("+0000\r\n", "450 not you\r\n250 Ok\r\n250 Ok\r\n"),
        ("RSET\r\n", "250 Ok\r\n"),
        ("+0000\r\n", taken),
        ("Hello Ada\r\n\r\n", "250 2.0.0 Ok: queued\r\n"),
    ]));
    let (port, served) = scripted(steps).await;
    let transport = SmtpTransport::new(SmtpConfig::new("127.0.0.1", port));
    transport.deliver(&mail("job_1"), &OpenGate).await.unwrap();
    let error = transport.deliver(&mail("job_2"), &OpenGate).await.unwrap_err();
    assert_eq!((error.phase(), error.code()), (Some(Phase::Sender), Some(450)));
    transport.deliver(&mail("job_3"), &OpenGate).await.unwrap();
    drop(transport);
    assert_eq!(served.await.unwrap(), "");
}

#[tokio::test]
async fn a_rule_of_the_sandbox_for_data_holds_for_the_first_chunk() {
    for bytes in [100, LARGE] {
        let relay = relay(true);
        let transport = transport(&relay);
        relay.at(Step::Data).times(1).reply("451 4.3.0 not now");
        let error = transport
            .deliver(&with_dots("job_1", bytes), &OpenGate)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some(451), "{error}");
        assert!(relay.taken().is_empty());
        transport.deliver(&with_dots("job_1", bytes), &OpenGate).await.unwrap();
        assert_eq!((relay.connections(), relay.taken().len()), (1, 1));
    }
}

#[tokio::test]
async fn what_was_said_of_chunks_is_written_down_without_the_message() {
    let relay = relay(true);
    let keeping = Keeping::new();
    let sent = mail("job_1");
    transport(&relay).deliver(&sent, &keeping).await.unwrap();
    let lines = keeping.lines();
    let first = first_line(&sent.bytes);
    let bytes = sent.bytes.len() - first;
    let begins = [format!("C: BDAT {first}"), format!("C: ({first} bytes)")];
    assert!(lines.windows(2).any(|two| two == begins), "{lines:#?}");
    let last = lines.iter().position(|line| *line == format!("C: BDAT {bytes} LAST"));
    let last = last.unwrap_or_else(|| panic!("{lines:#?}"));
    assert_eq!(lines[last + 1], format!("C: ({bytes} bytes)"));
    assert!(!lines.iter().any(|line| line.contains("Hello Ada")), "{lines:#?}");
}
