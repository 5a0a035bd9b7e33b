//! The witness directory: one file a checkpoint, never overwritten, each synced before it counts.
//!
//! Best on another disk or machine, where the account of the service may add files but not change
//! them. Files: `verifier-key`, and `2026-11/00000000000000001234.note`.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use care_core::audit::LogVerifier;

const KEY: &str = "verifier-key";
const ENDING: &str = "note";

/// Makes the directory where needed, leaves the key, and gives the greatest size witnessed so far.
pub(super) fn greet(directory: &Path, verifier: &LogVerifier) -> io::Result<u64> {
    fs::create_dir_all(directory)?;
    let text = format!("{verifier}\n");
    match write_new(&directory.join(KEY), &text) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::read_to_string(directory.join(KEY))?.trim() != text.trim() {
                return Err(io::Error::other(
                    "this witness directory belongs to another log; give each record its own",
                ));
            }
        }
        other => other?,
    }
    Ok(files(directory)?
        .iter()
        .filter_map(|path| size_of(path))
        .max()
        .unwrap_or(0))
}

/// Keeps a checkpoint. The same again is no error; another one of the same size is.
pub(super) fn copy(directory: &Path, month: &str, size: u64, note: &str) -> io::Result<()> {
    let folder = directory.join(month);
    if !folder.exists() {
        fs::create_dir_all(&folder)?;
        sync_directory(directory)?;
    }
    let path = folder.join(format!("{size:020}.{ENDING}"));
    match write_new(&path, note) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::read_to_string(&path)? == note {
                return Ok(());
            }
            Err(io::Error::other(
                "the witness holds another checkpoint of this size; run `connect-care audit verify`",
            ))
        }
        other => other,
    }
}

/// Writes a file that was not there, whole or not at all, and syncs it and its directory.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(path)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a note would stand in the way of the whole one.
        let _ = fs::remove_file(path);
    }
    written?;
    path.parent().map_or(Ok(()), sync_directory)
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Every checkpoint file, in the order of their names.
pub(super) fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in fs::read_dir(directory)? {
        let folder = folder?.path();
        if !folder.is_dir() {
            continue;
        }
        for file in fs::read_dir(folder)? {
            let path = file?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

pub(super) fn size_of(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// The key the witness was left with.
pub(super) fn key(directory: &Path) -> io::Result<String> {
    fs::read_to_string(directory.join(KEY))
}
