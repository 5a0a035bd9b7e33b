//! PID, PD1 and the person's identifiers: the UK Core Patient, and who the message is about.
//!
//! NHS numbers come in several spellings (a typed repetition of PID-3 called NHS, NH, NHSNBR or
//! NHSNMBR; a bare spaced number in PID-2 or PID-19). One whose check digit is wrong is kept as
//! unusable: it goes to a worklist and nothing is linked on it.

use jiff::Timestamp;

use crate::fhir::{Json, NHS_NUMBER_SYSTEM, ResourceType};
use crate::hl7v2::{Field, Segment};
use crate::mapping::Subject;
use crate::mapping::fhir::patient_demographics;
use crate::vocabulary::{InvolvementKind, NhsNumber, OdsCode};

use super::codes::{ETHNIC_CATEGORIES, MARITAL_STATUSES, NUMBER_STATUSES, words};
use super::fields;
use super::work::{Work, organisation_reference, reference};
use super::{MapRefusal, V2Context};

const UKCORE: &str = "https://fhir.hl7.org.uk/StructureDefinition";
const UKCORE_CODES: &str = "https://fhir.hl7.org.uk/CodeSystem";

/// The person of a message.
pub(super) struct Person {
    /// As identity is told.
    pub subject: Subject,
}

impl Person {
    /// The source's key of the person.
    pub fn key(&self) -> &str {
        &self.subject.source_key
    }

    /// A reference to the person's Patient.
    pub fn reference(&self) -> Json {
        reference(ResourceType::PATIENT, self.key())
    }
}

/// Reads who the message is about and drafts their Patient. `event_at` is `None` for messages that
/// only identify the person: their draft never overwrites what an ADT said.
pub(super) fn read(work: &mut Work<'_>, event_at: Option<Timestamp>) -> Result<Person, MapRefusal> {
    let message = work.message;
    let pid = message
        .segment("PID")
        .ok_or(MapRefusal::MissingSegment { segment: "PID" })?;
    let numbers = Numbers::read(pid, work.context);
    let key = numbers.key().ok_or(MapRefusal::MissingField {
        place: "PID-3",
        why: "no identifier was sent, so nobody can say whom the message is about; send the \
              local number with its assigner, or the NHS number",
    })?;
    numbers.report(work);
    let patient = patient_resource(work, pid, &numbers);
    let (demographics, _) = patient_demographics(&patient);
    involve_practice(work, demographics.practice.clone(), event_at);
    let at = event_at.unwrap_or(Timestamp::UNIX_EPOCH);
    work.draft(ResourceType::PATIENT, key.clone(), patient, at);
    Ok(Person {
        subject: Subject {
            source_key: key,
            demographics,
        },
    })
}

/// The identifiers that give way in a merge (MRG-1, and MRG-4 and MRG-7 for the rest).
pub(super) fn merged(work: &Work<'_>, mrg: Segment<'_>) -> Option<Subject> {
    let mut numbers = Numbers::default();
    for field in [1, 4, 2] {
        numbers.take_list(mrg.field(field), work.context, true);
    }
    let source_key = numbers.key()?;
    let patient = Json::object([
        ("resourceType", "Patient".into()),
        ("identifier", Json::list(numbers.identifiers(work.context))),
        ("name", Json::list(names(mrg.field(7)))),
    ]);
    Some(Subject {
        source_key,
        demographics: patient_demographics(&patient).0,
    })
}

/// What PID-2, PID-3, PID-18 and PID-19 say, sorted out.
#[derive(Default)]
struct Numbers {
    nhs: Option<NhsNumber>,
    unusable: Option<String>,
    local: Vec<(String, String)>,
    status: Option<&'static str>,
    /// Two different NHS numbers were sent.
    conflict: bool,
    /// PID-32 holds something that is no status.
    status_unknown: bool,
}

