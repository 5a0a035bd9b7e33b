//! Which types leave, and which resources of each: what `_type`, `_typeFilter` and the queries of
//! granular scopes say together. It only ever takes away from what a view permits.

use std::sync::Arc;

use care_core::fhir::search::{Alone, Handling, Parameters, Query, extract};
use care_core::fhir::{Json, Limits, ResourceType};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The same in words: what is kept of a job, to be read again after a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PickedWords {
    /// Names of types; none: every type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// A type, and queries of which a resource of that type must meet one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<(String, Vec<String>)>,
}

/// What was picked, read and ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct Picked {
    types: Option<Vec<ResourceType>>,
    groups: Vec<(ResourceType, Vec<Query>)>,
    /// What the queries were read by, where there are any.
    parameters: Option<Arc<Parameters>>,
}

/// Why the words cannot be read. Names parameters, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {what}; {mend}")]
pub struct PickedError {
    /// Which parameter.
    pub parameter: String,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl Picked {
    /// Reads the words. `base` is the address of the FHIR API, `parameters` the search parameters there are.
    ///
    /// Errors: a type that R4 has not, a query that cannot be read, or one that asks other resources
    /// (a chain, `_has`, a list or a value set).
    pub fn read(
        words: &PickedWords,
        base: &str,
        parameters: &Arc<Parameters>,
    ) -> Result<Self, PickedError> {
        let types = words
            .types
            .as_ref()
            .map(|names| names.iter().map(|name| kind(name)).collect())
            .transpose()?;
        let mut groups = Vec::new();
        for (name, queries) in &words.groups {
            let kind = kind(name)?;
            let read = queries
                .iter()
                .map(|text| query(kind, text, base, parameters));
            groups.push((kind, read.collect::<Result<Vec<_>, _>>()?));
        }
        Ok(Self {
            types,
            parameters: (!groups.is_empty()).then(|| parameters.clone()),
            groups,
        })
    }

    /// Whether resources of a type may be among them.
    pub fn has(&self, kind: ResourceType) -> bool {
        self.types
            .as_ref()
            .is_none_or(|types| types.contains(&kind))
    }

    /// The types, where not every type is meant.
    pub fn types(&self) -> Option<&[ResourceType]> {
        self.types.as_deref()
    }

    /// Whether a resource of this type has to be read to know.
    pub fn looks_inside(&self, kind: ResourceType) -> bool {
        self.groups.iter().any(|(of, _)| *of == kind)
    }

    /// Whether a resource is among them. One that cannot be read is not.
    pub fn fits(&self, kind: ResourceType, body: &[u8], now: Timestamp) -> bool {
        if !self.has(kind) {
            return false;
        }
        if !self.looks_inside(kind) {
            return true;
        }
        Json::parse(body, Limits::default()).is_ok_and(|json| self.fits_read(kind, &json, now))
    }

    /// The same of a resource that is read already.
    pub fn fits_read(&self, kind: ResourceType, resource: &Json, now: Timestamp) -> bool {
        if !self.has(kind) {
            return false;
        }
        let Some(parameters) = self.parameters.as_ref().filter(|_| self.looks_inside(kind)) else {
            return !self.looks_inside(kind);
        };
        let values = extract(resource, parameters);
        let meets = |query: &Query| {
            let mut criteria = query.criteria.iter();
            criteria.all(|one| one.matches(&values, &Alone, now))
        };
        self.groups
            .iter()
            .filter(|(of, _)| *of == kind)
            .all(|(_, queries)| queries.iter().any(meets))
    }
}

fn kind(name: &str) -> Result<ResourceType, PickedError> {
    ResourceType::from_name(name).ok_or_else(|| PickedError {
        parameter: "_type".to_owned(),
        what: "R4 has no resource of this type".to_owned(),
        mend: "check the spelling; types begin with a capital letter".to_owned(),
    })
}

/// Reads one query about a type: `code=1234&date=ge2026`.
fn query(
    kind: ResourceType,
    text: &str,
    base: &str,
    parameters: &Parameters,
) -> Result<Query, PickedError> {
    let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
    let borrowed = pairs.iter().map(|(name, value)| (&**name, &**value));
    let read = Query::read(Some(kind), borrowed, parameters, base, Handling::Strict);
    let read = read.map_err(|error| PickedError {
        parameter: error.parameter,
        what: error.what.to_owned(),
        mend: error.mend,
    })?;
    match read.criteria.iter().find(|one| !one.looks_at_one()) {
        None => Ok(read),
        Some(one) => Err(PickedError {
            parameter: one.name.clone(),
            what: "this asks other resources than the one at hand".to_owned(),
            mend: "use parameters of the type itself, without chains, _has, _list or value sets"
                .to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_fits_when_its_type_and_one_query_of_each_group_say_so() {
        let words = |types: Option<&[&str]>, groups: &[(&str, &[&str])]| PickedWords {
            types: types.map(|all| all.iter().map(|one| (*one).to_owned()).collect()),
            groups: groups
                .iter()
                .map(|(kind, queries)| {
                    let queries = queries.iter().map(|one| (*one).to_owned());
                    ((*kind).to_owned(), queries.collect())
                })
                .collect(),
        };
        let body = br#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"4548-4"}]}}"#;
        let now = Timestamp::UNIX_EPOCH;
        let base = "https://care.example.org/fhir/R4";
        let observation = ResourceType::OBSERVATION;
        let r4 = Arc::new(Parameters::r4().clone());
        let table: [(PickedWords, bool); 6] = [
            (words(None, &[]), true),
            (words(Some(&["Patient"]), &[]), false),
            (
                words(
                    None,
                    &[("Observation", &["code=http%3A%2F%2Floinc.org%7C4548-4"])],
                ),
                true,
            ),
            (words(None, &[("Observation", &["code=1"])]), false),
            (
                words(None, &[("Observation", &["code=1", "status=final"])]),
                true,
            ),
            (
                words(
                    None,
                    &[
                        ("Observation", &["status=final"]),
                        ("Observation", &["code=1"]),
                    ],
                ),
                false,
            ),
        ];
        for (words, expected) in table {
            let picked = Picked::read(&words, base, &r4).expect("read");
            assert_eq!(picked.fits(observation, body, now), expected, "{words:?}");
        }
        for wrong in [
            "nonsense=1",
            "patient.name=a",
            "_has:Provenance:target:recorded=1",
        ] {
            let words = words(None, &[("Observation", &[wrong])]);
            assert!(Picked::read(&words, base, &r4).is_err(), "{wrong}");
        }
        // A parameter of the deployment's own is as good as R4's
        let own = br#"{"resourceType":"SearchParameter","code":"is-final","type":"token","base":["Observation"],"expression":"Observation.status"}"#;
        let own = Json::parse(own, Limits::default()).expect("JSON");
        let mut more = Parameters::r4().clone();
        more.add_own(&own).expect("a parameter");
        let more = Arc::new(more);
        for (query, expected) in [("is-final=final", true), ("is-final=amended", false)] {
            let words = words(None, &[("Observation", &[query])]);
            assert!(Picked::read(&words, base, &r4).is_err(), "not R4's");
            let picked = Picked::read(&words, base, &more).expect("read");
            assert_eq!(picked.fits(observation, body, now), expected, "{query}");
        }
    }
}
