//! The two forms of the log.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::str::FromStr;

/// Whom the log is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// People: time, level, message, fields.
    Pretty,
    /// Programs: one flat JSON object a line with `timestamp`, `level`, `target`, `message` and the fields, those of spans too.
    Json,
}

/// Why a text is not a [`LogFormat`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be pretty or json")]
pub struct ParseLogFormatError;

impl LogFormat {
    /// For people if stderr is a terminal, else for programs.
    #[must_use]
    pub fn for_stderr() -> Self {
        if io::stderr().is_terminal() {
            Self::Pretty
        } else {
            Self::Json
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pretty => "pretty",
            Self::Json => "json",
        })
    }
}

impl FromStr for LogFormat {
    type Err = ParseLogFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err(ParseLogFormatError),
        }
    }
}
