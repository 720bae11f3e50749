//! Why jobs were given up, read a page at a time.
//!
//! Guarantees: what a page costs is bounded by its rows, which an index has in their order; jobs that completed are not looked
//! at.

use crate::store::dialect::prelude::*;

use super::bulk::{given_up_words, latest_errors};
use super::read::JobScope;
use crate::clock::Timestamp;
use crate::domain::fault::fault_of;
use crate::domain::id::JobId;
use crate::domain::job::{JobState, Queue};
use crate::store::dialect::Optional;
use crate::store::schema::jobs;
use crate::store::text::{number, parsed, time};
use crate::store::{Connection, StoreError};

/// Which jobs are looked at.
#[derive(Clone, Debug)]
pub struct GivenUpFilter {
    /// Whose.
    pub scope: JobScope,
    /// In this state: discarded, cancelled or uncertain; none is in another.
    pub state: JobState,
    /// Of this queue.
    pub queue: Option<Queue>,
    /// Of this kind.
    pub kind: Option<String>,
    /// That ended at this or later.
    pub since: Option<Timestamp>,
}

/// A job that was given up, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The job.
    pub id: JobId,
    /// What sort of work.
    pub kind: String,
    /// Its lane.
    pub queue: String,
    /// Its cause, where its state alone does not say it.
    pub cause: Option<String>,
    /// The fault that its latest attempt told of; empty if it told of none.
    pub fault: String,
    /// When it ended.
    pub finished_at: Timestamp,
}

/// A page of them.
#[derive(Clone, Debug)]
pub struct GivenUpPage {
    /// Those that are as they should be, the newest first.
    pub jobs: Vec<GivenUp>,
    /// How many rows were looked at.
    pub looked_at: usize,
    /// Where the next page begins; none if there is none.
    pub next: Option<JobId>,
}

type Row = (String, String, String, Option<String>, Option<i64>);

/// Looks at the first `limit` jobs of the state before `before`, the newest first.
///
/// # Errors
/// When a statement fails.
pub fn given_up(
    connection: &mut Connection,
    filter: &GivenUpFilter,
    before: Option<JobId>,
    limit: usize,
) -> Result<GivenUpPage, StoreError> {
    let rows: Vec<Row> = jobs::table
        .filter(given_up_words(filter.scope != JobScope::All))
        .filter(jobs::state.eq(filter.state.as_str()))
        .filter(filter.scope.of_jobs())
        .filter(Optional::new("jobs.id <", before))
        .order(jobs::id.desc())
        .limit(number(limit))
        .select((jobs::id, jobs::kind, jobs::queue, jobs::cause, jobs::finished_at))
        .load(connection)?;
    let looked_at = rows.len();
    let next = rows.last().filter(|_| looked_at >= limit).map(|(id, ..)| id.clone());
    let queue = filter.queue.map(Queue::as_str);
    let is_wanted = |(_, kind, lane, _, ended): &Row| {
        filter.kind.as_ref().is_none_or(|wanted| wanted == kind)
            && queue.is_none_or(|wanted| wanted == lane)
            && filter
                .since
                .is_none_or(|since| ended.is_some_and(|ended| ended >= since.as_micros()))
    };
    let rows: Vec<Row> = rows.into_iter().filter(is_wanted).collect();
    let ids: Vec<String> = rows.iter().map(|(id, ..)| id.clone()).collect();
    let errors = latest_errors(connection, &ids)?;
    let jobs = rows.into_iter().map(|(id, kind, queue, cause, ended)| {
        Ok(GivenUp {
            fault: errors.get(&id).map_or_else(String::new, |error| fault_of(error)),
            id: parsed(&id, "jobs", "id")?,
            kind,
            queue,
            cause,
            finished_at: time(ended.unwrap_or_default()),
        })
    });
    Ok(GivenUpPage {
        jobs: jobs.collect::<Result<_, StoreError>>()?,
        looked_at,
        next: next.map(|id| parsed(&id, "jobs", "id")).transpose()?,
    })
}
