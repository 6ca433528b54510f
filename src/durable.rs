//! Files that appear whole or not at all.
//!
//! ```
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("net.onnx");
//! bernet::durable::write(&path, b"bytes")?;
//! assert_eq!(std::fs::read(path)?, b"bytes");
//! # Ok::<(), std::io::Error>(())
//! ```

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    time::Duration,
};

/// What the names of temporary files begin with.
const PREFIX: &str = ".bernet-";

/// Writes a file: into a temporary one in the same folder, flushed to the disk, then renamed. Whatever happens on the way,
/// the path names the old file or the new one.
///
/// # Errors
/// What the system says; or where the path names something that is not a file.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A rename would put a file in the place of a device such as /dev/null.
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is something here that is not a file",
        ));
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    sweep(folder);
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        // As any new file; a temporary one would be its owner's alone.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.prefix(PREFIX).tempfile_in(folder)?;
    // For as long as it is written; where locks are not to be had it is only never swept.
    let _ = file.as_file().lock();
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The name is safe only when the folder is; there is no such thing on Windows.
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

/// Removes what writers that were killed have left behind: a file in the making is locked, and a lock ends with its process.
/// One that has only just been made may not be locked yet.
fn sweep(folder: &Path) {
    let is_old = |entry: &fs::DirEntry| {
        let age = entry.metadata()?.modified()?.elapsed();
        Ok::<_, io::Error>(age.is_ok_and(|age| age > Duration::from_secs(60)))
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(PREFIX.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && is_old(&entry).unwrap_or(false)
            && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok())
        {
            // Somebody else may have been faster, or must not; the next writer tries again.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for text in [&b"old"[..], b"new"] {
            write(&path, text).unwrap();
            assert_eq!(fs::read(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn sweeps_away_what_killed_writers_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let partial = |name: &str, seconds: u64| {
            let file = File::create(folder.path().join(name)).unwrap();
            let age = Duration::from_secs(seconds);
            file.set_modified(std::time::SystemTime::now() - age)
                .unwrap();
            file
        };
        partial(".bernet-old", 100);
        let new = partial(".bernet-new", 1);
        let locked = partial(".bernet-locked", 100);
        locked.lock().unwrap();
        partial("another", 100);
        write(&path, b"text").unwrap();
        let names = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        assert_eq!(names, [".bernet-locked", ".bernet-new", "another", "file"]);
        drop((new, locked));
    }

    #[test]
    fn leaves_what_is_not_a_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            write(folder.path(), b"").unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        let missing = folder.path().join("missing").join("file");
        assert_eq!(
            write(&missing, b"").unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
