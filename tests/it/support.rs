//! What several stories need.

pub mod database;
