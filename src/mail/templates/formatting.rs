//! What is left open of `<b>`, `<a>` and the like, which readers of HTML make anew in each paragraph that follows.
//!
//! Guarantees: never less than a reader of HTML has open at any place, whatever is in comments, attributes and scripts: a tag
//! counts as ended only where nothing can have hidden its end, which is where there is but text, other such tags, pictures, spans
//! and line breaks in between.

/// Those that a reader of HTML opens again.
const FORMATTING: [&[u8]; 14] = [
    b"a", b"b", b"big", b"code", b"em", b"font", b"i", b"nobr", b"s", b"small", b"strike", b"strong", b"tt", b"u",
];

/// Those that hide nothing and end nothing.
const INLINE: [&[u8]; 4] = [b"br", b"img", b"span", b"wbr"];

/// What is read of all tags at the most: a page is as long as that many times over only where there are tags within what looks
/// like tags.
const READ_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The most that may be open at once, counted as one for each element and each of its attributes.
pub(super) fn open_most(html: &str) -> usize {
    let bytes = html.as_bytes();
    let mut open = Open::default();
    let (mut data_from, mut read) = (0_usize, 0_usize);
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'<') {
        let rest = bytes.get(at.saturating_add(1)..).unwrap_or_default();
        let tag = Tag::read(rest, &mut read);
        if read > READ_BYTES_MAX {
            return usize::MAX;
        }
        // Within another tag, if that is one.
        if at < data_from {
            open.leave();
        }
        match &tag {
            Some(tag) => {
                data_from = data_from.max(at.saturating_add(1).saturating_add(tag.len));
                open.see(tag);
            }
            None => open.leave(),
        }
    }
    open.most
}

/// What is open at one place.
#[derive(Default)]
struct Open {
    /// What may yet be ended.
    pending: Vec<(Vec<u8>, usize)>,
    pending_weight: usize,
    /// What was not, as far as is sure.
    left: usize,
    most: usize,
}

impl Open {
    fn see(&mut self, tag: &Tag) {
        let name = tag.name.as_slice();
        if INLINE.contains(&name) {
            return;
        }
        if !FORMATTING.contains(&name) {
            self.leave();
        } else if !tag.is_end {
            self.pending.push((tag.name.clone(), tag.weight));
            self.pending_weight = self.pending_weight.saturating_add(tag.weight);
            self.most = self.most.max(self.left.saturating_add(self.pending_weight));
        } else if let Some((_, weight)) = self.pending.pop_if(|(last, _)| last == name) {
            self.pending_weight = self.pending_weight.saturating_sub(weight);
        } else {
            self.leave();
        }
    }

    /// Nothing is sure of what is open.
    fn leave(&mut self) {
        self.pending.clear();
        self.left = self.left.saturating_add(self.pending_weight);
        self.pending_weight = 0;
    }
}

/// A tag, from after its `<`.
struct Tag {
    name: Vec<u8>,
    is_end: bool,
    /// One, and one for each attribute.
    weight: usize,
    len: usize,
}

/// Where in a tag one is, as readers of HTML have it.
enum Within {
    Name,
    Between,
    Attribute,
    /// After the name of an attribute and white space.
    Named,
    /// After `=`.
    Equals,
    Unquoted,
    Quoted(u8),
}

impl Tag {
    /// None if this is no tag, or has no end. How many bytes were looked at is added to `read`.
    fn read(rest: &[u8], read: &mut usize) -> Option<Self> {
        let (is_end, skipped) = match rest.first() {
            Some(b'/') => (true, 1),
            _ => (false, 0),
        };
        rest.get(skipped).filter(|byte| byte.is_ascii_alphabetic())?;
        let (mut name, mut weight, mut within) = (Vec::new(), 1_usize, Within::Name);
        for (at, &byte) in rest.iter().enumerate().skip(skipped) {
            *read = read.saturating_add(1);
            let is_space = byte.is_ascii_whitespace();
            within = match within {
                Within::Quoted(quote) if byte == quote => Within::Between,
                Within::Quoted(quote) => Within::Quoted(quote),
                Within::Equals if matches!(byte, b'"' | b'\'') => Within::Quoted(byte),
                _ if byte == b'>' => {
                    return Some(Self {
                        name,
                        is_end,
                        weight,
                        len: at.saturating_add(1),
                    });
                }
                Within::Equals if is_space => Within::Equals,
                Within::Unquoted if is_space => Within::Between,
                Within::Equals | Within::Unquoted => Within::Unquoted,
                Within::Attribute | Within::Named if is_space => Within::Named,
                Within::Attribute | Within::Named if byte == b'=' => Within::Equals,
                _ if is_space || byte == b'/' => Within::Between,
                Within::Attribute => Within::Attribute,
                Within::Name => {
                    // Longer names are none of those that are looked for.
                    if name.len() < 16 {
                        name.push(byte.to_ascii_lowercase());
                    }
                    Within::Name
                }
                Within::Between | Within::Named => {
                    weight = weight.saturating_add(1);
                    Within::Attribute
                }
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::open_most;

    #[test]
    fn what_is_ended_is_not_open_and_what_may_not_be_is() {
        for (html, open) in [
            ("", 0),
            ("<p>x<p>y", 0),
            ("<b>x</b><B >y</b  ><i>z</i>", 1),
            ("<b>x<i>y</i></b>", 2),
            ("<a href='>' title=\"</a>\">x<br><img src=x/></a><a href=x>y</a>", 5),
            ("<a href=x><span>y</span></a><a b c = d>z</a>", 3),
            ("<b><b><b>", 3),
            // What only looks like an end.
            ("<b><!-- </b> --><b>", 2),
            ("<b><p title='</b>'><b>", 2),
            ("<b><script></b></script><b>", 2),
            ("<b><td></b></td><b>", 2),
            ("<i></b><i></b>", 2),
            ("<b title='</b>'><b title=\"</b>\"><b x=</b>", 6),
            // What only looks like a start takes nothing away.
            ("<p title='<b '></b><b>", 1),
            // No end, so no tag.
            ("<b title='", 0),
        ] {
            let counted = open_most(html);
            assert!(counted >= open && counted <= open + 1, "{html}: {counted}");
        }
        assert_eq!(open_most(&"<b>x</b>".repeat(1_000)), 1);
        assert_eq!(open_most(&"<b '".repeat(5_000)), usize::MAX, "takes long");
    }
}
