//! Thread pools that survive `fork`, and the limits on numbers of threads.
//!
//! A child of `fork` has a copy of its parent's memory and none of its threads. Work that is handed to a copied pool waits there for
//! ever. The pools of this module remember the process that made them: in a child, the first use makes new threads, or is an
//! error where the system does not give them. The parent's pool is not touched in the child; its memory is leaked there, since its
//! locks may be held by threads that do not exist.
//!
//! * [`ThreadPool`] is a pool of a given number of threads, for one owner. Its threads are joined when it is dropped.
//! * [`install`] runs work on the pool that the whole process shares, which is made by the first call.
//! * [`Idle`] keeps working memory between calls, and never waits for a lock.
//! * [`most`] is the limit on every number of threads that a user can ask for.
//!
//! Nothing here waits for a lock that another thread can hold during a `fork`. The process is recognised by its id.
//!
//! ```
//! use bernet_kernels::threads::{self, ThreadPool, ThreadsError};
//! use rayon::prelude::*;
//!
//! let pool = ThreadPool::new(2)?;
//! let sum: u32 = pool.install(|| (0..1000_u32).into_par_iter().sum())?;
//! assert_eq!(sum, 499_500);
//! assert_eq!(threads::install(|| (0..1000_u32).into_par_iter().sum::<u32>())?, sum);
//! # Ok::<(), ThreadsError>(())
//! ```

use core::{
    error::Error,
    fmt, ptr,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};
use std::{
    boxed::Box,
    env, process,
    string::{String, ToString},
    sync::{Mutex, TryLockError},
    thread::{self, JoinHandle},
    vec::Vec,
};

/// Why there are no such threads.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ThreadsError {
    /// The number is 0, or more than [`most`].
    Number {
        /// How many were asked for.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// The system does not give them.
    System {
        /// How many were asked for.
        number: usize,
        /// What the system says.
        cause: String,
    },
    /// The process' shared pool has been made with another number.
    Shared {
        /// How many were asked for.
        found: usize,
        /// How many it has.
        number: usize,
    },
}

impl fmt::Display for ThreadsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { found, most } => {
                let machine = parallelism();
                write!(
                    out,
                    "threads: expected 1 to {most} (this machine runs {machine} at once), found {found}"
                )
            }
            Self::System { number, cause } => write!(
                out,
                "threads: the system did not start {number} of them: {cause}; ask for fewer"
            ),
            Self::Shared { found, number } => write!(
                out,
                "threads: this process already shares {number} of them, found {found}; \
                 set the number before the first training or product"
            ),
        }
    }
}

impl Error for ThreadsError {}

/// The largest number of threads that can be asked for: 64, or four for each that the machine runs at once.
///
/// Results do not depend on the number, and more than the machine runs at once only take memory.
pub fn most() -> usize {
    (4 * parallelism()).max(64)
}

/// A number of threads, if it is from 1 to [`most`].
///
/// # Errors
/// [`ThreadsError::Number`].
pub fn checked(number: usize) -> Result<usize, ThreadsError> {
    let most = most();
    match number {
        0 => Err(ThreadsError::Number { found: 0, most }),
        found if found > most => Err(ThreadsError::Number { found, most }),
        number => Ok(number),
    }
}

/// How many threads the machine runs at once, as far as the system says so.
fn parallelism() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

/// A number of threads that share work, in whichever process they are asked.
#[derive(Debug)]
pub struct ThreadPool {
    number: usize,
    slot: Slot,
}

impl ThreadPool {
    /// Starts as many threads.
    ///
    /// # Errors
    /// [`ThreadsError::Number`] where they are none or more than [`most`], [`ThreadsError::System`].
    pub fn new(number: usize) -> Result<Self, ThreadsError> {
        let number = checked(number)?;
        let slot = Slot::empty();
        slot.threads(number)?;
        Ok(Self { number, slot })
    }

    /// How many there are.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Runs `work` on one of the threads; what it splits by Rayon is shared by all of them.
    ///
    /// # Errors
    /// [`ThreadsError::System`] in a child of `fork` where the system does not give new threads. `work` has not run then.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> Result<R, ThreadsError> {
        Ok(self.slot.threads(self.number)?.pool.install(work))
    }
}

static SHARED: Slot = Slot::empty();
/// 0 where nobody has said it.
static SHARED_NUMBER: AtomicUsize = AtomicUsize::new(0);

