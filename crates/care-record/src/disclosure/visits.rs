//! Visits: one user, one person, one reason, until it ends. Screens C5, C6, C22 and C23.

use care_core::access::{self, EmergencyOverride, Permission, Relationship};
use care_core::audit::{Act, Outcome};
use care_core::vocabulary::{Demographics, PersonId, Purpose, SourceCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::asking::{Asked, Why};
use super::find::{Details, KeptChoice};
use super::gather::{Gathered, flag};
use super::sealed::OpenedSeal;
use super::{
    Answer, Disclosed, Disclosure, DisclosureError, decided_entry, entry, handles, person_key,
};
use crate::caller::Caller;
use crate::identity::IDENTITY_DOUBT;
use crate::store::Change;

/// An ordinary visit ends after four hours (screens, section 16).
const VISIT_MINUTES: i64 = 240;
/// Permission given today counts as given earlier for this long, for the same organisation.
const PERMISSION_DAYS: i64 = 90;
const RECENT_DAYS: i64 = 14;

/// What screen C5 shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirm {
    /// Who the person is.
    pub known: Demographics,
    /// The name of their practice.
    pub practice: Option<String>,
    /// What was typed, to show a mismatch beside the field.
    pub typed: Option<Details>,
    /// The number that was typed was replaced by the present one.
    pub replaced_number: Option<String>,
    /// When permission was given earlier for this care, by this organisation.
    pub permission_on_file: Option<Timestamp>,
    /// The user claimed a part in this person's care, and until when that holds.
    pub claimed_until: Option<Timestamp>,
    /// The last reason this user gave was "Direct care without the person present": it may be chosen
    /// beforehand. Permission given today and best interests never are.
    pub last_was_not_present: bool,
    /// The role may give the reason "Safeguarding".
    pub may_safeguard: bool,
    /// What the page says besides.
    pub state: ConfirmState,
}

/// States of screen C5 that a finder may know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfirmState {
    /// S12: some records may belong to someone else.
    pub identity_doubt: Vec<(SourceCode, u32)>,
    /// S13: the person has died.
    pub deceased: bool,
    /// S15: the address is protected; a ground is needed.
    pub protected: bool,
    /// The user's own record.
    pub own_record: bool,
    /// A person the user declared as family, or with the user's surname and birth family.
    pub family: bool,
}

/// What became of asking to open a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The visit id that stands in addresses.
    pub visit: String,
    /// Emergency access, until then.
    pub emergency_until: Option<Timestamp>,
}

/// One line of screen C23.
#[derive(Debug, Clone, PartialEq)]
pub struct RecentPerson {
    /// The handle of screen C5.
    pub choice: String,
    /// Who.
    pub known: Demographics,
    /// When this user last opened the record.
    pub opened_at: Timestamp,
    /// Why.
    pub why: String,
}

/// A visit as kept.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeptVisit {
    pub session: String,
    pub user: String,
    pub person: String,
    pub why: Why,
    pub opened_ms: i64,
    pub ends_ms: i64,
    pub emergency: bool,
    /// When this user looked before this visit.
    pub looked_before_ms: Option<i64>,
    /// The words of a relationship the user claimed earlier, on which this visit rests.
    #[serde(default)]
    pub claim: Option<String>,
    /// Items whose seal was opened in this visit.
    #[serde(default)]
    pub seals: Vec<OpenedSeal>,
}

impl KeptVisit {
    /// What the rules are asked with on every page.
    pub fn asked(&self, role: care_core::vocabulary::Role) -> Asked {
        let asked = self.why.asked(role);
        match &self.claim {
            Some(words) => asked.with_claim(words),
            None => asked,
        }
    }
}

