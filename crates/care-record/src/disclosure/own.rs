//! A person's own record, or that of somebody they act for: what is shared, by whom, and what they
//! may ask of us. Nothing clinical is in it.
//!
//! The rules decide as they do for everybody: purpose `self_view` or `proxy_view`.

use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::{Demographics, OdsCode, PersonId, PersonName, Role};
use jiff::{SignedDuration, Timestamp};

use super::asking::Why;
use super::gather::Gathered;
use super::{Answer, Disclosed, Disclosure, DisclosureError, Refusal, decided_entry};
use crate::caller::Caller;
use crate::casework::{self, NewCase, reference};
use crate::choices::Choice;
use crate::proxies::{ActingFor, ProxyRights};
use crate::store::Commit;

/// What the person's own pages show.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnRecord {
    /// Who, by our opaque key.
    pub person: PersonId,
    /// Name and birth date.
    pub known: Demographics,
    /// Age in whole years, where the birth date is known.
    pub age_years: Option<u32>,
    /// Somebody acts for them.
    pub acting_for: bool,
    /// What whoever looks may do here; everything for the person themselves.
    pub rights: ProxyRights,
    /// The choice that holds; `None` where none was ever made.
    pub choice: Option<Choice>,
    /// A choice is kept and cannot be read: nobody sees the record until it is mended.
    pub choice_unreadable: bool,
    /// Every source, in the order of the configuration.
    pub sources: Vec<OwnSource>,
}

/// One organisation that shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSource {
    /// Its code.
    pub code: OdsCode,
    /// Its name.
    pub name: String,
    /// Its phone number.
    pub phone: String,
    /// What it shares, in plain words.
    pub shares: Vec<String>,
    /// What it leaves out, in plain words.
    pub leaves_out: Vec<String>,
    /// How often it sends, at the latest, in minutes.
    pub agreed_interval_minutes: u32,
    /// False while it is not connected.
    pub connected: bool,
    /// When it last sent anything.
    pub last_received: Option<Timestamp>,
    /// It holds something about this person.
    pub holds_something: bool,
}

/// Somebody whose record a user may pick.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnPerson {
    /// The grant.
    pub acting: ActingFor,
    /// The person's name, where it is known.
    pub name: Option<PersonName>,
    /// Why the record cannot be picked now.
    pub stopped: Option<ProxyStop>,
}

/// Why somebody who holds a grant cannot use it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyStop {
    /// A parent of a young person whose access waits for a review.
    ReviewDue,
    /// The young person decides for themselves: by age, or because they were judged able to.
    DecidesAlone,
    /// It ended, or the rules do not allow it.
    Ended,
}

/// What a person may ask us to look into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnCase {
    /// "I do not recognise this", about the entry of this number.
    NotRecognised(u64),
    /// "Please call me about my choice."
    CallAboutChoice,
    /// A copy that we make or send: paper, braille, audio.
    Copy,
    /// Somebody shall act for the person, or asks to act for somebody.
    Proxy,
}

/// A person who asks us something is answered within this time.
const OWN_CASE_DUE: SignedDuration = SignedDuration::from_hours(5 * 24);

impl Disclosure {
    /// The person's own record, or that of the person they act for.
    pub fn own(&self, caller: &Caller, page: &str) -> Answer<Disclosed<OwnRecord>> {
        let (gathered, entry) = self.own_person(caller, page)?;
        let kept = gathered.row.choice.as_deref().map(Choice::from_bytes);
        let own = OwnRecord {
            person: gathered.person,
            known: gathered.known.clone(),
            age_years: gathered.facts.patient.age_years,
            acting_for: caller.user.role == Role::Proxy,
            rights: rights(caller, &gathered),
            choice_unreadable: matches!(kept, Some(Err(_))),
            choice: kept.and_then(Result::ok),
            sources: self.own_sources(&gathered)?,
        };
        self.disclose(Vec::new(), entry, own)
    }

    /// Opens a case about the person's own record and gives its reference; `said` is what they wrote.
    pub fn own_case(
        &self,
        caller: &Caller,
        case: OwnCase,
        said: &str,
    ) -> Answer<Disclosed<String>> {
        let (gathered, mut entry) = self.own_person(caller, "case")?;
        let reference = reference()?;
        let (kind, mut detail) = match case {
            OwnCase::NotRecognised(number) => {
                let about = self.entry_about(&gathered, number)?;
                let why = "The person says that they do not recognise it.";
                let mut detail = super::review::detail(&about, &["not-recognised"], why);
                detail["entry"] = number.into();
                ("not-recognised", detail)
            }
            OwnCase::CallAboutChoice => ("call-about-choice", serde_json::json!({})),
            OwnCase::Copy => ("copy-request", serde_json::json!({})),
            OwnCase::Proxy => ("proxy-request", serde_json::json!({})),
        };
        detail["reference"] = reference.clone().into();
        detail["said"] = said.into();
        detail["asked by"] = caller.user.id.clone().into();
        entry.act = Act::Worklist;
        entry.detail = format!("{kind} case {reference} opened");
        let new = NewCase {
            kind: kind.to_owned(),
            reference: Some(reference),
            person: Some(gathered.person),
            about: detail["who"].as_str().unwrap_or_default().to_owned(),
            due_at: Some(entry.at + OWN_CASE_DUE),
            detail,
            ..NewCase::default()
        };
        let (change, reference) = casework::opening(entry.at, &caller.user.id, new)?;
        self.disclose(vec![change], entry, reference)
    }

