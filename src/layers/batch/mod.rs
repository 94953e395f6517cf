//! Batches.
mod caller;
mod config;
mod flight;
mod future;
mod key;
mod layer;
mod open;
mod service;
mod share;
mod worker;

pub use self::{
    config::BatchConfig, future::ResponseFuture, layer::BatchLayer, service::Batch, worker::Worker,
};
