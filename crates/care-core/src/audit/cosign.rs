//! Witnesses: what a log hands in, what a witness checks before it signs too, and its signature.
//!
//! A witness remembers one checkpoint of each log and signs the next only with a proof that the log
//! only grew. So two different pasts of one log never both carry its signature. Keeps nothing and
//! knows no socket: whoever serves hands in what was remembered. Sources: C2SP tlog-witness
//! (`add-checkpoint`), C2SP tlog-cosignature (`cosignature/v1`, algorithm byte 4).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::note::{Checkpoint, LogVerifier, NoteError, key_id, parse_key, print_key, signatures};
use super::tree::{Hash, verify_consistency};

/// The algorithm byte of a witness's timestamped Ed25519 signature.
const COSIGNATURE: u8 = 4;
/// A proof has at most this many lines.
const LONGEST_PROOF: usize = 63;

/// Signs the checkpoints of others.
pub struct Cosigner {
    name: String,
    key: SigningKey,
}

/// Checks a witness's signatures. Its text form is a verifier key with algorithm byte 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignVerifier {
    name: String,
    key: VerifyingKey,
}

impl Cosigner {
    /// A witness of this name. Blanks and plus signs in it become dashes.
    pub fn new(name: &str, seed: &[u8; 32]) -> Self {
        Self {
            name: name.replace([' ', '+', '\n'], "-"),
            key: SigningKey::from_bytes(seed),
        }
    }

    /// The other half.
    pub fn verifier(&self) -> CosignVerifier {
        CosignVerifier {
            name: self.name.clone(),
            key: self.key.verifying_key(),
        }
    }

    /// The signature line, with its newline, for a note; `seconds` since 1970 is when it is signed.
    pub fn cosign(&self, note: &str, seconds: u64) -> Result<String, NoteError> {
        let (body, _) = note.split_once("\n\n").ok_or(NoteError::Form)?;
        let text = cosigned(body, seconds);
        let mut signed = self.verifier().id().to_vec();
        signed.extend_from_slice(&seconds.to_be_bytes());
        signed.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        Ok(format!("— {} {}\n", self.name, STANDARD.encode(signed)))
    }
}

/// What a witness signs.
fn cosigned(body: &str, seconds: u64) -> String {
    format!("cosignature/v1\ntime {seconds}\n{body}\n")
}

impl CosignVerifier {
    /// Reads `name+id+key`.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, key) = parse_key(text, COSIGNATURE)?;
        Ok(Self { name, key })
    }

    /// Which witness.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> [u8; 4] {
        key_id(&self.name, COSIGNATURE, &self.key)
    }

    /// Finds this witness's good signature of a note's body among these lines: the line, and when it
    /// was signed in seconds since 1970.
    pub fn find(&self, note: &str, lines: &str) -> Option<(String, u64)> {
        let (body, _) = note.split_once("\n\n")?;
        lines.lines().find_map(|line| {
            let bytes = signatures(line, &self.name, self.id())?;
            let (time, signature) = bytes.split_first_chunk::<8>()?;
            let seconds = u64::from_be_bytes(*time);
            let signature = Signature::from_slice(signature).ok()?;
            self.key
                .verify_strict(cosigned(body, seconds).as_bytes(), &signature)
                .ok()?;
            Some((format!("{line}\n"), seconds))
        })
    }
}

impl fmt::Display for CosignVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print_key(&self.name, COSIGNATURE, &self.key))
    }
}

/// What a log hands in: the size the witness signed last, the proof of growth, the new checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The size of the checkpoint the witness signed last; 0 where it signed none.
    pub old: u64,
    /// The proof from there.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub note: String,
}

impl Submission {
    /// The body of `add-checkpoint`.
    pub fn to_text(&self) -> String {
        let mut text = format!("old {}\n", self.old);
        for hash in &self.proof {
            text.push_str(&STANDARD.encode(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.note);
        text
    }

    /// Reads such a body.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (head, note) = text.split_once("\n\n").ok_or(NoteError::Form)?;
        let mut lines = head.lines();
        let old = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(decimal)
            .ok_or(NoteError::Form)?;
        let proof = lines
            .map(|line| STANDARD.decode(line).ok()?.try_into().ok())
            .collect::<Option<Vec<Hash>>>()
            .filter(|proof| proof.len() <= LONGEST_PROOF)
            .ok_or(NoteError::Form)?;
        Ok(Self {
            old,
            proof,
            note: note.to_owned(),
        })
    }

    /// The log it says it is of; nothing is checked yet.
    pub fn origin(&self) -> &str {
        self.note.lines().next().unwrap_or_default()
    }
}

/// A number in decimal without leading zeroes or a sign.
fn decimal(text: &str) -> Option<u64> {
    let plain = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (plain && digits).then(|| text.parse().ok()).flatten()
}

/// Why a witness does not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WitnessRefusal {
    /// The old size is greater than the new one.
    #[error("the old size is greater than the checkpoint's; hand in a checkpoint that grew")]
    Smaller,
    /// The witness does not know this log.
    #[error("this witness does not know this log; give it the log's verifier key")]
    UnknownLog,
    /// No signature by the log's key.
    #[error("the checkpoint is not signed by the log's key")]
    NotSigned,
    /// The witness signed another size last.
    #[error("this witness signed size {size} last; prove the growth from there")]
    Stale {
        /// That size.
        size: u64,
    },
    /// The same size with another root: the log has two pasts.
    #[error("this witness signed another root at this size: the log was rewritten")]
    Fork {
        /// That size.
        size: u64,
    },
    /// The proof does not hold: the log has another past than the witness saw.
    #[error("the proof of growth does not hold: the log was rewritten")]
    Inconsistent,
}

