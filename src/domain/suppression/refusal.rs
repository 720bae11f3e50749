//! Whether a server's refusal of a recipient says that there is no such address.
//!
//! Guarantees: only what the server says in an enhanced status code (RFC 3463, RFC 5248) counts, never its words: `550` alone
//! is what servers answer to an unknown user, to a sender that they distrust, to a relay that may not relay and to a network
//! on a list, each in words of their own; whoever went by those would lose good addresses to a server's bad day. So an answer
//! without such a code (Exim's and Yahoo's, commonly) suppresses nobody, and neither does one that holds another code beside
//! it, as a server does that passes on what a third one said.
//!
//! Left out: what is said after the message, which may be about its content; and bounces that come by mail.

/// The codes of class 5 that say that the address itself is of no use, by subject and detail.
///
/// Not among them, though they are about a recipient: 5.1.0 (filters use it for whatever they do not like), 5.1.4 (ambiguous),
/// 5.1.7 and 5.1.8 (the sender's), 5.2.1 (a mailbox that is disabled for now; Gmail says it of one that gets too many mails),
/// 5.2.2 (full), 5.4.1 (no answer from a host; Exchange Online says it of unknown users, and of others), and all of 5.7
/// (policy).
const NO_SUCH_ADDRESS: &[(u16, u16)] = &[
    // No such mailbox.
    (1, 1),
    // No such domain.
    (1, 2),
    // Not an address there.
    (1, 3),
    // Moved, without saying where.
    (1, 6),
    // The domain takes no mail (RFC 7505); Exchange says it of unknown users.
    (1, 10),
];

/// An enhanced status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Enhanced {
    class: u16,
    subject: u16,
    detail: u16,
}

/// Whether an answer to `RCPT TO` says that there is no such address: `code` is the reply code, `words` what follows it, with
/// all its lines in one.
#[must_use]
pub fn names_no_mailbox(code: Option<u16>, words: &str) -> bool {
    if !code.is_some_and(|code| (500..600).contains(&code)) {
        return false;
    }
    let mut tokens = words.split_ascii_whitespace();
    // RFC 2034 has it begin each line; what stands further on alone may be a quotation.
    if tokens.next().and_then(enhanced).is_none() {
        return false;
    }
    words
        .split_ascii_whitespace()
        .filter_map(enhanced)
        .all(|found| found.class == 5 && NO_SUCH_ADDRESS.contains(&(found.subject, found.detail)))
}

/// A token as an enhanced status code: `5.1.1`, also with `#` or brackets around it and a colon or the like behind.
fn enhanced(token: &str) -> Option<Enhanced> {
    let token = token.trim_start_matches(['#', '(', '[']);
    let token = token.trim_end_matches([':', ',', ';', '.', ')', ']']);
    let mut parts = token.split('.');
    let class = parts.next().filter(|class| matches!(*class, "2" | "4" | "5"))?;
    let found = Enhanced {
        class: number(class)?,
        subject: number(parts.next()?)?,
        detail: number(parts.next()?)?,
    };
    parts.next().is_none().then_some(found)
}

