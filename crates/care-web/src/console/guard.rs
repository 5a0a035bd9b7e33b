//! Who may use which page of the console.

use care_core::vocabulary::Role;

use crate::problem::Problem;
use crate::signin::Session;

/// The roles of a page.
pub type Roles = &'static [Role];

/// Cases, reviews, reports and the audit search.
pub const CASES: Roles = &[Role::PrivacyOfficer, Role::CaldicottGuardian];
/// Exceptional-circumstance disclosures: asked for by either, decided by the Caldicott Guardian.
pub const DISCLOSURES: Roles = &[Role::PrivacyOfficer, Role::CaldicottGuardian];

/// Lets a role pass, or says who may.
pub fn allowed(session: &Session, roles: Roles) -> Result<(), Problem> {
    if roles.contains(&session.user.role) {
        return Ok(());
    }
    let titles: Vec<&str> = roles.iter().map(|role| role.title()).collect();
    Err(Problem::forbidden(
        "This page is not for your role",
        format!(
            "It is for: {}. If you hold one of these roles, change to it. If you need it, ask the \
             person who manages access in your organisation.",
            titles.join(", ")
        ),
    ))
}

/// Where the console begins for a role; `None`: it has no page there.
pub fn home_of(role: Role) -> Option<&'static str> {
    if CASES.contains(&role) {
        return Some("/ig");
    }
    [
        (super::choices::ROLES, "/ig/choices"),
        (super::extracts::ROLES, "/ig/extracts"),
    ]
    .into_iter()
    .find(|(roles, _)| roles.contains(&role))
    .map(|(_, address)| address)
}
