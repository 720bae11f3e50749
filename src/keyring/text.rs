//! Keys as text: `id:base64`, one a line in the file, or separated by commas in the variable.
//!
//! Guarantees: what is written parses back; a message about a bad entry names its place and never shows it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretBox};

use super::{KEY_BYTES, KEYS_MAX, Key, KeyRing, KeyRingError};

/// Plain base64; padding is optional, because people lose it when they copy.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The ring in a comma-separated list, newest first.
pub(super) fn parse_list(text: &str, origin: &str) -> Result<KeyRing, KeyRingError> {
    parse(text.split(','), origin)
}

/// The ring in a file's text, newest first; empty lines and those that start with `#` are skipped.
pub(super) fn parse_lines(text: &str, origin: &str) -> Result<KeyRing, KeyRingError> {
    parse(text.lines().filter(|line| !line.trim_start().starts_with('#')), origin)
}

/// The text of a file that holds `key`.
pub(super) fn to_line(key: &Key) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(256));
    text.push_str("# Keys of this Legwork, newest first, as id:base64 of 32 bytes. The first one signs; all verify.\n");
    text.push_str(key.id.as_str());
    text.push(':');
    BASE64.encode_string(key.secret.expose_secret(), &mut text);
    text.push('\n');
    text
}

fn parse<'a>(entries: impl Iterator<Item = &'a str>, origin: &str) -> Result<KeyRing, KeyRingError> {
    let entries: Vec<&str> = entries.map(str::trim).filter(|entry| !entry.is_empty()).collect();
    let count = || KeyRingError::Count {
        origin: origin.into(),
        count: entries.len(),
    };
    if entries.len() > KEYS_MAX {
        return Err(count());
    }
    let mut keys: Vec<Key> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let malformed = |reason| KeyRingError::Malformed {
            origin: origin.into(),
            position: index + 1,
            reason,
        };
        let key = parse_key(entry).map_err(malformed)?;
        if keys.iter().any(|held| held.id == key.id) {
            return Err(malformed("its id is that of an earlier key"));
        }
        keys.push(key);
    }
    let mut keys = keys.into_iter();
    let newest = keys.next().ok_or_else(count)?;
    Ok(KeyRing {
        newest,
        older: keys.collect(),
    })
}

fn parse_key(entry: &str) -> Result<Key, &'static str> {
    let (id, secret) = entry.split_once(':').ok_or("it is not written as id:base64")?;
    let id = id
        .parse()
        .or(Err("its id is not 1 to 32 letters, digits, underscores and hyphens"))?;
    let bytes = Zeroizing::new(BASE64.decode(secret).or(Err("what follows the colon is not base64"))?);
    let mut key = Box::new([0; KEY_BYTES]);
    if bytes.len() != key.len() {
        return Err("it does not hold 32 bytes");
    }
    key.copy_from_slice(&bytes);
    Ok(Key {
        id,
        secret: SecretBox::new(key),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_key_parses_back() {
        let key = Key::generate().unwrap();
        let ring = parse_lines(&to_line(&key), "keys").unwrap();
        assert_eq!(ring.newest.id, key.id);
        assert_eq!(ring.newest.secret.expose_secret(), key.secret.expose_secret());
    }

    #[test]
    fn a_bad_entry_is_named_by_its_place_and_never_shown() {
        let good = format!("a:{}", BASE64.encode([7; 32]));
        let short = format!("b:{}", BASE64.encode([7; 31]));
        for (text, expected) in [
            (
                format!("{good},SECRET"),
                "key 2 of X is not usable: it is not written as id:base64",
            ),
            (
                format!("{good},b!:SECRET"),
                "key 2 of X is not usable: its id is not 1 to 32 letters",
            ),
            (
                format!("{good},b:SECRET*"),
                "key 2 of X is not usable: what follows the colon is not base64",
            ),
            (short, "key 1 of X is not usable: it does not hold 32 bytes"),
            (
                format!("{good},{good}"),
                "key 2 of X is not usable: its id is that of an earlier key",
            ),
            (String::new(), "X holds 0 keys, not 1 to 16"),
            (vec![good.as_str(); 17].join(","), "X holds 17 keys, not 1 to 16"),
        ] {
            let message = parse_list(&text, "X").unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
            assert!(!message.contains("SECRET"), "{message}");
        }
    }

    #[test]
    fn padding_blanks_and_comments_may_be_left_out_or_added() {
        let bare = BASE64.encode([7; 32]).trim_end_matches('=').to_owned();
        let ring = parse_lines(&format!("# rotated in spring\n\n  a:{bare}\nb:{bare}=\n"), "keys").unwrap();
        assert_eq!(ring.keys().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }
}
