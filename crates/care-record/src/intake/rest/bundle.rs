//! A Bundle that is posted to the base: whether it needs more than the feeds' road, and if so its
//! entries as requests.
//!
//! Source: FHIR R4 section 3.1.0.11 (batch and transaction).

use std::collections::HashSet;

use base64::Engine as _;
use care_core::fhir::{Json, Limits, ReferenceTarget, ResourceType, read_reference};

use super::refused::RestRefusal;
use super::{RestMethod, RestWrite};

/// The most entries of one Bundle.
pub(in crate::intake) const MOST_ENTRIES: usize = 10_000;

/// What a Bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleKind {
    /// All entries hold or none does.
    Transaction,
    /// Each entry stands for itself.
    Batch,
}

/// The method of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(
    missing_docs,
    reason = "HTTP's own names, in FHIR's order of processing"
)]
pub enum EntryMethod {
    Delete,
    Post,
    Put,
    Patch,
    Get,
    Head,
}

impl EntryMethod {
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "DELETE" => Self::Delete,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            _ => return None,
        })
    }

    /// HTTP's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }

    /// Whether it only reads.
    pub fn reads(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
}

/// One entry as a request.
#[derive(Debug, Clone)]
pub struct BundleEntry {
    /// Its place.
    pub number: usize,
    /// The method.
    pub method: EntryMethod,
    /// The address below the base, without a slash at its beginning, with its query.
    pub url: String,
    /// `ifMatch`.
    pub if_match: Option<String>,
    /// `ifNoneMatch`.
    pub if_none_match: Option<String>,
    /// `ifModifiedSince`.
    pub if_modified_since: Option<String>,
    /// `ifNoneExist`.
    pub if_none_exist: Option<String>,
    /// By which address other entries point at it.
    pub full_url: Option<String>,
    /// The resource.
    pub resource: Option<Json>,
}

/// A Bundle of requests.
#[derive(Debug, Clone)]
pub struct RestBundle {
    /// What it is.
    pub kind: BundleKind,
    /// Its entries in their order.
    pub entries: Vec<BundleEntry>,
}

/// Reads a transaction or batch. `base` is the address of our API.
///
/// Errors: what is wrong with the Bundle itself or with a request in it.
pub fn read_bundle(bundle: Json, base: &str) -> Result<RestBundle, RestRefusal> {
    let kind = match bundle.text_at(&["type"]) {
        Some("transaction") => BundleKind::Transaction,
        Some("batch") => BundleKind::Batch,
        _ => {
            return Err(RestRefusal::invalid(
                "This kind of Bundle is not taken here.",
                "Send a Bundle whose type is transaction or batch.",
            ));
        }
    };
    let Json::Object(members) = bundle else {
        return Err(RestRefusal::invalid("This is no Bundle.", "Send one."));
    };
    let entries = members
        .into_iter()
        .find(|(name, _)| name == "entry")
        .map(|(_, value)| value);
    let entries = match entries {
        Some(Json::Array(entries)) => entries,
        _ => Vec::new(),
    };
    check_size(entries.len())?;
    let entries = entries
        .into_iter()
        .enumerate()
        .map(|(number, entry)| {
            read_entry(number, entry, base).map_err(|refusal| refusal.about(Some(number)))
        })
        .collect::<Result<_, _>>()?;
    Ok(RestBundle { kind, entries })
}

/// Errors: too many entries, with the limit and how to split.
pub(in crate::intake) fn check_size(entries: usize) -> Result<(), RestRefusal> {
    if entries <= MOST_ENTRIES {
        return Ok(());
    }
    Err(RestRefusal::one(
        413,
        "too-costly",
        format!(
            "The Bundle has {entries} entries; one Bundle may have {MOST_ENTRIES}. Nothing was written."
        ),
        format!(
            "Send several Bundles of at most {MOST_ENTRIES} entries, each with everything its references \
             by urn:uuid point at; things in different Bundles refer to one another by type and id."
        ),
    ))
}

