//! Input that means harm, or is broken.

use proptest::prelude::*;
use tower_otlp::{
    ExportRequest, Signal,
    otlp::{Limits, Problem, json},
};

use super::{log, metric, read, span};
use crate::support::generate;

/// Runs `test` with the stack of a thread as tokio and std make them by default, or half of it.
fn on_a_small_stack(test: fn()) {
    std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(test)
        .expect("a thread")
        .join()
        .expect("no panic");
}

fn arrays(levels: usize) -> String {
    let inner = r#"{"stringValue":"x"}"#;
    let open = r#"{"arrayValue":{"values":["#.repeat(levels);
    log(&format!("{open}{inner}{}", "]}}".repeat(levels)))
}

fn maps(levels: usize) -> String {
    let open = r#"{"kvlistValue":{"values":[{"key":"k","value":"#.repeat(levels);
    log(&format!("{open}{{}}{}", "}]}}".repeat(levels)))
}

#[test]
fn depth_is_that_of_protobuf() {
    on_a_small_stack(|| {
        // Five messages down to the body, two for each level of arrays, three of maps.
        for (text, deepest) in [(arrays as fn(usize) -> String, 48), (maps, 32)] {
            let otlp = read(Signal::Logs, text(deepest)).expect("as deep as allowed");
            let written = json::write(&otlp);
            let again = read(Signal::Logs, &written).expect("our own text");
            assert_eq!(json::write(&again), written);
            ExportRequest::from_protobuf(Signal::Logs, otlp.bytes().clone())
                .expect("protobuf has the same limit");
            for levels in [deepest + 1, deepest + 2, 200, 100_000] {
                let error = read(Signal::Logs, text(levels)).expect_err("too deep");
                assert_eq!(error.problem(), &Problem::TooDeep, "{levels}");
            }
        }
    });
}

