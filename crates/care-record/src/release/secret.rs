//! The secret of the releases: from the configuration, else a file beside the database that only its
//! owner may read. Pseudonyms and the certificates' signature follow from it. Whoever loses it can
//! link no later release to an earlier one; whoever else has it can.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use care_core::release::{ReleaseSecret, Verifier};

/// The secret's name in the data directory.
const FILE: &str = "release-secret";
/// The public half of the signing key beside it.
const PUBLIC_FILE: &str = "release-key.public";
/// The name that certificates are signed under.
pub(super) const SIGNER: &str = "connect-care/releases";

/// The secret of this directory; a new one where there is none.
pub(super) fn load_or_make(
    directory: &Path,
    configured: Option<[u8; 32]>,
) -> io::Result<ReleaseSecret> {
    let secret = match configured {
        Some(bytes) => ReleaseSecret::new(bytes),
        None => ReleaseSecret::new(kept(directory)?),
    };
    publish(directory, &secret)?;
    Ok(secret)
}

fn kept(directory: &Path) -> io::Result<[u8; 32]> {
    let path = directory.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let bytes = STANDARD.decode(text.trim()).ok();
            bytes
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the file release-secret is damaged; restore it from a backup",
                    )
                })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path),
        Err(error) => Err(error),
    }
}

fn make(path: &Path) -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| io::Error::other("no random bytes were to be had"))?;
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{}", STANDARD.encode(bytes))?;
    file.sync_all()?;
    Ok(bytes)
}

fn publish(directory: &Path, secret: &ReleaseSecret) -> io::Result<()> {
    let path = directory.join(PUBLIC_FILE);
    let text = format!("{}\n", Verifier::of(SIGNER, &secret.signing_seed()));
    if fs::read_to_string(&path).is_ok_and(|held| held == text) {
        return Ok(());
    }
    fs::write(path, text)
}

/// Copies the secret to a backup, where it is a file.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::read_to_string(from.join(FILE)) {
        Ok(text) => {
            let path = to.join(FILE);
            // The data directory of a database that was lost has its secret still.
            if fs::read_to_string(&path).is_ok_and(|held| held == text) {
                return Ok(());
            }
            let mut options = File::options();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
