//! Values and attributes as JSON.
//!
//! An object is written as it comes, which is right for nearly all. What asks for a second look (a
//! key that occurs twice, a position in two attributes, an attribute that says where the document
//! goes) makes the caller begin anew, with the careful form.

use crate::otlp::{
    json::{
        double, hex,
        write::{name, string},
    },
    views::{AnyValue, Attributes, Str},
};

/// How many keys are compared with each other before they are sorted instead.
const MAX_COMPARED: usize = 64;

/// How a map within attributes is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Maps {
    /// As an object.
    Objects,
    /// As a string with JSON in it: dimensions of metrics are single values.
    Text,
}

/// Writes a value.
pub(super) fn value(out: &mut Vec<u8>, value: AnyValue<'_>, maps: Maps) {
    match value {
        AnyValue::Empty => out.extend_from_slice(b"null"),
        AnyValue::Str(text) => string(out, text.as_bytes()),
        AnyValue::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        AnyValue::Int(number) => integer(out, number),
        AnyValue::Double(number) => float(out, number),
        AnyValue::Bytes(raw) => {
            out.push(b'"');
            hex::encode(out, raw);
            out.push(b'"');
        }
        AnyValue::Array(values) => {
            out.push(b'[');
            for (position, item) in values.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                self::value(out, item, maps);
            }
            out.push(b']');
        }
        AnyValue::Map(values) if maps == Maps::Objects => object(out, values),
        AnyValue::Map(values) => {
            let mut json = Vec::new();
            object(&mut json, values);
            string(out, &json);
        }
    }
}

/// Writes an integer.
#[inline]
pub(super) fn integer<T: itoa::Integer>(out: &mut Vec<u8>, number: T) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes a double, always with a point or an exponent, so that the server makes it no integer
/// field. What JSON has no number for is `null`.
#[inline]
pub(super) fn float(out: &mut Vec<u8>, number: f64) {
    if !number.is_finite() {
        out.extend_from_slice(b"null");
        return;
    }
    let start = out.len();
    double::encode(out, number);
    let written = out.get(start..).unwrap_or_default();
    if !written.iter().any(|byte| matches!(byte, b'.' | b'e')) {
        out.extend_from_slice(b".0");
    }
}

/// Writes a map that is no attributes of a record: all its keys, of equal ones the last.
pub(super) fn object(out: &mut Vec<u8>, values: Attributes<'_>) {
    let start = out.len();
    out.push(b'{');
    if plain_members(out, values, Maps::Objects, |_, _| false) {
        out.push(b'}');
        return;
    }
    out.truncate(start);
    out.push(b'{');
    let sorted = distinct(values, |_| false);
    for (key, member) in sorted {
        member_of(out, key, member, Maps::Objects);
    }
    out.push(b'}');
}

/// Writes members behind the brace that opens their object, unless `is_special` says of one that
/// it asks for a second look, or a key occurs twice. `false` if so: what was written then is to be
/// taken back.
#[inline]
pub(super) fn plain_members<'a>(
    out: &mut Vec<u8>,
    values: Attributes<'a>,
    maps: Maps,
    mut is_special: impl FnMut(&'a [u8], AnyValue<'a>) -> bool,
) -> bool {
    let mut seen = [0_u64; 4];
    for (position, (key, member)) in values.iter().enumerate() {
        let bytes = key.as_bytes();
        if is_special(bytes, member) {
            return false;
        }
        let mark = mark(bytes);
        let word = &mut seen[usize::from(mark >> 6) & 3];
        let bit = 1 << (mark & 63);
        if *word & bit != 0
            && (position > MAX_COMPARED
                || values.iter().take(position).any(|(other, _)| other == key))
        {
            return false;
        }
        *word |= bit;
        member_of(out, key, member, maps);
    }
    true
}

/// One of 256 marks that differ for most keys.
#[inline]
fn mark(key: &[u8]) -> u8 {
    let [first, .., last] = key else {
        return key.first().copied().unwrap_or(0);
    };
    let middle = key.get(key.len() / 2).copied().unwrap_or(0);
    let mixed = (key.len() as u32) // Lossless enough: only differences count.
        .wrapping_mul(0x9e37)
        .wrapping_add(u32::from(*first).wrapping_mul(0x85eb))
        .wrapping_add(u32::from(*last).wrapping_mul(0xc2b3))
        .wrapping_add(u32::from(middle).wrapping_mul(0x27d5));
    // Lossless: one byte is wanted.
    (mixed.wrapping_mul(0x9e37_79b1) >> 24) as u8
}

