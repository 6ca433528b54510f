//! Pictures in, classes out: nets of one input, and of one number for each class.
//!
//! ```
//! use bernet_kernels::bits::BitMatrix;
//! use bernet_runtime::{
//!     graph::{Graph, Kind, Op, Pixels, Shape},
//!     pictures::PictureSession,
//!     plan::{Options, Program},
//!     shared::SharedSession,
//! };
//! use std::sync::Arc;
//!
//! // Two classes, dark and bright: a pixel votes for one and against the other.
//! let mut graph = Graph::default();
//! let x = graph.add_input("image", Kind::Bit, Shape::new(1, 3, 1))?;
//! graph.inputs[0].pixels = Pixels::AtLeast(128);
//! let weights = BitMatrix::from_fn(2, 3, |class, _| class == 1);
//! let y = graph.add_node(Op::BinaryDense(weights), &[x])?;
//! graph.add_output("logits", y)?;
//!
//! let program = Program::new(&graph, &Options::default())?;
//! let session = SharedSession::new(program.into(), 1)?;
//! let session = PictureSession::new(&graph, Arc::new(session))?;
//! let pictures = [0, 50, 200, 255, 128, 130];
//! assert_eq!(session.logits(&pictures)?, [1, -1, -3, 3]);
//! let predictions = session.classify(&pictures)?;
//! assert_eq!((predictions[1].class, predictions[1].margin), (1, 6));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::{
    execute::{RunError, TensorMut, TensorRef, Workspace},
    graph::{Graph, Kind, Op, Pixels, Shape, ValueId},
    plan::{Options, PlanError, Program, line_words},
    shared::{SharedError, SharedSession},
};
use alloc::{string::String, sync::Arc, vec, vec::Vec};
use bernet_kernels::{bits::BitViewMut, isa::Level, packing};
use thiserror::Error;

/// A session that reads pictures and tells classes apart.
///
/// Pictures are bytes from 0 to 255, one picture after the other, in the order line, pixel,
/// channel. What they become is what the graph says.
#[derive(Debug)]
pub struct PictureSession {
    session: Arc<SharedSession>,
    pixels: Pixels,
    /// Of a picture.
    shape: Shape,
    /// The numbers that the session's program gives for each class.
    scores: Kind,
    classes: usize,
    /// What is done with integer sums where real logits are wanted.
    affine: Option<Affine>,
}

/// `sum · scale + bias`, one pair for all classes or one for each.
#[derive(Debug)]
struct Affine {
    scale: Vec<f32>,
    bias: Vec<f32>,
}

/// What a net says of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prediction {
    /// The class with the largest logit; of several, the first.
    pub class: usize,
    /// By how much its logit exceeds the next: 0 for a tie.
    ///
    /// It is counted in sums where all classes share one scale and one bias. Where they don't, or
    /// where the logits are floats, it is the difference of the real logits, rounded down.
    pub margin: i32,
}

/// Why a net cannot be run on pictures, or did not.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum PictureError {
    /// It has several inputs or outputs.
    #[error(
        "pictures: expected a net of one input and one output, found {inputs} and {outputs}; run it on arrays"
    )]
    Edges {
        /// How many inputs.
        inputs: usize,
        /// How many outputs.
        outputs: usize,
    },
    /// Nobody said what a picture's pixels become.
    #[error(
        "input \"{name}\" ({kind}): the file does not say what a picture's pixels become; \
         bernet import --pixels=RANGE says it, or run the net on arrays"
    )]
    Unsaid {
        /// The input's name.
        name: String,
        /// Its type.
        kind: &'static str,
    },
    /// Its output is not a number for each class.
    #[error(
        "output \"{name}\": expected i32 or f32 of 1×1×classes, at least 2, found {found}; run the net on arrays"
    )]
    Output {
        /// The output's name.
        name: String,
        /// Type and shape.
        found: String,
    },
    /// The pictures are not whole.
    #[error("pictures: expected a multiple of {expected} bytes, found {found}")]
    Size {
        /// Bytes of one.
        expected: usize,
        /// Bytes of all.
        found: usize,
    },
    /// The logits are floats.
    #[error(
        "output \"{name}\": it has real weights and no integer logits; ask for the real logits"
    )]
    RealWeights {
        /// The output's name.
        name: String,
    },
    /// The graph cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The batch did not run.
    #[error(transparent)]
    Run(#[from] SharedError),
}

impl PictureSession {
    /// A session of a graph's program that reads pictures.
    ///
    /// Where the graph ends in a scale and a bias for each class, or in the number of the class,
    /// what is before that is planned once more, for the logits.
    ///
    /// # Errors
    /// [`PictureError`] where the graph has not one input with a reading of pixels and one output
    /// for classes.
    pub fn new(graph: &Graph, session: Arc<SharedSession>) -> Result<Self, PictureError> {
        let (found, affine) = scores_of_pictures(graph)?;
        let (input, output) = (&graph.inputs[0], &graph.outputs[0]);
        let session = if found == output.value {
            session
        } else {
            let mut graph = graph.clone();
            graph.outputs.clear();
            graph
                .add_output(&output.name, found)
                .map_err(PlanError::from)?;
            let options = Options {
                level: session.program().level(),
                ..Options::default()
            };
            Arc::new(session.with_program(Program::new(&graph, &options)?.into()))
        };
        Ok(Self {
            session,
            pixels: input.pixels.clone(),
            shape: graph.value(input.value).shape,
            scores: graph.value(found).kind,
            classes: graph.value(found).shape.channels,
            affine,
        })
    }

