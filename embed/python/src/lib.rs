//! bernet for Python: the module `bernet._native`. What a user sees is in `python/bernet`.

mod arguments;
mod arrays;
mod edges;
mod errors;
mod files;
mod graphs;
mod layers;
mod model;
mod poisson_binomial;
mod sums;
mod training;

/// What is compiled of the package bernet.
#[pyo3::pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::graphs::GraphBuilder;
    #[pymodule_export]
    use crate::layers::{Layer, Tensor};
    #[pymodule_export]
    use crate::model::{Model, load, pretrained};
    #[pymodule_export]
    use crate::poisson_binomial::{gradient, layer_gradient, layer_survival, survival_and_mass};
    #[pymodule_export]
    use crate::sums::PoissonBinomialSums;
    #[pymodule_export]
    use crate::training::{Epoch, mnist, train};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
