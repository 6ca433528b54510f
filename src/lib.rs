//! bernet

pub mod model;
