//! PromQL as a syntax tree: label values set safely, and the gate for queries people write. Pure.
