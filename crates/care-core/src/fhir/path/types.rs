//! The two families of types, and which type is a kind of which.
//!
//! Source: FHIR R4 section 2.24 (data types), FHIRPath N1 section 10 (types and reflection). The
//! table of definitions has no parents, so the few that exist are named here.

use crate::fhir::{Definitions, TypeDefinition, TypeKind};

/// FHIRPath's own types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SystemType {
    /// `true` and `false`.
    Boolean,
    /// A whole number of 32 bits.
    Integer,
    /// A number with its precision.
    Decimal,
    /// A text.
    String,
    /// A date.
    Date,
    /// A date and time.
    DateTime,
    /// A time of day.
    Time,
    /// A number with a unit.
    Quantity,
    /// Any of them.
    Any,
}

impl SystemType {
    const ALL: [Self; 9] = [
        Self::Boolean,
        Self::Integer,
        Self::Decimal,
        Self::String,
        Self::Date,
        Self::DateTime,
        Self::Time,
        Self::Quantity,
        Self::Any,
    ];

    /// Its name without the namespace.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "Boolean",
            Self::Integer => "Integer",
            Self::Decimal => "Decimal",
            Self::String => "String",
            Self::Date => "Date",
            Self::DateTime => "DateTime",
            Self::Time => "Time",
            Self::Quantity => "Quantity",
            Self::Any => "Any",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// The type of a value: one of FHIRPath's own, or one of FHIR's.
#[derive(Debug, Clone, Copy)]
pub enum TypeOf {
    /// FHIRPath's own.
    System(SystemType),
    /// FHIR's.
    Fhir(&'static TypeDefinition),
    /// An element FHIR R4 does not know.
    Unknown,
}

impl TypeOf {
    /// `System` or `FHIR`.
    pub fn namespace(&self) -> &'static str {
        match self {
            Self::System(_) => "System",
            Self::Fhir(_) | Self::Unknown => "FHIR",
        }
    }

    /// The type's name; parts of a type are what they are made of.
    pub fn name(&self) -> &'static str {
        match self {
            Self::System(system) => system.name(),
            Self::Fhir(definition) if definition.kind == TypeKind::Part => {
                parent(definition).unwrap_or("Element")
            }
            Self::Fhir(definition) => definition.name,
            Self::Unknown => "Element",
        }
    }

    pub(super) fn is(&self, named: &NamedType) -> bool {
        match self {
            Self::System(system) => named
                .system
                .is_some_and(|wanted| wanted == *system || wanted == SystemType::Any),
            Self::Fhir(definition) => named.fhir.is_some_and(|wanted| is_a(definition, wanted)),
            Self::Unknown => false,
        }
    }

    /// As `is`, but a primitive must be of the type itself: a code is not cast to a string.
    pub(super) fn is_cast(&self, named: &NamedType) -> bool {
        match (self, named.fhir) {
            (Self::Fhir(definition), Some(wanted)) if wanted.kind == TypeKind::Primitive => {
                definition.name == wanted.name
            }
            _ => self.is(named),
        }
    }
}

/// A type as an expression names it: `Quantity` can mean either family's.
#[derive(Debug, Clone, Copy)]
pub(super) struct NamedType {
    pub(super) system: Option<SystemType>,
    pub(super) fhir: Option<&'static TypeDefinition>,
}

impl NamedType {
    /// Looks a name up; none where neither family has it. `System.Patient` is a type that no value
    /// has, because the other family's name is known.
    pub(super) fn find(namespace: Option<&str>, name: &str) -> Option<Self> {
        let of_fhir = match name {
            "SimpleQuantity" | "MoneyQuantity" => "Quantity",
            other => other,
        };
        let system = SystemType::from_name(name);
        let fhir = Definitions::r4().get(of_fhir);
        let is_known = system.is_some() || fhir.is_some();
        (is_known && matches!(namespace, None | Some("System" | "FHIR"))).then_some(Self {
            system: system.filter(|_| namespace != Some("FHIR")),
            fhir: fhir.filter(|_| namespace != Some("System")),
        })
    }
}

/// Whether one type is another or made from it.
pub(in crate::fhir) fn is_a(definition: &'static TypeDefinition, wanted: &TypeDefinition) -> bool {
    let mut current = Some(definition);
    while let Some(candidate) = current {
        if std::ptr::eq(candidate, wanted) {
            return true;
        }
        current = parent(candidate).and_then(|name| Definitions::r4().get(name));
    }
    false
}

fn parent(definition: &TypeDefinition) -> Option<&'static str> {
    let has = |name: &str| definition.member(name).is_some();
    match (definition.name, definition.kind) {
        ("Element" | "Resource", _) => None,
        ("code" | "id" | "markdown", _) => Some("string"),
        ("url" | "canonical" | "uuid" | "oid", _) => Some("uri"),
        ("unsignedInt" | "positiveInt", _) => Some("integer"),
        ("Age" | "Count" | "Distance" | "Duration", _) => Some("Quantity"),
        ("BackboneElement", _) | (_, TypeKind::Primitive) => Some("Element"),
        ("DomainResource", _) => Some("Resource"),
        (_, TypeKind::Resource) if has("contained") => Some("DomainResource"),
        (_, TypeKind::Resource) => Some("Resource"),
        (_, TypeKind::Data | TypeKind::Part) if has("modifierExtension") => Some("BackboneElement"),
        (_, TypeKind::Data | TypeKind::Part) => Some("Element"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_descend_as_fhir_says() {
        let r4 = Definitions::r4();
        for (name, wanted, expected) in [
            ("code", "string", true),
            ("string", "code", false),
            ("uuid", "uri", true),
            ("Age", "Quantity", true),
            ("Patient", "DomainResource", true),
            ("Bundle", "DomainResource", false),
            ("Bundle", "Resource", true),
            ("Patient.contact", "BackboneElement", true),
            ("Timing", "BackboneElement", true),
            ("HumanName", "BackboneElement", false),
        ] {
            let found = is_a(r4.get(name).expect(name), r4.get(wanted).expect(wanted));
            assert_eq!(found, expected, "{name} is {wanted}");
        }
    }
}
