//! What an operation is given: parameters in the address, in a form, or in a Parameters resource. All
//! three read the same.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use care_core::fhir::search::Handling;
use care_core::fhir::{Json, Limits, xml};

use super::super::answer::Prefer;
use crate::problem::{ApiProblem, Problem};

/// Parameters in the order they came.
#[derive(Debug, Clone, Default)]
pub(in crate::fhir_api) struct Given {
    /// Those that are one value, as text.
    texts: Vec<(String, String)>,
    /// Those that are a resource.
    resources: Vec<(String, Json)>,
}

/// Parameters that change only how an answer is written.
const OF_THE_ANSWER: [&str; 3] = ["_format", "_pretty", "_summary"];

impl Given {
    /// From an address.
    pub fn of_query(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self {
            texts: pairs
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
            resources: Vec::new(),
        }
    }

    /// From an address and a body.
    ///
    /// Errors: a body that cannot be read, or is neither a form nor Parameters.
    pub fn of_body(
        query: Option<&str>,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Self, ApiProblem> {
        let mut given = Self::of_query(query);
        if body.is_empty() {
            return Ok(given);
        }
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let text = String::from_utf8_lossy(body);
            given.texts.extend(Self::of_query(Some(&text)).texts);
            return Ok(given);
        }
        let resource = parsed(kind, body)?;
        if resource.text_at(&["resourceType"]) != Some("Parameters") {
            // A resource alone is the parameter `resource`, as FHIR lets it be sent.
            given.resources.push(("resource".to_owned(), resource));
            return Ok(given);
        }
        for one in resource.elements("parameter") {
            let Some(name) = one.text_at(&["name"]) else {
                return Err(unreadable("A parameter has no name").into());
            };
            if let Some(inner) = one.get("resource") {
                given.resources.push((name.to_owned(), inner.clone()));
            } else if let Some(text) = value(one) {
                given.texts.push((name.to_owned(), text));
            } else {
                return Err(unreadable("A parameter has no value that can be read").into());
            }
        }
        Ok(given)
    }

    /// Refuses what is not among the known names; gives the names that were passed over where the asker
    /// is lenient.
    pub fn only(&self, known: &[&str], prefer: Prefer) -> Result<Vec<String>, ApiProblem> {
        let names = self.texts.iter().map(|(name, _)| name);
        let names = names.chain(self.resources.iter().map(|(name, _)| name));
        let mut passed_over = Vec::new();
        for name in names {
            if known.contains(&name.as_str()) || OF_THE_ANSWER.contains(&name.as_str()) {
                continue;
            }
            if prefer.handling == Handling::Lenient {
                passed_over.push(shortened(name));
                continue;
            }
            let problem = Problem::new(
                StatusCode::BAD_REQUEST,
                "not-supported",
                "This parameter is not supported here",
                format!("Supported are {}.", known.join(", ")),
            );
            return Err(ApiProblem(problem.at_parameter(&shortened(name))));
        }
        Ok(passed_over)
    }

    /// The first value of a name.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.texts
            .iter()
            .find(|(held, _)| held == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a name.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.texts
            .iter()
            .filter(|(held, _)| held == name)
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// Every pair of texts.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.texts
    }

