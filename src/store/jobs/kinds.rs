//! Which kinds of jobs could be claimed now, whoever knows them.
//!
//! What a look costs grows with the number of kinds, not of jobs: it goes from one to the next in the index that claims use.

use crate::store::dialect::prelude::*;

use crate::store::dialect::{BehindKind, Literally};
use crate::store::schema::jobs;
use crate::store::{Connection, StoreError};

/// Jobs of one kind and version that could be claimed now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaitingKind {
    /// Their lane; possibly one that this version does not know.
    pub queue: String,
    /// What sort of work; possibly one that this version does not know.
    pub kind: String,
    /// The version of their arguments; possibly one that this version does not know.
    pub version: i64,
}

/// Up to `max` of the kinds and versions of which jobs could be claimed now, by queue.
///
/// # Errors
/// When a statement fails.
pub fn waiting_kinds(connection: &mut Connection, max: usize) -> Result<Vec<WaitingKind>, StoreError> {
    // Before all others.
    let mut place = BehindKind {
        queue: String::new(),
        kind: String::new(),
        version: 0,
    };
    let mut found = Vec::new();
    while found.len() < max {
        let next: Option<(String, String, i64)> = jobs::table
            .filter(Literally("jobs.state = 'available'"))
            .filter(place)
            .order((jobs::queue.asc(), jobs::kind.asc(), jobs::args_version.asc()))
            .select((jobs::queue, jobs::kind, jobs::args_version))
            .first(connection)
            .optional()?;
        let Some((queue, kind, version)) = next else { break };
        found.push(WaitingKind {
            queue: queue.clone(),
            kind: kind.clone(),
            version,
        });
        place = BehindKind { queue, kind, version };
    }
    Ok(found)
}
