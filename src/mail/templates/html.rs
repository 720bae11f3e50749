//! The HTML of a mail: its text for who reads none, and its styles where readers' programs look for them.
//!
//! Guarantees: nothing is loaded, from the network or from files: a style sheet that is linked stays a link; how deep and
//! large the page becomes, and how much its styles have to be compared, is bounded before either is begun.
//!
//! Styles are written into elements at each rendering, and not once when the template is made: which element has which style
//! depends on what the loops and conditions of the template make of the data, and a template is no HTML. Pages without `<style>`
//! skip it. What cannot stand in an element (`@media`, and so on) stays in one `<style>` of the head.

use std::borrow::Cow;
use std::sync::Arc;

use css_inline::{CSSInliner, InlineError, StylesheetResolver};
use html2text::{Handle, RcDom, config};

use super::fault::{Part, Place, TemplateFault};
use super::formatting;

/// The deepest element, counted from the root. Tables within tables, as mails have them, are a quarter of it.
const DEPTH_MAX: usize = 200;

/// The most tags: what a reader of HTML does for one may grow with those that are open.
const TAGS_MAX: usize = 5_000;

/// The most elements: a page may have some that nobody wrote, such as `tbody`.
const ELEMENTS_MAX: usize = 10_000;

/// The most elements, each with its attributes, that a reader of HTML may have to make by itself where `<b>` and the like are left
/// open, at the worst ([`formatting::open_most`]). A page of 1,500 tags may leave 60 of four attributes.
const REPEATED_MAX: usize = 500_000;

/// The most rows and columns that cells reach into besides their own, which takes a cell each to lay out.
const SPANNED_MAX: usize = 3_000;

/// How often a style may have to be compared with an element, at the worst. A page of 500 elements that are 20 deep, with 20
/// kilobytes of styles, is a third of it.
const COMPARISONS_MAX: usize = 200_000_000;

/// How many declarations may have to be written, if each is for every element. That page is a third of it at the most.
const DECLARATIONS_MAX: usize = 2_000_000;

/// Columns of the text.
const WIDTH: usize = 76;

/// A page as it was read.
pub(super) struct Page {
    dom: RcDom,
    elements: usize,
    depth: usize,
    /// The most that is directly in one element.
    widest: usize,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// A page that is too deep, has too many tags, or would become much larger by being read or laid out.
    pub(super) fn read(html: &str) -> Result<Self, TemplateFault> {
        let tags = html.bytes().filter(|byte| *byte == b'<').count();
        if tags > TAGS_MAX {
            return Err(fault(format!("has more than {TAGS_MAX} tags once it is rendered")));
        }
        if tags.saturating_mul(formatting::open_most(html)) > REPEATED_MAX {
            return Err(fault("has too many <a>, <b>, <font> and the like that are not ended"));
        }
        let dom = config::plain().parse_html(html.as_bytes());
        let dom = dom.map_err(|_unreadable| fault("is not HTML once it is rendered"))?;
        let mut page = Self {
            dom,
            elements: 0,
            depth: 0,
            widest: 0,
        };
        let spanned = page.measure();
        if page.depth > DEPTH_MAX {
            return Err(fault(format!(
                "has elements that are more than {DEPTH_MAX} deep in others"
            )));
        }
        if page.elements > ELEMENTS_MAX {
            return Err(fault(format!("has more than {ELEMENTS_MAX} elements once it is read")));
        }
        if spanned > SPANNED_MAX {
            return Err(fault(format!(
                "has cells that reach into more than {SPANNED_MAX} rows and columns"
            )));
        }
        Ok(page)
    }

    /// Counts what there is, and returns how many rows and columns cells reach into.
    fn measure(&mut self) -> usize {
        let mut spanned = 0_usize;
        let mut open: Vec<(Handle, usize)> = vec![(self.dom.document.clone(), 0)];
        while let Some((node, at)) = open.pop() {
            self.depth = self.depth.max(at);
            let below = at.saturating_add(1);
            if let html2text::Element {
                template_contents,
                attrs,
                ..
            } = &node.data
            {
                self.elements = self.elements.saturating_add(1);
                for attribute in attrs.borrow().iter() {
                    if matches!(&*attribute.name.local, "rowspan" | "colspan") {
                        spanned = spanned.saturating_add(span(&attribute.value));
                    }
                }
                open.extend(template_contents.borrow().iter().map(|within| (within.clone(), below)));
            }
            let children = node.children.borrow();
            self.widest = self.widest.max(children.len());
            open.extend(children.iter().map(|child| (child.clone(), below)));
        }
        spanned
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
        let styles = StyleCosts::of(html);
        // A selector that looks at siblings may do so for each element that is around the one in question.
        let siblings = self.depth.saturating_mul(self.widest).min(self.elements);
        let each = (styles.within.saturating_mul(self.depth))
            .saturating_add(styles.children.saturating_mul(self.widest))
            .saturating_add(styles.siblings.saturating_mul(siblings));
        if each.saturating_mul(self.elements) > COMPARISONS_MAX
            || styles.declarations.saturating_mul(self.elements) > DECLARATIONS_MAX
        {
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

/// What the style sheets of a page have, or more: strings and comments count as if they were none.
#[derive(Default)]
struct StyleCosts {
    /// What may be compared with all that an element is in: what begins a part of a selector.
    within: usize,
    /// What may count an element among its siblings, as `:nth-child` does.
    children: usize,
    /// What may be compared with all siblings.
    siblings: usize,
    /// Declarations, each as often as its rule has selectors.
    declarations: usize,
}

impl StyleCosts {
    fn of(html: &str) -> Self {
        let (mut costs, mut done) = (Self::default(), 0);
        for start in style_starts(html) {
            let Some(rest) = html.as_bytes().get(start.max(done)..) else {
                break;
            };
            let len = style_end(rest);
            costs.add(rest.get(..len).unwrap_or(rest));
            done = start.max(done).saturating_add(len);
        }
        costs
    }

    fn add(&mut self, sheet: &[u8]) {
        let (mut last, mut selectors) = (b' ', 1_usize);
        for &byte in sheet {
            match byte {
                // One run of white space is one.
                b if b.is_ascii_whitespace() && last.is_ascii_whitespace() => {}
                b'~' | b'+' => self.siblings = self.siblings.saturating_add(1),
                b' ' | b'\n' | b'\r' | b'\t' | 12 | b'>' | b'.' | b'#' | b'[' | b':' | b'*' | b'|' | b',' | b'('
                | b'{' | b'}' => {
                    self.within = self.within.saturating_add(1);
                }
                // `:nth-…`, `:first-…`, `:last-…`, `:only-…`, or written with an escape.
                b'n' | b'N' | b'f' | b'F' | b'l' | b'L' | b'o' | b'O' if last == b':' => {
                    self.children = self.children.saturating_add(1);
                }
                _ => {}
            }
            if byte == b'\\' && last == b':' {
                self.children = self.children.saturating_add(1);
            }
            match byte {
                b',' => selectors = selectors.saturating_add(1),
                b'}' => selectors = 1,
                b';' | b'{' => self.declarations = self.declarations.saturating_add(selectors),
                _ => {}
            }
            last = byte;
        }
    }
}

/// How many rows or columns a cell reaches into by this attribute besides its own. None at all stands for all that are left, of
/// which no mail needs many.
fn span(value: &str) -> usize {
    match value.parse::<usize>() {
        Ok(0) => 100,
        Ok(count) => count.saturating_sub(1),
        Err(_) => 0,
    }
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