/// A relationship that a user claimed, as kept until it lapses.
#[derive(Serialize, Deserialize)]
struct KeptClaim {
    text: String,
    until_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct KeptRecent {
    person: String,
    at_ms: i64,
    why: String,
}

impl Disclosure {
    /// Who the person behind a handle is, and which reasons may be given (screen C5).
    pub fn confirm(&self, caller: &Caller, choice: &str) -> Answer<Disclosed<Confirm>> {
        let (kept, person) = self.choice(caller, choice)?;
        let gathered = self.gather(caller, person, &Why::NotPresent.asked(caller.user.role))?;
        let mut entry = entry(self.now(), Act::Find, Outcome::Success, caller);
        entry.page = "confirm".to_owned();
        entry.person = Some(gathered.person);
        let confirm = self.confirm_page(caller, kept, gathered)?;
        self.disclose(Vec::new(), entry, confirm)
    }

    fn confirm_page(
        &self,
        caller: &Caller,
        kept: KeptChoice,
        gathered: Gathered,
    ) -> Answer<Confirm> {
        let present = gathered.number().map(|number| number.digits());
        let replaced_number = kept
            .typed_number
            .filter(|typed| Some(typed) != present.as_ref());
        let on_file = self.permission_on_file(caller, gathered.person)?;
        let facts = &gathered.facts;
        Ok(Confirm {
            practice: self.practice_name(&gathered.known),
            typed: kept.details,
            replaced_number,
            permission_on_file: on_file,
            claimed_until: self
                .kept_claim(caller, gathered.person)?
                .filter(|_| facts.relationship == Relationship::None)
                .and_then(|claim| Timestamp::from_millisecond(claim.until_ms).ok()),
            last_was_not_present: self.last_why(caller)? == Some(Why::NotPresent.words()),
            may_safeguard: caller.user.role == care_core::vocabulary::Role::SafeguardingLead,
            state: ConfirmState {
                identity_doubt: self.doubtful_records(&gathered)?,
                deceased: facts.patient.life != care_core::access::Life::Living,
                protected: facts.patient.pds_restricted,
                own_record: facts.user.is_the_patient,
                family: facts.user.declared_family,
            },
            known: gathered.known,
        })
    }

    /// Asks to open the record behind a handle, for a reason. A yes makes a visit; a no is written
    /// down and comes back as a refusal.
    pub fn open(&self, caller: &Caller, choice: &str, why: &Why) -> Answer<Disclosed<Opened>> {
        let (_, person) = self.choice(caller, choice)?;
        let mut why = why.clone();
        if why == Why::PermissionEarlier && self.permission_on_file(caller, person)?.is_none() {
            why = Why::NotPresent;
        }
        self.open_person(caller, person, &why)
    }

