//! What the variables say.

use opentelemetry_sdk::metrics::Temporality;

use super::InitError;
use crate::Signal;

const DISABLED: &str = "OTEL_SDK_DISABLED";
const PROPAGATORS: &str = "OTEL_PROPAGATORS";
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";

/// Where a signal goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Otlp,
    Console,
    Zipkin,
    Prometheus,
    Nowhere,
}

impl Destination {
    /// Names, what they stand for, whether it is compiled in, and the Cargo feature if not.
    const NAMES: [(&str, Self, bool, &str); 5] = [
        (
            "otlp",
            Self::Otlp,
            cfg!(any(feature = "otlp-grpc", feature = "otlp-http")),
            "otlp-http",
        ),
        (
            "console",
            Self::Console,
            cfg!(feature = "console"),
            "console",
        ),
        ("zipkin", Self::Zipkin, cfg!(feature = "zipkin"), "zipkin"),
        (
            "prometheus",
            Self::Prometheus,
            cfg!(feature = "prometheus"),
            "prometheus",
        ),
        ("none", Self::Nowhere, true, ""),
    ];

    fn takes(self, signal: Signal) -> bool {
        match self {
            Self::Zipkin => signal == Signal::Traces,
            Self::Prometheus => signal == Signal::Metrics,
            Self::Otlp | Self::Console | Self::Nowhere => true,
        }
    }

    fn read(variable: &str, value: &str, signal: Signal) -> Result<Self, InitError> {
        let mut fit = Self::NAMES.iter().filter(|row| row.1.takes(signal));
        let Some((name, destination, compiled_in, feature)) = fit.find(|row| row.0 == value) else {
            let fit = Self::NAMES.iter().filter(|row| row.1.takes(signal));
            let names: Vec<_> = fit.map(|row| row.0).collect();
            let problem = format!("{value:?} is not one of {}", names.join(", "));
            return Err(InitError::new(variable, problem));
        };
        if !compiled_in {
            let problem = format!("{name} needs the Cargo feature `{feature}` of tower-otlp");
            return Err(InitError::new(variable, problem));
        }
        Ok(*destination)
    }
}

/// How context goes from process to process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Propagator {
    TraceContext,
    Baggage,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) disabled: bool,
    pub(super) traces: Destination,
    pub(super) metrics: Destination,
    pub(super) logs: Destination,
    /// Of metrics that go out by OTLP.
    pub(super) temporality: Temporality,
    pub(super) propagators: Vec<Propagator>,
}

impl Settings {
    pub(super) fn read<F>(lookup: &F) -> Result<Self, InitError>
    where
        F: Fn(&str) -> Option<String>,
    {
        let get = |name: &str| {
            let value = lookup(name)?.trim().to_owned();
            // Empty is not set, says the specification.
            (!value.is_empty()).then_some(value)
        };
        let destination = |signal: Signal| {
            let variable = match signal {
                Signal::Traces => "OTEL_TRACES_EXPORTER",
                Signal::Metrics => "OTEL_METRICS_EXPORTER",
                Signal::Logs => "OTEL_LOGS_EXPORTER",
            };
            let value = get(variable).unwrap_or_else(|| "otlp".to_owned());
            Destination::read(variable, &value, signal)
        };
        Ok(Self {
            disabled: match get(DISABLED) {
                Some(value) => flag(DISABLED, &value)?,
                None => false,
            },
            traces: destination(Signal::Traces)?,
            metrics: destination(Signal::Metrics)?,
            logs: destination(Signal::Logs)?,
            temporality: match get(TEMPORALITY) {
                Some(value) => temporality(&value)?,
                None => Temporality::Cumulative,
            },
            propagators: propagators(
                get(PROPAGATORS)
                    .as_deref()
                    .unwrap_or("tracecontext,baggage"),
            )?,
        })
    }

    pub(super) const fn destinations(&self) -> [(Signal, Destination); 3] {
        [
            (Signal::Traces, self.traces),
            (Signal::Metrics, self.metrics),
            (Signal::Logs, self.logs),
        ]
    }
}

