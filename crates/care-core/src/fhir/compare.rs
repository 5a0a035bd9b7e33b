//! What changed between two resources, as FHIRPath Patch operations: applied in order to the first,
//! they give the second.
//!
//! Lists are compared from both ends; what lies between is compared place by place, so a change in
//! one phone number is one operation. Elements are named as FHIRPath names them (`value`, not
//! `valueQuantity`). Knows nothing of versions or of who asks.
//!
//! Source: FHIR R4, FHIRPath Patch (3.1.0.9.1) and its forms for values and parts.

use super::definitions::{Definitions, TypeDefinition, TypeKind};
use super::{Json, ResourceType};

/// Members of `meta` that every version has anew.
const OF_THE_VERSION: [&str; 2] = ["versionId", "lastUpdated"];

/// The Parameters of FHIRPath Patch operations that make `new` out of `old`; without operations
/// where they say the same. `meta.versionId` and `meta.lastUpdated` count only `with_version`.
/// Nothing where they are of different types.
pub fn compare(old: &Json, new: &Json, with_version: bool) -> Option<Json> {
    let kind = super::resource_type(old)?;
    if super::resource_type(new) != Some(kind) {
        return None;
    }
    let mut found = Difference {
        with_version,
        operations: Vec::new(),
    };
    found.object(kind.name(), kind.name(), old, new);
    Some(Json::object([
        ("resourceType", "Parameters".into()),
        ("parameter", Json::list(found.operations)),
    ]))
}

/// A value with what stands beside it: a primitive's extensions, in the member `_name`.
#[derive(Clone, Copy, PartialEq)]
struct Sent<'a> {
    value: &'a Json,
    beside: &'a Json,
}

impl Sent<'_> {
    fn is_absent(&self) -> bool {
        *self.value == Json::Null && *self.beside == Json::Null
    }
}

struct Difference {
    with_version: bool,
    operations: Vec<Json>,
}

impl Difference {
    /// Compares the members of two objects of one type.
    fn object(&mut self, of_type: &str, path: &str, old: &Json, new: &Json) {
        let definition = Definitions::r4().get(of_type);
        let names = names(old, new);
        // What goes is taken away before what comes is added: a choice may change its type.
        for adding in [false, true] {
            for name in &names {
                let (was, is) = (sent(old, name), sent(new, name));
                if was == is || (of_type == "Meta" && self.passes_over(name)) {
                    continue;
                }
                let element = Element::of(definition, name, was, is);
                let place = format!("{path}.{}", element.name);
                if adding == (was.is_absent() && !is.is_absent()) {
                    match element.is_list {
                        true => self.list(&element, path, &place, was, is),
                        false => self.one(&element, path, &place, was, is),
                    }
                }
            }
        }
    }

    fn passes_over(&self, name: &str) -> bool {
        !self.with_version && OF_THE_VERSION.contains(&name)
    }

    /// An element that stands once at most.
    fn one(
        &mut self,
        element: &Element<'_>,
        parent: &str,
        place: &str,
        was: Sent<'_>,
        is: Sent<'_>,
    ) {
        if was.is_absent() {
            self.add(element, parent, is);
        } else if is.is_absent() {
            self.delete(place);
        } else {
            self.changed(element, place, was, is);
        }
    }

    fn changed(&mut self, element: &Element<'_>, place: &str, was: Sent<'_>, is: Sent<'_>) {
        match nested_type(element.of_type, was.value, is.value) {
            // What a version has anew must not look like another meta.
            Some(of_type) if of_type == "Meta" || has_something_in_common(was.value, is.value) => {
                self.object(of_type, place, was.value, is.value);
            }
            _ => self.replace(element, place, is),
        }
    }

