//! bernet for Python: the module `bernet._native`. What a user sees is in `python/bernet`.

mod arrays;
mod errors;
mod model;
mod poisson_binomial;
mod sums;
mod training;

/// What is compiled of the package bernet.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::model::{Model, load};
    #[pymodule_export]
    use crate::poisson_binomial::{gradient, survival_and_mass};
    #[pymodule_export]
    use crate::sums::PoissonBinomialSums;
    #[pymodule_export]
    use crate::training::{Epoch, mnist, train};
}
