//! The graph that grows, and how its values hold the arrays of the file.
//!
//! A [`Dynamic`] is an array of the file that depends on the inputs. The batch is an axis of size 1
//! in its `dims`, since the graph's shapes are those of one item. `order` is the order of the axes
//! in memory; so a transposition moves nothing, and values move only where an operator needs
//! another order.

use crate::exchange::onnx::constant::{Constant, broadcast_dims, count};
use bernet_runtime::{
    graph::{Axis, BinaryOp, Graph, Kind, NODES_LIMIT, Op, Shape, UnaryOp, ValueId},
    tensor::{self, Tensor},
};

/// What the file says of the batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Batch {
    /// The first axis of the inputs, of any size.
    Open,
    /// The first axis of the inputs, of this size.
    Fixed(usize),
    /// The file's arrays are those of one item, whatever their axes.
    One,
}

/// An array that depends on the inputs.
#[derive(Clone, Debug)]
pub(super) struct Dynamic {
    pub(super) value: ValueId,
    /// The sizes in the file's order, the batch being 1.
    pub(super) dims: Vec<usize>,
    /// The axis of the batch.
    pub(super) batch: Option<usize>,
    /// The axes as they are in memory, the last fastest.
    pub(super) order: Vec<usize>,
}

/// The axes that are on height, width and channels.
pub(super) type Groups = [Vec<usize>; 3];

const AXES: [Axis; 3] = [Axis::Height, Axis::Width, Axis::Channels];

impl Dynamic {
    pub(super) fn rank(&self) -> usize {
        self.dims.len()
    }

    pub(super) fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// The axes in memory, without those of size 1.
    pub(super) fn wide_order(&self) -> Vec<usize> {
        let wide = |axis: &&usize| self.dims[**axis] != 1;
        self.order.iter().filter(wide).copied().collect()
    }

    /// The same array with other sizes and another value, whose order is the same.
    pub(super) fn with(&self, value: ValueId, dims: Vec<usize>) -> Self {
        Self {
            value,
            dims,
            ..self.clone()
        }
    }

    /// An axis that is not the batch, named by number from either end.
    pub(super) fn item_axis(&self, axis: i64) -> Result<usize, String> {
        let axis = crate::exchange::onnx::constant::normal_axis(axis, self.rank())?;
        self.check_item_axis(axis)?;
        Ok(axis)
    }

    pub(super) fn check_item_axis(&self, axis: usize) -> Result<(), String> {
        if self.batch == Some(axis) {
            return Err(
                "it goes over the batch, whose items are independent in a net that is run".into(),
            );
        }
        Ok(())
    }

    /// The sizes as the file has them, for errors: N is the batch.
    pub(super) fn describe(&self) -> String {
        let sizes = self.dims.iter().enumerate().map(|(axis, size)| {
            if self.batch == Some(axis) {
                "N".to_owned()
            } else {
                size.to_string()
            }
        });
        format!("[{}]", sizes.collect::<Vec<_>>().join(", "))
    }

    /// The array without some axes of size 1.
    pub(super) fn without(&self, removed: &[bool]) -> Self {
        let kept = |axis: &usize| !removed[*axis];
        // Where each axis goes.
        let place = |axis: usize| (0..axis).filter(kept).count();
        Self {
            value: self.value,
            dims: (0..self.rank())
                .filter(kept)
                .map(|axis| self.dims[axis])
                .collect(),
            batch: self.batch.map(place),
            order: self.order.iter().copied().filter(kept).map(place).collect(),
        }
    }

    /// The array with new axes of size 1.
    pub(super) fn with_ones(&self, added: &[bool]) -> Self {
        let old: Vec<usize> = (0..added.len()).filter(|&axis| !added[axis]).collect();
        let mut dims = vec![1; added.len()];
        for (axis, &place) in old.iter().enumerate() {
            dims[place] = self.dims[axis];
        }
        let new = (0..added.len()).filter(|&axis| added[axis]);
        Self {
            value: self.value,
            dims,
            batch: self.batch.map(|batch| old[batch]),
            order: new
                .chain(self.order.iter().map(|&axis| old[axis]))
                .collect(),
        }
    }

