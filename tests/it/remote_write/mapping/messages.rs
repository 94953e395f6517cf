//! Messages: limits, order, shards.

use super::*;

/// So that a decoder of 1.0 sees an empty message, not nonsense.
#[test]
fn a_message_of_2_0_is_empty_to_a_decoder_of_1_0() {
    let written = message(
        &gauge(&[("a", "b")]),
        EncodeOptions::default(),
        Protocol::V2,
    );
    assert!(read_v1(&written).is_empty());
}

#[test]
fn messages_keep_their_limits_and_the_order_of_time() {
    let points: Vec<String> = (0..50_u64)
        .rev()
        .flat_map(|second| {
            ["a", "b", "c"].map(|key| {
                format!(
                    r#"{{"timeUnixNano":"{second}000000000","asInt":"{second}","attributes":[{{"key":"k","value":{{"stringValue":"{key}"}}}}]}}"#
                )
            })
        })
        .collect();
    let request = metrics(&gauges("x", &points));
    for protocol in [Protocol::V1, Protocol::V2] {
        for limits in [
            MessageLimits {
                samples: 7,
                bytes: usize::MAX,
            },
            MessageLimits {
                samples: usize::MAX,
                bytes: 400,
            },
            MessageLimits {
                samples: 1,
                bytes: 150,
            },
        ] {
            let (messages, rejected, _) =
                encode_with(&request, EncodeOptions::default(), protocol, limits);
            assert_eq!(rejected, 0);
            let mut last = std::collections::BTreeMap::new();
            let mut total = 0;
            for message in &messages {
                assert!(message.len() <= limits.bytes, "{} bytes", message.len());
                let all = read(protocol, message);
                let samples: usize = all.iter().map(|series| series.samples.len()).sum();
                assert!((1..=limits.samples).contains(&samples));
                total += samples;
                for series in &all {
                    for (_, time, _) in &series.samples {
                        let before = last.insert(series.name(), *time);
                        assert!(before.is_none_or(|before| before < *time));
                    }
                }
            }
            assert_eq!(total, 150);
        }
    }
}

#[test]
fn a_sample_that_is_too_large_is_rejected_alone() {
    let long = "v".repeat(2000);
    let points: Vec<String> = [("a", "1"), ("b", &*long), ("c", "2")]
        .iter()
        .map(|(key, value)| {
            point(&format!(
                r#","asInt":"1","attributes":[{{"key":"{key}","value":{{"stringValue":"{value}"}}}}]"#
            ))
        })
        .collect();
    let request = metrics(&gauges("x", &points));
    for protocol in [Protocol::V1, Protocol::V2] {
        let limits = MessageLimits {
            samples: 100,
            bytes: 1000,
        };
        let (messages, rejected, reason) =
            encode_with(&request, EncodeOptions::default(), protocol, limits);
        assert_eq!(rejected, 1);
        let reason = reason.expect("one");
        assert_eq!(
            reason,
            "metric `x`: a sample is larger than a message may be"
        );
        let all: Vec<String> = messages
            .iter()
            .flat_map(|message| read(protocol, message))
            .map(|series| series.name())
            .collect();
        assert_eq!(all, [r#"x{a="1"}"#, r#"x{c="2"}"#]);
    }
}

/// Parallel senders are the usual cause of "out of order sample".
#[test]
fn a_series_is_always_in_the_same_shard() {
    let points = |time: u64| -> String {
        let points: Vec<String> = (0..40)
            .map(|number| {
                format!(
                    r#"{{"timeUnixNano":"{time}","asInt":"1","attributes":[{{"key":"k","value":{{"stringValue":"{number}"}}}}]}}"#
                )
            })
            .collect();
        gauges("x", &points)
    };
    let mut home = std::collections::BTreeMap::new();
    for time in [1_000_000, 2_000_000] {
        let request = metrics(&points(time));
        // Another encoder each time, as in another process.
        let mut encoder = Encoder::new(EncodeOptions::default());
        encoder.convert(request.metrics().expect("metrics"), Protocol::V2, 4, now());
        for shard in 0..4 {
            let mut out = Vec::new();
            encoder
                .next_into(shard, NO_LIMITS, &mut out)
                .expect("something for each");
            for series in read_v2(&out) {
                let before = home.insert(series.name(), shard);
                assert!(before.is_none_or(|before| before == shard), "{home:?}");
            }
            assert!(encoder.next_into(shard, NO_LIMITS, &mut out).is_none());
        }
    }
    assert_eq!(home.len(), 40);
}

#[test]
fn an_encoder_forgets_the_request_before() {
    let mut encoder = Encoder::new(EncodeOptions::default());
    let request = gauge(&[("a", "b")]);
    let expected = message(&request, EncodeOptions::default(), Protocol::V2);
    let bad = metrics(&sum("s", 1, true, &[point(r#","asInt":"1""#)]));
    for _ in 0..3 {
        encoder.convert(bad.metrics().expect("metrics"), Protocol::V1, 3, now());
        assert_eq!(encoder.rejected(), 1);
        encoder.convert(request.metrics().expect("metrics"), Protocol::V2, 1, now());
        assert_eq!((encoder.rejected(), encoder.reason()), (0, None));
        let mut out = Vec::new();
        encoder.next_into(0, NO_LIMITS, &mut out).expect("one");
        assert_eq!(out, expected);
    }
}
