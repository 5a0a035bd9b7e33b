//! How Connect Care is used: who may see what, from the live rules; and how often what happened, from
//! the live counters. Numbers from 1 to 7 are hidden and the rest rounded to 5, so that nobody can be
//! recognised; and numbers are told to the end of yesterday, so that nobody's look shows today.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use care_core::access::{self, CARE_ROLES, EmergencyOverride, PermissionModel};
use care_core::release::{Shown, shown as may_show};
use care_core::sections::local;
use care_core::vocabulary::{Category, CategorySet, OdsCode, Role};
use care_record::{CaseFilter, Counted, Month, SetAside};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;

use super::draw;
use crate::components::shown;
use crate::problem::Problem;
use crate::state::Shared;

/// A table of numbers: what is counted, and each row's words with its number as it may be shown.
#[derive(Debug, Serialize)]
struct Numbers {
    id: &'static str,
    title: &'static str,
    of: &'static str,
    rows: Vec<(String, String)>,
}

/// A row of the matrix: a job, and for each kind of information whether it sees it.
#[derive(Serialize)]
struct Sees {
    job: &'static str,
    sees: Vec<bool>,
}

/// An extract that was released, as the register tells it.
#[derive(Serialize)]
struct Released {
    title: String,
    purpose: String,
    to: String,
    on: String,
    people: String,
    /// Whether those who said no nationally were left out.
    opt_out_applied: bool,
    left_out: String,
    destroyed: bool,
}

/// Cases of the console that are told in public: code, words.
const CASES: &[(&str, &str)] = &[
    (
        "disclosure",
        "Asked to share because of the law or the public interest",
    ),
    (
        "extract",
        "Asked to use information for planning or research",
    ),
];

/// `GET /transparency`.
pub async fn page(State(state): State<Shared>) -> Result<Response, Problem> {
    let counted = counted(&state).await?;
    let first = a_year_before(state.clock.now());
    let tables = tables(&state, &counted.since(first)).await?;
    let categories: Vec<Category> = whole().collect();
    let kinds: Vec<&str> = categories
        .iter()
        .map(|one| access::in_plain_words(*one))
        .collect();
    let jobs: Vec<Sees> = CARE_ROLES
        .iter()
        .chain(&[Role::AdminClerical, Role::SafeguardingLead])
        .map(|role| {
            let seen = access::categories_of(*role);
            Sees {
                job: role.title(),
                sees: categories.iter().map(|one| seen.contains(*one)).collect(),
            }
        })
        .collect();
    let settings = state.config.access_settings();
    let register = register(&state).await?;
    let with = shown! {
        tables, kinds, jobs, register,
        since => first.strftime("%-d %B %Y").to_string(),
        until => told_until(&state, &counted),
        complete => counted.complete,
        policy => access::POLICY_VERSION,
        asks_first => settings.permission == PermissionModel::Ask,
        pending_restricts => settings.pending_objection_restricts,
        emergency => match settings.objection_in_emergency {
            EmergencyOverride::Never => "never",
            EmergencyOverride::OnlyIfThePersonChoseIt => "chosen",
            EmergencyOverride::Always => "always",
        },
        emergency_minutes => settings.emergency_minutes,
    };
    draw(
        &state,
        "public-transparency.html",
        "How Connect Care is used",
        "who",
        with,
    )
}

/// `GET /transparency.csv`: the same numbers as a file.
pub async fn file(State(state): State<Shared>) -> Result<Response, Problem> {
    let counted = counted(&state).await?;
    let tables = tables(&state, &counted.since(a_year_before(state.clock.now()))).await?;
    let mut text = String::from("Table,Row,Number\r\n");
    for table in &tables {
        for (row, number) in &table.rows {
            let cells = [table.title, row.as_str(), number.as_str()].map(cell);
            text.push_str(&cells.join(","));
            text.push_str("\r\n");
        }
    }
    let fixed = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"connect-care-numbers.csv\"",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((fixed, text).into_response())
}

