//! Nets as classifiers of pictures: pixels in, a number for each class out.
//!
//! A [`Classifier`] is a program of a graph with one input that takes pictures and one output of
//! logits, and the memory that it works in. Batches may be shared by several threads; neither the
//! number of threads nor the size of a batch changes a result.
//!
//! ```
//! use bernet::classify::{self, Classifier};
//! use bernet_kernels::isa::Level;
//! use bernet_runtime::format;
//!
//! let graph = format::from_bytes(include_bytes!("../models/mnist.bnet"))?;
//! let mut classifier = Classifier::new(&graph, Level::best())?;
//! let test = bernet::data::load_embedded().test;
//! let predictions = classifier.classify(&classifier.images(&test)?)?;
//! assert!(classify::count_correct(&predictions, test.labels()) > 9_700);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::data::Dataset;
use bernet_kernels::{isa::Level, threads::ThreadsError};
use bernet_runtime::{
    execute::{RunError, TensorMut, TensorRef},
    graph::{Graph, GraphError, Input, Kind, Op, Pixels, Shape},
    pictures::PictureBuffer,
    plan::{Options, PlanError, Program},
    shared::{SharedError, SharedSession},
};
use std::sync::Arc;
use thiserror::Error;

/// Why a net cannot classify, or not these pictures.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClassifyError {
    /// The net has other inputs or outputs than a classifier of pictures.
    #[error("{what}: expected {expected}, found {found}")]
    Net {
        /// What of the net.
        what: String,
        /// What a classifier has.
        expected: &'static str,
        /// What the net has.
        found: String,
    },
    /// The pictures are not what the net reads.
    #[error("images: expected {expected}, found {found}")]
    Images {
        /// Height, width and channels that the net reads.
        expected: Shape,
        /// What was handed in: a shape, or a number of pixels.
        found: String,
    },
    /// The net does not fit together, or takes too much memory.
    #[error(transparent)]
    Plan(Box<PlanError>),
    /// The images are those of another classifier.
    #[error(transparent)]
    Run(#[from] RunError),
    /// There are no such threads.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
}

impl From<PlanError> for ClassifyError {
    fn from(error: PlanError) -> Self {
        Self::Plan(Box::new(error))
    }
}

impl From<GraphError> for ClassifyError {
    fn from(error: GraphError) -> Self {
        PlanError::from(error).into()
    }
}

impl From<SharedError> for ClassifyError {
    fn from(error: SharedError) -> Self {
        match error {
            SharedError::Run(error) => error.into(),
            SharedError::Threads(error) => error.into(),
        }
    }
}

/// A net that is ready to classify pictures. Clones share the program and the threads.
#[derive(Clone, Debug)]
pub struct Classifier {
    session: Arc<SharedSession>,
    shape: Shape,
    pixels: Pixels,
    classes: usize,
}

/// Pictures as the input of a net takes them.
#[derive(Clone, PartialEq, Debug)]
pub struct Images {
    count: usize,
    values: Values,
}

#[derive(Clone, PartialEq, Debug)]
enum Values {
    Bits(Vec<u64>),
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
}

/// The numbers that a net gives the classes of each picture, `pictures × classes`.
#[derive(Clone, PartialEq, Debug)]
pub enum Logits {
    /// Exact sums.
    Integers(Vec<i32>),
    /// Floats.
    Floats(Vec<f32>),
}

/// What a net says of a picture.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Prediction {
    /// The class with the largest logit; of several, the first.
    pub class: usize,
    /// By how much its logit exceeds the next: 0 for a tie.
    pub margin: f64,
}

/// How many predictions are the picture's label.
pub fn count_correct(predictions: &[Prediction], labels: &[u8]) -> usize {
    let pairs = predictions.iter().zip(labels);
    pairs
        .filter(|(prediction, label)| prediction.class == usize::from(**label))
        .count()
}

impl Classifier {
    /// Plans a net for a level, to be run by the calling thread.
    ///
    /// # Errors
    /// [`ClassifyError::Net`] where the net has not one input that says what pixels become, and one
    /// output of at least two values; [`ClassifyError::Plan`] where it cannot be planned.
    pub fn new(graph: &Graph, level: Level) -> Result<Self, ClassifyError> {
        let input = picture_input(graph)?;
        let [output] = &graph.outputs[..] else {
            return Err(net_error("outputs", "1", graph.outputs.len().to_string()));
        };
        let value = graph.value(output.value);
        let classes = value.shape.len();
        if classes < 2 {
            let what = format!("values of output {:?}", output.name);
            let expected = "at least 2, one for each class";
            return Err(net_error(what, expected, classes.to_string()));
        }
        let options = Options {
            level,
            ..Options::default()
        };
        let program = match value.kind {
            Kind::I32 | Kind::F32 => Program::new(graph, &options)?,
            Kind::Bit | Kind::U8 => {
                let mut graph = graph.clone();
                graph.outputs[0].value = graph.add_node(Op::Cast(Kind::F32), &[output.value])?;
                Program::new(&graph, &options)?
            }
        };
        Ok(Self {
            shape: graph.value(input.value).shape,
            pixels: input.pixels.clone(),
            classes,
            session: Arc::new(SharedSession::new(Arc::new(program), 1)?),
        })
    }

