//! What a relay does at a step instead of what it usually does.

use std::time::Duration;

use super::hold::Hold;

/// How long a line is that is overlong: far beyond the 512 bytes of RFC 5321 §4.5.3.1.5, and the buffers of most clients.
const OVERLONG: usize = 100_000;

/// What happens at a step.
#[derive(Clone, Debug)]
pub enum Act {
    /// This answer; several lines have `\r\n` between them. After 421 the connection is closed. A 2xx or 3xx changes the words
    /// and not what follows.
    Reply(Vec<u8>),
    /// These bytes, which are no answer, and then the dialogue goes on as if the command had been refused.
    Garbage(Vec<u8>),
    /// The connection is closed without an answer (FIN).
    Drop,
    /// The connection is torn down without an answer (RST).
    Reset,
    /// No answer ever, until the client goes.
    Hang,
    /// The usual answer, this much later.
    Delay(Duration),
    /// The usual answer, a byte each so often.
    Trickle(Duration),
    /// The usual answer, once it is released.
    Hold(Hold),
    /// At [`super::Step::Dot`]: the mail is taken, and the connection closed without an answer.
    TakeThenDrop,
    /// At [`super::Step::Taken`]: the usual answer, and a bounce (RFC 3464) to the mail's sender among the captured mails.
    Bounce,
}

impl Act {
    /// What is no SMTP at all.
    #[must_use]
    pub fn garbage_text() -> Self {
        Self::Garbage(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec())
    }

    /// A line that does not come to its end for 100,000 bytes.
    #[must_use]
    pub fn garbage_long() -> Self {
        let mut line = b"250 ".to_vec();
        line.resize(OVERLONG, b'x');
        line.extend_from_slice(b"\r\n");
        Self::Garbage(line)
    }

    /// Each byte that there is, 16 times, and the end of a line.
    #[must_use]
    pub fn garbage_binary() -> Self {
        let mut bytes: Vec<u8> = (0..16).flat_map(|_| 0..=255_u8).collect();
        bytes.extend_from_slice(b"\r\n");
        Self::Garbage(bytes)
    }

    /// An answer with NULs in it.
    #[must_use]
    pub fn garbage_nul() -> Self {
        Self::Garbage(b"25\0 2.0.0 \0k\r\n".to_vec())
    }
}
