//! What rows become: cells, CSV and JSON lines, and the files that they are written into.
//!
//! Guarantees:
//! - **Memory is bounded** whatever the number of rows: a page at a time reaches a file, and at most two wait for it
//!   ([`Build`]).
//! - **A file under its final name is whole**: it is written under another name, synced, then renamed, then its folder is
//!   synced; its length and its SHA-256 are those of the bytes that were written ([`ReportFolder`]).
//! - **Two attempts never write one file**: a name holds the attempt's fence ([`FileName`]).
//! - **What others wrote cannot become a formula** in a spreadsheet, unless the report was ordered without that guard
//!   ([`Cell::Text`]).
//!
//! Left out: where rows come from (`store`), when a report is built (`jobs`), and how a file is fetched (`api`).

mod build;
mod cell;
mod draft;
mod folder;
mod render;
mod times;

pub use build::{Build, BuildError, BuildPlan, Built, Page, Stopped};
pub use cell::Cell;
pub use draft::Draft;
pub use folder::{FileName, Found, ReportFolder};
pub use render::Renderer;

#[cfg(test)]
mod tests;
