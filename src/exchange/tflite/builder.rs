//! The graph as it grows, operator by operator, and what each tensor of the file became.

use super::{
    error::ImportError,
    file::{Constant, FLOAT32, File, kind_name},
    schema::Operator,
};
use bernet_runtime::{
    graph::{Graph, Kind, NODES_LIMIT, Op, Shape, UnaryOp, ValueId},
    tensor::Tensor,
};

/// What a tensor of the file is.
#[derive(Clone)]
pub(super) enum Source<'a> {
    /// Nothing has made it.
    Unknown,
    /// A value of the graph.
    Value(View),
    /// Numbers that stand in the file.
    Constant(Constant<'a>, Vec<usize>),
    /// Sizes that were computed from the sizes of other tensors, for a reshape.
    Sizes,
}

/// A value of the graph as the file sees it.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) id: ValueId,
    /// Sizes of the axes of one item.
    pub(super) dims: Vec<usize>,
    /// Whether the tensor has the batch as a further, first axis.
    pub(super) batched: bool,
}

/// The shape that holds an item of these axes: the last is the channels.
pub(super) fn shape_of(dims: &[usize]) -> Shape {
    let mut shape = [1; 3];
    let inner = dims.len().min(2);
    let (outer, inner) = dims.split_at(dims.len() - inner);
    shape[0] = outer.iter().fold(1, |a: usize, &b| a.saturating_mul(b));
    shape[3 - inner.len()..].copy_from_slice(inner);
    shape.into()
}

/// Floats of a constant, and its sizes.
pub(super) type Numbers = (Vec<f32>, Vec<usize>);

/// The graph so far.
pub(super) struct Builder<'a> {
    pub(super) file: File<'a>,
    pub(super) graph: Graph,
    pub(super) sources: Vec<Source<'a>>,
    pub(super) notes: Vec<String>,
    /// Size of the first axis as the file states it, and whether it is that for ever.
    pub(super) batch: usize,
    pub(super) fixed_batch: bool,
    /// Bytes of constants that may still be copied, so that operators which share one do not fill
    /// the memory.
    pub(super) budget: usize,
}

/// One operator on its way into the graph.
pub(super) struct Step<'s, 'a> {
    pub(super) builder: &'s mut Builder<'a>,
    pub(super) operator: Operator<'a>,
    pub(super) index: usize,
    pub(super) name: &'a str,
    pub(super) inputs: Vec<i32>,
    pub(super) outputs: Vec<i32>,
}

