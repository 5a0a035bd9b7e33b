//! A kept choice in the words of the access rules.

use care_core::access::{
    Choice as ChoiceFacts, ChoiceState, ChoiceStatus as StatusFacts, OrganisationCode,
};
use care_core::vocabulary::OdsCode;

use super::{Choice, ChoiceStatus, ConnectCareChoice, UnreadableChoice};
use crate::directory::Directory;

/// What the rules are told. An organisation that is not in the directory keeps its code, so that it
/// stays blocked when it joins under another kind.
///
/// Errors: the kept form is not known; the caller treats the choice as unknown.
pub(crate) fn facts(kept: &[u8], directory: &Directory) -> Result<ChoiceFacts, UnreadableChoice> {
    let choice = Choice::from_bytes(kept)?;
    let code = |ods: &OdsCode| match directory.organisation(ods) {
        Some(organisation) => OrganisationCode::of(organisation),
        None => OrganisationCode::new(ods.as_str()),
    };
    Ok(ChoiceFacts {
        connect_care: match choice.connect_care {
            ConnectCareChoice::None => ChoiceState::None,
            ConnectCareChoice::ObjectedExceptEmergency => ChoiceState::ObjectedExceptEmergency,
            ConnectCareChoice::Objected => ChoiceState::Objected,
        },
        status: match choice.status {
            ChoiceStatus::Decided => StatusFacts::Decided,
            ChoiceStatus::Pending => StatusFacts::Pending,
            ChoiceStatus::NotUpheld => StatusFacts::NotUpheld,
        },
        blocked_organisations: choice.blocked_organisations.iter().map(code).collect(),
        withheld_sources: choice.withheld_sources.iter().map(code).collect(),
        gp_dissent: choice.gp_dissent,
    })
}
