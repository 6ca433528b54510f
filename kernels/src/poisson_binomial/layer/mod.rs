//! A whole dense layer: every neuron on every sample, forward and backward, through power sums.
//!
//! Input `j` has the mean `x_j` and weight `j` of an output the mean `w_j`, both in [−1, 1]; the product has `m_j = x_j w_j`. The powers
//! `m_j^d` are formed in registers: for `D` = 6 that is six multiplications and additions of the FMA ports per product, as many as the
//! six matrix products of element-wise powers would take, but no power ever goes through memory. Backward,
//!
//! ```text
//! ∂z/∂m_j = Σ_d d · ∂z/∂S_d · m_j^{d−1} =: G_j        (Horner's rule)
//! ∂L/∂x_j = Σ_outputs ∂L/∂z · G_j · w_j,   ∂L/∂w_j = Σ_samples ∂L/∂z · G_j · x_j
//! ```
//!
//! Outputs whose power sums do not reach the wanted accuracy, which is where nearly all factors are certain, are done
//! again by the exact forms, forward and backward. So the accuracy holds for all of them.
//!
//! **Threads.** Samples are cut into blocks whose size depends on the shape alone. All that a block needs and makes is its own (its
//! part of the weights' gradient too, and those are added in the blocks' order), so that with the feature `rayon` the blocks run on
//! however many threads there are, and the results have the same bits.
//!
//! ```
//! use bernet_kernels::{isa::Level, poisson_binomial::*};
//!
//! // Three inputs of two samples, and the weights of one output: means in [−1, 1].
//! let (inputs, weights) = ([0.5, -1.0, 0.2, 0.0, 1.0, 0.3], [0.9, -0.4, 0.1]);
//! let layer = Layer::new(&inputs, &weights, 2, 1)?;
//! let (mut found, mut workspace) = (Activations::default(), Workspace::default());
//! layer.forward(Level::best(), &[2], 1e-6, &mut found, &mut workspace)?;
//!
//! // The loss is the sum of the survivals, here of P(at least 2 of 3 products are +1).
//! let (mut by_inputs, mut by_weights) = ([0.0; 6], [0.0; 3]);
//! layer.backward(Level::best(), &found, &[1.0, 1.0], Some(&mut by_inputs), &mut by_weights, &mut workspace)?;
//! // v is .725, .46 and .55 on the first sample; a product is the other two's P(exactly one) of it.
//! assert!((found.survival[0] - (0.725 * 0.46 * 0.45 + 0.725 * 0.54 * 0.55 + 0.275 * 0.46 * 0.55 + 0.725 * 0.46 * 0.55)).abs() < 1e-6);
//! assert!((by_inputs[0] - 0.5 * 0.9 * (0.46 * 0.45 + 0.54 * 0.55)).abs() < 1e-6);
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

mod exact;
mod series;

use super::{Plan, Workspace};
#[cfg(feature = "rayon")]
use crate::threads;
use crate::{
    Error,
    arch::float::{Float, Kernel},
    isa::{Level, dispatch},
};
use alloc::{string::ToString, vec, vec::Vec};
use core::ops::Range;
use series::DEGREE;

/// With fewer factors the power sums hardly ever reach 1e-6, and the exact forms cost little.
const FEWEST: usize = 128;
/// The most blocks: each has a gradient of all weights of its own.
const BLOCKS: usize = 8;
/// The fewest samples of a block: whole vectors of every level.
const SAMPLES: usize = 64;
/// The fewest products of a block, some tens of microseconds of work: a thread costs a few.
const PRODUCTS: usize = 1 << 16;

/// The means of a dense layer's inputs and weights, checked.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    inputs: &'a [f32],
    weights: &'a [f32],
    samples: usize,
    outputs: usize,
}

