//! Moments that lie any duration whatever ahead.

use std::time::Duration;

use tokio::time::Instant;

/// What counts as for ever: thirty years, as for tokio's timers.
const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 86_400);

/// The moment `wait` after `now`. Specs may name any duration, `Duration::MAX` for one; a sum that no clock can hold would
/// be a panic, and that of a supervisor.
pub(super) fn after(now: Instant, wait: Duration) -> Instant {
    now + wait.min(FOR_EVER)
}
