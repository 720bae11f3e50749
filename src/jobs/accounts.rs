//! Changes of accounts that bring jobs about: the rows and the jobs are one transaction.

use super::kinds::{AccountDelete, AccountDeleteArgs, DeletionAskedArgs, Notice, PasswordChangedArgs};
use super::{Order, new_job};
use crate::clock::Timestamp;
use crate::domain::id::WorkspaceId;
use crate::domain::password::PasswordHash;
use crate::store::accounts::{self, Account};
use crate::store::{Abort, NewJob, Tx, address_changes, deletion, password_resets};

/// Sets the password of an account, makes void what was mailed before, and tells its owner. Answers the job that does.
///
/// # Errors
/// When a statement fails; [`Abort::Refused`] when the job's arguments cannot be written as JSON.
pub fn set_password(
    tx: &mut Tx<'_>,
    account: &Account,
    hash: &PasswordHash,
    now: Timestamp,
) -> Result<NewJob, Abort<serde_json::Error>> {
    let connection = tx.connection();
    accounts::set_password(connection, account.id, hash, now)?;
    password_resets::void_all(connection, account.id)?;
    // Whoever knew the old password may have asked for it.
    address_changes::forget_of(connection, account.id)?;
    let args = PasswordChangedArgs { account: account.id };
    let job = new_job::<Notice<PasswordChangedArgs>>(&args, WorkspaceId::SERVICE, now, Order::default());
    let job = job.map_err(Abort::Refused)?;
    tx.enqueue(&job)?;
    Ok(job)
}

/// Writes down when an account is to go, with the job that has it go and the mail that tells its owner. Answers both jobs.
///
/// # Errors
/// As [`set_password`].
pub fn ask_deletion(
    tx: &mut Tx<'_>,
    account: &Account,
    deletion_at: Timestamp,
    now: Timestamp,
    order: &Order,
) -> Result<Vec<NewJob>, Abort<serde_json::Error>> {
    deletion::ask(tx.connection(), account.id, Some(deletion_at), now)?;
    let args = AccountDeleteArgs {
        account: account.id,
        deletion_at,
    };
    let later = Order {
        run_at: Some(deletion_at),
        ..order.clone()
    };
    let delete = new_job::<AccountDelete>(&args, WorkspaceId::SERVICE, now, later);
    let args = DeletionAskedArgs {
        account: account.id,
        deletion_at,
    };
    let notice = new_job::<Notice<DeletionAskedArgs>>(&args, WorkspaceId::SERVICE, now, order.clone());
    let jobs = vec![delete.map_err(Abort::Refused)?, notice.map_err(Abort::Refused)?];
    for job in &jobs {
        tx.enqueue(job)?;
    }
    Ok(jobs)
}
