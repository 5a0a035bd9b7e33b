//! M6 get a copy: what, of which dates, in which format. On screen, as a file, or as a request for what
//! people make: paper, braille, audio.

use axum::extract::{RawForm, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use care_core::fhir::{Json, Limits};
use care_record::{FhirAsk, FhirResource, Look, OwnCase, OwnRecord, Stated};
use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::Serialize;

use super::looked::start_of;
use super::told::{Row, choice_row, row, shared_rows};
use super::{Oneself, ask, copy_files, day, draw, moment, own_record, public_name, requests};
use crate::components::{Head, shown};
use crate::documents;
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// What may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    Looked,
    Choices,
    Shared,
    Health,
}

const WHAT: &[(What, &str, &str)] = &[
    (What::Looked, "looked", "Who has looked at your record"),
    (What::Choices, "choices", "Your choices, from the first on"),
    (What::Shared, "shared", "What is shared about you"),
];
const HEALTH: (What, &str, &str) = (
    What::Health,
    "health",
    "Health information that Connect Care holds (as FHIR data only)",
);

const FORMATS: &[(&str, &str, &str)] = &[
    ("page", "On screen", "at once"),
    ("pdf", "PDF", "at once"),
    ("large-print", "PDF in large print", "at once"),
    ("csv", "Table (CSV)", "at once"),
    ("fhir", "Data for an app (FHIR)", "at once"),
    ("paper", "Paper, by post", "within 5 working days"),
    ("braille", "Braille", "within 10 working days"),
    ("audio", "Audio", "within 10 working days"),
];

/// A page of FHIR read at a time, and at most.
const AT_ONCE: usize = 500;
const AT_MOST: usize = 20_000;

/// One table of the copy.
#[derive(Serialize)]
pub(super) struct Section {
    pub what: What,
    pub heading: &'static str,
    intro: &'static str,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// What was asked for.
#[derive(Default, Serialize)]
struct Wanted {
    what: Vec<String>,
    from: String,
    to: String,
    format: String,
}

impl Wanted {
    fn read(form: &[u8]) -> Self {
        let mut wanted = Self::default();
        for (name, value) in form_urlencoded::parse(form) {
            let value: String = value.chars().take(40).collect();
            match &*name {
                "what" => wanted.what.push(value),
                "from" => wanted.from = value,
                "to" => wanted.to = value,
                "format" => wanted.format = value,
                _ => {}
            }
        }
        wanted
    }

