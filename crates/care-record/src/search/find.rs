//! Which resources meet a search, in order, page by page.

use care_core::fhir::search::{
    Criterion, Modifier, ParameterKind, Parameters, Question, Term, Total, compartment,
};
use care_core::fhir::{Json, OutcomeIssue, ResourceType};
use care_core::vocabulary::PersonId;
use jiff::Timestamp;

use super::include::included;
use super::order::{self, Place};
use super::population;
use super::reach::Looking;
use super::scope::Candidate;
use super::{After, Cursor, Held, Scope, SearchAsk, SearchError, id_of, named_person};

/// How many matches can be put in an order that no index has.
pub(super) const MOST_SORTED: usize = 10_000;
/// Bodies of one type of a person that are read at once.
const MOST_AT_ONCE: usize = 2_000;
/// Bodies looked into in one go.
const AT_ONCE: usize = 128;

/// What a search found.
pub(crate) struct Searched {
    /// The matches of this page, in order.
    pub matches: Vec<Held>,
    /// What goes along with them.
    pub included: Vec<Held>,
    pub total: Option<u64>,
    pub here: Cursor,
    pub next: Option<Cursor>,
    pub told: Vec<OutcomeIssue>,
}

/// Runs a search in a scope.
pub(crate) fn search(
    scope: &Scope<'_>,
    ask: &SearchAsk,
    now: Timestamp,
) -> Result<Searched, SearchError> {
    let looking = Looking::new(scope, now);
    let conditions = Conditions::of_each(scope, ask);
    let person = match scope.person() {
        Some(person) => Some(person),
        None => named_person(ask).ok().flatten(),
    };
    let mut found = match person {
        // The index was asked for a person and a code together before: 37 ms on SQLite and 860 ms on
        // PostgreSQL, where a person's range of one type is read in a few.
        Some(person) => in_range(&looking, ask, person, &conditions)?,
        _ => population::search(&looking, ask, &conditions)?,
    };
    if ask.query.includes.is_empty() || found.matches.is_empty() {
        return Ok(found);
    }
    let along = included(&looking, ask, &found.matches)?;
    found.included = along.found;
    found.told.extend(along.told);
    Ok(found)
}

/// What resources of one type must meet: every criterion, and of each group one list whole.
pub(super) struct Conditions {
    pub kind: ResourceType,
    pub criteria: Vec<Criterion>,
    pub groups: Vec<Vec<Vec<Criterion>>>,
}

impl Conditions {
    fn of_each(scope: &Scope<'_>, ask: &SearchAsk) -> Vec<Self> {
        ask.types
            .iter()
            .filter_map(|kind| Self::of(scope, ask, *kind))
            .collect()
    }

    /// None where nothing of this type can be found.
    fn of(scope: &Scope<'_>, ask: &SearchAsk, kind: ResourceType) -> Option<Self> {
        let mut groups = Vec::new();
        if let Some((of, id)) = &ask.compartment {
            groups.push(in_compartment(*of, id, kind)?);
        }
        let lists = ask.readable.of(kind)?;
        if !lists.is_empty() {
            groups.push(lists.to_vec());
        }
        let criteria = ask.query.criteria.iter().cloned();
        Some(Self {
            kind,
            criteria: criteria.map(|one| with_parts(scope, one)).collect(),
            groups,
        })
    }

    /// What is left to ask once a person's range and the id have said what they can; none where they
    /// say no.
    fn left(&self, id: &str) -> Option<Vec<&Criterion>> {
        let mut left = Vec::new();
        for criterion in &self.criteria {
            match decided(criterion, self.kind, id) {
                Some(true) => {}
                Some(false) => return None,
                None => left.push(criterion),
            }
        }
        Some(left)
    }

    /// Whether bodies must be looked into at all.
    pub fn is_decided(&self) -> bool {
        let is_group_decided = |group: &Vec<Vec<Criterion>>| {
            group.iter().any(|list| {
                list.iter()
                    .all(|one| decided(one, self.kind, "") == Some(true))
            })
        };
        let ids = |one: &Criterion| is_id(one) || decided(one, self.kind, "").is_some();
        self.criteria.iter().all(ids) && self.groups.iter().all(is_group_decided)
    }

