//! Graph to graph: less work, the same outputs.
//!
//! Each pass is a file with its proof. Bits and labels are the same before and after; floats are
//! those of the same formula with at most one rounding more or less. Where a net computes NaN,
//! its signs may change: a sign has no right answer there.
//!
//! ```
//! use bernet_runtime::{graph::{Graph, Kind, Op, Shape}, passes::{self, Passes}};
//!
//! // Bits as floats, and their signs: the bits again.
//! let mut graph = Graph::default();
//! let x = graph.add_input("x", Kind::Bit, Shape::flat(3))?;
//! let floats = graph.add_node(Op::Cast(Kind::F32), &[x])?;
//! let y = graph.add_node(Op::Sign, &[floats])?;
//! graph.add_output("y", y)?;
//! let less = passes::run(&graph, &Passes::default())?;
//! assert_eq!((graph.nodes.len(), less.nodes.len()), (2, 0));
//! # Ok::<(), bernet_runtime::graph::GraphError>(())
//! ```

mod binarise;
mod chain;
mod constants;
mod dead;
mod range;
mod rewrite;
mod signs;
mod thresholds;
mod two_valued;

use crate::graph::{Graph, GraphError};

/// Which passes run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passes {
    /// What is computed from constants only becomes a constant.
    pub constants: bool,
    /// Real convolutions with weights ±α of two-valued inputs become binary.
    pub binarise: bool,
    /// Functions of integers before a sign become exact thresholds on the integers.
    pub thresholds: bool,
    /// Signs of what are bits already are left out.
    pub signs: bool,
    /// Values that nothing reads are left out.
    pub dead: bool,
}

impl Default for Passes {
    fn default() -> Self {
        Self {
            constants: true,
            binarise: true,
            thresholds: true,
            signs: true,
            dead: true,
        }
    }
}

impl Passes {
    /// None of them.
    pub fn none() -> Self {
        Self {
            constants: false,
            binarise: false,
            thresholds: false,
            signs: false,
            dead: false,
        }
    }
}

/// The graph after the passes, each once, in the order of their list.
///
/// # Errors
/// [`GraphError`] where the graph is not valid.
pub fn run(graph: &Graph, passes: &Passes) -> Result<Graph, GraphError> {
    graph.validate()?;
    let mut graph = graph.clone();
    for (wanted, pass) in [
        (
            passes.constants,
            constants::fold as fn(&Graph) -> Result<Graph, GraphError>,
        ),
        (passes.binarise, binarise::binarise),
        (passes.thresholds, thresholds::integrate),
        (passes.signs, signs::remove),
        (passes.dead, dead::remove),
    ] {
        if wanted {
            graph = pass(&graph)?;
        }
    }
    graph.validate()?;
    Ok(graph)
}
