//! What somebody who looks for a person may see before saying why: who the person is, and nothing
//! else. The purpose is not known yet, so no decision is possible; nothing clinical, and nothing
//! about choices, is in this view.
//!
//! Source: screens C3 to C5; the roles are those that rule 3 lets open a record for care, for its
//! administration, for safeguarding, or as the person or somebody acting for them.

use crate::vocabulary::{Category, CategorySet, Role, Sensitivity};

use super::View;
use super::roles::CARE_ROLES;

/// The view of a finder; `None` for a role that may not look for people.
///
/// Where the address is protected (PDS "R"), it is left out, as it is from every view.
pub fn finding(role: Role, address_protected: bool) -> Option<View> {
    let may_find = CARE_ROLES.contains(&role)
        || matches!(
            role,
            Role::AdminClerical | Role::SafeguardingLead | Role::Patient | Role::Proxy
        );
    may_find.then(|| who_they_are(address_protected))
}

/// The view of somebody who works on a case about a person: the same, and nothing clinical. For those
/// who process choices, requests and reviews; `None` for any other role.
///
/// Source: screens, section 10 (find the person: demographics only).
pub fn finding_for_cases(role: Role, address_protected: bool) -> Option<View> {
    let works_on_cases = matches!(role, Role::PrivacyOfficer | Role::CaldicottGuardian);
    works_on_cases.then(|| who_they_are(address_protected))
}

fn who_they_are(address_protected: bool) -> View {
    let who = CategorySet::EMPTY.with(Category::Demographics);
    View {
        categories: if address_protected {
            who
        } else {
            who.with(Category::Location)
        },
        sensitivities: [Sensitivity::Normal].into_iter().collect(),
        hide_gp_sourced: false,
        hidden_sources: Vec::new(),
        registered_practice: false,
        only_source: None,
    }
}

/// The view of somebody who works on a case about a person: who the person is, so that the right one
/// is looked for, and nothing else. Never where they are.
pub fn naming() -> View {
    View {
        categories: CategorySet::EMPTY.with(Category::Demographics),
        sensitivities: [Sensitivity::Normal].into_iter().collect(),
        hide_gp_sourced: false,
        hidden_sources: Vec::new(),
        registered_practice: false,
        only_source: None,
    }
}
