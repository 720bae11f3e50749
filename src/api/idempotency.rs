//! `Idempotency-Key`: a request that is repeated with its key has one effect, and the answer of the first time.
//!
//! Guarantees: where no route keeps keys the header is refused, since whoever sends it will repeat the request and count on
//! one effect; where one does, a key that is none is refused before anything is done. A request is told from another by the
//! SHA-256 of its method, its path and its body. Of those with one key in this process, one is at work at a time.
//!
//! What is kept, and that it is committed with the job, is `store::idempotency`'s.

use std::hash::{BuildHasher, RandomState};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpRequest};
use tokio::sync::{Mutex, MutexGuard};

use super::State;
use super::http::json::RequestDigest;
use super::http::{Problem, Routed};
use crate::domain::id::WorkspaceId;
use crate::store::idempotency::{KeptAnswer, find};

/// The header of the key.
const HEADER: &str = "idempotency-key";

/// The longest key, in bytes: what a client needs for a random number is a tenth of it.
const BYTES_MAX: usize = 255;

/// The routes that keep keys: those that answer 202 with a job, or with many. A test compares them with the description of the API.
pub(super) const KEEPING: &[&str] = &[
    "/v1/emails",
    "/v1/emails/batch",
    "/v1/jobs/bulk",
    "/v1/probes",
    "/v1/reports",
];

/// The key of a request, or why it is none; kept with the request until who asks is known.
#[derive(Clone)]
struct Given(Result<String, Problem>);

/// A key and what tells its request from others.
#[derive(Clone, Debug)]
pub(super) struct Keyed {
    pub(super) key: String,
    /// SHA-256 in hexadecimal digits.
    pub(super) fingerprint: String,
}

/// The middleware around all routes.
///
/// # Errors
/// 400 for a request with the header where no key is kept, and what an inner service could not answer.
pub(super) async fn heed(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if request.headers().contains_key(HEADER) {
        if request.method() != Method::POST || !KEEPING.contains(&request.path()) {
            // What nobody answers is 404 or 405, with a key as without one.
            let routed = request.app_data::<Data<Routed>>();
            if !routed.is_some_and(|routed| routed.has(&request)) {
                return next.call(request).await;
            }
            let detail = "Idempotency-Key is not kept here; send the request without it";
            return Err(Problem::bad_request(detail).into());
        }
        let given = Given(key_of(request.headers()));
        let mut extensions = request.extensions_mut();
        extensions.insert(given);
        extensions.insert(RequestDigest::default());
    }
    next.call(request).await
}

/// The key of a request whose body was read; none if it has no such header.
///
/// # Errors
/// 400 if it is no key.
pub(super) fn keyed(request: &HttpRequest) -> Result<Option<Keyed>, Problem> {
    let extensions = request.extensions();
    let Some(Given(given)) = extensions.get() else {
        return Ok(None);
    };
    let key = given.clone()?;
    let fingerprint = extensions.get::<RequestDigest>().and_then(RequestDigest::to_hex);
    // Not reached: every route that keeps keys reads a body.
    let fingerprint = fingerprint.ok_or_else(|| Problem::bad_request("Idempotency-Key needs a body"))?;
    Ok(Some(Keyed { key, fingerprint }))
}

/// The turn of a key, which it has for as long as the guard lives, and the answer that is kept under it; neither without a key.
///
/// # Errors
/// 503 or 500 when the database cannot be read.
pub(super) async fn begun<'a>(
    keyed: Option<&Keyed>,
    workspace: WorkspaceId,
    state: &'a State,
) -> Result<(Option<MutexGuard<'a, ()>>, Option<KeptAnswer>), Problem> {
    let Some(Keyed { key, .. }) = keyed else {
        return Ok((None, None));
    };
    let turn = state.key_turns.take(workspace, key).await;
    let (now, key) = (state.clock.now(), key.clone());
    let read = state
        .store
        .read(move |connection| find(connection, workspace, &key, now));
    Ok((turn, read.await?))
}

fn key_of(headers: &HeaderMap) -> Result<String, Problem> {
    let refused = || {
        Problem::bad_request(format!(
            "Idempotency-Key must be given once, as 1 to {BYTES_MAX} printable ASCII characters, quoted or not"
        ))
    };
    let mut given = headers.get_all(HEADER);
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(refused());
    };
    let text = value.to_str().or(Err(refused()))?.trim();
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted).ok_or_else(refused)?,
        None => text.to_owned(),
    };
    let is_printable = key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if is_printable && (1..=BYTES_MAX).contains(&key.len()) {
        Ok(key)
    } else {
        Err(refused())
    }
}

/// A string as structured fields write it (RFC 8941, 3.3.3), behind its first quote.
fn unquoted(text: &str) -> Option<String> {
    let mut key = String::new();
    let mut all = text.chars();
    loop {
        match all.next()? {
            '"' => return all.next().is_none().then_some(key),
            '\\' => key.push(all.next().filter(|next| matches!(next, '"' | '\\'))?),
            other => key.push(other),
        }
    }
}

/// Turns of those with one key, so that whoever repeats a request while it is at work waits for its answer.
#[derive(Debug)]
pub struct KeyTurns {
    /// Keys share them, so that their number bounds what is kept; who meets a stranger there waits for one commit.
    turns: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl KeyTurns {
    /// Several times as many as requests that are at work at once.
    const TURNS: usize = 1_024;

    /// The turn of this key.
    pub(super) async fn take(&self, workspace: WorkspaceId, key: &str) -> Option<MutexGuard<'_, ()>> {
        let hash = usize::try_from(self.hasher.hash_one((workspace, key)) >> 32).unwrap_or(0);
        Some(self.turns.get(hash % Self::TURNS)?.lock().await)
    }
}

impl Default for KeyTurns {
    fn default() -> Self {
        Self {
            turns: (0..Self::TURNS).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[&str]) -> Option<String> {
        let mut map = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            map.append(HeaderName::from_static(HEADER), value);
        }
        key_of(&map).ok()
    }

    #[test]
    fn a_key_is_plain_or_quoted_printable_ascii_of_bounded_length() {
        let (longest, longer) = ("k".repeat(255), "k".repeat(256));
        for (values, key) in [
            (&["k1"][..], Some("k1")),
            (&["\"k1\""], Some("k1")),
            (&["\"a\\\"b\\\\\""], Some("a\"b\\")),
            (&["a b"], Some("a b")),
            (&[&longest], Some(longest.as_str())),
            (&[&longer], None),
            (&[""], None),
            (&["\"\""], None),
            (&["\"k"], None),
            (&["\"k\" x"], None),
            (&["\"k\\x\""], None),
            (&["k\u{e9}"], None),
            (&["k", "k"], None),
        ] {
            assert_eq!(of(values).as_deref(), key, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_fault_and_a_key_is_printable_and_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..300), quoted in "\"[ -~]{0,300}\"?") {
            for bytes in [bytes, quoted.into_bytes()] {
                // Most bytes are no header at all.
                let Ok(value) = HeaderValue::from_bytes(&bytes) else { continue };
                let mut map = HeaderMap::new();
                map.append(HeaderName::from_static(HEADER), value);
                if let Ok(key) = key_of(&map) {
                    prop_assert!((1..=BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
                    // Written as a string it is the same key.
                    let written = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
                    prop_assert_eq!(of(&[&written]), Some(key));
                }
            }
        }

        #[test]
        fn a_quoted_key_is_the_same_as_the_plain_one(key in "[!#-~]{1,100}") {
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\"));
            prop_assert_eq!(of(&[&key]), of(&[&quoted]));
        }
    }
}
