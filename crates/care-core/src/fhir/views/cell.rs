//! One value of a row, and what a column may hold.

use crate::fhir::Json;
use crate::fhir::path::Value;

/// What a column holds, for formats that need to know: the FHIR type of the definition, reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// True or false.
    Boolean,
    /// Whole numbers of 64 bits.
    Integer,
    /// Numbers whose text is kept.
    Decimal,
    /// Texts; dates, times and codes among them.
    Text,
}

impl ColumnKind {
    /// The kind of a FHIR or FHIRPath type's name (the last part of its address); texts where it is
    /// none of the others or not said.
    pub fn of_type(name: &str) -> Self {
        match name.rsplit(['/', '.']).next().unwrap_or(name) {
            "boolean" | "Boolean" => Self::Boolean,
            "integer" | "Integer" | "integer64" | "positiveInt" | "unsignedInt" => Self::Integer,
            "decimal" | "Decimal" => Self::Decimal,
            _ => Self::Text,
        }
    }
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// True or false.
    Boolean(bool),
    /// A number, with the digits it was written with.
    Number(Box<str>),
    /// A text.
    Text(String),
    /// The values of a column that is a collection.
    List(Vec<Cell>),
}

impl Cell {
    /// A primitive value; none where it is a structure, which no cell can hold.
    pub(super) fn of(value: &Value<'_>) -> Option<Self> {
        Some(match value.to_json().as_ref() {
            Json::Bool(value) => Self::Boolean(*value),
            Json::Number(text) => Self::Number(text.clone()),
            Json::Text(text) => Self::Text(text.clone()),
            // A primitive of which only extensions were sent.
            Json::Null => Self::Null,
            Json::Array(_) | Json::Object(_) => return None,
        })
    }

    /// As JSON: `null`, true or false, number, text, list.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Boolean(value) => Json::Bool(*value),
            Self::Number(text) => Json::Number(text.clone()),
            Self::Text(text) => Json::Text(text.clone()),
            Self::List(cells) => Json::Array(cells.iter().map(Self::to_json).collect()),
        }
    }

    /// As one text, for CSV: empty where there is nothing; a list as JSON.
    pub fn to_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Boolean(value) => value.to_string(),
            Self::Number(text) => text.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(_) => self.to_json().to_string(),
        }
    }
}
