//! The shape of an audit entry. Source: access model 8.4; FHIR AuditEvent and IHE BALP name the
//! same facts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::vocabulary::PersonId;

/// What kind of act an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Somebody signed in or out.
    SignIn,
    /// Signing out, or a session that ended.
    SignOut,
    /// Looking for a person.
    Find,
    /// Opening a record for a reason: a visit.
    OpenVisit,
    /// Ending a visit.
    CloseVisit,
    /// Reading part of a record on a page.
    View,
    /// Searching in one record.
    Search,
    /// Printing.
    Print,
    /// Reading by the FHIR API.
    ApiRead,
    /// Information about the person was given to somebody outside their care: a disclosure that was
    /// decided, or an extract. One entry for each person it is about.
    Disclose,
    /// A delivery from a feed was kept.
    Receive,
    /// A delivery was refused.
    Refuse,
    /// Two records were joined, or a join was undone.
    Identity,
    /// A person's choice was recorded.
    Choice,
    /// Something a person must look at was opened, decided or closed.
    Worklist,
    /// Data left, or was asked for, for a use beyond care.
    Release,
    /// An administrative act: configuration, keys, jobs, backup.
    Admin,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done.
    Success,
    /// Refused by a rule.
    Denied,
    /// Failed.
    Failure,
}

/// One entry. Serialised once, with these field names in this order; the log hashes those bytes.
///
/// Times are UTC with millisecond precision. Nothing clinical stands here: items are named by id
/// and version, so that a view can be rendered again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What kind of act.
    pub act: Act,
    /// How it ended.
    pub outcome: Outcome,
    /// Who: user id, feed client id, or `system`.
    pub who: String,
    /// Their name as at the time.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub who_name: String,
    /// Their role code as at the time; empty for systems.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// Their organisation's ODS code.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub organisation: String,
    /// The person it is about, by our opaque key.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "person_text")]
    pub person: Option<PersonId>,
    /// The visit it belongs to (a digest of the visit id, never the id itself).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub visit: String,
    /// The reference of the request, as its reader may quote it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request: String,
    /// Purpose code.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// Reason code of the decision, `ok` when allowed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Audit flags of the decision, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// The rules that were looked at, with the facts each used, and the policy version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<String>,
    /// Category codes shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Page, section or interaction: `summary`, `allergies`, `GET Observation`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub page: String,
    /// Items shown, as `Type/id/version`; for a delivery, the items it made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
    /// What a page of a record was arranged from besides items and decision, and a digest of it, so
    /// that it can be shown again exactly. Written by `care-record`; nothing clinical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<serde_json::Value>,
    /// Anything else the act needs, in words without patient data: a delivery's control id, a
    /// justification, a worklist reference.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Entry {
    /// An entry with the facts every act has; the rest is filled in by field.
    pub fn new(at: Timestamp, act: Act, outcome: Outcome, who: impl Into<String>) -> Self {
        Self {
            at,
            act,
            outcome,
            who: who.into(),
            who_name: String::new(),
            role: String::new(),
            organisation: String::new(),
            person: None,
            visit: String::new(),
            request: String::new(),
            purpose: String::new(),
            reason: String::new(),
            flags: Vec::new(),
            trace: Vec::new(),
            categories: Vec::new(),
            page: String::new(),
            items: Vec::new(),
            shown: None,
            detail: String::new(),
        }
    }
}

mod person_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::vocabulary::PersonId;

    #[allow(clippy::ref_option)]
    pub fn serialize<S: Serializer>(person: &Option<PersonId>, to: S) -> Result<S::Ok, S::Error> {
        match person {
            Some(person) => to.collect_str(person),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PersonId>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| PersonId::parse(&text).map_err(serde::de::Error::custom))
            .transpose()
    }
}