/// Sets the number of threads of the process' shared pool, before it is made by the first use.
///
/// Without it there are as many as `RAYON_NUM_THREADS` says, or as the machine runs at once.
///
/// # Errors
/// [`ThreadsError::Number`]; [`ThreadsError::Shared`] where the pool is there already, with another number.
pub fn set_shared(number: usize) -> Result<(), ThreadsError> {
    let found = checked(number)?;
    SHARED_NUMBER.store(found, Ordering::Relaxed);
    match SHARED.made().map(|threads| threads.workers.0.len()) {
        Some(number) if number != found => Err(ThreadsError::Shared { found, number }),
        _ => Ok(()),
    }
}

fn shared_number() -> usize {
    match SHARED_NUMBER.load(Ordering::Relaxed) {
        0 => env::var("RAYON_NUM_THREADS")
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|&number| number > 0)
            .unwrap_or_else(parallelism)
            .min(most()),
        number => number,
    }
}

/// Runs `work` on the process' shared pool, or where it is if that is a thread of a Rayon pool already.
///
/// # Errors
/// [`ThreadsError::System`] where the pool cannot be made. `work` has not run then.
pub fn install<R: Send>(work: impl FnOnce() -> R + Send) -> Result<R, ThreadsError> {
    if rayon::current_thread_index().is_some() {
        return Ok(work());
    }
    Ok(SHARED.threads(shared_number())?.pool.install(work))
}

/// Over how many threads [`install`] shares work, which makes the pool; 1 where it cannot be made.
pub fn number() -> usize {
    if rayon::current_thread_index().is_some() {
        return rayon::current_num_threads();
    }
    let threads = SHARED.threads(shared_number());
    threads.map_or(1, |threads| threads.workers.0.len())
}

/// The threads of one process.
#[derive(Debug)]
struct Threads {
    process: u32,
    // Dropped before the workers, which makes them return.
    pool: rayon::ThreadPool,
    workers: Workers,
}

/// Joined when they are dropped, so that none outlives its pool, or the library that its code is in.
#[derive(Debug, Default)]
struct Workers(Vec<JoinHandle<()>>);

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in self.0.drain(..) {
            // The last owner of a pool may be one of its own threads, which cannot wait for itself.
            if worker.thread().id() != thread::current().id() {
                // A worker's panic has been handed to whoever installed the work.
                let _ = worker.join();
            }
        }
    }
}

impl Threads {
    fn new(number: usize) -> Result<Self, ThreadsError> {
        let mut workers = Workers::default();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(number)
            .spawn_handler(|worker| {
                let named = thread::Builder::new().name("bernet".into());
                workers.0.push(named.spawn(|| worker.run())?);
                Ok(())
            })
            .build()
            .map_err(|cause| ThreadsError::System {
                number,
                cause: cause.to_string(),
            })?;
        Ok(Self {
            process: process_id(),
            pool,
            workers,
        })
    }
}

/// This process; where there is no `fork`, they are all the same.
fn process_id() -> u32 {
    if cfg!(unix) { process::id() } else { 0 }
}

/// A place for threads of this process, which in a child of `fork` is as good as empty.
///
/// The pointer is null or from `Box::into_raw`. It is replaced only where the threads belong to another process, and then
/// nobody frees the old ones; those of this process are freed by `drop` alone.
#[derive(Debug)]
struct Slot(AtomicPtr<Threads>);

impl Slot {
    const fn empty() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The threads, if this process has made them.
    fn made(&self) -> Option<&Threads> {
        // SAFETY: null or from a box; it is freed by `drop` alone, after this borrow of `self`.
        let threads = unsafe { self.0.load(Ordering::Acquire).as_ref() };
        threads.filter(|threads| threads.process == process_id())
    }

