//! [`Json`] to FHIR XML: elements in the order of their definition, values in the attribute `value`,
//! narrative as it stands.
//!
//! What R4 does not define is written after what it does, as plain elements. Source: FHIR R4 section
//! 2.6.1.

use std::fmt::Write as _;

use super::Json;
use super::definitions::{Definitions, TypeDefinition, TypeKind};
use super::xml::is_well_formed;

const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// Writes a resource as an XML document. Reading it again gives the same resource, with its members
/// in the order of the definition. `pretty` puts each element on a line of its own.
pub fn write(resource: &Json, pretty: bool) -> String {
    let mut out = Out {
        text: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"),
        pretty,
        depth: 0,
    };
    resource_element(resource, " xmlns=\"http://hl7.org/fhir\"", &mut out);
    out.text
}

/// Where the document is written to.
struct Out {
    text: String,
    pretty: bool,
    depth: usize,
}

impl Out {
    fn line(&mut self) {
        if self.pretty {
            self.text.push('\n');
            for _ in 0..self.depth {
                self.text.push_str("  ");
            }
        }
    }

    /// Begins an element whose opening tag is still open for attributes.
    fn begin(&mut self, name: &str) {
        self.line();
        self.text.push('<');
        self.text.push_str(name);
    }

    fn end(&mut self, name: &str) {
        self.line();
        let _ = write!(self.text, "</{name}>");
    }
}

fn resource_element(resource: &Json, attributes: &str, out: &mut Out) {
    let name = resource.text_at(&["resourceType"]).unwrap_or("Resource");
    let name = element_name(name);
    out.begin(name);
    let _ = write!(out.text, "{attributes}>");
    out.depth += 1;
    members(resource, Definitions::r4().get(name), &[], out);
    out.depth -= 1;
    out.end(name);
}

/// A name that may stand in XML as it is; anything else is no element of FHIR.
fn element_name(name: &str) -> &str {
    let is_sound = name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_sound { name } else { "unknown" }
}

/// One element: its value, and what stands beside it in its shadow member.
struct Member<'j> {
    place: usize,
    name: &'j str,
    value: Option<&'j Json>,
    shadow: Option<&'j Json>,
}

/// The members of an object but for those named, as elements.
fn members(
    object: &Json,
    definition: Option<&'static TypeDefinition>,
    without: &[&str],
    out: &mut Out,
) {
    let Json::Object(all) = object else { return };
    let mut found: Vec<Member<'_>> = Vec::with_capacity(all.len());
    for (name, value) in all {
        let (plain, is_shadow) = match name.strip_prefix('_') {
            Some(plain) => (plain, true),
            None => (name.as_ref(), false),
        };
        if plain == "resourceType" || without.contains(&plain) {
            continue;
        }
        let at = found.iter().position(|member| member.name == plain);
        let at = at.unwrap_or_else(|| {
            found.push(Member {
                place: definition
                    .and_then(|of| of.place(plain))
                    .unwrap_or(usize::MAX),
                name: plain,
                value: None,
                shadow: None,
            });
            found.len() - 1
        });
        let place = &mut found[at];
        if is_shadow {
            place.shadow = Some(value);
        } else {
            place.value = Some(value);
        }
    }
    found.sort_by_key(|member| member.place);
    for member in &found {
        let type_name = definition
            .and_then(|of| of.member(member.name))
            .map(|(_, of_type)| of_type.name);
        elements(member, type_name, out);
    }
}

/// Every repetition of one member.
fn elements(member: &Member<'_>, type_name: Option<&'static str>, out: &mut Out) {
    let list = |json: Option<&'_ Json>| match json {
        Some(Json::Array(values)) => values.len(),
        Some(_) => 1,
        None => 0,
    };
    let at = |json: Option<&'_ Json>, place: usize| -> Json {
        match json {
            Some(Json::Array(values)) => values.get(place).cloned().unwrap_or_default(),
            Some(one) if place == 0 => one.clone(),
            _ => Json::Null,
        }
    };
    // Most members are one object, and need no copy.
    if let (Some(value @ Json::Object(_)), None) = (member.value, member.shadow) {
        return element(member.name, value, &Json::Null, type_name, out);
    }
    if let (Some(Json::Array(values)), None) = (member.value, member.shadow) {
        for value in values {
            element(member.name, value, &Json::Null, type_name, out);
        }
        return;
    }
    for place in 0..list(member.value).max(list(member.shadow)) {
        let (value, shadow) = (at(member.value, place), at(member.shadow, place));
        element(member.name, &value, &shadow, type_name, out);
    }
}

fn element(
    name: &str,
    value: &Json,
    shadow: &Json,
    type_name: Option<&'static str>,
    out: &mut Out,
) {
    let definition = type_name.and_then(|name| Definitions::r4().get(name));
    let kind = definition.map(|definition| definition.kind);
    let name = element_name(name);
    match value {
        Json::Text(text) if type_name == Some("xhtml") => {
            out.line();
            return narrative(text, &mut out.text);
        }
        Json::Object(_) if kind == Some(TypeKind::Resource) || is_resource(value) => {
            out.begin(name);
            out.text.push('>');
            out.depth += 1;
            resource_element(value, "", out);
            out.depth -= 1;
            return out.end(name);
        }
        Json::Object(_) => return object(name, value, definition, out),
        Json::Array(values) => {
            for value in values {
                element(name, value, &Json::Null, type_name, out);
            }
            return;
        }
        Json::Null if *shadow == Json::Null => return,
        _ => {}
    }
    out.begin(name);
    if let Some(id) = shadow.text_at(&["id"]) {
        attribute("id", id, &mut out.text);
    }
    match value {
        Json::Text(text) => attribute("value", text, &mut out.text),
        Json::Number(text) => attribute("value", text, &mut out.text),
        Json::Bool(value) => {
            let text = if *value { "true" } else { "false" };
            attribute("value", text, &mut out.text);
        }
        _ => {}
    }
    close(name, shadow, Definitions::r4().get("Element"), &["id"], out);
}

