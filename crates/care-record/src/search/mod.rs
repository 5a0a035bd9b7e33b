//! The engine of FHIR search, over one person's record under a decision's view, or over what a source
//! sent itself.
//!
//! The meaning of every criterion is `care_core::fhir::search`'s; here is how what meets them is found,
//! in what order, page by page, and what goes along with it. Everything a search touches (chains,
//! `_has`, includes, sorts, counts, words) is read through the scope's one view, so what is hidden is to
//! a search as if it were absent. Nothing leaves from here: `disclosure` and `supply` write the entries.

mod find;
mod held;
mod include;
mod order;
mod population;
mod reach;
mod scope;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use care_core::fhir::search::{Criterion, ParameterKind, Query, Question, Term};
use care_core::fhir::{OutcomeIssue, ResourceType};
use care_core::vocabulary::{ItemId, PersonId};
use serde::{Deserialize, Serialize};

use crate::disclosure::FhirResource;
use crate::store::StoreError;

pub(crate) use find::{Searched, search};
pub(crate) use held::Held;
pub(crate) use reach::Looking;
pub(crate) use scope::{Reader, Scope, parse_id};

/// What the token's scopes leave of each type.
#[derive(Debug, Clone, Default)]
pub struct Readable {
    /// Every type may be read whole, whatever `types` says.
    pub everything: bool,
    /// The types that may be read; of each, what is read must meet one of these lists whole. No list:
    /// all of it.
    pub types: HashMap<ResourceType, Vec<Vec<Criterion>>>,
}

impl Readable {
    /// Every type, whole.
    pub fn everything() -> Self {
        Self {
            everything: true,
            types: HashMap::new(),
        }
    }

    /// What of a type may be read; none where nothing may.
    pub fn of(&self, kind: ResourceType) -> Option<&[Vec<Criterion>]> {
        if self.everything {
            return Some(&[]);
        }
        self.types.get(&kind).map(Vec::as_slice)
    }
}

/// A search, ready to run.
#[derive(Debug, Clone)]
pub struct SearchAsk {
    /// What is asked.
    pub query: Query,
    /// The types that are searched, each once.
    pub types: Vec<ResourceType>,
    /// Only what is in this compartment: its type and id.
    pub compartment: Option<(ResourceType, String)>,
    /// What the token's scopes leave.
    pub readable: Readable,
    /// How many matches a page holds.
    pub count: usize,
    /// Where the page begins; none: at the beginning.
    pub cursor: Option<Cursor>,
    /// The names of the parameters, for the entry in the log: never a value.
    pub page: String,
}

/// Where a page begins: everything it shows is as it was at a moment, after the last match before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The number of the newest audit entry when the search began.
    #[serde(rename = "t")]
    pub moment: u64,
    /// How many match in all, where that was said.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// The last match of the page before; none on the first page.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
}

/// A match that was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// Whose; none for things about nobody.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub person: Option<u64>,
    /// The number of its type.
    #[serde(rename = "k")]
    pub kind: u16,
    /// Its item.
    #[serde(rename = "i")]
    pub item: u64,
    /// It is put together on the way out, and stands first of its type.
    #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
    pub composed: bool,
    /// Its place in the order of the index, where that order was used.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub spot: Option<i64>,
    /// The items shown that happened in the same second: what changed since is told apart by them.
    #[serde(rename = "o", default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<u64>,
}

/// One entry of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchEntry {
    /// It was asked for along with a match.
    pub included: bool,
    /// What leaves.
    pub resource: FhirResource,
}

/// A page of a search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchPage {
    /// The matches in order, then what goes along.
    pub entries: Vec<SearchEntry>,
    /// How many match in all; none: not said.
    pub total: Option<u64>,
    /// The page itself.
    pub here: Option<Cursor>,
    /// The page after it.
    pub next: Option<Cursor>,
    /// What the asker is told.
    pub told: Vec<OutcomeIssue>,
}

/// Why a search gives nothing. Holds no patient data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SearchError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Said to the asker: the parameter it is about, what is wrong, how to mend it.
    #[error("{parameter}: {what}; {mend}")]
    Cannot {
        parameter: String,
        what: &'static str,
        mend: &'static str,
    },
}

impl SearchError {
    pub(crate) fn cannot(parameter: &str, what: &'static str, mend: &'static str) -> Self {
        Self::Cannot {
            parameter: parameter.to_owned(),
            what,
            mend,
        }
    }
}

/// Something that is held: whose, its type and its item.
pub(crate) type Key = (Option<PersonId>, ResourceType, ItemId);

/// The person a search is about: the one a reference criterion, the compartment or an id names.
///
/// `Ok(None)`: none is named. Errors: a criterion names several, where one is asked about at a time.
pub(crate) fn named_person(ask: &SearchAsk) -> Result<Option<PersonId>, SearchError> {
    let mut found: Option<PersonId> = None;
    let mut add = |person: PersonId, parameter: &str| match found {
        Some(before) if before != person => Err(SearchError::cannot(
            parameter,
            "it names another person than the rest of the search",
            "ask about one person at a time",
        )),
        _ => {
            found = Some(person);
            Ok(())
        }
    };
    match &ask.compartment {
        Some((kind, id)) if *kind == ResourceType::PATIENT => {
            if let Ok(person) = PersonId::parse(id) {
                add(person, "compartment")?;
            }
        }
        Some((_, id)) => {
            if let Some((Some(person), _)) = parse_id(id) {
                add(person, "compartment")?;
            }
        }
        None => {}
    }
    for criterion in &ask.query.criteria {
        let Question::Parameter {
            parameter, terms, ..
        } = &criterion.question
        else {
            continue;
        };
        if parameter.kind == ParameterKind::Reference {
            let may_be_patient = parameter.targets.is_empty()
                || parameter.targets.iter().any(|of| **of == *"Patient");
            for term in terms {
                // An id without a type looks like a person's wherever it stands.
                let says_type = matches!(
                    term,
                    Term::Reference {
                        resource_type: Some(_),
                        ..
                    }
                );
                if let Some(person) =
                    person_of_reference(term).filter(|_| says_type || may_be_patient)
                {
                    add(person, &criterion.name)?;
                }
            }
        } else if &*parameter.code == "_id" {
            for id in terms.iter().filter_map(id_of) {
                let of_item = parse_id(id).and_then(|(person, _)| person);
                let person = of_item.or_else(|| {
                    let is_patient = ask.types == [ResourceType::PATIENT];
                    PersonId::parse(id).ok().filter(|_| is_patient)
                });
                if let Some(person) = person {
                    add(person, &criterion.name)?;
                }
            }
        }
    }
    Ok(found)
}

/// The person a reference names, by Patient or by something of theirs.
fn person_of_reference(term: &Term) -> Option<PersonId> {
    let Term::Reference {
        resource_type,
        id,
        url: None,
    } = term
    else {
        return None;
    };
    match resource_type {
        Some(kind) if *kind != ResourceType::PATIENT => parse_id(id)?.0,
        _ => PersonId::parse(id).ok(),
    }
}

/// The id a criterion on `_id` asks for.
pub(crate) fn id_of(term: &Term) -> Option<&str> {
    match term {
        Term::Token {
            system: None,
            code: Some(id),
        } => Some(id),
        _ => None,
    }
}
