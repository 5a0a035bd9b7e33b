//! Who is asking: made by sign-in, believed from there on.

use care_core::vocabulary::{NhsNumber, OdsCode, Role};

/// A signed-in member of staff, a patient, or somebody acting for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The id the identity provider knows them by.
    pub id: String,
    /// Their name, as the identity provider says it now.
    pub name: String,
    /// The role they chose for this session.
    pub role: Role,
    /// The organisation they work for in that role.
    pub organisation: OdsCode,
    /// Their role profile lets them open sealed items on a recorded ground.
    pub can_break_seal: bool,
    /// Their own NHS number, where the identity provider says it: nobody opens their own record
    /// through the staff pages.
    pub own_number: Option<NhsNumber>,
    /// NHS numbers of people they declared as family, or act for.
    pub family_numbers: Vec<NhsNumber>,
}

/// One request's authority: the user and the session or token it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: User,
    /// A digest of the session or token: binds searches and visits to it.
    pub session: String,
    /// The reference of the request, for the log; empty where there is none.
    pub request: String,
}
