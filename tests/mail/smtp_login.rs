//! Logging in, and every fault at every step between the connection and the mail: nothing is sent, nothing is lost.

use std::time::Duration;

use legwork::mail::{DeliveryError, Login, OpenGate, Phase, Security, SmtpConfig, SmtpTransport, Transport, Trust};
use secrecy::SecretString;

use super::{let_pass, mail};
use crate::support::certificates::Authority;
use crate::support::relay::{Offer, OfferedLogin, OfferedTls, Relay, Step};

/// A relay with TLS that lets `ada` in, and how to speak to it.
struct World {
    relay: Relay,
    security: Security,
}

impl World {
    fn starttls(mechanisms: &'static str) -> Self {
        let authority = Authority::new();
        let config = authority.issue(&["localhost"]).server_config();
        let offer = Offer {
            tls: OfferedTls::StartTls(config),
            login: Some(OfferedLogin::by(mechanisms)),
        };
        Self {
            relay: Relay::offering(offer),
            security: Security::StartTls(Trust::load(Some(&authority.file())).unwrap()),
        }
    }

    fn implicit(mechanisms: &'static str) -> Self {
        let authority = Authority::new();
        let config = authority.issue(&["localhost"]).server_config();
        let offer = Offer {
            tls: OfferedTls::Implicit(config),
            login: Some(OfferedLogin::by(mechanisms)),
        };
        Self {
            relay: Relay::offering(offer),
            security: Security::Tls(Trust::load(Some(&authority.file())).unwrap()),
        }
    }

    fn transport(&self, password: &str) -> SmtpTransport {
        SmtpTransport::new(SmtpConfig {
            security: self.security.clone(),
            login: Some(Login {
                user: "ada@example.com".to_owned(),
                password: SecretString::from(password),
            }),
            ..SmtpConfig::new("localhost", self.relay.port())
        })
    }
}

async fn deliver(transport: &SmtpTransport) -> Result<(), DeliveryError> {
    transport.deliver(&mail("job_1"), &OpenGate).await.map(|_| ())
}

/// Phase, code and words of a relay that cannot be used.
fn unavailable(error: DeliveryError) -> (Phase, Option<u16>, String) {
    match error {
        DeliveryError::Unavailable { phase, code, words } => (phase, code, words),
        other => panic!("expected the relay to be unusable, got {other:?}"),
    }
}

#[tokio::test]
async fn the_login_is_by_plain_or_else_by_login() {
    for (mechanisms, used) in [
        ("PLAIN", "AUTH PLAIN"),
        ("LOGIN", "AUTH LOGIN"),
        ("LOGIN PLAIN CRAM-MD5", "AUTH PLAIN"),
    ] {
        for world in [World::starttls(mechanisms), World::implicit(mechanisms)] {
            let transport = world.transport("open sesame");
            deliver(&transport).await.unwrap();
            deliver(&transport).await.unwrap();
            let taken = world.relay.taken();
            assert!(taken.len() == 2 && taken.iter().all(|mail| mail.is_encrypted && mail.is_logged_in));
            let commands = world.relay.commands();
            let logins: Vec<_> = commands.iter().filter(|line| line.starts_with("AUTH")).collect();
            assert!(logins.len() == 1 && logins[0].starts_with(used), "{logins:?}");
        }
    }
}

#[tokio::test]
async fn a_login_that_the_relay_does_not_offer_is_a_clear_error() {
    let world = World::starttls("CRAM-MD5");
    let (phase, _, words) = unavailable(deliver(&world.transport("open sesame")).await.unwrap_err());
    assert_eq!(phase, Phase::Login);
    assert!(words.contains("offers no login by PLAIN or LOGIN"), "{words}");
    let plain = SmtpTransport::new(SmtpConfig {
        login: Some(Login {
            user: "ada@example.com".to_owned(),
            password: SecretString::from("open sesame"),
        }),
        ..SmtpConfig::new("localhost", world.relay.port())
    });
    let (_, _, words) = unavailable(deliver(&plain).await.unwrap_err());
    assert!(words.contains("?tls=required"), "{words}");
    assert!(!world.relay.commands().iter().any(|line| line.starts_with("AUTH")));
}