impl Numbers {
    fn read(pid: Segment<'_>, context: &V2Context<'_>) -> Self {
        let mut numbers = Self::default();
        numbers.take_list(pid.field(3), context, true);
        numbers.take_list(pid.field(2), context, false);
        numbers.take_bare(pid.field(2), is_spaced_as_nhs);
        numbers.take_bare(pid.field(19), looks_like_nhs);
        let sent = pid.field(32).repetitions().find_map(|one| {
            let code = one.value()?;
            NUMBER_STATUSES
                .iter()
                .find(|(known, _)| *known == code)
                .map(|(known, _)| *known)
        });
        numbers.status_unknown = sent.is_none() && pid.field(32).is_valued();
        let assumed = context.numbers_are_traced && !numbers.status_unknown;
        numbers.status = sent.or(assumed.then_some("01"));
        if numbers.conflict || numbers.unusable.is_some() {
            numbers.status = numbers.status.map(|_| "05");
        }
        numbers
    }

    fn take_list(&mut self, field: Field<'_>, context: &V2Context<'_>, field_is_list: bool) {
        for one in field.repetitions() {
            let Some(value) = one.value() else { continue };
            let authority = one.component(4).value().unwrap_or_default();
            let kind = one.component(5).value().unwrap_or_default();
            if is_nhs(&authority) || is_nhs(&kind) {
                self.take_nhs(&value);
            } else if is_spaced_as_nhs(&value) && authority.is_empty() && kind.is_empty() {
                // A bare number spaced as NHS numbers are is read by `take_bare`, in PID-2 alone.
                if field_is_list {
                    self.local
                        .push((value.into_owned(), context.source.to_string()));
                }
            } else {
                let assigner = if authority.is_empty() {
                    context.source.as_str()
                } else {
                    &authority
                };
                let pair = (value.into_owned(), assigner.to_owned());
                if !self.local.contains(&pair) {
                    self.local.push(pair);
                }
            }
        }
    }

    /// Ten digits without a word about what they are, in a place and of a form where only an NHS
    /// number stands: an NHS number if the digits fit, else nothing. One local number of ten digits
    /// in eleven passes modulus 11 by chance, so the digits alone are never enough.
    fn take_bare(&mut self, field: Field<'_>, has_form: fn(&str) -> bool) {
        let says_what_it_is = field.component(4).is_valued() || field.component(5).is_valued();
        if let Some(value) = field.value()
            && !says_what_it_is
            && has_form(&value)
            && NhsNumber::parse(&value).is_ok()
        {
            self.take_nhs(&value);
        }
    }

    fn take_nhs(&mut self, value: &str) {
        match NhsNumber::parse(value) {
            Ok(number) if self.nhs.is_none() => self.nhs = Some(number),
            Ok(number) => self.conflict |= self.nhs != Some(number),
            Err(_) => self.unusable = Some(value.to_owned()),
        }
    }

    fn key(&self) -> Option<String> {
        let local = self
            .local
            .first()
            .map(|(number, assigner)| format!("{assigner}:{number}"));
        local
            .or_else(|| self.nhs.map(|number| format!("nhs:{}", number.digits())))
            .or_else(|| {
                self.unusable
                    .as_ref()
                    .map(|sent| format!("unusable:{}", sent.trim()))
            })
    }

    fn report(&self, work: &mut Work<'_>) {
        if self.unusable.is_some() {
            work.issue(
                "PID-3",
                "the NHS number's check digit does not fit (modulus 11); it was kept as unusable \
                 and nothing is linked on it; correct it and send again",
            );
        }
        if self.conflict {
            work.issue(
                "PID-3",
                "two different NHS numbers were sent; neither counts as verified until the sender \
                 says which is right; send one",
            );
        }
        if self.status_unknown {
            work.issue(
                "PID-32",
                "the status of the NHS number is none of 01 to 08; the number was taken as not \
                 traced; send 01 where it was traced",
            );
        }
        if self.nhs.is_none() && self.unusable.is_none() {
            work.issue("PID-3", "no NHS number was sent; send it where it is known");
        }
    }

    fn identifiers(&self, context: &V2Context<'_>) -> Vec<Json> {
        let mut made = Vec::new();
        let digits = self.nhs.map(NhsNumber::digits);
        if let Some(value) = digits.or_else(|| self.unusable.clone()) {
            made.push(nhs_identifier(&value, self.status));
        }
        for (value, assigner) in &self.local {
            made.push(local_identifier(value, assigner, context));
        }
        made
    }
}

fn is_nhs(name: &str) -> bool {
    matches!(
        name.to_ascii_uppercase().as_str(),
        "NHS" | "NH" | "NHSNBR" | "NHSNMBR" | "NHSNO" | "NHSN" | "NNN" | "NHS NUMBER"
    )
}

