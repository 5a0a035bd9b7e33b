//! A Subscription as a source sends it, read: its filter, its channel, and how much it is told.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use care_core::fhir::search::Parameters;
use care_core::fhir::{Json, Limits};
use care_record::Filter;
use jiff::Timestamp;

use crate::problem::Problem;

const EXTENSION: &str =
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-";
/// Headers a source may not set: they say how the message is carried.
const RESERVED: [&str; 8] = [
    "host",
    "content-length",
    "content-type",
    "connection",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
];

/// How much of a change is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Only that something changed.
    Empty,
    /// Which resources.
    IdOnly,
    /// The resources.
    Full,
}

impl Content {
    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Some(match code {
            "empty" => Self::Empty,
            "id-only" => Self::IdOnly,
            "full-resource" => Self::Full,
            _ => return None,
        })
    }
}

/// Where it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// A POST to this address, with these headers.
    Hook(reqwest::Url, Vec<(HeaderName, HeaderValue)>),
    /// Over a websocket that the source opens.
    WebSocket,
}

/// A Subscription, read.
#[derive(Debug, Clone)]
pub struct Sent {
    pub body: String,
    pub filter: String,
    pub channel: Channel,
    pub content: Content,
    pub heartbeat_seconds: Option<u32>,
    pub timeout_seconds: u32,
    pub max_count: u32,
    pub ends: Option<Timestamp>,
    pub off: bool,
}

fn wrong(what: &str, mend: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", what, mend)
}

fn extension<'j>(of: Option<&'j Json>, name: &str) -> Option<&'j Json> {
    of?.elements("extension").iter().find(|one| {
        one.text_at(&["url"])
            .and_then(|url| url.strip_prefix(EXTENSION))
            == Some(name)
    })
}

fn whole(of: Option<&Json>, name: &str, value: &str) -> Option<u32> {
    extension(of, name)?.get(value)?.as_number()?.parse().ok()
}

impl Sent {
    /// Reads a resource. `topic` is ours; `base` is this server's FHIR address; `parameters` are the
    /// search parameters there are.
    ///
    /// Errors: 422, which says which element and how to mend it.
    pub fn read(
        bytes: &[u8],
        topic: &str,
        base: &str,
        parameters: &Arc<Parameters>,
    ) -> Result<Self, Problem> {
        let json = Json::parse(bytes, Limits::default()).map_err(|_| {
            wrong(
                "The body is no JSON",
                "Send a Subscription as application/fhir+json.",
            )
        })?;
        if json.text_at(&["resourceType"]) != Some("Subscription") {
            return Err(wrong("The body is no Subscription", "Send a Subscription."));
        }
        let off = match json.text_at(&["status"]) {
            Some("requested" | "active") => false,
            Some("off") => true,
            _ => {
                return Err(wrong(
                    "Subscription.status is missing or cannot be asked for",
                    "Send requested, or off.",
                ));
            }
        };
        if json.text_at(&["criteria"]) != Some(topic) {
            return Err(wrong(
                "Subscription.criteria names no topic of this server",
                format!(
                    "Send the topic {topic}, and what to look for in the extension {EXTENSION}filter-criteria."
                ),
            ));
        }
        let filters: Vec<&Json> = json
            .get("_criteria")
            .map(|one| one.elements("extension"))
            .unwrap_or_default()
            .iter()
            .filter(|one| one.text_at(&["url"]) == Some(&format!("{EXTENSION}filter-criteria")))
            .collect();
        let filter = match filters.as_slice() {
            [one] => one.text_at(&["valueString"]),
            _ => None,
        };
        let filter = filter.ok_or_else(|| {
            wrong(
                "Subscription._criteria needs one filter",
                format!("Send one extension {EXTENSION}filter-criteria with a valueString such as Observation?status=final."),
            )
        })?;
        Filter::read(filter, base, parameters)
            .map_err(|why| wrong("The filter cannot be used", format!("{why}.")))?;
        let channel = json.get("channel");
        let content = extension(
            json.path(&["channel", "_payload"]),
            "payload-content",
        )
        .and_then(|one| one.text_at(&["valueCode"]))
        .and_then(Content::from_code)
        .ok_or_else(|| {
            wrong(
                "Subscription.channel._payload does not say how much to tell",
                format!("Send the extension {EXTENSION}payload-content with empty, id-only or full-resource."),
            )
        })?;
        let payload = json.text_at(&["channel", "payload"]);
        let is_json = payload
            .is_none_or(|kind| ["application/fhir+json", "application/json"].contains(&kind));
        if !is_json {
            return Err(wrong(
                "Subscription.channel.payload is no format of notifications",
                "Send application/fhir+json.",
            ));
        }
        let ends = json.text_at(&["end"]).map(str::parse::<Timestamp>);
        let ends = ends.transpose().map_err(|_| {
            wrong(
                "Subscription.end is no instant",
                "Write it as 2026-12-01T00:00:00Z.",
            )
        })?;
        Ok(Self {
            filter: filter.to_owned(),
            channel: read_channel(&json)?,
            content,
            heartbeat_seconds: whole(channel, "heartbeat-period", "valueUnsignedInt")
                .map(|seconds| seconds.max(10)),
            timeout_seconds: whole(channel, "timeout", "valueUnsignedInt")
                .unwrap_or(10)
                .clamp(1, 30),
            max_count: whole(channel, "max-count", "valuePositiveInt")
                .unwrap_or(20)
                .clamp(1, 100),
            ends,
            off,
            body: json.to_string(),
        })
    }
}

fn read_channel(json: &Json) -> Result<Channel, Problem> {
    match json.text_at(&["channel", "type"]) {
        Some("websocket") => return Ok(Channel::WebSocket),
        Some("rest-hook") => {}
        _ => {
            return Err(wrong(
                "Subscription.channel.type is missing or not served",
                "Use rest-hook or websocket.",
            ));
        }
    }
    let address = json.text_at(&["channel", "endpoint"]).unwrap_or_default();
    let address = reqwest::Url::parse(address).map_err(|_| {
        wrong(
            "Subscription.channel.endpoint is no address",
            "Send the whole https address that takes the notifications.",
        )
    })?;
    let mut headers = Vec::new();
    let given = json.get("channel").map(|one| one.elements("header"));
    for one in given.unwrap_or_default() {
        let pair = one.as_text().and_then(|text| text.split_once(':'));
        let read = pair.and_then(|(name, value)| {
            let name: HeaderName = name.trim().parse().ok()?;
            let mut value: HeaderValue = value.trim().parse().ok()?;
            value.set_sensitive(true);
            (!RESERVED.contains(&name.as_str())).then_some((name, value))
        });
        match read {
            Some(pair) if headers.len() < 10 => headers.push(pair),
            _ => {
                return Err(wrong(
                    "Subscription.channel.header cannot be sent",
                    "Send at most ten, each as Name: value, and none that says how the message is carried.",
                ));
            }
        }
    }
    Ok(Channel::Hook(address, headers))
}
