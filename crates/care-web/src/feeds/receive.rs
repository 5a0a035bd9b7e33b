//! From the MLLP listener to the intake, and its answer back.

use std::sync::Arc;

use care_core::hl7v2::Header;
use care_record::{DeliveryOutcome as Outcome, Senders, V2Delivery};

use super::mllp::{Receive, Reply};
use crate::state::Shared;

/// The feed of a message whose sending facility is none we know: it is refused there, by name.
const UNKNOWN_FEED: &str = "mllp";

/// What the MLLP listener does with a message: finds the feed by its sending facility (MSH-4), and
/// hands it in.
pub fn v2(state: &Shared) -> Receive {
    let intake = state.record.intake();
    let facilities = state
        .config
        .mllp
        .as_ref()
        .map(|mllp| mllp.facilities.clone())
        .unwrap_or_default();
    let senders = Senders::default();
    Arc::new(move |message| {
        let facility = Header::salvage(&message[..message.len().min(4096)]).sending_facility;
        let name = facility
            .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
            .next()
            .unwrap_or_default();
        let feed = facilities.get(name).map_or(UNKNOWN_FEED, String::as_str);
        let answer = intake.receive_v2(&V2Delivery {
            feed,
            peer: None,
            bytes: &message,
            senders: &senders,
        });
        match answer.outcome {
            Outcome::Transient => Reply::Fault,
            outcome => Reply::Answer {
                code: code_of(&answer.acknowledgement, outcome),
                bytes: answer.acknowledgement,
            },
        }
    })
}

/// The code of an answer, for the figures.
fn code_of(answer: &[u8], outcome: Outcome) -> &'static str {
    let has = |code: &str| {
        answer
            .windows(7)
            .any(|seven| seven.starts_with(b"\rMSA") && seven[5..].starts_with(code.as_bytes()))
    };
    ["AA", "AE", "AR", "CA", "CE", "CR"]
        .into_iter()
        .find(|code| has(code))
        .unwrap_or(outcome.code())
}
