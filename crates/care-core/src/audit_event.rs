//! An audit entry as a FHIR AuditEvent, for reviewers who read the log by the API.
//!
//! Sources: FHIR R4 AuditEvent; IHE Basic Audit Log Patterns, whose profiles PatientRead and
//! PatientQuery are claimed for reads by the API that succeeded. Says nothing that the entry does not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::audit::{Act, Entry, Outcome};
use crate::fhir::Json;

const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const INTERACTION: &str = "http://hl7.org/fhir/restful-interaction";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";
const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const BALP: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
/// Our own lists, by the names the log and the rules use.
const OURS: &str = "https://connect-care.example/CodeSystem/";
const USERS: &str = "urn:connect-care:user";
const VISITS: &str = "urn:connect-care:visit";
const REQUESTS: &str = "urn:connect-care:request";
const BALP_ENTITY: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";

/// The audit flags of a decision that overrode something.
const BROKEN_GLASS: [&str; 3] = ["best-interest", "break-glass-emergency", "seal-broken"];

/// The action code of an act: `R` read, `E` execute (a search, a sign-in), `C` create, `U` update.
pub fn action(entry: &Entry) -> &'static str {
    match entry.act {
        Act::View | Act::Print => "R",
        Act::ApiRead if !is_query(entry) => "R",
        Act::Receive => "C",
        Act::Choice | Act::Identity | Act::Worklist => "U",
        _ => "E",
    }
}

/// The outcome code: 0 done, 4 refused by a rule, 8 failed.
pub fn outcome(entry: &Entry) -> &'static str {
    match entry.outcome {
        Outcome::Success => "0",
        Outcome::Denied => "4",
        Outcome::Failure => "8",
    }
}

/// An entry as a FHIR AuditEvent. `number` is its number in the log, which is its id; `server` the
/// address of the record it was written by. The person stands under our own key.
pub fn audit_event(number: u64, entry: &Entry, server: &str) -> Json {
    let (event, subtypes) = kind(entry);
    let purposes = Json::list(purposes(entry));
    let mut resource = Json::object([
        ("resourceType", "AuditEvent".into()),
        ("id", number.to_string().into()),
        ("meta", meta(entry)),
        ("type", event),
        ("subtype", Json::list(subtypes)),
        ("action", action(entry).into()),
        ("recorded", entry.at.to_string().into()),
        ("outcome", outcome(entry).into()),
        ("outcomeDesc", some(&entry.reason)),
        ("purposeOfEvent", purposes),
        ("agent", Json::list(agents(entry, server))),
        ("source", source(server)),
    ]);
    resource.set("entity", Json::list(entities(entry)));
    resource
}

fn some(text: &str) -> Json {
    if text.is_empty() {
        Json::Null
    } else {
        text.into()
    }
}

fn coding(system: &str, code: &str, display: &'static str) -> Json {
    Json::object([
        ("system", Json::text(system)),
        ("code", Json::text(code)),
        ("display", some(display)),
    ])
}

fn concept(codings: Vec<Json>) -> Json {
    Json::object([("coding", Json::list(codings))])
}

fn ours(list: &str, code: &str) -> Json {
    coding(&format!("{OURS}{list}"), code, "")
}

fn identified(system: &str, value: &str) -> Json {
    let identifier = Json::object([("system", Json::text(system)), ("value", Json::text(value))]);
    Json::object([("identifier", identifier)])
}

/// A search, or everything of a person; else one item.
fn is_query(entry: &Entry) -> bool {
    entry.page.contains(['?', '$'])
}

fn meta(entry: &Entry) -> Json {
    let reads = entry.act == Act::ApiRead && entry.outcome == Outcome::Success;
    if !reads || entry.person.is_none() || (!is_query(entry) && entry.items.is_empty()) {
        return Json::Null;
    }
    let profile = if is_query(entry) {
        "PatientQuery"
    } else {
        "PatientRead"
    };
    let profile = Json::Text(format!("{BALP}{profile}"));
    Json::object([("profile", Json::Array(vec![profile]))])
}

