//! Text, as the parts of a message take it.

use std::collections::HashSet;

/// The longest name of structured data (RFC 5424, section 6.3.2).
pub(super) const NAME: usize = 32;

/// Writes text as the value of a parameter, without the quotes around it.
#[inline]
pub(super) fn escaped(out: &mut Vec<u8>, mut text: &[u8]) {
    loop {
        let clean = clean(text);
        let Some((run, [special, rest @ ..])) = text.split_at_checked(clean) else {
            break;
        };
        out.extend_from_slice(run);
        out.extend_from_slice(&[b'\\', *special]);
        text = rest;
    }
    out.extend_from_slice(text);
}

/// Length of the start of `text` that needs no escape.
#[inline]
fn clean(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (position, word) in words.iter().enumerate() {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            return position * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let start = text.len() - rest.len();
    let found = rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | b']'));
    start + found.unwrap_or(rest.len())
}

/// Sets the high bit of every byte that must be escaped. Above the lowest such byte a borrow may
/// set bits wrongly, so only the lowest is to be trusted.
#[inline]
const fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let bracket = word ^ (ONES * b']' as u64);
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let is_bracket = bracket.wrapping_sub(ONES) & !bracket;
    (is_quote | is_backslash | is_bracket) & HIGH_BITS
}

/// Writes text as a value of the header: at most `limit` characters, what is not printable ASCII
/// as `_`.
pub(super) fn header(out: &mut Vec<u8>, text: &[u8], limit: usize) {
    // A character is as many bytes as its first says; the others all look like this.
    let characters = text.iter().filter(|byte| !matches!(byte, 0x80..0xc0));
    out.extend(characters.take(limit).map(|byte| match byte {
        33..=126 => *byte,
        _ => b'_',
    }));
}

/// A name of structured data, padded with zeros.
pub(super) type Name = [u8; NAME];

/// Makes text a name: at most 32 characters, what may not stand in one as `_`.
#[inline]
pub(super) fn name(text: &[u8]) -> (Name, usize) {
    let mut name = [0; NAME];
    let mut length = 0;
    let characters = text.iter().filter(|byte| !matches!(byte, 0x80..0xc0));
    for (place, byte) in name.iter_mut().zip(characters) {
        *place = match byte {
            b'=' | b']' | b'"' => b'_',
            33..=126 => *byte,
            _ => b'_',
        };
        length += 1;
    }
    if length == 0 {
        // A name has at least one character.
        let [first, ..] = &mut name;
        *first = b'_';
        length = 1;
    }
    (name, length)
}

/// Beyond so many names a table finds them sooner than a look at each.
const FEW: usize = 128;

/// Names that were used.
#[derive(Default)]
pub(super) struct Names {
    hashes: Vec<u64>,
    names: Vec<Name>,
    /// Those beyond the first few: nobody can tell how many a record has.
    others: HashSet<Name>,
}

impl Names {
    pub(super) fn clear(&mut self) {
        self.hashes.clear();
        self.names.clear();
        self.others.clear();
    }

    /// Adds a name; says whether it is new.
    #[inline]
    pub(super) fn insert(&mut self, name: Name) -> bool {
        let hash = hash(&name);
        if self.hashes.contains(&hash) && self.names.contains(&name) {
            return false;
        }
        if self.names.len() >= FEW {
            return self.others.insert(name);
        }
        self.hashes.push(hash);
        self.names.push(name);
        true
    }
}

#[inline]
fn hash(name: &Name) -> u64 {
    let (words, _) = name.as_chunks::<8>();
    words.iter().fold(0, |hash: u64, word| {
        (hash.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escape(text: &str) -> String {
        let mut out = Vec::new();
        escaped(&mut out, text.as_bytes());
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn escapes() {
        assert_eq!(escape(r#"say "x" [y] \z"#), r#"say \"x\" [y\] \\z"#);
        assert_eq!(escape(""), "");
        assert_eq!(escape("größe\n\r\0'"), "größe\n\r\0'");
    }

    #[test]
    fn escapes_at_every_position() {
        for length in 0..40 {
            for position in 0..length {
                for special in ['"', '\\', ']'] {
                    for filler in ['a', '!', '#', '[', '^', '\\', 'é'] {
                        let mut text = vec![filler; length];
                        text[position] = special;
                        let text: String = text.into_iter().collect();
                        let expected = text
                            .replace('\\', "\\\\")
                            .replace('"', "\\\"")
                            .replace(']', "\\]");
                        assert_eq!(escape(&text), expected);
                    }
                }
            }
        }
    }

    #[test]
    fn names_and_header_values() {
        let named = |text: &str| {
            let (name, length) = name(text.as_bytes());
            assert!(name[length..].iter().all(|byte| *byte == 0));
            String::from_utf8(name[..length].to_vec()).expect("ASCII")
        };
        assert_eq!(named("http.route"), "http.route");
        assert_eq!(named("a=b c]d\"e\u{7f}é\n"), "a_b_c_d_e___");
        assert_eq!(named(&"k".repeat(40)), "k".repeat(32));
        assert_eq!(named(""), "_");
        let shown = |text: &str, limit| {
            let mut out = Vec::new();
            header(&mut out, text.as_bytes(), limit);
            String::from_utf8(out).expect("ASCII")
        };
        assert_eq!(shown("a b", 255), "a_b");
        assert_eq!(shown("größe=]\"", 255), "gr__e=]\"");
        assert_eq!(shown("日本語", 2), "__");
    }

    /// A look at each would take minutes.
    #[test]
    fn many_names_are_told_apart() {
        let mut names = Names::default();
        let all = || (0..100_000).map(|number: u32| name(number.to_string().as_bytes()).0);
        assert!(all().all(|name| names.insert(name)));
        assert!(!all().any(|name| names.insert(name)));
        names.clear();
        assert!(all().all(|name| names.insert(name)));
    }

    #[test]
    fn names_that_share_a_hash_are_told_apart() {
        let mut names = Names::default();
        let [one, two] = ["one", "two"].map(|text| name(text.as_bytes()).0);
        assert!(names.insert(one));
        // As if they shared it.
        names.hashes.push(hash(&two));
        assert!(names.insert(two));
        assert!(!names.insert(one) && !names.insert(two));
    }
}
