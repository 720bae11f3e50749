//! What operators may order of the supervision tree, and the Unix socket over which the command line does that, and asks about
//! jobs ([`JobDesk`]).
//!
//! The API and the socket give orders by the same [`Controls`], so that both refuse alike and both leave the same line in the
//! log. The socket (`control.sock` in the data folder) speaks the protocol of [`Request`] and [`Answer`]: one JSON object
//! a line, in both directions.
//!
//! # Guarantees
//!
//! - **Nobody else may come in.** The socket's file has mode 0600 from the first moment at which it has its name, and whoever
//!   connects must be the user of the service or root, by what the kernel says.
//! - **Bounded.** At most [`CONNECTIONS_MAX`] connections, lines of at most [`LINE_BYTES_MAX`] bytes, a request within
//!   [`REQUEST_MAX`] and an answer taken within [`ANSWER_MAX`]. What is over a bound is told so and closed.
//! - **It is not needed.** A service that cannot make its socket says so in the log and serves.
//! - **It comes down in order.** It ends as a child of the tree; whoever follows events gets a last line; the file is removed.
//!   What a killed process leaves is replaced by the next one.
//!
//! Left out: everything but the supervision tree and jobs, which the API has; other machines, for which the API is there.

mod connection;
mod controls;
mod desk;
mod protocol;
mod server;
mod socket;
#[cfg(test)]
mod tests;

pub use connection::{ANSWER_MAX, REQUEST_MAX};
pub use controls::{Act, By, Controls};
pub use desk::{DeskRefusal, JobAsk, JobDesk};
pub use protocol::{Answer, ErrorKind, LINE_BYTES_MAX, Request, Unfit, VERSION};
pub use server::CONNECTIONS_MAX;
pub use socket::{Connections, ControlSocket, SocketError, socket_path};
