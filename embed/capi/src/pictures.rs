//! Pictures in, classes out.

use crate::{
    boundary::{Failure, bernet_status, enter},
    memory::{self, Out},
    model::{MODELS, bernet_model},
    session::{SESSIONS, bernet_session},
};
use bernet_runtime::pictures::{self, PictureError, PictureSession};

/// What a model reads of pictures, and how many classes it tells apart.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bernet_input {
    /// Lines an image.
    pub height: usize,
    /// Pixels a line.
    pub width: usize,
    /// Values a pixel.
    pub channels: usize,
    /// Bytes an image: height * width * channels.
    pub bytes: usize,
    /// Classes, each with one logit.
    pub classes: usize,
}

/// Writes to *input what a model reads of pictures. BERNET_MODEL where it takes none: it has several inputs or outputs, its output
/// is not a number for each class, or its file does not say what a picture's pixels become (bernet import --pixels).
/// bernet_session_run takes any model.
///
/// # Safety
/// input leads to a bernet_input.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_model_input(
    model: *const bernet_model,
    input: *mut bernet_input,
) -> bernet_status {
    enter(|| {
        let out = Out::one("input", input)?;
        let (shape, classes) = pictures::sizes(&*MODELS.get(model)?)?;
        let input = bernet_input {
            height: shape.height,
            width: shape.width,
            channels: shape.channels,
            bytes: shape.len(),
            classes,
        };
        // SAFETY: handed on to the caller.
        unsafe { out.write(&[input]) };
        Ok(())
    })
}

/// Classifies pictures, values from 0 to 255 (digits: 0 paper, 255 ink), one after the other, each in the order line, pixel, channel.
///
/// grey is length bytes, images times bernet_input.bytes. classes takes the class of each image, and margins, which may be null,
/// by how much its logit exceeds the next (0 for a tie; rounded down where logits are real numbers); both have images values. A
/// model that takes no pictures is BERNET_MODEL: see bernet_model_input.
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
        let session = taking_pictures(&session.pictures)?;
        // SAFETY: handed on to the caller.
        let (grey, batch) = unsafe { batch(session, grey, length) }?;
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

/// The integer logits of pictures (see bernet_session_classify), image by image, one for each class: size is images times
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
    unsafe {
        all_logits(
            session,
            (grey, length),
            (logits, size),
            PictureSession::logits,
        )
    }
}

/// The real logits: scale * sum + bias where the model has a scale and a bias for each class, else the sums, or what a last layer of
/// real weights gives; they are computed in single precision. Else as bernet_session_logits.
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
    let run = |session: &PictureSession, grey: &[u8]| {
        let logits = session.real_logits(grey)?;
        Ok(logits.into_iter().map(f64::from).collect())
    };
    // SAFETY: handed on to the caller.
    unsafe { all_logits(session, (grey, length), (logits, size), run) }
}

/// # Safety
/// `grey` is good for reading `length` bytes, `logits` for writing `size` values.
unsafe fn all_logits<T: Copy>(
    session: *const bernet_session,
    (grey, length): (*const u8, usize),
    (logits, size): (*mut T, usize),
    run: impl FnOnce(&PictureSession, &[u8]) -> Result<Vec<T>, PictureError>,
) -> bernet_status {
    enter(|| {
        let session = SESSIONS.get(session)?;
        let session = taking_pictures(&session.pictures)?;
        // SAFETY: handed on to the caller.
        let (grey, batch) = unsafe { batch(session, grey, length) }?;
        let values = batch.saturating_mul(session.classes());
        let out = Out::new("logits (images * classes)", logits, size, values)?;
        let logits = run(session, grey)?;
        // SAFETY: handed on to the caller.
        unsafe { out.write(&logits) };
        Ok(())
    })
}

fn taking_pictures(
    pictures: &Result<PictureSession, PictureError>,
) -> Result<&PictureSession, Failure> {
    pictures.as_ref().map_err(|error| error.clone().into())
}

/// The caller's images, and how many there are.
///
/// # Safety
/// `grey` is good for reading `length` bytes.
unsafe fn batch<'a>(
    session: &PictureSession,
    grey: *const u8,
    length: usize,
) -> Result<(&'a [u8], usize), Failure> {
    let images = session.count(length)?;
    // SAFETY: handed on to the caller.
    let grey = unsafe { memory::values("grey", grey, length) }?;
    Ok((grey, images))
}
