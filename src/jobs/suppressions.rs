//! Who of a mail's recipients is suppressed, asked before each sending.
//!
//! Guarantees: an answer is read after its question was asked, so that what was committed before a sending began holds for it;
//! nothing is remembered, and so nothing is stale, whichever node wrote it. Questions that wait are answered by one read
//! together: the first to come reads for all, so that many mails at once cost hardly more than one.
//!
//! Left out: what becomes of who is suppressed (`kinds::recipients`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::domain::email::EmailAddress;
use crate::domain::id::WorkspaceId;
use crate::domain::stream::Stream;
use crate::domain::suppression::SuppressionReason;
use crate::store::suppressions::{HeldBack, holding};
use crate::store::{Connection, Store, StoreError};
use crate::telemetry;

/// The most questions of one read, so that it stays short.
const QUESTIONS_MAX: usize = 64;

/// The suppressions, as those who send mails ask for them; clones share the questions.
#[derive(Clone)]
pub struct SuppressionList {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    waiting: Mutex<Vec<Question>>,
    /// Held by whoever reads for all.
    turn: tokio::sync::Mutex<()>,
}

/// What one mail asks.
struct Question {
    workspace: WorkspaceId,
    /// In their canonical form.
    addresses: Vec<String>,
    answer: oneshot::Sender<Answer>,
}

/// What is suppressed of the addresses, in whatever stream; or why that could not be read.
type Answer = Result<Vec<HeldBack>, String>;

/// What several questions together ask of each workspace.
type Asked = BTreeMap<WorkspaceId, BTreeSet<String>>;

/// What there is, by workspace and address.
type Found = HashMap<(WorkspaceId, String), Vec<HeldBack>>;

impl SuppressionList {
    /// The suppressions in `store`.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                waiting: Mutex::default(),
                turn: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Which of these addresses get no mails of the stream, by their canonical form, and why; of several reasons the
    /// weightiest.
    ///
    /// # Errors
    /// In words, when the database cannot be read.
    pub async fn held_back(
        &self,
        workspace: WorkspaceId,
        stream: &Stream,
        addresses: &[EmailAddress],
    ) -> Result<HashMap<String, SuppressionReason>, String> {
        let addresses: Vec<String> = addresses.iter().map(EmailAddress::canonical).collect();
        let mut reasons: HashMap<String, SuppressionReason> = HashMap::new();
        for found in self.ask(workspace, &addresses).await? {
            if found.stream.is_some_and(|name| name != stream.as_str()) {
                continue;
            }
            let kept = reasons.entry(found.address).or_insert(found.reason);
            if found.reason.outweighs(*kept) {
                *kept = found.reason;
            }
        }
        Ok(reasons)
    }

    async fn ask(&self, workspace: WorkspaceId, addresses: &[String]) -> Answer {
        loop {
            let (answer, mut told) = oneshot::channel();
            self.waiting().push(Question {
                workspace,
                addresses: addresses.to_vec(),
                answer,
            });
            let turn = tokio::select! {
                biased;
                told = &mut told => match told {
                    Ok(answer) => return answer,
                    // Whoever read for it was dropped meanwhile.
                    Err(_dropped) => continue,
                },
                turn = self.inner.turn.lock() => turn,
            };
            loop {
                match told.try_recv() {
                    Ok(answer) => return answer,
                    Err(TryRecvError::Closed) => break,
                    Err(TryRecvError::Empty) => self.answer_some().await,
                }
            }
            drop(turn);
        }
    }

