//! One file per instruction set, the same function names in each. This file and `isa.rs` hold the only
//! `cfg(target_arch)`.
