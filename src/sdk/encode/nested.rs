//! Sub-messages whose length is known only when they are written, and fields that are longer
//! than a tag and a varint.

use crate::otlp::wire::{FIXED32, FIXED64, LEN, put_len_field, put_tag, varint_len};

/// Writes a sub-message that `body` writes.
///
/// Its length stands before it and takes as few bytes as it can, so the body has to move if it
/// comes out another size than `expected`, in bytes, by so much that the length needs another
/// number of bytes.
#[inline]
pub(super) fn put_message(
    out: &mut Vec<u8>,
    number: u32,
    expected: usize,
    body: impl FnOnce(&mut Vec<u8>),
) {
    put_tag(out, number, LEN);
    let slot = out.len();
    let kept = varint_len(expected as u64);
    out.extend_from_slice(&[0; 10][..kept]);
    body(out);
    let length = out.len() - slot - kept;
    let needed = varint_len(length as u64);
    if kept != needed {
        resize_slot(out, slot, kept, needed);
    }
    let mut rest = length;
    if let Some((last, firsts)) = out[slot..slot + needed].split_last_mut() {
        for byte in firsts {
            // Lossless: masked to seven bits.
            *byte = (rest & 0x7f) as u8 | 0x80;
            rest >>= 7;
        }
        // Lossless: what is left fits, or one byte more would have been needed.
        *last = (rest & 0x7f) as u8;
    }
}

#[cold]
fn resize_slot(out: &mut Vec<u8>, slot: usize, kept: usize, needed: usize) {
    let end = out.len();
    if needed > kept {
        out.resize(end + needed - kept, 0);
    }
    out.copy_within(slot + kept..end, slot + needed);
    out.truncate(end - kept + needed);
}

/// Writes a string field, unless it is empty, which is what a reader takes it for without.
#[inline]
pub(super) fn put_text(out: &mut Vec<u8>, number: u32, text: &str) {
    if !text.is_empty() {
        put_len_field(out, number, text.as_bytes());
    }
}

/// Writes a number in eight bytes, unless it is zero, which is what a reader takes it for without.
#[inline]
pub(super) fn put_number(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        put_fixed64(out, number, value);
    }
}

/// Writes eight bytes as they are.
#[inline]
pub(super) fn put_fixed64(out: &mut Vec<u8>, number: u32, bits: u64) {
    debug_assert!(number < 16, "a tag of one byte");
    let mut field = [0; 9];
    // Lossless: below 128.
    field[0] = (number << 3) as u8 | FIXED64;
    field[1..].copy_from_slice(&bits.to_le_bytes());
    out.extend_from_slice(&field);
}

/// Writes a double, zero too.
#[inline]
pub(super) fn put_double(out: &mut Vec<u8>, number: u32, value: f64) {
    put_fixed64(out, number, value.to_bits());
}

/// Writes four bytes as they are.
#[inline]
pub(super) fn put_fixed32(out: &mut Vec<u8>, number: u32, bits: u32) {
    put_tag(out, number, FIXED32);
    out.extend_from_slice(&bits.to_le_bytes());
}

/// About how many bytes a field takes whose value is `length` bytes long, with what stands before
/// it: enough for any that is shorter than 2 MB.
#[inline]
pub(super) const fn field_len(length: usize) -> usize {
    length + 2 + if length < 128 { 0 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_guess_gives_the_same_bytes() {
        let sizes = [0, 1, 127, 128, 16_383, 16_384, 2_097_152];
        for length in sizes {
            let body: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut plain = vec![7];
            put_len_field(&mut plain, 3, &body);
            for expected in sizes {
                let mut out = vec![7];
                put_message(&mut out, 3, expected, |out| out.extend_from_slice(&body));
                assert!(
                    out == plain,
                    "{length} bytes where {expected} were expected"
                );
            }
        }
    }
}
