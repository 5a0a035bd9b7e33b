//! A FHIR JSON value that keeps what was sent: the text of every number and the order of members.
//!
//! `serde_json` would turn `1.50` into `1.5`; a result's precision is clinical information
//! (hazard H12), so numbers here are text.

use std::borrow::Cow;
use std::fmt;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Json {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written.
    Number(Box<str>),
    /// A text.
    Text(String),
    /// A list.
    Array(Vec<Json>),
    /// Members in order; names are unique.
    Object(Vec<(Cow<'static, str>, Json)>),
}

impl Json {
    /// An object of these members; a member whose value is `Null` is left out.
    pub fn object<const N: usize>(members: [(&'static str, Json); N]) -> Self {
        Self::Object(
            members
                .into_iter()
                .filter(|(_, value)| *value != Json::Null)
                .map(|(name, value)| (Cow::Borrowed(name), value))
                .collect(),
        )
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A list; `Null` when there is nothing in it, because FHIR has no empty lists.
    pub fn list(values: Vec<Json>) -> Self {
        if values.is_empty() {
            Self::Null
        } else {
            Self::Array(values)
        }
    }

    /// The member of this name, where this is an object that has one.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Self::Object(members) => members
                .iter()
                .find(|(member, _)| member == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The member of this name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        match self {
            Self::Object(members) => members
                .iter_mut()
                .find(|(member, _)| member == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// Sets a member, in its old place if it was there, else at the end. `Null` takes it away.
    /// Does nothing to a value that is no object.
    pub fn set(&mut self, name: &'static str, value: Json) {
        if let Self::Object(members) = self {
            match members.iter().position(|(member, _)| member == name) {
                Some(place) if value == Json::Null => drop(members.remove(place)),
                Some(place) => members[place].1 = value,
                None if value == Json::Null => {}
                None => members.push((Cow::Borrowed(name), value)),
            }
        }
    }

    /// Follows member names; a list on the way is entered at its first element.
    ///
    /// `patient.path(&["name", "family"])` is the family name of the first name.
    pub fn path(&self, names: &[&str]) -> Option<&Json> {
        names
            .iter()
            .try_fold(self, |value, name| value.first().get(name))
            .map(Json::first)
    }

    /// The text at a path, where there is one.
    pub fn text_at(&self, names: &[&str]) -> Option<&str> {
        self.path(names)?.as_text()
    }

    /// The first element of a list; any other value is itself.
    pub fn first(&self) -> &Json {
        match self {
            Self::Array(values) => values.first().unwrap_or(&Json::Null),
            other => other,
        }
    }

    /// The elements of a list; a single value counts as a list of one, `Null` and absence as none.
    pub fn elements(&self, name: &str) -> &[Json] {
        match self.get(name) {
            None | Some(Json::Null) => &[],
            Some(Json::Array(values)) => values,
            Some(other) => std::slice::from_ref(other),
        }
    }

    /// The text, where this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number's own text, where this is a number.
    pub fn as_number(&self) -> Option<&str> {
        match self {
            Self::Number(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value, where this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Writes compact JSON to the end of a buffer.
    pub fn write_to(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => write_text(text, out),
            Self::Array(values) => {
                out.push('[');
                for (place, value) in values.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    value.write_to(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (place, (name, value)) in members.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    write_text(name, out);
                    out.push(':');
                    value.write_to(out);
                }
                out.push('}');
            }
        }
    }
}

impl Json {
    /// JSON with each member and element on a line of its own, two spaces deeper for each level.
    pub fn to_pretty(&self) -> String {
        let mut out = String::new();
        self.write_pretty(0, &mut out);
        out
    }

    fn write_pretty(&self, depth: usize, out: &mut String) {
        let line = |depth: usize, out: &mut String| {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        };
        match self {
            Self::Array(values) if !values.is_empty() => {
                out.push('[');
                for (place, value) in values.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    line(depth + 1, out);
                    value.write_pretty(depth + 1, out);
                }
                line(depth, out);
                out.push(']');
            }
            Self::Object(members) if !members.is_empty() => {
                out.push('{');
                for (place, (name, value)) in members.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    line(depth + 1, out);
                    write_text(name, out);
                    out.push_str(": ");
                    value.write_pretty(depth + 1, out);
                }
                line(depth, out);
                out.push('}');
            }
            other => other.write_to(out),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write_to(&mut out);
        f.write_str(&out)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Number(value.to_string().into())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut plain_from = 0;
    for (place, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[plain_from..place]);
        if escape.is_empty() {
            out.push_str(&format!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
        plain_from = place + 1;
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}