    /// Has batches shared by so many threads. The results are the same.
    ///
    /// # Errors
    /// [`ClassifyError::Threads`] where the number is 0 or too large, or the threads cannot be had.
    pub fn with_threads(mut self, number: usize) -> Result<Self, ClassifyError> {
        let session = SharedSession::new(self.program().clone(), number)?;
        self.session = Arc::new(session);
        Ok(self)
    }

    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        self.session.program()
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.session.threads()
    }

    /// Height, width and channels of the pictures.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// What their pixels become.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Pictures of 8-bit pixels, one after the other, each in the order line, pixel, channel.
    ///
    /// # Errors
    /// [`ClassifyError::Images`] where they are not a whole number of pictures.
    pub fn pictures(&self, pixels: &[u8]) -> Result<Images, ClassifyError> {
        let len = self.shape.len();
        if !pixels.len().is_multiple_of(len) {
            return Err(self.mismatch(format!("{} pixels", pixels.len())));
        }
        let count = pixels.len() / len;
        let mut buffer = PictureBuffer::default();
        let level = self.program().level();
        let values = match buffer.read(level, &self.pixels, self.shape, pixels) {
            TensorRef::U8(bytes) => Values::Bytes(bytes.to_vec()),
            TensorRef::F32(_) => Values::Floats(buffer.floats),
            _ => Values::Bits(buffer.words),
        };
        Ok(Images { count, values })
    }

    /// The images of a dataset: its bits where the net reads bits, else its grey values.
    ///
    /// # Errors
    /// [`ClassifyError::Images`] where they have another shape.
    pub fn images(&self, data: &Dataset) -> Result<Images, ClassifyError> {
        let shape = data.image_shape();
        let found = Shape::new(shape.height, shape.width, shape.channels);
        if found != self.shape {
            return Err(self.mismatch(found.to_string()));
        }
        if !matches!(self.pixels, Pixels::AtLeast(_)) {
            return self.pictures(&data.bytes());
        }
        Ok(Images {
            count: data.len(),
            values: Values::Bits(data.images().lines().words().to_vec()),
        })
    }

    fn mismatch(&self, found: String) -> ClassifyError {
        let expected = self.shape;
        ClassifyError::Images { expected, found }
    }

    /// The logits of each picture.
    ///
    /// # Errors
    /// [`ClassifyError::Run`] where the pictures are those of a net with another input.
    pub fn logits(&mut self, images: &Images) -> Result<Logits, ClassifyError> {
        let (count, len) = (images.count, images.count * self.classes);
        let run = |logits| self.session.run(count, &[images.tensor()], &mut [logits]);
        Ok(if self.program().outputs()[0].kind == Kind::I32 {
            let mut sums = vec![0; len];
            run(TensorMut::I32(&mut sums))?;
            Logits::Integers(sums)
        } else {
            let mut floats = vec![0.0; len];
            run(TensorMut::F32(&mut floats))?;
            Logits::Floats(floats)
        })
    }

    /// The class of each picture.
    ///
    /// # Errors
    /// As [`Classifier::logits`].
    pub fn classify(&mut self, images: &Images) -> Result<Vec<Prediction>, ClassifyError> {
        let logits = self.logits(images)?;
        Ok(logits.predictions(self.classes))
    }
}

/// The only input of a net, if pictures can be handed to it.
///
/// # Errors
/// [`ClassifyError::Net`].
pub fn picture_input(graph: &Graph) -> Result<&Input, ClassifyError> {
    let [input] = &graph.inputs[..] else {
        return Err(net_error("inputs", "1", graph.inputs.len().to_string()));
    };
    if input.pixels == Pixels::Unsaid {
        let what = format!("pixels of input {:?}", input.name);
        let found = format!(
            "nothing about them ({}); say it by --pixels 0..1, 0..255, -1..1 or mean=M,std=S",
            graph.value(input.value)
        );
        return Err(net_error(what, "a net that says what they become", found));
    }
    Ok(input)
}

fn net_error(what: impl Into<String>, expected: &'static str, found: String) -> ClassifyError {
    let what = what.into();
    ClassifyError::Net {
        what,
        expected,
        found,
    }
}

impl Images {
    /// The number of pictures.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn tensor(&self) -> TensorRef<'_> {
        match &self.values {
            Values::Bits(words) => TensorRef::Bit(words),
            Values::Bytes(bytes) => TensorRef::U8(bytes),
            Values::Floats(floats) => TensorRef::F32(floats),
        }
    }
}

impl Logits {
    /// The logits as numbers of one type, which holds either exactly.
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Self::Integers(sums) => sums.iter().map(|&sum| sum.into()).collect(),
            Self::Floats(floats) => floats.iter().map(|&float| float.into()).collect(),
        }
    }

    /// The class of each picture.
    pub fn predictions(&self, classes: usize) -> Vec<Prediction> {
        match self {
            Self::Integers(sums) => {
                let pictures = sums.chunks_exact(classes);
                pictures.map(|sums| prediction(sums.iter())).collect()
            }
            Self::Floats(floats) => {
                let pictures = floats.chunks_exact(classes);
                pictures.map(|floats| prediction(floats.iter())).collect()
            }
        }
    }
}

