//! A graph that is written anew from another, node by node.

use crate::graph::{Graph, GraphError, Node, Op, ValueId};
use alloc::{vec, vec::Vec};

/// A new graph, and which of its values stands for each of the old one's.
pub(super) struct Rewrite<'g> {
    pub(super) old: &'g Graph,
    pub(super) new: Graph,
    new_of: Vec<Option<ValueId>>,
}

impl<'g> Rewrite<'g> {
    /// A graph with the old one's inputs and no nodes.
    pub(super) fn new(old: &'g Graph) -> Self {
        let mut rewrite = Self {
            old,
            new: Graph {
                metadata: old.metadata.clone(),
                inputs: old.inputs.clone(),
                ..Graph::default()
            },
            new_of: vec![None; old.values.len()],
        };
        for index in 0..old.inputs.len() {
            let input = old.inputs[index].value;
            let id = rewrite.new.add_value(old.value(input));
            rewrite.new.inputs[index].value = id;
            rewrite.new_of[input.index()] = Some(id);
        }
        rewrite
    }

    /// The new value that stands for an old one, whose node came before.
    pub(super) fn of(&self, old: ValueId) -> ValueId {
        self.new_of[old.index()].expect("nodes are rewritten in their order")
    }

    /// Copies a node as it is.
    pub(super) fn copy(&mut self, node: &Node) -> Result<(), GraphError> {
        let inputs: Vec<_> = node.inputs.iter().map(|input| self.of(*input)).collect();
        let outputs = self.new.add_named(&node.name, node.op.clone(), &inputs)?;
        for (old, new) in node.outputs.iter().zip(outputs) {
            self.new_of[old.index()] = Some(new);
        }
        Ok(())
    }

    /// Adds a node on new values, with the name of an old one.
    pub(super) fn add(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[ValueId],
    ) -> Result<ValueId, GraphError> {
        Ok(self.new.add_named(name, op, inputs)?[0])
    }

    /// Says which new value stands for an old one.
    pub(super) fn replace(&mut self, old: ValueId, new: ValueId) {
        debug_assert_eq!(self.old.value(old), self.new.value(new));
        self.new_of[old.index()] = Some(new);
    }

    /// The new graph with the old one's outputs.
    pub(super) fn finish(mut self) -> Graph {
        self.new.outputs = self.old.outputs.clone();
        for index in 0..self.new.outputs.len() {
            let old = self.old.outputs[index].value;
            self.new.outputs[index].value = self.of(old);
        }
        self.new
    }
}
