//! A message as it goes over the wire behind DATA: dots doubled, the final dot with the last of it.
//!
//! Guarantees: a server reads exactly the message's bytes, with a line end added where its last line has none; nothing in it
//! reads as the final dot. The last piece is small, so that whatever is asked directly before it is asked of nearly nothing
//! left to do.

use memchr::memmem::find;

/// The most bytes of the message in one piece.
const PIECE_BYTES: usize = 64 * 1024;

/// A message in pieces.
pub(super) struct Body<'a> {
    head: &'a [u8],
    tail: &'a [u8],
    /// What ends it: the final dot, with the line end before it unless the message has one.
    end: &'static [u8],
    is_line_start: bool,
}

impl<'a> Body<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        let whole_pieces = message.len().saturating_sub(1) / PIECE_BYTES;
        let (head, tail) = message
            .split_at_checked(whole_pieces * PIECE_BYTES)
            .unwrap_or((&[], message));
        Self {
            head,
            tail,
            end: if message.ends_with(b"\r\n") {
                b".\r\n"
            } else {
                b"\r\n.\r\n"
            },
            is_line_start: true,
        }
    }

    /// How many bytes of the message come before its last piece; none for all but large ones.
    pub(super) fn head_bytes(&self) -> usize {
        self.head.len()
    }

    /// How many bytes of the message its last piece has.
    pub(super) fn tail_bytes(&self) -> usize {
        self.tail.len()
    }

    /// The next piece before the last, as it is written; none when only the last is left.
    pub(super) fn next_of_head(&mut self) -> Option<Vec<u8>> {
        if self.head.is_empty() {
            return None;
        }
        let (piece, rest) = self.head.split_at(self.head.len().min(PIECE_BYTES));
        self.head = rest;
        Some(self.stuffed(piece, 0))
    }

    /// The last piece with the final dot, and how many of its bytes come before what ends it.
    pub(super) fn last(&mut self) -> (Vec<u8>, usize) {
        let mut piece = self.stuffed(self.tail, self.end.len());
        let before = piece.len();
        piece.extend_from_slice(self.end);
        (piece, before)
    }

    /// `piece` with each dot doubled that begins a line, and room for `more`.
    fn stuffed(&mut self, piece: &[u8], more: usize) -> Vec<u8> {
        // Few lines begin with a dot: room for some, without a second allocation.
        let mut out = Vec::with_capacity(piece.len() + piece.len() / 64 + more);
        if self.is_line_start && piece.first() == Some(&b'.') {
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
            self.is_line_start = *last == b'\n';
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(message: &[u8]) -> Vec<u8> {
        let mut body = Body::new(message);
        let mut all = Vec::new();
        while let Some(piece) = body.next_of_head() {
            assert!(body.tail_bytes() > 0);
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

    #[test]
    fn all_but_the_last_64_kib_of_a_large_message_come_before_its_last_piece() {
        let message = b"0123456789abcdef0123456789abcd\r\n".repeat(10_000);
        let body = Body::new(&message);
        assert_eq!(
            (body.head_bytes(), body.tail_bytes()),
            (4 * PIECE_BYTES, 320_000 - 4 * PIECE_BYTES)
        );
        assert_eq!(Body::new(&message[..PIECE_BYTES]).head_bytes(), 0);
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
            prop_assert_eq!(read(&wire), (expected, &b""[..]));
        }
    }
}
