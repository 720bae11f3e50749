//! Workspaces' templates: what they make, what is wrong with them, and what hostile ones come to.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::compiled::{CompiledTemplate, TemplateSource};
use super::super::fault::{Part, Place, TemplateFault};
use super::Content;

fn source(subject: &str, html: &str, text: Option<&str>) -> TemplateSource {
    TemplateSource {
        subject: subject.to_owned(),
        html: html.to_owned(),
        text: text.map(str::to_owned),
    }
}

fn render(html: &str, data: &Value) -> Result<Content, TemplateFault> {
    CompiledTemplate::compile(&source("Hello", html, None), None)?.render(data)
}

fn html_of(html: &str, data: &Value) -> String {
    render(html, data).unwrap().html.unwrap()
}

fn fault(html: &str, data: &Value) -> TemplateFault {
    match render(html, data) {
        Err(fault) => fault,
        Ok(content) => panic!("{html} made {:?}", content.html.map(|html| html.len())),
    }
}

#[test]
fn html_is_escaped_and_text_and_subject_are_not() {
    let source = source("For {{ name }}", "<p>{{ name }}</p>", Some("To {{ name }}"));
    let content = CompiledTemplate::compile(&source, None).unwrap();
    let content = content.render(&json!({ "name": "<b>Ada</b> & Co" })).unwrap();
    assert_eq!(content.subject.as_str(), "For <b>Ada</b> & Co");
    assert_eq!(content.text, "To <b>Ada</b> & Co");
    assert_eq!(content.html.unwrap(), "<p>&lt;b&gt;Ada&lt;&#x2f;b&gt; &amp; Co</p>");
}

#[test]
fn a_subject_is_one_line_whatever_the_data_has() {
    let compiled = CompiledTemplate::compile(&source("Hello {{ name }}", "<p>x</p>", None), None).unwrap();
    let name = "Ada\r\nBcc: eve@example.org\u{2028}\u{85}\u{0}x\ty";
    let content = compiled.render(&json!({ "name": name })).unwrap();
    assert_eq!(content.subject.as_str(), "Hello Ada Bcc: eve@example.org x y");
    for name in ["", " \r\n"] {
        let empty = CompiledTemplate::compile(&source("{{ name }}", "<p>x</p>", None), None).unwrap();
        let fault = empty.render(&json!({ "name": name })).unwrap_err();
        assert_eq!(fault.place, Place::Part(Part::Subject));
    }
    let long = compiled.render(&json!({ "name": "\u{e4}".repeat(300) })).unwrap();
    assert_eq!(long.subject.as_str().chars().count(), 255);
    assert!(long.subject.as_str().ends_with('\u{2026}'));
}

#[test]
fn what_is_missing_is_named_and_what_is_asked_for_may_be_missing() {
    let missing = fault(
        "<p>\n{{ name }}\n{{ order.number }}</p>",
        &json!({ "name": "Ada", "order": {} }),
    );
    assert_eq!(missing.place, Place::Data("/order/number".into()));
    let missing = fault("{{ order.number }}", &json!({}));
    assert_eq!(missing.place, Place::Data("/order/number".into()));
    assert_eq!(missing.to_string(), "is missing, and the template uses it");
    let optional = "{% if name %}Hello {{ name }}{% endif %}{{ title | default('x') }}";
    assert_eq!(html_of(optional, &json!({})), "x");
    assert_eq!(html_of(optional, &json!({ "name": "Ada" })), "Hello Adax");
    // Within a list nobody can say which, but where.
    let data = json!({ "items": [{ "name": "x" }, {}] });
    let unknown = fault("<p>\n{% for one in items %}{{ one.name }}{% endfor %}</p>", &data);
    assert_eq!((unknown.place, unknown.line), (Place::Part(Part::Html), Some(2)));
}

