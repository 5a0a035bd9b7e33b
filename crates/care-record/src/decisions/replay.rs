//! Whether a record holds what its journal says, and how it is made to.
//!
//! A record holds a commit when its audit log has that commit's entry, leaf for leaf, at its number. A backup
//! that was restored, by whatever means, has it not. What it lacks is kept again in order, each commit with an
//! entry that says so; only then does the record open.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use care_core::access::{Supplier, supplier_view};
use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::ResourceType;
use care_core::vocabulary::{Category, ItemId, PersonId, Sensitivity, SourceCode};
use jiff::Timestamp;

use super::journal::{Decided, Line, Place, hex};
use super::{
    Decision, Details, Journal, JournalError, KeptAgain, Label, LaterDecisions, NAME_KEY,
    NAME_SPACE, SPACES,
};
use crate::Clock;
use crate::record::OpenError;
use crate::store::{Change, Commit, Expect, PutItem, PutOrder, StoreError, Upkeep};

/// Who keeps decisions again.
const WHO: &str = "operator";
/// Leaves read at once.
const PAGE: u32 = 20_000;

/// Opens the journal beside a record that was just opened, sees to it that the record is not older, and has
/// every decision written into it from now on.
///
/// Errors: the record is older than its journal, or its journal is not here, and `later` says to refuse.
pub(crate) fn take_up(
    engine: &Arc<dyn Upkeep>,
    directory: &Path,
    later: LaterDecisions,
    clock: &dyn Clock,
) -> Result<KeptAgain, OpenError> {
    let journal = Journal::open(directory)?;
    let named = named(&**engine)?;
    let lost = match (&named, journal.name()) {
        (Some(wanted), Some(here)) if *wanted != here => {
            return Err(OpenError::OtherDecisions(directory.to_owned()));
        }
        (Some(_), None) => true,
        (Some(_), Some(_)) => {
            journal.is_named();
            false
        }
        (None, _) => false,
    };
    let standing = standing(&journal, &**engine)?;
    let replayed = match later {
        LaterDecisions::Refuse | LaterDecisions::Replay if lost => {
            return Err(OpenError::NoDecisions(directory.to_owned()));
        }
        LaterDecisions::LeaveOut if lost => {
            close_the_gap(&journal, &**engine, clock, KeptAgain::default())?
        }
        _ if !standing.older => {
            settle(&journal, &standing);
            KeptAgain::default()
        }
        LaterDecisions::Refuse => {
            return Err(OpenError::LaterDecisions {
                place: directory.to_owned(),
                count: standing.count(),
            });
        }
        LaterDecisions::Replay => {
            let done = keep_again(&**engine, &standing.later, clock.now())?;
            close_the_gap(&journal, &**engine, clock, done)?
        }
        LaterDecisions::LeaveOut => {
            let left_out = KeptAgain {
                left_out: standing.count(),
                ..KeptAgain::default()
            };
            close_the_gap(&journal, &**engine, clock, left_out)?
        }
    };
    engine.keep_decisions(Arc::new(journal));
    Ok(replayed)
}

/// The name of the journal that the record says it has.
fn named(engine: &dyn Upkeep) -> Result<Option<String>, StoreError> {
    let name = engine.keep_get(NAME_SPACE, NAME_KEY, 0)?;
    Ok(name.map(|name| String::from_utf8_lossy(&name).into_owned()))
}

/// How a record stands to its journal.
#[derive(Default)]
struct Standing {
    /// The journal says of commits that the record held them, and it does not.
    older: bool,
    /// What the record does not hold, in order; where it is not older, only what a crash left open.
    later: Vec<Decided>,
    /// Of what a crash left open: where the record holds it all the same.
    found: Vec<(u64, Place)>,
}

impl Standing {
    fn count(&self) -> u64 {
        let decisions = self.later.iter().flat_map(|decided| &decided.about);
        decisions.filter(|decision| decision.protects()).count() as u64
    }
}

/// Compares the end of the journal with the record, and all of it where the end does not tell.
fn standing(journal: &Journal, engine: &dyn Upkeep) -> Result<Standing, OpenError> {
    let (tail, is_all) = journal.tail()?;
    if let Some(standing) = compare(tail, is_all, engine)? {
        return Ok(standing);
    }
    let all = compare(journal.whole()?, true, engine)?;
    Ok(all.unwrap_or_default())
}

/// `None` where none of these lines is known to the record and there are more before them.
fn compare(
    lines: Vec<Line>,
    is_all: bool,
    engine: &dyn Upkeep,
) -> Result<Option<Standing>, OpenError> {
    let mut older = false;
    let mut held = None;
    for line in lines.iter().rev() {
        if let Line::Held { n, at } | Line::UpTo { n, at, .. } = line {
            if stands(engine, at)? {
                held = Some((*n, at.entry + 1));
                break;
            }
            older = true;
        }
    }
    let (upto, from) = match held {
        Some(held) => held,
        None if is_all => (0, 0),
        None => return Ok(None),
    };
    let refused: Vec<u64> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Refused { n } => Some(*n),
            _ => None,
        })
        .collect();
    let later = lines.into_iter().filter_map(|line| match line {
        Line::Decided(decided) if decided.n > upto && !refused.contains(&decided.n) => {
            Some(decided)
        }
        _ => None,
    });
    let later: Vec<Decided> = later.collect();
    let found = if older || later.is_empty() {
        Vec::new()
    } else {
        search(engine, from, &later)?
    };
    Ok(Some(Standing {
        older,
        later,
        found,
    }))
}

