//! bernet

pub mod data;
pub mod report;
