//! What is kept of a mail, and read again.

use super::*;

fn plain() -> EmailSendArgs {
    let body = EmailBody::Written {
        subject: "Hello".to_owned(),
        text: "Hello Bob".to_owned(),
        html: None,
    };
    let to = vec![Mailbox::parse("bob@example.org").unwrap()];
    EmailSendArgs::plain(to, body, Stream::default(), WhenUncertain::Repeat)
}

#[test]
fn what_the_first_version_wrote_is_read() {
    let known = json!({
        "to": ["bob@example.org"], "body": { "written": { "subject": "Hello", "text": "Hello Bob", "html": null } },
        "stream": "transactional", "when_uncertain": "repeat"
    });
    let read = EmailSend::upgrade(1, known).unwrap();
    assert_eq!(serde_json::from_value::<EmailSendArgs>(read).unwrap().to, plain().to);
    assert!(EmailSend::upgrade(3, json!({})).is_err());
}

#[test]
fn what_is_written_is_read_as_it_was() {
    let mailbox = |text: &str| Mailbox::parse(text).unwrap();
    let changes: [fn(&mut EmailSendArgs, Mailbox); 6] = [
        |args, one| args.to = vec![one],
        |args, one| args.cc = vec![one],
        |args, one| args.bcc = vec![one.address],
        |args, one| args.reply_to = vec![one],
        |args, one| args.from = Some(one),
        |args, _| args.headers = vec![CustomHeader::new("X-A", "a").unwrap()],
    ];
    for change in changes {
        let mut args = plain();
        change(&mut args, mailbox("Bob <bob@example.org>"));
        let text = serde_json::to_string(&args).unwrap();
        let again: EmailSendArgs = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), text);
    }
}

#[test]
fn tags_and_metadata_mark_the_job() {
    assert_eq!(EmailSend::labels(&plain()), None);
    let args = EmailSendArgs {
        tags: vec!["welcome".to_owned()],
        metadata: BTreeMap::from([("order".to_owned(), "17".to_owned())]),
        ..plain()
    };
    let labels = r#"{"metadata":{"order":"17"},"tags":["welcome"]}"#;
    assert_eq!(EmailSend::labels(&args).as_deref(), Some(labels));
    let stored = serde_json::to_string(&args).unwrap();
    assert_eq!(EmailSend::labels_of(&stored).as_deref(), Some(labels));
}
