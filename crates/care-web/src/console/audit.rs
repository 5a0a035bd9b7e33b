//! G3 Audit search and G8 the report of one person: who did what, to the second. Holds nothing clinical.

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use care_core::audit::{Act, Entry, Outcome};
use care_core::sections::{Section, When, identity};
use care_core::vocabulary::{NhsNumber, PersonId, Role};
use care_record::{DisclosureError, FhirAsk, LogAsk, LogPage, Record, Stated};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::list::midnight;
use super::{Cell, Column, FilterField, List, allowed, day_in_address, draw_form, guard};
use crate::components::{see_other, shown};
use crate::documents::pdf;
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

const ADDRESS: &str = "/ig/audit";
/// Entries on a page, and in a file.
const ON_A_PAGE: usize = 50;
const IN_A_FILE: usize = 5_000;

/// What an address asks of the log: codes, staff ids and our own keys, never a name or a number.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    person: String,
    who: String,
    role: String,
    organisation: String,
    reason: String,
    section: String,
    kind: String,
    from: String,
    until: String,
    before: String,
}

/// The kinds of act that can be asked for.
const KINDS: [(&str, &str); 10] = [
    ("", "All"),
    ("view", "View"),
    ("search", "Search"),
    ("print", "Print"),
    ("api", "API"),
    ("extract", "Extract"),
    ("choice", "Choice"),
    ("sign-in", "Sign-in"),
    ("admin", "Admin"),
    ("feed", "Feed"),
];

fn acts(kind: &str) -> Vec<Act> {
    match kind {
        "view" => vec![Act::OpenVisit, Act::View, Act::CloseVisit],
        "search" => vec![Act::Find, Act::Search],
        "print" => vec![Act::Print],
        "api" => vec![Act::ApiRead],
        "extract" => vec![Act::Release, Act::Disclose],
        "choice" => vec![Act::Choice],
        "sign-in" => vec![Act::SignIn, Act::SignOut],
        "admin" => vec![Act::Admin, Act::Worklist, Act::Identity],
        "feed" => vec![Act::Receive, Act::Refuse],
        _ => Vec::new(),
    }
}

impl Wanted {
    fn ask(&self, count: usize) -> LogAsk {
        let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let next_day = |at: Timestamp| {
            let day = care_core::sections::local(at).date();
            day.tomorrow().ok().and_then(midnight)
        };
        LogAsk {
            person: PersonId::parse(&self.person).ok(),
            who: some(&self.who),
            from: day_in_address(&self.from),
            until: day_in_address(&self.until).and_then(next_day),
            acts: acts(&self.kind),
            role: some(&self.role),
            organisation: some(&self.organisation).map(|code| code.to_uppercase()),
            purpose: some(&self.reason),
            section: some(&self.section),
            before: self.before.parse().ok(),
            count,
            ..LogAsk::default()
        }
    }
}

/// The purpose of every reading here.
fn for_review() -> FhirAsk {
    FhirAsk {
        stated: Stated {
            purpose: "audit_review".to_owned(),
            permission: None,
            break_glass: None,
            case: None,
        },
        only_person: None,
    }
}

async fn read(state: &Shared, session: &Session, wanted: LogAsk) -> Result<LogPage, Problem> {
    let (caller, record) = (session.caller(), state.record.clone());
    let read = move || {
        record
            .disclosure()
            .review_log(&caller, &for_review(), &wanted)
    };
    match crate::blocking(read).await? {
        Ok(page) => Ok(page.into_inner()),
        Err(DisclosureError::Refused(_)) => Err(Problem::forbidden(
            "This is not for you to review",
            "Nobody reviews who looked at their own record. Somebody else does.",
        )),
        Err(DisclosureError::NotThere) => Err(Problem::not_found()),
        Err(other) => Err(Problem::unavailable(other)),
    }
}

/// What an act is called.
pub(super) fn act_title(act: Act) -> &'static str {
    match act {
        Act::SignIn => "Signed in",
        Act::SignOut => "Signed out",
        Act::Find => "Looked for a person",
        Act::OpenVisit => "Opened a record",
        Act::CloseVisit => "Closed a record",
        Act::View => "Read",
        Act::Search => "Searched",
        Act::Print => "Printed",
        Act::ApiRead => "Read by the API",
        Act::Receive => "Received",
        Act::Refuse => "Refused a delivery",
        Act::Identity => "Joined or parted records",
        Act::Choice => "Recorded a choice",
        Act::Worklist => "Worked on a case",
        Act::Admin => "Administration",
        Act::Disclose => "Disclosed",
        Act::Release => "Released an extract",
    }
}

/// To the second.
fn exact(at: Timestamp) -> String {
    care_core::sections::local(at)
        .strftime("%d-%b-%Y %H:%M:%S")
        .to_string()
}