/// What [`Layer::forward`] computed, and what [`Layer::backward`] needs of it.
#[derive(Clone, Default, Debug)]
pub struct Activations {
    /// `P(K ≥ cut)`, at `output · samples + sample`.
    pub survival: Vec<f32>,
    /// `P(K = cut)`, likewise.
    pub mass: Vec<f32>,
    /// `∂z/∂S_d`, at `(output · degree + d − 1) · samples + sample`; 0 where the exact form was taken, and none where it always is.
    slopes: Vec<f32>,
    /// Per block and output, the block's samples on which the exact form was taken; in a shallow layer, where it always is, none.
    exact: Vec<Vec<Vec<u32>>>,
    /// Per output.
    cuts: Vec<i32>,
    /// Of the layer.
    factors: usize,
    /// Of the layer.
    samples: usize,
}

impl Activations {
    /// On how many of all outputs and samples the exact form was taken.
    pub fn exact(&self) -> usize {
        if self.factors < FEWEST {
            return self.cuts.len() * self.samples;
        }
        self.exact.iter().flatten().map(Vec::len).sum()
    }

    /// Room for a layer's results.
    fn reset(&mut self, layer: &Layer<'_>, cuts: &[i32]) {
        let size = layer.outputs * layer.samples;
        let slopes = if layer.deep() { DEGREE * size } else { 0 };
        for (results, size) in [
            (&mut self.survival, size),
            (&mut self.mass, size),
            (&mut self.slopes, slopes),
        ] {
            results.resize(size, 0.0);
        }
        let blocks = layer.samples.div_ceil(layer.block());
        self.exact.resize(blocks, Vec::new());
        for samples in &mut self.exact {
            samples.resize(layer.outputs, Vec::new());
            samples.iter_mut().for_each(Vec::clear);
        }
        self.cuts = cuts.to_vec();
        (self.factors, self.samples) = (layer.factors(), layer.samples);
    }
}

impl<'a> Layer<'a> {
    /// `inputs[j · samples + s]` is the mean of input `j` of sample `s`, `weights[j · outputs + o]` that of weight `j` of output `o`.
    ///
    /// # Errors
    /// [`Error::Dimension`] where `samples` or `outputs` is 0, [`Error::Size`] where the two have different numbers of factors,
    /// [`Error::Mean`] for a value outside [−1, 1], or NaN.
    pub fn new(
        inputs: &'a [f32],
        weights: &'a [f32],
        samples: usize,
        outputs: usize,
    ) -> Result<Self, Error> {
        for (what, found) in [("samples", samples), ("outputs", outputs)] {
            if found == 0 {
                return Err(Error::Dimension {
                    what,
                    found,
                    expected: "at least 1",
                });
            }
        }
        let factors = weights.len() / outputs;
        Error::check_size(
            "weights (factors · outputs)",
            factors * outputs,
            weights.len(),
        )?;
        Error::check_size(
            "inputs (factors · samples)",
            factors * samples,
            inputs.len(),
        )?;
        for (what, means) in [("inputs", inputs), ("weights", weights)] {
            let right = |m: &f32| (-1.0..=1.0).contains(m);
            if !means.iter().fold(true, |all, m| all & right(m)) {
                let index = means.iter().position(|m| !right(m)).unwrap_or(0);
                return Err(Error::Mean {
                    what,
                    index,
                    found: means[index].to_string(),
                });
            }
        }
        Ok(Self {
            inputs,
            weights,
            samples,
            outputs,
        })
    }

    /// How many factors each sum has.
    pub fn factors(&self) -> usize {
        self.weights.len() / self.outputs
    }

