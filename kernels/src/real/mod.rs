//! Products, and bits, of floats: for the layers of a net that are not binary.

mod peak;
mod rows;
mod thresholds;
mod weights;

pub use peak::peak_throughput;
pub use rows::RealRows;
pub use thresholds::RealThresholds;
pub use weights::RealWeights;
