//! Who is sent to, over several attempts and a person's retry, and how large the record may grow.

use super::*;
use crate::mail::Phase;
use proptest::prelude::*;

fn addresses(count: usize) -> Vec<EmailAddress> {
    (0..count)
        .map(|number| EmailAddress::parse(&format!("user{number}@example.org")).unwrap())
        .collect()
}

fn refusal(position: usize, is_final: bool) -> Refusal {
    Refusal {
        position,
        is_final,
        code: Some(if is_final { 550 } else { 450 }),
        words: "5.1.1 no".to_owned(),
    }
}

fn receipt(refusals: Vec<Refusal>) -> Receipt {
    Receipt {
        words: "250 2.0.0 Ok".to_owned(),
        refusals,
    }
}

fn statuses(recipients: &Recipients) -> Vec<Status> {
    recipients.recipients.iter().map(|recipient| recipient.status).collect()
}

/// What the next attempt finds of this record.
fn next(recipients: &Recipients, to: &[EmailAddress]) -> Recipients {
    Recipients::resume(to, Some(&recipients.result("id").to_string()))
}

#[test]
fn the_next_attempt_sends_to_the_deferred_alone() {
    use Status::{Deferred, Refused, Sent};
    let to = addresses(3);
    let mut first = Recipients::resume(&to, None);
    assert_eq!(first.open(), to);
    first.taken(&receipt(vec![refusal(0, true), refusal(2, false)]));
    assert_eq!(statuses(&first), [Refused, Sent, Deferred]);
    assert!(first.is_left() && first.is_anybody_reached());
    let mut second = next(&first, &to);
    assert_eq!(second.open(), [to[2].clone()]);
    second.taken(&receipt(Vec::new()));
    assert_eq!(statuses(&second), [Refused, Sent, Sent]);
    assert!(!second.is_left());
    let text = second.summary();
    assert_eq!(text, "sent to 2 of 3; u***@example.org: 550 5.1.1 no");
}

#[test]
fn a_refusal_of_the_whole_mail_touches_only_those_it_was_for() {
    use Status::{Refused, Sent};
    let to = addresses(2);
    let mut first = Recipients::resume(&to, None);
    first.taken(&receipt(vec![refusal(1, false)]));
    let mut second = next(&first, &to);
    second.not_taken(&DeliveryError::permanent(Phase::Dot, "too large"));
    assert_eq!(statuses(&second), [Sent, Refused]);
    assert!(!second.is_left() && second.is_anybody_reached());
}

#[test]
fn a_persons_retry_goes_to_the_refused_or_else_to_all() {
    let to = addresses(2);
    let mut first = Recipients::resume(&to, None);
    first.taken(&receipt(vec![refusal(1, true)]));
    let mut again = next(&first, &to);
    assert_eq!(again.open(), [to[1].clone()]);
    again.taken(&receipt(Vec::new()));
    assert_eq!(next(&again, &to).open(), to);
}

#[test]
fn who_is_suppressed_is_left_out_and_told_and_a_persons_retry_asks_for_them_again() {
    use Status::{Sent, Suppressed};
    let to = addresses(3);
    let reasons = |of: &[usize]| -> HashMap<String, SuppressionReason> {
        let all = of
            .iter()
            .map(|one| (to[*one].canonical(), SuppressionReason::Unsubscribe));
        all.collect()
    };
    let mut first = Recipients::resume(&to, None);
    first.suppress(&reasons(&[1]));
    assert_eq!(first.open(), [to[0].clone(), to[2].clone()]);
    first.taken(&receipt(vec![refusal(1, false)]));
    // The one who is deferred leaves the list of mails in between.
    let mut second = next(&first, &to);
    assert_eq!(second.open(), [to[2].clone()]);
    second.suppress(&reasons(&[0, 1, 2]));
    assert_eq!(
        statuses(&second),
        [Sent, Suppressed, Suppressed],
        "who has got it is not told otherwise"
    );
    assert!(second.open().is_empty() && !second.is_left() && second.is_anybody_reached());
    assert_eq!(
        second.summary(),
        "sent to 1 of 3; u***@example.org is suppressed (unsubscribe); u***@example.org is suppressed (unsubscribe)"
    );
    assert_eq!(second.result("id")["recipients"][1]["reason"], "unsubscribe");
    assert_eq!(next(&second, &to).open(), [to[1].clone(), to[2].clone()]);
}

#[test]
fn an_earlier_result_that_is_not_about_these_recipients_is_not_gone_by() {
    let to = addresses(2);
    let other = Recipients::resume(&addresses(3), None).result("id").to_string();
    for earlier in ["", "{}", "[]", "{\"skipped\":\"x\"}", other.as_str()] {
        assert_eq!(Recipients::resume(&to, Some(earlier)).open(), to, "{earlier}");
    }
}

#[test]
fn the_largest_record_is_one_that_is_kept_and_read_again() {
    let to: Vec<EmailAddress> = (0..crate::mail::RECIPIENTS_MAX)
        .map(|number| {
            let domain = format!("{}.{}.{}.org", "d".repeat(61), "d".repeat(61), "d".repeat(55));
            EmailAddress::parse(&format!("{number:0>64}@{domain}")).unwrap()
        })
        .collect();
    let mut all = Recipients::resume(&to, None);
    let refusals = (0..to.len())
        .map(|position| Refusal {
            words: "語\"\\".repeat(160),
            ..refusal(position, false)
        })
        .collect();
    all.not_taken(&DeliveryError::Recipients { refusals });
    all.reply = Some("語".repeat(500));
    let text = all.result(&"m".repeat(200)).to_string();
    assert!(text.len() <= 64 * 1024, "{}", text.len());
    assert_eq!(Recipients::resume(&to, Some(&text)).open(), to);
}

proptest! {
    /// Whatever the servers answer, in however many attempts, nobody is sent a mail twice and nobody is forgotten.
    #[test]
    fn nobody_is_sent_to_twice_and_nobody_is_left_out(
        answers in proptest::collection::vec(proptest::collection::vec(0_u8..4, 5), 1..12),
    ) {
        let to = addresses(5);
        let mut sent = vec![0; to.len()];
        let mut record = Recipients::resume(&to, None);
        for answer in answers {
            let open = record.open();
            let mut refusals = Vec::new();
            for (position, recipient) in open.iter().enumerate() {
                match answer[position] {
                    0 => refusals.push(refusal(position, true)),
                    1 => refusals.push(refusal(position, false)),
                    _ => sent[to.iter().position(|one| one == recipient).unwrap()] += 1,
                }
            }
            if refusals.len() == open.len() {
                record.not_taken(&DeliveryError::Recipients { refusals });
            } else {
                record.taken(&receipt(refusals));
            }
            for (count, status) in sent.iter().zip(statuses(&record)) {
                prop_assert_eq!(*count, usize::from(status == Status::Sent));
            }
            if !record.is_left() {
                break;
            }
            record = next(&record, &to);
        }
    }
}
