//! bernet

mod durable;
pub mod model;
