//! A node with its attributes.

use super::{
    error::{ImportError, NodePlace},
    proto::AttributeProto,
};
use std::rc::Rc;

/// A node with its attributes.
pub(super) struct Node {
    pub(super) place: NodePlace,
    /// The version of the standard operators that counts for it.
    pub(super) opset: i64,
    pub(super) domain: String,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) attributes: Vec<Rc<AttributeProto>>,
}

impl Node {
    /// The operator, which is in one of the domains whose operators are known.
    pub(super) fn op(&self) -> Result<&str, String> {
        match self.domain.as_str() {
            ""
            | "ai.onnx"
            | "onnx.brevitas"
            | "qonnx.custom_op.general"
            | "finn.custom_op.general" => Ok(&self.place.op),
            domain => Err(format!(
                "operators of the domain {domain:?} are not known; export the net with standard \
                 ONNX or QONNX operators"
            )),
        }
    }

    /// The names of its inputs, empty where they are left out.
    pub(super) fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// The names of its outputs, empty where they are left out.
    pub(super) fn outputs(&self) -> &[String] {
        &self.outputs
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
            .map(|attribute| &**attribute)
    }

    pub(super) fn integer(&self, name: &str, default: i64) -> i64 {
        self.attribute(name)
            .map_or(default, |attribute| attribute.i.unwrap_or(0))
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name)
            .map_or(default, |attribute| attribute.f.unwrap_or(0.0))
    }

    pub(super) fn integers(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name)
            .map(|attribute| attribute.ints.as_slice())
    }

    pub(super) fn text<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str, String> {
        match self.attribute(name) {
            None => Ok(default),
            Some(attribute) => std::str::from_utf8(attribute.s.as_deref().unwrap_or_default())
                .map_err(|_| format!("its attribute {name}: expected UTF-8 text")),
        }
    }

    pub(super) fn error(&self, why: String) -> ImportError {
        let place = self.place.clone();
        ImportError::Node { place, why }
    }
}
