//! The search index, as far as the engines share it: what an item is kept under, its place in the order,
//! and a query in each engine's words.
//!
//! Terms are made on the thread of the caller, never on the writer's.

use std::sync::{Arc, PoisonError, RwLock};

use care_core::fhir::search::{Parameters, Wanted, arrived, extract, names_list, terms};
use care_core::fhir::{Json, Limits};
use care_core::vocabulary::{ItemId, PersonId};

use super::row::ItemRow;
use super::{PutItem, StoreError};

/// The place of an item in the order of the index: seconds of clinical time (of arrival, where it has
/// none), then a number that was never given before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Spot(pub i64);

impl Spot {
    /// The seconds it begins with.
    pub fn seconds(self) -> i64 {
        self.0 >> NUMBER_BITS
    }

    /// The first spot of these seconds in an order.
    pub fn first_of(seconds: i64, order: SpotOrder) -> Self {
        let number = match order {
            SpotOrder::NewestFirst => (1 << NUMBER_BITS) - 1,
            SpotOrder::OldestFirst => 0,
        };
        Self(spot(seconds, number))
    }

    /// The seconds of an item that happened, or else came, at this time.
    pub fn seconds_at(at: jiff::Timestamp) -> i64 {
        seconds_of(at.as_microsecond())
    }
}

/// Which end of the order comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SpotOrder {
    #[default]
    NewestFirst,
    OldestFirst,
}

/// An item that the index found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub spot: Spot,
    /// Whose; `None` for things about nobody.
    pub person: Option<PersonId>,
    pub item: ItemId,
    /// The moment of its current version.
    pub moment: u64,
}

impl Found {
    pub(super) fn of((spot, part, item, moment): (i64, i64, i64, i64)) -> Self {
        Self {
            spot: Spot(spot),
            person: (part > 0).then_some(PersonId(part as u64)),
            item: ItemId(item as u64),
            moment: moment.max(0).unsigned_abs(),
        }
    }
}

/// Work on the index that is not done yet: items from before the index, or a new search parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexWork {
    pub number: i64,
    /// The address of the search parameter it is for; empty: the index as a whole.
    pub about: String,
    /// Numbers of the resource types, as `,1,2,`; empty: all.
    pub kinds: String,
    /// The key of the last item done: part, type, item.
    pub after: (i64, i64, i64),
    pub done: u64,
    pub total: u64,
}

impl IndexWork {
    /// The kinds as a text with commas on both sides, so that one is found in it by its number.
    pub(super) fn kinds_text(kinds: &[u16]) -> String {
        let mut text = String::new();
        for kind in kinds {
            if text.is_empty() {
                text.push(',');
            }
            text.push_str(&format!("{kind},"));
        }
        text
    }
}

/// A search parameter of the deployment's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnParameter {
    /// Its canonical address.
    pub url: String,
    /// The SearchParameter resource, as JSON.
    pub definition: Vec<u8>,
    /// Whether every item is kept under it, so that it may be asked for.
    pub ready: bool,
}

/// An item read to be indexed again.
pub(super) struct Reread {
    pub row: ItemRow,
    pub body: Vec<u8>,
}

/// What an item will be kept under.
pub(super) struct Reindexed {
    pub key: (i64, i64, i64),
    /// The version whose words these are; another one by now brings its own.
    pub version: i64,
    pub spot_seconds: i64,
    /// Nothing for a tombstone.
    pub words: Option<Arc<str>>,
}

/// Bits of a spot that are its number.
pub(super) const NUMBER_BITS: u32 = 30;
/// Seconds from 1850 to 1970; what is before or after the 272 years from then on is at their ends.
const FROM_1850: i64 = 3_786_825_600;
const MOST_SECONDS: i64 = (1 << (63 - NUMBER_BITS)) - 1;

/// The seconds of a spot.
pub(super) fn spot_seconds(row: &ItemRow) -> i64 {
    seconds_of(row.clinical_at.unwrap_or(row.received_at))
}

fn seconds_of(micros: i64) -> i64 {
    (micros.div_euclid(1_000_000) + FROM_1850).clamp(0, MOST_SECONDS)
}

/// A spot of these seconds with this number.
pub(super) fn spot(seconds: i64, number: i64) -> i64 {
    seconds << NUMBER_BITS | number
}

/// The number in a spot.
pub(super) fn number_of(spot: i64) -> i64 {
    spot & ((1 << NUMBER_BITS) - 1)
}

/// Makes terms by the search parameters there are.
pub(super) struct Indexer {
    /// All, those that are still being worked into the index included.
    all: RwLock<Arc<Parameters>>,
    /// Those that may be asked for.
    ready: RwLock<Arc<Parameters>>,
}