    pub(super) fn open_person(
        &self,
        caller: &Caller,
        person: PersonId,
        why: &Why,
    ) -> Answer<Disclosed<Opened>> {
        let now = self.now();
        let why = &self.without_idle_seal(caller, person, why)?;
        let mut asked = why.asked(caller.user.role);
        let mut gathered = self.gather(caller, person, &asked)?;
        let claim = self.claim_in_force(caller, &asked, &gathered)?;
        if let Some(claim) = &claim {
            asked = asked.with_claim(&claim.text);
            gathered = self.gather(caller, person, &asked)?;
        }
        let mut entry = decided_entry(now, Act::OpenVisit, caller, &gathered);
        entry.detail = stated_reason(why);
        entry.trace.push(self.recorded(&gathered));
        if gathered.decision.view().is_none() {
            return Err(self.refuse(&gathered, entry));
        }
        let emergency = matches!(why, Why::Emergency { .. }) || asked.emergency;
        let minutes = if emergency {
            i64::from(self.settings().emergency_minutes)
        } else {
            VISIT_MINUTES
        };
        let claims_now = asked.claims_relationship
            && gathered.facts.relationship == Relationship::SelfClaimed
            && claim.is_none();
        let ends_ms = now.as_millisecond() + minutes * 60_000;
        let visit = KeptVisit {
            session: caller.session.clone(),
            user: caller.user.id.clone(),
            person: gathered.person.to_string(),
            why: why.clone(),
            opened_ms: now.as_millisecond(),
            // A visit that rests on a claim ends when the claim lapses.
            ends_ms: claim
                .as_ref()
                .map_or(ends_ms, |claim| ends_ms.min(claim.until_ms)),
            emergency,
            looked_before_ms: self.looked(caller, gathered.person)?,
            claim: claim.map(|claim| claim.text),
            seals: Vec::new(),
        };
        let handle = handles::fresh()?;
        entry.visit = handles::digest(&handle);
        let mut changes = vec![
            self.keep("visit", &handle, &visit, minutes)?,
            Change::Keep {
                space: "open-visit",
                key: open_key(caller, &handle),
                value: Some(Vec::new()),
                expires_ms: visit.ends_ms,
            },
        ];
        changes.extend(self.remember(caller, gathered.person, why, &asked.permission)?);
        if claims_now {
            changes.push(self.keep_claim(caller, gathered.person, &asked)?);
        }
        if emergency {
            changes.extend(self.emergency_message(gathered.person, &entry.visit)?);
        }
        let emergency_until =
            emergency.then(|| Timestamp::from_millisecond(visit.ends_ms).unwrap_or(now));
        self.disclose(
            changes,
            entry,
            Opened {
                visit: handle,
                emergency_until,
            },
        )
    }

    /// The claim on which a visit may rest that no relationship supports: one this user made, and not yet
    /// lapsed. A claim never stands in for a relationship that a system knows of.
    fn claim_in_force(
        &self,
        caller: &Caller,
        asked: &Asked,
        gathered: &Gathered,
    ) -> Answer<Option<KeptClaim>> {
        let care = matches!(
            asked.purpose,
            Some(Purpose::DirectCare | Purpose::CareAdmin)
        );
        let needed = gathered.facts.relationship == Relationship::None && !asked.emergency;
        if !care || !needed || asked.break_glass.is_some() {
            return Ok(None);
        }
        self.kept_claim(caller, gathered.person)
    }

    fn kept_claim(&self, caller: &Caller, person: PersonId) -> Answer<Option<KeptClaim>> {
        let now = self.now().as_millisecond();
        let key = person_key(caller, person);
        let bytes = self.inner.store.keep_get("self-claim", &key, now)?;
        Ok(bytes
            .map(|bytes| serde_json::from_slice(&bytes))
            .transpose()?)
    }

    fn keep_claim(&self, caller: &Caller, person: PersonId, asked: &Asked) -> Answer<Change> {
        let hours = i64::from(self.settings().self_claim_hours);
        let until_ms = self.now().as_millisecond() + hours * 3_600_000;
        let claim = KeptClaim {
            text: asked
                .break_glass
                .as_ref()
                .map(|glass| glass.reason.clone())
                .unwrap_or_default(),
            until_ms,
        };
        Ok(Change::Keep {
            space: "self-claim",
            key: person_key(caller, person),
            value: Some(serde_json::to_vec(&claim)?),
            expires_ms: until_ms,
        })
    }

    /// Sealed items are opened only for somebody whose part in the person's care is known (rules 7 and
    /// 11). Without it, asking for them too must not spoil an emergency.
    fn without_idle_seal(&self, caller: &Caller, person: PersonId, why: &Why) -> Answer<Why> {
        let Why::Emergency {
            ground,
            text,
            seal: true,
        } = why
        else {
            return Ok(why.clone());
        };
        let known = self.gather(caller, person, &Why::NotPresent.asked(caller.user.role))?;
        Ok(Why::Emergency {
            ground: *ground,
            text: text.clone(),
            seal: caller.user.can_break_seal && known.facts.relationship.is_verified(),
        })
    }

