//! Files being written: each counts its bytes and hashes them on the way to the disk, so that a
//! certificate needs no second reading.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::extract::SealedFile;

/// A file that knows its length and hash.
pub(super) struct Hashed {
    inner: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
    name: String,
    pub rows: u64,
}

impl Hashed {
    /// Makes a new file in a directory.
    pub fn create(directory: &Path, name: &str) -> io::Result<Self> {
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self {
            inner: BufWriter::with_capacity(1 << 18, options.open(directory.join(name))?),
            hash: Sha256::new(),
            bytes: 0,
            name: name.to_owned(),
            rows: 0,
        })
    }

    /// Empties the buffer, waits for the disk and says what was written.
    pub fn seal(mut self) -> io::Result<SealedFile> {
        self.inner.flush()?;
        self.inner.get_ref().sync_all()?;
        Ok(SealedFile {
            name: self.name,
            bytes: self.bytes,
            sha256: hex(&self.hash.finalize()),
            rows: self.rows,
        })
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes a whole small file.
pub(super) fn whole(directory: &Path, name: &str, text: &str, rows: u64) -> io::Result<SealedFile> {
    let mut file = Hashed::create(directory, name)?;
    file.write_all(text.as_bytes())?;
    file.rows = rows;
    file.seal()
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes what stands in a directory, and its name in the one above, durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