fn object(name: &str, value: &Json, definition: Option<&'static TypeDefinition>, out: &mut Out) {
    out.begin(name);
    let is_extension = definition.is_some_and(|definition| definition.name == "Extension")
        || matches!(name, "extension" | "modifierExtension");
    let mut without = vec!["id"];
    if let Some(id) = value.text_at(&["id"]) {
        attribute("id", id, &mut out.text);
    }
    if is_extension {
        without.push("url");
        if let Some(url) = value.text_at(&["url"]) {
            attribute("url", url, &mut out.text);
        }
    }
    close(name, value, definition, &without, out);
}

/// Ends the opening tag, with what is inside and the closing tag where there is anything.
fn close(
    name: &str,
    inside: &Json,
    definition: Option<&'static TypeDefinition>,
    without: &[&str],
    out: &mut Out,
) {
    out.text.push('>');
    let begun = out.text.len();
    out.depth += 1;
    members(inside, definition, without, out);
    out.depth -= 1;
    if out.text.len() == begun {
        out.text.pop();
        out.text.push_str("/>");
    } else {
        out.end(name);
    }
}

fn is_resource(value: &Json) -> bool {
    value.text_at(&["resourceType"]).is_some()
}

/// A narrative as it stands, where it is well-formed XHTML; else its text, so that one odd narrative
/// does not spoil the document.
fn narrative(text: &str, out: &mut String) {
    let begin = text.trim_start();
    if begin.starts_with("<div") && is_well_formed(begin) {
        if begin.contains(XHTML) {
            out.push_str(begin);
        } else {
            let _ = write!(out, "<div xmlns=\"{XHTML}\"{}", &begin["<div".len()..]);
        }
        return;
    }
    let _ = write!(out, "<div xmlns=\"{XHTML}\">");
    escape(text, out);
    out.push_str("</div>");
}

fn attribute(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(value, out);
    out.push('"');
}

/// Writes a text so that it reads back as it was. Signs that XML cannot hold are left out.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::{Limits, xml};

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), Limits::default()).expect(text)
    }

    #[test]
    fn json_becomes_the_xml_a_source_would_have_sent() {
        let table = [
            (
                r#"{"resourceType":"Patient","birthDate":"1944","id":"a","active":true}"#,
                r#"<Patient xmlns="http://hl7.org/fhir"><id value="a"/><active value="true"/><birthDate value="1944"/></Patient>"#,
            ),
            (
                r#"{"resourceType":"Patient","name":[{"id":"n","given":["A",null,"C"],"_given":[null,{"id":"g"},null]}]}"#,
                r#"<Patient xmlns="http://hl7.org/fhir"><name id="n"><given value="A"/><given id="g"/><given value="C"/></name></Patient>"#,
            ),
            (
                r#"{"resourceType":"Patient","extension":[{"url":"http://x","valueDecimal":1.50}],"text":{"status":"generated","div":"<div>a &amp; b</div>"}}"#,
                r#"<Patient xmlns="http://hl7.org/fhir"><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">a &amp; b</div></text><extension url="http://x"><valueDecimal value="1.50"/></extension></Patient>"#,
            ),
            (
                r#"{"resourceType":"Bundle","type":"searchset","entry":[{"fullUrl":"x","resource":{"resourceType":"Basic","id":"b"}}]}"#,
                r#"<Bundle xmlns="http://hl7.org/fhir"><type value="searchset"/><entry><fullUrl value="x"/><resource><Basic><id value="b"/></Basic></resource></entry></Bundle>"#,
            ),
            (
                r#"{"resourceType":"Basic","id":"a\"<&\n\u0001"}"#,
                r#"<Basic xmlns="http://hl7.org/fhir"><id value="a&quot;&lt;&amp;&#10;"/></Basic>"#,
            ),
            (
                r#"{"resourceType":"Basic","text":{"div":"<div>never closed"}}"#,
                r#"<Basic xmlns="http://hl7.org/fhir"><text><div xmlns="http://www.w3.org/1999/xhtml">&lt;div&gt;never closed</div></text></Basic>"#,
            ),
        ];
        for (json_text, expected) in table {
            let written = write(&json(json_text), false);
            let rest = written.split_once("?>").expect("a declaration").1;
            assert_eq!(rest, expected, "{json_text}");
        }
    }

    #[test]
    fn names_that_are_no_xml_names_cannot_break_the_document() {
        let odd = json(r#"{"resourceType":"Ba sic><x","a b><c":"1","id":"i"}"#);
        let written = write(&odd, true);
        assert!(
            xml::parse(written.as_bytes(), Limits::default()).is_ok(),
            "{written}"
        );
    }
}
