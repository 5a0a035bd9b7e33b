//! SCIM filters (RFC 7644, 3.4.2.2) and attribute paths (3.10), on the JSON of a resource. Pure.
//!
//! Names compare without case. Texts compare without case, save ids. A filter that cannot be read is
//! refused by name; it never selects everything.

use serde_json::Value;

/// The deepest nesting of brackets and `not`.
const DEPTH: usize = 20;
/// The longest filter, in bytes.
const BYTES: usize = 4_096;

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All hold.
    And(Box<Filter>, Box<Filter>),
    /// Any holds.
    Or(Box<Filter>, Box<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// The attribute has a value.
    Present(Vec<String>),
    /// The attribute compares so with a value.
    Compare(Vec<String>, Comparison, Value),
    /// One element of a list fits.
    Element(Vec<String>, Box<Filter>),
}

/// How values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Contains,
    Starts,
    Ends,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// Why a filter or a path cannot be used; for the caller.
pub type Unreadable = String;

/// Reads a filter.
pub fn parse(text: &str) -> Result<Filter, Unreadable> {
    if text.len() > BYTES {
        return Err(format!("the filter is longer than {BYTES} bytes"));
    }
    let mut reader = Reader {
        tokens: tokens(text)?,
        at: 0,
    };
    let filter = reader.either(0)?;
    match reader.peek() {
        None => Ok(filter),
        Some(more) => Err(format!(
            "the filter goes on with {more:?} where it should end"
        )),
    }
}

/// A place in a resource: `name.familyName`, `members[value eq "1"]`, `emails[type eq "work"].value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The attribute.
    pub attribute: String,
    /// Which elements of it.
    pub filter: Option<Filter>,
    /// A part of it.
    pub part: Option<String>,
}