#[inline]
fn member_of(out: &mut Vec<u8>, key: Str<'_>, member: AnyValue<'_>, maps: Maps) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    string(out, key.as_bytes());
    out.push(b':');
    value(out, member, maps);
}

/// The members that are not to be left out, of equal keys the last, in their order.
fn distinct<'a>(
    values: Attributes<'a>,
    leave_out: impl Fn(&[u8]) -> bool,
) -> Vec<(Str<'a>, AnyValue<'a>)> {
    let mut all: Vec<(usize, Str<'a>, AnyValue<'a>)> = values
        .iter()
        .enumerate()
        .map(|(position, (key, member))| (position, key, member))
        .filter(|(_, key, _)| !leave_out(key.as_bytes()))
        .collect();
    // The last of equal keys comes first, and is the one that stays.
    all.sort_by(|(a, left, _), (b, right, _)| left.cmp(right).then(b.cmp(a)));
    all.dedup_by(|(_, later, _), (_, earlier, _)| later == earlier);
    all.sort_by_key(|(position, _, _)| *position);
    all.into_iter()
        .map(|(_, key, member)| (key, member))
        .collect()
}

const LATITUDE: &[u8] = b"geo.location.lat";
const LONGITUDE: &[u8] = b"geo.location.lon";
const LOCATION: &[u8] = b"geo.location";

/// Whether an attribute may be half of a position.
#[inline]
pub(super) fn is_geo(key: &[u8]) -> bool {
    matches!(key, [.., b'l', b'a', b't'] | [.., b'l', b'o', b'n'])
        && (prefix(key, LATITUDE).is_some() || prefix(key, LONGITUDE).is_some())
}

/// What stands before this end of a key, if that is nothing or ends with a dot.
fn prefix<'a>(key: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let start = key.strip_suffix(end)?;
    matches!(start, [] | [.., b'.']).then_some(start)
}

/// Writes members behind the brace that opens their object: each key once, two doubles that are a
/// position as one point, and not what `leave_out` names.
pub(super) fn careful_members(
    out: &mut Vec<u8>,
    values: Attributes<'_>,
    maps: Maps,
    leave_out: impl Fn(&[u8]) -> bool,
) {
    let members = distinct(values, leave_out);
    // By key, for positions alone: most attributes have none.
    let double = |wanted: &[u8], end: &[u8]| {
        members.iter().find_map(|(key, member)| match member {
            AnyValue::Double(number) if prefix(key.as_bytes(), end) == Some(wanted) => {
                Some(*number)
            }
            _ => None,
        })
    };
    let has = |wanted: &[u8]| {
        members
            .iter()
            .any(|(key, _)| prefix(key.as_bytes(), LOCATION) == Some(wanted))
    };
    let mut points: Vec<&[u8]> = Vec::new();
    for (key, member) in &members {
        let bytes = key.as_bytes();
        let start = match member {
            AnyValue::Double(_) => prefix(bytes, LATITUDE).or_else(|| prefix(bytes, LONGITUDE)),
            _ => None,
        };
        if let Some(start) = start {
            if points.contains(&start) {
                continue;
            }
            if let (Some(lat), Some(lon)) = (double(start, LATITUDE), double(start, LONGITUDE))
                && lat.is_finite()
                && lon.is_finite()
                && !has(start)
            {
                points.push(start);
                let name = [start, LOCATION].concat();
                if out.last() != Some(&b'{') {
                    out.push(b',');
                }
                string(out, &name);
                out.extend_from_slice(b":[");
                float(out, lon);
                out.push(b',');
                float(out, lat);
                out.push(b']');
                continue;
            }
        }
        member_of(out, *key, *member, maps);
    }
}

/// Writes a time as a string that `date_nanos` fields with the format `epoch_millis` read:
/// milliseconds, a point, and the nanoseconds within the millisecond in six digits.
#[inline]
pub(super) fn time_field(out: &mut Vec<u8>, key: &[u8], nanos: u64) {
    name(out, key);
    out.push(b'"');
    integer(out, nanos / 1_000_000);
    let mut rest = nanos % 1_000_000;
    let mut digits = *b".000000\"";
    for digit in digits.get_mut(1..7).into_iter().flatten().rev() {
        // Lossless: below 10.
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits);
}

/// Writes an id in hex, unless it is empty or zero.
#[inline]
pub(super) fn id_field(out: &mut Vec<u8>, key: &[u8], id: &[u8]) {
    if id.iter().any(|byte| *byte != 0) {
        crate::otlp::json::write::id_field(out, key, id);
    }
}