    /// Whether page C6 is offered where a record is not available: to a role with the emergency right,
    /// where the deployment lets anybody choose "except in an emergency". It is the same for every
    /// person, so it tells nothing of this one.
    pub fn offers_emergency(&self, caller: &Caller) -> bool {
        access::has_emergency_right(caller.user.role)
            && self.settings().objection_in_emergency != EmergencyOverride::Never
    }

    /// What is kept beside a visit: when the user looked, whom they opened, what was permitted.
    fn remember(
        &self,
        caller: &Caller,
        person: PersonId,
        why: &Why,
        permission: &Permission,
    ) -> Answer<Vec<Change>> {
        let now = self.now().as_millisecond();
        let day = 24 * 60 * 60_000;
        let recent = KeptRecent {
            person: person.to_string(),
            at_ms: now,
            why: why.words(),
        };
        let mut changes = vec![
            Change::Keep {
                space: "looked",
                key: person_key(caller, person),
                value: Some(now.to_string().into_bytes()),
                expires_ms: now + 3650 * day,
            },
            Change::Keep {
                space: "recent",
                key: person_key(caller, person),
                value: Some(serde_json::to_vec(&recent)?),
                expires_ms: now + RECENT_DAYS * day,
            },
        ];
        if *permission == Permission::Given && *why == Why::PermissionToday {
            changes.push(Change::Keep {
                space: "permission",
                key: format!("{}|{person}", caller.user.organisation),
                value: Some(now.to_string().into_bytes()),
                expires_ms: now + PERMISSION_DAYS * day,
            });
        }
        Ok(changes)
    }

    /// Ends a visit (screen C22). Ending what has ended is no error.
    pub fn close(&self, caller: &Caller, visit: &str) -> Answer<Disclosed<()>> {
        self.end(caller, visit, "closed")
    }

    /// Ends a visit that was opened by mistake, and makes the self-reported entry for review.
    pub fn wrong_person(&self, caller: &Caller, visit: &str) -> Answer<Disclosed<()>> {
        self.end(caller, visit, super::account::MISTAKE)
    }

    fn end(&self, caller: &Caller, visit: &str, detail: &str) -> Answer<Disclosed<()>> {
        let now = self.now();
        let mut entry = entry(now, Act::CloseVisit, Outcome::Success, caller);
        entry.visit = handles::digest(visit);
        entry.detail = detail.to_owned();
        let mut changes = Vec::new();
        if let Ok((_, person)) = self.visit(caller, visit) {
            entry.person = Some(person);
            changes.extend(forget(caller, visit));
            if detail != "closed" {
                entry.flags = vec!["review-required".to_owned(), "self-reported".to_owned()];
            }
        }
        self.disclose(changes, entry, ())
    }

    /// The visit behind an id, for this session and user only, while it lasts.
    pub(super) fn visit(&self, caller: &Caller, visit: &str) -> Answer<(KeptVisit, PersonId)> {
        let kept: KeptVisit = match self.kept("visit", visit) {
            Err(DisclosureError::NotThere) => return Err(DisclosureError::VisitEnded),
            other => other?,
        };
        let ended = self.now().as_millisecond() >= kept.ends_ms;
        if ended || kept.session != caller.session || kept.user != caller.user.id {
            return Err(DisclosureError::VisitEnded);
        }
        let person = PersonId::parse(&kept.person).map_err(|_| DisclosureError::VisitEnded)?;
        Ok((kept, person))
    }

