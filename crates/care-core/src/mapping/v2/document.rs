//! MDM^T02 and documents carried in results: a DocumentReference with the document inside it.
//!
//! The bytes stay as sent: base 64 is checked, not decoded and encoded again. What cannot be read
//! is told and the words around it are kept.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use crate::fhir::{Json, ResourceType};
use crate::hl7v2::{DateTime, Field, Segment};
use crate::mapping::Mapped;

use super::fields;
use super::observation::Scope;
use super::patient;
use super::visit;
use super::work::{Work, numbered, place, reference};
use super::{MapRefusal, unsupported_event};

/// Whether an OBX carries a document: ED or RP, or any type whose value is shaped like ED.
pub(super) fn is_document(obx: Segment<'_>) -> bool {
    let kind = obx.field(2).value().unwrap_or_default();
    if matches!(kind.as_ref(), "ED" | "RP") {
        return true;
    }
    let encoding = obx.field(5).component(4).value().unwrap_or_default();
    encoding.eq_ignore_ascii_case("base64") && obx.field(5).component(5).is_valued()
}

/// Maps an MDM message.
pub(super) fn map(mut work: Work<'_>) -> Result<Mapped, MapRefusal> {
    let message = work.message;
    let (status, withdrawn) = match message.trigger() {
        "T01" | "T02" | "T05" | "T06" => ("current", false),
        "T03" | "T04" | "T07" | "T08" => ("current", false),
        "T09" | "T10" => ("current", false),
        "T11" => ("entered-in-error", true),
        _ => return Err(unsupported_event(message, "; documents are sent as T02")),
    };
    let txa = message
        .segment("TXA")
        .ok_or(MapRefusal::MissingSegment { segment: "TXA" })?;
    let person = patient::read(&mut work, None)?;
    let key = [12, 14, 15]
        .into_iter()
        .find_map(|field| txa.field(field).value());
    let key = key.map(|key| key.into_owned()).ok_or(MapRefusal::MissingField {
        place: "TXA-12",
        why: "the document has no number, so it cannot be told from others; send its unique number",
    })?;
    let at = work.event_time(&[
        (txa.field(8), "TXA-8"),
        (txa.field(7), "TXA-7"),
        (message.field("EVN", 2), "EVN-2"),
        (message.field("MSH", 7), "MSH-7"),
    ]);
    let written = [4, 6, 7]
        .into_iter()
        .find_map(|field| work.time(txa.field(field), &format!("TXA-{field}")));
    let contents = contents(&mut work, txa);
    if contents.is_empty() {
        work.issue(
            "OBX-5",
            "the document has no text and no file; its title is kept; send it as OBX of type TX or ED",
        );
    }
    let encounter = visit::key(&work, &person)
        .map_or(Json::Null, |key| reference(ResourceType::ENCOUNTER, &key));
    let author = fields::practitioner(txa.field(9));
    let body = document(
        &work,
        person.reference(),
        &encounter,
        Facts {
            status,
            doc_status: doc_status(txa),
            identifier: &key,
            kind: title_concept(txa),
            author,
            date: written.and_then(DateTime::to_fhir_instant),
            title: title(txa),
            contents,
        },
    );
    work.draft_with(ResourceType::DOCUMENT_REFERENCE, key, body, at, withdrawn);
    Ok(work.finish(person, None))
}

