//! The gradients of a layer as products of matrices.

use super::{leave_one_out::Form, probabilities::Found};
use crate::train::matrix;
use rayon::prelude::*;

/// Lines of a matrix of weights of a task, at least.
const LINES: usize = 8;

/// The matrix products of a layer's gradients.
///
/// ```text
/// dL/dm = ½ Σ_d even_d(m) (Xᵀ U_d) + odd_d(m) (1ᵀ U_d)  +  Xᵀ G
/// dL/dx = ½ Σ_d U_d (m even_d(m))ᵀ + x (U_d (m odd_d(m))ᵀ)  +  G mᵀ
/// ```
///
/// with `U_d = dL/dz · term_d` and `G` the gradient by the sums' means.
pub(super) struct Product {
    n: usize,
    /// `R × (even + 1) · N`: of each even term `U_d`, then `G`.
    upstream: Vec<f32>,
    /// `R × odd · N`.
    odd_upstream: Vec<f32>,
    /// `K × (even + 1) · N`: `½ even_d`, then 1.
    even: Vec<f32>,
    /// `K × odd · N`: `½ odd_d`.
    odd: Vec<f32>,
}

impl Product {
    pub(super) fn new(
        form: Form,
        weights: &[f32],
        by_sums: &[f32],
        by_probability: &[f32],
        found: &Found,
        n: usize,
    ) -> Self {
        let [evens, odds] = form.parities();
        let rows = by_sums.len() / n;
        let (width, odd_width) = ((evens.len() + 1) * n, odds.len() * n);
        let mut upstream = vec![0.0; rows * width];
        let mut odd_upstream = vec![0.0; rows * odd_width];
        let inputs = by_sums
            .par_chunks(n)
            .zip(by_probability.par_chunks(n))
            .zip(found.terms.par_chunks(n * form.terms()));
        upstream
            .par_chunks_mut(width)
            .zip(odd_upstream.par_chunks_mut(odd_width))
            .zip(inputs)
            .with_min_len(matrix::BLOCK)
            .for_each(|((upstream, odd_upstream), ((sums, probability), terms))| {
                for (list, out) in [(&evens, &mut *upstream), (&odds, odd_upstream)] {
                    for (d, out) in list.iter().zip(out.chunks_exact_mut(n)) {
                        let terms = terms[d * n..][..n].iter().zip(probability);
                        for (out, (term, probability)) in out.iter_mut().zip(terms) {
                            *out = probability * term;
                        }
                    }
                }
                upstream[evens.len() * n..].copy_from_slice(sums);
            });
        let depth = weights.len() / n;
        let (mut even, mut odd) = (vec![1.0; depth * width], vec![0.0; depth * odd_width]);
        even.par_chunks_mut(width)
            .zip(odd.par_chunks_mut(odd_width))
            .zip(weights.par_chunks(n))
            .with_min_len(LINES)
            .for_each(|((even, odd), weights)| {
                for (j, weight) in weights.iter().enumerate() {
                    let [even_parts, odd_parts] = form.parts(*weight);
                    for (at, d) in evens.iter().enumerate() {
                        even[at * n + j] = 0.5 * even_parts[*d];
                    }
                    for (at, d) in odds.iter().enumerate() {
                        odd[at * n + j] = 0.5 * odd_parts[*d];
                    }
                }
            });
        Self {
            n,
            upstream,
            odd_upstream,
            even,
            odd,
        }
    }

    /// `dL/dm [K × N]` for inputs `rows [R × K]`.
    pub(super) fn by_weights(&self, rows: &[f32], k: usize, gradient: &mut [f32]) {
        let n = self.n;
        let (width, odd_width) = (self.even.len() / k, self.odd.len() / k);
        let mut products = vec![0.0; k * width];
        matrix::transposed_multiply(rows, &self.upstream, k, width, &mut products);
        let count = self.odd_upstream.len() / odd_width;
        let totals = matrix::column_sums::<1>(count, odd_width, |range, [total]| {
            let rows = &self.odd_upstream[range.start * odd_width..range.end * odd_width];
            for row in rows.chunks_exact(odd_width) {
                matrix::add(total, row);
            }
        });
        let totals: Vec<f32> = totals.into_iter().map(|[total]| total as f32).collect();
        let parts = self
            .even
            .par_chunks(width)
            .zip(self.odd.par_chunks(odd_width));
        let lines = gradient.par_chunks_mut(n).zip(products.par_chunks(width));
        lines
            .zip(parts)
            .with_min_len(LINES)
            .for_each(|((gradient, products), (even, odd))| {
                gradient.fill(0.0);
                for (parts, factors) in [(even, products), (odd, &totals[..])] {
                    for (parts, factors) in parts.chunks_exact(n).zip(factors.chunks_exact(n)) {
                        for j in 0..n {
                            gradient[j] += parts[j] * factors[j];
                        }
                    }
                }
            });
    }

    /// `dL/dx [R × K]` for inputs `rows` and means `weights [K × N]`.
    pub(super) fn by_inputs(
        mut self,
        rows: &[f32],
        weights: &[f32],
        k: usize,
        gradient: &mut [f32],
    ) {
        let n = self.n;
        let (width, odd_width) = (self.even.len() / k, self.odd.len() / k);
        let parts = self
            .even
            .par_chunks_mut(width)
            .zip(self.odd.par_chunks_mut(odd_width));
        parts
            .zip(weights.par_chunks(n))
            .with_min_len(LINES)
            .for_each(|((even, odd), weights)| {
                for parts in even.chunks_exact_mut(n).chain(odd.chunks_exact_mut(n)) {
                    for (part, weight) in parts.iter_mut().zip(weights) {
                        *part *= weight;
                    }
                }
            });
        matrix::multiply_transposed(&self.upstream, &self.even, k, width, gradient);
        let mut signed = vec![0.0; gradient.len()];
        matrix::multiply_transposed(&self.odd_upstream, &self.odd, k, odd_width, &mut signed);
        let lines = gradient.par_chunks_mut(k).zip(signed.par_chunks(k));
        lines
            .zip(rows.par_chunks(k))
            .with_min_len(matrix::BLOCK)
            .for_each(|((gradient, signed), inputs)| {
                for ((gradient, signed), input) in gradient.iter_mut().zip(signed).zip(inputs) {
                    *gradient += input * signed;
                }
            });
    }
}
