//! Rows that wait on the disk until it is known how many people share what they say. Private to the
//! release room, beside the files and never among them; gone when the release is sealed.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use care_core::fhir::views::Cell;

/// Rows being kept.
pub(super) struct Spool {
    path: PathBuf,
    out: BufWriter<File>,
    buffer: Vec<u8>,
}

impl Spool {
    /// An empty one.
    pub fn create(directory: &Path, name: &str) -> io::Result<Self> {
        let path = directory.join(format!(".{name}.spool"));
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self {
            out: BufWriter::with_capacity(1 << 18, options.open(&path)?),
            path,
            buffer: Vec::new(),
        })
    }

    /// Keeps a row.
    pub fn push(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.buffer.clear();
        for cell in cells {
            let (mark, text) = match cell {
                Cell::Null => (0, String::new()),
                Cell::Boolean(false) => (1, String::new()),
                Cell::Boolean(true) => (2, String::new()),
                Cell::Number(text) => (3, text.to_string()),
                Cell::Text(text) => (4, text.clone()),
                // A list leaves as its JSON text.
                Cell::List(_) => (4, cell.to_text()),
            };
            self.buffer.push(mark);
            if mark > 2 {
                let length = u32::try_from(text.len()).map_err(io::Error::other)?;
                self.buffer.extend_from_slice(&length.to_le_bytes());
                self.buffer.extend_from_slice(text.as_bytes());
            }
        }
        self.out.write_all(&self.buffer)
    }

    /// Gives every row back, in order, and takes the spool away.
    pub fn drain<E: From<io::Error>>(
        mut self,
        columns: usize,
        mut each: impl FnMut(Vec<Cell>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.out.flush()?;
        let mut from = BufReader::with_capacity(1 << 18, File::open(&self.path)?);
        while let Some(row) = read_row(&mut from, columns)? {
            each(row)?;
        }
        std::fs::remove_file(&self.path)?;
        Ok(())
    }
}

fn read_row(from: &mut impl Read, columns: usize) -> io::Result<Option<Vec<Cell>>> {
    let mut cells = Vec::with_capacity(columns);
    for place in 0..columns {
        let mut mark = [0];
        if from.read(&mut mark)? == 0 {
            return if place == 0 {
                Ok(None)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
        cells.push(match mark[0] {
            0 => Cell::Null,
            1 => Cell::Boolean(false),
            2 => Cell::Boolean(true),
            3 => Cell::Number(text(from)?.into()),
            _ => Cell::Text(text(from)?),
        });
    }
    Ok(Some(cells))
}

fn text(from: &mut impl Read) -> io::Result<String> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_and_the_spool_is_gone() {
        let kept = tempfile::tempdir().expect("a directory");
        let rows = [
            vec![Cell::Null, Cell::Boolean(true), Cell::Number("1.50".into())],
            vec![
                Cell::Text("a,\"é\n".to_owned()),
                Cell::Boolean(false),
                Cell::Null,
            ],
        ];
        let mut spool = Spool::create(kept.path(), "table").expect("made");
        for row in &rows {
            spool.push(row).expect("kept");
        }
        let mut back = Vec::new();
        spool
            .drain(3, |row| {
                back.push(row);
                Ok::<_, io::Error>(())
            })
            .expect("read");
        assert_eq!(back, rows);
        assert_eq!(std::fs::read_dir(kept.path()).expect("listed").count(), 0);
    }
}
