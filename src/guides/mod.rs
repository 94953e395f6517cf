//! Guides: how to do what no single item's documentation tells.
//!
//! | Guide | What it tells |
//! |---|---|
//! | [`order_of_layers`] | which layer stands where, why, and what wrong orders do |
//! | [`acknowledgement_and_overflow`] | when a sender is told OK, and who holds the data when there is no more room |
//! | [`shutdown`] | how a process ends without losing what it holds, and how to read its report |
//! | [`writing_an_exporter`] | from the trait to a tested exporter for a backend of your own |
//! | [`writing_a_layer`] | the rules of a layer, one in full, and the contract to hold yours against |
//! | [`from_opentelemetry_otlp`] | the SDK's exporters of `opentelemetry-otlp`, side by side with ours |
//! | [`from_a_collector_yaml`] | a configuration of the OpenTelemetry Collector, side by side with ours |
//! | [`troubleshooting`] | what each message means, and what to do |
//! | [`observing`] | what a pipeline says of itself, and which metric to alert on |
//!
//! Each is a Markdown file beside this module, whose programs are compiled and run with the tests.

/// The text of a guide.
macro_rules! guide {
    ($name:ident) => {
        #[doc = include_str!(concat!(stringify!($name), ".md"))]
        pub mod $name {}
    };
}

guide!(order_of_layers);
guide!(acknowledgement_and_overflow);
guide!(shutdown);
guide!(writing_an_exporter);
guide!(writing_a_layer);
guide!(from_opentelemetry_otlp);
guide!(from_a_collector_yaml);
guide!(troubleshooting);
guide!(observing);
