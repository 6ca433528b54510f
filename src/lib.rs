//! bernet

mod durable;
pub mod infer;
pub mod model;
