//! What several test modules share.

pub(crate) mod allocations;
pub(crate) mod generate;
pub(crate) mod oracle;
pub(crate) mod respell;
pub(crate) mod structs;
