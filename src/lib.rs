//! bernet

pub mod data;
