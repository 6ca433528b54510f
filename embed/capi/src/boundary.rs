//! What lies between C and Rust: a status, a text for each thread, and a net under every panic.

use bernet_kernels::{isa::LevelError, threads::ThreadsError};
use bernet_runtime::{
    format::{FileCause, FileError, FormatError},
    pictures::PictureError,
    plan::PlanError,
    shared::SharedError,
};
use std::{
    any::Any,
    cell::RefCell,
    ffi::{CStr, CString, c_char},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// How a call ended. What exactly was wrong, bernet_last_error says.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum bernet_status {
    /// It did what it says.
    BERNET_OK = 0,
    /// A pointer that must not be null is null, or does not suit the type that it points to.
    BERNET_POINTER = 1,
    /// A handle stands for nothing: it was freed, or never was one of this kind.
    BERNET_HANDLE = 2,
    /// A buffer does not have the size that the others ask for.
    BERNET_SIZE = 3,
    /// An argument has a value that it cannot have, or a name is not known.
    BERNET_ARGUMENT = 4,
    /// The file system refused.
    BERNET_FILE = 5,
    /// The bytes are not a model, or not one that can be run.
    BERNET_MODEL = 6,
    /// A mistake in the library itself. The process goes on, and so may the caller.
    BERNET_INTERNAL = 7,
}

use bernet_status::*;

/// What is handed to the caller instead of a result.
pub(crate) struct Failure {
    status: bernet_status,
    text: String,
}

impl Failure {
    pub(crate) fn new(status: bernet_status, text: impl ToString) -> Self {
        let text = text.to_string();
        Self { status, text }
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let status = match error.cause {
            FileCause::Io(_) => BERNET_FILE,
            FileCause::Format(_) => BERNET_MODEL,
        };
        Self::new(status, error)
    }
}

impl From<FormatError> for Failure {
    fn from(error: FormatError) -> Self {
        Self::new(BERNET_MODEL, error)
    }
}

impl From<LevelError> for Failure {
    fn from(error: LevelError) -> Self {
        Self::new(BERNET_ARGUMENT, error)
    }
}

impl From<ThreadsError> for Failure {
    fn from(error: ThreadsError) -> Self {
        Self::new(BERNET_ARGUMENT, error)
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self::new(BERNET_MODEL, error)
    }
}

impl From<SharedError> for Failure {
    fn from(error: SharedError) -> Self {
        match error {
            SharedError::Run(error) => Self::new(BERNET_SIZE, error),
            SharedError::Threads(error) => error.into(),
        }
    }
}

impl From<PictureError> for Failure {
    fn from(error: PictureError) -> Self {
        match error {
            PictureError::Run(error) => error.into(),
            PictureError::Size { .. } => Self::new(BERNET_SIZE, error),
            _ => Self::new(BERNET_MODEL, error),
        }
    }
}

thread_local! {
    /// The text of this thread's last failure.
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// The version of the library, as text: "0.1.0". It lives as long as the library is loaded.
#[unsafe(no_mangle)]
pub extern "C" fn bernet_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => panic!("a version holds no zero"),
        };
    VERSION.as_ptr()
}

/// What was wrong with the last call of this thread that failed, in UTF-8; empty if none has. Never null. The text stays where it
/// is until another call of the same thread fails, or the thread ends.
#[unsafe(no_mangle)]
pub extern "C" fn bernet_last_error() -> *const c_char {
    LAST_ERROR
        .try_with(|text| text.borrow().as_ptr())
        .unwrap_or(c"".as_ptr())
}

/// Runs what a function of the interface does; whatever goes wrong becomes a status and a text.
pub(crate) fn enter(work: impl FnOnce() -> Result<(), Failure>) -> bernet_status {
    // What a panic may leave half done is never seen again: results are copied to the caller last, a session that was at
    // work is dropped, and the registry's locks are held for one operation of a map.
    let result = catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(Failure::new(BERNET_INTERNAL, words(&*panic))));
    match result {
        Ok(()) => BERNET_OK,
        Err(Failure { status, text }) => {
            let text = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
            // In a thread that is about to end there is nobody left to read it.
            let _ = LAST_ERROR.try_with(|last| last.replace(text));
            status
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!(
        "a mistake in bernet, please report it: {}",
        said.unwrap_or("panic")
    )
}

/// Panics inside, for the test of that.
#[cfg(feature = "test-panic")]
#[unsafe(no_mangle)]
pub extern "C" fn bernet_test_panic() -> bernet_status {
    enter(|| panic!("asked for"))
}
