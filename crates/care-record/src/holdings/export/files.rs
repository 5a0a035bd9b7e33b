//! The files of an export: lines of NDJSON, compressed on the disk, readable by nobody else.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::job::ExportOutput;

/// Where exports lie, in the record's data directory.
pub(super) const DIRECTORY: &str = "exports";
/// Lines in one file; the next file of the type follows.
const MOST_LINES: u64 = 1_000_000;
const LEVEL: i32 = 1;
/// Bytes handed on in one piece.
const CHUNK: usize = 1 << 18;
/// What the name on the disk has more than the name in the manifest.
const PACKED: &str = ".zst";

/// The directory of a job, new and empty.
pub(super) fn fresh(directory: &Path) -> io::Result<()> {
    remove(directory)?;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Takes a directory away; one that is not there is as good.
pub(super) fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

/// The names of the directories in one.
pub(super) fn directories(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(names),
        Err(cause) => return Err(cause),
    };
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

/// The bytes of all files of all jobs.
pub(super) fn bytes_under(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for job in directories(directory)? {
        for file in directories(&directory.join(&job))? {
            // One that went away meanwhile takes no room.
            let found = fs::metadata(directory.join(&job).join(file));
            bytes += found.map_or(0, |file| file.len());
        }
    }
    Ok(bytes)
}

/// Counts what goes through to the disk.
struct Counted {
    inner: BufWriter<File>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The files of one type being written.
pub(super) struct Lines {
    directory: PathBuf,
    kind: String,
    /// What the name begins with.
    stem: String,
    open: Option<(zstd::stream::write::Encoder<'static, Counted>, u64)>,
    done: Vec<ExportOutput>,
    bytes: u64,
}

impl Lines {
    pub fn new(directory: &Path, kind: &str, stem: &str) -> Self {
        Self {
            directory: directory.to_owned(),
            kind: kind.to_owned(),
            stem: stem.to_owned(),
            open: None,
            done: Vec::new(),
            bytes: 0,
        }
    }

    fn name(&self) -> String {
        format!("{}.{:04}.ndjson", self.stem, self.done.len() + 1)
    }

    /// Adds a line.
    pub fn push(&mut self, line: &[u8]) -> io::Result<()> {
        if self.open.is_none() {
            let path = self.directory.join(format!("{}{PACKED}", self.name()));
            let mut options = File::options();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let counted = Counted {
                inner: BufWriter::with_capacity(CHUNK, options.open(path)?),
                bytes: 0,
            };
            self.open = Some((zstd::stream::write::Encoder::new(counted, LEVEL)?, 0));
        }
        if let Some((out, lines)) = &mut self.open {
            out.write_all(line)?;
            out.write_all(b"\n")?;
            *lines += 1;
            if *lines >= MOST_LINES {
                self.close()?;
            }
        }
        Ok(())
    }

    /// Bytes on the disk so far, roughly.
    pub fn bytes(&self) -> u64 {
        let open = self.open.as_ref();
        self.bytes + open.map_or(0, |(out, _)| out.get_ref().bytes)
    }

    fn close(&mut self) -> io::Result<()> {
        let name = self.name();
        if let Some((out, count)) = self.open.take() {
            let mut counted = out.finish()?;
            counted.flush()?;
            counted.inner.get_ref().sync_all()?;
            self.bytes += counted.bytes;
            self.done.push(ExportOutput {
                kind: self.kind.clone(),
                name,
                count,
            });
        }
        Ok(())
    }

    /// Closes the last file and says what was written.
    pub fn finish(mut self) -> io::Result<Vec<ExportOutput>> {
        self.close()?;
        Ok(self.done)
    }
}

/// A file of an export, to be handed on piece by piece.
pub struct ExportFile {
    inner: zstd::stream::read::Decoder<'static, BufReader<File>>,
}

impl ExportFile {
    /// Opens a file the manifest names.
    pub(super) fn open(directory: &Path, name: &str) -> io::Result<Self> {
        let file = File::open(directory.join(format!("{name}{PACKED}")))?;
        Ok(Self {
            inner: zstd::stream::read::Decoder::new(file)?,
        })
    }

    /// The next bytes; none at the end.
    pub fn next_piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut piece = Vec::with_capacity(CHUNK);
        let read = (&mut self.inner)
            .take(CHUNK as u64)
            .read_to_end(&mut piece)?;
        Ok((read > 0).then_some(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were_written() {
        let kept = tempfile::tempdir().expect("a directory");
        let job = kept.path().join("job");
        fresh(&job).expect("made");
        let mut lines = Lines::new(&job, "Patient", "Patient");
        for number in 0..20_000 {
            lines
                .push(format!("{{\"n\":{number}}}").as_bytes())
                .expect("written");
        }
        let outputs = lines.finish().expect("closed");
        assert_eq!((outputs.len(), outputs[0].count), (1, 20_000));
        let mut file = ExportFile::open(&job, &outputs[0].name).expect("opened");
        let mut text = Vec::new();
        while let Some(piece) = file.next_piece().expect("read") {
            text.extend(piece);
        }
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 20_000);
        assert!(text.starts_with(b"{\"n\":0}\n{\"n\":1}\n"));
        assert!(bytes_under(kept.path()).expect("counted") < text.len() as u64);
    }
}
