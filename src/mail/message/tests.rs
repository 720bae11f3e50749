//! What a rendered message looks like, and what no value can do to it.

use super::*;
use crate::domain::email::DisplayName;
use proptest::prelude::*;

fn message() -> Message {
    Message {
        id: "job_1@example.com".to_owned(),
        date: "2026-01-31T08:30:00.123456Z".parse().unwrap(),
        from: Sender {
            address: EmailAddress::parse("legwork@example.com").unwrap(),
            name: Some(DisplayName::parse("Legwork").unwrap()),
        },
        to: vec![mailbox_of("ada@example.org")],
        subject: Subject::parse("Hello").unwrap(),
        text: "Hello Ada".to_owned(),
        html: None,
        job: Some("job_1".to_owned()),
        extras: Extras::default(),
    }
}

fn mailbox_of(text: &str) -> Mailbox {
    Mailbox::parse(text).unwrap()
}

fn text_of(rendered: &Rendered) -> String {
    String::from_utf8(rendered.bytes.clone()).unwrap()
}

/// The header lines, unfolded.
fn headers_of(rendered: &Rendered) -> Vec<String> {
    let text = text_of(rendered);
    let head = text
        .split_once("\r\n\r\n")
        .unwrap()
        .0
        .replace("\r\n ", " ")
        .replace("\r\n\t", " ");
    head.split("\r\n").map(str::to_owned).collect()
}

#[test]
fn a_plain_message_has_exactly_these_bytes() {
    let rendered = message().render().unwrap();
    assert_eq!(
        text_of(&rendered),
        concat!(
            "Date: Sat, 31 Jan 2026 08:30:00 +0000\r\n",
            "Message-ID: <job_1@example.com>\r\n",
            "From: Legwork <legwork@example.com>\r\n",
            "Subject: Hello\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "To: ada@example.org\r\n",
            "X-Legwork-Job: job_1\r\n",
            "MIME-Version: 1.0\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Transfer-Encoding: 7bit\r\n",
            "\r\n",
            "Hello Ada\r\n",
        )
    );
    assert_eq!(rendered.envelope.from.as_str(), "legwork@example.com");
    assert_eq!(rendered.envelope.to, message().recipients());
    assert_eq!(rendered.message_id, "job_1@example.com");
}

#[test]
fn two_renders_of_a_message_with_html_are_equal_byte_for_byte() {
    let message = Message {
        html: Some("<p>Hello Ada</p>".to_owned()),
        ..message()
    };
    assert_eq!(message.render().unwrap(), message.render().unwrap());
    let text = text_of(&message.render().unwrap());
    let boundary = text
        .split_once("boundary=\"")
        .unwrap()
        .1
        .split_once('"')
        .unwrap()
        .0
        .to_owned();
    assert_eq!(boundary.len(), 40);
    assert_eq!(text.matches(&format!("\r\n--{boundary}\r\n")).count(), 2);
    assert!(text.ends_with(&format!("\r\n--{boundary}--\r\n")));
    assert!(
        text.find("text/plain").unwrap() < text.find("text/html").unwrap(),
        "the richest version comes last"
    );
    let other = Message {
        id: "job_2@example.com".to_owned(),
        ..message
    };
    assert!(!text_of(&other.render().unwrap()).contains(&boundary));
}

#[test]
fn a_text_that_quotes_another_messages_boundary_gets_a_boundary_of_its_own() {
    let first = Message {
        html: Some("<p>x</p>".to_owned()),
        ..message()
    };
    let boundary = first.boundary("<p>x</p>");
    let second = Message {
        text: format!("--{boundary}--\n"),
        ..first
    };
    assert_ne!(second.boundary("<p>x</p>"), boundary);
}

#[test]
fn every_kind_of_line_end_becomes_crlf() {
    let message = Message {
        text: "one\ntwo\r\nthree\rfour\n\n.five".to_owned(),
        ..message()
    };
    let text = text_of(&message.render().unwrap());
    assert_eq!(
        text.split_once("\r\n\r\n").unwrap().1,
        "one\r\ntwo\r\nthree\r\nfour\r\n\r\n.five\r\n"
    );
}

#[test]
fn long_lines_non_ascii_text_and_control_characters_are_encoded() {
    for body in [
        "x".repeat(5_000),
        "Grüße, 日本語 ".repeat(500),
        "nul \0 and bell \u{7}".to_owned(),
        format!("{}and a bell \u{7} at the end", "a short line\r\n".repeat(20)),
    ] {
        let message = Message {
            text: body.clone(),
            html: Some(body),
            ..message()
        };
        let rendered = message.render().unwrap();
        let text = text_of(&rendered);
        assert!(
            rendered
                .bytes
                .iter()
                .all(|byte| matches!(byte, b'\r' | b'\n' | b'\t' | b' '..=b'~'))
        );
        assert!(
            text.split("\r\n")
                .all(|line| line.len() <= 998 && !line.contains(['\r', '\n']))
        );
    }
}

