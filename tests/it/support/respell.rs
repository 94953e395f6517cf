//! The same message spelled otherwise: everything that protobuf allows and no sane sender does.
//!
//! The tables below are not the library's: a mistake in one of the two shows.

use tower_otlp::Signal;

use super::generate::Draw;

/// Unknown fields take these numbers; every known one is below.
const UNKNOWN: [u32; 6] = [17, 31, 32, 64, 1000, (1 << 29) - 1];

/// What of a message type decides how it can be spelled.
pub(crate) struct Shape {
    repeated: &'static [u32],
    /// Repeated numbers, and whether they are varints (or else eight bytes each).
    packed: &'static [(u32, bool)],
    /// Members of the oneof, with a value to set before the real one.
    oneof: &'static [(u32, Decoy)],
    messages: &'static [(u32, &'static Shape)],
}

#[derive(Clone, Copy)]
enum Decoy {
    Varint,
    Fixed64,
    Len(&'static [u8]),
}

const EMPTY: Shape = Shape {
    repeated: &[],
    packed: &[],
    oneof: &[],
    messages: &[],
};

static ANY: Shape = Shape {
    oneof: &[
        (1, Decoy::Len(b"decoy")),
        (2, Decoy::Varint),
        (3, Decoy::Varint),
        (4, Decoy::Fixed64),
        (5, Decoy::Len(b"\x0a\x02\x18\x07")),
        (6, Decoy::Len(b"\x0a\x03\x0a\x01k")),
        (7, Decoy::Len(b"\xff")),
        (8, Decoy::Varint),
    ],
    messages: &[(5, &ARRAY), (6, &ATTRIBUTES)],
    ..EMPTY
};
static ARRAY: Shape = Shape {
    repeated: &[1],
    messages: &[(1, &ANY)],
    ..EMPTY
};
static KEY_VALUE: Shape = Shape {
    messages: &[(2, &ANY)],
    ..EMPTY
};
static ATTRIBUTES: Shape = Shape {
    repeated: &[1],
    messages: &[(1, &KEY_VALUE)],
    ..EMPTY
};
static ENTITY: Shape = Shape {
    repeated: &[3, 4],
    ..EMPTY
};
static RESOURCE: Shape = Shape {
    repeated: &[1, 3],
    messages: &[(1, &KEY_VALUE), (3, &ENTITY)],
    ..EMPTY
};
static SCOPE: Shape = Shape {
    repeated: &[3],
    messages: &[(3, &KEY_VALUE)],
    ..EMPTY
};
static EVENT: Shape = Shape {
    repeated: &[3],
    messages: &[(3, &KEY_VALUE)],
    ..EMPTY
};
static LINK: Shape = Shape {
    repeated: &[4],
    messages: &[(4, &KEY_VALUE)],
    ..EMPTY
};
static SPAN: Shape = Shape {
    repeated: &[9, 11, 13],
    messages: &[(9, &KEY_VALUE), (11, &EVENT), (13, &LINK), (15, &EMPTY)],
    ..EMPTY
};
static LOG_RECORD: Shape = Shape {
    repeated: &[6],
    messages: &[(5, &ANY), (6, &KEY_VALUE)],
    ..EMPTY
};
static EXEMPLAR: Shape = Shape {
    repeated: &[7],
    oneof: &[(3, Decoy::Fixed64), (6, Decoy::Fixed64)],
    messages: &[(7, &KEY_VALUE)],
    ..EMPTY
};
static NUMBER: Shape = Shape {
    repeated: &[5, 7],
    oneof: &[(4, Decoy::Fixed64), (6, Decoy::Fixed64)],
    messages: &[(5, &EXEMPLAR), (7, &KEY_VALUE)],
    ..EMPTY
};
static HISTOGRAM_POINT: Shape = Shape {
    repeated: &[8, 9],
    packed: &[(6, false), (7, false)],
    messages: &[(8, &EXEMPLAR), (9, &KEY_VALUE)],
    ..EMPTY
};
static BUCKETS: Shape = Shape {
    packed: &[(2, true)],
    ..EMPTY
};
static EXPONENTIAL_POINT: Shape = Shape {
    repeated: &[1, 11],
    messages: &[
        (1, &KEY_VALUE),
        (8, &BUCKETS),
        (9, &BUCKETS),
        (11, &EXEMPLAR),
    ],
    ..EMPTY
};
static SUMMARY_POINT: Shape = Shape {
    repeated: &[6, 7],
    messages: &[(6, &EMPTY), (7, &KEY_VALUE)],
    ..EMPTY
};
static NUMBERS: Shape = Shape {
    repeated: &[1],
    messages: &[(1, &NUMBER)],
    ..EMPTY
};
static HISTOGRAM: Shape = Shape {
    repeated: &[1],
    messages: &[(1, &HISTOGRAM_POINT)],
    ..EMPTY
};
static EXPONENTIAL: Shape = Shape {
    repeated: &[1],
    messages: &[(1, &EXPONENTIAL_POINT)],
    ..EMPTY
};
static SUMMARY: Shape = Shape {
    repeated: &[1],
    messages: &[(1, &SUMMARY_POINT)],
    ..EMPTY
};
static METRIC: Shape = Shape {
    repeated: &[12],
    oneof: &[
        (5, Decoy::Len(b"\x0a\x00")),
        (7, Decoy::Len(b"\x0a\x02\x40\x01\x18\x01")),
        (9, Decoy::Len(b"\x10\x02")),
        (10, Decoy::Len(b"")),
        (11, Decoy::Len(b"\x0a\x00\x0a\x00")),
    ],
    messages: &[
        (5, &NUMBERS),
        (7, &NUMBERS),
        (9, &HISTOGRAM),
        (10, &EXPONENTIAL),
        (11, &SUMMARY),
        (12, &KEY_VALUE),
    ],
    ..EMPTY
};

/// Resource, scope and root messages are the same but for their items.
macro_rules! groups {
    ($($item:ident: $scope:ident, $resource:ident, $root:ident;)*) => {$(
        static $scope: Shape = Shape {
            repeated: &[2],
            messages: &[(1, &SCOPE), (2, &$item)],
            ..EMPTY
        };
        static $resource: Shape = Shape {
            repeated: &[2],
            messages: &[(1, &RESOURCE), (2, &$scope)],
            ..EMPTY
        };
        static $root: Shape = Shape {
            repeated: &[1],
            messages: &[(1, &$resource)],
            ..EMPTY
        };
    )*};
}
groups! {
    SPAN: SCOPE_SPANS, RESOURCE_SPANS, TRACES;
    METRIC: SCOPE_METRICS, RESOURCE_METRICS, METRICS;
    LOG_RECORD: SCOPE_LOGS, RESOURCE_LOGS, LOGS;
}

fn root(signal: Signal) -> &'static Shape {
    match signal {
        Signal::Traces => &TRACES,
        Signal::Metrics => &METRICS,
        Signal::Logs => &LOGS,
    }
}

