//! Functions over whole axes.

use super::{
    elementwise::apply,
    net::{Dynamic, Groups, Net},
    operand::Operands,
};
use crate::exchange::onnx::constant::{flatten_axis, reduced_axes};
use bernet_runtime::graph::{BinaryOp, Kind, Op, ReduceKind, UnaryOp};

/// A function over some axes, which become 1.
pub(super) fn reduce(
    net: &mut Net,
    x: &Dynamic,
    kind: ReduceKind,
    axes: &[bool],
) -> Result<Dynamic, String> {
    let mut dims = x.dims.clone();
    for axis in (0..x.rank()).filter(|&axis| axes[axis]) {
        x.check_item_axis(axis)?;
        dims[axis] = 1;
    }
    let reduced = |axis: usize| axes[axis];
    if x.wide_order().iter().all(|&axis| !reduced(axis)) {
        // Nothing to do, but for a mean of integers or bytes, which are floats here already.
        return Ok(x.with(x.value, dims));
    }
    // Each group is reduced as a whole or not at all.
    let pure = |groups: &Groups| {
        groups.iter().all(|group| {
            let first = group.first().map(|&axis| reduced(axis));
            group.iter().all(|&axis| Some(reduced(axis)) == first)
        })
    };
    let own = net.groups(x).filter(pure);
    let groups = match own {
        Some(groups) => groups,
        None => {
            let mut runs: Vec<Vec<usize>> = Vec::new();
            for axis in x.wide_order() {
                match runs.last_mut() {
                    Some(run) if reduced(run[0]) == reduced(axis) => run.push(axis),
                    _ => runs.push(vec![axis]),
                }
            }
            if runs.len() > 3 {
                // Those that stay first, then the others.
                let order = x.wide_order();
                let (gone, kept): (Vec<usize>, Vec<usize>) =
                    order.into_iter().partition(|&axis| reduced(axis));
                runs = vec![kept, gone];
            }
            let mut groups = Groups::default();
            let empty = 3 - runs.len();
            for (index, run) in runs.into_iter().enumerate() {
                groups[empty + index] = run;
            }
            groups
        }
    };
    let value = net.arrange(x, &groups)?;
    let over = [0, 1, 2].map(|index| groups[index].first().is_some_and(|&axis| reduced(axis)));
    let value = net.node(Op::Reduce { kind, axes: over }, &[value])?;
    let ones = (0..x.rank()).filter(|axis| !groups.iter().flatten().any(|other| other == axis));
    let order = ones.chain(groups.iter().flatten().copied()).collect();
    Ok(Dynamic {
        value,
        dims,
        batch: x.batch,
        order,
    })
}

/// `ReduceMean` and its kin.
pub(super) fn of_node(net: &mut Net, op: &str, operands: &Operands) -> Result<Dynamic, String> {
    let node = operands.node;
    let x = operands.dynamic(0)?;
    let x = if net.kind(x.value) == Kind::I32 && op != "ReduceMean" {
        x.clone()
    } else {
        net.float(x)?
    };
    let list = operands.constant(1)?;
    let axes = reduced_axes(node, list.as_deref(), x.rank())?;
    let mul = Op::Binary(BinaryOp::Mul);
    let mut result = match op {
        "ReduceSum" => reduce(net, &x, ReduceKind::Sum, &axes)?,
        "ReduceMean" => reduce(net, &x, ReduceKind::Mean, &axes)?,
        "ReduceMax" => reduce(net, &x, ReduceKind::Max, &axes)?,
        "ReduceMin" => reduce(net, &x, ReduceKind::Min, &axes)?,
        "ReduceL1" => {
            let x = net.unary(&x, UnaryOp::Abs)?;
            reduce(net, &x, ReduceKind::Sum, &axes)?
        }
        "ReduceL2" | "ReduceSumSquare" => {
            let square = apply(net, mul, &[x.clone(), x])?;
            let sum = reduce(net, &square, ReduceKind::Sum, &axes)?;
            if op == "ReduceL2" {
                net.unary(&sum, UnaryOp::Sqrt)?
            } else {
                sum
            }
        }
        _ => return Err("this reduction of arrays that depend on the inputs is not known".into()),
    };
    if node.integer("keepdims", 1) == 0 {
        result = result.without(&axes);
    }
    Ok(result)
}

