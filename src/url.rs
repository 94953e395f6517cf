//! An exporter from a URL.
