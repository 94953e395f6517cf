//! Decoded structs.