    fn list(
        &mut self,
        element: &Element<'_>,
        parent: &str,
        place: &str,
        was: Sent<'_>,
        is: Sent<'_>,
    ) {
        let (old, new) = (in_list(was), in_list(is));
        if old.is_empty() {
            for one in new {
                self.add(element, parent, one);
            }
            return;
        }
        let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let (rest_old, rest_new) = (&old[before..], &new[before..]);
        let after = rest_old
            .iter()
            .rev()
            .zip(rest_new.iter().rev())
            .take_while(|(a, b)| a == b)
            .count();
        let rest_old = &rest_old[..rest_old.len() - after];
        let rest_new = &rest_new[..rest_new.len() - after];
        for (number, (a, b)) in rest_old.iter().zip(rest_new).enumerate() {
            if a != b {
                self.changed(element, &format!("{place}[{}]", before + number), *a, *b);
            }
        }
        let both = rest_old.len().min(rest_new.len());
        for number in (both..rest_old.len()).rev() {
            self.delete(&format!("{place}[{}]", before + number));
        }
        for (number, one) in rest_new.iter().enumerate().skip(both) {
            self.insert(element, place, before + number, *one);
        }
    }

    fn push<const N: usize>(&mut self, parts: [Json; N]) {
        self.operations.push(Json::object([
            ("name", "operation".into()),
            ("part", Json::Array(parts.into())),
        ]));
    }

    fn add(&mut self, element: &Element<'_>, parent: &str, value: Sent<'_>) {
        self.push([
            part("type", "valueCode", "add"),
            part("path", "valueString", parent),
            part("name", "valueString", element.name),
            parameter("value", element.of_type, value),
        ]);
    }

    fn insert(&mut self, element: &Element<'_>, list: &str, index: usize, value: Sent<'_>) {
        let index = Json::Number(index.to_string().into());
        self.push([
            part("type", "valueCode", "insert"),
            part("path", "valueString", list),
            Json::object([("name", "index".into()), ("valueInteger", index)]),
            parameter("value", element.of_type, value),
        ]);
    }

    fn replace(&mut self, element: &Element<'_>, place: &str, value: Sent<'_>) {
        self.push([
            part("type", "valueCode", "replace"),
            part("path", "valueString", place),
            parameter("value", element.of_type, value),
        ]);
    }

    fn delete(&mut self, place: &str) {
        self.push([
            part("type", "valueCode", "delete"),
            part("path", "valueString", place),
        ]);
    }
}

/// What a member stands for.
struct Element<'a> {
    name: &'a str,
    of_type: &'a str,
    is_list: bool,
}

impl<'a> Element<'a> {
    /// By the definition; where FHIR knows no such member, by its form.
    fn of(
        definition: Option<&'static TypeDefinition>,
        name: &'a str,
        was: Sent<'_>,
        is: Sent<'_>,
    ) -> Self {
        if let Some((element, of_type)) = definition.and_then(|one| one.member(name)) {
            return Self {
                name: element.name,
                of_type: of_type.name,
                is_list: element.is_list,
            };
        }
        let seen = if was.is_absent() { is } else { was };
        Self {
            name,
            of_type: form(seen.value.first()),
            is_list: matches!(seen.value, Json::Array(_)),
        }
    }
}

fn form(value: &Json) -> &'static str {
    match value {
        Json::Bool(_) => "boolean",
        Json::Number(_) => "decimal",
        Json::Object(_) => "Element",
        _ => "string",
    }
}

/// The names of both objects, without `_` and without the type, in the order they were sent.
fn names<'a>(old: &'a Json, new: &'a Json) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for object in [old, new] {
        let Json::Object(members) = object else {
            continue;
        };
        for (name, _) in members {
            let name = name.strip_prefix('_').unwrap_or(name);
            if name != "resourceType" && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn sent<'a>(object: &'a Json, name: &str) -> Sent<'a> {
    let beside = match object {
        Json::Object(members) => members
            .iter()
            .find(|(member, _)| member.strip_prefix('_') == Some(name))
            .map(|(_, value)| value),
        _ => None,
    };
    Sent {
        value: object.get(name).unwrap_or(&Json::Null),
        beside: beside.unwrap_or(&Json::Null),
    }
}

