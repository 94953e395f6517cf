//! Hashes that are the same in every process and every version.

/// FNV-1a of 32 bits, piece by piece.
#[derive(Clone, Copy)]
pub(super) struct Fnv32(u32);

impl Fnv32 {
    pub(super) const fn new() -> Self {
        Self(0x811c_9dc5)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }

    pub(super) const fn finish(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

/// FNV-1a of 128 bits.
pub(super) fn fnv128(parts: &[&[u8]]) -> [u8; 16] {
    const PRIME: u128 = (1 << 88) + 0x13b;
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in parts.iter().copied().flatten() {
        hash = (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
    }
    hash.to_be_bytes()
}

/// Writes bytes in hex over what stands there.
pub(super) fn hex_over(place: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in place.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fnv32(text: &str) -> u32 {
        let mut hash = Fnv32::new();
        hash.write(text.as_bytes());
        u32::from_be_bytes(hash.finish())
    }

    /// Test vectors of draft-eastlake-fnv.
    #[test]
    fn vectors_of_the_draft() {
        assert_eq!(fnv32(""), 0x811c_9dc5);
        assert_eq!(fnv32("a"), 0xe40c_292c);
        assert_eq!(fnv32("foobar"), 0xbf9c_f968);
        assert_eq!(
            fnv128(&[]),
            0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128.to_be_bytes()
        );
        assert_eq!(
            fnv128(&[b"a"]),
            0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964_u128.to_be_bytes()
        );
        assert_eq!(fnv128(&[b"foo", b"bar"]), fnv128(&[b"foobar"]));
    }
}
