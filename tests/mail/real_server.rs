//! What is expected of every real mail server: the mail arrives, and each refusal is told for what it is.

use legwork::mail::{
    DeliveryError, Login, Message, OpenGate, Phase, Rendered, Security, SmtpConfig, SmtpTransport, Transport, Trust,
};
use secrecy::SecretString;

use super::smtp_chunking::first_line;
use super::smtp_transcript::Keeping;
use super::{address, mail, message};
use crate::support::certificates::Authority;
use crate::support::mail_server::MailServer;

/// How one delivery is to be made.
struct Way {
    host: &'static str,
    port: u16,
    security: Security,
    password: Option<&'static str>,
}

impl Way {
    fn starttls(server: &MailServer) -> Self {
        Self {
            host: "localhost",
            port: server.starttls_port,
            security: Security::StartTls(trust(&server.authority)),
            password: Some("open sesame"),
        }
    }

    fn tls(server: &MailServer) -> Self {
        Self {
            port: server.tls_port,
            security: Security::Tls(trust(&server.authority)),
            ..Self::starttls(server)
        }
    }

    fn transport(&self) -> SmtpTransport {
        SmtpTransport::new(SmtpConfig {
            security: self.security.clone(),
            login: self.password.map(|password| Login {
                user: "ada".to_owned(),
                password: SecretString::from(password),
            }),
            ..SmtpConfig::new(self.host, self.port)
        })
    }

    /// At which phase the relay turned out to be unusable, and in which words.
    async fn refusal(&self) -> (Phase, String) {
        let sent = to("refused", &["ada@example.org"]).render().unwrap();
        match self.transport().deliver(&sent, &OpenGate).await.unwrap_err() {
            error @ DeliveryError::Unavailable { phase, .. } => (phase, error.to_string()),
            other => panic!("expected the relay to be unusable, got {other:?}"),
        }
    }
}

fn trust(authority: &Authority) -> Trust {
    Trust::load(Some(&authority.file())).unwrap()
}

fn to(id: &str, recipients: &[&str]) -> Message {
    Message {
        to: recipients.iter().map(|text| address(text).into()).collect(),
        text: "Good day\n.\n..\nBye\n".to_owned(),
        ..message(id)
    }
}

/// All that is expected.
pub(super) async fn is_spoken_to(server: &MailServer) {
    mails_arrive(server).await;
    an_unknown_recipient_is_refused_alone(server).await;
    every_refusal_says_what_is_wrong(server).await;
    what_it_offers_is_made_use_of(server).await;
    a_large_mail_arrives_whole(server).await;
    assert_eq!(
        server.mails_of("ada", 5).await.len(),
        5,
        "and nothing that was refused arrived"
    );
}

async fn mails_arrive(server: &MailServer) {
    for (kind, way) in [("starttls", Way::starttls(server)), ("tls", Way::tls(server))] {
        let transport = way.transport();
        for number in 0..2 {
            let sent = to(&format!("{kind}_{number}"), &["ada@example.org"]).render().unwrap();
            let receipt = transport.deliver(&sent, &OpenGate).await.unwrap();
            assert!(receipt.words.starts_with("250 ") && receipt.refusals.is_empty());
        }
        assert_eq!(transport.idle_connections(), 1, "one connection served both");
    }
    let mails = server.mails_of("ada", 4).await;
    for kind in ["starttls_0", "starttls_1", "tls_0", "tls_1"] {
        let id = format!("Message-ID: <{kind}@legwork.test>");
        let found: Vec<_> = mails.iter().filter(|mail| mail.contains(&id)).collect();
        assert_eq!(found.len(), 1, "{id} in {mails:?}");
        let text = found[0].replace("\r\n", "\n");
        assert!(text.contains("\n\nGood day\n.\n..\nBye\n"), "{text}");
    }
}

async fn an_unknown_recipient_is_refused_alone(server: &MailServer) {
    let transport = Way::starttls(server).transport();
    let sent = to("three", &["ada@example.org", "nobody@example.org", "bob@example.org"]);
    let receipt = transport.deliver(&sent.render().unwrap(), &OpenGate).await.unwrap();
    assert_eq!(receipt.refusals.len(), 1);
    let refusal = &receipt.refusals[0];
    assert!(refusal.position == 1 && refusal.is_final, "{refusal:?}");
    assert!(
        refusal.code.is_some_and(|code| (500..560).contains(&code)),
        "{refusal:?}"
    );
    assert!(server.mails_of("bob", 1).await[0].contains("three@legwork.test"));
    let alone = to("alone", &["nobody@example.org"]).render().unwrap();
    let error = transport.deliver(&alone, &OpenGate).await.unwrap_err();
    assert!(
        matches!(&error, DeliveryError::Recipients { refusals } if refusals[0].is_final),
        "{error:?}"
    );
}