/// A document carried in a result.
pub(super) fn from_observation<'m>(
    work: &mut Work<'m>,
    scope: &Scope<'_>,
    obx: Segment<'m>,
    sequence: usize,
    key: String,
    obr: Segment<'m>,
    at: Timestamp,
) {
    let title = fields::words(obx.field(3)).or_else(|| fields::words(obr.field(4)));
    let attachment = file(work, obx, sequence, title.as_deref());
    let (_, withdrawn) =
        super::observation::status(obx.field(11).value().unwrap_or_default().as_ref(), "final");
    let concept = fields::concept(obx.field(3));
    let facts = Facts {
        status: if withdrawn {
            "entered-in-error"
        } else {
            "current"
        },
        doc_status: Some("final"),
        identifier: &key,
        kind: if concept == Json::Null {
            fields::concept(obr.field(4))
        } else {
            concept
        },
        author: fields::practitioner(obr.field(32)),
        date: scope.issued.clone().or_else(|| {
            scope
                .default_time
                .map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        }),
        title,
        contents: attachment.into_iter().collect(),
    };
    let body = document(work, scope.person.reference(), &scope.encounter, facts);
    work.draft_with(ResourceType::DOCUMENT_REFERENCE, key, body, at, withdrawn);
}

struct Facts<'f> {
    status: &'static str,
    doc_status: Option<&'static str>,
    identifier: &'f str,
    kind: Json,
    author: Json,
    date: Option<String>,
    title: Option<String>,
    contents: Vec<Json>,
}

fn document(work: &Work<'_>, subject: Json, encounter: &Json, facts: Facts<'_>) -> Json {
    let system = format!("urn:connect-care:document-number:{}", work.context.source);
    let identifier = Json::object([
        ("system", system.into()),
        ("value", facts.identifier.into()),
    ]);
    let authors = if facts.author == Json::Null {
        Json::Null
    } else {
        Json::Array(vec![facts.author])
    };
    let context = match encounter {
        Json::Null => Json::Null,
        visit => Json::object([("encounter", Json::Array(vec![visit.clone()]))]),
    };
    let mut contents: Vec<Json> = facts
        .contents
        .into_iter()
        .map(|attachment| Json::object([("attachment", attachment)]))
        .collect();
    if contents.is_empty() {
        let titled = Json::object([("title", facts.title.clone().into())]);
        contents.push(Json::object([("attachment", titled)]));
    }
    Json::object([
        ("resourceType", "DocumentReference".into()),
        ("identifier", Json::Array(vec![identifier])),
        ("status", facts.status.into()),
        ("docStatus", facts.doc_status.into()),
        ("type", facts.kind),
        ("subject", subject),
        ("date", facts.date.into()),
        ("author", authors),
        ("custodian", work.source_organisation()),
        ("description", facts.title.into()),
        ("content", Json::Array(contents)),
        ("context", context),
    ])
}

/// TXA-17 and TXA-19 (HL7 tables 0271 and 0273).
fn doc_status(txa: Segment<'_>) -> Option<&'static str> {
    match txa.field(17).value().unwrap_or_default().as_ref() {
        "AU" | "LA" => Some("final"),
        "DI" | "IP" | "PA" | "IN" | "DO" => Some("preliminary"),
        _ => None,
    }
}

/// TXA-16 (the file's name) is a poor title; the words of OBX-3 and TXA-2 come first.
fn title(txa: Segment<'_>) -> Option<String> {
    fields::words(txa.field(2))
        .filter(|words| words.len() > 3)
        .or_else(|| {
            let code = txa.field(2).value()?;
            known_kind(&code).map(|(_, words)| words.to_owned())
        })
}

/// HL7 table 0270, the kinds that UK senders use.
fn known_kind(code: &str) -> Option<(&'static str, &'static str)> {
    const KINDS: &[(&str, &str)] = &[
        ("AR", "Autopsy report"),
        ("CD", "Cardiodiagnostics"),
        ("CN", "Consultation"),
        ("DI", "Diagnostic imaging"),
        ("DS", "Discharge summary"),
        ("ED", "Emergency department report"),
        ("HP", "History and physical examination"),
        ("OP", "Operative report"),
        ("PC", "Psychiatric consultation"),
        ("PH", "Psychiatric history and physical examination"),
        ("PN", "Procedure note"),
        ("PR", "Progress note"),
        ("SP", "Surgical pathology"),
        ("TS", "Transfer summary"),
    ];
    KINDS.iter().copied().find(|(known, _)| *known == code)
}

fn title_concept(txa: Segment<'_>) -> Json {
    let code = txa.field(2).value().unwrap_or_default();
    match known_kind(&code) {
        Some((code, display)) if !txa.field(2).component(2).is_valued() => fields::coded(
            "http://terminology.hl7.org/CodeSystem/v2-0270",
            code,
            display,
        ),
        _ => fields::concept(txa.field(2)),
    }
}

/// Files as they are, and the lines of text as one.
fn contents<'m>(work: &mut Work<'m>, txa: Segment<'m>) -> Vec<Json> {
    let message = work.message;
    let name = title(txa);
    let mut made = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    for (sequence, obx) in numbered(message, "OBX") {
        if is_document(obx) {
            made.extend(file(work, obx, sequence, name.as_deref()));
        } else {
            lines.push(fields::lines(obx.field(5)));
        }
    }
    let text = lines.join("\n");
    if !text.trim().is_empty() {
        made.insert(0, text_attachment(&text, name.as_deref()));
    }
    made
}