/// What kind of event, with our own name for it always beside the common one.
fn kind(entry: &Entry) -> (Json, Vec<Json>) {
    let rest = || coding(EVENT_TYPE, "rest", "Restful Operation");
    let dicom = |code, display| coding(DCM, code, display);
    let own = ours("audit-act", code_of(entry.act));
    match entry.act {
        Act::ApiRead if is_query(entry) => (
            rest(),
            vec![coding(INTERACTION, "search-type", "search-type"), own],
        ),
        Act::ApiRead => (rest(), vec![coding(INTERACTION, "read", "read"), own]),
        Act::View | Act::OpenVisit | Act::CloseVisit | Act::Choice | Act::Identity => {
            (dicom("110110", "Patient Record"), vec![own])
        }
        Act::Find | Act::Search => (dicom("110112", "Query"), vec![own]),
        Act::Print | Act::Release => (dicom("110106", "Export"), vec![own]),
        Act::Receive | Act::Refuse => (dicom("110107", "Import"), vec![own]),
        Act::SignIn => (
            dicom("110114", "User Authentication"),
            vec![dicom("110122", "Login"), own],
        ),
        Act::SignOut => (
            dicom("110114", "User Authentication"),
            vec![dicom("110123", "Logout"), own],
        ),
        _ => (dicom("110100", "Application Activity"), vec![own]),
    }
}

/// The name of an act in the log.
pub fn code_of(act: Act) -> &'static str {
    match act {
        Act::SignIn => "sign-in",
        Act::SignOut => "sign-out",
        Act::Find => "find",
        Act::OpenVisit => "open-visit",
        Act::CloseVisit => "close-visit",
        Act::View => "view",
        Act::Search => "search",
        Act::Print => "print",
        Act::ApiRead => "api-read",
        Act::Disclose => "disclose",
        Act::Release => "release",
        Act::Receive => "receive",
        Act::Refuse => "refuse",
        Act::Identity => "identity",
        Act::Choice => "choice",
        Act::Worklist => "worklist",
        Act::Admin => "admin",
    }
}

/// Our purpose, and the one of HL7's list that means the same, where one does.
fn purposes(entry: &Entry) -> Vec<Json> {
    if entry.purpose.is_empty() {
        return Vec::new();
    }
    let same = match entry.purpose.as_str() {
        "direct_care" => Some(("TREAT", "treatment")),
        "care_admin" => Some(("PATADMIN", "patient administration")),
        "legal_requirement" => Some(("HLEGAL", "legal")),
        "audit_review" => Some(("HCOMPL", "health compliance")),
        "self_view" => Some(("PATRQT", "patient requested")),
        "proxy_view" => Some(("FAMRQT", "family requested")),
        _ => None,
    };
    let mut codings: Vec<Json> = same
        .map(|(code, display)| coding(ACT_REASON, code, display))
        .into_iter()
        .collect();
    codings.push(ours("purpose", &entry.purpose));
    let mut all = vec![concept(codings)];
    if entry
        .flags
        .iter()
        .any(|flag| BROKEN_GLASS.contains(&flag.as_str()))
    {
        all.push(concept(vec![coding(ACT_REASON, "BTG", "break the glass")]));
    }
    all
}

/// The one who acted, their organisation, and the record as the machine that answered.
fn agents(entry: &Entry, server: &str) -> Vec<Json> {
    let role = (!entry.role.is_empty()).then(|| concept(vec![ours("role", &entry.role)]));
    let user = Json::object([
        (
            "type",
            concept(vec![coding(PARTICIPATION, "IRCP", "information recipient")]),
        ),
        ("role", Json::list(role.into_iter().collect())),
        ("who", identified(USERS, &entry.who)),
        ("name", some(&entry.who_name)),
        ("requestor", true.into()),
    ]);
    let mut all = vec![user];
    if !entry.organisation.is_empty() {
        all.push(Json::object([
            (
                "type",
                concept(vec![coding(PARTICIPATION, "CST", "custodian")]),
            ),
            ("who", identified(ODS, &entry.organisation)),
            ("requestor", false.into()),
        ]));
    }
    if entry.act == Act::ApiRead {
        all.extend(machines(entry, server));
    }
    all
}

