//! `GET /v1/reports/{id}/file`: the file itself, whole or in part.
//!
//! Guarantees: a file is read on blocking threads, a chunk at a time and only as fast as the client takes it, so that
//! neither its length nor a slow client costs memory; a workspace has few downloads at once, since each holds a connection;
//! its `ETag` is strong, since it is the checksum of its bytes; a download goes on to its end although the file expires or
//! is deleted meanwhile; an operator does not get another workspace's report of mail, which holds addresses in full.
//!
//! Left out: several ranges in one answer, `If-Match` and dates. A request with several ranges gets the whole file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream::{self, Stream};

use super::downloads::Download;
use super::range::{Asked, asked};
use super::view::{gone, ready_file};
use crate::api::State;
use crate::api::auth::Member;
use crate::api::http::{PathParam, Problem, RequestId, Slug};
use crate::api::reading;
use crate::api::then::Then;
use crate::domain::id::ReportId;
use crate::domain::report::{ReportFormat, ReportTable};
use crate::reports::FileName;
use crate::store::reports::{self, ReportRecord};
use crate::telemetry::names::event;

/// Bytes that are read at once: what a download holds in memory beside the connection's own buffer.
const CHUNK_BYTES: u64 = 64 * 1024;

/// When to try again where as many downloads are under way as may be.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Its owner's browser may keep it, and asks each time whether it may still be shown.
const CACHE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Fetches a report's file, whole or a range of it.
///
/// `ETag` is strong; `If-None-Match`, `Range` (one range) and `If-Range` are obeyed.
#[utoipa::path(
    get, path = "/v1/reports/{id}/file", tag = "resources", security(("member" = [])),
    params(
        ("id" = ReportId, Path, description = "Which report."),
        ("Range" = Option<String>, Header, description = "The part that is wanted, such as `bytes=0-1023`."),
        ("If-Range" = Option<String>, Header, description = "The `ETag` of the file that the range is for."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of the file that is there already."),
    ),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/csv; charset=utf-8; header=present"), (String = "application/jsonl"),
        ), headers(
            ("ETag" = String, description = "Names this version of the file: the SHA-256 of its bytes."),
            ("Content-Disposition" = String, description = "A name for the file."),
            ("Accept-Ranges" = String, description = "`bytes`: parts can be asked for."),
        )),
        (status = 206, description = "The part that was asked for.", content(
            (String = "text/csv; charset=utf-8; header=present"), (String = "application/jsonl"),
        ), headers(
            ("ETag" = String, description = "Names this version of the file."),
            ("Content-Range" = String, description = "Which part it is, and of how many bytes."),
            ("Content-Disposition" = String, description = "A name for the file."),
            ("Accept-Ranges" = String, description = "`bytes`: parts can be asked for."),
        )),
        (
            status = 304, description = "It is the file that is there already.",
            headers(("ETag" = String, description = "Names it.")),
        ),
        (status = 403, description = "It names people whom another workspace wrote to."),
        (status = 409, description = "It is not built, or was not; the job says why."),
        (status = 410, description = "It was kept long enough, and is gone."),
        (
            status = 416, description = "The range begins behind the file's end.",
            headers(("Content-Range" = String, description = "How many bytes there are.")),
        ),
        (status = 429, description = "The workspace fetches as many files as it may at once."),
    ),
)]
pub(in crate::api) async fn show_report_file(
    Then(member, PathParam(id)): Then<Member, PathParam<ReportId>>,
    state: web::Data<State>,
    request: HttpRequest,
    request_id: RequestId,
) -> Result<HttpResponse, Problem> {
    let scope = member.job_scope();
    let read = state.store.read(move |connection| reports::one(connection, id, scope));
    let report = read.await?.ok_or_else(Problem::not_found)?;
    // As in the results of jobs: no mail address in full for whoever does not belong to the workspace.
    if report.table == ReportTable::Mail && report.workspace != member.account.workspace {
        return Err(Problem::forbidden(
            "only the workspace itself may read whom it wrote to",
        ));
    }
    let (name, known) = ready_file(&report, state.clock.now())?;
    reading::note(&member, &request_id, &report, &state).await?;
    let (etag, len) = (format!("\"{}\"", known.sha256), known.bytes);
    if names(&request, header::IF_NONE_MATCH, &etag) {
        let mut unchanged = HttpResponse::NotModified();
        return Ok(unchanged
            .insert_header((header::ETAG, etag))
            .insert_header((header::CACHE_CONTROL, CACHE))
            .finish());
    }
    let (status, first, last) = match part_of(&request, &etag, len) {
        Asked::Whole => (StatusCode::OK, 0, len),
        Asked::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last + 1),
        Asked::Nothing => return Err(not_a_part(len)),
    };
    let mut answer = HttpResponse::build(status);
    if status == StatusCode::PARTIAL_CONTENT {
        answer.insert_header((header::CONTENT_RANGE, format!("bytes {first}-{}/{len}", last - 1)));
    }
    answer
        .insert_header((header::CONTENT_TYPE, content_type(report.format)))
        .insert_header((header::CONTENT_DISPOSITION, disposition(&report)))
        .insert_header((header::ETAG, etag))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CACHE_CONTROL, CACHE));
    let size = last - first;
    if request.method() == Method::HEAD {
        // The length of what `GET` would answer, without reading it.
        return Ok(answer.body(SizedStream::new(size, stream::empty::<io::Result<Bytes>>())));
    }
    let place = state.downloads.begin(member.account.workspace).ok_or_else(too_many)?;
    let file = open(&state, name, first).await?;
    Ok(answer.body(SizedStream::new(size, chunks(file, size, place))))
}

