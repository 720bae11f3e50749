//! What the service manager says in the environment and is no setting of ours.

use std::ffi::OsString;

/// The socket on which a service manager such as systemd waits to hear that this process is ready: a path, or `@` and the
/// name of an abstract one; none if nobody waits.
#[must_use]
pub fn notify_socket() -> Option<OsString> {
    std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())
}
