//! Papers that belong to a case: the scanned form, a letter that came. Kept whole, once, with an entry
//! for each look at them. What a paper is follows from its first bytes, never from its name.

use care_core::audit::{Act, Outcome};
use serde::{Deserialize, Serialize};

use super::{CaseStep, Choices, ChoicesError, told};
use crate::caller::Caller;
use crate::casework;
use crate::store::{Change, Commit};

const SPACE: &str = "case-document";

/// The largest paper that is kept, in bytes.
pub const LARGEST_DOCUMENT_BYTES: usize = 5 * 1024 * 1024;

/// What a paper is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DocumentKind {
    /// Portable Document Format.
    Pdf,
    /// A photograph or scan.
    Jpeg,
    /// A picture.
    Png,
}

impl DocumentKind {
    /// By the first bytes; `None` for anything else.
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        // A PDF may be preceded by a few bytes that some scanners write; we take it only at the start.
        match bytes {
            [b'%', b'P', b'D', b'F', b'-', ..] => Some(Self::Pdf),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            _ => None,
        }
    }

    /// The media type it is served as.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    /// How a file of this kind ends.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }
}

/// A paper as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseDocument {
    /// What it is.
    pub kind: DocumentKind,
    /// Its bytes, as they came.
    pub bytes: Vec<u8>,
}

impl Choices {
    /// Keeps a paper with a case, in one moment with the change of the case that names it.
    pub fn keep_document(
        &self,
        caller: &Caller,
        case: &CaseStep,
        id: &str,
        bytes: &[u8],
    ) -> Result<DocumentKind, ChoicesError> {
        if bytes.len() > LARGEST_DOCUMENT_BYTES {
            return Err(ChoicesError::DocumentTooLarge);
        }
        let kind = DocumentKind::sniff(bytes).ok_or(ChoicesError::DocumentUnknown)?;
        let now = self.clock.now();
        let mut entry = told(now, caller);
        entry.act = Act::Worklist;
        entry.detail = format!(
            "a paper was kept with case number {} ({}, {} bytes)",
            case.number,
            kind.ending(),
            bytes.len()
        );
        let at = (case.number, case.expected_version);
        self.store.commit(Commit {
            changes: vec![
                casework::changing(now, &caller.user.id, at, case.change.clone()),
                Change::KeepOnce {
                    space: SPACE,
                    key: key(case.number, id),
                    value: bytes.to_vec(),
                    expires_ms: i64::MAX,
                },
            ],
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(kind)
    }

    /// Reads a paper; the reading is written down first. `None` where there is none.
    pub fn document(
        &self,
        caller: &Caller,
        case: u64,
        id: &str,
    ) -> Result<Option<CaseDocument>, ChoicesError> {
        let now = self.clock.now();
        let kept = self
            .store
            .keep_get(SPACE, &key(case, id), now.as_millisecond())?;
        let mut entry = told(now, caller);
        entry.act = Act::Worklist;
        entry.detail = format!("a paper of case number {case} was read");
        if kept.is_none() {
            entry.outcome = Outcome::Failure;
        }
        self.store.commit(Commit {
            changes: Vec::new(),
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(kept.and_then(|bytes| {
            let kind = DocumentKind::sniff(&bytes)?;
            Some(CaseDocument { kind, bytes })
        }))
    }
}

fn key(case: u64, id: &str) -> String {
    format!("{case}|{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paper_is_what_its_first_bytes_say() {
        for (bytes, kind) in [
            (b"%PDF-1.7".as_slice(), Some(DocumentKind::Pdf)),
            (b"\xff\xd8\xff\xe0\x00", Some(DocumentKind::Jpeg)),
            (b"\x89PNG\r\n\x1a\n", Some(DocumentKind::Png)),
            (b"<html>", None),
            (b"GIF89a", None),
            (b"MZ", None),
            (b" %PDF-1.7", None),
            (b"", None),
        ] {
            assert_eq!(DocumentKind::sniff(bytes), kind, "{bytes:?}");
        }
    }
}
