//! Writing when logins were last used.
//!
//! Guarantees: what could not be written is written the next time.

use super::KeeperParts;
use crate::store::StoreError;
use crate::telemetry;
use crate::telemetry::names::event;

/// Writes what is due.
pub(super) async fn write_uses(parts: &KeeperParts) {
    match parts.session_uses.write(&parts.store, parts.clock.now()).await {
        Ok(_) | Err(StoreError::Closed) => {}
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::warn!(
                event = event::SESSION_USES_UNWRITTEN,
                error,
                "it could not be written when logins were last used; the next minute tries again"
            );
        }
    }
}