impl<'a> Step<'_, 'a> {
    /// An error at this operator.
    pub(super) fn error(
        &self,
        what: impl std::fmt::Display,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> ImportError {
        let output = self.output_name(0);
        let place = format!(
            "operator {} ({}, output \"{output}\")",
            self.index, self.name
        );
        ImportError::at(place, what, expected, found)
    }

    /// An error unless a condition holds.
    pub(super) fn check(
        &self,
        holds: bool,
        what: impl std::fmt::Display,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Result<(), ImportError> {
        if holds {
            Ok(())
        } else {
            Err(self.error(what, expected, found))
        }
    }

    fn output_name(&self, place: usize) -> &'a str {
        let index = self
            .outputs
            .get(place)
            .and_then(|&index| usize::try_from(index).ok());
        index.map_or("", |index| self.builder.file.tensor_name(index))
    }

    /// The number of an output's element type.
    pub(super) fn output_kind(&self, place: usize) -> i8 {
        let index = self
            .outputs
            .get(place)
            .and_then(|&index| usize::try_from(index).ok());
        let tensor = index.and_then(|index| self.builder.file.tensor(index));
        tensor.and_then(|tensor| tensor.kind()).unwrap_or(FLOAT32)
    }

    /// What an input is; `None` where it is left out.
    pub(super) fn input(&self, place: usize) -> Result<Option<Source<'a>>, ImportError> {
        let Some(&index) = self.inputs.get(place).filter(|&&index| index != -1) else {
            return Ok(None);
        };
        let tensors = self.builder.sources.len();
        let source = usize::try_from(index)
            .ok()
            .and_then(|index| self.builder.sources.get(index));
        match source {
            None => {
                let expected = format!("a tensor below {tensors}");
                Err(self.error(format!("input {place}"), expected, index))
            }
            Some(Source::Unknown) => {
                let found = format!("tensor {index}, which nothing before it makes");
                Err(self.error(format!("input {place}"), "a value", found))
            }
            Some(source) => Ok(Some(source.clone())),
        }
    }

    /// Whether an input stands in the file.
    pub(super) fn is_constant(&self, place: usize) -> bool {
        matches!(self.input(place), Ok(Some(Source::Constant(..))))
    }

    /// An input that is a value of the graph.
    pub(super) fn value(&self, place: usize) -> Result<View, ImportError> {
        let found = match self.input(place)? {
            Some(Source::Value(view)) => return Ok(view),
            Some(Source::Constant(..)) => "a constant",
            Some(Source::Sizes) => "sizes of tensors",
            _ => "none",
        };
        Err(self.error(format!("input {place}"), "a computed value", found))
    }

    /// A value of floats.
    pub(super) fn floats(&self, place: usize) -> Result<View, ImportError> {
        let view = self.value(place)?;
        let kind = self.builder.graph.value(view.id).kind;
        self.check(
            kind == Kind::F32,
            format!("input {place}"),
            "float32",
            kind.name(),
        )?;
        Ok(view)
    }

    /// An input that stands in the file; `None` where it is left out.
    pub(super) fn optional_constant(
        &self,
        place: usize,
    ) -> Result<Option<(Constant<'a>, Vec<usize>)>, ImportError> {
        match self.input(place)? {
            None => Ok(None),
            Some(Source::Constant(constant, dims)) => Ok(Some((constant, dims))),
            Some(_) => Err(self.error(format!("input {place}"), "a constant", "a computed value")),
        }
    }

    /// Floats that stand in the file, with their sizes; `None` where the input is left out.
    pub(super) fn optional_numbers(
        &mut self,
        place: usize,
    ) -> Result<Option<Numbers>, ImportError> {
        match self.optional_constant(place)? {
            None => Ok(None),
            Some((constant, dims)) => Ok(Some((self.numbers_of(place, constant)?, dims))),
        }
    }

    /// The floats of a constant.
    pub(super) fn numbers_of(
        &mut self,
        place: usize,
        constant: Constant<'a>,
    ) -> Result<Vec<f32>, ImportError> {
        self.spend(constant.size())?;
        constant.floats().ok_or_else(|| {
            let found = kind_name(constant.kind);
            self.error(format!("input {place}"), "float32 or float16", found)
        })
    }

    /// Floats that stand in the file, with their sizes.
    pub(super) fn numbers(&mut self, place: usize) -> Result<Numbers, ImportError> {
        let numbers = self.optional_numbers(place)?;
        numbers.ok_or_else(|| self.error(format!("input {place}"), "a constant", "none"))
    }

    /// Integers that stand in the file.
    pub(super) fn integers(&mut self, place: usize) -> Result<Vec<i64>, ImportError> {
        let Some((constant, _)) = self.optional_constant(place)? else {
            return Err(self.error(format!("input {place}"), "a constant", "none"));
        };
        self.spend(2 * constant.size())?;
        constant.integers().ok_or_else(|| {
            let found = kind_name(constant.kind);
            self.error(format!("input {place}"), "int32 or int64", found)
        })
    }

    /// Takes bytes from the budget for copies.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), ImportError> {
        let left = self.builder.budget.checked_sub(bytes);
        let expected = "constants that add up to a few times the file";
        self.builder.budget =
            left.ok_or_else(|| self.error("constants", expected, "one shared by many operators"))?;
        Ok(())
    }

    /// Axes of a tensor of so many, negative ones counted from the end; each once.
    pub(super) fn axes(&mut self, place: usize, rank: usize) -> Result<Vec<usize>, ImportError> {
        let list = self.integers(place)?;
        self.check(
            list.len() <= rank,
            "axes",
            format!("at most {rank}"),
            list.len(),
        )?;
        list.iter().map(|&axis| self.axis(axis, rank)).collect()
    }

    /// An axis of a tensor of so many, a negative one counted from the end.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize, ImportError> {
        let from_start = if axis < 0 {
            axis.saturating_add(rank as i64)
        } else {
            axis
        };
        let found = usize::try_from(from_start).ok().filter(|&axis| axis < rank);
        found.ok_or_else(|| self.error("axis", format!("one of {rank}"), axis))
    }

    /// An option that counts from 1.
    pub(super) fn positive(&self, what: &str, option: i32) -> Result<usize, ImportError> {
        let found = usize::try_from(option).ok().filter(|&option| option > 0);
        found.ok_or_else(|| self.error(what, "at least 1", option))
    }

    /// The options, which an operator of this kind must have.
    pub(super) fn options<T>(&self, options: Option<T>) -> Result<T, ImportError> {
        options.ok_or_else(|| self.error("options", "those of the operator", "none"))
    }

    /// The only item's axes, batch among them, where a tensor is read across items.
    pub(super) fn whole(&self, view: &View) -> Result<Vec<usize>, ImportError> {
        if !view.batched {
            return Ok(view.dims.clone());
        }
        self.check(
            self.builder.fixed_batch && self.builder.batch == 1,
            "first axis",
            "one that the operator keeps, as it is the batch",
            "one that it moves or joins",
        )?;
        Ok([&[1], &view.dims[..]].concat())
    }

    /// Adds a node.
    pub(super) fn add(&mut self, op: Op, inputs: &[ValueId]) -> Result<ValueId, ImportError> {
        let nodes = self.builder.graph.nodes.len();
        self.check(
            nodes < NODES_LIMIT,
            "nodes",
            format!("at most {NODES_LIMIT}"),
            nodes + 1,
        )?;
        let name = self.output_name(0);
        Ok(self.builder.graph.add_named(name, op, inputs)?[0])
    }

    /// Adds a constant of floats.
    pub(super) fn add_constant(
        &mut self,
        shape: Shape,
        numbers: Vec<f32>,
    ) -> Result<ValueId, ImportError> {
        self.add(Op::Constant(Tensor::from_f32(1, shape, numbers)?), &[])
    }

    /// The value in the shape that suits these axes.
    pub(super) fn reshaped(&mut self, id: ValueId, dims: &[usize]) -> Result<ValueId, ImportError> {
        let shape = shape_of(dims);
        if self.builder.graph.value(id).shape == shape {
            return Ok(id);
        }
        self.add(Op::Reshape(shape), &[id])
    }

    /// Adds the activation that is fused into an operator.
    pub(super) fn activated(&mut self, id: ValueId, code: i8) -> Result<ValueId, ImportError> {
        let function = match code {
            0 => return Ok(id),
            1 => UnaryOp::Relu,
            2 => UnaryOp::Clip {
                low: -1.0,
                high: 1.0,
            },
            3 => UnaryOp::Clip {
                low: 0.0,
                high: 6.0,
            },
            4 => UnaryOp::Tanh,
            _ => {
                let expected = "NONE, RELU, RELU_N1_TO_1, RELU6 or TANH";
                let found = format!("number {code}");
                return Err(self.error("fused activation", expected, found));
            }
        };
        self.add(Op::Unary(function), &[id])
    }

    /// Says that a value is the only output.
    pub(super) fn finish(&mut self, view: View) -> Result<(), ImportError> {
        self.check(self.outputs.len() == 1, "outputs", 1, self.outputs.len())?;
        self.finish_output(0, view)
    }

    /// Says that a value is one of the outputs, whose stated type and sizes it must have.
    pub(super) fn finish_output(&mut self, place: usize, view: View) -> Result<(), ImportError> {
        let value = self.builder.graph.value(view.id);
        let what = format!("output {place}");
        let kind = self.output_kind(place);
        let fits = match value.kind {
            Kind::F32 => kind == FLOAT32,
            Kind::Bit => matches!(kind, super::file::INT32 | super::file::BOOL),
            _ => matches!(kind, super::file::INT32 | super::file::INT64),
        };
        let expected = value.kind.name();
        self.check(
            fits,
            format!("{what}: element type"),
            expected,
            kind_name(kind),
        )?;
        let mut dims = view.dims.clone();
        if let (Kind::Bit, super::file::INT32, Some(last)) = (value.kind, kind, dims.last_mut()) {
            *last = last.div_ceil(32);
        }
        if view.batched {
            dims.insert(0, self.builder.batch);
        }
        let stated = self.stated_dims(place);
        let fits = stated.len() == dims.len()
            && stated
                .iter()
                .zip(&dims)
                .all(|(&stated, &dim)| stated < 0 || stated == dim as i64);
        // A list without sizes is also what tensors of unknown rank have.
        let unknown = stated.is_empty();
        self.check(
            fits || unknown,
            format!("{what}: sizes"),
            format!("{dims:?}, which follow from the inputs"),
            format!("{stated:?}"),
        )?;
        self.make(place, Source::Value(view))
    }

    /// The sizes of an output as the file states them; −1 is any.
    pub(super) fn stated_dims(&self, place: usize) -> Vec<i64> {
        let index = self
            .outputs
            .get(place)
            .and_then(|&index| usize::try_from(index).ok());
        let Some(tensor) = index.and_then(|index| self.builder.file.tensor(index)) else {
            return Vec::new();
        };
        let any: Vec<_> = tensor
            .shape_signature()
            .into_iter()
            .flat_map(|list| list.iter())
            .map(|size| size < 0)
            .collect();
        let sizes = super::file::dims_of(tensor).into_iter().enumerate();
        let stated = |(axis, size)| {
            if any.get(axis) == Some(&true) {
                -1
            } else {
                i64::from(size)
            }
        };
        sizes.map(stated).collect()
    }

    /// Says what an output is.
    pub(super) fn make(&mut self, place: usize, source: Source<'a>) -> Result<(), ImportError> {
        let index = self.outputs.get(place).copied().unwrap_or(-1);
        let sources = &mut self.builder.sources;
        let free = usize::try_from(index)
            .ok()
            .and_then(|index| sources.get_mut(index))
            .filter(|source| matches!(source, Source::Unknown));
        match free {
            Some(free) => {
                *free = source;
                Ok(())
            }
            None => {
                let expected = "a tensor that nothing else makes";
                Err(self.error(format!("output {place}"), expected, index))
            }
        }
    }
}
