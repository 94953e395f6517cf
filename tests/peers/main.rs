//! The second tier: everything against real servers. `tests/peers/run.sh` installs them and runs
//! it; a server that is missing is a failure.

mod certificates;
mod collector;
mod compare;
#[path = "../it/support/generate.rs"]
#[allow(dead_code)]
mod generate;
mod python;
mod receivers;
mod workload;

mod exporters;
// mod gateway;
mod pipeline;
mod relay;
mod restart;
mod tls;
