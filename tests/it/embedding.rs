//! What an application builds with the library: the examples, and what they rest on.

mod forward;
mod load_balance;
mod server;
mod token_refresh;