    /// The array with axes of size 1 in front, up to a rank.
    pub(super) fn padded(&self, rank: usize) -> Self {
        let ahead = rank.saturating_sub(self.rank());
        let added: Vec<bool> = (0..ahead + self.rank()).map(|axis| axis < ahead).collect();
        self.with_ones(&added)
    }
}

/// The graph up to some node.
pub(super) struct Net {
    pub(super) graph: Graph,
    pub(super) batch: Batch,
    /// The name of the node that is being imported.
    pub(super) name: String,
    /// What is said about the import.
    pub(super) notes: Vec<String>,
    /// How many weights and inputs of nodes there may be yet, so that a small file stays small.
    pub(super) room: usize,
}

/// The numbers that an operator has in it.
fn numbers(op: &Op) -> usize {
    match op {
        Op::Constant(tensor) => tensor.data().len(),
        Op::Threshold(list) => list.len(),
        Op::RealThreshold(list) => list.len(),
        Op::Conv(conv) => conv.weights.len() + conv.bias.len(),
        Op::Dense(dense) => dense.weights.len() + dense.bias.len(),
        Op::Affine { scale, bias } => scale.len() + bias.len(),
        Op::Prelu(prelu) => prelu.slope.len(),
        Op::Quantize(quantize) => quantize.scale.len() + quantize.zero_point.len(),
        _ => 0,
    }
}

impl Net {
    pub(super) fn node(&mut self, op: Op, inputs: &[ValueId]) -> Result<ValueId, String> {
        if self.graph.nodes.len() >= NODES_LIMIT {
            return Err(format!("the net has more than {NODES_LIMIT} nodes"));
        }
        self.room = self
            .room
            .checked_sub(numbers(&op) + inputs.len() + 1)
            .ok_or("nodes that share weights make the net too large for a file of this size")?;
        let outputs = self.graph.add_named(&self.name, op, inputs);
        outputs.map(|outputs| outputs[0]).map_err(|error| {
            format!(
                "{}: expected {}, found {}",
                error.what, error.expected, error.found
            )
        })
    }

    pub(super) fn kind(&self, value: ValueId) -> Kind {
        self.graph.value(value).kind
    }

    pub(super) fn shape(&self, value: ValueId) -> Shape {
        self.graph.value(value).shape
    }

    /// Says something once.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The array with a node on every element.
    pub(super) fn map(&mut self, x: &Dynamic, op: Op) -> Result<Dynamic, String> {
        let value = self.node(op, &[x.value])?;
        Ok(x.with(value, x.dims.clone()))
    }

    /// The array with a function of each float.
    pub(super) fn unary(&mut self, x: &Dynamic, op: UnaryOp) -> Result<Dynamic, String> {
        let x = self.float(x)?;
        self.map(&x, Op::Unary(op))
    }

    /// The array as floats; bits, which are a bool of the file, as 0 and 1.
    pub(super) fn float(&mut self, x: &Dynamic) -> Result<Dynamic, String> {
        match self.kind(x.value) {
            Kind::F32 => Ok(x.clone()),
            Kind::Bit => self.map(
                x,
                Op::Affine {
                    scale: vec![0.5],
                    bias: vec![0.5],
                },
            ),
            Kind::U8 | Kind::I32 => self.map(x, Op::Cast(Kind::F32)),
        }
    }

    /// Floats rounded to so many bits of significand, to the nearest: 11 are those of float16.
    ///
    /// By Veltkamp's splitting, `c − (c − x)` with `c = x · (2ˢ + 1)`; T. J. Dekker, "A
    /// floating-point technique for extending the available precision", 1971.
    pub(super) fn shorten(&mut self, x: &Dynamic, bits: u32) -> Result<Dynamic, String> {
        let scale = vec![((1_u32 << (24 - bits)) + 1) as f32];
        let bias = vec![];
        let large = self.map(x, Op::Affine { scale, bias })?;
        let sub = Op::Binary(BinaryOp::Sub);
        let rest = self.node(sub.clone(), &[large.value, x.value])?;
        let value = self.node(sub, &[large.value, rest])?;
        Ok(x.with(value, x.dims.clone()))
    }

    /// Reads a value in another shape.
    pub(super) fn reshape(&mut self, value: ValueId, shape: Shape) -> Result<ValueId, String> {
        if self.shape(value) == shape {
            return Ok(value);
        }
        self.node(Op::Reshape(shape), &[value])
    }

