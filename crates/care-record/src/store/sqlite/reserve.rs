//! A file that holds space back for the audit entries of reads while the disk is full.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

/// The reserve of one data directory.
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    /// A reserve at this path; it is not held yet. 0 bytes: no reserve is kept.
    pub fn new(path: PathBuf, bytes: u64) -> Self {
        Self { path, bytes }
    }

    /// Takes the space; does nothing when it is already held. Fails when there is not enough.
    pub fn hold(&self) -> io::Result<()> {
        if self.is_held() {
            return Ok(());
        }
        let taken = self.take();
        if taken.is_err() {
            // A part of a reserve is worse than none: it fills the disk and helps nobody.
            let _ = fs::remove_file(&self.path);
        }
        taken
    }

    fn take(&self) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        // Bytes that do not compress, so that a compressing file system holds the space as well.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut left = self.bytes;
        while left > 0 {
            let mut block = Vec::with_capacity(1 << 16);
            while block.len() < 1 << 16 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                block.extend_from_slice(&state.to_le_bytes());
            }
            let bytes = left.min(block.len() as u64);
            file.write_all(block.get(..bytes as usize).unwrap_or_default())?;
            left -= bytes;
        }
        file.sync_all()
    }

    /// Gives the space free; says whether there was any.
    pub fn release(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }

    /// Whether the space is held.
    pub fn is_held(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|file| file.len() == self.bytes)
    }
}
