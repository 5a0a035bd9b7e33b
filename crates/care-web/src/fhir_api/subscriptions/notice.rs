//! Notifications as the R5 backport for R4 writes them: a history Bundle whose first entry is the status, as
//! Parameters.

use care_core::fhir::{Json, Limits};
use care_record::{Event, Subscription};
use serde_json::{Value, json};

use super::sent::Content;

const PROFILES: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/";

/// What a notification is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whether the channel takes messages.
    Handshake,
    /// Nothing happened, and the channel stands.
    Heartbeat,
    /// Something changed.
    Event,
    /// An answer to `$status`.
    QueryStatus,
    /// An answer to `$events`.
    QueryEvent,
}

impl Kind {
    fn code(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Heartbeat => "heartbeat",
            Self::Event => "event-notification",
            Self::QueryStatus => "query-status",
            Self::QueryEvent => "query-event",
        }
    }
}

/// The status as Parameters. `events` are those the notification holds; with their references.
pub fn status(
    base: &str,
    topic: &str,
    one: &Subscription,
    kind: Kind,
    events: &[(&Event, bool)],
) -> Value {
    let mut parameters = vec![
        json!({ "name": "subscription", "valueReference": { "reference": format!("{base}/Subscription/{}", one.id) } }),
        json!({ "name": "topic", "valueCanonical": topic }),
        json!({ "name": "status", "valueCode": one.status.code() }),
        json!({ "name": "type", "valueCode": kind.code() }),
        json!({ "name": "events-since-subscription-start", "valueString": one.queued.to_string() }),
    ];
    for (event, named) in events {
        let mut parts = vec![
            json!({ "name": "event-number", "valueString": event.number.to_string() }),
            json!({ "name": "timestamp", "valueInstant": event.at.to_string() }),
        ];
        if *named {
            let focus = format!("{base}/{}/{}", event.kind, event.id);
            parts.push(json!({ "name": "focus", "valueReference": { "reference": focus } }));
        }
        parameters.push(json!({ "name": "notification-event", "part": parts }));
    }
    if !one.error.is_empty() {
        parameters.push(json!({ "name": "error", "valueCodeableConcept": { "text": one.error } }));
    }
    json!({
        "resourceType": "Parameters",
        "meta": { "profile": [format!("{PROFILES}backport-subscription-status-r4")] },
        "parameter": parameters,
    })
}

/// A notification.
pub fn bundle(
    base: &str,
    topic: &str,
    one: &Subscription,
    kind: Kind,
    events: &[Event],
    content: Content,
) -> String {
    let named = content != Content::Empty;
    let told: Vec<(&Event, bool)> = events.iter().map(|event| (event, named)).collect();
    let first = json!({
        "resource": status(base, topic, one, kind, &told),
        "request": { "method": "GET", "url": format!("{base}/Subscription/{}/$status", one.id) },
        "response": { "status": "200" },
    });
    let mut entries = vec![first.to_string()];
    if named {
        entries.extend(events.iter().map(|event| entry(base, event, content)));
    }
    let profile = format!("{PROFILES}backport-subscription-notification-r4");
    format!(
        "{{\"resourceType\":\"Bundle\",\"meta\":{{\"profile\":[\"{profile}\"]}},\"type\":\"history\",\"entry\":[{}]}}",
        entries.join(",")
    )
}

fn entry(base: &str, event: &Event, content: Content) -> String {
    let address = format!("{base}/{}/{}", event.kind, event.id);
    let (method, status) = if event.deleted {
        ("DELETE", "204")
    } else if event.version == 1 {
        ("PUT", "201")
    } else {
        ("PUT", "200")
    };
    let around = json!({ "method": method, "url": format!("{}/{}", event.kind, event.id) });
    let body = event
        .body
        .as_deref()
        .filter(|_| content == Content::Full)
        .and_then(|bytes| with_id(bytes, &event.id))
        .map(|body| format!("\"resource\":{body},"))
        .unwrap_or_default();
    format!(
        "{{\"fullUrl\":\"{address}\",{body}\"request\":{around},\"response\":{{\"status\":\"{status}\"}}}}"
    )
}

/// The resource under the id it is told by: a Patient's is its person's.
fn with_id(bytes: &[u8], id: &str) -> Option<String> {
    let mut body = Json::parse(bytes, Limits::default()).ok()?;
    if body.text_at(&["id"]) != Some(id) {
        body.set("id", Json::text(id));
    }
    Some(body.to_string())
}
