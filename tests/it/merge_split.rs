//! Merging and cutting on bytes, held against the same work done on prost's structs.

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    metrics::v1::{Metric, metric::Data},
};
use proptest::prelude::*;
use prost::Message;
use tower_otlp::{
    ExportRequest, Metadata, Signal,
    otlp::{Decoded, Limits, MergeError, OtlpBytes},
};

use crate::support::{
    allocations::allocations,
    generate::{self, Draw, Options},
    oracle, respell, structs,
};

const ALL: Options = Options {
    odd_ids: true,
    profile_fields: true,
    unknown_enums: true,
    odd_doubles: true,
    depth: 4,
    fuel: 80,
};

fn otlp(signal: Signal, bytes: &[u8]) -> OtlpBytes {
    let limits = Limits::default();
    OtlpBytes::check(signal, Bytes::copy_from_slice(bytes), &limits).expect("valid")
}

/// Decodes what must be valid, canonical, and counted right.
#[track_caller]
fn sound(made: &OtlpBytes) -> Decoded {
    let again = otlp(made.signal(), made.bytes());
    assert!(again.is_as_received(), "canonical");
    assert_eq!(again.items(), made.items(), "items");
    let decoded = oracle::decode(made.signal(), made.bytes()).expect("prost reads it");
    assert_eq!(oracle::items(&decoded), made.items(), "items to prost");
    oracle::assert_same(
        &structs::from_views(&ExportRequest::from(made.clone())),
        &oracle::as_views_read(decoded.clone()),
        &"views and prost differ",
    );
    decoded
}

/// Each item in order, with all that stands around it: requests of one item each, in bytes.
fn items(message: &Decoded) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    match message {
        Decoded::Traces(message) => {
            for group in &message.resource_spans {
                for scope in &group.scope_spans {
                    for span in &scope.spans {
                        let mut group = group.clone();
                        let mut scope = scope.clone();
                        scope.spans = vec![span.clone()];
                        group.scope_spans = vec![scope];
                        let resource_spans = vec![group];
                        out.push(ExportTraceServiceRequest { resource_spans }.encode_to_vec());
                    }
                }
            }
        }
        Decoded::Logs(message) => {
            for group in &message.resource_logs {
                for scope in &group.scope_logs {
                    for record in &scope.log_records {
                        let mut group = group.clone();
                        let mut scope = scope.clone();
                        scope.log_records = vec![record.clone()];
                        group.scope_logs = vec![scope];
                        let resource_logs = vec![group];
                        out.push(ExportLogsServiceRequest { resource_logs }.encode_to_vec());
                    }
                }
            }
        }
        Decoded::Metrics(message) => {
            for group in &message.resource_metrics {
                for scope in &group.scope_metrics {
                    for metric in scope.metrics.iter().flat_map(points) {
                        let mut group = group.clone();
                        let mut scope = scope.clone();
                        scope.metrics = vec![metric];
                        group.scope_metrics = vec![scope];
                        let resource_metrics = vec![group];
                        out.push(ExportMetricsServiceRequest { resource_metrics }.encode_to_vec());
                    }
                }
            }
        }
    }
    out
}

/// The metric once for each of its points, with that point alone.
fn points(metric: &Metric) -> Vec<Metric> {
    macro_rules! each {
        ($variant:ident, $data:expr) => {
            $data
                .data_points
                .iter()
                .map(|point| {
                    let mut data = $data.clone();
                    data.data_points = vec![point.clone()];
                    Metric {
                        data: Some(Data::$variant(data)),
                        ..metric.clone()
                    }
                })
                .collect()
        };
    }
    match &metric.data {
        None => Vec::new(),
        Some(Data::Gauge(data)) => each!(Gauge, data),
        Some(Data::Sum(data)) => each!(Sum, data),
        Some(Data::Histogram(data)) => each!(Histogram, data),
        Some(Data::ExponentialHistogram(data)) => each!(ExponentialHistogram, data),
        Some(Data::Summary(data)) => each!(Summary, data),
    }
}

