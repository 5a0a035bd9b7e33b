//! Rule 7. A legitimate relationship: verified, or claimed with a reason, or none in an emergency.

use crate::access::decision::{Flag, Reason};
use crate::access::draft::{Draft, Ruling};
use crate::access::facts::{Facts, Justification, Permission, Relationship};
use crate::access::roles::has_emergency_right;
use crate::access::settings::Settings;

pub(super) fn look(facts: &Facts, settings: &Settings, draft: &mut Draft) -> Ruling {
    draft.used("relationship", facts.relationship.code());
    match facts.relationship {
        Relationship::None | Relationship::Oneself | Relationship::ParentalResponsibility => {
            without(facts, draft)
        }
        Relationship::SelfClaimed => self_claimed(facts, draft),
        Relationship::Appointment { days_from_now }
            if !settings.appointment_counts(days_from_now) =>
        {
            let days = days_from_now.map_or("unknown".to_owned(), |days| days.to_string());
            draft.used("days_from_now", days);
            Ruling::Deny(Reason::RelationshipExpired)
        }
        _verified => {
            draft.used_truth("declared_family", facts.user.declared_family);
            if facts.user.declared_family {
                draft.flag(Flag::PossibleFamilyAccess);
                draft.flag(Flag::ReviewRequired);
            }
            Ruling::Pass
        }
    }
}

/// An emergency: the user says so, the person cannot say, the glass is broken in their best
/// interest with a reason, and the role has the right. Rule 8 asks for the same.
pub(super) fn is_emergency(facts: &Facts, draft: &mut Draft) -> bool {
    let reasoned = facts.is_reasoned_with(Justification::BestInterest);
    let right = facts.user.role.is_some_and(has_emergency_right);
    draft.used_truth("emergency", facts.emergency);
    draft.used("permission", facts.permission.code());
    draft.used_truth("best_interest_with_reason", reasoned);
    draft.used_truth("emergency_right", right);
    facts.emergency && facts.permission == Permission::Unable && reasoned && right
}

fn without(facts: &Facts, draft: &mut Draft) -> Ruling {
    if is_emergency(facts, draft) {
        draft.override_with(Flag::BreakGlassEmergency);
        Ruling::Pass
    } else {
        Ruling::Deny(Reason::NoLegitimateRelationship)
    }
}

fn self_claimed(facts: &Facts, draft: &mut Draft) -> Ruling {
    draft.used_truth("declared_family", facts.user.declared_family);
    draft.used_truth("break_glass_with_reason", facts.is_reasoned());
    if facts.user.declared_family {
        draft.flag(Flag::PossibleFamilyAccess);
        draft.flag(Flag::ReviewRequired);
        Ruling::Deny(Reason::FamilySelfClaim)
    } else if !facts.is_reasoned() {
        Ruling::Deny(Reason::BreakGlassRequired)
    } else {
        draft.override_with(Flag::SelfClaimedRelationship);
        Ruling::Pass
    }
}
