//! bernet for C: `bernet.h` says what each function does, in the words of the documentation here, from which cbindgen makes it.
//!
//! Every function that can fail returns a `bernet_status` and leaves a text for `bernet_last_error`. Four facts make the
//! boundary safe, each in a file of its own: `registry` (a handle is a number that is looked up, never an address that is
//! followed), `boundary` (no panic leaves a function), `memory` (what a caller's pointers are checked for), and `fork` (no lock is
//! held when a process is forked).
#![allow(
    non_camel_case_types,
    unreachable_pub,
    reason = "types are named as C names them; what is exported from a library for C is public by its symbol"
)]

mod boundary;
mod buffers;
mod describe;
mod fork;
mod memory;
mod model;
mod pictures;
mod registry;
mod session;

#[cfg(panic = "abort")]
compile_error!("panics have to be caught at the boundary: build with panic = \"unwind\"");

pub use boundary::{bernet_last_error, bernet_status, bernet_version};
pub use buffers::{bernet_input_buffer, bernet_output_buffer};
pub use describe::{
    BERNET_AXES, bernet_description, bernet_kind, bernet_model_describe, bernet_model_metadata,
    bernet_model_metadata_key, bernet_model_tensor, bernet_model_tensor_name, bernet_side,
    bernet_tensor,
};
pub use model::{bernet_model, bernet_model_free, bernet_model_from_bytes, bernet_model_read};
pub use pictures::{
    bernet_input, bernet_model_input, bernet_session_classify, bernet_session_logits,
    bernet_session_real_logits,
};
pub use session::{
    bernet_session, bernet_session_free, bernet_session_level, bernet_session_new,
    bernet_session_run,
};
