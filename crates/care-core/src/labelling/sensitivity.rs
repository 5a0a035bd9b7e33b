//! The highest protection that anything inside a resource calls for.

use base64::Engine;

use super::lists::{CodeLists, Mark};
use crate::fhir::{Json, ResourceType};
use crate::vocabulary::Sensitivity;

/// Our own code system of protection levels, for security labels.
pub(super) const SENSITIVITY_SYSTEM: &str = "https://connect-care.example/CodeSystem/sensitivity";

/// How much of a text attachment is read for phrases, in bytes of base 64.
const ATTACHMENT_READ_BYTES: usize = 4 << 20;

/// Looks at every code, every text and the security labels.
///
/// A person's demographics are never hidden by a word in them: restricted addresses are a flag of
/// the person (access model, rule 12). People and places that are not the subject carry no
/// sensitivity of their own either; an item that names them does.
pub(super) fn sensitivity_of(
    resource_type: ResourceType,
    body: &Json,
    lists: &CodeLists,
) -> Sensitivity {
    if matches!(
        resource_type.name(),
        "Patient"
            | "Organization"
            | "Practitioner"
            | "PractitionerRole"
            | "Location"
            | "HealthcareService"
    ) {
        return Sensitivity::Normal;
    }
    let mut search = Search {
        lists,
        highest: Sensitivity::Normal,
    };
    search.security_labels(body);
    search.value("", body);
    search.highest
}

struct Search<'a> {
    lists: &'a CodeLists,
    highest: Sensitivity,
}

impl Search<'_> {
    fn raise(highest: &mut Sensitivity, lists: &CodeLists, topic: u16) {
        if let Some(Mark::Sensitivity(level)) = lists.mark(topic) {
            *highest = (*highest).max(level);
        }
    }

    fn security_labels(&mut self, body: &Json) {
        let Some(meta) = body.get("meta") else { return };
        for label in meta.elements("security") {
            let system = label.text_at(&["system"]);
            let code = label.text_at(&["code"]).unwrap_or_default();
            let mut known = false;
            let (lists, highest) = (self.lists, &mut self.highest);
            lists.find_security(system, code, |topic| {
                known = true;
                Self::raise(highest, lists, topic);
            });
            if !known && system == Some(SENSITIVITY_SYSTEM) && code != "normal" {
                // A level of our own system that we do not know: more than normal, for certain.
                self.highest = self.highest.max(Sensitivity::Sealed);
            }
        }
    }

    fn value(&mut self, name: &str, value: &Json) {
        match value {
            Json::Text(text) => self.text(name, text),
            Json::Array(values) => values.iter().for_each(|value| self.value(name, value)),
            Json::Object(members) if name != "identifier" => {
                self.code(value);
                self.attachment(value);
                for (name, value) in members {
                    self.value(name, value);
                }
            }
            _ => {}
        }
    }

    fn code(&mut self, value: &Json) {
        if let Some(Json::Text(code)) = value.get("code") {
            let system = value.get("system").and_then(Json::as_text);
            let (lists, highest) = (self.lists, &mut self.highest);
            lists.find_code(system, code, |topic| Self::raise(highest, lists, topic));
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        if text.len() < 3 || is_no_prose(name) {
            return;
        }
        let (lists, highest) = (self.lists, &mut self.highest);
        lists.find_phrases(text, |topic| Self::raise(highest, lists, topic));
    }

    /// A letter sent as plain text inside an attachment is read like any other text.
    fn attachment(&mut self, value: &Json) {
        let Some(Json::Text(data)) = value.get("data") else {
            return;
        };
        let kind = value.text_at(&["contentType"]).unwrap_or_default();
        if !kind.starts_with("text/") || data.len() > ATTACHMENT_READ_BYTES {
            return;
        }
        let packed: Vec<u8> = data.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        if let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(packed) {
            self.text("text", &String::from_utf8_lossy(&bytes));
        }
    }
}

/// Members that hold keys, addresses and names of people rather than words about care.
fn is_no_prose(name: &str) -> bool {
    matches!(
        name,
        "data"
            | "url"
            | "system"
            | "code"
            | "id"
            | "reference"
            | "resourceType"
            | "family"
            | "given"
            | "line"
            | "city"
            | "district"
            | "postalCode"
            | "profile"
            | "fullUrl"
            | "lastUpdated"
            | "status"
            | "contentType"
            | "hash"
            | "unit"
            | "start"
            | "end"
    )
}
