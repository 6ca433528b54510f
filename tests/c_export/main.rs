//! Nets as C: compiled, run, and compared with the host.

mod compiled;
mod random;
mod shipped;
mod source;