fn text_attachment(text: &str, title: Option<&str>) -> Json {
    Json::object([
        ("contentType", "text/plain; charset=utf-8".into()),
        ("data", STANDARD.encode(text).into()),
        ("size", (text.len() as i64).into()),
        ("title", title.into()),
    ])
}

/// ED: application, type, subtype, encoding, data. RP: a pointer, which is told and not followed.
fn file<'m>(
    work: &mut Work<'m>,
    obx: Segment<'m>,
    sequence: usize,
    title: Option<&str>,
) -> Option<Json> {
    let field = obx.field(5);
    let at = place("OBX", sequence, 5);
    if obx.field(2).value().as_deref() == Some("RP") {
        work.issue(at, "a pointer to a document was sent; it was not followed; send the document itself as type ED");
        return None;
    }
    let data = field.component(5).raw().trim();
    let encoding = field
        .component(4)
        .value()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let bytes = match encoding.as_str() {
        "base64" | "" => STANDARD.decode(data.replace("\\.br\\", "").as_bytes()).ok(),
        "a" => Some(field.component(5).text().into_owned().into_bytes()),
        "hex" => from_hex(data),
        _ => None,
    };
    let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else {
        work.issue(
            at,
            "the file cannot be read; it is kept with the delivery; send it in base 64",
        );
        return None;
    };
    Some(Json::object([
        ("contentType", content_type(field, obx, &bytes).into()),
        ("data", STANDARD.encode(&bytes).into()),
        ("size", (bytes.len() as i64).into()),
        ("title", title.into()),
    ]))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// The bytes themselves say what they are where they can; else ED-3, ED-2 or OBX-4.
fn content_type(field: Field<'_>, obx: Segment<'_>, bytes: &[u8]) -> &'static str {
    match bytes {
        [b'%', b'P', b'D', b'F', ..] => return "application/pdf",
        [0xff, 0xd8, 0xff, ..] => return "image/jpeg",
        [0x89, b'P', b'N', b'G', ..] => return "image/png",
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => return "image/tiff",
        [b'{', b'\\', b'r', b't', b'f', ..] => return "application/rtf",
        _ => {}
    }
    let said = [field.component(3), field.component(2), obx.field(4)]
        .into_iter()
        .find_map(|part| part.value())
        .unwrap_or_default()
        .to_ascii_lowercase();
    match said.as_str() {
        "pdf" | "application/pdf" => "application/pdf",
        "text" | "plain" | "text/plain" | "txt" => "text/plain",
        "html" | "text/html" => "text/html",
        "rtf" => "application/rtf",
        "jpeg" | "jpg" => "image/jpeg",
        "png" => "image/png",
        "tiff" | "tif" => "image/tiff",
        "xml" => "application/xml",
        _ => "application/octet-stream",
    }
}
