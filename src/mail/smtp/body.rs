//! A message as it goes over the wire: behind DATA in lines, each dot doubled that begins one, and the final dot with the last of
//! it; or in chunks, as it is (RFC 3030).
//!
//! Guarantees: a server reads exactly the message's bytes, with a line end added where its last line has none; nothing in it
//! reads as the final dot. The last piece is small, so that whatever is asked directly before it is asked of nearly nothing
//! left to do.

use memchr::memmem::{find, rfind};

/// The most bytes of the message in one piece.
const PIECE_BYTES: usize = 64 * 1024;

/// A message in pieces.
pub(super) struct Body<'a> {
    head: &'a [u8],
    tail: &'a [u8],
    /// What ends it besides: the line end unless the message has one, and in lines the final dot.
    end: &'static [u8],
    form: Form,
}

/// How it goes over the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines { is_line_start: bool },
    Chunks,
}

/// The first line of a message with its end, if there is more: what can go in chunks of which it is the first.
pub(super) fn first_line(message: &[u8]) -> Option<&[u8]> {
    let end = find(message, b"\r\n").map(|at| at.saturating_add(2))?;
    let (first, rest) = message.split_at_checked(end)?;
    (!rest.is_empty()).then_some(first)
}

impl<'a> Body<'a> {
    /// In lines, behind DATA.
    pub(super) fn in_lines(message: &'a [u8]) -> Self {
        let form = Form::Lines { is_line_start: true };
        Self::new(message, form, b".\r\n", b"\r\n.\r\n")
    }

    /// In chunks, each behind its BDAT: the head is one, if there is any, and the last piece another. The first has gone already.
    pub(super) fn in_chunks(message: &'a [u8], first: &[u8]) -> Self {
        let message = message.get(first.len()..).unwrap_or_default();
        let mut body = Self::new(message, Form::Chunks, b"", b"\r\n");
        // Whoever looks at one chunk after another finds whole lines.
        let line_end = rfind(body.head, b"\r\n").map(|at| at.saturating_add(2));
        if let Some((head, tail)) = line_end.and_then(|at| message.split_at_checked(at)) {
            (body.head, body.tail) = (head, tail);
        }
        body
    }

    fn new(message: &'a [u8], form: Form, end: &'static [u8], line_and_end: &'static [u8]) -> Self {
        let whole_pieces = message.len().saturating_sub(1) / PIECE_BYTES;
        let (head, tail) = message
            .split_at_checked(whole_pieces * PIECE_BYTES)
            .unwrap_or((&[], message));
        let has_line_end = message.ends_with(b"\r\n");
        Self {
            head,
            tail,
            end: if has_line_end { end } else { line_and_end },
            form,
        }
    }

    /// Whether the server answers to each of its parts.
    pub(super) fn is_in_chunks(&self) -> bool {
        self.form == Form::Chunks
    }

    /// How many bytes of the message come before its last piece; none for all but large ones.
    pub(super) fn head_bytes(&self) -> usize {
        self.head.len()
    }

    /// The command before the head, if it takes one; to be asked for before any piece is taken.
    pub(super) fn command_of_head(&self) -> Option<String> {
        self.is_in_chunks().then(|| format!("BDAT {}\r\n", self.head.len()))
    }

    /// The next piece before the last, as it is written; none when only the last is left.
    pub(super) fn next_of_head(&mut self) -> Option<Vec<u8>> {
        if self.head.is_empty() {
            return None;
        }
        let (piece, rest) = self.head.split_at(self.head.len().min(PIECE_BYTES));
        self.head = rest;
        let mut out = Vec::new();
        self.append(piece, &mut out);
        Some(out)
    }

    /// What is said with [`Self::last`], for people: without the message.
    pub(super) fn last_in_words(&self) -> String {
        match self.command_of_last() {
            Some(command) => format!("{command}({} bytes)\r\n", self.tail.len()),
            None => format!("({} bytes and the final dot)\r\n", self.tail.len()),
        }
    }

    fn command_of_last(&self) -> Option<String> {
        let bytes = self.tail.len().saturating_add(self.end.len());
        self.is_in_chunks().then(|| format!("BDAT {bytes} LAST\r\n"))
    }

    /// The last piece with what ends the message, and how many of its bytes a server may have without having the message.
    pub(super) fn last(&mut self) -> (Vec<u8>, usize) {
        let mut piece = self.command_of_last().map(String::into_bytes).unwrap_or_default();
        self.append(self.tail, &mut piece);
        let before_end = piece.len();
        piece.extend_from_slice(self.end);
        match self.form {
            // Each byte of the end may be the last that it takes for one.
            Form::Lines { .. } => (piece, before_end),
            Form::Chunks => {
                let all_but_one = piece.len().saturating_sub(1);
                (piece, all_but_one)
            }
        }
    }

