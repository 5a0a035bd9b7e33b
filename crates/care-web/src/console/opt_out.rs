//! The check for national data opt-outs, as those who answer for it see it: how the mailbox does, how far
//! each check got, and a way to ask about a list. Counts and times only: whose number did not come back
//! stands on no page, and no
//! list is so short that its count would tell.

use axum::Router;
use axum::extract::{Form, State};
use axum::response::Response;
use axum::routing::get;
use care_core::secondary_use::check::read_list;
use care_core::vocabulary::Role;
use care_record::{CheckRow, FEWEST_ASKED_BY_HAND, OptOutCheckError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{allowed, draw_form, guard};
use crate::components::{see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// Who answers for the check.
pub const ROLES: guard::Roles = &[Role::PrivacyOfficer, Role::CaldicottGuardian, Role::Analyst];

/// The most checks on the page, newest first.
const SHOWN: usize = 50;
const LONGEST_REFERENCE: usize = 80;

/// The addresses of this room.
pub fn router() -> Router<Shared> {
    Router::new().route("/ig/opt-out-checks", get(look).post(ask))
}

/// A check in words.
#[derive(Serialize)]
struct Row {
    id: String,
    asked: String,
    by: String,
    reference: String,
    people: u64,
    lists: usize,
    state: &'static str,
    out: String,
    trouble: Vec<String>,
}

fn time(at: Timestamp) -> String {
    let zone = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
    at.to_zoned(zone).strftime("%-d %b %Y, %H:%M").to_string()
}

/// A count of people left out, as it may be shown: from 1 to 7 it is not told, else rounded to 5.
fn small(count: u64) -> String {
    match count {
        0 => "None".to_owned(),
        1..=7 => "Fewer than 8".to_owned(),
        many => format!("About {}", (many + 2) / 5 * 5),
    }
}

fn row((id, row): (String, CheckRow)) -> Row {
    let back = row.returned();
    Row {
        asked: time(row.asked_at),
        people: row.sent(),
        lists: row.lists.len(),
        state: row.state().words(),
        out: back.map_or("Not yet".to_owned(), |back| {
            small(row.sent().saturating_sub(back))
        }),
        trouble: row
            .lists
            .iter()
            .filter_map(|list| list.trouble.clone())
            .collect(),
        by: row.asked_by,
        reference: row.reference,
        id,
    }
}

async fn look(State(state): State<Shared>, session: Session) -> Result<Response, Problem> {
    show(&state, &session, &Asked::default(), &[]).await
}

#[derive(Serialize)]
struct FieldError {
    field: &'static str,
    words: String,
}

async fn show(
    state: &Shared,
    session: &Session,
    asked: &Asked,
    errors: &[FieldError],
) -> Result<Response, Problem> {
    allowed(session, ROLES)?;
    let checks = state.record.opt_out_check();
    let found =
        crate::blocking(move || Ok::<_, OptOutCheckError>((checks.health()?, checks.rows()?)));
    let (health, rows) = found.await?.map_err(Problem::unavailable)?;
    let rows: Vec<Row> = rows.into_iter().take(SHOWN).map(row).collect();
    let alarms: Vec<(String, String)> = health
        .alarms
        .iter()
        .map(|alarm| (time(alarm.since), alarm.words.clone()))
        .collect();
    draw_form(
        session,
        "ig-opt-out.html",
        "Opt-out checks",
        "ig-opt-out",
        !errors.is_empty(),
        shown! {
            rows, alarms, errors, reference => asked.reference,
            configured => health.configured,
            contact => health.contact.map(time),
            in_inbox => health.in_inbox,
            waiting => health.lists_waiting,
            unanswered => health.lists_unanswered,
            trouble => health.trouble,
            max_age => state.config.opt_out_settings().max_age_days,
        },
    )
}

#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    numbers: String,
    #[serde(default)]
    reference: String,
}

async fn ask(
    State(state): State<Shared>,
    session: Session,
    Form(asked): Form<Asked>,
) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    let list = read_list(asked.numbers.as_bytes());
    let mut errors = Vec::new();
    let reference = asked.reference.trim();
    if reference.is_empty()
        || reference.chars().count() > LONGEST_REFERENCE
        || has_number(reference)
    {
        let words =
            "Enter what the check is for, in 80 characters at most and without an NHS number";
        errors.push(FieldError {
            field: "reference",
            words: words.to_owned(),
        });
    }
    if let Some((line, why)) = list.refused.first() {
        let more = match list.refused.len() {
            1 => String::new(),
            many => format!(" ({many} lines are wrong)"),
        };
        errors.push(FieldError {
            field: "numbers",
            words: format!("Line {line}: {why}{more}"),
        });
    } else if list.numbers.is_empty() {
        errors.push(FieldError {
            field: "numbers",
            words: "Enter NHS numbers, one on each line".to_owned(),
        });
    } else if list.numbers.count() < FEWEST_ASKED_BY_HAND {
        let words = format!(
            "Enter at least {FEWEST_ASKED_BY_HAND} different numbers: the answer about a few would tell their choice"
        );
        errors.push(FieldError {
            field: "numbers",
            words,
        });
    }
    if !errors.is_empty() {
        return show(&state, &session, &asked, &errors).await;
    }
    let checks = state.record.opt_out_check();
    let (by, reference) = (session.user.id.clone(), reference.to_owned());
    let done = crate::blocking(move || checks.request(&list.numbers, &reference, &by)).await?;
    match done {
        Ok(_) => Ok(see_other("/ig/opt-out-checks")),
        Err(why @ OptOutCheckError::NotConfigured) => {
            Err(Problem::invalid("No check can be made", why.to_string()))
        }
        Err(why) => Err(Problem::unavailable(why)),
    }
}

/// Ten digits in a row, however they are spaced.
fn has_number(text: &str) -> bool {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    digits
        .as_bytes()
        .windows(10)
        .any(|ten| ten.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_counts_are_not_told_and_the_rest_are_rounded() {
        let told = [0, 1, 7, 8, 12, 13, 100].map(small);
        let expected = [
            "None",
            "Fewer than 8",
            "Fewer than 8",
            "About 10",
            "About 10",
            "About 15",
            "About 100",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_reference_with_an_nhs_number_is_seen_however_it_is_spaced() {
        assert!(has_number("for 999 000 0107") && has_number("x9990000107"));
        assert!(!has_number("Release 12 of 2026"));
    }
}
