//! bernet

pub mod data;
mod durable;
pub mod model;
pub mod train;
