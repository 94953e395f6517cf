//! What the branches of a pipeline do: a page for people, metrics for Prometheus.
