//! Earlier versions: one of them (vread), and histories of one thing, of a type, of everything a source
//! sent. A person's token reads the history of one thing at a time, under its decision of now.
//!
//! Source: FHIR R4 sections 3.1.0.3 (vread) and 3.1.0.12 (history).

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use care_core::fhir::search::Handling;
use care_core::fhir::{FhirTime, Json, ResourceType};
use care_record::{FhirError, HistoryAsk, HistoryEntry, HistoryPage, HistoryPlace};
use jiff::Timestamp;

use super::answer::{self, Prefer, fhir_json};
use super::asker::Asker;
use super::read::{MOST_ITEMS, check_id};
use super::search::fhir_problem;
use super::write::type_of;
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Interaction;
use crate::state::Shared;

/// The addresses of earlier versions.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/fhir/R4/_history", get(of_system))
        .route("/fhir/R4/{type}/_history", get(of_type))
        .route("/fhir/R4/{type}/{id}/_history", get(of_one))
        .route("/fhir/R4/{type}/{id}/_history/{version}", get(version))
}

async fn version(
    State(state): State<Shared>,
    Path((kind, id, version)): Path<(String, String, String)>,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let kind = type_of(&kind)?;
    check_id(&id)?;
    whole(&who, kind)?;
    let Ok(version) = version.parse::<u32>() else {
        return Err(fhir_problem(FhirError::not_there()).into());
    };
    let found = match who {
        Asker::Person { caller, ask, .. } => {
            let disclosure = state.record.disclosure();
            crate::blocking(move || disclosure.fhir_vread(&caller, &ask, kind, &id, version))
                .await?
        }
        Asker::Source { caller, .. } => {
            let supply = state.record.supply();
            crate::blocking(move || supply.version(&caller, kind, &id, version)).await?
        }
    };
    Ok(answer::resource(found.map_err(fhir_problem)?.into_inner()))
}

async fn of_one(
    State(state): State<Shared>,
    Path((kind, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    who: Asker,
    prefer: Prefer,
) -> Result<Response, ApiProblem> {
    let kind = type_of(&kind)?;
    check_id(&id)?;
    whole(&who, kind)?;
    let ask = read_query(query.as_deref(), &state, prefer)?;
    let address = format!("{kind}/{id}/_history");
    let asked = ask.clone();
    let found = match who {
        Asker::Person {
            caller,
            ask: stated,
            ..
        } => {
            let disclosure = state.record.disclosure();
            crate::blocking(move || disclosure.fhir_history(&caller, &stated, kind, &id, &asked))
                .await?
        }
        Asker::Source { caller, .. } => {
            let supply = state.record.supply();
            crate::blocking(move || supply.history(&caller, kind, &id, &asked)).await?
        }
    };
    let found = found.map_err(fhir_problem)?.into_inner();
    Ok(bundle(&state, &address, query.as_deref(), &ask, found))
}

async fn of_type(
    state: State<Shared>,
    Path(kind): Path<String>,
    query: RawQuery,
    who: Asker,
    prefer: Prefer,
) -> Result<Response, ApiProblem> {
    let kind = type_of(&kind)?;
    whole(&who, kind)?;
    changes(state, query, who, prefer, Some(kind)).await
}

async fn of_system(
    state: State<Shared>,
    query: RawQuery,
    who: Asker,
    prefer: Prefer,
) -> Result<Response, ApiProblem> {
    let context = who.bearer().context();
    if who.source().is_ok() && !who.scopes().allow_every(context, Interaction::Read) {
        return Err(Problem::forbidden(
            "The token does not allow this",
            "The history of everything needs the scope system/*.r; ask for the history of a type.",
        )
        .into());
    }
    changes(state, query, who, prefer, None).await
}

async fn changes(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    who: Asker,
    prefer: Prefer,
    kind: Option<ResourceType>,
) -> Result<Response, ApiProblem> {
    let caller = who.source()?.clone();
    let ask = read_query(query.as_deref(), &state, prefer)?;
    let address = kind.map_or_else(|| "_history".to_owned(), |kind| format!("{kind}/_history"));
    let (supply, asked) = (state.record.supply(), ask.clone());
    let found = crate::blocking(move || supply.changes(&caller, kind, &asked)).await?;
    let found = found.map_err(fhir_problem)?.into_inner();
    Ok(bundle(&state, &address, query.as_deref(), &ask, found))
}

/// A history is not cut by granular scopes: they speak of what a thing is now.
fn whole(who: &Asker, kind: ResourceType) -> Result<(), ApiProblem> {
    if who.may(kind, Interaction::Read)?.is_everything() {
        return Ok(());
    }
    Err(Problem::forbidden(
        "The token does not allow this",
        "Earlier versions need a scope of the type without a query.",
    )
    .into())
}

fn read_query(
    query: Option<&str>,
    state: &Shared,
    prefer: Prefer,
) -> Result<HistoryAsk, ApiProblem> {
    let mut ask = HistoryAsk {
        count: state.config.fhir.page_items,
        ..HistoryAsk::default()
    };
    let unclear = |name: &str, what: &'static str, mend: &'static str| {
        ApiProblem::from(Problem::invalid(what, mend).at_parameter(name))
    };
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "_count" => {
                let count: usize = value.parse().map_err(|_| {
                    unclear(
                        "_count",
                        "_count is a whole number, 0 or more",
                        "Leave it out to get the usual page.",
                    )
                })?;
                ask.count = count.clamp(1, MOST_ITEMS);
            }
            "_since" => {
                let time = time(&value).ok_or_else(|| {
                    unclear(
                        "_since",
                        "_since is no instant",
                        "Write a date with time and zone: 2026-11-23T10:00:00Z.",
                    )
                })?;
                ask.since = Some(time.0);
            }
            "_at" => {
                ask.at = Some(time(&value).ok_or_else(|| {
                    unclear(
                        "_at",
                        "_at is no date",
                        "Write a date, or a date with time and zone: 2026-11-23.",
                    )
                })?);
            }
            "_page" => {
                ask.after = Some(read_place(&value).ok_or_else(|| {
                    unclear(
                        "_page",
                        "This page link is none of ours",
                        "Ask for the history again.",
                    )
                })?);
            }
            "_format" | "_pretty" | "_summary" | "_elements" => {}
            _ if prefer.handling == Handling::Lenient => {}
            other => {
                return Err(Problem::new(
                    axum::http::StatusCode::BAD_REQUEST,
                    "not-supported",
                    "A history knows no such parameter",
                    "Supported are _since, _at and _count; Prefer: handling=lenient passes others over.",
                )
                .at_parameter(other)
                .into());
            }
        }
    }
    Ok(ask)
}

