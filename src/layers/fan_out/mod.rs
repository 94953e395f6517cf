//! fan_out.
