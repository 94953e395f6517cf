//! What several test modules share.

pub(crate) mod backend;
pub(crate) mod generate;
pub(crate) mod http_server;
