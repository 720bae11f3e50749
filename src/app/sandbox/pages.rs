//! The page of a sandbox, and a captured mail's HTML, which runs nothing and loads nothing.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::answers::Refusal;
use super::routes::held;
use crate::sandbox::{ADDRESS_FAULTS, Attachment, Reading, Relay};

/// For the page: its own script and styles, its own answers, and frames of itself.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// For a captured mail: an origin of its own, no script, no form, nothing from anywhere but pictures that stand in it.
const MAIL_POLICY: &str = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; \
                           form-action 'none'; frame-ancestors 'self'";

/// The types of pictures that are shown within a mail; an SVG is a document and is not among them.
const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

pub(super) async fn page() -> HttpResponse {
    let rows: String = ADDRESS_FAULTS
        .iter()
        .map(|(tag, meaning)| format!("<tr><td><code>+{tag}</code></td><td>{meaning}</td></tr>\n"))
        .collect();
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .body(include_str!("page.html").replace("<!-- faults -->", &rows))
}

pub(super) async fn styles() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .body(include_str!("page.css"))
}

pub(super) async fn script() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .body(include_str!("page.js"))
}

pub(super) async fn html_of_mail(relay: Data<Relay>, id: Path<u64>) -> Result<HttpResponse, Refusal> {
    let mail = held(&relay, *id)?;
    let reading = Reading::of(&mail.data);
    let html = reading.html.unwrap_or_default();
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, MAIL_POLICY))
        .insert_header((header::X_FRAME_OPTIONS, "SAMEORIGIN"))
        .insert_header(("x-dns-prefetch-control", "off"))
        .body(with_pictures(html, &reading.attachments)))
}

/// The HTML with the pictures of the mail in the places where it names them by their ids.
fn with_pictures(mut html: String, attachments: &[Attachment]) -> String {
    for one in attachments {
        let Some(id) = one.content_id.as_ref().filter(|id| !id.is_empty()) else {
            continue;
        };
        if PICTURES.contains(&one.content_type.as_str()) {
            let data = format!("data:{};base64,{}", one.content_type, STANDARD.encode(&one.data));
            // With what ends it, so that an id that another one begins with is not taken for that.
            for end in ["\"", "'", ")", " ", ">"] {
                html = html.replace(&format!("cid:{id}{end}"), &format!("{data}{end}"));
            }
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_stands_where_its_id_is_named_and_a_document_does_not() {
        let picture = |id: &str, content_type: &str| Attachment {
            name: String::new(),
            content_type: content_type.to_owned(),
            content_id: Some(id.to_owned()),
            data: b"x".to_vec(),
        };
        let html = "<img src=\"cid:a\"><img src='cid:ab'><img src=\"cid:c\">".to_owned();
        let attached = [
            picture("a", "image/png"),
            picture("ab", "image/gif"),
            picture("c", "image/svg+xml"),
        ];
        assert_eq!(
            with_pictures(html, &attached),
            "<img src=\"data:image/png;base64,eA==\"><img src='data:image/gif;base64,eA=='><img src=\"cid:c\">"
        );
    }

    #[test]
    fn no_policy_lets_a_mail_run_or_load_anything() {
        assert!(MAIL_POLICY.starts_with("sandbox; default-src 'none'"));
        assert!(!MAIL_POLICY.contains("allow-") && !MAIL_POLICY.contains("script-src"));
        assert!(!PAGE_POLICY.contains("unsafe"));
    }
}
