//! Addresses that look like one another: which of them are one account, which are two, and which are none.
//!
//! The rule, as `domain/email.rs` has it: the address of an account is ASCII, of the plain form, and the case of its letters makes no difference.
//! All else does: a dot, a tag behind `+`, another spelling of a domain. So no two accounts have one address, nobody gets
//! another's account by a spelling, and nothing that merely looks the same is taken as the same.

use serde_json::{Value, json};

use super::people::{PASSWORD, mailed, register, unlimited};
use crate::support::service::Service;

const ADA: &str = "ada.lovelace@example.com";

async fn log_in(service: &Service, email: &str) -> (u16, Value) {
    service
        .post_openly("/v1/sessions", &json!({ "email": email, "password": PASSWORD }))
        .await
}

#[tokio::test]
async fn only_the_case_of_letters_makes_no_other_address() {
    let home = unlimited();
    let service = home.serve();
    let token = register(&home, &service, ADA).await;
    let (status, ada) = service
        .post_openly("/v1/accounts/verify", &json!({ "token": token }))
        .await;
    assert_eq!(status, 200, "{ada}");
    for same in [
        "ADA.LOVELACE@EXAMPLE.COM",
        "Ada.Lovelace@example.com",
        "ada.lovelace@Example.Com",
    ] {
        let (status, login) = log_in(&service, same).await;
        assert_eq!((status, &login["account"]["id"]), (201, &ada["id"]), "{same}");
        // Registering it again makes nothing but a mail to the owner, at the address that the owner gave.
        let person = json!({ "email": same, "password": "another good long password", "name": "Eve" });
        assert_eq!(service.post_openly("/v1/accounts", &person).await.0, 202, "{same}");
    }
    let other = |mail: &String| mail.contains("To: ") && !mail.contains(&format!("To: {ADA}"));
    // Another address is another account; each of them is registered, verified and logged in.
    for different in [
        "adalovelace@example.com",
        "ada.lovelace+tag@example.com",
        "ada.lovelace@mail.example.com",
        "ada.lovelace@example.com.example",
        "ada_lovelace@example.com",
        "ada.lovelace-@example.com",
        "ada.lovelace@xn--exmple-cua.com",
        "ada.l0velace@example.com",
    ] {
        assert_eq!(log_in(&service, different).await.0, 401, "{different}");
        let token = register(&home, &service, different).await;
        let (status, made) = service
            .post_openly("/v1/accounts/verify", &json!({ "token": token }))
            .await;
        assert_eq!((status, &made["email"]), (200, &json!(different)), "{made}");
        assert_ne!(made["id"], ada["id"]);
        let (_, login) = log_in(&service, different).await;
        assert_eq!(login["account"]["id"], made["id"], "{different}");
    }
    // By its own password alone, whatever was registered since.
    let (status, _) = service
        .post_openly(
            "/v1/sessions",
            &json!({ "email": ADA, "password": "another good long password" }),
        )
        .await;
    assert_eq!(status, 401);
    assert!(home.outbox().iter().any(other), "the others got theirs");
}

/// Addresses to which mails may go, since they are international ones (RFC 6531; domains as UTS 46 maps them), and which are no
/// account's: accounts are told apart by what people see.
const INTERNATIONAL: [&str; 11] = [
    "аda.lovelace@example.com",
    "ada.lovelace@exаmple.com",
    "ADA.LOVELACE@EXAMPLE.COM\u{131}",
    "ada.lovelace@\u{212a}example.com",
    "ada.lovelace@example.\u{17f}com",
    "ａda.lovelace@example.com",
    "ada.lovelace@example．com",
    "ada.lovelace@example。com",
    "ada.lovelace@b\u{fc}cher.example",
    "ada.lovelace@bu\u{308}cher.example",
    "ada.lovelace@example.com\u{feff}",
];

