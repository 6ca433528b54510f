//! Operators that move values, and reductions over axes.

use super::{
    builder::{Source, Step, View, shape_of},
    error::ImportError,
    file::FLOAT32,
};
use bernet_runtime::graph::{Axis, Kind, Op, ReduceKind};

const AXES: [Axis; 3] = [Axis::Height, Axis::Width, Axis::Channels];

impl Step<'_, '_> {
    /// Which of an item's three axes an axis of the tensor is; none is the batch's.
    fn item_axis(&self, view: &View, axis: usize) -> Result<usize, ImportError> {
        let rank = view.dims.len();
        self.check(rank <= 3, "axes beside the batch", "at most 3", rank)?;
        let inside = axis.checked_sub(usize::from(view.batched));
        let expected = "one that is not the batch";
        let inside = inside.ok_or_else(|| self.error("axis", expected, axis))?;
        Ok(3 - rank + inside)
    }

    fn rank(view: &View) -> usize {
        view.dims.len() + usize::from(view.batched)
    }

    /// MEAN, SUM, REDUCE_MAX, REDUCE_MIN.
    pub(super) fn reduce(&mut self, kind: ReduceKind) -> Result<(), ImportError> {
        let view = self.floats(0)?;
        let keep = self
            .operator
            .reducer()
            .and_then(|options| options.keep_dims());
        let listed = self.axes(1, Self::rank(&view))?;
        let mut axes = [false; 3];
        let mut dims: Vec<_> = view.dims.iter().map(|&dim| Some(dim)).collect();
        for axis in listed {
            axes[self.item_axis(&view, axis)?] = true;
            dims[axis - usize::from(view.batched)] = keep.unwrap_or(false).then_some(1);
        }
        let dims: Vec<_> = dims.into_iter().flatten().collect();
        let id = self.add(Op::Reduce { kind, axes }, &[view.id])?;
        let id = self.reshaped(id, &dims)?;
        self.finish(View { id, dims, ..view })
    }

    /// RESHAPE, SQUEEZE and EXPAND_DIMS: the sizes that the file states for the output.
    pub(super) fn reshape(&mut self) -> Result<(), ImportError> {
        let view = self.value(0)?;
        let value = self.builder.graph.value(view.id);
        self.check(value.kind != Kind::Bit, "input 0", "float32", "packed bits")?;
        let mut target = self.stated_dims(0);
        // The shape as an input or an option may leave one size open.
        if self.name == "RESHAPE" && self.is_constant(1) {
            let listed = self.integers(1)?;
            if listed.len() == target.len() || target.is_empty() {
                target = listed;
            }
        }
        let len = value.shape.len();
        let (dims, batched) = self.target(&view, &target, len)?;
        let id = self.reshaped(view.id, &dims)?;
        self.finish(View { id, dims, batched })
    }

    /// The axes of an item in a reshaped tensor, and whether the first one is the batch.
    fn target(
        &self,
        view: &View,
        target: &[i64],
        len: usize,
    ) -> Result<(Vec<usize>, bool), ImportError> {
        let batch = self.builder.batch as i64;
        if let Some((&first, rest)) = target.split_first()
            && view.batched
            && (first == batch || first == -1)
            && let Some(dims) = resolved(rest, len, first != -1)
        {
            return Ok((dims, true));
        }
        self.whole(view)?;
        match (resolved(target, len, true), target) {
            // One item as the only one of a batch.
            (Some(dims), [1, ..]) if target.len() > 1 => Ok((dims[1..].to_vec(), true)),
            (Some(dims), _) => Ok((dims, false)),
            (None, _) => Err(self.error(
                "shape",
                format!("{len} values of an item"),
                format!("{target:?}"),
            )),
        }
    }

    /// TRANSPOSE.
    pub(super) fn transpose(&mut self) -> Result<(), ImportError> {
        let view = self.floats(0)?;
        let rank = Self::rank(&view);
        let perm = self.axes(1, rank)?;
        let keeps = view.batched && perm.first() == Some(&0);
        let (full, perm) = if keeps {
            (
                view.dims.clone(),
                perm[1..].iter().map(|axis| axis.wrapping_sub(1)).collect(),
            )
        } else {
            (self.whole(&view)?, perm)
        };
        let mut dims = Vec::with_capacity(perm.len());
        for &axis in &perm {
            let found = full.get(axis).copied();
            dims.push(found.ok_or_else(|| self.error("permutation", "each axis once", axis))?);
        }
        let mut batched = keeps;
        if !keeps && dims.len() > 1 && dims[0] == 1 {
            batched = true;
        }
        let item = if batched && !keeps {
            &dims[1..]
        } else {
            &dims[..]
        };
        let (item, shape) = (item.to_vec(), shape_of(item));
        let transpose = Op::Transpose {
            dims: full,
            perm,
            shape,
        };
        let id = self.add(transpose, &[view.id])?;
        self.finish(View {
            id,
            dims: item,
            batched,
        })
    }