#[test]
fn what_is_no_template_is_told_with_its_part_and_line() {
    for (subject, html, text, part, line) in [
        ("{{ name", "<p>x</p>", None, Part::Subject, 1),
        ("x", "<p>\n\n{% if x %}</p>", None, Part::Html, 3),
        ("x", "<p>\n{{ x | nothing }}</p>", None, Part::Html, 2),
        ("x", "<p>x</p>", Some("a\nb {{ 1 + }}"), Part::Text, 2),
    ] {
        let compiled = CompiledTemplate::compile(&source(subject, html, text), None);
        let fault = match compiled {
            Err(fault) => fault,
            Ok(compiled) => compiled.render(&json!({ "x": 1 })).unwrap_err(),
        };
        assert_eq!((&fault.place, fault.line), (&Place::Part(part), Some(line)), "{fault}");
        assert!(!fault.to_string().contains("html.html"), "{fault}");
    }
    for html in [
        "{% include 'x' %}",
        "{% extends 'x' %}",
        "{% import 'x' as y %}",
        "{% block x %}{% endblock %}",
    ] {
        assert!(
            CompiledTemplate::compile(&source("x", html, None), None).is_err(),
            "{html}"
        );
    }
}

#[test]
fn the_text_is_made_from_the_html_where_there_is_none() {
    let html = "<html><head><title>No</title><style>p { color: red }</style></head><body><h1>Dear {{ name }}</h1>\
                <p>Look <a href=\"{{ link | href }}\">here</a>.</p></body></html>";
    let link = "https://example.com/a-path/that/is/longer/than/a/line/of/text/and/must/not/be/broken?token=0123456789";
    let content = render(html, &json!({ "name": "Ada & Bob", "link": link })).unwrap();
    assert!(content.text.contains("Dear Ada & Bob"), "{}", content.text);
    assert!(content.text.contains(link), "{}", content.text);
    assert!(
        !content.text.contains("color") && !content.text.contains("No"),
        "{}",
        content.text
    );
    // Of pictures alone there is none.
    let content = render("<img src=\"cid:x\">", &json!({})).unwrap();
    assert!(!content.text.trim().is_empty());
}

#[test]
fn styles_are_written_into_elements_and_nothing_is_loaded() {
    let html = "<html><head><link rel=\"stylesheet\" href=\"file:///etc/passwd\">\
                <link rel=\"stylesheet\" href=\"http://127.0.0.1:9/x.css\">\
                <style>p.a { color: red } @media print { p { color: blue } } @import url(http://127.0.0.1:9/);</style></head>\
                <body><p class=\"{{ class }}\">x</p></body></html>";
    let made = html_of(html, &json!({ "class": "a" }));
    assert!(made.contains("style=\"color: red"), "{made}");
    assert!(made.contains("@media print"), "{made}");
    let other = html_of(html, &json!({ "class": "b" }));
    assert!(
        !other.contains("style=\"color: red"),
        "which element has which style is the data's: {other}"
    );
    // Without styles the page is as it was written.
    assert_eq!(html_of("<P>x<BR>", &json!({})), "<P>x<BR>");
}

#[test]
fn a_layout_holds_the_mail_and_what_has_no_place_for_it_is_none() {
    let layout = source(
        "x",
        "<div>{{ content }}</div><p>{{ footer }}, {{ subject }}</p>",
        Some("{{ content }}\n--\n{{ footer }}"),
    );
    let mail = source("Hi", "<p>{{ name }}</p>", Some("{{ name }} & co"));
    let compiled = CompiledTemplate::compile(&mail, Some(&layout)).unwrap();
    let content = compiled.render(&json!({ "name": "<Ada>", "footer": "Ltd" })).unwrap();
    assert_eq!(content.html.unwrap(), "<div><p>&lt;Ada&gt;</p></div><p>Ltd, Hi</p>");
    assert_eq!(content.text, "<Ada> & co\n--\nLtd");
    assert_eq!(compiled.names().into_iter().collect::<Vec<_>>(), ["footer", "name"]);
    let missing = compiled.render(&json!({ "name": "Ada" })).unwrap_err();
    assert_eq!(missing.place, Place::Data("/footer".into()));
    let none = CompiledTemplate::compile(&mail, Some(&mail)).unwrap_err();
    assert_eq!(none.place, Place::Layout(Part::Html));
}

