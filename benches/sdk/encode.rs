//! A batch to bytes, beside opentelemetry-proto's structs and prost.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use opentelemetry_proto::{
    tonic::collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    transform::{
        common::tonic::ResourceAttributesWithSchema, logs::tonic::group_logs_by_resource_and_scope,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::logs::LogBatch;
use prost::Message as _;
use tower_otlp::{
    ExportRequest,
    sdk::encode::{EncodedResource, encode_logs, encode_metrics, encode_spans},
};

use crate::{allocations, workload};

const ROUNDS: usize = 81;

pub(crate) fn run() {
    println!(
        "| batch | items | bytes | structs and prost, us | allocations | straight, us | allocations \
         | times as fast | goal |\n|---|---|---|---|---|---|---|---|---|"
    );
    let resource = workload::resource();
    let encoded = EncodedResource::new(&resource);
    let with_schema = ResourceAttributesWithSchema::from(&resource);
    for (name, scopes) in [("spans", 1), ("spans of 3 scopes", 3)] {
        let batch = workload::spans(scopes);
        compare(
            name,
            // Both drop the batch: the SDK gives it away.
            || batch.clone(),
            |batch| encode_spans(&encoded, &batch),
            |batch| {
                let resource_spans = group_spans_by_resource_and_scope(batch, &with_schema);
                ExportTraceServiceRequest { resource_spans }.encode_to_vec()
            },
        );
    }
    let records = workload::records();
    let records: Vec<_> = records
        .iter()
        .map(|(record, scope)| (record, scope))
        .collect();
    let batch = LogBatch::new(&records);
    compare(
        "log records",
        || (),
        |()| encode_logs(&encoded, &batch),
        |()| {
            let resource_logs = group_logs_by_resource_and_scope(&batch, &with_schema);
            ExportLogsServiceRequest { resource_logs }.encode_to_vec()
        },
    );
    let metrics = workload::metrics();
    compare(
        "data points",
        || (),
        |()| encode_metrics(&metrics),
        |()| ExportMetricsServiceRequest::from(&metrics).encode_to_vec(),
    );
}

/// The candidates take turns, and what is made for them beforehand is not measured.
fn compare<T>(
    name: &str,
    prepare: impl Fn() -> T,
    straight: impl Fn(T) -> ExportRequest,
    structs: impl Fn(T) -> Vec<u8>,
) {
    let request = straight(prepare());
    let mut times = [Vec::new(), Vec::new()];
    let mut counts = [0; 2];
    for _ in 0..ROUNDS {
        let (time, count) = measured(&prepare, &structs);
        times[0].push(time);
        counts[0] = count;
        let (time, count) = measured(&prepare, &straight);
        times[1].push(time);
        counts[1] = count;
    }
    let [structs, straight] = times.map(undisturbed);
    println!(
        "| {name} | {} | {} | {:.0} | {} | {:.0} | {} | {:.1} | 4 |",
        request.items(),
        request.byte_size(),
        structs.as_secs_f64() * 1e6,
        counts[0],
        straight.as_secs_f64() * 1e6,
        counts[1],
        structs.as_secs_f64() / straight.as_secs_f64(),
    );
}

/// The time and the allocations of a call, over a few.
fn measured<T, U>(prepare: impl Fn() -> T, run: impl Fn(T) -> U) -> (Duration, u64) {
    const CALLS: u32 = 4;
    let prepared: Vec<T> = (0..CALLS).map(|_| prepare()).collect();
    let [before, _] = allocations::so_far();
    let start = Instant::now();
    for input in prepared {
        black_box(run(input));
    }
    let time = start.elapsed() / CALLS;
    let [after, _] = allocations::so_far();
    (time, (after - before) / u64::from(CALLS))
}

/// The time of a round that was left alone: the slowest of the fastest eighth.
fn undisturbed(mut rounds: Vec<Duration>) -> Duration {
    rounds.sort_unstable();
    rounds[rounds.len() / 8]
}