    /// Whom a patient or proxy is there for, decided by the rules, with the entry to write.
    pub(super) fn own_person(&self, caller: &Caller, page: &str) -> Answer<(Gathered, Entry)> {
        let number = match caller.user.role {
            Role::Patient => caller.user.own_number,
            Role::Proxy => caller.user.family_numbers.first().copied(),
            _ => None,
        };
        let number = number.ok_or(DisclosureError::NotThere)?;
        let person = self.holder(number)?.ok_or(DisclosureError::NotThere)?;
        // The role makes this a view of oneself or for somebody; nobody is asked for permission.
        let gathered = self.gather(caller, person, &Why::NotPresent.asked(caller.user.role))?;
        let mut entry = decided_entry(self.now(), Act::View, caller, &gathered);
        entry.page = format!("own {page}");
        if gathered.decision.view().is_none() {
            return Err(self.refuse(&gathered, entry));
        }
        if !may(rights(caller, &gathered), page) {
            entry.outcome = Outcome::Denied;
            entry.reason = "proxy-right-missing".to_owned();
            entry.categories.clear();
            self.disclose(Vec::new(), entry, ())?;
            return Err(DisclosureError::Refused(Refusal::ProxyNotAuthorised));
        }
        Ok((gathered, entry))
    }

    /// Whose record this user may pick: everybody they act for, with their names where the rules
    /// allow, and why not where they do not.
    pub fn own_people(&self, caller: &Caller) -> Answer<Disclosed<Vec<OwnPerson>>> {
        let proxies = crate::Proxies::new(self.inner.clone());
        let acting = proxies
            .acting_for(&caller.user)
            .map_err(|cause| DisclosureError::Unavailable(Box::new(cause)))?;
        let mut stood = caller.clone();
        stood.user.role = Role::Proxy;
        let mut first = super::entry(self.now(), Act::View, Outcome::Success, &stood);
        first.page = "own people".to_owned();
        let (mut people, mut entries) = (Vec::new(), Vec::new());
        for one in acting {
            let asked = Why::NotPresent.asked(Role::Proxy);
            let gathered = self.gather(&stood, one.person, &asked)?;
            let mut entry = decided_entry(self.now(), Act::View, &stood, &gathered);
            entry.page = "own people".to_owned();
            entries.push(entry);
            people.push(own_person_listed(one, &gathered));
        }
        let committed = self.inner.store.commit(Commit {
            changes: Vec::new(),
            entry: first,
            more_entries: entries,
        })?;
        Ok(Disclosed::after(committed.entry, people))
    }

    fn own_sources(&self, gathered: &Gathered) -> Answer<Vec<OwnSource>> {
        let view = gathered.decision.view();
        let activity = self
            .inner
            .store
            .source_activity(view.map(|view| (gathered.person, view)))?;
        let own = |source: &crate::directory::Source| {
            let organisation = &source.organisation;
            let seen = activity.iter().find(|one| one.source == organisation.ods);
            OwnSource {
                code: organisation.ods.clone(),
                name: organisation.name.clone(),
                phone: organisation.phone.clone(),
                shares: source.shares.clone(),
                leaves_out: source.leaves_out.clone(),
                agreed_interval_minutes: source.agreed_interval_minutes,
                connected: source.connected,
                last_received: seen.and_then(|one| one.last_received),
                holds_something: seen.is_some_and(|one| one.items > 0),
            }
        };
        Ok(self.inner.directory.sources().iter().map(own).collect())
    }
}

fn own_person_listed(acting: ActingFor, gathered: &Gathered) -> OwnPerson {
    let patient = &gathered.facts.patient;
    let stopped = match () {
        () if gathered.decision.view().is_some() => None,
        () if gathered.proxy.review_due && patient.parent_decides() => Some(ProxyStop::ReviewDue),
        () if gathered.proxy.parent || gathered.proxy.review_due => Some(ProxyStop::DecidesAlone),
        () => Some(ProxyStop::Ended),
    };
    OwnPerson {
        name: gathered.known.names.first().cloned(),
        acting,
        stopped,
    }
}

/// What whoever looks may do.
fn rights(caller: &Caller, gathered: &Gathered) -> ProxyRights {
    if caller.user.role == Role::Proxy {
        gathered.proxy.rights
    } else {
        ProxyRights::ALL
    }
}

/// Whether a page is among what a holder may do. Pages that everybody needs are for all.
fn may(rights: ProxyRights, page: &str) -> bool {
    match page {
        "who-looked" | "not recognised" | "shared" => rights.see_who_looked,
        "choose" | "choices" => rights.change_choices,
        "download" => rights.get_a_copy,
        _ => true,
    }
}

impl Disclosure {
    /// A fresh reference for a choice that is about to be recorded.
    pub fn fresh_reference(&self) -> Answer<String> {
        Ok(reference()?)
    }
}
