//! What FHIR R4 says of each type: its elements, how often each may stand, of which types, and the
//! codes a required value set allows. Read once, on first use, from a table in the binary.
//!
//! Source: the official R4 (4.0.1) StructureDefinitions, reduced by `tools/definitions/build.mjs`.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

const TABLE: &str = include_str!("../../data/definitions/r4.txt");

/// What kind of type this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeKind {
    /// A single value, such as `string`.
    Primitive,
    /// A data type, such as `HumanName`.
    Data,
    /// A resource.
    Resource,
    /// A part of a type, such as `Patient.contact`.
    Part,
}

/// A type and its elements.
#[derive(Debug)]
pub struct TypeDefinition {
    /// Its name; for a part its path.
    pub name: &'static str,
    /// Its kind.
    pub kind: TypeKind,
    /// Whether only types made from it stand in resources.
    pub is_abstract: bool,
    /// Its elements in order.
    pub elements: Vec<ElementDefinition>,
    by_member: HashMap<String, (u16, u16), BuildHasherDefault<Fnv>>,
}

/// FNV-1a: the table's own names are the only keys, so no sender can choose them to collide.
#[derive(Debug, Clone, Copy)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// An element of a type.
#[derive(Debug)]
pub struct ElementDefinition {
    /// Its name, without `[x]`.
    pub name: &'static str,
    /// Whether its type is written into its name (`value[x]`).
    pub is_choice: bool,
    /// How often it must stand at least.
    pub min: u16,
    /// Whether it may stand more than once: JSON then has a list, even of one.
    pub is_list: bool,
    /// The types it may have.
    pub types: Vec<ElementType>,
    set: Option<u16>,
}

/// One type an element may have.
#[derive(Debug)]
pub struct ElementType {
    /// The type's name; for a part its path.
    pub name: &'static str,
    /// For a Reference, the types it may point at; empty where any.
    pub targets: Vec<&'static str>,
}

/// A value set that is required somewhere.
#[derive(Debug)]
pub struct RequiredSet {
    /// Its canonical address.
    pub url: &'static str,
    /// Its codes by system; empty where it is not a finite list.
    pub systems: Vec<(&'static str, Vec<&'static str>)>,
}

impl RequiredSet {
    /// Whether the codes are known.
    pub fn is_finite(&self) -> bool {
        !self.systems.is_empty()
    }

    /// Whether some system of the set has this code.
    pub fn has_code(&self, code: &str) -> bool {
        self.systems.iter().any(|(_, codes)| codes.contains(&code))
    }

    /// The codes of one system, where the set draws on it.
    pub fn codes_of(&self, system: &str) -> Option<&[&'static str]> {
        self.systems
            .iter()
            .find(|(name, _)| *name == system)
            .map(|(_, codes)| codes.as_slice())
    }
}

impl TypeDefinition {
    /// The element and the type that a JSON member name stands for: `valueQuantity` is `value[x]`
    /// as a Quantity.
    pub fn member(&self, name: &str) -> Option<(&ElementDefinition, &ElementType)> {
        let (element, of_type) = self.by_member.get(name)?;
        let element = self.elements.get(usize::from(*element))?;
        Some((element, element.types.get(usize::from(*of_type))?))
    }

    /// The place of a member's element in `elements`.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.by_member
            .get(name)
            .map(|(element, _)| usize::from(*element))
    }
}

/// All of it.
#[derive(Debug)]
pub struct Definitions {
    types: HashMap<&'static str, TypeDefinition, BuildHasherDefault<Fnv>>,
    sets: Vec<RequiredSet>,
    compartment: HashMap<&'static str, Vec<&'static str>>,
}

impl Definitions {
    /// The definitions of R4.
    pub fn r4() -> &'static Self {
        static R4: OnceLock<Definitions> = OnceLock::new();
        R4.get_or_init(|| read(TABLE))
    }

    /// A type by its name, a part by its path.
    pub fn get(&self, name: &str) -> Option<&TypeDefinition> {
        self.types.get(name)
    }

    /// The required value set of an element, where it has one.
    pub fn required_set(&self, element: &ElementDefinition) -> Option<&RequiredSet> {
        self.sets.get(usize::from(element.set?))
    }

    /// A value set that is required somewhere, by its canonical address with or without a version.
    pub fn set(&self, url: &str) -> Option<&RequiredSet> {
        let plain = url.split_once('|').map_or(url, |(plain, _)| plain);
        self.sets.iter().find(|set| set.url == plain)
    }

    /// The search parameters that put a resource of this type into a person's compartment; none
    /// where the type is not in it.
    pub fn patient_compartment(&self, resource_type: &str) -> &[&'static str] {
        self.compartment
            .get(resource_type)
            .map_or(&[], Vec::as_slice)
    }
}

