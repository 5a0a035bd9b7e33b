//! What a subscription looks for: one type, and perhaps a query of its own parameters. A change is looked at
//! by itself, so a filter asks nothing of other resources.

use care_core::fhir::search::{
    Criterion, Handling, IndexValue, Parameters, Query, QueryError, Question, Reach,
    SearchParameter, extract,
};
use care_core::fhir::{Json, Limits, ResourceType};
use jiff::Timestamp;

/// A filter that was read.
#[derive(Debug, Clone)]
pub struct Filter {
    kind: ResourceType,
    criteria: Vec<Criterion>,
}

/// Why a filter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It does not begin with a resource type.
    #[error("the filter begins with no R4 resource type; write Observation?status=final")]
    NoType,
    /// One of its parameters cannot be read.
    #[error("{0}")]
    Parameter(QueryError),
    /// It asks something of other resources, or for an order, a count or includes.
    #[error(
        "a filter looks at the changed resource alone; leave out chains, _has, _list, _text, _content, _sort, _include and _count"
    )]
    Beyond,
}

impl Filter {
    /// Reads `Observation?status=final`. `base` is this server's address, so that its own references are
    /// known.
    pub fn read(text: &str, base: &str) -> Result<Self, FilterError> {
        let (kind, query) = text.split_once('?').unwrap_or((text, ""));
        let kind = ResourceType::from_name(kind).ok_or(FilterError::NoType)?;
        let pairs = pairs(query);
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let parameters = Parameters::r4();
        let query = Query::read(Some(kind), pairs, parameters, base, Handling::Strict)
            .map_err(FilterError::Parameter)?;
        let plain = query
            .criteria
            .iter()
            .all(|one| matches!(one.question, Question::Parameter { .. }));
        let asks_more = !query.sort.is_empty()
            || !query.includes.is_empty()
            || query.count.is_some()
            || query.page.is_some();
        if !plain || asks_more {
            return Err(FilterError::Beyond);
        }
        Ok(Self {
            kind,
            criteria: query.criteria,
        })
    }

    /// The type it looks for.
    pub fn kind(&self) -> ResourceType {
        self.kind
    }

    /// Whether a resource fits.
    pub fn fits(&self, body: &[u8], now: Timestamp) -> bool {
        if self.criteria.is_empty() {
            return true;
        }
        let Ok(resource) = Json::parse(body, Limits::default()) else {
            return false;
        };
        let values = extract(&resource, Parameters::r4());
        self.criteria
            .iter()
            .all(|one| one.matches(&values, &Alone, now))
    }
}

/// Names and values of a query, percent-decoded.
fn pairs(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while place < bytes.len() {
        let hex = bytes.get(place + 1..place + 3);
        let value = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[place], value) {
            (b'%', Some(value)) => {
                out.push(value);
                place += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        place += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Nothing beyond the resource itself is known.
struct Alone;

impl Reach for Alone {
    fn target_meets(&self, _: &IndexValue, _: &[(ResourceType, Criterion)]) -> bool {
        false
    }

    fn source_meets(&self, _: ResourceType, _: &SearchParameter, _: &Criterion) -> bool {
        false
    }

    fn in_value_set(&self, _: &str, _: Option<&str>, _: &str) -> Option<bool> {
        None
    }

    fn subsumes(&self, _: &str, above: &str, below: &str) -> bool {
        above == below
    }

    fn in_list(&self, _: &str) -> bool {
        false
    }

    fn has_words(&self, _: bool, _: &[String]) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_looks_at_the_changed_resource_alone() {
        let read = |text: &str| Filter::read(text, "http://here/fhir/R4").map(|one| one.kind());
        assert_eq!(read("Observation").ok(), Some(ResourceType::OBSERVATION));
        assert!(read("Observation?status=final&code=http%3A%2F%2Floinc.org%7C1-8").is_ok());
        assert_eq!(read("Observations?x=1"), Err(FilterError::NoType));
        for beyond in [
            "Observation?subject.name=Smith",
            "Patient?_has:Observation:patient:code=1",
            "Observation?_sort=date",
            "Observation?_include=Observation:subject",
            "Observation?_content=x",
        ] {
            assert_eq!(read(beyond), Err(FilterError::Beyond), "{beyond}");
        }
        assert!(matches!(
            read("Observation?colour=red"),
            Err(FilterError::Parameter(_))
        ));
        let filter = Filter::read("Observation?status=final", "http://here").expect("a filter");
        let now = Timestamp::UNIX_EPOCH;
        assert!(filter.fits(br#"{"resourceType":"Observation","status":"final"}"#, now));
        assert!(!filter.fits(br#"{"resourceType":"Observation","status":"amended"}"#, now));
    }
}
