//! What a request may cost, as application data that extractors and middleware share.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpMessage as _, HttpRequest};
use tokio::sync::Semaphore;

use super::endpoint::TakesMails;

/// What a request may cost. Register it with `App::app_data(web::Data::new(…))`; without it the defaults hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest body, in bytes.
    pub max_body_bytes: usize,
    /// The largest body where it may be a mail with its files, in bytes.
    pub mail_body_bytes: usize,
    /// The longest from the head of a request to the head of its answer.
    pub request_timeout: Duration,
}

impl Default for Limits {
    /// 1 MiB and 30 seconds, the defaults of the settings, wherever.
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            mail_body_bytes: 1024 * 1024,
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

    /// The largest body that `request` may have.
    #[must_use]
    pub fn body_bytes(&self, request: &HttpRequest) -> usize {
        if request.app_data::<TakesMails>().is_some() {
            self.mail_body_bytes.max(self.max_body_bytes)
        } else {
            self.max_body_bytes
        }
    }
}

/// Room for bodies that are larger than bodies commonly may be, so that many of them at once do not use the memory up: they
/// wait for each other. Register it as [`Limits`]; without it there is no bound. Clones share it.
#[derive(Clone, Debug)]
pub struct LargeBodies {
    room: Arc<Semaphore>,
    max_kib: u32,
}

impl LargeBodies {
    /// Room for so many KiB of them.
    #[must_use]
    pub fn new(max_kib: u32) -> Self {
        let permits = usize::try_from(max_kib).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            room: Arc::new(Semaphore::new(permits)),
            max_kib,
        }
    }

    /// Waits until there is room for a body of so many bytes, and keeps it until the request has been answered.
    pub(super) async fn enter(request: &HttpRequest, bytes: usize) {
        let Some(bodies) = request.app_data::<Data<Self>>() else {
            return;
        };
        let kib = u32::try_from(bytes.div_ceil(1024))
            .unwrap_or(u32::MAX)
            .min(bodies.max_kib);
        // It is never closed.
        if let Ok(permit) = Arc::clone(&bodies.room).acquire_many_owned(kib).await {
            request.extensions_mut().insert(permit);
        }
    }
}
