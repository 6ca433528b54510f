//! Convolutions, products with matrices, and normalisations.

use super::{
    elementwise::{apply, channels},
    net::{Dynamic, Net},
    operand::{Known, Operand, Operands},
    window::Windows,
};
use crate::exchange::onnx::constant::{Constant, Data, transpose};
use bernet_runtime::graph::{BinaryOp, Conv, ConvParams, Dense, Op, ReduceKind, UnaryOp};

/// `Conv` of one or two dimensions.
pub(super) fn conv(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let x = net.float(operands.dynamic(0)?)?;
    let weights = operands
        .needed(1)
        .map_err(|error| format!("weights: {error}; only weights that are constants are known"))?;
    let bias = operands.constant(2)?;
    let rank = x.rank();
    if weights.dims.len() != rank || !(3..=4).contains(&rank) {
        return Err(format!(
            "expected images [N, C, H, W] or lines [N, C, L] and weights of the same rank, found \
             {} and {:?}; convolutions of three dimensions are not known",
            x.describe(),
            weights.dims
        ));
    }
    check_batch_first(&x)?;
    let kernel: Vec<usize> = weights.dims[2..].to_vec();
    let windows = Windows::of(operands.node, &kernel, &x.dims[2..], false)?;
    let groups = usize::try_from(operands.node.integer("group", 1)).unwrap_or(0);
    let params = ConvParams {
        kernel: windows.kernel,
        stride: windows.stride,
        dilation: windows.dilation,
        padding: windows.padding,
        groups,
        ..ConvParams::valid(windows.kernel)
    };
    if let Some(declared) = operands.node.integers("kernel_shape")
        && !declared
            .iter()
            .map(|&size| size as usize)
            .eq(kernel.iter().copied())
    {
        return Err(format!(
            "kernel_shape: expected {kernel:?} as the weights have it, found {declared:?}"
        ));
    }
    // Rows of the order kernel line, kernel column, channel.
    let perm: Vec<usize> = [0].into_iter().chain(2..rank).chain([1]).collect();
    let outputs = weights.dims[0];
    let rows = transpose(&weights, &perm).to_f32();
    let bias = bias.map_or_else(Vec::new, |bias| bias.to_f32());
    let spatial: Vec<usize> = (2..rank).collect();
    let value = net.arrange(&x, &image_groups(&spatial))?;
    let conv = Conv {
        params,
        outputs,
        weights: rows,
        bias,
    };
    let value = net.node(Op::Conv(conv), &[value])?;
    Ok(image(net, &x, value))
}

/// The batch is the first axis, or there is one item.
pub(super) fn check_batch_first(x: &Dynamic) -> Result<(), String> {
    if x.batch.unwrap_or(0) == 0 && x.dims[0] == 1 {
        return Ok(());
    }
    Err(format!(
        "expected the batch on the first axis, found {}",
        x.describe()
    ))
}

/// Channels are axis 1, lines and pixels the axes after it.
pub(super) fn image_groups(spatial: &[usize]) -> [Vec<usize>; 3] {
    match *spatial {
        [height, width] => [vec![height], vec![width], vec![1]],
        [width] => [vec![], vec![width], vec![1]],
        _ => [vec![], spatial.to_vec(), vec![1]],
    }
}

/// The array `[N, C, H, W]` or `[N, C, L]` that a value is.
pub(super) fn image(net: &Net, x: &Dynamic, value: bernet_runtime::graph::ValueId) -> Dynamic {
    let shape = net.shape(value);
    let mut dims = vec![1, shape.channels, shape.height, shape.width];
    let mut order = vec![0, 2, 3, 1];
    if x.rank() == 3 {
        (dims, order) = (vec![1, shape.channels, shape.width], vec![0, 2, 1]);
    }
    Dynamic {
        value,
        dims,
        batch: x.batch,
        order,
    }
}

/// Sums over an axis with the rows of a matrix; the axis then has as many places as rows.
fn contract(
    net: &mut Net,
    x: &Dynamic,
    axis: usize,
    rows: &Constant,
    bias: Vec<f32>,
) -> Result<Dynamic, String> {
    x.check_item_axis(axis)?;
    let [outputs, depth] = rows.dims[..] else {
        return Err(format!("expected a matrix, found {:?}", rows.dims));
    };
    if depth != x.dims[axis] {
        return Err(format!(
            "inner sizes: expected {depth}, the matrix's, found {} of {}",
            x.dims[axis],
            x.describe()
        ));
    }
    let weights = rows.to_f32();
    let mut dims = x.dims.clone();
    dims[axis] = outputs;
    if x.len() == depth {
        let dense = Dense {
            outputs,
            weights,
            bias,
        };
        let value = net.node(Op::Dense(dense), &[x.value])?;
        return Ok(x.with(value, dims));
    }
    let (value, order) = net.on_channels(x, axis)?;
    let conv = Conv {
        params: ConvParams::valid([1, 1]),
        outputs,
        weights,
        bias,
    };
    let value = net.node(Op::Conv(conv), &[value])?;
    Ok(Dynamic {
        value,
        dims,
        batch: x.batch,
        order,
    })
}

