//! How long the expressions of a template are, seen before anything that is recursive looks at them.
//!
//! Guarantees: the engine's parser goes one call deeper with each operator of some sorts, and with each `elif`; what is let
//! through here keeps that to a few hundred calls. Tags are told apart as the engine does, and never shorter than it does.

/// The most tokens of one tag: an operator, a name, a number, a text.
const TOKENS_MAX: usize = 300;

/// The most `elif` of a source.
const BRANCHES_MAX: usize = 100;

/// Whether each tag is of bearable length.
///
/// # Errors
/// What is wrong, in words for who wrote it.
pub(super) fn check(source: &str) -> Result<(), String> {
    let mut rest = source.as_bytes();
    let mut branches = 0;
    while let Some((first, behind)) = rest.split_first() {
        let second = behind.split_first().filter(|_| *first == b'{');
        rest = match second {
            Some((b'#', within)) => after_comment(within),
            Some((b'{', within)) => after_tag(within, b"}}", &mut branches)?,
            Some((b'%', within)) => after_tag(within, b"%}", &mut branches)?,
            _ => behind,
        };
        if branches > BRANCHES_MAX {
            return Err(format!("has more than {BRANCHES_MAX} elif"));
        }
    }
    Ok(())
}

/// What is behind a comment; nothing, if it does not end.
fn after_comment(within: &[u8]) -> &[u8] {
    let end = within.windows(2).position(|two| two == b"#}");
    end.and_then(|end| within.get(end.saturating_add(2)..))
        .unwrap_or_default()
}

/// What is behind a tag; nothing, if it does not end.
fn after_tag<'a>(within: &'a [u8], end: &[u8], branches: &mut usize) -> Result<&'a [u8], String> {
    let mut rest = match within.split_first() {
        Some((b'-' | b'+', behind)) => behind,
        _ => within,
    };
    let (mut tokens, mut open) = (0_usize, 0_i64);
    while let Some((first, behind)) = rest.split_first() {
        if open == 0
            && let Some(after) = rest.strip_prefix(end)
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
        rest = match first {
            b'"' | b'\'' => after_text(behind, *first),
            byte if is_of_word(*byte) => {
                let (word, behind) = rest.split_at(rest.iter().take_while(|byte| is_of_word(**byte)).count());
                if tokens == 0 && word == b"raw" {
                    return Err("has a raw block, which is not taken; print braces as {{ '{{' }}".to_owned());
                }
                *branches = branches.saturating_add(usize::from(word == b"elif"));
                behind
            }
            _ => behind,
        };
        tokens = tokens.saturating_add(1);
        if tokens > TOKENS_MAX {
            return Err(format!(
                "has a tag with more than {TOKENS_MAX} names and operators in it"
            ));
        }
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
            "{{ a.b | default('}}', \"{{\") }}{% if a %}{{ {'a': {'b': 1}} }}{% elif b %}{% endif %}",
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
        assert!(check(&"{% elif a %}".repeat(101)).is_err());
        assert!(check("{%- raw %}{{ ' {% endraw %}").is_err());
    }
}