impl Default for Indexer {
    fn default() -> Self {
        let r4 = Arc::new(Parameters::r4().clone());
        Self {
            all: RwLock::new(r4.clone()),
            ready: RwLock::new(r4),
        }
    }
}

fn held(parameters: &RwLock<Arc<Parameters>>) -> Arc<Parameters> {
    parameters
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

impl Indexer {
    /// Takes the deployment's own parameters beside R4's. One that cannot be read any more is left out,
    /// and said.
    pub fn take(&self, own: &[OwnParameter]) {
        let mut all = Parameters::r4().clone();
        let mut ready = all.clone();
        for one in own {
            let Ok(definition) = Json::parse(&one.definition, Limits::default()) else {
                tracing::error!(
                    url = one.url,
                    "a search parameter of this deployment is no JSON"
                );
                continue;
            };
            match all.add_own(&definition) {
                Ok(_) if one.ready => {
                    // What the greater set took, the lesser one takes.
                    let _ = ready.add_own(&definition);
                }
                Ok(_) => {}
                Err(error) => tracing::error!(
                    url = one.url, %error,
                    "a search parameter of this deployment is left out"
                ),
            }
        }
        *self.all.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
        *self.ready.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ready);
    }

    /// The parameters that may be asked for.
    pub fn ready(&self) -> Arc<Parameters> {
        held(&self.ready)
    }

    /// What a version is kept under, with spaces between; nothing for a tombstone.
    pub fn words(&self, put: &PutItem) -> Option<Arc<str>> {
        if put.deleted {
            return None;
        }
        let received_at = put.received_at.as_microsecond();
        let resource = Json::parse(&put.body, Limits::default()).unwrap_or_default();
        let mut values = extract(&resource, &held(&self.all));
        values.push(arrived(received_at));
        let words = terms(&put.source, put.resource_type, &values, &resource);
        Some(words.join(" ").into())
    }

    /// The same of items that were read.
    pub fn all_again(&self, items: &[Reread]) -> Result<Vec<Reindexed>, StoreError> {
        items.iter().map(|item| self.again(item)).collect()
    }

    fn again(&self, item: &Reread) -> Result<Reindexed, StoreError> {
        let row = &item.row;
        let header = row.header()?;
        let words = || {
            let resource = Json::parse(&item.body, Limits::default()).unwrap_or_default();
            let mut values = extract(&resource, &held(&self.all));
            values.push(arrived(row.received_at));
            let words = terms(&header.source, header.resource_type, &values, &resource);
            words.join(" ").into()
        };
        Ok(Reindexed {
            key: (row.person, row.kind, row.item),
            version: row.version,
            spot_seconds: spot_seconds(row),
            words: (!header.deleted).then(words),
        })
    }
}

/// The names of lists an item stands on, and its other words.
pub(super) fn parted(words: &str) -> (impl Iterator<Item = &str>, &str) {
    let mut border = 0;
    for word in words.split_inclusive(' ') {
        if !names_list(word) {
            break;
        }
        border += word.len();
    }
    let (lists, rest) = words.split_at(border);
    (lists.split_ascii_whitespace(), rest)
}

/// How an engine writes a query.
pub(super) trait Language {
    fn term(&self, term: &str) -> String;
    fn prefix(&self, term: &str) -> String;
    /// What stands between two of which both, or one, must be; and two of which the second must not.
    const AND: &'static str;
    const OR: &'static str;
    fn but_not(&self, wanted: &str, unwanted: &str) -> String;
}

/// A query in an engine's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing can be found.
    Nothing,
    Query(String),
}

/// Says what is wanted. `every` is the term that each item of the type and source has.
pub(super) fn say(wanted: &Wanted, every: &str, language: &impl Language) -> Said {
    match tell(wanted, every, language) {
        Told::Nothing => Said::Nothing,
        Told::Everything => Said::Query(language.term(every)),
        Told::Some(query) => Said::Query(query),
    }
}

enum Told {
    Nothing,
    Everything,
    Some(String),
}

fn tell<L: Language>(wanted: &Wanted, every: &str, language: &L) -> Told {
    match wanted {
        Wanted::Term(term) => Told::Some(language.term(term)),
        Wanted::Prefix(term) => Told::Some(language.prefix(term)),
        Wanted::Listed { wanted, .. } => tell(wanted, every, language),
        Wanted::Everything => Told::Everything,
        Wanted::Not(_) => tell_all(std::slice::from_ref(wanted), every, language),
        Wanted::All(all) => tell_all(all, every, language),
        Wanted::Any(any) => {
            let mut each = Vec::with_capacity(any.len());
            for one in any {
                match tell(one, every, language) {
                    Told::Nothing => {}
                    Told::Everything => return Told::Everything,
                    Told::Some(query) => each.push(query),
                }
            }
            joined(each, L::OR).map_or(Told::Nothing, Told::Some)
        }
    }
}