    /// The threads, which are made if this process has none.
    fn threads(&self, number: usize) -> Result<&Threads, ThreadsError> {
        let before = self.0.load(Ordering::Acquire);
        if let Some(threads) = self.made() {
            return Ok(threads);
        }
        let made = Box::into_raw(Box::new(Threads::new(number)?));
        let exchanged =
            (self.0).compare_exchange(before, made, Ordering::AcqRel, Ordering::Acquire);
        match exchanged {
            // SAFETY: from a box just now; it is freed by `drop` alone, after this borrow of `self`.
            Ok(_) => Ok(unsafe { &*made }),
            Err(first) => {
                // SAFETY: `made` is from a box and nobody else has seen it; `first` is what another thread of this process has
                // put there in the meantime, from a box and freed by `drop` alone.
                unsafe {
                    drop(Box::from_raw(made));
                    Ok(&*first)
                }
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let threads = *self.0.get_mut();
        if self.made().is_some() {
            // SAFETY: from a box, of this process, and nobody borrows `self` any more.
            drop(unsafe { Box::from_raw(threads) });
        }
    }
}

/// Values that are kept for the next call: working memory. Nobody ever waits for it.
///
/// ```
/// let idle = bernet_kernels::threads::Idle::default();
/// assert_eq!(idle.take(), None);
/// idle.put(vec![0_u8; 64]);
/// assert_eq!(idle.take().map(|memory| memory.len()), Some(64));
/// ```
#[derive(Debug)]
pub struct Idle<T>(Mutex<Vec<T>>);

impl<T> Idle<T> {
    /// One of the values, if there are any and the lock can be had.
    pub fn take(&self) -> Option<T> {
        self.with(|values| values.pop()).flatten()
    }

    /// Keeps a value for the next `take`, or drops it where the lock cannot be had.
    pub fn put(&self, value: T) {
        self.with(|values| values.push(value));
    }

    /// The lock is held for a push or a pop. Who has tried so often is the child of a process in which another thread held it.
    fn with<R>(&self, work: impl FnOnce(&mut Vec<T>) -> R) -> Option<R> {
        const TRIES: usize = 1000;
        for _ in 0..TRIES {
            match self.0.try_lock() {
                Ok(mut values) => return Some(work(&mut values)),
                Err(TryLockError::Poisoned(values)) => {
                    return Some(work(&mut values.into_inner()));
                }
                Err(TryLockError::WouldBlock) => thread::yield_now(),
            }
        }
        None
    }
}

impl<T> Default for Idle<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;

    #[test]
    fn numbers_have_limits() {
        let most = most();
        assert!(most >= 64);
        for found in [0, most + 1, 100_000, usize::MAX] {
            assert_eq!(
                ThreadPool::new(found).unwrap_err(),
                ThreadsError::Number { found, most }
            );
        }
        assert!(
            ThreadPool::new(100_000)
                .unwrap_err()
                .to_string()
                .ends_with("found 100000")
        );
    }

    #[test]
    fn threads_are_joined() {
        let named = || {
            std::fs::read_dir("/proc/self/task")
                .map(|tasks| tasks.count())
                .unwrap_or(0)
        };
        let pool = ThreadPool::new(8).unwrap();
        assert_eq!(pool.number(), 8);
        assert_eq!(pool.install(rayon::current_num_threads).unwrap(), 8);
        let with = named();
        drop(pool);
        // Other tests start and end threads of their own at the same time.
        assert!(with == 0 || named() < with + 8);
    }

    #[test]
    fn a_lock_that_is_never_given_back_is_not_waited_for() {
        let idle = Idle::default();
        idle.put(1);
        let held = idle.0.lock().unwrap();
        assert_eq!(idle.take(), None);
        idle.put(2);
        drop(held);
        assert_eq!(idle.take(), Some(1));
        assert_eq!(idle.take(), None);
    }

    /// In a child of `fork` both pools work; so they do in its child, and then in the parent.
    #[cfg(unix)]
    #[test]
    fn pools_survive_fork() {
        let pool = ThreadPool::new(3).unwrap();
        let sum = |number: u64| (0..number).into_par_iter().sum::<u64>();
        let both = || {
            pool.install(|| sum(1000)) == Ok(499_500)
                && install(|| sum(10)) == Ok(45)
                && number() > 0
        };
        assert!(both());
        // SAFETY: the child does what this module promises for one, and ends without returning into the test.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::alarm(20);
                if !both() {
                    libc::_exit(1);
                }
                let grandchild = libc::fork();
                if grandchild == 0 {
                    libc::alarm(10);
                    libc::_exit(if both() { 0 } else { 2 });
                }
                let mut status = 0;
                libc::waitpid(grandchild, &mut status, 0);
                libc::_exit(if status == 0 { 0 } else { 3 });
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &mut status, 0), child);
            assert_eq!(status, 0, "the child hung (14), or its pools failed");
        }
        assert!(both());
    }
}