impl Shape {
    fn child(&self, number: u32) -> Option<&'static Shape> {
        let found = self.messages.iter().find(|(known, _)| *known == number);
        found.map(|(_, shape)| *shape)
    }

    fn is_oneof(&self, number: u32) -> bool {
        self.oneof.iter().any(|(known, _)| *known == number)
    }
}

/// A field as it stands.
struct Raw<'a> {
    number: u32,
    wire: u8,
    /// Without tag, and without length if it has one.
    value: &'a [u8],
    raw: &'a [u8],
}

fn varint(bytes: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// Reads the fields of a valid message.
fn fields(bytes: &[u8]) -> Vec<Raw<'_>> {
    let mut all = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let key = varint(bytes, &mut at);
        let (number, wire) = ((key >> 3) as u32, (key & 7) as u8);
        let mut value = at;
        match wire {
            0 => {
                varint(bytes, &mut at);
            }
            1 => at += 8,
            2 => {
                let length = varint(bytes, &mut at) as usize;
                value = at;
                at += length;
            }
            3 => {
                // Groups in here hold no other field of the number of their end tag.
                let end = tag(number, 4);
                at += bytes[at..]
                    .windows(end.len())
                    .position(|window| window == end)
                    .expect("the group's end")
                    + end.len();
            }
            _ => at += 4,
        }
        all.push(Raw {
            number,
            wire,
            value: &bytes[value..at],
            raw: &bytes[start..at],
        });
    }
    all
}

