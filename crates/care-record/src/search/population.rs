//! A search over what a source sent of everybody: by the index, in its order, which is that of clinical
//! time with the newest first.
//!
//! Chains and `_has` are resolved first, into references and ids. What the index cannot say exactly is
//! looked at again. A page after the first shows what held at the moment of the first: what changed
//! since is taken in its version of then and put in its old place.

use std::collections::{HashMap, HashSet};

use care_core::fhir::ResourceType;
use care_core::fhir::search::{
    Criterion, IndexValue, Modifier, Plan, Question, SortKey, Term, Total, Wanted, plan,
};
use care_core::vocabulary::{ItemId, PersonId};

use super::find::{
    Conditions, MOST_SORTED, Searched, is_id, nothing, stale_page, too_many_to_sort, wants_total,
};
use super::order::{self, Place};
use super::{After, Cursor, Held, Key, Looking, SearchAsk, SearchError, id_of, parse_id};
use crate::store::{ChangesAsked, Spot, SpotOrder};

/// How many targets a chain, `_has` or list may lead to.
const MOST_LINKED: usize = 2_000;
/// How far matches are counted where nobody asked for their number.
const COUNTED_UNASKED: u64 = 200;
/// How far matches are counted at all.
const COUNTED: u64 = 50_000_000;
/// How many things may have changed since the first page.
const MOST_CHANGED: usize = 5_000;
/// Found in one go.
const AT_ONCE: usize = 64;

/// The order of the index that a sort asks for; none where it asks for another.
fn index_order(kind: ResourceType, sort: &[SortKey]) -> Option<SpotOrder> {
    match sort {
        [] => Some(SpotOrder::NewestFirst),
        [one] if is_clinical_time(kind, &one.parameter.code) => Some(if one.downwards {
            SpotOrder::NewestFirst
        } else {
            SpotOrder::OldestFirst
        }),
        _ => None,
    }
}

/// Whether a parameter is the time by which the index orders this type.
fn is_clinical_time(kind: ResourceType, code: &str) -> bool {
    matches!(
        (kind.name(), code),
        (
            "Observation" | "DiagnosticReport" | "Encounter" | "Procedure" | "Immunization",
            "date"
        ) | ("Condition", "onset-date")
            | ("MedicationRequest", "authoredon")
            | (
                "MedicationStatement" | "MedicationAdministration",
                "effective" | "effective-time"
            )
            | (
                "Appointment" | "Composition" | "EpisodeOfCare" | "CareTeam" | "CarePlan",
                "date"
            )
    )
}

/// Searches.
pub(super) fn search(
    looking: &Looking<'_>,
    ask: &SearchAsk,
    conditions: &[Conditions],
) -> Result<Searched, SearchError> {
    let mut asked = Vec::with_capacity(conditions.len());
    for one in conditions {
        asked.extend(Asked::of(looking, one)?);
    }
    if asked.is_empty() {
        return Ok(nothing(ask));
    }
    let orders: Vec<_> = asked
        .iter()
        .map(|one| index_order(one.conditions.kind, &ask.query.sort))
        .collect();
    let is_indexed = match orders[..] {
        [Some(_)] => true,
        _ => ask.query.sort.is_empty(),
    };
    let total = match &ask.cursor {
        Some(cursor) => cursor.total,
        // A page that holds all matches says their number itself.
        None if is_indexed && ask.count > 0 && !is_total_asked(ask) => None,
        None => total(looking, ask, &asked)?,
    };
    if ask.count == 0 {
        return Ok(Searched {
            total,
            ..nothing(ask)
        });
    }
    if is_indexed {
        let order = orders.first().copied().flatten().unwrap_or_default();
        in_index_order(looking, ask, &asked, order, total)
    } else {
        gathered(looking, ask, &asked, total)
    }
}

