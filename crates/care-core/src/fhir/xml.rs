//! FHIR XML to [`Json`]: the JSON a source would have sent; [`write`] is the way back.
//!
//! Number texts stay, narrative stays as XHTML text, and an element R4 does not know is carried over
//! as it stands so that validation names it. Document types and entities of their own are refused:
//! no FHIR document has them, and they are how a parser is attacked. Source: FHIR R4 section 2.6.1.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::Json;
use super::definitions::{Definitions, TypeDefinition, TypeKind};
use super::parse::{Limits, showable};

pub use super::xml_write::write;

/// Why a text is not FHIR XML, and where. Never carries the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmlError {
    /// What is wrong and how to mend it.
    pub what: &'static str,
    /// The byte it was noticed at, from 0.
    pub offset: usize,
    /// Its line, from 1.
    pub line: usize,
    /// The elements it is in, such as `Patient.name`.
    pub path: String,
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not FHIR XML at byte {} (line {}",
            self.offset, self.line
        )?;
        if !self.path.is_empty() {
            write!(f, ", in {}", self.path)?;
        }
        write!(f, "): {}", self.what)
    }
}

impl std::error::Error for XmlError {}

/// Reads one FHIR resource in XML.
///
/// Errors: where the text stops being well-formed XML, or passes a limit.
pub fn parse(bytes: &[u8], limits: Limits) -> Result<Json, XmlError> {
    let whole = |what| XmlError {
        what,
        offset: 0,
        line: 1,
        path: String::new(),
    };
    if bytes.len() > limits.bytes {
        return Err(whole(
            "the text is longer than this server allows; send smaller bundles",
        ));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| whole("these bytes are not UTF-8; write and declare UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = read_tree(text, limits)?;
    Ok(resource_json(&root))
}

/// An element with what is in it.
struct Node<'a> {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Node<'a>>,
    /// The whole of a narrative's `div`, as it stands in the text.
    raw: Option<&'a str>,
}

impl Node<'_> {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(attribute, _)| attribute == name)
            .map(|(_, value)| value.as_str())
    }
}

struct Tree<'a> {
    text: &'a str,
    open: Vec<Node<'a>>,
    root: Option<Node<'a>>,
    values_left: usize,
    depth: usize,
}

impl<'a> Tree<'a> {
    fn error(&self, what: &'static str, offset: usize) -> XmlError {
        let names: Vec<&str> = self.open.iter().map(|node| showable(&node.name)).collect();
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        XmlError {
            what,
            offset,
            line: 1 + before.iter().filter(|b| **b == b'\n').count(),
            path: names.join("."),
        }
    }

    fn open(&mut self, start: &BytesStart<'_>, offset: usize) -> Result<(), XmlError> {
        if self.open.len() >= self.depth {
            return Err(self.error(
                "elements stand deeper inside one another than this server allows; send the resources separately",
                offset,
            ));
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| {
                self.error(
                    "an attribute is not well-formed or stands twice; write name=\"value\" once",
                    offset,
                )
            })?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|_| self.error(ENTITY, offset))?;
            attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
        }
        self.values_left = self
            .values_left
            .checked_sub(1 + attributes.len())
            .ok_or_else(|| {
                self.error(
                    "more elements than this server allows; send smaller bundles",
                    offset,
                )
            })?;
        self.open.push(Node {
            name: start.local_name().as_ref().to_owned(),
            attributes,
            children: Vec::new(),
            raw: None,
        });
        Ok(())
    }

    fn close(&mut self, offset: usize) -> Result<(), XmlError> {
        let Some(node) = self.open.pop() else {
            return Err(self.error(
                "an element is closed that was not opened; close each element once",
                offset,
            ));
        };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            None if self.root.is_none() => self.root = Some(node),
            None => {
                return Err(self.error(
                    "something follows after the resource; send one resource, or a Bundle",
                    offset,
                ));
            }
        }
        Ok(())
    }
}

/// Whether a text is one well-formed element without entities or document types of its own.
pub(super) fn is_well_formed(text: &str) -> bool {
    read_tree(text, Limits::default()).is_ok()
}

const ENTITY: &str =
    "an entity XML does not know; use &lt; &gt; &amp; &quot; &apos; or a number such as &#160;";