    fn has(&self, code: &str) -> bool {
        self.what.iter().any(|one| one == code)
    }
}

/// `GET /me/download`.
pub(super) async fn form(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    let today = care_core::sections::local(state.clock.now()).date();
    let wanted = Wanted {
        what: vec!["looked".to_owned()],
        from: today.checked_sub(3.months()).unwrap_or(today).to_string(),
        to: today.to_string(),
        format: "page".to_owned(),
    };
    show(&state, &session, &wanted, "", "").await
}

async fn show(
    state: &Shared,
    session: &Session,
    wanted: &Wanted,
    error: &str,
    reference: &str,
) -> Result<Response, Problem> {
    let record = own_record(state, session, "download").await?;
    let mut choices = WHAT.to_vec();
    if state.config.portal.clinical_copy {
        choices.push(HEALTH);
    }
    let boxes: Vec<(&str, &str, bool)> = choices
        .iter()
        .map(|(_, code, words)| (*code, *words, wanted.has(code)))
        .collect();
    let organisations: Vec<(&str, &str)> = record
        .sources
        .iter()
        .filter(|source| source.connected)
        .map(|source| (source.name.as_str(), source.phone.as_str()))
        .collect();
    let head = Head::new("Get a copy", "me-copy").with_error(!error.is_empty());
    let shown = shown! { boxes, wanted, formats => FORMATS, error, reference, organisations };
    draw(state, session, &record, "me-download.html", &head, shown)
}

/// `POST /me/download`: the copy, or a request for it.
pub(super) async fn make(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    RawForm(form): RawForm,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(&form);
    let days = (wanted.from.parse::<Date>(), wanted.to.parse::<Date>());
    let error = match &days {
        _ if wanted.what.is_empty() => "Choose what you want a copy of",
        _ if !FORMATS.iter().any(|(code, ..)| *code == wanted.format) => "Choose a format",
        (Ok(from), Ok(to)) if from > to => "The first day must not be after the last day",
        (Ok(_), Ok(_)) => "",
        _ => "Enter both days as year-month-day, for example 2026-10-02",
    };
    let health = wanted.has("health");
    let error = match error {
        "" if health && !state.config.portal.clinical_copy => "Choose what you want a copy of",
        "" if health && wanted.format != "fhir" => {
            "Health information comes as data for an app (FHIR). Choose that format, or leave it out"
        }
        other => other,
    };
    let (Ok(from), Ok(to), "") = (days.0, days.1, error) else {
        return show(&state, &session, &wanted, error, "").await;
    };
    if matches!(wanted.format.as_str(), "paper" | "braille" | "audio") {
        return request(&state, &session, &wanted).await;
    }
    let record = own_record(&state, &session, "download").await?;
    let (looks, sections) = gather(&state, &session, &record, &wanted, (from, to)).await?;
    let name = format!(
        "connect-care-copy-{}",
        care_core::sections::local(state.clock.now()).date()
    );
    match wanted.format.as_str() {
        "csv" => Ok(file(
            "text/csv; charset=utf-8",
            &format!("{name}.csv"),
            copy_files::csv(&sections).into_bytes(),
        )),
        "fhir" => {
            let clinical = if health {
                clinical(&state, &session, &record).await?
            } else {
                Vec::new()
            };
            let now = state.clock.now().to_string();
            let bundle = copy_files::bundle(&sections, &looks, &clinical, &now)
                .map_err(Problem::unavailable)?;
            let name = format!("{name}.json");
            Ok(file("application/fhir+json", &name, bundle.into_bytes()))
        }
        "pdf" | "large-print" => {
            let data = paper(&state, &record, &sections, wanted.format == "large-print");
            let made = crate::blocking(move || documents::pdf("own-copy.typ", &data)).await?;
            let made = made.map_err(Problem::unavailable)?;
            Ok(file("application/pdf", &format!("{name}.pdf"), made))
        }
        _ => {
            let head = Head::new("Your copy", "me-copy");
            let made = moment(state.clock.now());
            let shown = shown! { sections, made };
            draw(&state, &session, &record, "me-copy.html", &head, shown)
        }
    }
}

/// A copy that people make: a case with a reference.
async fn request(state: &Shared, session: &Session, wanted: &Wanted) -> Result<Response, Problem> {
    own_record(state, session, "download").await?;
    let caller = session.caller();
    let said = format!(
        "{} of {} from {} to {}",
        wanted.format,
        wanted.what.join(", "),
        wanted.from,
        wanted.to
    );
    let reference = ask(state, move |door| {
        door.own_case(&caller, OwnCase::Copy, &said)
    })
    .await?;
    let letters = requests::letters(state, session).await?;
    let due = letters
        .requests
        .iter()
        .find(|one| one.reference == *reference)
        .and_then(|one| one.due_at)
        .map_or_else(String::new, |due| format!(" We answer by {}.", day(due)));
    show(state, session, wanted, &due, reference.as_str()).await
}

/// The tables asked for, and the looks among them.
async fn gather(
    state: &Shared,
    session: &Session,
    record: &OwnRecord,
    wanted: &Wanted,
    (from, to): (Date, Date),
) -> Result<(Vec<Row>, Vec<Section>), Problem> {
    let since = start_of(from).unwrap_or(Timestamp::MIN);
    let end = to
        .tomorrow()
        .ok()
        .and_then(start_of)
        .unwrap_or(Timestamp::MAX);
    let (mut looks, mut sections) = (Vec::new(), Vec::new());
    if wanted.has("looked") {
        let caller = session.caller();
        let all = ask(state, move |door| door.who_looked(&caller, since)).await?;
        let names = state.content.policy.show_staff_names;
        let within = |look: &&Look| look.at < end && !look.own;
        looks = all
            .iter()
            .filter(within)
            .map(|look| row(look, names))
            .collect();
        sections.push(looked_section(&looks));
    }
    if wanted.has("choices") {
        let caller = session.caller();
        let made = ask(state, move |door| door.choices_made(&caller)).await?;
        let within = made.iter().filter(|one| one.at >= since && one.at < end);
        sections.push(Section {
            what: What::Choices,
            heading: "Your choices",
            intro: "Every choice about Connect Care in this time, newest first.",
            columns: columns(&["When", "Choice", "Who chose", "How", "Reference"]),
            rows: within.map(|one| choice_row(one).to_vec()).collect(),
        });
    }
    if wanted.has("shared") {
        sections.push(Section {
            what: What::Shared,
            heading: "What is shared about you",
            intro: "The organisations that share, and what they share, as it is today.",
            columns: columns(&[
                "Organisation",
                "What it shares",
                "What it does not share",
                "How often it sends",
                "When it last sent anything",
            ]),
            rows: shared_rows(record).into_iter().map(Vec::from).collect(),
        });
    }
    Ok((looks, sections))
}

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn looked_section(looks: &[Row]) -> Section {
    let cells = |row: &Row| {
        vec![
            row.when.clone(),
            row.what.to_owned(),
            row.job.clone(),
            row.place.clone(),
            row.team.to_owned(),
            row.why.clone(),
            row.seen.join(", "),
            if row.printed { "Yes" } else { "No" }.to_owned(),
        ]
    };
    Section {
        what: What::Looked,
        heading: "Who has looked at your record",
        intro: "Everybody who looked in this time, newest first. Your own views are left out.",
        columns: columns(&[
            "When",
            "What",
            "Job",
            "Organisation",
            "Team",
            "Why",
            "They looked at",
            "Printed",
        ]),
        rows: looks.iter().map(cells).collect(),
    }
}

/// Everything clinical that the rules let this person see of the record.
async fn clinical(
    state: &Shared,
    session: &Session,
    record: &OwnRecord,
) -> Result<Vec<FhirResource>, Problem> {
    let purpose = if record.acting_for {
        "proxy_view"
    } else {
        "self_view"
    };
    let stated = Stated {
        purpose: purpose.to_owned(),
        permission: None,
        break_glass: None,
        case: None,
    };
    let (mut all, mut after): (Vec<FhirResource>, Option<String>) = (Vec::new(), None);
    let (days, now) = (state.config.portal.clinical_delay_days, state.clock.now());
    loop {
        let (caller, person) = (session.caller(), record.person.to_string());
        let asked = FhirAsk {
            stated: stated.clone(),
            only_person: None,
        };
        let from = after.clone();
        let page = ask(state, move |door| {
            door.fhir_search(&caller, &asked, &person, &[], AT_ONCE, from.as_deref())
        })
        .await?
        .into_inner();
        let waited = |one: &FhirResource| has_waited(one, days, now);
        all.extend(page.resources.into_iter().filter(waited));
        after = page.next;
        if after.is_none() || all.len() >= AT_MOST {
            return Ok(all);
        }
    }
}

/// Whether it came in long enough ago. Who the person is waits for nothing; what does not say when it
/// came waits for ever.
fn has_waited(resource: &FhirResource, days: u32, now: Timestamp) -> bool {
    if days == 0 || resource.resource_type == care_core::fhir::ResourceType::PATIENT {
        return true;
    }
    let delay = jiff::SignedDuration::from_hours(24 * i64::from(days));
    let json = Json::parse(&resource.body, Limits::default()).ok();
    let came = json.as_ref().and_then(|json| {
        json.text_at(&["meta", "lastUpdated"])?
            .parse::<Timestamp>()
            .ok()
    });
    came.is_some_and(|came| came.saturating_add(delay).is_ok_and(|end| end <= now))
}

/// The copy as the template of the PDF takes it.
fn paper(
    state: &Shared,
    record: &OwnRecord,
    sections: &[Section],
    large_print: bool,
) -> serde_json::Value {
    let section = |section: &Section| {
        let item = |row: &Vec<String>| {
            let facts: Vec<(&String, &String)> = section
                .columns
                .iter()
                .zip(row)
                .skip(1)
                .filter(|(_, value)| !value.is_empty())
                .collect();
            serde_json::json!({ "title": row.first(), "facts": facts })
        };
        let items: Vec<_> = section.rows.iter().map(item).collect();
        let intro = if items.is_empty() {
            "There is nothing in this time."
        } else {
            section.intro
        };
        serde_json::json!({ "heading": section.heading, "intro": intro, "items": items })
    };
    let contact = &state.content.contact;
    serde_json::json!({
        "title": "Your copy from Connect Care",
        "large_print": large_print,
        "foot": "Connect Care. Private: about one person.",
        "about": format!("About {}.", public_name(&record.known)),
        "made": format!("Made on {}.", moment(state.clock.now())),
        "sections": sections.iter().map(section).collect::<Vec<_>>(),
        "help": format!("Phone {}, {}.", contact.phone, contact.hours),
    })
}

fn file(kind: &'static str, name: &str, body: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_in_lately_is_not_in_the_copy() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
        let observation = |came: &str| FhirResource {
            resource_type: care_core::fhir::ResourceType::from_name("Observation").expect("a type"),
            id: "1".to_owned(),
            version: 1,
            updated_at: None,
            body: format!(
                "{{\"resourceType\":\"Observation\",\"meta\":{{\"lastUpdated\":\"{came}\"}}}}"
            )
            .into_bytes(),
        };
        for (came, days, shown) in [
            ("2026-11-23T09:00:00Z", 14, false),
            ("2026-11-09T10:00:01Z", 14, false),
            ("2026-11-09T10:00:00Z", 14, true),
            ("no time", 14, false),
            ("2026-11-23T09:00:00Z", 0, true),
        ] {
            assert_eq!(
                has_waited(&observation(came), days, now),
                shown,
                "{came} {days}"
            );
        }
    }
}
