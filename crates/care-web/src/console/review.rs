//! G2 Access review: the queue, one review with its evidence, and what a reviewer may do.
//!
//! Never shows clinical content. Nobody reviews their own access.

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use care_core::audit::Act;
use care_core::review::Kind;
use care_core::sections::{Section, When, identity};
use care_core::vocabulary::Role;
use care_record::{
    Action, Case, CaseEvent, CaseFilter, Minute, Record, ReviewPage, ReviewRow, ReviewsError, Sort,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Asked, Cell, Column, FILE, FilterField, List, PAGE, age, allowed, draw, draw_form, guard,
    kind_title, state_title,
};
use crate::components::{see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

const ADDRESS: &str = "/ig/review";

/// Runs a call of the reviewers' door on a blocking thread.
async fn ask<T: Send + 'static>(
    state: &Shared,
    call: impl FnOnce(Record) -> Result<T, ReviewsError> + Send + 'static,
) -> Result<Result<T, ReviewsError>, Problem> {
    let record = state.record.clone();
    crate::blocking(move || call(record)).await
}

fn failed(why: ReviewsError) -> Problem {
    match why {
        ReviewsError::OwnAccess => Problem::forbidden(
            "This is your own access",
            "Nobody reviews their own access. Another privacy officer or the Caldicott Guardian \
             looks at it.",
        ),
        ReviewsError::OneByOne => Problem::invalid(
            "These are reviewed one by one",
            "Emergency access and reports of patients cannot be closed several at once.",
        ),
        ReviewsError::NoteNeeded => Problem::invalid("A note is needed", "Go back and say why."),
        ReviewsError::Case(why) => super::failed(why),
        other => Problem::unavailable(other),
    }
}

/// The codes of kinds a filter stands for.
fn kinds_of(code: &str) -> Vec<String> {
    let of = |wanted: &dyn Fn(Kind) -> bool| -> Vec<String> {
        let kinds = Kind::ALL.iter().filter(|kind| wanted(**kind));
        kinds.map(|kind| kind.code().to_owned()).collect()
    };
    match Kind::from_code(code) {
        Some(kind) => vec![kind.code().to_owned()],
        None if code == "flags" => of(&Kind::is_plain_flag),
        None => of(&|_| true),
    }
}

fn filter(asked: &Asked, me: &str, limit: u32) -> CaseFilter {
    let open = match asked.state.as_str() {
        "closed" => Some(false),
        "all" => None,
        _ => Some(true),
    };
    CaseFilter {
        kinds: kinds_of(&asked.kind),
        open,
        owner: asked.owner_id(me),
        sort: Sort::from_code(&asked.sort),
        limit,
        ..CaseFilter::default()
    }
}

/// A row and what a person may do with it.
fn cells(row: &ReviewRow, bulk: bool, now: Timestamp) -> Vec<Cell> {
    let case = &row.case;
    let role = Role::from_code(case.text("role")).map_or("", Role::title);
    let user = [case.text("name"), role, case.text("organisation")]
        .into_iter()
        .filter(|words| !words.is_empty())
        .collect::<Vec<_>>()
        .join("\n");
    let person = row.person.as_ref().map_or_else(
        || "Nobody in particular".to_owned(),
        |known| {
            let who = identity(known, now);
            format!("{}\n{}", who.name, who.nhs_number)
        },
    );
    let reason = case.text("reason given");
    let mut cells = Vec::new();
    if bulk {
        cells.push(match row.own {
            true => Cell::default(),
            false => Cell::choose(
                case.number.to_string(),
                format!("Choose {}", case.reference),
            ),
        });
    }
    let outcome = match (row.own, case.is_closed()) {
        (true, false) => Cell::text("Your own access: somebody else reviews it"),
        (_, true) => Cell::tag(state_title(&case.state), "grey"),
        (false, false) if case.state == "reconciled" => Cell::tag("Care was recorded", "green"),
        (false, false) if case.detail["escalated"].as_u64().is_some() => {
            Cell::tag("Escalated: no care recorded", "red")
        }
        (false, false) => Cell::tag(state_title(&case.state), "blue"),
    };
    cells.extend([
        Cell::moment(happened_at(case)),
        Cell::text(user),
        Cell::text(person),
        match row.own {
            true => Cell::text(kind_title(&case.kind)),
            false => Cell::link(kind_title(&case.kind), format!("{ADDRESS}/{}", case.number)),
        },
        Cell::text(if reason.is_empty() { "None" } else { reason }),
        Cell::text(age(case.opened_at, now)),
        Cell::text(owner(case)),
        Cell::day(case.due_at, "No due date"),
        outcome,
    ]);
    cells
}

fn owner(case: &Case) -> &str {
    if case.owner.is_empty() {
        "Nobody yet"
    } else {
        &case.owner
    }
}

