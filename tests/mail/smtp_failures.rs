//! Each way in which a delivery to a relay can fail, at each step: what it comes to, and what the relay has got.

use std::sync::Arc;
use std::time::Duration;

use legwork::domain::email::Subject;
use legwork::mail::{DeliveryError, Message, OpenGate, Phase, Rendered, SmtpConfig, SmtpTransport, Transport};

use super::{CountingGate, let_pass, mail, message};
use crate::support::relay::{Hold, Relay, Step};

fn transport(relay: &Relay) -> SmtpTransport {
    SmtpTransport::new(SmtpConfig::new("127.0.0.1", relay.port()))
}

/// Delivers to a relay that holds its answer, and lets time pass once it does.
async fn starve(relay: &Relay, mail: Rendered, hold: &Hold, time: Duration) -> DeliveryError {
    let transport = transport(relay);
    let task = tokio::spawn(async move {
        let error = transport.deliver(&mail, &OpenGate).await.unwrap_err();
        assert_eq!(transport.idle_connections(), 0);
        error
    });
    hold.reached(1).await;
    let_pass(time - Duration::from_secs(1)).await;
    assert!(!task.is_finished());
    // Longer where the relay got there before the client began to count its wait.
    while !task.is_finished() {
        let_pass(Duration::from_secs(2)).await;
    }
    task.await.unwrap()
}

/// A failure that another attempt may cure; one before the mail is begun is the relay's own.
fn transient(error: DeliveryError) -> (Phase, Option<u16>, String) {
    match error {
        DeliveryError::Transient { phase, code, words } => {
            assert!(!matches!(phase, Phase::Connect | Phase::Greeting), "{phase}: {words}");
            (phase, code, words)
        }
        DeliveryError::Unavailable { phase, code, words } => {
            assert!(matches!(phase, Phase::Connect | Phase::Greeting), "{phase}: {words}");
            (phase, code, words)
        }
        DeliveryError::Recipients { refusals } if refusals.iter().all(|refusal| !refusal.is_final) => {
            (Phase::Recipient, refusals[0].code, refusals[0].words.clone())
        }
        other => panic!("expected a transient failure, got {other:?}"),
    }
}

const BEFORE_THE_DOT: [(Step, Phase); 5] = [
    (Step::Greeting, Phase::Greeting),
    (Step::Ehlo, Phase::Greeting),
    (Step::Mail, Phase::Sender),
    (Step::Rcpt, Phase::Recipient),
    (Step::Data, Phase::Data),
];

#[tokio::test]
async fn a_4xx_answer_at_any_step_is_transient_and_nothing_is_taken() {
    for (step, phase) in BEFORE_THE_DOT.into_iter().chain([(Step::Dot, Phase::Dot)]) {
        let relay = Relay::start();
        relay.at(step).reply("450 4.2.0 busy");
        let gate = CountingGate::open();
        let (found, code, words) = transient(transport(&relay).deliver(&mail("job_1"), &gate).await.unwrap_err());
        assert_eq!((found, code), (phase, Some(450)), "{step:?}");
        assert!(words.ends_with("4.2.0 busy"), "{words}");
        assert_eq!(gate.asked(), usize::from(step == Step::Dot), "{step:?}");
        assert!(relay.taken().is_empty());
    }
}

#[tokio::test]
async fn a_5xx_answer_is_permanent_but_for_greeting_and_sender_which_are_not_about_the_mail() {
    for (step, phase) in BEFORE_THE_DOT.into_iter().chain([(Step::Dot, Phase::Dot)]) {
        let relay = Relay::start();
        relay.at(step).reply("554-5.7.1 no\r\n554 5.7.1 never");
        let error = transport(&relay).deliver(&mail("job_1"), &OpenGate).await.unwrap_err();
        let permanent = match &error {
            DeliveryError::Permanent { .. } => true,
            DeliveryError::Recipients { refusals } => refusals.iter().all(|refusal| refusal.is_final),
            _ => false,
        };
        let is_about_the_mail = !matches!(phase, Phase::Greeting | Phase::Sender);
        assert_eq!(permanent, is_about_the_mail, "{step:?}: {error:?}");
        assert!(!error.may_have_been_sent());
        assert_eq!((error.phase(), error.code()), (Some(phase), Some(554)), "{step:?}");
        assert!(
            error.to_string().contains("554 ") && error.to_string().contains("never"),
            "{error}"
        );
        assert!(relay.taken().is_empty());
    }
}

