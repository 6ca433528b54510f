//! Functions of single elements, and operations on two values.

use super::{
    builder::{Source, Step, View, shape_of},
    error::ImportError,
    file::{BOOL, FLOAT32, kind_name},
};
use bernet_runtime::graph::{BinaryOp, Kind, Op, Prelu, UnaryOp, ValueId};

impl Step<'_, '_> {
    /// Functions of one float, one after the other.
    pub(super) fn unary(&mut self, functions: &[UnaryOp]) -> Result<(), ImportError> {
        let view = self.floats(0)?;
        let mut id = view.id;
        for function in functions {
            id = self.add(Op::Unary(*function), &[id])?;
        }
        self.finish(View { id, ..view })
    }

    /// LEAKY_RELU.
    pub(super) fn leaky_relu(&mut self) -> Result<(), ImportError> {
        let options = self.options(self.operator.leaky_relu())?;
        self.unary(&[UnaryOp::LeakyRelu(options.alpha().unwrap_or(0.0))])
    }

    /// PRELU: a slope for each channel, or one for each place.
    pub(super) fn prelu(&mut self) -> Result<(), ImportError> {
        let view = self.floats(0)?;
        let (slope, dims) = self.numbers(1)?;
        let id = if per_channel(&dims, &view) {
            let prelu = Prelu {
                before: vec![],
                slope,
                after: vec![],
            };
            self.add(Op::Prelu(prelu), &[view.id])?
        } else {
            let item = self.item_dims(&dims, &view)?;
            let slope = self.add_constant(shape_of(&item), slope)?;
            let zero = self.add_constant(shape_of(&[]), vec![0.0])?;
            let product = self.add(Op::Binary(BinaryOp::Mul), &[view.id, slope])?;
            let positive = self.add(Op::Binary(BinaryOp::GreaterOrEqual), &[view.id, zero])?;
            self.add(Op::Select, &[positive, view.id, product])?
        };
        self.finish(View { id, ..view })
    }

    /// HARD_SWISH: `x · relu6(x + 3) / 6`.
    pub(super) fn hard_swish(&mut self) -> Result<(), ImportError> {
        let view = self.floats(0)?;
        let shifted = Op::Affine {
            scale: vec![],
            bias: vec![3.0],
        };
        let shifted = self.add(shifted, &[view.id])?;
        let clip = UnaryOp::Clip {
            low: 0.0,
            high: 6.0,
        };
        let gate = self.add(Op::Unary(clip), &[shifted])?;
        let product = self.add(Op::Binary(BinaryOp::Mul), &[view.id, gate])?;
        let six = self.add_constant(shape_of(&[]), vec![6.0])?;
        let id = self.add(Op::Binary(BinaryOp::Div), &[product, six])?;
        self.finish(View { id, ..view })
    }

    /// SQUARE.
    pub(super) fn square(&mut self) -> Result<(), ImportError> {
        let view = self.floats(0)?;
        let id = self.add(Op::Binary(BinaryOp::Mul), &[view.id, view.id])?;
        self.finish(View { id, ..view })
    }

    /// SOFTMAX over the last axis.
    pub(super) fn softmax(&mut self) -> Result<(), ImportError> {
        let view = self.floats(0)?;
        let beta = self
            .operator
            .softmax()
            .map_or(1.0, |options| options.beta().unwrap_or(0.0));
        self.check(beta > 0.0, "beta", "above 0", beta)?;
        let mut id = view.id;
        if beta != 1.0 {
            let scaled = Op::Affine {
                scale: vec![beta],
                bias: vec![],
            };
            id = self.add(scaled, &[id])?;
        }
        let id = self.add(Op::Softmax, &[id])?;
        self.finish(View { id, ..view })
    }

    /// LOG_SOFTMAX over the last axis.
    pub(super) fn log_softmax(&mut self) -> Result<(), ImportError> {
        let view = self.floats(0)?;
        let id = self.add(Op::LogSoftmax, &[view.id])?;
        self.finish(View { id, ..view })
    }

