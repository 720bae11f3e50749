//! Spreading what is due at one moment.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::domain::id::ScheduleId;

/// How long after its tick the job of a schedule may run: up to `most`, in whole milliseconds. It looks random, and is the same
/// on every node, each time that it is asked.
#[must_use]
pub fn jitter(schedule: ScheduleId, tick: Timestamp, most: Duration) -> Duration {
    let Ok(most) = u64::try_from(most.as_millis()) else {
        return Duration::ZERO;
    };
    let mut digest = Sha256::new();
    digest.update(schedule.as_uuid().as_bytes());
    digest.update(tick.as_micros().to_be_bytes());
    let digest: [u8; 32] = digest.finalize().into();
    let mut number = [0; 8];
    number.iter_mut().zip(digest).for_each(|(byte, random)| *byte = random);
    Duration::from_millis(u64::from_be_bytes(number) % most.saturating_add(1))
}
