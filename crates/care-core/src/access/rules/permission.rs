//! Rule 9, for direct care. What the person says now. Nothing overrides a no.

use crate::access::decision::{Flag, Reason};
use crate::access::draft::{Draft, Ruling};
use crate::access::facts::{Facts, Justification, Permission};
use crate::access::roles::has_emergency_right;
use crate::access::settings::{PermissionModel, Settings};
use crate::vocabulary::Purpose;

pub(super) fn look(facts: &Facts, settings: &Settings, draft: &mut Draft) -> Ruling {
    if facts.purpose != Some(Purpose::DirectCare) {
        return Ruling::Pass;
    }
    draft.used("permission", facts.permission.code());
    match facts.permission {
        Permission::Given | Permission::Standing | Permission::GivenByAttorney => Ruling::Pass,
        Permission::Refused => Ruling::Deny(Reason::PermissionRefused),
        Permission::Unable => unable(facts, draft),
        Permission::NotPresent => {
            draft.flag(Flag::PatientAbsent);
            Ruling::Pass
        }
        Permission::GivenByParent => {
            draft.used_truth(
                "under_16_and_not_gillick_competent",
                facts.patient.parent_decides(),
            );
            if facts.patient.parent_decides() {
                Ruling::Pass
            } else {
                Ruling::Deny(Reason::AskPermission)
            }
        }
        Permission::NotAsked | Permission::NotApplicable => {
            draft.used("setting", settings.permission.code());
            match settings.permission {
                PermissionModel::Ask => Ruling::Deny(Reason::AskPermission),
                PermissionModel::Implied => Ruling::Pass,
            }
        }
    }
}

fn unable(facts: &Facts, draft: &mut Draft) -> Ruling {
    let reasoned = facts.is_reasoned_with(Justification::BestInterest);
    let right = facts.user.role.is_some_and(has_emergency_right);
    draft.used_truth("best_interest_with_reason", reasoned);
    draft.used_truth("emergency_right", right);
    if !reasoned {
        Ruling::Deny(Reason::BreakGlassRequired)
    } else if !right {
        Ruling::Deny(Reason::RoleNotPermitted)
    } else {
        draft.override_with(Flag::BestInterest);
        Ruling::Pass
    }
}
