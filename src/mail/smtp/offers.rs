//! What a server offers in its answer to EHLO.

use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::response::Response;

/// The extensions that are made use of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    /// Several commands at once (RFC 2920).
    pub(super) pipelining: bool,
    /// A message in chunks of a size that is said (RFC 3030).
    pub(super) chunking: bool,
    /// Bytes beyond ASCII in the message (RFC 6152).
    pub(super) eight_bit: bool,
    /// Letters beyond ASCII in addresses and headers (RFC 6531).
    pub(super) smtp_utf8: bool,
    pub(super) start_tls: bool,
    /// That the size of a message may be said beforehand (RFC 1870).
    pub(super) size: bool,
    /// The largest message that it takes, in bytes, if it says.
    pub(super) size_max: Option<u64>,
    pub(super) logins: Vec<Mechanism>,
}

impl Offers {
    /// What the server says in `answer`. Its first line is its name.
    pub(super) fn of(answer: &Response) -> Self {
        let mut offers = Self::default();
        for line in answer.message().skip(1) {
            let mut words = line.split_whitespace();
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "PIPELINING" => offers.pipelining = true,
                "CHUNKING" => offers.chunking = true,
                "8BITMIME" => offers.eight_bit = true,
                "SMTPUTF8" => offers.smtp_utf8 = true,
                "STARTTLS" => offers.start_tls = true,
                "SIZE" => {
                    offers.size = true;
                    // 0 means that there is no limit.
                    offers.size_max = words.next().and_then(|max| max.parse().ok()).filter(|max| *max > 0);
                }
                "AUTH" => offers
                    .logins
                    .extend(words.filter_map(|word| match word.to_ascii_uppercase().as_str() {
                        "PLAIN" => Some(Mechanism::Plain),
                        "LOGIN" => Some(Mechanism::Login),
                        _ => None,
                    })),
                _ => {}
            }
        }
        offers
    }

    /// The first of `wanted` by which the server lets its users in.
    pub(super) fn login(&self, wanted: &[Mechanism]) -> Option<Mechanism> {
        wanted.iter().copied().find(|one| self.logins.contains(one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(lines: &[&str]) -> Offers {
        let (last, first) = lines.split_last().unwrap();
        let first: String = first.iter().map(|line| format!("250-{line}\r\n")).collect();
        Offers::of(&format!("{first}250 {last}\r\n").parse().unwrap())
    }

    #[test]
    fn offers_are_read_in_whatever_case_and_the_name_of_the_server_is_none() {
        assert_eq!(offers(&["PIPELINING"]), Offers::default());
        let many = offers(&[
            "mx",
            "Pipelining",
            "chunking",
            "size 1000",
            "8bitmime",
            "SMTPUTF8",
            "AUTH login CRAM-MD5",
            "X",
        ]);
        assert!(many.pipelining && many.chunking && many.size && many.eight_bit && many.smtp_utf8 && !many.start_tls);
        assert_eq!(many.size_max, Some(1_000));
        assert_eq!(
            many.login(&[Mechanism::Plain, Mechanism::Login]),
            Some(Mechanism::Login)
        );
        assert_eq!(many.login(&[Mechanism::Plain]), None);
    }

    #[test]
    fn a_size_without_a_limit_is_an_offer_all_the_same() {
        for line in ["SIZE", "SIZE 0", "SIZE many", "SIZE -1"] {
            let read = offers(&["mx", line]);
            assert!(read.size && read.size_max.is_none(), "{line}");
        }
    }
}
