//! Sessions: models that are ready to run.

use crate::{
    boundary::{bernet_status, enter},
    buffers::{self, bernet_input_buffer, bernet_output_buffer},
    memory,
    model::{MODELS, bernet_model, made},
    registry::Registry,
};
use bernet_kernels::isa::Level;
use bernet_runtime::{
    pictures::{PictureError, PictureSession},
    plan::{Options, Program},
    shared::SharedSession,
};
use std::{
    ffi::{CStr, c_char},
    ptr,
    sync::Arc,
};

/// A model that is ready to run; see bernet_session_new. Any number of threads may use one at once: none waits for another.
pub struct bernet_session {
    _private: [u8; 0],
}

/// What a session's handle stands for.
pub(crate) struct Session {
    pub(crate) arrays: Arc<SharedSession>,
    /// For the functions that take pictures; where the model takes none, why.
    pub(crate) pictures: Result<PictureSession, PictureError>,
}

pub(crate) static SESSIONS: Registry<Session> = Registry::new("session");

/// Makes a model ready to run and *session a handle of it: to be ended by bernet_session_free. The model may be freed before.
///
/// level names the instruction set, one of "portable", "sse42", "avx2", "avx512", "avx512-vpopcnt", "neon", "simd128"; null takes the
/// best that the CPU has. So many threads share the items of each call, 1 for the caller's own and at most 64, or four for each that
/// the machine runs at once; results do not depend on level or threads. They end before bernet_session_free returns. Where it
/// fails, *session is null: BERNET_ARGUMENT for a level that this CPU does not have, or for threads that cannot be had.
///
/// # Safety
/// level ends with a zero byte; session leads to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_session_new(
    model: *const bernet_model,
    level: *const c_char,
    threads: usize,
    session: *mut *mut bernet_session,
) -> bernet_status {
    // SAFETY: handed on to the caller.
    unsafe {
        made("session", session, || {
            let model = MODELS.get(model)?;
            let level = match level.is_null() {
                true => Level::best(),
                false => Level::by_name(memory::name("level", level)?)?,
            };
            let options = Options {
                level,
                ..Options::default()
            };
            let program = Program::new(&model, &options)?;
            let arrays = Arc::new(SharedSession::new(program.into(), threads)?);
            let pictures = PictureSession::new(&model, arrays.clone());
            SESSIONS.insert(Session { arrays, pictures })
        })
    }
}

/// The name of the instruction set whose kernels a session runs, or null where there is no such session. It lives as long as the library
/// is loaded.
#[unsafe(no_mangle)]
pub extern "C" fn bernet_session_level(session: *const bernet_session) -> *const c_char {
    let mut name = ptr::null();
    enter(|| {
        name = terminated(SESSIONS.get(session)?.arrays.program().level());
        Ok(())
    });
    name
}

/// Runs a batch of items on the caller's buffers: those of all inputs and outputs of the model, in their order. Each has items
/// times bernet_tensor.item_bytes bytes. Outputs overlap neither inputs nor each other. The threads of the session share the
/// items; results do not depend on them. Where the status is not BERNET_OK, the outputs hold anything.
///
/// # Safety
/// inputs leads to input_count buffers of as many bytes as they say, outputs to output_count; nobody else writes to them during
/// the call, or reads the outputs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_session_run(
    session: *const bernet_session,
    items: usize,
    inputs: *const bernet_input_buffer,
    input_count: usize,
    outputs: *const bernet_output_buffer,
    output_count: usize,
) -> bernet_status {
    enter(|| {
        let session = SESSIONS.get(session)?;
        // SAFETY: handed on to the caller.
        unsafe {
            let inputs = memory::values("inputs", inputs, input_count)?;
            let outputs = memory::values("outputs", outputs, output_count)?;
            let program = session.arrays.program();
            let (inputs, mut outputs) = buffers::tensors(
                items,
                (program.inputs(), inputs),
                (program.outputs(), outputs),
            )?;
            session.arrays.run(items, &inputs, &mut outputs)?;
        }
        Ok(())
    })
}

/// Ends a session; calls of other threads that are at work with it come to their end. Null is no session, and fine; a session that has
/// ended is BERNET_HANDLE, and nothing happens.
#[unsafe(no_mangle)]
pub extern "C" fn bernet_session_free(session: *mut bernet_session) -> bernet_status {
    enter(|| SESSIONS.remove(session))
}

/// A level's name with a zero byte at its end.
fn terminated(level: Level) -> *const c_char {
    const NAMES: [&CStr; 7] = [
        c"portable",
        c"simd128",
        c"neon",
        c"sse42",
        c"avx2",
        c"avx512",
        c"avx512-vpopcnt",
    ];
    let name = NAMES
        .iter()
        .find(|name| name.to_bytes() == level.name().as_bytes());
    name.expect("every level is in the list").as_ptr()
}
