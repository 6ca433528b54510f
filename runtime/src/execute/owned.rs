//! Runs of programs on tensors that own their values.

use super::{TensorMut, TensorRef};
use crate::{
    graph::{Kind, Shape},
    plan::{Port, Program},
    tensor::{Data, Tensor, pack_bits, unpack_bits},
};
use alloc::{vec, vec::Vec};

/// Hands a batch of tensors and memory for the outputs to `run`, in the order of the graph's
/// inputs and outputs, and returns the outputs. The batch is that of the first input.
pub(crate) fn run_owned<E>(
    program: &Program,
    inputs: &[Tensor],
    run: impl FnOnce(usize, &[TensorRef<'_>], &mut [TensorMut<'_>]) -> Result<(), E>,
) -> Result<Vec<Tensor>, E> {
    let batch = inputs.first().map_or(0, Tensor::batch);
    let packed: Vec<_> = inputs.iter().map(pack).collect();
    let references: Vec<_> = inputs
        .iter()
        .zip(&packed)
        .map(|(tensor, words)| match tensor.data() {
            Data::Bit(_) => TensorRef::Bit(words),
            Data::U8(values) => TensorRef::U8(values),
            Data::I32(values) => TensorRef::I32(values),
            Data::F32(values) => TensorRef::F32(values),
        })
        .collect();
    let ports = program.outputs().iter();
    let mut outputs: Vec<_> = ports.map(|port| Owned::new(port, batch)).collect();
    let mut slices: Vec<_> = outputs.iter_mut().map(Owned::slice).collect();
    run(batch, &references, &mut slices)?;
    let ports = program.outputs().iter();
    Ok(outputs
        .into_iter()
        .zip(ports)
        .map(|(output, port)| output.tensor(batch, port.shape))
        .collect())
}

/// The words of a tensor of bits; nothing for other types.
fn pack(tensor: &Tensor) -> Vec<u64> {
    match tensor.data() {
        Data::Bit(values) => pack_bits(values, tensor.shape()),
        _ => Vec::new(),
    }
}

/// Memory of an output.
enum Owned {
    Bit(Vec<u64>),
    U8(Vec<u8>),
    I32(Vec<i32>),
    F32(Vec<f32>),
}

impl Owned {
    fn new(port: &Port, batch: usize) -> Self {
        let len = batch * port.item_len();
        match port.kind {
            Kind::Bit => Self::Bit(vec![0; len]),
            Kind::U8 => Self::U8(vec![0; len]),
            Kind::I32 => Self::I32(vec![0; len]),
            Kind::F32 => Self::F32(vec![0.0; len]),
        }
    }

    fn slice(&mut self) -> TensorMut<'_> {
        match self {
            Self::Bit(values) => TensorMut::Bit(values),
            Self::U8(values) => TensorMut::U8(values),
            Self::I32(values) => TensorMut::I32(values),
            Self::F32(values) => TensorMut::F32(values),
        }
    }

    fn tensor(self, batch: usize, shape: Shape) -> Tensor {
        let data = match self {
            Self::Bit(words) => Data::Bit(unpack_bits(&words, shape)),
            Self::U8(values) => Data::U8(values),
            Self::I32(values) => Data::I32(values),
            Self::F32(values) => Data::F32(values),
        };
        Tensor::new(batch, shape, data).expect("an output has as many values as its shape")
    }
}
