//! The form of FHIR's primitive types. Source: FHIR R4 section 2.24.0.1, with its regular
//! expressions read as plain code.

use super::time::is_time_of_day;
use super::{FhirTime, Json};

/// What a primitive should look like, where this value does not.
///
/// `name` is the FHIR type. A type we do not know has no form to break.
pub(super) fn primitive_fault(name: &str, value: &Json) -> Option<&'static str> {
    match name {
        "boolean" => fault(value.as_bool().is_some(), "true or false, without quotes"),
        "integer" => number(value, i64::from(i32::MIN), "a whole number without quotes"),
        "unsignedInt" => number(value, 0, "a whole number of 0 or more, without quotes"),
        "positiveInt" => number(value, 1, "a whole number of 1 or more, without quotes"),
        "decimal" => fault(value.as_number().is_some(), "a number without quotes"),
        _ => match value.as_text() {
            Some(text) => text_fault(name, text),
            None => Some("a text in double quotes"),
        },
    }
}

fn fault(is_right: bool, form: &'static str) -> Option<&'static str> {
    (!is_right).then_some(form)
}

fn number(value: &Json, least: i64, form: &'static str) -> Option<&'static str> {
    let whole = value
        .as_number()
        .and_then(|text| text.parse::<i64>().ok())
        .is_some_and(|number| number >= least && number <= i64::from(i32::MAX));
    fault(whole, form)
}

fn text_fault(name: &str, text: &str) -> Option<&'static str> {
    match name {
        "date" => fault(
            FhirTime::parse(text).is_some_and(|time| !time.has_time()),
            "a date of the calendar: YYYY, YYYY-MM or YYYY-MM-DD",
        ),
        "dateTime" => fault(
            FhirTime::parse(text).is_some(),
            "a date, or a date and time with seconds and offset: 2026-11-23T10:00:00Z",
        ),
        "instant" => fault(
            FhirTime::parse(text).is_some_and(|time| time.has_time()),
            "a date and time with seconds and offset: 2026-11-23T10:00:00Z",
        ),
        "time" => fault(is_time_of_day(text), "a time with seconds: 10:00:00"),
        "id" => fault(is_id(text), "1 to 64 letters, digits, dashes or dots"),
        "code" => fault(
            is_code(text),
            "a code without spaces at its ends or two in a row",
        ),
        "uri" | "url" | "canonical" => fault(
            !text.is_empty() && !text.contains(char::is_whitespace),
            "an address without spaces",
        ),
        "oid" => fault(is_oid(text), "urn:oid: and numbers joined by dots"),
        "uuid" => fault(is_uuid(text), "urn:uuid: and a UUID in small letters"),
        "base64Binary" => fault(is_base64(text), "base 64"),
        "xhtml" => fault(
            text.trim_start().starts_with("<div"),
            "XHTML inside one <div>",
        ),
        _ => fault(
            !text.trim().is_empty(),
            "a text that is not empty; leave the element out where there is nothing to say",
        ),
    }
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

fn is_code(text: &str) -> bool {
    let mut after_space = true;
    for character in text.chars() {
        let space = character.is_whitespace();
        if space && after_space {
            return false;
        }
        after_space = space;
    }
    !after_space
}

fn is_oid(text: &str) -> bool {
    text.strip_prefix("urn:oid:").is_some_and(|numbers| {
        let mut parts = numbers.split('.');
        matches!(parts.next(), Some("0" | "1" | "2"))
            && numbers.contains('.')
            && parts.all(|part| {
                !part.is_empty()
                    && part.bytes().all(|b| b.is_ascii_digit())
                    && (part == "0" || !part.starts_with('0'))
            })
    })
}

fn is_uuid(text: &str) -> bool {
    text.strip_prefix("urn:uuid:").is_some_and(|uuid| {
        uuid.len() == 36
            && uuid.bytes().enumerate().all(|(place, b)| match place {
                8 | 13 | 18 | 23 => b == b'-',
                _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
            })
    })
}

fn is_base64(text: &str) -> bool {
    let mut letters = 0usize;
    let mut padding = 0usize;
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => letters += 1,
            b'=' => padding += 1,
            b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => return false,
        }
    }
    padding <= 2 && (letters + padding).is_multiple_of(4) && letters > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_primitive_takes_its_own_form_and_no_other() {
        let text = |text: &str| Json::from(text);
        let number = |text: &str| Json::Number(text.into());
        for (name, value, is_right) in [
            ("boolean", Json::Bool(true), true),
            ("boolean", text("true"), false),
            ("integer", number("-5"), true),
            ("integer", number("1.0"), false),
            ("integer", number("2147483648"), false),
            ("positiveInt", number("0"), false),
            ("unsignedInt", number("0"), true),
            ("decimal", number("1.50"), true),
            ("decimal", text("1.5"), false),
            ("date", text("2026-02-30"), false),
            ("date", text("2026-02"), true),
            ("date", text("2026-02-01T10:00:00Z"), false),
            ("instant", text("2026-02-01"), false),
            ("time", text("10:00"), false),
            ("id", text("a_b"), false),
            ("id", text("A-1.b"), true),
            ("code", text(" a"), false),
            ("code", text("in progress"), true),
            ("uri", text("a b"), false),
            ("oid", text("urn:oid:2.16.840"), true),
            ("oid", text("urn:oid:2.016"), false),
            (
                "uuid",
                text("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
                true,
            ),
            ("uuid", text("c757873d-ec9a-4326-a141-556f43239520"), false),
            ("base64Binary", text("aGVsbG8="), true),
            ("base64Binary", text("aGVsbG8"), false),
            ("string", text(" "), false),
            ("string", number("1"), false),
        ] {
            assert_eq!(
                primitive_fault(name, &value).is_none(),
                is_right,
                "{name} {value}"
            );
        }
    }
}