/// Resources, scopes and metrics without items: how many of each.
fn empties(message: &Decoded) -> [usize; 3] {
    let mut count = [0; 3];
    match message {
        Decoded::Traces(message) => {
            for group in &message.resource_spans {
                count[0] += usize::from(group.scope_spans.is_empty());
                for scope in &group.scope_spans {
                    count[1] += usize::from(scope.spans.is_empty());
                }
            }
        }
        Decoded::Logs(message) => {
            for group in &message.resource_logs {
                count[0] += usize::from(group.scope_logs.is_empty());
                for scope in &group.scope_logs {
                    count[1] += usize::from(scope.log_records.is_empty());
                }
            }
        }
        Decoded::Metrics(message) => {
            for group in &message.resource_metrics {
                count[0] += usize::from(group.scope_metrics.is_empty());
                for scope in &group.scope_metrics {
                    count[1] += usize::from(scope.metrics.is_empty());
                    let empty = |metric: &&Metric| points(metric).is_empty();
                    count[2] += scope.metrics.iter().filter(empty).count();
                }
            }
        }
    }
    count
}

/// What holds for the pieces of any request, however it was cut.
#[track_caller]
fn pieces_make_up(whole: &OtlpBytes, pieces: &[OtlpBytes]) {
    let message = sound(whole);
    let (mut seen, mut seen_empties) = (Vec::new(), [0; 3]);
    let mut unknown = Vec::new();
    for piece in pieces {
        unknown.extend(respell::unknown_fields(piece.signal(), piece.bytes()));
        let decoded = sound(piece);
        seen.extend(items(&decoded));
        for (sum, count) in seen_empties.iter_mut().zip(empties(&decoded)) {
            *sum += count;
        }
    }
    assert!(seen == items(&message), "items with all around them");
    assert_eq!(seen_empties, empties(&message), "what holds no items");
    for field in respell::unknown_fields(whole.signal(), whole.bytes()) {
        assert!(unknown.contains(&field), "{field:02x?} is gone");
    }
    let merged = OtlpBytes::merge(pieces).expect("one signal");
    assert_eq!(merged.items(), whole.items());
    assert!(items(&sound(&merged)) == items(&message), "merged again");
}

/// Cuts a request in every way there is.
fn cuts_hold(whole: &OtlpBytes, draw: &mut Draw) {
    let total = whole.items();
    for max_items in [1, 2, 7, total.max(1), u64::MAX] {
        let limits = Limits::default().max_items(max_items);
        let pieces: Vec<OtlpBytes> = whole.split(&limits).collect();
        pieces_make_up(whole, &pieces);
        let (last, full) = pieces.split_last().expect("a piece at least");
        assert!(full.iter().all(|piece| piece.items() == max_items));
        assert!(last.items() <= max_items);
    }
    let size = whole.bytes().len();
    for max_bytes in [0, size / 10, size / 3, size.saturating_sub(1), size] {
        let limits = Limits::default().max_bytes(max_bytes);
        let pieces: Vec<OtlpBytes> = whole.split(&limits).collect();
        pieces_make_up(whole, &pieces);
        let mut from = 0;
        for piece in &pieces {
            let to = from + piece.items();
            let fits = piece.bytes().len() <= max_bytes;
            assert!(fits || piece.items() <= 1, "{piece:?}, {max_bytes}");
            if to < total && fits {
                let more = whole.extract(from..to + 1);
                assert!(more.bytes().len() > max_bytes, "{piece:?} has room");
            }
            from = to;
        }
    }
    match whole.halve() {
        Some((front, back)) => {
            assert!(front.items() > 0 && back.items() > 0);
            pieces_make_up(whole, &[front, back]);
        }
        None => assert!(total < 2),
    }
    for at in [0, 1, total / 2, total, total + 1] {
        match whole.split_at(at) {
            Some((front, back)) => {
                assert_eq!(front.items(), at);
                pieces_make_up(whole, &[front, back]);
            }
            None => assert!(at == 0 || at >= total, "{at} of {total}"),
        }
    }
    let all = items(&sound(whole));
    let from = draw.below(all.len() + 2);
    let to = draw.below(all.len() + 2);
    let part = whole.extract(from as u64..to as u64);
    let expected = all.get(from..to.min(all.len())).unwrap_or_default();
    assert!(items(&sound(&part)) == expected, "{from}..{to}");

    let mut pieces = whole.split(&Limits::default().max_items(3));
    let mut cut = vec![pieces.next().expect("a piece")];
    pieces.set_limits(&Limits::default().max_items(1));
    assert_eq!(pieces.items_left(), total - cut[0].items());
    cut.extend(pieces.next());
    cut.extend(pieces.rest());
    assert_eq!(pieces.items_left(), 0);
    assert!(pieces.next().is_none() && pieces.rest().is_none());
    pieces_make_up(whole, &cut);
}

