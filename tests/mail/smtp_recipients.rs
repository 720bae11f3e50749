//! Recipients who are refused, each for himself.

use legwork::mail::{DeliveryError, Message, OpenGate, Rendered, SmtpConfig, SmtpTransport, Transport};
use legwork::sandbox::Extensions;

use super::{CountingGate, address, mail, message};
use crate::support::relay::{Offer, Relay, Step};

fn transport(relay: &Relay) -> SmtpTransport {
    SmtpTransport::new(SmtpConfig::new("127.0.0.1", relay.port()))
}

fn to_three() -> Rendered {
    let to = ["ada@example.org", "bob@example.net", "eve@example.com"].map(|text| address(text).into());
    let sent = Message {
        to: to.to_vec(),
        ..message("job_1")
    };
    sent.render().unwrap()
}

#[tokio::test]
async fn those_who_are_taken_get_the_mail_and_the_others_are_named_with_the_servers_words() {
    let relay = Relay::start();
    let transport = transport(&relay);
    relay
        .at(Step::Rcpt)
        .recipient("ada@example.org")
        .reply("450 4.2.0 <ada@example.org>: greylisted");
    relay
        .at(Step::Rcpt)
        .recipient("eve@example.com")
        .reply("550 5.1.1 <eve@example.com>: user unknown");
    let gate = CountingGate::open();
    let receipt = transport.deliver(&to_three(), &gate).await.unwrap();
    assert_eq!(gate.asked(), 1);
    let told: Vec<_> = receipt
        .refusals
        .iter()
        .map(|refusal| (refusal.position, refusal.is_final, refusal.to_string()))
        .collect();
    assert_eq!(
        told,
        [
            (0, false, "450 4.2.0 <a***@example.org>: greylisted".to_owned()),
            (2, true, "550 5.1.1 <e***@example.com>: user unknown".to_owned()),
        ]
    );
    let taken = relay.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].to, ["bob@example.net"]);
    assert_eq!(transport.idle_connections(), 1);
}

#[tokio::test]
async fn where_nobody_is_taken_nothing_is_sent_and_the_connection_is_kept() {
    let relay = Relay::start();
    let transport = transport(&relay);
    relay.at(Step::Rcpt).times(3).reply("550 5.1.1 user unknown");
    let gate = CountingGate::open();
    let error = transport.deliver(&to_three(), &gate).await.unwrap_err();
    let DeliveryError::Recipients { refusals } = error else {
        panic!("{error:?}")
    };
    assert_eq!(refusals.len(), 3);
    assert!(
        refusals
            .iter()
            .all(|refusal| refusal.is_final && refusal.code == Some(550))
    );
    assert_eq!(gate.asked(), 0);
    assert_eq!(relay.commands().last().unwrap(), "RSET");
    transport.deliver(&mail("job_2"), &OpenGate).await.unwrap();
    assert_eq!((relay.connections(), relay.taken().len()), (1, 1));
}

#[tokio::test]
async fn a_relay_that_wants_a_login_is_unusable_and_refuses_nobody() {
    for (step, code) in [(Step::Mail, 530), (Step::Rcpt, 530), (Step::Rcpt, 535)] {
        let relay = Relay::start();
        relay.at(step).reply(&format!("{code} 5.7.0 authentication required"));
        let error = transport(&relay).deliver(&mail("job_1"), &OpenGate).await.unwrap_err();
        assert!(
            matches!(error, DeliveryError::Unavailable { code: Some(_), .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("authentication required"), "{error}");
    }
}

#[tokio::test]
async fn an_address_for_which_the_relay_wants_a_login_keeps_the_mail_from_nobody_else() {
    let relay = Relay::start();
    let transport = transport(&relay);
    relay
        .at(Step::Rcpt)
        .recipient("bob@example.net")
        .reply("530 5.7.0 authentication required for example.net");
    let receipt = transport.deliver(&to_three(), &OpenGate).await.unwrap();
    assert_eq!(receipt.refusals.len(), 1);
    assert!(receipt.refusals[0].position == 1 && !receipt.refusals[0].is_final);
    assert_eq!(relay.taken()[0].to, ["ada@example.org", "eve@example.com"]);
    let to_bob = Message {
        to: vec![address("bob@example.net").into()],
        ..message("job_2")
    };
    for _ in 0..4 {
        let error = transport
            .deliver(&to_bob.render().unwrap(), &OpenGate)
            .await
            .unwrap_err();
        assert!(matches!(error, DeliveryError::Unavailable { .. }), "{error:?}");
    }
    // On a connection of its own too: the relay is not said to be away.
    let other = relay.connections();
    relay.refuse().await;
    relay.listen_again().await;
    transport.deliver(&mail("job_4"), &OpenGate).await.unwrap();
    assert_eq!(relay.connections(), other + 1);
}

#[tokio::test]
async fn a_connection_that_is_lost_among_the_recipients_sends_to_nobody() {
    let relay = Relay::start();
    relay.at(Step::Rcpt).recipient("bob@example.net").drop_connection();
    let error = transport(&relay).deliver(&to_three(), &OpenGate).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Transient { .. }), "{error:?}");
    assert!(relay.taken().is_empty());
}

#[tokio::test]
async fn who_was_refused_before_the_server_closed_stays_refused_and_the_others_are_for_the_next_attempt() {
    let pipelined = Extensions {
        pipelining: true,
        ..Extensions::PLAIN
    };
    for extensions in [pipelined, Extensions::PLAIN] {
        let relay = Relay::offering_with(Offer::default(), extensions);
        relay
            .at(Step::Rcpt)
            .recipient("gone@example.com")
            .reply("550 5.1.1 no such user");
        relay
            .at(Step::Rcpt)
            .recipient("late@example.com")
            .reply("421 4.7.0 too many errors");
        let transport = transport(&relay);
        let mut sent = mail("job_1");
        sent.envelope.to = [
            "bob@example.com",
            "gone@example.com",
            "late@example.com",
            "eve@example.com",
        ]
        .map(address)
        .into();
        let DeliveryError::Recipients { refusals } = transport.deliver(&sent, &OpenGate).await.unwrap_err() else {
            panic!("no recipients are told apart");
        };
        let told: Vec<_> = refusals.iter().map(|one| (one.position, one.is_final)).collect();
        assert_eq!(told, [(0, false), (1, true), (2, false), (3, false)]);
        assert_eq!(relay.taken().len(), 0);
    }
}