    /// Survival and mass at `cuts[output]`, right to `accuracy` (at least 1e-6).
    ///
    /// # Errors
    /// [`Error::Size`] where `cuts` has another length, [`Error::Accuracy`] where more accuracy is asked for than f32 has.
    pub fn forward(
        self,
        level: Level,
        cuts: &[i32],
        accuracy: f32,
        activations: &mut Activations,
        workspace: &mut Workspace,
    ) -> Result<(), Error> {
        Error::check_size("cuts (outputs)", self.outputs, cuts.len())?;
        Plan::new(self.factors(), accuracy)?;
        activations.reset(&self, cuts);
        let weights = self.by_output();
        let (size, block) = (self.samples, self.block());
        let survival = columns(&mut activations.survival, size, block).into_iter();
        let mass = columns(&mut activations.mass, size, block);
        let slopes = columns(&mut activations.slopes, size, block);
        let results = survival.zip(mass).zip(slopes).zip(&mut activations.exact);
        let tasks = results
            .enumerate()
            .map(|(i, (((survival, mass), slopes), exact))| Forward {
                part: self.part(i, &weights),
                cuts,
                accuracy,
                survival,
                mass,
                slopes,
                exact,
            });
        each(tasks.collect(), workspace, |task, workspace| {
            dispatch!(level, float => float.run(WithWorkspace { task, workspace }));
        });
        Ok(())
    }

    /// Adds the derivatives of a loss to `by_inputs` and `by_weights` (shaped like the means), given those by the survivals
    /// (shaped like them). A net's first layer has no use for those by its inputs, and saves a part of the work without.
    ///
    /// # Errors
    /// [`Error::Size`] where a buffer has another length, or `activations` are those of another shape.
    pub fn backward(
        self,
        level: Level,
        activations: &Activations,
        by_survival: &[f32],
        by_inputs: Option<&mut [f32]>,
        by_weights: &mut [f32],
        workspace: &mut Workspace,
    ) -> Result<(), Error> {
        let (factors, outputs, samples) = (self.factors(), self.outputs, self.samples);
        for (what, expected, found) in [
            ("activations (factors)", factors, activations.factors),
            ("activations (outputs)", outputs, activations.cuts.len()),
            ("activations (samples)", samples, activations.samples),
            (
                "by_survival (outputs · samples)",
                outputs * samples,
                by_survival.len(),
            ),
            (
                "by_inputs (factors · samples)",
                self.inputs.len(),
                by_inputs
                    .as_ref()
                    .map_or(self.inputs.len(), |by_inputs| by_inputs.len()),
            ),
            (
                "by_weights (factors · outputs)",
                self.weights.len(),
                by_weights.len(),
            ),
        ] {
            Error::check_size(what, expected, found)?;
        }
        let weights = self.by_output();
        let mut partial = vec![vec![0.0; self.weights.len()]; activations.exact.len()];
        let by_inputs = by_inputs.map_or_else(
            || partial.iter().map(|_| Vec::new()).collect(),
            |by_inputs| columns(by_inputs, samples, self.block()),
        );
        let results = by_inputs.into_iter().zip(&mut partial);
        let tasks = results
            .enumerate()
            .map(|(i, (by_inputs, by_weights))| Backward {
                part: self.part(i, &weights),
                activations,
                exact: &activations.exact[i],
                by_survival,
                by_inputs,
                by_weights,
            });
        each(tasks.collect(), workspace, |task, workspace| {
            dispatch!(level, float => float.run(WithWorkspace { task, workspace }));
        });
        for partial in &partial {
            for (o, row) in partial.chunks_exact(factors.max(1)).enumerate() {
                for (j, by_weight) in row.iter().enumerate() {
                    by_weights[j * outputs + o] += by_weight;
                }
            }
        }
        Ok(())
    }

    /// Whether power sums are tried.
    fn deep(&self) -> bool {
        self.factors() >= FEWEST
    }

    /// The samples of a block.
    fn block(&self) -> usize {
        let products = self.weights.len().saturating_mul(self.samples);
        let blocks = (products / PRODUCTS).clamp(1, BLOCKS);
        self.samples.div_ceil(blocks).next_multiple_of(SAMPLES)
    }