proptest! {
    #![proptest_config(generate::config(16))]

    #[test]
    fn traces_are_cut_without_loss(message in generate::traces(ALL)) {
        cuts_hold(&message.into(), &mut Draw::seeded(1, ALL));
    }

    #[test]
    fn metrics_are_cut_without_loss(message in generate::metrics(ALL)) {
        cuts_hold(&message.into(), &mut Draw::seeded(1, ALL));
    }

    #[test]
    fn logs_are_cut_without_loss(message in generate::logs(ALL)) {
        cuts_hold(&message.into(), &mut Draw::seeded(1, ALL));
    }
}

#[test]
fn any_spelling_is_cut_without_loss() {
    let (mut cut, mut empty) = (0, [0; 3]);
    for signal in Signal::ALL {
        for seed in 0..60 {
            let mut draw = Draw::seeded(seed, ALL);
            let message = oracle::generate(signal, &mut draw);
            let bytes = oracle::encode(&message);
            let bytes = match seed % 4 {
                0 => bytes,
                1 => respell::pad_lengths(signal, &bytes),
                2 => respell::add_unknown(&mut draw, signal, &bytes).bytes,
                _ => respell::respell(&mut draw, signal, &bytes).bytes,
            };
            let whole = otlp(signal, &bytes);
            cuts_hold(&whole, &mut draw);
            cut += u32::from(whole.items() > 1);
            for (sum, count) in empty.iter_mut().zip(empties(&sound(&whole))) {
                *sum += count;
            }
        }
    }
    assert!(cut > 75, "{cut} requests of several items");
    assert!(empty.iter().all(|count| *count > 10), "{empty:?}");
}

#[test]
fn a_merge_is_what_prost_reads_from_the_parts_in_a_row() {
    let mut unknown_kept = 0;
    for signal in Signal::ALL {
        for seed in 0..150 {
            let mut draw = Draw::seeded(seed, Options { fuel: 60, ..ALL });
            let mut parts = Vec::new();
            for _ in 0..draw.below(6) + 1 {
                let message = oracle::generate(signal, &mut draw);
                let bytes = oracle::encode(&message);
                parts.push(match draw.below(3) {
                    0 => otlp(
                        signal,
                        &respell::add_unknown(&mut draw, signal, &bytes).bytes,
                    ),
                    1 => otlp(signal, &[]),
                    _ => otlp(signal, &bytes),
                });
            }
            let (merged, count, _) = allocations(|| OtlpBytes::merge(&parts).expect("one signal"));
            let row: Vec<&[u8]> = parts.iter().map(|part| &part.bytes()[..]).collect();
            let row = row.concat();
            assert_eq!(merged.bytes().len(), row.len());
            oracle::assert_same(
                &sound(&merged),
                &oracle::decode(signal, &row).expect("legal"),
                &format_args!("{signal}, seed {seed}"),
            );
            let found = respell::unknown_fields(signal, merged.bytes());
            assert_eq!(found, respell::unknown_fields(signal, &row));
            unknown_kept += found.len();
            // The check that tests make again allocates nothing.
            assert!(count <= 1, "{count} allocations");
        }
    }
    assert!(unknown_kept > 500, "{unknown_kept}");
}

#[test]
fn unknown_fields_go_with_what_repeats_them() {
    let field = |number: u8, body: &[u8]| [&[number << 3 | 2, body.len() as u8], body].concat();
    // Field 100, a varint, in front of the children and behind them.
    let unknown = |value: u8, children: &[u8]| {
        let mark = |value| [0xa0, 0x06, value];
        [&mark(value)[..], children, &mark(value + 1)].concat()
    };
    let points = field(1, b"").repeat(4);
    let data = field(7, &unknown(50, &points));
    let metric = field(2, &unknown(40, &data));
    let scope = field(2, &unknown(30, &metric));
    let resource = field(1, &unknown(20, &scope));
    let whole = otlp(Signal::Metrics, &unknown(10, &resource));
    assert!(whole.is_as_received());
    let mut all = respell::unknown_fields(Signal::Metrics, whole.bytes());
    all.sort();
    assert_eq!(all.len(), 10);
    let pieces: Vec<OtlpBytes> = whole.split(&Limits::default().max_items(1)).collect();
    assert_eq!(pieces.len(), 4);
    for piece in &pieces {
        sound(piece);
        let mut kept = respell::unknown_fields(Signal::Metrics, piece.bytes());
        kept.sort();
        assert_eq!(kept, all);
        assert_eq!(piece.bytes()[..3], whole.bytes()[..3]);
    }
    // Merged, those of the request stand around all resources.
    let merged = OtlpBytes::merge(&pieces).expect("one signal");
    sound(&merged);
    assert_eq!(merged.items(), 4);
}

