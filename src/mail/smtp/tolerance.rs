//! What servers answer, made what the mail library can read.
//!
//! An answer that cannot be read is as good as none, and none after the final dot means that the mail may be sent twice. So
//! where the meaning is plain the form is mended: letters beyond ASCII (which no answer may hold, RFC 5321 §4.2) become `?`; a
//! code without words, which clients must take (§4.2.1), gets a space; a second digit beyond 5 becomes 5, since the first one
//! says what to do (§4.3.2); a lone LF ends a line.
//!
//! Guarantees: what is kept of one line is bounded, however long a server makes it.

/// How much is kept of a line: twice what RFC 5321 §4.5.3.1.5 allows.
const LINE_BYTES_MAX: usize = 900;

/// The line that is being read.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Its bytes so far.
    length: usize,
    /// Whether they are digits, and nothing but a code so far.
    is_code: bool,
    ended_with_cr: bool,
}

impl Line {
    /// How long it is so far, whatever is kept of it.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Appends what `byte` becomes to `out`.
    pub(super) fn mend(&mut self, byte: u8, out: &mut Vec<u8>) {
        let is_code = self.length == 0 || self.is_code;
        if is_code && self.length == 3 && matches!(byte, b'\r' | b'\n') {
            out.push(b' ');
        }
        if byte == b'\n' {
            if !self.ended_with_cr {
                out.push(b'\r');
            }
            out.push(b'\n');
            *self = Self::default();
            return;
        }
        if self.length < LINE_BYTES_MAX || byte == b'\r' {
            out.push(match byte {
                b'6'..=b'9' if is_code && self.length == 1 => b'5',
                byte if byte.is_ascii() => byte,
                _ => b'?',
            });
        }
        self.is_code = is_code && self.length < 3 && byte.is_ascii_digit();
        self.length = self.length.saturating_add(1);
        self.ended_with_cr = byte == b'\r';
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mended(bytes: &[u8]) -> Vec<u8> {
        let (mut line, mut out) = (Line::default(), Vec::new());
        for byte in bytes {
            line.mend(*byte, &mut out);
        }
        out
    }

    #[test]
    fn an_answer_whose_meaning_is_plain_can_be_read() {
        for (said, read) in [
            (&b"250 2.0.0 Ok\r\n"[..], &b"250 2.0.0 Ok\r\n"[..]),
            (b"250-a\r\n250 7 of 1234\r\n", b"250-a\r\n250 7 of 1234\r\n"),
            (b"250\r\n", b"250 \r\n"),
            (b"250-a\r\n250\r\n354\n", b"250-a\r\n250 \r\n354 \r\n"),
            (b"250 Nachricht \xfcbernommen\r\n", b"250 Nachricht ?bernommen\r\n"),
            (b"571 no\r\n582-a\r\n", b"551 no\r\n552-a\r\n"),
            (b"250 ok\n", b"250 ok\r\n"),
            (b"19 words, no code\r\n", b"15 words, no code\r\n"),
            (b"2500\r\n", b"2500\r\n"),
            (b"a71\r\n", b"a71\r\n"),
        ] {
            assert_eq!(
                String::from_utf8_lossy(&mended(said)),
                String::from_utf8_lossy(read),
                "{}",
                String::from_utf8_lossy(said)
            );
        }
    }

    #[test]
    fn of_a_long_line_the_beginning_is_kept_and_its_end() {
        let said = [b"250 ".as_slice(), &[b'x'; 5_000], b"\r\n221 bye\r\n"].concat();
        let read = mended(&said);
        assert!(read.starts_with(b"250 xxx") && read.ends_with(b"xxx\r\n221 bye\r\n"));
        assert!(read.len() < 1_000, "{}", read.len());
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_ascii_in_short_lines_that_end_with_crlf(said in prop::collection::vec(any::<u8>(), 0..3_000)) {
            let read = mended(&said);
            prop_assert!(read.is_ascii());
            let lines: Vec<&[u8]> = read.split_inclusive(|byte| *byte == b'\n').collect();
            for line in lines {
                prop_assert!(!line.ends_with(b"\n") || line.ends_with(b"\r\n"));
            }
        }
    }
}
