//! The book of a witness: what it signed last of each log, kept before it signs.
//!
//! One directory a log, in the form of a witness directory, so that the verifier reads it. A log is
//! known by the key it was given with, never by what it says of itself.

use std::io;
use std::path::{Path, PathBuf};

use care_core::audit::{Checkpoint, Cosigner, LogVerifier, Submission, WitnessRefusal, consider};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::offline::LedgerError;
use super::{key, witness};

const KEY: &str = "witness-key";

/// What a witness keeps.
pub struct WitnessBook {
    cosigner: Cosigner,
    logs: Vec<Known>,
}

struct Known {
    log: LogVerifier,
    directory: PathBuf,
    latest: Option<Checkpoint>,
}

impl WitnessBook {
    /// Opens the book in a directory. The witness's key is made the first time, under this name.
    ///
    /// Errors: the directory cannot be used; the key is damaged; a log's directory belongs to another
    /// log; the newest checkpoint it holds is not signed by the log.
    pub fn open(directory: &Path, name: &str, logs: &[LogVerifier]) -> Result<Self, LedgerError> {
        let unusable = |cause| LedgerError::File {
            place: directory.display().to_string(),
            cause,
        };
        std::fs::create_dir_all(directory).map_err(unusable)?;
        let key = key::load_or_make_at(&directory.join(KEY), || name.to_owned());
        let cosigner = key.map_err(unusable)?.cosigner();
        let known = |log: &LogVerifier| {
            let safe = |c: char| {
                if c.is_ascii_alphanumeric() || c == '.' {
                    c
                } else {
                    '-'
                }
            };
            let place = directory.join(log.name().chars().map(safe).collect::<String>());
            let newest = witness::greet(&place, log).map_err(unusable)?;
            Ok(Known {
                latest: newest_kept(&place, log, newest).map_err(unusable)?,
                log: log.clone(),
                directory: place,
            })
        };
        Ok(Self {
            cosigner,
            logs: logs.iter().map(known).collect::<Result<_, LedgerError>>()?,
        })
    }

    /// The witness's verifier key.
    pub fn key(&self) -> String {
        self.cosigner.verifier().to_string()
    }

    /// Each log with where its checkpoints are kept.
    pub fn places(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.logs
            .iter()
            .map(|one| (one.log.name(), one.directory.as_path()))
    }

    /// Signs a checkpoint, once it is kept; gives the signature line.
    ///
    /// Errors: the witness refuses, or could not keep it (then nothing was signed).
    pub fn sign(
        &mut self,
        submission: &Submission,
        now: Timestamp,
    ) -> Result<String, Result<WitnessRefusal, io::Error>> {
        let origin = submission.origin();
        let known = self.logs.iter_mut().find(|one| one.log.name() == origin);
        let Some(known) = known else {
            return Err(Ok(WitnessRefusal::UnknownLog));
        };
        let accepted = consider(submission, Some(&known.log), known.latest.as_ref()).map_err(Ok)?;
        if known.latest.as_ref() != Some(&accepted) {
            let month = now.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string();
            let kept = witness::copy(&known.directory, &month, accepted.size, &submission.note);
            kept.map_err(Err)?;
            known.latest = Some(accepted);
        }
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        self.cosigner
            .cosign(&submission.note, seconds)
            .map_err(|_| Ok(WitnessRefusal::NotSigned))
    }
}

/// The newest checkpoint a directory holds. One that cannot be trusted stops the witness: it would
/// otherwise begin again and sign another past.
fn newest_kept(place: &Path, log: &LogVerifier, newest: u64) -> io::Result<Option<Checkpoint>> {
    if newest == 0 {
        return Ok(None);
    }
    let files = witness::files(place)?;
    let file = files
        .iter()
        .find(|file| witness::size_of(file) == Some(newest));
    let note = file.map_or(Ok(String::new()), std::fs::read_to_string)?;
    match log.open(&note) {
        Ok(checkpoint) if checkpoint.size == newest => Ok(Some(checkpoint)),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the newest checkpoint it holds is damaged; restore it from a backup",
        )),
    }
}