#[test]
fn a_subject_and_a_name_beyond_ascii_become_encoded_words() {
    let message = Message {
        subject: Subject::parse("Grüße aus Köln").unwrap(),
        from: Sender {
            name: Some(DisplayName::parse("Jürgen \"J\" <x>, Ltd").unwrap()),
            ..message().from
        },
        ..message()
    };
    let headers = headers_of(&message.render().unwrap());
    let subject = headers.iter().find(|line| line.starts_with("Subject:")).unwrap();
    assert!(subject.starts_with("Subject: =?utf-8?b?"), "{subject}");
    let from = headers.iter().find(|line| line.starts_with("From:")).unwrap();
    assert!(
        from.starts_with("From: =?utf-8?b?") && from.ends_with(" <legwork@example.com>"),
        "{from}"
    );
}

#[test]
fn ids_that_could_end_a_header_or_name_another_file_are_refused() {
    for id in [
        "",
        "a",
        "@",
        "a@",
        "@b",
        "a@b@c",
        "a b@c",
        "a@b>\r\nBcc: eve@example.com",
        "../a@b",
        "a@b\n",
        "ä@b",
    ] {
        let message = Message {
            id: id.to_owned(),
            ..message()
        };
        assert!(matches!(message.render(), Err(RenderError::MessageId)), "{id:?}");
    }
    for job in ["", "job 1", "job_1\r\nBcc: eve@example.com"] {
        let message = Message {
            job: Some(job.to_owned()),
            ..message()
        };
        assert!(matches!(message.render(), Err(RenderError::Job)), "{job:?}");
    }
}

#[test]
fn recipients_and_dates_beyond_the_limits_are_refused() {
    let to = |count: usize| Message {
        to: vec![mailbox_of("ada@example.org"); count],
        ..message()
    };
    assert!(matches!(to(0).render(), Err(RenderError::NoRecipient)));
    assert!(to(100).render().is_ok());
    assert!(matches!(to(101).render(), Err(RenderError::TooManyRecipients)));
    let at = |micros| {
        Message {
            date: Timestamp::from_micros(micros),
            ..message()
        }
        .render()
    };
    assert!(at(0).is_ok());
    assert!(at(253_402_300_799_999_999).is_ok());
    for micros in [-1, i64::MIN, 253_402_300_800_000_000, i64::MAX] {
        assert!(matches!(at(micros), Err(RenderError::Date)), "{micros}");
    }
}

#[test]
fn copies_stand_in_the_envelope_and_blind_ones_nowhere_else() {
    let message = Message {
        extras: Extras {
            from: Some(mailbox_of("Sales <sales@example.net>")),
            cc: vec![mailbox_of("Bob <bob@example.org>")],
            bcc: vec![EmailAddress::parse("eve@example.org").unwrap()],
            reply_to: vec![mailbox_of("desk@example.net"), mailbox_of("Desk Two <two@example.net>")],
            headers: vec![CustomHeader::new("X-Campaign", "spring").unwrap()],
            ..Extras::default()
        },
        ..message()
    };
    let rendered = message.render().unwrap();
    let headers = headers_of(&rendered);
    for header in [
        "From: Sales <sales@example.net>",
        "To: ada@example.org",
        "Cc: Bob <bob@example.org>",
        "Reply-To: desk@example.net, Desk Two <two@example.net>",
        "X-Campaign: spring",
    ] {
        assert!(
            headers.iter().any(|line| line.replace('"', "") == header),
            "{header} in {headers:?}"
        );
    }
    assert!(!text_of(&rendered).contains("eve@"), "a blind copy is seen");
    let to: Vec<&str> = rendered.envelope.to.iter().map(EmailAddress::as_str).collect();
    assert_eq!(to, ["ada@example.org", "bob@example.org", "eve@example.org"]);
    assert_eq!(rendered.envelope.from.as_str(), "legwork@example.com");
    assert!(!rendered.is_international());
    let too_many = Message {
        extras: Extras {
            bcc: vec![EmailAddress::parse("eve@example.org").unwrap(); 99],
            cc: vec![mailbox_of("bob@example.org")],
            ..Extras::default()
        },
        ..message
    };
    assert!(matches!(too_many.render(), Err(RenderError::TooManyRecipients)));
}