/// The places of a list, each with what stands beside it.
fn in_list<'a>(sent: Sent<'a>) -> Vec<Sent<'a>> {
    let places = |value: &'a Json| match value {
        Json::Array(values) => values.iter().collect(),
        Json::Null => Vec::new(),
        other => vec![other],
    };
    let (values, beside): (Vec<_>, Vec<_>) = (places(sent.value), places(sent.beside));
    (0..values.len().max(beside.len()))
        .map(|place| Sent {
            value: values.get(place).copied().unwrap_or(&Json::Null),
            beside: beside.get(place).copied().unwrap_or(&Json::Null),
        })
        .collect()
}

/// The type whose members are compared one by one; none for what is replaced as a whole.
fn nested_type<'a>(of_type: &'a str, was: &Json, is: &Json) -> Option<&'a str> {
    if !matches!((was, is), (Json::Object(_), Json::Object(_))) {
        return None;
    }
    match Definitions::r4().get(of_type)?.kind {
        TypeKind::Primitive => None,
        TypeKind::Data | TypeKind::Part => Some(of_type),
        TypeKind::Resource => {
            let kind = super::resource_type(was)?;
            (super::resource_type(is) == Some(kind)).then(|| ResourceType::name(kind))
        }
    }
}

/// Two objects that share nothing are two things; one is put in the other's place.
fn has_something_in_common(was: &Json, is: &Json) -> bool {
    let Json::Object(members) = was else {
        return false;
    };
    members
        .iter()
        .any(|(name, value)| is.get(name) == Some(value))
}

fn part(name: &'static str, form: &'static str, value: &str) -> Json {
    Json::object([("name", name.into()), (form, value.into())])
}

/// A value as a parameter: in `value[x]` where Parameters allow its type, a resource as one, anything
/// else by its parts.
fn parameter(name: &str, of_type: &str, sent: Sent<'_>) -> Json {
    let mut members = vec![("name".into(), Json::text(name))];
    let definition = Definitions::r4().get(of_type);
    if let Some(member) = value_member(of_type) {
        let beside = format!("_{member}");
        members.extend([
            (member.into(), sent.value.clone()),
            (beside.into(), sent.beside.clone()),
        ]);
    } else if definition.is_some_and(|one| one.kind == TypeKind::Resource) {
        members.push(("resource".into(), sent.value.clone()));
    } else {
        members.push(("part".into(), parts(definition, sent.value)));
    }
    members.retain(|(_, value)| *value != Json::Null);
    Json::Object(members)
}

fn parts(definition: Option<&'static TypeDefinition>, object: &Json) -> Json {
    let mut parts = Vec::new();
    for name in names(object, &Json::Null) {
        let value = sent(object, name);
        let element = Element::of(definition, name, value, value);
        let all = match element.is_list {
            true => in_list(value),
            false => vec![value],
        };
        parts.extend(
            all.into_iter()
                .map(|one| parameter(element.name, element.of_type, one)),
        );
    }
    Json::list(parts)
}

