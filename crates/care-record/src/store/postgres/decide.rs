//! What a batch of commits does, decided in memory: no I/O here.
//!
//! There is one writer, so what it has read ([`Known`]) and what the batch has done so far
//! ([`Changes`]) are all that a commit can meet. A commit is decided in a layer of its own; one that is
//! refused has its layer dropped, and nobody else notices. What is left is written in bulk.

use std::collections::{HashMap, HashSet};

use care_core::vocabulary::Involvement;

use super::joins::{Joins, survivor};
use crate::store::index::{spot, spot_seconds};
use crate::store::prepare::{
    Details, Prepared, PreparedChange, PreparedDelivery, PreparedEntry, PreparedItem,
};
use crate::store::row::ItemRow;
use crate::store::{
    CaseEventRow, CaseRow, ChangeCase, Committed, NewWorklist, OpenCase, Put, StoreError,
};

/// Person, kind, item.
pub(super) type Key = (i64, i64, i64);

/// What the database held of everything the batch names.
#[derive(Default)]
pub(super) struct Known {
    /// Current items with the highest version number given; `None`: the row is damaged.
    pub items: HashMap<Key, Option<(ItemRow, i64)>>,
    pub past: HashMap<Key, Vec<Past>>,
    pub people: HashSet<i64>,
    /// Holders of unique identifiers, by system and value.
    pub holders: HashMap<(String, String), Vec<i64>>,
    /// Sender and control id of deliveries.
    pub deliveries: HashSet<(String, String)>,
    /// Space and key of kept values.
    pub kept: HashSet<(String, String)>,
    pub worklist: HashSet<i64>,
    pub cases: HashMap<i64, CaseRow>,
    /// The greatest number of a person's choices.
    pub choices: HashMap<i64, i64>,
}

/// What must be compared to know a past version again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Past {
    pub version: i64,
    pub digest: [u8; 16],
    pub event_at: i64,
    pub sensitivity: i64,
    pub category: i64,
}

impl Past {
    fn of(row: &ItemRow) -> Self {
        Self {
            version: row.version,
            digest: row.digest,
            event_at: row.event_at,
            sensitivity: row.sensitivity,
            category: row.category,
        }
    }

    fn is(&self, row: &ItemRow) -> bool {
        *self
            == Self {
                version: self.version,
                ..Self::of(row)
            }
    }
}

/// An item as it will be after the batch.
#[derive(Clone)]
pub(super) struct Standing<'a> {
    pub row: ItemRow,
    pub versions: i64,
    /// `None`: the body in the database stands.
    pub body: Option<&'a [u8]>,
}

/// What goes into the history.
pub(super) enum Passing<'a> {
    /// The row the database holds, with this time of its event.
    Held(ItemRow),
    /// A row that only this batch knows.
    New(ItemRow, &'a [u8]),
}

/// A kept value: its bytes, its end, its order.
pub(super) type Kept<'a> = (&'a [u8], i64, i64);

/// Numbers that are given in order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbers {
    pub entry: i64,
    pub delivery: i64,
    pub worklist: i64,
    pub case: i64,
    pub spot: i64,
}

