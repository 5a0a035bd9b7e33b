//! `GET /fhir/R4/AuditEvent`: the log for its reviewers, as IHE BALP AuditEvents. Nobody else reads
//! it, and sources cannot write it: an entry comes of an act alone.

use axum::http::StatusCode;
use axum::response::Response;
use care_core::audit_event::audit_event;
use care_core::vocabulary::PersonId;
use care_record::{Caller, FhirAsk, LogAsk, RecordedEntry};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::answer::fhir_json;
use super::read::{MOST_ITEMS, problem};
use crate::problem::{ApiProblem, Problem};
use crate::state::Shared;

/// The type's name.
pub const TYPE: &str = "AuditEvent";

/// What may be searched for, for the CapabilityStatement.
pub fn parameters() -> serde_json::Value {
    let one = |name: &str, kind: &str, words: &str| serde_json::json!({ "name": name, "type": kind, "documentation": words });
    serde_json::Value::from(vec![
        one(
            "patient",
            "reference",
            "Reviewers of the log only, as all of these",
        ),
        one(
            "date",
            "date",
            "ge, gt, le, lt, or a day; may be given twice",
        ),
        one("agent", "reference", "The user's id"),
        one("action", "token", "C, R, U or E"),
        one("outcome", "token", "0, 4 or 8"),
    ])
}

/// `GET /fhir/R4/AuditEvent`.
pub(super) async fn search(
    state: &Shared,
    caller: Caller,
    ask: FhirAsk,
    query: &str,
) -> Result<Response, ApiProblem> {
    let wanted = read_query(query, state.config.fhir.page_items)?;
    let disclosure = state.record.disclosure();
    let asked = wanted.clone();
    let found = crate::blocking(move || disclosure.review_log(&caller, &ask, &asked)).await?;
    let found = found.map_err(problem)?.into_inner();
    let base = state.fhir_base();
    let link = |before: Option<u64>| {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        let given = form_urlencoded::parse(query.as_bytes());
        pairs.extend_pairs(given.filter(|(name, _)| name != "page"));
        if let Some(before) = before {
            pairs.append_pair("page", &before.to_string());
        }
        format!("{base}/{TYPE}?{}", pairs.finish())
    };
    let mut links = vec![serde_json::json!({ "relation": "self", "url": link(wanted.before) })];
    if let Some(next) = found.next {
        links.push(serde_json::json!({ "relation": "next", "url": link(Some(next)) }));
    }
    let links = serde_json::Value::from(links);
    let entries: Vec<String> = found
        .entries
        .iter()
        .map(|one| in_bundle(one, &base))
        .collect();
    let entries = if entries.is_empty() {
        String::new()
    } else {
        format!(",\"entry\":[{}]", entries.join(","))
    };
    let bundle =
        format!("{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"link\":{links}{entries}}}");
    Ok(fhir_json(bundle.into_bytes()))
}

fn in_bundle((number, entry): &RecordedEntry, base: &str) -> String {
    let event = audit_event(*number, entry, base);
    let mut text = format!("{{\"fullUrl\":\"{base}/{TYPE}/{number}\",\"resource\":");
    event.write_to(&mut text);
    text.push_str(",\"search\":{\"mode\":\"match\"}}");
    text
}

/// `GET /fhir/R4/AuditEvent/{number}`.
pub(super) async fn read(
    state: &Shared,
    caller: Caller,
    ask: FhirAsk,
    id: &str,
) -> Result<Response, ApiProblem> {
    let number = id.parse::<u64>();
    let number = number.map_err(|_| problem(care_record::DisclosureError::NotThere))?;
    let disclosure = state.record.disclosure();
    let found = crate::blocking(move || disclosure.review_entry(&caller, &ask, number)).await?;
    let (number, entry) = found.map_err(problem)?.into_inner();
    let base = state.fhir_base();
    Ok(fhir_json(
        audit_event(number, &entry, &base).to_string().into_bytes(),
    ))
}

