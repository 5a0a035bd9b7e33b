//! Who acts for whom: a parent for a child, an attorney, somebody the person chose. Grants, what each
//! lets its holder do, until when, on what proof; and their end, which bites at the next request.
//!
//! A room of its own and not part of `disclosure`: the rules only read what stands here
//! ([`standing`]), while the portal, the choices and the console change it. Every change is an act
//! with its entry. Source: screens, section 9 (M5); the access model, rule 4.

mod grant;
mod holder;
mod standing;

use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::{NhsNumber, PersonId};
use jiff::{SignedDuration, Timestamp};

pub use grant::{ActingFor, NewGrant, ProxyRelationship, ProxyRights};
pub use holder::Holder;
pub use standing::ProxyPolicy;
pub(crate) use standing::{COMPETENT, Standing, competent, standing};

use crate::caller::{Caller, User};
use crate::identity;
use crate::record::Inner;
use crate::store::{Change, Commit, StoreError};
use care_core::vocabulary::Role;
use grant::{Kept, State};

/// Grants by person and holder.
const GRANTS: &str = "proxy";
/// The same the other way round, without content.
const HOLDERS: &str = "proxy-holder";
/// Codes that let somebody take up a grant.
const INVITATIONS: &str = "proxy-invitation";
const INVITATIONS_USED: &str = "proxy-invitation-used";
/// Whose record a session has picked.
const PICKED: &str = "proxy-picked";
/// Most grants one person gives or one holder has; more are not shown.
const AT_MOST: u32 = 200;
/// What is kept stays: an ended grant is still told on the person's page.
const FOR_EVER_MS: i64 = 4_102_444_800_000;
/// How long an invitation may be taken up.
pub const INVITATION_DAYS: i64 = 14;
/// A pick lasts as long as the longest session.
const PICK_HOURS: i64 = 24;

/// Grants, ends and reads who acts for whom.
#[derive(Clone)]
pub struct Proxies {
    inner: Arc<Inner>,
}

/// Why it could not be done. Holds no personal data.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// No such person.
    #[error("there is nobody with this id; find the person again")]
    NobodyThere,
    /// No such grant, or it has ended.
    #[error("nobody acts for this person under this entry, or no longer; load the page again")]
    NoGrant,
    /// The code is unknown, was used, or is too old.
    #[error("this code is unknown, was used, or is too old; ask for a new one")]
    NoInvitation,
    /// A grant says nothing that could be done.
    #[error("{0}")]
    Unclear(&'static str),
    /// The store did not write or answer.
    #[error("this was not kept; try again in a moment")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for ProxyError {
    fn from(cause: StoreError) -> Self {
        Self::Store(Box::new(cause))
    }
}

impl From<serde_json::Error> for ProxyError {
    fn from(cause: serde_json::Error) -> Self {
        Self::Store(Box::new(cause))
    }
}

/// In whose place a signed-in person stands for this request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Their own.
    Own,
    /// Somebody else's, by this grant.
    For(Box<ActingFor>),
    /// They may stand in several and have picked none, or none that still holds.
    Pick {
        /// They had picked one that has ended.
        ended: bool,
    },
    /// In nobody's.
    Nobody,
}

type Answer<T> = Result<T, ProxyError>;

impl Proxies {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Everybody this user acts for now: by grants that hold, and by what the identity provider says
    /// of a user whose role is proxy, unless that was ended here. Whether a page is shown is for the
    /// rules, which look again.
    pub fn acting_for(&self, user: &User) -> Answer<Vec<ActingFor>> {
        let now = self.now();
        let mut all: Vec<ActingFor> = Vec::new();
        let mut known = Vec::new();
        for holder in Holder::of(user) {
            let prefix = format!("{holder}|");
            let keys =
                self.inner
                    .store
                    .keep_list(HOLDERS, &prefix, now.as_millisecond(), AT_MOST)?;
            for (key, _) in keys {
                let Some(person) = key.strip_prefix(&prefix) else {
                    continue;
                };
                let Ok(person) = PersonId::parse(person) else {
                    continue;
                };
                let Some(kept) = self.kept(person, &holder)? else {
                    continue;
                };
                known.push(person);
                if kept.holds(now) && !all.iter().any(|one| one.person == person) {
                    all.push(kept.told(person));
                }
            }
        }
        if user.role == Role::Proxy {
            for number in &user.family_numbers {
                match self.holder_of(*number)? {
                    Some(person) if !known.contains(&person) => all.push(by_provider(person, user)),
                    _ => {}
                }
            }
        }
        all.sort_by_key(|one| one.since);
        Ok(all)
    }