/// A cell in quotes; one that a spreadsheet would calculate is kept a text.
fn cell(words: &str) -> String {
    let mark = if words.starts_with(['=', '+', '-', '@']) {
        "'"
    } else {
        ""
    };
    format!("\"{mark}{}\"", words.replace('"', "\"\""))
}

/// When a choice did not apply: the last calendar year and this one, by why. For
/// `/choices/exceptional-circumstances`.
pub async fn exceptions(
    state: &Shared,
) -> Result<(i16, Vec<(&'static str, String, String)>), Problem> {
    let counted = counted(state).await?;
    let year = local(state.clock.now()).year();
    let (last, this) = (counted.year(year - 1), counted.year(year));
    let rows = SetAside::ALL.iter().map(|why| {
        let number = |of: &Month| number(of.set_aside.get(why).copied().unwrap_or_default());
        (in_words(*why), number(&last), number(&this))
    });
    Ok((year, rows.collect()))
}

/// Everything up to the end of yesterday; in a demonstration, where everybody is invented, up to now.
async fn counted(state: &Shared) -> Result<Counted, Problem> {
    let now = state.clock.now();
    let moment = if state.config.demo {
        now
    } else {
        start_of_today(now)
    };
    let figures = state.figures.clone();
    let counted = crate::blocking(move || figures.until(moment)).await?;
    counted.map_err(Problem::unavailable)
}

fn start_of_today(now: Timestamp) -> Timestamp {
    TimeZone::get("Europe/London")
        .ok()
        .and_then(|london| now.to_zoned(london).start_of_day().ok())
        .map_or(now, |start| start.timestamp())
}

fn told_until(state: &Shared, counted: &Counted) -> String {
    let until = if state.config.demo || !counted.complete {
        counted.until
    } else {
        Some(start_of_today(state.clock.now()))
    };
    until.map(crate::portal::moment).unwrap_or_default()
}

/// The first day of the month a year ago.
fn a_year_before(now: Timestamp) -> Date {
    let today = local(now).date();
    today
        .checked_sub(12.months())
        .unwrap_or(today)
        .first_of_month()
}

fn whole() -> impl Iterator<Item = Category> {
    let all: Vec<Category> = CategorySet::whole_record().iter().collect();
    all.into_iter().filter(|one| *one != Category::AccessLog)
}

/// A number as it may be shown.
fn number(count: u64) -> String {
    match may_show(count) {
        Shown::Rounded(count) => care_core::sections::number(&count.to_string()),
        other => other.text(),
    }
}

fn in_words(why: SetAside) -> &'static str {
    match why {
        SetAside::LegalDuty => "A legal duty or a court order",
        SetAside::PublicInterest => "An overriding public interest",
        SetAside::Safeguarding => "A risk of serious harm (safeguarding)",
        SetAside::Seal => "Sealed information was opened",
    }
}

async fn tables(state: &Shared, year: &Month) -> Result<Vec<Numbers>, Problem> {
    let place = |code: &str| {
        let known = OdsCode::parse(code).ok();
        let known = known.and_then(|code| {
            state
                .directory
                .organisation(&code)
                .map(|one| one.name.clone())
        });
        known.unwrap_or_else(|| "An organisation that no longer takes part".to_owned())
    };
    let mut by_place = std::collections::BTreeMap::<String, u64>::new();
    let mut by_job = std::collections::BTreeMap::<String, u64>::new();
    for ((code, role), count) in &year.looks {
        *by_place.entry(place(code)).or_default() += count;
        *by_job.entry(role.title().to_owned()).or_default() += count;
    }
    let emergencies = year
        .emergencies
        .iter()
        .map(|(code, count)| (place(code), *count));
    let systems = year
        .systems
        .iter()
        .map(|(code, count)| (place(code), *count));
    let set_aside = SetAside::ALL.map(|why| {
        let count = year.set_aside.get(&why).copied().unwrap_or_default();
        (in_words(why).to_owned(), count)
    });
    let mut choices: Vec<(String, u64)> = year
        .choices
        .iter()
        .map(|((said, channel), count)| (choice_in_words(said, channel), *count))
        .collect();
    choices.push((
        "Looks that were refused because of a choice".to_owned(),
        year.refused,
    ));
    Ok(vec![
        numbers(
            "places",
            "Records opened, by organisation",
            "Organisation",
            by_place,
        ),
        numbers("jobs", "Records opened, by job", "Job", by_job),
        numbers(
            "emergencies",
            "Records opened because the person could not be asked",
            "Organisation",
            emergencies,
        ),
        numbers(
            "systems",
            "Times that another organisation’s computer system read from a record",
            "Organisation",
            systems,
        ),
        numbers(
            "choices",
            "Choices people made about Connect Care",
            "Choice",
            choices,
        ),
        numbers(
            "set-aside",
            "Times that a choice or a protection did not apply",
            "Why",
            set_aside,
        ),
        numbers(
            "cases",
            "Requests to share information beyond care",
            "Request",
            cases(state).await?,
        ),
        numbers(
            "own",
            "Times that people looked who had looked",
            "What",
            [("Own list opened".to_owned(), year.own_looks)],
        ),
    ])
}

