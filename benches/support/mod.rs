//! What the benches share.

pub(crate) mod read;
pub(crate) mod table;
pub(crate) mod workload;

// The tests' own tools: the counting allocator, and the padded spelling.
#[path = "../../tests/it/support/allocations.rs"]
pub(crate) mod allocations;
#[path = "../../tests/it/support/generate.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod generate;
#[path = "../../tests/it/support/jaeger_idl.rs"]
#[allow(dead_code, reason = "the encoders alone are measured against it")]
pub(crate) mod jaeger_idl;
#[path = "../../tests/it/support/remote_write.rs"]
#[allow(dead_code, reason = "the encoders alone are measured against it")]
pub(crate) mod remote_write;
#[path = "../../tests/it/support/respell.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod respell;
