//! What a criterion asks beyond the resource at hand, answered through the scope's view and within a
//! bound of work.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use care_core::fhir::ResourceType;
use care_core::fhir::search::{
    Criterion, IndexValue, Question, Reach, SearchParameter, parent_of, words,
};
use care_core::vocabulary::PersonId;
use jiff::Timestamp;

use super::{Held, Scope, SearchError};

/// How far up a hierarchy of resources is followed.
const DEEPEST: usize = 32;
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

impl At<'_, '_> {
    /// What a resource is part of.
    fn parent(&self, kind: ResourceType, id: &str) -> Option<(ResourceType, String)> {
        let scope = self.looking.scope;
        let parameter = scope.parameters.find(Some(kind), parent_of(kind)?)?;
        let held = self.or_fail(scope.by_reference(kind, id))??;
        let values = self.looking.values(&held, &[parameter.key()]);
        values.into_iter().find_map(|(_, value)| match value {
            IndexValue::Reference {
                resource_type: Some(of),
                id: Some(id),
                ..
            } if *of == *kind.name() => Some((kind, id.to_string())),
            _ => None,
        })
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

    /// Goes up from the lower one, as far as it is there for this scope.
    fn holds(&self, above: (ResourceType, &str), below: (ResourceType, &str)) -> bool {
        let (mut kind, mut id) = (below.0, below.1.to_owned());
        for _ in 0..DEEPEST {
            if (kind, id.as_str()) == above {
                return true;
            }
            let Some(parent) = self.parent(kind, &id) else {
                return false;
            };
            (kind, id) = parent;
        }
        false
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
