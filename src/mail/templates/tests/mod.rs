//! What the built-in templates say, and which fields they refuse.

mod compiled;
mod pages;
mod replacing;

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn templates() -> Templates {
    Templates::new().unwrap()
}

fn refusal(name: &str, data: &serde_json::Value) -> (String, FieldProblem) {
    assert!(templates().check(name, data).is_err());
    match templates().render(name, data) {
        Err(TemplateError::Field { pointer, problem }) => (pointer, problem),
        other => panic!("expected a refused field, got {other:?}"),
    }
}

#[test]
fn welcome_greets_by_name_and_holds_the_link_in_both_versions() {
    let data = json!({"name": "Ada", "link": "https://legwork.example/verify?token=a&b='c'"});
    let content = templates().render("welcome", &data).unwrap();
    assert_eq!(content.subject.as_str(), "Please confirm your address");
    assert!(content.text.starts_with("Hello Ada,\n"));
    assert!(
        content
            .text
            .contains("\nhttps://legwork.example/verify?token=a&b='c'\n")
    );
    assert!(
        content
            .html
            .unwrap()
            .contains("href=\"https://legwork.example/verify?token=a&amp;b=&#39;c&#39;\"")
    );
}

#[test]
fn account_exists_needs_no_name() {
    let content = templates()
        .render("account-exists", &json!({"link": "http://localhost:8080/"}))
        .unwrap();
    assert!(content.text.starts_with("Hello,\n"), "{}", content.text);
    let data = json!({"link": "http://localhost:8080/", "name": "Ada"});
    assert!(
        templates()
            .render("account-exists", &data)
            .unwrap()
            .text
            .starts_with("Hello Ada,\n")
    );
}

#[test]
fn html_is_escaped_and_text_is_not() {
    let data = json!({"name": "<b>\"Ada\"</b> & {{ link }}", "link": "https://a.example/"});
    let content = templates().render("welcome", &data).unwrap();
    assert!(content.text.contains("<b>\"Ada\"</b> & {{ link }}"));
    let html = content.html.unwrap();
    assert!(!html.contains("<b>") && html.contains("&lt;b&gt;"), "{html}");
    assert!(html.contains("{{ link }}"), "a value is never a template");
}

#[test]
fn an_unknown_template_is_refused_with_the_known_ones() {
    let error = templates().render("welcom", &json!({})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown template; known are: welcome, account-exists"
    );
}

#[test]
fn each_wrong_field_is_named_by_its_pointer() {
    let link = "https://a.example/";
    for (data, pointer, problem) in [
        (json!([]), "", FieldProblem::NotAnObject),
        (json!({"link": link}), "/name", FieldProblem::Missing),
        (json!({"name": "Ada"}), "/link", FieldProblem::Missing),
        (json!({"name": null, "link": link}), "/name", FieldProblem::NotAString),
        (
            json!({"name": {"a": 1}, "link": link}),
            "/name",
            FieldProblem::NotAString,
        ),
        (json!({"name": " ", "link": link}), "/name", FieldProblem::Empty),
        (
            json!({"name": "a\r\nb", "link": link}),
            "/name",
            FieldProblem::ControlCharacter,
        ),
        (
            json!({"name": "ä".repeat(2_001), "link": link}),
            "/name",
            FieldProblem::TooLong,
        ),
        (
            json!({"name": "Ada", "link": link, "a/b~": 1}),
            "/a~1b~0",
            FieldProblem::Unknown,
        ),
    ] {
        assert_eq!(refusal("welcome", &data), (pointer.to_owned(), problem), "{data}");
    }
    assert!(
        templates()
            .render("welcome", &json!({"name": "ä".repeat(2_000), "link": link}))
            .is_ok()
    );
}

#[test]
fn only_http_and_https_links_are_taken() {
    for link in [
        "javascript:alert(1)",
        "JavaScript://a.example/%0aalert(1)",
        "data:text/html,x",
        "ftp://a.example/",
        "//a.example/",
        "/verify",
        "http://",
        "https:///path",
        "http://:80/",
        "https://bank.example@evil.example/",
        "https://a.example/\"onclick=\"x",
        "https://a.example/<script>",
        "https://a.example/a b",
        "https://exämple.com/",
    ] {
        let data = json!({"name": "Ada", "link": link});
        assert_eq!(
            refusal("welcome", &data),
            ("/link".to_owned(), FieldProblem::NotALink),
            "{link}"
        );
    }
    for link in [
        "http://localhost:8080/verify?token=x",
        "HTTPS://A.example",
        "https://[::1]:8080/a@b",
    ] {
        assert!(
            templates()
                .render("welcome", &json!({"name": "Ada", "link": link}))
                .is_ok(),
            "{link}"
        );
    }
}

proptest! {
    #[test]
    fn a_value_never_opens_a_tag(name in "\\PC{1,80}") {
        let plain = json!({"name": "Ada", "link": "https://a.example/"});
        let tags = templates().render("welcome", &plain).unwrap().html.unwrap().matches('<').count();
        if let Ok(content) = templates().render("welcome", &json!({"name": name, "link": "https://a.example/"})) {
            prop_assert_eq!(content.html.unwrap().matches('<').count(), tags);
        }
    }
}