    /// CONCATENATION.
    pub(super) fn concatenation(&mut self) -> Result<(), ImportError> {
        let options = self.options(self.operator.concatenation())?;
        let mut ids = Vec::with_capacity(self.inputs.len());
        let mut first: Option<View> = None;
        let mut axis = 0;
        let values = (0..self.inputs.len()).find_map(|place| self.floats(place).ok());
        let Some(like) = values else {
            return Err(self.error("inputs", "at least one value of floats", "none"));
        };
        for place in 0..self.inputs.len() {
            let view = if self.is_constant(place) {
                let (numbers, dims) = self.numbers(place)?;
                let dims = self.item_dims(&dims, &like)?;
                let id = self.add_constant(shape_of(&dims), numbers)?;
                View {
                    id,
                    dims,
                    batched: like.batched,
                }
            } else {
                self.floats(place)?
            };
            ids.push(view.id);
            match &mut first {
                None => {
                    let rank = Self::rank(&view);
                    let listed = self.axis(options.axis().unwrap_or(0).into(), rank)?;
                    self.item_axis(&view, listed)?;
                    axis = listed - usize::from(view.batched);
                    first = Some(view);
                }
                Some(first) => {
                    let fits = first.dims.len() == view.dims.len()
                        && first.batched == view.batched
                        && (0..view.dims.len())
                            .all(|at| at == axis || first.dims[at] == view.dims[at]);
                    let expected = format!("{:?} but for axis {axis}", first.dims);
                    let found = format!("{:?}", view.dims);
                    self.check(fits, format!("input {place}: sizes"), expected, found)?;
                    first.dims[axis] = first.dims[axis].saturating_add(view.dims[axis]);
                }
            }
        }
        let Some(result) = first else {
            return Err(self.error("inputs", "at least 1", 0));
        };
        let along = AXES[3 - result.dims.len() + axis];
        let id = self.add(Op::Concat(along), &ids)?;
        let id = self.activated(id, options.fused_activation_function().unwrap_or(0))?;
        self.finish(View { id, ..result })
    }

    /// PAD and PADV2.
    pub(super) fn pad(&mut self) -> Result<(), ImportError> {
        let view = self.floats(0)?;
        let rank = Self::rank(&view);
        let list = self.integers(1)?;
        self.check(list.len() == 2 * rank, "paddings", 2 * rank, list.len())?;
        let value = match self.optional_numbers(2)? {
            None => 0.0,
            Some((numbers, _)) => {
                self.check(numbers.len() == 1, "padding values", 1, numbers.len())?;
                numbers[0]
            }
        };
        let (mut before, mut after) = ([0; 3], [0; 3]);
        let mut dims = view.dims.clone();
        for (axis, pair) in list.as_chunks::<2>().0.iter().enumerate() {
            let mut pair_of = [0; 2];
            for (size, &listed) in pair_of.iter_mut().zip(pair) {
                let found = usize::try_from(listed).ok();
                *size = found.ok_or_else(|| self.error("padding", "at least 0", listed))?;
            }
            if pair_of == [0, 0] {
                continue;
            }
            let place = self.item_axis(&view, axis)?;
            [before[place], after[place]] = pair_of;
            let dim = &mut dims[axis - usize::from(view.batched)];
            *dim = dim.saturating_add(pair_of[0]).saturating_add(pair_of[1]);
        }
        let pad = Op::Pad {
            before,
            after,
            value,
        };
        let id = self.add(pad, &[view.id])?;
        self.finish(View { id, dims, ..view })
    }

    /// SPLIT: equal parts along the axis that the first input names.
    pub(super) fn split(&mut self) -> Result<(), ImportError> {
        let view = self.floats(1)?;
        let axes = self.axes(0, Self::rank(&view))?;
        self.check(axes.len() == 1, "axes", 1, axes.len())?;
        let place = self.item_axis(&view, axes[0])?;
        let axis = axes[0] - usize::from(view.batched);
        let parts = self.outputs.len();
        let size = view.dims[axis];
        self.check(
            parts > 0 && size.is_multiple_of(parts.max(1)),
            "parts",
            format!("a divisor of {size}"),
            parts,
        )?;
        self.cut(&view, place, axis, &vec![size / parts; parts])
    }

