//! Whether a text that is for operators (a line of the log, a message of the command line) holds what it must not: a full
//! address, a password, a token, a key.
//!
//! Guarantees: it looks for forms, so that a secret made during a run is found without being known, and for the passwords
//! that tests use, also where they are hidden by base64 as in `Authorization: Basic` and `AUTH PLAIN`.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The passwords that tests use; one that uses another adds it here.
pub(crate) const PASSWORDS: &[&str] = &[
    "a good long password",
    "another good long password",
    "not the good password",
    "correct horse battery",
    "a relay's password",
];

/// How what nobody else may have begins or is announced, in lower case.
const MARKS: &[&str] = &[
    "lwk_",
    "lws_",
    "token=",
    "bearer ",
    "authorization:",
    "authorization\":",
    "cookie:",
    "cookie\":",
    "auth plain ",
    "auth login ",
    "private key-----",
];

/// What our own messages show as an example, and nobody has.
const EXAMPLE: &str = "name@example.com";

/// The shortest run of base64 that is looked into: 6 bytes, which is less than any password that is taken.
const BASE64_MIN: usize = 8;

/// What `text` holds and must not, each said in a way that can be found again.
pub(crate) fn leaks(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let mut found: Vec<String> = MARKS
        .iter()
        .filter(|mark| lower.contains(**mark))
        .map(|mark| format!("`{mark}`"))
        .collect();
    found.extend(
        PASSWORDS
            .iter()
            .filter(|one| text.contains(**one))
            .map(|one| format!("the password `{one}`")),
    );
    found.extend(addresses(text).map(|address| format!("the address `{address}`")));
    found.extend(hidden(text));
    found
}

/// Full addresses: a local part that is not masked, an `@` and a domain.
fn addresses(text: &str) -> impl Iterator<Item = String> {
    let in_local = |char: char| char.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(char);
    let in_domain = |char: char| char.is_alphanumeric() || ".-[".contains(char);
    text.match_indices('@').filter_map(move |(at, _)| {
        let (before, after) = text.split_at(at);
        let local_from = before.rfind(|char| !in_local(char)).map_or(0, |end| {
            end + before.split_at(end).1.chars().next().map_or(0, char::len_utf8)
        });
        let (ahead, local) = before.split_at(local_from);
        // The role at a database, whose password, if there were one, would stand here in its place.
        let is_role = local.starts_with("//") && ahead.ends_with("postgres:");
        let domain: String = after.chars().skip(1).take_while(|char| in_domain(*char)).collect();
        let is_masked = local.strip_suffix("***").is_some_and(|rest| rest.chars().count() <= 1);
        let address = format!("{local}@{domain}");
        let is_mail = !is_masked && !is_role && !is_message_id(local) && address != EXAMPLE;
        let is_leak = !local.is_empty() && !domain.is_empty() && is_mail;
        is_leak.then_some(address)
    })
}

/// Whether what stands before an `@` ends with a job's id, as in the ids of our mails and the names of their files.
fn is_message_id(local: &str) -> bool {
    let id = local.rsplit_once("job_").map(|(_, id)| id);
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    // A mail's id has the marks of its arguments behind that of its job.
    let parts = id.map(|id| id.split_once('-').unwrap_or((id, "00000000")));
    parts.is_some_and(|(id, marks)| id.len() == 32 && marks.len() == 8 && is_hex(id) && is_hex(marks))
}

/// Passwords that base64 hides.
fn hidden(text: &str) -> Vec<String> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let mut found = Vec::new();
    for run in text.split(|char: char| !(char.is_ascii_alphanumeric() || "+/-_".contains(char))) {
        if run.len() < BASE64_MIN {
            continue;
        }
        for alphabet in [alphabet::STANDARD, alphabet::URL_SAFE] {
            let Ok(bytes) = GeneralPurpose::new(&alphabet, config).decode(run) else {
                continue;
            };
            let plain = String::from_utf8_lossy(&bytes).into_owned();
            let is_secret = |one: &&&str| plain.contains(**one);
            found.extend(
                PASSWORDS
                    .iter()
                    .find(is_secret)
                    .map(|one| format!("`{run}`, which is the password `{one}`")),
            );
        }
    }
    found
}

#[test]
fn every_planted_secret_is_found_and_what_is_masked_is_not() {
    for text in [
        r#"{"message":"mail to ada@example.com"}"#,
        "550 <ada@example.com>: no",
        "smtp://user:hush@relay.example:587",
        "postgres://role:hush@db.example:5432/legwork",
        "postgres://user:hush@db.example/legwork",
        "key lwk_AbC",
        "GET /verify?token=abc",
        "headers: {\"Authorization\": \"Basic abc\"}",
        "Bearer abc",
        "Cookie: session=1",
        "the password was a good long password",
        // "\0user\0a relay's password", as AUTH PLAIN has it, and the password alone, as AUTH LOGIN has it.
        "334 AHVzZXIAYSByZWxheSdzIHBhc3N3b3Jk",
        "> YSByZWxheSdzIHBhc3N3b3Jk",
    ] {
        assert!(!leaks(text).is_empty(), "{text}");
    }
    for text in [
        r#"{"event":"mail_sent","reply":"250 2.1.5 <a***@example.com> ok","job":"job_0199c0de"}"#,
        "***@example.com",
        "an @ alone",
        "postgres://legwork@127.0.0.1:5432/legwork",
        "smtp://127.0.0.1:25",
        "postgres://role@db.example:5432/legwork",
        "20260131T120000.000000Z-job_01a20d69d9c670dca4cd55414318d6e5@localhost.eml",
        "not a mail address such as name@example.com",
    ] {
        assert_eq!(leaks(text), Vec::<String>::new(), "{text}");
    }
}
