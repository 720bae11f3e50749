//! Every fault at every step of the dialogue, once: what becomes of the job, what it costs, and how many copies arrive.
//!
//! A mail to three recipients is sent by attempts as the mailer makes them, to a sandbox that has the fault once; after an end that
//! is not final the next attempt follows at once. The tables say, a line each, where the job is after the fault, how many
//! attempts it has spent when all is over, and how many copies the recipient of whom the fault is has got.

mod stage;
mod tables;

use futures_util::StreamExt as _;
use legwork::domain::job::{JobState, WhenUncertain};

use self::stage::{Came, Case, Fault, Manner};
use self::tables::{BEFORE_MAIL, IN_THE_BODY, OF_THE_MAIL, Row};

/// How many dialogues go on at once.
const TOGETHER: usize = 24;

/// All cases of a table, for mails with this rule.
fn cases(table: &'static [Row], rule: WhenUncertain) -> impl Iterator<Item = Case> {
    table.iter().flat_map(move |row| Case::of(*row, rule))
}

/// What differs from the table, as lines of it.
async fn differing(cases: impl Iterator<Item = Case>) -> Vec<String> {
    futures_util::stream::iter(cases.map(stage::play))
        .buffer_unordered(TOGETHER)
        .filter_map(|(case, came)| std::future::ready((came != case.expected()).then(|| format!("{case}: {came:?}"))))
        .collect()
        .await
}

#[actix::test]
async fn a_fault_before_the_mail_is_the_relays_and_spends_no_attempt() {
    let found = differing(cases(BEFORE_MAIL, WhenUncertain::Hold)).await;
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[actix::test]
async fn a_fault_of_the_mail_is_repeated_until_the_dot_and_then_goes_to_its_rule() {
    for rule in [WhenUncertain::Hold, WhenUncertain::Repeat] {
        let found = differing(cases(OF_THE_MAIL, rule)).await;
        assert!(found.is_empty(), "{rule:?}\n{}", found.join("\n"));
    }
}

#[actix::test]
async fn a_fault_in_the_middle_of_a_message_is_repeated_also_where_copies_are_forbidden() {
    // Large mails take long in a debug build, and how commands are said before it is of no matter within a message.
    let cases = cases(IN_THE_BODY, WhenUncertain::Hold).filter(|case| case.manner != Manner::Together);
    let found = differing(cases).await;
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[actix::test]
async fn the_table_can_be_wrong() {
    let came = stage::play(Case::one("dot", Fault::Close, WhenUncertain::Hold)).await.1;
    assert_eq!(
        came,
        Came {
            first: JobState::Uncertain,
            spent: 1,
            copies: 0
        }
    );
}
