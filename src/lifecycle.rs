//! Orderly shutdown: counting what is in flight and waiting for it.