    /// SPLIT_V: parts of the sizes that the second input lists, along the axis of the third.
    pub(super) fn split_v(&mut self) -> Result<(), ImportError> {
        let view = self.floats(0)?;
        let axes = self.axes(2, Self::rank(&view))?;
        self.check(axes.len() == 1, "axes", 1, axes.len())?;
        let place = self.item_axis(&view, axes[0])?;
        let axis = axes[0] - usize::from(view.batched);
        let listed = self.integers(1)?;
        let known: i64 = listed
            .iter()
            .filter(|&&size| size != -1)
            .fold(0, |a, &b| a.saturating_add(b));
        let rest = (view.dims[axis] as i64).saturating_sub(known);
        let size = |&size: &i64| usize::try_from(if size == -1 { rest } else { size }).ok();
        let open = listed.iter().filter(|&&size| size == -1).count();
        let sizes = listed.iter().map(size).collect::<Option<Vec<_>>>();
        let sizes = sizes.filter(|sizes| open <= 1 && sizes.len() == self.outputs.len());
        let Some(sizes) = sizes else {
            let expected = format!("one for each of {} outputs", self.outputs.len());
            return Err(self.error("sizes of parts", expected, format!("{listed:?}")));
        };
        self.cut(&view, place, axis, &sizes)
    }

    fn cut(
        &mut self,
        view: &View,
        place: usize,
        axis: usize,
        sizes: &[usize],
    ) -> Result<(), ImportError> {
        let mut start = 0;
        for (output, &length) in sizes.iter().enumerate() {
            let slice = Op::Slice {
                axis: AXES[place],
                start,
                length,
                step: 1,
            };
            let id = self.add(slice, &[view.id])?;
            let mut dims = view.dims.clone();
            dims[axis] = length;
            let batched = view.batched;
            self.finish_output(output, View { id, dims, batched })?;
            start = start.saturating_add(length);
        }
        self.check(
            start == view.dims[axis],
            "sum of parts",
            view.dims[axis],
            start,
        )
    }

    /// SLICE: first places and lengths, −1 to the end.
    pub(super) fn slice(&mut self) -> Result<(), ImportError> {
        let view = self.floats(0)?;
        let (starts, lengths) = (self.integers(1)?, self.integers(2)?);
        let rank = Self::rank(&view);
        let found = format!("{} and {}", starts.len(), lengths.len());
        let fits = starts.len() == rank && lengths.len() == rank;
        self.check(fits, "starts and lengths", rank, found)?;
        let mut ranges = Vec::with_capacity(rank);
        for axis in 0..rank {
            let size = self.size(&view, axis);
            let end = if lengths[axis] == -1 {
                size
            } else {
                starts[axis].saturating_add(lengths[axis])
            };
            ranges.push([starts[axis], end, 1]);
        }
        self.ranges(view, &ranges, &[])
    }

    /// STRIDED_SLICE with steps forward.
    pub(super) fn strided_slice(&mut self) -> Result<(), ImportError> {
        if matches!(self.input(0)?, Some(Source::Sizes)) {
            return self.make(0, Source::Sizes);
        }
        let options = self.options(self.operator.strided_slice())?;
        for (what, mask) in [
            ("ellipsis_mask", options.ellipsis_mask()),
            ("new_axis_mask", options.new_axis_mask()),
        ] {
            self.check(mask.unwrap_or(0) == 0, what, 0, mask.unwrap_or(0))?;
        }
        self.check(!options.offset().unwrap_or(false), "offset", false, true)?;
        let masks = [
            options.begin_mask(),
            options.end_mask(),
            options.shrink_axis_mask(),
        ]
        .map(|mask| mask.unwrap_or(0));
        let view = self.floats(0)?;
        let rank = Self::rank(&view);
        let (starts, ends, steps) = (self.integers(1)?, self.integers(2)?, self.integers(3)?);
        let axes = starts.len();
        let fits = axes <= rank && ends.len() == axes && steps.len() == axes;
        self.check(
            fits,
            "starts, ends and steps",
            format!("at most {rank} each"),
            axes,
        )?;
        let (mut ranges, mut removed) = (Vec::with_capacity(rank), Vec::new());
        for axis in 0..rank {
            let size = self.size(&view, axis);
            if axis >= axes {
                ranges.push([0, size, 1]);
                continue;
            }
            let [skips_start, skips_end, shrinks] = masks.map(|mask| mask >> axis.min(31) & 1 == 1);
            self.check(steps[axis] > 0, "step", "above 0", steps[axis])?;
            let place = |at: i64| {
                let from_start = if at < 0 { at.saturating_add(size) } else { at };
                from_start.clamp(0, size)
            };
            let start = if skips_start { 0 } else { place(starts[axis]) };
            if shrinks {
                removed.push(axis);
                ranges.push([start, start + 1, 1]);
            } else {
                let end = if skips_end { size } else { place(ends[axis]) };
                ranges.push([start, end, steps[axis]]);
            }
        }
        self.ranges(view, &ranges, &removed)
    }