fn happened_at(case: &Case) -> Timestamp {
    case.text("at").parse().unwrap_or(case.opened_at)
}

const COLUMNS: [Column; 9] = [
    Column::text("When"),
    Column::text("User, role, organisation"),
    Column::text("Person"),
    Column::text("Why flagged"),
    Column::text("Reason given"),
    Column::text("Age"),
    Column::text("Owner"),
    Column::text("Due"),
    Column::text("Outcome"),
];

async fn listed(
    state: &Shared,
    session: &Session,
    asked: &Asked,
    (offset, limit): (u32, u32),
    bulk: bool,
) -> Result<List, Problem> {
    let (caller, now) = (session.caller(), state.clock.now());
    let mut filter = filter(asked, &caller.user.id, limit);
    filter.offset = offset;
    let (rows, counts) = ask(state, move |record| {
        let counts = record.casework().counts(&filter)?;
        Ok((record.reviews().list(&caller, &filter)?, counts))
    })
    .await?
    .map_err(failed)?;
    let total = counts.iter().map(|one| one.count).sum();
    let oldest = counts.iter().map(|one| one.oldest).min();
    let mut columns = COLUMNS.to_vec();
    if bulk {
        columns.insert(0, Column::text(""));
    }
    let kinds = [("", "All"), ("flags", "Flags")]
        .into_iter()
        .chain(Kind::ALL.iter().map(|kind| (kind.code(), kind.title())));
    let rows = rows.iter().map(|row| cells(row, bulk, now)).collect();
    Ok(List::new("Access to review", ADDRESS, &columns)
        .rows(rows, (total, oldest), asked.page(), now)
        .nothing("No access waits for review here.")
        .filters(vec![
            FilterField::choice("kind", "Why flagged", kinds, &asked.kind),
            FilterField::open_or_closed(&asked.state),
            FilterField::owner(&asked.owner),
            FilterField::sort(&asked.sort),
        ]))
}

/// The kind whose open cases stand on the page and may be closed several at once.
fn bulk_kind(asked: &Asked) -> Option<Kind> {
    let open = asked.state.is_empty() || asked.state == "open";
    Kind::from_code(&asked.kind).filter(|kind| open && kind.may_close_in_bulk())
}

/// `GET /ig/review`.
pub(super) async fn queue(
    State(state): State<Shared>,
    session: Session,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    draw_queue(&state, &session, &asked, "").await
}

async fn draw_queue(
    state: &Shared,
    session: &Session,
    asked: &Asked,
    error: &str,
) -> Result<Response, Problem> {
    let bulk = bulk_kind(asked);
    let list = listed(
        state,
        session,
        asked,
        (asked.offset(), PAGE),
        bulk.is_some(),
    )
    .await?;
    let done = match asked.done.as_str() {
        "closed" => "Closed.",
        "kept" => "Kept.",
        "some" => {
            "Some were closed. Others were left: somebody changed them, or they are your own."
        }
        _ => "",
    };
    let bulk = bulk.map(Kind::code);
    draw_form(
        session,
        "ig-review.html",
        "Access review",
        "ig-review",
        !error.is_empty(),
        shown! { list, bulk, done, error },
    )
}

/// `GET /ig/review.csv`.
pub(super) async fn file(
    State(state): State<Shared>,
    session: Session,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let list = listed(&state, &session, &asked, (0, FILE), false).await?;
    Ok(list.file("access-review"))
}

/// Several cases of one kind, and why they are as expected.
#[derive(Default)]
struct Several {
    kind: String,
    choose: Vec<u64>,
    note: String,
}

impl Several {
    fn of(fields: Vec<(String, String)>) -> Self {
        let mut this = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "kind" => this.kind = value,
                "note" => this.note = value,
                "choose" => this.choose.extend(value.parse::<u64>()),
                _ => {}
            }
        }
        this
    }
}

/// `POST /ig/review/close`: "Close as expected".
pub(super) async fn close(
    State(state): State<Shared>,
    session: Session,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let several = Several::of(fields);
    let Some(kind) = Kind::from_code(&several.kind) else {
        return Err(Problem::invalid(
            "Choose a kind",
            "Filter the list by one kind first.",
        ));
    };
    let again = Asked {
        kind: several.kind,
        ..Asked::default()
    };
    if several.choose.is_empty() {
        let words = "Choose the looks that are as expected";
        return draw_queue(&state, &session, &again, words).await;
    }
    if several.note.trim().is_empty() {
        return draw_queue(&state, &session, &again, "Say why these are as expected").await;
    }
    let caller = session.caller();
    let bulk = ask(&state, move |record| {
        record
            .reviews()
            .close_as_expected(&caller, kind, &several.choose, &several.note)
    })
    .await?
    .map_err(failed)?;
    let done = if bulk.left == 0 { "closed" } else { "some" };
    Ok(see_other(&format!(
        "{ADDRESS}?kind={}&done={done}",
        kind.code()
    )))
}