/// What is asked of one type, in terms of the index.
struct Asked<'c> {
    conditions: &'c Conditions,
    /// The criteria without chains, `_has` and lists.
    criteria: Vec<Criterion>,
    plan: Plan,
    /// Where ids are asked for: these alone.
    ids: Option<Vec<Key>>,
}

impl<'c> Asked<'c> {
    /// None where nothing can be found.
    fn of(looking: &Looking<'_>, conditions: &'c Conditions) -> Result<Option<Self>, SearchError> {
        let kind = conditions.kind;
        let Some(source) = looking.scope.view.only_source() else {
            return Ok(None);
        };
        let mut criteria = Vec::with_capacity(conditions.criteria.len());
        for criterion in &conditions.criteria {
            match resolved(looking, kind, criterion)? {
                Some(one) => criteria.push(one),
                None => return Ok(None),
            }
        }
        let mut whole = plan(source, kind, &criteria);
        for group in &conditions.groups {
            let lists = group.iter().map(|list| plan(source, kind, list));
            whole = both(whole, any(lists.collect()));
        }
        let ids = criteria
            .iter()
            .filter(|one| is_id(one))
            .map(|one| ids_of(one, kind));
        let ids = ids.reduce(|mut left, right| {
            left.retain(|one| right.contains(one));
            left
        });
        Ok(Some(Self {
            conditions,
            criteria,
            plan: whole,
            ids,
        }))
    }

    fn is_exact(&self) -> bool {
        self.plan.exact && self.ids.is_none()
    }

    /// Whether a resource that the index found, or that held at another time, meets everything.
    fn met(&self, looking: &Looking<'_>, held: &Held) -> Result<bool, SearchError> {
        let all: Vec<&Criterion> = self.criteria.iter().collect();
        self.conditions.met(looking, held, &all)
    }
}

fn both(left: Plan, right: Plan) -> Plan {
    Plan {
        exact: left.exact && right.exact,
        wanted: match (left.wanted, right.wanted) {
            (Wanted::Everything, one) | (one, Wanted::Everything) => one,
            (left, right) => Wanted::All(vec![left, right]),
        },
    }
}

fn any(plans: Vec<Plan>) -> Plan {
    let exact = plans.iter().all(|one| one.exact);
    if plans.iter().any(|one| one.wanted == Wanted::Everything) {
        return Plan {
            wanted: Wanted::Everything,
            exact,
        };
    }
    Plan {
        wanted: Wanted::Any(plans.into_iter().map(|one| one.wanted).collect()),
        exact,
    }
}

/// Which things of a type a criterion on `_id` asks for. A Patient's id is its person's.
fn ids_of(criterion: &Criterion, kind: ResourceType) -> Vec<Key> {
    let Question::Parameter { terms, .. } = &criterion.question else {
        return Vec::new();
    };
    terms
        .iter()
        .filter_map(id_of)
        .filter_map(|id| match parse_id(id) {
            Some((None, item)) if kind == ResourceType::PATIENT => {
                Some((Some(PersonId(item.0)), kind, ItemId(0)))
            }
            Some((owner, item)) => Some((owner, kind, item)),
            None => None,
        })
        .collect()
}