/// Addresses that are none, each with what it would be taken for by somebody less strict.
const NONE: [&str; 29] = [
    // What looks like an at sign.
    "ada.lovelace＠example.com",
    "ada.lovelace﹫example.com",
    // What cannot be seen.
    "ada\u{200b}.lovelace@example.com",
    "ada.lovelace\u{200d}@example.com",
    "ada\u{ad}.lovelace@example.com",
    "\u{202e}moc.elpmaxe@ecalevol.ada",
    "ada.lovelace@example.com\u{0}",
    "ada.lovelace@example.com\u{0}@evil.example",
    " ada.lovelace@example.com",
    "ada.lovelace@example.com ",
    "ada.lovelace@example.com\t",
    "ada.lovelace@example.com\n",
    // Forms that the standard has and that say the same in another way.
    "\"ada.lovelace\"@example.com",
    "ada.\"lovelace\"@example.com",
    "ada.lovelace(comment)@example.com",
    "ada.lovelace@(comment)example.com",
    "ada.lovelace@example.com.",
    "ada.lovelace@example..com",
    "ada..lovelace@example.com",
    "ada.lovelace.@example.com",
    ".ada.lovelace@example.com",
    "Ada <ada.lovelace@example.com>",
    "<ada.lovelace@example.com>",
    "@relay.example:ada.lovelace@example.com",
    "ada.lovelace%example.com@relay.example@example.com",
    "ada.lovelace@[127.0.0.1]",
    "ada.lovelace@127.0.0.1",
    "ada.lovelace@example.com,eve@example.com",
    "ada.lovelace@example.com;eve@example.com",
];

#[tokio::test]
async fn what_only_looks_like_an_address_is_none_wherever_one_is_asked_for() {
    let home = unlimited();
    let service = home.serve();
    let token = register(&home, &service, ADA).await;
    assert_eq!(
        service
            .post_openly("/v1/accounts/verify", &json!({ "token": token }))
            .await
            .0,
        200
    );
    let (_, login) = log_in(&service, ADA).await;
    let login = login["token"].as_str().unwrap();
    let long = [
        format!("{}@example.com", "a".repeat(65)),
        format!("a@{}.com", "a".repeat(64)),
        format!("a@{}com", "example.".repeat(32)),
        format!("{}@example.com", "a".repeat(100_000)),
    ];
    let none = NONE.into_iter().chain(long.iter().map(String::as_str));
    for (text, may_be_sent_to) in none
        .map(|text| (text, false))
        .chain(INTERNATIONAL.map(|text| (text, true)))
    {
        let (status, told) = log_in(&service, text).await;
        assert_eq!(
            (status, &told["errors"][0]["pointer"]),
            (422, &json!("/email")),
            "{text:?}: {told}"
        );
        let person = json!({ "email": text, "password": PASSWORD, "name": "Eve" });
        let (status, told) = service.post_openly("/v1/accounts", &person).await;
        assert_eq!(
            (status, &told["errors"][0]["pointer"]),
            (422, &json!("/email")),
            "{text:?}: {told}"
        );
        let mail = json!({ "to": text, "subject": "x", "text": "x" });
        let (status, told) = service.post(login, "/v1/emails", &mail).await;
        if may_be_sent_to {
            assert_eq!(status, 202, "{text:?}: {told}");
            continue;
        }
        assert_eq!(
            (status, &told["errors"][0]["pointer"]),
            (422, &json!("/to")),
            "{text:?}: {told}"
        );
    }
}

#[tokio::test]
async fn of_spellings_that_are_registered_side_by_side_one_becomes_the_account() {
    let home = unlimited();
    let service = home.serve();
    let spellings = ["ada@example.com", "Ada@example.com", "ADA@EXAMPLE.COM"];
    let mut tokens = Vec::new();
    for email in spellings {
        let person = json!({ "email": email, "password": PASSWORD, "name": "Ada" });
        assert_eq!(service.post_openly("/v1/accounts", &person).await.0, 202);
        tokens.push(mailed(&home, email, "/verify?token=").await);
    }
    let mut statuses = Vec::new();
    for token in tokens {
        statuses.push(
            service
                .post_openly("/v1/accounts/verify", &json!({ "token": token }))
                .await
                .0,
        );
    }
    assert_eq!(statuses, [200, 422, 422]);
    for email in spellings {
        assert_eq!(log_in(&service, email).await.0, 201, "{email}");
    }
}
