//! What several test modules share.

pub(crate) mod backend;
pub(crate) mod http_server;