    /// ARG_MAX over the last axis.
    pub(super) fn arg_max(&mut self) -> Result<(), ImportError> {
        let view = self.floats(0)?;
        let rank = view.dims.len() + usize::from(view.batched);
        let axes = self.axes(1, rank)?;
        let last = [rank.wrapping_sub(1)];
        self.check(
            axes == last && !view.dims.is_empty(),
            "axis",
            "the last",
            format!("{axes:?}"),
        )?;
        let id = self.add(Op::ArgMax, &[view.id])?;
        let mut dims = view.dims;
        dims.pop();
        let id = self.reshaped(id, &dims)?;
        self.finish(View { id, dims, ..view })
    }

    /// CAST between types that hold the same values.
    pub(super) fn cast(&mut self) -> Result<(), ImportError> {
        if matches!(self.input(0)?, Some(Source::Sizes)) {
            return self.make(0, Source::Sizes);
        }
        let view = self.value(0)?;
        let (from, to) = (self.builder.graph.value(view.id).kind, self.output_kind(0));
        let id = match (from, to) {
            (Kind::F32, FLOAT32) | (Kind::Bit, BOOL) => view.id,
            (Kind::I32, FLOAT32) => self.add(Op::Cast(Kind::F32), &[view.id])?,
            (Kind::Bit, FLOAT32) => {
                // False is 0, not −1.
                let halves = Op::Affine {
                    scale: vec![0.5],
                    bias: vec![0.5],
                };
                let signs = self.add(Op::Cast(Kind::F32), &[view.id])?;
                self.add(halves, &[signs])?
            }
            _ => {
                let found = format!("{} to {}", from.name(), kind_name(to));
                return Err(self.error("types", "a cast to float32", found));
            }
        };
        self.finish(View { id, ..view })
    }

    /// DEQUANTIZE, of constants in 16 bits only.
    pub(super) fn dequantize(&mut self) -> Result<(), ImportError> {
        let Some((constant, dims)) = self.optional_constant(0)? else {
            return Err(self.error("input 0", "a constant of float16", "none"));
        };
        self.check(
            constant.kind == super::file::FLOAT16,
            "input 0",
            "a constant of float16, as models quantized to 8 bits are not supported",
            kind_name(constant.kind),
        )?;
        self.make(0, Source::Constant(constant, dims))
    }

    /// ADD, SUB, MUL, DIV with their activation.
    pub(super) fn arithmetic(&mut self, op: BinaryOp) -> Result<(), ImportError> {
        let activation = self
            .operator
            .arithmetic()
            .and_then(|options| options.fused_activation_function())
            .unwrap_or(0);
        self.binary(op, false, activation)
    }

