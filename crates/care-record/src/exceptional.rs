//! Disclosures in exceptional circumstances: a case that says who asked, on which ground, for how
//! little; a Caldicott Guardian's decision, who is a second person; a pack that is produced once.
//!
//! Source: the screen design, G5; rule 5 of the access model; the Caldicott Principles.

use care_core::audit::Entry;
use care_core::vocabulary::{Category, NhsNumber, PersonId, Role};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

use crate::caller::Caller;
use crate::casework::{
    Case, CaseChange, CaseEvent, CaseFilter, Casework, CaseworkError, NewCase, changing,
};
use crate::disclosure::exceptional::{Mandate, Pack, Scope, ScopeCounts};
use crate::disclosure::looks::Given;
use crate::disclosure::{Disclosure, DisclosureError};
use crate::record::Inner;
use crate::store::{Change, StoreError};

/// The kind of these cases.
const KIND: &str = "disclosure";
/// Days until somebody must have decided.
const DUE_DAYS: i64 = 5;

/// The legal bases, each with questions of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Basis {
    /// A duty laid down by law.
    LegalDuty,
    /// An order of a court.
    CourtOrder,
    /// Communicable disease and other risks to public health.
    PublicHealth,
    /// An overriding public interest.
    PublicInterest,
    /// Safeguarding.
    Safeguarding,
}

impl Basis {
    /// Every basis, in the order of the page.
    pub const ALL: [Self; 5] = [
        Self::LegalDuty,
        Self::CourtOrder,
        Self::PublicHealth,
        Self::PublicInterest,
        Self::Safeguarding,
    ];

    /// The code in forms and cases.
    pub fn code(self) -> &'static str {
        match self {
            Self::LegalDuty => "legal-duty",
            Self::CourtOrder => "court-order",
            Self::PublicHealth => "public-health",
            Self::PublicInterest => "public-interest",
            Self::Safeguarding => "safeguarding",
        }
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.code() == code)
    }

    /// What it is called on a page.
    pub fn title(self) -> &'static str {
        match self {
            Self::LegalDuty => "Legal duty",
            Self::CourtOrder => "Court order",
            Self::PublicHealth => "Communicable disease and public health",
            Self::PublicInterest => "Overriding public interest",
            Self::Safeguarding => "Safeguarding",
        }
    }

    /// What must be answered; every answer is needed before a decision is asked for.
    pub fn questions(self) -> [&'static str; 3] {
        match self {
            Self::LegalDuty => [
                "Which law, and which section, lays the duty down?",
                "Who checked that it applies to this request?",
                "Does the law leave a choice, or is it an order?",
            ],
            Self::CourtOrder => [
                "Which court made the order, on which day, under which number?",
                "Who has seen the sealed order?",
                "By when must it be obeyed?",
            ],
            Self::PublicHealth => [
                "Which disease or risk, and which regulation?",
                "Who is the responsible officer?",
                "What happens if the information comes late?",
            ],
            Self::PublicInterest => [
                "Which serious harm is to be prevented, or which serious crime is looked into?",
                "Why can the person not be asked, or why is their refusal set aside?",
                "Why is there no other way to get what is needed?",
            ],
            Self::Safeguarding => [
                "Who is at risk, and of what?",
                "Which safeguarding enquiry is this part of?",
                "Why can the person not be asked, or why would asking add to the risk?",
            ],
        }
    }

    /// It rests on an instrument of law that must be named; the others on a test that is written out.
    pub fn is_by_law(self) -> bool {
        matches!(self, Self::LegalDuty | Self::CourtOrder)
    }
}

/// Who asks, for what, and the proof.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// `police`, `court`, `ukhsa`, `regulator`, `coroner`, `other`.
    pub asker: String,
    /// The officer's or body's name.
    pub asker_name: String,
    /// What proves that they are who they say: a form number, an order, a call back.
    pub proof: String,
    /// A code of [`Basis`].
    pub basis: String,
}

