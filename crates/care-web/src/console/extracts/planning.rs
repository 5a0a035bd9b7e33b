//! Planning: counts by area, age, condition and use of services, each as a chart with its table. The
//! figures are those of the newest sealed release of counts that was made for planning: small numbers
//! are already suppressed and the others rounded, so the page can tell nothing that the release does not.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use care_core::sections::When;
use serde::Serialize;

use super::form::counts_title;
use super::{ROLES, allowed, ask, day, failed};
use crate::components::shown;
use crate::console::draw;
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// One bar: the sum of the shown counts of one value.
#[derive(Debug, PartialEq, Serialize)]
struct Bar {
    label: String,
    count: u64,
    /// In the same text as the table, `*` where nothing is shown.
    text: String,
    y: u32,
    width: u32,
    /// Cells of this value that are not shown.
    hidden: u32,
}

/// A table of counts, as a chart and a table.
#[derive(Debug, Serialize)]
struct Panel {
    name: String,
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    bars: Vec<Bar>,
    height: u32,
    hidden: usize,
    words: String,
}

/// A bar and the room around it.
const STEP: u32 = 34;
/// The length of the longest bar.
const LONGEST: u64 = 420;

fn title_of(column: &str) -> String {
    match column {
        "area" => "Area",
        "age_band" => "Age",
        "gender" => "Gender",
        "condition" => "Condition",
        "service" => "Service",
        "practice" => "Practice",
        "people" => "People",
        other => other,
    }
    .to_owned()
}

/// Reads a table of counts as the release wrote it, and sums what is shown by its first column.
fn panel(name: &str, text: &str, organisations: &BTreeMap<String, String>) -> Option<Panel> {
    let mut lines = text.lines().map(cells);
    let columns = lines.next()?;
    let mut rows: Vec<Vec<String>> = lines.filter(|row| row.len() == columns.len()).collect();
    if columns.first().is_some_and(|it| it == "practice") {
        for row in &mut rows {
            if let Some(code) = row.first_mut()
                && let Some(known) = organisations.get(code.as_str())
            {
                code.clone_from(known);
            }
        }
    }
    let mut sums: Vec<(String, u64, u32)> = Vec::new();
    for row in &rows {
        let (Some(label), Some(count)) = (row.first(), row.last()) else {
            continue;
        };
        let place = sums
            .iter()
            .position(|(held, ..)| held == label)
            .unwrap_or_else(|| {
                sums.push((label.clone(), 0, 0));
                sums.len() - 1
            });
        if let Some((_, sum, hidden)) = sums.get_mut(place) {
            match count.parse::<u64>() {
                Ok(count) => *sum += count,
                Err(_) => *hidden += 1,
            }
        }
    }
    let greatest = sums
        .iter()
        .map(|(_, sum, _)| *sum)
        .max()
        .unwrap_or(0)
        .max(1);
    let bars: Vec<Bar> = sums
        .into_iter()
        .zip(0_u32..)
        .map(|((label, count, hidden), place)| Bar {
            y: place * STEP,
            width: u32::try_from(count * LONGEST / greatest).unwrap_or(0),
            text: if count == 0 && hidden > 0 {
                "*".to_owned()
            } else {
                count.to_string()
            },
            label,
            count,
            hidden,
        })
        .collect();
    let hidden = rows
        .iter()
        .filter(|row| row.last().is_some_and(|it| it == "*"))
        .count();
    let title = counts_title(name);
    let first = bars.iter().max_by_key(|bar| bar.count);
    let words = first
        .map(|bar| format!("The most are in {}, {}.", bar.label, bar.text))
        .unwrap_or_default();
    Some(Panel {
        height: u32::try_from(bars.len()).unwrap_or(0) * STEP + 4,
        name: name.to_owned(),
        words,
        columns: columns.iter().map(|it| title_of(it)).collect(),
        rows,
        bars,
        hidden,
        title,
    })
}

/// The cells of a line of CSV.
fn cells(line: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                push(&mut found, '"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => found.push(String::new()),
            other => push(&mut found, other),
        }
    }
    found
}

fn push(cells: &mut [String], letter: char) {
    if let Some(last) = cells.last_mut() {
        last.push(letter);
    }
}

/// `GET /planning`.
pub async fn page(State(state): State<Shared>, session: Session) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    let found = ask(&state, |record| record.releases().planning())
        .await?
        .map_err(failed)?;
    let organisations: BTreeMap<String, String> =
        super::organisations(&state).into_iter().collect();
    let (release, panels) = match found {
        None => (None, Vec::new()),
        Some((extract, tables)) => {
            let at = extract.sealed.as_ref().map(|it| When::day(it.at));
            let panels = tables
                .iter()
                .filter_map(|(name, text)| panel(name, text, &organisations))
                .collect::<Vec<_>>();
            let told = (
                extract.reference.clone(),
                extract.specification.title.clone(),
                at,
                day(extract.specification.destroy_by),
            );
            (Some(told), panels)
        }
    };
    draw(
        &session,
        "planning.html",
        "Planning",
        "ig-planning",
        shown! { release, panels },
    )
}

/// `GET /planning/{table}`: a table as a file, as it was released.
pub async fn file(
    State(state): State<Shared>,
    session: Session,
    Path(table): Path<String>,
) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    let wanted = table.strip_suffix(".csv").unwrap_or_default().to_owned();
    let found = ask(&state, |record| record.releases().planning())
        .await?
        .map_err(failed)?;
    let text = found.and_then(|(_, tables)| tables.into_iter().find(|(name, _)| *name == wanted));
    let (_, text) = text.ok_or_else(Problem::not_found)?;
    let name = format!("attachment; filename=\"{wanted}.csv\"");
    Ok((
        [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, name),
        ],
        text,
    )
        .into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_the_sum_of_what_is_shown_and_says_what_is_not() {
        let text = "area,age_band,people\r\nSE99,40-49,120\r\nSE99,50-59,*\r\nSE98,40-49,*\r\n\"a, b\",0-9,60\r\n";
        let panel = panel("by_area", text, &BTreeMap::new()).expect("a table");
        assert_eq!(panel.title, "People by area");
        assert_eq!(panel.columns, ["Area", "Age", "People"]);
        let told: Vec<_> = panel
            .bars
            .iter()
            .map(|bar| (bar.label.as_str(), bar.text.as_str(), bar.width, bar.hidden))
            .collect();
        assert_eq!(
            told,
            [
                ("SE99", "120", 420, 1),
                ("SE98", "*", 0, 1),
                ("a, b", "60", 210, 0)
            ]
        );
        assert_eq!(panel.hidden, 2);
    }
}