fn read_query(text: &str, page_items: usize) -> Result<LogAsk, ApiProblem> {
    let mut wanted = LogAsk {
        count: page_items,
        ..LogAsk::default()
    };
    let unclear = |what: &'static str, mend: &'static str| Problem::invalid(what, mend);
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        match name.as_ref() {
            "patient" => {
                let id = value.strip_prefix("Patient/").unwrap_or(&value);
                wanted.person = Some(PersonId::parse(id).map_err(|_| {
                    unclear("patient is none of our ids", "Give the id of a Patient of this server.")
                })?);
            }
            "agent" | "agent:identifier" => {
                wanted.who = Some(value.rsplit('|').next().unwrap_or_default().to_owned());
            }
            "action" | "outcome" => {
                let codes = if name == "action" { &["C", "R", "U", "D", "E"][..] } else { &["0", "4", "8", "12"] };
                if !codes.contains(&value.as_ref()) {
                    return Err(unclear("This is no code of AuditEvent", "action is C, R, U or E; outcome is 0, 4 or 8.").into());
                }
                let place = if name == "action" { &mut wanted.action } else { &mut wanted.outcome };
                *place = Some(value.into_owned());
            }
            "date" => date(&value, &mut wanted).ok_or_else(|| {
                unclear("The date cannot be read", "Write date=ge2026-11-01, date=lt2026-11-08T12:00:00Z, or date=2026-11-01 for one day.")
            })?,
            "_count" => {
                let count = value.parse::<usize>().map_err(|_| {
                    unclear("_count is a whole number", "Leave it out to get the usual page.")
                })?;
                wanted.count = count.clamp(1, MOST_ITEMS);
            }
            "page" => {
                let before = value.parse().map_err(|_| {
                    unclear("This page link is none of ours", "Search again.")
                })?;
                wanted.before = Some(before);
            }
            "_format" | "_pretty" | "_summary" | "_elements" => {}
            _ => {
                return Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    "not-supported",
                    "This search parameter is not supported",
                    "Supported are patient, date, agent, action, outcome and _count. A parameter that were passed over would give more than was asked.",
                )
                .into());
            }
        }
    }
    Ok(wanted)
}

/// A FHIR date parameter: a prefix, then a day in London or a moment. Both ends may be given.
fn date(text: &str, wanted: &mut LogAsk) -> Option<()> {
    let (prefix, rest) = match text.split_at_checked(2) {
        Some((prefix @ ("ge" | "gt" | "le" | "lt" | "eq" | "sa" | "eb"), rest)) => (prefix, rest),
        _ => ("eq", text),
    };
    let (from, until) = span(rest)?;
    match prefix {
        "ge" => wanted.from = Some(from),
        "gt" | "sa" => wanted.from = Some(until),
        "lt" | "eb" => wanted.until = Some(from),
        "le" => wanted.until = Some(until),
        _ => (wanted.from, wanted.until) = (Some(from), Some(until)),
    }
    Some(())
}

/// From its first moment to the first moment after it.
fn span(text: &str) -> Option<(Timestamp, Timestamp)> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some((moment, moment.checked_add(1.millisecond()).ok()?));
    }
    let day: Date = text.parse().ok()?;
    let start = |day: Date| {
        Some(
            day.to_zoned(jiff::tz::get!("Europe/London"))
                .ok()?
                .timestamp(),
        )
    };
    Some((start(day)?, start(day.tomorrow().ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_read_whole_or_refused() {
        let read = |text: &str| read_query(text, 50).ok();
        let wanted = read(
            "date=ge2026-11-01&date=lt2026-11-03&agent=urn%3Aconnect-care%3Auser%7C5550&action=R",
        );
        let wanted = wanted.expect("read");
        assert_eq!(wanted.from, "2026-11-01T00:00:00Z".parse().ok());
        assert_eq!(wanted.until, "2026-11-03T00:00:00Z".parse().ok());
        assert_eq!(wanted.who.as_deref(), Some("5550"));
        let day = read("date=2026-07-01").expect("read");
        assert_eq!(
            day.from,
            "2026-06-30T23:00:00Z".parse().ok(),
            "a day in London"
        );
        for wrong in [
            "date=yesterday",
            "action=X",
            "patient=9990000018",
            "name=Smith",
            "_count=many",
            "date=g",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