    /// Block `i`, with the weights as [`by_output`](Self::by_output) has them.
    fn part(self, i: usize, weights: &'a [f32]) -> Part<'a> {
        let first = i * self.block();
        Part {
            layer: self,
            weights,
            samples: first..(first + self.block()).min(self.samples),
        }
    }

    /// Weight `j` of output `o` at `o · factors + j`.
    fn by_output(&self) -> Vec<f32> {
        let mut weights = vec![0.0; self.weights.len()];
        for (j, row) in self.weights.chunks_exact(self.outputs).enumerate() {
            for (o, &weight) in row.iter().enumerate() {
                weights[o * self.factors() + j] = weight;
            }
        }
        weights
    }
}

/// A block of a layer's samples.
#[derive(Clone)]
struct Part<'a> {
    layer: Layer<'a>,
    /// Weight `j` of output `o` at `o · factors + j`.
    weights: &'a [f32],
    samples: Range<usize>,
}

impl<'a> Part<'a> {
    /// The block's samples of a row of all samples.
    fn of<'b>(&self, rows: &'b [f32], row: usize) -> &'b [f32] {
        &rows[row * self.layer.samples..][self.samples.clone()]
    }

    /// The means of input `j`.
    #[inline(always)]
    fn input(&self, j: usize) -> &'a [f32] {
        self.of(self.layer.inputs, j)
    }

    /// The means of the weights of output `o`.
    #[inline(always)]
    fn weights(&self, o: usize) -> &'a [f32] {
        let factors = self.layer.factors();
        &self.weights[o * factors..][..factors]
    }
}

/// A block on the way forward; the results are the block's columns of each row.
struct Forward<'a> {
    part: Part<'a>,
    cuts: &'a [i32],
    accuracy: f32,
    survival: Vec<&'a mut [f32]>,
    mass: Vec<&'a mut [f32]>,
    slopes: Vec<&'a mut [f32]>,
    exact: &'a mut [Vec<u32>],
}

/// A block on the way back.
struct Backward<'a> {
    part: Part<'a>,
    activations: &'a Activations,
    exact: &'a [Vec<u32>],
    by_survival: &'a [f32],
    /// None where nobody wants them.
    by_inputs: Vec<&'a mut [f32]>,
    /// Of the block alone, by output as the part's weights.
    by_weights: &'a mut [f32],
}

struct WithWorkspace<'a, T> {
    task: T,
    workspace: &'a mut Workspace,
}

impl Kernel for WithWorkspace<'_, Forward<'_>> {
    type Output = ();

    #[inline(always)]
    fn call<F: Float>(mut self, float: F) {
        if self.task.part.layer.deep() {
            series::forward(float, &mut self.task, self.workspace);
        }
        exact::forward(float, &mut self.task, self.workspace);
    }
}

impl Kernel for WithWorkspace<'_, Backward<'_>> {
    type Output = ();

    #[inline(always)]
    fn call<F: Float>(mut self, float: F) {
        if self.task.part.layer.deep() {
            series::backward(float, &mut self.task, self.workspace);
        }
        exact::backward(float, &mut self.task, self.workspace);
    }
}

/// Rows of `samples` values, cut into blocks: block `i` has its columns of every row.
fn columns(rows: &mut [f32], samples: usize, block: usize) -> Vec<Vec<&mut [f32]>> {
    let mut parts = Vec::new();
    parts.resize_with(samples.div_ceil(block), Vec::new);
    for row in rows.chunks_exact_mut(samples) {
        for (part, columns) in parts.iter_mut().zip(row.chunks_mut(block)) {
            part.push(columns);
        }
    }
    parts
}

/// Does all tasks, on as many threads as there are.
fn each<T: Send>(
    tasks: Vec<T>,
    workspace: &mut Workspace,
    work: impl Fn(T, &mut Workspace) + Sync,
) {
    #[cfg(feature = "rayon")]
    if tasks.len() > 1 && threads::number() > 1 {
        use rayon::prelude::*;
        return threads::install(|| {
            let tasks = tasks.into_par_iter().with_max_len(1);
            tasks.for_each_init(Workspace::default, |workspace, task| work(task, workspace));
        })
        .expect("`number` has made the pool, in this process");
    }
    for task in tasks {
        work(task, workspace);
    }
}
