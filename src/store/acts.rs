//! What operators did: written once, never changed, forgotten after their time.
//!
//! Guarantees: where an act is a change in the database, its row is written in the same transaction, so that neither is there
//! without the other; a row holds no secret and no full address, since whoever writes one hands over ids, names and counts.

use crate::store::dialect::prelude::*;
use serde_json::{Value, json};

use super::dialect::Optional;
use super::schema::acts;
use super::text::{number, parsed, time};
use super::{Connection, StoreError, Tx};
use crate::clock::Timestamp;
use crate::domain::act::{Action, Via};
use crate::domain::id::{AccountId, ActId, WorkspaceId};

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActBy {
    /// An account, over HTTP.
    Account {
        /// The account.
        account: AccountId,
        /// Its workspace.
        workspace: WorkspaceId,
        /// The request.
        request_id: String,
    },
    /// A user of the service's machine.
    CommandLine {
        /// The user's number, where the kernel said it.
        uid: Option<u32>,
    },
}

/// An act that is to be written down.
#[derive(Clone, Debug)]
pub struct NewAct {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: ActBy,
    /// What was done.
    pub action: Action,
    /// To what sort of thing, such as `job`.
    pub subject_kind: &'static str,
    /// To which one: its id or its name.
    pub subject: String,
    /// What else there is to say, as an object.
    pub detail: Value,
}

/// An act as it is shown. What it was is text, since a newer version may have written it.
#[derive(Clone, Debug)]
pub struct ActRecord {
    /// Its id.
    pub id: ActId,
    /// When.
    pub at: Timestamp,
    /// The account that did it; none on the command line.
    pub account: Option<AccountId>,
    /// The workspace of that account.
    pub workspace: WorkspaceId,
    /// What was done.
    pub action: String,
    /// To what sort of thing.
    pub subject_kind: String,
    /// To which one.
    pub subject: String,
    /// What else there is to say, as JSON.
    pub detail: String,
    /// The request.
    pub request_id: Option<String>,
    /// By which way.
    pub via: Via,
}

/// Which acts a page shows.
#[derive(Clone, Copy, Debug)]
pub struct ActFilter {
    /// Only these.
    pub action: Option<Action>,
    /// Only those of this account.
    pub account: Option<AccountId>,
    /// Done before this one.
    pub before: Option<ActId>,
    /// At most this many.
    pub limit: usize,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = acts)]
struct ActRow {
    id: String,
    at: i64,
    workspace_id: String,
    account_id: Option<String>,
    action: String,
    subject_kind: String,
    subject_id: String,
    detail: String,
    request_id: Option<String>,
    via: String,
}

impl TryFrom<ActRow> for ActRecord {
    type Error = StoreError;

    fn try_from(row: ActRow) -> Result<Self, StoreError> {
        let account = row.account_id.map(|id| parsed(&id, "acts", "account_id"));
        Ok(Self {
            id: parsed(&row.id, "acts", "id")?,
            at: time(row.at),
            account: account.transpose()?,
            workspace: parsed(&row.workspace_id, "acts", "workspace_id")?,
            action: row.action,
            subject_kind: row.subject_kind,
            subject: row.subject_id,
            detail: row.detail,
            request_id: row.request_id,
            via: parsed(&row.via, "acts", "via")?,
        })
    }
}

/// Writes an act down, in the transaction of whatever it did.
///
/// # Errors
/// When the statement fails.
pub fn record(tx: &mut Tx<'_>, act: &NewAct) -> Result<(), StoreError> {
    let mut detail = act.detail.clone();
    let (account, workspace, request_id, via) = match &act.by {
        ActBy::Account {
            account,
            workspace,
            request_id,
        } => (Some(account.to_string()), *workspace, Some(request_id), Via::Api),
        ActBy::CommandLine { uid } => {
            if let (Some(uid), Some(fields)) = (uid, detail.as_object_mut()) {
                fields.insert("uid".to_owned(), json!(uid));
            }
            (None, WorkspaceId::SERVICE, None, Via::CommandLine)
        }
    };
    diesel::insert_into(acts::table)
        .values((
            acts::id.eq(ActId::generate().to_string()),
            acts::at.eq(act.at.as_micros()),
            acts::workspace_id.eq(workspace.to_string()),
            acts::account_id.eq(account),
            acts::action.eq(act.action.as_str()),
            acts::subject_kind.eq(act.subject_kind),
            acts::subject_id.eq(&act.subject),
            acts::detail.eq(detail.to_string()),
            acts::request_id.eq(request_id),
            acts::via.eq(via.as_str()),
        ))
        .execute(tx.connection())?;
    Ok(())
}

/// Acts, the newest first, and where the next page begins.
///
/// # Errors
/// When the statement fails.
pub fn list(connection: &mut Connection, filter: &ActFilter) -> Result<(Vec<ActRecord>, Option<ActId>), StoreError> {
    // One more than is shown tells whether there are more.
    let rows: Vec<ActRow> = acts::table
        .filter(Optional::new("acts.id <", filter.before))
        .filter(Optional::new("acts.action =", filter.action))
        .filter(Optional::new("acts.account_id =", filter.account))
        .order(acts::id.desc())
        .limit(number(filter.limit).saturating_add(1))
        .select(ActRow::columns())
        .load(connection)?;
    let has_more = rows.len() > filter.limit;
    let shown = rows.into_iter().take(filter.limit).map(ActRecord::try_from);
    let shown = shown.collect::<Result<Vec<_>, _>>()?;
    let next = shown.last().filter(|_| has_more).map(|act| act.id);
    Ok((shown, next))
}