fn looks_like_nhs(value: &str) -> bool {
    value.chars().filter(char::is_ascii_digit).count() == 10
        && value
            .chars()
            .all(|c| c.is_ascii_digit() || c == ' ' || c == '-')
}

/// Ten digits in groups of three, three and four.
fn is_spaced_as_nhs(value: &str) -> bool {
    looks_like_nhs(value) && value.split([' ', '-']).map(str::len).eq([3, 3, 4])
}

fn nhs_identifier(value: &str, status: Option<&'static str>) -> Json {
    let verification = status.map_or(Json::Null, |code| {
        let display = words(NUMBER_STATUSES, code).unwrap_or_default();
        let system = format!("{UKCORE_CODES}/UKCore-NHSNumberVerificationStatusEngland");
        Json::Array(vec![Json::object([
            (
                "url",
                format!("{UKCORE}/Extension-UKCore-NHSNumberVerificationStatus").into(),
            ),
            (
                "valueCodeableConcept",
                fields::coded(&system, code, display),
            ),
        ])])
    });
    Json::object([
        ("extension", verification),
        ("system", NHS_NUMBER_SYSTEM.into()),
        ("value", value.into()),
    ])
}

fn local_identifier(value: &str, assigner: &str, context: &V2Context<'_>) -> Json {
    let named = OdsCode::parse(assigner)
        .ok()
        .and_then(|code| context.organisations.iter().find(|one| one.ods == code));
    let display = named.map_or_else(|| assigner.to_owned(), |found| found.name.clone());
    let assigned_by = Json::object([
        ("identifier", Json::object([("value", assigner.into())])),
        ("display", display.into()),
    ]);
    Json::object([
        (
            "type",
            fields::coded(
                "http://terminology.hl7.org/CodeSystem/v2-0203",
                "MR",
                "Medical record number",
            ),
        ),
        (
            "system",
            format!(
                "urn:connect-care:local-number:{}",
                assigner.replace(' ', "-")
            )
            .into(),
        ),
        ("value", value.into()),
        ("assigner", assigned_by),
    ])
}

fn names(field: Field<'_>) -> Vec<Json> {
    field
        .repetitions()
        .map(fields::name)
        .filter(|name| *name != Json::Null)
        .collect()
}

fn patient_resource<'m>(work: &mut Work<'m>, pid: Segment<'m>, numbers: &Numbers) -> Json {
    let context = work.context;
    let mut all_names = names(pid.field(5));
    for alias in pid.field(9).repetitions() {
        let mut name = fields::name(alias);
        name.set("use", "nickname".into());
        if name != Json::Null {
            all_names.push(name);
        }
    }
    let mut telecoms: Vec<Json> = pid
        .field(13)
        .repetitions()
        .map(|one| fields::telecom(one, "home"))
        .collect();
    telecoms.extend(
        pid.field(14)
            .repetitions()
            .map(|one| fields::telecom(one, "work")),
    );
    telecoms.retain(|one| *one != Json::Null);
    let addresses = pid.field(11).repetitions().map(fields::address);
    let mut patient = Json::object([
        ("resourceType", "Patient".into()),
        ("meta", profile("UKCore-Patient", restricted(work))),
        (
            "extension",
            Json::list(ethnicity(pid).into_iter().collect()),
        ),
        ("identifier", Json::list(numbers.identifiers(context))),
        ("name", Json::list(all_names)),
        ("telecom", Json::list(telecoms)),
        ("gender", gender(work, pid.field(8)).into()),
        ("birthDate", birth_date(work, pid).into()),
    ]);
    died(work, pid, &mut patient);
    patient.set(
        "address",
        Json::list(addresses.filter(|one| *one != Json::Null).collect()),
    );
    patient.set("maritalStatus", marital_status(pid.field(16)));
    patient.set("communication", language(pid.field(15)));
    if let Some(practice) = practice(work) {
        patient.set("generalPractitioner", Json::Array(vec![practice]));
    }
    patient
}

fn profile(name: &str, security: Json) -> Json {
    Json::object([
        (
            "profile",
            Json::Array(vec![format!("{UKCORE}/{name}").into()]),
        ),
        ("security", security),
    ])
}

