use crate::{ExportRequest, Signal, otlp::Malformed};

/// A request of this signal with this many items, and nothing in them.
///
/// # Panics
/// If the request is too large for the default [`Limits`](crate::otlp::Limits).
#[must_use]
pub fn request(signal: Signal, items: usize) -> ExportRequest {
    match encode(signal, items) {
        Ok(request) => request,
        Err(malformed) => panic!("{items} items do not make a request: {malformed}"),
    }
}

/// A request of so many spans. See [`request`].
#[must_use]
pub fn traces(items: usize) -> ExportRequest {
    request(Signal::Traces, items)
}

/// A request of so many metrics, each a gauge of one data point. See [`request`].
#[must_use]
pub fn metrics(items: usize) -> ExportRequest {
    request(Signal::Metrics, items)
}

/// A request of so many log records. See [`request`].
#[must_use]
pub fn logs(items: usize) -> ExportRequest {
    request(Signal::Logs, items)
}

fn encode(signal: Signal, items: usize) -> Result<ExportRequest, Malformed> {
    if items == 0 {
        return ExportRequest::from_protobuf(signal, Vec::new());
    }
    // A span or a log record is field 2 of its scope. So is a metric; its gauge is field 5, and a
    // data point field 1 of that.
    let item: &[u8] = match signal {
        Signal::Metrics => &[0x12, 0x04, 0x2a, 0x02, 0x0a, 0x00],
        _ => &[0x12, 0x00],
    };
    // The resource is field 1 of the request, the scope field 2 of the resource.
    let scope = field(0x12, &item.repeat(items));
    ExportRequest::from_protobuf(signal, field(0x0a, &scope))
}

fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let mut length = content.len();
    while length >= 0x80 {
        out.push((length as u8 & 0x7f) | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_as_many_items_as_asked_for() {
        for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
            for items in [0, 1, 2, 63, 64, 200, 20_000] {
                let request = request(signal, items);
                assert_eq!(request.items(), items as u64, "{signal:?}");
                assert_eq!(request.signal(), signal);
            }
        }
    }
}
