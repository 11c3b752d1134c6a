//! The database: one file per table family under `store/`.
