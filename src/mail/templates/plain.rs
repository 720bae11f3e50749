//! What the tags of a workspace's template may not hold, so that no value of a template is larger than what it was made from.
//!
//! Guarantees: what is let through puts no value into another one. The engine's `+` and `*` chain lists without making them, and
//! a list, a tuple or a dictionary may have the same thing in it many times: doubled a hundred times, by a loop or by a hundred
//! lines, that is more than anything that later looks at it can visit, and the engine's fuel does not see it. So a template has
//! no `+` and no `*` (numbers have the filters `plus` and `times`), no tuples, no dictionaries, no slices, and lists of texts and
//! numbers alone. With the filters that are left ([`super::language`]), each value is a part of the data, a text, a number, or a
//! list of such.
//!
//! What is refused here that the engine would take is more than that, never less: where a word could begin a value, it is held to.
//!
//! Left out: where tags begin and end ([`super::length`]).

/// A token of a tag.
#[derive(Clone, Copy)]
pub(super) enum Token<'a> {
    /// A name, a keyword or a number.
    Word(&'a [u8]),
    /// A text in quotes.
    Text,
    /// Anything else.
    Sign(u8),
}

/// What a bracket that is open belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// What a filter, a macro or the like is given.
    Call,
    /// An expression in parentheses.
    Group,
    /// What is asked for of something.
    Index,
    /// A list.
    List,
}

/// Words behind which a value begins, so that a bracket behind them is a value of its own.
const NO_VALUES: &[&[u8]] = &[
    b"and",
    b"autoescape",
    b"do",
    b"elif",
    b"else",
    b"filter",
    b"for",
    b"if",
    b"in",
    b"is",
    b"not",
    b"or",
    b"recursive",
    b"set",
    b"with",
];

/// The words that may stand in a list.
const IN_LISTS: &[&[u8]] = &[b"true", b"True", b"false", b"False", b"none", b"None"];

const ARITHMETIC: &str =
    "uses + or *, which are not taken; numbers have the filters plus and times, and texts are joined by ~";
const DICTIONARY: &str = "makes a dictionary, which is not taken; what belongs together comes with the data";
const LIST: &str = "makes a list of other things than texts and numbers, which is not taken";
const SLICE: &str = "uses a colon, such as for a slice, which is not taken; in a loop, loop.index says how far it is";
const TUPLE: &str = "has a comma that is neither in a call nor in a list; tuples are not taken";

/// A tag, as far as it was read.
#[derive(Default)]
pub(super) struct Tag {
    open: Vec<Open>,
    /// Whether what came last is a value, or ends one.
    is_behind_value: bool,
    has_begun: bool,
    /// Whether commas part names, or names with their values, as in `for a, b in` and `with a = 1, b = 2`.
    parts_names: bool,
    is_loop: bool,
}

impl Tag {
    /// Takes the next token.
    ///
    /// # Errors
    /// What it does that it may not, in words for who wrote it.
    pub(super) fn take(&mut self, token: Token<'_>) -> Result<(), &'static str> {
        let is_in_list = self.open.last() == Some(&Open::List);
        match token {
            Token::Text => self.is_behind_value = true,
            Token::Word(word) => {
                let is_number = word.first().is_some_and(u8::is_ascii_digit);
                if is_in_list && !is_number && !IN_LISTS.contains(&word) {
                    return Err(LIST);
                }
                self.word(word);
            }
            Token::Sign(sign) => {
                if is_in_list && !matches!(sign, b',' | b'.' | b'-' | b']') {
                    return Err(LIST);
                }
                self.sign(sign)?;
            }
        }
        self.has_begun = true;
        Ok(())
    }

    fn word(&mut self, word: &[u8]) {
        if !self.has_begun {
            self.is_loop = word == b"for";
            self.parts_names = self.is_loop || word == b"with";
        } else if self.is_loop && word == b"in" && self.open.is_empty() {
            self.parts_names = false;
        }
        self.is_behind_value = !NO_VALUES.contains(&word);
    }

    fn sign(&mut self, sign: u8) -> Result<(), &'static str> {
        let was_behind_value = self.is_behind_value;
        self.is_behind_value = matches!(sign, b')' | b']');
        match (sign, was_behind_value) {
            (b'+' | b'*', _) => return Err(ARITHMETIC),
            (b'{' | b'}', _) => return Err(DICTIONARY),
            (b':', _) => return Err(SLICE),
            (b'(', true) => self.open.push(Open::Call),
            (b'(', false) => self.open.push(Open::Group),
            (b'[', true) => self.open.push(Open::Index),
            (b'[', false) => self.open.push(Open::List),
            (b')' | b']', _) => {
                self.open.pop();
            }
            (b',', _) => match self.open.last() {
                Some(Open::Call | Open::List) => {}
                None if self.parts_names => {}
                _ => return Err(TUPLE),
            },
            _ => {}
        }
        Ok(())
    }
}
