//! Verifying a release without the service: its directory and the public key are enough. Reads, and
//! changes nothing. Learns nothing of those who were left out.
//!
//! It says everything it finds: a file that was changed, added or taken away; a signature that does not
//! fit; a check that was too old; a person who is in the data and not among those released; and one
//! who is among those left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use care_core::release::{
    Certificate, CertificateError, LeftOut, Verifier, is_pseudonym, pseudonyms_in,
};
use care_core::secondary_use::{DataForm, LegalBasis};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use sha2::{Digest as _, Sha256};

use super::files::hex;
use super::produce::{LEFT_OUT, PEOPLE};
use super::run::CERTIFICATE;

/// What was looked at.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The certificate, where its signature fits.
    pub certificate: Option<Certificate>,
    /// People among those released.
    pub people: u64,
    /// Files that were read.
    pub files: u64,
    /// What is wrong; nothing: the release holds.
    pub findings: Vec<VerifyFinding>,
}

/// Something that is wrong with a release. Names files and lines, and nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyFinding {
    /// The certificate does not hold.
    #[error("{0}")]
    Certificate(CertificateError),
    /// A file is not as it was certified.
    #[error("{name}: this file was changed after the certificate was signed")]
    Edited {
        /// Which.
        name: String,
    },
    /// A file is not there.
    #[error("{name}: this file is on the certificate and not in the release")]
    Missing {
        /// Which.
        name: String,
    },
    /// A file is not on the certificate.
    #[error("{name}: this file is in the release and not on the certificate")]
    Added {
        /// Which.
        name: String,
    },
    /// The opt-out applies and no check is named.
    #[error("the national data opt-out applies and the certificate names no check")]
    NoCheck,
    /// Too old when the release was made.
    #[error(
        "the opt-out check was {days} days old when the release was made; at most {most} are allowed"
    )]
    StaleCheck {
        /// Its age.
        days: i64,
        /// The greatest age.
        most: u32,
    },
    /// Not two people.
    #[error("the certificate does not name two different people who approved")]
    Approvals,
    /// The certificate says that the opt-out was not applied, and its legal basis says that it is.
    #[error(
        "the certificate does not apply the national data opt-out, and gives no reason that the policy knows"
    )]
    NotApplied,
    /// Somebody in the data who is not among those released.
    #[error(
        "{name}: {people} of the people in this file are not among those who may be in the release"
    )]
    NotReleased {
        /// Which file.
        name: String,
        /// How many.
        people: u64,
    },
    /// Somebody who was left out is in the list of people.
    #[error(
        "{people} of the people listed as released were left out: they opted out or could not be checked"
    )]
    LeftOut {
        /// How many.
        people: u64,
    },
    /// A file cannot be read.
    #[error("{name}: this file cannot be read as what it is")]
    Unreadable {
        /// Which.
        name: String,
    },
}

/// Why nothing could be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyRelease {
    /// Not a directory with a certificate.
    #[error("{0} holds no certificate.txt; give the directory of a release as it was delivered")]
    NoRelease(String),
    /// A file cannot be read.
    #[error("a file of the release cannot be read; check who may read it")]
    File(#[from] io::Error),
}

/// Verifies a release.
///
/// Errors: there is nothing to verify. What is wrong with a release is in the answer.
pub fn verify(directory: &Path, key: &Verifier) -> Result<Verified, VerifyRelease> {
    let note = fs::read_to_string(directory.join(CERTIFICATE))
        .map_err(|_| VerifyRelease::NoRelease(directory.display().to_string()))?;
    let mut findings = Vec::new();
    let certificate = match key.open(&note) {
        Ok(certificate) => Some(certificate),
        Err(error) => {
            findings.push(VerifyFinding::Certificate(error));
            None
        }
    };
    let mut seen = 0;
    if let Some(certificate) = &certificate {
        seen = compare_files(directory, certificate, &mut findings)?;
        judge(certificate, &mut findings);
    }
    let people = look_for_people(directory, certificate.as_ref(), &mut findings)?;
    Ok(Verified {
        certificate,
        people,
        files: seen,
        findings,
    })
}

fn names(directory: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in fs::read_dir(directory)? {
        names.insert(file?.file_name().to_string_lossy().into_owned());
    }
    names.remove(CERTIFICATE);
    Ok(names)
}

fn compare_files(
    directory: &Path,
    certificate: &Certificate,
    findings: &mut Vec<VerifyFinding>,
) -> io::Result<u64> {
    let mut there = names(directory)?;
    let mut seen = 0;
    for file in &certificate.files {
        // A name that leads elsewhere is no file of the release.
        let plain = !file.name.contains(['/', '\\']) && file.name != "..";
        if !(plain && there.remove(&file.name)) {
            findings.push(VerifyFinding::Missing {
                name: file.name.clone(),
            });
            continue;
        }
        seen += 1;
        let bytes = fs::read(directory.join(&file.name))?;
        if bytes.len() as u64 != file.bytes || hex(&Sha256::digest(&bytes)) != file.sha256 {
            findings.push(VerifyFinding::Edited {
                name: file.name.clone(),
            });
        }
    }
    findings.extend(there.into_iter().map(|name| VerifyFinding::Added { name }));
    Ok(seen)
}