    /// Appends `piece` in its form, with room for what ends the message.
    fn append(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let Form::Lines { is_line_start } = &mut self.form else {
            out.reserve_exact(piece.len().saturating_add(self.end.len()));
            out.extend_from_slice(piece);
            return;
        };
        // Few lines begin with a dot: room for some, without a second allocation.
        out.reserve(piece.len() + piece.len() / 64 + self.end.len());
        if *is_line_start && piece.first() == Some(&b'.') {
            out.push(b'.');
        }
        let mut rest = piece;
        while let Some((lines, dot)) = find(rest, b"\n.").and_then(|at| rest.split_at_checked(at.saturating_add(1))) {
            out.extend_from_slice(lines);
            out.push(b'.');
            rest = dot;
        }
        out.extend_from_slice(rest);
        if let Some(last) = piece.last() {
            *is_line_start = *last == b'\n';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(message: &[u8]) -> Vec<u8> {
        let mut body = Body::in_lines(message);
        let mut all = Vec::new();
        while let Some(piece) = body.next_of_head() {
            assert!(!body.tail.is_empty());
            all.extend(piece);
        }
        let (last, before) = body.last();
        assert!(last[before..].ends_with(b".\r\n"));
        all.extend(last);
        all
    }

    /// What a server makes of it: the message, and what comes behind its final dot.
    fn read(mut wire: &[u8]) -> (Vec<u8>, &[u8]) {
        let mut message = Vec::new();
        loop {
            let end = wire.windows(2).position(|two| two == b"\r\n").expect("no final dot") + 2;
            let (line, rest) = wire.split_at(end);
            wire = rest;
            if line == b".\r\n" {
                return (message, rest);
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
    }

    #[test]
    fn what_is_written_is_the_message_and_one_final_dot() {
        for (message, wire) in [
            (&b"a\r\n"[..], &b"a\r\n.\r\n"[..]),
            (b"a", b"a\r\n.\r\n"),
            (b"", b"\r\n.\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b".", b"..\r\n.\r\n"),
            (b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n.\r\n"),
            // Servers that take a lone LF for a line end must see no final dot either.
            (b"a\n.\nb\r\n", b"a\n..\nb\r\n.\r\n"),
        ] {
            assert_eq!(written(message), wire, "{message:?}");
        }
    }

    /// All chunks, each with its command, as they are written.
    fn in_chunks(message: &[u8]) -> Vec<u8> {
        let mut body = Body::in_chunks(message, b"");
        let mut all = Vec::new();
        if body.head_bytes() > 0 {
            all.extend(body.command_of_head().unwrap().into_bytes());
        }
        while let Some(piece) = body.next_of_head() {
            all.extend(piece);
        }
        let (last, before) = body.last();
        assert_eq!(before, last.len() - 1, "without its last byte a chunk is none");
        all.extend(last);
        all
    }

    /// What a server makes of chunks.
    fn of_chunks(mut wire: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        loop {
            let end = wire.windows(2).position(|two| two == b"\r\n").expect("no command") + 2;
            let command = std::str::from_utf8(&wire[..end]).unwrap().trim_end();
            let mut words = command.split(' ').skip(1);
            let bytes: usize = words.next().unwrap().parse().unwrap();
            message.extend_from_slice(&wire[end..end + bytes]);
            wire = &wire[end + bytes..];
            if words.next() == Some("LAST") {
                assert!(wire.is_empty());
                return message;
            }
        }
    }

    #[test]
    fn a_message_of_more_than_a_line_has_a_first_chunk() {
        for (message, first) in [
            (&b"A: b\r\n\r\nc\r\n"[..], Some(&b"A: b\r\n"[..])),
            (b"\r\nc", Some(b"\r\n")),
            (b"A: b\r\n", None),
            (b"A: b", None),
            (b"", None),
        ] {
            assert_eq!(first_line(message), first, "{message:?}");
        }
        assert_eq!(
            Body::in_chunks(b"a\r\nb\r\n", b"a\r\n").last().0,
            b"BDAT 3 LAST\r\nb\r\n"
        );
    }

    #[test]
    fn chunks_have_the_message_as_it_is_with_a_line_end() {
        for (message, wire) in [
            (&b"a\r\n"[..], &b"BDAT 3 LAST\r\na\r\n"[..]),
            (b".\r\n", b"BDAT 3 LAST\r\n.\r\n"),
            (b"a", b"BDAT 3 LAST\r\na\r\n"),
            (b"", b"BDAT 2 LAST\r\n\r\n"),
        ] {
            assert_eq!(in_chunks(message), wire, "{message:?}");
        }
    }

    #[test]
    fn all_but_the_last_64_kib_of_a_large_message_come_before_its_last_piece() {
        let message = b"0123456789abcdef0123456789abcd\r\n".repeat(10_000);
        let body = Body::in_lines(&message);
        assert_eq!(
            (body.head_bytes(), body.tail.len()),
            (4 * PIECE_BYTES, 320_000 - 4 * PIECE_BYTES)
        );
        let body = Body::in_chunks(&message, b"");
        assert_eq!(
            (body.head_bytes() + body.tail.len(), body.head_bytes() / PIECE_BYTES),
            (320_000, 4)
        );
        let odd = [b"abc", &message[..]].concat();
        let body = Body::in_chunks(&odd, b"abc0");
        assert!(body.head.ends_with(b"\r\n") && 4 * PIECE_BYTES - body.head_bytes() < 32);
        assert_eq!(Body::in_lines(&message[..PIECE_BYTES]).head_bytes(), 0);
        let wire = written(&message);
        assert_eq!(read(&wire), (message, &b""[..]));
    }

    proptest! {
        #[test]
        fn a_server_reads_the_message_back(lines in prop::collection::vec("[.a]{0,3}", 0..40), times in 1..2_000_usize) {
            let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let message = text.repeat(times).into_bytes();
            let expected = if message.is_empty() { b"\r\n".to_vec() } else { message.clone() };
            let wire = written(&message);
            prop_assert_eq!(read(&wire), (expected.clone(), &b""[..]));
            prop_assert_eq!(of_chunks(&in_chunks(&message)), expected);
        }
    }
}
