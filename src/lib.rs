//! bernet

pub mod data;
mod durable;
pub mod infer;
pub mod model;
pub mod train;
pub mod report;
