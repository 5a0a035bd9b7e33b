//! NK1, AL1, DG1 and PR1: next of kin, allergies, diagnoses and procedures that come with a visit.

use jiff::Timestamp;

use crate::fhir::{Json, ResourceType};
use crate::hl7v2::{DateTime, Segment};

use super::fields;
use super::patient::Person;
use super::visit::Visit;
use super::work::{Work, numbered, place};

/// Drafts what these segments say.
pub(super) fn read(work: &mut Work<'_>, person: &Person, visit: Option<&Visit>, at: Timestamp) {
    let message = work.message;
    for (sequence, nk1) in numbered(message, "NK1") {
        related_person(work, person, nk1, sequence, at);
    }
    for (sequence, al1) in numbered(message, "AL1") {
        allergy(work, person, al1, sequence, at);
    }
    for (sequence, dg1) in numbered(message, "DG1") {
        diagnosis(work, person, visit, dg1, sequence, at);
    }
    for (sequence, pr1) in numbered(message, "PR1") {
        procedure(work, person, visit, pr1, sequence, at);
    }
}

fn related_person<'m>(
    work: &mut Work<'m>,
    person: &Person,
    nk1: Segment<'m>,
    sequence: usize,
    at: Timestamp,
) {
    let name = fields::name(nk1.field(2));
    if name == Json::Null {
        work.issue(
            place("NK1", sequence, 2),
            "the next of kin has no name, so it was not kept; send NK1-2",
        );
        return;
    }
    let mut telecoms: Vec<Json> = nk1
        .field(5)
        .repetitions()
        .map(|one| fields::telecom(one, "home"))
        .collect();
    telecoms.extend(
        nk1.field(6)
            .repetitions()
            .map(|one| fields::telecom(one, "work")),
    );
    telecoms.retain(|one| *one != Json::Null);
    let address = fields::address(nk1.field(4));
    let relationship = fields::concept(nk1.field(3));
    let number = nk1
        .field(1)
        .value()
        .map_or_else(|| sequence.to_string(), |n| n.into_owned());
    let body = Json::object([
        ("resourceType", "RelatedPerson".into()),
        ("active", true.into()),
        ("patient", person.reference()),
        ("relationship", Json::list(present(relationship))),
        ("name", Json::Array(vec![name])),
        ("telecom", Json::list(telecoms)),
        ("address", Json::list(present(address))),
    ]);
    work.draft(
        ResourceType::RELATED_PERSON,
        format!("{}/nk1-{number}", person.key()),
        body,
        at,
    );
}

fn present(value: Json) -> Vec<Json> {
    if value == Json::Null {
        Vec::new()
    } else {
        vec![value]
    }
}

/// HL7 tables 0127 (kind) and 0128 (severity).
fn allergy<'m>(
    work: &mut Work<'m>,
    person: &Person,
    al1: Segment<'m>,
    sequence: usize,
    at: Timestamp,
) {
    let code = fields::concept(al1.field(3));
    let Some(words) = fields::words(al1.field(3)) else {
        work.issue(
            place("AL1", sequence, 3),
            "no substance was sent, so the allergy was not kept; send AL1-3",
        );
        return;
    };
    let kind = al1.field(2).value().unwrap_or_default();
    let category = match kind.as_ref() {
        "DA" => Some("medication"),
        "FA" => Some("food"),
        "EA" | "AA" | "PA" | "LA" => Some("environment"),
        _ => None,
    };
    let severity = match al1.field(4).value().unwrap_or_default().as_ref() {
        "SV" => Some("severe"),
        "MO" => Some("moderate"),
        "MI" => Some("mild"),
        _ => None,
    };
    let reactions: Vec<Json> = al1
        .field(5)
        .repetitions()
        .filter_map(|one| one.value())
        .map(|words| fields::concept_text(Some(words.into_owned())))
        .collect();
    let reaction = (!reactions.is_empty()).then(|| {
        Json::Array(vec![Json::object([
            ("manifestation", Json::Array(reactions)),
            ("severity", severity.into()),
        ])])
    });
    let noted = work.time(al1.field(6), "AL1-6");
    let mut body = Json::object([
        ("resourceType", "AllergyIntolerance".into()),
        (
            "clinicalStatus",
            status("allergyintolerance-clinical", "active", "Active"),
        ),
        (
            "verificationStatus",
            status(
                "allergyintolerance-verification",
                "unconfirmed",
                "Unconfirmed",
            ),
        ),
        ("type", (kind != "MC").then_some("allergy").into()),
        (
            "category",
            Json::list(category.into_iter().map(Json::from).collect()),
        ),
        (
            "criticality",
            (severity == Some("severe")).then_some("high").into(),
        ),
        ("code", code),
        ("patient", person.reference()),
        (
            "onsetDateTime",
            noted.map(DateTime::to_fhir_datetime).into(),
        ),
    ]);
    body.set("recordedDate", instant(at));
    body.set("reaction", reaction.unwrap_or_default());
    let key = fields::text(al1.field(3))
        .as_text()
        .map_or(words, str::to_owned);
    work.draft(
        ResourceType::ALLERGY_INTOLERANCE,
        format!("{}/al1-{key}", person.key()),
        body,
        at,
    );
}

