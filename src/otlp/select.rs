//! Takes single items out of a request, on its bytes.
//!
//! What is around the items that are kept (a resource, a scope, a metric) stays with all it says,
//! fields that this version does not know included; what holds none of them is left out. Nothing
//! is decoded.

use bytes::Bytes;

use super::{
    OtlpBytes,
    split::{Frame, path},
    wire,
};

impl OtlpBytes {
    /// The items for which `keep` says so, by their position from 0, in their order. One
    /// allocation; all items kept is the request itself.
    ///
    /// ```
    /// # let request = tower_otlp::ExportRequest::from_protobuf(
    /// #     tower_otlp::Signal::Logs, vec![0x0a, 8, 0x12, 6, 0x12, 0, 0x12, 0, 0x12, 0]).unwrap();
    /// let odd = request.otlp().select(|item| item % 2 == 1);
    /// assert_eq!((request.items(), odd.items()), (3, 1));
    /// ```
    #[must_use]
    pub fn select(&self, mut keep: impl FnMut(u64) -> bool) -> OtlpBytes {
        let path = path(self.signal());
        let bytes = self.bytes();
        let mut selection = Selection {
            path,
            bytes,
            keep: &mut keep,
            next: 0,
            kept: 0,
            out: Vec::with_capacity(bytes.len()),
        };
        if let Some((&children, _)) = path.split_first() {
            selection.copy_message(&Frame::root(bytes, children), 0);
        }
        let Selection { kept, out, .. } = selection;
        if kept == self.items() {
            return self.clone();
        }
        let out = if kept == 0 { Vec::new() } else { out };
        OtlpBytes::from_surgery(self.signal(), Bytes::from(out), kept)
    }
}

struct Selection<'a> {
    path: &'static [u32],
    bytes: &'a [u8],
    keep: &'a mut dyn FnMut(u64) -> bool,
    /// Position of the next item.
    next: u64,
    /// Number of items kept.
    kept: u64,
    out: Vec<u8>,
}

impl Selection<'_> {
    fn copy(&mut self, from: usize, to: usize) {
        // Positions in checked bytes are in order and in bounds.
        self.out
            .extend_from_slice(self.bytes.get(from..to).unwrap_or_default());
    }

    /// Writes what a message says beside its children, and of these what is kept.
    fn copy_message(&mut self, frame: &Frame, level: usize) {
        self.copy(frame.body, frame.first);
        let is_leaf = level + 1 == self.path.len();
        let mut at = frame.first;
        while at < frame.last {
            let start = at;
            let Ok((number, _)) = wire::tag(self.bytes, &mut at) else {
                break;
            };
            let Ok(body) = wire::span(self.bytes, &mut at) else {
                break;
            };
            if is_leaf {
                let keep = (self.keep)(self.next);
                self.next += 1;
                if keep {
                    self.kept += 1;
                    self.copy(start, at);
                }
                continue;
            }
            let children = self.path.get(level + 1).copied().unwrap_or_default();
            let child = Frame::message(self.bytes, body, children);
            let (before, kept) = (self.out.len(), self.kept);
            let mark = wire::begin_len(&mut self.out, number);
            self.copy_message(&child, level + 1);
            if self.kept == kept {
                self.out.truncate(before);
            } else {
                wire::end_len(&mut self.out, mark);
            }
        }
        self.copy(frame.last, frame.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::{Limits, Signal};

    fn len(number: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len()).expect("short");
        [&[number << 3 | 2, length], body].concat()
    }

    fn check(signal: Signal, bytes: Vec<u8>) -> OtlpBytes {
        OtlpBytes::check(signal, bytes.into(), &Limits::default()).expect("valid")
    }

    /// A scope of these spans, by name, with a schema URL and a field that nobody knows.
    fn scope(names: &[&str]) -> Vec<u8> {
        let spans: Vec<u8> = names
            .iter()
            .flat_map(|name| len(2, &len(5, name.as_bytes())))
            .collect();
        let parts: [&[u8]; 4] = [
            &len(1, &len(1, b"lib")),
            &spans,
            &len(3, b"url"),
            b"\x78\x07",
        ];
        len(2, &parts.concat())
    }

    fn resource(scopes: &[Vec<u8>]) -> Vec<u8> {
        len(
            1,
            &[&len(1, b"\x10\x05")[..], &scopes.concat(), b"\x78\x09"].concat(),
        )
    }

    #[test]
    fn what_is_around_an_item_stays_and_what_is_empty_goes() {
        let all = [
            resource(&[scope(&["a", "b"]), scope(&["c"])]),
            resource(&[scope(&["d"])]),
            resource(&[]),
        ];
        let otlp = check(Signal::Traces, all.concat());
        assert_eq!(otlp.items(), 4);
        let some = otlp.select(|item| item == 1 || item == 3);
        let expected = [resource(&[scope(&["b"])]), resource(&[scope(&["d"])])];
        assert_eq!(some.bytes(), &expected.concat());
        assert_eq!(some.items(), 2);
        assert!(otlp.select(|_| false).bytes().is_empty());
        assert_eq!(
            otlp.select(|_| true).bytes().as_ptr(),
            otlp.bytes().as_ptr()
        );
    }

    #[test]
    fn data_points_keep_their_metric() {
        // Metric { name, sum { point, point, temporality, monotonic } }, Metric { name }.
        let point = |value: u8| len(1, &[8 << 3, value]);
        let sum = |points: &[Vec<u8>]| {
            let body = [&points.concat()[..], b"\x10\x02\x18\x01"].concat();
            len(2, &[len(1, b"m"), len(7, &body)].concat())
        };
        let wrap = |metrics: &[Vec<u8>]| len(1, &len(2, &metrics.concat()));
        let metrics = [
            sum(&[point(1), point(2)]),
            len(2, &len(1, b"empty")),
            sum(&[point(3)]),
        ];
        let otlp = check(Signal::Metrics, wrap(&metrics));
        assert_eq!(otlp.items(), 3);
        let second = otlp.select(|item| item == 1);
        assert_eq!(second.bytes(), &wrap(&[sum(&[point(2)])]));
        let asked = std::cell::RefCell::new(Vec::new());
        let last = otlp.select(|item| {
            asked.borrow_mut().push(item);
            item == 2
        });
        assert_eq!(last.bytes(), &wrap(&[sum(&[point(3)])]));
        assert_eq!(asked.into_inner(), [0, 1, 2]);
    }

    #[test]
    fn long_messages_are_measured_anew() {
        let body = "x".repeat(100);
        let names: Vec<&str> = (0..3).map(|_| body.as_str()).collect();
        let spans: Vec<u8> = names
            .iter()
            .flat_map(|name| {
                let mut out = Vec::new();
                wire::put_len_field(&mut out, 2, &len(5, name.as_bytes()));
                out
            })
            .collect();
        let mut scope = Vec::new();
        wire::put_len_field(&mut scope, 2, &spans);
        let mut all = Vec::new();
        wire::put_len_field(&mut all, 1, &scope);
        let otlp = check(Signal::Traces, all);
        for keep in 0..8_u64 {
            let some = otlp.select(|item| keep & 1 << item != 0);
            assert_eq!(some.items(), u64::from(keep.count_ones()));
            check(Signal::Traces, some.bytes().to_vec());
        }
    }
}