#[tokio::test]
async fn a_connection_lost_before_the_dot_is_transient_and_one_lost_after_it_uncertain() {
    for (step, phase) in BEFORE_THE_DOT {
        let relay = Relay::start();
        relay.at(step).drop_connection();
        let (found, code, _) = transient(transport(&relay).deliver(&mail("job_1"), &OpenGate).await.unwrap_err());
        assert_eq!((found, code), (phase, None), "{step:?}");
    }
    let relay = Relay::start();
    let transport = transport(&relay);
    relay.at(Step::Dot).drop_connection();
    let error = transport.deliver(&mail("job_1"), &OpenGate).await.unwrap_err();
    assert!(
        matches!(
            error,
            DeliveryError::Uncertain {
                phase: Phase::Dot,
                code: None,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(relay.taken().is_empty());
    relay.heal();
    relay.at(Step::Dot).take_then_drop();
    let error = transport.deliver(&mail("job_1"), &OpenGate).await.unwrap_err();
    assert!(error.may_have_been_sent(), "{error:?}");
    assert_eq!(relay.taken().len(), 1, "uncertain means that it may well have arrived");
    assert_eq!(transport.idle_connections(), 0);
}

#[tokio::test]
async fn silence_before_the_dot_is_transient_and_after_it_uncertain() {
    for (step, phase) in BEFORE_THE_DOT {
        let relay = Relay::start();
        let hold = relay.at(step).hold();
        let error = starve(&relay, mail("job_1"), &hold, Duration::from_secs(60)).await;
        let (found, code, words) = transient(error);
        assert_eq!((found, code), (phase, None), "{step:?}");
        assert!(words.ends_with("no answer within 60 s"), "{words}");
        relay.wait_for_open(0).await;
        assert!(relay.taken().is_empty());
    }
    let relay = Relay::start();
    let hold = relay.at(Step::Dot).hold();
    let error = starve(&relay, mail("job_1"), &hold, Duration::from_secs(600)).await;
    assert_eq!(error, DeliveryError::uncertain("no answer within 600 s"));
    relay.wait_for_open(0).await;
    assert_eq!(relay.taken().len(), 1);
}

#[tokio::test]
async fn a_slow_answer_within_the_limit_is_a_delivery_like_any_other() {
    let relay = Relay::start();
    for step in [
        Step::Greeting,
        Step::Ehlo,
        Step::Mail,
        Step::Rcpt,
        Step::Data,
        Step::Body,
        Step::Dot,
    ] {
        relay.heal();
        let hold = relay.at(step).hold();
        let transport = transport(&relay);
        let task = tokio::spawn(async move { transport.deliver(&mail("job_1"), &OpenGate).await });
        hold.reached(1).await;
        assert!(!task.is_finished(), "{step:?}");
        hold.release();
        task.await.unwrap().unwrap();
    }
    assert_eq!(relay.taken().len(), 7);
}

#[tokio::test]
async fn a_message_of_which_the_dot_was_never_begun_is_not_uncertain() {
    let relay = Relay::start();
    let hold = relay.at(Step::Body).hold();
    // More than the buffers of both sockets hold, so that the relay's pause reaches us in the middle of the message.
    let large = Message {
        text: "x".repeat(40_000_000),
        ..message("job_1")
    }
    .render()
    .unwrap();
    // A time without progress, and not one for the whole, which takes as long as its line is slow.
    let error = starve(&relay, large.clone(), &hold, Duration::from_secs(180)).await;
    assert_eq!(transient(error).0, Phase::Data);
    hold.release();
    relay.wait_for_open(0).await;
    relay.heal();
    relay.at(Step::Body).drop_connection();
    let gate = CountingGate::open();
    let error = transport(&relay).deliver(&large, &gate).await.unwrap_err();
    assert_eq!(transient(error).0, Phase::Data);
    assert_eq!(gate.asked(), 0, "what is left of a large message is asked about");
    relay.wait_for_open(0).await;
    assert!(relay.taken().is_empty());
}

#[tokio::test]
async fn a_relay_that_is_down_is_transient_until_it_is_back() {
    let relay = Relay::start();
    let transport = transport(&relay);
    transport.deliver(&mail("job_1"), &OpenGate).await.unwrap();
    relay.refuse().await;
    let error = transport.deliver(&mail("job_2"), &OpenGate).await.unwrap_err();
    assert_eq!(transient(error).0, Phase::Connect);
    relay.listen_again().await;
    transport.deliver(&mail("job_2"), &OpenGate).await.unwrap();
    assert_eq!(relay.wait_for(2).await.len(), 2);
}

#[tokio::test]
async fn a_connection_that_cannot_be_reset_is_closed() {
    let relay = Relay::start();
    let transport = transport(&relay);
    relay.at(Step::Rcpt).reply("450 4.2.1 busy");
    relay.at(Step::Rset).reply("500 5.5.2 what");
    assert_eq!(
        transient(transport.deliver(&mail("job_1"), &OpenGate).await.unwrap_err()).0,
        Phase::Recipient
    );
    assert_eq!(transport.idle_connections(), 0);
    relay.wait_for_open(0).await;
}

#[tokio::test]
async fn a_refused_sender_on_a_reused_connection_is_no_stale_connection() {
    let relay = Relay::start();
    let transport = transport(&relay);
    transport.deliver(&mail("job_1"), &OpenGate).await.unwrap();
    relay.at(Step::Mail).reply("550 5.7.1 not from you");
    let error = transport.deliver(&mail("job_2"), &OpenGate).await.unwrap_err();
    assert_eq!((error.phase(), error.code()), (Some(Phase::Sender), Some(550)));
    assert_eq!(relay.connections(), 1);
    assert_eq!(transport.idle_connections(), 1);
}

#[tokio::test]
async fn behind_a_closed_gate_nothing_is_sent_and_the_connection_is_closed() {
    let relay = Relay::start();
    let transport = transport(&relay);
    let gate = CountingGate::shut();
    assert_eq!(
        transport.deliver(&mail("job_1"), &gate).await,
        Err(DeliveryError::GateClosed)
    );
    assert_eq!(gate.asked(), 1);
    assert_eq!(transport.idle_connections(), 0);
    relay.wait_for_open(0).await;
    assert_eq!(relay.commands().last().unwrap(), "DATA", "not a byte comes after it");
    assert!(relay.taken().is_empty());
    transport.deliver(&mail("job_2"), &OpenGate).await.unwrap();
    assert_eq!(relay.taken().len(), 1);
}

#[tokio::test]
async fn a_delivery_dropped_at_any_step_closes_its_connection_and_leaves_none_in_the_pool() {
    for step in [
        Step::Greeting,
        Step::Ehlo,
        Step::Mail,
        Step::Rcpt,
        Step::Data,
        Step::Dot,
    ] {
        let relay = Relay::start();
        let transport = Arc::new(transport(&relay));
        let hold = relay.at(step).hold();
        let task = tokio::spawn({
            let transport = Arc::clone(&transport);
            async move { transport.deliver(&mail("job_1"), &OpenGate).await }
        });
        hold.reached(1).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(transport.idle_connections(), 0, "{step:?}");
        // The hold is not released: the relay sees that we have gone.
        relay.wait_for_open(0).await;
        assert_eq!(relay.taken().len(), usize::from(step == Step::Dot), "{step:?}");
        relay.heal();
        transport.deliver(&mail("job_2"), &OpenGate).await.unwrap();
        assert_eq!(relay.connections(), 2);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_its_step_ends_the_connection() {
    let relay = Relay::start();
    let transport = transport(&relay);
    relay.at(Step::Data).times(1).reply("250 2.0.0 Ok");
    let (phase, code, words) = transient(transport.deliver(&mail("job_1"), &OpenGate).await.unwrap_err());
    assert_eq!(
        (phase, code, words.as_str()),
        (Phase::Data, Some(250), "unexpected answer: 2.0.0 Ok")
    );
    relay.at(Step::Mail).times(1).reply("hello there");
    assert_eq!(
        transient(transport.deliver(&mail("job_1"), &OpenGate).await.unwrap_err()).0,
        Phase::Sender
    );
    assert!(relay.taken().is_empty());
    relay.at(Step::Dot).times(1).reply("200-what\r\nis this");
    assert!(
        transport
            .deliver(&mail("job_1"), &OpenGate)
            .await
            .unwrap_err()
            .may_have_been_sent()
    );
    assert_eq!(transport.idle_connections(), 0);
}

#[tokio::test]
async fn a_421_after_the_dot_is_a_refusal_and_the_connection_is_not_kept() {
    let relay = Relay::start();
    let transport = transport(&relay);
    relay.at(Step::Dot).reply("421 4.3.2 shutting down");
    let (phase, code, _) = transient(transport.deliver(&mail("job_1"), &OpenGate).await.unwrap_err());
    assert_eq!((phase, code), (Phase::Dot, Some(421)));
    assert_eq!(transport.idle_connections(), 0);
    assert!(relay.taken().is_empty());
}

#[tokio::test]
async fn a_servers_words_are_made_fit_for_a_log_line() {
    let relay = Relay::start();
    relay
        .at(Step::Mail)
        .reply(&format!("550 \u{7}\u{1b}[31m <carol@example.net> {}", "x".repeat(700)));
    let error = transport(&relay).deliver(&mail("job_1"), &OpenGate).await.unwrap_err();
    let DeliveryError::Transient { words, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(words.contains("<c***@example.net> xxx"), "{words}");
    assert_eq!(words.chars().count(), 500);
    assert!(!words.chars().any(char::is_control));
}

#[tokio::test]
async fn eight_bit_bytes_are_announced_and_hostile_headers_stay_text() {
    let relay = Relay::start();
    let mut raw = mail("job_1");
    raw.bytes = "Message-ID: <job_1@legwork.test>\r\n\r\nGrüße\r\n".as_bytes().to_vec();
    let transport = transport(&relay);
    transport.deliver(&raw, &OpenGate).await.unwrap();
    assert_eq!(relay.commands()[1], "MAIL FROM:<legwork@example.com> BODY=8BITMIME");
    let hostile = "x\r\n.\r\nRCPT TO:<eve@example.com>\r\nDATA\r\n";
    assert!(Subject::parse(hostile).is_err());
    let text = Message {
        text: hostile.to_owned(),
        html: Some(hostile.to_owned()),
        ..message("job_2")
    };
    transport.deliver(&text.render().unwrap(), &OpenGate).await.unwrap();
    let taken = relay.taken();
    assert_eq!(taken.len(), 2);
    assert!(taken.iter().all(|mail| mail.to == ["ada@example.org"]));
    assert!(!relay.commands().iter().any(|command| command.contains("eve@")));
}

#[tokio::test]
async fn eight_bit_bytes_are_refused_where_the_server_does_not_take_them() {
    let relay = Relay::start();
    relay.at(Step::Ehlo).reply("250 relay.test");
    let raw = Rendered {
        bytes: "\r\nGrüße\r\n".as_bytes().to_vec(),
        ..mail("job_1")
    };
    let error = transport(&relay).deliver(&raw, &OpenGate).await.unwrap_err();
    assert!(
        matches!(
            error,
            DeliveryError::Permanent {
                phase: Phase::Sender,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(relay.taken().is_empty());
}