    /// The last people this user opened in 14 days, newest first, at most 20 (screen C23).
    pub fn recent(&self, caller: &Caller) -> Answer<Disclosed<Vec<RecentPerson>>> {
        let now = self.now();
        let prefix = format!("{}|", caller.user.id);
        let kept = self
            .inner
            .store
            .keep_list("recent", &prefix, now.as_millisecond(), 20)?;
        let mut people = Vec::new();
        let mut changes = Vec::new();
        let mut entry = entry(now, Act::Find, Outcome::Success, caller);
        entry.page = "recent".to_owned();
        for (_, bytes) in kept {
            let recent: KeptRecent = serde_json::from_slice(&bytes)?;
            let person = PersonId::parse(&recent.person).map_err(|_| DisclosureError::NotThere)?;
            let (person, row) = self.answering(person)?;
            let choice = KeptChoice {
                session: caller.session.clone(),
                person: person.to_string(),
                details: None,
                typed_number: None,
            };
            let (handle, change) = self.keep_choice(&choice)?;
            changes.push(change);
            entry.items.push(person.to_string());
            people.push(RecentPerson {
                choice: handle,
                known: self.known(caller, person, &row)?,
                opened_at: Timestamp::from_millisecond(recent.at_ms).unwrap_or(now),
                why: recent.why,
            });
        }
        people.sort_by_key(|person| std::cmp::Reverse(person.opened_at));
        self.disclose(changes, entry, people)
    }

    /// The words of the reason this user gave last, in the days that count as recent.
    fn last_why(&self, caller: &Caller) -> Answer<Option<String>> {
        let prefix = format!("{}|", caller.user.id);
        let now = self.now().as_millisecond();
        let kept = self.inner.store.keep_list("recent", &prefix, now, 100)?;
        let mut last: Option<KeptRecent> = None;
        for (_, bytes) in kept {
            let one: KeptRecent = serde_json::from_slice(&bytes)?;
            if last.as_ref().is_none_or(|last| last.at_ms < one.at_ms) {
                last = Some(one);
            }
        }
        Ok(last.map(|last| last.why))
    }

    fn looked(&self, caller: &Caller, person: PersonId) -> Answer<Option<i64>> {
        self.kept_moment("looked", &person_key(caller, person))
    }

    fn permission_on_file(&self, caller: &Caller, person: PersonId) -> Answer<Option<Timestamp>> {
        let (person, _) = self.answering(person)?;
        let key = format!("{}|{person}", caller.user.organisation);
        let moment = self.kept_moment("permission", &key)?;
        Ok(moment.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
    }

    fn kept_moment(&self, space: &str, key: &str) -> Answer<Option<i64>> {
        let bytes = self
            .inner
            .store
            .keep_get(space, key, self.now().as_millisecond())?;
        Ok(bytes
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|text| text.parse().ok()))
    }

    /// From which sources deliveries about this person wait for an identity decision, and how many.
    pub(super) fn doubtful_records(&self, gathered: &Gathered) -> Answer<Vec<(SourceCode, u32)>> {
        let waiting = flag(&gathered.row, IDENTITY_DOUBT).and_then(|id| PersonId::parse(id).ok());
        let Some(waiting) = waiting else {
            return Ok(Vec::new());
        };
        let row = self.inner.store.person(waiting)?.unwrap_or_default();
        let mut sources: Vec<SourceCode> = row
            .identifiers
            .into_iter()
            .map(|(_, _, source)| source)
            .collect();
        sources.sort();
        sources.dedup();
        Ok(sources.into_iter().map(|source| (source, 1)).collect())
    }
}

fn open_key(caller: &Caller, visit: &str) -> String {
    format!("{}|{}", caller.session, handles::digest(visit))
}

/// The changes that end a visit.
pub(super) fn forget(caller: &Caller, visit: &str) -> [Change; 2] {
    let gone = |space, key| Change::Keep {
        space,
        key,
        value: None,
        expires_ms: 0,
    };
    [
        gone("visit", handles::digest(visit)),
        gone("open-visit", open_key(caller, visit)),
    ]
}

/// The words given with a reason, for the log: a reviewer needs them, and only reviewers see them.
fn stated_reason(why: &Why) -> String {
    match why {
        Why::SomethingElse { text } | Why::Emergency { text, .. } => {
            format!("{}: {text}", why.words())
        }
        Why::Safeguarding { case } => format!("Safeguarding, case {case}"),
        _ => why.words(),
    }
}
