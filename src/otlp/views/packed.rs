//! Lists of numbers.

use std::marker::PhantomData;

use crate::otlp::wire;

/// A number that protobuf packs into eight bytes.
pub trait PackedScalar: Copy + private::FromBits {}

mod private {
    pub trait FromBits {
        fn from_bits(bits: u64) -> Self;
    }

    impl FromBits for u64 {
        fn from_bits(bits: u64) -> Self {
            bits
        }
    }

    impl FromBits for f64 {
        fn from_bits(bits: u64) -> Self {
            f64::from_bits(bits)
        }
    }
}

impl PackedScalar for u64 {}
impl PackedScalar for f64 {}

/// A list of numbers, eight bytes each.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a, T> {
    bytes: &'a [u8],
    _item: PhantomData<fn() -> T>,
}

impl<'a, T> Packed<'a, T> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            _item: PhantomData,
        }
    }

    /// Number of numbers that are left.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len() / 8
    }

    /// Whether there are none left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: PackedScalar> Iterator for Packed<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        let (bits, rest) = self.bytes.split_first_chunk::<8>()?;
        self.bytes = rest;
        Some(T::from_bits(u64::from_le_bytes(*bits)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<T: PackedScalar> ExactSizeIterator for Packed<'_, T> {}

/// A list of whole numbers of varying width.
#[derive(Clone, Copy, Debug)]
pub struct PackedVarints<'a>(&'a [u8]);

impl<'a> PackedVarints<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether there are none left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Iterator for PackedVarints<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        if self.0.is_empty() {
            return None;
        }
        let mut at = 0;
        let value = wire::varint(self.0, &mut at).ok();
        self.0 = self.0.get(at..).unwrap_or_default();
        value
    }
}
