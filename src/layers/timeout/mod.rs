//! timeout.