/// Reads a place. The schema's own name before it is taken off.
pub fn place(text: &str) -> Result<Place, Unreadable> {
    let text = without_schema(text.trim());
    let unreadable = || format!("the path {} cannot be read", short(text));
    let (attribute, rest) = match text.split_once('[') {
        Some((attribute, rest)) => {
            let (filter, after) = rest.rsplit_once(']').ok_or_else(unreadable)?;
            (attribute, Some((parse(filter)?, after)))
        }
        None => (text, None),
    };
    let name = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte);
        (!text.is_empty() && text.bytes().all(fits)).then(|| text.to_owned())
    };
    match rest {
        Some((filter, after)) => Ok(Place {
            attribute: name(attribute).ok_or_else(unreadable)?,
            filter: Some(filter),
            part: match after.strip_prefix('.') {
                Some(part) => Some(name(part).ok_or_else(unreadable)?),
                None if after.is_empty() => None,
                None => return Err(unreadable()),
            },
        }),
        None => {
            let (attribute, part) = match attribute.split_once('.') {
                Some((attribute, part)) => (attribute, Some(name(part).ok_or_else(unreadable)?)),
                None => (attribute, None),
            };
            Ok(Place {
                attribute: name(attribute).ok_or_else(unreadable)?,
                filter: None,
                part,
            })
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

/// `urn:ietf:params:scim:schemas:core:2.0:User:userName` is `userName`.
fn without_schema(text: &str) -> &str {
    const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:";
    let Some(head) = text.get(..CORE.len()) else {
        return text;
    };
    if !head.eq_ignore_ascii_case(CORE) {
        return text;
    }
    text[CORE.len()..]
        .split_once(':')
        .map_or(text, |(_, rest)| rest)
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    OpenList,
    CloseList,
    Text(Value),
    Word(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, Unreadable> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            ' ' | '\t' => 1,
            '(' | ')' | '[' | ']' => {
                all.push(match first {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    '[' => Token::OpenList,
                    _ => Token::CloseList,
                });
                1
            }
            '"' => {
                let end = closing_quote(rest).ok_or("a text in the filter is not closed")?;
                let value = serde_json::from_str(&rest[..=end])
                    .map_err(|_| "a text in the filter is not JSON".to_owned())?;
                all.push(Token::Text(value));
                end + 1
            }
            _ => {
                let end = rest
                    .find(|one: char| " \t()[]\"".contains(one))
                    .unwrap_or(rest.len());
                all.push(Token::Word(rest[..end].to_owned()));
                end
            }
        };
        rest = &rest[taken..];
    }
    Ok(all)
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().enumerate().skip(1).find_map(|(at, byte)| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes.then_some(at)
    })
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn word(&mut self, wanted: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        if found {
            self.at += 1;
        }
        found
    }

    fn either(&mut self, depth: usize) -> Result<Filter, Unreadable> {
        let mut left = self.both(depth)?;
        while self.word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.both(depth)?));
        }
        Ok(left)
    }

    fn both(&mut self, depth: usize) -> Result<Filter, Unreadable> {
        let mut left = self.one(depth)?;
        while self.word("and") {
            left = Filter::And(Box::new(left), Box::new(self.one(depth)?));
        }
        Ok(left)
    }

    fn one(&mut self, depth: usize) -> Result<Filter, Unreadable> {
        if depth > DEPTH {
            return Err("the filter is nested too deep".to_owned());
        }
        if self.word("not") {
            return Ok(Filter::Not(Box::new(self.one(depth + 1)?)));
        }
        match self.take() {
            Some(Token::Open) => {
                let inside = self.either(depth + 1)?;
                match self.take() {
                    Some(Token::Close) => Ok(inside),
                    _ => Err("a bracket of the filter is not closed".to_owned()),
                }
            }
            Some(Token::Word(attribute)) => self.about(&attribute, depth),
            _ => Err("the filter lacks an attribute".to_owned()),
        }
    }

    fn about(&mut self, attribute: &str, depth: usize) -> Result<Filter, Unreadable> {
        let path: Vec<String> = without_schema(attribute)
            .split('.')
            .map(str::to_owned)
            .collect();
        if self.peek() == Some(&Token::OpenList) {
            self.at += 1;
            let inside = self.either(depth + 1)?;
            return match self.take() {
                Some(Token::CloseList) => Ok(Filter::Element(path, Box::new(inside))),
                _ => Err("a list filter is not closed".to_owned()),
            };
        }
        let Some(Token::Word(operator)) = self.take() else {
            return Err(format!("{} lacks an operator", short(attribute)));
        };
        let comparison = match operator.to_ascii_lowercase().as_str() {
            "pr" => return Ok(Filter::Present(path)),
            "eq" => Comparison::Equal,
            "ne" => Comparison::NotEqual,
            "co" => Comparison::Contains,
            "sw" => Comparison::Starts,
            "ew" => Comparison::Ends,
            "gt" => Comparison::Greater,
            "ge" => Comparison::GreaterOrEqual,
            "lt" => Comparison::Less,
            "le" => Comparison::LessOrEqual,
            other => return Err(format!("{} is no operator", short(other))),
        };
        let value = match self.take() {
            Some(Token::Text(value)) => value,
            Some(Token::Word(word)) => {
                serde_json::from_str(&word.to_ascii_lowercase()).map_err(|_| {
                    format!(
                        "the value {} is not JSON; put texts in quotes",
                        short(&word)
                    )
                })?
            }
            _ => return Err(format!("{} lacks a value", short(attribute))),
        };
        Ok(Filter::Compare(path, comparison, value))
    }
}

/// A member by its name in any case.
pub fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let members = value.as_object()?;
    members.get(name).or_else(|| {
        let same = |(key, _): &(&String, &Value)| key.eq_ignore_ascii_case(name);
        members.iter().find(same).map(|(_, value)| value)
    })
}

impl Filter {
    /// Whether a resource, or an element of a list, fits.
    pub fn fits(&self, value: &Value) -> bool {
        match self {
            Self::And(left, right) => left.fits(value) && right.fits(value),
            Self::Or(left, right) => left.fits(value) || right.fits(value),
            Self::Not(inside) => !inside.fits(value),
            Self::Present(path) => values(value, path).iter().any(|one| present(one)),
            Self::Element(path, inside) => values(value, path).iter().any(|one| inside.fits(one)),
            Self::Compare(path, Comparison::NotEqual, wanted) => {
                let exact = is_exact(path);
                !simple(value, path)
                    .iter()
                    .any(|one| equal(one, wanted, exact))
            }
            Self::Compare(path, comparison, wanted) => {
                let exact = is_exact(path);
                let held = simple(value, path);
                // A missing attribute equals null.
                (held.is_empty() && wanted.is_null() && *comparison == Comparison::Equal)
                    || held
                        .iter()
                        .any(|one| compare(one, *comparison, wanted, exact))
            }
        }
    }
}

fn is_exact(path: &[String]) -> bool {
    let last = path.last().map(String::as_str).unwrap_or_default();
    ["id", "externalid", "version"].contains(&last.to_ascii_lowercase().as_str())
}

