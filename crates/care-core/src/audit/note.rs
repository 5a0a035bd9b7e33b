//! Checkpoints: the signed state of the log, in the forms outside tools can read.
//!
//! Sources: C2SP signed-note and tlog-checkpoint (three lines: origin, size, root; then a signature
//! line with a 4-byte key id and an Ed25519 signature), C2SP tlog-proof for proofs of one entry.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use super::tree::{Hash, leaf_hash, verify_inclusion};

/// The algorithm byte of Ed25519 in signed notes.
const ED25519: u8 = 1;
const PROOF_HEAD: &str = "c2sp.org/tlog-proof@v1";

/// The state of the log after `size` entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// Why a note is no checkpoint of this log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not three lines, an empty line and a signature.
    #[error("this is no signed checkpoint; use the file as it was written")]
    Form,
    /// No signature by this key, or one that does not fit.
    #[error(
        "the checkpoint is not signed by this log's key; check that the key belongs to the log"
    )]
    Signature,
    /// The text is no verifier key.
    #[error("this is no verifier key; it has the form name+id+key")]
    Key,
}

/// Signs checkpoints.
pub struct LogSigner {
    name: String,
    key: SigningKey,
}

/// Checks checkpoints. Its text form is the verifier key of C2SP signed notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogVerifier {
    name: String,
    key: VerifyingKey,
}

impl LogSigner {
    /// A signer of this log. The name has no spaces and no plus sign; both are replaced by dashes.
    pub fn new(name: &str, seed: &[u8; 32]) -> Self {
        Self {
            name: name.replace([' ', '+', '\n'], "-"),
            key: SigningKey::from_bytes(seed),
        }
    }

    /// The other half.
    pub fn verifier(&self) -> LogVerifier {
        LogVerifier {
            name: self.name.clone(),
            key: self.key.verifying_key(),
        }
    }

    /// The signed note of a tree of this size and root.
    pub fn sign(&self, size: u64, root: &Hash) -> String {
        let text = format!("{}\n{size}\n{}\n", self.name, STANDARD.encode(root));
        let mut signed = self.verifier().id().to_vec();
        signed.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n— {} {}\n", self.name, STANDARD.encode(signed))
    }
}

impl LogVerifier {
    /// Reads `name+id+key`.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, key) = parse_key(text, ED25519)?;
        Ok(Self { name, key })
    }

    /// Which log.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> [u8; 4] {
        key_id(&self.name, ED25519, &self.key)
    }

    /// The checkpoint of a note, once its signature was checked.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let (body, signatures) = note.split_once("\n\n").ok_or(NoteError::Form)?;
        let signed = format!("{body}\n");
        let mut lines = body.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(NoteError::Form);
        };
        if !signatures.lines().any(|line| self.signed(&signed, line)) {
            return Err(NoteError::Signature);
        }
        let root = STANDARD.decode(root).map_err(|_| NoteError::Form)?;
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| NoteError::Form)?,
            root: root.try_into().map_err(|_| NoteError::Form)?,
        };
        if checkpoint.origin == self.name {
            Ok(checkpoint)
        } else {
            Err(NoteError::Signature)
        }
    }

    fn signed(&self, text: &str, line: &str) -> bool {
        signatures(line, &self.name, self.id())
            .and_then(|bytes| Signature::from_slice(&bytes).ok())
            .is_some_and(|signature| self.key.verify_strict(text.as_bytes(), &signature).is_ok())
    }
}

impl fmt::Display for LogVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print_key(&self.name, ED25519, &self.key))
    }
}

/// Reads a verifier key `name+id+key` of this algorithm.
pub(super) fn parse_key(text: &str, algorithm: u8) -> Result<(String, VerifyingKey), NoteError> {
    let mut fields = text.trim().splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(NoteError::Key);
    };
    let key = STANDARD.decode(key).map_err(|_| NoteError::Key)?;
    let key: [u8; 32] = match key.split_first() {
        Some((first, key)) if *first == algorithm => key.try_into().map_err(|_| NoteError::Key)?,
        _ => return Err(NoteError::Key),
    };
    let key = VerifyingKey::from_bytes(&key).map_err(|_| NoteError::Key)?;
    if hex(&key_id(name, algorithm, &key)) == id {
        Ok((name.to_owned(), key))
    } else {
        Err(NoteError::Key)
    }
}

