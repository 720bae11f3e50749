//! Every form of the mail URL, and that none of them shows a secret.

use super::*;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use std::path::Path;

fn relay(text: &str) -> Relay {
    match MailUrl::parse(text) {
        Ok(MailUrl::Relay(relay)) => relay,
        other => panic!("{text}: {other:?}"),
    }
}

fn login(relay: &Relay) -> Option<(&str, &str)> {
    let login = relay.login.as_ref()?;
    Some((&login.user, login.password.expose_secret()))
}

#[test]
fn the_port_and_the_encryption_follow_from_scheme_login_and_host() {
    use MailTls::{Implicit, None, Opportunistic, Required};
    for (text, port, tls) in [
        ("smtp://127.0.0.1", 25, None),
        ("smtp://localhost:2525", 2525, None),
        ("smtp://[::1]:2525", 2525, None),
        ("smtp://u:p@127.0.0.1", 587, None),
        ("smtp://u:p@localhost?tls=required", 587, Required),
        ("smtp://localhost?tls=opportunistic", 25, Opportunistic),
        ("smtp://relay", 25, Opportunistic),
        ("smtp://relay/?tls=none", 25, None),
        ("smtp://relay?tls=required", 25, Required),
        ("smtp://u:p@relay", 587, Required),
        ("smtp://u:p@relay:25?tls=none", 25, None),
        ("smtps://relay", 465, Implicit),
        ("smtps://u:p@relay/", 465, Implicit),
        ("smtps://u:p@relay:4465", 4465, Implicit),
        ("smtps://u:p@127.0.0.1", 465, Implicit),
    ] {
        let relay = relay(text);
        assert_eq!((relay.port, relay.tls), (port, tls), "{text}");
    }
}

#[test]
fn a_user_and_a_password_are_decoded() {
    for (text, user, password) in [
        ("smtps://ada:sesame@relay", "ada", "sesame"),
        (
            "smtps://ada%40example.com:p%3Aw%2F%25%20x@relay",
            "ada@example.com",
            "p:w/% x",
        ),
        ("smtps://ada@example.com:sesame@relay", "ada@example.com", "sesame"),
        ("smtps://ada:a:b?c@relay", "ada", "a:b?c"),
        ("smtps://%C3%A4da:p%C3%A4ss@relay", "äda", "päss"),
    ] {
        assert_eq!(login(&relay(text)), Some((user, password)), "{text}");
    }
    assert_eq!(login(&relay("smtp://relay")), None);
}

#[test]
fn a_login_may_be_set_apart_but_not_twice() {
    let apart = |username: Option<&str>, password: Option<&str>| ApartLogin {
        username: username.map(str::to_owned),
        password: password.map(SecretString::from),
    };
    for (text, set) in [
        ("smtps://relay", apart(Some("ada"), Some("p%25"))),
        ("smtps://ada@relay", apart(None, Some("p%25"))),
    ] {
        let Ok(MailUrl::Relay(relay)) = MailUrl::with_login(text, &set) else {
            panic!("{text}")
        };
        assert_eq!(
            login(&relay),
            Some(("ada", "p%25")),
            "what is set apart is taken as it is"
        );
    }
    let starttls = MailUrl::with_login("smtp://relay", &apart(Some("ada"), Some("p"))).unwrap();
    assert_eq!(starttls.to_string(), "smtp://relay:587?tls=required");
    for (text, set) in [
        ("smtps://ada:p@relay", apart(None, Some("p"))),
        ("smtps://ada:p@relay", apart(Some("ada"), None)),
        ("smtps://relay", apart(Some("ada"), None)),
        ("smtps://relay", apart(None, Some("p"))),
        ("smtps://ada@relay", apart(None, None)),
        ("file:outbox", apart(Some("ada"), Some("p"))),
    ] {
        assert!(MailUrl::with_login(text, &set).is_err(), "{text}");
    }
}

#[test]
fn what_is_not_meant_is_refused() {
    for text in [
        "",
        "file:",
        "smtp:relay",
        "smtp://",
        "smtps://",
        "smtp://u:p@",
        "smtp://a:0",
        "smtp://a:x",
        "smtp://a/b",
        "smtp://bob@a",
        "smtp://:@a",
        "smtp://:p@a",
        "smtp://bob:@a",
        "smtp://bob:%0d%0aQUIT@a",
        "smtp://bob:%00@a",
        "smtp://bob:%zz@a",
        "smtp://bob:50%@a",
        "smtp://bob:%ff@a",
        "smtp://a?tls=maybe",
        "smtp://a?tls=required&x=1",
        "smtp://a?",
        "smtps://a?tls=none",
        "smtp://u:p@a?tls=opportunistic",
    ] {
        assert!(MailUrl::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_folder_and_a_relay_read_back_from_their_text() {
    assert!(
        matches!(MailUrl::parse("file:data/outbox"), Ok(MailUrl::Outbox(folder)) if folder == Path::new("data/outbox"))
    );
    for text in [
        "smtp://relay:2525?tls=opportunistic",
        "smtp://[::1]:25?tls=none",
        "smtps://relay:465",
        "file:data/outbox",
    ] {
        assert_eq!(MailUrl::parse(text).unwrap().to_string(), text);
    }
}

proptest! {
    #[test]
    fn no_text_of_a_url_shows_its_login(user in "[a-z]{8,12}", password in "[0-9]{8,12}", rest in "[ -~]{0,12}") {
        for text in [
            format!("smtps://{user}:{password}@relay"),
            format!("smtps://{user}:{password}@relay{rest}"),
            format!("smtp://{user}:{password}{rest}"),
        ] {
            let shown = match MailUrl::parse(&text) {
                Ok(url) => format!("{url} {url:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!shown.contains(&password), "{}", shown);
            prop_assert!(!shown.contains(&user), "{}", shown);
        }
    }
}