    /// The shape of a picture.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many pictures so many bytes are.
    ///
    /// # Errors
    /// [`PictureError::Size`] where they are not a whole number.
    pub fn count(&self, bytes: usize) -> Result<usize, PictureError> {
        let expected = self.shape.len();
        if !bytes.is_multiple_of(expected) {
            return Err(PictureError::Size {
                expected,
                found: bytes,
            });
        }
        Ok(bytes / expected)
    }

    /// The integer logits of each picture, `pictures × classes`: the sums before a scale and a
    /// bias.
    ///
    /// # Errors
    /// [`PictureError::Size`]; [`PictureError::RealWeights`] where they are floats.
    pub fn logits(&self, pictures: &[u8]) -> Result<Vec<i32>, PictureError> {
        if self.scores != Kind::I32 {
            let name = self.session.program().outputs()[0].name.clone();
            return Err(PictureError::RealWeights { name });
        }
        self.compute(pictures, |values| TensorMut::I32(values))
    }

    /// The logits of each picture as real numbers, `pictures × classes`.
    ///
    /// # Errors
    /// [`PictureError::Size`].
    pub fn real_logits(&self, pictures: &[u8]) -> Result<Vec<f32>, PictureError> {
        if self.scores == Kind::F32 {
            return self.compute(pictures, |values| TensorMut::F32(values));
        }
        let sums = self.compute(pictures, |values| TensorMut::I32(values))?;
        let sums = sums.iter().enumerate();
        Ok(sums
            .map(|(index, &sum)| match &self.affine {
                Some(affine) => affine.apply(index % self.classes, sum),
                None => sum as f32,
            })
            .collect())
    }

    /// The class of each picture. Integer sums decide where all classes share one scale and one
    /// bias, which is exact, and real logits where they don't.
    ///
    /// # Errors
    /// As [`PictureSession::real_logits`].
    pub fn classify(&self, pictures: &[u8]) -> Result<Vec<Prediction>, PictureError> {
        if self.scores == Kind::I32 && self.affine.as_ref().is_none_or(Affine::keeps_order) {
            let sums = self.logits(pictures)?;
            return Ok(sums
                .chunks_exact(self.classes)
                .map(Prediction::of)
                .collect());
        }
        let logits = self.real_logits(pictures)?;
        let logits = logits.chunks_exact(self.classes);
        Ok(logits.map(Prediction::of_real).collect())
    }

    /// The scores of all pictures, a share for each thread.
    fn compute<T: Copy + Default + Send>(
        &self,
        pictures: &[u8],
        tensor: fn(&mut [T]) -> TensorMut<'_>,
    ) -> Result<Vec<T>, PictureError> {
        let batch = self.count(pictures.len())?;
        let mut scores = vec![T::default(); batch * self.classes];
        let mut rest = &mut scores[..];
        let mut shares = Vec::new();
        for range in self.session.shares(batch) {
            let (first, others) = rest.split_at_mut(range.len() * self.classes);
            rest = others;
            let item = self.shape.len();
            shares.push((&pictures[range.start * item..range.end * item], first));
        }
        self.session
            .share(shares, |workspace, (pictures, scores)| {
                self.run(workspace, pictures, scores, tensor)
            })?;
        Ok(scores)
    }

    /// The scores of a share, so many pictures at a time as go through the program together.
    fn run<T>(
        &self,
        workspace: &mut Workspace,
        pictures: &[u8],
        scores: &mut [T],
        tensor: fn(&mut [T]) -> TensorMut<'_>,
    ) -> Result<(), RunError> {
        let program = self.session.program();
        let mut buffer = PictureBuffer::default();
        let pictures = pictures.chunks(program.chunk() * self.shape.len());
        let scores = scores.chunks_mut(program.chunk() * self.classes);
        for (pictures, scores) in pictures.zip(scores) {
            let batch = pictures.len() / self.shape.len();
            let input = buffer.read(program.level(), &self.pixels, self.shape, pictures);
            program.run(workspace, batch, &[input], &mut [tensor(scores)])?;
        }
        Ok(())
    }
}

/// The shape of a picture and the number of classes, of a graph that [`PictureSession::new`] takes.
///
/// # Errors
/// [`PictureError`] as there.
pub fn sizes(graph: &Graph) -> Result<(Shape, usize), PictureError> {
    let (scores, _) = scores_of_pictures(graph)?;
    let picture = graph.value(graph.inputs[0].value).shape;
    Ok((picture, graph.value(scores).shape.channels))
}