/// PD1-12 (protection indicator) `Y`: the address is protected.
fn restricted(work: &Work<'_>) -> Json {
    if work.message.field("PD1", 12).value().as_deref() != Some("Y") {
        return Json::Null;
    }
    let label = fields::one_coding(
        "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
        "R",
        "restricted",
    );
    Json::Array(vec![label])
}

fn ethnicity(pid: Segment<'_>) -> Option<Json> {
    let field = if pid.field(22).is_valued() {
        pid.field(22)
    } else {
        pid.field(10)
    };
    let code = field.value()?;
    let display = words(ETHNIC_CATEGORIES, &code)?;
    let system = format!("{UKCORE_CODES}/UKCore-EthnicCategoryEngland");
    Some(Json::object([
        (
            "url",
            format!("{UKCORE}/Extension-UKCore-EthnicCategory").into(),
        ),
        (
            "valueCodeableConcept",
            fields::coded(&system, &code, display),
        ),
    ]))
}

/// HL7 table 0001 and the NHS Data Dictionary's 1, 2, 9 and 0, 3.
fn gender(work: &mut Work<'_>, field: Field<'_>) -> Option<&'static str> {
    let code = field.value()?;
    match code.as_ref() {
        "M" | "1" | "male" => Some("male"),
        "F" | "2" | "female" => Some("female"),
        "O" | "A" | "N" | "9" | "other" => Some("other"),
        "U" | "0" | "X" | "3" | "unknown" => Some("unknown"),
        _ => {
            work.issue("PID-8", "no such code of sex or gender; send M, F, O or U");
            None
        }
    }
}

fn birth_date<'m>(work: &mut Work<'m>, pid: Segment<'m>) -> Option<String> {
    let born = work.time(pid.field(7), "PID-7")?;
    let future = born
        .to_timestamp()
        .is_some_and(|at| at > work.context.received_at);
    if future {
        work.issue(
            "PID-7",
            "this birth date lies in the future, so it was left out; correct it",
        );
        return None;
    }
    Some(born.to_fhir_date())
}

fn died<'m>(work: &mut Work<'m>, pid: Segment<'m>, patient: &mut Json) {
    let when = work.time(pid.field(29), "PID-29");
    match (when, pid.field(30).value().as_deref()) {
        (Some(when), _) => patient.set("deceasedDateTime", when.to_fhir_datetime().into()),
        (None, Some("Y")) => patient.set("deceasedBoolean", true.into()),
        (None, Some("N")) => patient.set("deceasedBoolean", false.into()),
        _ => {}
    }
}

fn marital_status(field: Field<'_>) -> Json {
    let Some(code) = field.value() else {
        return Json::Null;
    };
    match words(MARITAL_STATUSES, &code) {
        Some(display) => {
            let system = format!("{UKCORE_CODES}/UKCore-PersonMaritalStatusEngland");
            fields::coded(&system, &code, display)
        }
        None => fields::concept(field),
    }
}

fn language(field: Field<'_>) -> Json {
    let concept = fields::concept(field);
    if concept == Json::Null {
        return Json::Null;
    }
    Json::Array(vec![Json::object([
        ("language", concept),
        ("preferred", true.into()),
    ])])
}

/// PD1-3, `NAME^^CODE`: the practice the person is registered with.
fn practice(work: &mut Work<'_>) -> Option<Json> {
    let field = work.message.field("PD1", 3);
    let sent = field
        .component(3)
        .value()
        .or_else(|| field.component(10).value())?;
    let Ok(code) = OdsCode::parse(&sent) else {
        work.issue(
            "PD1-3",
            "the practice has no ODS code in its third component; send it there",
        );
        return None;
    };
    let code = work.organisation_of(code.as_str()).unwrap_or(code);
    let name = field.value();
    let known = work.organisation_name(&code).map(str::to_owned);
    Some(organisation_reference(
        &code,
        known.as_deref().or(name.as_deref()),
    ))
}

fn involve_practice(work: &mut Work<'_>, practice: Option<OdsCode>, event_at: Option<Timestamp>) {
    if let (Some(practice), Some(_)) = (practice, event_at) {
        work.involve(
            InvolvementKind::RegisteredGp,
            practice,
            "",
            (None, None),
            false,
        );
    }
}
