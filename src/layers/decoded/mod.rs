//! decoded.