fn numbers(
    id: &'static str,
    title: &'static str,
    of: &'static str,
    rows: impl IntoIterator<Item = (String, u64)>,
) -> Numbers {
    let rows = rows
        .into_iter()
        .map(|(words, count)| (words, number(count)));
    Numbers {
        id,
        title,
        of,
        rows: rows.collect(),
    }
}

fn choice_in_words(said: &str, channel: &str) -> String {
    let what = match said {
        "shared" => "Share my record",
        "shared-in-emergency" => "Share it only in an emergency",
        "not-shared" => "Do not share my record",
        _ => "Keep some of my record private",
    };
    let how = channel.replace(['-', '_'], " ");
    if how.is_empty() {
        what.to_owned()
    } else {
        format!("{what} ({how})")
    }
}

/// Every extract that was released, newest first.
async fn register(state: &Shared) -> Result<Vec<Released>, Problem> {
    let record = state.record.clone();
    let all = crate::blocking(move || record.releases().register()).await?;
    let all = all.map_err(Problem::unavailable)?;
    let told = all.into_iter().filter_map(|extract| {
        let sealed = extract.sealed?;
        let applied = extract.findings.is_some_and(|found| found.opt_out_applied);
        Some(Released {
            title: extract.specification.title,
            purpose: extract.specification.purpose_words,
            to: extract.specification.destination,
            on: crate::portal::moment(sealed.at),
            people: number(sealed.counts.released),
            opt_out_applied: applied,
            left_out: number(sealed.counts.opted_out),
            destroyed: extract.destroyed_at.is_some(),
        })
    });
    Ok(told.collect())
}

/// Requests of the last year by kind and how they ended.
async fn cases(state: &Shared) -> Result<Vec<(String, u64)>, Problem> {
    let record = state.record.clone();
    let first = a_year_before(state.clock.now());
    let from = first.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    let asked = move || {
        record.casework().counts(&CaseFilter {
            kinds: CASES.iter().map(|(code, _)| (*code).to_owned()).collect(),
            opened_from: from,
            ..CaseFilter::default()
        })
    };
    let counts = crate::blocking(asked)
        .await?
        .map_err(Problem::unavailable)?;
    let mut rows = Vec::new();
    for (code, words) in CASES {
        let of_kind: Vec<_> = counts.iter().filter(|one| one.kind == *code).collect();
        let all = of_kind.iter().map(|one| one.count).sum();
        rows.push(((*words).to_owned(), all));
        for one in of_kind {
            let state = one.state.trim_start_matches("closed-").replace('-', " ");
            rows.push((format!("{words}: {state}"), one.count));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_hidden_and_the_rest_rounded() {
        let told: Vec<String> = [0, 1, 7, 8, 12, 13, 1_234].map(number).into();
        assert_eq!(told, ["0", "*", "*", "10", "10", "15", "1,235"]);
    }

    #[test]
    fn a_cell_that_a_spreadsheet_would_calculate_stays_a_text() {
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        assert_eq!(cell("say \"no\""), "\"say \"\"no\"\"\"");
    }
}
