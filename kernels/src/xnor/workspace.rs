//! What convolutions work in.
//!
//! ```
//! use bernet_kernels::{
//!     bits::{BitMatrix, BitTensor, Shape},
//!     isa::Level,
//!     xnor::{Conv2d, ConvParams, Epilogue, Workspace},
//! };
//!
//! let params = ConvParams { padding: [1; 4], ..ConvParams::valid([3, 3]) };
//! let shape = Shape { batch: 1, height: 8, width: 8, channels: 3 };
//! let conv = Conv2d::new(Level::best(), 3, params, &BitMatrix::all_minus_one(2, 27))?;
//! // Known before it is taken; after this no call on such an input allocates.
//! assert!(8 * conv.workspace_words(shape)? < 64 << 10);
//! let mut workspace = Workspace::default();
//! conv.reserve(&mut workspace, shape)?;
//! let mut sums = [0; 8 * 8 * 2];
//! conv.run(&mut workspace, &BitTensor::all_minus_one(shape), Epilogue::Sums((&mut sums).into()))?;
//! assert_eq!(sums[..2], [12, 12]);
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

use super::{
    parallel::{over, parts},
    patches::Band,
    writer::EpilogueWriter,
};
use crate::bits::Shape;
use alloc::{vec, vec::Vec};

/// What a convolution works in, and the number of threads that share a call. It grows to what a call needs, a few tens of kilobytes a
/// thread; a call that finds it large enough allocates nothing.
#[derive(Clone, Debug)]
pub struct Workspace {
    workers: Vec<Worker>,
}

/// What one thread works in.
#[derive(Clone, Debug, Default)]
pub(super) struct Worker {
    /// The padded lines of a band.
    pub(super) lines: Vec<u64>,
    /// Its rows, a block or all of them.
    pub(super) rows: Vec<u64>,
}

impl Default for Workspace {
    /// For the calling thread alone.
    fn default() -> Self {
        Self::with_threads(1)
    }
}

impl Workspace {
    /// For calls that are shared by up to so many threads of Rayon's current pool, where the feature `rayon` is on. Results are the same
    /// for any number.
    pub fn with_threads(threads: usize) -> Self {
        Self {
            workers: vec![Worker::default(); threads.max(1)],
        }
    }

    /// Room for lines and rows, in words, for each thread.
    pub(super) fn reserve(&mut self, [lines, rows]: [usize; 2]) {
        for worker in &mut self.workers {
            worker
                .lines
                .reserve(lines.saturating_sub(worker.lines.len()));
            worker.rows.reserve(rows.saturating_sub(worker.rows.len()));
        }
    }
}

/// Hands the bands of an output to `work`, shared among the workspace's threads where they are worth it; `depth` is the bits of a sum.
pub(super) fn over_bands<W: EpilogueWriter>(
    workspace: &mut Workspace,
    output: Shape,
    depth: usize,
    mut writer: W,
    work: &(impl Fn(&Band, &mut Worker, &mut W) + Sync),
) {
    let lines = output.batch * output.height;
    let workers = &mut workspace.workers;
    let size = [output.width, output.channels, depth]
        .into_iter()
        .fold(lines, usize::saturating_mul);
    let parts = parts(lines, size, workers.len());
    // As little as one band is not worth cutting up.
    if let (1, Some(band)) = (parts, Band::one(output)) {
        return work(&band, &mut workers[0], &mut writer);
    }
    over(
        0..lines,
        writer,
        &mut workers[..parts],
        &W::split,
        &|lines, mut writer, worker| {
            for band in Band::all(output, lines) {
                let (mut band_writer, rest) = writer.split(band.lines.len() * band.images.len());
                work(&band, worker, &mut band_writer);
                writer = rest;
            }
        },
    );
}
