//! A Consent that is a choice about Connect Care becomes the person's choice.

use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::{self, ChoiceStatement, Json};
use care_core::vocabulary::PersonId;
use jiff::Timestamp;

use crate::choices::{Choice, ChoiceStatus, ConnectCareChoice};
use crate::identity::answering;
use crate::store::{Change, Store, StoreError};

/// The change and its entry, where the resource is a choice newer than the one held.
pub(super) fn choice_change(
    store: &dyn Store,
    person: PersonId,
    resource: &Json,
    event_at: Timestamp,
    feed: &str,
) -> Result<Option<(Change, Entry)>, StoreError> {
    let Some(statement) = fhir::choice_consent(resource) else {
        return Ok(None);
    };
    let known = answering(store, person)?;
    let person = known.as_ref().map_or(person, |known| known.person);
    let held = known
        .and_then(|known| known.row.choice)
        .and_then(|bytes| Choice::from_bytes(&bytes).ok());
    let decided_at = statement
        .date_time
        .as_ref()
        .map_or(event_at, |time| time.earliest());
    if held
        .as_ref()
        .is_some_and(|held| held.decided_at > decided_at)
    {
        return Ok(None);
    }
    let choice = choice(&statement, held, decided_at, feed);
    let mut entry = Entry::new(event_at, Act::Choice, Outcome::Success, feed);
    entry.person = Some(person);
    entry.detail = choice.summary();
    let choice = choice.to_bytes();
    Ok(Some((Change::Choice { person, choice }, entry)))
}

/// What a Consent does not say (blocked organisations, withheld sources) stays as it was.
fn choice(
    statement: &ChoiceStatement,
    held: Option<Choice>,
    decided_at: Timestamp,
    feed: &str,
) -> Choice {
    let connect_care = match (
        statement.status,
        statement.objected,
        statement.except_emergency,
    ) {
        (fhir::ChoiceStatus::Void, _, _) | (_, false, _) => ConnectCareChoice::None,
        (_, true, true) => ConnectCareChoice::ObjectedExceptEmergency,
        (_, true, false) => ConnectCareChoice::Objected,
    };
    let status = match statement.status {
        fhir::ChoiceStatus::Pending => ChoiceStatus::Pending,
        fhir::ChoiceStatus::Decided | fhir::ChoiceStatus::Void => ChoiceStatus::Decided,
    };
    let (blocked_organisations, withheld_sources, gp_dissent) = held.map_or_else(
        || (Vec::new(), Vec::new(), false),
        |held| {
            (
                held.blocked_organisations,
                held.withheld_sources,
                held.gp_dissent,
            )
        },
    );
    Choice {
        connect_care,
        status,
        blocked_organisations,
        withheld_sources,
        gp_dissent,
        set_by: "self".to_owned(),
        channel: feed.to_owned(),
        decided_at,
    }
}
