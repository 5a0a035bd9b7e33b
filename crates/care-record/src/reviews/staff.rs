//! What is known of users from their sign-ins: where they work, when they came, and which record is
//! their own. The rules of review need it; so does the page of a staff user.

use care_core::vocabulary::{PersonId, Role};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::caller::User;
use crate::identity::NHS_NUMBER;
use crate::store::{Change, Store, StoreError};

const SPACE: &str = "staff";
/// Users read at most.
const MOST: u32 = 100_000;
/// A user who has not signed in for so long is forgotten: ten years.
const KEPT_MS: i64 = 3_652 * 86_400_000;

/// A user of the staff pages, as at their last sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffMember {
    /// The user's id.
    pub id: String,
    /// Their name.
    pub name: String,
    /// The role's code.
    pub role: String,
    /// The organisation's code.
    pub organisation: String,
    /// When they last signed in.
    pub signed_in_at: Timestamp,
    /// Their own record here, where the identity provider says their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) person: Option<String>,
}

impl StaffMember {
    pub(crate) fn own_record(&self) -> Option<PersonId> {
        PersonId::parse(self.person.as_deref()?).ok()
    }
}

/// The change that remembers a sign-in of staff; none for patients and those who act for them.
pub(crate) fn remember(
    store: &dyn Store,
    user: &User,
    now: Timestamp,
) -> Result<Option<Change>, StoreError> {
    if matches!(user.role, Role::Patient | Role::Proxy) {
        return Ok(None);
    }
    let person = match user.own_number {
        None => None,
        Some(number) => store
            .persons_by_identifier(NHS_NUMBER, &number.digits())?
            .into_iter()
            .find(|holder| holder.unique)
            .map(|holder| holder.person.to_string()),
    };
    let member = StaffMember {
        id: user.id.clone(),
        name: user.name.clone(),
        role: user.role.code().to_owned(),
        organisation: user.organisation.as_str().to_owned(),
        signed_in_at: now,
        person,
    };
    Ok(keep(&member, now))
}

/// Keeps a user.
pub(crate) fn keep(member: &StaffMember, now: Timestamp) -> Option<Change> {
    let value = serde_json::to_vec(member).ok()?;
    Some(Change::Keep {
        space: SPACE,
        key: member.id.clone(),
        value: Some(value),
        expires_ms: now.as_millisecond().saturating_add(KEPT_MS),
    })
}

/// A user by id.
pub(crate) fn one(
    store: &dyn Store,
    id: &str,
    now: Timestamp,
) -> Result<Option<StaffMember>, StoreError> {
    let kept = store.keep_get(SPACE, id, now.as_millisecond())?;
    Ok(kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Every user who is known.
pub(crate) fn all(store: &dyn Store, now: Timestamp) -> Result<Vec<StaffMember>, StoreError> {
    let kept = store.keep_list(SPACE, "", now.as_millisecond(), MOST)?;
    Ok(kept
        .iter()
        .filter_map(|(_, bytes)| serde_json::from_slice(bytes).ok())
        .collect())
}
