//! Forks and locks. A child of `fork` has copies of locks, and none of the threads that may hold them.
//!
//! Whoever takes a lock of this library holds forks off for so long, and a fork waits for that. So the child's copies are free.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

static GATE: RwLock<()> = RwLock::new(());

/// Until it is dropped, a fork of this process waits.
pub(crate) fn held_off() -> RwLockReadGuard<'static, ()> {
    #[cfg(unix)]
    handlers::register();
    GATE.read().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
mod handlers {
    use super::GATE;
    use std::{
        ffi::c_int,
        ptr,
        sync::{
            PoisonError, RwLockWriteGuard,
            atomic::{AtomicBool, AtomicPtr, Ordering},
        },
    };

    unsafe extern "C" {
        fn pthread_atfork(
            before: Option<extern "C" fn()>,
            parent: Option<extern "C" fn()>,
            child: Option<extern "C" fn()>,
        ) -> c_int;
    }

    static REGISTERED: AtomicBool = AtomicBool::new(false);
    /// What the thread that forks holds between the two handlers: null or from a box.
    static HELD: AtomicPtr<RwLockWriteGuard<'static, ()>> = AtomicPtr::new(ptr::null_mut());

    pub(super) fn register() {
        if !REGISTERED.load(Ordering::Relaxed) && !REGISTERED.swap(true, Ordering::Relaxed) {
            // SAFETY: the three functions are C's, without arguments, and none unwinds. Out of memory, the only error, leaves
            // forks as they would be without this file.
            unsafe { pthread_atfork(Some(before), Some(after), Some(after)) };
        }
    }

    extern "C" fn before() {
        let guard = GATE.write().unwrap_or_else(PoisonError::into_inner);
        HELD.store(Box::into_raw(Box::new(guard)), Ordering::Relaxed);
    }

    /// In the parent and in the child, by the thread that forked.
    extern "C" fn after() {
        let held = HELD.swap(ptr::null_mut(), Ordering::Relaxed);
        if !held.is_null() {
            // SAFETY: from the box that `before` made in this thread: whoever holds the gate is alone between the two.
            drop(unsafe { Box::from_raw(held) });
        }
    }
}