    /// The axes that the value's own height, width and channels hold, where each holds whole ones.
    pub(super) fn groups(&self, x: &Dynamic) -> Option<Groups> {
        let mut axes = x.wide_order().into_iter();
        let mut groups = Groups::default();
        for (group, size) in groups.iter_mut().zip(self.shape(x.value).dims()) {
            let mut product = 1;
            while product < size {
                let axis = axes.next()?;
                product *= x.dims[axis];
                group.push(axis);
            }
            if product != size {
                return None;
            }
        }
        axes.next().is_none().then_some(groups)
    }

    /// The value with these axes on height, width and channels; those left out have size 1.
    pub(super) fn arrange(&mut self, x: &Dynamic, groups: &Groups) -> Result<ValueId, String> {
        let product = |group: &Vec<usize>| group.iter().map(|&axis| x.dims[axis]).product();
        let [height, width, channels] = [0, 1, 2].map(|index| product(&groups[index]));
        let shape = Shape::new(height, width, channels);
        let wanted: Vec<usize> = groups
            .iter()
            .flatten()
            .copied()
            .filter(|&axis| x.dims[axis] != 1)
            .collect();
        let current = x.wide_order();
        if wanted == current {
            return self.reshape(x.value, shape);
        }
        let place = |axis: &usize| current.iter().position(|known| known == axis);
        let perm: Option<Vec<_>> = wanted.iter().map(place).collect();
        let perm = perm
            .filter(|perm| perm.len() == current.len())
            .ok_or("axes of this array cannot be arranged; please report the file")?;
        let dims = current.iter().map(|&axis| x.dims[axis]).collect();
        self.node(Op::Transpose { dims, perm, shape }, &[x.value])
    }

    /// The array in another order in memory; does nothing where it is that already.
    pub(super) fn reorder(&mut self, x: &Dynamic, order: &[usize]) -> Result<Dynamic, String> {
        let wide: Vec<usize> = order
            .iter()
            .copied()
            .filter(|&axis| x.dims[axis] != 1)
            .collect();
        let value = if wide == x.wide_order() {
            x.value
        } else {
            self.arrange(x, &spread(&wide))?
        };
        Ok(Dynamic {
            value,
            order: order.to_vec(),
            ..x.clone()
        })
    }

    /// Groups of which one is this axis alone, without moving anything, and which one.
    pub(super) fn expose(&self, x: &Dynamic, axis: usize) -> (Groups, Axis) {
        let own = self.groups(x);
        if let Some(mut groups) = own {
            if let Some(index) = groups.iter().position(|group| group[..] == [axis]) {
                return (groups, AXES[index]);
            }
            // An axis of size 1 may take an empty place between its neighbours.
            let place = |axis: usize| x.order.iter().position(|&known| known == axis);
            if x.dims[axis] == 1 {
                for index in (0..3).rev() {
                    let before = groups[..index].iter().flatten();
                    let after = groups[index + 1..].iter().flatten();
                    if groups[index].is_empty()
                        && before.clone().all(|&other| place(other) < place(axis))
                        && after.clone().all(|&other| place(other) > place(axis))
                    {
                        groups[index] = vec![axis];
                        return (groups, AXES[index]);
                    }
                }
            }
        }
        let at = x.order.iter().position(|&known| known == axis).unwrap_or(0);
        let (before, after) = (x.order[..at].to_vec(), x.order[at + 1..].to_vec());
        if after.iter().all(|&axis| x.dims[axis] == 1) {
            return ([vec![], before, vec![axis]], Axis::Channels);
        }
        ([before, vec![axis], after], Axis::Width)
    }

    /// The value with this axis on the channels.
    pub(super) fn on_channels(
        &mut self,
        x: &Dynamic,
        axis: usize,
    ) -> Result<(ValueId, Vec<usize>), String> {
        if let Some(groups) = self.groups(x)
            && (groups[2][..] == [axis] || x.dims[axis] == 1 && groups[2].is_empty())
        {
            return Ok((x.value, moved_last(&x.order, axis)));
        }
        let order = moved_last(&x.order, axis);
        let wide: Vec<usize> = order
            .iter()
            .copied()
            .filter(|&other| other != axis && x.dims[other] != 1)
            .collect();
        let groups = match wide[..] {
            [one, two] => [vec![one], vec![two], vec![axis]],
            _ => [vec![], wide, vec![axis]],
        };
        Ok((self.arrange(x, &groups)?, order))
    }

