//! What several test modules share.

pub(crate) mod allocations;
pub(crate) mod backend;
pub(crate) mod generate;
pub(crate) mod http_server;
pub(crate) mod jaeger_idl;
pub(crate) mod listener;
pub(crate) mod oracle;
pub(crate) mod remote_write;
pub(crate) mod respell;
pub(crate) mod structs;
pub(crate) mod whole;
pub(crate) mod zipkin_proto;
