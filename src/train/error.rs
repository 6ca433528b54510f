//! What can stop a training.

use super::network::NetworkError;
use bernet_runtime::graph::GraphError;

/// What can stop a training before its end.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The net's description.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A number of the configuration.
    #[error("configuration: {what}: expected {expected}, found {found}")]
    Config {
        /// Which.
        what: String,
        /// Its range.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A number of a stored state is infinite or none at all.
    #[error("{what}: expected finite numbers, found {found}")]
    NotFinite {
        /// Which part.
        what: String,
        /// The first of them.
        found: f32,
    },
    /// The data do not suit the net.
    #[error("{what}: expected {expected}, found {found}")]
    Data {
        /// Which property.
        what: &'static str,
        /// What the net or the configuration asks for.
        expected: String,
        /// What the data are.
        found: String,
    },
    /// A stored state is not one of this net.
    #[error("{what}: expected {expected}, found {found}")]
    State {
        /// Which part.
        what: String,
        /// Its size for the net.
        expected: usize,
        /// Its size in the state.
        found: usize,
    },
    /// The loss, or what is trained, is no longer a finite number.
    #[error(
        "the loss is {loss} at step {step} of {steps}; first bad layer: {layer}. A lower learning rate may help"
    )]
    Diverged {
        /// The loss.
        loss: f64,
        /// The step, from 1.
        step: u64,
        /// Of how many.
        steps: u64,
        /// The first layer with a sum that is not finite, from 1, or what else is not.
        layer: String,
    },
    /// The system does not give the threads that share the work.
    #[error(transparent)]
    Threads(#[from] bernet_kernels::threads::ThreadsError),
    /// The trained net is no valid graph: it is too large.
    #[error(transparent)]
    Graph(Box<GraphError>),
    /// A kernel refused.
    #[error("kernel: {0}")]
    Kernel(#[from] bernet_kernels::Error),
}

impl From<GraphError> for TrainError {
    fn from(error: GraphError) -> Self {
        Self::Graph(Box::new(error))
    }
}