fn flag(variable: &str, value: &str) -> Result<bool, InitError> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(InitError::new(
            variable,
            format!("{value:?} is not one of true, false"),
        )),
    }
}

fn temporality(value: &str) -> Result<Temporality, InitError> {
    match value.to_ascii_lowercase().as_str() {
        "cumulative" => Ok(Temporality::Cumulative),
        "delta" => Ok(Temporality::Delta),
        "lowmemory" => Ok(Temporality::LowMemory),
        _ => Err(InitError::new(
            TEMPORALITY,
            format!("{value:?} is not one of cumulative, delta, lowmemory"),
        )),
    }
}

fn propagators(list: &str) -> Result<Vec<Propagator>, InitError> {
    let mut found = Vec::new();
    for name in list.split(',').map(str::trim) {
        let propagator = match name {
            "tracecontext" => Propagator::TraceContext,
            "baggage" => Propagator::Baggage,
            "none" | "" => continue,
            _ => {
                let problem = format!("{name:?} is not one of tracecontext, baggage, none");
                return Err(InitError::new(PROPAGATORS, problem));
            }
        };
        // Each is used once, says the specification.
        if !found.contains(&propagator) {
            found.push(propagator);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: &[(&str, &str)]) -> Result<Settings, InitError> {
        Settings::read(&|name: &str| {
            let found = rows.iter().find(|(row, _)| *row == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[cfg(any(feature = "otlp-grpc", feature = "otlp-http"))]
    #[test]
    fn nothing_set_gives_the_defaults() {
        let settings = read(&[("OTEL_TRACES_EXPORTER", ""), (PROPAGATORS, " ")]);
        let expected = Settings {
            disabled: false,
            traces: Destination::Otlp,
            metrics: Destination::Otlp,
            logs: Destination::Otlp,
            temporality: Temporality::Cumulative,
            propagators: vec![Propagator::TraceContext, Propagator::Baggage],
        };
        assert_eq!(settings.expect("valid"), expected);
    }

    #[cfg(feature = "full")]
    #[test]
    fn every_value_is_read() {
        let settings = read(&[
            (DISABLED, "TRUE"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_LOGS_EXPORTER", "console"),
            (TEMPORALITY, "LowMemory"),
            (PROPAGATORS, "baggage, baggage"),
        ]);
        let expected = Settings {
            disabled: true,
            traces: Destination::Zipkin,
            metrics: Destination::Prometheus,
            logs: Destination::Console,
            temporality: Temporality::LowMemory,
            propagators: vec![Propagator::Baggage],
        };
        assert_eq!(settings.expect("valid"), expected);
        let none = read(&[(PROPAGATORS, "none"), (TEMPORALITY, "delta")]).expect("valid");
        assert!(none.propagators.is_empty());
        assert_eq!(none.temporality, Temporality::Delta);
    }

    #[cfg(feature = "full")]
    #[test]
    fn an_error_names_the_variable_and_what_is_allowed() {
        for (variable, value, allowed) in [
            (DISABLED, "yes", "true, false"),
            (
                "OTEL_TRACES_EXPORTER",
                "jaeger",
                "otlp, console, zipkin, none",
            ),
            (
                "OTEL_TRACES_EXPORTER",
                "prometheus",
                "otlp, console, zipkin, none",
            ),
            (
                "OTEL_METRICS_EXPORTER",
                "zipkin",
                "otlp, console, prometheus, none",
            ),
            ("OTEL_LOGS_EXPORTER", "otlp,console", "otlp, console, none"),
            (TEMPORALITY, "both", "cumulative, delta, lowmemory"),
            (PROPAGATORS, "b3", "tracecontext, baggage, none"),
        ] {
            let error = read(&[(variable, value)]).expect_err(value);
            assert_eq!(error.variable(), Some(variable));
            let expected = if variable == PROPAGATORS { "b3" } else { value };
            assert_eq!(
                error.to_string(),
                format!("{variable}: {expected:?} is not one of {allowed}")
            );
        }
    }
}
