//! What a delivery tells about the relay, and about the site of each recipient.

use super::limit::Verdict;
use crate::mail::transport::{DeliveryError, Phase, Receipt, Refusal};

/// The answers by which servers ask for less at once (RFC 5321 §4.2.3): closing, mailbox busy, error in processing.
const BUSY: [u16; 3] = [421, 450, 451];

/// What is said about all of a mail's recipients, or about each.
pub(super) enum Sites<'a> {
    /// The same about all.
    All(Verdict),
    /// Those who were refused, and that the others worked.
    Each(&'a [Refusal]),
}

impl Sites<'_> {
    /// What is said about the recipient at this place of the envelope.
    pub(super) fn of(&self, position: usize) -> Verdict {
        match self {
            Self::All(verdict) => *verdict,
            Self::Each(refusals) => match refusals.iter().find(|refusal| refusal.position == position) {
                Some(refusal) => of_code(refusal.code),
                None => Verdict::Worked,
            },
        }
    }
}

/// What this end of a delivery tells about the relay and the sites.
pub(super) fn judge(delivered: &Result<Receipt, DeliveryError>) -> (Verdict, Sites<'_>) {
    let error = match delivered {
        Ok(receipt) => return (Verdict::Worked, Sites::Each(&receipt.refusals)),
        Err(DeliveryError::Recipients { refusals }) => return (Verdict::Worked, Sites::Each(refusals)),
        Err(error) => error,
    };
    let is_about_the_mail = matches!(error, DeliveryError::Permanent { code: None, .. });
    let verdict = if is_about_the_mail {
        Verdict::Nothing
    } else {
        of_code(error.code())
    };
    match error.phase() {
        // What is wrong here is wrong for each mail, which is the breaker's to see.
        None | Some(Phase::Connect | Phase::Encryption | Phase::Login) => {
            (Verdict::Nothing, Sites::All(Verdict::Nothing))
        }
        Some(Phase::Greeting | Phase::Sender) => (verdict, Sites::All(Verdict::Nothing)),
        // It took MAIL.
        Some(Phase::Recipient | Phase::Data | Phase::Dot) => (Verdict::Worked, Sites::All(verdict)),
    }
}

fn of_code(code: Option<u16>) -> Verdict {
    match code {
        None => Verdict::Silent,
        Some(code) if BUSY.contains(&code) => Verdict::Busy,
        Some(_) => Verdict::Worked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(phase: Phase, code: Option<u16>) -> Result<Receipt, DeliveryError> {
        let words = String::new();
        Err(match phase {
            Phase::Connect | Phase::Greeting | Phase::Encryption | Phase::Login => {
                DeliveryError::Unavailable { phase, code, words }
            }
            Phase::Dot if code.is_none() => DeliveryError::Uncertain { phase, code, words },
            _ if code.is_some_and(|code| code >= 500) => DeliveryError::Permanent { phase, code, words },
            _ => DeliveryError::Transient { phase, code, words },
        })
    }

    #[test]
    fn what_the_relay_says_for_itself_is_about_the_relay_and_the_rest_about_the_sites() {
        use Verdict::{Busy, Nothing, Silent, Worked};
        for (phase, code, relay, site) in [
            (Phase::Connect, None, Nothing, Nothing),
            (Phase::Encryption, None, Nothing, Nothing),
            (Phase::Login, Some(535), Nothing, Nothing),
            (Phase::Greeting, Some(421), Busy, Nothing),
            (Phase::Greeting, None, Silent, Nothing),
            (Phase::Sender, Some(451), Busy, Nothing),
            (Phase::Sender, Some(452), Worked, Nothing),
            (Phase::Recipient, None, Worked, Silent),
            (Phase::Data, Some(450), Worked, Busy),
            (Phase::Dot, None, Worked, Silent),
            (Phase::Dot, Some(451), Worked, Busy),
            (Phase::Dot, Some(452), Worked, Worked),
            (Phase::Dot, Some(554), Worked, Worked),
        ] {
            let delivered = failed(phase, code);
            let (of_relay, of_sites) = judge(&delivered);
            assert_eq!((of_relay, of_sites.of(0)), (relay, site), "{phase} {code:?}");
        }
    }

    #[test]
    fn each_recipient_is_judged_by_its_own_answer() {
        let refusals = [(1, Some(450)), (2, Some(550)), (3, None)].map(|(position, code)| Refusal {
            position,
            is_final: false,
            code,
            words: String::new(),
        });
        let each = [Verdict::Worked, Verdict::Busy, Verdict::Worked, Verdict::Silent];
        let words = String::new();
        for delivered in [
            Ok(Receipt {
                words,
                refusals: refusals.to_vec(),
            }),
            Err(DeliveryError::Recipients {
                refusals: refusals.to_vec(),
            }),
        ] {
            let (relay, sites) = judge(&delivered);
            assert_eq!(
                (relay, [0, 1, 2, 3].map(|position| sites.of(position))),
                (Verdict::Worked, each)
            );
        }
    }

    #[test]
    fn a_mail_that_no_server_was_asked_about_says_nothing() {
        let delivered = Err(DeliveryError::permanent(Phase::Recipient, "8-bit"));
        assert_eq!(judge(&delivered).1.of(0), Verdict::Nothing);
        assert_eq!(judge(&Err(DeliveryError::GateClosed)).1.of(0), Verdict::Nothing);
    }
}
