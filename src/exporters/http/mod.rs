//! HTTP clients for exporters.
