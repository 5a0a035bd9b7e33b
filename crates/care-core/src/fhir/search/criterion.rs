//! What a query asks for: criteria, every one of which must be met.

use super::parameters::SearchParameter;
use super::value::Span;
use crate::fhir::ResourceType;

/// How a value is to stand to what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `eq`: wholly within what was asked.
    Equal,
    /// `ne`: not so.
    NotEqual,
    /// `gt`: reaches above it.
    Greater,
    /// `ge`: reaches above it, or is within it.
    GreaterOrEqual,
    /// `lt`: reaches below it.
    Less,
    /// `le`: reaches below it, or is within it.
    LessOrEqual,
    /// `sa`: begins after it has ended.
    StartsAfter,
    /// `eb`: has ended before it begins.
    EndsBefore,
    /// `ap`: about the same.
    Approximately,
}

impl Comparison {
    /// The comparison a value's first two letters name, and the rest.
    pub(super) fn read(text: &str) -> (Self, &str) {
        let found = text.get(..2).and_then(|prefix| {
            Some(match prefix {
                "eq" => Self::Equal,
                "ne" => Self::NotEqual,
                "gt" => Self::Greater,
                "ge" => Self::GreaterOrEqual,
                "lt" => Self::Less,
                "le" => Self::LessOrEqual,
                "sa" => Self::StartsAfter,
                "eb" => Self::EndsBefore,
                "ap" => Self::Approximately,
                _ => return None,
            })
        });
        match found {
            Some(comparison) => (comparison, text.get(2..).unwrap_or_default()),
            None => (Self::Equal, text),
        }
    }
}

/// What changes the meaning of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modifier {
    /// None.
    None,
    /// `:exact`: the text itself.
    Exact,
    /// `:contains`: anywhere in the text.
    Contains,
    /// `:not`: no value is so.
    Not,
    /// `:text`: the words that go with the code.
    Text,
    /// `:identifier`: the identifier sent with the reference.
    Identifier,
    /// `:of-type`: an identifier of a type.
    OfType,
    /// `:in`: codes of a value set.
    In,
    /// `:not-in`: no code of the value set.
    NotIn,
    /// `:above`: what was asked is below or at the value.
    Above,
    /// `:below`: the value is below or at what was asked.
    Below,
    /// `:missing`.
    Missing,
    /// `:Patient` and the like: a reference to this type.
    Type(ResourceType),
}

/// One value asked for; of several, one is enough.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// Whether there is to be no value.
    Missing(bool),
    /// A number.
    Number {
        /// How.
        comparison: Comparison,
        /// What its digits leave open.
        span: Span<f64>,
        /// The number itself.
        value: f64,
    },
    /// A time, in microseconds.
    Date {
        /// How.
        comparison: Comparison,
        /// What its precision leaves open.
        span: Span<i64>,
    },
    /// A text.
    Text(String),
    /// A code.
    Token {
        /// None: of any system. `Some("")`: of no system.
        system: Option<String>,
        /// None: any code of the system.
        code: Option<String>,
    },
    /// An identifier of a type.
    OfType {
        /// The type's system.
        system: String,
        /// The type's code.
        code: String,
        /// The identifier.
        value: String,
    },
    /// A resource.
    Reference {
        /// Its type, where that was said.
        resource_type: Option<ResourceType>,
        /// Its id, or its whole address.
        id: String,
        /// The address as it was written, where it has one.
        url: Option<String>,
    },
    /// A quantity.
    Quantity {
        /// How.
        comparison: Comparison,
        /// What its digits leave open.
        span: Span<f64>,
        /// The number itself.
        value: f64,
        /// The unit's system; none: any.
        system: Option<String>,
        /// The unit's code or words; none: any.
        code: Option<String>,
        /// The stretch and point in base units, where the unit is UCUM.
        canonical: Option<(Span<f64>, f64, String)>,
    },
    /// An address.
    Uri(String),
    /// The parts of a composite, each of its own kind.
    Composite(Vec<Term>),
    /// A place and how far from it, in metres.
    Near {
        /// North of the equator, in degrees.
        latitude: f64,
        /// East of Greenwich, in degrees.
        longitude: f64,
        /// Metres.
        distance: f64,
    },
}

/// What a criterion looks at.
#[derive(Debug, Clone)]
pub enum Question {
    /// The values of a parameter.
    Parameter {
        /// Which.
        parameter: SearchParameter,
        /// How.
        modifier: Modifier,
        /// One of these is enough.
        terms: Vec<Term>,
    },
    /// A resource that a reference points at: `subject:Patient.name=…`.
    Chain {
        /// The reference.
        parameter: SearchParameter,
        /// Types it may point at.
        targets: Vec<ResourceType>,
        /// What that resource must meet, for each target type that has the parameter.
        then: Vec<(ResourceType, Criterion)>,
    },
    /// A resource that points here: `_has:Observation:patient:code=…`.
    Has {
        /// Its type.
        resource_type: ResourceType,
        /// The reference of it that points here.
        parameter: SearchParameter,
        /// What it must meet.
        then: Box<Criterion>,
    },
    /// Words in the narrative (`_text`), or anywhere (`_content`).
    Words {
        /// The narrative alone.
        narrative: bool,
        /// Folded words, all of which must stand there; of several groups, one is enough.
        any: Vec<Vec<String>>,
    },
    /// The resources a List names.
    InList(String),
}

/// One criterion of a query.
#[derive(Debug, Clone)]
pub struct Criterion {
    /// The parameter as it was written, without its value: for errors and links.
    pub name: String,
    /// What it asks.
    pub question: Question,
}
