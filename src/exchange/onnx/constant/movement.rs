//! Operators on constants that move values and do not change them.

use super::value::{Constant, Data, RANK_LIMIT, count};

/// An axis that may count from the end.
pub(in super::super) fn normal_axis(axis: i64, rank: usize) -> Result<usize, String> {
    let signed = rank as i64;
    let normal = if axis < 0 {
        axis.saturating_add(signed)
    } else {
        axis
    };
    usize::try_from(normal)
        .ok()
        .filter(|&axis| axis < rank)
        .ok_or_else(|| format!("axis: expected {} to {}, found {axis}", -signed, signed - 1))
}

/// Distance of neighbours along each axis.
pub(super) fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    strides
}

/// The places of a strided array in the order of its axes.
pub(super) struct Places {
    dims: Vec<usize>,
    strides: Vec<isize>,
    index: Vec<usize>,
    at: isize,
    left: usize,
}

impl Places {
    pub(super) fn new(dims: &[usize], strides: Vec<isize>, start: usize) -> Self {
        Self {
            dims: dims.to_vec(),
            strides,
            index: vec![0; dims.len()],
            at: start as isize,
            left: count(dims).unwrap_or(0),
        }
    }

    /// The places of an array of `dims` that is broadcast to `to`.
    pub(super) fn broadcast(dims: &[usize], to: &[usize]) -> Self {
        let own = strides(dims);
        let ahead = to.len() - dims.len();
        let of_axis = |axis: usize| match axis.checked_sub(ahead) {
            Some(inner) if dims[inner] != 1 => own[inner] as isize,
            _ => 0,
        };
        Self::new(to, (0..to.len()).map(of_axis).collect(), 0)
    }
}

impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let found = self.at as usize;
        for axis in (0..self.dims.len()).rev() {
            self.index[axis] += 1;
            self.at += self.strides[axis];
            if self.index[axis] < self.dims[axis] {
                break;
            }
            self.at -= self.strides[axis] * self.dims[axis] as isize;
            self.index[axis] = 0;
        }
        Some(found)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// The dimensions that several broadcast to, by NumPy's rules.
pub(in super::super) fn broadcast_dims(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let of = |dims: &[usize], axis: usize| {
        (axis + dims.len())
            .checked_sub(rank)
            .map_or(1, |axis| dims[axis])
    };
    (0..rank)
        .map(|axis| match (of(a, axis), of(b, axis)) {
            (a, b) if a == b => Ok(a),
            (1, other) | (other, 1) => Ok(other),
            _ => Err(format!(
                "shapes: expected axes that are equal or 1, found {a:?} and {b:?}"
            )),
        })
        .collect()
}

pub(in super::super) fn expand(input: &Constant, dims: &[usize]) -> Constant {
    if input.dims == dims {
        return input.clone();
    }
    let places = Places::broadcast(&input.dims, dims);
    Constant::new(dims.to_vec(), input.data.gather(places))
}

pub(in super::super) fn transpose(input: &Constant, perm: &[usize]) -> Constant {
    let strides = strides(&input.dims);
    let dims: Vec<_> = perm.iter().map(|&axis| input.dims[axis]).collect();
    let steps = perm.iter().map(|&axis| strides[axis] as isize).collect();
    let places = Places::new(&dims, steps, 0);
    Constant::new(dims, input.data.gather(places))
}

/// One axis of a slice: the first place, how many, and from one to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Range {
    pub(in super::super) start: usize,
    pub(in super::super) length: usize,
    pub(in super::super) step: isize,
}

impl Range {
    /// A whole axis.
    pub(in super::super) fn whole(size: usize) -> Self {
        Self {
            start: 0,
            length: size,
            step: 1,
        }
    }

    /// As ONNX's `Slice` clamps them.
    pub(in super::super) fn new(
        size: usize,
        start: i64,
        end: i64,
        step: i64,
    ) -> Result<Self, String> {
        let size = size as i64;
        let from_end = |place: i64| {
            if place < 0 {
                place.saturating_add(size)
            } else {
                place
            }
        };
        let (start, end) = (from_end(start), from_end(end));
        let (start, length) = if step > 0 {
            let (start, end) = (start.clamp(0, size), end.clamp(0, size));
            (start, (end - start).max(0) as u64)
        } else if step < 0 {
            let (start, end) = (start.clamp(-1, size - 1), end.clamp(-1, size - 1));
            (start.max(0), (start - end).max(0) as u64)
        } else {
            return Err("step of the slice: expected a number that is not 0, found 0".into());
        };
        Ok(Self {
            start: start as usize,
            length: length.div_ceil(step.unsigned_abs()) as usize,
            step: isize::try_from(step).unwrap_or(if step > 0 { isize::MAX } else { isize::MIN }),
        })
    }
}

