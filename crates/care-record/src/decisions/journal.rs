//! The journal's file: lines that are only ever added, each with a checksum.
//!
//! A line with decisions is written before the record's transaction and is on the disk before it is
//! confirmed; what became of it follows in a line of its own, with the number and leaf of the commit's audit
//! entry, by which anybody can tell whether a record holds it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use care_core::audit::Hash;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Decision;

/// The file's name in its directory.
const FILE: &str = "decisions.journal";
/// Under which space and key a record keeps the name of its journal.
pub(crate) const NAME_SPACE: &str = "decisions";
pub(crate) const NAME_KEY: &str = "journal";
/// Bytes that are read of the end, where that suffices.
const TAIL: u64 = 256 << 10;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("{0} cannot be used")]
    File(PathBuf, #[source] io::Error),
    #[error("{0} is damaged in line {1}")]
    Damaged(PathBuf, usize),
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Line {
    /// The first: the journal's name.
    Begun { name: String },
    /// Decisions of one commit.
    Decided(Decided),
    /// The record holds the decisions of this number.
    Held { n: u64, at: Place },
    /// The record refused them.
    Refused { n: u64 },
    /// The record holds everything up to this number, because it was kept again or left out.
    UpTo { n: u64, at: Place, left_out: u64 },
}

/// Decisions of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Decided {
    /// Ascending, from 1.
    pub n: u64,
    /// The leaf of the commit's first audit entry.
    pub leaf: String,
    /// When, in microseconds.
    pub at: i64,
    /// Who.
    pub who: String,
    pub about: Vec<Decision>,
}

/// Where in the audit log a commit stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub entry: u64,
    pub leaf: String,
}

impl Place {
    pub fn new(entry: u64, leaf: &Hash) -> Self {
        Self {
            entry,
            leaf: hex(leaf),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a commit hands to the journal.
pub(crate) struct ToDecide {
    pub leaf: Hash,
    pub at: i64,
    pub who: String,
    pub about: Vec<Decision>,
    /// The number it got.
    pub n: Option<u64>,
}

/// The journal of one record. The writer of the record alone adds to it.
pub(crate) struct Journal {
    directory: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: Option<File>,
    /// Bytes that are whole lines.
    whole: u64,
    next: u64,
    name: Option<String>,
    /// The record keeps the journal's name.
    named: bool,
}

impl Journal {
    /// The journal of a directory; nothing is made before there is a decision.
    ///
    /// Errors: it cannot be read, another record's process has it open, or its first line is damaged.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let this = Self {
            directory: directory.to_owned(),
            state: Mutex::new(State {
                next: 1,
                ..State::default()
            }),
        };
        let path = this.path();
        let unusable = |cause| JournalError::File(path.clone(), cause);
        if !path.try_exists().map_err(unusable)? {
            return Ok(this);
        }
        let file = opened(&path).map_err(unusable)?;
        let mut first = String::new();
        let mut reader = BufReader::new(&file);
        reader.read_line(&mut first).map_err(unusable)?;
        // A first line that was cut off by a crash had nothing after it.
        let name = match read_line(&first) {
            Some(Line::Begun { name }) => Some(name),
            _ if file.metadata().map_err(unusable)?.len() == first.len() as u64 => None,
            _ => return Err(JournalError::Damaged(path, 1)),
        };
        {
            let mut state = this.locked();
            state.name = name;
            state.file = Some(file);
        }
        Ok(this)
    }

    fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is called, once it has begun.
    pub fn name(&self) -> Option<String> {
        self.locked().name.clone()
    }

    /// The record keeps the journal's name.
    pub fn is_named(&self) {
        self.locked().named = true;
    }

    /// Its last lines, and whether these are all.
    pub(super) fn tail(&self) -> Result<(Vec<Line>, bool), JournalError> {
        self.lines(TAIL)
    }

    /// All its lines.
    pub(super) fn whole(&self) -> Result<Vec<Line>, JournalError> {
        Ok(self.lines(u64::MAX)?.0)
    }

    /// The lines in its last bytes, the first of them left out where it is not whole. A last line that was
    /// cut off by a crash is taken away: nothing was answered upon it.
    fn lines(&self, most: u64) -> Result<(Vec<Line>, bool), JournalError> {
        let path = self.path();
        let unusable = |cause| JournalError::File(path.clone(), cause);
        let mut state = self.locked();
        let Some(file) = &mut state.file else {
            return Ok((Vec::new(), true));
        };
        let bytes = file.metadata().map_err(unusable)?.len();
        let from = bytes.saturating_sub(most);
        file.seek(SeekFrom::Start(from)).map_err(unusable)?;
        let mut reader = BufReader::new(&*file);
        let (mut lines, mut at, mut text) = (Vec::new(), from, Vec::new());
        if from > 0 {
            at += reader.read_until(b'\n', &mut text).map_err(unusable)? as u64;
        }
        loop {
            text.clear();
            let read = reader.read_until(b'\n', &mut text).map_err(unusable)? as u64;
            let line = std::str::from_utf8(&text).ok().and_then(read_line);
            match line {
                Some(line) => lines.push(line),
                None if at + read == bytes => break,
                None => return Err(JournalError::Damaged(path, lines.len() + 1)),
            }
            at += read;
        }
        if at < bytes {
            file.set_len(at).map_err(unusable)?;
        }
        state.whole = at;
        let highest = lines.iter().map(|line| match line {
            Line::Decided(decided) => decided.n,
            Line::Held { n, .. } | Line::Refused { n } | Line::UpTo { n, .. } => *n,
            Line::Begun { .. } => 0,
        });
        state.next = state.next.max(highest.max().unwrap_or(0) + 1);
        Ok((lines, from == 0))
    }

    /// Writes the decisions of commits that are about to be made, and returns when they are on the disk.
    /// Gives the name that the record is to keep, where it keeps none yet.
    ///
    /// Errors: nothing is in the journal then, and none of these commits may be made.
    pub fn ahead<'a>(
        &self,
        commits: impl Iterator<Item = &'a mut ToDecide>,
    ) -> io::Result<Option<String>> {
        let mut state = self.locked();
        let (mut lines, mut next, mut protects) = (Vec::new(), state.next, false);
        for commit in commits {
            commit.n = Some(next);
            protects |= commit.about.iter().any(Decision::protects);
            lines.push(Line::Decided(Decided {
                n: next,
                leaf: hex(&commit.leaf),
                at: commit.at,
                who: std::mem::take(&mut commit.who),
                about: std::mem::take(&mut commit.about),
            }));
            next += 1;
        }
        if lines.is_empty() {
            return Ok(None);
        }
        self.begin(&mut state)?;
        state.add(&lines, protects)?;
        state.next = next;
        Ok((!state.named).then(|| state.name.clone()).flatten())
    }

