//! What crashes, full disks and numbers that are none can do: nothing that a message or the next run does not mend.
//!
//! `BERNET_KILLS` is how often a training is killed; CI's number is small.

#[path = "../support/digits.rs"]
mod digits;
#[cfg(unix)]
#[path = "../support/spawn.rs"]
mod spawn;

mod bytes;
#[cfg(unix)]
mod disk;
#[cfg(unix)]
mod kill;
mod numbers;
mod threads;
#[cfg(unix)]
mod training;
