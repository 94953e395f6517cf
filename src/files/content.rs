//! By what the content of a file is known, whatever its name says.

/// How a file begins that is gzip: RFC 1952, and the only method there is, deflate.
pub(crate) const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];

/// How a Zstandard frame begins: RFC 8878, section 3.1.1.
pub(crate) const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How a skippable Zstandard frame begins, but for the lower half of its first byte: RFC 8878,
/// section 3.1.2.
const SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// A length of four bytes below 144 MiB begins with less than this. Text does not.
const LENGTHS: u8 = 0x09;

/// Whether a skippable frame begins like this.
pub(crate) fn is_skippable(magic: [u8; 4]) -> bool {
    [magic[0] & 0xf0, magic[1], magic[2], magic[3]] == SKIPPABLE
}

/// What a file consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Gzip,
    Zstd,
    Plain(Inner),
}

/// What is there uncompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inner {
    /// Lines of JSON.
    Lines,
    /// Records with their lengths in front.
    Lengths,
}

impl Content {
    /// What a file is that begins like this. Anything that is nothing else is lines.
    pub(crate) fn of(head: &[u8]) -> Self {
        if head.starts_with(&GZIP) {
            return Content::Gzip;
        }
        if let Some(magic) = head.first_chunk::<4>()
            && (*magic == ZSTD || is_skippable(*magic))
        {
            return Content::Zstd;
        }
        Content::Plain(Inner::of(head))
    }

    /// Whether a file of this content may begin like this, be it cut off after a byte or two.
    pub(crate) fn may_begin_with(self, head: &[u8]) -> bool {
        let agrees = |magic: &[u8]| head.iter().zip(magic).all(|(left, right)| left == right);
        match self {
            Content::Gzip => agrees(&GZIP),
            Content::Zstd => {
                let skippable = head
                    .first()
                    .is_none_or(|first| first & 0xf0 == SKIPPABLE[0])
                    && head.iter().zip(SKIPPABLE).skip(1).all(|(l, r)| *l == r);
                agrees(&ZSTD) || skippable
            }
            Content::Plain(inner) => {
                let is_compressed = Content::of(head) != Content::Plain(Inner::of(head));
                head.is_empty() || (!is_compressed && Inner::of(head) == inner)
            }
        }
    }
}

impl Inner {
    pub(crate) fn of(head: &[u8]) -> Self {
        match head.first() {
            Some(first) if *first < LENGTHS => Inner::Lengths,
            _ => Inner::Lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_known_by_its_first_bytes() {
        for (head, content) in [
            (&b"\x1f\x8b\x08\x00"[..], Content::Gzip),
            (b"\x28\xb5\x2f\xfd\x04", Content::Zstd),
            (b"\x5e\x2a\x4d\x18\x00", Content::Zstd),
            (b"{\"resourceLogs\":[]}", Content::Plain(Inner::Lines)),
            (b"\n{}", Content::Plain(Inner::Lines)),
            (b"\xef\xbb\xbf{}", Content::Plain(Inner::Lines)),
            (b"", Content::Plain(Inner::Lines)),
            (b"\x00\x00\x00\x1b\x0a", Content::Plain(Inner::Lengths)),
            (b"\x04\x00\x00\x00", Content::Plain(Inner::Lengths)),
        ] {
            assert_eq!(Content::of(head), content, "{head:?}");
            for cut in 0..=head.len() {
                assert!(
                    content.may_begin_with(&head[..cut]),
                    "{head:?} cut to {cut}"
                );
            }
        }
    }

    #[test]
    fn another_content_is_told_apart() {
        let json = Content::Plain(Inner::Lines);
        assert!(!json.may_begin_with(&GZIP));
        assert!(!json.may_begin_with(&ZSTD));
        assert!(!json.may_begin_with(b"\x00\x00\x00\x1b"));
        assert!(!Content::Zstd.may_begin_with(b"{"));
        assert!(!Content::Gzip.may_begin_with(b"\x1f\x8c"));
        assert!(!Content::Plain(Inner::Lengths).may_begin_with(b"{"));
    }
}