#[test]
fn bombs_of_values_nobody_knows() {
    on_a_small_stack(|| {
        const LEVELS: usize = 1_000_000;
        let closed = format!("{}{}", "[".repeat(LEVELS), "]".repeat(LEVELS));
        let objects = format!("{}1{}", r#"{"a":"#.repeat(LEVELS), "}".repeat(LEVELS));
        for bomb in [closed, objects] {
            let otlp = read(Signal::Traces, span(&format!(r#""nope":{bomb}"#)))
                .expect("unknown fields are ignored");
            assert_eq!(otlp.items(), 1);
            // The same where something else is expected.
            let error =
                read(Signal::Traces, span(&format!(r#""name":{bomb}"#))).expect_err("not a string");
            assert!(matches!(error.problem(), Problem::Json(_)), "{error}");
        }
        read(Signal::Traces, "[".repeat(LEVELS) + &"]".repeat(LEVELS)).expect_err("not a request");
        for open in ["[", r#"{"a":"#, r#"{"resourceSpans":["#] {
            read(Signal::Traces, open.repeat(LEVELS)).expect_err("it never ends");
        }
    });
}

#[test]
fn limits() {
    let text = span(r#""name":"n""#);
    let limits = Limits::default().max_bytes(text.len() - 1);
    let error = json::read(Signal::Traces, text.as_bytes(), &limits).expect_err("one byte less");
    assert_eq!(
        error.problem(),
        &Problem::TooLarge {
            limit: text.len() - 1
        }
    );
    json::read(
        Signal::Traces,
        text.as_bytes(),
        &Limits::default().max_bytes(text.len()),
    )
    .expect("just fits");

    let error = json::read(
        Signal::Traces,
        text.as_bytes(),
        &Limits::default().max_items(0),
    )
    .expect_err("one item");
    assert_eq!(error.problem(), &Problem::TooManyItems { limit: 0 });
}

#[test]
fn numbers_grow_no_further_than_the_limit() {
    // Eight bytes of protobuf for two of JSON.
    let bounds = "0,".repeat(10_000);
    let text = metric(&format!(
        r#""histogram":{{"dataPoints":[{{"explicitBounds":[{bounds}0]}}]}}"#
    ));
    let limit = text.len() + 1;
    let error = json::read(
        Signal::Metrics,
        text.as_bytes(),
        &Limits::default().max_bytes(limit),
    )
    .expect_err("four times the limit");
    assert_eq!(error.problem(), &Problem::TooLarge { limit });
    assert!(error.path().ends_with("explicit_bounds"), "{error}");
    assert!(error.offset() < text.len() / 2, "{error}");
}

#[test]
fn broken_text_is_located() {
    let text = span(r#""name":"a b""#);
    let end = text.len();
    for (text, offset, path, problem) in [
        (String::new(), 0, "", Problem::Truncated),
        ("{".to_owned(), 1, "", Problem::Truncated),
        (
            text[..end - 1].to_owned(),
            end - 1,
            "",
            Problem::Truncated,
        ),
        (
            format!("{text}x"),
            end,
            "",
            Problem::Json("trailing characters".to_owned()),
        ),
        (
            "[]".to_owned(),
            0,
            "",
            Problem::Json("an object is expected".to_owned()),
        ),
        (
            "null".to_owned(),
            3,
            "",
            Problem::Json("an object is expected".to_owned()),
        ),
        (
            "{\n\n \"resourceSpans\": [ {},\n  nope ] }".to_owned(),
            31,
            "resource_spans[1]",
            Problem::Json("expected ident".to_owned()),
        ),
        (
            "{\"resourceSpans\":[{}, {\"resource\":\n7}]}".to_owned(),
            35,
            "resource_spans[1].resource",
            Problem::Json("a number where an object is expected".to_owned()),
        ),
        (
            "{\"resourceSpans\":{}}".to_owned(),
            17,
            "resource_spans",
            Problem::Json("an object where an array is expected".to_owned()),
        ),
        (
            "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"attributes\":[{},{\"value\":{\"arrayValue\":{\"values\":[{},{},5]}}}]}]}]}]}"
                .to_owned(),
            100,
            "resource_spans[0].scope_spans[0].spans[0].attributes[1].value.array_value.values[2]",
            Problem::Json("a number where an object is expected".to_owned()),
        ),
    ] {
        let error = read(Signal::Traces, &text).expect_err(&text);
        assert_eq!(error.problem(), &problem, "{text}");
        assert_eq!(error.path(), path, "{text}");
        // serde_json's positions may be off by one.
        assert!(error.offset().abs_diff(offset) <= 1, "{text}: {error}");
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_wherever_it_stands() {
    for around in [
        span(r#""name":"?""#),
        span(r#""nope":["?"]"#),
        span(r#""?":1"#),
    ] {
        let at = around.find('?').expect("the place");
        let mut text = around.into_bytes();
        text[at] = 0xff;
        let error = read(Signal::Traces, &text).expect_err("not UTF-8");
        assert_eq!(error.problem(), &Problem::InvalidUtf8);
        assert_eq!(error.offset(), at);
    }
    let mut with_mark = b"\xef\xbb\xbf".to_vec();
    with_mark.extend_from_slice(span("").as_bytes());
    read(Signal::Traces, &with_mark).expect_err("a byte order mark");
}

/// What people send may be secret; errors are logged.
#[test]
fn errors_do_not_quote() {
    let secret = "hunter2";
    for fields in [
        format!(r#""traceId":"{secret}""#),
        format!(r#""kind":"{secret}""#),
        format!(r#""startTimeUnixNano":"{secret}""#),
        format!(r#""attributes":"{secret}""#),
        format!(r#""status":"{secret}""#),
        format!(r#""name":{{"{secret}":1}}"#),
        format!(r#""name":{secret}"#),
        format!(r#""name":"{secret}\x""#),
        format!(r#""attributes":[{{"value":{{"bytesValue":"{secret}*"}}}}]"#),
        format!(r#""attributes":[{{"value":{{"boolValue":"{secret}"}}}}]"#),
        format!(r#""attributes":[{{"value":{{"doubleValue":"{secret}"}}}}]"#),
        format!(r#""{secret}":"#),
    ] {
        let error = read(Signal::Traces, span(&fields)).expect_err(&fields);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(secret), "{shown}");
    }
    let error = read(Signal::Traces, format!("\"{secret}\"")).expect_err("not an object");
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(secret), "{shown}");
}

proptest! {
    #![proptest_config(generate::config(256))]

    /// Whatever is done to a text, it is read or refused, and what is read is written so that it
    /// reads the same.
    #[test]
    fn mutations(
        seed in any::<u64>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let options = generate::Options { fuel: 40, ..generate::Options::default() };
        let mut draw = generate::Draw::seeded(seed, options);
        let signal = draw.pick(&Signal::ALL);
        let bytes = super::properties::encoded(signal, &mut draw);
        let otlp = ExportRequest::from_protobuf(signal, bytes).expect("valid OTLP");
        let mut text = json::write(otlp.otlp());
        const BYTES: &[u8] = b"{}[],:\"\\0-.eEnull9 aA\xff\x00";
        for (at, byte, edit) in edits {
            let at = at.index(text.len() + 1);
            let byte = BYTES[usize::from(byte) % BYTES.len()];
            match edit {
                0 => text.insert(at, byte),
                1 if at < text.len() => text[at] = byte,
                _ => text.truncate(at),
            }
        }
        match read(signal, &text) {
            Ok(otlp) => {
                let again = read(signal, json::write(&otlp)).expect("our own text");
                prop_assert_eq!(again.items(), otlp.items());
                prop_assert_eq!(json::write(&again), json::write(&otlp));
            }
            Err(error) => prop_assert!(error.offset() <= text.len(), "{}", error),
        }
    }
}