/// Whether the record's log has this leaf at this number.
fn stands(engine: &dyn Upkeep, at: &Place) -> Result<bool, StoreError> {
    let leaves = engine.leaves(at.entry, 1)?;
    Ok(leaves
        .first()
        .is_some_and(|(number, leaf)| *number == at.entry && hex(leaf) == at.leaf))
}

/// Looks in the log for commits that a crash left without a word.
fn search(
    engine: &dyn Upkeep,
    mut from: u64,
    open: &[Decided],
) -> Result<Vec<(u64, Place)>, StoreError> {
    let mut found = Vec::new();
    loop {
        let leaves = engine.leaves(from, PAGE)?;
        for (number, leaf) in &leaves {
            let text = hex(leaf);
            let known = open.iter().find(|decided| decided.leaf == text);
            found.extend(known.map(|decided| (decided.n, Place::new(*number, leaf))));
        }
        match leaves.last() {
            Some((number, _)) if leaves.len() == PAGE as usize => from = number + 1,
            _ => return Ok(found),
        }
    }
}

/// Writes down what became of what a crash left open: the record holds it, or never will.
fn settle(journal: &Journal, standing: &Standing) {
    for decided in &standing.later {
        match standing.found.iter().find(|(n, _)| *n == decided.n) {
            Some((n, at)) => journal.held_at(*n, at.clone()),
            None => journal.refused(decided.n),
        }
    }
}

/// Makes the record and its journal agree from here on, with an entry that says how.
fn close_the_gap(
    journal: &Journal,
    engine: &dyn Upkeep,
    clock: &dyn Clock,
    done: KeptAgain,
) -> Result<KeptAgain, OpenError> {
    let unusable = |cause| JournalError::File(journal.directory().to_owned(), cause);
    let name = journal.begun().map_err(unusable)?;
    let mut entry = Entry::new(clock.now(), Act::Admin, Outcome::Success, WHO);
    entry.detail = if done.left_out == 0 && done.kept + done.without_effect == 0 {
        "restored without its journal of decisions: later choices and labels may be missing".into()
    } else if done.left_out > 0 {
        format!(
            "restored; {} later choices, labels and other decisions were left out on purpose",
            done.left_out
        )
    } else {
        format!(
            "restored; {} later choices, labels and other decisions hold again",
            done.kept
        )
    };
    let changes = name.map(|name| name_change(&name));
    let committed = engine.commit(Commit {
        changes: changes.into_iter().collect(),
        entry,
        more_entries: Vec::new(),
    })?;
    let leaves = engine.leaves(committed.entry, 1)?;
    let (number, leaf) = leaves.first().ok_or(StoreError::Corrupt)?;
    let at = Place::new(*number, leaf);
    journal.up_to_now(at, done.left_out).map_err(unusable)?;
    Ok(done)
}

/// The change by which a record keeps the name of its journal.
fn name_change(name: &str) -> Change {
    Change::Keep {
        space: NAME_SPACE,
        key: NAME_KEY.to_owned(),
        value: Some(name.as_bytes().to_vec()),
        expires_ms: i64::MAX,
    }
}

/// Keeps decisions again, commit by commit. Done twice it ends the same, so a crash in between is made good
/// by beginning anew.
fn keep_again(
    engine: &dyn Upkeep,
    later: &[Decided],
    now: Timestamp,
) -> Result<KeptAgain, OpenError> {
    let mut done = KeptAgain::default();
    for decided in later {
        for decision in &decided.about {
            let held = match change(engine, decision, now)? {
                Some(change) => put(engine, change, entry(decided, decision, now))?,
                None => false,
            };
            if decision.protects() {
                done.kept += u64::from(held);
                done.without_effect += u64::from(!held);
            }
        }
    }
    Ok(done)
}

/// Makes one change; says whether it holds. What is there already is no error.
fn put(engine: &dyn Upkeep, change: Change, entry: Entry) -> Result<bool, StoreError> {
    let made = engine.commit(Commit {
        changes: vec![change],
        entry,
        more_entries: Vec::new(),
    });
    match made {
        Ok(_) | Err(StoreError::PersonExists | StoreError::AlreadyKept) => Ok(true),
        Err(StoreError::IdentifierTaken | StoreError::JoinLoop) => Ok(false),
        Err(error) => Err(error),
    }
}

