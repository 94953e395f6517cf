//! The InfluxDB exporter: its lines, and what it makes of answers.

mod examples;
mod parser;
mod points;
mod random;
mod records;
mod service;
