//! Steps 1 and 3 to 8: each a page of its own, saved when it is answered.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use care_core::vocabulary::OdsCode;
use care_record::{
    CaseChange, CaseStep, Channel, ChoicesError, NewCase, SetBy, Simulation, Waited,
};
use jiff::civil::Date;
use serde::Serialize;

use super::super::{allowed, ask, draw, draw_form};
use super::person::{done_already, rows};
use super::work::{Worked, keep, open, stale};
use crate::choice_work::{self, KIND, Stage, Work};
use crate::components::{see_other, shown};
use crate::letters;
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;
use crate::who_sees;

/// What the caller is asked; the caseworker ticks what matched.
const FACTS: &[(&str, &str)] = &[
    ("name", "Full name, and any other name used"),
    ("born", "Date of birth"),
    ("address", "First line of the address, or postcode"),
    ("phone", "Phone number we hold"),
    ("practice", "GP practice"),
];
/// What a paper is compared by.
const PAPER_FACTS: &[(&str, &str)] = &[
    ("signature", "Signed, and the signature fits the name"),
    ("address", "The address is the one we hold"),
    ("born", "The date of birth fits"),
];
const METHODS: &[(&str, &str)] = &[
    ("script", "By phone: the caller answered the questions"),
    (
        "call-back",
        "By phone: we called back the number on the record",
    ),
    ("paper", "Letter, form or email: compared with the record"),
    ("seen", "In person: a document with a photograph was seen"),
];
const RESULTS: &[(&str, &str)] = &[
    ("passed", "Passed"),
    ("failed", "Failed"),
    ("more", "More needed"),
];
const WHAT: &[(&str, &str)] = &[
    ("share", "Share my record with staff who care for me"),
    ("not-share", "Do not share my record"),
    ("private", "Keep some of my record private"),
];
const CONFIRM: &[(&str, &str)] = &[
    ("letter", "Letter"),
    ("email", "Email"),
    ("text", "Text message"),
];
const FORMATS: &[(&str, &str)] = &[
    ("standard", "Standard"),
    ("large-print", "Large print"),
    ("easy-read", "Easy Read"),
    ("braille", "Braille"),
    ("audio", "Audio"),
    ("bsl", "British Sign Language (BSL) video"),
];
/// A phone check passes with so many facts.
const FACTS_NEEDED: usize = 3;

/// The fields of a form, as they were sent.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn of(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// One field; empty where it was not sent.
    pub(super) fn one(&self, name: &str) -> String {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map_or_else(String::new, |(_, value)| {
            value.trim().chars().take(2_000).collect()
        })
    }

    /// Every value of a field.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let found = self.0.iter().filter(|(field, _)| field == name);
        found.map(|(_, value)| value.clone()).collect()
    }

    /// One of a list of codes.
    fn coded(&self, name: &str, codes: &[(&str, &str)]) -> Option<String> {
        let value = self.one(name);
        codes
            .iter()
            .any(|(code, _)| *code == value)
            .then_some(value)
    }

    /// Those of a list of codes that were ticked.
    fn ticked(&self, name: &str, codes: &[(&str, &str)]) -> Vec<String> {
        let mut all = self.all(name);
        all.retain(|value| codes.iter().any(|(code, _)| code == value));
        all
    }
}

fn channels() -> Vec<(&'static str, &'static str)> {
    let offline = Channel::ALL.iter().filter(|one| **one != Channel::Online);
    offline.map(|one| (one.code(), one.words())).collect()
}

/// `GET /ig/choices/new`.
pub(super) async fn new(
    State(state): State<Shared>,
    session: Session,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    received_page(&state, &session, None, &Work::default(), "")
}

fn received_page(
    state: &Shared,
    session: &Session,
    worked: Option<&Worked>,
    work: &Work,
    error: &'static str,
) -> Result<Response, Problem> {
    let action = worked.map_or_else(
        || "/ig/choices/new".to_owned(),
        |worked| format!("/ig/choices/{}/step/received", worked.case.number),
    );
    let today = choice_work::today(state.clock.now()).to_string();
    let received = if work.received.is_empty() {
        today
    } else {
        work.received.clone()
    };
    draw_form(
        session,
        "ig-choice-received.html",
        "How did it reach us?",
        "ig-choices",
        !error.is_empty(),
        shown! { action, channels => channels(), chosen => work.channel, received, error,
        back => worked.map_or_else(|| "/ig/choices".to_owned(), |one| format!("/ig/choices/{}", one.case.number)) },
    )
}

