//! Single layers, replaced and tract's own: the same numbers, in sizes and layouts of every remainder.

use tract_onnx::{
    prelude::*,
    tract_core::ops::{
        binary::TypedBinOp,
        cnn::{Conv, KernelFormat, PaddingSpec, PoolSpec},
        einsum::EinSum,
        logic::{Iff, comp_gte},
        math::Mul,
        nn::DataFormat,
    },
};

/// xorshift: any numbers will do.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Numbers around 0, none of them 0.
    fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let values = (0..shape.iter().product())
            .map(|_| (self.next() >> 40) as f32 - (1 << 23) as f32 + 0.5);
        let values: Vec<_> = values.collect();
        Tensor::from_shape(shape, &values).unwrap()
    }

    /// ±α, an α of its own for each index of an axis.
    fn weights(&mut self, shape: &[usize], axis: usize) -> Tensor {
        let stride: usize = shape[axis + 1..].iter().product();
        let mut tensor = self.tensor(shape);
        let mut plain = tensor.try_as_plain_ram_mut().unwrap();
        for (index, value) in plain.as_slice_mut::<f32>().unwrap().iter_mut().enumerate() {
            *value = value.signum() * [0.5, 1.0, 2.0][index / stride % shape[axis] % 3];
        }
        drop(plain);
        tensor
    }
}

/// A graph up to the signs of its input, times `magnitude`.
fn signs(model: &mut TypedModel, shape: &[TDim], magnitude: f32) -> TractResult<OutletId> {
    let input = model.add_source("input", f32::fact(shape))?;
    let one = tvec![1; shape.len()];
    let constant = |model: &mut TypedModel, name: &str, value: f32| {
        model.add_const(name, tensor0(value).broadcast_to_shape(&one)?)
    };
    let zero = constant(model, "zero", 0.0)?;
    let plus = constant(model, "plus", magnitude)?;
    let minus = constant(model, "minus", -magnitude)?;
    let reached = model.wire_node("reached", TypedBinOp(comp_gte(), None), &[input, zero])?[0];
    Ok(model.wire_node("signs", Iff, &[reached, plus, minus])?[0])
}

/// `±3` of numbers times a factor and at least a limit, each of which differs along an axis.
fn activated(
    model: &mut TypedModel,
    numbers: OutletId,
    axis: usize,
    random: &mut Random,
) -> TractResult<OutletId> {
    let shape = model.outlet_fact(numbers)?.shape.to_tvec();
    let mut dims = vec![1; shape.len()];
    let one = tensor0(0f32).broadcast_to_shape(&dims)?;
    dims[axis] = usize::try_from(shape[axis].to_i64()?)?;
    let factors = model.add_const("factors", random.weights(&dims, axis))?;
    let limits = model.add_const("limits", random.weights(&dims, axis))?;
    let plus = model.add_const("end.plus", tensor0(3f32).broadcast_to_shape(one.shape())?)?;
    let minus = model.add_const("end.minus", tensor0(-3f32).broadcast_to_shape(one.shape())?)?;
    let multiply = TypedBinOp(Box::new(Mul), None);
    let scaled = model.wire_node("scaled", multiply, &[numbers, factors])?[0];
    let reached = model.wire_node("last", TypedBinOp(comp_gte(), None), &[scaled, limits])?[0];
    Ok(model.wire_node("activations", Iff, &[reached, plus, minus])?[0])
}

/// Whether nothing is left of a comparison after a layer.
fn assert_activated(mut model: TypedModel, output: OutletId) -> TractResult<()> {
    model.select_output_outlets(&[output])?;
    bernet_tract::replace(&mut model)?;
    let choices = model.nodes().iter().filter(|node| node.op_is::<Iff>());
    assert_eq!(choices.count(), 1, "the choice of the input's signs alone");
    Ok(())
}

/// Compares a graph with its replacement, of which there are `layers`.
fn compare(
    what: &str,
    mut model: TypedModel,
    output: OutletId,
    layers: usize,
    input: &Tensor,
) -> TractResult<()> {
    model.select_output_outlets(&[output])?;
    let run = |model: TypedModel| {
        let output = model
            .into_optimized()?
            .into_runnable()?
            .run(tvec!(input.clone().into_tvalue()))?;
        Ok::<_, TractError>(output[0].clone().into_tensor())
    };
    let expected = run(model.clone())?;
    let mut replaced = model;
    assert_eq!(
        bernet_tract::replace(&mut replaced)?,
        layers,
        "{what}: layers replaced"
    );
    assert_eq!(run(replaced)?, expected, "{what}");
    Ok(())
}