fn tell_all<L: Language>(all: &[Wanted], every: &str, language: &L) -> Told {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for one in all {
        let (list, one, is_not) = match one {
            Wanted::Not(one) => (&mut without, &**one, true),
            one => (&mut with, one, false),
        };
        match (tell(one, every, language), is_not) {
            (Told::Nothing, false) | (Told::Everything, true) => return Told::Nothing,
            (Told::Nothing, true) | (Told::Everything, false) => {}
            (Told::Some(query), _) => list.push(query),
        }
    }
    if with.is_empty() && without.is_empty() {
        return Told::Everything;
    }
    let with = joined(with, L::AND).unwrap_or_else(|| language.term(every));
    Told::Some(match joined(without, L::OR) {
        Some(without) => language.but_not(&with, &without),
        None => with,
    })
}

fn joined(mut each: Vec<String>, sign: &str) -> Option<String> {
    match each.len() {
        0 => None,
        1 => each.pop(),
        _ => Some(format!("({})", each.join(sign))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain;
    impl Language for Plain {
        const AND: &'static str = " & ";
        const OR: &'static str = " | ";
        fn term(&self, term: &str) -> String {
            term.to_owned()
        }
        fn prefix(&self, term: &str) -> String {
            format!("{term}*")
        }
        fn but_not(&self, wanted: &str, unwanted: &str) -> String {
            format!("({wanted} - {unwanted})")
        }
    }

    #[test]
    fn a_query_is_said_with_something_to_stand_on() {
        let term = |name: &str| Wanted::Term(name.to_owned());
        let not = |one| Wanted::Not(Box::new(one));
        let table = [
            (Wanted::Everything, "all"),
            (Wanted::All(Vec::new()), "all"),
            (Wanted::Any(Vec::new()), ""),
            (term("a"), "a"),
            (not(term("a")), "(all - a)"),
            (not(Wanted::Any(Vec::new())), "all"),
            (not(Wanted::Everything), ""),
            (
                Wanted::All(vec![term("a"), not(term("b")), not(term("c")), term("d")]),
                "((a & d) - (b | c))",
            ),
            (
                Wanted::Any(vec![term("a"), not(term("b"))]),
                "(a | (all - b))",
            ),
            (Wanted::All(vec![term("a"), Wanted::Any(Vec::new())]), ""),
            (
                Wanted::All(vec![Wanted::Everything, Wanted::Prefix("p".into())]),
                "p*",
            ),
        ];
        for (wanted, expected) in table {
            let said = match say(&wanted, "all", &Plain) {
                Said::Nothing => String::new(),
                Said::Query(query) => query,
            };
            assert_eq!(said, expected, "{wanted:?}");
        }
    }

    #[test]
    fn lists_are_parted_from_words() {
        let resource = br#"{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"718-7"},{"code":"4548-4"}]}}"#;
        let resource = Json::parse(resource, Limits::default()).expect("JSON");
        let source = care_core::vocabulary::SourceCode::parse("RJ1").expect("a code");
        let of = care_core::fhir::ResourceType::OBSERVATION;
        let words = terms(
            &source,
            of,
            &extract(&resource, Parameters::r4()),
            &resource,
        );
        let text = words.join(" ");
        let (lists, rest) = parted(&text);
        let (lists, rest): (Vec<_>, Vec<_>) = (lists.collect(), rest.split(' ').collect());
        assert_eq!(lists.len(), 3, "{lists:?}");
        assert_eq!(lists.len() + rest.len(), words.len());
        assert!(lists.iter().all(|one| names_list(one)));
        assert!(!rest.iter().any(|one| names_list(one)), "{rest:?}");
        assert_eq!(parted("abc def").1, "abc def");
        assert_eq!(parted("").1, "");
    }

    #[test]
    fn spots_follow_clinical_time_and_hold_their_number() {
        let of = |text: &str| {
            let at: jiff::Timestamp = text.parse().expect("a time");
            (at.as_second() + FROM_1850).clamp(0, MOST_SECONDS)
        };
        assert_eq!(of("1850-01-01T00:00:00Z"), 0);
        assert!(of("2120-01-01T00:00:00Z") < MOST_SECONDS);
        let one = spot(of("2026-11-23T10:00:00Z"), 7);
        assert!(one > spot(of("2026-11-23T09:59:59Z"), (1 << NUMBER_BITS) - 1));
        assert_eq!(number_of(one), 7);
    }
}
