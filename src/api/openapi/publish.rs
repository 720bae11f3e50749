//! `GET /openapi.json`, and `GET /docs`, which shows it with Swagger UI.
//!
//! Guarantees: everything comes from this binary; the page's own policy lets it run the scripts under `/docs/` and call this
//! service, and nothing else, and no other page's policy is wider for it; whoever has the current document is told so (304).

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use actix_web::http::header::{self, EntityTag, Header as _, IfNoneMatch};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use utoipa_swagger_ui::Config;

use super::document;
use crate::api::http::{PathParam, Problem};

/// Scripts and styles from here, calls to here. Swagger UI has its icons in `data:` addresses.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                           connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Kept by whoever likes, and asked for again each time, so that nobody works with the description of an older version.
const ASK_AGAIN: &str = "public, no-cache";

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// What does not change while the process lives, made when it is first asked for.
#[derive(Default)]
pub(in crate::api) struct Published {
    document: OnceLock<File>,
    script: OnceLock<File>,
    styles: OnceLock<File>,
}

#[derive(Clone)]
struct File {
    bytes: Bytes,
    tag: EntityTag,
    kind: &'static str,
    is_gzipped: bool,
}

/// Describes this API in OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", tag = "open",
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` of the description that one has.")),
    responses(
        (
            status = 200, description = "This document.", body = Object,
            headers(("ETag" = String, description = "Names this version of the document.")),
        ),
        (status = 304, description = "It has not changed.", headers(("ETag" = String, description = "Names it."))),
    ),
)]
pub(in crate::api) async fn show_openapi(
    request: HttpRequest,
    published: web::Data<Published>,
) -> Result<HttpResponse, Problem> {
    let file = match published.document.get() {
        Some(file) => file,
        None => {
            let text = document().to_json().map_err(Problem::internal)?;
            let made = File::new(text.into(), "application/json", false);
            published.document.get_or_init(|| made)
        }
    };
    Ok(file.answer(&request))
}

/// `GET /docs`.
pub(in crate::api) async fn show_docs() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, DOCS_POLICY))
        .body(include_str!("docs.html"))
}

/// `GET /docs/{file}`: what the page is made of.
pub(in crate::api) async fn show_docs_file(
    PathParam(name): PathParam<String>,
    request: HttpRequest,
    published: web::Data<Published>,
) -> Result<HttpResponse, Problem> {
    let (place, kind) = match name.as_str() {
        "start.js" => {
            let start = Bytes::from_static(include_bytes!("start.js"));
            return Ok(File::new(start, JAVASCRIPT, false).answer(&request));
        }
        "swagger-ui-bundle.js" => (&published.script, JAVASCRIPT),
        "swagger-ui.css" => (&published.styles, "text/css; charset=utf-8"),
        _ => return Err(Problem::not_found()),
    };
    let file = match place.get() {
        Some(file) => file,
        None => {
            let made = vendored(&name, kind)?;
            place.get_or_init(|| made)
        }
    };
    Ok(file.answer(&request))
}

/// A file of Swagger UI.
fn vendored(name: &str, kind: &'static str) -> Result<File, Problem> {
    // Not reached: the files are in the binary.
    let Ok(Some(found)) = utoipa_swagger_ui::serve(name, Arc::new(Config::default())) else {
        return Err(Problem::internal(NoSuchFile));
    };
    let bytes = match found.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok(File::new(bytes, kind, found.gzpipped))
}

impl File {
    fn new(bytes: Bytes, kind: &'static str, is_gzipped: bool) -> Self {
        let tag = EntityTag::new_strong(URL_SAFE_NO_PAD.encode(Sha256::digest(&bytes)));
        Self {
            bytes,
            tag,
            kind,
            is_gzipped,
        }
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let has_it = match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => request.headers().contains_key(header::IF_NONE_MATCH),
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&self.tag)),
            Err(_) => false,
        };
        let mut answer = if has_it {
            HttpResponse::NotModified()
        } else {
            HttpResponse::Ok()
        };
        answer
            .insert_header((header::ETAG, header::ETag(self.tag.clone())))
            .insert_header((header::CACHE_CONTROL, ASK_AGAIN));
        if has_it {
            return answer.finish();
        }
        // Every browser reads it; nothing else asks for these files.
        if self.is_gzipped {
            answer.insert_header((header::CONTENT_ENCODING, "gzip"));
        }
        answer.content_type(self.kind).body(self.bytes.clone())
    }
}

/// A file of Swagger UI is not in the binary: a fault of ours.
#[derive(Debug, thiserror::Error)]
#[error("a file of Swagger UI is missing")]
struct NoSuchFile;