    /// A constant as a value that has its axes in this order, in these groups.
    pub(super) fn constant(
        &mut self,
        constant: &Constant,
        kind: Kind,
        order: &[usize],
        shape: Shape,
    ) -> Result<ValueId, String> {
        let ordered = crate::exchange::onnx::constant::transpose(constant, order);
        let data = match kind {
            Kind::F32 => tensor::Data::F32(ordered.to_f32()),
            Kind::I32 => {
                let integer = |&value: &i64| {
                    i32::try_from(value).map_err(|_| format!("the integer {value} is too large"))
                };
                let values: Result<_, String> =
                    ordered.to_integers()?.iter().map(integer).collect();
                tensor::Data::I32(values?)
            }
            Kind::Bit => tensor::Data::Bit(ordered.to_f32().iter().map(|&x| x != 0.0).collect()),
            Kind::U8 => {
                let byte = |&value: &i64| {
                    u8::try_from(value).map_err(|_| format!("the integer {value} is no byte"))
                };
                let values: Result<_, String> = ordered.to_integers()?.iter().map(byte).collect();
                tensor::Data::U8(values?)
            }
        };
        let tensor = Tensor::new(1, shape, data).map_err(|error| error.to_string())?;
        self.node(Op::Constant(tensor), &[])
    }

    /// A constant as an array, which broadcasts like it.
    pub(super) fn array(&mut self, constant: &Constant, kind: Kind) -> Result<Dynamic, String> {
        let order: Vec<usize> = (0..constant.dims.len()).collect();
        let wide: Vec<usize> = order
            .iter()
            .copied()
            .filter(|&axis| constant.dims[axis] != 1)
            .collect();
        let sizes = spread(&wide).map(|group| {
            group
                .iter()
                .map(|&axis| constant.dims[axis])
                .product::<usize>()
        });
        let value = self.constant(constant, kind, &order, sizes.into())?;
        Ok(Dynamic {
            value,
            dims: constant.dims.clone(),
            batch: None,
            order,
        })
    }

    /// Two or more arrays as values of shapes that broadcast as the arrays do, and what an
    /// operator on them gives but for its value.
    pub(super) fn align(&mut self, arrays: &[Dynamic]) -> Result<(Vec<ValueId>, Dynamic), String> {
        let rank = arrays.iter().map(Dynamic::rank).max().unwrap_or(0);
        let mut arrays: Vec<_> = arrays.iter().map(|array| array.padded(rank)).collect();
        let batches = || arrays.iter().filter_map(|array| array.batch);
        let batch = batches().next();
        if batches().any(|other| Some(other) != batch) {
            return Err("its inputs have the batch on different axes".into());
        }
        let mut dims = Vec::new();
        for array in &arrays {
            dims = broadcast_dims(&dims, &array.dims)?;
        }
        if let Some(batch) = batch
            && dims[batch] != 1
        {
            return Err("a constant has other values for each item of the batch".into());
        }
        count(&dims).ok_or("the result is too large")?;
        // The largest keeps its order.
        let largest = (0..arrays.len())
            .max_by_key(|&index| (arrays[index].len(), arrays.len() - index))
            .ok_or("expected inputs, found none")?;
        let mut order = arrays[largest].order.clone();
        let missing = |axis: &usize| dims[*axis] != 1 && arrays[largest].dims[*axis] == 1;
        if (0..rank).any(|axis| missing(&axis)) {
            // The others have axes that it lacks; any order serves.
            order = moved(&order, &(0..rank).filter(missing).collect::<Vec<_>>());
        }
        // Axes that are next to each other and broadcast alike make one group.
        let patterns: Vec<Vec<bool>> = (0..rank)
            .map(|axis| {
                arrays
                    .iter()
                    .map(|array| array.dims[axis] == dims[axis])
                    .collect()
            })
            .collect();
        let runs = |order: &[usize]| {
            let mut runs: Vec<Vec<usize>> = Vec::new();
            for &axis in order.iter().filter(|&&axis| dims[axis] != 1) {
                match runs.last_mut() {
                    Some(run) if patterns[run[0]] == patterns[axis] => run.push(axis),
                    _ => runs.push(vec![axis]),
                }
            }
            runs
        };
        if runs(&order).len() > 3 {
            order.sort_by(|&a, &b| patterns[a].cmp(&patterns[b]));
        }
        for array in &mut arrays {
            *array = self.reorder(array, &order)?;
        }
        let wide = order.iter().filter(|&&axis| dims[axis] != 1).count();
        let own = self.groups(&arrays[largest]).filter(|groups| {
            groups.iter().map(Vec::len).sum::<usize>() == wide
                && groups.iter().all(|group| {
                    group
                        .iter()
                        .all(|&axis| patterns[axis] == patterns[group[0]])
                })
        });
        let groups = match own {
            Some(groups) => groups,
            None => {
                let runs = runs(&order);
                let empty = 3_usize
                    .checked_sub(runs.len())
                    .ok_or("its inputs broadcast in a way that is not known")?;
                let mut groups = Groups::default();
                for (index, run) in runs.into_iter().enumerate() {
                    groups[empty + index] = run;
                }
                groups
            }
        };
        let values: Result<Vec<_>, String> = arrays
            .iter()
            .map(|array| self.arrange(array, &groups))
            .collect();
        let result = Dynamic {
            value: arrays[largest].value,
            dims,
            batch,
            order,
        };
        Ok((values?, result))
    }

