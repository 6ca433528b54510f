//! A chain of layers as a graph.

use super::{Model, ModelError};
use bernet_runtime::{format, graph::Graph};
use thiserror::Error;

/// Why a model has no graph.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ToGraphError {
    /// Its layers do not fit together.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It takes more than a graph may.
    #[error(transparent)]
    Format(Box<format::FormatError>),
}

impl From<format::FormatError> for ToGraphError {
    fn from(error: format::FormatError) -> Self {
        Self::Format(Box::new(error))
    }
}

impl Model {
    /// The model as a graph, by way of its `.bnet` bytes, which
    /// [`format::from_bytes`] turns into one.
    ///
    /// ```
    /// use bernet::model::Model;
    /// use bernet_runtime::format;
    ///
    /// let graph = Model::read("models/mnist.bnet")?.to_graph()?;
    /// assert_eq!(graph.outputs[0].name, "logits");
    /// // As version 5 the net is smaller.
    /// assert!(format::to_bytes(&graph)?.len() < 5100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ToGraphError`] where the layers do not fit together, or make a graph that is too large.
    pub fn to_graph(&self) -> Result<Graph, ToGraphError> {
        Ok(format::from_bytes(&self.to_bytes()?)?)
    }
}
