//! `console:`

use super::{Target, UrlError, value::one_of};
use crate::{
    BoxExporter, ExporterExt as _,
    exporters::console::{ConsoleBuilder, ConsoleExporter, Verbosity},
};

/// A method that chooses where the text goes.
type Output = fn(ConsoleBuilder) -> ConsoleBuilder;

pub(super) fn console(mut target: Target) -> Result<BoxExporter, UrlError> {
    target.no_authority("console:?verbosity=normal")?;
    target.no_path()?;
    let params = &mut target.params;
    let verbosity = params.read("verbosity", |value| {
        one_of(value, &Verbosity::ALL.map(|level| (level.as_str(), level)))
    })?;
    let to = params.read("to", |value| {
        let outputs = [
            ("stdout", ConsoleBuilder::stdout as Output),
            ("stderr", ConsoleBuilder::stderr),
            ("tracing", ConsoleBuilder::tracing),
        ];
        one_of(value, &outputs)
    })?;
    target.params.finish()?;
    let builder = ConsoleExporter::builder().verbosity(verbosity.unwrap_or_default());
    let builder = to.unwrap_or(ConsoleBuilder::stdout)(builder);
    Ok(builder.build().boxed_exporter())
}
