//! bernet

pub mod data;
mod durable;
pub mod model;