async fn every_refusal_says_what_is_wrong(server: &MailServer) {
    for way in [Way::starttls(server), Way::tls(server)] {
        let wrong = Way {
            password: Some("swordfish"),
            security: way.security.clone(),
            ..way
        };
        let (phase, words) = wrong.refusal().await;
        assert!(phase == Phase::Login && words.contains("535"), "{words}");
        assert!(
            !words.contains("swordfish") && !words.contains("c3dvcmRmaXNo"),
            "{words}"
        );

        let stranger = Authority::named("somebody else");
        let security = match way.security {
            Security::Tls(_) => Security::Tls(trust(&stranger)),
            _ => Security::StartTls(trust(&stranger)),
        };
        let (phase, words) = Way { security, ..way }.refusal().await;
        assert!(phase == Phase::Encryption && words.contains("mail.ca_file"), "{words}");
    }
    let elsewhere = Way {
        host: "127.0.0.1",
        ..Way::starttls(server)
    };
    let (phase, words) = elsewhere.refusal().await;
    assert!(
        phase == Phase::Encryption && words.contains("not for 127.0.0.1; it is for localhost"),
        "{words}"
    );
    let without_login = Way {
        password: None,
        ..Way::tls(server)
    };
    without_login_nothing_is_taken(&without_login).await;
    let mixed_up = Way {
        port: server.starttls_port,
        ..Way::tls(server)
    };
    let (phase, words) = mixed_up.refusal().await;
    assert!(
        phase == Phase::Encryption && words.contains("does not speak TLS"),
        "{words}"
    );
    let in_the_clear = Way {
        security: Security::None,
        ..Way::starttls(server)
    };
    let (phase, words) = in_the_clear.refusal().await;
    assert!(phase == Phase::Login && words.contains("?tls=required"), "{words}");
}

async fn what_it_offers_is_made_use_of(server: &MailServer) {
    let keeping = Keeping::new();
    let sent = to("offers", &["bob@example.org"]).render().unwrap();
    Way::starttls(server)
        .transport()
        .deliver(&sent, &keeping)
        .await
        .unwrap();
    let lines = keeping.lines();
    let place = |start: &str| lines.iter().position(|line| line.starts_with(start));
    let found = |start: &str| place(start).unwrap_or_else(|| panic!("no {start} in {lines:#?}"));
    assert!(found("C: STARTTLS") < found("-- encrypted by"), "{lines:#?}");
    assert!(found("-- encrypted by") < found("C: AUTH"), "{lines:#?}");
    assert!(!lines.join(" ").contains("sesame"));
    let offers = lines
        .iter()
        .rfind(|line| line.starts_with("S: 250") && line.contains("SIZE"))
        .unwrap();
    let offers = |name: &str| offers.contains(name);
    let size = sent.bytes.len();
    let from = found(&format!("C: MAIL FROM:<l***@example.com> SIZE={size}"));
    let first = first_line(&sent.bytes);
    let (begins, ends) = match offers("CHUNKING") {
        true => (format!("C: BDAT {first}"), format!("C: BDAT {} LAST", size - first)),
        false => ("C: DATA".to_owned(), format!("C: ({size} bytes and the final dot)")),
    };
    let is_group = lines[from + 1].starts_with("C: RCPT") && lines[from + 2] == begins;
    assert_eq!(is_group, offers("PIPELINING"), "{lines:#?}");
    assert!(found(&begins) < found(&ends), "{lines:#?}");

    let international = Rendered {
        bytes: "Message-ID: <utf8@legwork.test>\r\nSubject: Gr\u{fc}\u{df}e\r\n\r\nx\r\n".into(),
        ..to("utf8", &["bob@example.org"]).render().unwrap()
    };
    match Way::starttls(server)
        .transport()
        .deliver(&international, &OpenGate)
        .await
    {
        Ok(_) => {
            assert!(offers("SMTPUTF8"));
            let mails = server.mails_of("bob", 3).await;
            assert!(
                mails.iter().any(|mail| mail.contains("Subject: Gr\u{fc}\u{df}e")),
                "{mails:?}"
            );
        }
        Err(error) => assert!(!offers("SMTPUTF8") && error.to_string().contains("SMTPUTF8"), "{error}"),
    }

    let large = Rendered {
        bytes: b"x23456789012345678901234567890\r\n".repeat(2_000_000),
        ..mail("large")
    };
    let error = Way::tls(server)
        .transport()
        .deliver(&large, &OpenGate)
        .await
        .unwrap_err();
    let is_known_before = matches!(
        error,
        DeliveryError::Permanent {
            phase: Phase::Sender,
            code: None,
            ..
        }
    );
    assert!(is_known_before, "{error:?}");
}

/// More than one piece of a message, with lines that would end it behind DATA.
async fn a_large_mail_arrives_whole(server: &MailServer) {
    let line = "A line that is as long as lines of a mail may be without being folded.\n";
    let large = Message {
        text: format!("{line}.\n..\n").repeat(3_000),
        ..to("whole", &["bob@example.org"])
    };
    let before = server.mails_of("bob", 0).await.len();
    let sent = large.render().unwrap();
    assert!(sent.bytes.len() > 200_000);
    Way::starttls(server)
        .transport()
        .deliver(&sent, &OpenGate)
        .await
        .unwrap();
    let mails = server.mails_of("bob", before + 1).await;
    let arrived = mails.iter().find(|mail| mail.contains("<whole@legwork.test>")).unwrap();
    let body = |text: &str| {
        text.replace("\r\n", "\n")
            .split_once("\n\n")
            .unwrap()
            .1
            .trim_end()
            .to_owned()
    };
    assert!(body(arrived) == body(&String::from_utf8(sent.bytes).unwrap()));
}

async fn without_login_nothing_is_taken(way: &Way) {
    let sent = to("open", &["ada@example.org"]).render().unwrap();
    let error = way.transport().deliver(&sent, &OpenGate).await.unwrap_err();
    assert!(!error.may_have_been_sent(), "{error:?}");
}