/// Reads step 1: how and when. The clock starts on the day it reached us.
fn take_received(state: &Shared, fields: &Fields, work: &mut Work) -> Result<(), &'static str> {
    let channel = fields
        .coded("channel", &channels())
        .ok_or("Say how it reached us")?;
    let day: Date = fields
        .one("received")
        .parse()
        .map_err(|_| "Enter the day it reached us, for example 2026-11-23")?;
    if day > choice_work::today(state.clock.now()) {
        return Err("The day it reached us cannot be in the future");
    }
    work.channel = channel;
    work.received = day.to_string();
    Ok(())
}

/// `POST /ig/choices/new`: opens the case.
pub(super) async fn begin(
    State(state): State<Shared>,
    session: Session,
    body: Bytes,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let mut work = Work::default();
    if let Err(error) = take_received(&state, &Fields::of(&body), &mut work) {
        return received_page(&state, &session, None, &work, error);
    }
    work.touched_by(&session.user.id);
    let caller = session.caller();
    let new = NewCase {
        kind: KIND.to_owned(),
        about: work.channel.clone(),
        due_at: due(&state, &work),
        owner: session.user.id.clone(),
        detail: work.detail(),
        note: "The case was opened.".to_owned(),
        ..NewCase::default()
    };
    let case = ask(&state, move |record| record.casework().open(&caller, new)).await?;
    Ok(see_other(&format!("/ig/choices/{}", case.number)))
}

fn due(state: &Shared, work: &Work) -> Option<jiff::Timestamp> {
    let day: Date = work.received.parse().ok()?;
    choice_work::due(day, state.content.contact.reply_days)
}

/// `GET /ig/choices/{case}/step/{step}`.
pub(super) async fn step(
    State(state): State<Shared>,
    session: Session,
    Path((number, step)): Path<(String, String)>,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    let work = worked.work.clone();
    page(&state, &session, &worked, &step, &work, "")
}

/// An organisation to tick.
#[derive(Serialize)]
struct Place {
    code: String,
    name: String,
    is_source: bool,
}

fn page(
    state: &Shared,
    session: &Session,
    worked: &Worked,
    step: &str,
    work: &Work,
    error: &'static str,
) -> Result<Response, Problem> {
    let title = match step {
        "received" => return received_page(state, session, Some(worked), work, error),
        "identity" => "Identity check",
        "acting" => "Acting for someone?",
        "choice" => "The choice",
        "explained" => "Explained",
        _ => return Err(Problem::not_found()),
    };
    let person = worked.person.as_ref().map(rows);
    let mut places: Vec<Place> = state
        .directory
        .organisations()
        .filter(|one| one.kind != care_core::vocabulary::OrganisationKind::Programme)
        .map(|one| Place {
            code: one.ods.to_string(),
            name: one.name.clone(),
            is_source: state.directory.source(&one.ods).is_some(),
        })
        .collect();
    places.sort_by(|one, other| one.name.cmp(&other.name));
    let who: Vec<(&str, &str, &str)> = SetBy::ALL
        .iter()
        .map(|one| (one.code(), one.words(), one.evidence_needed()))
        .collect();
    let young = worked.age().is_young();
    let asks_the_young = worked.age().0.is_some_and(|age| (13..16).contains(&age));
    let facts = match work.channel.as_str() {
        "paper" | "email" => PAPER_FACTS,
        _ => FACTS,
    };
    draw_form(
        session,
        "ig-choice-step.html",
        title,
        "ig-choices",
        !error.is_empty(),
        shown! {
            step, title, error, work, person, organisations => places, who, young, asks_the_young, facts,
            number => worked.case.number, reference => worked.case.reference,
            awaited => worked.work.awaited.is_some(),
            methods => METHODS, results => RESULTS, what => WHAT, confirm => CONFIRM,
            formats => FORMATS,
        },
    )
}

