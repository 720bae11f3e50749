//! Relays that are odd and can be used all the same: answers of a form of their own, and fewer connections than we would have.

use std::sync::Arc;

use legwork::mail::{DeliveryError, OpenGate, Phase, SmtpConfig, SmtpTransport, Transport};

use super::mail;
use crate::support::relay::{Relay, Step};
use crate::support::service::breathe;

fn transport(relay: &Relay) -> SmtpTransport {
    SmtpTransport::new(SmtpConfig::new("127.0.0.1", relay.port()))
}

#[tokio::test]
async fn an_answer_whose_form_is_odd_and_whose_meaning_is_plain_is_taken_as_it_is_meant() {
    for said in ["250", "250-\r\n250", "280 2.0.0 Ok"] {
        let relay = Relay::start();
        relay.at(Step::Mail).reply("250");
        relay.at(Step::Dot).reply(said);
        let receipt = transport(&relay).deliver(&mail("job_1"), &OpenGate).await;
        assert!(
            receipt.is_ok(),
            "{said:?}: taken, and so not to be sent again: {receipt:?}"
        );
        assert_eq!(relay.taken().len(), 1);
    }
    let relay = Relay::start();
    relay.at(Step::Dot).reply("571 5.7.1 not today");
    let error = transport(&relay).deliver(&mail("job_1"), &OpenGate).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Permanent { .. }), "{error:?}");
}

#[tokio::test]
async fn letters_of_any_charset_and_long_words_after_the_dot_do_not_make_it_uncertain() {
    let relay = Relay::start();
    for said in [
        &b"250 2.0.0 Nachricht \xfcbernommen"[..],
        &[b"250 ".as_slice(), &[b'x'; 5_000]].concat(),
    ] {
        relay.heal();
        relay.at(Step::Dot).reply_bytes(said);
        let receipt = transport(&relay).deliver(&mail("job_1"), &OpenGate).await;
        assert!(receipt.is_ok(), "{receipt:?}");
    }
    relay.heal();
    relay.at(Step::Mail).reply_bytes(&vec![b'x'; 300_000]);
    let error = transport(&relay).deliver(&mail("job_1"), &OpenGate).await.unwrap_err();
    assert_eq!(error.phase(), Some(Phase::Sender));
    assert!(error.to_string().contains("does not end"), "{error}");
}

#[tokio::test]
async fn mails_take_turns_on_the_connections_that_the_relay_allows() {
    let relay = Relay::start();
    let transport = Arc::new(transport(&relay));
    let hold = relay.at(Step::Dot).hold();
    let deliver = |id: String| {
        let transport = Arc::clone(&transport);
        tokio::spawn(async move { transport.deliver(&mail(&id), &OpenGate).await })
    };
    let first = deliver("job_0".to_owned());
    hold.reached(1).await;
    relay
        .at(Step::Greeting)
        .reply("421 4.7.0 too many connections from you");
    let others: Vec<_> = (1..=8).map(|number| deliver(format!("job_{number}"))).collect();
    while relay.connections() < 9 {
        breathe().await;
    }
    hold.release();
    first.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert!(relay.taken().iter().all(|mail| mail.connection == 1));
    assert_eq!(relay.taken().len(), 9);
    let tried = relay.connections();
    let hold = relay.at(Step::Data).hold();
    let deliveries: Vec<_> = (10..14).map(|number| deliver(format!("job_{number}"))).collect();
    hold.reached(1).await;
    hold.release();
    for delivery in deliveries {
        delivery.await.unwrap().unwrap();
    }
    assert_eq!(relay.connections(), tried, "it is known how many the relay allows");
    relay.at(Step::Mail).times(1).drop_connection();
    for _ in 0..3 {
        let error = transport.deliver(&mail("job_9"), &OpenGate).await.unwrap_err();
        assert_eq!(
            error.code(),
            Some(421),
            "where none is in use there is nothing to wait for"
        );
    }
    let error = transport.deliver(&mail("job_9"), &OpenGate).await.unwrap_err();
    assert!(error.to_string().contains("not tried"), "{error}");
    assert_eq!(relay.connections(), tried + 3);
}
