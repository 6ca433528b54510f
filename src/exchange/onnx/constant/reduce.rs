//! Sums, means and products of constants.

use super::{
    movement::{Places, strides},
    value::{Constant, Data},
};

/// A function over some axes, which become 1, or vanish.
pub(super) fn reduce(
    op: &str,
    input: &Constant,
    axes: &[bool],
    keep: bool,
) -> Result<Constant, String> {
    let own = strides(&input.dims);
    let pick = |reduced: bool| {
        let chosen = (0..axes.len()).filter(move |&axis| axes[axis] == reduced);
        let dims: Vec<usize> = chosen.clone().map(|axis| input.dims[axis]).collect();
        let steps: Vec<isize> = chosen.map(|axis| own[axis] as isize).collect();
        (dims, steps)
    };
    let (outer, outer_steps) = pick(false);
    let (inner, inner_steps) = pick(true);
    let size = inner.iter().product::<usize>();
    if size == 0 && matches!(op, "ReduceMean" | "ReduceMax" | "ReduceMin") {
        return Err("expected at least one value in each group, found none".into());
    }
    let groups = || {
        Places::new(&outer, outer_steps.clone(), 0)
            .map(|start| Places::new(&inner, inner_steps.clone(), start))
    };
    let float = |values: &mut dyn Iterator<Item = f64>| -> Result<f64, String> {
        Ok(match op {
            "ReduceSum" => values.sum(),
            "ReduceMean" => values.sum::<f64>() / size as f64,
            "ReduceProd" => values.product(),
            "ReduceMax" => values.fold(f64::NEG_INFINITY, f64::max),
            "ReduceMin" => values.fold(f64::INFINITY, f64::min),
            "ReduceL1" => values.map(f64::abs).sum(),
            "ReduceL2" => values.map(|x| x * x).sum::<f64>().sqrt(),
            "ReduceSumSquare" => values.map(|x| x * x).sum(),
            _ => return Err(format!("{op} of constants is not known")),
        })
    };
    let data = match &input.data {
        Data::F32(values) => {
            let results: Result<_, String> = groups()
                .map(|mut group| {
                    let mut group = group.by_ref().map(|place| f64::from(values[place]));
                    float(&mut group).map(|value| value as f32)
                })
                .collect();
            Data::F32(results?)
        }
        Data::F64(values) => {
            let results: Result<_, String> = groups()
                .map(|mut group| float(&mut group.by_ref().map(|place| values[place])))
                .collect();
            Data::F64(results?)
        }
        Data::I64(values) => {
            let results: Result<_, String> = groups()
                .map(|group| {
                    let group = group.map(|place| values[place]);
                    Ok(match op {
                        "ReduceSum" => group.fold(0_i64, i64::wrapping_add),
                        "ReduceProd" => group.fold(1_i64, i64::wrapping_mul),
                        "ReduceMax" => group.max().unwrap_or(0),
                        "ReduceMin" => group.min().unwrap_or(0),
                        "ReduceMean" => group.fold(0_i64, i64::wrapping_add) / size as i64,
                        _ => return Err(format!("{op} of integers is not known")),
                    })
                })
                .collect();
            Data::I64(results?)
        }
        Data::Bool(_) => return Err(format!("{op} of bool is not known")),
    };
    let dims = if keep {
        let size = |(axis, &dim): (usize, &usize)| if axes[axis] { 1 } else { dim };
        input.dims.iter().enumerate().map(size).collect()
    } else {
        outer
    };
    Ok(Constant::new(dims, data))
}

/// Products of rows and columns of two matrices, after leading axes that are equal or 1.
pub(super) fn matmul(a: &Constant, b: &Constant) -> Result<Constant, String> {
    let wrong = || format!("MatMul of {:?} and {:?}", a.dims, b.dims);
    let ([.., rows, depth], [.., also_depth, columns]) = (&a.dims[..], &b.dims[..]) else {
        return Err(wrong());
    };
    if depth != also_depth || a.dims.len() > 2 || b.dims.len() > 2 {
        return Err(wrong());
    }
    let (x, y) = (a.to_f32(), b.to_f32());
    let mut values = Vec::with_capacity(rows * columns);
    for row in 0..*rows {
        for column in 0..*columns {
            let products = (0..*depth)
                .map(|k| f64::from(x[row * depth + k]) * f64::from(y[k * columns + column]));
            values.push(products.sum::<f64>() as f32);
        }
    }
    Ok(Constant::new(vec![*rows, *columns], Data::F32(values)))
}