/// As [`scores`], of a graph that takes pictures.
fn scores_of_pictures(graph: &Graph) -> Result<(ValueId, Option<Affine>), PictureError> {
    let ([input], [output]) = (&graph.inputs[..], &graph.outputs[..]) else {
        return Err(PictureError::Edges {
            inputs: graph.inputs.len(),
            outputs: graph.outputs.len(),
        });
    };
    if input.pixels == Pixels::Unsaid {
        return Err(PictureError::Unsaid {
            name: input.name.clone(),
            kind: graph.value(input.value).kind.name(),
        });
    }
    let (value, affine) = scores(graph, output.value);
    let found = graph.value(value);
    let classes = found.shape.channels;
    let suits = matches!(found.kind, Kind::I32 | Kind::F32)
        && found.shape == Shape::flat(classes)
        && classes >= 2;
    if !suits {
        return Err(PictureError::Output {
            name: output.name.clone(),
            found: alloc::format!("{found}"),
        });
    }
    Ok((value, affine))
}

/// The value whose numbers are compared, and what is done with it afterwards if it is integers.
fn scores(graph: &Graph, mut value: ValueId) -> (ValueId, Option<Affine>) {
    let producers = graph.producers();
    let producer = |value: ValueId| producers[value.index()].map(|index| &graph.nodes[index]);
    if let Some(node) = producer(value)
        && let Op::ArgMax = node.op
    {
        value = node.inputs[0];
    }
    if let Some(node) = producer(value)
        && let Op::Affine { scale, bias } = &node.op
        && graph.value(node.inputs[0]).kind == Kind::I32
    {
        let affine = Affine {
            scale: scale.clone(),
            bias: bias.clone(),
        };
        return (node.inputs[0], Some(affine));
    }
    (value, None)
}

impl Affine {
    /// As the operator: the product is rounded, then the sum.
    fn apply(&self, class: usize, sum: i32) -> f32 {
        let of = |list: &[f32], none: f32| match list {
            [] => none,
            [one] => *one,
            list => list[class],
        };
        sum as f32 * of(&self.scale, 1.0) + of(&self.bias, 0.0)
    }

    /// Whether sums compare as what they become.
    fn keeps_order(&self) -> bool {
        let same = |list: &[f32]| list.windows(2).all(|pair| pair[0] == pair[1]);
        let rises = self.scale.first().is_none_or(|&scale| scale > 0.0);
        same(&self.scale) && same(&self.bias) && rises
    }
}

/// Memory for pictures in the form that a program reads.
#[derive(Clone, Debug, Default)]
pub struct PictureBuffer {
    /// The bits of the last pictures that became bits, as [`TensorRef::Bit`] has them.
    pub words: Vec<u64>,
    /// The numbers of the last pictures that became floats.
    pub floats: Vec<f32>,
}

impl PictureBuffer {
    /// Whole pictures of that shape as the input of a net whose pixels are read so. Bytes stay where
    /// they are.
    ///
    /// # Panics
    /// Where the last picture is not whole.
    pub fn read<'a>(
        &'a mut self,
        level: Level,
        pixels: &Pixels,
        shape: Shape,
        pictures: &'a [u8],
    ) -> TensorRef<'a> {
        match pixels {
            Pixels::AtLeast(limit) => {
                let columns = shape.width * shape.channels;
                let (lines, words) = (pictures.len() / columns, line_words(shape));
                self.words.resize(lines * words, 0);
                let view = BitViewMut::matrix(&mut self.words, lines, columns, words);
                view.and_then(|view| packing::at_least(level, pictures, *limit, view))
                    .expect("there are as many words as lines of pixels take");
                TensorRef::Bit(&self.words)
            }
            Pixels::Affine { scale, bias } => {
                let of = |list: &[f32], channel| list[if list.len() == 1 { 0 } else { channel }];
                self.floats.clear();
                for pixel in pictures.chunks_exact(shape.channels) {
                    let channels = pixel.iter().enumerate();
                    self.floats.extend(channels.map(|(channel, &value)| {
                        f32::from(value) * of(scale, channel) + of(bias, channel)
                    }));
                }
                TensorRef::F32(&self.floats)
            }
            // What is unsaid was refused.
            Pixels::Bytes | Pixels::Unsaid => TensorRef::U8(pictures),
        }
    }
}

impl Prediction {
    /// The prediction from at least two logits. Which is the largest nobody can foresee, so that
    /// nothing branches on it.
    fn of(logits: &[i32]) -> Self {
        let (mut class, mut largest, mut next) = (0, i32::MIN, i32::MIN);
        for (index, &logit) in logits.iter().enumerate() {
            let larger = logit > largest;
            next = next.max(if larger { largest } else { logit });
            class = if larger { index } else { class };
            largest = largest.max(logit);
        }
        Self {
            class,
            margin: largest.saturating_sub(next),
        }
    }

    /// The prediction from at least two real logits.
    fn of_real(logits: &[f32]) -> Self {
        let (mut class, mut largest, mut next) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
        for (index, &logit) in logits.iter().enumerate() {
            if logit > largest {
                (class, largest, next) = (index, logit, largest);
            } else {
                next = next.max(logit);
            }
        }
        Self {
            class,
            margin: (largest - next).floor() as i32,
        }
    }
}