/// Says whether a witness may sign: `latest` is the checkpoint it signed last, `None` for none.
/// Gives the new checkpoint, which must be kept before the signature leaves.
pub fn consider(
    submission: &Submission,
    log: Option<&LogVerifier>,
    latest: Option<&Checkpoint>,
) -> Result<Checkpoint, WitnessRefusal> {
    let log = log.ok_or(WitnessRefusal::UnknownLog)?;
    let new = log
        .open(&submission.note)
        .map_err(|_| WitnessRefusal::NotSigned)?;
    if submission.old > new.size {
        return Err(WitnessRefusal::Smaller);
    }
    let size = latest.map_or(0, |latest| latest.size);
    if submission.old != size {
        return Err(WitnessRefusal::Stale { size });
    }
    let Some(latest) = latest.filter(|latest| latest.size > 0) else {
        return if submission.proof.is_empty() {
            Ok(new)
        } else {
            Err(WitnessRefusal::Inconsistent)
        };
    };
    if latest.size == new.size && latest.root != new.root {
        return Err(WitnessRefusal::Fork { size });
    }
    let grew = verify_consistency(
        (latest.size, &latest.root),
        (new.size, &new.root),
        &submission.proof,
    );
    if grew {
        Ok(new)
    } else {
        Err(WitnessRefusal::Inconsistent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{LogSigner, consistency_proof, leaf_hash, root};

    fn leaves(count: u8, salt: u8) -> Vec<Hash> {
        (0..count)
            .map(|n| leaf_hash(&[n, if n > 3 { salt } else { 0 }]))
            .collect()
    }

    fn submit(signer: &LogSigner, leaves: &[Hash], old: u64) -> Submission {
        let proof = consistency_proof(leaves, old).unwrap_or_default();
        let note = signer.sign(leaves.len() as u64, &root(leaves));
        let text = Submission { old, proof, note }.to_text();
        Submission::parse(&text).expect("reads what it wrote")
    }

    #[test]
    fn a_witness_signs_growth_and_nothing_else() {
        let signer = LogSigner::new("log", &[7; 32]);
        let log = signer.verifier();
        let (at_5, at_9, forked) = (leaves(5, 0), leaves(9, 0), leaves(9, 1));
        let first = consider(&submit(&signer, &at_5, 0), Some(&log), None).expect("the first");
        let check = |submission: &Submission, latest: &Checkpoint| {
            consider(submission, Some(&log), Some(latest))
        };
        let ninth = check(&submit(&signer, &at_9, 5), &first).expect("growth");
        assert_eq!(ninth.size, 9);
        assert_eq!(check(&submit(&signer, &at_9, 9), &ninth), Ok(ninth.clone()));
        use WitnessRefusal as No;
        assert_eq!(
            check(&submit(&signer, &at_9, 0), &first),
            Err(No::Stale { size: 5 })
        );
        assert_eq!(
            check(&submit(&signer, &forked, 5), &first),
            Err(No::Inconsistent),
            "a rewritten past with a proof of its own"
        );
        assert_eq!(
            check(&submit(&signer, &forked, 9), &ninth),
            Err(No::Fork { size: 9 })
        );
        assert_eq!(check(&submit(&signer, &at_5, 9), &ninth), Err(No::Smaller));
        let other = LogSigner::new("log", &[8; 32]);
        assert_eq!(check(&submit(&other, &at_9, 5), &first), Err(No::NotSigned));
        let nobody = consider(&submit(&signer, &at_5, 0), None, None);
        assert_eq!(nobody, Err(No::UnknownLog));
        let mut padded = submit(&signer, &at_5, 0);
        padded.proof.push([0; 32]);
        assert_eq!(consider(&padded, Some(&log), None), Err(No::Inconsistent));
    }

    #[test]
    fn a_cosignature_is_found_under_its_key_name_and_text_only() {
        let note = LogSigner::new("log", &[7; 32]).sign(3, &[9; 32]);
        let witness = Cosigner::new("witness example/w1", &[1; 32]);
        let key = CosignVerifier::parse(&witness.verifier().to_string()).expect("parses");
        assert_eq!(key, witness.verifier());
        let line = witness.cosign(&note, 1_679_315_147).expect("signs");
        let lines = format!("— somebody AAAA\n{line}");
        assert_eq!(key.find(&note, &lines), Some((line.clone(), 1_679_315_147)));
        let other = Cosigner::new("witness example/w1", &[2; 32]).verifier();
        assert_eq!(other.find(&note, &lines), None);
        let another = LogSigner::new("log", &[7; 32]).sign(4, &[9; 32]);
        assert_eq!(key.find(&another, &lines), None);
        assert!(
            LogVerifier::parse(&key.to_string()).is_err(),
            "another kind of key"
        );
    }

    #[test]
    fn a_body_that_is_none_is_refused() {
        for text in [
            "",
            "old 1\n",
            "old 01\n\nlog\n",
            "old +1\n\nx",
            "new 1\n\nx",
            "old 1\n!!\n\nx",
        ] {
            assert_eq!(Submission::parse(text), Err(NoteError::Form), "{text:?}");
        }
        let long = format!(
            "old 1\n{}\nnote",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".repeat(64)
        );
        assert!(Submission::parse(&long).is_err());
    }
}