/// `POST /ig/choices/{case}/step/{step}`.
pub(super) async fn answer(
    State(state): State<Shared>,
    session: Session,
    Path((number, step)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    if worked.work.done.is_some() && step != "explained" {
        return Err(done_already());
    }
    let fields = Fields::of(&body);
    let mut work = worked.work.clone();
    let taken = match step.as_str() {
        "received" => take_received(&state, &fields, &mut work),
        "identity" => take_identity(&fields, &mut work),
        "acting" => take_acting(&fields, &worked, &mut work),
        "choice" => take_choice(&state, &fields, &mut work),
        "explained" => take_explained(&fields, &mut work),
        _ => return Err(Problem::not_found()),
    };
    if let Err(error) = taken {
        return page(&state, &session, &worked, &step, &work, error);
    }
    // What a second person agreed to was something else.
    if work != worked.work && step != "explained" {
        work.second = None;
    }
    let change = CaseChange {
        due_at: (step == "received").then(|| due(&state, &work)),
        owner: worked
            .case
            .owner
            .is_empty()
            .then(|| session.user.id.clone()),
        note: format!("Answered: {}.", title_of(&step)),
        ..CaseChange::default()
    };
    keep(&state, &session, &worked, work, change).await?;
    Ok(see_other(&format!("/ig/choices/{number}")))
}

/// What a step is called.
pub(super) fn title_of(step: &str) -> &'static str {
    match step {
        "received" => "How did it reach us?",
        "person" => "Who is it about?",
        "identity" => "Identity check",
        "acting" => "Acting for someone?",
        "choice" => "The choice",
        "explained" => "Explained",
        _ => "Check and confirm",
    }
}

fn take_identity(fields: &Fields, work: &mut Work) -> Result<(), &'static str> {
    let facts = [FACTS, PAPER_FACTS].concat();
    work.identity.method = fields.coded("method", METHODS).unwrap_or_default();
    work.identity.matched = fields.ticked("matched", &facts);
    work.identity.matched.dedup();
    work.identity.result = fields.coded("result", RESULTS).unwrap_or_default();
    let few = work.identity.matched.len() < FACTS_NEEDED;
    let weak = few && matches!(work.identity.method.as_str(), "script" | "paper");
    match () {
        () if work.identity.method.is_empty() => Err("Say how identity was checked"),
        () if work.identity.result.is_empty() => Err("Say how the check ended"),
        () if work.identity.result == "passed" && weak => {
            work.identity.result = String::new();
            Err(
                "A check passes with three facts that match. Choose More needed, or call back the number on the record",
            )
        }
        () => Ok(()),
    }
}

fn take_acting(fields: &Fields, worked: &Worked, work: &mut Work) -> Result<(), &'static str> {
    let by = SetBy::from_code(&fields.one("set-by"));
    let acting = &mut work.acting;
    acting.set_by = by.map(SetBy::code).unwrap_or_default().to_owned();
    acting.name = fields.one("name");
    acting.address = fields.one("address");
    acting.evidence = fields.one("evidence");
    acting.capacity = fields
        .coded("capacity", &[("has", ""), ("lacks", "")])
        .unwrap_or_default();
    acting.young_agrees = fields
        .coded("young", &[("yes", ""), ("no", "")])
        .unwrap_or_default();
    let Some(by) = by else {
        return Err("Say whose choice it is");
    };
    if !by.is_for_another() {
        acting.name = String::new();
        acting.evidence = String::new();
        return Ok(());
    }
    let age = worked.age();
    match () {
        () if acting.name.is_empty() => Err("Enter the name of who acts"),
        () if acting.evidence.is_empty() => Err("Say what evidence was seen"),
        () if by.needs_lack_of_capacity() && acting.capacity != "lacks" => Err(
            "An attorney or deputy chooses only where the person lacks capacity. Ask the person, or say that they lack it",
        ),
        () if by == SetBy::Parent
            && age
                .0
                .is_some_and(|years| years >= choice_work::ADULT_FROM_YEARS) =>
        {
            Err("The person is 16 or older and chooses for themselves")
        }
        () if by == SetBy::Parent
            && worked.person.as_ref().is_some_and(|one| one.decides_alone) =>
        {
            Err("The young person was judged able to decide for themselves. Ask them")
        }
        () if by == SetBy::Parent
            && age.0.is_some_and(|years| (13..16).contains(&years))
            && acting.young_agrees != "yes" =>
        {
            Err("From 13 the young person must agree. Ask them")
        }
        () => Ok(()),
    }
}

