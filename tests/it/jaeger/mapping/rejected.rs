//! Spans that Jaeger cannot carry.

use super::*;

#[test]
fn a_span_without_valid_ids_is_rejected_by_name() {
    for (trace_id, span_id, parent, says) in [
        (vec![0; 16], vec![2; 8], vec![], "trace id"),
        (vec![], vec![2; 8], vec![], "trace id"),
        (vec![1; 8], vec![2; 8], vec![], "trace id"),
        (vec![1; 17], vec![2; 8], vec![], "trace id"),
        (vec![1; 16], vec![0; 8], vec![], "span id"),
        (vec![1; 16], vec![], vec![], "span id"),
        (vec![1; 16], vec![2; 16], vec![], "span id"),
        (vec![1; 16], vec![2; 8], vec![3; 7], "parent span id"),
    ] {
        let mut span = raw_span();
        (span.trace_id, span.span_id, span.parent_span_id) = (trace_id, span_id, parent);
        let request = raw(span);
        for format in FORMATS {
            let (messages, rejected, reasons) =
                encode(&request, &EncodeOptions::default(), format, usize::MAX);
            assert!(messages.is_empty());
            assert_eq!(rejected, 1);
            assert!(
                reasons[0].starts_with("span 0 (\"GET /\"): its "),
                "{reasons:?}"
            );
            assert!(reasons[0].contains(says), "{reasons:?}");
        }
    }
    let mut root = raw_span();
    root.parent_span_id = vec![0; 8];
    assert_eq!(only(&raw(root)).parent_span_id, 0);
}

#[test]
fn the_neighbours_of_a_rejected_span_live() {
    let span = |name: &str, id: &str| {
        format!(
            r#"{{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"{id}","name":"{name}"}}"#
        )
    };
    let spans = [
        span("a", "0000000000000000"),
        span("b", "0000000000000001"),
        span(&"long".repeat(100), "0000000000000002"),
        span("c", "0000000000000003"),
        span("d", ""),
    ];
    let request = traces(&format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#,
        spans.join(",")
    ));
    for format in FORMATS {
        let (messages, rejected, reasons) =
            encode(&request, &EncodeOptions::default(), format, 300);
        let names: Vec<String> = messages
            .iter()
            .flat_map(|message| read(format, message).spans)
            .map(|span| span.operation_name)
            .collect();
        assert_eq!(names, ["b", "c"], "{format:?}");
        assert_eq!(rejected, 3, "{format:?}");
        assert!(reasons.concat().contains("span 0 (\"a\")"), "{reasons:?}");
        assert!(messages.iter().all(|message| message.len() <= 300));
    }
}
