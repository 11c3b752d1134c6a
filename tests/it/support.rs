//! What several stories need.

pub mod bot;
pub mod database;
pub mod peers;