fn status(system: &str, code: &str, display: &str) -> Json {
    fields::coded(
        &format!("http://terminology.hl7.org/CodeSystem/{system}"),
        code,
        display,
    )
}

fn instant(at: Timestamp) -> Json {
    Json::text(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn visit_key(person: &Person, visit: Option<&Visit>) -> String {
    visit.map_or_else(|| person.key().to_owned(), |visit| visit.key.clone())
}

fn diagnosis<'m>(
    work: &mut Work<'m>,
    person: &Person,
    visit: Option<&Visit>,
    dg1: Segment<'m>,
    sequence: usize,
    at: Timestamp,
) {
    let mut code = fields::concept(dg1.field(3));
    if code == Json::Null {
        code = fields::concept_text(dg1.field(4).value().map(|words| words.into_owned()));
    } else if code
        .text_at(&["text"])
        .is_none_or(|text| Some(text) == fields::text(dg1.field(3)).as_text())
        && let Some(words) = dg1.field(4).value()
    {
        code.set("text", words.into_owned().into());
    }
    if code == Json::Null {
        work.issue(
            place("DG1", sequence, 3),
            "no diagnosis was sent, so it was not kept; send DG1-3 or DG1-4",
        );
        return;
    }
    let onset = work.time(dg1.field(5), "DG1-5");
    let withdrawn = dg1.field(21).value().as_deref() == Some("D");
    let kind = dg1.field(6).value().unwrap_or_default();
    let verification = match (withdrawn, kind.as_ref()) {
        (true, _) => ("entered-in-error", "Entered in Error"),
        (_, "W" | "A") => ("provisional", "Provisional"),
        _ => ("confirmed", "Confirmed"),
    };
    let clinical = if withdrawn {
        Json::Null
    } else {
        status("condition-clinical", "active", "Active")
    };
    let body = Json::object([
        ("resourceType", "Condition".into()),
        ("clinicalStatus", clinical),
        (
            "verificationStatus",
            status("condition-ver-status", verification.0, verification.1),
        ),
        (
            "category",
            Json::Array(vec![status(
                "condition-category",
                "encounter-diagnosis",
                "Encounter Diagnosis",
            )]),
        ),
        ("code", code),
        ("subject", person.reference()),
        ("encounter", visit.map_or(Json::Null, Visit::reference)),
        (
            "onsetDateTime",
            onset.map(DateTime::to_fhir_datetime).into(),
        ),
        ("recordedDate", instant(at)),
        ("recorder", fields::practitioner(dg1.field(16))),
    ]);
    let own = dg1
        .field(20)
        .value()
        .or_else(|| dg1.field(3).value())
        .or_else(|| dg1.field(4).value());
    let key = format!(
        "{}/dg1-{}",
        visit_key(person, visit),
        own.unwrap_or_default()
    );
    work.draft_with(ResourceType::CONDITION, key, body, at, withdrawn);
}

fn procedure<'m>(
    work: &mut Work<'m>,
    person: &Person,
    visit: Option<&Visit>,
    pr1: Segment<'m>,
    sequence: usize,
    at: Timestamp,
) {
    let mut code = fields::concept(pr1.field(3));
    if code == Json::Null {
        code = fields::concept_text(pr1.field(4).value().map(|words| words.into_owned()));
    }
    if code == Json::Null {
        work.issue(
            place("PR1", sequence, 3),
            "no procedure was sent, so it was not kept; send PR1-3",
        );
        return;
    }
    let when = work.time(pr1.field(5), "PR1-5");
    let performer = fields::practitioner(pr1.field(11));
    let performers = present(performer)
        .into_iter()
        .map(|actor| Json::object([("actor", actor)]))
        .collect();
    let own = pr1
        .field(19)
        .value()
        .map(|own| own.into_owned())
        .unwrap_or_else(|| {
            let code = pr1.field(3).value().unwrap_or_default();
            format!("{code}@{}", pr1.field(5).value().unwrap_or_default())
        });
    let body = Json::object([
        ("resourceType", "Procedure".into()),
        ("status", "completed".into()),
        ("code", code),
        ("subject", person.reference()),
        ("encounter", visit.map_or(Json::Null, Visit::reference)),
        (
            "performedDateTime",
            when.map(DateTime::to_fhir_datetime).into(),
        ),
        ("performer", Json::list(performers)),
    ]);
    let key = format!("{}/pr1-{own}", visit_key(person, visit));
    work.draft(ResourceType::PROCEDURE, key, body, at);
}
