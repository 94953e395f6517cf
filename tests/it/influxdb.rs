//! The InfluxDB exporter: its lines, and what it makes of answers.

mod examples;
mod parser;
mod random;
mod service;
