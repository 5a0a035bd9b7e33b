//! Functions of texts. Places and lengths count characters, not bytes.
//!
//! Source: FHIRPath N1 section 5.6; encode, escape, trim, split and join as the 3.0 ballot has them.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use regex::Regex;

use super::ast::Call;
use super::error::PathError;
use super::evaluate::{Answer, Evaluator, Items, boolean, one_integer, single};
use super::function::Function as F;
use super::parser::pattern;
use super::value::Value;

/// Making a pattern while evaluating costs so many steps.
const PATTERN_STEPS: usize = 2000;

impl<'a> Evaluator<'a> {
    pub(super) fn texts(
        &mut self,
        call: &'a Call,
        input: &[Value<'a>],
        arguments: &[Items<'a>],
        at: usize,
    ) -> Answer<'a> {
        if call.function == F::Join {
            return self.join(input, arguments, at);
        }
        let Some(text) = one_text(input, call.function, at)? else {
            return Ok(Vec::new());
        };
        self.charge(1 + text.len() / 16, at)?;
        match call.function {
            F::Substring => self.substring(&text, arguments, at),
            F::Replace => self.replace(&text, arguments, at),
            F::Matches | F::MatchesFull | F::ReplaceMatches => {
                self.matches(call, &text, arguments, at)
            }
            F::Length => Ok(count(text.chars().count())),
            F::Upper => self.made_text(text.to_uppercase(), at),
            F::Lower => self.made_text(text.to_lowercase(), at),
            F::Trim => self.made_text(text.trim().to_owned(), at),
            F::ToChars => {
                self.charge(text.len(), at)?;
                Ok(text
                    .chars()
                    .map(|one| Value::text(one.to_string()))
                    .collect())
            }
            other => {
                let first = arguments.first().map_or(&[][..], Vec::as_slice);
                match one_text(first, other, at)? {
                    Some(part) => self.of_two(other, &text, &part, at),
                    None => Ok(Vec::new()),
                }
            }
        }
    }

    /// Functions of a text and another.
    fn of_two(&mut self, function: F, text: &str, part: &str, at: usize) -> Answer<'a> {
        let place = |found: Option<usize>| match found {
            Some(byte) => count(text.get(..byte).map_or(0, |before| before.chars().count())),
            None => vec![Value::Integer(-1)],
        };
        match function {
            F::IndexOf => Ok(place(text.find(part))),
            F::LastIndexOf => Ok(place(text.rfind(part))),
            F::StartsWith => Ok(boolean(Some(text.starts_with(part)))),
            F::EndsWith => Ok(boolean(Some(text.ends_with(part)))),
            F::Contains => Ok(boolean(Some(text.contains(part)))),
            F::Split => {
                self.charge(text.len(), at)?;
                let parts = text
                    .split(part)
                    .filter(|one| !part.is_empty() || !one.is_empty());
                Ok(parts.map(|one| Value::text(one.to_owned())).collect())
            }
            _ => {
                let made = match function {
                    F::Encode => encode(text, part),
                    F::Decode => decode(text, part),
                    F::Escape => escape(text, part),
                    _ => unescape(text, part),
                };
                match made {
                    Some(made) => self.made_text(made, at),
                    None => Ok(Vec::new()),
                }
            }
        }
    }

