//! What a person asked of us and what we told them: cases with their state, messages, and how they
//! want to hear from us. Pages M1 and M7.

use care_core::audit::Act;
use care_core::vocabulary::PersonId;
use jiff::Timestamp;

use super::gather::Gathered;
use super::who_looked::everybody;
use super::{Answer, Disclosed, Disclosure, DisclosureError};
use crate::caller::Caller;
use crate::casework::{Case, CaseFilter, Casework, Sort};
use crate::messages::{self, Message, Messages, OwnSettings};
use crate::store::Change;

/// Kinds of cases that are the person's own requests: code, and the words for it.
const OWN_KINDS: &[(&str, &str)] = &[
    (
        "not-recognised",
        "You did not recognise a look at your record",
    ),
    (
        "call-about-choice",
        "You asked us to call you about your choice",
    ),
    ("copy-request", "You asked for a copy"),
    (
        "proxy-request",
        "You asked for somebody to act, or to act for somebody",
    ),
    ("choice-confirmation", "Confirmation of your choice"),
    ("choice", "Your choice"),
];
const AT_MOST: u32 = 100;

/// A request of the person's, as they see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRequest {
    /// The reference they were given.
    pub reference: String,
    /// What it is about.
    pub about: &'static str,
    /// The kind's code.
    pub kind: String,
    /// When they asked.
    pub asked_at: Timestamp,
    /// When we answer at the latest.
    pub due_at: Option<Timestamp>,
    /// Somebody has it in hand.
    pub in_hand: bool,
    /// When it was closed, if it was.
    pub closed_at: Option<Timestamp>,
    /// The entry of the log it is about.
    pub entry: Option<u64>,
}

/// Pages M1 and M7 in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLetters {
    /// Requests, newest first.
    pub requests: Vec<OwnRequest>,
    /// Messages, newest first; none about what is held back.
    pub messages: Vec<Message>,
    /// How the person wants to hear from us.
    pub settings: OwnSettings,
}

impl Disclosure {
    /// What the person asked and was told.
    pub fn own_letters(&self, caller: &Caller) -> Answer<Disclosed<OwnLetters>> {
        let (gathered, entry) = self.own_person(caller, "requests")?;
        let letters = OwnLetters {
            requests: self.requests(&gathered)?,
            messages: self.own_messages(&gathered)?,
            settings: messages::settings(&*self.inner.store, gathered.person, self.now())?,
        };
        self.disclose(Vec::new(), entry, letters)
    }

    /// Keeps how the person wants to hear from us.
    pub fn set_own_settings(
        &self,
        caller: &Caller,
        settings: &OwnSettings,
    ) -> Answer<Disclosed<()>> {
        let (gathered, mut entry) = self.own_person(caller, "settings")?;
        entry.act = Act::Admin;
        entry.detail = "changed how they want to hear from us".to_owned();
        let change = messages::settings_change(gathered.person, settings)?;
        self.disclose(vec![change], entry, ())
    }

    /// The message that somebody used emergency access, for the commit that opens the visit.
    pub(super) fn emergency_message(&self, person: PersonId, visit: &str) -> Answer<Vec<Change>> {
        let now = self.now();
        let settings = messages::settings(&*self.inner.store, person, now)?;
        let text = "Somebody used emergency access to open your Connect Care record. Log in and \
                    look at Who has looked to see who it was and why."
            .to_owned();
        let message = ("emergency-access", text, visit);
        Ok(messages::new_message(person, &settings, message, now)?)
    }

    fn requests(&self, gathered: &Gathered) -> Answer<Vec<OwnRequest>> {
        let casework = Casework::new(self.inner.store.clone(), self.inner.clock.clone());
        let mut all = Vec::new();
        for person in everybody(gathered) {
            let filter = CaseFilter {
                kinds: OWN_KINDS
                    .iter()
                    .map(|(kind, _)| (*kind).to_owned())
                    .collect(),
                person: Some(person),
                sort: Sort::Newest,
                limit: AT_MOST,
                ..CaseFilter::default()
            };
            all.extend(casework.matching(&filter)?.iter().filter_map(request));
        }
        all.sort_by_key(|one| std::cmp::Reverse(one.asked_at));
        Ok(all)
    }

    fn own_messages(&self, gathered: &Gathered) -> Answer<Vec<Message>> {
        let queue = Messages::new(self.inner.store.clone(), self.inner.clock.clone());
        let held = self.held_marks(gathered)?;
        let mut all = Vec::new();
        for person in everybody(gathered) {
            let kept = queue.of(person);
            let kept = kept.map_err(|cause| DisclosureError::Unavailable(Box::new(cause)))?;
            all.extend(kept.into_iter().filter(|one| !held.holds_visit(&one.visit)));
        }
        all.sort_by_key(|one| std::cmp::Reverse(one.at));
        Ok(all)
    }
}

fn request(case: &Case) -> Option<OwnRequest> {
    let (_, about) = OWN_KINDS.iter().find(|(kind, _)| *kind == case.kind)?;
    Some(OwnRequest {
        reference: case.reference.clone(),
        about,
        kind: case.kind.clone(),
        asked_at: case.opened_at,
        due_at: case.due_at,
        in_hand: !case.owner.is_empty(),
        closed_at: case.is_closed().then_some(case.changed_at),
        entry: case.detail.get("entry").and_then(serde_json::Value::as_u64),
    })
}
