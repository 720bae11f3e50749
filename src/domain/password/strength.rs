//! How easily a password is guessed, as zxcvbn estimates it.
//!
//! Guarantees: what takes fewer than 10^8 guesses is refused. That covers each of the 30,000 most used passwords that zxcvbn
//! knows, in any letter case (ASVS 5.0, 6.2.4, asks for the 3,000 most used that are long enough; 11,611 of these are), words
//! and names by themselves, dates, rows of keys, repetitions, and what is made of the person's own address and name. What is
//! said of it are fixed words: never a part of the password.
//!
//! It costs some milliseconds, and some hundred in the worst case: run it where passwords are hashed.

use zxcvbn::zxcvbn;

/// Characters that are looked at. More make a password no easier to guess, and the time that it takes grows faster than their
/// number: to 0.2 s for so many of nothing but look-alikes of letters (`4@8({[<6`), and to 0.8 s for twice as many.
const LOOKED_AT_MAX: usize = 50;

/// The fewest guesses that are enough: between zxcvbn's scores of 2 ("somewhat guessable") and 3 ("safely unguessable"), and as many
/// as it counts for eight characters in which it knows nothing, so that the shortest passwords can be good ones.
const GUESSES_MIN: u64 = 100_000_000;

/// Texts about the person that are looked for in a password, and the characters of each.
const ABOUT_MAX: usize = 16;
/// A shorter part of a name is in many good passwords by chance.
const PART_CHARS_MIN: usize = 3;

/// What makes `password` easy to guess for somebody who knows the texts in `about`; none if nothing does.
pub(super) fn weakness(password: &str, about: &[&str]) -> Option<String> {
    let looked_at: String = password.chars().take(LOOKED_AT_MAX).collect();
    let parts = parts(about);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let estimate = zxcvbn(&looked_at, &parts);
    if estimate.guesses() >= GUESSES_MIN {
        return None;
    }
    let told = "is too easy to guess";
    let Some(feedback) = estimate.feedback() else {
        return Some(told.to_owned());
    };
    let warning = feedback.warning().map(|warning| warning.to_string());
    let suggestions = feedback.suggestions().iter().map(ToString::to_string);
    let sentences: Vec<String> = warning.into_iter().chain(suggestions).collect();
    Some(format!("{told}: {}", sentences.join(" ")))
}

/// The texts, and what they are made of: the two sides of an address, the words of a name, and the parts of each.
fn parts(about: &[&str]) -> Vec<String> {
    let sides = about
        .iter()
        .flat_map(|text| text.split(|c: char| c == '@' || c.is_whitespace()));
    let words = about.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    let long_enough = sides.chain(words).filter(|part| part.chars().count() >= PART_CHARS_MIN);
    let all = about.iter().copied().chain(long_enough).take(ABOUT_MAX);
    all.map(|text| text.chars().take(LOOKED_AT_MAX).collect()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::most_used;
    use super::*;

    #[test]
    fn the_most_used_passwords_are_too_easy_in_any_letter_case() {
        for password in most_used::MOST_USED {
            assert!(weakness(password, &[]).is_some(), "{password}");
            assert!(weakness(&password.to_uppercase(), &[]).is_some(), "{password}");
        }
    }

    /// The 3,000th of zxcvbn's passwords that are long enough.
    #[test]
    fn the_list_reaches_far_beyond_the_3000_most_used() {
        for password in ["greyhoun", "Greyhoun", "GREYHOUN"] {
            assert!(weakness(password, &[]).is_some(), "{password}");
        }
    }

    #[test]
    fn what_is_made_of_the_persons_own_address_and_name_is_too_easy() {
        let about = ["rosalind.pemberton@laboratory.example", "Rosalind Pemberton"];
        for password in [
            "rosalindpemberton",
            "Pemberton1",
            "rosalind.pemberton1",
            "rosalind.pemberton@laboratory.example",
            "laboratory7",
        ] {
            assert!(weakness(password, &about).is_some(), "{password}");
        }
        assert_eq!(weakness("rosalind ate seven green kites", &about), None);
    }

    #[test]
    fn eight_characters_that_mean_nothing_are_enough() {
        assert_eq!(weakness("q7x!mZ2v", &[]), None);
        assert!(weakness("q7x!mZ2", &[]).is_some());
    }

    #[test]
    fn a_few_words_are_hard_enough_and_what_is_said_of_others_names_the_reason() {
        assert_eq!(weakness("correct horse battery", &[]), None);
        let told = weakness("qwertyuiop", &[]).unwrap();
        assert!(told.starts_with("is too easy to guess: "), "{told}");
        assert!(!told.contains("qwertyuiop"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn random_passwords_are_never_refused(password in "[a-zA-Z0-9]{14,24}") {
            prop_assert_eq!(weakness(&password, &["ada@example.org", "Ada Lovelace"]), None);
        }

        #[test]
        fn whatever_is_given_is_answered_and_its_own_words_are_not_repeated(password in "\\PC{0,300}", name in "\\PC{0,300}") {
            if let Some(told) = weakness(&password, &[&name]) {
                prop_assert!(password.chars().count() < 24 || !told.contains(&password));
            }
        }
    }
}