/// `MatMul` with a constant matrix on either side.
pub(super) fn matmul(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let matrix = |known: &Known| -> Result<Constant, String> {
        let constant = known.single()?;
        let ones = constant.dims.len().saturating_sub(2);
        if constant.dims[..ones].iter().any(|&dim| dim != 1) {
            return Err(format!(
                "expected one matrix, found an array {:?}",
                constant.dims
            ));
        }
        Ok(Constant::new(
            constant.dims[ones..].to_vec(),
            constant.data.clone(),
        ))
    };
    match (operands.get(0)?, operands.get(1)?) {
        (Operand::Dynamic(x), Operand::Known(known)) => {
            let x = net.float(x)?;
            let last = x.item_axis(-1)?;
            let matrix = matrix(known)?;
            if let [depth] = matrix.dims[..] {
                // A vector: the axis vanishes.
                let row = Constant::new(vec![1, depth], matrix.data);
                let result = contract(net, &x, last, &row, vec![])?;
                let removed: Vec<bool> = (0..x.rank()).map(|axis| axis == last).collect();
                return Ok(result.without(&removed));
            }
            contract(net, &x, last, &transpose(&matrix, &[1, 0]), vec![])
        }
        (Operand::Known(known), Operand::Dynamic(x)) => {
            let x = net.float(x)?;
            let matrix = matrix(known)?;
            if x.rank() < 2 || matrix.dims.len() < 2 {
                return Err("expected matrices on both sides".into());
            }
            let axis = x.item_axis(-2)?;
            contract(net, &x, axis, &matrix, vec![])
        }
        _ => Err(
            "products of two arrays that both depend on the net's inputs, as in attention, are \
             not known"
                .into(),
        ),
    }
}

/// `alpha · A · B + beta · C`, with a constant matrix on either side.
pub(super) fn gemm(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let node = operands.node;
    let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
    let transposed = [
        node.integer("transA", 0) != 0,
        node.integer("transB", 0) != 0,
    ];
    // The bias is part of the sum where it has a number for each output.
    let mut inside = Vec::new();
    let (x, axis, rows) = match (operands.get(0)?, operands.get(1)?) {
        (Operand::Dynamic(x), Operand::Known(known)) => {
            let matrix = known.single()?;
            if x.rank() != 2 || matrix.dims.len() != 2 {
                return Err("expected two matrices".into());
            }
            let rows = if transposed[1] {
                (*matrix).clone()
            } else {
                transpose(&matrix, &[1, 0])
            };
            let x = turned(&net.float(x)?, transposed[0]);
            (x, 1, rows)
        }
        (Operand::Known(known), Operand::Dynamic(x)) => {
            let matrix = known.single()?;
            if x.rank() != 2 || matrix.dims.len() != 2 {
                return Err("expected two matrices".into());
            }
            let rows = if transposed[0] {
                transpose(&matrix, &[1, 0])
            } else {
                (*matrix).clone()
            };
            let x = turned(&net.float(x)?, transposed[1]);
            (x, 0, rows)
        }
        _ => {
            return Err(
                "products of two arrays that both depend on the net's inputs are not known".into(),
            );
        }
    };
    let mut bias = operands.optional(2);
    if let Some(Operand::Known(known)) = bias
        && (alpha, beta) == (1.0, 1.0)
        && axis == 1
    {
        let constant = known.single()?;
        let leading = constant
            .dims
            .split_last()
            .map_or(1, |(_, ahead)| ahead.iter().product());
        if leading == 1 && constant.len() == rows.dims[0] {
            inside = constant.to_f32();
            bias = None;
        }
    }
    let mut result = contract(net, &x, axis, &rows, inside)?;
    let scaled = |net: &mut Net, x: &Operand, scale: f32| {
        if scale == 1.0 {
            return Ok(x.clone());
        }
        let scale = Known::of(Constant::new(vec![], Data::F32(vec![scale])));
        match x {
            Operand::Known(known) => {
                let (constant, scale) = (known.single()?, scale.single()?);
                let constant = Constant::new(constant.dims.clone(), Data::F32(constant.to_f32()));
                let product = crate::exchange::onnx::constant::binary("Mul", &constant, &scale)?;
                Ok::<_, String>(Operand::Known(Known::of(product)))
            }
            Operand::Dynamic(_) => {
                super::elementwise::binary(net, "Mul", x, &Operand::Known(scale))
                    .map(Operand::Dynamic)
            }
        }
    };
    if let Operand::Dynamic(product) = scaled(net, &Operand::Dynamic(result.clone()), alpha)? {
        result = product;
    }
    if let Some(bias) = bias.filter(|_| beta != 0.0) {
        let bias = scaled(net, bias, beta)?;
        result = super::elementwise::binary(net, "Add", &Operand::Dynamic(result), &bias)?;
    }
    Ok(result)
}

/// A matrix, transposed or not; nothing moves.
fn turned(x: &Dynamic, transposed: bool) -> Dynamic {
    if !transposed {
        return x.clone();
    }
    Dynamic {
        value: x.value,
        dims: vec![x.dims[1], x.dims[0]],
        batch: x.batch.map(|batch| 1 - batch),
        order: x.order.iter().map(|&axis| 1 - axis).collect(),
    }
}