fn minimal(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

fn tag(number: u32, wire: u8) -> Vec<u8> {
    minimal(u64::from(number) << 3 | u64::from(wire))
}

/// A varint, now and then with zeros behind its end.
fn padded(draw: &mut Draw, value: u64) -> Vec<u8> {
    let mut out = minimal(value);
    if draw.one_in(5) {
        let room = 10 - out.len();
        let more = draw.below(room + 1);
        for _ in 0..more {
            *out.last_mut().expect("at least a byte") |= 0x80;
            out.push(0);
        }
    }
    out
}

fn field(draw: &mut Draw, number: u32, wire: u8, value: &[u8]) -> Vec<u8> {
    let mut out = padded(draw, u64::from(number) << 3 | u64::from(wire));
    if wire == 2 {
        out.extend(padded(draw, value.len() as u64));
    }
    out.extend_from_slice(value);
    out
}

/// A field that no specification knows, a group perhaps.
fn unknown(draw: &mut Draw, depth: usize) -> Vec<u8> {
    // Each level of groups has its own number, so that the first end tag that fits is the end.
    let number = UNKNOWN[draw.below(3) * 2 + depth % 2];
    match draw.below(if depth < 2 { 6 } else { 4 }) {
        0 => [tag(number, 0), minimal(draw.number())].concat(),
        1 => [tag(number, 1), b"unknown!".to_vec()].concat(),
        2 => [tag(number, 5), b"what".to_vec()].concat(),
        3 => [tag(number, 2), b"\x07strange".to_vec()].concat(),
        _ => {
            let number = 2000 + depth as u32;
            let inner = (0..draw.below(3)).flat_map(|_| unknown(draw, depth + 1));
            let inner: Vec<u8> = inner.collect();
            [tag(number, 3), inner, tag(number, 4)].concat()
        }
    }
}

/// How far a spelling may stray.
#[derive(Clone, Copy)]
enum Freedom {
    /// Unknown fields in front of and behind runs: the form stays canonical.
    Unknown,
    /// Everything that is legal.
    Any,
    /// As `Any`, without unknown fields.
    Decoy,
}

/// A message in another spelling.
pub(crate) struct Respelled {
    pub(crate) bytes: Vec<u8>,
    /// The unknown fields that must be found in it, in any order.
    pub(crate) unknown: Vec<Vec<u8>>,
}

/// Spells a valid message in any way that is legal.
pub(crate) fn respell(draw: &mut Draw, signal: Signal, bytes: &[u8]) -> Respelled {
    make(draw, signal, bytes, Freedom::Any)
}

/// Adds unknown fields at every level, and keeps the canonical form.
pub(crate) fn add_unknown(draw: &mut Draw, signal: Signal, bytes: &[u8]) -> Respelled {
    make(draw, signal, bytes, Freedom::Unknown)
}

fn make(draw: &mut Draw, signal: Signal, bytes: &[u8], freedom: Freedom) -> Respelled {
    let mut added = Vec::new();
    let bytes = spell(draw, root(signal), bytes, freedom, &mut added).concat();
    added.sort();
    Respelled {
        bytes,
        unknown: added,
    }
}

/// Gives the length of every sub-message four bytes, as SDKs do that leave room for a length
/// before they know it.
pub(crate) fn pad_lengths(signal: Signal, bytes: &[u8]) -> Vec<u8> {
    fn pad(shape: &Shape, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for field in fields(bytes) {
            let Some(child) = shape.child(field.number) else {
                out.extend_from_slice(field.raw);
                continue;
            };
            let body = pad(child, field.value);
            out.extend(tag(field.number, 2));
            out.extend((0..3).map(|septet| (body.len() >> (7 * septet)) as u8 | 0x80));
            out.push((body.len() >> 21) as u8);
            out.extend(body);
        }
        out
    }
    pad(root(signal), bytes)
}

/// All unknown fields of a valid message, sorted.
pub(crate) fn unknown_fields(signal: Signal, bytes: &[u8]) -> Vec<Vec<u8>> {
    fn collect(shape: &Shape, bytes: &[u8], found: &mut Vec<Vec<u8>>) {
        for field in fields(bytes) {
            if field.number >= 17 {
                found.push(field.raw.to_vec());
            } else if let Some(child) = shape.child(field.number) {
                collect(child, field.value, found);
            }
        }
    }
    let mut found = Vec::new();
    collect(root(signal), bytes, &mut found);
    found.sort();
    found
}

/// The message's fields, one by one, in a new spelling.
fn spell(
    draw: &mut Draw,
    shape: &Shape,
    bytes: &[u8],
    freedom: Freedom,
    added: &mut Vec<Vec<u8>>,
) -> Vec<Vec<u8>> {
    // What has an order of its own keeps it: each field, and the members of the oneof.
    let mut queues: Vec<(u32, Vec<Vec<u8>>)> = Vec::new();
    for raw in fields(bytes) {
        let key = if shape.is_oneof(raw.number) {
            0
        } else {
            raw.number
        };
        let pieces = pieces(draw, shape, &raw, freedom, added);
        match queues.iter_mut().find(|(known, _)| *known == key) {
            Some((_, queue)) => queue.extend(pieces),
            None => queues.push((key, pieces)),
        }
    }
    let mut queues: Vec<_> = queues
        .into_iter()
        .map(|(_, queue)| queue.into_iter())
        .collect();
    let mut out: Vec<Vec<u8>> = Vec::new();
    let mut add_unknown = |draw: &mut Draw, out: &mut Vec<Vec<u8>>| {
        if !matches!(freedom, Freedom::Decoy) && draw.one_in(8) {
            let field = unknown(draw, 0);
            out.push(field.clone());
            added.push(field);
        }
    };
    while !queues.is_empty() {
        let chosen = draw.below(queues.len());
        if matches!(freedom, Freedom::Unknown) {
            add_unknown(draw, &mut out);
            out.extend(queues.swap_remove(chosen));
        } else {
            // Several in a row now and then, or every message would be wildly mixed.
            for _ in 0..=draw.below(4) {
                out.extend(queues[chosen].next());
            }
            add_unknown(draw, &mut out);
            if queues[chosen].len() == 0 {
                queues.swap_remove(chosen);
            }
        }
    }
    add_unknown(draw, &mut out);
    out
}

/// One field in a new spelling, as one or more fields in this order.
fn pieces(
    draw: &mut Draw,
    shape: &Shape,
    raw: &Raw<'_>,
    freedom: Freedom,
    added: &mut Vec<Vec<u8>>,
) -> Vec<Vec<u8>> {
    let number = raw.number;
    let mut out = Vec::new();
    let strict = matches!(freedom, Freedom::Unknown);
    if let Some((_, varints)) = shape.packed.iter().find(|(known, _)| *known == number) {
        if strict {
            return vec![field(draw, number, raw.wire, raw.value)];
        }
        return chunks(draw, number, *varints, raw.value);
    }
    let repeated = shape.repeated.contains(&number);
    if !strict && shape.is_oneof(number) {
        for _ in 0..draw.below(4) {
            let (other, decoy) = draw.pick(shape.oneof);
            let (wire, value) = match decoy {
                Decoy::Varint => (0, vec![1]),
                Decoy::Fixed64 => (1, b"\0\0\0\0\0\0\0\x40".to_vec()),
                Decoy::Len(value) => (2, value.to_vec()),
            };
            out.push(field(draw, other, wire, &value));
        }
        // The unknown fields of what is kept below stay only if nothing comes between.
    } else if !strict && !repeated && draw.one_in(6) {
        let value = match (raw.wire, shape.child(number)) {
            (0, _) => vec![77],
            (1, _) => b"\x01\0\0\0\0\0\0\0".to_vec(),
            (5, _) => b"\x01\0\0\0".to_vec(),
            (_, None) => "früher".as_bytes().to_vec(),
            // Merged with what follows.
            (_, Some(child)) => {
                let mut none = Vec::new();
                let all = spell(draw, child, raw.value, Freedom::Decoy, &mut none);
                let kept = draw.below(all.len() + 1);
                all[..kept].concat()
            }
        };
        out.push(field(draw, number, raw.wire, &value));
    }
    match shape.child(number) {
        Some(child) => {
            let all = spell(draw, child, raw.value, freedom, added);
            if strict || repeated {
                out.push(field(draw, number, 2, &all.concat()));
            } else {
                // Occurrences of one message are read as if they stood in one.
                let mut rest = &all[..];
                loop {
                    let (part, more) = rest.split_at(match draw.below(3) {
                        0 => rest.len(),
                        _ => draw.below(rest.len() + 1),
                    });
                    out.push(field(draw, number, 2, &part.concat()));
                    rest = more;
                    if rest.is_empty() {
                        break;
                    }
                }
            }
        }
        None if raw.wire == 0 => {
            let value = padded(draw, varint(raw.value, &mut 0));
            out.push(field(draw, number, 0, &value));
        }
        None => out.push(field(draw, number, raw.wire, raw.value)),
    }
    out
}

/// A packed run as several runs and single values.
fn chunks(draw: &mut Draw, number: u32, varints: bool, run: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < run.len() {
        let mut chunk = Vec::new();
        let values = draw.below(3) + 1;
        for _ in 0..values {
            if at == run.len() {
                break;
            }
            if varints {
                let value = varint(run, &mut at);
                chunk.extend(padded(draw, value));
            } else {
                chunk.extend_from_slice(&run[at..at + 8]);
                at += 8;
            }
            if values == 1 && draw.one_in(2) {
                let single = field(draw, number, if varints { 0 } else { 1 }, &chunk);
                out.push(single);
                chunk.clear();
            }
        }
        if !chunk.is_empty() || draw.one_in(4) {
            out.push(field(draw, number, 2, &chunk));
        }
    }
    out
}
