//! Why nothing was written, and how the source mends it. No text repeats what was sent.

use care_core::fhir::patch::{PatchError, PatchFault};
use care_core::fhir::{IssueSeverity, Json, OutcomeIssue, outcome};
use care_core::mapping::fhir::Refusal;

use super::super::DeliveryOutcome;
use super::super::filing::NotFiled;
use crate::store::StoreError;

/// A refusal of the whole request: nothing of it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestRefusal {
    /// The HTTP status.
    pub status: u16,
    /// In a Bundle, which entry.
    pub entry: Option<usize>,
    /// An OperationOutcome.
    pub outcome: Json,
    /// Whether the content is at fault, so that it is kept whole for somebody to look at.
    pub(super) keeps: Option<DeliveryOutcome>,
    /// The same, for a report.
    pub(super) issues: Vec<(String, String)>,
}

/// Why a write stopped.
pub(super) enum Stop {
    Refused(Box<RestRefusal>),
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(cause: StoreError) -> Self {
        Self::Store(cause)
    }
}

impl From<RestRefusal> for Stop {
    fn from(refusal: RestRefusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<NotFiled> for Stop {
    fn from(cause: NotFiled) -> Self {
        match cause {
            NotFiled::Store(cause) => Self::Store(cause),
            NotFiled::UnknownPerson => RestRefusal::one(
                422,
                "not-found",
                "It is about a Patient that was never sent.",
                "Send the Patient before it, or in the same Bundle, or point at the person by an NHS \
                 number you have sent before.",
            )
            .kept(DeliveryOutcome::Parked)
            .into(),
        }
    }
}

impl RestRefusal {
    pub(super) fn of(status: u16, issues: Vec<OutcomeIssue>) -> Self {
        let told = issues
            .iter()
            .map(|issue| {
                let place = issue.expression.clone().unwrap_or_default();
                (place, format!("{} {}", issue.details, issue.diagnostics))
            })
            .collect();
        Self {
            status,
            entry: None,
            outcome: outcome(&issues),
            keeps: None,
            issues: told,
        }
    }

    pub(super) fn one(
        status: u16,
        code: &'static str,
        what: impl Into<String>,
        how: impl Into<String>,
    ) -> Self {
        Self::of(
            status,
            vec![OutcomeIssue {
                severity: IssueSeverity::Error,
                code,
                details: what.into(),
                diagnostics: how.into(),
                expression: None,
            }],
        )
    }

    /// Rewrites the place of every issue.
    pub(super) fn put_places(&mut self, place: impl Fn(&str) -> String) {
        if let Some(Json::Array(issues)) = self.outcome.get_mut("issue") {
            for issue in issues {
                if let Some(Json::Array(places)) = issue.get_mut("expression") {
                    for one in places {
                        if let Json::Text(text) = one {
                            *text = place(text);
                        }
                    }
                }
            }
        }
        for (text, _) in &mut self.issues {
            *text = place(text);
        }
    }

    /// The same, with the place of what is wrong.
    pub(super) fn at(mut self, place: String) -> Self {
        if let Some(Json::Array(issues)) = self.outcome.get_mut("issue") {
            for issue in issues {
                issue.set("expression", Json::Array(vec![Json::text(place.as_str())]));
            }
        }
        self
    }

    pub(super) fn kept(mut self, outcome: DeliveryOutcome) -> Self {
        self.keeps = Some(outcome);
        self
    }

    /// The same, about one entry of a Bundle; its place is named where no other is.
    pub(super) fn about(mut self, entry: Option<usize>) -> Self {
        let Some(number) = entry else { return self };
        if self.entry.is_none() {
            self.entry = Some(number);
            let place = format!("Bundle.entry[{number}]");
            if let Some(Json::Array(issues)) = self.outcome.get_mut("issue") {
                for issue in issues {
                    if issue.get("expression").is_none() {
                        issue.set("expression", Json::Array(vec![Json::text(place.as_str())]));
                    }
                }
            }
        }
        self
    }

    /// Nothing is there for this source.
    pub(super) fn not_there() -> Self {
        Self::one(
            404,
            "not-found",
            "Not available through Connect Care.",
            "Nothing you sent is under this address. Check the type and the id; PUT makes a thing under your own id.",
        )
    }

    pub(super) fn gone() -> Self {
        Self::one(
            410,
            "deleted",
            "It was deleted.",
            "PUT it to bring it back, or read an earlier version from its _history.",
        )
    }

    pub(super) fn other_version() -> Self {
        Self::one(
            412,
            "conflict",
            "The version is not the one named in If-Match, so nothing was written.",
            "Read it again, look at what changed, and send with the ETag you then get.",
        )
    }

    pub(super) fn invalid(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self::one(400, "invalid", what, how)
    }
}

impl From<&Refusal> for RestRefusal {
    fn from(refusal: &Refusal) -> Self {
        let (status, outcome) = match refusal {
            Refusal::NotFhir | Refusal::UnknownType => (400, DeliveryOutcome::Refused),
            Refusal::Stu3 { .. } | Refusal::NotARecord { .. } | Refusal::Nothing => {
                (422, DeliveryOutcome::Refused)
            }
            Refusal::Structure(_) | Refusal::Entries(_) => (422, DeliveryOutcome::Parked),
        };
        Self::of(status, refusal.issues()).kept(outcome)
    }
}

impl From<PatchError> for RestRefusal {
    fn from(error: PatchError) -> Self {
        let status = match error.fault {
            PatchFault::Malformed => 400,
            PatchFault::TooMuch => 413,
            PatchFault::DoesNotApply | PatchFault::TestFailed | PatchFault::BadResult => 422,
        };
        Self::of(status, vec![error.issue()])
    }
}