fn entry(decided: &Decided, decision: &Decision, now: Timestamp) -> Entry {
    let mut entry = Entry::new(now, Act::Admin, Outcome::Success, WHO);
    entry.person = decision.person().map(PersonId);
    let at = Timestamp::from_microsecond(decided.at).unwrap_or_default();
    entry.detail = format!(
        "kept again after a restore: decided by {} at {at:.0}",
        decided.who
    );
    entry
}

/// The change that a decision makes; `None` where it has nothing to hold on.
fn change(
    engine: &dyn Upkeep,
    decision: &Decision,
    now: Timestamp,
) -> Result<Option<Change>, OpenError> {
    Ok(match decision {
        Decision::Person { person } => {
            let person = PersonId(*person);
            let there = engine.person(person)?.is_some();
            (!there).then_some(Change::NewPerson { person })
        }
        Decision::Identifier {
            person,
            system,
            value,
            source,
            unique,
        } => Some(Change::Identifier {
            person: PersonId(*person),
            system: system.clone(),
            value: value.clone(),
            source: code(source)?,
            unique: *unique,
        }),
        Decision::Details(details) => Some(self::details(details)?),
        Decision::Flag {
            person,
            flag,
            value,
        } => Some(Change::PersonFlag {
            person: PersonId(*person),
            flag: flag.clone(),
            value: value.clone(),
        }),
        Decision::Choice { person, choice } => Some(Change::Choice {
            person: PersonId(*person),
            choice: bytes(choice)?,
        }),
        Decision::Join { from, into } => Some(Change::Join {
            from: PersonId(*from),
            into: into.map(PersonId),
        }),
        Decision::Kept {
            space,
            key,
            value,
            expires_ms,
            once,
        } => kept((space, key), value.as_deref(), *expires_ms, *once)?,
        Decision::Label(label) => relabelled(engine, label, now)?,
    })
}

fn details(details: &Details) -> Result<Change, OpenError> {
    let Details {
        person,
        source,
        event_at,
        family,
        given,
        birth_date,
        gender,
        postcode,
        phonetic_family,
    } = details.clone();
    Ok(Change::Details {
        event_at: Timestamp::from_microsecond(event_at).unwrap_or_default(),
        person: PersonId(person),
        source: code(&source)?,
        family,
        given,
        birth_date,
        gender,
        postcode,
        phonetic_family,
    })
}

fn kept(
    (space, key): (&str, &str),
    value: Option<&str>,
    expires_ms: i64,
    once: bool,
) -> Result<Option<Change>, OpenError> {
    let Some(space) = SPACES.iter().find(|known| **known == space) else {
        return Ok(None);
    };
    let key = key.to_owned();
    let value = value.map(bytes).transpose()?;
    Ok(Some(match value {
        Some(value) if once => Change::KeepOnce {
            space,
            key,
            value,
            expires_ms,
        },
        value => Change::Keep {
            space,
            key,
            value,
            expires_ms,
        },
    }))
}

/// The held version of an item under the labels of a decision; `None` where it is not held, or has them.
fn relabelled(
    engine: &dyn Upkeep,
    label: &Label,
    now: Timestamp,
) -> Result<Option<Change>, OpenError> {
    let unreadable = || OpenError::Engine("a label in the journal of decisions is unknown".into());
    let source = code(&label.source)?;
    let category = Category::from_code(&label.category).ok_or_else(unreadable)?;
    let sensitivity = Sensitivity::from_code(&label.sensitivity).ok_or_else(unreadable)?;
    let kind = ResourceType::from_number(label.kind).ok_or_else(unreadable)?;
    let owner = label.person.map(PersonId);
    // Only what this source brought is read, and nobody sees it here.
    let view = Supplier::configured(WHO, &source).map(|supplier| supplier_view(&supplier));
    let view = view.ok_or_else(unreadable)?;
    let Some(held) = engine.version_of(owner, &view, (kind, ItemId(label.item)), None)? else {
        return Ok(None);
    };
    let header = &held.header;
    let same = header.category == category
        && held.sensitivity == sensitivity
        && header.withdrawn == label.withdrawn
        && header.deleted == label.deleted;
    if same {
        return Ok(None);
    }
    Ok(Some(Change::Item(PutItem {
        person: owner,
        resource_type: kind,
        item: ItemId(label.item),
        category,
        sensitivity,
        source,
        gp_sourced: label.gp_sourced,
        code_key: header.code_key,
        current: header.current && !label.withdrawn && !label.deleted,
        withdrawn: label.withdrawn,
        deleted: label.deleted,
        clinical_at: header.clinical_at,
        event_at: now,
        order: PutOrder::AsHeld,
        expect: Expect::Any,
        received_at: now,
        body: held.body,
    })))
}

fn code(source: &str) -> Result<SourceCode, OpenError> {
    SourceCode::parse(source)
        .map_err(|_| OpenError::Engine("a source in the journal of decisions is unknown".into()))
}

fn bytes(text: &str) -> Result<Vec<u8>, OpenError> {
    STANDARD
        .decode(text)
        .map_err(|error| OpenError::Engine(Box::new(error)))
}
