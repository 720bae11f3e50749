//! What another program reads in the messages that are built: Python's `email`, which shares no code with the builder.
//!
//! Guarantees: whatever was asked for comes out again, name by name and byte by byte: Unicode everywhere, long lines, files of
//! all bytes, many parts.

use std::fmt::Write as _;
use std::path::Path;

use legwork::domain::email::{
    AttachmentName, ContentId, CustomHeader, DisplayName, EmailAddress, Mailbox, MediaType, Subject,
};
use legwork::mail::{AttachedFile, Extras, Message};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::message;
use crate::support::required::program;

/// The messages of a run: a start of the interpreter for all of them.
const MESSAGES: usize = 300;

/// One line of whatever letters.
const LINE: &str = "[a-zA-Z0-9 ,.;:<>()\"'@=?_äöüßéñ日本語кт\u{5d0}\u{5d1}😀-]{1,80}";

fn mailbox() -> impl Strategy<Value = Mailbox> {
    let named = ("[a-z]{1,12}", option::of(LINE)).prop_filter_map("a mailbox", |(local, name)| {
        Mailbox::new(&format!("{local}@example.org"), name.as_deref()).ok()
    });
    named.prop_filter("a name that is left after trimming", |one| {
        one.name.as_ref().is_none_or(|name| !name.as_str().is_empty())
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "(\\PC|\n|\r\n|\t){0,200}",
        "[a-z]{900,2500}",
        "(\\.\n|From |--[a-z]{3}|=[0-9A-F]{2}| \n){0,30}",
        LINE.prop_map(|line| format!("{line}\n\n{line}")),
    ]
}

fn file() -> impl Strategy<Value = AttachedFile> {
    let names = prop_oneof!["[a-z]{1,8}\\.(pdf|png|txt)", LINE, "[a-z]{190}\\.txt"];
    let types = prop_oneof![
        Just("application/pdf"),
        Just("image/png"),
        Just("text/plain"),
        Just("application/x-a.b+c")
    ];
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..2_000),
        Just((0..=255).collect::<Vec<u8>>()),
        Just(b"a\r\nb\nc\r.\r\n--\r\nFrom x\n".to_vec()),
        any::<u32>().prop_map(|seed| {
            let mix = |at: u32| at.wrapping_add(seed).wrapping_mul(2_654_435_761).to_be_bytes()[0];
            (0..100_000).map(mix).collect()
        }),
    ];
    (names, types, bytes).prop_filter_map("a file", |(name, kind, bytes)| {
        Some(AttachedFile {
            name: AttachmentName::parse(&name).ok()?,
            media_type: MediaType::parse(kind).ok()?,
            content_id: None,
            bytes,
        })
    })
}

fn extras() -> impl Strategy<Value = Extras> {
    let header = (0..5_u8, prop_oneof![LINE.boxed(), "([a-z]{1,30} ){1,60}".boxed()])
        .prop_filter_map("a header", |(number, value)| {
            CustomHeader::new(&format!("X-Test-{number}"), &value).ok()
        });
    let from = option::of(mailbox());
    let copies = (vec(mailbox(), 0..4), vec("[a-z]{1,12}", 0..4), vec(mailbox(), 0..3));
    let files = vec((file(), any::<bool>()), 0..5);
    (from, copies, vec(header, 0..4), files).prop_map(|(from, (cc, bcc, reply_to), mut headers, files)| {
        headers.sort_by(|a, b| a.name().cmp(b.name()));
        headers.dedup_by(|a, b| a.name() == b.name());
        let files = files
            .into_iter()
            .enumerate()
            .map(|(index, (file, is_shown))| AttachedFile {
                content_id: is_shown.then(|| ContentId::parse(&format!("file{index}@x")).unwrap()),
                ..file
            });
        Extras {
            from,
            cc,
            bcc: bcc
                .iter()
                .map(|local| EmailAddress::parse(&format!("{local}@hidden.example")).unwrap())
                .collect(),
            reply_to,
            headers,
            attachments: files.collect(),
            list_unsubscribe: None,
        }
    })
}

fn messages() -> impl Strategy<Value = Message> {
    let subject = LINE.prop_filter_map("a subject", |text| Subject::parse(&text).ok());
    let words = (subject, text(), option::of(text()));
    (vec(mailbox(), 1..6), words, extras()).prop_map(|(to, (subject, text, html), extras)| Message {
        to,
        subject,
        text,
        html,
        extras,
        ..message("job_1")
    })
}

fn shown(one: &Mailbox) -> Value {
    let name = one.name.as_ref().map_or("", DisplayName::as_str);
    json!([
        name.split_whitespace().collect::<Vec<_>>().join(" "),
        one.address.as_str()
    ])
}

/// A text as a reader has it: each line ends with a line feed.
fn read(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn wanted(message: &Message) -> Value {
    let Extras {
        cc, reply_to, headers, ..
    } = &message.extras;
    let all = |list: &[Mailbox]| list.iter().map(shown).collect::<Vec<_>>();
    let file = |file: &AttachedFile| {
        let mut digest = String::new();
        for byte in Sha256::digest(&file.bytes) {
            write!(digest, "{byte:02x}").unwrap();
        }
        json!({
            "name": file.name.as_str(), "type": file.media_type.as_str(), "sha256": digest,
            "id": file.content_id.as_ref().map(ContentId::as_str), "inline": file.content_id.is_some()
        })
    };
    // Those that the HTML shows stand beside it, before the others.
    let files = &message.extras.attachments;
    let (first, last): (Vec<_>, Vec<_>) = match message.html {
        Some(_) => files.iter().partition(|file| file.content_id.is_some()),
        None => (files.iter().collect(), Vec::new()),
    };
    let headers = headers
        .iter()
        .map(|header| (header.name().to_owned(), json!(header.value())));
    json!({
        "from": [shown(message.extras.from.as_ref().unwrap_or(&message.from))],
        "to": all(&message.to), "cc": all(cc), "reply_to": all(reply_to), "bcc": null,
        "subject": message.subject.as_str(),
        "headers": headers.collect::<serde_json::Map<_, _>>(),
        "html": message.html.as_deref().map(read),
        "files": first.into_iter().chain(last).map(file).collect::<Vec<_>>(),
        "defects": [],
    })
}

fn write(folder: &Path, number: usize, message: &Message) {
    let rendered = message.render().unwrap();
    assert!(rendered.bytes.is_ascii());
    let text = std::str::from_utf8(&rendered.bytes).unwrap();
    assert!(
        text.split("\r\n")
            .all(|line| line.len() <= 998 && !line.contains(['\r', '\n']))
    );
    assert!(!text.contains("@hidden.example"), "a blind copy is seen");
    let mut wanted = wanted(message);
    wanted["text"] = read(&message.text).into();
    std::fs::write(folder.join(format!("{number:04}.eml")), &rendered.bytes).unwrap();
    std::fs::write(folder.join(format!("{number:04}.json")), wanted.to_string()).unwrap();
}

#[test]
fn another_program_reads_what_was_asked_for() {
    let Some(mut python) = program("python", "python3") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::new(Config::default());
    for number in 0..MESSAGES {
        let message = messages().new_tree(&mut runner).unwrap().current();
        write(folder.path(), number, &message);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail/mime.py");
    let read = python.arg(script).arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&read.stdout);
    assert!(read.status.success(), "{said}{}", String::from_utf8_lossy(&read.stderr));
    assert_eq!(said.trim(), format!("read {MESSAGES}"));
}
