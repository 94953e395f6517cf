//! Jaeger's IDL as a Thrift compiler would make it for Rust: structs of owned values that read and
//! write themselves through a protocol of the `thrift` crate.

use std::collections::BTreeSet;

use thrift::protocol::{
    TFieldIdentifier, TInputProtocol, TListIdentifier, TMessageIdentifier, TMessageType,
    TOutputProtocol, TStructIdentifier, TType,
};

/// A struct of the IDL.
pub(crate) trait Record: Sized {
    fn read(protocol: &mut dyn TInputProtocol) -> thrift::Result<Self>;
    fn write(&self, protocol: &mut dyn TOutputProtocol) -> thrift::Result<()>;
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) v_type: i32,
    pub(crate) v_str: Option<String>,
    pub(crate) v_double: Option<f64>,
    pub(crate) v_bool: Option<bool>,
    pub(crate) v_long: Option<i64>,
    pub(crate) v_binary: Option<Vec<u8>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Log {
    pub(crate) timestamp: i64,
    pub(crate) fields: Vec<Tag>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SpanRef {
    pub(crate) ref_type: i32,
    pub(crate) trace_id_low: i64,
    pub(crate) trace_id_high: i64,
    pub(crate) span_id: i64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Span {
    pub(crate) trace_id_low: i64,
    pub(crate) trace_id_high: i64,
    pub(crate) span_id: i64,
    pub(crate) parent_span_id: i64,
    pub(crate) operation_name: String,
    pub(crate) references: Option<Vec<SpanRef>>,
    pub(crate) flags: i32,
    pub(crate) start_time: i64,
    pub(crate) duration: i64,
    pub(crate) tags: Option<Vec<Tag>>,
    pub(crate) logs: Option<Vec<Log>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Process {
    pub(crate) service_name: String,
    pub(crate) tags: Option<Vec<Tag>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Batch {
    pub(crate) process: Process,
    pub(crate) spans: Vec<Span>,
}

/// A type that a field of the IDL may have.
pub(crate) trait Value: Sized {
    const TYPE: TType;
    fn get(protocol: &mut dyn TInputProtocol) -> thrift::Result<Self>;
    fn put(&self, protocol: &mut dyn TOutputProtocol) -> thrift::Result<()>;
}

macro_rules! scalar {
    ($($type:ty: $ttype:ident, $read:ident, $write:ident;)*) => {$(
        impl Value for $type {
            const TYPE: TType = TType::$ttype;
            fn get(protocol: &mut dyn TInputProtocol) -> thrift::Result<Self> {
                protocol.$read()
            }
            fn put(&self, protocol: &mut dyn TOutputProtocol) -> thrift::Result<()> {
                protocol.$write(*self)
            }
        }
    )*};
}
scalar! {
    i32: I32, read_i32, write_i32;
    i64: I64, read_i64, write_i64;
    f64: Double, read_double, write_double;
    bool: Bool, read_bool, write_bool;
}

impl Value for String {
    const TYPE: TType = TType::String;
    fn get(protocol: &mut dyn TInputProtocol) -> thrift::Result<Self> {
        protocol.read_string()
    }
    fn put(&self, protocol: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        protocol.write_string(self)
    }
}

impl Value for Vec<u8> {
    const TYPE: TType = TType::String;
    fn get(protocol: &mut dyn TInputProtocol) -> thrift::Result<Self> {
        protocol.read_bytes()
    }
    fn put(&self, protocol: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        protocol.write_bytes(self)
    }
}

impl<T: Record> Value for Vec<T> {
    const TYPE: TType = TType::List;
    fn get(protocol: &mut dyn TInputProtocol) -> thrift::Result<Self> {
        let list = protocol.read_list_begin()?;
        assert!(
            list.size == 0 || list.element_type == TType::Struct,
            "{list:?}"
        );
        let values = (0..list.size).map(|_| T::read(protocol)).collect();
        protocol.read_list_end()?;
        values
    }
    fn put(&self, protocol: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        let size = i32::try_from(self.len()).expect("short");
        protocol.write_list_begin(&TListIdentifier::new(TType::Struct, size))?;
        self.iter().try_for_each(|value| value.write(protocol))?;
        protocol.write_list_end()
    }
}

macro_rules! inner_struct {
    ($($type:ty),*) => {$(
        impl Value for $type {
            const TYPE: TType = TType::Struct;
            fn get(protocol: &mut dyn TInputProtocol) -> thrift::Result<Self> {
                Self::read(protocol)
            }
            fn put(&self, protocol: &mut dyn TOutputProtocol) -> thrift::Result<()> {
                self.write(protocol)
            }
        }
    )*};
}
inner_struct!(Process, Batch);

fn give<T: Value>(
    value: &T,
    name: &str,
    id: i16,
    protocol: &mut dyn TOutputProtocol,
) -> thrift::Result<()> {
    protocol.write_field_begin(&TFieldIdentifier::new(name, T::TYPE, id))?;
    value.put(protocol)?;
    protocol.write_field_end()
}

const fn type_of<T: Value>(_: &Option<T>) -> TType {
    T::TYPE
}

const fn type_of_required<T: Value>(_: &T) -> TType {
    T::TYPE
}

macro_rules! record {
    ($name:ident { $($id:literal $field:ident: $presence:ident,)* }) => {
        impl Record for $name {
            fn read(protocol: &mut dyn TInputProtocol) -> thrift::Result<Self> {
                let mut this = Self::default();
                let mut seen = BTreeSet::new();
                protocol.read_struct_begin()?;
                loop {
                    let field = protocol.read_field_begin()?;
                    if field.field_type == TType::Stop {
                        break;
                    }
                    let id = field.id.expect("an id");
                    assert!(seen.insert(id), "{}: field {id} twice", stringify!($name));
                    match id {
                        $($id => {
                            let expected = record!(@type this.$field, $presence);
                            assert_eq!(field.field_type, expected, "{}.{id}", stringify!($name));
                            record!(@take this.$field, $presence, protocol)?;
                        })*
                        _ => panic!("{}: unknown field {id}", stringify!($name)),
                    }
                    protocol.read_field_end()?;
                }
                protocol.read_struct_end()?;
                $(record!(@check seen, $id, $name, $presence);)*
                Ok(this)
            }

            fn write(&self, protocol: &mut dyn TOutputProtocol) -> thrift::Result<()> {
                protocol.write_struct_begin(&TStructIdentifier::new(stringify!($name)))?;
                $(record!(@give self.$field, $presence, stringify!($field), $id, protocol);)*
                protocol.write_field_stop()?;
                protocol.write_struct_end()
            }
        }
    };
    (@type $this:ident.$field:ident, req) => { type_of_required(&$this.$field) };
    (@type $this:ident.$field:ident, opt) => { type_of(&$this.$field) };
    (@take $this:ident.$field:ident, req, $protocol:ident) => {
        Value::get($protocol).map(|value| $this.$field = value)
    };
    (@take $this:ident.$field:ident, opt, $protocol:ident) => {
        Value::get($protocol).map(|value| $this.$field = Some(value))
    };
    (@check $seen:ident, $id:literal, $name:ident, req) => {
        assert!($seen.contains(&$id), "{}: field {} is missing", stringify!($name), $id)
    };
    (@check $seen:ident, $id:literal, $name:ident, opt) => {};
    (@give $this:ident.$field:ident, req, $text:expr, $id:literal, $protocol:ident) => {
        give(&$this.$field, $text, $id, $protocol)?
    };
    (@give $this:ident.$field:ident, opt, $text:expr, $id:literal, $protocol:ident) => {
        if let Some(value) = &$this.$field {
            give(value, $text, $id, $protocol)?;
        }
    };
}

record!(Tag {
    1 key: req,
    2 v_type: req,
    3 v_str: opt,
    4 v_double: opt,
    5 v_bool: opt,
    6 v_long: opt,
    7 v_binary: opt,
});
record!(Log {
    1 timestamp: req,
    2 fields: req,
});
record!(SpanRef {
    1 ref_type: req,
    2 trace_id_low: req,
    3 trace_id_high: req,
    4 span_id: req,
});
record!(Span {
    1 trace_id_low: req,
    2 trace_id_high: req,
    3 span_id: req,
    4 parent_span_id: req,
    5 operation_name: req,
    6 references: opt,
    7 flags: req,
    8 start_time: req,
    9 duration: req,
    10 tags: opt,
    11 logs: opt,
});
record!(Process {
    1 service_name: req,
    2 tags: opt,
});
record!(Batch {
    1 process: req,
    2 spans: req,
});

/// The arguments of `emitBatch`.
#[derive(Default)]
struct EmitBatch {
    batch: Batch,
}
record!(EmitBatch {
    1 batch: req,
});

/// Reads a call of `emitBatch`, envelope included.
pub(crate) fn read_call(protocol: &mut dyn TInputProtocol) -> thrift::Result<Batch> {
    let message = protocol.read_message_begin()?;
    assert_eq!(message.name, "emitBatch");
    assert_eq!(message.message_type, TMessageType::OneWay);
    assert_eq!(message.sequence_number, 0);
    let arguments = EmitBatch::read(protocol)?;
    protocol.read_message_end()?;
    Ok(arguments.batch)
}

/// Writes a call of `emitBatch`, envelope included.
pub(crate) fn write_call(batch: &Batch, protocol: &mut dyn TOutputProtocol) -> thrift::Result<()> {
    protocol.write_message_begin(&TMessageIdentifier::new(
        "emitBatch",
        TMessageType::OneWay,
        0,
    ))?;
    protocol.write_struct_begin(&TStructIdentifier::new("emitBatch_args"))?;
    give(batch, "batch", 1, protocol)?;
    protocol.write_field_stop()?;
    protocol.write_struct_end()?;
    protocol.write_message_end()
}