/// The first largest, and by how much it exceeds the next.
fn prediction<'a, T: Copy + Into<f64> + 'a>(logits: impl Iterator<Item = &'a T>) -> Prediction {
    let (mut class, mut largest, mut next) = (0, f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (index, &logit) in logits.enumerate() {
        let logit = logit.into();
        if logit > largest {
            (class, largest, next) = (index, logit, largest);
        } else {
            next = next.max(logit);
        }
    }
    Prediction {
        class,
        margin: largest - next,
    }
}

#[cfg(test)]
mod tests {
    use super::{Classifier, Logits, count_correct};
    use bernet_kernels::{bits::BitMatrix, isa::Level};
    use bernet_runtime::graph::{Graph, Kind, Op, Pixels, Shape};

    /// Two classes, dark and bright: a pixel votes for one and against the other.
    fn votes(kind: Kind, pixels: Pixels) -> Graph {
        let mut graph = Graph::default();
        let mut value = graph
            .add_input("image", kind, Shape::new(1, 3, 3))
            .expect("an input");
        graph.inputs[0].pixels = pixels;
        if kind == Kind::F32 {
            value = graph.add_node(Op::Sign, &[value]).expect("of floats");
        }
        let weights = BitMatrix::from_fn(2, 9, |class, _| class == 1);
        let logits = graph
            .add_node(Op::BinaryDense(weights), &[value])
            .expect("nine values");
        graph.add_output("logits", logits).expect("a value");
        graph
    }

    #[test]
    fn pixels_become_what_the_net_says() {
        let affine = Pixels::Affine {
            scale: vec![1.0],
            bias: vec![-100.0, -100.0, -200.0],
        };
        for (kind, pixels, logits) in [
            (Kind::Bit, Pixels::AtLeast(100), [-1, 1, 9, -9]),
            (Kind::F32, affine, [5, -5, 9, -9]),
        ] {
            let graph = votes(kind, pixels);
            let mut classifier = Classifier::new(&graph, Level::best()).expect("a classifier");
            let pictures = [[0, 99, 100, 150, 255, 150, 99, 0, 100], [0; 9]].concat();
            let images = classifier.pictures(&pictures).expect("two pictures");
            let found = classifier.logits(&images).expect("its own images");
            assert_eq!(found, Logits::Integers(logits.to_vec()), "{kind:?}");
            let error = classifier.pictures(&pictures[1..]).expect_err("17 pixels");
            assert_eq!(error.to_string(), "images: expected 1×3×3, found 17 pixels");
        }
    }

    #[test]
    fn threads_change_nothing() {
        let graph = votes(Kind::Bit, Pixels::AtLeast(128));
        let one = Classifier::new(&graph, Level::best()).expect("a classifier");
        for count in [0, 1, 2, 7] {
            let pixels: Vec<u8> = (0..9 * count).map(|at| (at * 37 % 256) as u8).collect();
            let images = one.pictures(&pixels).expect("whole pictures");
            let expected = one.clone().classify(&images).expect("its own images");
            assert_eq!(expected.len(), count);
            for threads in [2, 3] {
                let mut shared = one.clone().with_threads(threads).expect("a few threads");
                assert_eq!(shared.classify(&images).expect("its own"), expected);
            }
            let labels: Vec<u8> = expected.iter().map(|said| said.class as u8).collect();
            assert_eq!(count_correct(&expected, &labels), count);
        }
        assert!(one.with_threads(0).is_err());
    }

    #[test]
    fn nets_that_classify_no_pictures_are_refused_by_name() {
        let refused = |graph: &Graph| {
            let error = Classifier::new(graph, Level::best()).expect_err("no classifier");
            error.to_string()
        };
        let graph = votes(Kind::Bit, Pixels::Unsaid);
        let text = refused(&graph);
        assert!(text.starts_with("pixels of input \"image\""), "{text}");
        let mut graph = votes(Kind::Bit, Pixels::AtLeast(1));
        graph.outputs.push(graph.outputs[0].clone());
        assert_eq!(refused(&graph), "outputs: expected 1, found 2");
        graph.inputs.push(graph.inputs[0].clone());
        assert_eq!(refused(&graph), "inputs: expected 1, found 2");
    }

    #[test]
    fn the_first_of_equal_logits_is_the_class() {
        let said = Logits::Integers(vec![1, 4, 4, -2, -2, -9]).predictions(3);
        let said: Vec<_> = said.iter().map(|said| (said.class, said.margin)).collect();
        assert_eq!(said, [(1, 0.0), (0, 0.0)]);
        let said = Logits::Floats(vec![f32::NAN, 0.5, 0.25]).predictions(3)[0];
        assert_eq!((said.class, said.margin), (1, 0.25));
    }
}
