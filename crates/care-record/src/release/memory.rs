//! What is kept of earlier releases, to compare later ones with: sets of keyed tags, beside the record
//! and never in a release. Without the secret a tag says nothing of anybody.

use std::fs;
use std::io;
use std::path::Path;

use care_core::release::{Family, differs_by_few};
use sha2::{Digest as _, Sha256};

use super::files::hex;

/// What is kept of one release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// The project.
    pub project: String,
    /// A digest of what people were asked for by.
    pub criteria: String,
    /// Everybody asked for.
    pub asked_for: Vec<u64>,
    /// The sets whose counts were shown.
    pub shown: Family,
}

const MARK: &str = "connect-care release memory 1";
const ENDING: &str = "members";

impl Kept {
    /// Whether a release with these facts comes too close to this earlier one. Counts are compared with
    /// all counts; rows of a project with its earlier rows, where people were asked for by something
    /// else (the same question again is a refresh, and tells nothing that its rows do not).
    pub fn is_too_close(&self, later: &Self, counts: bool) -> bool {
        let few = |set: &[u64]| differs_by_few(set, &later.asked_for);
        let counted = counts && self.shown.sets.iter().any(|set| few(set));
        let asked = self.project == later.project
            && self.criteria != later.criteria
            && few(&self.asked_for);
        counted || asked
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!(
            "{MARK}\n{}\n{}\n",
            self.project.replace('\n', " "),
            self.criteria
        )
        .into_bytes();
        let sets = std::iter::once(&self.asked_for).chain(&self.shown.sets);
        for set in sets {
            out.extend_from_slice(&(set.len() as u64).to_le_bytes());
            for tag in set {
                out.extend_from_slice(&tag.to_le_bytes());
            }
        }
        let digest = Sha256::digest(&out);
        out.extend_from_slice(&digest);
        out
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
        if Sha256::digest(body).as_slice() != digest {
            return None;
        }
        let mut lines = body.splitn(4, |byte| *byte == b'\n');
        let mut line = || String::from_utf8(lines.next()?.to_vec()).ok();
        if line()? != MARK {
            return None;
        }
        let (project, criteria) = (line()?, line()?);
        let rest = body.get(MARK.len() + project.len() + criteria.len() + 3..)?;
        let mut words = rest.chunks_exact(8).map(|word| {
            word.iter()
                .rev()
                .fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        });
        let mut sets = Vec::new();
        while let Some(length) = words.next() {
            sets.push(words.by_ref().take(usize::try_from(length).ok()?).collect());
        }
        let mut sets = sets.into_iter();
        Some(Self {
            project,
            criteria,
            asked_for: sets.next()?,
            shown: Family {
                sets: sets.collect(),
            },
        })
    }
}

/// The digest of what people are asked for by.
pub(super) fn criteria(cohort: &care_core::release::Cohort) -> String {
    hex(&Sha256::digest(
        serde_json::to_vec(cohort).unwrap_or_default(),
    ))
}

/// Keeps it under the release's reference.
pub(super) fn keep(directory: &Path, reference: &str, kept: &Kept) -> io::Result<()> {
    let part = directory.join(format!("{reference}.{ENDING}.part"));
    fs::write(&part, kept.to_bytes())?;
    fs::File::open(&part)?.sync_all()?;
    fs::rename(&part, directory.join(format!("{reference}.{ENDING}")))
}

/// Everything kept, but for this reference. One that cannot be read is an error: without it nobody can
/// say that a release is not too close to it.
pub(super) fn earlier(directory: &Path, but: &str) -> io::Result<Vec<Kept>> {
    let mut found = Vec::new();
    let listed = match fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    for file in listed {
        let path = file?.path();
        let is_ours = path.extension().is_some_and(|it| it == ENDING);
        if !is_ours || path.file_stem().is_some_and(|it| it == but) {
            continue;
        }
        let damaged = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "what is kept of an earlier release is damaged; restore it from a backup",
            )
        };
        found.push(Kept::parse(&fs::read(&path)?).ok_or_else(damaged)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(project: &str, criteria: &str, asked_for: std::ops::Range<u64>) -> Kept {
        Kept {
            project: project.into(),
            criteria: criteria.into(),
            asked_for: asked_for.collect(),
            shown: Family::default(),
        }
    }

    #[test]
    fn what_is_kept_reads_back_and_damage_is_seen() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut one = kept("frailty", "ab", 0..300);
        one.shown.sets = vec![vec![1, 2, 10], Vec::new(), vec![u64::MAX]];
        keep(directory.path(), "CC-1", &one).expect("kept");
        keep(directory.path(), "CC-2", &kept("stroke", "cd", 0..9)).expect("kept");
        assert_eq!(earlier(directory.path(), "CC-2").expect("read"), [one]);
        fs::write(directory.path().join("CC-1.members"), "changed").expect("written");
        assert!(earlier(directory.path(), "CC-2").is_err());
    }

    #[test]
    fn a_question_that_differs_by_one_person_is_too_close_and_the_same_again_is_not() {
        let first = kept("frailty", "ab", 0..300);
        assert!(first.is_too_close(&kept("frailty", "cd", 0..299), false));
        assert!(
            !first.is_too_close(&kept("frailty", "ab", 0..299), false),
            "a refresh"
        );
        assert!(
            !first.is_too_close(&kept("stroke", "cd", 0..299), false),
            "pseudonyms do not join"
        );
        assert!(!first.is_too_close(&kept("frailty", "cd", 0..250), false));
        let mut shown = first.clone();
        shown.shown.sets = vec![(0..100).collect()];
        assert!(shown.is_too_close(&kept("stroke", "cd", 0..99), true));
        assert!(!shown.is_too_close(&kept("stroke", "cd", 0..99), false));
    }
}
