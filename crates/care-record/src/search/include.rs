//! What goes along with the matches: what they point at, what points at them, and so on where that was
//! asked for. Each resource once, read through the same view, within a bound.

use std::collections::HashSet;

use care_core::fhir::search::{
    Criterion, Include, IndexValue, Modifier, ParameterKind, Parameters, Question, SearchParameter,
    Term, extract_some,
};
use care_core::fhir::{IssueSeverity, OutcomeIssue, ResourceType};

use super::population::find_all;
use super::reach::{Looking, points_at};
use super::{Held, SearchAsk, SearchError};

/// The most resources that go along on one page.
const MOST_INCLUDED: usize = 1_000;

/// What goes along, and what the asker is told where not all of it does.
pub(super) struct Included {
    pub found: Vec<Held>,
    pub told: Option<OutcomeIssue>,
}

/// Gathers what goes along with these matches.
pub(super) fn included(
    looking: &Looking<'_>,
    ask: &SearchAsk,
    matches: &[Held],
) -> Result<Included, SearchError> {
    let mut gathered = Gathered {
        looking,
        ask,
        known: matches.iter().map(name_of).collect(),
        found: Vec::new(),
        is_full: false,
    };
    let includes = &ask.query.includes;
    // The first round looks at the matches, each further one at what the last brought.
    gathered.round(matches, includes)?;
    let iterating: Vec<Include> = includes.iter().filter(|one| one.iterate).cloned().collect();
    let mut begin = 0;
    while !iterating.is_empty() && begin < gathered.found.len() && !gathered.is_full {
        let end = gathered.found.len();
        let last: Vec<Held> = gathered.found[begin..end].to_vec();
        gathered.round(&last, &iterating)?;
        begin = end;
    }
    let told = gathered.is_full.then(|| OutcomeIssue {
        severity: IssueSeverity::Warning,
        code: "too-costly",
        details: "Not all that goes along is here.".to_owned(),
        diagnostics: format!(
            "A page takes at most {MOST_INCLUDED} included resources; ask with a smaller _count or fewer includes."
        ),
        expression: None,
    });
    Ok(Included {
        found: gathered.found,
        told,
    })
}

/// A reference to any of these.
fn pointing_at_any(parameter: &SearchParameter, wanted: &[&Held]) -> Criterion {
    let terms = wanted.iter().map(|held| Term::Reference {
        resource_type: Some(held.kind),
        id: held.id.clone(),
        url: None,
    });
    Criterion {
        name: "_revinclude".to_owned(),
        question: Question::Parameter {
            parameter: parameter.clone(),
            modifier: Modifier::None,
            terms: terms.collect(),
        },
    }
}

type Name = (ResourceType, String);

fn name_of(held: &Held) -> Name {
    (held.kind, held.id.clone())
}

struct Gathered<'g> {
    looking: &'g Looking<'g>,
    ask: &'g SearchAsk,
    known: HashSet<Name>,
    found: Vec<Held>,
    is_full: bool,
}

impl Gathered<'_> {
    fn round(&mut self, from: &[Held], includes: &[Include]) -> Result<(), SearchError> {
        for include in includes {
            if include.reverse {
                self.pointing_at(from, include)?;
            } else {
                self.pointed_at(from, include)?;
            }
        }
        Ok(())
    }

    /// `_include`: what these point at.
    fn pointed_at(&mut self, from: &[Held], include: &Include) -> Result<(), SearchError> {
        for held in from.iter().filter(|held| held.kind == include.source) {
            for (kind, id) in self.references(held, include.parameter.as_ref()) {
                if include.target.is_none_or(|target| target == kind) {
                    self.take(kind, &id)?;
                }
            }
        }
        Ok(())
    }

    fn references(&self, held: &Held, parameter: Option<&SearchParameter>) -> Vec<Name> {
        reference_values(&self.looking.scope.parameters, held, parameter)
            .into_iter()
            .filter_map(|value| match value {
                IndexValue::Reference {
                    resource_type: Some(name),
                    id: Some(id),
                    ..
                } => Some((ResourceType::from_name(&name)?, id.into())),
                _ => None,
            })
            .collect()
    }

    fn take(&mut self, kind: ResourceType, id: &str) -> Result<(), SearchError> {
        let name = (kind, id.to_owned());
        if self.known.contains(&name) || self.is_full() {
            return Ok(());
        }
        if let Some(found) = self.looking.scope.by_reference(kind, id)? {
            self.keep((*found).clone())?;
        }
        self.known.insert(name);
        Ok(())
    }

    fn is_full(&mut self) -> bool {
        self.is_full |= self.found.len() >= MOST_INCLUDED;
        self.is_full
    }

    /// Keeps a resource that the token's scopes let through.
    fn keep(&mut self, held: Held) -> Result<(), SearchError> {
        let Some(lists) = self.ask.readable.of(held.kind) else {
            return Ok(());
        };
        let mut fits = lists.is_empty();
        for list in lists {
            fits = fits || self.looking.meets(&held, list)?;
        }
        if fits && self.known.insert(name_of(&held)) {
            self.found.push(held);
        }
        Ok(())
    }

    /// `_revinclude`: what points at these.
    fn pointing_at(&mut self, from: &[Held], include: &Include) -> Result<(), SearchError> {
        let wanted: Vec<&Held> = from
            .iter()
            .filter(|held| include.target.is_none_or(|target| target == held.kind))
            .collect();
        if wanted.is_empty() || self.is_full() {
            return Ok(());
        }
        let mut found = match &include.parameter {
            Some(parameter) if self.looking.scope.person().is_none() => {
                let pointing = pointing_at_any(parameter, &wanted);
                let most = MOST_INCLUDED + 1;
                find_all(self.looking, include.source, &[pointing], most)?
            }
            _ => Vec::new(),
        };
        let by_range = include.parameter.is_none() || self.looking.scope.person().is_some();
        let people = match by_range {
            true => self.people(&wanted),
            false => Vec::new(),
        };
        for person in people {
            let (candidates, _) = self.looking.scope.range(person, &[include.source], None)?;
            found.extend(self.looking.scope.fill(person, candidates.into_iter())?);
        }
        for one in found {
            let values = reference_values(
                &self.looking.scope.parameters,
                &one,
                include.parameter.as_ref(),
            );
            let points = |held: &&Held| {
                values
                    .iter()
                    .any(|value| points_at(value, held.kind, &held.id))
            };
            if wanted.iter().any(points) {
                if self.is_full() {
                    return Ok(());
                }
                self.keep(one)?;
            }
        }
        Ok(())
    }

    /// Whose things may point at these: what is about a person is pointed at from their own record.
    fn people(&self, wanted: &[&Held]) -> Vec<care_core::vocabulary::PersonId> {
        if let Some(person) = self.looking.scope.person() {
            return vec![person];
        }
        let mut people: Vec<_> = wanted.iter().filter_map(|held| held.owner).collect();
        people.sort_unstable();
        people.dedup();
        people
    }
}

/// The references of a resource under one parameter, or under all of its type.
fn reference_values(
    parameters: &Parameters,
    held: &Held,
    parameter: Option<&SearchParameter>,
) -> Vec<IndexValue> {
    let values = extract_some(held.json(), parameters, |one| match parameter {
        Some(wanted) => one.key() == wanted.key(),
        None => one.kind == ParameterKind::Reference,
    });
    values.into_iter().map(|(_, value)| value).collect()
}
