//! What an order for many jobs would come to.

use serde::Serialize;
use utoipa::ToSchema;

use super::order::BulkOrder;
use crate::api::State;
use crate::api::http::Problem;
use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::store::jobs;

/// Jobs that are counted: beyond it only the order of magnitude is of interest.
const COUNTED_MAX: u64 = 100_000;
/// Rows that are looked at for that: some seconds of a reader's time, a few hundredths of a second at once.
const LOOKED_AT_MAX: usize = 2_000_000;
/// Jobs that one look finds at most.
const PAGE: usize = 5_000;
/// Jobs that are named.
const SAMPLES: usize = 10;

/// The jobs that an order means.
#[derive(Serialize, ToSchema)]
#[schema(as = JobsPreview)]
pub(in crate::api) struct BulkPreview {
    /// How many there are, at most a hundred thousand.
    pub(super) count: u64,
    /// Whether there may be more.
    pub(super) is_capped: bool,
    /// Some of them, those that the order comes to first.
    samples: Vec<JobId>,
}

/// The jobs that an order means now.
///
/// # Errors
/// When the database cannot be read.
pub(in crate::api) async fn preview(order: &BulkOrder, state: &State) -> Result<BulkPreview, Problem> {
    counted(order, state.clock.now(), state).await
}

/// Counts those that it means at `now`, a short look at a time.
pub(super) async fn counted(order: &BulkOrder, now: Timestamp, state: &State) -> Result<BulkPreview, Problem> {
    let mut found = BulkPreview {
        count: 0,
        is_capped: false,
        samples: Vec::new(),
    };
    let meant = order.meant(now);
    let (mut behind, mut looked_at) = (None, 0);
    loop {
        let asked = meant.clone();
        let read = state
            .store
            .read(move |connection| jobs::meant_page(connection, &asked, behind, PAGE));
        let page = read.await?;
        looked_at += page.looked_at;
        let room = SAMPLES - found.samples.len();
        found.samples.extend(page.jobs.iter().take(room).map(|job| job.id));
        found.count += u64::try_from(page.jobs.len()).unwrap_or(u64::MAX);
        behind = page.next;
        if behind.is_none() {
            break;
        }
        if found.count >= COUNTED_MAX || looked_at >= LOOKED_AT_MAX {
            found.is_capped = true;
            break;
        }
    }
    found.count = found.count.min(COUNTED_MAX);
    Ok(found)
}