/// One to three digits.
fn number(text: &str) -> Option<u16> {
    let is_number = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What servers answer to `RCPT TO`, and whether it is about the address.
    const ANSWERS: &[(bool, u16, &str)] = &[
        // Postfix.
        (
            true,
            550,
            "5.1.1 <b***@example.com>: Recipient address rejected: User unknown in local recipient table",
        ),
        (
            true,
            550,
            "5.1.1 <b***@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
        ),
        (
            true,
            550,
            "5.1.2 <b***@nowhere.example>: Recipient address rejected: Domain not found",
        ),
        (true, 501, "5.1.3 Bad recipient address syntax"),
        (
            true,
            550,
            "5.1.6 <b***@example.com>: Recipient address rejected: User has moved to b***@example.net",
        ),
        (
            true,
            556,
            "5.1.10 <b***@example.com>: Recipient address rejected: Domain example.com does not accept mail (nullMX)",
        ),
        (false, 554, "5.7.1 <b***@example.com>: Relay access denied"),
        (
            false,
            554,
            "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        ),
        (
            false,
            550,
            "5.1.8 <a***@example.org>: Sender address rejected: Domain not found",
        ),
        (
            false,
            550,
            "5.1.7 <a***@example.org>: Sender address rejected: undeliverable address",
        ),
        (
            false,
            550,
            "5.7.23 <b***@example.com>: Recipient address rejected: Message rejected due to: SPF fail",
        ),
        (
            false,
            552,
            "5.2.2 <b***@example.com>: Recipient address rejected: Mailbox is full",
        ),
        (
            false,
            550,
            "5.1.1 <b***@example.com>: Recipient address rejected: undeliverable address: host mx.example.com[192.0.2.7] said: 550 5.7.1 blocked (in reply to RCPT TO command)",
        ),
        (
            true,
            550,
            "5.1.1 <b***@example.com>: Recipient address rejected: undeliverable address: host mx.example.com[192.0.2.7] said: 550 5.1.1 unknown (in reply to RCPT TO command)",
        ),
        (
            false,
            450,
            "4.1.1 <b***@example.com>: Recipient address rejected: unverified address",
        ),
        (
            false,
            450,
            "4.1.2 <b***@nowhere.example>: Recipient address rejected: Domain not found",
        ),
        // Exim, as it is configured by default: no enhanced codes.
        (false, 550, "Unrouteable address"),
        (false, 550, "Unknown user"),
        (false, 550, "relay not permitted"),
        (
            false,
            550,
            "Verification failed for <a***@example.org> Sender verify failed",
        ),
        (false, 550, "Callout verification failed: 550 5.1.1 unknown user"),
        // Exchange and Exchange Online.
        (
            true,
            550,
            "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        ),
        (true, 550, "5.1.1 RESOLVER.ADR.ExRecipNotFound; not found"),
        (true, 550, "5.1.1 User unknown"),
        (
            false,
            550,
            "5.4.1 Recipient address rejected: Access denied. [X.prod.protection.outlook.com]",
        ),
        (false, 550, "5.7.1 Unable to relay"),
        (false, 550, "5.7.606 Access denied, banned sending IP [192.0.2.1]"),
        (
            false,
            550,
            "5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required",
        ),
        (false, 550, "5.1.8 Access denied, bad outbound sender"),
        (false, 550, "5.5.0 Requested action not taken: mailbox unavailable"),
        // Gmail, all lines in one.
        (
            true,
            550,
            "5.1.1 The email account that you tried to reach does not exist. Please try 5.1.1 double-checking the recipient's email address for typos or 5.1.1 unnecessary spaces. For more information, go to 5.1.1 https://support.google.com/mail/?p=NoSuchUser 0a1b2c - gsmtp",
        ),
        (
            false,
            550,
            "5.2.1 The email account that you tried to reach is inactive. https://support.google.com/mail/?p=DisabledUser 0a1b2c - gsmtp",
        ),
        (
            false,
            550,
            "5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered.",
        ),
        (
            false,
            552,
            "5.2.2 The recipient's inbox is out of storage space. https://support.google.com/mail/?p=OverQuotaPerm 0a1b2c - gsmtp",
        ),
        (
            false,
            550,
            "5.7.26 Your email has been blocked because the sender is unauthenticated.",
        ),
        (
            false,
            550,
            "5.7.1 This message violates example.com email policy. - gcdp 0a1b2c - gsmtp",
        ),
        (false, 421, "4.7.0 Try again later, closing connection."),
        // OpenSMTPD.
        (false, 550, "Invalid recipient: <b***@example.com>"),
        (true, 550, "5.1.1 Invalid recipient"),
        (false, 524, "5.2.4 Mailing list expansion problem: <b***@example.com>"),
        // Sendmail, Dovecot, Yahoo.
        (true, 550, "5.1.1 <b***@example.com>... User unknown"),
        (true, 553, "5.1.3 <b***@example.com>... Invalid host name"),
        (false, 550, "5.1.0 Address rejected."),
        (false, 550, "5.7.1 <b***@example.com>... Relaying denied"),
        (true, 550, "5.1.1 <b***@example.com> User doesn't exist: bob"),
        (
            false,
            552,
            "5.2.2 <b***@example.com> Quota exceeded (mailbox for user is full)",
        ),
        (
            false,
            554,
            "delivery error: dd This user doesn't have a yahoo.com account (b***@example.com) [0] - mta.example.com",
        ),
        // Codes that do not fit together, and none at all.
        (false, 450, "5.1.1 unknown user"),
        (false, 550, "4.1.1 unknown user, try later"),
        (true, 550, "#5.1.1 bad destination mailbox address"),
        (true, 550, "[5.1.1]: no such user"),
        (false, 550, "5.1.1.7 is where I live"),
        (false, 530, "5.7.0 Must issue a STARTTLS command first"),
        (false, 550, ""),
    ];

    #[test]
    fn only_what_names_the_address_itself_by_its_code_says_that_there_is_none() {
        for (expected, code, words) in ANSWERS {
            assert_eq!(names_no_mailbox(Some(*code), words), *expected, "{code} {words}");
        }
        assert!(
            !names_no_mailbox(None, "5.1.1 no such user"),
            "an answer without a code is none"
        );
    }

    proptest! {
        #[test]
        fn no_text_is_a_fault_and_no_policy_or_sender_or_full_mailbox_suppresses(
            text in any::<String>(), code in any::<Option<u16>>(), detail in 0_u16..1000, subject in prop::sample::select(vec![0_u16, 2, 3, 4, 5, 6, 7]),
        ) {
            prop_assert!(!(names_no_mailbox(code, &text) && code.is_none()));
            let other = format!("5.{subject}.{detail} no");
            prop_assert!(!names_no_mailbox(Some(550), &other));
            let beside = format!("5.1.1 no {text} 5.{subject}.{detail}");
            prop_assert!(!names_no_mailbox(Some(550), &beside));
        }
    }
}
