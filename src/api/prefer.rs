//! `Prefer` (RFC 7240): what a client would like, and is not owed.
//!
//! Guarantees: what is not understood is ignored, as the standard asks; of a preference that is given twice the first counts;
//! what is honoured is said in `Preference-Applied`, as it is honoured.
//!
//! Understood are `wait=N`, of seconds, cut to [`WAIT_MAX`], and `cancel-when-gone`, which is of this service and counts only
//! beside `wait`.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpRequest};

/// The header that says which preferences are honoured.
pub(super) const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The longest wait.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(60);

/// What a client prefers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Preferences {
    /// To wait so long for the job's end, at most [`WAIT_MAX`].
    pub(super) wait: Option<Duration>,
    /// To have the job cancelled if the client goes away while it waits.
    pub(super) cancels_when_gone: bool,
}

impl Preferences {
    fn of(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        let mut has_wait = false;
        for header in headers.get_all("prefer").filter_map(|value| value.to_str().ok()) {
            for preference in header.split(',') {
                // Parameters of a preference, behind a semicolon, are of none that is understood.
                let preference = preference.split(';').next().unwrap_or_default();
                let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
                match name.trim().to_ascii_lowercase().as_str() {
                    "wait" if !has_wait => {
                        has_wait = true;
                        found.wait = seconds(value.trim());
                    }
                    "cancel-when-gone" => found.cancels_when_gone = true,
                    _ => {}
                }
            }
        }
        found
    }

    /// The same, without a cancel where that is not allowed.
    #[must_use]
    pub(super) fn cancelling_only_if(self, is_allowed: bool) -> Self {
        Self {
            cancels_when_gone: self.cancels_when_gone && is_allowed,
            ..self
        }
    }

    /// What `Preference-Applied` says where they are honoured; nothing where no wait is asked for.
    pub(super) fn applied(&self) -> Option<String> {
        let wait = self.wait?.as_secs();
        let cancels = if self.cancels_when_gone {
            ", cancel-when-gone"
        } else {
            ""
        };
        Some(format!("wait={wait}{cancels}"))
    }
}

/// Whole seconds of 1 or more, plain or quoted; more than the longest wait is the longest.
fn seconds(text: &str) -> Option<Duration> {
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Only a number too large to be held does not parse.
    let seconds = is_number.then(|| text.parse().unwrap_or(u64::MAX))?;
    (seconds > 0).then(|| Duration::from_secs(seconds).min(WAIT_MAX))
}

impl FromRequest for Preferences {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request.headers())))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn of(headers: &[&str]) -> Preferences {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(
                HeaderName::from_static("prefer"),
                HeaderValue::from_str(header).unwrap(),
            );
        }
        Preferences::of(&map)
    }

    #[test]
    fn a_wait_is_read_as_the_standard_writes_it_and_cut_to_a_minute() {
        for (headers, wait) in [
            (&["wait=5"][..], Some(5)),
            (&["WAIT = 5"], Some(5)),
            (&["respond-async, wait=\"7\"; x=1"], Some(7)),
            (&["return=minimal", "wait=60"], Some(60)),
            (&["wait=61"], Some(60)),
            (&["wait=99999999999999999999999"], Some(60)),
            (&["wait=1, wait=2"], Some(1)),
            (&["wait=x, wait=2"], None),
            (&["wait=0"], None),
            (&["wait=-1"], None),
            (&["wait=1.5"], None),
            (&["wait"], None),
            (&["await=1"], None),
            (&[""], None),
            (&[], None),
        ] {
            assert_eq!(of(headers).wait, wait.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn what_is_applied_is_said_as_it_is_and_nothing_without_a_wait() {
        assert_eq!(
            of(&["wait=99, Cancel-When-Gone"]).applied().unwrap(),
            "wait=60, cancel-when-gone"
        );
        assert_eq!(of(&["wait=9"]).applied().unwrap(), "wait=9");
        assert_eq!(of(&["cancel-when-gone"]).applied(), None);
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_no_error(text in "[ -~]{0,60}|(wait|cancel-when-gone|x)( ?= ?\"?[-0-9.x]{0,22}\"?)?([,;] ?(wait|cancel-when-gone)(=[0-9]{0,3})?){0,3}") {
            let found = of(&[&text]);
            // What is applied says the same once more.
            if let Some(applied) = found.applied() {
                prop_assert_eq!(of(&[&applied]), found);
            }
            prop_assert!(found.wait.is_none_or(|wait| wait > Duration::ZERO && wait <= WAIT_MAX));
        }
    }
}
