//! HL7 v2 messages to drafts with UK Core shape: one file a message type, one function a segment.
//!
//! `map_v2` looks at the message type and hands over; a type that is not here is refused by name.
//! Nothing here ever puts a value of the message into an issue.
//!
//! Keys, so that the same thing sent again is the same thing (all within one source):
//!
//! | thing | key |
//! |---|---|
//! | person | `{assigner}:{number}` of the first local number in PID-3 (then PID-2); `nhs:{number}` without one |
//! | visit | PV1-19, else PV1-50, else PID-18, else the person's key and PV1-44 |
//! | order | OBR-3, else OBR-2, else ORC-3, ORC-2, else the message's control id and place; then `/` and OBR-4 |
//! | observation | its order's key (or its visit's or person's), OBX-3, OBX-4; `#2` for a second one alike |
//! | document | TXA-12, else TXA-14 or TXA-15; in a result its observation's key |
//! | appointment | SCH-2, else SCH-1 |
//! | referral | RF1-6, else RF1-11 |
//! | next of kin, allergy | the person's key, then NK1-1; AL1-3 |
//! | diagnosis, procedure | the visit's key, then DG1-20 or DG1-3; PR1-19 or PR1-3 and PR1-5 |
//!
//! Event times: EVN-2, else MSH-7, for a visit and a person; OBR-22, else MSH-7, for a result. A time
//! after the receipt (by more than an hour) is taken as the receipt, because it would shut out every
//! later truth. Messages other than ADT only identify the person: their `Patient` draft is dated at
//! the beginning of 1970, so that it is used where nothing better is held and never overwrites.

mod adt;
mod clinical_segments;
mod codes;
mod document;
mod fields;
mod observation;
mod patient;
mod referral;
mod result;
mod schedule;
mod visit;
mod work;

use jiff::Timestamp;

use crate::hl7v2::{AckCode, ErrorCode, Issue, Message};
use crate::mapping::Mapped;
use crate::vocabulary::{OdsCode, Organisation};

use work::Work;

/// What is known of the feed a message came by.
#[derive(Debug, Clone)]
pub struct V2Context<'a> {
    /// The organisation whose system sent it.
    pub source: OdsCode,
    /// When it was received.
    pub received_at: Timestamp,
    /// The feed's configuration says that its NHS numbers are traced before they are sent. Used where
    /// PID-32 says nothing.
    pub numbers_are_traced: bool,
    /// The organisations that take part: for names, and to know the receiver of a referral.
    pub organisations: &'a [Organisation],
    /// What this source calls organisations, where it does not send ODS codes.
    pub facility_codes: &'a [(String, OdsCode)],
}

/// Why a message as a whole cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MapRefusal {
    /// A message code that is not mapped.
    #[error(
        "message type {name} is not supported by this feed; stop sending it, or ask the Connect Care programme to take it on"
    )]
    UnsupportedType {
        /// The type, such as `ORM^O01`.
        name: String,
    },
    /// A trigger event that is not mapped, of a code that is.
    #[error(
        "message type {name} is not supported by this feed; stop sending it, or ask the Connect Care programme to take it on{hint}"
    )]
    UnsupportedEvent {
        /// The type, such as `ADT^A60`.
        name: String,
        /// What to send in its place, if there is something.
        hint: &'static str,
    },
    /// A segment without which the message says nothing.
    #[error("{segment} is missing; a message of this type must have it")]
    MissingSegment {
        /// Its name.
        segment: &'static str,
    },
    /// A field without which the thing cannot be told from others.
    #[error("{place} is empty: {why}")]
    MissingField {
        /// Where.
        place: &'static str,
        /// Why it is needed and what to send.
        why: &'static str,
    },
}

impl MapRefusal {
    /// The same as an issue, for an acknowledgement.
    pub fn issue(&self) -> Issue {
        let (place, code) = match self {
            Self::UnsupportedType { .. } => ("MSH-9", ErrorCode::UnsupportedMessageType),
            Self::UnsupportedEvent { .. } => ("MSH-9", ErrorCode::UnsupportedEventCode),
            Self::MissingSegment { segment } => (*segment, ErrorCode::SegmentSequence),
            Self::MissingField { place, .. } => (*place, ErrorCode::RequiredFieldMissing),
        };
        Issue::error(place, code, self.to_string())
    }

    /// AR where no change of content helps, AE where the sender can mend the message.
    pub fn ack_code(&self) -> AckCode {
        match self {
            Self::UnsupportedType { .. } | Self::UnsupportedEvent { .. } => AckCode::Reject,
            _ => AckCode::Error,
        }
    }
}

/// Says what a message means.
///
/// The first draft is the person's `Patient` as the source knows them. Errors: a type that is not
/// mapped, or no way to know whom or what it is about; everything else is kept and its issues told.
pub fn map_v2(message: &Message<'_>, context: &V2Context<'_>) -> Result<Mapped, MapRefusal> {
    let work = Work::new(message, context);
    match message.code() {
        "ADT" => adt::map(work),
        "ORU" => result::map(work),
        "MDM" => document::map(work),
        "SIU" => schedule::map(work),
        "REF" => referral::map(work),
        _ => Err(MapRefusal::UnsupportedType {
            name: type_name(message),
        }),
    }
}

/// `ADT^A60`, where MSH-9 looks like one; a text of another form is not repeated.
fn type_name(message: &Message<'_>) -> String {
    let plain = |part: &str| {
        (1..=7).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match (message.code(), message.trigger()) {
        (code, "") if plain(code) => code.to_owned(),
        (code, trigger) if plain(code) && plain(trigger) => format!("{code}^{trigger}"),
        _ => "in MSH-9".to_owned(),
    }
}

/// The refusal of a trigger event.
fn unsupported_event(message: &Message<'_>, hint: &'static str) -> MapRefusal {
    MapRefusal::UnsupportedEvent {
        name: type_name(message),
        hint,
    }
}