    fn substring(&mut self, text: &str, arguments: &[Items<'a>], at: usize) -> Answer<'a> {
        let number = |place: usize| match arguments.get(place) {
            Some(argument) => one_integer(argument, at),
            None => Ok(None),
        };
        let Some(start) = number(0)? else {
            return Ok(Vec::new());
        };
        let length = number(1)?;
        let Ok(start) = usize::try_from(start) else {
            return Ok(Vec::new());
        };
        if start >= text.chars().count() {
            return Ok(Vec::new());
        }
        let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
        let part: String = text.chars().skip(start).take(length).collect();
        self.made_text(part, at)
    }

    fn replace(&mut self, text: &str, arguments: &[Items<'a>], at: usize) -> Answer<'a> {
        let (Some(old), Some(new)) = two_texts(arguments, F::Replace, at)? else {
            return Ok(Vec::new());
        };
        let places = if old.is_empty() {
            text.len() + 1
        } else {
            text.matches(old.as_ref()).count()
        };
        self.fits(
            text.len().saturating_add(places.saturating_mul(new.len())),
            at,
        )?;
        self.made_text(text.replace(old.as_ref(), &new), at)
    }

    /// Refuses a text that would grow too long, before it is made.
    fn fits(&self, bytes: usize, at: usize) -> Result<(), PathError> {
        if bytes > self.context.limits.text_bytes {
            return Err(PathError::limit(at, "a text grows too long"));
        }
        Ok(())
    }

    fn matches(
        &mut self,
        call: &'a Call,
        text: &str,
        arguments: &[Items<'a>],
        at: usize,
    ) -> Answer<'a> {
        let first = arguments.first().map_or(&[][..], Vec::as_slice);
        let Some(source) = one_text(first, call.function, at)? else {
            return Ok(Vec::new());
        };
        let second = arguments.get(1).map_or(&[][..], Vec::as_slice);
        let second = one_text(second, call.function, at)?;
        let made: Regex;
        let found = match &call.pattern {
            Some(found) => found,
            None => {
                self.charge(PATTERN_STEPS, at)?;
                let is_replace = call.function == F::ReplaceMatches;
                let flags = second.as_deref().filter(|_| !is_replace).unwrap_or("");
                made = pattern(&source, flags, call.function == F::MatchesFull, at)?;
                &made
            }
        };
        if call.function != F::ReplaceMatches {
            return Ok(boolean(Some(found.is_match(text))));
        }
        let Some(new) = second else {
            return Ok(Vec::new());
        };
        if source.is_empty() {
            return self.made_text(text.to_owned(), at);
        }
        let places = found.find_iter(text).count();
        let captured = new.matches('$').count().saturating_mul(text.len());
        let each = new.len().saturating_add(captured);
        self.fits(text.len().saturating_add(places.saturating_mul(each)), at)?;
        let replaced = found.replace_all(text, braced(&new).as_str()).into_owned();
        self.made_text(replaced, at)
    }

    fn join(&mut self, input: &[Value<'a>], arguments: &[Items<'a>], at: usize) -> Answer<'a> {
        let between = match arguments.first() {
            Some(argument) => one_text(argument, F::Join, at)?,
            None => None,
        };
        let between = between.unwrap_or_default();
        // Nothing joined is the empty text: the official views (SQL on FHIR v2) say so, the language
        // does not.
        let mut joined = String::new();
        for (place, item) in input.iter().enumerate() {
            if place > 0 {
                joined.push_str(&between);
            }
            let one = one_text(std::slice::from_ref(item), F::Join, at)?;
            joined.push_str(&one.unwrap_or_default());
            self.charge(1, at)?;
            self.fits(joined.len(), at)?;
        }
        self.made_text(joined, at)
    }
}

/// The text of a collection of one.
pub(super) fn one_text<'a>(
    items: &[Value<'a>],
    function: F,
    at: usize,
) -> Result<Option<Cow<'a, str>>, PathError> {
    let Some(item) = single(items, at)? else {
        return Ok(None);
    };
    let text = match item {
        // A date or code of FHIR is a text too, as it was sent.
        Value::Element(element) => match element.json() {
            crate::fhir::Json::Text(text) => Some(Some(Cow::Borrowed(text.as_str()))),
            crate::fhir::Json::Null => Some(None),
            _ => None,
        },
        Value::Text(text) => Some(Some(text.clone())),
        _ => None,
    };
    text.ok_or_else(|| {
        PathError::operand(
            at,
            format!(
                "{}() needs a text here, not {}",
                function.name(),
                item.type_of().name()
            ),
            "choose an element that is a text, or turn the value into one with toString()",
        )
    })
}

type TwoTexts<'a> = (Option<Cow<'a, str>>, Option<Cow<'a, str>>);

fn two_texts<'a>(
    arguments: &[Items<'a>],
    function: F,
    at: usize,
) -> Result<TwoTexts<'a>, PathError> {
    let text = |place: usize| {
        let items = arguments.get(place).map_or(&[][..], Vec::as_slice);
        one_text(items, function, at)
    };
    Ok((text(0)?, text(1)?))
}

fn count<'a>(number: usize) -> Items<'a> {
    let number = i32::try_from(number).ok();
    number.map(Value::Integer).into_iter().collect()
}

/// `$1` as `${1}`, so that letters after it are not part of the group's name.
fn braced(substitution: &str) -> String {
    let mut out = String::with_capacity(substitution.len());
    let mut letters = substitution.chars().peekable();
    while let Some(letter) = letters.next() {
        out.push(letter);
        if letter != '$' || !letters.peek().is_some_and(char::is_ascii_digit) {
            continue;
        }
        out.push('{');
        while let Some(digit) = letters.next_if(char::is_ascii_digit) {
            out.push(digit);
        }
        out.push('}');
    }
    out
}

fn encode(text: &str, way: &str) -> Option<String> {
    match way {
        "hex" => Some(text.bytes().map(|byte| format!("{byte:02x}")).collect()),
        "base64" => Some(STANDARD.encode(text)),
        "urlbase64" => Some(URL_SAFE.encode(text)),
        _ => None,
    }
}

fn decode(text: &str, way: &str) -> Option<String> {
    let bytes = match way {
        "hex" => {
            let digit = |place: usize| text.get(place..place + 2);
            (0..text.len())
                .step_by(2)
                .map(|place| u8::from_str_radix(digit(place)?, 16).ok())
                .collect::<Option<Vec<u8>>>()?
        }
        "base64" => STANDARD.decode(text).ok()?,
        "urlbase64" => URL_SAFE.decode(text).ok()?,
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

/// Ampersand first, so that what was escaped is not escaped again.
const HTML: [(&str, &str); 5] = [
    ("&", "&amp;"),
    ("<", "&lt;"),
    (">", "&gt;"),
    ("\"", "&quot;"),
    ("'", "&#39;"),
];
const JSON: [(&str, &str); 5] = [
    ("\\", "\\\\"),
    ("\"", "\\\""),
    ("\n", "\\n"),
    ("\r", "\\r"),
    ("\t", "\\t"),
];

fn escape(text: &str, way: &str) -> Option<String> {
    let table = match way {
        "html" => &HTML,
        "json" => &JSON,
        _ => return None,
    };
    let escaped = table
        .iter()
        .fold(text.to_owned(), |text, (plain, escaped)| {
            text.replace(plain, escaped)
        });
    Some(escaped)
}

fn unescape(text: &str, way: &str) -> Option<String> {
    let table = match way {
        "html" => &HTML,
        "json" => &JSON,
        _ => return None,
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let known = table.iter().find(|(_, escaped)| rest.starts_with(escaped));
        match known {
            Some((plain, escaped)) => {
                out.push_str(plain);
                rest = rest.get(escaped.len()..).unwrap_or("");
            }
            None => {
                out.push(letter);
                rest = rest.get(letter.len_utf8()..).unwrap_or("");
            }
        }
    }
    Some(out)
}
