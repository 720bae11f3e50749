//! What operators read of other workspaces', as it is written down where its owner sees it.
//!
//! Guarantees: the event is committed before anything is shown, and where it cannot be, nothing is (503); what an operator reads
//! of their own workspace's is no such event. The same thing again by the same operator within [`NOTED_FOR`] is not written
//! down again by the same process, so that a page that looks every second does not fill the log; two requests at one time may
//! both be.
//!
//! Left out: where from an operator read. The owner has the account and the request, and the log knows the rest.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::State;
use super::acting::Subject;
use super::auth::Member;
use super::http::{Problem, RequestId};
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, WorkspaceId};
use crate::domain::security::SecurityEvent;
use crate::store::Abort;
use crate::store::security::{self, NewSecurityEvent};

/// How long it stands for all further reads of the same that one was written down.
const NOTED_FOR: Duration = Duration::from_secs(600);

/// Reads that are remembered: about 2 MB. Beyond them all are forgotten, and written down anew.
const NOTED_MAX: usize = 10_000;

/// When to try again what could not be written down.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The reads that were written down of late; clones share them.
#[derive(Clone, Debug, Default)]
pub struct ReadsNoted(Arc<Mutex<HashMap<Noted, Timestamp>>>);

/// Who read what of whose.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Noted {
    by: ReadBy,
    workspace: WorkspaceId,
    kind: &'static str,
    /// None for a list.
    id: Option<String>,
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ReadBy {
    /// An account, over HTTP.
    Account(AccountId),
    /// A user of the service's machine, by their number.
    CommandLine(u32),
}

/// Whoever may read what is other workspaces', which is written down.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// Whose is no other's; a user of the machine has none.
    own: Option<WorkspaceId>,
    by: ReadBy,
    request_id: Option<String>,
}

impl ReadsNoted {
    fn knows(&self, noted: &Noted, now: Timestamp) -> bool {
        // A clock that was set back must not make it last.
        let is_fresh = |at: &Timestamp| *at <= now && now < at.plus(NOTED_FOR);
        self.with(|all| all.get(noted).is_some_and(is_fresh))
    }

