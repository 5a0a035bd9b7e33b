//! The list of cases: overdue first, by channel, stage and owner, with counts by channel and age.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::response::Response;
use care_core::vocabulary::PersonId;
use care_record::{Case, CaseFilter, Channel, Record, Sort};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::{Asked, Cell, Column, FILE, FilterField, List, PAGE, age, allowed, ask, draw};
use super::work::KINDS;
use crate::choice_work::{Age, Stage, Work};
use crate::components::shown;
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// What the address asks of this list.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    #[serde(flatten)]
    asked: Asked,
    channel: String,
    stage: String,
}

/// How many wait, by channel and by age.
#[derive(Serialize)]
struct Tally {
    channel: String,
    young: u64,
    middle: u64,
    old: u64,
    overdue: u64,
}

struct Row {
    case: Case,
    work: Work,
    who: String,
    stage: Stage,
}

/// `GET /ig/choices`.
pub(super) async fn list(
    State(state): State<Shared>,
    session: Session,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let now = state.clock.now();
    let rows = rows(&state, &session, &wanted).await?;
    let tallies = tallies(&rows, now);
    let drawn = made(rows, &wanted, now, PAGE);
    draw(
        &session,
        "ig-choices.html",
        "Choices",
        "ig-choices",
        shown! { list => drawn, tallies, done => wanted.asked.done },
    )
}

/// `GET /ig/choices.csv`.
pub(super) async fn file(
    State(state): State<Shared>,
    session: Session,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let rows = rows(&state, &session, &wanted).await?;
    Ok(made(rows, &wanted, state.clock.now(), FILE).file("choices.csv"))
}

async fn rows(state: &Shared, session: &Session, wanted: &Wanted) -> Result<Vec<Row>, Problem> {
    let caller = session.caller();
    let filter = CaseFilter {
        kinds: KINDS.iter().map(|kind| (*kind).to_owned()).collect(),
        open: match wanted.asked.state.as_str() {
            "closed" => Some(false),
            "all" => None,
            _ => Some(true),
        },
        owner: wanted.asked.owner_id(&session.user.id),
        sort: match wanted.asked.sort.as_str() {
            "" => Sort::Due,
            other => Sort::from_code(other),
        },
        limit: FILE,
        ..CaseFilter::default()
    };
    let wanted = wanted.clone();
    let mut rows = ask(state, move |record| {
        let cases = record.casework().list(&caller, &filter)?;
        let rows = cases.into_iter().map(|case| {
            let work = Work::of(&case.detail);
            let stage = match case.is_closed() {
                true => Stage::Done,
                false => work.stage(Age(None)),
            };
            Row {
                who: String::new(),
                stage,
                work,
                case,
            }
        });
        let fits = |row: &Row| {
            (wanted.channel.is_empty() || channel(row) == wanted.channel)
                && (wanted.stage.is_empty() || row.stage.code() == wanted.stage)
        };
        let mut rows: Vec<Row> = rows.filter(fits).collect();
        name(&record, &caller, &mut rows);
        Ok(rows)
    })
    .await?;
    // Without a due date there is nothing to be late for: those come last.
    rows.sort_by_key(|row| row.case.due_at.is_none());
    Ok(rows)
}

/// Puts names to the rows that are shown; one that cannot be told stays without.
fn name(record: &Record, caller: &care_record::Caller, rows: &mut [Row]) {
    let door = record.disclosure();
    for row in rows.iter_mut().take(PAGE as usize * 4) {
        let key = row.case.person.map(|person| person.to_string());
        let key = key.unwrap_or_else(|| row.work.person.clone());
        let found = PersonId::parse(&key)
            .ok()
            .and_then(|person| door.case_person(caller, person).ok());
        row.who = match (found, &row.work.awaited) {
            (Some(found), _) => {
                row.stage = if row.case.is_closed() {
                    Stage::Done
                } else {
                    row.work.stage(Age(found.age_years))
                };
                let name = found.known.names.first();
                name.map(|name| {
                    let given = name.given.first().map_or("", String::as_str);
                    format!("{}, {given}", name.family.to_uppercase())
                })
                .unwrap_or_default()
            }
            (None, Some(awaited)) => format!(
                "{}, {} (not known yet)",
                awaited.family.to_uppercase(),
                awaited.given
            ),
            (None, None) => String::new(),
        };
    }
}