fn user(entry: &Entry) -> String {
    let role = Role::from_code(&entry.role).map_or("", Role::title);
    [
        entry.who_name.as_str(),
        &entry.who,
        role,
        &entry.organisation,
    ]
    .into_iter()
    .filter(|words| !words.is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

fn what(entry: &Entry) -> String {
    let page = match Section::from_code(&entry.page) {
        Some(section) => section.title(),
        None => &entry.page,
    };
    let refused = match entry.outcome {
        Outcome::Success => "",
        Outcome::Denied => " (refused)",
        Outcome::Failure => " (failed)",
    };
    let act = act_title(entry.act);
    if page.is_empty() {
        format!("{act}{refused}")
    } else {
        format!("{act}: {page}{refused}")
    }
}

const COLUMNS: [Column; 6] = [
    Column::text("When"),
    Column::text("User, role, organisation"),
    Column::text("What"),
    Column::text("Purpose"),
    Column::text("Flags"),
    Column::text("Said"),
];

fn rows(page: &LogPage) -> Vec<Vec<Cell>> {
    page.entries
        .iter()
        .map(|(_, entry)| {
            vec![
                Cell::text(exact(entry.at)),
                Cell::text(user(entry)),
                Cell::text(what(entry)),
                Cell::text(&entry.purpose),
                Cell::text(entry.flags.join("\n")),
                Cell::text(&entry.detail),
            ]
        })
        .collect()
}

fn filters(wanted: &Wanted) -> Vec<FilterField> {
    let roles = [("", "All")]
        .into_iter()
        .chain(Role::ALL.iter().map(|role| (role.code(), role.title())));
    let sections = [("", "All")]
        .into_iter()
        .chain(Section::ALL.iter().map(|one| (one.code(), one.title())));
    let purposes = [
        ("", "All"),
        ("direct_care", "Direct care"),
        ("care_admin", "Administration of care"),
        ("safeguarding_investigation", "Safeguarding"),
        ("legal_requirement", "Legal requirement"),
        ("public_interest", "Public interest"),
        ("audit_review", "Review of the log"),
        ("self_view", "The person themselves"),
        ("proxy_view", "Somebody acting for them"),
    ];
    vec![
        FilterField::choice("kind", "Kind", KINDS, &wanted.kind),
        FilterField::day("who", "User id", &wanted.who),
        FilterField::choice("role", "Role", roles, &wanted.role),
        FilterField::day("organisation", "Organisation code", &wanted.organisation),
        FilterField::choice("reason", "Reason", purposes, &wanted.reason),
        FilterField::choice("section", "Section", sections, &wanted.section),
        FilterField::day("from", "From day", &wanted.from),
        FilterField::day("until", "To day", &wanted.until),
    ]
}

/// How far the log is signed and witnessed.
async fn integrity(state: &Shared) -> Result<String, Problem> {
    let record = state.record.clone();
    let health = crate::blocking(move || record.operations().health()).await?;
    let health = health.map_err(Problem::unavailable)?;
    let ledger = health.ledger;
    let mut words = format!(
        "Log chain: {} of {} entries are signed",
        ledger.signed, ledger.entries
    );
    match ledger.witnessed {
        Some(witnessed) => words.push_str(&format!(", {witnessed} are with the witness.")),
        None => words.push_str(". There is no witness."),
    }
    if ledger.witness_alarm.is_some() || ledger.tiles_alarm.is_some() {
        words.push_str(" The last copy to the witness failed: tell the operator.");
    }
    Ok(words)
}

/// `GET /ig/audit`.
pub(super) async fn search(
    State(state): State<Shared>,
    session: Session,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    draw_search(&state, &session, &wanted, "").await
}

async fn draw_search(
    state: &Shared,
    session: &Session,
    wanted: &Wanted,
    error: &str,
) -> Result<Response, Problem> {
    let page = read(state, session, wanted.ask(ON_A_PAGE)).await?;
    let list = List::new("Entries of the log, newest first", ADDRESS, &COLUMNS)
        .rows(
            rows(&page),
            (page.entries.len() as u64, None),
            1,
            state.clock.now(),
        )
        .nothing("No entry fits.")
        .filters(filters(wanted));
    let query = |extra: &str| {
        let text = serde_urlencoded_of(wanted);
        format!("{text}{extra}")
    };
    let older = page.next.map(|before| query(&format!("&before={before}")));
    let report = PersonId::parse(&wanted.person)
        .ok()
        .map(|id| id.to_string());
    let verified = integrity(state).await?;
    let query = query("");
    draw_form(
        session,
        "ig-audit.html",
        "Audit search",
        "ig-audit",
        !error.is_empty(),
        shown! { list, older, query, report, verified, error },
    )
}

/// The filter as it stands in an address, the place in the list left out.
fn serde_urlencoded_of(wanted: &Wanted) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [
        ("person", &wanted.person),
        ("who", &wanted.who),
        ("role", &wanted.role),
        ("organisation", &wanted.organisation),
        ("reason", &wanted.reason),
        ("section", &wanted.section),
        ("kind", &wanted.kind),
        ("from", &wanted.from),
        ("until", &wanted.until),
    ] {
        if !value.is_empty() {
            text.append_pair(name, value);
        }
    }
    text.finish()
}

/// A person to look for, sent by `POST`.
#[derive(Deserialize)]
pub(super) struct Person {
    #[serde(rename = "nhs-number", default)]
    number: String,
}

/// `POST /ig/audit`: to the entries about one person.
pub(super) async fn about(
    State(state): State<Shared>,
    session: Session,
    Form(person): Form<Person>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let wanted = Wanted::default();
    let Ok(number) = NhsNumber::parse(&person.number) else {
        let words = "Enter an NHS number that has 10 digits";
        return draw_search(&state, &session, &wanted, words).await;
    };
    let (caller, record) = (session.caller(), state.record.clone());
    let found = crate::blocking(move || record.reviews().person(&caller, number)).await?;
    match found.map_err(Problem::unavailable)? {
        Some(person) => Ok(see_other(&format!("{ADDRESS}?person={person}"))),
        None => {
            let words = "No one found with this NHS number. Check it";
            draw_search(&state, &session, &wanted, words).await
        }
    }
}

/// `GET /ig/audit.csv`.
pub(super) async fn file(
    State(state): State<Shared>,
    session: Session,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let page = read(&state, &session, wanted.ask(IN_A_FILE)).await?;
    let list = List::new("Audit search", ADDRESS, &COLUMNS).rows(
        rows(&page),
        (page.entries.len() as u64, None),
        1,
        state.clock.now(),
    );
    Ok(list.file("audit"))
}

/// `GET /ig/audit.pdf`: the report of a person or of a user.
pub(super) async fn document(
    State(state): State<Shared>,
    session: Session,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let now = state.clock.now();
    let page = read(&state, &session, wanted.ask(IN_A_FILE)).await?;
    let mut about = Vec::new();
    if let Ok(person) = PersonId::parse(&wanted.person) {
        about.extend(lines_about(&state.record, person, now).await?);
    }
    if !wanted.who.is_empty() {
        about.push(("User".to_owned(), wanted.who.clone()));
    }
    about.push(("Made by".to_owned(), session.user.name.clone()));
    let entries: Vec<[String; 3]> = page
        .entries
        .iter()
        .map(|(_, entry)| {
            let said = [what(entry), entry.purpose.clone(), entry.detail.clone()];
            let said: Vec<String> = said.into_iter().filter(|text| !text.is_empty()).collect();
            [
                exact(entry.at),
                user(entry).replace('\n', ", "),
                said.join("; "),
            ]
        })
        .collect();
    let more = if page.next.is_some() {
        "There are older entries than these."
    } else {
        ""
    };
    let data = json!({
        "title": "Who did what", "reference": "Audit", "date": When::moment(now).short,
        "about": about, "notice": more,
        "sections": [{ "title": "Entries, newest first", "rows": entries }],
    });
    let made = crate::blocking(move || pdf("report.typ", &data)).await?;
    let bytes = made.map_err(Problem::unavailable)?;
    let headers = [
        (header::CONTENT_TYPE, "application/pdf"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"audit.pdf\"",
        ),
    ];
    Ok((headers, bytes).into_response())
}

async fn lines_about(
    record: &Record,
    person: PersonId,
    now: Timestamp,
) -> Result<Vec<(String, String)>, Problem> {
    let record = record.clone();
    let found = crate::blocking(move || record.reviews().who_is(person)).await?;
    let Some(known) = found.map_err(Problem::unavailable)? else {
        return Ok(Vec::new());
    };
    let who = identity(&known, now);
    Ok(vec![
        ("Person".to_owned(), who.name),
        ("NHS number".to_owned(), who.nhs_number),
    ])
}

/// `GET /ig/people/{id}/access-report`: everything about one person.
pub(super) async fn report(
    State(state): State<Shared>,
    session: Session,
    Path(person): Path<String>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let Ok(id) = PersonId::parse(&person) else {
        return Err(Problem::not_found());
    };
    let wanted = Wanted {
        person: id.to_string(),
        ..Wanted::default()
    };
    let page = read(&state, &session, wanted.ask(500)).await?;
    let about = lines_about(&state.record, id, state.clock.now()).await?;
    let list = List::new("Who did what, newest first", ADDRESS, &COLUMNS).rows(
        rows(&page),
        (page.entries.len() as u64, None),
        1,
        state.clock.now(),
    );
    let query = serde_urlencoded_of(&wanted);
    let more = page.next.is_some();
    draw_form(
        &session,
        "ig-person-report.html",
        "Person access report",
        "ig-audit",
        false,
        shown! { list, about, query, more },
    )
}
