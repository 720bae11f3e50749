//! The HTTP interface: what is held, waiting for it, and rules.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, web};
use futures_util::stream;
use serde::Deserialize;
use tokio::time::Instant;

use super::answers::{List, Refusal, RuleView, Summary, Whole};
use super::pages;
use crate::sandbox::{Reading, Relay, Rule, RuleStanding, Taken};

/// The longest that a request waits for mail.
const WAIT_MAX_S: u64 = 300;
/// How often a stream of events says that it is there.
const PING_EVERY: Duration = Duration::from_secs(15);
/// The most bytes of a body.
const BODY_MAX: usize = 10_000;

pub(super) fn configure(config: &mut ServiceConfig) {
    let bad = |detail: String| Refusal::new(StatusCode::BAD_REQUEST, detail).into();
    config
        .app_data(web::QueryConfig::default().error_handler(move |error, _| bad(error.to_string())))
        .app_data(web::PathConfig::default().error_handler(move |_, _| not_held().into()))
        .app_data(
            web::JsonConfig::default()
                .limit(BODY_MAX)
                .error_handler(move |error, _| bad(error.to_string())),
        )
        .route("/", web::get().to(pages::page))
        .route("/page.css", web::get().to(pages::styles))
        .route("/page.js", web::get().to(pages::script))
        .route("/messages/{id}/html", web::get().to(pages::html_of_mail))
        .service(
            web::resource("/api/messages")
                .route(web::get().to(list))
                .route(web::delete().to(clear)),
        )
        .route("/api/messages/{id}", web::get().to(show))
        .route("/api/messages/{id}/raw", web::get().to(raw))
        .route("/api/messages/{id}/attachments/{index}", web::get().to(attachment))
        .route("/api/wait", web::get().to(wait))
        .route("/api/events", web::get().to(events))
        .service(
            web::resource("/api/rules")
                .route(web::get().to(rules))
                .route(web::post().to(add_rule))
                .route(web::delete().to(heal)),
        )
        .route("/api/rules/{id}", web::delete().to(take_rule_away))
        .default_service(web::to(nothing_there));
}

async fn nothing_there() -> Result<HttpResponse, Refusal> {
    Err(Refusal::new(StatusCode::NOT_FOUND, "nothing is here"))
}

fn not_held() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "no mail of this number is held")
}

/// The mail of a number.
pub(super) fn held(relay: &Relay, id: u64) -> Result<Arc<Taken>, Refusal> {
    relay.one(id).ok_or_else(not_held)
}

/// Which mails are meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    to: Option<String>,
    subject: Option<String>,
}

impl Wanted {
    fn is(&self, mail: &Taken) -> bool {
        let subject = || mail.subject.to_lowercase();
        self.to.as_ref().is_none_or(|to| mail.is_to(to))
            && self
                .subject
                .as_ref()
                .is_none_or(|wanted| subject().contains(&wanted.to_lowercase()))
    }

    /// The newest first.
    fn among(&self, relay: &Relay) -> Vec<Summary> {
        let mails = relay.held();
        let wanted = mails.iter().rev().filter(|mail| self.is(mail));
        wanted.map(|mail| Summary::of(mail)).collect()
    }
}

async fn list(relay: Data<Relay>, wanted: Query<Wanted>) -> HttpResponse {
    HttpResponse::Ok().json(List {
        data: wanted.among(&relay),
    })
}

async fn show(relay: Data<Relay>, id: Path<u64>) -> Result<HttpResponse, Refusal> {
    let mail = held(&relay, *id)?;
    Ok(HttpResponse::Ok().json(Whole::of(&mail)))
}

async fn raw(relay: Data<Relay>, id: Path<u64>) -> Result<HttpResponse, Refusal> {
    let mail = held(&relay, *id)?;
    // As text, so that a browser shows it and does nothing else with it.
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body(mail.data.clone()))
}

