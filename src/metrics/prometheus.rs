//! Instant and range queries to a Prometheus-compatible server.