#[test]
fn what_fits_and_what_is_alone_is_not_copied() {
    let request =
        tower_otlp::testing::logs(10).with_metadata(Metadata::default().with_tenant("acme"));
    let whole = request.otlp();
    let same = |other: &OtlpBytes| other.bytes().as_ptr() == whole.bytes().as_ptr();
    let limits = Limits::default()
        .max_items(10)
        .max_bytes(whole.bytes().len());
    let pieces: Vec<OtlpBytes> = whole.split(&limits).collect();
    assert!(pieces.len() == 1 && same(&pieces[0]));
    assert!(same(&whole.extract(0..u64::MAX)));
    assert!(same(
        &OtlpBytes::merge(std::slice::from_ref(whole)).expect("one")
    ));
    let nothing = otlp(Signal::Logs, b"");
    assert!(same(
        &OtlpBytes::merge(&[nothing, whole.clone()]).expect("one signal")
    ));

    let single = ExportRequest::merge(std::slice::from_ref(&request)).expect("one");
    assert!(same(single.otlp()) && single.metadata() == request.metadata());
    let both = ExportRequest::merge(&[request.clone(), tower_otlp::testing::logs(5)]);
    let both = both.expect("one signal");
    assert_eq!(both.items(), 15);
    assert_eq!(both.metadata().tenant(), Some("acme"));
}

#[test]
fn what_cannot_be_one_request_is_an_error() {
    assert_eq!(OtlpBytes::merge(&[]).unwrap_err(), MergeError::Nothing);
    assert_eq!(ExportRequest::merge(&[]).unwrap_err(), MergeError::Nothing);
    let mixed = [otlp(Signal::Logs, b""), otlp(Signal::Traces, b"")];
    let error = OtlpBytes::merge(&mixed).unwrap_err();
    assert_eq!(
        error.to_string(),
        "logs and traces cannot be in one request"
    );
}

#[test]
fn an_item_beyond_the_limit_is_alone_and_its_neighbours_are_not() {
    // Ten records, the fifth of them with a long severity text.
    let field = |number: u8, body: &[u8]| {
        let mut out = vec![
            number << 3 | 2,
            body.len() as u8 | 0x80,
            (body.len() >> 7) as u8,
        ];
        out.extend_from_slice(body);
        out
    };
    let mut records = Vec::new();
    for number in 0..10 {
        let text = if number == 4 {
            &[b'x'; 3000][..]
        } else {
            b"INFO"
        };
        records.extend(field(2, &field(3, text)));
    }
    let whole = otlp(Signal::Logs, &field(1, &field(2, &records)));
    let pieces: Vec<OtlpBytes> = whole.split(&Limits::default().max_bytes(1000)).collect();
    let counts: Vec<u64> = pieces.iter().map(OtlpBytes::items).collect();
    assert_eq!(counts, [4, 1, 5]);
    assert!(pieces[1].bytes().len() > 3000);
    pieces_make_up(&whole, &pieces);

    // Cut by its bytes, the large record is found at once.
    let (front, back) = whole.halve().expect("ten items");
    assert_eq!((front.items(), back.items()), (5, 5));
    let (front, back) = front.halve().expect("five items");
    assert_eq!((front.items(), back.items()), (4, 1));
}

#[test]
fn a_piece_is_one_allocation() {
    let whole = tower_otlp::testing::traces(1000).otlp().clone();
    let limits = Limits::default().max_items(100);
    let mut pieces = Vec::with_capacity(10);
    let ((), count, _) = allocations(|| pieces.extend(whole.split(&limits)));
    assert_eq!(pieces.len(), 10);
    // The source is shared by the iterator, which costs one more.
    assert!(count <= 11, "{count}");
}
