//! Arrays of the file that depend on the inputs, and how a graph's values hold them.
//!
//! The batch is an axis of size 1 in the sizes, since the graph's shapes are those of one item.
//! The order is that of the axes in memory; so a transposition moves nothing, and values move only
//! where an operator needs another order.

use bernet_runtime::graph::ValueId;

/// An array that depends on the inputs.
#[derive(Clone, Debug)]
pub(super) struct Dynamic {
    pub(super) value: ValueId,
    /// The sizes in the file's order, the batch being 1.
    pub(super) dims: Vec<usize>,
    /// The axis of the batch.
    pub(super) batch: Option<usize>,
    /// The axes as they are in memory, the last fastest.
    pub(super) order: Vec<usize>,
}

impl Dynamic {
    pub(super) fn rank(&self) -> usize {
        self.dims.len()
    }

    pub(super) fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// The axes in memory, without those of size 1.
    pub(super) fn wide_order(&self) -> Vec<usize> {
        let wide = |axis: &&usize| self.dims[**axis] != 1;
        self.order.iter().filter(wide).copied().collect()
    }

    /// The same array with other sizes and another value, whose order is the same.
    pub(super) fn with(&self, value: ValueId, dims: Vec<usize>) -> Self {
        Self {
            value,
            dims,
            ..self.clone()
        }
    }

    /// An axis that is not the batch, named by number from either end.
    pub(super) fn item_axis(&self, axis: i64) -> Result<usize, String> {
        let axis = crate::exchange::onnx::constant::normal_axis(axis, self.rank())?;
        self.check_item_axis(axis)?;
        Ok(axis)
    }

    pub(super) fn check_item_axis(&self, axis: usize) -> Result<(), String> {
        if self.batch == Some(axis) {
            return Err(
                "it goes over the batch, whose items are independent in a net that is run".into(),
            );
        }
        Ok(())
    }

    /// The sizes as the file has them, for errors: N is the batch.
    pub(super) fn describe(&self) -> String {
        let sizes = self.dims.iter().enumerate().map(|(axis, size)| {
            if self.batch == Some(axis) {
                "N".to_owned()
            } else {
                size.to_string()
            }
        });
        format!("[{}]", sizes.collect::<Vec<_>>().join(", "))
    }

    /// The array without some axes of size 1.
    pub(super) fn without(&self, removed: &[bool]) -> Self {
        let kept = |axis: &usize| !removed[*axis];
        // Where each axis goes.
        let place = |axis: usize| (0..axis).filter(kept).count();
        Self {
            value: self.value,
            dims: (0..self.rank())
                .filter(kept)
                .map(|axis| self.dims[axis])
                .collect(),
            batch: self.batch.map(place),
            order: self.order.iter().copied().filter(kept).map(place).collect(),
        }
    }

    /// The array with new axes of size 1.
    pub(super) fn with_ones(&self, added: &[bool]) -> Self {
        let old: Vec<usize> = (0..added.len()).filter(|&axis| !added[axis]).collect();
        let mut dims = vec![1; added.len()];
        for (axis, &place) in old.iter().enumerate() {
            dims[place] = self.dims[axis];
        }
        let new = (0..added.len()).filter(|&axis| added[axis]);
        Self {
            value: self.value,
            dims,
            batch: self.batch.map(|batch| old[batch]),
            order: new
                .chain(self.order.iter().map(|&axis| old[axis]))
                .collect(),
        }
    }

    /// The array with axes of size 1 in front, up to a rank.
    pub(super) fn padded(&self, rank: usize) -> Self {
        let ahead = rank.saturating_sub(self.rank());
        let added: Vec<bool> = (0..ahead + self.rank()).map(|axis| axis < ahead).collect();
        self.with_ones(&added)
    }
}