    /// The array that `Reshape` makes. Values move only where axes are merged that are not
    /// neighbours in memory.
    pub(super) fn regroup(
        &mut self,
        x: &Dynamic,
        dims: Vec<usize>,
        batch: Option<usize>,
    ) -> Result<Dynamic, String> {
        let wide = |dims: &[usize]| -> Vec<usize> {
            (0..dims.len()).filter(|&axis| dims[axis] != 1).collect()
        };
        let (old, new) = (wide(&x.dims), wide(&dims));
        // Axes before and after that hold the same values.
        let mut groups: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
        let (mut i, mut j) = (0, 0);
        while i < old.len() && j < new.len() {
            let (mut before, mut after) = (vec![old[i]], vec![new[j]]);
            let (mut a, mut b) = (x.dims[old[i]], dims[new[j]]);
            (i, j) = (i + 1, j + 1);
            while a != b {
                if a < b {
                    let &axis = old.get(i).ok_or("the number of values changes")?;
                    a *= x.dims[axis];
                    before.push(axis);
                    i += 1;
                } else {
                    let &axis = new.get(j).ok_or("the number of values changes")?;
                    b *= dims[axis];
                    after.push(axis);
                    j += 1;
                }
            }
            groups.push((before, after));
        }
        if i < old.len() || j < new.len() {
            return Err("the number of values changes".into());
        }
        let (mut order_before, mut order_after) = (Vec::new(), Vec::new());
        for axis in x.wide_order() {
            let group = groups.iter_mut().find(|(before, _)| before.contains(&axis));
            if let Some((before, after)) = group {
                order_before.append(before);
                order_after.append(after);
            }
        }
        let value = if order_before == x.wide_order() {
            x.value
        } else {
            self.arrange(x, &spread(&order_before))?
        };
        // Axes of size 1 are nowhere in particular.
        let ones = (0..dims.len()).filter(|&axis| dims[axis] == 1);
        let order = ones.chain(order_after).collect();
        Ok(Dynamic {
            value,
            dims,
            batch,
            order,
        })
    }
}

/// Axes on channels, width and height, the last on the channels; many are all on the channels.
pub(super) fn spread(axes: &[usize]) -> Groups {
    match *axes {
        [a, b, c] => [vec![a], vec![b], vec![c]],
        [a, b] => [vec![], vec![a], vec![b]],
        _ => [vec![], vec![], axes.to_vec()],
    }
}

/// An order with one axis last.
fn moved_last(order: &[usize], axis: usize) -> Vec<usize> {
    let others = order.iter().copied().filter(|&other| other != axis);
    others.chain([axis]).collect()
}

/// An order with some axes first.
fn moved(order: &[usize], first: &[usize]) -> Vec<usize> {
    let others = order.iter().copied().filter(|axis| !first.contains(axis));
    first.iter().copied().chain(others).collect()
}