/// `Softmax` and `LogSoftmax`.
pub(super) fn softmax(net: &mut Net, op: &str, operands: &Operands) -> Result<Dynamic, String> {
    let node = operands.node;
    let x = net.float(operands.dynamic(0)?)?;
    let operation = if op == "Softmax" {
        Op::Softmax
    } else {
        Op::LogSoftmax
    };
    if node.opset < 13 {
        // Over everything from the axis on.
        let first = flatten_axis(node.integer("axis", 1), x.rank())?;
        if x.batch.is_some_and(|batch| batch >= first) {
            return Err("it goes over the batch".into());
        }
        let wide = x.wide_order();
        let (over, kept): (Vec<usize>, Vec<usize>) =
            wide.into_iter().partition(|&axis| axis >= first);
        let groups = [vec![], kept, over];
        let value = net.arrange(&x, &groups)?;
        let value = net.node(operation, &[value])?;
        let ones = (0..x.rank()).filter(|&axis| x.dims[axis] == 1);
        let order = ones.chain(groups.into_iter().flatten()).collect();
        return Ok(Dynamic { value, order, ..x });
    }
    let axis = x.item_axis(node.integer("axis", -1))?;
    let (value, order) = net.on_channels(&x, axis)?;
    let value = net.node(operation, &[value])?;
    Ok(Dynamic { value, order, ..x })
}

/// The place of the largest value along an axis, or the smallest.
fn place(net: &mut Net, x: &Dynamic, axis: usize, largest: bool) -> Result<Dynamic, String> {
    let x = if largest {
        x.clone()
    } else {
        net.unary(x, UnaryOp::Neg)?
    };
    let (value, order) = net.on_channels(&x, axis)?;
    let value = net.node(Op::ArgMax, &[value])?;
    let mut dims = x.dims.clone();
    dims[axis] = 1;
    Ok(Dynamic {
        value,
        dims,
        order,
        ..x
    })
}

/// `ArgMax` and `ArgMin`.
pub(super) fn argmax(net: &mut Net, op: &str, operands: &Operands) -> Result<Dynamic, String> {
    let node = operands.node;
    if node.integer("select_last_index", 0) != 0 {
        return Err("select_last_index 1 is not known; export the net with 0".into());
    }
    let x = net.float(operands.dynamic(0)?)?;
    let axis = x.item_axis(node.integer("axis", 0))?;
    let result = place(net, &x, axis, op == "ArgMax")?;
    if node.integer("keepdims", 1) != 0 {
        return Ok(result);
    }
    let removed: Vec<bool> = (0..x.rank()).map(|other| other == axis).collect();
    Ok(result.without(&removed))
}

/// `TopK` of one value: the value and its place.
pub(super) fn top_one(net: &mut Net, operands: &Operands) -> Result<Vec<Dynamic>, String> {
    let node = operands.node;
    let count = match operands.constant(1)? {
        Some(count) => count.to_integers()?.first().copied().unwrap_or(0),
        None => node.integer("k", 0),
    };
    if count != 1 {
        return Err(format!(
            "k: expected 1, found {count}; sorting is not known, end the net at this node's input"
        ));
    }
    let x = net.float(operands.dynamic(0)?)?;
    let axis = x.item_axis(node.integer("axis", -1))?;
    let largest = node.integer("largest", 1) != 0;
    let kind = if largest {
        ReduceKind::Max
    } else {
        ReduceKind::Min
    };
    let axes: Vec<bool> = (0..x.rank()).map(|other| other == axis).collect();
    let value = reduce(net, &x, kind, &axes)?;
    let place = place(net, &x, axis, largest)?;
    Ok(vec![value, place])
}
