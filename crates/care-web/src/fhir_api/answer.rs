//! How every answer of the FHIR API leaves: in the format that was asked for, whole or in part, with
//! its version, or as 304 where the asker has it already.
//!
//! Handlers answer in compact JSON and say nothing of formats. [`shaped`] stands around them: it reads
//! what is wanted (`Accept`, `_format`, `_pretty`, `_summary`, `_elements`, `If-None-Match`,
//! `If-Modified-Since`), and where plain JSON is wanted it touches no byte of the body. A handler that
//! reads these from a form gives its answer [`Asked`] as an extension. Everything was decided and
//! written down before: what is done here only takes away. Source: FHIR R4 sections 3.1.0.1 and 3.1.1.5.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use care_core::fhir::search::{Handling, Summary};
use care_core::fhir::{Json, Kept, Limits, keep_only, xml};
use care_record::FhirResource;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::problem::Problem;

const JSON: &str = "application/fhir+json";
const XML: &str = "application/fhir+xml";

/// The format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// JSON.
    #[default]
    Json,
    /// XML.
    Xml,
}

/// How an answer is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    /// JSON or XML.
    pub format: Format,
    /// Each element on a line of its own.
    pub pretty: bool,
    /// What is kept of each resource; none: all of it.
    pub kept: Option<Kept>,
}

/// The parameters of a form, which say of the answer's shape what those of an address say.
#[derive(Debug, Clone)]
pub struct Asked(pub Vec<(String, String)>);

impl Shape {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// The same with what these parameters say of it. Other parameters are passed over.
    ///
    /// Errors: 406 for a format we do not write.
    pub fn with<'t>(
        mut self,
        pairs: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Result<Self, Problem> {
        for (name, value) in pairs {
            match name {
                "_format" if !value.is_empty() => {
                    self.format = format_of(value).ok_or_else(not_acceptable)?;
                }
                "_pretty" => self.pretty = value == "true",
                "_summary" => {
                    self.kept = match value {
                        "true" => Some(Kept::Summary),
                        "text" => Some(Kept::Text),
                        "data" => Some(Kept::Data),
                        _ => self.kept,
                    }
                }
                "_elements" if !value.is_empty() => {
                    let wanted = value.split(',').map(|one| {
                        // `Patient.name` is as good as `name`.
                        one.rsplit('.').next().unwrap_or(one).trim().to_owned()
                    });
                    match &mut self.kept {
                        Some(Kept::Elements(before)) => before.extend(wanted),
                        other => *other = Some(Kept::Elements(wanted.collect())),
                    }
                }
                _ => {}
            }
        }
        Ok(self)
    }
}

/// What `_summary` keeps of each resource.
pub fn kept(summary: Option<Summary>) -> Option<Kept> {
    match summary? {
        Summary::True => Some(Kept::Summary),
        Summary::Text => Some(Kept::Text),
        Summary::Data => Some(Kept::Data),
        Summary::Count | Summary::False => None,
    }
}

fn not_acceptable() -> Problem {
    Problem::new(
        StatusCode::NOT_ACCEPTABLE,
        "not-supported",
        "Answers are not written in this format",
        "Ask for application/fhir+json or application/fhir+xml, FHIR version 4.0, by Accept or _format.",
    )
}

/// The format a media type or short name asks for; a `+` may have become a space on the way.
fn format_of(text: &str) -> Option<Format> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase().replace(' ', "+");
    let is_other_version = parts
        .filter_map(|part| part.strip_prefix("fhirVersion="))
        .any(|version| !matches!(version.trim_matches('"'), "4.0" | "4.0.1"));
    if is_other_version {
        return None;
    }
    match name.as_str() {
        "json" | JSON | "application/json" | "text/json" | "*/*" | "application/*" => {
            Some(Format::Json)
        }
        "xml" | XML | "application/xml" | "text/xml" => Some(Format::Xml),
        _ => None,
    }
}

