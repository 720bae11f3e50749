//! The passwords that are tried first by whoever guesses.
//!
//! Guarantees: the list is in lower case, without repetition, and holds only passwords long enough to pass the length rule.
//!
//! They are asked first, since that costs nothing. The long list is that of the estimate of strength.
//!
//! Left out: the lists of leaked passwords, which belong to a service of their own.

/// 100 of the most used passwords with at least 8 characters, as published lists of leaked ones agree on them.
pub(super) const MOST_USED: [&str; 100] = [
    "00000000",
    "0123456789",
    "0987654321",
    "1029384756",
    "11111111",
    "1111111111",
    "11223344",
    "1122334455",
    "12121212",
    "123123123",
    "1234512345",
    "12341234",
    "123456123",
    "12345678",
    "123456789",
    "1234567890",
    "123456789a",
    "123456789q",
    "12345678910",
    "123456abc",
    "1234qwer",
    "1234abcd",
    "123qweasd",
    "12qwaszx",
    "147258369",
    "147852369",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz2wsx",
    "1qazxsw2",
    "22222222",
    "5201314520",
    "66666666",
    "77777777",
    "87654321",
    "88888888",
    "987654321",
    "9876543210",
    "99999999",
    "a1b2c3d4",
    "a1234567",
    "a12345678",
    "a123456789",
    "aa123456",
    "aa12345678",
    "aaaaaaaa",
    "abc12345",
    "abcd1234",
    "abcdefgh",
    "access14",
    "admin123",
    "administrator",
    "asdasdasd",
    "asdf1234",
    "asdfasdf",
    "asdfghjk",
    "asdfghjkl",
    "baseball",
    "basketball",
    "changeme",
    "charlie1",
    "chocolate",
    "computer",
    "corvette",
    "dragon123",
    "football",
    "football1",
    "iloveyou",
    "iloveyou1",
    "internet",
    "jennifer",
    "letmein1",
    "liverpool",
    "login123",
    "masterkey",
    "mercedes",
    "michelle",
    "midnight",
    "monkey123",
    "p@ssw0rd",
    "pa55word",
    "passw0rd",
    "password",
    "password1",
    "password12",
    "password123",
    "princess",
    "q1w2e3r4",
    "qazwsxedc",
    "qwer1234",
    "qwerty12",
    "qwerty123",
    "qwertyui",
    "qwertyuiop",
    "starwars",
    "sunshine",
    "superman",
    "trustno1",
    "welcome1",
];

/// Whether `text` is on the list, in any letter case.
pub(super) fn contains(text: &str) -> bool {
    MOST_USED.contains(&text.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_reachable_and_listed_once() {
        let mut seen = std::collections::BTreeSet::new();
        for entry in MOST_USED {
            assert!(
                entry.chars().count() >= super::super::CHARS_MIN && entry == entry.to_lowercase(),
                "{entry}"
            );
            assert!(seen.insert(entry), "{entry} is listed twice");
        }
    }
}