async fn attachment(relay: Data<Relay>, place: Path<(u64, usize)>) -> Result<HttpResponse, Refusal> {
    let (id, index) = *place;
    let mail = held(&relay, id)?;
    let found = Reading::of(&mail.data).attachments.into_iter().nth(index);
    let found = found.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "the mail has no such attachment"))?;
    // Whatever the mail says that it is: it is for the disk, and nothing for the browser to run.
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header(header::ContentDisposition::attachment(file_name(&found.name, index)))
        .body(found.data))
}

/// A name for a file that stays in its folder.
fn file_name(name: &str, index: usize) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|char| !char.is_control()).take(120).collect();
    if name.trim_matches('.').is_empty() {
        return format!("attachment-{index}");
    }
    name
}

async fn clear(relay: Data<Relay>) -> HttpResponse {
    relay.clear();
    HttpResponse::NoContent().finish()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {
    to: Option<String>,
    subject: Option<String>,
    count: Option<usize>,
    timeout_s: Option<u64>,
}

async fn wait(relay: Data<Relay>, waiting: Query<Waiting>) -> Result<HttpResponse, Refusal> {
    let Waiting {
        to,
        subject,
        count,
        timeout_s,
    } = waiting.into_inner();
    let (count, seconds) = (count.unwrap_or(1), timeout_s.unwrap_or(30));
    if seconds > WAIT_MAX_S {
        let detail = format!("timeout_s is at most {WAIT_MAX_S}");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, detail));
    }
    let wanted = Wanted { to, subject };
    let until = Instant::now() + Duration::from_secs(seconds);
    loop {
        // Asked first, so that what comes after it is not missed.
        let version = relay.version();
        let data = wanted.among(&relay);
        if data.len() >= count {
            return Ok(HttpResponse::Ok().json(List { data }));
        }
        let changed = tokio::time::timeout_at(until, relay.changed_since(version)).await;
        if changed.is_err() {
            let detail = format!("waited {seconds} s, and {} of {count} mails came", data.len());
            return Err(Refusal::new(StatusCode::NOT_FOUND, detail));
        }
    }
}

/// Says at once, and whenever it changes, that what is held has changed.
async fn events(relay: Data<Relay>) -> HttpResponse {
    let told = stream::unfold((relay.into_inner(), None::<u64>), |(relay, seen)| async move {
        let version = match seen {
            None => Some(relay.version()),
            Some(seen) => tokio::time::timeout(PING_EVERY, relay.changed_since(seen)).await.ok(),
        };
        let event = match version {
            Some(version) => format!("data: {{\"version\":{version}}}\n\n"),
            None => ": still here\n\n".to_owned(),
        };
        Some((Ok::<_, Infallible>(Bytes::from(event)), (relay, version.or(seen))))
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(told)
}

async fn rules(relay: Data<Relay>) -> HttpResponse {
    HttpResponse::Ok().json(List {
        data: relay.rules().into_iter().map(RuleView::from).collect(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRule {
    rule: String,
}

async fn add_rule(relay: Data<Relay>, new: Json<NewRule>) -> Result<HttpResponse, Refusal> {
    let rule: Rule = new
        .rule
        .parse()
        .map_err(|error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{error}")))?;
    let (text, left) = (rule.to_string(), rule.times);
    let full = || Refusal::new(StatusCode::CONFLICT, "a thousand rules stand; take some away first");
    let id = relay.rule(rule).ok_or_else(full)?;
    Ok(HttpResponse::Created().json(RuleView::from(RuleStanding {
        id,
        rule: text,
        left,
        hits: 0,
    })))
}

async fn heal(relay: Data<Relay>) -> HttpResponse {
    relay.heal();
    HttpResponse::NoContent().finish()
}

async fn take_rule_away(relay: Data<Relay>, id: Path<u64>) -> Result<HttpResponse, Refusal> {
    if relay.take_rule_away(*id) {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(Refusal::new(StatusCode::NOT_FOUND, "no rule of this number stands"))
    }
}