pub(super) fn slice(input: &Constant, ranges: &[Range]) -> Constant {
    let strides = strides(&input.dims);
    let dims: Vec<_> = ranges.iter().map(|range| range.length).collect();
    let start = ranges
        .iter()
        .zip(&strides)
        .map(|(range, stride)| range.start * stride)
        .sum();
    let steps = ranges
        .iter()
        .zip(&strides)
        // A step is only taken where there is a second place, so that it is within the array.
        .map(|(range, &stride)| match range.length {
            0 | 1 => 0,
            _ => range.step * stride as isize,
        })
        .collect();
    let places = Places::new(&dims, steps, start);
    Constant::new(dims, input.data.gather(places))
}

pub(super) fn concat(inputs: &[&Constant], axis: i64) -> Result<Constant, String> {
    let first = inputs.first().ok_or("expected at least one input")?;
    let axis = normal_axis(axis, first.dims.len())?;
    let mut dims = first.dims.clone();
    dims[axis] = 0;
    for input in inputs {
        let mut others = input.dims.clone();
        let along = others.get(axis).copied().unwrap_or(0);
        if axis < others.len() {
            others[axis] = dims[axis];
        }
        if others != dims || input.data.kind() != first.data.kind() {
            return Err(format!(
                "inputs: expected arrays like {:?} but for axis {axis}, found {:?}",
                first.dims, input.dims
            ));
        }
        dims[axis] += along;
    }
    let before: usize = dims[..axis].iter().product();
    let row = |input: &Constant| input.dims[axis..].iter().product::<usize>();
    macro_rules! join {
        ($variant:ident) => {{
            let mut values = Vec::new();
            for line in 0..before {
                for input in inputs {
                    if let Data::$variant(data) = &input.data {
                        let row = row(input);
                        values.extend_from_slice(&data[line * row..][..row]);
                    }
                }
            }
            Data::$variant(values)
        }};
    }
    let data = match first.data {
        Data::F32(_) => join!(F32),
        Data::F64(_) => join!(F64),
        Data::I64(_) => join!(I64),
        Data::Bool(_) => join!(Bool),
    };
    Ok(Constant::new(dims, data))
}

pub(super) fn gather(
    input: &Constant,
    indices: &Constant,
    axis: usize,
) -> Result<Constant, String> {
    let size = input.dims[axis];
    let mut places = Vec::with_capacity(indices.len());
    for &index in indices.to_integers()? {
        places.push(
            normal_axis(index, size)
                .map_err(|_| format!("index: expected one of {size} places, found {index}"))?,
        );
    }
    let after: usize = input.dims[axis + 1..].iter().product();
    let before: usize = input.dims[..axis].iter().product();
    let places = &places;
    let sources = (0..before).flat_map(move |line| {
        places
            .iter()
            .flat_map(move |&place| (0..after).map(move |at| (line * size + place) * after + at))
    });
    let mut dims = input.dims[..axis].to_vec();
    dims.extend(&indices.dims);
    dims.extend(&input.dims[axis + 1..]);
    if dims.len() > RANK_LIMIT {
        return Err(format!("rank: expected at most {}", RANK_LIMIT));
    }
    Ok(Constant::new(dims, input.data.gather(sources)))
}

/// The dimensions that `Reshape` asks for; the number of values is the same.
pub(in super::super) fn reshape_dims(
    dims: &[usize],
    target: &[i64],
    allow_zero: bool,
) -> Result<Vec<usize>, String> {
    let wrong = || format!("shape: expected one of the values of {dims:?}, found {target:?}");
    let total = count(dims).ok_or_else(wrong)?;
    let mut found = Vec::with_capacity(target.len());
    let mut open = None;
    for (axis, &size) in target.iter().enumerate() {
        found.push(match size {
            -1 if open.is_none() => {
                open = Some(axis);
                1
            }
            0 if !allow_zero => *dims.get(axis).ok_or_else(wrong)?,
            _ => usize::try_from(size).map_err(|_| wrong())?,
        });
    }
    let known = count(&found).ok_or_else(wrong)?;
    if let Some(open) = open {
        if known == 0 || !total.is_multiple_of(known) {
            return Err(wrong());
        }
        found[open] = total / known;
    } else if known != total {
        return Err(wrong());
    }
    Ok(found)
}

/// The sizes that a list of integers is.
pub(super) fn reshape_target(list: &Constant) -> Result<Vec<usize>, String> {
    let sizes: Option<Vec<usize>> = list
        .to_integers()?
        .iter()
        .map(|&size| usize::try_from(size).ok())
        .collect();
    sizes
        .filter(|sizes| count(sizes).is_some())
        .ok_or_else(|| format!("expected sizes, found {:?}", list.data))
}
