//! Places in an arena for values that live from one step to another.

use alloc::vec::Vec;
use core::{cmp::Reverse, ops::RangeInclusive};

/// Something that needs memory.
pub(super) struct Tenant {
    /// The steps while it is there.
    pub(super) life: RangeInclusive<usize>,
    pub(super) words: usize,
}

/// Where each begins, and the words of all: the largest first, each as low as those that live with
/// it allow.
pub(super) fn place(tenants: &[Tenant]) -> (Vec<usize>, usize) {
    let mut order: Vec<_> = (0..tenants.len()).collect();
    order.sort_by_key(|&index| (Reverse(tenants[index].words), *tenants[index].life.start()));
    let mut starts = alloc::vec![0; tenants.len()];
    let mut end = 0;
    for (done, &index) in order.iter().enumerate() {
        let Tenant { life, words } = &tenants[index];
        let together = |&&other: &&usize| {
            let other = &tenants[other].life;
            other.start() <= life.end() && life.start() <= other.end()
        };
        let mut near: Vec<_> = order[..done].iter().filter(together).copied().collect();
        near.sort_by_key(|&other| starts[other]);
        let mut at = 0;
        for other in near {
            if at + words <= starts[other] {
                break;
            }
            at = at.max(starts[other] + tenants[other].words);
        }
        starts[index] = at;
        end = end.max(at + words);
    }
    (starts, end)
}