    /// Everybody who acts for this person or did, newest first; ended grants say when they ended.
    pub fn of(&self, person: PersonId) -> Answer<Vec<ActingFor>> {
        let whole = identity::answering(&*self.inner.store, person)?;
        let whole = whole.ok_or(ProxyError::NobodyThere)?;
        let mut all = Vec::new();
        let everybody = std::iter::once(whole.person).chain(whole.row.joined.iter().copied());
        for person in everybody {
            let prefix = format!("{person}|");
            let now = self.now().as_millisecond();
            for (_, bytes) in self.inner.store.keep_list(GRANTS, &prefix, now, AT_MOST)? {
                let kept: Kept = serde_json::from_slice(&bytes)?;
                all.push(kept.told(person));
            }
        }
        all.sort_by_key(|one| std::cmp::Reverse(one.since));
        Ok(all)
    }

    /// Whoever holds this NHS number, and who acts for them, for staff who keep the grants. The look is
    /// written down first.
    pub fn of_number(
        &self,
        number: NhsNumber,
        caller: &Caller,
    ) -> Answer<Option<(PersonId, Vec<ActingFor>)>> {
        let Some(person) = self.holder_of(number)? else {
            return Ok(None);
        };
        let mut entry = Entry::new(self.now(), Act::Admin, Outcome::Success, &caller.user.id);
        entry.who_name.clone_from(&caller.user.name);
        entry.role = caller.user.role.code().to_owned();
        entry.organisation = caller.user.organisation.as_str().to_owned();
        entry.person = Some(person);
        entry.page = "proxies".to_owned();
        entry.detail = "looked who acts for the person".to_owned();
        self.inner.store.commit(Commit {
            changes: Vec::new(),
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(Some((person, self.of(person)?)))
    }

    /// Lets somebody act for a person, from now. `by` is the user id of whoever looked at the proof.
    /// The same holder again replaces what they had.
    pub fn grant(&self, person: PersonId, grant: &NewGrant, by: &str) -> Answer<String> {
        grant.check()?;
        let person = self.answering(person)?;
        let kept = Kept::new(grant, by, self.now());
        self.keep(person, &kept, Vec::new(), by, "may act for the person")?;
        Ok(kept.grant)
    }

    /// The same for whoever holds this NHS number, where nobody ever acted for them: a service that
    /// moves in brings what was granted before. Whether it was granted now.
    pub fn grant_first(&self, number: NhsNumber, grant: &NewGrant, by: &str) -> Answer<bool> {
        match self.holder_of(number)? {
            Some(person) if self.of(person)?.is_empty() => {
                self.grant(person, grant, by).map(|_| true)
            }
            _ => Ok(false),
        }
    }

    /// Makes a code with which somebody, once signed in, takes up this grant. The code is shown once
    /// and kept by its digest.
    pub fn invite(&self, person: PersonId, grant: &NewGrant, by: &str) -> Answer<String> {
        grant.check()?;
        let person = self.answering(person)?;
        let code = holder::code().map_err(|cause| ProxyError::Store(Box::new(cause)))?;
        let kept = Kept::new(grant, by, self.now());
        let value = serde_json::to_vec(&(person.to_string(), kept))?;
        let until = self.now().as_millisecond() + INVITATION_DAYS * 24 * 60 * 60_000;
        let change = Change::Keep {
            space: INVITATIONS,
            key: holder::digest(&holder::plain(&code)),
            value: Some(value),
            expires_ms: until,
        };
        self.commit(
            vec![change],
            person,
            by,
            "made a code for somebody to act for the person",
        )?;
        Ok(code)
    }

    /// Takes up an invitation: from now on this user acts for the person. Each code works once.
    pub fn accept(&self, code: &str, user: &User) -> Answer<PersonId> {
        let digest = holder::digest(&holder::plain(code));
        let now = self.now();
        let bytes = self
            .inner
            .store
            .keep_get(INVITATIONS, &digest, now.as_millisecond())?
            .ok_or(ProxyError::NoInvitation)?;
        let (person, mut kept): (String, Kept) = serde_json::from_slice(&bytes)?;
        let person = PersonId::parse(&person).map_err(|_| ProxyError::NobodyThere)?;
        kept.holder = Holder::user(&user.id).to_string();
        kept.who.clone_from(&user.name);
        kept.since = now;
        let used = Change::KeepOnce {
            space: INVITATIONS_USED,
            key: digest,
            value: Vec::new(),
            expires_ms: FOR_EVER_MS,
        };
        match self.keep(
            person,
            &kept,
            vec![used],
            &user.id,
            "took up a code and may act for the person",
        ) {
            Err(ProxyError::Store(cause)) if is_used(&*cause) => Err(ProxyError::NoInvitation),
            Err(other) => Err(other),
            Ok(()) => Ok(person),
        }
    }

    /// Ends a grant. Whoever holds it is refused at their next request.
    pub fn revoke(&self, person: PersonId, grant: &str, by: &str) -> Answer<()> {
        let (person, mut kept) = self.find(person, grant)?;
        kept.state = State::Revoked {
            at: self.now(),
            by: by.to_owned(),
        };
        self.keep(
            person,
            &kept,
            Vec::new(),
            by,
            "may no longer act for the person",
        )
    }

    /// Ends what the identity provider says of this user and this person.
    pub fn revoke_named(&self, person: PersonId, user: &User, by: &str) -> Answer<()> {
        let person = self.answering(person)?;
        let mut kept = Kept::new(&NewGrant::by_provider(user), by, self.now());
        kept.state = State::Revoked {
            at: self.now(),
            by: by.to_owned(),
        };
        self.keep(
            person,
            &kept,
            Vec::new(),
            by,
            "may no longer act for the person",
        )
    }

    /// Writes down that a parent's access to a young person was reviewed and stays, until the next
    /// review.
    pub fn reviewed(&self, person: PersonId, grant: &str, by: &str) -> Answer<()> {
        let (person, mut kept) = self.find(person, grant)?;
        kept.reviewed_at = Some(self.now());
        self.keep(
            person,
            &kept,
            Vec::new(),
            by,
            "access as a parent was reviewed and stays",
        )
    }

    /// Writes down whether a young person was judged able to decide for themselves (Gillick).
    pub fn set_competent(&self, person: PersonId, competent: bool, by: &str) -> Answer<()> {
        let person = self.answering(person)?;
        let now = self.now();
        let change = Change::PersonFlag {
            person,
            flag: COMPETENT.to_owned(),
            value: competent.then(|| now.to_string()),
        };
        let said = if competent {
            "judged able to decide for themselves"
        } else {
            "no longer judged able to decide for themselves"
        };
        self.commit(vec![change], person, by, said)
    }

    /// In whose place this caller stands: what the session picked, or the only place there is.
    pub fn place(&self, caller: &Caller) -> Answer<Place> {
        let all = self.acting_for(&caller.user)?;
        let own = caller.user.role == Role::Patient;
        let now = self.now().as_millisecond();
        let picked = self.inner.store.keep_get(PICKED, &caller.session, now)?;
        let picked = picked.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(match picked.as_deref() {
            Some(OWN) if own => Place::Own,
            Some(person) if person != OWN => {
                let found = all.into_iter().find(|one| one.person.to_string() == person);
                found.map_or(Place::Pick { ended: true }, |one| Place::For(Box::new(one)))
            }
            _ => match (own, all.len()) {
                (true, 0) => Place::Own,
                (false, 0) => Place::Nobody,
                (false, 1) => all
                    .into_iter()
                    .next()
                    .map_or(Place::Nobody, |one| Place::For(Box::new(one))),
                _ => Place::Pick { ended: false },
            },
        })
    }

    /// Picks whose record this session is about; `None` is the user's own. Only somebody they act for.
    pub fn pick(&self, caller: &Caller, person: Option<PersonId>) -> Answer<()> {
        let all = self.acting_for(&caller.user)?;
        let value = match person {
            None if caller.user.role == Role::Patient => OWN.to_owned(),
            Some(person) if all.iter().any(|one| one.person == person) => person.to_string(),
            _ => return Err(ProxyError::NoGrant),
        };
        let until = self
            .now()
            .saturating_add(SignedDuration::from_hours(PICK_HOURS))
            .unwrap_or(Timestamp::MAX);
        let change = Change::Keep {
            space: PICKED,
            key: caller.session.clone(),
            value: Some(value.into_bytes()),
            expires_ms: until.as_millisecond(),
        };
        let mut entry = Entry::new(
            self.now(),
            Act::Admin,
            Outcome::Success,
            caller.user.id.clone(),
        );
        entry.person = person;
        entry.page = "proxies".to_owned();
        entry.detail = "picked whose record to look at".to_owned();
        self.inner.store.commit(Commit {
            changes: vec![change],
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }

    /// The caller as the one they stand for: role proxy, and that person's number. Their own place
    /// is left as it is.
    pub fn stand_in(&self, caller: &Caller, place: &Place) -> Answer<Caller> {
        let mut stood = caller.clone();
        if let Place::For(acting) = place {
            stood.user.role = Role::Proxy;
            stood.user.family_numbers = self.number_of(acting.person)?.into_iter().collect();
        }
        Ok(stood)
    }

    /// The NHS number of a person, where one is known.
    fn number_of(&self, person: PersonId) -> Answer<Option<NhsNumber>> {
        let whole = identity::answering(&*self.inner.store, person)?;
        let whole = whole.ok_or(ProxyError::NobodyThere)?;
        let number = |(system, value, _): &(String, String, _)| {
            (system == identity::NHS_NUMBER)
                .then(|| NhsNumber::parse(value).ok())
                .flatten()
        };
        Ok(whole.row.identifiers.iter().find_map(number))
    }

    fn holder_of(&self, number: NhsNumber) -> Answer<Option<PersonId>> {
        let door = crate::Disclosure::new(self.inner.clone());
        door.holder(number)
            .map_err(|cause| ProxyError::Store(Box::new(cause)))
    }

    fn answering(&self, person: PersonId) -> Answer<PersonId> {
        let whole = identity::answering(&*self.inner.store, person)?;
        whole.map(|one| one.person).ok_or(ProxyError::NobodyThere)
    }

    fn kept(&self, person: PersonId, holder: &Holder) -> Answer<Option<Kept>> {
        Ok(standing::kept(
            &*self.inner.store,
            person,
            holder,
            self.now(),
        )?)
    }

    /// The grant of this id, among those of everybody who was joined into this person.
    fn find(&self, person: PersonId, grant: &str) -> Answer<(PersonId, Kept)> {
        let whole = identity::answering(&*self.inner.store, person)?;
        let whole = whole.ok_or(ProxyError::NobodyThere)?;
        let now = self.now().as_millisecond();
        for person in std::iter::once(whole.person).chain(whole.row.joined.iter().copied()) {
            let prefix = format!("{person}|");
            for (_, bytes) in self.inner.store.keep_list(GRANTS, &prefix, now, AT_MOST)? {
                let kept: Kept = serde_json::from_slice(&bytes)?;
                if kept.grant == grant && kept.state == State::Live {
                    return Ok((person, kept));
                }
            }
        }
        Err(ProxyError::NoGrant)
    }

    fn keep(
        &self,
        person: PersonId,
        kept: &Kept,
        mut changes: Vec<Change>,
        by: &str,
        said: &str,
    ) -> Answer<()> {
        changes.push(Change::Keep {
            space: GRANTS,
            key: format!("{person}|{}", kept.holder),
            value: Some(serde_json::to_vec(kept)?),
            expires_ms: FOR_EVER_MS,
        });
        changes.push(Change::Keep {
            space: HOLDERS,
            key: format!("{}|{person}", kept.holder),
            value: Some(Vec::new()),
            expires_ms: FOR_EVER_MS,
        });
        let said = format!(
            "{} (grant {}, {}) {said}",
            kept.holder,
            kept.grant,
            kept.relationship.code()
        );
        self.commit(changes, person, by, &said)
    }

    fn commit(&self, changes: Vec<Change>, person: PersonId, by: &str, said: &str) -> Answer<()> {
        let mut entry = Entry::new(self.now(), Act::Admin, Outcome::Success, by);
        entry.person = Some(person);
        entry.page = "proxies".to_owned();
        entry.detail = said.to_owned();
        self.inner.store.commit(Commit {
            changes,
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }
}

/// What a session picks for its own record.
const OWN: &str = "own";

fn is_used(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(
        cause.downcast_ref::<StoreError>(),
        Some(StoreError::AlreadyKept)
    )
}

/// What the identity provider says of a proxy and this person.
fn by_provider(person: PersonId, user: &User) -> ActingFor {
    Kept::new(&NewGrant::by_provider(user), "", Timestamp::UNIX_EPOCH).told(person)
}

#[cfg(test)]
mod tests;
