//! What is gathered while a message is mapped, and the small acts every mapping needs.

use jiff::{SignedDuration, Timestamp};

use crate::fhir::{Json, ResourceType};
use crate::hl7v2::{DateTime, Field, Message, Segment};
use crate::mapping::{Draft, MapIssue, Mapped, Subject, source_reference};
use crate::vocabulary::{Involvement, InvolvementKind, OdsCode};

use super::V2Context;
use super::patient::Person;

/// How far a sender's clock may run ahead of ours before its times are not believed.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(1);

/// The mapping of one message, under way.
pub(super) struct Work<'m> {
    pub message: &'m Message<'m>,
    pub context: &'m V2Context<'m>,
    pub drafts: Vec<Draft>,
    pub involvements: Vec<Involvement>,
    pub issues: Vec<MapIssue>,
}

impl<'m> Work<'m> {
    pub fn new(message: &'m Message<'m>, context: &'m V2Context<'m>) -> Self {
        Self {
            message,
            context,
            drafts: Vec::new(),
            involvements: Vec::new(),
            issues: Vec::new(),
        }
    }

    /// Notes a field that was not understood; the rest goes on.
    pub fn issue(&mut self, place: impl Into<String>, text: &str) {
        self.issues.push(MapIssue {
            place: place.into(),
            text: text.to_owned(),
            fatal: false,
        });
    }

    /// Adds a draft about the message's person or visit.
    pub fn draft(&mut self, resource_type: ResourceType, key: String, body: Json, at: Timestamp) {
        self.draft_with(resource_type, key, body, at, false);
    }

    /// Adds a draft that may take the thing away.
    pub fn draft_with(
        &mut self,
        resource_type: ResourceType,
        source_key: String,
        body: Json,
        event_at: Timestamp,
        withdrawn: bool,
    ) {
        self.drafts.push(Draft {
            resource_type,
            source_key,
            body,
            event_at,
            withdrawn,
        });
    }

    /// Adds a part that an organisation has in the person's care.
    pub fn involve(
        &mut self,
        kind: InvolvementKind,
        organisation: OdsCode,
        source_key: &str,
        period: (Option<Timestamp>, Option<Timestamp>),
        cancelled: bool,
    ) {
        self.involvements.push(Involvement {
            kind,
            organisation,
            source_key: source_key.to_owned(),
            starts: period.0,
            ends: period.1,
            cancelled,
        });
    }

    /// A time from a field, where one was sent that can be read; else an issue at the place.
    pub fn time(&mut self, field: Field<'m>, place: &str) -> Option<DateTime<'m>> {
        let sent = field.component(1).subcomponent(1);
        if !sent.is_valued() {
            return None;
        }
        match DateTime::parse(sent.raw()) {
            Ok(time) => Some(time),
            Err(error) => {
                self.issue(place, &error.to_string());
                None
            }
        }
    }

    /// A time that orders states: never after the receipt.
    pub fn event_time(&mut self, candidates: &[(Field<'m>, &str)]) -> Timestamp {
        let received = self.context.received_at;
        for (field, place) in candidates {
            let Some(at) = self.time(*field, place).and_then(DateTime::to_timestamp) else {
                continue;
            };
            if at <= received.saturating_add(CLOCK_TOLERANCE).unwrap_or(received) {
                return at;
            }
            self.issue(
                *place,
                "this time lies in the future; the time of receipt was used; check the sender's clock",
            );
            return received;
        }
        received
    }

    /// When the message's event happened to the record: EVN-2, else MSH-7, else the receipt.
    pub fn message_time(&mut self) -> Timestamp {
        self.event_time(&[
            (self.message.field("EVN", 2), "EVN-2"),
            (self.message.field("MSH", 7), "MSH-7"),
        ])
    }

    /// The name of an organisation that takes part.
    pub fn organisation_name(&self, code: &OdsCode) -> Option<&'m str> {
        self.context
            .organisations
            .iter()
            .find(|organisation| organisation.ods == *code)
            .map(|organisation| organisation.name.as_str())
    }

    /// The organisation that this source means by a text: one of its own codes, or the ODS code of
    /// an organisation that takes part.
    pub fn organisation_of(&self, text: &str) -> Option<OdsCode> {
        let text = text.trim();
        let known = self
            .context
            .facility_codes
            .iter()
            .find(|(own, _)| own == text);
        if let Some((_, code)) = known {
            return Some(code.clone());
        }
        let code = OdsCode::parse(text).ok()?;
        self.organisation_name(&code).map(|_| code)
    }

    /// A reference to an organisation by its ODS code.
    pub fn organisation(&self, code: &OdsCode, sent_name: Option<&str>) -> Json {
        organisation_reference(code, self.organisation_name(code).or(sent_name))
    }

    /// A reference to the organisation that sent the message.
    pub fn source_organisation(&self) -> Json {
        self.organisation(&self.context.source, None)
    }

    /// The whole of what the message says.
    pub fn finish(mut self, person: Person, merge: Option<Subject>) -> Mapped {
        self.report_what_is_not_shown();
        Mapped {
            subject: Some(person.subject),
            drafts: self.drafts,
            involvements: self.involvements,
            merge,
            issues: self.issues,
        }
    }

    /// One issue that names the segments which no mapping reads, so that nothing is lost in silence.
    fn report_what_is_not_shown(&mut self) {
        let mut names: Vec<&str> = Vec::new();
        for segment in self.message.segments() {
            let name = segment.name();
            if !READ_SEGMENTS.contains(&name) && !names.contains(&name) {
                names.push(name);
            }
        }
        if !names.is_empty() {
            let list = names.join(", ");
            self.issue(
                NOT_SHOWN,
                &format!("these segments are kept with the delivery and not shown: {list}; nothing needs mending"),
            );
        }
    }
}

/// The place of the issue that lists segments which were kept but not read.
pub(super) const NOT_SHOWN: &str = "MSH";

/// The segments that a mapping reads, or that carry nothing about a person.
const READ_SEGMENTS: &[&str] = &[
    "MSH", "SFT", "EVN", "PID", "PD1", "NK1", "PV1", "PV2", "AL1", "DG1", "PR1", "OBX", "OBR",
    "ORC", "NTE", "MRG", "SCH", "TQ1", "RGS", "AIS", "AIG", "AIL", "AIP", "RF1", "PRD", "TXA",
    "SPM", "UAC", "DSC",
];

/// A reference to another thing of the same source.
pub(super) fn reference(resource_type: ResourceType, key: &str) -> Json {
    Json::object([("reference", source_reference(resource_type, key).into())])
}

/// A reference to an organisation by its ODS code.
pub(super) fn organisation_reference(code: &OdsCode, name: Option<&str>) -> Json {
    Json::object([
        ("type", "Organization".into()),
        (
            "identifier",
            Json::object([
                (
                    "system",
                    "https://fhir.nhs.uk/Id/ods-organization-code".into(),
                ),
                ("value", code.as_str().into()),
            ]),
        ),
        ("display", name.into()),
    ])
}

/// The name of a place such as `OBX[3]-5`.
pub(super) fn place(segment: &str, sequence: usize, field: usize) -> String {
    if sequence > 1 {
        format!("{segment}[{sequence}]-{field}")
    } else {
        format!("{segment}-{field}")
    }
}

/// The segments of one name, with their sequence from 1.
pub(super) fn numbered<'m>(
    message: &'m Message<'m>,
    name: &'m str,
) -> impl Iterator<Item = (usize, Segment<'m>)> {
    message
        .segments()
        .filter(move |segment| segment.name() == name)
        .enumerate()
        .map(|(index, segment)| (index + 1, segment))
}