/// The format an Accept header likes best of ours; none where it likes neither.
fn accepted(header: &str) -> Option<Format> {
    let mut best: Option<(Format, f32)> = None;
    for part in header.split(',') {
        let quality = part
            .split(';')
            .find_map(|one| one.trim().strip_prefix("q="))
            .map_or(1.0, |text| text.parse::<f32>().unwrap_or(0.0));
        let Some(format) = format_of(part).filter(|_| quality > 0.0) else {
            continue;
        };
        if best.is_none_or(|(_, before)| quality > before) {
            best = Some((format, quality));
        }
    }
    best.map(|(format, _)| format)
}

/// What is wanted of a request, from its headers and address.
fn shape_of(request: &Request) -> Result<Shape, Problem> {
    let mut shape = Shape::default();
    let query = request.uri().query().unwrap_or_default();
    // Files and what operations give may be of other kinds; they look at Accept themselves.
    let may_be_other =
        request.uri().path().contains("/$") || request.uri().path().contains("/Binary");
    let has_format = query.contains("_format");
    if let Some(accept) = request.headers().get(header::ACCEPT) {
        let accept = accept.to_str().unwrap_or_default();
        match accepted(accept) {
            Some(format) => shape.format = format,
            None if may_be_other || has_format || accept.is_empty() => {}
            None => return Err(not_acceptable()),
        }
    }
    if !query.contains('_') {
        return Ok(shape);
    }
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let of_operation = request.uri().path().contains("/$");
    let known = pairs
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_ref()))
        // An operation may give `_format` and `_elements` a meaning of its own.
        .filter(|(name, value)| {
            !of_operation
                || (*name == "_format" && format_of(value).is_some())
                || *name == "_pretty"
        });
    shape.with(known)
}

/// What the asker has already.
#[derive(Default)]
struct Had {
    tags: Option<String>,
    since: Option<Timestamp>,
}

impl Had {
    fn of(request: &Request) -> Self {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Self::default();
        }
        let text = |name| {
            let value: &HeaderValue = request.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        Self {
            tags: text(header::IF_NONE_MATCH),
            since: text(header::IF_MODIFIED_SINCE).and_then(|text| http_date(&text)),
        }
    }

    /// Whether what leaves is what the asker has. The tag counts before the date (RFC 9110, 13.2.2).
    fn has(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(tags) = &self.tags {
            let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
            let Some(tag) = text(header::ETAG).map(plain) else {
                return false;
            };
            return tags
                .split(',')
                .any(|one| one.trim() == "*" || plain(one) == tag);
        }
        let changed = text(header::LAST_MODIFIED).and_then(http_date);
        matches!((self.since, changed), (Some(since), Some(changed)) if changed <= since)
    }
}

/// Around every handler of the FHIR API.
pub async fn shaped(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !path.starts_with("/fhir/R4") || path.contains("/.well-known/") {
        return next.run(request).await;
    }
    let shape = match shape_of(&request) {
        Ok(shape) => shape,
        Err(problem) => return problem.outcome(),
    };
    let had = Had::of(&request);
    let mut response = next.run(request).await;
    let Some(Asked(pairs)) = response.extensions_mut().remove::<Asked>() else {
        return finish(response, shape, &had).await;
    };
    let pairs = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    match shape.with(pairs) {
        Ok(shape) => finish(response, shape, &had).await,
        Err(problem) => problem.outcome(),
    }
}

