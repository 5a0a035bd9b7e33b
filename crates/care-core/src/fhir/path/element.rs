//! An element of a resource: its JSON, its shadow (`_birthDate`), its type, and the resource it is in.
//!
//! Borrows everything and copies nothing. Choice elements are found by their plain name: `value` is
//! whatever `value[x]` was sent.

use super::moment::Moment;
use super::number;
use super::quantity::Quantity;
use super::types::TypeOf;
use super::value::Value;
use crate::fhir::{Definitions, ElementDefinition, Json, TypeDefinition, TypeKind};

static NOTHING: Json = Json::Null;

/// An element of a resource.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    json: &'a Json,
    shadow: Option<&'a Json>,
    definition: Option<&'static TypeDefinition>,
    owner: Option<&'a Json>,
}

/// What a member name means for a type.
pub(super) enum Member {
    /// The elements were added.
    Found,
    /// The type has no such element.
    Unknown,
    /// It is a choice with its type spelled out; the plain name and the type.
    Spelled(&'static str, &'static str),
}

impl<'a> Element<'a> {
    /// A resource, or any JSON where it has no `resourceType`.
    pub fn root(json: &'a Json) -> Self {
        Self {
            json,
            shadow: None,
            definition: resource_definition(json),
            owner: Some(json),
        }
    }

    /// A resource found in another, such as a contained one.
    pub(super) fn within(json: &'a Json, owner: &'a Json) -> Self {
        Self {
            owner: Some(owner),
            ..Self::root(json)
        }
    }

    /// An element that somebody else found on the way down from a resource.
    pub(in crate::fhir) fn found(
        json: &'a Json,
        shadow: Option<&'a Json>,
        definition: Option<&'static TypeDefinition>,
        owner: &'a Json,
    ) -> Self {
        Self {
            json,
            shadow,
            definition,
            owner: Some(owner),
        }
    }

    /// An element of a known type standing alone, such as a `HumanName`.
    pub fn of_type(json: &'a Json, name: &str) -> Self {
        Self {
            definition: Definitions::r4().get(name),
            owner: None,
            ..Self::root(json)
        }
    }

