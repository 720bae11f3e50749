//! How long the expressions of a template are and what is in them, seen before anything that is recursive looks at them.
//!
//! Guarantees: each tag holds only what [`super::plain`] lets through; the engine's parser goes one call deeper with each
//! operator of some sorts, and with each `elif`; what is let through here keeps that to a few hundred calls. Tags are told apart
//! as the engine does, and never shorter than it does.

use super::plain::{Tag, Token};

/// The most tokens of one tag: an operator, a name, a number, a text.
const TOKENS_MAX: usize = 300;

/// The most `elif` of a source.
const BRANCHES_MAX: usize = 100;

/// Why a source is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// In which line, counted from 1.
    pub(super) line: usize,
    /// What is wrong, in words for who wrote it.
    pub(super) words: String,
}

/// Whether each tag is of bearable length and holds what it may.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn check(source: &str) -> Result<(), Refused> {
    let mut rest = source.as_bytes();
    let mut branches = 0;
    while let Some((first, behind)) = rest.split_first() {
        let second = behind.split_first().filter(|_| *first == b'{');
        let tag = match second {
            Some((b'{', within)) => Some((within, b"}}")),
            Some((b'%', within)) => Some((within, b"%}")),
            _ => None,
        };
        rest = match (second, tag) {
            (_, Some((within, end))) => after_tag(within, *end, &mut branches).map_err(|(words, rest)| {
                let before = source.len().saturating_sub(rest.len());
                let lines = source.bytes().take(before).filter(|byte| *byte == b'\n').count();
                let line = lines.saturating_add(1);
                Refused { line, words }
            })?,
            (Some((b'#', within)), None) => after_comment(within),
            _ => behind,
        };
    }
    Ok(())
}

/// What is behind a comment; nothing, if it does not end.
fn after_comment(within: &[u8]) -> &[u8] {
    let end = within.windows(2).position(|two| two == b"#}");
    end.and_then(|end| within.get(end.saturating_add(2)..))
        .unwrap_or_default()
}

/// What is behind a tag; nothing, if it does not end. An error is with what was not read then.
fn after_tag<'a>(within: &'a [u8], end: [u8; 2], branches: &mut usize) -> Result<&'a [u8], (String, &'a [u8])> {
    let mut rest = match within.split_first() {
        Some((b'-' | b'+', behind)) => behind,
        _ => within,
    };
    let (mut tokens, mut open, mut tag) = (0_usize, 0_i64, Tag::default());
    while let Some((first, behind)) = rest.split_first() {
        let kept = behind.starts_with(&end) && *first == b'+';
        if open == 0
            && let Some(after) = if kept { behind } else { rest }.strip_prefix(&end)
        {
            return Ok(after);
        }
        if first.is_ascii_whitespace() {
            rest = behind;
            continue;
        }
        match first {
            b'(' | b'[' | b'{' => open = open.saturating_add(1),
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        let (token, after) = match first {
            b'"' | b'\'' => (Token::Text, after_text(behind, *first)),
            byte if is_of_word(*byte) => {
                let (word, after) = rest.split_at(rest.iter().take_while(|byte| is_of_word(**byte)).count());
                if tokens == 0 && word == b"raw" {
                    let words = "has a raw block, which is not taken; print braces as {{ '{{' }}";
                    return Err((words.to_owned(), rest));
                }
                *branches = branches.saturating_add(usize::from(word == b"elif"));
                (Token::Word(word), after)
            }
            _ => (Token::Sign(*first), behind),
        };
        tag.take(token).map_err(|words| (words.to_owned(), rest))?;
        tokens = tokens.saturating_add(1);
        if tokens > TOKENS_MAX {
            let words = format!("has a tag with more than {TOKENS_MAX} names and operators in it");
            return Err((words, rest));
        }
        if *branches > BRANCHES_MAX {
            return Err((format!("has more than {BRANCHES_MAX} elif"), rest));
        }
        rest = after;
    }
    Ok(rest)
}

/// What is behind a text that ends with `quote`; nothing, if it does not end.
fn after_text(within: &[u8], quote: u8) -> &[u8] {
    let mut is_escaped = false;
    let end = within.iter().position(|byte| {
        let ends = !is_escaped && *byte == quote;
        is_escaped = !is_escaped && *byte == b'\\';
        ends
    });
    end.and_then(|end| within.get(end.saturating_add(1)..))
        .unwrap_or_default()
}

const fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn ordinary_templates_are_short() {
        for source in [
            "",
            "{",
            "{{+ a +}}{%+ if a in ['x', -1.5, none] +%}{% endif +%}",
            "{% for key, value in a | items if value %}{{ loop.index | plus(1) }}{% endfor %}",
            "{% with a = f(1, 2), b = (c - 1) %}{{ f(a, b)('x', 1) }}{% endwith %}",
            "{% macro f(a, b=2) %}{% endmacro %}{% call(x, y) f(1, 2) %}{% endcall %}",
            "{{ a.b | default('}}', \"{{\") }}{% if a %}{{ a['b'][0] }}{% elif b %}{% endif %}",
            &"{{ a }} not . - ".repeat(10_000),
            "{# {{ ' #}{{ a }}",
        ] {
            assert_eq!(check(source), Ok(()), "{source}");
        }
    }

    #[test]
    fn long_ones_are_refused_however_they_are_hidden() {
        let chains = [
            "not ", "-", "a.", "a|b", "a+", "\"}}\"~", "'{{'~", "'\\'}}'~", "(", "{'a':", "[{}],",
        ];
        for chain in chains {
            let chain = chain.repeat(1_000);
            for (open, close) in [
                ("{{ ", "1 }}"),
                ("{% if ", "1 %}"),
                ("{#'#}{{ ", "1 }}"),
                ("{{ {'a':{}} }}{{- ", "1 -}}"),
            ] {
                assert!(
                    check(&format!("<p>{open}{chain}{close}</p>")).is_err(),
                    "{open}{}",
                    &chain[..20]
                );
            }
        }
        for (line, source) in [
            (1, "{{ a + b }}"),
            (2, "<p>\n{{ a * 2 }}"),
            (3, "{% if a %}\n{{ '\n' ~ 2 ** 3 }}"),
            (1, "{{ f(*a) }}"),
            (1, "{{ [a] }}"),
            (1, "{{ [1, [2]] }}"),
            (1, "{{ ['x', a] }}"),
            (1, "{% if a in [b, b] %}"),
            (1, "{% if a is eq [b, b] %}"),
            (1, "{% for a in (b, b) %}"),
            (1, "{% for a in b, b %}"),
            (1, "{% set a = b, b %}"),
            (1, "{% set a = (b, b) %}"),
            (1, "{{ f((a, a)) }}"),
            (1, "{% if not (a, a) %}"),
            (1, "{% with a = (b, b) %}"),
            (1, "{{ a, a }}"),
            (1, "{{ a[b, b] }}"),
            (1, "{{ {} }}"),
            (1, "{{ f({'a': a}) }}"),
            (1, "{{ a[1:] }}"),
            (1, "{{ a[:] }}"),
        ] {
            let refused = check(source).unwrap_err();
            assert_eq!(refused.line, line, "{source}: {refused:?}");
        }
        assert!(check(&"{% elif a %}".repeat(101)).is_err());
        assert!(check("{%- raw %}{{ ' {% endraw %}").is_err());
    }
}