async fn finish(response: Response, shape: Shape, had: &Had) -> Response {
    let status = response.status();
    if !is_fhir_json(response.headers()) {
        let is_bare = status.is_client_error() || status.is_server_error();
        let is_other = response.headers().contains_key(header::CONTENT_TYPE)
            && !starts_with(response.headers(), "text/");
        if !is_bare || is_other {
            return response;
        }
        return Box::pin(finish(bare(status), shape, had)).await;
    }
    if status == StatusCode::OK && had.has(response.headers()) {
        return not_modified(response);
    }
    if shape.is_plain() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return Problem::unavailable("an answer broke off").outcome();
    };
    if bytes.is_empty() {
        return Response::from_parts(parts, Body::empty());
    }
    let (kind, work) = match shape.format {
        Format::Json => (JSON, shape),
        Format::Xml => (XML, shape),
    };
    match crate::blocking(move || reshape(&bytes, &work)).await {
        Ok(written) => {
            parts.headers.remove(header::CONTENT_LENGTH);
            parts
                .headers
                .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            Response::from_parts(parts, Body::from(written))
        }
        Err(problem) => problem.outcome(),
    }
}

/// The bytes of a resource in another shape.
fn reshape(bytes: &Bytes, shape: &Shape) -> Vec<u8> {
    let limits = Limits {
        bytes: usize::MAX,
        values: usize::MAX,
        depth: 200,
    };
    let Ok(mut resource) = Json::parse(bytes, limits) else {
        return bytes.to_vec();
    };
    if let Some(kept) = &shape.kept {
        keep_in(&mut resource, kept);
    }
    match shape.format {
        Format::Xml => xml::write(&resource, shape.pretty).into_bytes(),
        Format::Json if shape.pretty => resource.to_pretty().into_bytes(),
        Format::Json => resource.to_string().into_bytes(),
    }
}

/// A Bundle stays whole, and the matches in it are cut; what was included or says how it went is not.
fn keep_in(resource: &mut Json, kept: &Kept) {
    match resource.text_at(&["resourceType"]) {
        Some("OperationOutcome") => {}
        Some("Bundle") => {
            let Some(Json::Array(entries)) = resource.get_mut("entry") else {
                return;
            };
            for entry in entries {
                let is_whole = matches!(
                    entry.text_at(&["search", "mode"]),
                    Some("include" | "outcome")
                );
                if let Some(inner) = entry.get_mut("resource").filter(|_| !is_whole) {
                    keep_in(inner, kept);
                }
            }
        }
        _ => keep_only(resource, kept),
    }
}

fn is_fhir_json(headers: &HeaderMap) -> bool {
    starts_with(headers, JSON)
}

fn starts_with(headers: &HeaderMap, kind: &str) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with(kind))
}

/// A refusal that was made outside our handlers, in words.
fn bare(status: StatusCode) -> Response {
    let (code, title, text) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => (
            "too-long",
            "The body is too long",
            "Send less at once: several smaller Bundles.",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            "not-supported",
            "This kind of body is not read",
            "Send Content-Type application/fhir+json, or a form for a search.",
        ),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => (
            "timeout",
            "The answer took too long",
            "Nothing was lost. Ask for less at once, or try again in a moment.",
        ),
        StatusCode::NOT_FOUND => (
            "not-found",
            "Not available through Connect Care",
            "Nothing is there under this address.",
        ),
        status if status.is_server_error() => (
            "exception",
            "Sorry, there is a problem",
            "Nothing was lost. Try again in a moment.",
        ),
        _ => (
            "invalid",
            "The request cannot be understood",
            "Check the address, the headers and the body.",
        ),
    };
    Problem::new(status, code, title, text).outcome()
}

fn not_modified(response: Response) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    for gone in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        parts.headers.remove(gone);
    }
    Response::from_parts(parts, Body::empty())
}

/// A date as HTTP writes it.
fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

/// An answer in FHIR JSON.
pub fn fhir_json(body: impl Into<Body>) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(JSON))];
    (kind, body.into()).into_response()
}

/// One resource, with its version as ETag and when it came as Last-Modified.
pub fn resource(found: FhirResource) -> Response {
    let (version, updated_at) = (found.version, found.updated_at);
    let mut response = fhir_json(found.body);
    set_version(response.headers_mut(), version, updated_at);
    response
}

