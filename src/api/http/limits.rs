//! What a request may cost, as application data that extractors and middleware share.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::Data;

/// What a request may cost. Register it with `App::app_data(web::Data::new(…))`; without it the defaults hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest body, in bytes.
    pub max_body_bytes: usize,
    /// The longest from the head of a request to the head of its answer.
    pub request_timeout: Duration,
}

impl Default for Limits {
    /// 1 MiB and 30 seconds, the defaults of the settings.
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            request_timeout: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// The limits that hold for `request`.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        request
            .app_data::<Data<Self>>()
            .map(|limits| *limits.get_ref())
            .unwrap_or_default()
    }
}