/// One thing done in the visit, in words.
#[derive(Serialize)]
struct Line {
    when: When,
    seconds: String,
    what: String,
    said: String,
    refused: bool,
}

fn line(minute: &Minute) -> Line {
    let page = Section::from_code(&minute.page)
        .map_or_else(|| minute.page.clone(), |section| section.title().to_owned());
    let what = match minute.act {
        Act::Find => "Looked for the person".to_owned(),
        Act::OpenVisit => "Asked to open the record".to_owned(),
        Act::CloseVisit => "Closed the record".to_owned(),
        Act::View if page.is_empty() => "Read a page".to_owned(),
        Act::View => format!("Read: {page}"),
        Act::Search => "Searched in the record".to_owned(),
        Act::Print => format!("Printed: {page}"),
        Act::ApiRead => format!("A system read: {page}"),
        Act::Choice => "A choice was recorded".to_owned(),
        _ => "Another act".to_owned(),
    };
    let local = care_core::sections::local(minute.at);
    Line {
        when: When::moment(minute.at),
        seconds: local.strftime("%d-%b-%Y %H:%M:%S").to_string(),
        what,
        said: minute.detail.clone(),
        refused: minute.refused,
    }
}

/// What supports a look, in words.
#[derive(Serialize)]
struct Support {
    what: &'static str,
    organisation: String,
    of_user: bool,
    starts: Option<When>,
    ends: Option<When>,
    at_the_time: bool,
}

fn part_title(code: &str) -> &'static str {
    match code {
        "registered_gp" => "Registered with the practice",
        "inpatient" => "Admitted",
        "ed_attendance" => "Emergency attendance",
        "appointment" => "Appointment",
        "open_referral" => "Referral",
        "caseload" => "On a caseload",
        "care_home_resident" => "Lives in the care home",
        "ambulance_incident" => "Ambulance incident",
        _ => "Part in the care",
    }
}

/// One event of the case.
#[derive(Serialize)]
pub(super) struct Happened {
    when: When,
    who: String,
    state: String,
    note: String,
}

pub(super) fn happened(event: &CaseEvent) -> Happened {
    Happened {
        when: When::moment(event.at),
        who: event.who.clone(),
        state: state_title(&event.state),
        note: event.note.clone(),
    }
}

/// Another flagged look of the user.
#[derive(Serialize)]
struct Other {
    number: u64,
    what: String,
    when: When,
    state: String,
}

/// `GET /ig/review/{number}`.
pub(super) async fn one(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<u64>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    draw_one(&state, &session, number, &asked.done, "").await
}

async fn draw_one(
    state: &Shared,
    session: &Session,
    number: u64,
    done: &str,
    error: &str,
) -> Result<Response, Problem> {
    let caller = session.caller();
    let opened = ask(state, move |record| record.reviews().open(&caller, number)).await?;
    let page = opened.map_err(failed)?;
    let now = state.clock.now();
    let case = &page.row.case;
    let title = kind_title(&case.kind);
    let who = page.row.person.as_ref().map(|known| identity(known, now));
    let user = [case.text("name"), case.text("who")];
    let role = Role::from_code(case.text("role")).map_or("", Role::title);
    let lines: Vec<Line> = page.minutes.iter().map(line).collect();
    let supports: Vec<Support> = supports(&page);
    let asked: Vec<(String, Option<When>, bool)> = page
        .asked
        .iter()
        .map(|one| {
            let last = one.last_received.map(When::moment);
            (one.source.clone(), last, one.answers)
        })
        .collect();
    let others: Vec<Other> = page
        .others
        .iter()
        .map(|other| Other {
            number: other.number,
            what: kind_title(&other.kind),
            when: When::moment(happened_at(other)),
            state: state_title(&other.state),
        })
        .collect();
    let events: Vec<Happened> = page.events.iter().map(happened).collect();
    let told = shown! {
        number, title, who, user, role, lines, supports, asked, others, events, error,
        organisation => page.organisation,
        more => page.more_minutes,
        reference => case.reference,
        case_version => case.version,
        state => state_title(&case.state),
        closed => case.is_closed(),
        why => case.text("why"),
        reason => case.text("reason given"),
        said => case.text("said"),
        incident => case.text("incident"),
        reconciled => case.text("reconciled"),
        escalated => case.detail["escalated"].as_u64().unwrap_or(0),
        listed => case.detail["visits"].as_array().map(Vec::len).unwrap_or(0),
        owner => owner(case),
        happened => When::moment(happened_at(case)),
        due => case.due_at.map(When::day),
        age => age(case.opened_at, now),
        staff => page.user.as_ref().map(|user| super::staff_user::encoded(&user.id)),
        kept => !done.is_empty(),
    };
    draw_form(
        session,
        "ig-review-one.html",
        "Access review",
        "ig-review",
        !error.is_empty(),
        told,
    )
}

