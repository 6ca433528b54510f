//! What a program does, in numbers: for tables and profiles.

use super::{Kernel, Program, Step};
use crate::graph::{Kind, Shape};

/// A step of a program, for one item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StepInfo {
    /// The node of the graph that it was made of; of several the last.
    pub node: usize,
    /// What it computes.
    pub what: &'static str,
    /// The shape of its first output.
    pub shape: Shape,
    /// Multiply-accumulates with weights of a bit.
    pub binary_macs: u64,
    /// Multiply-accumulates of floats in convolutions and dense layers.
    pub real_macs: u64,
    /// Bytes of values that it reads and writes.
    pub bytes: u64,
}

impl Program {
    /// The steps, in the order in which they run.
    pub fn steps(&self) -> impl Iterator<Item = StepInfo> {
        self.steps.iter().map(|step| self.info(step))
    }

    fn info(&self, step: &Step) -> StepInfo {
        let output = self.slots[step.outputs[0].0];
        let sums = output.shape.len() as u64;
        let (what, binary, real) = match &step.kernel {
            Kernel::BitConv(_) => ("binary conv", sums * step.depth as u64, 0),
            Kernel::BitConvFused(fused) => {
                let what = match (fused.floats, &fused.at_least) {
                    (true, None) => "binary conv to floats",
                    (true, Some(_)) => "binary conv to floats and bits",
                    (false, _) => "binary conv to bits of floats",
                };
                (what, sums * step.depth as u64, 0)
            }
            Kernel::BitConvBits(_) => ("binary conv to bits", sums * step.depth as u64, 0),
            Kernel::ByteConv(_) => ("byte conv", sums * step.depth as u64, 0),
            Kernel::ByteConvBits(..) => ("byte conv to bits", sums * step.depth as u64, 0),
            Kernel::RealConv(_) => ("conv", 0, sums * step.depth as u64),
            Kernel::RealDense(_) => ("dense", 0, sums * step.depth as u64),
            Kernel::Elementwise(step) => match (step.floats, &step.bits) {
                (true, None) => ("elementwise", 0, 0),
                (true, Some(_)) => ("elementwise, and bits", 0, 0),
                (false, _) => ("elementwise to bits", 0, 0),
            },
            Kernel::Threshold(_) => ("threshold", 0, 0),
            Kernel::ToInt => ("cast", 0, 0),
            Kernel::Binary(_) => ("operation of two", 0, 0),
            Kernel::Select => ("select", 0, 0),
            Kernel::Pool(_) => ("pool", 0, 0),
            Kernel::Reduce(_) => ("reduce", 0, 0),
            Kernel::Softmax { .. } => ("softmax", 0, 0),
            Kernel::ArgMax => ("argmax", 0, 0),
            Kernel::Concat(_) => ("concat", 0, 0),
            Kernel::Slice { .. } => ("slice", 0, 0),
            Kernel::Pad { .. } => ("pad", 0, 0),
            Kernel::Copy => ("copy", 0, 0),
            Kernel::Transpose(_) => ("transpose", 0, 0),
        };
        let bytes = |slot: &super::SlotId| {
            let slot = self.slots[slot.0];
            match slot.kind {
                Kind::Bit => 8 * slot.words(1) as u64,
                Kind::U8 => slot.shape.len() as u64,
                Kind::I32 | Kind::F32 => 4 * slot.shape.len() as u64,
            }
        };
        StepInfo {
            node: step.node,
            what,
            shape: output.shape,
            binary_macs: binary,
            real_macs: real,
            bytes: step.inputs.iter().chain(&step.outputs).map(bytes).sum(),
        }
    }
}
