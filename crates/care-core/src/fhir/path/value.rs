//! What an expression answers: elements of the resource, borrowed, and values of FHIRPath's own.

use std::borrow::Cow;
use std::fmt;

use rust_decimal::Decimal;

use super::element::Element;
use super::moment::{Moment, MomentKind};
use super::quantity::Quantity;
use super::types::{SystemType, TypeOf};
use crate::fhir::Json;

/// One item of an answer.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// An element of the resource.
    Element(Element<'a>),
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i32),
    /// A number with its precision.
    Decimal(Decimal),
    /// A text.
    Text(Cow<'a, str>),
    /// A date, dateTime or time.
    Moment(Moment),
    /// A number with a unit.
    Quantity(Quantity<'a>),
    /// A type, as `type()` answers it.
    Type(TypeOf),
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// Its type.
    pub fn type_of(&self) -> TypeOf {
        TypeOf::System(match self {
            Self::Element(element) => return element.type_of(),
            Self::Boolean(_) => SystemType::Boolean,
            Self::Integer(_) => SystemType::Integer,
            Self::Decimal(_) => SystemType::Decimal,
            Self::Text(_) => SystemType::String,
            Self::Moment(moment) => match moment.kind() {
                MomentKind::Date => SystemType::Date,
                MomentKind::DateTime => SystemType::DateTime,
                MomentKind::Time => SystemType::Time,
            },
            Self::Quantity(_) => SystemType::Quantity,
            Self::Type(_) => SystemType::Any,
        })
    }

    /// The value of FHIRPath's own that this is or holds: a primitive's value, a Quantity's number
    /// and unit. None of an object, or of a primitive without a value.
    pub fn plain(&self) -> Option<Value<'a>> {
        match self {
            Self::Element(element) => element.plain(),
            Self::Type(_) => None,
            other => Some(other.clone()),
        }
    }

    /// The truth value it is or holds.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            Self::Element(element) => element.json().as_bool(),
            _ => None,
        }
    }

    /// The element of the resource, where it is one.
    pub fn as_element(&self) -> Option<&Element<'a>> {
        match self {
            Self::Element(element) => Some(element),
            _ => None,
        }
    }

    /// As JSON: an element as it stands, numbers with their precision, a quantity as a FHIR
    /// Quantity, a type as its qualified name.
    pub fn to_json(&self) -> Cow<'a, Json> {
        match self {
            Self::Element(element) => Cow::Borrowed(element.json()),
            Self::Boolean(value) => Cow::Owned(Json::Bool(*value)),
            Self::Integer(value) => Cow::Owned(Json::from(i64::from(*value))),
            Self::Decimal(value) => Cow::Owned(Json::Number(value.to_string().into())),
            Self::Quantity(quantity) => Cow::Owned(quantity.to_json()),
            other => Cow::Owned(Json::text(other.to_string())),
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element(element) => match element.plain() {
                Some(plain) if !matches!(plain, Value::Quantity(_)) => plain.fmt(f),
                _ => element.json().fmt(f),
            },
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Decimal(value) => value.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Moment(moment) => moment.fmt(f),
            Self::Quantity(quantity) => quantity.fmt(f),
            Self::Type(of_type) => write!(f, "{}.{}", of_type.namespace(), of_type.name()),
        }
    }
}
