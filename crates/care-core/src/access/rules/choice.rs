//! Rule 8. What the person chose about Connect Care holds, save where the person's own choice, or
//! an objection that was not upheld, says otherwise. A choice nobody could find out is a no.

use crate::access::decision::{Flag, Reason};
use crate::access::draft::{Draft, Ruling};
use crate::access::facts::{ChoiceState, ChoiceStatus, Facts, Justification, Permission};
use crate::access::settings::{EmergencyOverride, Settings};

use super::relationship::is_emergency;

pub(super) fn look(facts: &Facts, settings: &Settings, draft: &mut Draft) -> Ruling {
    let blocked = facts
        .choice
        .blocked_organisations
        .contains(&facts.user.organisation);
    draft.used_truth("organisation_blocked", blocked);
    draft.used("choice", facts.choice.connect_care.code());
    if blocked {
        return Ruling::Deny(Reason::OrgBlockedByPatient);
    }
    match facts.choice.connect_care {
        ChoiceState::None => Ruling::Pass,
        ChoiceState::Unknown => unknown(facts, draft),
        ChoiceState::Objected | ChoiceState::ObjectedExceptEmergency => {
            objected(facts, settings, draft)
        }
    }
}

fn unknown(facts: &Facts, draft: &mut Draft) -> Ruling {
    if is_emergency(facts, draft) {
        draft.override_with(Flag::ChoiceUnknown);
        return Ruling::Pass;
    }
    draft.flag(Flag::ChoiceUnknown);
    Ruling::Deny(Reason::ChoiceUnknown)
}

fn objected(facts: &Facts, settings: &Settings, draft: &mut Draft) -> Ruling {
    draft.used("status", facts.choice.status.code());
    let reason = match facts.choice.status {
        ChoiceStatus::NotUpheld => {
            draft.flag(Flag::ObjectionNotUpheld);
            return Ruling::Pass;
        }
        ChoiceStatus::Pending if !settings.pending_objection_restricts => return Ruling::Pass,
        ChoiceStatus::Pending => Reason::ObjectionPending,
        ChoiceStatus::Decided => Reason::PatientObjected,
    };
    if excepts_emergency(facts, settings) && is_emergency(facts, draft) {
        draft.override_with(Flag::ObjectionOverriddenEmergency);
        Ruling::Pass
    } else if consents_now(facts, draft) {
        draft.override_with(Flag::ObjectionOverriddenConsent);
        Ruling::Pass
    } else {
        Ruling::Deny(reason)
    }
}

fn excepts_emergency(facts: &Facts, settings: &Settings) -> bool {
    match settings.objection_in_emergency {
        EmergencyOverride::OnlyIfThePersonChoseIt => {
            facts.choice.connect_care == ChoiceState::ObjectedExceptEmergency
        }
        EmergencyOverride::Never => false,
        EmergencyOverride::Always => true,
    }
}

/// The person, and nobody for them, gives permission and explicit consent, for this episode.
fn consents_now(facts: &Facts, draft: &mut Draft) -> bool {
    let reasoned = facts.is_reasoned_with(Justification::ExplicitConsent);
    draft.used_truth("explicit_consent_with_reason", reasoned);
    draft.used("permission", facts.permission.code());
    reasoned && facts.permission == Permission::Given
}
