//! What an order of layers does: found by running it, on a paused clock.
//!
//! ```sh
//! cargo run --example compose                               # the orders of the documentation
//! cargo run --example compose -- queue batch retry timeout  # one of your own
//! ```

mod backend;
mod orders;
mod report;
mod scenario;
mod stack;

use std::process::ExitCode;

use orders::ORDERS;
use stack::{CANONICAL, LAYERS};
use tower::BoxError;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments
        .iter()
        .any(|word| word == "--help" || word == "-h")
    {
        print!("{}", report::usage());
        return ExitCode::SUCCESS;
    }
    let mut layers = Vec::new();
    for word in &arguments {
        let Some((name, _)) = LAYERS.iter().find(|(name, _)| name == word) else {
            eprint!("compose: there is no layer `{word}`\n\n{}", report::usage());
            return ExitCode::from(2);
        };
        layers.push(*name);
    }
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(BoxError::from)
        .and_then(|runtime| match layers.is_empty() {
            true => runtime.block_on(documented()),
            false => runtime.block_on(one(&layers)),
        });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compose: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The order of the documentation, then every wrong one beside its right one.
async fn documented() -> Result<(), BoxError> {
    one(CANONICAL).await?;
    println!("\nThe wrong orders, each beside the right one:");
    for order in ORDERS {
        report::order(order);
        for (word, layers) in [("wrong", order.wrong), ("right", order.right)] {
            let outcome = scenario::run(layers, &order.scenario).await?;
            report::compared(word, layers, &outcome, order);
        }
        println!("    = {}", order.does);
    }
    Ok(())
}

/// One order, through all scenarios.
async fn one(layers: &[&'static str]) -> Result<(), BoxError> {
    println!("{}", stack::picture(layers));
    report::head();
    for scenario in scenario::all() {
        report::row(&scenario, &scenario::run(layers, &scenario).await?);
    }
    let wrong = orders::wrong(layers);
    for (order, above, below) in &wrong {
        println!("\nwarning: {above} above {below}: {}", order.does);
        println!("    instead: {}", order.swap);
    }
    if wrong.is_empty() {
        println!("\nNo pair of these is in a wrong order.");
    }
    Ok(())
}
