//! One person's items page by page, as they were at the moment of the first page: what came or went
//! since then changes no later page. Reads under the view it is given, and no body is looked into
//! unless a query of [`Picked`] asks for it.

use care_core::access::View;
use care_core::fhir::ResourceType;
use care_core::sections::Header;
use care_core::vocabulary::{ItemId, PersonId};
use jiff::Timestamp;

use crate::picked::Picked;
use crate::store::{Store, StoreError, StoredBody};

/// Bodies read in one go.
const AT_ONCE: usize = 256;

/// What of a person's items is wanted.
#[derive(Debug, Clone, Default)]
pub struct EverythingAsk {
    /// Which types, and which of each.
    pub picked: Picked,
    /// Only what was received at this time or later.
    pub since: Option<Timestamp>,
    /// Only what happened at this time or later, or at no known time.
    pub start: Option<Timestamp>,
    /// Only what happened before this time, or at no known time.
    pub end: Option<Timestamp>,
    /// The most items on a page.
    pub count: usize,
    /// The token of the page, as an earlier one gave it.
    pub after: Option<String>,
}

impl EverythingAsk {
    fn wants(&self, header: &Header) -> bool {
        self.picked.has(header.resource_type)
            && self.since.is_none_or(|since| header.received_at >= since)
            && header.clinical_at.is_none_or(|at| {
                self.start.is_none_or(|start| at >= start) && self.end.is_none_or(|end| at < end)
            })
    }
}

/// The place after which a page begins: the moment of the first page, then the last item given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    moment: u64,
    kind: u16,
    item: u64,
}

impl Place {
    /// Reads a page's token.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (moment, kind, item) = (parts.next()?, parts.next()?, parts.next()?);
        let place = Self {
            moment: moment.parse().ok()?,
            kind: kind.parse().ok()?,
            item: ItemId::parse(item).ok()?.0,
        };
        parts.next().is_none().then_some(place)
    }

    fn token(&self) -> String {
        format!("{}-{}-{}", self.moment, self.kind, ItemId(self.item))
    }
}

/// A page of stored items.
pub(crate) struct PersonPage {
    /// In the order of type and item.
    pub bodies: Vec<StoredBody>,
    /// How many there are in all; none where each would have to be looked into.
    pub total: Option<usize>,
    /// The token of the next page.
    pub next: Option<String>,
}

/// An item that is wanted, with its body where it is not the version that holds now.
struct Wanted {
    kind: ResourceType,
    item: ItemId,
    as_it_was: Option<StoredBody>,
}

/// Reads one page. Patient items are left to the caller, who puts the person in front. `room` is how
/// many items the page still holds.
pub(crate) fn page(
    store: &dyn Store,
    person: PersonId,
    view: &View,
    ask: &EverythingAsk,
    (after, room): (Option<Place>, usize),
    now: Timestamp,
) -> Result<PersonPage, StoreError> {
    let headers = match after {
        None => store.headers(person, view)?,
        Some(_) => store.headers_ever(person, view)?,
    };
    let newest = headers.iter().map(|header| header.moment).max();
    let moment = after.map_or(newest.unwrap_or(0), |place| place.moment);
    let mut wanted = wanted(store, person, view, ask, (headers, moment))?;
    wanted.sort_by_key(|one| (one.kind.number(), one.item.0));
    let looks_inside = wanted.iter().any(|one| ask.picked.looks_inside(one.kind));
    let total = (!looks_inside).then_some(wanted.len());
    let last = after.map(|place| (place.kind, place.item));
    wanted.retain(|one| last.is_none_or(|last| (one.kind.number(), one.item.0) > last));
    let mut bodies = Vec::with_capacity(wanted.len().min(room));
    let mut rest = wanted.into_iter().peekable();
    let mut reached = last.unwrap_or((0, 0));
    while bodies.len() < room && rest.peek().is_some() {
        let most = (room - bodies.len()).min(AT_ONCE);
        let some: Vec<Wanted> = rest.by_ref().take(most).collect();
        if let Some(one) = some.last() {
            reached = (one.kind.number(), one.item.0);
        }
        let read = read(store, person, view, some)?;
        bodies.extend(read.into_iter().filter(|body| {
            let kind = body.header.resource_type;
            ask.picked.fits(kind, &body.body, now)
        }));
    }
    let next = rest.peek().is_some().then_some(Place {
        moment,
        kind: reached.0,
        item: reached.1,
    });
    Ok(PersonPage {
        bodies,
        total,
        next: next.map(|place| place.token()),
    })
}

/// The items that were there at the moment and are asked for.
fn wanted(
    store: &dyn Store,
    person: PersonId,
    view: &View,
    ask: &EverythingAsk,
    (headers, moment): (Vec<Header>, u64),
) -> Result<Vec<Wanted>, StoreError> {
    let mut found = Vec::with_capacity(headers.len());
    for header in headers {
        let (kind, item) = (header.resource_type, header.item);
        if kind == ResourceType::PATIENT || !ask.picked.has(kind) {
            continue;
        }
        let mut one = Wanted {
            kind,
            item,
            as_it_was: None,
        };
        if header.moment > moment {
            let was = store.version_at(Some(person), view, (kind, item), moment)?;
            let Some(was) = was.filter(|was| !was.header.deleted && ask.wants(&was.header)) else {
                continue;
            };
            one.as_it_was = Some(was);
        } else if header.deleted || !ask.wants(&header) {
            continue;
        }
        found.push(one);
    }
    Ok(found)
}

/// The bodies, in order.
fn read(
    store: &dyn Store,
    person: PersonId,
    view: &View,
    wanted: Vec<Wanted>,
) -> Result<Vec<StoredBody>, StoreError> {
    let held: Vec<_> = wanted
        .iter()
        .filter(|one| one.as_it_was.is_none())
        .map(|one| (one.kind, one.item))
        .collect();
    let mut bodies: Vec<StoredBody> = store.bodies(person, view, &held)?;
    let past = wanted.into_iter().filter_map(|one| one.as_it_was);
    let before = bodies.len();
    bodies.extend(past);
    if bodies.len() > before {
        bodies.sort_by_key(|body| (body.header.resource_type.number(), body.header.item.0));
    }
    Ok(bodies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_nothing_else_is_taken_for_one() {
        let place = Place {
            moment: 77,
            kind: 12,
            item: 99,
        };
        assert_eq!(Place::read(&place.token()), Some(place));
        for wrong in ["", "1", "1-2", "a-b-c", "1-2-0000000000001-4", "-1-2-3"] {
            assert_eq!(Place::read(wrong), None, "{wrong}");
        }
    }
}