/// Deletes up to `limit` acts that were done until then, the oldest first. Answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget(connection: &mut Connection, until: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let old: Vec<String> = acts::table
        .filter(acts::at.le(until.as_micros()))
        .order(acts::at.asc())
        .limit(number(limit))
        .select(acts::id)
        .load(connection)?;
    if old.is_empty() {
        return Ok(0);
    }
    Ok(diesel::delete(acts::table.filter(acts::id.eq_any(old))).execute(connection)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Abort;
    use crate::store::testing::{NOW, TestStore, on_each_database};

    fn act(action: Action, by: ActBy) -> NewAct {
        NewAct {
            at: NOW,
            by,
            action,
            subject_kind: "queue",
            subject: "mail".to_owned(),
            detail: json!({ "count": 3 }),
        }
    }

    fn by_account(account: AccountId) -> ActBy {
        ActBy::Account {
            account,
            workspace: WorkspaceId::SERVICE,
            request_id: "r".to_owned(),
        }
    }

    async fn write(store: &TestStore, act: NewAct) {
        let write = store.write(move |tx| Ok::<_, Abort<()>>(record(tx, &act)?));
        write.await.unwrap();
    }

    async fn listed(store: &TestStore, filter: ActFilter) -> (Vec<ActRecord>, Option<ActId>) {
        store.read(move |connection| list(connection, &filter)).await.unwrap()
    }

    const ALL: ActFilter = ActFilter {
        action: None,
        account: None,
        before: None,
        limit: 10,
    };

    async fn acts_are_shown_the_newest_first_page_by_page_and_by_what_and_by_whom(store: TestStore) {
        let (ada, bob) = (AccountId::generate(), AccountId::generate());
        write(&store, act(Action::PauseQueue, by_account(ada))).await;
        write(&store, act(Action::ResumeQueue, by_account(bob))).await;
        write(&store, act(Action::PauseQueue, ActBy::CommandLine { uid: Some(7) })).await;
        let (all, next) = listed(&store, ALL).await;
        let accounts: Vec<_> = all.iter().map(|act| act.account).collect();
        assert_eq!((accounts, next), (vec![None, Some(bob), Some(ada)], None));
        assert_eq!(
            (all[0].via, all[0].detail.as_str()),
            (Via::CommandLine, "{\"count\":3,\"uid\":7}")
        );
        assert_eq!((all[1].via, all[1].request_id.as_deref()), (Via::Api, Some("r")));
        let (first, next) = listed(&store, ActFilter { limit: 2, ..ALL }).await;
        assert_eq!((first.len(), next), (2, Some(first[1].id)));
        let (rest, next) = listed(&store, ActFilter { before: next, ..ALL }).await;
        assert_eq!((rest.len(), rest[0].account, next), (1, Some(ada), None));
        for (filter, count) in [
            (
                ActFilter {
                    action: Some(Action::PauseQueue),
                    ..ALL
                },
                2,
            ),
            (
                ActFilter {
                    account: Some(bob),
                    ..ALL
                },
                1,
            ),
            (
                ActFilter {
                    action: Some(Action::PauseQueue),
                    account: Some(bob),
                    ..ALL
                },
                0,
            ),
        ] {
            assert_eq!(listed(&store, filter).await.0.len(), count, "{filter:?}");
        }
    }

    async fn an_act_is_forgotten_with_its_time_and_not_before(store: TestStore) {
        for age in 0..5 {
            let at = NOW.minus(Duration::from_secs(age));
            write(
                &store,
                NewAct {
                    at,
                    ..act(Action::PauseQueue, ActBy::CommandLine { uid: None })
                },
            )
            .await;
        }
        let until = NOW.minus(Duration::from_secs(2));
        for (limit, gone) in [(2, 2), (2, 1), (2, 0)] {
            let forget = store.write(move |tx| Ok::<_, Abort<()>>(forget(tx.connection(), until, limit)?));
            assert_eq!(forget.await.unwrap(), gone);
        }
        assert_eq!(listed(&store, ALL).await.0.len(), 2);
    }

    async fn an_act_that_is_refused_leaves_no_row(store: TestStore) {
        let act = act(Action::PauseQueue, ActBy::CommandLine { uid: None });
        let refused = store.write(move |tx| {
            record(tx, &act)?;
            Err::<(), _>(Abort::Refused(()))
        });
        assert!(refused.await.is_err());
        assert_eq!(listed(&store, ALL).await.0.len(), 0);
    }

    on_each_database!(
        acts_are_shown_the_newest_first_page_by_page_and_by_what_and_by_whom,
        an_act_is_forgotten_with_its_time_and_not_before,
        an_act_that_is_refused_leaves_no_row,
    );
}
