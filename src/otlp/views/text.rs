//! Strings.

use std::{borrow::Cow, fmt};

use super::View;

/// A string of a message: bytes that were checked to be UTF-8.
///
/// Writers take the bytes; people take [`as_str`](Self::as_str).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str<'a>(&'a [u8]);

impl<'a> Str<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The string. It is scanned anew, which costs a pass over its bytes.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        // Checked at the edge; a view of bytes nobody checked must still not panic.
        std::str::from_utf8(self.0).unwrap_or_default()
    }

    /// Whether it is empty, or was not sent: protobuf does not tell the two apart.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Str<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Str<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for Str<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Str<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl<'a> From<Str<'a>> for &'a str {
    fn from(text: Str<'a>) -> Self {
        text.as_str()
    }
}

impl<'a> From<Str<'a>> for Cow<'a, str> {
    fn from(text: Str<'a>) -> Self {
        Cow::Borrowed(text.as_str())
    }
}

impl<'a> View<'a> for Str<'a> {
    fn view(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_nobody_checked_is_empty_not_a_panic() {
        let text = Str::new(b"\xff");
        assert_eq!(text.as_str(), "");
        assert_eq!(text.as_bytes(), b"\xff");
    }
}