#[test]
fn what_may_be_a_mistake_is_said() {
    let compiled =
        CompiledTemplate::compile(&source("x", "{% if a.b %}{{ a.b }}{% endif %}{{ c }}", None), None).unwrap();
    let doubts = compiled.doubts(&json!({ "c": 1, "d": 2 }));
    let about: Vec<&str> = doubts.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(about, ["/a/b", "/d"]);
}

#[test]
fn a_link_from_data_is_one_of_few_schemes() {
    let html = "<a href=\"{{ link | href }}\">x</a>";
    for link in ["https://a.example/?a=b&c='d'", "mailto:ada@example.com", "TEL:+431234"] {
        let made = html_of(html, &json!({ "link": link }));
        assert!(
            made.contains(&link.replace('&', "&amp;").replace('\'', "&#39;")),
            "{made}"
        );
    }
    for link in [
        "javascript:alert(1)",
        "data:text/html,x",
        "//a.example",
        "https://a.example/\"onclick=\"x",
        "https://a b",
        "",
        "\tjavascript:x",
    ] {
        assert_eq!(
            fault(html, &json!({ "link": link })).place,
            Place::Part(Part::Html),
            "{link}"
        );
    }
}

#[test]
fn lists_and_numbers_can_be_used() {
    let data = json!({ "items": [{ "name": "b", "price": 2.5, "count": 2 }, { "name": "a", "price": 1, "count": 1 }], "t": "a,b" });
    for (html, wanted) in [
        ("{{ items | map(attribute='name') | sort | join(', ') }}", "a, b"),
        ("{{ items | sum(attribute='price') }}", "3.5"),
        ("{{ t | split(',') | map('upper') | join }}", "AB"),
        (
            "{% for i in items %}{{ i.price | times(i.count) | plus(0.5) }} {% endfor %}",
            "5.5 1.5 ",
        ),
        ("{{ 2 | plus(3) | times(-4) }}", "-20"),
        (
            "{% for i in items | sort(attribute='name') %}{{ loop.index }}{{ i.name }}{% endfor %}",
            "1a2b",
        ),
        ("{% if items[0].name in ['a', 'b'] %}x{% endif %}", "x"),
        (
            "{% for k, v in items[1] | dictsort %}{{ k }}={{ v }};{% endfor %}",
            "count=1;name=a;price=1;",
        ),
        (
            "{{ '%.2f' | format(items[0].price) }}{{ ' x ' | trim }}{{ '--y-' | trim('-') }}",
            "2.50xy",
        ),
        ("{% for i in range(1, 4) %}{{ i }}{% endfor %}", "123"),
        (
            "{% macro f(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, b=3) }}",
            "1213",
        ),
    ] {
        assert_eq!(html_of(html, &data), wanted, "{html}");
    }
    assert_eq!(fault("{{ a | plus(1) }}", &json!({})).place, Place::Data("/a".into()));
}

