//! The certificate of a release: what left, why, on what basis, checked how, and the hash of every
//! file; signed with the deployment's Ed25519 key in the form of a C2SP signed note, so that a changed
//! letter is seen by anybody with the public key.
//!
//! It names nobody who was left out; see `left_out`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::GREATEST_SUPPRESSED;
use super::tables::shown;

const FORM: &str = "connect-care release certificate 1";
const ED25519: u8 = 1;

/// What is certified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The form of the certificate.
    pub form: String,
    /// The release's reference.
    pub release: String,
    /// Its title.
    pub title: String,
    /// The project.
    pub project: String,
    /// The purpose code.
    pub purpose: String,
    /// The purpose in words.
    pub purpose_words: String,
    /// The code of the legal basis.
    pub legal_basis: String,
    /// The document it rests on.
    pub evidence: String,
    /// The code of the form of the data.
    pub data_form: String,
    /// Who gets it.
    pub destination: String,
    /// Why the rules let it leave: the reason code.
    pub reason: String,
    /// The national data opt-out was applied.
    pub opt_out_applied: bool,
    /// The check it was applied with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CertifiedCheck>,
    /// Who approved, and what exactly.
    pub approvals: Vec<CertifiedApproval>,
    /// The digest of the specification that was approved and run.
    pub specification: String,
    /// People, in and out.
    pub counts: CertifiedCounts,
    /// What became of dates.
    pub dates: String,
    /// The fewest people told alike.
    pub smallest_group: u32,
    /// Every file beside the certificate.
    pub files: Vec<CertifiedFile>,
    /// When it was made.
    pub issued_at: Timestamp,
    /// The day by which it is destroyed.
    pub destroy_by: Date,
}

/// The check for national data opt-outs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertifiedCheck {
    /// Its id.
    pub id: String,
    /// How it was made: `mesh`, `cache`.
    pub method: String,
    /// When it was answered.
    pub checked_at: Timestamp,
    /// Its age in whole days when the release was made.
    pub age_days: u32,
    /// The greatest age that is relied on.
    pub greatest_age_days: u32,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertifiedApproval {
    /// The approver's user id.
    pub by: String,
    /// Their role code.
    pub role: String,
    /// When.
    pub at: Timestamp,
}

/// People, in and out. Those left out are told as counts are told in tables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CertifiedCounts {
    /// People asked for.
    pub asked_for: SmallSafe,
    /// People in the release.
    pub released: u64,
    /// Left out: national data opt-out.
    pub opted_out: SmallSafe,
    /// Left out: no NHS number that could be checked.
    pub not_checkable: SmallSafe,
    /// Left out: objected to Connect Care.
    pub objected: SmallSafe,
    /// Left out: changed while the release was made, or told by too few others.
    pub other: SmallSafe,
    /// In the release without what their practice holds (Type 1 opt-out).
    pub without_gp_items: SmallSafe,
    /// Rows that stayed because too few people share what they say.
    pub rows_kept_back: u64,
    /// Values that stayed because they named a person.
    pub values_removed: u64,
}

/// A count as it may be told: `0`, `1 to 7`, or rounded to 5.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SmallSafe(String);

impl SmallSafe {
    /// As it may be told.
    pub fn of(count: u64) -> Self {
        Self(match shown(count).number() {
            Some(number) => number.to_string(),
            None => format!("1 to {GREATEST_SUPPRESSED}"),
        })
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// A file of the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertifiedFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
    /// Rows, where it has any.
    pub rows: u64,
}

/// Why a certificate does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not the text of one.
    #[error("this is no certificate of a release; use the file as it was delivered")]
    Form,
    /// No signature by this key, or one that does not fit.
    #[error(
        "the certificate is not signed by this key, or was changed after it was signed; \
         do not use the release, and tell the programme"
    )]
    Signature,
    /// The text is no key.
    #[error("this is no verifier key; it has the form name+id+key")]
    Key,
}

/// Checks signatures. Its text is a verifier key of C2SP signed notes: `name+id+key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: VerifyingKey,
}

impl Certificate {
    /// The form of certificates that this program writes.
    pub fn form() -> String {
        FORM.to_owned()
    }

    /// The signed text: the certificate as JSON, an empty line, a signature line.
    pub fn sign(&self, name: &str, seed: &[u8; 32]) -> String {
        // Plain values always have a JSON form; an empty text would open as no certificate.
        let text = format!(
            "{}\n",
            serde_json::to_string_pretty(self).unwrap_or_default()
        );
        let verifier = Verifier::of(name, seed);
        let signature = SigningKey::from_bytes(seed).sign(text.as_bytes());
        let mut signed = verifier.id().to_vec();
        signed.extend_from_slice(&signature.to_bytes());
        format!("{text}\n— {} {}\n", verifier.name, STANDARD.encode(signed))
    }
}

