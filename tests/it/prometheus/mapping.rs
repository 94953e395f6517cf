//! Each rule and each pitfall of the mapping.

mod families;
mod labels;
mod series;
mod values;

use std::time::Duration;

use tower_otlp::exporters::prometheus::{
    EscapingScheme, Format, PrometheusExporter, TranslationStrategy,
};

use super::*;

fn without_info() -> PrometheusExporter {
    built(PrometheusExporter::builder().target_info(false))
}

/// A gauge `x` with these attributes.
fn labelled(attributes: &str, value: u32) -> String {
    let attributes = attributes_of(attributes);
    format!(
        r#"{{"name":"x","gauge":{{"dataPoints":[{{"asInt":"{value}","attributes":[{attributes}]}}]}}}}"#
    )
}