/// What must end soon, with a fault or a mail of bounded size, and without much memory.
#[test]
fn hostile_templates_end() {
    let data = json!({ "s": "x".repeat(60_000), "l": vec![0; 10_000], "n": 1_000_000_000,
        "names": "a,".repeat(30_000), "formats": "%(a)s".repeat(10_000) });
    let mut doublings = String::from("{% set a = s %}");
    for _ in 0..60 {
        doublings.push_str("{% set a = a ~ a %}");
    }
    let chained = format!(
        "{{% set a = l %}}{}{{{{ a | length }}}}",
        "{% set a = a + a %}".repeat(100)
    );
    for html in [
        "{% for a in range(n) %}x{% endfor %}",
        "{% for a in range(10000) %}x{% endfor %}",
        "{% for a in l %}{% for b in l %}{% for c in l %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in l %}{{ s }}{% endfor %}",
        "{{ s * n }}",
        "{{ 'x' * n }}",
        "{{ [1] * n }}",
        "{{ l * n }}",
        "{% set ns = namespace(a=s) %}{% for i in range(100) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}",
        "{% set ns = namespace(a=l) %}{% for i in range(100) %}{% set ns.a = ns.a + ns.a %}{% endfor %}{{ ns.a | length }}",
        "{% set ns = namespace(a=s) %}{% for i in range(100) %}{% set ns.a = ns.a | replace('x', ns.a) %}{% endfor %}",
        "{% set ns = namespace(a=s) %}{% for i in range(100) %}{% set ns.a = [ns.a, ns.a] | join(s) %}{% endfor %}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(a) %}{{ f(a ~ a) }}{% endmacro %}{{ f(s) }}",
        "{% for a in l recursive %}{{ loop(l) }}{% endfor %}",
        "{% set x %}{% for a in l %}{{ s }}{% endfor %}{% endset %}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ 'x\\ny' | indent(1000000000) }}",
        "{{ range(n) | list | length }}",
        "{{ range(n) | join }}",
        "{{ range(n) | sum }}",
        "{{ 9 ** 999999999 }}",
        "{{ l | batch(1) | list | length }}",
        "{% for i in l %}{{ l | sort | first }}{% endfor %}",
        // Numbers alone are added and multiplied, and not without end.
        "{{ l | plus(l) }}",
        "{{ l | times(2) }}",
        "{{ s | times(n) }}",
        "{{ 170141183460469231731687303715884105727 | times(2) }}",
        // No way to have a thing in another twice, or in one more.
        "{{ [l, l] }}",
        "{{ (l, l) }}",
        "{{ {'a': l, 'b': l} }}",
        "{{ dict(a=l, b=l) }}",
        "{{ l | chain(l) }}",
        "{{ l | zip(l) }}",
        "{{ l | groupby('x', default=1) }}",
        "{{ l | map('default', l, true) }}",
        "{{ l | map(attribute='x', default=l) }}",
        "{{ l | map('map', 'default', l) }}",
        "{{ [1] | sum(start=l) }}",
        "{{ [1] | sum('x', l) }}",
        "{% macro f(a) %}{{ f([a, a]) }}{% endmacro %}{{ f(l) }}",
        "{% macro f(a) %}{{ f(a) }}{{ f(a) }}{% endmacro %}{{ f(l) }}",
        // Much work in one call.
        "{% for i in l %}{{ s | trim(s) }}{% endfor %}",
        "{% for i in l %}{{ l | sort(attribute=names) }}{% endfor %}",
        "{{ formats | format(a=s) }}",
        "{{ s | replace('', s) }}",
        "{{ l | join(s) }}",
        &doublings,
        &chained,
    ] {
        let begun = std::time::Instant::now();
        let ended = render(html, &data);
        if let Err(fault) = &ended {
            assert!(fault.to_string().len() < 500, "{fault}");
        } else {
            panic!("{html} was rendered");
        }
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(5),
            "{html}: {:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn a_mail_of_ten_megabytes_is_refused() {
    let html = format!("{{% for a in range(100) %}}{}{{% endfor %}}", "x".repeat(100_000));
    let fault = fault(&html, &json!({}));
    assert_eq!(fault.place, Place::Part(Part::Html), "{fault}");
    let text = "{% for a in range(60) %}{{ s }}{% endfor %}";
    let compiled = CompiledTemplate::compile(&source("x", "<p>x</p>", Some(text)), None).unwrap();
    let fault = compiled.render(&json!({ "s": "x".repeat(10_000) })).unwrap_err();
    assert_eq!(fault.place, Place::Part(Part::Text));
}

#[test]
fn deep_pages_and_deep_templates_are_refused() {
    for html in [
        "<div>".repeat(50_000),
        "<div>".repeat(5_000),
        "<template>".repeat(2_000),
        "<svg>".repeat(5_000),
    ] {
        for styled in ["", "<style>a b c { color: red }</style>"] {
            let html = format!("{styled}{html}");
            let begun = std::time::Instant::now();
            assert_eq!(fault(&html, &json!({})).place, Place::Part(Part::Html));
            assert!(
                begun.elapsed() < std::time::Duration::from_secs(20),
                "{:?}",
                begun.elapsed()
            );
        }
    }
    // What one might take for deep, and a reader of HTML does not: each table ends the one before.
    let tables = "<b><table>".repeat(400);
    assert_eq!(html_of(&tables, &json!({})), tables);
    let styled = format!("<style>a b c {{ color: red }}</style>{tables}");
    assert!(html_of(&styled, &json!({})).len() < 100_000);
    for (open, close) in [("{{ ", " }}"), ("{% if ", " %}x{% endif %}")] {
        for nested in ["(", "[", "not ", "-", "{'a':"] {
            let html = format!("{open}{}1{close}", nested.repeat(20_000));
            let compiled = CompiledTemplate::compile(&source("x", &html, None), None);
            assert!(compiled.is_err(), "{nested}");
        }
    }
    let html = "{% if a %}".repeat(20_000);
    assert!(CompiledTemplate::compile(&source("x", &html, None), None).is_err());
    // As deep as data may be, and it is printed.
    let deep = (0..64).fold(json!(1), |inner, _| json!([inner]));
    assert!(html_of("{{ a }}", &json!({ "a": deep })).contains("[[[["));
}

#[test]
fn styles_beyond_measure_are_refused_before_they_are_compared() {
    let mut html = String::from("<style>");
    for number in 0..4_000 {
        html.push_str(&format!(".a{number} div div p:not(.b{number}) {{ color: red }}"));
    }
    html.push_str("</style>");
    html.push_str(&"<div class=x><p>x</p></div>".repeat(3_000));
    let begun = std::time::Instant::now();
    assert_eq!(fault(&html, &json!({})).place, Place::Part(Part::Html));
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn nothing_but_the_data_can_be_reached() {
    for html in [
        "{{ ''.__class__.__mro__ }}",
        "{{ self }}",
        "{{ self.environment }}",
        "{{ config }}",
        "{{ debug() }}",
        "{{ x | pprint }}",
        "{{ request.application }}",
        "{{ ''.constructor }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum() }}",
        "{{ get_flashed_messages() }}",
    ] {
        let fault = fault(html, &json!({ "x": 1 }));
        assert!(!fault.to_string().contains("minijinja"), "{fault}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_value_opens_a_tag_or_breaks_the_subject(value in "\\PC{0,60}|[<>&\"'\r\n{}%]{0,20}") {
        let source = source("Hi {{ v }}", "<p title=\"{{ v }}\">{{ v }}</p>", None);
        let compiled = CompiledTemplate::compile(&source, None).unwrap();
        let content = compiled.render(&json!({ "v": value })).unwrap();
        let html = content.html.unwrap();
        prop_assert_eq!(html.matches('<').count(), 2);
        prop_assert_eq!(html.matches('"').count(), 2);
        prop_assert!(!content.subject.as_str().contains(['\r', '\n']));
    }

    #[test]
    fn no_text_is_more_than_a_fault(html in "(\\{\\{|\\}\\}|\\{%|%\\}|[a-z0-9.|()\\[\\] '\"<>/~+*-]|for |in |if |end|set |style){0,60}") {
        drop(render(&html, &json!({ "a": [1, { "b": "c" }], "b": "x" })));
    }
}