#[tokio::test]
async fn a_wrong_password_is_no_fault_of_the_mail_and_is_not_tried_again_at_once() {
    for world in [World::starttls("LOGIN"), World::implicit("PLAIN")] {
        let transport = world.transport("swordfish");
        let (phase, code, words) = unavailable(deliver(&transport).await.unwrap_err());
        assert_eq!((phase, code), (Phase::Login, Some(535)));
        assert!(words.contains("authentication failed"), "{words}");
        let (phase, _, words) = unavailable(deliver(&transport).await.unwrap_err());
        assert_eq!(phase, Phase::Login);
        assert!(words.contains("not tried") && words.contains("535"), "{words}");
        assert_eq!(world.relay.connections(), 1, "many wrong logins lock an account");
        let_pass(Duration::from_secs(61)).await;
        unavailable(deliver(&transport).await.unwrap_err());
        assert_eq!(world.relay.connections(), 2);
        assert!(world.relay.taken().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_repeats_the_password_does_not_get_it_into_an_error() {
    // AUTH PLAIN's response, and LOGIN's.
    let plain = "AGFkYUBleGFtcGxlLmNvbQBvcGVuIHNlc2FtZQ==";
    for (mechanisms, step, repeated) in [
        ("PLAIN", Step::Auth, plain),
        ("PLAIN", Step::Auth, "AGFkYUBleGFtcGxlLmNvbQBvcGVu"),
        ("LOGIN", Step::AuthPassword, "b3BlbiBzZXNhbWU="),
        ("LOGIN", Step::AuthPassword, "open sesame"),
    ] {
        for code in ["535", "454", "250", "hello"] {
            let world = World::implicit(mechanisms);
            world.relay.at(step).reply(&format!("{code} 5.7.8 what is {repeated}?"));
            let transport = world.transport("open sesame");
            for _ in 0..4 {
                let error = deliver(&transport).await.unwrap_err();
                let shown = format!("{error} {error:?}");
                for secret in [repeated, "sesame", "b3Blbi", plain] {
                    assert!(!shown.contains(secret), "{secret} in {shown}");
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    NotNow,
    Never,
    Nonsense,
    Closed,
    Silent,
}

const FAULTS: [Fault; 5] = [
    Fault::NotNow,
    Fault::Never,
    Fault::Nonsense,
    Fault::Closed,
    Fault::Silent,
];

fn phase_of(step: Step) -> Phase {
    match step {
        Step::StartTls | Step::Handshake => Phase::Encryption,
        Step::Auth | Step::AuthUser | Step::AuthPassword => Phase::Login,
        _ => Phase::Greeting,
    }
}

/// One fault at one step: the relay is unusable, nothing is sent, and once it is healed the mail goes out once.
async fn meet(world: &World, step: Step, fault: Fault) {
    let relay = &world.relay;
    let transport = std::sync::Arc::new(world.transport("open sesame"));
    let task = {
        let rule = relay.at(step);
        let hold = match fault {
            Fault::NotNow => {
                rule.reply("454 4.7.0 not now");
                None
            }
            Fault::Never => {
                rule.reply("554 5.7.0 never");
                None
            }
            Fault::Nonsense => {
                rule.reply("what do you mean");
                None
            }
            Fault::Closed => {
                rule.drop_connection();
                None
            }
            Fault::Silent => Some(rule.hold()),
        };
        let delivering = std::sync::Arc::clone(&transport);
        let task = tokio::spawn(async move { deliver(&delivering).await });
        if let Some(hold) = hold {
            hold.reached(1).await;
            // More than once where the relay got there before the client began to count its wait.
            while !task.is_finished() {
                let_pass(Duration::from_secs(61)).await;
            }
        }
        task
    };
    let (phase, code, words) = unavailable(task.await.unwrap().unwrap_err());
    let expected = match fault {
        _ if step == Step::Handshake => None,
        Fault::NotNow => Some(454),
        Fault::Never => Some(554),
        _ => None,
    };
    assert_eq!((phase, code), (phase_of(step), expected), "{step:?} {fault:?}: {words}");
    assert!(!words.is_empty());
    if fault == Fault::Silent {
        assert!(words.contains("no answer within 60 s"), "{words}");
    }
    assert_eq!(transport.idle_connections(), 0);
    assert!(relay.taken().is_empty(), "{step:?} {fault:?}");
    assert!(!relay.commands().iter().any(|line| line.starts_with("MAIL")));
    relay.heal();
    let_pass(Duration::from_secs(61)).await;
    deliver(&transport).await.unwrap();
    let taken = relay.taken();
    assert_eq!(taken.len(), 1);
    assert!(taken[0].is_encrypted && taken[0].is_logged_in);
}

#[tokio::test]
async fn every_fault_at_every_step_of_starttls_and_login_leaves_the_mail_to_be_tried_again() {
    for step in [
        Step::Greeting,
        Step::Ehlo,
        Step::StartTls,
        Step::Handshake,
        Step::EhloAgain,
        Step::Auth,
        Step::AuthUser,
        Step::AuthPassword,
    ] {
        for fault in FAULTS {
            meet(&World::starttls("LOGIN"), step, fault).await;
        }
    }
}

#[tokio::test]
async fn every_fault_at_every_step_of_tls_from_the_start_and_plain_leaves_the_mail_to_be_tried_again() {
    for step in [Step::Handshake, Step::Greeting, Step::Ehlo, Step::Auth] {
        for fault in FAULTS {
            meet(&World::implicit("PLAIN"), step, fault).await;
        }
    }
}

#[tokio::test]
async fn a_relay_that_fails_three_times_is_spared_until_one_try_works() {
    let world = World::starttls("PLAIN");
    let transport = world.transport("open sesame");
    world.relay.refuse().await;
    for _ in 0..3 {
        assert_eq!(unavailable(deliver(&transport).await.unwrap_err()).0, Phase::Connect);
    }
    world.relay.listen_again().await;
    let (phase, _, words) = unavailable(deliver(&transport).await.unwrap_err());
    assert!(phase == Phase::Connect && words.contains("not tried"), "{words}");
    assert_eq!(world.relay.connections(), 0);
    let_pass(Duration::from_secs(6)).await;
    deliver(&transport).await.unwrap();
    assert_eq!(world.relay.taken().len(), 1);
}
