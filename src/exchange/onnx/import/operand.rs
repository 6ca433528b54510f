//! What a node reads: constants, and arrays that depend on the inputs.

use super::net::{Dynamic, Net};
use crate::exchange::onnx::{constant::Constant, node::Node};
use bernet_runtime::graph::Kind;
use std::rc::Rc;

/// The two sizes of an open batch for which shape arithmetic is computed.
pub(super) const SIZES: [usize; 2] = [3, 1009];

/// A constant. Where it depends on the size of an open batch, it is known for two sizes.
#[derive(Clone, Debug)]
pub(super) struct Known(pub(super) [Rc<Constant>; 2]);

/// The value of a name.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Known(Known),
    Dynamic(Dynamic),
}

impl Known {
    pub(super) fn of(constant: Constant) -> Self {
        Self::shared(Rc::new(constant))
    }

    pub(super) fn shared(constant: Rc<Constant>) -> Self {
        Self([Rc::clone(&constant), constant])
    }

    /// Whether it depends on the batch.
    pub(super) fn varies(&self) -> bool {
        !Rc::ptr_eq(&self.0[0], &self.0[1]) && self.0[0] != self.0[1]
    }

    /// The constant, which does not depend on the batch; values that are the same for each item of
    /// the batch stand for one.
    pub(super) fn single(&self) -> Result<Rc<Constant>, String> {
        if !self.varies() {
            return Ok(Rc::clone(&self.0[0]));
        }
        let [few, many] = &self.0;
        if few.dims.first() == Some(&SIZES[0])
            && many.dims.first() == Some(&SIZES[1])
            && few.dims[1..] == many.dims[1..]
        {
            let item = few.len() / SIZES[0];
            let first = few.data.gather(0..item);
            let same = |constant: &Constant| {
                let repeated = (0..constant.len()).map(|index| index % item.max(1));
                first.gather(repeated) == constant.data
            };
            if same(few) && same(many) {
                let mut dims = few.dims.clone();
                dims[0] = 1;
                return Ok(Rc::new(Constant::new(dims, first)));
            }
        }
        Err(
            "one of its inputs depends on the size of the batch; export the net with a fixed \
             batch of 1"
                .into(),
        )
    }
}

/// The operands of a node.
pub(super) struct Operands<'a> {
    pub(super) node: &'a Node,
    pub(super) list: Vec<Option<Operand>>,
}

impl Operands<'_> {
    pub(super) fn optional(&self, index: usize) -> Option<&Operand> {
        self.list.get(index).and_then(Option::as_ref)
    }

    pub(super) fn get(&self, index: usize) -> Result<&Operand, String> {
        self.optional(index)
            .ok_or_else(|| format!("expected an input {index}, found none"))
    }

    /// An input that depends on the net's inputs.
    pub(super) fn dynamic(&self, index: usize) -> Result<&Dynamic, String> {
        match self.get(index)? {
            Operand::Dynamic(dynamic) => Ok(dynamic),
            Operand::Known(_) => Err(format!(
                "its input {index}: expected an array that depends on the net's inputs, found a \
                 constant"
            )),
        }
    }

    /// An input that is a constant; `None` where it is left out.
    pub(super) fn constant(&self, index: usize) -> Result<Option<Rc<Constant>>, String> {
        match self.optional(index) {
            None => Ok(None),
            Some(Operand::Known(known)) => known.single().map(Some),
            Some(Operand::Dynamic(_)) => Err(format!(
                "its input {index}: expected a constant, found an array that depends on the \
                 net's inputs"
            )),
        }
    }

    /// As [`Operands::constant`], where it must be there.
    pub(super) fn needed(&self, index: usize) -> Result<Rc<Constant>, String> {
        self.constant(index)?
            .ok_or_else(|| format!("expected an input {index}, found none"))
    }

    /// Every input that is there, as an array of this type.
    pub(super) fn arrays(&self, net: &mut Net, kind: Kind) -> Result<Vec<Dynamic>, String> {
        let given = self.list.iter().flatten();
        given.map(|operand| array(net, operand, kind)).collect()
    }
}

/// An operand as an array of this type.
pub(super) fn array(net: &mut Net, operand: &Operand, kind: Kind) -> Result<Dynamic, String> {
    match operand {
        Operand::Known(known) => net.array(&*known.single()?, kind),
        Operand::Dynamic(dynamic) if net.kind(dynamic.value) == kind => Ok(dynamic.clone()),
        Operand::Dynamic(dynamic) if kind == Kind::F32 => net.float(dynamic),
        Operand::Dynamic(dynamic) => Err(format!(
            "expected {}, found {}",
            kind.name(),
            net.kind(dynamic.value).name()
        )),
    }
}
