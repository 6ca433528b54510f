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
    /// Of the even terms, then `G` with a part of 1.
    even: Parity,
    /// Of the odd terms; empty where their part is left out.
    odd: Parity,
}

/// The terms with a part of one parity, `d` of them.
struct Parity {
    /// `R × d · N`: `U_d`.
    upstream: Vec<f32>,
    /// `K × d · N`: half the part of each weight.
    parts: Vec<f32>,
    /// `d · N`
    width: usize,
}

impl Parity {
    /// Of the terms in `list`; with `sums`, these upstream gradients and a part of 1 after them.
    fn new(
        (form, parity): (Form, usize),
        list: &[usize],
        weights: &[f32],
        (by_probability, terms): (&[f32], &[f32]),
        sums: Option<&[f32]>,
        n: usize,
    ) -> Self {
        let width = (list.len() + usize::from(sums.is_some())) * n;
        let rows = by_probability.len() / n;
        let mut upstream = vec![0.0; rows * width];
        let mut parts = vec![1.0; weights.len() / n * width];
        if width > 0 {
            upstream
                .par_chunks_mut(width)
                .zip(by_probability.par_chunks(n))
                .zip(terms.par_chunks(n * form.terms()))
                .enumerate()
                .with_min_len(matrix::BLOCK)
                .for_each(|(row, ((upstream, probability), terms))| {
                    let (upstream, last) = upstream.split_at_mut(list.len() * n);
                    for (d, out) in list.iter().zip(upstream.chunks_exact_mut(n)) {
                        let terms = terms[d * n..][..n].iter().zip(probability);
                        for (out, (term, probability)) in out.iter_mut().zip(terms) {
                            *out = probability * term;
                        }
                    }
                    if let Some(sums) = sums {
                        last.copy_from_slice(&sums[row * n..][..n]);
                    }
                });
            parts
                .par_chunks_mut(width)
                .zip(weights.par_chunks(n))
                .with_min_len(LINES)
                .for_each(|(parts, weights)| {
                    for (j, weight) in weights.iter().enumerate() {
                        let values = form.parts(*weight)[parity];
                        for (at, d) in list.iter().enumerate() {
                            parts[at * n + j] = 0.5 * values[*d];
                        }
                    }
                });
        }
        Self {
            upstream,
            parts,
            width,
        }
    }

    /// Each part times its weight.
    fn scale(&mut self, weights: &[f32], n: usize) {
        self.parts
            .par_chunks_mut(self.width)
            .zip(weights.par_chunks(n))
            .with_min_len(LINES)
            .for_each(|(parts, weights)| {
                for parts in parts.chunks_exact_mut(n) {
                    for (part, weight) in parts.iter_mut().zip(weights) {
                        *part *= weight;
                    }
                }
            });
    }

    /// Adds each part times its factor: `factors` of line `k` for weight `k`.
    fn add<'a>(&self, n: usize, factors: impl Fn(usize) -> &'a [f32] + Sync, gradient: &mut [f32]) {
        gradient
            .par_chunks_mut(n)
            .zip(self.parts.par_chunks(self.width))
            .enumerate()
            .with_min_len(LINES)
            .for_each(|(line, (gradient, parts))| {
                let factors = factors(line).chunks_exact(n);
                for (parts, factors) in parts.chunks_exact(n).zip(factors) {
                    for j in 0..n {
                        gradient[j] += parts[j] * factors[j];
                    }
                }
            });
    }
}

impl Product {
    /// With the odd parts, or without them.
    pub(super) fn new(
        (form, odd): (Form, bool),
        weights: &[f32],
        by_sums: &[f32],
        by_probability: &[f32],
        found: &Found,
        n: usize,
    ) -> Self {
        let [evens, mut odds] = form.parities();
        if !odd {
            odds.clear();
        }
        let upstream = (by_probability, &found.terms[..]);
        Self {
            n,
            even: Parity::new((form, 0), &evens, weights, upstream, Some(by_sums), n),
            odd: Parity::new((form, 1), &odds, weights, upstream, None, n),
        }
    }

    /// `dL/dm [K × N]` for inputs `rows [R × K]`.
    pub(super) fn grad_weights(&self, rows: &[f32], k: usize, gradient: &mut [f32]) {
        let n = self.n;
        let width = self.even.width;
        let mut products = vec![0.0; k * width];
        matrix::transposed_multiply(rows, &self.even.upstream, k, width, &mut products);
        gradient.fill(0.0);
        self.even
            .add(n, |line| &products[line * width..][..width], gradient);
        let width = self.odd.width;
        if width == 0 {
            return;
        }
        let count = self.odd.upstream.len() / width;
        let totals = matrix::column_sums::<1>(count, width, |range, [total]| {
            let rows = &self.odd.upstream[range.start * width..range.end * width];
            for row in rows.chunks_exact(width) {
                matrix::add(total, row);
            }
        });
        let totals: Vec<f32> = totals.into_iter().map(|[total]| total as f32).collect();
        self.odd.add(n, |_| &totals, gradient);
    }

    /// `dL/dx [R × K]` for inputs `rows` and means `weights [K × N]`.
    pub(super) fn grad_inputs(
        mut self,
        rows: &[f32],
        weights: &[f32],
        k: usize,
        gradient: &mut [f32],
    ) {
        let product = |parity: &mut Parity, out: &mut [f32]| {
            parity.scale(weights, self.n);
            let Parity {
                upstream,
                parts,
                width,
            } = parity;
            matrix::multiply_transposed(upstream, parts, k, *width, out);
        };
        product(&mut self.even, gradient);
        if self.odd.width == 0 {
            return;
        }
        let mut signed = vec![0.0; gradient.len()];
        product(&mut self.odd, &mut signed);
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
