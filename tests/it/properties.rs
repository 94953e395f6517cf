//! Views, counts, verdicts and the canonical form, all held against prost.

use proptest::prelude::*;
use tower_otlp::{
    ExportRequest, Signal,
    otlp::{Limits, Problem},
};

use crate::support::{
    allocations::allocations,
    generate::{self, Draw, Options},
    oracle, respell, structs,
};

fn check(signal: Signal, bytes: &[u8]) -> ExportRequest {
    ExportRequest::from_protobuf(signal, bytes.to_vec()).expect("valid")
}

/// What prost wrote must be canonical, counted right, and read the same through the views.
fn views_agree(message: tower_otlp::otlp::Decoded) {
    let signal = message.signal();
    let bytes = oracle::encode(&message);
    let request = check(signal, &bytes);
    assert!(request.otlp().is_as_received());
    assert_eq!(request.protobuf(), &bytes);
    assert_eq!(request.items(), oracle::items(&message));
    let read = oracle::decode(signal, &bytes).expect("prost wrote it");
    oracle::assert_same(
        &structs::from_views(&request),
        &oracle::as_views_read(read.clone()),
        &"views and prost differ",
    );
    oracle::assert_same(
        &request.decode().expect("decodes"),
        &read,
        &"decode and prost differ",
    );
    let again = ExportRequest::from(message);
    assert_eq!(again.protobuf(), request.protobuf());
    assert_eq!(again.items(), request.items());
}

const ALL: Options = Options {
    odd_ids: true,
    profile_fields: true,
    unknown_enums: true,
    odd_doubles: true,
    depth: 8,
    fuel: 300,
};

proptest! {
    #![proptest_config(generate::config(150))]

    #[test]
    fn views_of_traces_are_what_prost_reads(message in generate::traces(ALL)) {
        views_agree(message.into());
    }

    #[test]
    fn views_of_metrics_are_what_prost_reads(message in generate::metrics(ALL)) {
        views_agree(message.into());
    }

    #[test]
    fn views_of_logs_are_what_prost_reads(message in generate::logs(ALL)) {
        views_agree(message.into());
    }
}

#[test]
fn the_generator_reaches_far() {
    for signal in Signal::ALL {
        let mut items = 0;
        let mut debug = String::new();
        for seed in 0..300 {
            let message = oracle::generate(signal, &mut Draw::seeded(seed, ALL));
            items += oracle::items(&message);
            debug += &format!("{message:?}");
        }
        assert!(items > 500, "{signal}: {items}");
        for rare in [
            "NaN",
            "-inf",
            "Strindex",
            "KvlistValue",
            "ArrayValue(ArrayValue { values: [AnyValue { value: Some(ArrayValue",
        ] {
            assert!(debug.contains(rare), "{signal} never has {rare}");
        }
    }
}

#[test]
fn views_agree_on_seeded_messages() {
    for signal in Signal::ALL {
        for seed in 0..200 {
            views_agree(oracle::generate(signal, &mut Draw::seeded(seed, ALL)));
        }
    }
}

