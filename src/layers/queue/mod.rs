//! x
mod config;
mod flight;
mod future;
mod layer;
mod memory;
mod service;
mod shared;
mod stats;
mod storage;
mod worker;

pub use self::{
    config::{Acknowledge, Overflow, QueueConfig},
    future::ResponseFuture,
    layer::QueueLayer,
    memory::Memory,
    service::Queue,
    stats::{QueueHandle, QueueStats},
    storage::{Entry, EntryId, Storage, Unreadable},
    worker::Worker,
};