    fn keep(&self, noted: impl IntoIterator<Item = Noted>, now: Timestamp) {
        self.with(|all| {
            for one in noted {
                if all.len() >= NOTED_MAX {
                    all.retain(|_, at| now < at.plus(NOTED_FOR));
                }
                if all.len() >= NOTED_MAX {
                    all.clear();
                }
                all.insert(one, now);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Noted, Timestamp>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Reading {
    /// An operator; none for others, who see nothing of another workspace.
    pub(super) fn of(member: &Member, request: &RequestId) -> Option<Self> {
        let reading = || Self {
            own: Some(member.account.workspace),
            by: ReadBy::Account(member.account.id),
            request_id: Some(request.as_str().to_owned()),
        };
        member.account.is_operator.then(reading)
    }

    /// A user of the service's machine.
    pub(super) const fn on_this_machine(uid: u32) -> Self {
        Self {
            own: None,
            by: ReadBy::CommandLine(uid),
            request_id: None,
        }
    }

    /// Writes down that something is read, if it is another workspace's.
    ///
    /// # Errors
    /// 503 where that cannot be written down: then it must not be shown.
    pub(super) async fn note(&self, subject: impl Into<Subject>, state: &State) -> Result<(), Problem> {
        let Subject { kind, id, workspace } = subject.into();
        let noted = Noted {
            by: self.by,
            workspace,
            kind,
            id: Some(id),
        };
        let detail = json!({ "subject_kind": kind, "subject": noted.id });
        self.write(vec![(noted, detail)], state).await
    }

    /// Writes down that a list of things of this kind is read, of which each is one of these workspaces': an event for each of
    /// those, with how many of its own are shown and by which filter.
    ///
    /// # Errors
    /// As [`Self::note`].
    pub(super) async fn note_list(
        &self,
        kind: &'static str,
        owners: impl IntoIterator<Item = WorkspaceId>,
        filter: &Value,
        state: &State,
    ) -> Result<(), Problem> {
        let mut counts: BTreeMap<WorkspaceId, usize> = BTreeMap::new();
        for owner in owners {
            *counts.entry(owner).or_default() += 1;
        }
        let noted = counts.into_iter().map(|(workspace, count)| {
            let noted = Noted {
                by: self.by,
                workspace,
                kind,
                id: None,
            };
            let detail = json!({ "subject_kind": kind, "listed": count, "filter": filter });
            (noted, detail)
        });
        self.write(noted.collect(), state).await
    }

    /// Writes down that things of this kind are read of all workspaces, or of one, without saying how many of whose.
    ///
    /// # Errors
    /// As [`Self::note`].
    pub(super) async fn note_all(
        &self,
        kind: &'static str,
        of: Option<WorkspaceId>,
        state: &State,
    ) -> Result<(), Problem> {
        let noted = Noted {
            by: self.by,
            // What is read of everybody's is in nobody's own log.
            workspace: of.unwrap_or(WorkspaceId::SERVICE),
            kind,
            id: None,
        };
        let detail = json!({ "subject_kind": kind, "of": if of.is_some() { "workspace" } else { "all" } });
        self.write(vec![(noted, detail)], state).await
    }

    async fn write(&self, read: Vec<(Noted, Value)>, state: &State) -> Result<(), Problem> {
        let now = state.clock.now();
        let is_new = |noted: &Noted| Some(noted.workspace) != self.own && !state.reads_noted.knows(noted, now);
        let new: Vec<(Noted, Value)> = read.into_iter().filter(|(noted, _)| is_new(noted)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let events: Vec<NewSecurityEvent> = new
            .iter()
            .map(|(noted, detail)| self.event(noted, detail.clone(), now))
            .collect();
        let write = state.store.write(move |tx| {
            for event in &events {
                security::note(tx, event)?;
            }
            Ok::<_, Abort<()>>(())
        });
        match write.await {
            Ok(()) | Err(Abort::Refused(())) => {}
            Err(Abort::Store(error)) => {
                let told = "what operators read of others' is written down first, and that cannot be done now";
                return Err(Problem::unavailable(told, RETRY_AFTER).with_cause(error));
            }
        }
        state.reads_noted.keep(new.into_iter().map(|(noted, _)| noted), now);
        Ok(())
    }

    fn event(&self, noted: &Noted, mut detail: Value, at: Timestamp) -> NewSecurityEvent {
        let account = match self.by {
            ReadBy::Account(account) => Some(account),
            ReadBy::CommandLine(uid) => {
                if let Some(fields) = detail.as_object_mut() {
                    fields.insert("uid".to_owned(), json!(uid));
                }
                None
            }
        };
        NewSecurityEvent {
            at,
            workspace: noted.workspace,
            account,
            event: SecurityEvent::OperatorRead,
            network: None,
            user_agent: None,
            request_id: self.request_id.clone(),
            detail,
        }
    }
}

/// Writes down that a member reads something, if it is another workspace's.
///
/// # Errors
/// As [`Reading::note`].
pub(super) async fn note(
    member: &Member,
    request: &RequestId,
    subject: impl Into<Subject>,
    state: &State,
) -> Result<(), Problem> {
    match Reading::of(member, request) {
        Some(reading) => reading.note(subject, state).await,
        None => Ok(()),
    }
}

/// The same for a list, by this filter.
///
/// # Errors
/// As [`Reading::note`].
pub(super) async fn note_list(
    member: &Member,
    request: &RequestId,
    kind: &'static str,
    owners: impl IntoIterator<Item = WorkspaceId>,
    state: &State,
) -> Result<(), Problem> {
    match Reading::of(member, request) {
        Some(reading) => reading.note_list(kind, owners, &json!({}), state).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(number: usize) -> Noted {
        Noted {
            by: ReadBy::CommandLine(7),
            workspace: WorkspaceId::SERVICE,
            kind: "job",
            id: Some(number.to_string()),
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten_with_its_time() {
        let (all, now) = (ReadsNoted::default(), Timestamp::from_micros(1_700_000_000_000_000));
        all.keep((0..NOTED_MAX).map(noted), now);
        assert!(all.knows(&noted(0), now) && !all.knows(&noted(NOTED_MAX), now));
        let later = now.plus(NOTED_FOR);
        assert!(!all.knows(&noted(0), later) && !all.knows(&noted(0), now.minus(Duration::from_secs(1))));
        // Full of what still counts: it begins anew.
        all.keep([noted(NOTED_MAX)], now);
        assert!(all.with(|all| all.len()) == 1 && all.knows(&noted(NOTED_MAX), now));
        // Full of what does not.
        all.keep((0..NOTED_MAX).map(noted), later);
        assert!(all.with(|all| all.len()) <= NOTED_MAX && all.knows(&noted(NOTED_MAX - 1), later));
    }
}
