//! One shared transaction: members of one sort become one statement.
//!
//! Members do not depend on each other (each caller waits for its answer before it sends what follows from it), so they may
//! run in another order than they came. Enqueues, finishes and closures run before claims, so that a claim sees them.

use crate::store::dialect::prelude::*;
use diesel::result::Error as DieselError;

use super::member::Member;
use crate::store::Connection;
use crate::store::credentials::{Noticed, noticed};
use crate::store::events::Effects;
use crate::store::jobs::{self, AttemptFinish, AttemptProgress, NewJob};

/// What a transaction brought about.
pub(super) struct Done {
    pub(super) effects: Effects,
    /// What it changed of who may come in; none if nothing in it could.
    pub(super) noticed: Option<Noticed>,
}

/// Runs all members in one transaction, writes the events of it and commits it. Answers what it brought about; changes to who may
/// come in are those after the number `seen` of their log.
///
/// An error means that nothing of it happened.
pub(super) fn run(connection: &mut Connection, members: &mut [Member], seen: Option<i64>) -> QueryResult<Done> {
    connection.write_transaction(|connection| {
        let mut effects = Effects::default();
        run_closures(connection, members, &mut effects)?;
        // Nothing but closures writes accounts, logins and keys.
        let has_closures = members.iter().any(|member| matches!(member, Member::Closure(_)));
        let noticed = has_closures.then(|| noticed(connection, seen)).transpose()?;
        run_enqueues(connection, members, &mut effects)?;
        run_finishes(connection, members, &mut effects)?;
        run_progress(connection, members, &mut effects)?;
        run_claims(connection, members, &mut effects)?;
        effects.write(connection)?;
        Ok(Done { effects, noticed })
    })
}

fn run_closures(connection: &mut Connection, members: &mut [Member], effects: &mut Effects) -> QueryResult<()> {
    for member in members {
        if let Member::Closure(closure) = member {
            closure.run(connection, effects)?;
        }
    }
    Ok(())
}

fn run_enqueues(connection: &mut Connection, members: &mut [Member], effects: &mut Effects) -> QueryResult<()> {
    let mut all: Vec<&NewJob> = Vec::new();
    for member in members {
        if let Member::Enqueue(pending) = member {
            pending.outcome = Some(());
            all.extend(pending.input.iter());
        }
    }
    if all.is_empty() {
        Ok(())
    } else {
        jobs::insert(connection, &all, effects)
    }
}

fn run_finishes(connection: &mut Connection, members: &mut [Member], effects: &mut Effects) -> QueryResult<()> {
    let mut inputs: Vec<&AttemptFinish> = Vec::new();
    let mut outcomes = Vec::new();
    for member in members {
        if let Member::Finish(pending) = member {
            inputs.push(&pending.input);
            outcomes.push(&mut pending.outcome);
        }
    }
    if inputs.is_empty() {
        return Ok(());
    }
    let finished = jobs::finish(connection, &inputs, effects).map_err(as_statement)?;
    for (outcome, finished) in outcomes.into_iter().zip(finished) {
        *outcome = Some(finished);
    }
    Ok(())
}

fn run_progress(connection: &mut Connection, members: &mut [Member], effects: &mut Effects) -> QueryResult<()> {
    let mut inputs: Vec<&AttemptProgress> = Vec::new();
    let mut outcomes = Vec::new();
    for member in members {
        if let Member::Progress(pending) = member {
            inputs.push(&pending.input);
            outcomes.push(&mut pending.outcome);
        }
    }
    if inputs.is_empty() {
        return Ok(());
    }
    let held = jobs::progress(connection, &inputs, effects)?;
    for (outcome, held) in outcomes.into_iter().zip(held) {
        *outcome = Some(held);
    }
    Ok(())
}

fn run_claims(connection: &mut Connection, members: &mut [Member], effects: &mut Effects) -> QueryResult<()> {
    for member in members {
        if let Member::Claim(pending) = member {
            let claimed = jobs::claim(connection, &pending.input, effects).map_err(as_statement)?;
            pending.outcome = Some(claimed);
        }
    }
    Ok(())
}

/// A corrupt row found by a data write loses the transaction like a failed statement does.
fn as_statement(error: crate::store::StoreError) -> DieselError {
    match error {
        crate::store::StoreError::Busy(error) | crate::store::StoreError::Statement(error) => error,
        other => DieselError::DeserializationError(Box::new(other)),
    }
}
