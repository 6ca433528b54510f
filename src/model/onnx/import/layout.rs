//! Operators that move values and leave them as they are.

use super::{Importer, Value, Why};
use crate::model::onnx::{
    constant::{Constant, RANK_LIMIT, count},
    folding,
    graph::Node,
    proto::data_type,
    signal::strided,
};
use std::rc::Rc;

impl Importer {
    pub(super) fn shape(&self, node: &Node) -> Result<Value, Why> {
        let dims = match self.value(node, 0)? {
            Value::Constant(constant) => &constant.dims,
            Value::Signal(signal) | Value::Decided(signal, _) => &signal.dims,
        };
        if node.attribute("start").is_some() || node.attribute("end").is_some() {
            return Err("only the whole shape is known, without start and end".into());
        }
        Ok(constant(Constant::integers(dims.iter().copied())))
    }

    /// `Reshape`, `Flatten`, `Squeeze` and `Unsqueeze`.
    pub(super) fn reshape(&self, node: &Node) -> Result<Value, Why> {
        let value = self.value(node, 0)?;
        let dims = match value {
            Value::Constant(constant) => &constant.dims,
            _ => &self.signal(node, 0)?.dims,
        };
        let new = match node.op()? {
            "Reshape" => {
                let target = self
                    .constant(node, 1)?
                    .to_integers()
                    .ok_or("a shape that is not integers")?;
                if node.integer("allowzero", 0) != 0 {
                    return Err("allowzero is not known".into());
                }
                resolve(&target, dims)?
            }
            "Flatten" => {
                let at = axis(node.integer("axis", 1), dims.len() + 1)?;
                vec![dims[..at].iter().product(), dims[at..].iter().product()]
            }
            "Squeeze" => {
                let axes = self.axes(node)?;
                squeezed(dims, axes)?
            }
            _ => {
                let axes = self.axes(node)?.ok_or("without axes")?;
                unsqueezed(dims, &axes)?
            }
        };
        match value {
            Value::Constant(old) => {
                if count(&new) != Some(old.values.len()) {
                    return Err(format!(
                        "dimensions {new:?} for a constant of {:?}",
                        old.dims
                    ));
                }
                Ok(constant(Constant::new(old.kind, new, old.values.clone())))
            }
            _ => self.signal(node, 0)?.reshaped(new).map(Value::Signal),
        }
    }

    /// Axes from an attribute (older operator sets) or the second input.
    pub(super) fn axes(&self, node: &Node) -> Result<Option<Vec<i64>>, Why> {
        match (node.integers("axes"), self.optional(node, 1)?) {
            (Some(axes), _) => Ok(Some(axes.to_vec())),
            (None, Some(axes)) => axes
                .to_integers()
                .ok_or("axes that are not integers".into())
                .map(Some),
            (None, None) => Ok(None),
        }
    }

    pub(super) fn transpose(&self, node: &Node) -> Result<Value, Why> {
        if let Value::Constant(old) = self.value(node, 0)? {
            return folding::transpose(old, node).map(constant);
        }
        let signal = self.signal(node, 0)?;
        let order = folding::permutation(node, signal.dims.len())?;
        if order.first() != Some(&0) {
            return Err("the axis of the batch has to stay the first".into());
        }
        let (dims, strides) = folding::permuted(&signal.dims, &order);
        let indices = strided(&dims[1..], &strides[1..], 0);
        Ok(Value::Signal(signal.moved(dims.clone(), indices)))
    }

    pub(super) fn gather(&self, node: &Node) -> Result<Value, Why> {
        let (from, indices) = (self.constant(node, 0)?, self.constant(node, 1)?);
        folding::gather(from, indices, node).map(constant)
    }

    pub(super) fn concat(&self, node: &Node) -> Result<Value, Why> {
        let parts: Result<Vec<_>, _> = (0..node.inputs().count())
            .map(|index| self.constant(node, index))
            .collect();
        let parts = parts?;
        if parts.iter().map(|part| part.values.len()).sum::<usize>() > 1 << 16 {
            return Err("more values than a shape has".into());
        }
        folding::concat(&parts).map(constant)
    }

