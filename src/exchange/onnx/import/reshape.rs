//! Operators that give an array other axes and leave its values in their order.

use super::{
    net::{Batch, Dynamic, Net},
    operand::{Known, Operands, SIZES},
};
use crate::exchange::onnx::{
    constant::{
        Constant, Data, broadcast_dims, flatten_axis, permutation, reshape_dims, shape, squeezed,
        unsqueezed,
    },
    node::Node,
};

/// The sizes of an array for a batch of so many.
fn full_dims(x: &Dynamic, batch: usize) -> Vec<usize> {
    let mut dims = x.dims.clone();
    if let Some(axis) = x.batch {
        dims[axis] = batch;
    }
    dims
}

/// The size of the batch for each of the two versions of a constant.
fn sizes(net: &Net) -> [usize; 2] {
    match net.batch {
        Batch::Open => SIZES,
        Batch::Fixed(size) => [size; 2],
        Batch::One => [1; 2],
    }
}

/// The sizes of an array with a batch of a size that the file does not mean by another number.
pub(super) fn one_size(net: &Net, x: &Dynamic) -> Vec<usize> {
    full_dims(x, sizes(net)[1])
}

/// `Shape` and `Size`.
pub(super) fn sizes_of(net: &Net, op: &str, node: &Node, x: &Dynamic) -> Known {
    let constants = sizes(net).map(|batch| {
        let dims: Vec<i64> = full_dims(x, batch).iter().map(|&dim| dim as i64).collect();
        if op == "Size" {
            Constant::new(vec![], Data::I64(vec![dims.iter().product()]))
        } else {
            shape(node, &dims)
        }
    });
    Known(constants.map(std::rc::Rc::new))
}

/// Where the batch is in sizes for two batches, and the sizes with 1 in its place.
fn find_batch(
    net: &Net,
    x: &Dynamic,
    [few, many]: &[Vec<usize>; 2],
) -> Result<(Vec<usize>, Option<usize>), String> {
    let mixed = || {
        format!(
            "it mixes the items of a batch: expected the batch to stay an axis of its own, found \
             {} to {few:?} where the batch is {}",
            x.describe(),
            sizes(net)[0]
        )
    };
    let Some(before) = x.batch else {
        return Ok((few.clone(), None));
    };
    // Rows are in the same order only if nothing is ahead of the batch.
    let ahead: usize = x.dims[..before].iter().product();
    let leading = |axis: &usize| few[..*axis].iter().all(|&size| size == 1);
    let [small, large] = sizes(net);
    let batch = (0..few.len())
        .filter(leading)
        .find(|&axis| few[axis] == small && many.get(axis) == Some(&large));
    let batch = batch.filter(|_| ahead == 1).ok_or_else(mixed)?;
    let mut dims = few.clone();
    dims[batch] = 1;
    let mut others = many.clone();
    others[batch] = 1;
    if dims != others {
        return Err(mixed());
    }
    Ok((dims, Some(batch)))
}

/// `Reshape`.
pub(super) fn reshape(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let node = operands.node;
    let x = operands.dynamic(0)?.clone();
    let targets: [Vec<i64>; 2] = match (node.integers("shape"), operands.optional(1)) {
        (Some(shape), None) => [shape.to_vec(), shape.to_vec()],
        (_, Some(super::operand::Operand::Known(known))) => {
            let [few, many] = &known.0;
            [few.to_integers()?.to_vec(), many.to_integers()?.to_vec()]
        }
        _ => {
            return Err(
                "shape: expected a constant, found an array that depends on the inputs; fix the \
                 size of the batch at export"
                    .into(),
            );
        }
    };
    let allow_zero = node.integer("allowzero", 0) != 0;
    let resolve =
        |batch: usize, target: &[i64]| reshape_dims(&full_dims(&x, batch), target, allow_zero);
    let [small, large] = sizes(net);
    let both = resolve(small, &targets[0]).and_then(|few| {
        let many = resolve(large, &targets[1])?;
        find_batch(net, &x, &[few, many])
    });
    let found = match both {
        Ok(found) => found,
        // The file says one size where the batch is open: it was meant for batches of that size.
        Err(why) => {
            let first = targets[0].first().copied().unwrap_or(0);
            let fixed = usize::try_from(first).ok().filter(|&size| size > 0);
            let meant = fixed.filter(|_| net.batch == Batch::Open && x.batch == Some(0));
            let dims = meant.and_then(|size| resolve(size, &targets[0]).ok());
            let (Some(size), Some(mut dims)) = (meant, dims) else {
                return Err(why);
            };
            net.note(format!(
                "{}: the file has a batch of {size} here; any size is taken",
                node.place
            ));
            dims[0] = 1;
            (dims, Some(0))
        }
    };
    let (dims, batch) = found;
    net.regroup(&x, dims, batch)
}

