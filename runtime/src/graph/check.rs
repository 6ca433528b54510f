//! Whether a graph fits together.

use super::{
    ArrayLayout, Graph, GraphError, Kind, NODES_LIMIT, Pixels, Place, Shape, ValueId, infer,
    rules::{check_channels, check_finite, check_permutation, check_shape},
};
use alloc::{collections::BTreeSet, format, string::String, vec, vec::Vec};

impl ArrayLayout {
    fn check(&self, place: &Place, shape: Shape) -> Result<(), GraphError> {
        let len = self
            .dims
            .iter()
            .fold(1_usize, |len, &dim| len.saturating_mul(dim));
        place.check(
            len == shape.len() && self.dims.len() <= 16,
            "array",
            format!("as many values as {shape}"),
            format!("{:?}", self.dims),
        )?;
        check_permutation(place, &self.perm, self.dims.len())
    }
}

impl Pixels {
    fn check(&self, place: &Place, kind: Kind, shape: Shape) -> Result<(), GraphError> {
        let suits = match self {
            Self::Unsaid => true,
            Self::AtLeast(_) => kind == Kind::Bit,
            Self::Bytes => kind == Kind::U8,
            Self::Affine { scale, bias } => {
                check_channels(place, "scales of pixels", scale.len(), shape, false)?;
                check_channels(place, "biases of pixels", bias.len(), shape, false)?;
                check_finite(place, "scale of pixels", scale)?;
                check_finite(place, "bias of pixels", bias)?;
                kind == Kind::F32
            }
        };
        place.check(
            suits,
            "pixels",
            format!("a reading for {}", kind.name()),
            format!("{self:?}"),
        )
    }
}

impl Graph {
    /// Checks that the graph can be run: every value has one producer before its first reader,
    /// types and shapes follow from the operators, names are there and unique.
    ///
    /// # Errors
    /// [`GraphError`] names the first place that does not fit.
    pub fn validate(&self) -> Result<(), GraphError> {
        let place = Place::Graph;
        place.check(
            self.nodes.len() <= NODES_LIMIT,
            "nodes",
            format!("at most {NODES_LIMIT}"),
            self.nodes.len(),
        )?;
        place.check(!self.inputs.is_empty(), "inputs", "at least 1", 0)?;
        place.check(!self.outputs.is_empty(), "outputs", "at least 1", 0)?;
        let mut defined = vec![false; self.values.len()];
        let mut names = BTreeSet::new();
        for input in &self.inputs {
            let place = Place::Input(input.name.clone());
            check_name(&place, &input.name, &mut names)?;
            self.define(&mut defined, &place, input.value)?;
            let value = self.value(input.value);
            check_shape(&place, value.shape)?;
            input.layout.check(&place, value.shape)?;
            input.pixels.check(&place, value.kind, value.shape)?;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let place = Place::Node {
                index,
                name: node.name.clone(),
                op: node.op.name(),
            };
            for id in &node.inputs {
                check_defined(&defined, &place, *id)?;
            }
            let types: Vec<_> = node.inputs.iter().map(|id| self.value(*id)).collect();
            let outputs = infer(&node.op, &types, &place)?;
            place.check(
                outputs.len() == node.outputs.len(),
                "number of outputs",
                outputs.len(),
                node.outputs.len(),
            )?;
            for (id, expected) in node.outputs.iter().zip(outputs) {
                self.define(&mut defined, &place, *id)?;
                let found = self.value(*id);
                place.check(found == expected, "output", expected, found)?;
            }
        }
        let unmade = defined.iter().position(|defined| !defined);
        if let Some(unmade) = unmade {
            return Err(place.error("value", "an input or a node's output", unmade));
        }
        let mut names = BTreeSet::new();
        for output in &self.outputs {
            let place = Place::Output(output.name.clone());
            check_name(&place, &output.name, &mut names)?;
            check_defined(&defined, &place, output.value)?;
            output
                .layout
                .check(&place, self.value(output.value).shape)?;
        }
        Ok(())
    }

    fn define(&self, defined: &mut [bool], place: &Place, id: ValueId) -> Result<(), GraphError> {
        match defined.get_mut(id.index()) {
            None => Err(place.error("value", "one of the graph", id.0)),
            Some(true) => Err(place.error("value", "one that nothing else makes", id.0)),
            Some(defined) => {
                *defined = true;
                Ok(())
            }
        }
    }
}

fn check_name(place: &Place, name: &str, names: &mut BTreeSet<String>) -> Result<(), GraphError> {
    place.check(
        !name.is_empty() && names.insert(name.into()),
        "name",
        "one that is not empty and not used twice",
        format!("\"{name}\""),
    )
}

fn check_defined(defined: &[bool], place: &Place, id: ValueId) -> Result<(), GraphError> {
    let found = defined.get(id.index());
    place.check(
        found == Some(&true),
        "input",
        "a value that an input or an earlier node makes",
        id.0,
    )
}