    /// A rectangle of the image; of a constant, a range of its only axis.
    pub(super) fn slice(&self, node: &Node) -> Result<Value, Why> {
        let list = |index: usize, name: &str| -> Result<Option<Vec<i64>>, Why> {
            match (node.integers(name), self.optional(node, index)?) {
                (Some(integers), _) => Ok(Some(integers.to_vec())),
                (None, Some(integers)) => integers
                    .to_integers()
                    .ok_or(format!("{name} that are not integers"))
                    .map(Some),
                (None, None) => Ok(None),
            }
        };
        let dims = match self.value(node, 0)? {
            Value::Constant(constant) => constant.dims.clone(),
            _ => self.signal(node, 0)?.dims.clone(),
        };
        let starts = list(1, "starts")?.ok_or("without starts")?;
        let ends = list(2, "ends")?.ok_or("without ends")?;
        let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3]
            || steps.iter().any(|&step| step != 1)
        {
            return Err(
                "only slices of step 1 are known, with as many starts as ends and axes".into(),
            );
        }
        let mut ranges: Vec<_> = dims.iter().map(|&dim| 0..dim).collect();
        for ((start, end), at) in starts.into_iter().zip(ends).zip(axes) {
            let at = axis(at, dims.len())?;
            let size = dims[at] as i64;
            // Positions count from the end where they are negative, and stop at the ends.
            let position = |position: i64| {
                let position = if position < 0 {
                    position.saturating_add(size)
                } else {
                    position
                };
                position.clamp(0, size) as usize
            };
            ranges[at] = position(start)..position(end);
        }
        let new: Vec<_> = ranges.iter().map(ExactSizeIterator::len).collect();
        if new.contains(&0) {
            return Err(format!("nothing is left of {dims:?}"));
        }
        let (_, strides) = folding::permuted(&dims, &(0..dims.len()).collect::<Vec<_>>());
        let first = |axes: usize| {
            ranges
                .iter()
                .zip(&strides)
                .skip(axes)
                .map(|(range, stride)| range.start * stride)
                .sum()
        };
        if let Value::Constant(old) = self.value(node, 0)? {
            let values = strided(&new, &strides, first(0))
                .map(|index| old.values[index])
                .collect();
            return Ok(constant(Constant::new(old.kind, new, values)));
        }
        let signal = self.signal(node, 0)?;
        if dims.first() != new.first() {
            return Err("the axis of the batch has to stay whole".into());
        }
        let indices = strided(&new[1..], &strides[1..], first(1));
        Ok(Value::Signal(signal.moved(new.clone(), indices)))
    }

    /// A border of a constant value.
    pub(super) fn pad(&self, node: &Node) -> Result<Value, Why> {
        if node.text("mode", "constant")? != "constant" {
            return Err("only padding by a constant is known".into());
        }
        if node.input(3).is_some() {
            return Err("axes are not known".into());
        }
        let signal = self.signal(node, 0)?;
        let pads = match (node.integers("pads"), self.optional(node, 1)?) {
            (Some(pads), _) => pads.to_vec(),
            (None, Some(pads)) => pads.to_integers().ok_or("pads that are not integers")?,
            (None, None) => return Err("without pads".into()),
        };
        let value = match self.optional(node, 2)? {
            Some(value) => value.single().ok_or("a value that is not a single one")?,
            None => node.float("value", 0.0).into(),
        };
        let rank = signal.dims.len();
        let sizes: Option<Vec<usize>> = pads.iter().map(|&pad| usize::try_from(pad).ok()).collect();
        let sizes = sizes
            .filter(|sizes| sizes.len() == 2 * rank)
            .ok_or_else(|| format!("pads {pads:?} for {rank} axes"))?;
        let pads: Vec<_> = (0..rank)
            .map(|axis| [sizes[axis], sizes[rank + axis]])
            .collect();
        if pads[0] != [0, 0] {
            return Err("images are added to the batch".into());
        }
        signal.padded(&pads, value).map(Value::Signal)
    }

    /// Operators that leave values as they are: floats of other lengths hold all that is used here.
    pub(super) fn pass(&self, node: &Node) -> Result<Value, Why> {
        match node.op()? {
            "Cast" => {
                let to = i32::try_from(node.integer("to", 0)).unwrap_or(0);
                let floats = [data_type::FLOAT, data_type::DOUBLE];
                let constant = matches!(self.value(node, 0)?, Value::Constant(_));
                if !(floats.contains(&to) || constant && to == data_type::INT64) {
                    return Err(format!("a cast to type {to}"));
                }
            }
            "Dropout" => {
                let training = self.optional(node, 2)?.and_then(Constant::single);
                if training.is_some_and(|training| training != 0.0) {
                    return Err("it is in training mode".into());
                }
            }
            _ => {}
        }
        self.value(node, 0).cloned()
    }
}

