//! Encryption: what is checked, what is refused, and in which words.

use std::time::Duration;

use legwork::mail::{DeliveryError, Login, OpenGate, Phase, Security, SmtpConfig, SmtpTransport, Transport, Trust};
use secrecy::SecretString;

use super::mail;
use crate::support::certificates::{Authority, Issued};
use crate::support::relay::{Offer, OfferedLogin, OfferedTls, Relay, Step};

fn config(relay: &Relay, security: Security) -> SmtpConfig {
    SmtpConfig {
        security,
        // Short, for the tests in which somebody is silent.
        command_timeout: Duration::from_secs(20),
        ..SmtpConfig::new("localhost", relay.port())
    }
}

fn trust(authority: &Authority) -> Trust {
    Trust::load(Some(&authority.file())).unwrap()
}

fn by_starttls(issued: &Issued) -> Relay {
    Relay::offering(Offer {
        tls: OfferedTls::StartTls(issued.server_config()),
        login: None,
    })
}

fn from_the_start(issued: &Issued) -> Relay {
    Relay::offering(Offer {
        tls: OfferedTls::Implicit(issued.server_config()),
        login: None,
    })
}

/// What a delivery says that cannot be encrypted.
async fn refusal(relay: &Relay, security: Security) -> String {
    let transport = SmtpTransport::new(config(relay, security));
    let error = transport.deliver(&mail("job_1"), &OpenGate).await.unwrap_err();
    assert!(
        matches!(
            error,
            DeliveryError::Unavailable {
                phase: Phase::Encryption,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(relay.taken().is_empty());
    assert!(!relay.commands().iter().any(|line| line.starts_with("MAIL")));
    error.to_string()
}

#[tokio::test]
async fn a_mail_goes_encrypted_by_starttls_and_from_the_start_over_one_connection() {
    let authority = Authority::new();
    let issued = authority.issue(&["localhost", "127.0.0.1"]);
    for (relay, security) in [
        (by_starttls(&issued), Security::StartTls(trust(&authority))),
        (from_the_start(&issued), Security::Tls(trust(&authority))),
        (by_starttls(&issued), Security::Opportunistic(Trust::anybody().unwrap())),
    ] {
        for host in ["localhost", "127.0.0.1"] {
            let transport = SmtpTransport::new(SmtpConfig {
                host: host.to_owned(),
                ..config(&relay, security.clone())
            });
            let before = relay.connections();
            for id in ["job_1", "job_2"] {
                transport.deliver(&mail(id), &OpenGate).await.unwrap();
            }
            assert_eq!(relay.connections(), before + 1);
        }
        let taken = relay.taken();
        assert!(taken.len() == 4 && taken.iter().all(|mail| mail.is_encrypted));
        assert_eq!(taken[0].data, mail("job_1").bytes);
    }
}

#[tokio::test]
async fn a_large_mail_survives_encryption() {
    let authority = Authority::new();
    let relay = from_the_start(&authority.issue(&["localhost"]));
    let transport = SmtpTransport::new(config(&relay, Security::Tls(trust(&authority))));
    let large = legwork::mail::Message {
        text: "0123456789\n".repeat(300_000),
        ..super::message("job_1")
    };
    let large = large.render().unwrap();
    transport.deliver(&large, &OpenGate).await.unwrap();
    assert_eq!(relay.taken()[0].data, large.bytes);
}

#[tokio::test]
async fn a_certificate_that_is_not_to_be_trusted_is_refused_in_plain_words() {
    let (ours, theirs) = (Authority::new(), Authority::named("somebody else"));
    for (issued, words) in [
        (Authority::new().issue(&["localhost"]), "may be an older one"),
        (theirs.issue(&["localhost"]), "name its certificate in mail.ca_file"),
        (ours.issue_until(&["localhost"], 2020), "has expired, on 2020-01-01"),
        (
            ours.issue(&["mail.example.com", "192.0.2.1"]),
            "is not for localhost; it is for mail.example.com, 192.0.2.1",
        ),
        (ours.issue(&[]), "no name at all"),
    ] {
        for (relay, security) in [
            (by_starttls(&issued), Security::StartTls(trust(&ours))),
            (from_the_start(&issued), Security::Tls(trust(&ours))),
        ] {
            let said = refusal(&relay, security).await;
            assert!(said.contains(words), "{said}");
        }
    }
}

#[tokio::test]
async fn opportunistic_encryption_takes_any_certificate_and_none() {
    let theirs = Authority::new();
    let anybody = || Security::Opportunistic(Trust::anybody().unwrap());
    let relay = by_starttls(&theirs.issue_until(&["elsewhere.example"], 2020));
    let transport = SmtpTransport::new(config(&relay, anybody()));
    transport.deliver(&mail("job_1"), &OpenGate).await.unwrap();
    assert!(relay.taken()[0].is_encrypted);
    let plain = Relay::start();
    let transport = SmtpTransport::new(config(&plain, anybody()));
    transport.deliver(&mail("job_1"), &OpenGate).await.unwrap();
    assert!(!plain.taken()[0].is_encrypted);
}

#[tokio::test]
async fn an_offer_of_encryption_that_was_taken_away_ends_the_delivery_before_the_login() {
    let authority = Authority::new();
    let relay = Relay::offering(Offer {
        tls: OfferedTls::None,
        login: Some(OfferedLogin {
            in_the_clear: true,
            ..OfferedLogin::by("PLAIN LOGIN")
        }),
    });
    let transport = SmtpTransport::new(SmtpConfig {
        login: Some(Login {
            user: "ada@example.com".to_owned(),
            password: SecretString::from("open sesame"),
        }),
        ..config(&relay, Security::StartTls(trust(&authority)))
    });
    let error = transport.deliver(&mail("job_1"), &OpenGate).await.unwrap_err();
    assert!(error.to_string().contains("does not offer STARTTLS"), "{error}");
    assert_eq!(
        relay.commands(),
        ["EHLO localhost"],
        "no login goes over a plain connection"
    );
}

#[tokio::test]
async fn what_was_put_behind_the_answer_to_starttls_is_never_read_as_an_answer() {
    let authority = Authority::new();
    let relay = by_starttls(&authority.issue(&["localhost"]));
    relay
        .at(Step::StartTls)
        .reply("220 2.0.0 Go ahead\r\n250-relay.test\r\n250 AUTH PLAIN");
    let said = refusal(&relay, Security::StartTls(trust(&authority))).await;
    assert!(said.contains("more came behind the answer to STARTTLS"), "{said}");
    let said = refusal(&relay, Security::Opportunistic(Trust::anybody().unwrap())).await;
    assert!(said.contains("more came behind"), "{said}");
    relay.heal();
    let transport = SmtpTransport::new(config(&relay, Security::StartTls(trust(&authority))));
    transport.deliver(&mail("job_1"), &OpenGate).await.unwrap();
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_told_so() {
    let authority = Authority::new();
    let relay = Relay::start();
    let said = refusal(&relay, Security::Tls(trust(&authority))).await;
    assert!(said.contains("does not speak TLS"), "{said}");
}