    fn size(&self, view: &View, axis: usize) -> i64 {
        let inside = axis.checked_sub(usize::from(view.batched));
        inside.map_or(self.builder.batch, |axis| view.dims[axis]) as i64
    }

    /// Places from the first to before the second, so many apart, of each axis; some axes, of
    /// which one place is left, are removed.
    fn ranges(
        &mut self,
        view: View,
        ranges: &[[i64; 3]],
        removed: &[usize],
    ) -> Result<(), ImportError> {
        let mut id = view.id;
        let mut dims: Vec<_> = view.dims.iter().map(|&dim| Some(dim)).collect();
        let mut batched = view.batched;
        for (axis, &[start, end, step]) in ranges.iter().enumerate() {
            let size = self.size(&view, axis);
            let whole = start == 0 && end == size && step == 1;
            let removes = removed.contains(&axis);
            if axis == 0 && view.batched {
                // The batch may be wider than the file says: only all of it can be taken.
                if removes {
                    self.whole(&view)?;
                    batched = false;
                }
                self.check(
                    whole,
                    "slice of the batch",
                    "all of it",
                    format!("{start} to {end}"),
                )?;
                continue;
            }
            let place = axis - usize::from(view.batched);
            if !whole {
                let along = AXES[self.item_axis(&view, axis)?];
                self.check(
                    0 <= start && start < end && end <= size,
                    "slice",
                    format!("within {size} places"),
                    format!("{start} to {end}"),
                )?;
                let length = ((end - start) as u64).div_ceil(step as u64) as usize;
                let slice = Op::Slice {
                    axis: along,
                    start: start as usize,
                    length,
                    step: step as usize,
                };
                id = self.add(slice, &[id])?;
                dims[place] = Some(length);
            }
            if removes {
                dims[place] = None;
            }
        }
        let dims: Vec<_> = dims.into_iter().flatten().collect();
        let id = self.reshaped(id, &dims)?;
        self.finish(View { id, dims, batched })
    }

    /// SHAPE, and what is computed from sizes: followed by a RESHAPE, whose output has its sizes.
    pub(super) fn sizes(&mut self) -> Result<(), ImportError> {
        let kind = self.output_kind(0);
        self.check(kind != FLOAT32, "output", "int32 or int64", "float32")?;
        self.make(0, Source::Sizes)
    }

    /// PACK of sizes.
    pub(super) fn pack(&mut self) -> Result<(), ImportError> {
        let mut sizes = false;
        for place in 0..self.inputs.len() {
            match self.input(place)? {
                Some(Source::Sizes) => sizes = true,
                Some(Source::Constant(..)) => {}
                _ => {
                    return Err(self.error(format!("input {place}"), "sizes of tensors", "values"));
                }
            }
        }
        self.check(sizes, "inputs", "sizes of tensors", "constants")?;
        self.sizes()
    }
}

/// Sizes whose product is `len`, one of which may be −1 where `open`; without it any product.
fn resolved(sizes: &[i64], len: usize, open: bool) -> Option<Vec<usize>> {
    let mut known: usize = 1;
    let mut unknown = 0;
    for &size in sizes {
        if size == -1 {
            unknown += 1;
        } else {
            known = known.checked_mul(usize::try_from(size).ok()?)?;
        }
    }
    let rest = match unknown {
        0 => 1,
        1 if open && known > 0 && len.is_multiple_of(known) => len / known,
        _ => return None,
    };
    let product = known.checked_mul(rest)?;
    if product != len {
        return None;
    }
    let size = |&size: &i64| if size == -1 { rest } else { size as usize };
    Some(sizes.iter().map(size).collect())
}
