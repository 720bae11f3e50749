//! The HTML of a mail: its text for who reads none, and its styles where readers' programs look for them.
//!
//! Guarantees: nothing is loaded, from the network or from files: a style sheet that is linked stays a link; how deep the page is
//! and how much its styles have to be compared is bounded before either is begun.
//!
//! Styles are written into elements at each rendering, and not once when the template is made: which element has which style
//! depends on what the loops and conditions of the template make of the data, and a template is no HTML. Pages without `<style>`
//! skip it. What cannot stand in an element (`@media`, and so on) stays in one `<style>` of the head.

use std::borrow::Cow;
use std::sync::Arc;

use css_inline::{CSSInliner, InlineError, StylesheetResolver};
use html2text::{Handle, RcDom, config};

use super::fault::{Part, Place, TemplateFault};

/// The deepest element, counted from the root. Tables within tables, as mails have them, are a quarter of it.
const DEPTH_MAX: usize = 200;

/// The most tags: what a reader of HTML does for one may grow with those that are open.
const TAGS_MAX: usize = 20_000;

/// How often a style may have to be compared with an element, at the worst. A page of 2,000 elements that are 20 deep, with ten
/// kilobytes of styles, is a tenth of it.
const COMPARISONS_MAX: usize = 500_000_000;

/// Columns of the text.
const WIDTH: usize = 76;

/// A page as it was read.
pub(super) struct Page {
    dom: RcDom,
    elements: usize,
    depth: usize,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// A page that is too deep, or has too many tags.
    pub(super) fn read(html: &str) -> Result<Self, TemplateFault> {
        if html.bytes().filter(|byte| *byte == b'<').count() > TAGS_MAX {
            return Err(fault(format!("has more than {TAGS_MAX} tags once it is rendered")));
        }
        let dom = config::plain().parse_html(html.as_bytes());
        let dom = dom.map_err(|_unreadable| fault("is not HTML once it is rendered"))?;
        let (mut elements, mut depth) = (0_usize, 0_usize);
        let mut open: Vec<(Handle, usize)> = vec![(dom.document.clone(), 0)];
        while let Some((node, at)) = open.pop() {
            depth = depth.max(at);
            let below = at.saturating_add(1);
            if let html2text::Element { template_contents, .. } = &node.data {
                elements = elements.saturating_add(1);
                open.extend(template_contents.borrow().iter().map(|within| (within.clone(), below)));
            }
            open.extend(node.children.borrow().iter().map(|child| (child.clone(), below)));
        }
        if depth > DEPTH_MAX {
            return Err(fault(format!(
                "has elements that are more than {DEPTH_MAX} deep in others"
            )));
        }
        Ok(Self { dom, elements, depth })
    }

    /// The text of the page; links are numbered, and stand at the end.
    pub(super) fn text(&self) -> String {
        let config = config::plain().no_link_wrapping().allow_width_overflow();
        let tree = config.dom_to_render_tree(&self.dom);
        let text = tree.and_then(|tree| config.render_to_string(tree, WIDTH));
        // Nothing of a page that was read is known to fail; a mail without this text is better than none.
        text.unwrap_or_default()
    }

    /// `html`, which is this page, with its styles in its elements.
    ///
    /// # Errors
    /// Styles that take too long to be compared with this many elements, and those that are no CSS.
    pub(super) fn inlined(&self, html: &str) -> Result<String, TemplateFault> {
        let comparisons = style_tokens(html)
            .saturating_mul(self.elements)
            .saturating_mul(self.depth);
        if comparisons > COMPARISONS_MAX {
            return Err(fault("has more styles than can be written into that many elements"));
        }
        let inliner = CSSInliner::options()
            .load_remote_stylesheets(false)
            .keep_link_tags(true)
            .keep_style_tags(false)
            .keep_at_rules(true)
            .resolver(Arc::new(Nothing))
            .build();
        inliner.inline(html).map_err(|error| match error {
            InlineError::ParseError(_) => fault("has styles that are not CSS"),
            _ => fault("has styles that cannot be written into its elements"),
        })
    }
}

/// Whether there may be a style sheet in the page.
pub(super) fn has_styles(html: &str) -> bool {
    style_starts(html).next().is_some()
}

/// How many names of classes, elements and the like there are in the style sheets of a page, or more: what is between letters and
/// digits, in all that may be a style sheet.
fn style_tokens(html: &str) -> usize {
    let (mut tokens, mut done) = (0_usize, 0);
    for start in style_starts(html) {
        let Some(rest) = html.as_bytes().get(start.max(done)..) else {
            break;
        };
        let len = style_end(rest);
        let within = rest.iter().take(len);
        tokens = tokens.saturating_add(within.filter(|byte| !byte.is_ascii_alphanumeric()).count());
        done = start.max(done).saturating_add(len);
    }
    tokens
}

/// Where `<style` begins, in letters of any case.
fn style_starts(html: &str) -> impl Iterator<Item = usize> {
    let windows = html.as_bytes().windows(6).enumerate();
    windows.filter_map(|(at, window)| window.eq_ignore_ascii_case(b"<style").then_some(at))
}

/// How far a style sheet goes: to its end tag, or to the end.
fn style_end(rest: &[u8]) -> usize {
    let mut windows = rest.windows(8);
    let ends = |window: &[u8]| {
        window.get(..7).is_some_and(|tag| tag.eq_ignore_ascii_case(b"</style"))
            && window
                .last()
                .is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
    };
    windows.position(ends).unwrap_or(rest.len())
}

fn fault(words: impl Into<Cow<'static, str>>) -> TemplateFault {
    TemplateFault::new(Place::Part(Part::Html), words.into())
}

/// Loads nothing.
#[derive(Debug)]
struct Nothing;

impl StylesheetResolver for Nothing {
    fn retrieve(&self, _location: &str) -> css_inline::Result<String> {
        Err(InlineError::IO(std::io::ErrorKind::Unsupported.into()))
    }
}