    /// Its JSON; `null` where only a primitive's id or extensions were sent.
    pub fn json(&self) -> &'a Json {
        self.json
    }

    /// A primitive's id and extensions, where they were sent.
    pub fn shadow(&self) -> Option<&'a Json> {
        self.shadow
    }

    /// The resource it is in; for a contained resource the one that contains it.
    pub fn owner(&self) -> Option<&'a Json> {
        self.owner
    }

    /// Its definition, where R4 knows it.
    pub fn definition(&self) -> Option<&'static TypeDefinition> {
        self.definition
    }

    pub(super) fn type_of(&self) -> TypeOf {
        self.definition.map_or(TypeOf::Unknown, TypeOf::Fhir)
    }

    pub(super) fn is_resource(&self) -> bool {
        self.definition
            .is_some_and(|definition| definition.kind == TypeKind::Resource)
    }

    /// Its value as one of FHIRPath's own.
    pub(super) fn plain(&self) -> Option<Value<'a>> {
        match self.json {
            Json::Bool(value) => Some(Value::Boolean(*value)),
            Json::Number(text) => self.number(text),
            Json::Text(text) => Some(self.text(text)),
            Json::Object(_) => match self.definition?.name {
                "Quantity" | "Age" | "Count" | "Distance" | "Duration" | "Money" => {
                    Quantity::from_fhir(self.json).map(Value::Quantity)
                }
                _ => None,
            },
            Json::Null | Json::Array(_) => None,
        }
    }

    fn number(&self, text: &'a str) -> Option<Value<'a>> {
        let is_decimal = self.definition.is_some_and(|found| found.name == "decimal");
        match text.parse::<i32>() {
            Ok(whole) if !is_decimal => Some(Value::Integer(whole)),
            _ => number::parse(text).map(Value::Decimal),
        }
    }

    fn text(&self, text: &'a str) -> Value<'a> {
        let moment = match self.definition.map(|definition| definition.name) {
            Some("date") => Moment::parse_date(text),
            Some("dateTime" | "instant") => Moment::parse_date_time(text),
            Some("time") => Moment::parse_time(text),
            _ => None,
        };
        moment.map_or_else(|| Value::text(text), Value::Moment)
    }

    /// Adds the elements of a name.
    pub(super) fn member(&self, name: &str, out: &mut Vec<Value<'a>>) -> Member {
        let Some(definition) = self.definition else {
            self.push_named(name, None, false, out);
            return Member::Found;
        };
        if definition.kind == TypeKind::Primitive {
            return self.member_of_primitive(name, out);
        }
        match definition.member(name) {
            Some((element, of_type)) if element.is_choice => {
                return Member::Spelled(element.name, of_type.name);
            }
            Some((element, of_type)) => {
                let found = Definitions::r4().get(of_type.name);
                self.push_named(name, found, element.name == "contained", out);
                return Member::Found;
            }
            None => {}
        }
        let choice = |element: &&ElementDefinition| element.is_choice && element.name == name;
        match definition.elements.iter().find(choice) {
            Some(element) => self.push_choice(definition, element, out),
            None if self.json.get(name).is_some() => self.push_named(name, None, false, out),
            None => return Member::Unknown,
        }
        Member::Found
    }

    fn member_of_primitive(&self, name: &str, out: &mut Vec<Value<'a>>) -> Member {
        let of_type = match name {
            "extension" => "Extension",
            "id" => "string",
            "value" => {
                out.extend(self.plain());
                return Member::Found;
            }
            _ => return Member::Unknown,
        };
        if let Some(value) = self.shadow.and_then(|shadow| shadow.get(name)) {
            self.push(
                Some(value),
                None,
                Definitions::r4().get(of_type),
                false,
                out,
            );
        }
        Member::Found
    }

    fn push_choice(
        &self,
        definition: &'static TypeDefinition,
        choice: &ElementDefinition,
        out: &mut Vec<Value<'a>>,
    ) {
        let Json::Object(members) = self.json else {
            return;
        };
        for (member, _) in members {
            let name = member.strip_prefix('_').unwrap_or(member);
            if !name.starts_with(choice.name) {
                continue;
            }
            let is_both = name.len() < member.len() && self.json.get(name).is_some();
            if let Some((element, of_type)) = definition.member(name)
                && std::ptr::eq(element, choice)
                && !is_both
            {
                self.push_named(name, Definitions::r4().get(of_type.name), false, out);
            }
        }
    }

    fn push_named(
        &self,
        name: &str,
        definition: Option<&'static TypeDefinition>,
        keeps_owner: bool,
        out: &mut Vec<Value<'a>>,
    ) {
        let may_have_shadow = definition.is_none_or(|found| found.kind == TypeKind::Primitive);
        let shadow = may_have_shadow.then(|| self.shadow_of(name)).flatten();
        self.push(self.json.get(name), shadow, definition, keeps_owner, out);
    }

    fn shadow_of(&self, name: &str) -> Option<&'a Json> {
        match self.json {
            Json::Object(members) => members
                .iter()
                .find(|(member, _)| member.strip_prefix('_') == Some(name))
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// Adds a member's values, each with its own shadow.
    fn push(
        &self,
        value: Option<&'a Json>,
        shadow: Option<&'a Json>,
        definition: Option<&'static TypeDefinition>,
        keeps_owner: bool,
        out: &mut Vec<Value<'a>>,
    ) {
        let list = |json: Option<&'a Json>| -> &'a [Json] {
            match json {
                None | Some(Json::Null) => &[],
                Some(Json::Array(values)) => values,
                Some(one) => std::slice::from_ref(one),
            }
        };
        let (values, shadows) = (list(value), list(shadow));
        for place in 0..values.len().max(shadows.len()) {
            let json = values.get(place).unwrap_or(&NOTHING);
            let shadow = shadows.get(place).filter(|shadow| **shadow != Json::Null);
            if *json == NOTHING && shadow.is_none() {
                continue;
            }
            let is_resource = definition
                .is_none_or(|found| found.kind == TypeKind::Resource && found.is_abstract);
            let resource = is_resource.then(|| resource_definition(json)).flatten();
            let owner = match resource {
                Some(_) if !keeps_owner => Some(json),
                _ => self.owner,
            };
            out.push(Value::Element(Element {
                json,
                shadow,
                definition: resource.or(definition),
                owner,
            }));
        }
    }

    /// Adds every element directly below.
    pub(super) fn children(&self, out: &mut Vec<Value<'a>>) {
        let members = match (self.json, self.shadow) {
            (Json::Object(members), _) | (_, Some(Json::Object(members))) => members,
            _ => return,
        };
        let is_primitive = !matches!(self.json, Json::Object(_));
        for (member, _) in members {
            if member == "resourceType" && !is_primitive {
                continue;
            }
            let name = match member.strip_prefix('_') {
                Some(name) if self.json.get(name).is_some() => continue,
                Some(name) => name,
                None => member,
            };
            self.child(name, is_primitive, out);
        }
    }

    fn child(&self, name: &str, is_primitive: bool, out: &mut Vec<Value<'a>>) {
        if is_primitive {
            self.member_of_primitive(name, out);
            return;
        }
        let known = self.definition.and_then(|found| found.member(name));
        let definition = known.and_then(|(_, of_type)| Definitions::r4().get(of_type.name));
        let keeps_owner = known.is_some_and(|(element, _)| element.name == "contained");
        self.push_named(name, definition, keeps_owner, out);
    }
}

/// The definition of the type a resource says it is.
pub(super) fn resource_definition(json: &Json) -> Option<&'static TypeDefinition> {
    let name = json.get("resourceType")?.as_text()?;
    Definitions::r4()
        .get(name)
        .filter(|definition| definition.kind == TypeKind::Resource)
}