    /// Notes that the record holds a commit's decisions. It may reach the disk later: whether they are held
    /// can be told from the record.
    pub fn held(&self, n: u64, entry: u64, leaf: &Hash) {
        self.held_at(n, Place::new(entry, leaf));
    }

    /// The same, at a place of the log.
    pub(super) fn held_at(&self, n: u64, at: Place) {
        let mut state = self.locked();
        state.named = true;
        if let Err(error) = state.add(&[Line::Held { n, at }], false) {
            tracing::warn!(%error, "the journal of decisions is a line behind; it catches up at the next start");
        }
    }

    /// Notes that the record refused a commit's decisions.
    pub fn refused(&self, n: u64) {
        if let Err(error) = self.locked().add(&[Line::Refused { n }], false) {
            tracing::warn!(%error, "the journal of decisions is a line behind; it catches up at the next start");
        }
    }

    /// Notes that the record holds everything up to now, durably. Begins the journal where it has not begun.
    pub(super) fn up_to_now(&self, at: Place, left_out: u64) -> io::Result<()> {
        let mut state = self.locked();
        self.begin(&mut state)?;
        let n = state.next - 1;
        state.add(&[Line::UpTo { n, at, left_out }], true)?;
        state.named = true;
        Ok(())
    }

    /// Begins the journal where it has not begun, and gives its name.
    pub(super) fn begun(&self) -> io::Result<Option<String>> {
        let mut state = self.locked();
        self.begin(&mut state)?;
        Ok(state.name.clone())
    }

    fn begin(&self, state: &mut State) -> io::Result<()> {
        if state.name.is_some() {
            return Ok(());
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = hex(&random);
        if state.file.is_none() {
            fs::create_dir_all(&self.directory)?;
            state.file = Some(opened(&self.path())?);
        }
        let begun = Line::Begun { name: name.clone() };
        state.add(&[begun], true)?;
        File::open(&self.directory)?.sync_all()?;
        state.name = Some(name);
        Ok(())
    }
}

impl State {
    /// Adds lines, whole or not at all.
    fn add(&mut self, lines: &[Line], durably: bool) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut bytes = Vec::new();
        for line in lines {
            let text = serde_json::to_string(line)?;
            writeln!(bytes, "{} {text}", checksum(&text))?;
        }
        let written = file
            .seek(SeekFrom::Start(self.whole))
            .and_then(|_| file.write_all(&bytes))
            .and_then(|()| if durably { file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // What is half written is written over by the next, and taken away at the next start.
            let _ = file.set_len(self.whole);
            return Err(error);
        }
        self.whole += bytes.len() as u64;
        Ok(())
    }
}

/// The file, for reading and adding, by this process alone; others on the machine may not read it.
fn opened(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).mode(0o600);
    let file = file.truncate(false).open(path)?;
    file.try_lock().map_err(io::Error::from)?;
    Ok(file)
}

fn checksum(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..8])
}

fn read_line(line: &str) -> Option<Line> {
    let (sum, text) = line.strip_suffix('\n')?.split_once(' ')?;
    (sum == checksum(text)).then(|| serde_json::from_str(text).ok())?
}