fn supports(page: &ReviewPage) -> Vec<Support> {
    page.evidence
        .iter()
        .map(|part| Support {
            what: part_title(part.kind),
            organisation: part.organisation.clone(),
            of_user: part.of_user,
            starts: part.starts.map(When::moment),
            ends: part.ends.map(When::moment),
            at_the_time: part.at_the_time,
        })
        .collect()
}

/// What a reviewer decides.
#[derive(Deserialize)]
pub(super) struct Decided {
    version: u32,
    #[serde(default)]
    action: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    tell: String,
}

/// `POST /ig/review/{number}`.
pub(super) async fn decide(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<u64>,
    Form(decided): Form<Decided>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let action = match decided.action.as_str() {
        "expected" => Action::Expected,
        "ask-user" => Action::AskUser,
        "ask-organisation" => Action::AskOrganisation,
        "not-appropriate" => Action::NotAppropriate {
            tell: decided.tell == "yes",
        },
        "take" => Action::Take,
        "note" => Action::Note,
        _ => return draw_one(&state, &session, number, "", "Choose what to do").await,
    };
    let caller = session.caller();
    let done = ask(&state, move |record| {
        record
            .reviews()
            .act(&caller, number, decided.version, action, &decided.note)
    })
    .await?;
    match done {
        Ok(_) => Ok(see_other(&format!("{ADDRESS}/{number}?done=kept"))),
        Err(ReviewsError::NoteNeeded) => {
            draw_one(
                &state,
                &session,
                number,
                "",
                "Write a note: what you ask, or why",
            )
            .await
        }
        Err(why) => Err(failed(why)),
    }
}

/// A question of a reviewer.
#[derive(Serialize)]
struct Question {
    number: u64,
    when: When,
    asked: String,
}

/// `GET /staff/questions`: what reviewers ask this user.
pub(super) async fn questions(
    State(state): State<Shared>,
    session: Session,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    draw_questions(&state, &session, &asked.done, "").await
}

async fn draw_questions(
    state: &Shared,
    session: &Session,
    done: &str,
    error: &str,
) -> Result<Response, Problem> {
    let caller = session.caller();
    let told = ask(state, move |record| record.reviews().questions(&caller)).await?;
    let told = told.map_err(failed)?;
    let questions: Vec<Question> = told
        .into_iter()
        .map(|(case, asked)| Question {
            number: case.number,
            when: When::moment(happened_at(&case)),
            asked,
        })
        .collect();
    let kept = !done.is_empty();
    draw(
        session,
        "ig-questions.html",
        "Questions about your access",
        "",
        shown! { questions, kept, error },
    )
}

/// The user's answer.
#[derive(Deserialize)]
pub(super) struct Answer {
    number: u64,
    #[serde(default)]
    said: String,
}

/// `POST /staff/questions`.
pub(super) async fn answer(
    State(state): State<Shared>,
    session: Session,
    Form(answer): Form<Answer>,
) -> Result<Response, Problem> {
    let caller = session.caller();
    let done = ask(&state, move |record| {
        record
            .reviews()
            .answer(&caller, answer.number, &answer.said)
    })
    .await?;
    match done {
        Ok(_) => Ok(see_other("/staff/questions?done=kept")),
        Err(ReviewsError::NoteNeeded) => {
            draw_questions(&state, &session, "", "Write an answer").await
        }
        Err(why) => Err(failed(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_code_stands_for_its_kinds_and_nonsense_for_all() {
        assert_eq!(kinds_of("night"), kinds_of(""), "no kind of this code");
        assert_eq!(kinds_of("emergency-access"), ["emergency-access"]);
        let flags = kinds_of("flags");
        assert!(!flags.contains(&"emergency-access".to_owned()));
        assert!(!flags.contains(&"not-recognised".to_owned()));
        assert_eq!(kinds_of("").len(), Kind::ALL.len());
    }

    #[test]
    fn only_open_cases_of_one_ordinary_kind_may_be_closed_together() {
        let asked = |kind: &str, state: &str| Asked {
            kind: kind.to_owned(),
            state: state.to_owned(),
            ..Asked::default()
        };
        assert_eq!(
            bulk_kind(&asked("same-surname", "")),
            Some(Kind::SameSurname)
        );
        assert_eq!(bulk_kind(&asked("same-surname", "closed")), None);
        assert_eq!(bulk_kind(&asked("flags", "")), None);
        assert_eq!(bulk_kind(&asked("emergency-access", "")), None);
        assert_eq!(bulk_kind(&asked("not-recognised", "")), None);
    }
}