/// Every value at a path; lists are looked into.
fn values<'v>(value: &'v Value, path: &[String]) -> Vec<&'v Value> {
    let mut found = vec![value];
    for name in path {
        found = found
            .into_iter()
            .filter_map(|one| member(one, name))
            .flat_map(|one| match one {
                Value::Array(elements) => elements.iter().collect(),
                other => vec![other],
            })
            .collect();
    }
    found
}

/// The same, where an element of parts stands for its `value`.
fn simple<'v>(value: &'v Value, path: &[String]) -> Vec<&'v Value> {
    values(value, path)
        .into_iter()
        .filter_map(|one| {
            if one.is_object() {
                member(one, "value")
            } else {
                Some(one)
            }
        })
        .collect()
}

fn present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    }
}

fn equal(held: &Value, wanted: &Value, exact: bool) -> bool {
    match (held, wanted) {
        (Value::String(one), Value::String(other)) if !exact => {
            one.to_lowercase() == other.to_lowercase()
        }
        (one, other) => one == other,
    }
}

fn compare(held: &Value, comparison: Comparison, wanted: &Value, exact: bool) -> bool {
    use std::cmp::Ordering;
    if comparison == Comparison::Equal {
        return equal(held, wanted, exact);
    }
    let fold = |text: &str| {
        if exact {
            text.to_owned()
        } else {
            text.to_lowercase()
        }
    };
    let order = match (held, wanted) {
        (Value::String(one), Value::String(other)) => {
            let (one, other) = (fold(one), fold(other));
            match comparison {
                Comparison::Contains => return one.contains(&other),
                Comparison::Starts => return one.starts_with(&other),
                Comparison::Ends => return one.ends_with(&other),
                _ => one.cmp(&other),
            }
        }
        (Value::Number(one), Value::Number(other)) => {
            match one.as_f64().partial_cmp(&other.as_f64()) {
                Some(order) => order,
                None => return false,
            }
        }
        _ => return false,
    };
    match comparison {
        Comparison::Greater => order == Ordering::Greater,
        Comparison::GreaterOrEqual => order != Ordering::Less,
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn filters_select_what_they_say() {
        let user = json!({
            "id": "Ab1", "userName": "M.Oduya", "active": true, "name": {"familyName": "Oduya"},
            "emails": [{"type": "work", "value": "m@x.example"}, {"type": "home", "value": "q@y.example"}],
            "meta": {"lastModified": "2026-10-01T09:00:00Z"},
        });
        let fits = [
            r#"userName eq "m.oduya""#,
            r#"USERNAME Eq "m.oduya""#,
            r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "M""#,
            r#"id eq "Ab1""#,
            r#"name.familyName co "dUy" and active eq true"#,
            r#"emails[type eq "work" and value ew "x.example"]"#,
            r#"emails.value eq "q@y.example""#,
            r#"emails eq "q@y.example""#,
            r#"meta.lastModified ge "2026-10-01T00:00:00Z""#,
            r#"not (active eq false) and (title pr or userName pr)"#,
            r#"title eq null"#,
            r#"userName ne "x""#,
            r#"active eq True"#,
        ];
        for text in fits {
            assert!(
                parse(text)
                    .unwrap_or_else(|why| panic!("{text}: {why}"))
                    .fits(&user),
                "{text}"
            );
        }
        let not = [
            r#"id eq "ab1""#,
            r#"emails[type eq "work" and value ew "y.example"]"#,
            r#"title pr"#,
            r#"active eq "true""#,
            r#"userName gt "z""#,
        ];
        for text in not {
            assert!(
                !parse(text)
                    .unwrap_or_else(|why| panic!("{text}: {why}"))
                    .fits(&user),
                "{text}"
            );
        }
        let deep = format!("{}a pr{}", "(".repeat(99), ")".repeat(99));
        for text in [
            "",
            "userName",
            "userName eq",
            r#"userName eq "x"#,
            "userName like 1",
            "(a pr",
            "a pr b",
            "a eq x",
            r#"a[b eq 1"#,
            "or",
            &deep,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn places_are_read() {
        let part = place(r#"emails[type eq "work"].value"#).expect("a place");
        assert_eq!(
            (part.attribute.as_str(), part.part.as_deref()),
            ("emails", Some("value"))
        );
        assert_eq!(
            place("urn:ietf:params:scim:schemas:core:2.0:User:name.familyName")
                .expect("a place")
                .part
                .as_deref(),
            Some("familyName")
        );
        for text in ["", "a b", "a[", "a]", "a[b eq 1]x", ".a", "a."] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}
