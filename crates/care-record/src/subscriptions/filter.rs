//! What a subscription looks for: one type, and perhaps a query of its own parameters. A change is looked at
//! by itself, so a filter asks nothing of other resources.

use std::sync::Arc;

use care_core::fhir::search::{Alone, Criterion, Handling, Parameters, Query, QueryError, extract};
use care_core::fhir::{Json, Limits, ResourceType};
use jiff::Timestamp;

/// A filter that was read.
#[derive(Debug, Clone)]
pub struct Filter {
    kind: ResourceType,
    criteria: Vec<Criterion>,
    parameters: Arc<Parameters>,
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
        "a filter looks at the changed resource alone; leave out chains, _has, _list, _text, _content, :in, _sort, _include and _count"
    )]
    Beyond,
}

impl Filter {
    /// Reads `Observation?status=final`. `base` is this server's address, so that its own references are
    /// known.
    ///
    /// `parameters` are the search parameters there are.
    pub fn read(text: &str, base: &str, parameters: &Arc<Parameters>) -> Result<Self, FilterError> {
        let (kind, query) = text.split_once('?').unwrap_or((text, ""));
        let kind = ResourceType::from_name(kind).ok_or(FilterError::NoType)?;
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
        let query = Query::read(Some(kind), pairs, parameters, base, Handling::Strict)
            .map_err(FilterError::Parameter)?;
        let plain = query.criteria.iter().all(Criterion::looks_at_one);
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
            parameters: parameters.clone(),
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
        let values = extract(&resource, &self.parameters);
        self.criteria
            .iter()
            .all(|one| one.matches(&values, &Alone, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_looks_at_the_changed_resource_alone() {
        let r4 = Arc::new(Parameters::r4().clone());
        let read =
            |text: &str| Filter::read(text, "http://here/fhir/R4", &r4).map(|one| one.kind());
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
        let filter =
            Filter::read("Observation?status=final", "http://here", &r4).expect("a filter");
        let now = Timestamp::UNIX_EPOCH;
        assert!(filter.fits(br#"{"resourceType":"Observation","status":"final"}"#, now));
        assert!(!filter.fits(br#"{"resourceType":"Observation","status":"amended"}"#, now));
    }
}
