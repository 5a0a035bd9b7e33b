//! The key that signs checkpoints: made once in the data directory, or given by configuration.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use care_core::audit::{Cosigner, LogSigner};

/// The key's name in the data directory. Only its owner may read it.
pub(super) const FILE: &str = "ledger-key";
/// The public half beside it.
pub(super) const PUBLIC_FILE: &str = "ledger-key.public";

/// A name of the log and 32 secret bytes.
#[derive(Clone)]
pub struct SigningKey {
    name: String,
    seed: [u8; 32],
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({}, hidden)", self.name)
    }
}

impl SigningKey {
    /// A key from configuration. The name is the checkpoints' origin and stays the same for ever.
    pub fn new(name: impl Into<String>, seed: [u8; 32]) -> Self {
        Self {
            name: name.into(),
            seed,
        }
    }

    pub(super) fn signer(&self) -> LogSigner {
        LogSigner::new(&self.name, &self.seed)
    }

    /// The same key as a witness's. A key signs either a log of its own or the logs of others.
    pub(super) fn cosigner(&self) -> Cosigner {
        Cosigner::new(&self.name, &self.seed)
    }

    fn to_text(&self) -> String {
        format!("{}\n{}\n", self.name, STANDARD.encode(self.seed))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let name = lines.next()?.to_owned();
        let seed = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
        Some(Self { name, seed })
    }
}

/// The key in this directory; a new one where there is none.
pub(super) fn load_or_make(directory: &Path) -> io::Result<SigningKey> {
    load_or_make_at(&directory.join(FILE), || {
        let mut random = [0; 4];
        // A name without these would still be a name.
        let _ = getrandom::fill(&mut random);
        let id = random.map(|byte| format!("{byte:02x}")).concat();
        format!("connect-care/{id}")
    })
}

/// The key in this file; a new one of this name where there is none.
pub(super) fn load_or_make_at(
    path: &Path,
    name: impl FnOnce() -> String,
) -> io::Result<SigningKey> {
    match fs::read_to_string(path) {
        Ok(text) => SigningKey::parse(&text).ok_or_else(|| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let words = format!("the file {file} is damaged; restore it from a backup");
            io::Error::new(io::ErrorKind::InvalidData, words)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path, name()),
        Err(error) => Err(error),
    }
}

fn make(path: &Path, name: String) -> io::Result<SigningKey> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| io::Error::other("no random bytes were to be had"))?;
    let key = SigningKey::new(name, seed);
    let mut file = private(path)?;
    file.write_all(key.to_text().as_bytes())?;
    file.sync_all()?;
    Ok(key)
}

/// Makes a new file that only its owner may read.
pub(super) fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Copies both halves of the key to a backup, where there are any.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for (name, secret) in [(FILE, true), (PUBLIC_FILE, false)] {
        let text = match fs::read_to_string(from.join(name)) {
            Ok(text) => text,
            // A key from configuration has no file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let path = to.join(name);
        // The data directory of a database that was lost has its keys still.
        if fs::read_to_string(&path).is_ok_and(|held| held == text) {
            continue;
        }
        let mut file = if secret {
            private(&path)?
        } else {
            File::create(&path)?
        };
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
    }
    Ok(())
}

/// Leaves the public half in the data directory, for checks without a witness.
pub(super) fn publish(directory: &Path, key: &SigningKey) -> io::Result<()> {
    let text = format!("{}\n", key.signer().verifier());
    let path = directory.join(PUBLIC_FILE);
    if fs::read_to_string(&path).is_ok_and(|held| held == text) {
        return Ok(());
    }
    let mut file = File::create(&path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
