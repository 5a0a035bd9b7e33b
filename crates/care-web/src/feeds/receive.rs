//! From the MLLP listener to the intake, and its answer back.

use std::collections::BTreeMap;
use std::sync::Arc;

use care_core::hl7v2::Header;
use care_core::vocabulary::OdsCode;
use care_record::{DeliveryOutcome as Outcome, Senders, Source, V2Delivery};

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
    let senders = Senders {
        names: names(&facilities, state.directory.sources()),
        assumed: None,
    };
    Arc::new(move |message| {
        let header = Header::salvage(&message[..message.len().min(4096)]);
        let feed = feed_of(&facilities, &header);
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

/// The feed by MSH-4: the whole field, else the first of its components that is listed.
fn feed_of<'a>(facilities: &'a BTreeMap<String, String>, header: &Header) -> &'a str {
    let facility = header.sending_facility.as_str();
    std::iter::once(facility)
        .chain(facility.split(char::from(header.separators.component)))
        .find_map(|name| facilities.get(name))
        .map_or(UNKNOWN_FEED, String::as_str)
}

/// Whom a listed facility means: the organisation that sends by its feed, where that is only one.
/// Where several share a feed, each says its own code.
fn names(facilities: &BTreeMap<String, String>, sources: &[Source]) -> Vec<(String, OdsCode)> {
    let only_sender = |feed: &String| {
        let mut senders = sources.iter().filter(|source| source.feeds.contains(feed));
        match (senders.next(), senders.next()) {
            (Some(only), None) => Some(only.organisation.ods.clone()),
            _ => None,
        }
    };
    facilities
        .iter()
        .filter_map(|(name, feed)| Some((name.clone(), only_sender(feed)?)))
        .collect()
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