/// Says which version a resource has, and when it came.
pub fn set_version(headers: &mut HeaderMap, version: u32, updated_at: Option<Timestamp>) {
    if let Ok(tag) = HeaderValue::from_str(&format!("W/\"{version}\"")) {
        headers.insert(header::ETAG, tag);
    }
    // Whole seconds: HTTP knows no others.
    let date = updated_at.and_then(|at| {
        let text = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at);
        HeaderValue::from_str(&text.ok()?).ok()
    });
    if let Some(date) = date {
        headers.insert(header::LAST_MODIFIED, date);
    }
}

/// Why an entry stands in a searchset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is what was searched for.
    Match,
    /// It was asked for along with a match.
    Include,
}

/// What a searchset says besides its resources.
#[derive(Debug, Clone, Default)]
pub struct Searchset {
    /// How many match in all; none: not said.
    pub total: Option<u64>,
    /// Relations with their addresses.
    pub links: Vec<(&'static str, String)>,
    /// What the asker is told, as an OperationOutcome; none: nothing.
    pub told: Option<Json>,
}

impl Searchset {
    /// The Bundle. Bodies are written as they were stored, so their numbers keep their text.
    pub fn write<'r>(
        &self,
        base: &str,
        resources: impl Iterator<Item = (Mode, &'r FhirResource)> + Clone,
    ) -> Vec<u8> {
        let room: usize = resources.clone().map(|(_, one)| one.body.len() + 160).sum();
        let mut out = String::with_capacity(512);
        out.push_str("{\"resourceType\":\"Bundle\",\"type\":\"searchset\"");
        if let Some(total) = self.total {
            out.push_str(",\"total\":");
            out.push_str(&total.to_string());
        }
        if !self.links.is_empty() {
            let links = self.links.iter().map(|(relation, url)| {
                Json::object([
                    ("relation", (*relation).into()),
                    ("url", url.as_str().into()),
                ])
            });
            out.push_str(",\"link\":");
            Json::Array(links.collect()).write_to(&mut out);
        }
        let mut out = out.into_bytes();
        out.reserve(room);
        let mut is_first = true;
        let mut begin = |out: &mut Vec<u8>| {
            out.extend_from_slice(if is_first { b",\"entry\":[" } else { b"," });
            is_first = false;
        };
        for (mode, one) in resources {
            begin(&mut out);
            for part in [
                "{\"fullUrl\":\"",
                base,
                "/",
                one.resource_type.name(),
                "/",
                &one.id,
            ] {
                out.extend_from_slice(part.as_bytes());
            }
            out.extend_from_slice(b"\",\"resource\":");
            out.extend_from_slice(&one.body);
            out.extend_from_slice(match mode {
                Mode::Match => b",\"search\":{\"mode\":\"match\"}}",
                Mode::Include => b",\"search\":{\"mode\":\"include\"}}",
            });
        }
        if let Some(told) = &self.told {
            begin(&mut out);
            out.extend_from_slice(b"{\"resource\":");
            out.extend_from_slice(told.to_string().as_bytes());
            out.extend_from_slice(b",\"search\":{\"mode\":\"outcome\"}}");
        }
        out.extend_from_slice(if is_first { b"}" } else { b"]}" });
        out
    }
}

/// What a write is to answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    /// Nothing but the headers.
    Minimal,
    /// The resource.
    Representation,
    /// An OperationOutcome.
    OperationOutcome,
}

/// The preferences of a request. One that is unknown is passed over, as RFC 7240 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prefer {
    /// What a write answers with.
    pub returns: Option<Returns>,
    /// What becomes of unknown search parameters.
    pub handling: Handling,
    /// The answer may come later.
    pub asynchronously: bool,
}

