//! Reads the facts of `access evaluate` and `secondary-use evaluate` from JSON.
//!
//! A value keeps its place, so that an error can say where it is, what was wanted and how to mend
//! it. Errors never hold what was sent. Members nobody asks for are left alone.

use serde::Serialize;
use serde_json::Value;

/// Why facts could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// The text is no JSON.
    #[error(
        "this is not JSON: it breaks off or goes wrong at line {line}, column {column}; mend it there"
    )]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A value of another type was wanted.
    #[error("{place} must be {wanted}; write it so, or leave it out")]
    WrongType {
        /// Where: `[2].patient.age`.
        place: String,
        /// What was wanted.
        wanted: &'static str,
    },
    /// Settings that take a protection away.
    #[error("{place} is refused: {why}")]
    Refused {
        /// Where.
        place: String,
        /// Why, and how to mend it.
        why: String,
    },
}

/// A value and its place. Absence and `null` are the same.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    value: Option<&'a Value>,
    place: String,
}

impl<'a> Node<'a> {
    /// A member of an object; of nothing, nothing.
    pub(crate) fn member(&self, name: &str) -> Result<Node<'a>, EvaluateError> {
        let value = match self.value {
            None => None,
            Some(Value::Object(members)) => members.get(name).filter(|value| !value.is_null()),
            Some(_) => return Err(self.wrong("an object in braces")),
        };
        let place = match self.place.as_str() {
            "" => name.to_owned(),
            place => format!("{place}.{name}"),
        };
        Ok(Node { value, place })
    }

    /// Whether anything was said.
    pub(crate) fn is_there(&self) -> bool {
        self.value.is_some()
    }

    /// Whether it is a list.
    pub(crate) fn is_list(&self) -> bool {
        self.value.is_some_and(Value::is_array)
    }

    /// Whether it is `true` or `false`.
    pub(crate) fn is_truth(&self) -> bool {
        self.value.is_some_and(Value::is_boolean)
    }

    /// A text, if there is one.
    pub(crate) fn text(&self) -> Result<Option<&'a str>, EvaluateError> {
        match self.value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong("a text in quotes")),
        }
    }

    /// A code and what it means, if there is one and it means something.
    pub(crate) fn code<T>(&self, read: fn(&str) -> Option<T>) -> Result<Option<T>, EvaluateError> {
        Ok(self.text()?.and_then(read))
    }

    /// `true` or `false`; absent is `false`.
    pub(crate) fn truth(&self) -> Result<bool, EvaluateError> {
        Ok(self.truth_if_there()?.unwrap_or(false))
    }

    /// `true` or `false`, if it was said.
    pub(crate) fn truth_if_there(&self) -> Result<Option<bool>, EvaluateError> {
        match self.value {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(self.wrong("true or false")),
        }
    }

    /// A whole number, if there is one.
    pub(crate) fn whole(&self) -> Result<Option<i64>, EvaluateError> {
        let Some(value) = self.value else {
            return Ok(None);
        };
        let fraction_free = value.as_f64().filter(|number| number.fract() == 0.0);
        match (value.as_i64(), fraction_free) {
            (Some(number), _) => Ok(Some(number)),
            (None, Some(number)) => Ok(Some(number as i64)),
            (None, None) => Err(self.wrong("a whole number")),
        }
    }

    /// The elements of a list; absent is empty.
    pub(crate) fn elements(&self) -> Result<Vec<Node<'a>>, EvaluateError> {
        let element = |(at, value): (usize, &'a Value)| Node {
            value: Some(value),
            place: format!("{}[{at}]", self.place),
        };
        match self.value {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => Ok(values.iter().enumerate().map(element).collect()),
            Some(_) => Err(self.wrong("a list in square brackets")),
        }
    }

    /// The texts of a list; absent is empty.
    pub(crate) fn texts(&self) -> Result<Vec<&'a str>, EvaluateError> {
        self.elements()?
            .iter()
            .map(|element| {
                element
                    .text()?
                    .ok_or_else(|| element.wrong("a text in quotes"))
            })
            .collect()
    }

    /// Whether a paper was named: a text that is not blank, a number, `true`, or an object with
    /// something in it.
    pub(crate) fn is_given(&self) -> bool {
        match self.value {
            None | Some(Value::Null) => false,
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) => !text.trim().is_empty(),
            Some(Value::Number(_)) => true,
            Some(Value::Array(values)) => !values.is_empty(),
            Some(Value::Object(members)) => !members.is_empty(),
        }
    }

    /// The error that this value is refused.
    pub(crate) fn refused(&self, why: impl std::fmt::Display) -> EvaluateError {
        EvaluateError::Refused {
            place: self.place.clone(),
            why: why.to_string(),
        }
    }

    fn wrong(&self, wanted: &'static str) -> EvaluateError {
        let place = match self.place.as_str() {
            "" => "the facts".to_owned(),
            place => place.to_owned(),
        };
        EvaluateError::WrongType { place, wanted }
    }
}

/// Reads one object.
pub(crate) fn read_one<T>(
    text: &str,
    read: impl FnOnce(&Node<'_>) -> Result<T, EvaluateError>,
) -> Result<T, EvaluateError> {
    let value: Value = parse(text)?;
    read(&Node {
        value: Some(&value),
        place: String::new(),
    })
}

fn parse(text: &str) -> Result<Value, EvaluateError> {
    serde_json::from_str(text).map_err(|error| EvaluateError::NotJson {
        line: error.line(),
        column: error.column(),
    })
}

/// Answers one object, or each object of a list, in order. An `id` is copied to its answer.
pub(crate) fn answer_each<T: Serialize>(
    text: &str,
    answer: impl Fn(&Node<'_>) -> Result<T, EvaluateError>,
) -> Result<String, EvaluateError> {
    let value = parse(text)?;
    let one = |value: &Value, place: String| {
        let node = Node {
            value: Some(value),
            place,
        };
        if !value.is_object() {
            return Err(node.wrong("an object in braces"));
        }
        let id = value.get("id").cloned();
        Ok(WithId {
            id,
            answer: answer(&node)?,
        })
    };
    match &value {
        Value::Array(values) => {
            let answers = values
                .iter()
                .enumerate()
                .map(|(at, value)| one(value, format!("[{at}]")));
            Ok(print(&answers.collect::<Result<Vec<_>, _>>()?))
        }
        value => Ok(print(&one(value, String::new())?)),
    }
}

#[derive(Serialize)]
struct WithId<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
    #[serde(flatten)]
    answer: T,
}

fn print<T: Serialize>(answers: &T) -> String {
    // Texts, numbers and truth values always have a JSON form, so there is no error to pass on.
    serde_json::to_string_pretty(answers).unwrap_or_default()
}
