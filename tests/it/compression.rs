//! Tests of the compressed forms that clones share.
