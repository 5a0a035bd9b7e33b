//! Whether what a source sends keeps to its rules, and what follows where it does not.
//!
//! R4's own structure is always looked at (`map_fhir`). This looks at the rest: profiles,
//! invariants, value sets, references, extensions. Each source says whether it is warned or refused.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use care_core::fhir::{IssueSeverity, Json, OutcomeIssue, Rulebook, Validation, ValidationIssue};
use care_core::vocabulary::OdsCode;
use jiff::Timestamp;

/// What follows where a source's FHIR breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Validate {
    /// It is not looked at beyond R4's structure.
    Off,
    /// It is kept, and the answer and the delivery name the rules.
    #[default]
    Warn,
    /// Nothing of the delivery is kept; the answer names the rules.
    Refuse,
}

/// How deliveries are validated: by which rules, and for which source with what consequence.
#[derive(Debug, Clone)]
pub struct FeedValidation {
    book: Arc<Rulebook>,
    sources: HashMap<OdsCode, Validate>,
    otherwise: Validate,
}

impl FeedValidation {
    /// Nothing is looked at beyond R4's structure. For measuring, and for tests of other things.
    pub fn off() -> Self {
        Self {
            book: Arc::new(Rulebook::with([])),
            sources: HashMap::new(),
            otherwise: Validate::Off,
        }
    }

    /// By these rules; sources that are not named are warned.
    pub fn new(book: Arc<Rulebook>, sources: HashMap<OdsCode, Validate>) -> Self {
        Self {
            book,
            sources,
            otherwise: Validate::Warn,
        }
    }

    /// The rules.
    pub fn book(&self) -> &Arc<Rulebook> {
        &self.book
    }

    /// What follows for a source.
    pub fn of(&self, source: &OdsCode) -> Validate {
        self.sources.get(source).copied().unwrap_or(self.otherwise)
    }

    /// Looks at a resource or Bundle of a source: the warnings it is kept with.
    ///
    /// Errors: where the source's are refused and a rule is broken, every issue.
    pub(crate) fn look(
        &self,
        source: &OdsCode,
        resource: &Json,
        now: Timestamp,
    ) -> Result<Vec<OutcomeIssue>, Vec<OutcomeIssue>> {
        let consequence = self.of(source);
        if consequence == Validate::Off {
            return Ok(Vec::new());
        }
        let issues: Vec<ValidationIssue> = Validation::new(&self.book, now)
            .issues(resource)
            .into_iter()
            .filter(|issue| issue.severity >= IssueSeverity::Warning)
            .collect();
        let is_broken = issues
            .iter()
            .any(|issue| issue.severity >= IssueSeverity::Error);
        if consequence == Validate::Refuse && is_broken {
            return Err(issues.into_iter().map(OutcomeIssue::from).collect());
        }
        let as_warning = |issue: ValidationIssue| OutcomeIssue {
            severity: IssueSeverity::Warning,
            ..OutcomeIssue::from(issue)
        };
        Ok(issues.into_iter().map(as_warning).collect())
    }
}

/// The warnings of validation that say something the intake's own do not say of the same place.
pub(super) fn beside(own: &[OutcomeIssue], of_validation: &[OutcomeIssue]) -> Vec<OutcomeIssue> {
    let places: HashSet<&str> = own
        .iter()
        .filter_map(|issue| issue.expression.as_deref())
        .collect();
    let is_new = |issue: &&OutcomeIssue| {
        issue
            .expression
            .as_deref()
            .is_none_or(|place| !places.contains(place))
    };
    of_validation.iter().filter(is_new).cloned().collect()
}
