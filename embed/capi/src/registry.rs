//! Handles. What a caller holds is a number in the shape of a pointer, which nothing here ever follows: it is looked up. So a
//! handle that was freed, freed twice, made up, or of the other kind is an error and not a crash, and one that is freed
//! while another thread works with it lives until that thread is done. A look-up costs some 50 ns.

use crate::{
    boundary::{Failure, bernet_status::*},
    fork,
};
use std::{
    collections::BTreeMap,
    ptr::without_provenance_mut,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Numbers are not given twice, whatever the kind.
static LAST: AtomicUsize = AtomicUsize::new(0);

/// The living things of one kind.
pub(crate) struct Registry<T> {
    kind: &'static str,
    living: RwLock<BTreeMap<usize, Arc<T>>>,
}

impl<T> Registry<T> {
    pub(crate) const fn new(kind: &'static str) -> Self {
        Self {
            kind,
            living: RwLock::new(BTreeMap::new()),
        }
    }

    /// A handle for it.
    pub(crate) fn insert<Handle>(&self, thing: T) -> Result<*mut Handle, Failure> {
        // Where addresses have 32 bits, numbers can run out.
        let taken = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            last.checked_add(1)
        });
        let last = taken.map_err(|_| Failure::new(BERNET_INTERNAL, "handles have run out"))?;
        let _no_fork = fork::held_off();
        let mut living = self.living.write().unwrap_or_else(PoisonError::into_inner);
        living.insert(last + 1, Arc::new(thing));
        Ok(without_provenance_mut(last + 1))
    }

    /// What a handle stands for.
    pub(crate) fn get<Handle>(&self, handle: *const Handle) -> Result<Arc<T>, Failure> {
        let _no_fork = fork::held_off();
        let living = self.living.read().unwrap_or_else(PoisonError::into_inner);
        let found = living.get(&handle.addr()).map(Arc::clone);
        found.ok_or_else(|| self.unknown(handle))
    }

    /// Ends what a handle stands for; a null one stands for nothing, which is fine.
    pub(crate) fn remove<Handle>(&self, handle: *const Handle) -> Result<(), Failure> {
        if handle.is_null() {
            return Ok(());
        }
        let no_fork = fork::held_off();
        let mut living = self.living.write().unwrap_or_else(PoisonError::into_inner);
        let found = living.remove(&handle.addr());
        // Its memory is given back after the locks are.
        drop((living, no_fork));
        found.map(drop).ok_or_else(|| self.unknown(handle))
    }

    fn unknown<Handle>(&self, handle: *const Handle) -> Failure {
        let kind = self.kind;
        if handle.is_null() {
            return Failure::new(BERNET_POINTER, format!("{kind}: it is null"));
        }
        let text = format!("{kind}: handle {handle:?} was freed, or is not one of a {kind}");
        Failure::new(BERNET_HANDLE, text)
    }
}
