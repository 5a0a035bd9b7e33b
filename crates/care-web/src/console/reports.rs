//! G10 Reports: figures of a month, each as a table and a file. Names nobody.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use care_core::review::Kind;
use care_core::vocabulary::{OdsCode, Role};
use care_record::{CaseFilter, LookFigures, Sort};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::list::{midnight, month_began};
use super::{age, allowed, draw, guard, kind_title, state_title};
use crate::components::{csv, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// Which month: `2026-10`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Month {
    month: String,
}

/// One table.
#[derive(Serialize)]
struct Table {
    code: &'static str,
    title: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// The month's first moment and the next month's.
fn span(month: &str, now: Timestamp) -> (Timestamp, Timestamp) {
    let first = format!("{month}-01").parse::<Date>().ok();
    let began = first.and_then(midnight).unwrap_or_else(|| month_began(now));
    let day = care_core::sections::local(began).date();
    let next = day
        .last_of_month()
        .tomorrow()
        .ok()
        .and_then(midnight)
        .unwrap_or(now);
    (began, next)
}

/// `GET /ig/reports`.
pub(super) async fn show(
    State(state): State<Shared>,
    session: Session,
    Query(month): Query<Month>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let (tables, month, rate) = tables(&state, &session, &month).await?;
    draw(
        &session,
        "ig-reports.html",
        "Reports",
        "ig-reports",
        shown! { tables, month, rate },
    )
}

/// `GET /ig/reports/{table}`: one of them as a file.
pub(super) async fn file(
    State(state): State<Shared>,
    session: Session,
    Path(table): Path<String>,
    Query(month): Query<Month>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let (tables, ..) = tables(&state, &session, &month).await?;
    let wanted = table.trim_end_matches(".csv");
    let found = tables.into_iter().find(|one| one.code == wanted);
    let found = found.ok_or_else(Problem::not_found)?;
    Ok(csv(found.code, &found.columns, found.rows))
}

async fn tables(
    state: &Shared,
    session: &Session,
    month: &Month,
) -> Result<(Vec<Table>, String, String), Problem> {
    let (from, until) = span(&month.month, state.clock.now());
    let (caller, record) = (session.caller(), state.record.clone());
    let read = move || -> Result<_, Problem> {
        let reviews = record.reviews();
        let figures = reviews.figures(&caller, from, until);
        let figures = figures.map_err(Problem::unavailable)?;
        let filter = CaseFilter {
            opened_from: Some(from),
            opened_until: Some(until),
            sort: Sort::Oldest,
            limit: 50_000,
            ..CaseFilter::default()
        };
        let cases = record.casework().list(&caller, &filter);
        let counts = record.casework().counts(&filter).map_err(super::failed)?;
        Ok((figures, cases.map_err(super::failed)?, counts))
    };
    let (figures, cases, counts) = crate::blocking(read).await??;
    let rate = figures.emergencies_per_thousand().map_or_else(
        || "no record was opened".to_owned(),
        |rate| format!("{rate:.1} for each 1,000 records opened"),
    );
    let of = |kinds: &[&str]| -> Vec<Vec<String>> {
        let these = counts
            .iter()
            .filter(|one| kinds.contains(&one.kind.as_str()));
        these
            .map(|one| {
                vec![
                    kind_title(&one.kind),
                    state_title(&one.state),
                    one.count.to_string(),
                ]
            })
            .collect()
    };
    let mut times: Vec<Vec<String>> = Vec::new();
    for kind in Kind::ALL {
        let mut minutes: Vec<i64> = cases
            .iter()
            .filter(|case| case.kind == kind.code() && case.is_closed())
            .map(|case| case.changed_at.duration_since(case.opened_at).as_mins())
            .collect();
        minutes.sort_unstable();
        if let Some(middle) = minutes.get(minutes.len() / 2) {
            let ago = from + jiff::SignedDuration::from_mins(*middle);
            let row = [
                kind.title().to_owned(),
                minutes.len().to_string(),
                age(from, ago),
            ];
            times.push(row.into());
        }
    }
    let case_columns = || vec!["Kind", "State", "Number"];
    let tables = vec![
        Table {
            code: "views",
            title: "Records opened, by organisation and role",
            columns: vec!["Organisation", "Role", "Opened", "In an emergency"],
            rows: opened(state, &figures),
        },
        Table {
            code: "reviews",
            title: "Time to review",
            columns: vec!["Why flagged", "Closed", "Median time"],
            rows: times,
        },
        Table {
            code: "choices",
            title: "Choices, by channel",
            columns: vec!["Channel", "Number"],
            rows: figures
                .choices
                .iter()
                .map(|(channel, count)| vec![channel.clone(), count.to_string()])
                .collect(),
        },
        Table {
            code: "disclosures",
            title: "Disclosures",
            columns: case_columns(),
            rows: of(&["disclosure"]),
        },
        Table {
            code: "extracts",
            title: "Extracts",
            columns: case_columns(),
            rows: of(&["extract"]),
        },
        Table {
            code: "patient-reports",
            title: "Reported by patients and by users themselves",
            columns: case_columns(),
            rows: of(&["not-recognised", "self-reported", "incident"]),
        },
    ];
    let month = care_core::sections::local(from)
        .strftime("%Y-%m")
        .to_string();
    Ok((tables, month, rate))
}

fn opened(state: &Shared, figures: &LookFigures) -> Vec<Vec<String>> {
    let name = |code: &str| {
        OdsCode::parse(code)
            .ok()
            .and_then(|ods| state.directory.organisation(&ods))
            .map_or_else(|| code.to_owned(), |found| found.name.clone())
    };
    figures
        .opened
        .iter()
        .map(|(key, count)| {
            let (organisation, role) = key;
            let role = match Role::from_code(role) {
                Some(known) => known.title().to_owned(),
                None => role.clone(),
            };
            let urgent = figures.emergencies.get(key).copied().unwrap_or_default();
            vec![
                name(organisation),
                role,
                count.to_string(),
                urgent.to_string(),
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_a_london_month_and_nonsense_is_this_one() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a moment");
        let at = |text: &str| -> Timestamp { text.parse().expect("a moment") };
        let this = (at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z"));
        assert_eq!(span("", now), this);
        assert_eq!(span("<script>", now), this);
        let october = (at("2026-09-30T23:00:00Z"), at("2026-11-01T00:00:00Z"));
        assert_eq!(span("2026-10", now), october);
    }
}