fn read_entry(number: usize, entry: Json, base: &str) -> Result<BundleEntry, RestRefusal> {
    let text = |name: &str| {
        entry
            .text_at(&["request", name])
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let method = text("method")
        .as_deref()
        .and_then(EntryMethod::read)
        .ok_or_else(|| {
            RestRefusal::invalid(
                "The entry has no request.method that we know.",
                "Write GET, HEAD, POST, PUT, PATCH or DELETE.",
            )
        })?;
    let url = text("url").unwrap_or_default();
    let url = url
        .strip_prefix(base)
        .unwrap_or(&url)
        .trim_start_matches('/')
        .to_owned();
    if url.contains("://") {
        return Err(RestRefusal::invalid(
            "request.url is on another server.",
            "Write it relative to the base: Patient/123.",
        ));
    }
    let found = BundleEntry {
        number,
        method,
        url,
        if_match: text("ifMatch"),
        if_none_match: text("ifNoneMatch"),
        if_modified_since: text("ifModifiedSince"),
        if_none_exist: text("ifNoneExist"),
        full_url: entry.text_at(&["fullUrl"]).map(str::to_owned),
        resource: None,
    };
    let resource = match entry {
        Json::Object(members) => members
            .into_iter()
            .find(|(name, _)| name == "resource")
            .map(|(_, value)| value),
        _ => None,
    };
    Ok(BundleEntry { resource, ..found })
}

impl BundleEntry {
    /// The entry as a write of a transaction.
    ///
    /// Errors: an address or a body that is none for its method.
    pub fn write(self) -> Result<RestWrite, RestRefusal> {
        let number = self.number;
        self.into_write()
            .map_err(|refusal| refusal.about(Some(number)))
    }

    fn into_write(self) -> Result<RestWrite, RestRefusal> {
        let (path, query) = match self.url.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.url.as_str(), None),
        };
        let (name, id) = match path.split_once('/') {
            Some((name, id)) => (name, Some(id)),
            None => (path, None),
        };
        let resource_type = ResourceType::from_name(name).ok_or_else(|| {
            RestRefusal::one(
                404,
                "not-supported",
                "R4 has no resource of the type in request.url.",
                "Check the spelling; types begin with a capital letter.",
            )
        })?;
        if id.is_some_and(|id| !is_id(id)) {
            return Err(RestRefusal::invalid(
                "request.url holds no id as FHIR has them.",
                "Ids are 1 to 64 letters, digits, dashes and dots.",
            ));
        }
        let query = query.filter(|query| !query.is_empty());
        let (method, fits) = match self.method {
            EntryMethod::Post => (RestMethod::Create, id.is_none() && query.is_none()),
            EntryMethod::Put => (RestMethod::Update, id.is_some() != query.is_some()),
            EntryMethod::Patch => (RestMethod::Patch, id.is_some() != query.is_some()),
            EntryMethod::Delete => (RestMethod::Delete, id.is_some() != query.is_some()),
            EntryMethod::Get | EntryMethod::Head => (RestMethod::Update, false),
        };
        if !fits {
            return Err(RestRefusal::invalid(
                "request.url does not fit the method.",
                "POST to a type; PUT, PATCH and DELETE go to a type and id, or to a type with criteria.",
            ));
        }
        let body = match method {
            RestMethod::Patch => self.resource.map(patch_in).transpose()?,
            _ => self.resource,
        };
        Ok(RestWrite {
            method,
            resource_type,
            id: id.map(str::to_owned),
            criteria: query.map(str::to_owned),
            if_match: self.if_match,
            if_none_match: self.if_none_match,
            if_none_exist: self.if_none_exist,
            body,
            full_url: self.full_url,
            entry: Some(self.number),
            within: None,
        })
    }
}

/// Whether a text has the form of a FHIR id.
pub(in crate::intake) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

/// A patch in an entry: a Parameters resource, or a JSON Patch inside a Binary.
fn patch_in(resource: Json) -> Result<Json, RestRefusal> {
    match resource.text_at(&["resourceType"]) {
        Some("Parameters") => Ok(resource),
        Some("Binary") => {
            let unreadable = || {
                RestRefusal::invalid(
                    "The Binary holds no JSON Patch.",
                    "Write contentType application/json-patch+json, and the patch in data as base64.",
                )
            };
            let is_patch = resource
                .text_at(&["contentType"])
                .is_some_and(|kind| kind.starts_with("application/json-patch+json"));
            let data = resource
                .text_at(&["data"])
                .filter(|_| is_patch)
                .ok_or_else(unreadable)?;
            let plain: String = data.split_whitespace().collect();
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(plain)
                .map_err(|_| unreadable())?;
            Json::parse(&bytes, Limits::default()).map_err(|_| unreadable())
        }
        _ => Err(RestRefusal::invalid(
            "The entry's resource is no patch.",
            "Send a Parameters resource with FHIRPath Patch, or a Binary with a JSON Patch.",
        )),
    }
}

/// Whether a Bundle is one the feeds' road takes: resources that are posted and put, without
/// preconditions, conditional addresses or ids of ours. `is_ours` says whether an id is one we gave.
pub(in crate::intake) fn is_plain(
    bundle: &Json,
    is_ours: &mut dyn FnMut(ResourceType, &str) -> bool,
) -> bool {
    let kind = bundle.text_at(&["type"]);
    if !matches!(kind, Some("transaction" | "batch")) {
        return true;
    }
    let mut named = HashSet::new();
    bundle.elements("entry").iter().all(|entry| {
        let Some(request) = entry.get("request") else {
            return true;
        };
        let method = request.text_at(&["method"]).unwrap_or_default();
        let url = request.text_at(&["url"]).unwrap_or_default();
        let is_conditional = ["ifMatch", "ifNoneMatch", "ifNoneExist", "ifModifiedSince"]
            .iter()
            .any(|name| request.get(name).is_some());
        if is_conditional || url.contains(['?', '$']) || !matches!(method, "POST" | "PUT" | "") {
            return false;
        }
        if method == "PUT"
            && let Some(ReferenceTarget::Relative(kind, id)) = read_reference(url)
        {
            let is_second = !named.insert((kind, id));
            if (is_second && bundle.text_at(&["type"]) == Some("transaction")) || is_ours(kind, id)
            {
                return false;
            }
        }
        entry
            .get("resource")
            .is_none_or(|resource| refers_plainly(resource, is_ours))
    })
}

fn refers_plainly(value: &Json, is_ours: &mut dyn FnMut(ResourceType, &str) -> bool) -> bool {
    match value {
        Json::Array(values) => values.iter().all(|value| refers_plainly(value, is_ours)),
        Json::Object(members) => members.iter().all(|(name, value)| match value {
            Json::Text(text) if name == "reference" => match read_reference(text) {
                Some(ReferenceTarget::Relative(kind, id)) => !is_ours(kind, id),
                Some(ReferenceTarget::Absolute(_, Some((kind, id)))) => !is_ours(kind, id),
                Some(ReferenceTarget::Conditional(..)) => true,
                // Criteria other than an identifier.
                None => !text.contains('?'),
                _ => true,
            },
            other => refers_plainly(other, is_ours),
        }),
        _ => true,
    }
}