fn take_choice(state: &Shared, fields: &Fields, work: &mut Work) -> Result<(), &'static str> {
    let known = |values: Vec<String>| -> Vec<String> {
        let takes_part = |code: &String| {
            OdsCode::parse(code).is_ok_and(|code| state.directory.organisation(&code).is_some())
        };
        values.into_iter().filter(takes_part).collect()
    };
    work.chosen.what = fields.coded("what", WHAT).unwrap_or_default();
    work.chosen.words = fields.one("words");
    let private = work.chosen.what == "private";
    work.chosen.emergency = private && fields.one("emergency") == "yes";
    work.chosen.blocked = known(if private {
        fields.all("blocked")
    } else {
        Vec::new()
    });
    work.chosen.withheld = known(if private {
        fields.all("withheld")
    } else {
        Vec::new()
    });
    match () {
        () if work.chosen.what.is_empty() => Err("Say what was chosen"),
        () if !work.choice_is_said() => Err("Choose at least one thing to keep private"),
        () => Ok(()),
    }
}

fn take_explained(fields: &Fields, work: &mut Work) -> Result<(), &'static str> {
    let explained = &mut work.explained;
    explained.effects = fields.one("effects") == "yes";
    explained.options = fields.one("options") == "yes";
    explained.interpreter = fields.one("interpreter");
    explained.language = fields.one("language").chars().take(60).collect();
    explained.confirm = fields.coded("confirm", CONFIRM).unwrap_or_default();
    explained.format = fields.coded("format", FORMATS).unwrap_or_default();
    match () {
        () if explained.confirm.is_empty() || explained.format.is_empty() => {
            Err("Say how we confirm, and in which format")
        }
        () if !explained.effects || !explained.options => {
            Err("Tick what you explained. Where you could not, send the leaflet and call again")
        }
        () => Ok(()),
    }
}

/// `GET /ig/choices/{case}/confirm`: everything, and who would see what.
pub(super) async fn check(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    if !worked.work.is_filled_in() {
        return Ok(see_other(&format!("/ig/choices/{number}")));
    }
    let told = simulated(&state, &session, &worked).await?;
    let tables = who_sees::tables(&told);
    let answers = answers(&state, &worked);
    let stage = worked.stage();
    draw(
        &session,
        "ig-choice-check.html",
        "Check and confirm",
        "ig-choices",
        shown! {
            number => worked.case.number, reference => worked.case.reference,
            answers, tables, still => who_sees::STILL,
            may_confirm => stage == Stage::ToConfirm && worked.work.done.is_none(),
            waits_for_second => stage == Stage::SecondCheck,
            done => worked.work.done.is_some(),
        },
    )
}

async fn simulated(
    state: &Shared,
    session: &Session,
    worked: &Worked,
) -> Result<Simulation, Problem> {
    let proposed = worked
        .work
        .choice(&worked.case.reference, state.clock.now());
    let (caller, door) = (session.caller(), state.record.disclosure());
    let person = worked.person_id();
    crate::blocking(move || match person {
        Some(person) => door
            .case_simulation(&caller, person, &proposed)
            .map(care_record::Disclosed::into_inner)
            .map_err(Problem::unavailable),
        None => Ok(door.simulation_for_anybody(&proposed)),
    })
    .await?
}