/// What is prepared for a decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Answers to the questions of the basis, in their order.
    pub answers: Vec<String>,
    /// The instrument of law.
    pub instrument: String,
    /// The public-interest test, written out.
    pub test: String,
    /// The least that meets the need.
    pub scope: Scope,
    /// Why nothing less will do.
    pub least: String,
}

/// What the Caldicott Guardian decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// As asked.
    Approve,
    /// These kinds of information only.
    InPart(Vec<String>),
    /// No.
    Refuse,
}

/// Whether the person is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Told at once, in their list of who looked.
    pub tell: bool,
    /// Why not.
    pub reason: String,
    /// The day on which not telling is looked at again, and until which it holds: `2026-12-24`.
    pub review_on: String,
}

/// How the pack leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// To whom.
    pub to: String,
    /// How: `secure-mail`, `by-hand`, `post`.
    pub how: String,
    /// `pdf` or `fhir`.
    pub format: String,
}

/// Why a step was not taken. Holds no patient data.
#[derive(Debug, thiserror::Error)]
pub enum ExceptionalError {
    /// Something is missing or does not fit; the words are for the page.
    #[error("{0}")]
    Missing(&'static str),
    /// Nobody has this number.
    #[error("no one found with this NHS number; check it")]
    NobodyThere,
    /// Whoever prepared it cannot decide it.
    #[error("a second person decides: somebody who did not prepare this case")]
    SecondPerson,
    /// The role may not.
    #[error("a Caldicott Guardian does this")]
    NotForRole,
    /// The case is at another step.
    #[error("this case is at another step; open it again")]
    OtherStep,
    /// The pack was produced before.
    #[error("the pack was produced before; it is produced once")]
    ProducedBefore,
    /// The case is not there, or somebody changed it.
    #[error(transparent)]
    Case(#[from] CaseworkError),
    /// The rules refused, or the record did not answer.
    #[error(transparent)]
    Record(#[from] DisclosureError),
}

type Answer<T> = Result<T, ExceptionalError>;

/// The door to these disclosures. Cheap to clone.
#[derive(Clone)]
pub struct Exceptional {
    inner: Arc<Inner>,
}

/// What a case holds as its plan, request and scope.
pub fn plan_of(case: &Case) -> (Request, Plan) {
    let read = |name: &str| case.detail.get(name).cloned().unwrap_or_default();
    (
        serde_json::from_value(read("request")).unwrap_or_default(),
        serde_json::from_value(read("plan")).unwrap_or_default(),
    )
}

impl Exceptional {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    fn cases(&self) -> Casework {
        Casework::new(self.inner.store.clone(), self.inner.clock.clone())
    }

    fn door(&self) -> Disclosure {
        Disclosure::new(self.inner.clone())
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Opens a case.
    pub fn open(&self, caller: &Caller, number: &str, request: Request) -> Answer<Case> {
        for (text, words) in [
            (&request.asker, "Say who asks"),
            (&request.asker_name, "Enter the name of who asks"),
            (&request.proof, "Say what proves who asks"),
        ] {
            if text.trim().is_empty() {
                return Err(ExceptionalError::Missing(words));
            }
        }
        if Basis::from_code(&request.basis).is_none() {
            return Err(ExceptionalError::Missing("Choose the legal basis"));
        }
        let number = NhsNumber::parse(number)
            .map_err(|_| ExceptionalError::Missing("Enter an NHS number that has 10 digits"))?;
        let person = self.door().person_of_case(number)?;
        let person = person.ok_or(ExceptionalError::NobodyThere)?;
        let new = NewCase {
            kind: KIND.to_owned(),
            person: Some(person),
            due_at: Some(self.now() + SignedDuration::from_hours(24 * DUE_DAYS)),
            owner: caller.user.id.clone(),
            detail: json!({ "request": request, "prepared by": [caller.user.id] }),
            ..NewCase::default()
        };
        Ok(self.cases().open(caller, new)?)
    }

    /// Cases of this kind.
    pub fn list(&self, caller: &Caller, filter: &CaseFilter) -> Answer<Vec<Case>> {
        let mut filter = filter.clone();
        filter.kinds = vec![KIND.to_owned()];
        Ok(self.cases().list(caller, &filter)?)
    }

    /// One case with what happened to it.
    pub fn get(&self, caller: &Caller, number: u64) -> Answer<(Case, Vec<CaseEvent>)> {
        let (case, events) = self.cases().get(caller, number)?;
        if case.kind != KIND {
            return Err(CaseworkError::NoCase.into());
        }
        Ok((case, events))
    }

    /// Who the person is; never where they are.
    pub fn named(&self, case: &Case) -> Answer<Option<care_core::vocabulary::Demographics>> {
        match case.person {
            None => Ok(None),
            Some(person) => match self.door().named(person) {
                Ok(known) => Ok(Some(known)),
                Err(DisclosureError::NotThere) => Ok(None),
                Err(other) => Err(other.into()),
            },
        }
    }

    /// How much the plan would disclose: counts, and what it sets aside.
    pub fn preview(&self, caller: &Caller, case: &Case) -> Answer<ScopeCounts> {
        let (person, mandate, plan) = self.mandate(case, false)?;
        Ok(self
            .door()
            .exceptional_counts(caller, person, &mandate, &plan.scope)?)
    }

    fn mandate(&self, case: &Case, approved: bool) -> Answer<(PersonId, Mandate, Plan)> {
        let (request, plan) = plan_of(case);
        let basis = Basis::from_code(&request.basis).ok_or(ExceptionalError::OtherStep)?;
        let person = case.person.ok_or(ExceptionalError::NobodyThere)?;
        let mandate = Mandate {
            by_law: basis.is_by_law(),
            instrument: !plan.instrument.trim().is_empty(),
            approved,
        };
        Ok((person, mandate, plan))
    }

    /// Keeps a plan; with `ask`, a complete one goes to the Caldicott Guardian.
    pub fn plan(
        &self,
        caller: &Caller,
        (number, version): (u64, u32),
        plan: Plan,
        ask: bool,
    ) -> Answer<Case> {
        let case = self.step(number, "open")?;
        let (request, _) = plan_of(&case);
        if ask {
            complete(&request, &plan)?;
        }
        let mut detail = case.detail.clone();
        detail["plan"] = json!(plan);
        if let Some(Value::Array(prepared)) = detail.get_mut("prepared by")
            && !prepared.contains(&json!(caller.user.id))
        {
            prepared.push(json!(caller.user.id));
        }
        let change = CaseChange {
            state: ask.then(|| "awaiting-decision".to_owned()),
            detail: Some(detail),
            note: if ask { "a decision is asked for" } else { "" }.to_owned(),
            ..CaseChange::default()
        };
        Ok(self.cases().change(caller, number, version, change)?)
    }

    fn step(&self, number: u64, state: &str) -> Answer<Case> {
        let case = self.cases().held(number)?;
        if case.kind != KIND || case.state != state {
            return Err(ExceptionalError::OtherStep);
        }
        Ok(case)
    }

    /// The Caldicott Guardian's decision, by somebody who did not prepare the case.
    pub fn decide(
        &self,
        caller: &Caller,
        (number, version): (u64, u32),
        decided: &Decided,
        reason: &str,
        told: &Told,
    ) -> Answer<Case> {
        let case = self.step(number, "awaiting-decision")?;
        if caller.user.role != Role::CaldicottGuardian {
            return Err(ExceptionalError::NotForRole);
        }
        let prepared = case.detail["prepared by"].as_array();
        if prepared.is_some_and(|who| who.contains(&json!(caller.user.id))) {
            return Err(ExceptionalError::SecondPerson);
        }
        if reason.trim().is_empty() {
            return Err(ExceptionalError::Missing("Say why you decide so"));
        }
        let (_, plan) = plan_of(&case);
        let scope = match decided {
            Decided::Refuse => Vec::new(),
            Decided::Approve => plan.scope.categories.clone(),
            Decided::InPart(chosen) => {
                let asked = |code: &&String| plan.scope.categories.contains(code);
                chosen.iter().filter(asked).cloned().collect()
            }
        };
        if *decided != Decided::Refuse {
            if scope.is_empty() {
                return Err(ExceptionalError::Missing(
                    "Choose at least one kind of information of those asked for",
                ));
            }
            may_hold_back(told, self.now())?;
        }
        let (state, what) = match decided {
            Decided::Refuse => ("closed-refused", "refused"),
            Decided::Approve => ("approved", "approved"),
            Decided::InPart(_) => ("approved", "approved in part"),
        };
        let mut detail = case.detail.clone();
        detail["decision"] = json!({
            "by": caller.user.id, "name": caller.user.name, "at": self.now().to_string(),
            "what": what, "scope": scope, "reason": reason.trim(), "told": told,
        });
        let change = CaseChange {
            state: Some(state.to_owned()),
            detail: Some(detail),
            note: format!("{what}: {}", reason.trim()),
            ..CaseChange::default()
        };
        Ok(self.cases().change(caller, number, version, change)?)
    }

    /// Produces the pack, once: what leaves, the entry the person sees, and the log of the case are one
    /// commit.
    pub fn release(
        &self,
        caller: &Caller,
        (number, version): (u64, u32),
        release: &Release,
    ) -> Answer<(Case, Pack)> {
        let case = match self.step(number, "approved") {
            Err(ExceptionalError::OtherStep) if self.was_released(number)? => {
                return Err(ExceptionalError::ProducedBefore);
            }
            other => other?,
        };
        if release.to.trim().is_empty() || release.how.trim().is_empty() {
            return Err(ExceptionalError::Missing(
                "Say to whom the pack goes, and how",
            ));
        }
        if !matches!(release.format.as_str(), "pdf" | "fhir") {
            return Err(ExceptionalError::Missing("Choose PDF or FHIR"));
        }
        if caller.user.role != Role::CaldicottGuardian {
            return Err(ExceptionalError::NotForRole);
        }
        let (person, mandate, plan) = self.mandate(&case, true)?;
        let scope = Scope {
            categories: codes(&case.detail["decision"]["scope"]),
            ..plan.scope
        };
        let told: Told =
            serde_json::from_value(case.detail["decision"]["told"].clone()).unwrap_or_default();
        let (request, _) = plan_of(&case);
        let given = Given {
            to: asker_in_words(&request.asker).to_owned(),
            reference: case.reference.clone(),
            why: if mandate.by_law {
                "The law asked for it, and a Caldicott Guardian decided it.".to_owned()
            } else {
                "It was needed to keep people safe, and a Caldicott Guardian decided it.".to_owned()
            },
        };
        let until = told.review_on.parse().ok().and_then(day_begins);
        let held_back = until
            .filter(|_| !told.tell)
            .map(|until| (until, told.reason.as_str()));
        let finish =
            |entry: &Entry, pack: &Pack| Ok(released(&case, version, caller, release, entry, pack));
        let done = self
            .door()
            .exceptional_pack(caller, person, &mandate, &scope, finish, &given, held_back);
        let pack = done.map_err(|error| self.explained(error))?.into_inner();
        Ok((self.cases().held(number)?, pack))
    }

    /// A stale version or a second pack, told as such.
    fn explained(&self, error: DisclosureError) -> ExceptionalError {
        let DisclosureError::Unavailable(cause) = error else {
            return error.into();
        };
        match cause.downcast::<StoreError>() {
            Ok(store) => match *store {
                StoreError::AlreadyKept => ExceptionalError::ProducedBefore,
                StoreError::Stale => CaseworkError::Stale.into(),
                other => DisclosureError::Unavailable(Box::new(other)).into(),
            },
            Err(cause) => DisclosureError::Unavailable(cause).into(),
        }
    }

    fn was_released(&self, number: u64) -> Answer<bool> {
        let case = self.cases().held(number)?;
        Ok(case.detail.get("release").is_some())
    }

    /// Ends a case whose pack has left.
    pub fn close(
        &self,
        caller: &Caller,
        (number, version): (u64, u32),
        note: &str,
    ) -> Answer<Case> {
        self.step(number, "released")?;
        let change = CaseChange {
            state: Some("closed-disclosed".to_owned()),
            note: note.trim().to_owned(),
            ..CaseChange::default()
        };
        Ok(self.cases().change(caller, number, version, change)?)
    }
}

/// Who asked, for the person: an organisation, never a name.
fn asker_in_words(code: &str) -> &'static str {
    match code {
        "police" => "The police",
        "court" => "A court",
        "ukhsa" => "The UK Health Security Agency",
        "regulator" => "A regulator",
        "coroner" => "A coroner",
        _ => "Somebody outside your care",
    }
}

fn codes(value: &Value) -> Vec<String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Everything a decision needs.
fn complete(request: &Request, plan: &Plan) -> Answer<()> {
    let missing = ExceptionalError::Missing;
    let basis = Basis::from_code(&request.basis).ok_or(missing("Choose the legal basis"))?;
    let answered = plan.answers.iter().filter(|text| !text.trim().is_empty());
    if answered.count() < basis.questions().len() {
        return Err(missing("Answer every question of the legal basis"));
    }
    if basis.is_by_law() && plan.instrument.trim().is_empty() {
        return Err(missing("Name the law or the order"));
    }
    if !basis.is_by_law() && plan.test.trim().is_empty() {
        return Err(missing("Write the public-interest test out"));
    }
    let known = |code: &String| Category::from_code(code).is_some();
    if plan.scope.categories.is_empty() || !plan.scope.categories.iter().all(known) {
        return Err(missing("Choose the kinds of information that are needed"));
    }
    if plan.least.trim().is_empty() {
        return Err(missing("Say why nothing less will do"));
    }
    if let (Some(from), Some(until)) = (plan.scope.from, plan.scope.until)
        && from >= until
    {
        return Err(missing("The first day must be before the last"));
    }
    Ok(())
}

/// Not telling needs a reason and a day on which it is looked at again, at most a year away.
fn may_hold_back(told: &Told, now: Timestamp) -> Answer<()> {
    if told.tell {
        return Ok(());
    }
    if told.reason.trim().is_empty() {
        return Err(ExceptionalError::Missing("Say why the person is not told"));
    }
    let today = care_core::sections::local(now).date();
    let last = today + SignedDuration::from_hours(24 * 366);
    match told.review_on.parse::<jiff::civil::Date>() {
        Ok(day) if day > today && day <= last => Ok(()),
        _ => Err(ExceptionalError::Missing(
            "Enter a day within a year on which not telling is looked at again",
        )),
    }
}

/// The first moment of a day in London.
fn day_begins(day: jiff::civil::Date) -> Option<Timestamp> {
    static LONDON: jiff::tz::TimeZone = jiff::tz::get!("Europe/London");
    Some(day.to_zoned(LONDON.clone()).ok()?.timestamp())
}

/// The case after its pack has left, and the mark that it is produced once.
fn released(
    case: &Case,
    version: u32,
    caller: &Caller,
    release: &Release,
    entry: &Entry,
    pack: &Pack,
) -> Vec<Change> {
    let mut digest = Sha256::new();
    for item in &pack.items {
        digest.update(&item.body);
    }
    let digest: String = digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut detail = case.detail.clone();
    detail["release"] = json!({
        "at": entry.at.to_string(), "by": caller.user.id, "to": release.to, "how": release.how,
        "format": release.format, "items": pack.items.len(), "digest": digest,
    });
    let change = CaseChange {
        state: Some("released".to_owned()),
        detail: Some(detail),
        note: format!(
            "{} items given to {} ({})",
            pack.items.len(),
            release.to,
            release.how
        ),
        ..CaseChange::default()
    };
    vec![
        Change::KeepOnce {
            space: "disclosure-pack",
            key: case.number.to_string(),
            value: Vec::new(),
            expires_ms: i64::MAX,
        },
        changing(entry.at, &caller.user.id, (case.number, version), change),
    ]
}
