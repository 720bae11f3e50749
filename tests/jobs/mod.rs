//! Kinds of work performed by a worker that is started alone, and mail over simulated days, against the world outside.

mod mailing;
mod outage;
mod recipients;
mod reporting;
mod simulation;
mod suppressed;
