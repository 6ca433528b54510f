//! Matrix products.

use super::{PackedWeights, Threshold};
use crate::{Error, bits::BitMatrix, portable};

/// `out[m · N + n] = Σ_k a[m][k] · w[n][k]`, for `a` of `M × K` and weights of `N × K`.
///
/// # Errors
/// [`Error::Size`] where the depths differ or `out` is not `M · N` long.
pub fn gemm_i32(a: &BitMatrix, weights: &PackedWeights, out: &mut [i32]) -> Result<(), Error> {
    Error::check_size("columns of a (depth)", weights.depth(), a.columns())?;
    let size = Error::check_product("M · N", &[a.rows(), weights.outputs()])?;
    Error::check_size("out (M · N)", size, out.len())?;
    for m in 0..a.rows() {
        for n in 0..weights.outputs() {
            out[m * weights.outputs() + n] =
                portable::dot(a.row(m), weights.rows().row(n), a.columns());
        }
    }
    Ok(())
}

/// `out[m][n] = threshold[n](Σ_k a[m][k] · w[n][k])`: the product and the activation, packed.
///
/// # Errors
/// [`Error::Size`] where depths, the number of thresholds, or the shape of `out` (`M × N`) differ.
pub fn gemm_bits(
    a: &BitMatrix,
    weights: &PackedWeights,
    thresholds: &[Threshold],
    out: &mut BitMatrix,
) -> Result<(), Error> {
    Error::check_size("columns of a (depth)", weights.depth(), a.columns())?;
    Error::check_size("thresholds (N)", weights.outputs(), thresholds.len())?;
    Error::check_size("rows of out (M)", a.rows(), out.rows())?;
    Error::check_size("columns of out (N)", weights.outputs(), out.columns())?;
    for m in 0..a.rows() {
        for n in 0..weights.outputs() {
            out.set(
                m,
                n,
                thresholds[n].apply(portable::dot(a.row(m), weights.rows().row(n), a.columns())),
            );
        }
    }
    Ok(())
}
