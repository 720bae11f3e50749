//! Rules: at which step, for whom and how often a relay acts otherwise; as values and as one line of text.
//!
//! The text is `STEP [to=ADDRESS] [times=N] ACT`, such as `rcpt to=ann@example.com times=2 reply 450 4.2.1 busy`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::act::Act;
use super::hold::Hold;
use super::relay::Relay;
use super::step::Step;

/// The longest wait of a rule, in milliseconds.
const MILLIS_MAX: u64 = 600_000;
/// The most bytes of a rule's text.
const BYTES_MAX: usize = 1_000;

/// What a relay is told to do.
#[derive(Clone, Debug)]
pub struct Rule {
    /// At which step.
    pub step: Step,
    /// For this recipient alone, or with `*@example.com` for all of a domain; later steps of a mail count as of all its recipients.
    pub recipient: Option<String>,
    /// How often; without it until it is taken away.
    pub times: Option<usize>,
    /// What.
    pub act: Act,
}

/// Why a text is not a [`Rule`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It does not begin with a step.
    #[error(
        "a rule begins with a step: handshake, greeting, ehlo, starttls, ehlo-again, auth, auth-user, auth-password, mail, \
         rcpt, data, chunk, body, dot, taken, rset or quit"
    )]
    Step,
    /// What follows is no act.
    #[error(
        "a rule ends with what is done: reply CODE WORDS, close, reset, hang, slow MS, trickle MS, \
         garbage text|long|binary|nul, or bounce"
    )]
    Act,
    /// A number is none, or too large.
    #[error("a number in a rule is not one, or is too large: times=N, and at most 600000 milliseconds")]
    Number,
    /// `reply` without a code.
    #[error("after reply comes a code from 200 to 599 and words, in printable ASCII")]
    Reply,
    /// It is too long.
    #[error("a rule has at most 1000 bytes")]
    Length,
}

/// A rule as it stands in a relay.
#[derive(Clone, Debug)]
pub struct RuleStanding {
    /// Counted from 1.
    pub id: u64,
    /// The rule as text.
    pub rule: String,
    /// How often it will act still; none where that is not bounded.
    pub left: Option<usize>,
    /// How often it has acted.
    pub hits: usize,
}

impl Rule {
    /// Whether it is for one of these recipients.
    pub(super) fn is_for<'a>(&self, mut to: impl Iterator<Item = &'a str>) -> bool {
        let Some(wanted) = &self.recipient else { return true };
        let wanted = wanted.to_lowercase();
        to.any(|to| {
            let to = to.to_lowercase();
            match wanted.strip_prefix('*') {
                Some(ending) => to.ends_with(ending),
                None => to == wanted,
            }
        })
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        if text.len() > BYTES_MAX {
            return Err(RuleError::Length);
        }
        let (step, mut rest) = word(text);
        let step = step.parse().or(Err(RuleError::Step))?;
        let (mut recipient, mut times) = (None, None);
        loop {
            let (next, after) = word(rest);
            if let Some(address) = next.strip_prefix("to=") {
                recipient = Some(address.to_owned());
            } else if let Some(number) = next.strip_prefix("times=") {
                times = Some(number.parse().or(Err(RuleError::Number))?);
            } else {
                break;
            }
            rest = after;
        }
        Ok(Self {
            step,
            recipient,
            times,
            act: act_of(rest)?,
        })
    }
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(' ')
        .map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

fn act_of(text: &str) -> Result<Act, RuleError> {
    let millis = |text: &str| {
        let millis = text.parse().ok().filter(|millis| *millis <= MILLIS_MAX);
        millis.map(Duration::from_millis).ok_or(RuleError::Number)
    };
    let (name, rest) = word(text);
    match (name, rest) {
        ("reply", reply) => {
            let (code, _) = word(reply);
            let is_code = code.parse().is_ok_and(|code: u16| (200..600).contains(&code));
            let is_printable = reply.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
            if is_code && code.len() == 3 && is_printable {
                Ok(Act::Reply(reply.as_bytes().to_vec()))
            } else {
                Err(RuleError::Reply)
            }
        }
        ("close", "") => Ok(Act::Drop),
        ("reset", "") => Ok(Act::Reset),
        ("hang", "") => Ok(Act::Hang),
        ("bounce", "") => Ok(Act::Bounce),
        ("slow", time) => Ok(Act::Delay(millis(time)?)),
        ("trickle", time) => Ok(Act::Trickle(millis(time)?)),
        ("garbage", "text" | "") => Ok(Act::garbage_text()),
        ("garbage", "long") => Ok(Act::garbage_long()),
        ("garbage", "binary") => Ok(Act::garbage_binary()),
        ("garbage", "nul") => Ok(Act::garbage_nul()),
        _ => Err(RuleError::Act),
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.step)?;
        if let Some(recipient) = &self.recipient {
            write!(f, " to={recipient}")?;
        }
        if let Some(times) = self.times {
            write!(f, " times={times}")?;
        }
        match &self.act {
            Act::Reply(reply) => write!(f, " reply {}", String::from_utf8_lossy(reply)),
            Act::Garbage(bytes) => write!(f, " garbage of {} bytes", bytes.len()),
            Act::Drop => f.write_str(" close"),
            Act::Reset => f.write_str(" reset"),
            Act::Hang => f.write_str(" hang"),
            Act::Delay(time) => write!(f, " slow {}", time.as_millis()),
            Act::Trickle(time) => write!(f, " trickle {}", time.as_millis()),
            Act::Hold(_) => f.write_str(" hold"),
            Act::TakeThenDrop => f.write_str(" take-then-close"),
            Act::Bounce => f.write_str(" bounce"),
        }
    }
}