/// What is to be written.
#[derive(Default)]
pub(super) struct Changes<'a> {
    pub items: HashMap<Key, Standing<'a>>,
    pub history: Vec<Passing<'a>>,
    /// What items are kept under in the index, each with its spot; nothing: no longer.
    pub words: HashMap<Key, Option<(i64, &'a str)>>,
    past: HashMap<Key, Vec<Past>>,
    pub people: HashMap<i64, i64>,
    pub joins: HashMap<i64, Option<i64>>,
    /// By system, value, person, source: whether unique.
    pub identifiers: HashMap<(&'a str, &'a str, i64, &'a str), bool>,
    pub details: HashMap<(i64, &'a str), &'a Details>,
    pub involvements: HashMap<(i64, &'a str, &'static str, &'a str), (i64, &'a Involvement)>,
    pub flags: HashMap<(i64, &'a str), Option<&'a str>>,
    pub choices: Vec<(i64, i64, &'a [u8])>,
    choice_numbers: HashMap<i64, i64>,
    pub deliveries: Vec<(i64, &'a PreparedDelivery)>,
    once: HashSet<(&'a str, &'a str)>,
    pub worklist: Vec<(i64, Option<i64>, &'a NewWorklist)>,
    pub worklist_states: HashMap<i64, (&'a str, &'a str)>,
    /// Cases as they will be after the batch, and what happened to them.
    pub cases: HashMap<i64, CaseRow>,
    pub case_events: Vec<(i64, CaseEventRow)>,
    pub kept: HashMap<(&'a str, &'a str), Option<Kept<'a>>>,
    pub entries: Vec<(i64, &'a PreparedEntry)>,
    pub seen: HashMap<&'a str, i64>,
    pub more_items: i64,
    pub more_people: i64,
    pub more_spots: i64,
}

impl<'a> Changes<'a> {
    /// Whether anything that a search could find, or find elsewhere, will be another.
    pub fn changes_what_is_held(&self) -> bool {
        !(self.items.is_empty() && self.history.is_empty() && self.joins.is_empty())
    }

    /// Takes another layer's changes on top.
    fn take(&mut self, layer: Self) {
        self.items.extend(layer.items);
        self.history.extend(layer.history);
        self.words.extend(layer.words);
        for (key, past) in layer.past {
            self.past.entry(key).or_default().extend(past);
        }
        self.people.extend(layer.people);
        self.joins.extend(layer.joins);
        for (key, unique) in layer.identifiers {
            *self.identifiers.entry(key).or_default() |= unique;
        }
        for (_, details) in layer.details {
            self.hold_details(details);
        }
        for (key, (event_at, involvement)) in layer.involvements {
            self.hold_involvement(key, event_at, involvement);
        }
        self.flags.extend(layer.flags);
        self.choices.extend(layer.choices);
        self.choice_numbers.extend(layer.choice_numbers);
        self.deliveries.extend(layer.deliveries);
        self.once.extend(layer.once);
        self.worklist.extend(layer.worklist);
        self.worklist_states.extend(layer.worklist_states);
        self.cases.extend(layer.cases);
        self.case_events.extend(layer.case_events);
        self.kept.extend(layer.kept);
        self.entries.extend(layer.entries);
        for (source, received_at) in layer.seen {
            self.see(source, received_at);
        }
        self.more_items += layer.more_items;
        self.more_people += layer.more_people;
    }

    fn see(&mut self, source: &'a str, received_at: i64) {
        let seen = self.seen.entry(source).or_insert(received_at);
        *seen = (*seen).max(received_at);
    }

    /// An older event never overwrites a newer one.
    fn hold_details(&mut self, details: &'a Details) {
        let held = self
            .details
            .entry((details.person, details.source.as_str()))
            .or_insert(details);
        if details.event_at >= held.event_at {
            *held = details;
        }
    }

    fn hold_involvement(
        &mut self,
        key: (i64, &'a str, &'static str, &'a str),
        event_at: i64,
        involvement: &'a Involvement,
    ) {
        let held = self
            .involvements
            .entry(key)
            .or_insert((event_at, involvement));
        if event_at >= held.0 {
            *held = (event_at, involvement);
        }
    }
}

/// A batch being decided.
pub(super) struct Batch<'a> {
    known: &'a Known,
    joins: &'a Joins,
    numbers: Numbers,
    total: Changes<'a>,
    layer: Changes<'a>,
    /// The number of the first entry of the commit at hand.
    moment: i64,
    /// The number of the first spot this batch may give.
    first_spot: i64,
}

impl<'a> Batch<'a> {
    pub fn new(known: &'a Known, joins: &'a Joins, numbers: Numbers) -> Self {
        Self {
            known,
            joins,
            numbers,
            total: Changes::default(),
            layer: Changes::default(),
            moment: numbers.entry,
            first_spot: numbers.spot,
        }
    }

    /// Everything to be written, and the numbers that come next.
    pub fn finish(mut self) -> (Changes<'a>, Numbers) {
        self.total.more_spots = self.numbers.spot - self.first_spot;
        (self.total, self.numbers)
    }

    /// Decides one commit: all of it, or nothing of it.
    pub fn apply(&mut self, prepared: &'a Prepared) -> Result<Committed, StoreError> {
        let before = self.numbers;
        self.moment = before.entry;
        let done = self.decide(prepared);
        let layer = std::mem::take(&mut self.layer);
        match done {
            Ok(_) => self.total.take(layer),
            Err(_) => self.numbers = before,
        }
        done
    }

    fn decide(&mut self, prepared: &'a Prepared) -> Result<Committed, StoreError> {
        let mut done = Committed {
            delivery: None,
            items: Vec::new(),
            worklist: Vec::new(),
            cases: Vec::new(),
            entry: self.numbers.entry as u64,
        };
        for change in &prepared.changes {
            self.change(change, &mut done)?;
        }
        for entry in &prepared.entries {
            self.layer.entries.push((self.numbers.entry, entry));
            self.numbers.entry += 1;
        }
        Ok(done)
    }

    fn change(
        &mut self,
        change: &'a PreparedChange,
        done: &mut Committed,
    ) -> Result<(), StoreError> {
        match change {
            PreparedChange::Delivery(delivery) => done.delivery = Some(self.delivery(delivery)?),
            PreparedChange::Item(item) => {
                let put = self.item(item)?;
                self.layer.see(&item.row.source, item.row.received_at);
                done.items.push(put);
            }
            PreparedChange::NewPerson { person } => self.new_person(*person)?,
            PreparedChange::Identifier {
                person,
                system,
                value,
                source,
                unique,
            } => {
                self.must_exist(*person)?;
                if *unique {
                    self.must_be_free(*person, system, value)?;
                }
                let key = (system.as_str(), value.as_str(), *person, source.as_str());
                *self.layer.identifiers.entry(key).or_default() |= unique;
            }
            PreparedChange::Details(details) => {
                self.must_exist(details.person)?;
                self.layer.hold_details(details);
            }
            PreparedChange::Involvement {
                event_at,
                person,
                source,
                involvement,
            } => {
                self.must_exist(*person)?;
                let kind = involvement.kind.code();
                let key = (
                    *person,
                    source.as_str(),
                    kind,
                    involvement.source_key.as_str(),
                );
                self.layer.hold_involvement(key, *event_at, involvement);
            }
            PreparedChange::PersonFlag {
                person,
                flag,
                value,
            } => {
                if value.is_some() {
                    self.must_exist(*person)?;
                }
                self.layer.flags.insert((*person, flag), value.as_deref());
            }
            PreparedChange::Choice { person, choice } => self.choice(*person, choice)?,
            PreparedChange::Join { from, into } => self.join(*from, *into)?,
            PreparedChange::Worklist(row) => {
                let delivery = row.delivery.or(done.delivery).map(|number| number as i64);
                let number = self.numbers.worklist;
                self.numbers.worklist += 1;
                self.layer.worklist.push((number, delivery, row));
                done.worklist.push(number as u64);
            }
            PreparedChange::WorklistState { row, state, note } => {
                let opened = |changes: &Changes<'_>| {
                    changes.worklist.iter().any(|(number, ..)| number == row)
                };
                if !self.known.worklist.contains(row)
                    && !opened(&self.total)
                    && !opened(&self.layer)
                {
                    return Err(StoreError::NoSuchRow);
                }
                self.layer.worklist_states.insert(*row, (state, note));
            }
            PreparedChange::OpenCase(case) => done.cases.push(self.open_case(case)),
            PreparedChange::ChangeCase(change) => self.change_case(change)?,
            PreparedChange::KeepOnce {
                space,
                key,
                value,
                expires_ms,
            } => {
                if self.is_kept(space, key) {
                    return Err(StoreError::AlreadyKept);
                }
                let kept = (value.as_slice(), *expires_ms, self.numbers.entry);
                self.layer.kept.insert((space, key), Some(kept));
            }
            PreparedChange::Keep {
                space,
                key,
                value,
                expires_ms,
            } => {
                let value = value.as_deref();
                let kept = value.map(|value| (value, *expires_ms, self.numbers.entry));
                self.layer.kept.insert((space, key), kept);
            }
        }
        Ok(())
    }

    fn delivery(&mut self, delivery: &'a PreparedDelivery) -> Result<u64, StoreError> {
        let new = &delivery.delivery;
        let key = (new.sender.as_str(), new.control_id.as_str());
        let known = &self.known.deliveries;
        // Looked up by owned texts, because that is how they came from the database.
        if (!known.is_empty() && known.contains(&(key.0.to_owned(), key.1.to_owned())))
            || self.total.once.contains(&key)
            || !self.layer.once.insert(key)
        {
            return Err(StoreError::DeliveryExists);
        }
        let number = self.numbers.delivery;
        self.numbers.delivery += 1;
        self.layer.deliveries.push((number, delivery));
        Ok(number as u64)
    }

    fn standing(&self, key: &Key) -> Result<Option<Standing<'a>>, StoreError> {
        let changed = self
            .layer
            .items
            .get(key)
            .or_else(|| self.total.items.get(key));
        if let Some(standing) = changed {
            return Ok(Some(standing.clone()));
        }
        match self.known.items.get(key) {
            None => Ok(None),
            Some(None) => Err(StoreError::Corrupt),
            Some(Some((row, versions))) => Ok(Some(Standing {
                row: row.clone(),
                versions: *versions,
                body: None,
            })),
        }
    }

    fn item(&mut self, put: &'a PreparedItem) -> Result<Put, StoreError> {
        let key = (put.row.person, put.row.kind, put.row.item);
        let moment = self.moment;
        let held = self.standing(&key)?;
        put.as_expected(held.as_ref().map(|held| &held.row))?;
        let Some(held) = held else {
            let row = put.beside(None, moment);
            self.index(key, put, &row);
            let first = Standing {
                row,
                versions: put.row.version,
                body: Some(&put.body),
            };
            self.layer.items.insert(key, first);
            self.layer.more_items += 1;
            return Ok(Put::Created { version: 1 });
        };
        let next = ItemRow {
            version: held.versions + 1,
            ..put.beside(Some(&held.row), moment)
        };
        let older = next.event_at < held.row.event_at;
        if next.says_the_same(&held.row) {
            let version = held.row.version as u32;
            if !older && next.event_at != held.row.event_at {
                // The same content was confirmed by a later event: an event between the two must not
                // overwrite it.
                let mut confirmed = held;
                confirmed.row.event_at = next.event_at;
                self.layer.items.insert(key, confirmed);
            }
            return Ok(Put::Unchanged { version });
        }
        let version = next.version as u32;
        if older {
            if let Some(version) = self.same_in_history(&key, &next) {
                return Ok(Put::Unchanged { version });
            }
            let counted = Standing {
                versions: next.version,
                ..held
            };
            self.layer.items.insert(key, counted);
            self.passes(key, Passing::New(next, &put.body));
            return Ok(Put::KeptInHistory { version });
        }
        self.passes(
            key,
            match held.body {
                Some(body) => Passing::New(held.row, body),
                None => Passing::Held(held.row),
            },
        );
        self.index(key, put, &next);
        let standing = Standing {
            versions: next.version,
            row: next,
            body: Some(&put.body),
        };
        self.layer.items.insert(key, standing);
        Ok(Put::Updated { version })
    }

    /// A current version takes a spot of its own; a tombstone leaves the index.
    fn index(&mut self, key: Key, put: &'a PreparedItem, row: &ItemRow) {
        let words = put.words.as_deref().map(|words| {
            let spot = spot(spot_seconds(row), self.numbers.spot);
            self.numbers.spot += 1;
            (spot, words)
        });
        self.layer.words.insert(key, words);
    }

    fn passes(&mut self, key: Key, passing: Passing<'a>) {
        let (Passing::Held(row) | Passing::New(row, _)) = &passing;
        let past = self.layer.past.entry(key).or_default();
        past.push(Past::of(row));
        self.layer.history.push(passing);
    }

    fn same_in_history(&self, key: &Key, row: &ItemRow) -> Option<u32> {
        [&self.known.past, &self.total.past, &self.layer.past]
            .into_iter()
            .filter_map(|past| past.get(key))
            .flatten()
            .find(|past| past.is(row))
            .map(|past| past.version as u32)
    }

    fn exists(&self, person: i64) -> bool {
        self.known.people.contains(&person)
            || self.total.people.contains_key(&person)
            || self.layer.people.contains_key(&person)
    }

    fn must_exist(&self, person: i64) -> Result<(), StoreError> {
        if self.exists(person) {
            return Ok(());
        }
        Err(StoreError::Engine(
            "there is no such person; create the person in the same commit, first".into(),
        ))
    }

    fn new_person(&mut self, person: i64) -> Result<(), StoreError> {
        if self.exists(person) {
            return Err(StoreError::PersonExists);
        }
        self.layer.people.insert(person, self.numbers.entry);
        self.layer.more_people += 1;
        Ok(())
    }

    /// Who answers in the end for a person, this batch's joins included.
    fn survivor(&self, person: i64) -> i64 {
        survivor(person, |person| {
            let changed = self.layer.joins.get(&person);
            match changed.or_else(|| self.total.joins.get(&person)) {
                Some(into) => *into,
                None => self.joins.into(person),
            }
        })
    }

    fn must_be_free(&self, person: i64, system: &str, value: &str) -> Result<(), StoreError> {
        let known = self
            .known
            .holders
            .get(&(system.to_owned(), value.to_owned()));
        let of = |changes: &Changes<'a>| -> Vec<i64> {
            let identifiers = changes.identifiers.iter();
            identifiers
                .filter(|((s, v, ..), unique)| **unique && *s == system && *v == value)
                .map(|((_, _, holder, _), _)| *holder)
                .collect()
        };
        let answers = self.survivor(person);
        let free = known
            .into_iter()
            .flatten()
            .copied()
            .chain(of(&self.total))
            .chain(of(&self.layer))
            .filter(|holder| *holder != person)
            .all(|holder| self.survivor(holder) == answers);
        free.then_some(()).ok_or(StoreError::IdentifierTaken)
    }

    fn choice(&mut self, person: i64, choice: &'a [u8]) -> Result<(), StoreError> {
        self.must_exist(person)?;
        let before = [
            self.layer.choice_numbers.get(&person),
            self.total.choice_numbers.get(&person),
            self.known.choices.get(&person),
        ];
        let number = before.into_iter().flatten().max().copied().unwrap_or(0) + 1;
        self.layer.choice_numbers.insert(person, number);
        self.layer.choices.push((person, number, choice));
        Ok(())
    }

    fn join(&mut self, from: i64, into: Option<i64>) -> Result<(), StoreError> {
        if into.is_some_and(|into| self.survivor(into) == from) {
            return Err(StoreError::JoinLoop);
        }
        if !self.exists(from) {
            return Err(StoreError::NoSuchRow);
        }
        if let Some(into) = into {
            self.must_exist(into)?;
        }
        self.layer.joins.insert(from, into);
        Ok(())
    }

    fn open_case(&mut self, case: &OpenCase) -> u64 {
        let number = self.numbers.case;
        self.numbers.case += 1;
        let row = CaseRow {
            number: number as u64,
            reference: case.reference.clone(),
            kind: case.kind.clone(),
            person: case.person,
            about: case.about.clone(),
            opened_at: case.opened_at,
            due_at: case.due_at,
            changed_at: case.opened_at,
            owner: case.owner.clone(),
            state: "open".to_owned(),
            version: 1,
            detail: case.detail.clone(),
        };
        self.case_happened(row, &case.who, &case.note, Some(case.detail.clone()));
        number as u64
    }

    fn change_case(&mut self, change: &ChangeCase) -> Result<(), StoreError> {
        let number = change.number as i64;
        let held = [&self.layer.cases, &self.total.cases, &self.known.cases]
            .into_iter()
            .find_map(|cases| cases.get(&number))
            .ok_or(StoreError::NoSuchRow)?;
        if held.version != change.expected_version {
            return Err(StoreError::Stale);
        }
        let mut row = held.clone();
        row.version += 1;
        row.changed_at = change.at;
        if let Some(owner) = &change.owner {
            row.owner.clone_from(owner);
        }
        if let Some(state) = &change.state {
            row.state.clone_from(state);
        }
        if let Some(due_at) = change.due_at {
            row.due_at = due_at;
        }
        if let Some(detail) = &change.detail {
            row.detail.clone_from(detail);
        }
        self.case_happened(row, &change.who, &change.note, change.detail.clone());
        Ok(())
    }

    fn case_happened(&mut self, row: CaseRow, who: &str, note: &str, detail: Option<Vec<u8>>) {
        let number = row.number as i64;
        let event = CaseEventRow {
            version: row.version,
            at: row.changed_at,
            who: who.to_owned(),
            owner: row.owner.clone(),
            state: row.state.clone(),
            due_at: row.due_at,
            note: note.to_owned(),
            detail,
        };
        self.layer.case_events.push((number, event));
        self.layer.cases.insert(number, row);
    }

    fn is_kept(&self, space: &str, key: &str) -> bool {
        let changed = self.layer.kept.get(&(space, key));
        match changed.or_else(|| self.total.kept.get(&(space, key))) {
            Some(kept) => kept.is_some(),
            None => self
                .known
                .kept
                .contains(&(space.to_owned(), key.to_owned())),
        }
    }
}

/// What a batch names, to be read before it is decided.
#[derive(Default)]
pub(super) struct Named<'a> {
    pub items: HashSet<Key>,
    pub people: HashSet<i64>,
    /// Value and system.
    pub identifiers: HashSet<(&'a str, &'a str)>,
    /// Control id and sender.
    pub deliveries: HashSet<(&'a str, &'a str)>,
    pub kept: HashSet<(&'a str, &'a str)>,
    pub worklist: HashSet<i64>,
    pub cases: HashSet<i64>,
    pub choices: HashSet<i64>,
}

impl<'a> Named<'a> {
    pub fn of(batch: impl Iterator<Item = &'a Prepared>) -> Self {
        let mut named = Self::default();
        for change in batch.flat_map(|prepared| &prepared.changes) {
            named.add(change);
        }
        named
    }

    fn add(&mut self, change: &'a PreparedChange) {
        match change {
            PreparedChange::Delivery(delivery) => {
                let new = &delivery.delivery;
                self.deliveries.insert((&new.control_id, &new.sender));
            }
            PreparedChange::Item(put) => {
                let row = &put.row;
                self.items.insert((row.person, row.kind, row.item));
            }
            PreparedChange::NewPerson { person }
            | PreparedChange::Involvement { person, .. }
            | PreparedChange::PersonFlag { person, .. } => {
                self.people.insert(*person);
            }
            PreparedChange::Details(details) => {
                self.people.insert(details.person);
            }
            PreparedChange::Identifier {
                person,
                system,
                value,
                unique,
                ..
            } => {
                self.people.insert(*person);
                if *unique {
                    self.identifiers.insert((value, system));
                }
            }
            PreparedChange::Choice { person, .. } => {
                self.people.insert(*person);
                self.choices.insert(*person);
            }
            PreparedChange::Join { from, into } => {
                self.people.insert(*from);
                self.people.extend(into);
            }
            PreparedChange::WorklistState { row, .. } => {
                self.worklist.insert(*row);
            }
            PreparedChange::ChangeCase(change) => {
                self.cases.insert(change.number as i64);
            }
            PreparedChange::KeepOnce { space, key, .. } => {
                self.kept.insert((space, key));
            }
            PreparedChange::Worklist(_)
            | PreparedChange::OpenCase(_)
            | PreparedChange::Keep { .. } => {}
        }
    }
}