#[test]
fn an_address_beyond_ascii_is_written_as_it_is_and_the_message_says_so() {
    let to = |text: &str| {
        Message {
            to: vec![Mailbox::parse(text).unwrap()],
            ..message()
        }
        .render()
        .unwrap()
    };
    let rendered = to("Jürgen <jürgen@bücher.example>");
    assert!(rendered.is_international());
    let headers = headers_of(&rendered);
    assert!(
        headers
            .iter()
            .any(|line| line.starts_with("To: ") && line.ends_with("<jürgen@xn--bcher-kva.example>")),
        "{headers:?}"
    );
    assert!(!to("ada@bücher.example").is_international());
    let hidden = Message {
        extras: Extras {
            bcc: vec![EmailAddress::parse_international("jürgen@example.org").unwrap()],
            ..Extras::default()
        },
        ..message()
    };
    let hidden = hidden.render().unwrap();
    assert!(hidden.bytes.is_ascii() && hidden.is_international());
}

#[test]
fn files_stand_where_the_html_shows_them_or_beside_the_texts() {
    let file = |id: Option<&str>, bytes: &[u8]| AttachedFile {
        name: AttachmentName::parse("Größe.png").unwrap(),
        media_type: MediaType::parse("image/png").unwrap(),
        content_id: id.map(|id| ContentId::parse(id).unwrap()),
        bytes: bytes.to_vec(),
    };
    let with = |html: Option<&str>, attachments: Vec<AttachedFile>| {
        let message = Message {
            html: html.map(str::to_owned),
            extras: Extras {
                attachments,
                ..Extras::default()
            },
            ..message()
        };
        let rendered = message.render().unwrap();
        assert_eq!(rendered, message.render().unwrap());
        assert!(rendered.bytes.is_ascii());
        text_of(&rendered)
    };
    let shape = |text: &str| -> Vec<String> {
        let types = text.lines().filter_map(|line| line.strip_prefix("Content-Type: "));
        types.map(|kind| kind.split(';').next().unwrap().to_owned()).collect()
    };
    let html = Some("<img src=\"cid:logo\">");
    assert_eq!(
        shape(&with(html, vec![file(Some("logo"), b"1"), file(None, b"2")])),
        [
            "multipart/mixed",
            "multipart/related",
            "multipart/alternative",
            "text/plain",
            "text/html",
            "image/png",
            "image/png"
        ]
    );
    assert_eq!(
        shape(&with(html, vec![file(Some("logo"), b"1")])),
        [
            "multipart/related",
            "multipart/alternative",
            "text/plain",
            "text/html",
            "image/png"
        ]
    );
    assert_eq!(
        shape(&with(None, vec![file(Some("logo"), b"1")])),
        ["multipart/mixed", "text/plain", "image/png"]
    );
    let text = with(None, vec![file(None, b"a\r\nb\n")]);
    assert!(
        text.contains("\r\nYQ0KYgo=\r\n"),
        "line ends in a file are kept: {text}"
    );
    assert!(text.contains("filename*0*=utf-8''Gr%C3%B6%C3%9Fe.png"), "{text}");
}

#[test]
fn debug_shows_neither_content_nor_whole_addresses() {
    let message = Message {
        text: "secret-token".to_owned(),
        ..message()
    };
    for shown in [format!("{message:?}"), format!("{:?}", message.render().unwrap())] {
        assert!(
            !shown.contains("secret-token") && !shown.contains("ada@example.org"),
            "{shown}"
        );
        assert!(shown.contains("a***@example.org"), "{shown}");
    }
}

proptest! {
    #[test]
    fn no_value_adds_a_header_or_touches_the_envelope(
        subject in any::<String>(),
        name in any::<String>(),
        text in "(\\PC|[\r\n.\0]){0,60}",
        html in proptest::option::of("(\\PC|[\r\n.\0]){0,60}"),
    ) {
        let hostile = "\r\nBcc: eve@example.com\r\n\r\n";
        let injected = format!("{subject}{hostile}");
        prop_assert!(Subject::parse(&injected).is_err());
        let plain = message();
        let message = Message {
            subject: Subject::parse(&subject).unwrap_or(plain.subject.clone()),
            from: Sender { name: DisplayName::parse(&name).ok(), ..plain.from.clone() },
            text: format!("{text}{hostile}"),
            html: html.clone(),
            ..plain.clone()
        };
        let rendered = message.render().unwrap();
        let names = |rendered: &Rendered| -> Vec<String> {
            headers_of(rendered).iter().map(|line| line.split_once(':').unwrap().0.to_owned()).collect()
        };
        let mut expected = names(&plain.render().unwrap());
        if html.is_some() {
            expected.retain(|name| name != "Content-Transfer-Encoding");
        }
        let found: Vec<String> = names(&rendered);
        prop_assert_eq!(found, expected);
        prop_assert_eq!(&rendered.envelope.to, &plain.recipients());
        prop_assert!(rendered.bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b'\t' | b' '..=b'~')));
        let text = text_of(&rendered);
        prop_assert!(text.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
    }
}