/// The part that the request asks for, unless it is for another file than this one. `Range` is for `GET` alone.
fn part_of(request: &HttpRequest, etag: &str, len: u64) -> Asked {
    let headers = request.headers();
    let is_for_this = match headers.get(header::IF_RANGE) {
        // Compared strongly: a weak tag or a date proves nothing about single bytes.
        Some(tag) => tag.as_bytes() == etag.as_bytes(),
        None => true,
    };
    match headers.get(header::RANGE).and_then(|value| value.to_str().ok()) {
        Some(value) if is_for_this && request.method() == Method::GET => asked(value, len),
        _ => Asked::Whole,
    }
}

/// Whether one of the tags in a header is `etag`, weak or not, or all are meant.
fn names(request: &HttpRequest, header: HeaderName, etag: &str) -> bool {
    let values = request
        .headers()
        .get_all(header)
        .filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn too_many() -> Problem {
    Problem::too_many_requests(
        "this workspace is fetching as many reports as it may at once",
        RETRY_AFTER,
    )
}

fn not_a_part(len: u64) -> Problem {
    let problem = Problem::new(
        Slug::RangeNotSatisfiable,
        format!("the file has {len} bytes, and the range begins behind them"),
    );
    match HeaderValue::from_str(&format!("bytes */{len}")) {
        Ok(value) => problem.with_header(header::CONTENT_RANGE, value),
        // Not reached: digits may stand in a header.
        Err(_) => problem,
    }
}

fn content_type(format: ReportFormat) -> &'static str {
    match format {
        ReportFormat::Csv => "text/csv; charset=utf-8; header=present",
        ReportFormat::Jsonl => "application/jsonl",
    }
}

/// A name for the file at the client's: letters, digits and underscores, which need no escaping.
fn disposition(report: &ReportRecord) -> String {
    let (table, id, format) = (report.table, report.id, report.format);
    format!("attachment; filename=\"{table}-{id}.{format}\"")
}

async fn open(state: &State, name: FileName, first: u64) -> Result<File, Problem> {
    let folder = state.reports.clone();
    let opened = web::block(move || {
        let mut file = folder.read(name)?;
        file.seek(SeekFrom::Start(first))?;
        Ok::<_, io::Error>(file)
    });
    match opened.await.map_err(Problem::internal)? {
        Ok(file) => Ok(file),
        // It expired, or was deleted or built anew, since its row was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(gone()),
        Err(error) => Err(Problem::internal(error)),
    }
}

/// The next `left` bytes of a file; the `place` is held until they are read, or nobody wants them any more. An error, or a file
/// that is shorter than it was, breaks the connection off: the client sees that the answer is not whole.
fn chunks(file: File, left: u64, place: Download) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some((file, left, place)), |standing| async {
        let (file, left, place) = standing.filter(|(_, left, _)| *left > 0)?;
        let read = web::block(move || next_chunk(file, left.min(CHUNK_BYTES)));
        match read.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok((file, bytes)) => {
                let left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(left));
                Some((Ok(bytes), Some((file, left, place))))
            }
            Err(error) => {
                tracing::warn!(event = event::REPORT_CUT, %error, "a report's file could not be read to its end");
                Some((Err(error), None))
            }
        }
    })
}

fn next_chunk(mut file: File, bytes: u64) -> io::Result<(File, Bytes)> {
    let mut chunk = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
    (&mut file).take(bytes).read_to_end(&mut chunk)?;
    if chunk.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((file, Bytes::from(chunk)))
}