impl Prefer {
    /// Reads the headers `Prefer` of a request.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let values = headers.get_all("prefer").iter();
        for value in values.filter_map(|value| value.to_str().ok()) {
            for one in value.split([',', ';']) {
                let mut parts = one.trim().splitn(2, '=');
                let name = parts.next().unwrap_or_default().trim();
                let value = parts.next().unwrap_or_default().trim().trim_matches('"');
                match (name, value) {
                    ("return", "minimal") => prefer.returns = Some(Returns::Minimal),
                    ("return", "representation") => {
                        prefer.returns = Some(Returns::Representation);
                    }
                    ("return", "OperationOutcome") => {
                        prefer.returns = Some(Returns::OperationOutcome);
                    }
                    ("handling", "lenient") => prefer.handling = Handling::Lenient,
                    ("handling", "strict") => prefer.handling = Handling::Strict,
                    ("respond-async", _) => prefer.asynchronously = true,
                    _ => {}
                }
            }
        }
        prefer
    }
}

impl<S: Sync> FromRequestParts<S> for Prefer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_best_liked_of_those_we_write() {
        let table = [
            ("application/fhir+json", Some(Format::Json)),
            ("application/fhir+xml", Some(Format::Xml)),
            ("*/*", Some(Format::Json)),
            (
                "text/html, application/fhir+xml;q=0.5, application/json;q=0.9",
                Some(Format::Json),
            ),
            ("application/fhir+xml;q=0, */*;q=0.1", Some(Format::Json)),
            ("application/fhir+json; fhirVersion=4.0", Some(Format::Json)),
            ("application/fhir+json; fhirVersion=3.0", None),
            ("text/html", None),
            ("image/png, */*;q=0", None),
        ];
        for (header, expected) in table {
            assert_eq!(accepted(header), expected, "{header}");
        }
        let shape = |pairs: &[(&str, &str)]| Shape::default().with(pairs.iter().copied()).ok();
        assert_eq!(
            shape(&[("_format", "application/fhir xml")]).map(|s| s.format),
            Some(Format::Xml)
        );
        assert_eq!(shape(&[("_format", "turtle")]), None);
        assert_eq!(
            shape(&[("name", "xml"), ("_format", "json")]),
            Some(Shape::default())
        );
    }

    #[test]
    fn what_the_asker_has_is_not_sent_again() {
        let table = [
            (Some("W/\"3\""), None, true),
            (Some("\"3\""), None, true),
            (Some("W/\"2\", W/\"3\""), None, true),
            (Some("*"), None, true),
            (
                Some("W/\"2\""),
                Some("Mon, 23 Nov 2026 10:00:00 GMT"),
                false,
            ),
            (None, Some("Mon, 23 Nov 2026 10:00:00 GMT"), true),
            (None, Some("Mon, 23 Nov 2026 09:59:59 GMT"), false),
            (None, Some("yesterday"), false),
            (None, None, false),
        ];
        let mut headers = HeaderMap::new();
        set_version(&mut headers, 3, "2026-11-23T10:00:00.7Z".parse().ok());
        for (tags, since, expected) in table {
            let mut request = Request::new(Body::empty());
            let mut set = |name: header::HeaderName, value: Option<&'static str>| {
                if let Some(value) = value {
                    request
                        .headers_mut()
                        .insert(name, HeaderValue::from_static(value));
                }
            };
            set(header::IF_NONE_MATCH, tags);
            set(header::IF_MODIFIED_SINCE, since);
            assert_eq!(
                Had::of(&request).has(&headers),
                expected,
                "{tags:?} {since:?}"
            );
        }
    }

    #[test]
    fn preferences_are_read_from_one_header_or_several() {
        let mut headers = HeaderMap::new();
        headers.append(
            "prefer",
            HeaderValue::from_static("return=minimal; handling=lenient"),
        );
        headers.append("prefer", HeaderValue::from_static("respond-async, odd=1"));
        let expected = Prefer {
            returns: Some(Returns::Minimal),
            handling: Handling::Lenient,
            asynchronously: true,
        };
        assert_eq!(Prefer::of(&headers), expected);
    }
}
