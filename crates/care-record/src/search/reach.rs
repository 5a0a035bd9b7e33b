//! What a criterion asks beyond the resource at hand, answered through the scope's view and within a
//! bound of work.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use care_core::fhir::search::{
    Criterion, IndexValue, Modifier, Question, Reach, SearchParameter, Term, words,
};
use care_core::fhir::{Definitions, ResourceType};
use care_core::vocabulary::PersonId;
use jiff::Timestamp;

use super::{Held, Scope, SearchError};

/// How many resources one search may look into.
const MOST_LOOKED_AT: usize = 100_000;

type OfPerson = (Option<PersonId>, ResourceType);

/// Looks into resources for one search.
pub(crate) struct Looking<'s> {
    pub scope: &'s Scope<'s>,
    now: Timestamp,
    left: Cell<usize>,
    failed: RefCell<Option<SearchError>>,
    of_person: RefCell<HashMap<OfPerson, Rc<Vec<Held>>>>,
}

impl<'s> Looking<'s> {
    pub fn new(scope: &'s Scope<'s>, now: Timestamp) -> Self {
        Self {
            scope,
            now,
            left: Cell::new(MOST_LOOKED_AT),
            failed: RefCell::default(),
            of_person: RefCell::default(),
        }
    }

    /// Whether a resource meets every criterion.
    pub fn meets<'c>(
        &self,
        held: &Held,
        criteria: impl IntoIterator<Item = &'c Criterion>,
    ) -> Result<bool, SearchError> {
        let met = criteria.into_iter().all(|one| self.meets_one(held, one));
        self.checked().map(|()| met)
    }

    /// The values of a resource under the parameters with these keys.
    pub fn values(&self, held: &Held, keys: &[u32]) -> Vec<(u32, IndexValue)> {
        held.values(&self.scope.parameters, keys)
    }

    fn meets_one(&self, held: &Held, criterion: &Criterion) -> bool {
        let Some(left) = self.left.get().checked_sub(1) else {
            self.fail(too_much(&criterion.name));
            return false;
        };
        self.left.set(left);
        let values = match &criterion.question {
            Question::Parameter { parameter, .. } | Question::Chain { parameter, .. } => {
                self.values(held, &[parameter.key()])
            }
            _ => Vec::new(),
        };
        let at = At {
            looking: self,
            held,
        };
        criterion.matches(&values, &at, self.now)
    }

    /// What went wrong while a criterion was asked, where anything did.
    fn checked(&self) -> Result<(), SearchError> {
        self.failed.borrow_mut().take().map_or(Ok(()), Err)
    }

    fn fail(&self, error: SearchError) {
        self.failed.borrow_mut().get_or_insert(error);
    }

    /// The things of a type in the same person's record; for things about nobody, those of the person
    /// whose record this is.
    fn beside(&self, held: &Held, kind: ResourceType) -> Result<Rc<Vec<Held>>, SearchError> {
        let person = self.scope.person().or(held.owner);
        let name = (person, kind);
        if let Some(known) = self.of_person.borrow().get(&name) {
            return Ok(known.clone());
        }
        let found = match person {
            Some(person) => {
                let (candidates, _) = self.scope.range(person, &[kind], None)?;
                self.scope.fill(person, candidates.into_iter())?
            }
            None => Vec::new(),
        };
        let found = Rc::new(found);
        self.of_person.borrow_mut().insert(name, found.clone());
        Ok(found)
    }
}

fn too_much(parameter: &str) -> SearchError {
    SearchError::cannot(
        parameter,
        "the search would look into too many resources",
        "narrow it, for example to one patient or a time",
    )
}

/// One resource at hand.
struct At<'l, 's> {
    looking: &'l Looking<'s>,
    held: &'l Held,
}

impl At<'_, '_> {
    fn or_fail<T>(&self, found: Result<T, SearchError>) -> Option<T> {
        found.map_err(|error| self.looking.fail(error)).ok()
    }
}

/// Whether a value is a reference to this resource.
pub(super) fn points_at(value: &IndexValue, kind: ResourceType, id: &str) -> bool {
    matches!(value, IndexValue::Reference { resource_type: Some(of), id: Some(found), .. }
        if **of == *kind.name() && **found == *id)
}

impl Reach for At<'_, '_> {
    fn target_meets(&self, reference: &IndexValue, then: &[(ResourceType, Criterion)]) -> bool {
        let IndexValue::Reference {
            resource_type: Some(name),
            id: Some(id),
            ..
        } = reference
        else {
            return false;
        };
        let Some((kind, criterion)) = then.iter().find(|(kind, _)| *kind.name() == **name) else {
            return false;
        };
        match self.or_fail(self.looking.scope.by_reference(*kind, id)) {
            Some(Some(target)) => self.looking.meets_one(&target, criterion),
            _ => false,
        }
    }

    fn source_meets(
        &self,
        resource_type: ResourceType,
        parameter: &SearchParameter,
        then: &Criterion,
    ) -> bool {
        let Some(all) = self.or_fail(self.looking.beside(self.held, resource_type)) else {
            return false;
        };
        let key = [parameter.key()];
        all.iter().any(|one| {
            let points_here = self
                .looking
                .values(one, &key)
                .iter()
                .any(|(_, value)| points_at(value, self.held.kind, &self.held.id));
            points_here && self.looking.meets_one(one, then)
        })
    }

    fn in_value_set(&self, value_set: &str, system: Option<&str>, code: &str) -> Option<bool> {
        let set = Definitions::r4()
            .set(value_set)
            .filter(|set| set.is_finite())?;
        Some(match system {
            Some(system) => set
                .codes_of(system)
                .is_some_and(|codes| codes.contains(&code)),
            None => set.has_code(code),
        })
    }

    /// Hierarchies of codes are not held, so a code is only above and below itself.
    fn subsumes(&self, _: &str, above: &str, below: &str) -> bool {
        above == below
    }

    fn in_list(&self, list: &str) -> bool {
        let id = list.strip_prefix("List/").unwrap_or(list);
        let kind = ResourceType::LIST;
        let Some(Some(list)) = self.or_fail(self.looking.scope.by_reference(kind, id)) else {
            return false;
        };
        let wanted = format!("{}/{}", self.held.kind, self.held.id);
        let entries = list.json().elements("entry");
        entries
            .iter()
            .any(|entry| entry.text_at(&["item", "reference"]) == Some(&wanted))
    }

    fn has_words(&self, narrative: bool, wanted: &[String]) -> bool {
        let found = words(self.held.json(), narrative);
        wanted
            .iter()
            .all(|word| word.is_empty() || found.contains(word))
    }
}

/// Refuses what cannot be answered before anything is read: a value set that is not held.
pub(super) fn check(criteria: &[Criterion]) -> Result<(), SearchError> {
    for criterion in criteria {
        match &criterion.question {
            Question::Parameter {
                modifier: Modifier::In | Modifier::NotIn,
                terms,
                ..
            } => {
                let is_held = |term: &Term| match term {
                    Term::Uri(url) => Definitions::r4()
                        .set(url)
                        .is_some_and(|set| set.is_finite()),
                    _ => true,
                };
                if !terms.iter().all(is_held) {
                    return Err(SearchError::cannot(
                        &criterion.name,
                        "this value set is not held here",
                        "list the codes, or name a value set that R4 requires of an element",
                    ));
                }
            }
            Question::Chain { then, .. } => {
                for (_, inner) in then {
                    check(std::slice::from_ref(inner))?;
                }
            }
            Question::Has { then, .. } => check(std::slice::from_ref(then))?,
            _ => {}
        }
    }
    Ok(())
}
