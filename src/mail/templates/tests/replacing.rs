//! What can be put in the place of a built-in template.

use super::super::compiled::{CompiledTemplate, TemplateSource};
use super::super::fault::{Place, TemplateFault};
use super::super::replacing::{built_in, built_ins};
use super::{Templates, json};

fn accepts(name: &str, html: &str, text: Option<&str>) -> Result<(), TemplateFault> {
    let source = TemplateSource {
        subject: "Hello {{ name | default('you') }}".to_owned(),
        html: html.to_owned(),
        text: text.map(str::to_owned),
    };
    built_in(name)
        .unwrap()
        .accepts(&CompiledTemplate::compile(&source, None).unwrap())
}

#[test]
fn each_built_in_template_could_replace_itself_and_says_the_same() {
    assert!(built_ins().count() >= 8);
    for one in built_ins() {
        let compiled = CompiledTemplate::compile(&one.source(), None).unwrap();
        one.accepts(&compiled).unwrap();
        let replaced = one.render(&compiled, &one.sample()).unwrap();
        assert_eq!(
            replaced,
            Templates::new().unwrap().render_own(one.name(), &one.sample()).unwrap()
        );
    }
}

#[test]
fn the_link_must_be_shown_where_the_mail_is_of_no_use_without() {
    let with = "<p>{{ name }} <a href=\"{{ link | href }}\">here</a></p>";
    accepts("password-reset", with, None).unwrap();
    accepts("password-reset", "<p>{{ link }}</p>", Some("{{ link }}")).unwrap();
    let no_html = accepts("password-reset", "<p>{{ name }}</p>", Some("{{ link }}")).unwrap_err();
    assert_eq!(no_html.place, Place::Data("/link".into()));
    assert!(no_html.words.contains("html"));
    let no_text = accepts("password-reset", with, Some("{{ name }}")).unwrap_err();
    assert_eq!(no_text.place, Place::Data("/link".into()));
    assert!(no_text.words.contains("text"));
    accepts("password-changed", "<p>{{ name }}</p>", None).unwrap();
}

#[test]
fn a_replacement_uses_what_its_mail_has_and_nothing_else() {
    let unknown = accepts("password-reset", "<p>{{ link }} {{ code }}</p>", None).unwrap_err();
    assert_eq!(unknown.place, Place::Data("/code".into()));
    // A mail to who has an account already may not know the name.
    let optional = accepts("account-exists", "<p>{{ name }}</p>", None).unwrap_err();
    assert_eq!(optional.place, Place::Data("/name".into()));
    accepts("account-exists", "<p>{{ name | default('') }}</p>", None).unwrap();
}

#[test]
fn a_replacement_that_hides_the_link_at_times_fails_when_it_is_sent() {
    let html = "<p>{% if name == 'Ada Lovelace' %}{{ link }}{% endif %}</p>";
    let source = TemplateSource {
        subject: "x".to_owned(),
        html: html.to_owned(),
        text: None,
    };
    let compiled = CompiledTemplate::compile(&source, None).unwrap();
    let reset = built_in("password-reset").unwrap();
    reset.accepts(&compiled).unwrap();
    let data = json!({ "name": "Bob", "link": "https://a.example/?t=1" });
    assert!(reset.render(&compiled, &data).is_err());
}