/// A criterion without chains, `_has` and lists: what they lead to is found first. None where they lead
/// to nothing.
fn resolved(
    looking: &Looking<'_>,
    kind: ResourceType,
    criterion: &Criterion,
) -> Result<Option<Criterion>, SearchError> {
    let question = match &criterion.question {
        Question::Chain {
            parameter, then, ..
        } => {
            let mut terms = Vec::new();
            for (target, inner) in then {
                let Some(inner) = resolved(looking, *target, inner)? else {
                    continue;
                };
                for id in ids_meeting(looking, *target, inner)? {
                    terms.push(Term::Reference {
                        resource_type: Some(*target),
                        id,
                        url: None,
                    });
                }
            }
            Question::Parameter {
                parameter: parameter.clone(),
                modifier: Modifier::None,
                terms,
            }
        }
        Question::Has {
            resource_type,
            parameter,
            then,
        } => {
            let Some(inner) = resolved(looking, *resource_type, then)? else {
                return Ok(None);
            };
            let key = [parameter.key()];
            let mut ids = HashSet::new();
            for held in find_all(looking, *resource_type, &[inner], MOST_LINKED)? {
                for (_, value) in looking.values(&held, &key) {
                    if let IndexValue::Reference {
                        resource_type: Some(name),
                        id: Some(id),
                        ..
                    } = value
                        && *name == *kind.name()
                    {
                        ids.insert(id.to_string());
                    }
                }
            }
            return Ok(of_ids(looking, kind, &criterion.name, ids));
        }
        Question::InList(list) => {
            let id = list.strip_prefix("List/").unwrap_or(list);
            let list = looking.scope.by_reference(ResourceType::LIST, id)?;
            let begin = format!("{kind}/");
            let entries = list.iter().flat_map(|list| list.json().elements("entry"));
            let ids = entries
                .filter_map(|entry| entry.text_at(&["item", "reference"])?.strip_prefix(&begin))
                .map(str::to_owned)
                .collect();
            return Ok(of_ids(looking, kind, &criterion.name, ids));
        }
        Question::Parameter { .. } | Question::Words { .. } => return Ok(Some(criterion.clone())),
    };
    let leads_nowhere = matches!(&question, Question::Parameter { terms, .. } if terms.is_empty());
    Ok((!leads_nowhere).then(|| Criterion {
        name: criterion.name.clone(),
        question,
    }))
}

/// The criterion that a resource has one of these ids; none where there are none.
fn of_ids(
    looking: &Looking<'_>,
    kind: ResourceType,
    name: &str,
    ids: HashSet<String>,
) -> Option<Criterion> {
    let parameter = looking.scope.parameters.find(Some(kind), "_id")?.clone();
    let mut ids: Vec<String> = ids.into_iter().collect();
    ids.sort_unstable();
    let terms: Vec<Term> = ids
        .into_iter()
        .map(|id| Term::Token {
            system: None,
            code: Some(id),
        })
        .collect();
    (!terms.is_empty()).then(|| Criterion {
        name: name.to_owned(),
        question: Question::Parameter {
            parameter,
            modifier: Modifier::None,
            terms,
        },
    })
}

/// The ids of everything of a type that meets a criterion.
fn ids_meeting(
    looking: &Looking<'_>,
    kind: ResourceType,
    criterion: Criterion,
) -> Result<Vec<String>, SearchError> {
    let found = find_all(looking, kind, &[criterion], MOST_LINKED)?;
    Ok(found.into_iter().map(|held| held.id).collect())
}

/// Everything of a type that meets the criteria, up to a bound.
///
/// Errors: there is more.
pub(super) fn find_all(
    looking: &Looking<'_>,
    kind: ResourceType,
    criteria: &[Criterion],
    most: usize,
) -> Result<Vec<Held>, SearchError> {
    let conditions = Conditions {
        kind,
        criteria: criteria.to_vec(),
        groups: Vec::new(),
    };
    let Some(asked) = Asked::of(looking, &conditions)? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let mut stream = Stream::new(looking, &asked, SpotOrder::NewestFirst, None);
    while let Some(held) = stream.next()? {
        found.push(held);
        if found.len() > most {
            let name = criteria.first().map_or("", |one| one.name.as_str());
            return Err(SearchError::cannot(
                name,
                "this leads to too many resources",
                "narrow it, or search for those first and then with their ids",
            ));
        }
    }
    Ok(found)
}

/// Whether the number of all matches is asked for, however many there are.
fn is_total_asked(ask: &SearchAsk) -> bool {
    ask.count == 0 || ask.query.total.is_some_and(|one| one != Total::None)
}

