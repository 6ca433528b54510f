//! A net: planned once, run on typed arrays.

use crate::{
    describe,
    values::{self, Batch, Values},
};
use bernet_kernels::isa::Level;
use bernet_runtime::{
    execute::{TensorMut, Workspace},
    format,
    graph::{ArrayLayout, Graph, Op, Output, Value},
    plan::{Options, Program},
};
use js_sys::{Array, Object};
use wasm_bindgen::{JsError, JsValue, prelude::wasm_bindgen};

/// Most bytes of the values of one item.
const MEMORY_LIMIT: usize = 1 << 30;

/// A net in memory, ready to run.
#[wasm_bindgen]
pub struct Net {
    graph: Graph,
    plain: Runner,
    /// Hands out the values of all nodes; planned when they are first asked for.
    traced: Option<Runner>,
}

/// A program and its memory.
struct Runner {
    program: Program,
    workspace: Workspace,
}

#[wasm_bindgen]
impl Net {
    /// Reads and plans a `.bnet` file.
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: &[u8]) -> Result<Net, JsError> {
        let graph = format::from_bytes(bytes)?;
        let plain = Runner::new(&graph)?;
        let traced = None;
        Ok(Net {
            graph,
            plain,
            traced,
        })
    }

    /// The instruction set: `simd128` or `portable`.
    pub fn level() -> String {
        Level::best().name().into()
    }

    /// Inputs, outputs, layers and metadata.
    pub fn describe(&self) -> Object {
        describe::net(&self.graph)
    }

    /// Weights, thresholds and the like of a layer.
    pub fn parameters(&self, layer: usize) -> Result<Object, JsError> {
        let node = self.graph.nodes.get(layer).ok_or_else(|| {
            let count = self.graph.nodes.len();
            JsError::new(&format!(
                "layer: expected 0 to {}, found {layer}",
                count - 1
            ))
        })?;
        Ok(describe::parameters(&node.op))
    }

    /// Runs a batch: a typed array for each input, in order; returns one for each output.
    pub fn run(&mut self, inputs: &Array) -> Result<Array, JsError> {
        let batches = self.read(inputs)?;
        self.plain.run(&batches)
    }

    /// As `run`; returns an array for each layer, and `undefined` for constants.
    pub fn activations(&mut self, inputs: &Array) -> Result<Array, JsError> {
        let batches = self.read(inputs)?;
        let runner = match &mut self.traced {
            Some(runner) => runner,
            none => none.insert(Runner::new(&traced(&self.graph))?),
        };
        let mut values = runner.run(&batches)?.into_iter();
        let of_layers = self.graph.nodes.iter().map(|node| match node.op {
            Op::Constant(_) => JsValue::UNDEFINED,
            _ => values.next().unwrap_or(JsValue::UNDEFINED),
        });
        Ok(of_layers.collect())
    }
}

impl Net {
    fn read(&self, arrays: &Array) -> Result<Vec<Batch>, JsError> {
        let inputs = &self.graph.inputs;
        if arrays.length() as usize != inputs.len() {
            return Err(JsError::new(&format!(
                "number of inputs: expected {}, found {}",
                inputs.len(),
                arrays.length()
            )));
        }
        let level = self.plain.program.level();
        let batches = inputs.iter().zip(arrays.iter()).map(|(input, array)| {
            let value = self.graph.value(input.value);
            values::read(&input.name, value, &input.pixels, &array, level)
        });
        batches.collect()
    }
}

/// The graph with the values of all nodes but constants as its outputs.
fn traced(graph: &Graph) -> Graph {
    let mut traced = graph.clone();
    let nodes = graph.nodes.iter().enumerate();
    traced.outputs = nodes
        .filter(|(_, node)| !matches!(node.op, Op::Constant(_)))
        .map(|(index, node)| Output {
            name: format!("layer {index}"),
            value: node.outputs[0],
            layout: ArrayLayout::nhwc(graph.value(node.outputs[0]).shape),
        })
        .collect();
    traced
}

impl Runner {
    fn new(graph: &Graph) -> Result<Self, JsError> {
        let options = Options {
            memory_limit: MEMORY_LIMIT,
            ..Options::default()
        };
        let program = Program::new(graph, &options)?;
        let workspace = Workspace::new(&program);
        Ok(Self { program, workspace })
    }

    fn run(&mut self, inputs: &[Batch]) -> Result<Array, JsError> {
        let items = inputs.first().map_or(0, |batch| batch.items);
        let ports = self.program.outputs();
        let mut outputs = Vec::with_capacity(ports.len());
        for port in ports {
            let (kind, shape) = (port.kind, port.shape);
            outputs.push(Values::zeros(&port.name, Value { kind, shape }, items)?);
        }
        let read: Vec<_> = inputs.iter().map(|batch| batch.values.as_ref()).collect();
        let mut written: Vec<TensorMut<'_>> = outputs.iter_mut().map(Values::as_mut).collect();
        self.program
            .run(&mut self.workspace, items, &read, &mut written)?;
        let shapes = self.program.outputs().iter().map(|port| port.shape);
        let arrays = outputs
            .iter()
            .zip(shapes)
            .map(|(values, shape)| values.to_js(shape));
        Ok(arrays.collect())
    }
}