/// A rule that is being written; it stands once it is given an act.
#[must_use = "a rule without an act does nothing"]
pub struct RuleAt<'a> {
    relay: &'a Relay,
    step: Step,
    recipient: Option<String>,
    times: Option<usize>,
}

impl<'a> RuleAt<'a> {
    pub(super) const fn new(relay: &'a Relay, step: Step) -> Self {
        Self {
            relay,
            step,
            recipient: None,
            times: None,
        }
    }

    /// Only for this recipient, or with `*@example.com` for those of a domain.
    pub fn recipient(mut self, address: &str) -> Self {
        self.recipient = Some(address.to_owned());
        self
    }

    /// Only so many times; otherwise until [`Relay::heal`].
    pub const fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Answers this instead, such as `450 4.2.1 busy`; see [`Act::Reply`].
    pub fn reply(self, reply: &str) {
        self.reply_bytes(reply.as_bytes());
    }

    /// As [`Self::reply`], in whatever charset.
    pub fn reply_bytes(self, reply: &[u8]) {
        self.act(Act::Reply(reply.to_vec()));
    }

    /// Closes the connection without an answer.
    pub fn drop_connection(self) {
        self.act(Act::Drop);
    }

    /// At [`Step::Dot`]: takes the mail and closes the connection without an answer.
    pub fn take_then_drop(self) {
        self.act(Act::TakeThenDrop);
    }

    /// Answers as usual, but only once it is released. A mail that arrived at the dot is taken before the wait.
    pub fn hold(self) -> Hold {
        let hold = Hold::new();
        self.act(Act::Hold(hold.clone()));
        hold
    }

    /// Does this.
    pub fn act(self, act: Act) {
        let Self {
            relay,
            step,
            recipient,
            times,
        } = self;
        relay.rule(Rule {
            step,
            recipient,
            times,
            act,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_back_from_its_text() {
        for text in [
            "rcpt to=ann@example.com times=2 reply 450 4.2.1 busy",
            "dot close",
            "taken times=1 reset",
            "greeting slow 2000",
            "ehlo trickle 10",
            "mail hang",
            "taken to=*@example.com bounce",
        ] {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
        for kind in ["text", "long", "binary", "nul"] {
            let rule: Rule = format!("data garbage {kind}").parse().unwrap();
            assert!(matches!(rule.act, Act::Garbage(_)), "{kind}");
        }
    }

    #[test]
    fn a_text_that_is_no_rule_is_refused_with_what_is_wrong() {
        for (text, error) in [
            ("", RuleError::Step),
            ("helo close", RuleError::Step),
            ("rcpt", RuleError::Act),
            ("rcpt explode", RuleError::Act),
            ("rcpt close now", RuleError::Act),
            ("rcpt times=-1 close", RuleError::Number),
            ("rcpt slow 600001", RuleError::Number),
            ("rcpt slow", RuleError::Number),
            ("rcpt reply", RuleError::Reply),
            ("rcpt reply 45 busy", RuleError::Reply),
            ("rcpt reply 600 busy", RuleError::Reply),
            ("rcpt reply 450 a\r\n250 b", RuleError::Reply),
        ] {
            assert_eq!(text.parse::<Rule>().unwrap_err(), error, "{text:?}");
        }
        let long = format!("rcpt reply 450 {}", "x".repeat(1_000));
        assert_eq!(long.parse::<Rule>().unwrap_err(), RuleError::Length);
    }

    #[test]
    fn a_rule_for_a_domain_is_for_all_its_addresses_however_they_are_written() {
        let rule: Rule = "rcpt to=*@Example.com close".parse().unwrap();
        assert!(rule.is_for(["x@a.org", "ANN@example.COM"].into_iter()));
        assert!(!rule.is_for(["ann@example.com.org"].into_iter()) && !rule.is_for([].into_iter()));
    }
}
