//! Service status: whether it works now, what is planned, and what happened in the last months. Noted
//! by the service itself: each start, stop and change of state. No log-in, and nothing about anybody.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use care_core::sections::{When, local};
use care_record::{ServiceChange, ServiceState};
use jiff::civil::DateTime;
use serde::Serialize;

use super::draw;
use crate::components::shown;
use crate::problem::Problem;
use crate::serve::Stop;
use crate::state::Shared;

/// How often the service looks at itself.
const EVERY: Duration = Duration::from_secs(30);
/// Changes the page goes back to at most.
const HISTORY: u32 = 200;

/// Notes the start, every change of state, and the stop.
pub async fn watch(state: Shared, mut stop: Stop) {
    note(&state, ServiceState::Started).await;
    let mut held = ServiceState::Working;
    loop {
        tokio::select! {
            () = stop.wait() => break,
            () = tokio::time::sleep(EVERY) => {}
        }
        let now = how_it_is(&state).await;
        if now != held {
            note(&state, now).await;
            held = now;
        }
    }
    note(&state, ServiceState::Stopped).await;
}

async fn note(state: &Shared, into: ServiceState) {
    let log = state.record.service_log();
    let noted = crate::blocking(move || log.note(into)).await;
    if !matches!(noted, Ok(Ok(()))) {
        // A disk that takes no entry cannot take this one; the page says the present state all the same.
        tracing::warn!("the state of the service was not noted");
    }
}

async fn how_it_is(state: &Shared) -> ServiceState {
    let operations = state.record.operations();
    let health = crate::blocking(move || operations.health()).await;
    match health.ok().and_then(Result::ok) {
        Some(one) if one.writable => ServiceState::Working,
        Some(one) if one.on_reserve => ServiceState::ReadOnly,
        _ => ServiceState::Problem,
    }
}

/// One stretch of the history, in words.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Told {
    from: String,
    machine: String,
    until: String,
    what: &'static str,
}

/// Something planned, or something that was.
#[derive(Debug, Serialize)]
struct Notice<'a> {
    from: String,
    until: String,
    what: &'a str,
}

/// `GET /service-status`.
pub async fn page(State(state): State<Shared>) -> Result<Response, Problem> {
    let held = how_it_is(&state).await;
    let readable = held != ServiceState::Problem;
    let checks = [
        ("Staff can see records", readable),
        (
            "New information is coming in",
            held == ServiceState::Working,
        ),
        ("People can log in", state.config.client_secret().is_ok()),
    ];
    let works = checks.iter().all(|(_, ok)| *ok);
    let now = state.clock.now();
    let log = state.record.service_log();
    let latest = crate::blocking(move || log.latest(HISTORY)).await?;
    let history = history(&latest.unwrap_or_default());
    let today = local(now);
    let (mut planned, mut past) = (Vec::new(), Vec::new());
    for notice in &state.content.service {
        let told = Notice {
            from: day_and_time(&notice.from),
            until: day_and_time(&notice.until),
            what: &notice.what,
        };
        let over = read_time(&notice.until).is_some_and(|until| until < today);
        if over {
            past.push(told)
        } else {
            planned.push(told)
        }
    }
    let at = crate::portal::moment(now);
    let machine = When::moment(now).machine;
    let with = shown! { checks, works, at, machine, history, planned, past };
    draw(&state, "public-status.html", "Service status", "", with)
}

/// Stretches in which something was not as it should be, newest first. A start without a stop before
/// it means that the service went away without notice; since when, nobody wrote down.
fn history(newest_first: &[ServiceChange]) -> Vec<Told> {
    let mut told = Vec::new();
    for (place, change) in newest_first.iter().enumerate() {
        let after = place
            .checked_sub(1)
            .and_then(|place| newest_first.get(place));
        let before = newest_first.get(place + 1);
        let what = match change.state {
            ServiceState::Stopped => "Stopped",
            ServiceState::ReadOnly => "Records could be read. New information waited.",
            ServiceState::Problem => "Records could not be read.",
            ServiceState::Started
                if before.is_some_and(|one| one.state != ServiceState::Stopped) =>
            {
                "Came back after it stopped without notice."
            }
            ServiceState::Started | ServiceState::Working => continue,
        };
        let until = match (change.state, after) {
            (ServiceState::Started, _) => String::new(),
            (_, Some(after)) => crate::portal::moment(after.at),
            (_, None) => "now".to_owned(),
        };
        told.push(Told {
            from: crate::portal::moment(change.at),
            machine: When::moment(change.at).machine,
            until,
            what,
        });
    }
    told
}

fn read_time(text: &str) -> Option<DateTime> {
    DateTime::strptime("%Y-%m-%d %H:%M", text).ok()
}

/// `2026-12-06 02:00` as people read it; anything else as it is.
fn day_and_time(text: &str) -> String {
    let Some(at) = read_time(text) else {
        return text.to_owned();
    };
    let half = if at.hour() < 12 { "am" } else { "pm" };
    let hour = match at.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let minute = if at.minute() == 0 {
        String::new()
    } else {
        format!(":{:02}", at.minute())
    };
    format!("{}, {hour}{minute}{half}", at.strftime("%A %-d %B %Y"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(at: &str, state: ServiceState) -> ServiceChange {
        ServiceChange {
            at: at.parse().expect("a moment"),
            state,
        }
    }

    #[test]
    fn the_history_tells_what_was_wrong_and_until_when() {
        use ServiceState::{Problem, Started, Stopped, Working};
        let newest_first = [
            change("2026-11-23T12:00:00Z", Started),
            change("2026-11-23T10:05:00Z", Working),
            change("2026-11-23T10:00:00Z", Problem),
            change("2026-11-23T08:00:00Z", Started),
            change("2026-11-23T07:00:00Z", Stopped),
            change("2026-11-22T07:00:00Z", Started),
        ];
        let told = history(&newest_first);
        let what: Vec<&str> = told.iter().map(|one| one.what).collect();
        assert_eq!(
            what,
            [
                "Came back after it stopped without notice.",
                "Records could not be read.",
                "Stopped"
            ]
        );
        assert!(told[1].until.contains("10:05"), "{told:?}");
        assert!(
            told[2].until.contains("8am") || told[2].until.contains("8:00am"),
            "{told:?}"
        );
    }

    #[test]
    fn planned_work_is_told_as_people_read_it() {
        assert_eq!(
            day_and_time("2026-12-06 02:00"),
            "Sunday 6 December 2026, 2am"
        );
        assert_eq!(
            day_and_time("2026-12-06 12:30"),
            "Sunday 6 December 2026, 12:30pm"
        );
        assert_eq!(day_and_time("soon"), "soon");
    }
}