/// What the certificate says, held against the policy.
fn judge(certificate: &Certificate, findings: &mut Vec<VerifyFinding>) {
    let people: BTreeSet<&str> = certificate
        .approvals
        .iter()
        .map(|one| one.by.as_str())
        .collect();
    if people.len() < 2 {
        findings.push(VerifyFinding::Approvals);
    }
    match &certificate.check {
        None if certificate.opt_out_applied => findings.push(VerifyFinding::NoCheck),
        None => {}
        Some(check) => {
            let most = check.greatest_age_days.min(21);
            let seconds = certificate
                .issued_at
                .duration_since(check.checked_at)
                .as_secs();
            let days = seconds.div_euclid(86_400);
            if seconds > i64::from(most) * 86_400 || seconds < -60 {
                findings.push(VerifyFinding::StaleCheck { days, most });
            }
        }
    }
    if !certificate.opt_out_applied && !may_be_outside(certificate) {
        findings.push(VerifyFinding::NotApplied);
    }
}

/// The reasons of the policy for which the opt-out does not apply.
fn may_be_outside(certificate: &Certificate) -> bool {
    let form = DataForm::from_code(&certificate.data_form);
    let basis = LegalBasis::from_code(&certificate.legal_basis);
    match certificate.reason.as_str() {
        "anonymised" => matches!(form, Some(DataForm::Anonymised | DataForm::Aggregate)),
        "required-by-law" => matches!(
            basis,
            Some(LegalBasis::RequiredByLaw | LegalBasis::CourtOrder)
        ),
        "overriding-public-interest" => basis == Some(LegalBasis::OverridingPublicInterest),
        "communicable-disease" => basis == Some(LegalBasis::Regulation3),
        "explicit-consent" => basis == Some(LegalBasis::ExplicitConsent),
        "payment-exemption" | "out-of-scope-origin" | "cag-exemption" | "individual-care" => true,
        _ => false,
    }
}

/// Everybody in every file is among those released, and nobody released is among those left out.
fn look_for_people(
    directory: &Path,
    certificate: Option<&Certificate>,
    findings: &mut Vec<VerifyFinding>,
) -> io::Result<u64> {
    let names = names(directory)?;
    let released = match fs::read_to_string(directory.join(PEOPLE)) {
        Ok(text) => read_people(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let Some(released) = released else {
        findings.push(VerifyFinding::Unreadable {
            name: PEOPLE.to_owned(),
        });
        return Ok(0);
    };
    let applied = certificate.is_none_or(|it| it.opt_out_applied);
    match fs::read_to_string(directory.join(LEFT_OUT)).map(|text| LeftOut::parse(&text)) {
        Ok(Ok(list)) => {
            let people = released.values().filter(|token| list.holds(token)).count() as u64;
            if people > 0 {
                findings.push(VerifyFinding::LeftOut { people });
            }
        }
        Ok(Err(_)) => findings.push(VerifyFinding::Unreadable {
            name: LEFT_OUT.to_owned(),
        }),
        Err(_) if applied => findings.push(VerifyFinding::Missing {
            name: LEFT_OUT.to_owned(),
        }),
        Err(_) => {}
    }
    for name in names {
        if name == PEOPLE || name == LEFT_OUT {
            continue;
        }
        match people_in(directory, &name) {
            Some(found) => {
                let people = found
                    .iter()
                    .filter(|one| !released.contains_key(*one))
                    .count() as u64;
                if people > 0 {
                    findings.push(VerifyFinding::NotReleased { name, people });
                }
            }
            None => findings.push(VerifyFinding::Unreadable { name }),
        }
    }
    Ok(released.len() as u64)
}

/// Pseudonyms with their tokens; `None` where the text is not that list, or somebody stands in it twice.
fn read_people(text: &str) -> Option<BTreeMap<String, String>> {
    let mut lines = text.lines();
    if lines.next()? != "person,token" {
        return None;
    }
    let mut people = BTreeMap::new();
    let mut tokens = BTreeSet::new();
    for line in lines {
        let (person, token) = line.split_once(',')?;
        let fits = is_pseudonym(person) && token.len() == 26;
        if !fits
            || !tokens.insert(token)
            || people.insert(person.to_owned(), token.to_owned()).is_some()
        {
            return None;
        }
    }
    Some(people)
}

/// Everybody named in a file, by the form of pseudonyms.
fn people_in(directory: &Path, name: &str) -> Option<BTreeSet<String>> {
    let path = directory.join(name);
    if !name.ends_with(".parquet") {
        let text = fs::read_to_string(path).ok()?;
        return Some(pseudonyms_in(&text).map(str::to_owned).collect());
    }
    let reader = SerializedFileReader::new(fs::File::open(path).ok()?).ok()?;
    let mut found = BTreeSet::new();
    for row in reader.get_row_iter(None).ok()? {
        for (_, field) in row.ok()?.get_column_iter() {
            if let Field::Str(text) = field {
                found.extend(pseudonyms_in(text).map(str::to_owned));
            }
        }
    }
    Some(found)
}