    /// The resources of a name.
    pub fn resources(&self, name: &str) -> Vec<&Json> {
        self.resources
            .iter()
            .filter(|(held, _)| held == name)
            .map(|(_, resource)| resource)
            .collect()
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Result<Option<usize>, ApiProblem> {
        let Some(text) = self.one(name) else {
            return Ok(None);
        };
        let number = text.parse().map_err(|_| {
            let problem = Problem::invalid(
                "This is no whole number",
                "Write 0 or more, or leave it out.",
            );
            ApiProblem(problem.at_parameter(name))
        })?;
        Ok(Some(number))
    }

    /// A truth value.
    pub fn truth(&self, name: &str) -> Result<bool, ApiProblem> {
        match self.one(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => {
                let problem =
                    Problem::invalid("This is neither true nor false", "Write true or false.");
                Err(ApiProblem(problem.at_parameter(name)))
            }
        }
    }

    /// A date or time, and the stretch it covers: from its first moment to the first after it.
    pub fn time(
        &self,
        name: &str,
    ) -> Result<Option<(jiff::Timestamp, jiff::Timestamp)>, ApiProblem> {
        let Some(text) = self.one(name) else {
            return Ok(None);
        };
        // A `+` in an address is a space.
        let text = text.replace(' ', "+");
        let time = care_core::fhir::FhirTime::parse(&text).ok_or_else(|| {
            let problem = Problem::invalid(
                "This is no date",
                "Write 2026, 2026-11, 2026-11-23 or 2026-11-23T10:00:00Z.",
            );
            ApiProblem(problem.at_parameter(name))
        })?;
        Ok(Some((time.earliest(), time.latest())))
    }
}

/// A parameter's name as it may stand in an answer.
fn shortened(name: &str) -> String {
    name.chars()
        .filter(|letter| !letter.is_control())
        .take(64)
        .collect()
}

/// Reads a FHIR body.
pub(super) fn parsed(kind: &str, body: &[u8]) -> Result<Json, ApiProblem> {
    let is_xml = matches!(
        kind,
        "application/fhir+xml" | "application/xml" | "text/xml"
    );
    if !is_xml
        && !matches!(
            kind,
            "application/fhir+json" | "application/json" | "text/json"
        )
    {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-supported",
            "This kind of body is not read",
            "Send Content-Type application/fhir+json, application/fhir+xml, or a form.",
        )
        .into());
    }
    if is_xml {
        xml::parse(body, Limits::default())
            .map_err(|error| unreadable_because(&error.to_string()).into())
    } else {
        Json::parse(body, Limits::default())
            .map_err(|error| unreadable_because(&error.to_string()).into())
    }
}

fn unreadable_because(why: &str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "structure",
        "The body cannot be read",
        format!("{why}."),
    )
}

fn unreadable(what: &str) -> Problem {
    Problem::invalid(
        what,
        "Each parameter has a name and a value[x] or a resource; lists are several parameters of one name.",
    )
}

/// The value of a parameter as text: an identifier as `system|value`, a reference as its address.
fn value(parameter: &Json) -> Option<String> {
    let Json::Object(members) = parameter else {
        return None;
    };
    let (_, value) = members.iter().find(|(name, _)| name.starts_with("value"))?;
    match value {
        Json::Text(text) => Some(text.clone()),
        Json::Number(text) => Some(text.to_string()),
        Json::Bool(truth) => Some(truth.to_string()),
        Json::Object(_) => {
            if let Some(reference) = value.text_at(&["reference"]) {
                return Some(reference.to_owned());
            }
            let system = value.text_at(&["system"]).unwrap_or_default();
            let code = value
                .text_at(&["value"])
                .or_else(|| value.text_at(&["code"]))?;
            Some(format!("{system}|{code}"))
        }
        Json::Null | Json::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_a_form_and_parameters_read_the_same() {
        let address = Given::of_query(Some("_count=5&_type=Patient&_type=Condition&empty="));
        let mut headers = HeaderMap::new();
        let mut body = |kind: &'static str, text: &'static str| {
            headers.insert(header::CONTENT_TYPE, kind.parse().expect("a header"));
            Given::of_body(None, &headers, &Bytes::from_static(text.as_bytes())).expect("read")
        };
        let form = body(
            "application/x-www-form-urlencoded",
            "_count=5&_type=Patient&_type=Condition",
        );
        let parameters = body(
            "application/fhir+json; charset=utf-8",
            r#"{"resourceType":"Parameters","parameter":[{"name":"_count","valueInteger":5},
            {"name":"_type","valueString":"Patient"},{"name":"_type","valueCode":"Condition"}]}"#,
        );
        assert_eq!(address.texts, form.texts);
        assert_eq!(address.texts, parameters.texts);
        assert_eq!(parameters.number("_count").ok().flatten(), Some(5));
        let alone = body("application/fhir+json", r#"{"resourceType":"Patient"}"#);
        assert_eq!(alone.resources("resource").len(), 1);
    }

    #[test]
    fn an_unknown_parameter_is_refused_or_passed_over_as_the_asker_prefers() {
        let given = Given::of_query(Some("_count=5&nonsense=1&_format=json"));
        let strict = Prefer::default();
        let lenient = Prefer {
            handling: Handling::Lenient,
            ..strict
        };
        assert_eq!(
            given.only(&["_count"], lenient).ok(),
            Some(vec!["nonsense".to_owned()])
        );
        let asked = Prefer {
            handling: Handling::Strict,
            ..strict
        };
        assert!(given.only(&["_count"], asked).is_err());
    }
}