/// How many match, where that is to be said.
fn total(
    looking: &Looking<'_>,
    ask: &SearchAsk,
    asked: &[Asked<'_>],
) -> Result<Option<u64>, SearchError> {
    let is_wanted = is_total_asked(ask);
    if !wants_total(ask) {
        return Ok(None);
    }
    let mut sum = 0;
    for one in asked {
        // A person's Patients of one source count once, which the index does not know.
        if one.is_exact() && one.conditions.kind != ResourceType::PATIENT {
            let most = if is_wanted { COUNTED } else { COUNTED_UNASKED };
            let found = looking.scope.store.tally(
                looking.scope.view,
                one.conditions.kind,
                &one.plan.wanted,
                most,
            )?;
            if found >= most {
                return Ok(None);
            }
            sum += found;
        } else if is_wanted || one.ids.is_some() {
            let mut stream = Stream::new(looking, one, SpotOrder::NewestFirst, None);
            while stream.next()?.is_some() {
                sum += 1;
            }
        } else {
            return Ok(None);
        }
    }
    Ok(Some(sum))
}

/// The matches of one type, one after another, in the order of the index.
struct Stream<'s, 'l> {
    looking: &'s Looking<'l>,
    asked: &'s Asked<'s>,
    order: SpotOrder,
    after: Option<Spot>,
    /// What came later is left out.
    moment: Option<u64>,
    ready: std::vec::IntoIter<Held>,
    is_over: bool,
    size: usize,
}

impl<'s, 'l> Stream<'s, 'l> {
    fn new(
        looking: &'s Looking<'l>,
        asked: &'s Asked<'s>,
        order: SpotOrder,
        moment: Option<u64>,
    ) -> Self {
        Self {
            looking,
            asked,
            order,
            after: None,
            moment,
            ready: Vec::new().into_iter(),
            is_over: false,
            size: AT_ONCE,
        }
    }

    fn next(&mut self) -> Result<Option<Held>, SearchError> {
        loop {
            if let Some(held) = self.ready.next() {
                return Ok(Some(held));
            }
            if self.is_over {
                return Ok(None);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), SearchError> {
        let kind = self.asked.conditions.kind;
        if let Some(ids) = &self.asked.ids {
            self.is_over = true;
            let found = by_ids(self.looking, kind, ids)?;
            self.ready = self.fitting(found, true)?.into_iter();
            return Ok(());
        }
        let scope = self.looking.scope;
        let found = scope.store.find_bodies(
            scope.view,
            kind,
            &self.asked.plan.wanted,
            self.order,
            self.after,
            u32::try_from(self.size).unwrap_or(u32::MAX),
        )?;
        self.is_over = found.len() < self.size;
        self.after = found.last().map(|(last, _)| last.spot).or(self.after);
        let mut held = Vec::with_capacity(found.len());
        for (place, stored) in found {
            let came_then = self.moment.is_none_or(|moment| place.moment <= moment);
            if came_then {
                let mut one = scope.held(stored)?;
                one.spot = Some(place.spot.0);
                held.push(one);
            }
        }
        self.ready = self.fitting(held, !self.asked.plan.exact)?.into_iter();
        self.size = (self.size * 2).min(512);
        Ok(())
    }

    /// Those that meet everything, where the index alone does not say so; of a person's Patients the
    /// newest.
    fn fitting(&self, found: Vec<Held>, look: bool) -> Result<Vec<Held>, SearchError> {
        let older = older_patients(self.looking, &found, self.moment)?;
        let mut fitting = Vec::with_capacity(found.len());
        for held in found {
            if older.contains(&(held.owner, held.item)) {
                continue;
            }
            if !look || self.asked.met(self.looking, &held)? {
                fitting.push(held);
            }
        }
        Ok(fitting)
    }
}

/// Those Patients among them of whose person the source sent a newer one.
fn older_patients(
    looking: &Looking<'_>,
    found: &[Held],
    moment: Option<u64>,
) -> Result<HashSet<(Option<PersonId>, ItemId)>, SearchError> {
    let patients = || {
        let patients = found
            .iter()
            .filter(|held| held.kind == ResourceType::PATIENT);
        patients.filter_map(|held| Some((held.owner?, held.item)))
    };
    let mut people: Vec<PersonId> = patients().map(|(person, _)| person).collect();
    people.sort_unstable();
    people.dedup();
    let newest = looking.scope.newest_patients(&people, moment)?;
    let newest: HashMap<PersonId, ItemId> = people
        .into_iter()
        .zip(newest)
        .filter_map(|(person, item)| Some((person, item?)))
        .collect();
    let older = patients().filter(|(person, item)| newest.get(person) != Some(item));
    Ok(older.map(|(person, item)| (Some(person), item)).collect())
}

fn by_ids(
    looking: &Looking<'_>,
    kind: ResourceType,
    ids: &[Key],
) -> Result<Vec<Held>, SearchError> {
    let mut found = Vec::with_capacity(ids.len());
    if kind == ResourceType::PATIENT {
        for (owner, _, _) in ids {
            if let Some(person) = owner {
                found.extend(looking.scope.own_patient(*person)?);
            }
        }
        return Ok(found);
    }
    found.extend(looking.scope.load(ids)?);
    found.sort_by_key(|held| std::cmp::Reverse(spot_of(held, SpotOrder::NewestFirst)));
    Ok(found)
}

/// The place of a resource that the index did not find: the first of its second.
fn spot_of(held: &Held, order: SpotOrder) -> Spot {
    let at = held
        .header
        .as_ref()
        .map(|header| header.clinical_at.unwrap_or(header.received_at));
    let seconds = at.map_or(0, Spot::seconds_at);
    held.spot
        .map_or_else(|| Spot::first_of(seconds, order), Spot)
}

/// The moment of the newest thing the source brought.
fn newest_moment(looking: &Looking<'_>) -> Result<u64, SearchError> {
    let asked = ChangesAsked {
        limit: 1,
        ..ChangesAsked::default()
    };
    let changes = looking.scope.store.changes(looking.scope.view, &asked)?;
    Ok(changes.first().map_or(0, |one| one.header.moment))
}

/// What changed since a moment and met everything then, in its version of then.
fn changed_since(
    looking: &Looking<'_>,
    asked: &Asked<'_>,
    moment: u64,
) -> Result<Vec<Held>, SearchError> {
    let kind = asked.conditions.kind;
    let mut seen: HashSet<Key> = HashSet::new();
    let mut before = None;
    'pages: loop {
        let page = ChangesAsked {
            kind: Some(kind),
            before,
            after: Some(moment),
            limit: 256,
            ..ChangesAsked::default()
        };
        let changes = looking.scope.store.changes(looking.scope.view, &page)?;
        for change in &changes {
            if change.header.moment <= moment {
                break 'pages;
            }
            seen.insert((change.owner(), kind, change.header.item));
            if seen.len() > MOST_CHANGED {
                return Err(SearchError::cannot(
                    "_page",
                    "too much has changed since the first page",
                    "search again",
                ));
            }
        }
        before = match changes.last() {
            Some(last) => Some(last.place()),
            None => break,
        };
    }
    let mut found = Vec::new();
    for (owner, kind, item) in seen {
        let was =
            looking
                .scope
                .store
                .version_at(owner, looking.scope.view, (kind, item), moment)?;
        let Some(was) = was.filter(|was| !was.header.deleted) else {
            continue;
        };
        found.push(looking.scope.held(was)?);
    }
    let older = older_patients(looking, &found, Some(moment))?;
    found.retain(|held| !older.contains(&(held.owner, held.item)));
    let mut met = Vec::with_capacity(found.len());
    for held in found {
        if asked.met(looking, &held)? {
            met.push(held);
        }
    }
    Ok(met)
}

/// A page in the order of the index; of several types, one after another.
fn in_index_order(
    looking: &Looking<'_>,
    ask: &SearchAsk,
    asked: &[Asked<'_>],
    order: SpotOrder,
    total: Option<u64>,
) -> Result<Searched, SearchError> {
    let Some(cursor) = &ask.cursor else {
        let before = looking.scope.store.settled();
        let mut page = one_page(looking, ask, asked, order, None, None)?;
        let (mut moment, mut total) = (0, total);
        if page.len() > ask.count {
            // Another page will follow: it must be told what held when this one was read.
            moment = match before {
                Some(moment) if looking.scope.store.settled() == before => moment,
                _ => {
                    let moment = newest_moment(looking)?;
                    page = one_page(looking, ask, asked, order, None, Some(moment))?;
                    moment
                }
            };
            if total.is_none() {
                total = self::total(looking, ask, asked)?;
            }
        }
        // A page that holds them all says their number.
        let all = (page.len() <= ask.count && wants_total(ask)).then_some(page.len() as u64);
        let here = Cursor {
            moment,
            total: total.or(all),
            after: None,
        };
        return Ok(paged(page, ask.count, order, here));
    };
    let (moment, after) = (Some(cursor.moment), cursor.after.as_ref());
    let page = one_page(looking, ask, asked, order, after, moment)?;
    Ok(paged(page, ask.count, order, cursor.clone()))
}

/// The matches of a page, and one more where there is one.
fn one_page(
    looking: &Looking<'_>,
    ask: &SearchAsk,
    asked: &[Asked<'_>],
    order: SpotOrder,
    after: Option<&After>,
    moment: Option<u64>,
) -> Result<Vec<Held>, SearchError> {
    let mut found: Vec<Held> = Vec::new();
    for one in asked {
        let number = one.conditions.kind.number();
        if after.is_some_and(|after| number < after.kind) {
            continue;
        }
        let here = after.filter(|after| after.kind == number);
        let last = here.and_then(|after| after.spot).map(Spot);
        let is_later = |held: &Held| {
            let (Some(last), Some(here)) = (last, here) else {
                return true;
            };
            let spot = spot_of(held, order);
            let seconds = (spot.seconds(), last.seconds());
            match order {
                _ if seconds.0 == seconds.1 && held.spot.is_none() => {
                    !here.also.contains(&held.item.0)
                }
                SpotOrder::NewestFirst => spot < last,
                SpotOrder::OldestFirst => spot > last,
            }
        };
        let mut changed = match moment {
            Some(moment) if one.ids.is_none() => changed_since(looking, one, moment)?,
            _ => Vec::new(),
        };
        changed.retain(is_later);
        changed.sort_by_key(|held| (spot_of(held, order), held.item.0));
        // The next one to come is at the end.
        if order == SpotOrder::OldestFirst {
            changed.reverse();
        }
        let mut stream = Stream::new(looking, one, order, moment);
        stream.after = last.filter(|_| one.ids.is_none());
        stream.size = (ask.count + 1).clamp(1, AT_ONCE);
        let mut next = stream.next()?;
        while found.len() <= ask.count {
            let from_changed = match (&next, changed.last()) {
                (None, None) => break,
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some(held), Some(old)) => {
                    let (held, old) = (spot_of(held, order), spot_of(old, order));
                    match order {
                        SpotOrder::NewestFirst => old >= held,
                        SpotOrder::OldestFirst => old <= held,
                    }
                }
            };
            if from_changed {
                found.extend(changed.pop());
                continue;
            }
            if let Some(held) = next
                .take()
                .filter(|held| one.ids.is_none() || is_later(held))
            {
                found.push(held);
            }
            if found.len() <= ask.count {
                next = stream.next()?;
            }
        }
        if found.len() > ask.count {
            break;
        }
    }
    Ok(found)
}

/// A page, where the one more says that another follows.
fn paged(mut found: Vec<Held>, count: usize, order: SpotOrder, here: Cursor) -> Searched {
    let has_more = found.len() > count;
    found.truncate(count);
    let last = found.last().filter(|_| has_more);
    let next = last.map(|last| {
        let spot = spot_of(last, order);
        let same = |held: &&Held| {
            held.kind == last.kind && spot_of(held, order).seconds() == spot.seconds()
        };
        let mut also: Vec<u64> = found.iter().filter(same).map(|held| held.item.0).collect();
        // A second may hold more than one page.
        if let Some(before) = &here.after
            && before.kind == last.kind.number()
            && before.spot.map(|spot| Spot(spot).seconds()) == Some(spot.seconds())
        {
            also.extend(&before.also);
        }
        Cursor {
            after: Some(After {
                person: last.owner.map(|person| person.0),
                kind: last.kind.number(),
                item: last.item.0,
                composed: false,
                spot: Some(spot.0),
                also,
            }),
            ..here.clone()
        }
    });
    Searched {
        matches: found,
        included: Vec::new(),
        total: here.total,
        next,
        here,
        told: Vec::new(),
    }
}

/// A page in an order that the index has not: all matches are gathered and put in order.
fn gathered(
    looking: &Looking<'_>,
    ask: &SearchAsk,
    asked: &[Asked<'_>],
    total: Option<u64>,
) -> Result<Searched, SearchError> {
    let sort = &ask.query.sort;
    let moment = match &ask.cursor {
        Some(cursor) => cursor.moment,
        None => newest_moment(looking)?,
    };
    let mut all: Vec<(Place, Key)> = Vec::new();
    let mut changed_ones: Vec<Held> = Vec::new();
    for one in asked {
        let mut stream = Stream::new(looking, one, SpotOrder::NewestFirst, Some(moment));
        stream.size = 512;
        while let Some(held) = stream.next()? {
            all.push((order::place_of(looking, &held, sort), held.key()));
            if all.len() > MOST_SORTED {
                return Err(too_many_to_sort());
            }
        }
        if one.ids.is_none() {
            for held in changed_since(looking, one, moment)? {
                all.push((order::place_of(looking, &held, sort), held.key()));
                changed_ones.push(held);
            }
        }
    }
    let total = total.or(wants_total(ask).then_some(all.len() as u64));
    all.sort_by(|(left, one), (right, other)| {
        order::compare(left, right, sort).then_with(|| rank(one).cmp(&rank(other)))
    });
    let from = match ask.cursor.as_ref().and_then(|cursor| cursor.after.as_ref()) {
        None => 0,
        Some(after) => {
            let last = (after.person, after.kind, after.item);
            let at = all.iter().position(|(_, key)| rank(key) == last);
            1 + at.ok_or_else(stale_page)?
        }
    };
    let has_more = all.len() > from + ask.count;
    let keys: Vec<Key> = all
        .into_iter()
        .skip(from)
        .take(ask.count)
        .map(|(_, key)| key)
        .collect();
    let now: Vec<Key> = keys
        .iter()
        .filter(|key| changed_ones.iter().all(|held| held.key() != **key))
        .copied()
        .collect();
    let mut read = looking.scope.load(&now)?;
    read.extend(changed_ones);
    let mut matches = Vec::with_capacity(keys.len());
    for key in &keys {
        if let Some(at) = read.iter().position(|held| held.key() == *key) {
            matches.push(read.swap_remove(at));
        }
    }
    let here = Cursor {
        moment,
        total,
        after: ask.cursor.as_ref().and_then(|cursor| cursor.after.clone()),
    };
    let next = keys
        .last()
        .filter(|_| has_more)
        .map(|(owner, kind, item)| Cursor {
            after: Some(After {
                person: owner.map(|person| person.0),
                kind: kind.number(),
                item: item.0,
                composed: false,
                spot: None,
                also: Vec::new(),
            }),
            ..here.clone()
        });
    Ok(Searched {
        matches,
        included: Vec::new(),
        total,
        here,
        next,
        told: Vec::new(),
    })
}

/// What tells apart things in one place of an order.
fn rank((owner, kind, item): &Key) -> (Option<u64>, u16, u64) {
    (owner.map(|person| person.0), kind.number(), item.0)
}
