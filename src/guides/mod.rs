//! Guides: how to do what no single item's documentation tells.
