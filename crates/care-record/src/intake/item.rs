//! From a labelled draft to one version of an item: its key, its header and its bytes.

use care_core::fhir::{self, Json, ResourceType};
use care_core::labelling::Labelled;
use care_core::vocabulary::{Category, ItemId, PersonId, Sensitivity, SourceCode};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::current::holds_now;
use super::references::Resolver;
use crate::store::PutItem;

/// The key of a source's thing: the first 64 bits of SHA-256 over source, type and the source's own
/// key, so that the same thing sent again is the same item without asking anybody. Among a million
/// items of one person two collide with a chance of about 3 in 10⁸; they would show as one item with
/// two versions.
pub(crate) fn item_id(
    source: &SourceCode,
    resource_type: ResourceType,
    source_key: &str,
) -> ItemId {
    let mut digest = Sha256::new();
    for part in [source.as_str(), resource_type.name(), source_key] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    ItemId(first_64(&digest.finalize().into()))
}

fn first_64(digest: &[u8; 32]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

/// The id by which the world knows an item: person and item for a person's, item alone for things
/// about nobody.
pub(crate) fn logical_id(person: Option<PersonId>, item: ItemId) -> String {
    match person {
        Some(person) => format!("{person}-{item}"),
        None => item.to_string(),
    }
}

/// Whose an item is and whence it came.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    pub person: Option<PersonId>,
    pub source: &'a SourceCode,
    pub gp_sourced: bool,
    pub received_at: Timestamp,
}

/// Makes the version. References are resolved on the way; what they could not say is left in the
/// resolver's issues.
pub(super) fn put_item(
    labelled: Labelled,
    whose: Whose<'_>,
    resolver: &mut Resolver<'_>,
) -> Result<PutItem, crate::store::StoreError> {
    let (category, sensitivity) = (labelled.category(), labelled.sensitivity());
    let mut draft = labelled.into_draft();
    resolver.rewrite(&mut draft.body)?;
    let item = resolver
        .book
        .item(whose.source, draft.resource_type, &draft.source_key);
    let withdrawn = draft.withdrawn || fhir::entered_in_error(&draft.body);
    let clinical_at = fhir::clinical_time(&draft.body).map(|time| time.earliest());
    let labels = (category, sensitivity);
    Ok(PutItem {
        person: whose.person,
        resource_type: draft.resource_type,
        item,
        category,
        sensitivity,
        source: whose.source.clone(),
        gp_sourced: whose.gp_sourced,
        code_key: code_key(&draft.body),
        current: !withdrawn && holds_now(draft.resource_type, &draft.body),
        withdrawn,
        deleted: false,
        order: Default::default(),
        expect: Default::default(),
        clinical_at,
        event_at: draft.event_at,
        received_at: whose.received_at,
        body: body(
            draft.resource_type,
            &logical_id(whose.person, item),
            draft.body,
            whose.source,
            labels,
        ),
    })
}

/// What groups items of one meaning: a digest of the first system and code, else of the text; 0
/// without either.
fn code_key(resource: &Json) -> u64 {
    let text = || {
        let concept = fhir::primary_concept(resource)?;
        Some(fhir::concept_text(concept)?.trim().to_lowercase())
    };
    match fhir::primary_code(resource).or_else(text) {
        Some(key) => first_64(&Sha256::digest(key.as_bytes()).into()),
        None => 0,
    }
}

/// The system of our category labels.
pub(super) const CATEGORY_SYSTEM: &str = "urn:connect-care:category";
/// HL7's confidentiality code system (v3 Confidentiality).
const CONFIDENTIALITY_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

/// The bytes to keep: type, id, meta, then everything else as it was sent. `meta` names the source
/// and not the delivery, so that the same content sent again has the same bytes; the delivery is in
/// the Provenance and in the audit entry.
pub(super) fn body(
    resource_type: ResourceType,
    id: &str,
    resource: Json,
    source: &SourceCode,
    labels: (Category, Sensitivity),
) -> Vec<u8> {
    let Json::Object(members) = resource else {
        return Vec::new();
    };
    let sent_meta = members
        .iter()
        .find(|(name, _)| name == "meta")
        .map(|(_, value)| value.clone());
    let meta = meta(sent_meta.as_ref(), source, labels);
    let mut out = String::with_capacity(1024);
    out.push_str("{\"resourceType\":");
    Json::text(resource_type.name()).write_to(&mut out);
    out.push_str(",\"id\":");
    Json::text(id).write_to(&mut out);
    out.push_str(",\"meta\":");
    meta.write_to(&mut out);
    for (name, value) in &members {
        if !matches!(name.as_ref(), "resourceType" | "id" | "meta") {
            out.push(',');
            Json::text(name.as_ref()).write_to(&mut out);
            out.push(':');
            value.write_to(&mut out);
        }
    }
    out.push('}');
    out.into_bytes()
}

fn meta(sent: Option<&Json>, source: &SourceCode, labels: (Category, Sensitivity)) -> Json {
    let (category, sensitivity) = labels;
    let label = |system: &'static str, code: &'static str| {
        Json::object([("system", system.into()), ("code", code.into())])
    };
    let mut security: Vec<Json> = match sent.and_then(|meta| meta.get("security")) {
        Some(Json::Array(sent)) => sent.clone(),
        _ => Vec::new(),
    };
    // A source that sends back what it read has our labels in it already.
    let mut add = |one: Json| {
        if !security.contains(&one) {
            security.push(one);
        }
    };
    add(label(CATEGORY_SYSTEM, category.code()));
    if sensitivity != Sensitivity::Normal {
        let confidentiality = match sensitivity {
            Sensitivity::Normal | Sensitivity::RcgpSensitive | Sensitivity::Sealed => "R",
            Sensitivity::SealedLocked | Sensitivity::StatutoryExcluded => "V",
        };
        add(label(CONFIDENTIALITY_SYSTEM, confidentiality));
    }
    Json::object([
        (
            "source",
            Json::text(format!("urn:connect-care:source:{source}")),
        ),
        (
            "profile",
            sent.and_then(|meta| meta.get("profile"))
                .cloned()
                .unwrap_or(Json::Null),
        ),
        ("security", Json::Array(security)),
        (
            "tag",
            sent.and_then(|meta| meta.get("tag"))
                .cloned()
                .unwrap_or(Json::Null),
        ),
    ])
}