#[test]
fn products() -> TractResult<()> {
    let mut random = Random(1);
    // Formula, shape of the activations, shape of the weights, their axis of outputs.
    type Case<'a> = (&'a str, &'a [usize], &'a [usize], usize);
    let cases: &[Case<'_>] = &[
        ("mk,kn->mn", &[3, 65], &[65, 5], 1),
        ("mk,kn->mn", &[1, 784], &[784, 64], 1),
        ("km,kn->nm", &[63, 4], &[63, 17], 1),
        ("mk,nk->nm", &[7, 2], &[2, 2], 0),
        ("abk,kn->abn", &[2, 3, 130], &[130, 33], 1),
        ("amk,akn->amn", &[2, 3, 70], &[1, 70, 9], 2),
        ("nchw,ochw->no", &[2, 3, 4, 5], &[6, 3, 4, 5], 0),
        ("nchw,oc->no", &[2, 33, 1, 1], &[7, 33], 0),
        ("nchw,oc->nohw", &[2, 33, 4, 5], &[7, 33], 0),
        ("nhwc,oc->nhwo", &[2, 3, 2, 64], &[128, 64], 0),
    ];
    for &(formula, shape, weights, axis) in cases {
        for swapped in [false, true] {
            let mut model = TypedModel::default();
            let dims: Vec<_> = shape.iter().map(|size| size.to_dim()).collect();
            let signs = signs(&mut model, &dims, 2.0)?;
            let weights = model.add_const("weights", random.weights(weights, axis))?;
            let (formula, inputs) = if swapped {
                let (inputs, output) = formula.split_once("->").unwrap();
                let (first, second) = inputs.split_once(',').unwrap();
                (format!("{second},{first}->{output}"), [weights, signs])
            } else {
                (formula.to_owned(), [signs, weights])
            };
            let op = EinSum::new(formula.parse()?, f32::datum_type());
            let output = model.wire_node("product", op, &inputs)?[0];
            let input = random.tensor(shape);
            compare(&formula, model.clone(), output, 1, &input)?;
            let own = if formula.contains('o') { 'o' } else { 'n' };
            let axis = formula.split_once("->").unwrap().1.find(own).unwrap();
            let output = activated(&mut model, output, axis, &mut random)?;
            compare(&formula, model.clone(), output, 1, &input)?;
            assert_activated(model, output)?;
        }
    }
    Ok(())
}

#[test]
fn convolutions() -> TractResult<()> {
    let mut random = Random(2);
    let explicit = |before: [usize; 2], after: [usize; 2]| {
        PaddingSpec::Explicit(before[..].into(), after[..].into())
    };
    // Channels, outputs, groups, kernel, stride, dilation, padding.
    type Case = (
        usize,
        usize,
        usize,
        [usize; 2],
        [usize; 2],
        [usize; 2],
        PaddingSpec,
    );
    let cases: Vec<Case> = vec![
        (1, 8, 1, [6, 6], [2, 2], [1, 1], PaddingSpec::Valid),
        (3, 65, 1, [3, 2], [1, 2], [1, 1], explicit([1, 0], [2, 1])),
        (64, 64, 1, [3, 3], [1, 1], [1, 1], PaddingSpec::SameUpper),
        (6, 4, 2, [2, 3], [1, 1], [2, 3], explicit([1, 1], [1, 1])),
        (33, 66, 33, [3, 3], [2, 2], [1, 1], PaddingSpec::SameLower),
    ];
    for (channels, outputs, groups, kernel, stride, dilation, padding) in cases {
        for format in [
            DataFormat::NCHW,
            DataFormat::NHWC,
            DataFormat::CHW,
            DataFormat::HWC,
        ] {
            let shape = format.from_n_c_hw(2, channels, [9usize, 11])?;
            let mut model = TypedModel::default();
            let dims: Vec<_> = shape.shape.iter().map(|size| size.to_dim()).collect();
            let signs = signs(&mut model, &dims, 1.0)?;
            let weights = random.weights(&[outputs, channels / groups, kernel[0], kernel[1]], 0);
            let weights = model.add_const("weights", weights)?;
            let bias = random.weights(&[outputs], 0);
            let bias = model.add_const("bias", bias)?;
            let op = Conv {
                pool_spec: PoolSpec {
                    data_format: format,
                    kernel_shape: kernel[..].into(),
                    padding: padding.clone(),
                    dilations: Some(dilation[..].into()),
                    strides: Some(stride[..].into()),
                    input_channels: channels,
                    output_channels: outputs,
                },
                kernel_fmt: KernelFormat::OIHW,
                group: groups,
                q_params: None,
            };
            let what = format!("{op:?}");
            let output = model.wire_node("convolution", op, &[signs, weights, bias])?[0];
            let input = random.tensor(&shape.shape);
            compare(&what, model.clone(), output, 1, &input)?;
            let output = activated(&mut model, output, shape.c_axis(), &mut random)?;
            compare(&what, model.clone(), output, 1, &input)?;
            assert_activated(model, output)?;
        }
    }
    Ok(())
}

/// Neither activations of any value nor weights of two magnitudes are a binary layer.
#[test]
fn what_is_not_binary_stays() -> TractResult<()> {
    let mut random = Random(3);
    let product = || EinSum::new("mk,kn->mn".parse().unwrap(), f32::datum_type());

    let mut model = TypedModel::default();
    let input = model.add_source("input", f32::fact([3, 4]))?;
    let weights = model.add_const("weights", random.weights(&[4, 5], 1))?;
    let output = model.wire_node("product", product(), &[input, weights])?[0];
    compare("any activations", model, output, 0, &random.tensor(&[3, 4]))?;

    let mut model = TypedModel::default();
    let signs = signs(&mut model, &[3.to_dim(), 4.to_dim()], 1.0)?;
    let weights = model.add_const("weights", random.weights(&[4, 5], 0))?;
    let output = model.wire_node("product", product(), &[signs, weights])?[0];
    compare("two magnitudes", model, output, 0, &random.tensor(&[3, 4]))
}
