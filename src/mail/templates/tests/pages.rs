//! Pages that would become much larger by being read, laid out or styled, and mails that are as large as mails are.

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::compiled::{CompiledTemplate, TemplateSource};
use super::super::fault::{Part, Place, TemplateFault};
use super::Content;

fn render(html: &str) -> Result<Content, TemplateFault> {
    let source = TemplateSource {
        subject: "Hello".to_owned(),
        html: html.to_owned(),
        text: None,
    };
    CompiledTemplate::compile(&source, None)?.render(&json!({}))
}

/// Ends soon, by these words.
fn refused(html: &str, words: &str) {
    let begun = Instant::now();
    let Err(fault) = render(html) else {
        panic!("{words}: it was rendered");
    };
    let took = begun.elapsed();
    assert_eq!(fault.place, Place::Part(Part::Html), "{fault}");
    assert!(fault.to_string().contains(words), "{fault}, and not {words}");
    assert!(took < Duration::from_secs(5), "{words}: {took:?}");
}

fn numbered(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, number| {
        all.push_str(&part(number));
        all
    })
}

#[test]
fn what_is_left_open_is_not_made_again_without_end() {
    let words = "that are not ended";
    let paragraphs = "<p>x".repeat(2_000);
    for name in [
        "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
    ] {
        let open = numbered(2_000, |number| format!("<{name} id={number}>"));
        refused(&format!("<p>{open}{paragraphs}"), words);
    }
    for end in [
        "<!-- </b> -->",
        "<br title='</b>'>",
        "</i>",
        "</b",
        "<td></b></td>",
        "<script></b></script>",
    ] {
        let open = numbered(600, |number| format!("<b id={number}>{end}"));
        refused(&format!("<p>{open}{paragraphs}"), words);
    }
    // A few, with many attributes each.
    let many = numbered(3_000, |number| format!(" a{number}"));
    let open = numbered(5, |number| format!("<b id={number}{many}>"));
    refused(&format!("<p>{open}{paragraphs}"), words);
    // Tags within what looks like tags.
    refused(&"<b '".repeat(5_000), words);
    refused(&"<p>x".repeat(10_000), "tags once it is rendered");
    // A link about a table is what mails have; most are ended where all can see it.
    let cards = "<a href='https://a.example/?a=1&b=2' style='color: red'><table><tr><td>x</table></a>".repeat(40);
    let links = "<p><a href='https://a.example'><img src='a.png'> <b>x</b></a><br></p>".repeat(400);
    assert!(render(&format!("{cards}{links}")).is_ok());
}

#[test]
fn cells_do_not_reach_without_end() {
    let words = "that reach into more than";
    let rows = "<tr><td>x".repeat(1_500);
    for span in [
        "rowspan=99999",
        "ROWSPAN='18446744073709551615'",
        "colspan=1000",
        "colspan=0",
    ] {
        let cells = format!("<td {span}>x").repeat(500);
        refused(&format!("<table><tr>{cells}{rows}</table>"), words);
    }
    let row = "<tr><td colspan=3>x</td><td rowspan=2>x</td></tr><tr><td>x</td><td>x</td><td>x</td></tr>";
    assert!(render(&format!("<table>{}</table>", row.repeat(200))).is_ok());
}

#[test]
fn styles_are_not_compared_without_end() {
    let words = "more styles than can be written";
    let siblings = |selectors: &str| {
        format!(
            "<style>{selectors}{{color:red}}</style>{}<div>x</div>",
            "<p>x</p>".repeat(2_000)
        )
    };
    refused(&siblings(&"div~p,".repeat(6_000)), words);
    refused(&siblings(&"p:nth-child(2) p,".repeat(6_000)), words);
    refused(&siblings(&"p p,".repeat(6_000)), words);
    let declarations = numbered(6_000, |number| format!("a{number}:1;"));
    let paragraphs = "<p>x</p>".repeat(2_000);
    refused(&format!("<style>p{{{declarations}}}</style>{paragraphs}"), words);
    let few = numbered(100, |number| format!("a{number}:1;"));
    let selectors = "p,".repeat(500);
    refused(&format!("<style>{selectors}p{{{few}}}</style>{paragraphs}"), words);
}

#[test]
fn a_long_mail_with_a_large_style_sheet_is_rendered() {
    let mut html = String::from("<style>\n");
    let mut number = 0;
    while html.len() < 20_000 {
        html.push_str(&format!(
            "  .row-{number} td, table .cell-{number} a:first-child {{\n    color: #ff0000;\n    font-family: Arial, sans-serif;\n    padding: 0 10px;\n  }}\n"
        ));
        number += 1;
    }
    html.push_str("</style>");
    html.push_str(&"<table><tr><td>".repeat(5));
    html.push_str(
        &"<table><tr class=row-1><td class=cell-1><a href='https://a.example'>x</a></td></tr></table>".repeat(100),
    );
    let content = render(&html).unwrap();
    assert!(content.html.unwrap().contains("padding"));
}
