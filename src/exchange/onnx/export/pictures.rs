//! Inputs for pictures as other engines have them.

use bernet_runtime::graph::{
    ArrayLayout, Graph, GraphError, Kind, Node, Op, Pixels, RealThreshold, Value,
};

/// The graph with inputs of pictures as `[batch, channels, height, width]`: of pixel/255 as floats
/// where it reads bits, of bytes where it reads those; inputs of floats stay as they are.
///
/// The limit of a bit is in the middle between two pixels, out of reach of any rounding.
///
/// ```
/// use bernet::exchange::onnx;
/// use bernet_runtime::{format, graph::Kind};
///
/// let graph = format::read("models/mnist.bnet")?;
/// let graph = onnx::with_picture_input(&graph)?;
/// assert_eq!(graph.value(graph.inputs[0].value).kind, Kind::F32);
/// assert_eq!(graph.inputs[0].layout.dims, [1, 28, 28]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`GraphError`] where the graph is not valid.
pub fn with_picture_input(graph: &Graph) -> Result<Graph, GraphError> {
    graph.validate()?;
    let mut graph = graph.clone();
    let mut thresholds = Vec::new();
    for index in 0..graph.inputs.len() {
        let bits = graph.inputs[index].value;
        let shape = graph.value(bits).shape;
        match graph.inputs[index].pixels {
            Pixels::AtLeast(limit) => {
                let kind = Kind::F32;
                let value = graph.add_value(Value { kind, shape });
                let input = &mut graph.inputs[index];
                (input.value, input.layout) = (value, ArrayLayout::nchw(shape));
                input.pixels = Pixels::Affine {
                    scale: vec![1.0 / 255.0],
                    bias: vec![0.0],
                };
                let threshold = RealThreshold {
                    at_least: (f32::from(limit) - 0.5) / 255.0,
                    invert: false,
                };
                thresholds.push(Node {
                    name: String::new(),
                    op: Op::RealThreshold(vec![threshold; shape.channels]),
                    inputs: vec![value],
                    outputs: vec![bits],
                });
            }
            Pixels::Bytes => graph.inputs[index].layout = ArrayLayout::nchw(shape),
            Pixels::Affine { .. } | Pixels::Unsaid => {}
        }
    }
    graph.nodes.splice(0..0, thresholds);
    graph.validate()?;
    Ok(graph)
}