/// The text form of a verifier key.
pub(super) fn print_key(name: &str, algorithm: u8, key: &VerifyingKey) -> String {
    let mut bytes = vec![algorithm];
    bytes.extend_from_slice(key.as_bytes());
    let id = hex(&key_id(name, algorithm, key));
    format!("{name}+{id}+{}", STANDARD.encode(bytes))
}

/// The id of a key: the first four bytes of a hash over name, algorithm and key.
pub(super) fn key_id(name: &str, algorithm: u8, key: &VerifyingKey) -> [u8; 4] {
    let hash = Sha256::new()
        .chain_update(name.as_bytes())
        .chain_update([b'\n', algorithm])
        .chain_update(key.as_bytes())
        .finalize();
    let mut id = [0; 4];
    id.copy_from_slice(&hash[..4]);
    id
}

/// What stands after the key's id on a signature line, where it is a line of this key.
pub(super) fn signatures(line: &str, name: &str, id: [u8; 4]) -> Option<Vec<u8>> {
    let (named, signature) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (found, rest) = bytes.split_first_chunk::<4>()?;
    (named == name && *found == id).then(|| rest.to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the proof that an entry is in the log of a checkpoint.
pub fn write_proof(number: u64, path: &[Hash], note: &str) -> String {
    let mut text = format!("{PROOF_HEAD}\nindex {number}\n");
    for hash in path {
        text.push_str(&STANDARD.encode(hash));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(note);
    text
}

/// Checks a written proof: that these exact bytes are the entry it names, in the log it names.
pub fn check_proof(text: &str, entry: &[u8], verifier: &LogVerifier) -> Result<u64, NoteError> {
    let (head, note) = text.split_once("\n\n").ok_or(NoteError::Form)?;
    let checkpoint = verifier.open(note)?;
    let mut lines = head.lines();
    if lines.next() != Some(PROOF_HEAD) {
        return Err(NoteError::Form);
    }
    let number = lines
        .next()
        .and_then(|line| line.strip_prefix("index "))
        .and_then(|number| number.parse().ok())
        .ok_or(NoteError::Form)?;
    let path = lines
        .map(|line| STANDARD.decode(line).ok()?.try_into().ok())
        .collect::<Option<Vec<Hash>>>()
        .ok_or(NoteError::Form)?;
    let leaf = leaf_hash(entry);
    if verify_inclusion(&leaf, number, checkpoint.size, &path, &checkpoint.root) {
        Ok(number)
    } else {
        Err(NoteError::Signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{inclusion_proof, root};

    #[test]
    fn a_signed_note_opens_with_its_key_only_and_only_unchanged() {
        let signer = LogSigner::new("connect care/demo", &[7; 32]);
        let verifier = LogVerifier::parse(&signer.verifier().to_string()).expect("parses");
        assert_eq!(verifier, signer.verifier());
        let note = signer.sign(3, &[9; 32]);
        assert!(note.starts_with("connect-care/demo\n3\nCQkJ"));
        assert_eq!(verifier.open(&note).expect("opens").size, 3);
        let other = LogSigner::new("connect care/demo", &[8; 32]).verifier();
        assert_eq!(other.open(&note), Err(NoteError::Signature));
        assert!(verifier.open(&note.replacen("\n3\n", "\n4\n", 1)).is_err());
        for place in 0..note.len() {
            let mut changed = note.clone().into_bytes();
            changed[place] ^= 1;
            let Ok(changed) = String::from_utf8(changed) else {
                continue;
            };
            let opened = verifier.open(&changed);
            assert!(
                opened.is_err() || opened.as_ref().is_ok_and(|c| c.size == 3),
                "{place}"
            );
        }
        assert_eq!(LogVerifier::parse("a+b+c"), Err(NoteError::Key));
    }

    #[test]
    fn a_written_proof_holds_for_its_entry_and_no_other() {
        let entries: Vec<Vec<u8>> = (0..11_u8).map(|number| vec![number]).collect();
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let signer = LogSigner::new("demo", &[7; 32]);
        let note = signer.sign(11, &root(&leaves));
        for (number, entry) in entries.iter().enumerate() {
            let path = inclusion_proof(&leaves, number as u64).expect("a path");
            let text = write_proof(number as u64, &path, &note);
            let checked = check_proof(&text, entry, &signer.verifier());
            assert_eq!(checked, Ok(number as u64));
            assert!(check_proof(&text, b"another", &signer.verifier()).is_err());
        }
    }
}