fn channel(row: &Row) -> String {
    match row.work.channel.as_str() {
        "" => row.case.about.clone(),
        code => code.to_owned(),
    }
}

fn channel_words(code: &str) -> String {
    Channel::from_code(code)
        .map_or("Not said", Channel::words)
        .to_owned()
}

fn tallies(rows: &[Row], now: Timestamp) -> Vec<Tally> {
    let mut all: BTreeMap<String, Tally> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.case.is_closed()) {
        let words = channel_words(&channel(row));
        let tally = all.entry(words.clone()).or_insert(Tally {
            channel: words,
            young: 0,
            middle: 0,
            old: 0,
            overdue: 0,
        });
        let days = now.duration_since(row.case.opened_at).as_hours() / 24;
        match days {
            ..=2 => tally.young += 1,
            3..=7 => tally.middle += 1,
            _ => tally.old += 1,
        }
        if row.case.due_at.is_some_and(|due| due < now) {
            tally.overdue += 1;
        }
    }
    all.into_values().collect()
}

fn made(rows: Vec<Row>, wanted: &Wanted, now: Timestamp, page: u32) -> List {
    let total = rows.len() as u64;
    let oldest = rows.iter().map(|row| row.case.opened_at).min();
    let offset = wanted.asked.offset() as usize;
    let cells = rows
        .iter()
        .skip(if page == FILE { 0 } else { offset })
        .take(page as usize)
        .map(|row| cells(row, now))
        .collect();
    let columns = [
        "Reference",
        "Person",
        "Channel",
        "Received",
        "Age",
        "Due",
        "Stage",
        "Owner",
    ]
    .map(Column::text);
    let channels = std::iter::once(("", "Any"))
        .chain(Channel::ALL.iter().map(|one| (one.code(), one.words())));
    let stages =
        std::iter::once(("", "Any")).chain(Stage::ALL.iter().map(|one| (one.code(), one.words())));
    let sort = match wanted.asked.sort.as_str() {
        "" => "due",
        other => other,
    };
    List::new("Choices", "/ig/choices", &columns)
        .rows(cells, (total, oldest), wanted.asked.page(), now)
        .filters(vec![
            FilterField::open_or_closed(&wanted.asked.state),
            FilterField::choice("channel", "Channel", channels, &wanted.channel),
            FilterField::choice("stage", "Stage", stages, &wanted.stage),
            FilterField::owner(&wanted.asked.owner),
            FilterField::sort(sort),
        ])
        .nothing("No choice waits.")
}

fn cells(row: &Row, now: Timestamp) -> Vec<Cell> {
    let case = &row.case;
    let overdue = !case.is_closed() && case.due_at.is_some_and(|due| due < now);
    let due = if overdue {
        Cell::tag("Overdue", "red")
    } else {
        Cell::day(case.due_at, "No due date")
    };
    let received = row.work.received.parse::<jiff::civil::Date>().ok();
    let received = received.map_or_else(
        || Cell::moment(case.opened_at),
        |day| Cell::text(day.strftime("%d-%b-%Y").to_string()),
    );
    vec![
        Cell::link(&case.reference, format!("/ig/choices/{}", case.number)),
        Cell::text(if row.who.is_empty() {
            "Not said yet"
        } else {
            &row.who
        }),
        Cell::text(channel_words(&channel(row))),
        received,
        Cell::text(age(case.opened_at, now)),
        due,
        Cell::text(row.stage.words()),
        Cell::text(if case.owner.is_empty() {
            "Nobody yet"
        } else {
            &case.owner
        }),
    ]
}
