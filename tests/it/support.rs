//! What several stories need.

pub mod database;
pub mod proxy;
