//! The seeds of the fuzzer's target `encoders`: random requests, behind two bytes that choose
//! options.
//!
//! `WRITE_SEEDS=1 cargo test --test it fuzz_seeds` writes them again.

use std::{collections::BTreeMap, fs, path::Path};

use tower_otlp::{ExportRequest, Signal};

use crate::support::{
    generate::{Draw, Options},
    oracle,
};

const SEEDS_OF_A_SIGNAL: usize = 5;
const LARGEST: usize = 6000;

/// Those of a signal: the first ones that are neither empty nor large.
fn seeds(signal: Signal) -> impl Iterator<Item = (String, Vec<u8>)> {
    let options = |seed: u64| Options {
        odd_ids: seed.is_multiple_of(4),
        fuel: 60,
        ..Options::default()
    };
    (0..)
        .map(move |seed| {
            let mut draw = Draw::seeded(seed, options(seed));
            let message = oracle::encode(&oracle::generate(signal, &mut draw));
            let mut input = draw.number().to_le_bytes()[..2].to_vec();
            input.extend_from_slice(&message);
            (format!("seed-{signal}-{seed}"), input)
        })
        .filter(move |(_, input)| {
            let request = ExportRequest::from_protobuf(signal, input[2..].to_vec());
            request.expect("generated").items() > 1 && input.len() <= LARGEST
        })
        .take(SEEDS_OF_A_SIGNAL)
}

#[test]
fn seeds_of_the_encoders_are_what_the_generator_writes() {
    let expected: BTreeMap<String, Vec<u8>> = Signal::ALL.into_iter().flat_map(seeds).collect();
    assert_eq!(expected.len(), SEEDS_OF_A_SIGNAL * Signal::ALL.len());

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/encoders");
    if std::env::var_os("WRITE_SEEDS").is_some() {
        fs::create_dir_all(&folder).expect("a folder");
        for (name, input) in &expected {
            fs::write(folder.join(name), input).expect("written");
        }
    }
    // A package comes without the fuzzer.
    if folder.exists() {
        for (name, input) in &expected {
            let found = fs::read(folder.join(name)).expect("WRITE_SEEDS=1 writes it");
            assert!(
                found == *input,
                "{name} is old: WRITE_SEEDS=1 writes it again"
            );
        }
    }
}
