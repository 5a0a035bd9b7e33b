//! Changing part of a resource: JSON Patch (RFC 6902) and FHIRPath Patch (FHIR R4 section 2.21.0.9.5,
//! a Parameters resource).
//!
//! All operations hold or none does: what is given back is a changed copy. The result must be a
//! resource of the same type with the same id that keeps to R4's structure. Work, depth and size
//! are bounded, because each operation may copy what the one before made.

mod json_patch;
mod path_patch;
mod place;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;

use super::{IssueSeverity, Json, OutcomeIssue, validate_structure};

/// The most operations of one patch.
pub const MOST_OPERATIONS: usize = 1_000;
/// The most values that all operations of one patch may write.
const MOST_VALUES: usize = 1_000_000;
/// How many lists and objects may stand inside one another afterwards.
const DEPTH: usize = 100;

/// What kind of fault stopped a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchFault {
    /// The document is no patch: send another.
    Malformed,
    /// The patch is well formed and cannot be applied to this resource as it stands.
    DoesNotApply,
    /// A `test` operation found something else.
    TestFailed,
    /// The changed resource would break a rule of R4, or be another resource.
    BadResult,
    /// More operations, depth or size than is allowed.
    TooMuch,
}

/// Why a patch was not applied. Names the operation and the path; never a value of the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchError {
    /// The kind.
    pub fault: PatchFault,
    /// Where: `operation 2, replace /name/0/family`, or the place in the result.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl PatchError {
    fn new(fault: PatchFault, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            fault,
            place: String::new(),
            what: what.into(),
            mend: mend.into(),
        }
    }

    fn malformed(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(PatchFault::Malformed, what, mend)
    }

    fn does_not_apply(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(PatchFault::DoesNotApply, what, mend)
    }

    fn at(mut self, number: usize, kind: &str, path: &str) -> Self {
        if self.place.is_empty() {
            self.place = format!("operation {}, {kind} {}", number + 1, shown(path));
        }
        self
    }

    /// As an issue of an OperationOutcome.
    pub fn issue(&self) -> OutcomeIssue {
        let code = match self.fault {
            PatchFault::Malformed => "structure",
            PatchFault::DoesNotApply => "processing",
            PatchFault::TestFailed => "conflict",
            PatchFault::BadResult => "invariant",
            PatchFault::TooMuch => "too-costly",
        };
        let expression = (self.fault == PatchFault::BadResult).then(|| self.place.clone());
        let details = match (&expression, self.place.is_empty()) {
            (None, false) => format!("{}: {}", self.place, self.what),
            _ => self.what.clone(),
        };
        OutcomeIssue {
            severity: IssueSeverity::Error,
            code,
            details,
            diagnostics: self.mend.clone(),
            expression,
        }
    }
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        write!(f, "{}; {}", self.what, self.mend)
    }
}

impl std::error::Error for PatchError {}

/// The resource with a patch applied: a list of operations is JSON Patch, a Parameters resource is
/// FHIRPath Patch. `now` is the time paths may ask for.
///
/// Errors: see [`PatchFault`]; the resource is then as it was.
pub fn apply(resource: &Json, patch: &Json, now: Timestamp) -> Result<Json, PatchError> {
    let changed = match patch {
        Json::Array(operations) => json_patch::apply(resource, operations)?,
        other if other.text_at(&["resourceType"]) == Some("Parameters") => {
            path_patch::apply(resource, other, now)?
        }
        _ => {
            return Err(PatchError::malformed(
                "this is no patch",
                "send a list of JSON Patch operations as application/json-patch+json, or a Parameters \
                 resource with FHIRPath Patch operations",
            ));
        }
    };
    check_result(resource, &changed)?;
    Ok(changed)
}

/// The same resource still, and a good one.
fn check_result(before: &Json, after: &Json) -> Result<(), PatchError> {
    for (name, mend) in [
        (
            "resourceType",
            "delete this resource and create one of the other type",
        ),
        ("id", "leave id as it is; an id is for ever"),
    ] {
        if before.get(name) != after.get(name) {
            return Err(PatchError {
                place: name.to_owned(),
                ..PatchError::new(
                    PatchFault::BadResult,
                    format!("a patch cannot change {name}"),
                    mend,
                )
            });
        }
    }
    match validate_structure(after).into_iter().next() {
        None => Ok(()),
        Some(issue) => Err(PatchError {
            fault: PatchFault::BadResult,
            place: issue.place,
            what: format!("the patched resource would not be valid: {}", issue.what),
            mend: issue.mend,
        }),
    }
}

fn check_count(operations: usize) -> Result<(), PatchError> {
    match operations {
        0 => Err(PatchError::malformed(
            "the patch has no operations",
            "write at least one",
        )),
        1..=MOST_OPERATIONS => Ok(()),
        _ => Err(PatchError::new(
            PatchFault::TooMuch,
            format!("the patch has more than {MOST_OPERATIONS} operations"),
            "PUT the whole resource instead",
        )),
    }
}

/// What the operations of one patch may still write.
struct Budget {
    values: usize,
}

impl Budget {
    fn new() -> Self {
        Self {
            values: MOST_VALUES,
        }
    }

    /// Takes a value that will stand this deep off the budget.
    fn take(&mut self, value: &Json, depth: usize) -> Result<(), PatchError> {
        let left = self.count(value, depth, self.values)?;
        self.values = left;
        Ok(())
    }

    fn count(&self, value: &Json, depth: usize, left: usize) -> Result<usize, PatchError> {
        if depth > DEPTH {
            return Err(PatchError::new(
                PatchFault::TooMuch,
                format!("the resource would be more than {DEPTH} levels deep"),
                "move less into itself",
            ));
        }
        let left = left.checked_sub(1).ok_or_else(|| {
            PatchError::new(
                PatchFault::TooMuch,
                format!("the patch writes more than {MOST_VALUES} values"),
                "PUT the whole resource instead",
            )
        })?;
        match value {
            Json::Array(values) => values
                .iter()
                .try_fold(left, |left, value| self.count(value, depth + 1, left)),
            Json::Object(members) => members
                .iter()
                .try_fold(left, |left, (_, value)| self.count(value, depth + 1, left)),
            _ => Ok(left),
        }
    }
}

/// A path as an error may repeat it: a FHIRPath up to its first bracket, because filters hold values.
fn shown(path: &str) -> String {
    let plain: String = path
        .chars()
        .take_while(|letter| !matches!(letter, '(' | '\'' | '"') && !letter.is_control())
        .take(200)
        .collect();
    if plain.len() < path.len() {
        format!("{plain}…")
    } else {
        plain
    }
}