/// `Flatten`.
pub(super) fn flatten(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let x = operands.dynamic(0)?.clone();
    let axis = flatten_axis(operands.node.integer("axis", 1), x.rank())?;
    let dims = sizes(net).map(|batch| {
        let full = full_dims(&x, batch);
        vec![
            full[..axis].iter().product(),
            full[axis..].iter().product::<usize>(),
        ]
    });
    let (dims, batch) = find_batch(net, &x, &dims)?;
    net.regroup(&x, dims, batch)
}

/// `Transpose`: only the order in memory is another.
pub(super) fn transpose(operands: &Operands) -> Result<Dynamic, String> {
    let x = operands.dynamic(0)?;
    let perm = permutation(operands.node, x.rank())?;
    Ok(permuted(x, &perm))
}

/// The array whose axis `i` is axis `perm[i]`.
pub(super) fn permuted(x: &Dynamic, perm: &[usize]) -> Dynamic {
    let place = |axis: usize| perm.iter().position(|&old| old == axis).unwrap_or(0);
    Dynamic {
        value: x.value,
        dims: perm.iter().map(|&axis| x.dims[axis]).collect(),
        batch: x.batch.map(place),
        order: x.order.iter().map(|&axis| place(axis)).collect(),
    }
}

/// `Squeeze`.
pub(super) fn squeeze(net: &Net, operands: &Operands) -> Result<Dynamic, String> {
    let x = operands.dynamic(0)?;
    let list = operands.constant(1)?;
    let removed = squeezed(operands.node, list.as_deref(), &full_dims(x, sizes(net)[0]))?;
    Ok(x.without(&removed))
}

/// `Unsqueeze`.
pub(super) fn unsqueeze(operands: &Operands) -> Result<Dynamic, String> {
    let x = operands.dynamic(0)?;
    let list = operands.constant(1)?;
    let added = unsqueezed(operands.node, list.as_deref(), x.rank())?;
    Ok(x.with_ones(&added))
}

/// The sizes that `Expand` gives an array, the batch being 1.
pub(super) fn expanded_dims(
    net: &Net,
    x: &Dynamic,
    target: &Known,
) -> Result<(Dynamic, Vec<usize>), String> {
    let lists: [&[i64]; 2] = [target.0[0].to_integers()?, target.0[1].to_integers()?];
    let rank = x.rank().max(lists[0].len());
    let x = x.padded(rank);
    let mut found = Vec::new();
    for (list, batch) in lists.into_iter().zip(sizes(net)) {
        let list: Option<Vec<usize>> = list
            .iter()
            .map(|&size| usize::try_from(size).ok())
            .collect();
        let list = list.ok_or("shape: expected sizes that are not negative")?;
        let mut dims = broadcast_dims(&full_dims(&x, batch), &list)?;
        if let Some(axis) = x.batch {
            if dims[axis] != batch {
                return Err("it enlarges the batch".into());
            }
            dims[axis] = 1;
        }
        found.push(dims);
    }
    if found[0] != found[1] {
        return Err("the shape depends on the size of the batch".into());
    }
    let dims = found.swap_remove(0);
    Ok((x, dims))
}
