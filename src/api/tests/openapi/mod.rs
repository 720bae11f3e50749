//! The description of the API against the API: nothing is missing, and what it says is so.

mod asking;
mod cast;
mod conformance;
mod document;
mod examples;
mod limits;
mod matrix;
mod spec;

pub(super) use asking::Asking;
pub(super) use conformance::conforms;

/// The paths that answer 202 with a new job, as the document says.
pub(super) fn work_routes() -> Vec<String> {
    let is_work = |one: &spec::Operation| one.told.pointer("/responses/202/headers/Idempotent-Replayed").is_some();
    let all = spec::Operation::all().into_iter().filter(is_work);
    all.map(|one| one.path).collect()
}