impl Verifier {
    /// The public half of a signing seed.
    pub fn of(name: &str, seed: &[u8; 32]) -> Self {
        Self {
            name: name.replace([' ', '+', '\n'], "-"),
            key: SigningKey::from_bytes(seed).verifying_key(),
        }
    }

    /// Reads `name+id+key`.
    pub fn parse(text: &str) -> Result<Self, CertificateError> {
        let mut fields = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err(CertificateError::Key);
        };
        let key = STANDARD.decode(key).map_err(|_| CertificateError::Key)?;
        let Some((&ED25519, key)) = key.split_first() else {
            return Err(CertificateError::Key);
        };
        let key: [u8; 32] = key.try_into().map_err(|_| CertificateError::Key)?;
        let this = Self {
            name: name.to_owned(),
            key: VerifyingKey::from_bytes(&key).map_err(|_| CertificateError::Key)?,
        };
        if hex(&this.id()) == id {
            Ok(this)
        } else {
            Err(CertificateError::Key)
        }
    }

    /// The certificate of a signed text, once its signature was checked.
    pub fn open(&self, note: &str) -> Result<Certificate, CertificateError> {
        let (body, signatures) = note.rsplit_once("\n\n").ok_or(CertificateError::Form)?;
        let text = format!("{body}\n");
        if !signatures.lines().any(|line| self.signed(&text, line)) {
            return Err(CertificateError::Signature);
        }
        let certificate: Certificate =
            serde_json::from_str(&text).map_err(|_| CertificateError::Form)?;
        if certificate.form == FORM {
            Ok(certificate)
        } else {
            Err(CertificateError::Form)
        }
    }

    fn signed(&self, text: &str, line: &str) -> bool {
        let parts = line
            .strip_prefix("— ")
            .and_then(|line| line.split_once(' '));
        let Some((name, signature)) = parts else {
            return false;
        };
        let Ok(bytes) = STANDARD.decode(signature) else {
            return false;
        };
        let Some((id, signature)) = bytes.split_first_chunk::<4>() else {
            return false;
        };
        name == self.name
            && *id == self.id()
            && Signature::from_slice(signature)
                .is_ok_and(|it| self.key.verify_strict(text.as_bytes(), &it).is_ok())
    }

    fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(self.name.as_bytes())
            .chain_update([b'\n', ED25519])
            .chain_update(self.key.as_bytes())
            .finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut key = vec![ED25519];
        key.extend_from_slice(self.key.as_bytes());
        write!(
            f,
            "{}+{}+{}",
            self.name,
            hex(&self.id()),
            STANDARD.encode(key)
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> Certificate {
        Certificate {
            form: Certificate::form(),
            release: "R-1".into(),
            title: "Frailty".into(),
            project: "frailty".into(),
            purpose: "planning".into(),
            purpose_words: "To plan.".into(),
            legal_basis: "s251_reg5".into(),
            evidence: "letter".into(),
            data_form: "pseudonymised_reidentifiable".into(),
            destination: "ICB".into(),
            reason: "s251-opt-out-applies".into(),
            opt_out_applied: true,
            check: None,
            approvals: Vec::new(),
            specification: "00".into(),
            counts: CertifiedCounts {
                opted_out: SmallSafe::of(3),
                released: 11,
                ..Default::default()
            },
            dates: "shifted".into(),
            smallest_group: 5,
            files: Vec::new(),
            issued_at: "2026-11-23T10:00:00Z".parse().expect("a time"),
            destroy_by: "2027-11-23".parse().expect("a day"),
        }
    }

    #[test]
    fn a_certificate_opens_with_its_key_only_and_only_unchanged() {
        let note = certificate().sign("connect-care/releases", &[7; 32]);
        let verifier =
            Verifier::parse(&Verifier::of("connect-care/releases", &[7; 32]).to_string())
                .expect("a key");
        assert_eq!(verifier.open(&note).expect("opens"), certificate());
        assert!(note.contains("\"opted_out\": \"1 to 7\""));
        let other = Verifier::of("connect-care/releases", &[8; 32]);
        assert_eq!(other.open(&note), Err(CertificateError::Signature));
        for place in 0..note.len() {
            let mut changed = note.clone().into_bytes();
            changed[place] ^= 1;
            let Ok(changed) = String::from_utf8(changed) else {
                continue;
            };
            if let Ok(opened) = verifier.open(&changed) {
                assert_eq!(opened, certificate(), "{place}");
            }
        }
        assert_eq!(verifier.open("{}"), Err(CertificateError::Form));
        assert_eq!(Verifier::parse("a+b+c"), Err(CertificateError::Key));
    }
}
