//! Whether a resource keeps to its rules: R4's structure, the form of values, value sets,
//! invariants, references, extensions, Bundles, narrative; and the profiles it names or is asked to
//! keep to.
//!
//! Two depths. [`validate_structure`] looks at what the intake cannot do without. [`Validation`]
//! looks at everything, with the profiles, extensions and value sets of a [`Rulebook`]. An issue
//! says where, what and how to mend it, and never repeats what was sent. Time and memory are
//! bounded: each element, comparison and step of an expression is paid from one purse.
//!
//! Source: FHIR R4 sections 2.6 (formats), 2.24 (data types), 3.1 (Bundle), 4.7 (bindings), 5.1
//! (profiling). What passes and what does not: docs/standards.md.

mod assign;
mod book;
mod bundle;
mod elements;
mod extensions;
mod narrative;
mod pattern;
mod place;
mod profile;
mod questionnaire;
mod references;
mod rules;
mod sets;
mod slices;
mod structure;
mod tables;

use jiff::Timestamp;

pub use book::{Rulebook, pack};

use super::Json;
use super::outcome::{IssueSeverity, OutcomeIssue};
use structure::Check;

/// Whether a code is in a value set of R4 that is a finite list, whatever version of it is named; without
/// a system, whether some system's code is. `None` for another set.
pub(super) fn value_set_has(url: &str, system: Option<&str>, code: &str) -> Option<bool> {
    let plain = url.split_once('|').map_or(url, |(plain, _)| plain);
    sets::r4_set(plain).map(|set| set.has(system, code))
}

/// Whether all codes of a code system of R4 are held.
pub(super) fn holds_code_system(url: &str) -> bool {
    sets::r4_system(url)
}

/// One rule broken. Never carries the value that broke it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationIssue {
    /// How bad: an error breaks a rule; a warning or information does not.
    pub severity: IssueSeverity,
    /// Where, as a FHIRPath expression: `Patient.name[0].family`.
    pub place: String,
    /// FHIR's code of the kind: `structure`, `required`, `value`, `code-invalid`, `invariant` …
    pub code: &'static str,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl From<ValidationIssue> for OutcomeIssue {
    fn from(issue: ValidationIssue) -> Self {
        Self {
            severity: issue.severity,
            code: issue.code,
            details: issue.what,
            diagnostics: issue.mend,
            expression: Some(issue.place).filter(|place| !place.is_empty()),
        }
    }
}

/// After so many issues the rest would not help the sender.
const MOST_ISSUES: usize = 100;

/// Every rule of R4's structure this resource breaks, in document order; none where it keeps them.
pub fn validate_structure(resource: &Json) -> Vec<ValidationIssue> {
    let mut check = Check::new(None);
    check.whole(resource);
    check.issues
}

/// How much a validation may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidationLimits {
    /// Elements looked at, those looked at again for slices and targets included.
    pub elements: u64,
    /// Steps of all expressions together.
    pub steps: u64,
}

impl Default for ValidationLimits {
    /// Four million elements and 40 million steps: a Bundle of 10,000 resources passes.
    fn default() -> Self {
        Self {
            elements: 4_000_000,
            steps: 40_000_000,
        }
    }
}

/// A validation against everything a book knows.
///
/// ```
/// use care_core::fhir::{Json, Limits, Rulebook, Validation};
///
/// let patient = br#"{"resourceType":"Patient","contact":[{"gender":"male"}]}"#;
/// let patient = Json::parse(patient, Limits::default()).expect("JSON");
/// let validation = Validation::new(Rulebook::standard(), jiff::Timestamp::UNIX_EPOCH);
/// let issues = validation.issues(&patient);
/// assert_eq!(issues[0].place, "Patient.contact[0]");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Validation<'b> {
    book: &'b Rulebook,
    now: Timestamp,
    profiles: &'b [String],
    limits: ValidationLimits,
}

impl<'b> Validation<'b> {
    /// With the rules of a book, at a time (`now()` in invariants).
    pub fn new(book: &'b Rulebook, now: Timestamp) -> Self {
        Self {
            book,
            now,
            profiles: &[],
            limits: ValidationLimits::default(),
        }
    }

    /// Also against these profiles, besides those the resource names itself.
    #[must_use]
    pub fn profiles(mut self, profiles: &'b [String]) -> Self {
        self.profiles = profiles;
        self
    }

    /// Other limits.
    #[must_use]
    pub fn limits(mut self, limits: ValidationLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Every rule broken and every word worth saying, in document order, at most a hundred.
    pub fn issues(&self, resource: &Json) -> Vec<ValidationIssue> {
        let mut check = Check::new(Some(*self));
        check.whole(resource);
        check.finish()
    }
}

/// An address of a definition, without the version that may stand behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Canonical {
    url: String,
}

impl Canonical {
    fn read(text: &str) -> Self {
        Self {
            url: without_version(text).to_owned(),
        }
    }
}

/// `http://a/b` of `http://a/b|1.0`.
fn without_version(url: &str) -> &str {
    url.split('|').next().unwrap_or(url)
}