/// Damages bytes a little.
fn mutate(draw: &mut Draw, bytes: &mut Vec<u8>) {
    for _ in 0..=draw.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = draw.below(bytes.len());
        match draw.below(8) {
            0 => bytes[at] ^= 1 << draw.below(8),
            1 => bytes[at] = draw.pick(&[0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x0b, 0x0c, 0x12, 0x18]),
            2 => bytes[at] = bytes[at].wrapping_add(draw.pick(&[1, 8, 255, 248])),
            3 => bytes.truncate(at),
            4 => {
                let end = (at + 1 + draw.below(8)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let end = (at + 1 + draw.below(16)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = draw.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            6 => bytes.insert(at, draw.number() as u8),
            _ => bytes[at] = draw.number() as u8,
        }
    }
}

fn verdicts_agree(signal: Signal) {
    let small = Options { fuel: 8, ..ALL };
    let mut accepted = 0;
    let mutants = 20_000;
    for seed in 0..mutants {
        let mut draw = Draw::seeded(seed, small);
        let mut bytes = oracle::encode(&oracle::generate(signal, &mut draw));
        // Half of the mutants descend from a message that is not canonical to begin with.
        if seed % 2 == 0 {
            bytes = respell::respell(&mut draw, signal, &bytes).bytes;
        }
        mutate(&mut draw, &mut bytes);
        let ours = ExportRequest::from_protobuf(signal, bytes.clone());
        match (ours, oracle::decode(signal, &bytes)) {
            (Ok(request), Ok(read)) => {
                accepted += 1;
                assert_eq!(request.items(), oracle::items(&read), "seed {seed}");
                oracle::assert_same(
                    &structs::from_views(&request),
                    &oracle::as_views_read(read),
                    &format_args!("seed {seed}: {bytes:02x?}"),
                );
            }
            (Err(_), Err(_)) => {}
            (ours, prost) => panic!("seed {seed}: {ours:?} but {prost:?}: {bytes:02x?}"),
        }
    }
    assert!(
        (mutants / 20..mutants * 19 / 20).contains(&accepted),
        "{accepted} of {mutants} accepted"
    );
}

#[test]
fn verdicts_on_damaged_traces_are_prosts() {
    verdicts_agree(Signal::Traces);
}

#[test]
fn verdicts_on_damaged_metrics_are_prosts() {
    verdicts_agree(Signal::Metrics);
}

#[test]
fn verdicts_on_damaged_logs_are_prosts() {
    verdicts_agree(Signal::Logs);
}

#[test]
fn unknown_fields_stay_where_they_are() {
    let mut added = 0;
    for signal in Signal::ALL {
        for seed in 0..300 {
            let mut draw = Draw::seeded(seed, ALL);
            let message = oracle::generate(signal, &mut draw);
            let with = respell::add_unknown(&mut draw, signal, &oracle::encode(&message));
            added += with.unknown.len();
            let request = check(signal, &with.bytes);
            assert!(request.otlp().is_as_received(), "{signal}, seed {seed}");
            assert_eq!(request.protobuf(), &with.bytes);
            oracle::assert_same(
                &structs::from_views(&request),
                &oracle::as_views_read(oracle::decode(signal, &with.bytes).expect("legal")),
                &format_args!("{signal}, seed {seed}"),
            );
        }
    }
    assert!(added > 1000, "{added}");
}

#[test]
fn padded_lengths_are_taken_as_they_are() {
    for signal in Signal::ALL {
        for seed in 0..200 {
            let message = oracle::generate(signal, &mut Draw::seeded(seed, ALL));
            let bytes = oracle::encode(&message);
            let padded = respell::pad_lengths(signal, &bytes);
            assert!(padded.len() > bytes.len() || bytes.is_empty());
            let request = check(signal, &padded);
            assert!(request.otlp().is_as_received());
            assert_eq!(request.protobuf(), &padded);
            assert_eq!(request.items(), oracle::items(&message));
            oracle::assert_same(
                &structs::from_views(&request),
                &structs::from_views(&check(signal, &bytes)),
                &format_args!("{signal}, seed {seed}"),
            );
        }
    }
}

#[test]
fn every_spelling_becomes_the_canonical_one() {
    let mut rewritten = 0;
    for signal in Signal::ALL {
        for seed in 0..1000 {
            let context = format!("{signal}, seed {seed}");
            let mut draw = Draw::seeded(seed, Options { fuel: 60, ..ALL });
            let message = oracle::generate(signal, &mut draw);
            let spelled = respell::respell(&mut draw, signal, &oracle::encode(&message));
            let expected = oracle::decode(signal, &spelled.bytes).expect("legal");

            let request = check(signal, &spelled.bytes);
            rewritten += u32::from(!request.otlp().is_as_received());
            assert_eq!(request.items(), oracle::items(&expected), "{context}");
            let read = oracle::decode(signal, request.protobuf()).expect("valid");
            oracle::assert_same(&read, &expected, &context);
            oracle::assert_same(
                &structs::from_views(&request),
                &oracle::as_views_read(expected),
                &context,
            );

            let again = check(signal, request.protobuf());
            assert!(again.otlp().is_as_received(), "{context}");
            assert_eq!(again.items(), request.items(), "{context}");
            assert_eq!(
                respell::unknown_fields(signal, request.protobuf()),
                spelled.unknown,
                "{context}"
            );
        }
    }
    assert!(rewritten > 2000, "{rewritten}");
}

/// Bytes with `levels` arrays in each other as the body of a log record.
fn nested_arrays(levels: usize) -> Vec<u8> {
    // Built from the inside out, as lengths must be known: headers in reverse order.
    let mut headers = Vec::new();
    let mut length = 0;
    let mut wrap = |number: u8| {
        let mut header = vec![number << 3 | 2];
        let mut rest = length;
        while rest >= 0x80 {
            header.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        header.push(rest as u8);
        length += header.len();
        headers.push(header);
    };
    for _ in 0..levels {
        wrap(1);
        wrap(5);
    }
    // Body, record, scope, resource.
    for number in [5, 2, 2, 1] {
        wrap(number);
    }
    headers.reverse();
    headers.concat()
}

/// Runs on a stack that a runaway recursion leaves at once.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(512 << 10)
        .spawn(test)
        .expect("a thread")
        .join()
        .expect("no panic");
}

#[test]
fn depth_ends_where_prosts_does() {
    on_a_small_stack(|| {
        for levels in 40..60 {
            let bytes = nested_arrays(levels);
            let ours = ExportRequest::from_protobuf(Signal::Logs, bytes.clone());
            let prost = oracle::decode(Signal::Logs, &bytes);
            assert_eq!(ours.is_ok(), prost.is_ok(), "{levels} levels");
            assert_eq!(ours.is_ok(), levels <= 48, "{levels} levels");
        }
    });
}

#[test]
fn depth_bombs_are_errors() {
    on_a_small_stack(|| {
        for levels in [101, 200_000] {
            let bytes = nested_arrays(levels);
            let error = ExportRequest::from_protobuf(Signal::Logs, bytes).expect_err("too deep");
            assert_eq!(error.problem(), &Problem::TooDeep);
            assert!(error.to_string().len() < 500, "{error}");

            let groups = [0xa3, 0x06].repeat(levels);
            let error = ExportRequest::from_protobuf(Signal::Logs, groups).expect_err("too deep");
            assert_eq!(error.problem(), &Problem::TooDeep);
        }
    });
}

#[test]
fn unknown_fields_at_the_depth_limit_are_judged_as_prost_does() {
    // The body of the deepest array that is allowed, and of the one above it.
    for (levels, unknown) in [
        (48, &[0x88, 0x01, 0x05][..]),
        (48, &[0x8b, 0x01, 0x8c, 0x01]),
        (48, &[]),
        (47, &[0x88, 0x01, 0x05]),
        (47, &[0x8b, 0x01, 0x8c, 0x01]),
        (47, &[0x8b, 0x01, 0x88, 0x01, 0x05, 0x8c, 0x01]),
        (47, &[0x8b, 0x01, 0x93, 0x01, 0x94, 0x01, 0x8c, 0x01]),
    ] {
        for holder in 0..3 {
            let mut bytes = unknown.to_vec();
            let path = [5, 2, 2, 1];
            let numbers = std::iter::repeat_n([1_u8, 5], levels)
                .flatten()
                .skip(holder)
                .chain(path);
            for number in numbers {
                let length = bytes.len() as u32;
                let mut outer = vec![number << 3 | 2];
                outer.extend((0..3).map(|septet| (length >> (7 * septet)) as u8 | 0x80));
                outer.push((length >> 21) as u8);
                outer.extend(bytes);
                bytes = outer;
            }
            let ours = ExportRequest::from_protobuf(Signal::Logs, bytes.clone());
            let prost = oracle::decode(Signal::Logs, &bytes);
            assert_eq!(
                ours.is_ok(),
                prost.is_ok(),
                "{levels} levels, {holder} fewer, {unknown:02x?}: {ours:?} but {prost:?}"
            );
        }
    }
}

#[test]
fn a_bomb_of_empty_spans_costs_nothing() {
    // A resource with a scope with half a million spans of two bytes each.
    let spans = [0x12, 0x00].repeat(500_000);
    let frame = |number: u8, body: Vec<u8>| {
        let length = body.len();
        let septet = |shift: usize| (length >> shift) as u8 & 0x7f;
        let mut out = vec![
            number << 3 | 2,
            septet(0) | 0x80,
            septet(7) | 0x80,
            septet(14),
        ];
        out.extend(body);
        out
    };
    let bytes = bytes::Bytes::from(frame(1, frame(2, spans)));
    let (request, count, allocated) =
        allocations(|| ExportRequest::from_protobuf(Signal::Traces, bytes.clone()).expect("valid"));
    assert_eq!(request.items(), 500_000);
    assert_eq!(request.protobuf().as_ptr(), bytes.as_ptr());
    assert!(count < 10 && allocated < 4096, "{count}, {allocated} bytes");

    let (read, count, _) = allocations(|| {
        let traces = request.traces().expect("traces");
        traces
            .resources()
            .flat_map(|resource| resource.scopes())
            .flat_map(|scope| scope.items())
            .filter(|span| span.name().is_empty())
            .count()
    });
    assert_eq!((read, count), (500_000, 0));

    let limits = Limits::default().max_items(499_999);
    let error = ExportRequest::from_protobuf_with(Signal::Traces, bytes, &limits);
    assert_eq!(
        error.expect_err("too many").problem(),
        &Problem::TooManyItems { limit: 499_999 }
    );
}
