//! Series → PNG and text sparkline. Pure.
