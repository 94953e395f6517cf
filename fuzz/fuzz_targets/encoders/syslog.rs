//! Syslog: frames of the length that they say, each a message by the grammar of RFC 5424.

#[path = "../../../tests/it/syslog/rfc5424.rs"]
mod rfc5424;

use tower_otlp::{
    ExportRequest,
    exporters::syslog::{Facility, Framing, Severity, SyslogFormat},
};

use crate::{BEFORE, Choices, written};

pub(crate) fn check(request: &ExportRequest, choices: Choices) {
    let Some(logs) = request.logs() else {
        return;
    };
    let framing = choices.pick(0, [Framing::OctetCounting, Framing::LineFeed]);
    let limit = choices.pick(1, [64 << 10, 480, 500, 1000]);
    let facility = Facility::new(choices.pick(3, [0, 1, 16, 23])).expect("a facility");
    let format = SyslogFormat::default()
        .framing(framing)
        .facility(facility)
        .gravest(choices.pick(5, [Severity::Emergency, Severity::Critical]))
        .host_name(if choices.is(6) { "größe 1" } else { "" })
        .enterprise_number(if choices.is(7) { u32::MAX } else { 1 })
        .resource_attributes(choices.is(8))
        .byte_order_mark(choices.is(9))
        .max_message_bytes(limit)
        .expect("enough");
    let mut out = BEFORE.to_vec();
    let summary = format.encode(logs, &mut out);
    assert_eq!(summary.messages + summary.rejected, request.items());
    assert!(summary.cut <= summary.messages);
    let is_whole = (summary.rejected, summary.cut, summary.left_out) == (0, 0, 0);
    assert_eq!(summary.warning().is_none(), is_whole);
    let bytes = written(&out, request);
    let frames = match framing {
        Framing::OctetCounting => rfc5424::frames(&bytes),
        _ => {
            let text = String::from_utf8(bytes).expect("UTF-8");
            assert!(text.is_empty() || text.ends_with('\n'));
            assert!(!text.contains('\r'));
            text.split_terminator('\n').map(str::to_owned).collect()
        }
    };
    assert_eq!(frames.len() as u64, summary.messages);
    for frame in frames {
        assert!(frame.len() <= limit, "{} of {limit} bytes", frame.len());
        for element in rfc5424::parse(&frame).elements {
            let mut names: Vec<_> = element.parameters.iter().map(|(name, _)| name).collect();
            names.sort();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "a name twice: {frame}");
        }
    }
}
