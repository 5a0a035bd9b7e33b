//! What the rules are told of a proxy: the tie, whether the person agreed, and what the grant allows.
//!
//! A parent acts alone for a young child; from [`ProxyPolicy::review_from_years`] only while a review
//! is in force; never for somebody judged able to decide, unless they agree; from 16 never (rule 4).

use care_core::vocabulary::PersonId;
use jiff::{SignedDuration, Timestamp};

use super::grant::Kept;
use super::{GRANTS, Holder, ProxyRelationship, ProxyRights};
use crate::caller::User;
use crate::store::{PersonRow, Store, StoreError};

/// The flag of a young person who was judged able to decide for themselves; the value says when.
pub(crate) const COMPETENT: &str = "gillick-competent";

/// What a deployment decides about parents and young people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyPolicy {
    /// From this age a parent's access needs a review.
    pub review_from_years: u32,
    /// How long a review is in force, in days.
    pub review_days: u32,
    /// From this age a young person counts as able to decide, whether or not anybody judged it;
    /// `None`: only where it was judged.
    pub competent_from_years: Option<u32>,
}

impl Default for ProxyPolicy {
    fn default() -> Self {
        Self {
            review_from_years: 11,
            review_days: 365,
            competent_from_years: None,
        }
    }
}

/// What a proxy is to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Has parental responsibility, and its review is in force where one is needed.
    pub parent: bool,
    /// The person agreed, or a court or power of attorney stands for their agreement.
    pub agreed: bool,
    /// What the grant allows.
    pub rights: ProxyRights,
    /// A parent whose access waits for a review.
    pub review_due: bool,
}

impl Standing {
    /// Of somebody with no grant.
    pub const NONE: Self = Self {
        parent: false,
        agreed: false,
        rights: ProxyRights {
            see_who_looked: false,
            change_choices: false,
            get_a_copy: false,
        },
        review_due: false,
    };
}

/// Whether a person counts as able to decide for themselves though under 16.
pub(crate) fn competent(row: &PersonRow, age_years: Option<u32>, policy: &ProxyPolicy) -> bool {
    let judged = row.flags.iter().any(|(flag, _)| flag == COMPETENT);
    let by_age = policy
        .competent_from_years
        .zip(age_years)
        .is_some_and(|(from, age)| age >= from);
    judged || by_age
}

/// What this user is to this person, whose age in years is given. `named` says that the identity
/// provider names the person as one the user acts for: that counts until it was ended here.
pub(crate) fn standing(
    store: &dyn Store,
    user: &User,
    (person, row): (PersonId, &PersonRow),
    (named, age_years): (bool, Option<u32>),
    (policy, now): (&ProxyPolicy, Timestamp),
) -> Result<Standing, StoreError> {
    let mut found: Option<Kept> = None;
    for person in std::iter::once(person).chain(row.joined.iter().copied()) {
        for holder in Holder::of(user) {
            match kept(store, person, &holder, now)? {
                // One record of the person on which it was ended is enough to end it.
                Some(kept) if !kept.holds(now) => return Ok(Standing::NONE),
                Some(kept) => found = Some(kept),
                None => {}
            }
        }
    }
    if found.is_none() && !named {
        return Ok(Standing::NONE);
    }
    let parent = found
        .as_ref()
        .is_none_or(|kept| kept.relationship == ProxyRelationship::Parent);
    let reviewed_at = found.as_ref().and_then(|kept| kept.reviewed_at);
    let review_due = parent && review_due(reviewed_at, age_years, policy, now);
    Ok(Standing {
        parent: parent && !review_due,
        agreed: !parent,
        rights: found.map_or(ProxyRights::ALL, |kept| kept.rights),
        review_due,
    })
}

fn review_due(
    reviewed_at: Option<Timestamp>,
    age_years: Option<u32>,
    policy: &ProxyPolicy,
    now: Timestamp,
) -> bool {
    let young = age_years.is_some_and(|age| age < policy.review_from_years);
    let days = SignedDuration::from_hours(24 * i64::from(policy.review_days));
    let in_force = reviewed_at.is_some_and(|at| at.saturating_add(days).is_ok_and(|end| now < end));
    !young && !in_force
}

/// What is kept of a holder and a person.
pub(super) fn kept(
    store: &dyn Store,
    person: PersonId,
    holder: &Holder,
    now: Timestamp,
) -> Result<Option<Kept>, StoreError> {
    let key = format!("{person}|{holder}");
    let bytes = store.keep_get(GRANTS, &key, now.as_millisecond())?;
    bytes
        .map(|bytes| {
            serde_json::from_slice(&bytes).map_err(|cause| StoreError::Engine(Box::new(cause)))
        })
        .transpose()
}
