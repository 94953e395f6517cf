//! What is wrong with data that is not OTLP, and where.

use std::fmt;

/// Data that is not valid OTLP: the field, the position, the problem.
///
/// ```
/// use tower_otlp::{ExportRequest, Signal};
///
/// // A span's name that is not UTF-8.
/// let bytes = b"\x0a\x07\x12\x05\x12\x03\x2a\x01\xff".to_vec();
/// let error = ExportRequest::from_protobuf(Signal::Traces, bytes).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "resource_spans[0].scope_spans[0].spans[0].name, byte 8: text is not valid UTF-8",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Field names from the innermost outwards.
    path: Vec<(&'static str, Option<usize>)>,
    offset: usize,
    problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The data ends too early, or a length points past its end.
    Truncated,
    /// A varint is longer than ten bytes or does not fit into 64 bits.
    InvalidVarint,
    /// A field number or a wire type that protobuf does not allow.
    InvalidTag,
    /// A known field has the wrong wire type.
    WrongWireType {
        /// The wire type found.
        found: u8,
        /// The wire type of the field.
        expected: u8,
    },
    /// Text is not UTF-8.
    InvalidUtf8,
    /// More than 100 messages are nested in each other.
    TooDeep,
    /// More bytes than allowed.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// More items than allowed.
    TooManyItems {
        /// The limit.
        limit: u64,
    },
    /// JSON that is not OTLP/JSON, in words.
    Json(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Truncated => f.write_str("the data ends too early"),
            Problem::InvalidVarint => f.write_str("invalid varint"),
            Problem::InvalidTag => f.write_str("invalid field number or wire type"),
            Problem::WrongWireType { found, expected } => {
                write!(f, "wire type {found} where {expected} is expected")
            }
            Problem::InvalidUtf8 => f.write_str("text is not valid UTF-8"),
            Problem::TooDeep => f.write_str("more than 100 messages nested in each other"),
            Problem::TooLarge { limit } => write!(f, "more than the limit of {limit} bytes"),
            Problem::TooManyItems { limit } => write!(f, "more than the limit of {limit} items"),
            Problem::Json(text) => f.write_str(text),
        }
    }
}

impl Malformed {
    pub(crate) const fn at(offset: usize, problem: Problem) -> Self {
        Self {
            path: Vec::new(),
            offset,
            problem,
        }
    }

    /// Puts an outer field before the path.
    pub(crate) fn prepend(&mut self, field: &'static str, index: Option<usize>) {
        self.path.push((field, index));
    }

    /// The field, from the root of the message: `resource_spans[0].scope_spans[2].spans[7].name`.
    /// Empty if the problem is not in a known field.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for (position, (name, index)) in self.path.iter().rev().enumerate() {
            if position > 0 {
                path.push('.');
            }
            path.push_str(name);
            if let Some(index) = index {
                path.push_str(&format!("[{index}]"));
            }
        }
        path
    }

    /// Position of the problem, in bytes from the start of the uncompressed body.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// What is wrong.
    #[must_use]
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A hostile message nests a hundred times; nobody reads such a path to its end.
        const SHOWN: usize = 300;
        let path = self.path();
        if path.len() > SHOWN {
            let cut = path.chars().take(SHOWN).collect::<String>();
            write!(f, "{cut}..., ")?;
        } else if !path.is_empty() {
            write!(f, "{path}, ")?;
        }
        write!(f, "byte {}: {}", self.offset, self.problem)
    }
}

impl std::error::Error for Malformed {}
