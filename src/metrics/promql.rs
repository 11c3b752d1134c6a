//! PromQL as a syntax tree: label values set safely, and the gate for queries people write. Pure.
//!
//! Invariant: no text that came from outside is ever pasted into a query. Queries are built and
//! changed as trees, printed by [`print()`], and what was printed must read back as the same tree.

mod catalogue;
mod gate;
mod scan;
mod tree;

pub use catalogue::{Settings, expression, nice_step, over_window, with_rate_window};
pub use gate::{GateRefusal, Gated, Limits, gate};
pub use tree::{TreeError, metric, print, select};