/// `scale / √(variance + epsilon)` and the bias that goes with it, rounded as ONNX Runtime does.
pub(super) fn batch_norm(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    if operands.node.integer("training_mode", 0) != 0 {
        return Err("training_mode 1: export the net in evaluation mode, model.eval()".into());
    }
    let x = net.float(operands.dynamic(0)?)?;
    let mut lists = Vec::new();
    for index in 1..5 {
        lists.push(operands.needed(index)?.to_f32());
    }
    let channels_of_x = if x.rank() > 1 { x.dims[1] } else { 1 };
    if lists.iter().any(|list| list.len() != channels_of_x) {
        return Err(format!(
            "expected {channels_of_x} numbers a list, as many as channels, found {:?}",
            lists.iter().map(Vec::len).collect::<Vec<_>>()
        ));
    }
    let epsilon = operands.node.float("epsilon", 1e-5);
    let scale: Vec<f32> = lists[0]
        .iter()
        .zip(&lists[3])
        .map(|(scale, variance)| scale / (variance + epsilon).sqrt())
        .collect();
    let bias: Vec<f32> = (0..scale.len())
        .map(|channel| lists[1][channel] - lists[2][channel] * scale[channel])
        .collect();
    let mut dims = vec![1; x.rank().saturating_sub(1).max(1)];
    dims[0] = scale.len();
    let scale = Constant::new(dims.clone(), Data::F32(scale));
    let bias = Constant::new(dims, Data::F32(bias));
    if let Some((array, scale)) = channels(net, &x, &scale)?
        && let Some((_, bias)) = channels(net, &array, &bias)?
    {
        return net.map(&array, Op::Affine { scale, bias });
    }
    let [scale, bias] = [scale, bias].map(|list| Operand::Known(Known::of(list)));
    let scaled = super::elementwise::binary(net, "Mul", &Operand::Dynamic(x), &scale)?;
    super::elementwise::binary(net, "Add", &Operand::Dynamic(scaled), &bias)
}

/// Each group of values less its mean, over its standard deviation.
fn standardise(net: &mut Net, x: &Dynamic, axes: &[bool], epsilon: f32) -> Result<Dynamic, String> {
    let mean = super::reduce::reduce(net, x, ReduceKind::Mean, axes)?;
    let centred = apply(net, Op::Binary(BinaryOp::Sub), &[x.clone(), mean])?;
    let mul = Op::Binary(BinaryOp::Mul);
    let square = apply(net, mul.clone(), &[centred.clone(), centred.clone()])?;
    let variance = super::reduce::reduce(net, &square, ReduceKind::Mean, axes)?;
    let (scale, bias) = (vec![], vec![epsilon]);
    let variance = net.map(&variance, Op::Affine { scale, bias })?;
    let deviation = net.unary(&variance, UnaryOp::Sqrt)?;
    apply(net, Op::Binary(BinaryOp::Div), &[centred, deviation])
}

/// `x · scale + bias` with operands of any shape.
fn scale_and_shift(
    net: &mut Net,
    x: Dynamic,
    scale: Option<Operand>,
    bias: Option<Operand>,
) -> Result<Dynamic, String> {
    let mut x = x;
    for (op, operand) in [("Mul", scale), ("Add", bias)] {
        if let Some(operand) = operand {
            x = super::elementwise::binary(net, op, &Operand::Dynamic(x), &operand)?;
        }
    }
    Ok(x)
}

/// A list with a number for each channel, as an array that broadcasts to `[N, C, …]`.
fn per_channel(operands: &Operands, index: usize, rank: usize) -> Result<Operand, String> {
    let list = operands.needed(index)?;
    let mut dims = vec![1; rank - 1];
    dims[0] = list.len();
    Ok(Operand::Known(Known::of(Constant::new(
        dims,
        list.data.clone(),
    ))))
}

/// Normalisation of each channel over its own pixels.
pub(super) fn instance_norm(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let x = net.float(operands.dynamic(0)?)?;
    if x.rank() < 3 {
        return Err(format!("expected [N, C, …], found {}", x.describe()));
    }
    let axes: Vec<bool> = (0..x.rank()).map(|axis| axis > 1).collect();
    let epsilon = operands.node.float("epsilon", 1e-5);
    let result = standardise(net, &x, &axes, epsilon)?;
    let scale = per_channel(operands, 1, x.rank())?;
    let bias = per_channel(operands, 2, x.rank())?;
    scale_and_shift(net, result, Some(scale), Some(bias))
}

/// Normalisation of all values from an axis on.
pub(super) fn layer_norm(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let x = net.float(operands.dynamic(0)?)?;
    let first = x.item_axis(operands.node.integer("axis", -1))?;
    let axes: Vec<bool> = (0..x.rank()).map(|axis| axis >= first).collect();
    let epsilon = operands.node.float("epsilon", 1e-5);
    let result = standardise(net, &x, &axes, epsilon)?;
    let scale = operands.optional(1).cloned();
    let bias = operands.optional(2).cloned();
    scale_and_shift(net, result, scale, bias)
}
