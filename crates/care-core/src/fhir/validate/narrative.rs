//! Narrative: well-formed XHTML, the elements and attributes FHIR allows, nothing active, links that
//! lead somewhere.
//!
//! Source: FHIR R4 section 2.4.0 (Narrative) and its invariants txt-1 and txt-2.

use std::borrow::Cow;
use std::collections::HashSet;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::structure::Check;
use crate::fhir::Json;

#[rustfmt::skip]
const ELEMENTS: &[&str] = &[
    "p", "br", "div", "h1", "h2", "h3", "h4", "h5", "h6", "a", "span", "b", "em", "i", "strong",
    "small", "big", "tt", "dfn", "q", "var", "abbr", "acronym", "cite", "blockquote", "hr",
    "address", "bdo", "kbd", "sub", "sup", "ul", "ol", "li", "dl", "dt", "dd", "pre", "table",
    "caption", "colgroup", "col", "thead", "tr", "tfoot", "tbody", "th", "td", "code", "samp",
    "img", "map", "area", "ins", "del", "u", "s", "strike", "center", "font", "label",
];

#[derive(Clone, Copy)]
struct Fault {
    what: &'static str,
    mend: &'static str,
}

/// What was found in a narrative.
#[derive(Default)]
struct Found {
    faults: Vec<Fault>,
    names: HashSet<String>,
    local_links: Vec<String>,
    says_something: bool,
}

impl<'a> Check<'a> {
    pub(super) fn narrative(&mut self, json: &'a Json) {
        let Some(text) = json.as_text() else {
            return;
        };
        let mut found = read(text);
        if !found.says_something && found.faults.is_empty() {
            found.faults.push(Fault {
                what: "txt-2: the narrative says nothing",
                mend: "write something in it, or leave the narrative out",
            });
        }
        let contained = self.full.as_ref().map(|full| &full.contained);
        let is_lost = |link: &String| {
            !found.names.contains(link)
                && contained.is_none_or(|contained| !contained.contains_key(link.as_str()))
        };
        if found.local_links.iter().any(is_lost) {
            found.faults.push(Fault {
                what: "a link leads to a place the narrative does not have",
                mend: "name the place with id or name, or take the link away",
            });
        }
        for fault in found.faults {
            self.issue("invalid", fault.what, fault.mend);
        }
    }
}

fn read(text: &str) -> Found {
    let mut found = Found::default();
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut depth = 0usize;
    let mut is_first = true;
    loop {
        match reader.read_event() {
            Err(_) => {
                found.fault(
                    "txt-1: the narrative is not well-formed XHTML",
                    "close every element and write & and < as &amp; and &lt;",
                );
                break;
            }
            Ok(Event::Eof) => {
                if depth > 0 {
                    found.fault(
                        "txt-1: the narrative is not well-formed XHTML",
                        "close every element",
                    );
                }
                break;
            }
            Ok(Event::Start(start)) => {
                found.element(&start, is_first);
                is_first = false;
                depth += 1;
            }
            Ok(Event::Empty(start)) => {
                found.element(&start, is_first);
                is_first = false;
            }
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Text(words)) => {
                let words: &str = words.as_ref();
                found.says_something |= !words.trim().is_empty();
            }
            Ok(Event::CData(_)) => found.says_something = true,
            Ok(Event::GeneralRef(reference)) => {
                found.says_something = true;
                let known = matches!(reference.as_ref(), "lt" | "gt" | "amp" | "quot" | "apos");
                if !known && !matches!(reference.resolve_char_ref(), Ok(Some(_))) {
                    found.fault(
                        "txt-1: the narrative has an entity that XML does not know",
                        "write the character itself, or its number",
                    );
                }
            }
            Ok(Event::DocType(_) | Event::PI(_)) => found.fault(
                "txt-1: the narrative has a document type or an instruction",
                "send one <div> and nothing else",
            ),
            Ok(_) => {}
        }
        if found.faults.len() > 10 {
            break;
        }
    }
    found
}

impl Found {
    fn fault(&mut self, what: &'static str, mend: &'static str) {
        if !self.faults.iter().any(|known| known.what == what) {
            self.faults.push(Fault { what, mend });
        }
    }

    fn element(&mut self, start: &BytesStart<'_>, is_first: bool) {
        let name = start.name();
        let name: &str = name.as_ref();
        let plain = name.rsplit(':').next().unwrap_or(name);
        if is_first && plain != "div" {
            self.fault(
                "txt-1: the narrative does not begin with <div>",
                "put it into one <div>",
            );
        }
        if !ELEMENTS.contains(&plain) {
            self.fault(
                "txt-1: the narrative has an element FHIR does not allow there",
                "keep to basic formatting: no forms, scripts, frames or styles",
            );
        }
        self.says_something |= plain == "img";
        for attribute in start.attributes() {
            let Ok(attribute) = attribute else {
                self.fault(
                    "txt-1: the narrative is not well-formed XHTML",
                    "write each attribute once, as name=\"value\"",
                );
                continue;
            };
            let key: &str = attribute.key.as_ref();
            let value: Cow<'_, str> = attribute.value.clone();
            self.attribute(plain, key, &value);
        }
    }

    fn attribute(&mut self, element: &str, key: &str, value: &str) {
        match key {
            "id" | "name" => {
                self.names.insert(value.to_owned());
            }
            "href" if element == "a" => self.link(value),
            "src" if value.trim_start().starts_with("javascript:") => self.active(),
            _ if key.starts_with("on") => self.active(),
            _ => {}
        }
    }

    fn active(&mut self) {
        self.fault(
            "txt-1: the narrative has something active in it",
            "take it out",
        );
    }

    fn link(&mut self, value: &str) {
        if let Some(place) = value.strip_prefix('#') {
            if !place.is_empty() {
                self.local_links.push(place.to_owned());
            }
            return;
        }
        let scheme = value.split_once(':').map(|(scheme, _)| scheme);
        let is_scheme = |scheme: &str| {
            !scheme.is_empty() && scheme.chars().all(|sign| sign.is_ascii_alphanumeric())
        };
        match scheme.filter(|scheme| is_scheme(scheme)) {
            Some("javascript") => self.active(),
            Some("urn") => self.fault(
                "a link of the narrative has an address nobody can follow",
                "link to http, https, mailto or tel, or to a resource by its address",
            ),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrative_is_read_with_its_faults() {
        for (text, fault) in [
            (
                "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Fine &amp; <b>well</b></p></div>",
                "",
            ),
            ("<div><img src=\"#a\" alt=\"x\"/></div>", ""),
            ("<p>x</p>", "begin with"),
            ("<div>&reg;</div>", "entity"),
            ("<div><script>x</script></div>", "does not allow"),
            ("<div><p onclick=\"x\">x</p></div>", "active"),
            (
                "<div><a href=\"urn:uuid:1\">x</a></div>",
                "nobody can follow",
            ),
            ("<div><p>x</div>", "well-formed"),
            ("<div>x", "well-formed"),
        ] {
            let found = read(text);
            let first = found.faults.first().map_or("", |fault| fault.what);
            assert_eq!(first.is_empty(), fault.is_empty(), "{text}: {first}");
            assert!(first.contains(fault), "{text}: {first}");
        }
    }
}
