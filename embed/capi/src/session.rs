//! Sessions: models that are ready to run.

use crate::{
    boundary::{Failure, bernet_status, bernet_status::*, enter},
    memory::{self, Out},
    model::{MODELS, bernet_model, made},
    registry::Registry,
};
use bernet::infer::SharedSession;
use bernet_kernels::isa::Level;
use std::{
    ffi::{CStr, c_char},
    ptr,
};

/// A model that is ready to run; see bernet_session_new. Any number of threads may use one at once: none waits for another.
pub struct bernet_session {
    _private: [u8; 0],
}

static SESSIONS: Registry<SharedSession> = Registry::new("session");

/// Makes a model ready to run and *session a handle of it: to be ended by bernet_session_free. The model may be freed before.
///
/// level names the instruction set, one of "portable", "sse42", "avx2", "avx512", "avx512-vpopcnt", "neon", "simd128"; null takes the
/// best that the CPU has. So many threads share the images of each call, 1 for the caller's own and at most 64, or four for each that
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
            SESSIONS.insert(SharedSession::new(&model, level, threads)?)
        })
    }
}

/// The name of the instruction set whose kernels a session runs, or null where there is no such session. It lives as long as the library
/// is loaded.
#[unsafe(no_mangle)]
pub extern "C" fn bernet_session_level(session: *const bernet_session) -> *const c_char {
    let mut name = ptr::null();
    enter(|| {
        name = terminated(SESSIONS.get(session)?.level());
        Ok(())
    });
    name
}

/// Classifies grey images, 0 (paper) to 255 (ink), one after the other, each in the order line, pixel, channel.
///
/// grey is length bytes, images times bernet_input.bytes. classes takes the class of each image, and margins, which may be null,
/// by how much its logit exceeds the next (0 for a tie); both have images values.
///
/// # Safety
/// grey leads to length bytes; classes and margins lead to images values each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_session_classify(
    session: *const bernet_session,
    grey: *const u8,
    length: usize,
    classes: *mut u32,
    margins: *mut i32,
    images: usize,
) -> bernet_status {
    enter(|| {
        let session = SESSIONS.get(session)?;
        // SAFETY: handed on to the caller.
        let (grey, batch) = unsafe { batch(&session, grey, length) }?;
        let classes = Out::new("classes (images)", classes, images, batch)?;
        let margins = match margins.is_null() {
            true => None,
            false => Some(Out::new("margins (images)", margins, images, batch)?),
        };
        let predictions = session.classify(grey)?;
        let values: Vec<_> = predictions.iter().map(|said| said.class as u32).collect();
        // SAFETY: handed on to the caller.
        unsafe { classes.write(&values) };
        if let Some(margins) = margins {
            let values: Vec<_> = predictions.iter().map(|said| said.margin).collect();
            // SAFETY: handed on to the caller.
            unsafe { margins.write(&values) };
        }
        Ok(())
    })
}

/// The integer logits of grey images (see bernet_session_classify), image by image, one for each class: size is images times
/// bernet_input.classes. They are sums of +1 and -1, and the same on every machine. A model whose last layer has real weights has none:
/// BERNET_MODEL.
///
/// # Safety
/// grey leads to length bytes; logits leads to size values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_session_logits(
    session: *const bernet_session,
    grey: *const u8,
    length: usize,
    logits: *mut i32,
    size: usize,
) -> bernet_status {
    // SAFETY: handed on to the caller.
    unsafe { all_logits(session, grey, length, logits, size, SharedSession::logits) }
}

/// The real logits: scale * sum + bias where the model has a scale and a bias for each class, else the sums; else as
/// bernet_session_logits.
///
/// # Safety
/// As bernet_session_logits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_session_real_logits(
    session: *const bernet_session,
    grey: *const u8,
    length: usize,
    logits: *mut f64,
    size: usize,
) -> bernet_status {
    // SAFETY: handed on to the caller.
    unsafe {
        all_logits(
            session,
            grey,
            length,
            logits,
            size,
            SharedSession::real_logits,
        )
    }
}

/// Ends a session; calls of other threads that are at work with it come to their end. Null is no session, and fine; a session that has
/// ended is BERNET_HANDLE, and nothing happens.
#[unsafe(no_mangle)]
pub extern "C" fn bernet_session_free(session: *mut bernet_session) -> bernet_status {
    enter(|| SESSIONS.remove(session))
}

/// # Safety
/// `grey` is good for reading `length` bytes, `logits` for writing `size` values.
unsafe fn all_logits<T: Copy>(
    session: *const bernet_session,
    grey: *const u8,
    length: usize,
    logits: *mut T,
    size: usize,
    run: impl FnOnce(&SharedSession, &[u8]) -> Result<Vec<T>, bernet::infer::InferError>,
) -> bernet_status {
    enter(|| {
        let session = SESSIONS.get(session)?;
        // SAFETY: handed on to the caller.
        let (grey, batch) = unsafe { batch(&session, grey, length) }?;
        let values = batch.saturating_mul(session.classes());
        let out = Out::new("logits (images * classes)", logits, size, values)?;
        let logits = run(&session, grey)?;
        // SAFETY: handed on to the caller.
        unsafe { out.write(&logits) };
        Ok(())
    })
}

/// The caller's images, and how many there are.
///
/// # Safety
/// `grey` is good for reading `length` bytes.
unsafe fn batch<'a>(
    session: &SharedSession,
    grey: *const u8,
    length: usize,
) -> Result<(&'a [u8], usize), Failure> {
    let input = session.input();
    let image = input.height * input.width * input.channels;
    if !length.is_multiple_of(image) {
        let text = format!("grey: expected a multiple of {image} bytes, found {length}");
        return Err(Failure::new(BERNET_SIZE, text));
    }
    // SAFETY: handed on to the caller.
    let grey = unsafe { memory::bytes("grey", grey, length) }?;
    Ok((grey, length / image))
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
