//! Why nothing of a FHIR delivery was kept, and how the sender mends it.

use crate::fhir::{IssueSeverity, Json, OutcomeIssue, outcome};
use crate::mapping::MapIssue;

/// Why a delivery was refused as a whole. Never carries what was sent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No JSON object, or one without `resourceType`.
    #[error("this is no FHIR resource: it has no resourceType; send a FHIR R4 resource or Bundle")]
    NotFhir,
    /// A resource type R4 does not have.
    #[error(
        "FHIR R4 has no resource type of this name; check resourceType (capital letters count) and that the release is R4 (4.0.1)"
    )]
    UnknownType,
    /// STU3, by name.
    #[error(
        "this is FHIR STU3 ({because}); Connect Care takes FHIR R4 (4.0.1): ask the sender to send its UK Core R4 form"
    )]
    Stu3 {
        /// What gave it away.
        because: String,
    },
    /// A type that is no part of a person's record.
    #[error(
        "{resource_type} is no part of a care record ({why}); send the resources about people, or leave this one out"
    )]
    NotARecord {
        /// The type.
        resource_type: &'static str,
        /// What it is instead.
        why: &'static str,
    },
    /// The resource breaks R4's own rules.
    #[error("the resource breaks {} of FHIR R4's rules; each is named with its place", .0.len())]
    Structure(Vec<MapIssue>),
    /// Entries that could not be kept, where all had to be or none could be.
    #[error("{} entries cannot be kept, so nothing was; each is named with its place", .0.len())]
    Entries(Vec<MapIssue>),
    /// A Bundle with nothing in it to keep.
    #[error("the Bundle holds nothing to keep; put resources into Bundle.entry.resource")]
    Nothing,
}

impl Refusal {
    /// The issues for an OperationOutcome.
    pub fn issues(&self) -> Vec<OutcomeIssue> {
        let one = |code, expression: Option<&str>| {
            let text = self.to_string();
            let (what, how) = text.split_once("; ").unwrap_or((text.as_str(), ""));
            vec![OutcomeIssue {
                severity: IssueSeverity::Error,
                code,
                details: what.to_owned(),
                diagnostics: how.to_owned(),
                expression: expression.map(str::to_owned),
            }]
        };
        match self {
            Self::NotFhir => one("structure", None),
            Self::UnknownType => one("not-supported", Some("resourceType")),
            Self::Stu3 { .. } => one("not-supported", None),
            Self::NotARecord { resource_type, .. } => one("not-supported", Some(resource_type)),
            Self::Nothing => one("required", Some("Bundle.entry")),
            Self::Structure(issues) | Self::Entries(issues) => issues
                .iter()
                .map(|issue| OutcomeIssue {
                    severity: IssueSeverity::Error,
                    code: "invalid",
                    details: issue.text.clone(),
                    diagnostics: String::new(),
                    expression: Some(issue.place.clone()),
                })
                .collect(),
        }
    }

    /// The answer to a FHIR client.
    pub fn outcome(&self) -> Json {
        outcome(&self.issues())
    }
}