/// Client and server of a read by the API. In a query the words flow to the server, so the client is
/// the source; in a read it is the other way round. The client's network address is not recorded.
fn machines(entry: &Entry, server: &str) -> [Json; 2] {
    let roles = [
        ("110153", "Source Role ID"),
        ("110152", "Destination Role ID"),
    ];
    let [asks, answers] = if is_query(entry) {
        roles
    } else {
        [roles[1], roles[0]]
    };
    let unknown = Json::object([("url", ABSENT.into()), ("valueCode", "unknown".into())]);
    let unknown = Json::object([("extension", Json::Array(vec![unknown]))]);
    let agent = |(code, display), who, network| {
        Json::object([
            ("type", concept(vec![coding(DCM, code, display)])),
            ("who", who),
            ("requestor", false.into()),
            ("network", network),
        ])
    };
    let address = Json::object([("address", Json::text(server)), ("type", "5".into())]);
    [
        agent(asks, identified(USERS, &entry.who), unknown),
        agent(answers, display(server), address),
    ]
}

fn display(text: &str) -> Json {
    Json::object([("display", Json::text(text))])
}

fn source(server: &str) -> Json {
    let kind = coding(SOURCE_TYPE, "4", "Application Server");
    Json::object([
        ("observer", display(server)),
        ("type", Json::Array(vec![kind])),
    ])
}

fn entities(entry: &Entry) -> Vec<Json> {
    let mut all = Vec::new();
    if let Some(person) = entry.person {
        let what = Json::object([("reference", Json::Text(format!("Patient/{person}")))]);
        all.push(Json::object([
            ("what", what),
            ("type", coding(ENTITY_TYPE, "1", "Person")),
            ("role", coding(OBJECT_ROLE, "1", "Patient")),
        ]));
    }
    if entry.act == Act::ApiRead && is_query(entry) {
        all.push(Json::object([
            ("type", coding(ENTITY_TYPE, "2", "System Object")),
            ("role", coding(OBJECT_ROLE, "24", "Query")),
            ("description", Json::text(&entry.page)),
            ("query", Json::Text(STANDARD.encode(&entry.page))),
        ]));
    }
    if !entry.request.is_empty() {
        all.push(Json::object([
            ("what", identified(REQUESTS, &entry.request)),
            ("type", coding(BALP_ENTITY, "XrequestId", "")),
        ]));
    }
    all.extend(
        entry
            .items
            .iter()
            .filter_map(|item| item_entity(entry, item)),
    );
    let details = details(entry);
    if !details.is_empty() {
        all.push(Json::object([
            ("what", visit(entry)),
            ("type", coding(ENTITY_TYPE, "4", "Other")),
            ("name", some(&entry.page)),
            ("detail", Json::list(details)),
        ]));
    }
    all
}

/// `Type/item/version` of the log as a reference under the person's id, as the API gives it.
fn item_entity(entry: &Entry, item: &str) -> Option<Json> {
    let mut parts = item.split('/');
    let (kind, id) = (parts.next()?, parts.next()?);
    let version = parts
        .next()
        .map_or_else(String::new, |version| format!("/_history/{version}"));
    let id = match entry.person {
        Some(person) if kind != "Patient" => format!("{person}-{id}"),
        _ => id.to_owned(),
    };
    let what = Json::object([("reference", Json::Text(format!("{kind}/{id}{version}")))]);
    Some(Json::object([
        ("what", what),
        ("type", coding(ENTITY_TYPE, "2", "System Object")),
        ("role", coding(OBJECT_ROLE, "4", "Domain Resource")),
    ]))
}

fn visit(entry: &Entry) -> Json {
    if entry.visit.is_empty() {
        Json::Null
    } else {
        identified(VISITS, &entry.visit)
    }
}

/// The rest of the entry by its own names: what a reviewer asks next.
fn details(entry: &Entry) -> Vec<Json> {
    let detail = |kind: &'static str, value: &str| {
        Json::object([("type", kind.into()), ("valueString", Json::text(value))])
    };
    let many = [
        ("category", &entry.categories),
        ("flag", &entry.flags),
        ("rule", &entry.trace),
    ];
    let mut all = Vec::new();
    if !entry.detail.is_empty() {
        all.push(detail("detail", &entry.detail));
    }
    for (kind, values) in many {
        all.extend(values.iter().map(|value| detail(kind, value)));
    }
    all
}
