//! Checks arbitrary bytes as each signal, and gives what passes to every encoder there is.
//!
//! The first two bytes are choices that the encoders make among their options; the rest is OTLP.
//! Each encoder's module says what must hold of what it writes. For all of them: no panic, items
//! in are items written and items counted as left out, and an output within a bound.
//!
//! A new encoder is a module, and a line in [`ENCODERS`].
#![no_main]
// The readers are those of the tests, which use more of them.
#![allow(dead_code)]

mod file;
mod influxdb;
mod jaeger;
mod json;
mod syslog;
mod tcp;
mod zipkin;

use libfuzzer_sys::fuzz_target;
use tower_otlp::{ExportRequest, Signal};

type Encoder = fn(&ExportRequest, Choices);

const ENCODERS: &[Encoder] = &[
    file::check,
    influxdb::check,
    jaeger::check,
    syslog::check,
    tcp::check,
    zipkin::check,
];

fuzz_target!(|input: &[u8]| {
    let Some((choices, otlp)) = input.split_first_chunk() else {
        return;
    };
    let choices = Choices(u16::from_le_bytes(*choices));
    for signal in Signal::ALL {
        if let Ok(request) = ExportRequest::from_protobuf(signal, otlp.to_vec()) {
            for check in ENCODERS {
                check(&request, choices);
            }
        }
    }
});

/// Bits that choose among options. An encoder may use all of them: they need not differ from those
/// of another.
#[derive(Clone, Copy)]
struct Choices(u16);

impl Choices {
    /// Whether a bit is set.
    fn is(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }

    /// One of these, by two bits.
    fn pick<T: Copy, const N: usize>(self, bit: u32, from: [T; N]) -> T {
        from[usize::from(self.0 >> bit & 3) % N]
    }
}

/// What an encoder finds in the buffer: it must leave it there.
const BEFORE: &[u8] = b"before";

/// What was written behind [`BEFORE`], which is to be no larger than an item, with all that its
/// groups say, times a factor for escapes and for numbers in digits.
fn written(out: &[u8], request: &ExportRequest) -> Vec<u8> {
    let written = out.strip_prefix(BEFORE).expect("what was there before");
    within(written.len(), request, request.items());
    written.to_vec()
}

/// Panics if so many bytes are too many for a request that is repeated for so many lines.
fn within(bytes: usize, request: &ExportRequest, lines: u64) {
    let lines = usize::try_from(lines).expect("a count") + 1;
    let most = lines * (request.byte_size() * 16 + 1024);
    assert!(bytes <= most, "{bytes} bytes of {}", request.byte_size());
}