fn read(table: &'static str) -> Definitions {
    let mut found = Definitions {
        types: HashMap::default(),
        sets: Vec::new(),
        compartment: HashMap::new(),
    };
    let mut current: Option<TypeDefinition> = None;
    for line in table.lines() {
        match line.get(..2) {
            _ if line.starts_with('#') => {}
            Some("T ") => {
                let next = read_type(line);
                if let Some(done) = std::mem::replace(&mut current, next) {
                    found.types.insert(done.name, done);
                }
            }
            Some("V ") | Some("V\t") => found.sets.push(read_set(line)),
            Some("C ") => {
                let mut words = line.split(' ').skip(1);
                if let Some(name) = words.next() {
                    found.compartment.insert(name, words.collect());
                }
            }
            _ => {
                if let (Some(of_type), Some(element)) = (&mut current, read_element(line)) {
                    add_element(of_type, element);
                }
            }
        }
    }
    if let Some(done) = current {
        found.types.insert(done.name, done);
    }
    found
}

fn read_type(line: &'static str) -> Option<TypeDefinition> {
    let mut words = line.split(' ').skip(1);
    let name = words.next()?;
    let kind = match words.next()? {
        "P" => TypeKind::Primitive,
        "D" => TypeKind::Data,
        "R" => TypeKind::Resource,
        _ => TypeKind::Part,
    };
    Some(TypeDefinition {
        name,
        kind,
        is_abstract: words.next().is_some(),
        elements: Vec::new(),
        by_member: HashMap::default(),
    })
}

fn read_element(line: &'static str) -> Option<ElementDefinition> {
    let mut cells = line.split('\t');
    let name = cells.next()?;
    let min = cells.next()?.parse().ok()?;
    let is_list = !matches!(cells.next()?, "0" | "1");
    let types = cells.next()?.split(',').map(read_element_type).collect();
    Some(ElementDefinition {
        name: name.trim_end_matches("[x]"),
        is_choice: name.ends_with("[x]"),
        min,
        is_list,
        types,
        set: cells.next().and_then(|number| number.parse().ok()),
    })
}

fn read_element_type(text: &'static str) -> ElementType {
    let (name, targets) = text.split_once('(').unwrap_or((text, ""));
    ElementType {
        name: name.trim_start_matches('@'),
        targets: targets
            .trim_end_matches(')')
            .split(' ')
            .filter(|target| !target.is_empty())
            .collect(),
    }
}

fn read_set(line: &'static str) -> RequiredSet {
    let mut cells = line.split('\t').skip(1);
    RequiredSet {
        url: cells.next().unwrap_or_default(),
        systems: cells
            .filter_map(|cell| {
                let mut words = cell.split(' ');
                Some((words.next()?, words.collect()))
            })
            .collect(),
    }
}

fn add_element(of_type: &mut TypeDefinition, element: ElementDefinition) {
    let place = of_type.elements.len() as u16;
    if element.is_choice {
        for (number, choice) in element.types.iter().zip(0u16..).map(|(t, n)| (n, t)) {
            let mut name = element.name.to_owned();
            let mut letters = choice.name.chars();
            name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            name.push_str(letters.as_str());
            of_type.by_member.insert(name, (place, number));
        }
    } else {
        of_type
            .by_member
            .insert(element.name.to_owned(), (place, 0));
    }
    of_type.elements.push(element);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::ResourceType;

    #[test]
    fn every_resource_type_has_its_definition() {
        // Held by number, but not part of R4 itself (it is R4B's).
        let not_r4 = ["SubscriptionStatus"];
        for resource_type in ResourceType::all() {
            if not_r4.contains(&resource_type.name()) {
                continue;
            }
            let definition = Definitions::r4().get(resource_type.name());
            assert!(
                definition.is_some_and(|d| d.kind == TypeKind::Resource && !d.elements.is_empty()),
                "{resource_type}"
            );
        }
    }

    #[test]
    fn every_type_an_element_names_is_defined() {
        let r4 = Definitions::r4();
        for definition in r4.types.values() {
            for element in &definition.elements {
                for of_type in &element.types {
                    assert!(
                        r4.get(of_type.name).is_some(),
                        "{}.{}: {}",
                        definition.name,
                        element.name,
                        of_type.name
                    );
                }
            }
        }
    }

    #[test]
    fn a_choice_a_part_and_a_required_set_are_found() {
        let r4 = Definitions::r4();
        let observation = r4.get("Observation").expect("Observation");
        let (element, of_type) = observation.member("valueQuantity").expect("a choice");
        assert_eq!((element.name, of_type.name), ("value", "Quantity"));
        let (component, part) = observation.member("component").expect("a part");
        assert!(component.is_list);
        assert_eq!(part.name, "Observation.component");
        let (status, _) = observation.member("status").expect("status");
        let set = r4.required_set(status).expect("a required set");
        assert!(set.has_code("final") && !set.has_code("finished"));
        assert!(r4.patient_compartment("Observation").contains(&"subject"));
        let (performer, reference) = observation.member("performer").expect("performer");
        assert!(performer.is_list && reference.targets.contains(&"Organization"));
    }
}
