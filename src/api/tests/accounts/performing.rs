//! Performing the jobs of the service itself, as its workers would, and what they mailed.

use std::sync::Arc;
use std::time::Duration;

use super::World;
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::NodeId;
use crate::domain::security::SecurityEvent;
use crate::jobs::kinds::{AccountDelete, AddressMail, Hurry, Notice, Postbox, ResetMail, Told};
use crate::jobs::{Attempt, AttemptParts, Attempts, ErasedKind, Kind, Report};
use crate::mail::{MemoryTransport, Sender};
use crate::store::security::{self, SecurityEventRecord, SecurityFilter};
use crate::store::{ClaimRequest, ClaimedJob, KnownKind};

/// Far more than anything here takes.
const SOON: Duration = Duration::from_secs(60);

/// An attempt that was performed.
pub(in crate::api::tests) struct Performed {
    pub(in crate::api::tests) job: ClaimedJob,
    pub(in crate::api::tests) report: Report,
    /// The addresses to which something was mailed.
    pub(in crate::api::tests) mailed: Vec<String>,
    /// The mails themselves.
    pub(in crate::api::tests) mails: Vec<String>,
}

impl Performed {
    pub(in crate::api::tests) fn result(&self) -> &str {
        self.report.result.as_deref().unwrap_or_default()
    }
}

impl World {
    /// Performs the next job of this kind, made of a postbox of its own.
    async fn perform<K: Kind>(&self, kind: impl FnOnce(Postbox) -> K) -> Performed {
        let transport = MemoryTransport::new();
        let from = Sender {
            address: EmailAddress::parse("legwork@example.org").unwrap(),
            name: None,
        };
        let postbox = Postbox::new(Arc::new(transport.clone()), from).unwrap();
        let postbox = postbox.with_replacements(self.state.library.clone());
        let kind: Arc<dyn ErasedKind> = Arc::new(kind(postbox));
        let claimed = self.state.store.claim(ClaimRequest {
            queue: K::QUEUE,
            kinds: vec![KnownKind {
                name: K::NAME,
                version: K::VERSION,
            }],
            limit: 1,
            turn: Default::default(),
            node: NodeId::generate(),
            now: self.clock.now(),
        });
        let job = claimed.await.unwrap().jobs.remove(0);
        let attempt = Attempt::new(AttemptParts {
            handle: Attempts::new().begin(job.id, job.fence),
            job: job.clone(),
            kind,
            ledger: Arc::new(self.state.store.clone()),
            clock: self.clock.clone(),
            keep: Box::new(()),
        });
        let received = attempt.receive();
        let report = tokio::time::timeout(SOON, attempt.run(received))
            .await
            .unwrap()
            .unwrap();
        let sent = transport.sent();
        let to = sent.iter().flat_map(|mail| &mail.envelope.to);
        Performed {
            job,
            report,
            mailed: to.map(|address| address.as_str().to_owned()).collect(),
            mails: sent
                .iter()
                .map(|mail| String::from_utf8_lossy(&mail.bytes).into_owned())
                .collect(),
        }
    }

    pub(in crate::api::tests) async fn perform_reset(&self) -> Performed {
        let (store, keys) = (self.state.store.clone(), Arc::clone(&self.state.keys));
        self.perform(|postbox| ResetMail::new(postbox, store, keys, "http://127.0.0.1/reset"))
            .await
    }

    pub(in crate::api::tests) async fn perform_address_change(&self) -> Performed {
        let (store, keys) = (self.state.store.clone(), Arc::clone(&self.state.keys));
        self.perform(|postbox| AddressMail::new(postbox, store, keys, "http://127.0.0.1/confirm-address"))
            .await
    }

    pub(in crate::api::tests) async fn perform_notice<A: Told>(&self) -> Performed {
        let store = self.state.store.clone();
        self.perform(|postbox| Notice::<A>::new(postbox, store, "http://127.0.0.1/"))
            .await
    }

    pub(in crate::api::tests) async fn perform_deletion(&self) -> Performed {
        let (store, reports, depths) = (
            self.state.store.clone(),
            self.state.reports.clone(),
            self.state.depths.clone(),
        );
        let timeout = self.state.config.http.request_timeout;
        self.perform(|_| AccountDelete::new(store, reports, depths, Hurry::default(), timeout))
            .await
    }

    /// What was written down of this, the newest first.
    pub(in crate::api::tests) async fn happened(&self, event: SecurityEvent) -> Vec<SecurityEventRecord> {
        let filter = SecurityFilter {
            workspace: None,
            account: None,
            event: Some(event),
            before: None,
            limit: 100,
        };
        let read = self
            .state
            .store
            .read(move |connection| security::list(connection, &filter));
        read.await.unwrap().0
    }

    pub(in crate::api::tests) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
