//! Reads arbitrary JSON as each signal. What is read is written so that it reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_otlp::{
    Signal,
    otlp::{Limits, OtlpBytes, json},
};

fuzz_target!(|text: &[u8]| {
    let limits = Limits::default();
    for signal in Signal::ALL {
        match json::read(signal, text, &limits) {
            Ok(read) => comes_back(&read, &limits),
            Err(error) => assert!(error.offset() <= text.len(), "{error}"),
        }
    }
});

fn comes_back(read: &OtlpBytes, limits: &Limits) {
    let written = json::write(read);
    let again = json::read(read.signal(), &written, limits).expect("our own text");
    assert_eq!(again.items(), read.items());
    assert_eq!(json::write(&again), written);

    // What the reader makes is canonical from then on, and stands a check of its own.
    let checked = OtlpBytes::check(read.signal(), read.bytes().clone(), limits).expect("checked");
    assert!(checked.is_as_received());
    assert_eq!(checked.items(), read.items());
}