/// `valueHumanName`, where Parameters allow the type. The text of a narrative goes as a string.
fn value_member(of_type: &str) -> Option<String> {
    let of_type = if of_type == "xhtml" {
        "string"
    } else {
        of_type
    };
    let parameter = Definitions::r4().get("Parameters.parameter")?;
    let (first, rest) = of_type.split_at_checked(1)?;
    let member = format!("value{}{rest}", first.to_ascii_uppercase());
    parameter.member(&member).is_some().then_some(member)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::Limits;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), Limits::default()).expect("JSON")
    }

    /// Each operation in a line: type, path, then name or index, then the value.
    fn told(old: &str, new: &str) -> Vec<String> {
        let found = compare(&json(old), &json(new), false).expect("one type");
        found
            .elements("parameter")
            .iter()
            .map(|operation| {
                let parts = operation.elements("part").iter();
                let texts: Vec<String> = parts
                    .map(|part| {
                        let Json::Object(members) = part else {
                            return String::new();
                        };
                        members
                            .iter()
                            .skip(1)
                            .map(|(name, value)| match value.as_text() {
                                Some(text) if !name.starts_with("value") || text.len() > 40 => {
                                    format!("{name}:{text}")
                                }
                                Some(text) => text.to_owned(),
                                None => format!("{name}:{value}"),
                            })
                            .collect::<Vec<_>>()
                            .join(" ")
                    })
                    .collect();
                texts.join(" | ")
            })
            .collect()
    }

    #[test]
    fn each_kind_of_change_is_its_own_operation() {
        let table: [(&str, &str, &[&str]); 11] = [
            (
                r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"1"}}"#,
                r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"2"}}"#,
                &[],
            ),
            (
                r#"{"resourceType":"Patient"}"#,
                r#"{"resourceType":"Patient","birthDate":"1930-01-01"}"#,
                &["add | Patient | birthDate | 1930-01-01"],
            ),
            (
                r#"{"resourceType":"Patient","gender":"male"}"#,
                r#"{"resourceType":"Patient","gender":"female"}"#,
                &["replace | Patient.gender | female"],
            ),
            (
                r#"{"resourceType":"Patient","gender":"male"}"#,
                r#"{"resourceType":"Patient"}"#,
                &["delete | Patient.gender"],
            ),
            (
                r#"{"resourceType":"Patient","name":[{"family":"A","given":["x"]}]}"#,
                r#"{"resourceType":"Patient","name":[{"family":"A","given":["x","y"]}]}"#,
                &["insert | Patient.name[0].given | valueInteger:1 | y"],
            ),
            (
                r#"{"resourceType":"Patient","telecom":[{"value":"1"},{"value":"2"},{"value":"3"}]}"#,
                r#"{"resourceType":"Patient","telecom":[{"value":"1"}]}"#,
                &["delete | Patient.telecom[2]", "delete | Patient.telecom[1]"],
            ),
            (
                r#"{"resourceType":"Observation","valueString":"a"}"#,
                r#"{"resourceType":"Observation","valueQuantity":{"value":1.50}}"#,
                &[
                    "delete | Observation.value",
                    r#"add | Observation | value | valueQuantity:{"value":1.50}"#,
                ],
            ),
            (
                r#"{"resourceType":"Observation","valueQuantity":{"value":1.5,"unit":"g"}}"#,
                r#"{"resourceType":"Observation","valueQuantity":{"value":1.50,"unit":"g"}}"#,
                &["replace | Observation.value.value | valueDecimal:1.50"],
            ),
            (
                r#"{"resourceType":"Patient"}"#,
                r#"{"resourceType":"Patient","contact":[{"name":{"family":"B"},"gender":"male"}]}"#,
                &[
                    r#"add | Patient | contact | part:[{"name":"name","valueHumanName":{"family":"B"}},{"name":"gender","valueCode":"male"}]"#,
                ],
            ),
            (
                r#"{"resourceType":"Patient","birthDate":"1930"}"#,
                r#"{"resourceType":"Patient","birthDate":"1930","_birthDate":{"extension":[{"url":"u"}]}}"#,
                &[r#"replace | Patient.birthDate | 1930 _valueDate:{"extension":[{"url":"u"}]}"#],
            ),
            (
                r#"{"resourceType":"Patient","address":[{"city":"A"}]}"#,
                r#"{"resourceType":"Patient","address":[{"city":"B"}]}"#,
                &[r#"replace | Patient.address[0] | valueAddress:{"city":"B"}"#],
            ),
        ];
        for (old, new, expected) in table {
            assert_eq!(told(old, new), expected, "{old} -> {new}");
        }
    }

    #[test]
    fn things_of_two_types_cannot_be_compared() {
        let patient = json(r#"{"resourceType":"Patient"}"#);
        let other = json(r#"{"resourceType":"Person"}"#);
        assert_eq!(compare(&patient, &other, false), None);
    }
}