    /// Whether a resource meets what was left to ask, and one list of each group.
    pub fn met(
        &self,
        looking: &Looking<'_>,
        held: &Held,
        left: &[&Criterion],
    ) -> Result<bool, SearchError> {
        if !left.iter().all(|one| may_meet(one, &held.body)) {
            return Ok(false);
        }
        if !looking.meets(held, left.iter().copied())? {
            return Ok(false);
        }
        for group in &self.groups {
            let mut one_is_met = false;
            for list in group {
                let left: Vec<&Criterion> = list
                    .iter()
                    .filter(|one| decided(one, self.kind, &held.id) != Some(true))
                    .collect();
                one_is_met = one_is_met || looking.meets(held, left)?;
            }
            if !one_is_met {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The lists of criteria that put a resource of a type into a compartment; none where none can be in it.
fn in_compartment(of: ResourceType, id: &str, kind: ResourceType) -> Option<Vec<Vec<Criterion>>> {
    let term = Term::Reference {
        resource_type: Some(of),
        id: id.to_owned(),
        url: None,
    };
    let one = |code: &str, term: Term| {
        let parameter = Parameters::r4().find(Some(kind), code)?.clone();
        Some(vec![Criterion {
            name: code.to_owned(),
            question: Question::Parameter {
                parameter,
                modifier: Modifier::None,
                terms: vec![term],
            },
        }])
    };
    let codes = compartment(of.name(), kind.name()).iter();
    let mut lists: Vec<_> = codes.filter_map(|code| one(code, term.clone())).collect();
    if kind == of {
        let itself = Term::Token {
            system: None,
            code: Some(id.to_owned()),
        };
        lists.extend(one("_id", itself));
    }
    (!lists.is_empty()).then_some(lists)
}

/// A criterion that names a person names everybody joined into them too.
fn with_parts(scope: &Scope<'_>, mut criterion: Criterion) -> Criterion {
    if let Question::Parameter {
        parameter, terms, ..
    } = &mut criterion.question
        && parameter.kind == ParameterKind::Reference
    {
        let mut more = Vec::new();
        for term in terms.iter() {
            let Term::Reference {
                resource_type,
                id,
                url: None,
            } = term
            else {
                continue;
            };
            let is_patient = resource_type.is_none_or(|one| one == ResourceType::PATIENT);
            if let Some(person) = PersonId::parse(id).ok().filter(|_| is_patient) {
                let others = scope.parts_of(person).into_iter();
                more.extend(
                    others
                        .filter(|one| *one != person)
                        .map(|one| Term::Reference {
                            resource_type: *resource_type,
                            id: one.to_string(),
                            url: None,
                        }),
                );
            }
        }
        terms.extend(more);
    }
    criterion
}

pub(super) fn is_id(criterion: &Criterion) -> bool {
    matches!(&criterion.question, Question::Parameter { parameter, modifier: Modifier::None, .. }
        if &*parameter.code == "_id")
}

/// What a person's range and a resource's id say of a criterion without its body; none: nothing.
fn decided(criterion: &Criterion, kind: ResourceType, id: &str) -> Option<bool> {
    let Question::Parameter {
        parameter,
        modifier,
        terms,
    } = &criterion.question
    else {
        return None;
    };
    match (&*parameter.code, modifier) {
        ("_id", Modifier::None) => Some(terms.iter().any(|term| id_of(term) == Some(id))),
        ("patient" | "subject", Modifier::None | Modifier::Type(ResourceType::PATIENT))
            if names_its_person(kind, &parameter.code) =>
        {
            let names = |term: &Term| {
                matches!(term, Term::Reference { resource_type, id, url: None }
                    if resource_type.is_none_or(|one| one == ResourceType::PATIENT)
                        && PersonId::parse(id).is_ok())
            };
            // The range is the person's own, and the search names no other.
            terms.iter().all(names).then_some(true)
        }
        _ => None,
    }
}

/// Whether what lies in a person's range of this type always names that person by this parameter: the
/// intake files such a resource under the one person it points at.
fn names_its_person(kind: ResourceType, code: &str) -> bool {
    let is_in_compartment = !compartment("Patient", kind.name()).is_empty();
    let has_one_subject = !matches!(
        kind.name(),
        "Account"
            | "Appointment"
            | "AppointmentResponse"
            | "AuditEvent"
            | "Basic"
            | "Binary"
            | "Group"
            | "Patient"
            | "Person"
            | "Provenance"
            | "Schedule"
    );
    is_in_compartment && has_one_subject && matches!(code, "patient" | "subject")
}

/// Whether a body may meet a criterion at all, told from its bytes: a code that is asked for must stand
/// in it. Never says no to what does meet it.
fn may_meet(criterion: &Criterion, body: &[u8]) -> bool {
    let Question::Parameter {
        parameter,
        modifier: Modifier::None,
        terms,
    } = &criterion.question
    else {
        return true;
    };
    if parameter.kind != ParameterKind::Token || &*parameter.code == "_id" {
        return true;
    }
    terms.iter().any(|term| match term {
        // Truth values may be worked out, so they need not stand there.
        Term::Token {
            code: Some(code), ..
        } if code != "true" && code != "false" => {
            let written = Json::text(code.as_str()).to_string();
            holds(body, &written.as_bytes()[1..written.len() - 1])
        }
        _ => true,
    })
}

fn holds(body: &[u8], wanted: &[u8]) -> bool {
    let Some(first) = wanted.first() else {
        return true;
    };
    let mut from = 0;
    while let Some(at) = body[from..].iter().position(|byte| byte == first) {
        let begin = from + at;
        if body[begin..].starts_with(wanted) {
            return true;
        }
        from = begin + 1;
    }
    false
}

/// Whether the number of all matches is to be said.
pub(super) fn wants_total(ask: &SearchAsk) -> bool {
    ask.query.total != Some(Total::None)
}

/// One person's record: read as a range, and looked into only where that must be.
fn in_range(
    looking: &Looking<'_>,
    ask: &SearchAsk,
    person: PersonId,
    conditions: &[Conditions],
) -> Result<Searched, SearchError> {
    let kinds: Vec<ResourceType> = conditions.iter().map(|one| one.kind).collect();
    if kinds.is_empty() {
        return Ok(nothing(ask));
    }
    let before = ask.cursor.as_ref();
    // A page after the first shows what held then; so does a first page that is asked for again.
    let then = before.map(|cursor| cursor.moment);
    let is_decided = conditions
        .iter()
        .all(|one| one.is_decided() && !one.criteria.iter().any(is_id));
    let is_plain = is_decided && ask.query.sort.is_empty();
    // Where every body is needed, they are read at once.
    let most = if is_plain { ask.count } else { MOST_AT_ONCE };
    let short = match (then, &kinds[..]) {
        (None, [one]) if ask.count > 0 => looking.scope.short_range(person, *one, most)?,
        _ => None,
    };
    let (candidates, moment) = match short {
        Some(found) => found,
        None => looking.scope.range(person, &kinds, then)?,
    };
    let asked_of = |kind: ResourceType| conditions.iter().find(|one| one.kind == kind);
    let mut wanted = Vec::with_capacity(candidates.len());
    for one in candidates {
        let Some(conditions) = asked_of(one.kind) else {
            continue;
        };
        let id = id_in_range(person, &one, looking.scope);
        // Items of people who were joined have ids of their own, known once they are read.
        let ids = conditions.criteria.iter().any(is_id);
        if !ids
            || one.held.is_some()
            || conditions.left(&id).is_some()
            || looking.scope.parts_of(person).len() > 1
        {
            wanted.push(one);
        }
    }
    let mut page = Paging::new(ask, person, moment);
    if is_plain {
        page.total = Some(wanted.len() as u64);
        let rest = wanted.into_iter().filter(|one| page.is_after(one));
        let mut rest: Vec<Candidate> = rest.take(ask.count + 1).collect();
        page.has_more = rest.len() > ask.count;
        rest.truncate(ask.count);
        let matches = looking.scope.fill(person, rest.into_iter())?;
        return Ok(page.done(ask, matches));
    }
    let mut sorted: Vec<(Place, Held)> = Vec::new();
    let mut matches = Vec::new();
    let mut total = 0_u64;
    let counts = wants_total(ask) && page.total.is_none();
    let mut wanted = wanted.into_iter().peekable();
    while wanted.peek().is_some() {
        if ask.query.sort.is_empty() && !counts && page.has_more {
            break;
        }
        let some: Vec<Candidate> = wanted.by_ref().take(AT_ONCE).collect();
        for held in looking.scope.fill(person, some.into_iter())? {
            let Some(conditions) = asked_of(held.kind) else {
                continue;
            };
            let Some(left) = conditions.left(&held.id) else {
                continue;
            };
            if !conditions.met(looking, &held, &left)? {
                continue;
            }
            total += 1;
            if !ask.query.sort.is_empty() {
                sorted.push((order::place_of(looking, &held, &ask.query.sort), held));
                if sorted.len() > MOST_SORTED {
                    return Err(too_many_to_sort());
                }
            } else if page.is_after_held(&held) {
                if matches.len() < ask.count {
                    matches.push(held);
                } else {
                    page.has_more = true;
                }
            }
        }
    }
    if counts {
        page.total = Some(total);
    }
    if !ask.query.sort.is_empty() {
        matches = page.sorted(ask, sorted)?;
    }
    Ok(page.done(ask, matches))
}

pub(super) fn too_many_to_sort() -> SearchError {
    SearchError::cannot(
        "_sort",
        "too many resources match to be put in this order",
        "narrow the search, for example to one patient or a time",
    )
}

/// The id of a candidate, as far as it is known before it is read.
fn id_in_range(person: PersonId, one: &Candidate, scope: &Scope<'_>) -> String {
    match &one.held {
        Some(held) => held.id.clone(),
        None if one.kind == ResourceType::PATIENT && scope.person().is_none() => person.to_string(),
        None => format!("{person}-{}", one.item),
    }
}

pub(super) fn nothing(ask: &SearchAsk) -> Searched {
    let here = ask.cursor.clone().unwrap_or(Cursor {
        moment: 0,
        total: Some(0),
        after: None,
    });
    Searched {
        matches: Vec::new(),
        included: Vec::new(),
        total: wants_total(ask).then_some(0),
        here,
        next: None,
        told: Vec::new(),
    }
}

/// Where a page begins and whether another follows.
struct Paging {
    person: PersonId,
    moment: u64,
    total: Option<u64>,
    after: Option<After>,
    has_more: bool,
}

impl Paging {
    fn new(ask: &SearchAsk, person: PersonId, moment: u64) -> Self {
        let before = ask.cursor.as_ref();
        Self {
            person,
            moment,
            total: before.and_then(|cursor| cursor.total),
            after: before.and_then(|cursor| cursor.after.clone()),
            has_more: false,
        }
    }

    /// Whether it comes after the last match shown, in the order of a range. What is put together on the
    /// way out stands first of its type.
    fn comes_after(&self, kind: ResourceType, is_stored: bool, item: u64) -> bool {
        let Some(after) = &self.after else {
            return true;
        };
        (kind.number(), is_stored, item) > (after.kind, !after.composed, after.item)
    }

    fn is_after(&self, one: &Candidate) -> bool {
        self.comes_after(one.kind, one.header.is_some(), one.item.0)
    }

    fn is_after_held(&self, one: &Held) -> bool {
        self.comes_after(one.kind, one.header.is_some(), one.item.0)
    }

    /// The page out of all matches, put in order.
    fn sorted(
        &mut self,
        ask: &SearchAsk,
        mut all: Vec<(Place, Held)>,
    ) -> Result<Vec<Held>, SearchError> {
        let sort = &ask.query.sort;
        all.sort_by(|(left, one), (right, other)| {
            let by_key = || {
                let key = |held: &Held| (held.kind.number(), held.header.is_some(), held.item.0);
                key(one).cmp(&key(other))
            };
            order::compare(left, right, sort).then_with(by_key)
        });
        let from = match &self.after {
            None => 0,
            Some(after) => {
                let is_last =
                    |held: &Held| (held.kind.number(), held.item.0) == (after.kind, after.item);
                let at = all.iter().position(|(_, held)| is_last(held));
                1 + at.ok_or_else(stale_page)?
            }
        };
        self.has_more = all.len() > from + ask.count;
        let page = all.into_iter().skip(from).take(ask.count);
        Ok(page.map(|(_, held)| held).collect())
    }

    fn done(self, ask: &SearchAsk, matches: Vec<Held>) -> Searched {
        let total = self.total.filter(|_| wants_total(ask));
        let here = Cursor {
            moment: self.moment,
            total,
            after: self.after,
        };
        let last = matches.last().filter(|_| self.has_more);
        let next = last.map(|last| Cursor {
            after: Some(After {
                person: Some(self.person.0),
                kind: last.kind.number(),
                item: last.item.0,
                composed: last.header.is_none(),
                spot: None,
                also: Vec::new(),
            }),
            ..here.clone()
        });
        Searched {
            matches,
            included: Vec::new(),
            total,
            here,
            next,
            told: Vec::new(),
        }
    }
}

pub(super) fn stale_page() -> SearchError {
    SearchError::cannot(
        "_page",
        "this page link does not belong to this search",
        "search again",
    )
}
