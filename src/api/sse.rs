//! Server-sent events on the wire.

use std::convert::Infallible;
use std::fmt::Display;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Bytes;
use futures_util::Stream;
use serde::Serialize;

/// The longest silence of a stream: well below the minute after which proxies close a connection.
pub(super) const PING_EVERY: Duration = Duration::from_secs(15);

/// One event. JSON has no line breaks outside of its texts and escapes those inside, so it is one line.
pub(super) fn frame(name: &str, id: Option<impl Display>, data: &impl Serialize) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    // Texts, numbers and times always serialize.
    let data = serde_json::to_string(data).unwrap_or_default();
    Bytes::from(format!("{id}event: {name}\ndata: {data}\n\n"))
}

/// An answer that is a stream of events.
pub(super) fn streaming(events: impl Stream<Item = Result<Bytes, Infallible>> + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/event-stream")
        // Proxies that gather an answer before they pass it on would hold the events back.
        .insert_header(("x-accel-buffering", "no"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(events)
}
