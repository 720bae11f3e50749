//! What a transaction changed of who may come in, and what others did: as the database has noted it.

use crate::domain::id::AccountId;
use crate::store::Connection;
use crate::store::dialect::NotedHere;
use crate::store::dialect::prelude::*;
use crate::store::schema::credential_changes;

/// The accounts that are concerned, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Noticed {
    pub(super) accounts: Vec<AccountId>,
    /// Whether it may be any account.
    pub(super) is_anybody: bool,
    /// The last number of the log.
    pub(super) seen: Option<i64>,
}

/// What was changed: on a file since `seen`, by whomever; on a server by this transaction, since others tell by themselves. To be
/// called at the end of a transaction, or apart from any to look on.
pub(in crate::store) fn noticed(connection: &mut Connection, seen: Option<i64>) -> QueryResult<Noticed> {
    match connection {
        Connection::Sqlite(_) => of_log(connection, seen),
        Connection::Postgres(_) => of_transaction(connection),
    }
}

fn of_log(connection: &mut Connection, seen: Option<i64>) -> QueryResult<Noticed> {
    let Some(seen) = seen else {
        let last: Option<i64> = credential_changes::table
            .select(diesel::dsl::max(credential_changes::number))
            .get_result(connection)?;
        return Ok(Noticed {
            is_anybody: true,
            seen: Some(last.unwrap_or(0)),
            accounts: Vec::new(),
        });
    };
    let rows: Vec<(i64, String)> = credential_changes::table
        .filter(credential_changes::number.gt(seen))
        .order(credential_changes::number.asc())
        .select((credential_changes::number, credential_changes::account_id))
        .load(connection)?;
    let (first, last) = (rows.first(), rows.last().map_or(seen, |(number, _)| *number));
    // The log is short: what came before its first may have been cut off.
    let is_cut = first.is_some_and(|(number, _)| *number > seen.saturating_add(1));
    let names = rows.iter().map(|(_, account)| account.as_str());
    let mut found = Noticed::of(names);
    found.is_anybody |= is_cut;
    found.seen = Some(last);
    Ok(found)
}

fn of_transaction(connection: &mut Connection) -> QueryResult<Noticed> {
    let noted: Option<String> = diesel::select(NotedHere).get_result(connection)?;
    Ok(Noticed::of(noted.as_deref().unwrap_or_default().split_whitespace()))
}

impl Noticed {
    fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        for name in names {
            match name.parse() {
                Ok(account) => found.accounts.push(account),
                Err(_) => found.is_anybody = true,
            }
        }
        found.accounts.sort_unstable();
        found.accounts.dedup();
        found
    }
}
