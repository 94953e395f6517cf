//! A span with everything in it, byte for byte. The bytes come from Apache Thrift's library for
//! Python.

use tower_otlp::exporters::jaeger::encode::{EncodeOptions, Format};

use super::{batches, binary, boolean, double, encode, long, string, traces};
use crate::support::jaeger_idl::{Log, SpanRef};

const FULL: &str = r#"{"resourceSpans":[{"resource":{"attributes":[
  {"key":"service.name","value":{"stringValue":"cart"}},
  {"key":"host.name","value":{"stringValue":"h1"}}]},
 "scopeSpans":[{"scope":{"name":"shop.http","version":"1.2.0"},"spans":[{
  "traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"ff00000000000001","parentSpanId":"00f067aa0ba902b7",
  "flags":257,"name":"GET /cart","kind":2,
  "startTimeUnixNano":"1700000000123456789","endTimeUnixNano":"1700000000124957788",
  "attributes":[
   {"key":"http.response.status_code","value":{"intValue":"500"}},
   {"key":"cache.hit","value":{"boolValue":false}},
   {"key":"ratio","value":{"doubleValue":0.25}},
   {"key":"ids","value":{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"a"}]}}},
   {"key":"raw","value":{"bytesValue":"AP8="}}],
  "events":[{"timeUnixNano":"1700000000124000000","name":"cache.miss",
             "attributes":[{"key":"key","value":{"stringValue":"cart:7"}}]}],
  "links":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718"}],
  "status":{"code":2,"message":"boom"}}]}]}]}"#;

const COLLECTOR: &str = "
0c00010b000100000004636172740f00020c000000010b000100000009686f73
742e6e616d65080002000000000b000300000002683100000f00020c00000001
0a0001090a0b0c0d0e0f100a000201020304050607080a0003ff000000000000
010a000400f067aa0ba902b70b000500000009474554202f636172740f00060c
00000001080001000000010a0002a3ce929d0e0e47360a00034bf92f3577b34d
a60a0004111213141516171800080007000000010a000800060a24182022400a
000900000000000005dc0f000a0c0000000b0b00010000000f6f74656c2e7363
6f70652e6e616d65080002000000000b00030000000973686f702e6874747000
0b0001000000126f74656c2e73636f70652e76657273696f6e08000200000000
0b000300000005312e322e30000b000100000019687474702e726573706f6e73
652e7374617475735f636f6465080002000000030a000600000000000001f400
0b00010000000963616368652e6869740800020000000202000500000b000100
000005726174696f080002000000010400043fd0000000000000000b00010000
0003696473080002000000000b0003000000075b312c2261225d000b00010000
0003726177080002000000040b00070000000200ff000b000100000009737061
6e2e6b696e64080002000000000b000300000006736572766572000b00010000
00106f74656c2e7374617475735f636f6465080002000000000b000300000005
4552524f52000b0001000000056572726f720800020000000202000501000b00
01000000176f74656c2e7374617475735f6465736372697074696f6e08000200
0000000b000300000004626f6f6d000f000b0c000000010a000100060a241820
24600f00020c000000020b0001000000056576656e74080002000000000b0003
0000000a63616368652e6d697373000b0001000000036b657908000200000000
0b000300000006636172743a3700000000";

const COMPACT: &str = "
82810009656d697442617463681c1c180463617274191c1809686f73742e6e61
6d651500180268310000191c16a0bcf0d081c3858a1216909cb0d080c1818202
16fdffffffffffffff0116ee8ac8bac1eab3f0011809474554202f6361727419
1c15021693e38d9fded8b6b1b80116ccb69afbaecd97f9970116b0dcb0d182c5
89922200150216808981828389850616b81719bc180f6f74656c2e73636f7065
2e6e616d651500180973686f702e687474700018126f74656c2e73636f70652e
76657273696f6e15001805312e322e30001819687474702e726573706f6e7365
2e7374617475735f636f6465150646e80700180963616368652e686974150432
001805726174696f150227000000000000d03f001803696473150018075b312c
2261225d0018037261771508580200ff0018097370616e2e6b696e6415001806
7365727665720018106f74656c2e7374617475735f636f646515001805455252
4f520018056572726f721504310018176f74656c2e7374617475735f64657363
72697074696f6e15001804626f6f6d00191c16c091818283898506192c180565
76656e741500180a63616368652e6d6973730018036b65791500180663617274
3a370000000000";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).expect("a byte"))
        .collect()
}

#[test]
fn a_full_span_for_the_collector() {
    let (messages, rejected, _) = encode(
        &traces(FULL),
        &EncodeOptions::default(),
        Format::Collector,
        721,
    );
    assert_eq!(hex(COLLECTOR).len(), 721);
    assert_eq!(messages, [hex(COLLECTOR)]);
    assert_eq!(rejected, 0);
}

#[test]
fn a_full_span_for_an_agent() {
    let (messages, rejected, _) = encode(
        &traces(FULL),
        &EncodeOptions::default(),
        Format::AgentCompact,
        455,
    );
    assert_eq!(hex(COMPACT).len(), 455);
    assert_eq!(messages, [hex(COMPACT)]);
    assert_eq!(rejected, 0);
}

#[test]
fn a_full_span_field_by_field() {
    let batches = batches(&traces(FULL));
    let [batch] = batches.as_slice() else {
        panic!("{batches:?}");
    };
    assert_eq!(batch.process.service_name, "cart");
    assert_eq!(batch.process.tags, Some(vec![string("host.name", "h1")]));
    let [span] = batch.spans.as_slice() else {
        panic!("{batch:?}");
    };
    assert_eq!(span.trace_id_high, 72_623_859_790_382_856);
    assert_eq!(span.trace_id_low, 651_345_242_494_996_240);
    assert_eq!(span.span_id, -72_057_594_037_927_935);
    assert_eq!(span.parent_span_id, 67_667_974_448_284_343);
    assert_eq!((&*span.operation_name, span.flags), ("GET /cart", 1));
    assert_eq!(span.start_time, 1_700_000_000_123_456);
    assert_eq!(span.duration, 1500);
    let reference = SpanRef {
        ref_type: 1,
        trace_id_low: -6_643_211_197_081_565_386,
        trace_id_high: 5_474_458_728_733_560_230,
        span_id: 1_230_066_625_199_609_624,
    };
    assert_eq!(span.references, Some(vec![reference]));
    let tags = vec![
        string("otel.scope.name", "shop.http"),
        string("otel.scope.version", "1.2.0"),
        long("http.response.status_code", 500),
        boolean("cache.hit", false),
        double("ratio", 0.25),
        string("ids", r#"[1,"a"]"#),
        binary("raw", &[0x00, 0xff]),
        string("span.kind", "server"),
        string("otel.status_code", "ERROR"),
        boolean("error", true),
        string("otel.status_description", "boom"),
    ];
    assert_eq!(span.tags, Some(tags));
    let log = Log {
        timestamp: 1_700_000_000_124_000,
        fields: vec![string("event", "cache.miss"), string("key", "cart:7")],
    };
    assert_eq!(span.logs, Some(vec![log]));
}