fn constant(constant: Constant) -> Value {
    Value::Constant(Rc::new(constant))
}

/// The dimensions that a `Reshape` asks for: 0 keeps one, −1 is what is left.
fn resolve(target: &[i64], dims: &[usize]) -> Result<Vec<usize>, Why> {
    let wrong = || format!("shape {target:?} for dimensions {dims:?}");
    let values: usize = dims.iter().product();
    let mut open = None;
    let mut new = Vec::with_capacity(target.len());
    for (index, &size) in target.iter().enumerate() {
        new.push(match size {
            0 => *dims.get(index).ok_or_else(wrong)?,
            -1 if open.is_none() => {
                open = Some(index);
                1
            }
            size => usize::try_from(size).map_err(|_| wrong())?,
        });
    }
    let known = new
        .iter()
        .try_fold(1usize, |product, &dim| product.checked_mul(dim))
        .ok_or_else(wrong)?;
    if let Some(open) = open {
        if known == 0 || !values.is_multiple_of(known) {
            return Err(wrong());
        }
        new[open] = values / known;
    }
    Ok(new)
}

/// An axis; negative ones count from the end.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, Why> {
    let from_start = if axis < 0 {
        axis.saturating_add(rank as i64)
    } else {
        axis
    };
    usize::try_from(from_start)
        .ok()
        .filter(|&axis| axis < rank)
        .ok_or_else(|| format!("axis {axis} of {rank}"))
}

fn squeezed(dims: &[usize], axes: Option<Vec<i64>>) -> Result<Vec<usize>, Why> {
    let axes: Vec<usize> = match axes {
        Some(axes) => axes
            .into_iter()
            .map(|at| axis(at, dims.len()))
            .collect::<Result<_, _>>()?,
        None => (0..dims.len()).filter(|&axis| dims[axis] == 1).collect(),
    };
    if let Some(&axis) = axes.iter().find(|&&axis| dims[axis] != 1) {
        return Err(format!("axis {axis} of {dims:?} is not 1"));
    }
    Ok((0..dims.len())
        .filter(|axis| !axes.contains(axis))
        .map(|axis| dims[axis])
        .collect())
}

fn unsqueezed(dims: &[usize], axes: &[i64]) -> Result<Vec<usize>, Why> {
    let rank = dims.len() + axes.len();
    if rank > RANK_LIMIT {
        return Err(format!("{rank} axes, expected at most {RANK_LIMIT}"));
    }
    let axes: Vec<usize> = axes
        .iter()
        .map(|&at| axis(at, rank))
        .collect::<Result<_, _>>()?;
    let mut left = dims.iter();
    let new: Vec<_> = (0..rank)
        .filter_map(|axis| {
            if axes.contains(&axis) {
                Some(1)
            } else {
                left.next().copied()
            }
        })
        .collect();
    if new.len() == rank && left.next().is_none() {
        Ok(new)
    } else {
        Err("an axis is there twice".into())
    }
}