/// From the first to the last moment a date allows.
fn time(text: &str) -> Option<(Timestamp, Timestamp)> {
    // A + in an address is a space.
    let time = FhirTime::parse(&text.replace(' ', "+"))?;
    Some((time.earliest(), time.latest()))
}

fn write_place(place: HistoryPlace) -> String {
    match place {
        HistoryPlace::Version(version) => format!("v{version}"),
        HistoryPlace::Change((moment, part, kind, item, version)) => {
            format!("c{moment}.{part}.{kind}.{item}.{version}")
        }
    }
}

fn read_place(text: &str) -> Option<HistoryPlace> {
    if let Some(version) = text.strip_prefix('v') {
        return version.parse().ok().map(HistoryPlace::Version);
    }
    let mut parts = text.strip_prefix('c')?.split('.');
    let mut number = || parts.next()?.parse::<u64>().ok();
    let place = HistoryPlace::Change((
        number()?,
        number()?,
        u16::try_from(number()?).ok()?,
        number()?,
        u32::try_from(number()?).ok()?,
    ));
    parts.next().is_none().then_some(place)
}

fn bundle(
    state: &Shared,
    address: &str,
    query: Option<&str>,
    ask: &HistoryAsk,
    found: HistoryPage,
) -> Response {
    let base = state.fhir_base();
    let link = |place: Option<HistoryPlace>| {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        let given = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        pairs.extend_pairs(given.filter(|(name, _)| name != "_page"));
        if let Some(place) = place {
            pairs.append_pair("_page", &write_place(place));
        }
        let query = pairs.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        Json::text(format!("{base}/{address}{mark}{query}"))
    };
    let mut links = vec![Json::object([
        ("relation", "self".into()),
        ("url", link(ask.after)),
    ])];
    if let Some(next) = found.next {
        links.push(Json::object([
            ("relation", "next".into()),
            ("url", link(Some(next))),
        ]));
    }
    let mut out = String::from("{\"resourceType\":\"Bundle\",\"type\":\"history\"");
    if ask.after.is_none() && found.next.is_none() {
        out.push_str(&format!(",\"total\":{}", found.entries.len()));
    }
    out.push_str(",\"link\":");
    Json::Array(links).write_to(&mut out);
    let mut out = out.into_bytes();
    for (place, one) in found.entries.iter().enumerate() {
        out.extend_from_slice(if place == 0 { b",\"entry\":[" } else { b"," });
        entry(&base, one, &mut out);
    }
    out.extend_from_slice(if found.entries.is_empty() {
        b"}"
    } else {
        b"]}"
    });
    fhir_json(out)
}

/// One version: what it was, and the request and response that a client would have seen.
fn entry(base: &str, one: &HistoryEntry, out: &mut Vec<u8>) {
    let resource = &one.resource;
    let (kind, id, version) = (resource.resource_type, &resource.id, resource.version);
    let address = format!("{kind}/{id}");
    out.extend_from_slice(format!("{{\"fullUrl\":\"{base}/{address}\",").as_bytes());
    if !one.deleted {
        out.extend_from_slice(b"\"resource\":");
        out.extend_from_slice(&resource.body);
        out.push(b',');
    }
    let (method, url, status) = match (one.deleted, version) {
        (true, _) => ("DELETE", address, "204"),
        (false, 1) => ("POST", kind.to_string(), "201"),
        (false, _) => ("PUT", address, "200"),
    };
    let response = Json::object([
        ("status", status.into()),
        ("etag", Json::text(format!("W/\"{version}\""))),
        (
            "lastModified",
            resource.updated_at.map(|at| format!("{at:.3}")).into(),
        ),
    ]);
    let request = Json::object([("method", method.into()), ("url", Json::text(url))]);
    out.extend_from_slice(format!("\"request\":{request},\"response\":{response}}}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_page_reads_back_and_nothing_else_does() {
        let places = [
            HistoryPlace::Version(7),
            HistoryPlace::Change((9, u64::MAX, 12, 3, 4)),
        ];
        for place in places {
            assert_eq!(read_place(&write_place(place)), Some(place));
        }
        for wrong in [
            "",
            "7",
            "v",
            "vx",
            "c1.2.3.4",
            "c1.2.3.4.5.6",
            "c1.2.70000.4.5",
        ] {
            assert_eq!(read_place(wrong), None, "{wrong}");
        }
    }
}
