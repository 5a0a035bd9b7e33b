//! OperationOutcome: how a FHIR client is told what was wrong, why, and how to mend it.
//!
//! Texts are ours; they name elements and never repeat what was sent.

use super::Json;

/// How bad an issue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IssueSeverity {
    /// For information.
    Information,
    /// Kept, but look at it.
    Warning,
    /// Not kept.
    Error,
    /// The whole request was given up.
    Fatal,
}

impl IssueSeverity {
    /// The FHIR code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// One issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeIssue {
    /// How bad.
    pub severity: IssueSeverity,
    /// FHIR's code of the kind: `structure`, `required`, `value`, `not-supported` …
    pub code: &'static str,
    /// What happened, for a person.
    pub details: String,
    /// Why, and how to mend it.
    pub diagnostics: String,
    /// Where, as a FHIRPath expression.
    pub expression: Option<String>,
}

/// An OperationOutcome of these issues; with none, one that says all went well, as FHIR needs one.
pub fn outcome(issues: &[OutcomeIssue]) -> Json {
    let all_well = [OutcomeIssue {
        severity: IssueSeverity::Information,
        code: "informational",
        details: "All was well.".to_owned(),
        diagnostics: String::new(),
        expression: None,
    }];
    let issues = if issues.is_empty() { &all_well } else { issues };
    Json::object([
        ("resourceType", Json::from("OperationOutcome")),
        ("issue", Json::list(issues.iter().map(issue_json).collect())),
    ])
}

fn issue_json(issue: &OutcomeIssue) -> Json {
    Json::object([
        ("severity", Json::from(issue.severity.code())),
        ("code", Json::from(issue.code)),
        (
            "details",
            Json::object([("text", Json::from(issue.details.as_str()))]),
        ),
        (
            "diagnostics",
            Json::from((!issue.diagnostics.is_empty()).then_some(issue.diagnostics.as_str())),
        ),
        (
            "expression",
            Json::list(issue.expression.iter().cloned().map(Json::Text).collect()),
        ),
    ])
}