    /// Reads for those who have waited longest; to be called by who has the turn.
    async fn answer_some(&self) {
        let questions: Vec<Question> = {
            let mut waiting = self.waiting();
            let count = waiting.len().min(QUESTIONS_MAX);
            waiting.drain(..count).collect()
        };
        let mut asked = Asked::new();
        for question in &questions {
            let addresses = asked.entry(question.workspace).or_default();
            addresses.extend(question.addresses.iter().cloned());
        }
        let read = self.inner.store.read(move |connection| read(connection, asked)).await;
        let found = read.map_err(|error| telemetry::chain(&error));
        for Question {
            workspace,
            addresses,
            answer,
        } in questions
        {
            let told = match &found {
                Ok(found) => Ok(addresses
                    .into_iter()
                    .filter_map(|address| found.get(&(workspace, address)))
                    .flatten()
                    .cloned()
                    .collect()),
                Err(words) => Err(words.clone()),
            };
            // Whoever asked may have been told to stop.
            if answer.send(told).is_err() {
                tracing::trace!("nobody waits for these suppressions any more");
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Question>> {
        self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(connection: &mut Connection, asked: Asked) -> Result<Found, StoreError> {
    let mut found = Found::new();
    for (workspace, addresses) in asked {
        let addresses: Vec<String> = addresses.into_iter().collect();
        for one in holding(connection, workspace, &addresses)? {
            found.entry((workspace, one.address.clone())).or_default().push(one);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;
    use crate::domain::id::SuppressionId;
    use crate::domain::suppression::SuppressionOrigin;
    use crate::store::Abort;
    use crate::store::suppressions::{NewSuppression, add};
    use crate::store::testing::{NOW, TestStore, on_each_database};

    on_each_database!(
        a_stream_is_held_back_by_its_own_and_by_those_of_all_and_the_weightiest_reason_is_told,
        what_was_added_before_a_question_is_in_its_answer,
    );

    fn address(text: &str) -> EmailAddress {
        EmailAddress::parse(text).unwrap()
    }

    async fn suppress(store: &TestStore, address: &str, stream: Option<&str>, reason: SuppressionReason) {
        let new = NewSuppression {
            id: SuppressionId::generate(),
            workspace: WorkspaceId::SERVICE,
            address: address.to_owned(),
            stream: stream.map(|name| Stream::parse(name).unwrap()),
            reason,
            origin: SuppressionOrigin::Recipient,
            at: NOW,
        };
        let write = store.write(move |tx| Ok::<_, Abort<()>>(add(tx.connection(), std::slice::from_ref(&new))?));
        write.await.unwrap();
    }

    async fn a_stream_is_held_back_by_its_own_and_by_those_of_all_and_the_weightiest_reason_is_told(store: TestStore) {
        use SuppressionReason::{Bounce, Manual, Unsubscribe};
        suppress(&store, "ada@example.com", Some("news"), Unsubscribe).await;
        suppress(&store, "ada@example.com", None, Bounce).await;
        suppress(&store, "bob@example.com", Some("alerts"), Manual).await;
        let list = SuppressionList::new(store.clone());
        let asked = [
            address("Ada@Example.com"),
            address("bob@example.com"),
            address("eve@example.com"),
        ];
        for (stream, expected) in [
            ("news", vec![("ada@example.com", Unsubscribe)]),
            ("transactional", vec![("ada@example.com", Bounce)]),
            ("alerts", vec![("ada@example.com", Bounce), ("bob@example.com", Manual)]),
        ] {
            let stream = Stream::parse(stream).unwrap();
            let found = list.held_back(WorkspaceId::SERVICE, &stream, &asked).await.unwrap();
            let expected: HashMap<_, _> = expected.into_iter().map(|(one, why)| (one.to_owned(), why)).collect();
            assert_eq!(found, expected, "{stream}");
        }
        let others = WorkspaceId::generate();
        assert!(
            list.held_back(others, &Stream::default(), &asked)
                .await
                .unwrap()
                .is_empty()
        );
    }

    async fn what_was_added_before_a_question_is_in_its_answer(store: TestStore) {
        let list = SuppressionList::new(store.clone());
        let rounds = (0..40).map(|number| {
            let (list, store) = (list.clone(), &store);
            async move {
                let stream = asked_stream();
                let text = format!("user{number}@example.com");
                let asked = [address(&text)];
                let ask = || list.held_back(WorkspaceId::SERVICE, &stream, &asked);
                assert!(ask().await.unwrap().is_empty());
                suppress(store, &text, Some("news"), SuppressionReason::Unsubscribe).await;
                assert_eq!(ask().await.unwrap().len(), 1, "{text}");
            }
        });
        join_all(rounds).await;
    }

    fn asked_stream() -> Stream {
        Stream::parse("news").unwrap()
    }

    #[tokio::test]
    async fn questions_that_wait_together_are_answered_by_few_reads_and_none_is_lost_when_its_reader_goes() {
        let store = TestStore::new();
        let list = SuppressionList::new(store.clone());
        let before = store.reads();
        let stream = asked_stream();
        let asked: Vec<[EmailAddress; 1]> = (0..100)
            .map(|number| [address(&format!("u{number}@example.com"))])
            .collect();
        let ask = |one: usize| list.held_back(WorkspaceId::SERVICE, &stream, &asked[one]);
        let mut first = Box::pin(ask(0));
        // It has the turn, and is reading for itself.
        assert!(futures_util::future::poll_immediate(&mut first).await.is_none());
        let mut others: Vec<_> = (1..100).map(|one| Box::pin(ask(one))).collect();
        for other in &mut others {
            assert!(futures_util::future::poll_immediate(other).await.is_none());
        }
        drop(first);
        let answers = join_all(others).await;
        assert!(answers.iter().all(Result::is_ok));
        let reads = store.reads() - before;
        assert!(reads <= 4, "{reads} reads for a hundred questions");
    }
}