/// What was answered, as rows, each with the page that changes it.
pub(super) fn answers(
    state: &Shared,
    worked: &Worked,
) -> Vec<(&'static str, String, &'static str)> {
    let work = &worked.work;
    let of = |list: &[(&str, &str)], code: &str| {
        let found = list.iter().find(|(one, _)| *one == code);
        found.map_or_else(|| "Not said".to_owned(), |(_, words)| (*words).to_owned())
    };
    let channel = Channel::from_code(&work.channel).map_or("Not said", Channel::words);
    let name = match worked.name() {
        name if name.is_empty() => "Not said".to_owned(),
        name if worked.person.is_none() => format!("{name} (not known yet)"),
        name => name,
    };
    let by = SetBy::from_code(&work.acting.set_by);
    let acting = match by {
        None => "Not said".to_owned(),
        Some(SetBy::Oneself) => "No: their own choice".to_owned(),
        Some(by) => {
            let mut words = format!("{}: {}", work.acting.name, by.words());
            words.push_str(&format!(". Evidence: {}", work.acting.evidence));
            if work.acting.capacity == "lacks" {
                words.push_str(". The person lacks capacity for this choice");
            }
            words
        }
    };
    let choice = work.choice(&worked.case.reference, state.clock.now());
    let mut said = of(WHAT, &work.chosen.what);
    if work.chosen.what == "private" {
        let kept: Vec<String> = letters::facts(&choice, &state.directory)
            .into_iter()
            .filter(|(label, _)| label.contains("look") || label.contains("shown"))
            .map(|(label, words)| format!("{label}: {words}"))
            .collect();
        said = format!("{}. {}", letters::in_words(&choice), kept.join(". "));
    }
    vec![
        (
            "How it reached us",
            format!("{channel}, {}", work.received),
            "step/received",
        ),
        ("Who it is about", name, "step/person"),
        (
            "Identity check",
            format!(
                "{}: {}",
                of(METHODS, &work.identity.method),
                of(RESULTS, &work.identity.result)
            ),
            "step/identity",
        ),
        ("Acting for someone?", acting, "step/acting"),
        ("The choice", said, "step/choice"),
        (
            "Confirmation",
            format!(
                "{}, {}{}",
                of(CONFIRM, &work.explained.confirm),
                of(FORMATS, &work.explained.format).to_lowercase(),
                if work.explained.language.is_empty() {
                    String::new()
                } else {
                    format!(", in {}", work.explained.language)
                }
            ),
            "step/explained",
        ),
    ]
}

/// `POST /ig/choices/{case}/confirm`: the choice holds before the answer leaves.
pub(super) async fn confirm(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    let back = format!("/ig/choices/{number}");
    if worked.work.done.is_some() {
        return Ok(see_other(&back));
    }
    if worked.stage() != Stage::ToConfirm {
        return Err(Problem::invalid(
            "This choice cannot be confirmed yet",
            "Answer every step. Where a second person must look, ask a colleague to open this case.",
        ));
    }
    let own = worked.person.as_ref().is_some_and(|one| {
        one.known.nhs_number.is_some() && one.known.nhs_number == session.user.own_number
    });
    if own {
        return Err(Problem::forbidden(
            "This is about yourself",
            "You cannot process your own choice. Ask a colleague, or make it online.",
        ));
    }
    let now = state.clock.now();
    let mut work = worked.work.clone();
    let choice = work.choice(&worked.case.reference, now);
    work.done = Some(now);
    work.touched_by(&session.user.id);
    let waits = worked.person.is_none();
    let note = if waits {
        "Confirmed. The choice is kept until the person is known."
    } else {
        "Confirmed. The choice holds."
    };
    let step = CaseStep {
        number: worked.case.number,
        expected_version: worked.case.version,
        change: CaseChange {
            detail: Some(work.detail()),
            note: note.to_owned(),
            ..CaseChange::default()
        },
    };
    let (caller, record) = (session.caller(), state.record.clone());
    let (person, awaited) = (worked.person_id(), work.awaited.clone());
    let reference = worked.case.reference.clone();
    crate::blocking(move || {
        let choices = record.choices();
        match (person, awaited) {
            (Some(person), _) => choices
                .change(person, &caller, Some(&step), |_| choice.clone())
                .map(|_| ()),
            (None, Some(awaited)) => {
                // The case first: the person may arrive at any moment, and is told to it.
                record
                    .casework()
                    .change(&caller, step.number, step.expected_version, step.change)
                    .map_err(|_| ChoicesError::Stale)?;
                let waited = choices.wait_for(&awaited, &choice, &reference, &caller)?;
                tracing::info!(
                    applied = matches!(waited, Waited::Applied(_)),
                    "a choice waits"
                );
                Ok(())
            }
            (None, None) => Err(ChoicesError::NobodyThere),
        }
    })
    .await?
    .map_err(unkept)?;
    Ok(see_other(&back))
}

/// A choice that was not kept, as a page.
pub(super) fn unkept(why: ChoicesError) -> Problem {
    match why {
        ChoicesError::Stale => stale(),
        ChoicesError::NoReason
        | ChoicesError::NothingToDecide
        | ChoicesError::NotEnough
        | ChoicesError::DocumentTooLarge
        | ChoicesError::DocumentUnknown => {
            let words = why.to_string();
            Problem::invalid("This cannot be done", capital(&words))
        }
        other => Problem::unavailable(other),
    }
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).chain(['.']).collect()
    })
}
