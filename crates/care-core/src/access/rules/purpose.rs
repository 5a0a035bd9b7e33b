//! Rule 3. The purpose is on the list, and the role may have it.

use crate::access::decision::Reason;
use crate::access::draft::{Draft, Ruling};
use crate::access::facts::{Facts, Relationship};
use crate::access::roles::CARE_ROLES;
use crate::access::settings::Settings;
use crate::vocabulary::{Purpose, Role};

pub(super) fn look(facts: &Facts, _: &Settings, draft: &mut Draft) -> Ruling {
    draft.used(
        "purpose",
        facts.purpose.map_or("not on the list", Purpose::code),
    );
    draft.used(
        "role",
        facts.user.role.map_or("not on the list", Role::code),
    );
    let Some(purpose) = facts.purpose else {
        return Ruling::Deny(Reason::PurposeNotPermitted);
    };
    match facts.user.role {
        Some(role) if may(role, purpose) && !is_another_person(facts, purpose) => Ruling::Pass,
        _ => Ruling::Deny(Reason::RoleNotPermitted),
    }
}

/// Whether the role may review the access log: the same rule where no one person is asked about.
pub fn may_review_log(role: Role, purpose: Option<Purpose>) -> bool {
    purpose == Some(Purpose::AuditReview) && may(role, Purpose::AuditReview)
}

/// Whether the role may ask for this purpose at all.
fn may(role: Role, purpose: Purpose) -> bool {
    match purpose {
        Purpose::DirectCare => CARE_ROLES.contains(&role),
        Purpose::CareAdmin => CARE_ROLES.contains(&role) || role == Role::AdminClerical,
        Purpose::SafeguardingInvestigation => role == Role::SafeguardingLead,
        Purpose::LegalRequirement | Purpose::PublicInterest => role == Role::CaldicottGuardian,
        Purpose::AuditReview => matches!(role, Role::PrivacyOfficer | Role::CaldicottGuardian),
        Purpose::SelfView => role == Role::Patient,
        Purpose::ProxyView => role == Role::Proxy,
    }
}

/// A self view is of the person's own record: facts that say neither that the user is the person
/// nor that the relationship is `self` are no self view, whatever they call themselves.
fn is_another_person(facts: &Facts, purpose: Purpose) -> bool {
    purpose == Purpose::SelfView
        && !facts.user.is_the_patient
        && facts.relationship != Relationship::Oneself
}
