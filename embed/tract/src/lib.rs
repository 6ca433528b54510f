//! Binary layers of ONNX and QONNX nets, run by XNOR and bit counts inside tract.
//!
//! [`onnx`] is tract's reader with QONNX's `BipolarQuant` added, and [`replace`] puts an operator of `bernet-kernels` in the place of every
//! product and convolution whose weights and activations each have two values, `±s`. The rest of a graph stays tract's.
//!
//! ```no_run
//! use tract_onnx::prelude::*;
//!
//! let mut model = bernet_tract::onnx()
//!     .model_for_path("net.onnx")?
//!     .with_input_fact(0, f32::fact([1, 1, 28, 28]).into())?
//!     .into_typed()?;
//! println!("{} binary layers", bernet_tract::replace(&mut model)?);
//! let net = model.into_optimized()?.into_runnable()?;
//! let logits = net.run(tvec!(Tensor::zero::<f32>(&[1, 1, 28, 28])?.into()))?;
//! # Ok::<(), TractError>(())
//! ```

mod activation;
mod convolution;
mod epilogue;
mod magnitude;
mod product;
mod qonnx;

pub use qonnx::onnx;
use tract_onnx::{prelude::*, tract_core::model::Rewriter};

/// Replaces the binary products and convolutions of a graph, and says how many there were. Where the sums become `±s` by a comparison and a
/// `Where`, with arithmetic with constants in between or not, that becomes a part of the operator.
///
/// The graph is decluttered first, so that weights which it computes from constants are constants. A layer stays as it is where its
/// activations are not seen to be `±s` by construction, where its weights are not `±α` for each output, and where an image's size or
/// channels are not known.
///
/// Sums are exact: those of ±1 are the same bits as tract's own. Where `s` or `α` is no power of two, tract rounds each product and sum, and
/// the operator only the last step.
///
/// # Errors
/// Those of tract's own passes.
pub fn replace(model: &mut TypedModel) -> TractResult<usize> {
    model.declutter()?;
    Rewriter::default()
        .with_rule_for("xnor-product", product::rule)
        .with_rule_for("xnor-convolution", convolution::rule)
        .rewrite(&(), model)?;
    Rewriter::default()
        .with_rule_for("xnor-activation", activation::rule)
        .rewrite(&(), model)?;
    let binary = |node: &&TypedNode| {
        node.op_is::<product::XnorProduct>() || node.op_is::<convolution::XnorConvolution>()
    };
    Ok(model.nodes().iter().filter(binary).count())
}