    /// An operation on two inputs, which may be swapped; one of them may be a constant.
    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        swap: bool,
        activation: i8,
    ) -> Result<(), ImportError> {
        let constants =
            [0, 1].map(|place| matches!(self.input(place), Ok(Some(Source::Constant(..)))));
        let result = match constants {
            [false, false] => {
                let [a, b] = [self.floats(0)?, self.floats(1)?];
                let dims = self.joined_dims(&a.dims, &b.dims)?;
                self.check_alignment(&a, &b)?;
                let ids = if swap { [b.id, a.id] } else { [a.id, b.id] };
                let id = self.add(Op::Binary(op), &ids)?;
                View {
                    id,
                    dims,
                    batched: a.batched || b.batched,
                }
            }
            [true, true] => {
                return Err(self.error("inputs", "a computed value", "two constants"));
            }
            [first, _] => {
                let (of_value, of_constant) = if first { (1, 0) } else { (0, 1) };
                let view = self.floats(of_value)?;
                let (numbers, dims) = self.numbers(of_constant)?;
                let channels = per_channel(&dims, &view);
                match (op, channels, first) {
                    (BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul, true, _) => {
                        let id = self.affine(op, first, view.id, numbers)?;
                        View { id, ..view }
                    }
                    _ => {
                        let item = self.item_dims(&dims, &view)?;
                        let joined = self.joined_dims(&view.dims, &item)?;
                        let constant = self.add_constant(shape_of(&item), numbers)?;
                        let ids = if first != swap {
                            [constant, view.id]
                        } else {
                            [view.id, constant]
                        };
                        let id = self.add(Op::Binary(op), &ids)?;
                        View {
                            id,
                            dims: joined,
                            ..view
                        }
                    }
                }
            }
        };
        let id = self.activated(result.id, activation)?;
        self.finish(View { id, ..result })
    }

    /// A sum, difference or product with one number for each channel.
    fn affine(
        &mut self,
        op: BinaryOp,
        constant_first: bool,
        id: ValueId,
        numbers: Vec<f32>,
    ) -> Result<ValueId, ImportError> {
        let (scale, bias) = match (op, constant_first) {
            (BinaryOp::Mul, _) => (numbers, vec![]),
            (BinaryOp::Sub, false) => (vec![], numbers.iter().map(|number| -number).collect()),
            // −x is exact, so that −x + c is c − x.
            (BinaryOp::Sub, true) => (vec![-1.0], numbers),
            _ => (vec![], numbers),
        };
        self.add(Op::Affine { scale, bias }, &[id])
    }

    /// SELECT and SELECT_V2.
    pub(super) fn select(&mut self) -> Result<(), ImportError> {
        let condition = self.value(0)?;
        let mut ids = vec![condition.id];
        let mut result = condition.clone();
        for place in [1, 2] {
            let view = if self.is_constant(place) {
                let (numbers, dims) = self.numbers(place)?;
                let dims = self.item_dims(&dims, &condition)?;
                let id = self.add_constant(shape_of(&dims), numbers)?;
                View {
                    id,
                    dims,
                    batched: false,
                }
            } else {
                let view = self.floats(place)?;
                self.check_alignment(&condition, &view)?;
                view
            };
            ids.push(view.id);
            result.dims = self.joined_dims(&result.dims, &view.dims)?;
            result.batched |= view.batched;
        }
        result.id = self.add(Op::Select, &ids)?;
        self.finish(result)
    }

    /// The axes of a constant that go with an item: without a first axis of 1 that stands for the
    /// batch.
    pub(super) fn item_dims(&self, dims: &[usize], view: &View) -> Result<Vec<usize>, ImportError> {
        let rank = view.dims.len() + usize::from(view.batched);
        let item = match dims {
            [1, item @ ..] if view.batched && dims.len() == rank => item,
            _ => dims,
        };
        self.check(
            item.len() <= view.dims.len(),
            "constant: sizes",
            format!("those of an item, {:?}, or 1", view.dims),
            format!("{dims:?}"),
        )?;
        Ok(item.to_vec())
    }

    /// Axes of two values, aligned at the last, where each is equal or 1 in one of them.
    fn joined_dims(&self, a: &[usize], b: &[usize]) -> Result<Vec<usize>, ImportError> {
        let rank = a.len().max(b.len());
        let at = |dims: &[usize], axis: usize| {
            (axis + dims.len())
                .checked_sub(rank)
                .map_or(1, |axis| dims[axis])
        };
        let joined: Vec<_> = (0..rank).map(|axis| at(a, axis).max(at(b, axis))).collect();
        let equal = a == b;
        let fits = (0..rank).all(|axis| {
            [a, b]
                .iter()
                .all(|dims| [1, joined[axis]].contains(&at(dims, axis)))
        });
        // Axes beyond the third share one of ours: they are not broadcast apart.
        self.check(
            equal || fits && rank <= 3,
            "shapes",
            "axes that are equal or 1, at most 3 beside the batch",
            format!("{a:?} and {b:?}"),
        )?;
        Ok(joined)
    }

    /// An error where a batch would meet another axis.
    fn check_alignment(&self, a: &View, b: &View) -> Result<(), ImportError> {
        let same = a.dims.len() == b.dims.len() && a.batched == b.batched;
        if !same {
            self.whole(a)?;
            self.whole(b)?;
        }
        Ok(())
    }
}

/// Whether a constant has one number for each channel of a value, or one for all.
fn per_channel(dims: &[usize], view: &View) -> bool {
    let rank = view.dims.len() + usize::from(view.batched);
    let Some((last, outer)) = dims.split_last() else {
        return true;
    };
    let channels = view.dims.last().copied().unwrap_or(1);
    dims.len() <= rank
        && !view.dims.is_empty()
        && outer.iter().all(|&size| size == 1)
        && (*last == channels || *last == 1)
}
