//! This machine's own metrics, sampled through `sysinfo`.