fn read_tree(text: &str, limits: Limits) -> Result<Node<'_>, XmlError> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut tree = Tree {
        text,
        open: Vec::new(),
        root: None,
        values_left: limits.values,
        // An element becomes at most an object in a list, and the JSON must stay readable too.
        depth: limits.depth / 2,
    };
    // Where the narrative that is now open began, and how many elements stood open then.
    let mut narrative: Option<(usize, usize)> = None;
    loop {
        let offset = reader.buffer_position() as usize;
        let event = reader
            .read_event()
            .map_err(|_| tree.error("this is not well-formed XML; check that every element, quote and comment is closed", offset))?;
        let after = reader.buffer_position() as usize;
        match event {
            Event::Start(start) => {
                if narrative.is_none() && start.local_name().as_ref() == "div" {
                    narrative = Some((offset, tree.open.len()));
                }
                tree.open(&start, offset)?;
            }
            Event::Empty(start) => {
                tree.open(&start, offset)?;
                if narrative.is_none() && start.local_name().as_ref() == "div" {
                    set_raw(&mut tree, offset, after);
                }
                tree.close(offset)?;
            }
            Event::End(_) => {
                if let Some((from, depth)) = narrative
                    && tree.open.len() == depth + 1
                {
                    set_raw(&mut tree, from, after);
                    narrative = None;
                }
                tree.close(offset)?;
            }
            Event::Text(words) if narrative.is_none() && !words.as_ref().trim().is_empty() => {
                return Err(tree.error(
                    "text between elements; FHIR puts values into the attribute `value`",
                    offset,
                ));
            }
            Event::CData(_) if narrative.is_none() => {
                return Err(tree.error(
                    "text between elements; FHIR puts values into the attribute `value`",
                    offset,
                ));
            }
            Event::GeneralRef(reference) => {
                let known = matches!(reference.as_ref(), "lt" | "gt" | "amp" | "quot" | "apos");
                if !known && !matches!(reference.resolve_char_ref(), Ok(Some(_))) {
                    return Err(tree.error(ENTITY, offset));
                }
            }
            Event::DocType(_) => {
                return Err(tree.error(
                    "a document type is not allowed in FHIR XML; take the <!DOCTYPE …> out",
                    offset,
                ));
            }
            Event::Decl(declaration) => {
                let is_utf8 = match declaration.encoding() {
                    Some(Ok(name)) => name.eq_ignore_ascii_case("utf-8"),
                    Some(Err(_)) => false,
                    None => true,
                };
                if !is_utf8 {
                    return Err(tree.error(
                        "the declared encoding is not UTF-8; write and declare UTF-8",
                        offset,
                    ));
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if !tree.open.is_empty() {
        return Err(tree.error(
            "the text stops inside an element; check that the whole body was sent",
            text.len(),
        ));
    }
    match tree.root.take() {
        Some(root) => Ok(root),
        None => Err(tree.error("there is no content; send one FHIR resource", 0)),
    }
}

fn set_raw(tree: &mut Tree<'_>, from: usize, to: usize) {
    let raw = tree.text.get(from..to);
    if let Some(node) = tree.open.last_mut() {
        node.raw = raw;
        node.children.clear();
    }
}

fn resource_json(node: &Node<'_>) -> Json {
    let definition = Definitions::r4()
        .get(&node.name)
        .filter(|definition| definition.kind == TypeKind::Resource);
    let mut members = vec![(Cow::Borrowed("resourceType"), Json::Text(node.name.clone()))];
    add_members(node, definition, &mut members);
    Json::Object(members)
}

type Members = Vec<(Cow<'static, str>, Json)>;

fn add_members(
    node: &Node<'_>,
    definition: Option<&'static TypeDefinition>,
    members: &mut Members,
) {
    // `id` and `url` are attributes of data types; everything else is an element.
    for (name, value) in &node.attributes {
        if matches!(name.as_str(), "id" | "url") {
            members.push((Cow::Owned(name.clone()), Json::Text(value.clone())));
        }
    }
    let mut place_of: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<(&str, Vec<&Node<'_>>)> = Vec::new();
    for child in &node.children {
        let place = *place_of.entry(&child.name).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, same)) => same.push(child),
            None => groups.push((&child.name, vec![child])),
        }
    }
    for (name, same) in groups {
        add_member(name, &same, definition, members);
    }
}

fn add_member(
    name: &str,
    nodes: &[&Node<'_>],
    definition: Option<&'static TypeDefinition>,
    members: &mut Members,
) {
    let known = definition.and_then(|definition| definition.member(name));
    let is_list = known.map_or(nodes.len() > 1, |(element, _)| {
        element.is_list || nodes.len() > 1
    });
    let type_name = known.map(|(_, of_type)| of_type.name);
    let of_type = type_name.and_then(|name| Definitions::r4().get(name));
    let mut values = Vec::with_capacity(nodes.len());
    let mut shadows = Vec::with_capacity(nodes.len());
    for node in nodes {
        let (value, shadow) = value_json(node, of_type);
        values.push(value);
        shadows.push(shadow);
    }
    for (name, mut list) in [(name.to_owned(), values), (format!("_{name}"), shadows)] {
        if list.iter().all(|value| *value == Json::Null) {
            continue;
        }
        let value = if is_list {
            Json::Array(list)
        } else {
            list.pop().unwrap_or_default()
        };
        members.push((Cow::Owned(name), value));
    }
}

/// The value of one element, and what stands beside a primitive in its shadow member.
fn value_json(node: &Node<'_>, of_type: Option<&'static TypeDefinition>) -> (Json, Json) {
    if let Some(raw) = node.raw {
        return (Json::from(raw), Json::Null);
    }
    match of_type {
        Some(definition) if definition.kind == TypeKind::Primitive => {
            (primitive_json(node, definition.name), shadow_json(node))
        }
        Some(definition) if definition.kind == TypeKind::Resource => match node.children.first() {
            Some(inner) => (resource_json(inner), Json::Null),
            None => (Json::Object(Vec::new()), Json::Null),
        },
        Some(definition) => (object_json(node, Some(definition)), Json::Null),
        // Not of R4: a value where there is one, else an object; validation will name it.
        None if node.attribute("value").is_some() => {
            (primitive_json(node, "string"), shadow_json(node))
        }
        None => match node.children.as_slice() {
            [inner] if inner.name.starts_with(|c: char| c.is_ascii_uppercase()) => {
                (resource_json(inner), Json::Null)
            }
            _ => (object_json(node, None), Json::Null),
        },
    }
}

fn object_json(node: &Node<'_>, definition: Option<&'static TypeDefinition>) -> Json {
    let mut members = Members::new();
    add_members(node, definition, &mut members);
    Json::Object(members)
}

/// The attribute `value` as the JSON type of this primitive; what does not fit it stays a text, so
/// that validation can name it.
fn primitive_json(node: &Node<'_>, type_name: &str) -> Json {
    let Some(text) = node.attribute("value") else {
        return Json::Null;
    };
    match type_name {
        "boolean" => match text {
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            _ => Json::from(text),
        },
        "integer" | "decimal" | "positiveInt" | "unsignedInt" => {
            match Json::parse(text.as_bytes(), Limits::default()) {
                Ok(number @ Json::Number(_)) => number,
                _ => Json::from(text),
            }
        }
        _ => Json::from(text),
    }
}

fn shadow_json(node: &Node<'_>) -> Json {
    let mut members = Members::new();
    add_members(node, Definitions::r4().get("Element"), &mut members);
    if members.is_empty() {
        Json::Null
    } else {
        Json::Object(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        parse(text.as_bytes(), Limits::default())
            .expect(text)
            .to_string()
    }

    #[test]
    fn xml_becomes_the_json_a_source_would_have_sent() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
<Observation xmlns="http://hl7.org/fhir">
  <!-- a remark -->
  <id value="a"/>
  <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">1 &lt; 2 <b>x</b></div></text>
  <contained><Patient><id value="p"/><name><given value="A"/><given><extension url="http://x"><valueBoolean value="true"/></extension></given></name></Patient></contained>
  <status value="final"/>
  <code><coding><system value="http://loinc.org"/><code value="1-8"/></coding></code>
  <effectiveDateTime value="2026-11-23"><extension url="http://y"><valueCode value="u"/></extension></effectiveDateTime>
  <valueQuantity id="q"><value value="1.50"/><unit value="mg"/></valueQuantity>
</Observation>"#;
        let expected = concat!(
            r#"{"resourceType":"Observation","id":"a","text":{"status":"generated","div":"#,
            r#""<div xmlns=\"http://www.w3.org/1999/xhtml\">1 &lt; 2 <b>x</b></div>"},"#,
            r#""contained":[{"resourceType":"Patient","id":"p","name":[{"given":["A",null],"#,
            r#""_given":[null,{"extension":[{"url":"http://x","valueBoolean":true}]}]}]}],"#,
            r#""status":"final","code":{"coding":[{"system":"http://loinc.org","code":"1-8"}]},"#,
            r#""effectiveDateTime":"2026-11-23","_effectiveDateTime":{"extension":[{"url":"http://y","valueCode":"u"}]},"#,
            r#""valueQuantity":{"id":"q","value":1.50,"unit":"mg"}}"#,
        );
        assert_eq!(json(xml), expected);
    }

    #[test]
    fn what_is_no_fhir_xml_is_refused_with_its_place() {
        for (text, word) in [
            ("", "no content"),
            ("<Patient>", "stops inside"),
            ("<Patient></Person>", "well-formed"),
            ("<Patient/><Patient/>", "follows after"),
            (
                "<!DOCTYPE x [<!ENTITY a \"b\">]><Patient/>",
                "document type",
            ),
            ("<Patient><id value=\"&a;\"/></Patient>", "entity"),
            (
                "<Patient><text><div>&nbsp;</div></text></Patient>",
                "entity",
            ),
            ("<Patient>words</Patient>", "attribute `value`"),
            ("<Patient a=\"1\" a=\"2\"/>", "twice"),
            (
                "<?xml version=\"1.0\" encoding=\"latin1\"?><Patient/>",
                "UTF-8",
            ),
        ] {
            let error = parse(text.as_bytes(), Limits::default()).expect_err(text);
            assert!(error.to_string().contains(word), "{text}: {error}");
        }
        let deep = "<a>".repeat(100_000);
        let error = parse(deep.as_bytes(), Limits::default()).expect_err("deep");
        assert!(error.what.contains("deeper"));
        let allowed = format!("{}{}", "<a><a/>".repeat(48), "</a>".repeat(48));
        let json = json(&format!("<Patient>{allowed}</Patient>"));
        assert!(Json::parse(json.as_bytes(), Limits::default()).is_ok());
    }
}
