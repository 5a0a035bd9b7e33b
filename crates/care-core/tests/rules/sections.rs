//! Promise C1: nothing is called absent while somebody who would know has not answered; and what is
//! held is what is counted and listed. Random worlds, each named by its seed.

use std::collections::BTreeSet;

use care_core::fhir::{Json, Limits, ResourceType};
use care_core::sections::{
    self, AllergyLabel, Content, Filter, Header, Input, Item, MedicinesList, Nothing, Reliability,
    ResultsView, Section, SectionRequest, SourceState, ViewFacts,
};
use care_core::vocabulary::{
    Category, CategorySet, Demographics, ItemId, OdsCode, OrganisationKind,
};
use jiff::{Timestamp, ToSpan};

/// A small generator (SplitMix64): the same seed makes the same world.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

fn now() -> Timestamp {
    "2026-10-02T12:00:00Z".parse().expect("a time")
}

const SOURCES: [(&str, OrganisationKind); 4] = [
    ("Y12345", OrganisationKind::Practice),
    ("RZZ01", OrganisationKind::Trust),
    ("RZZ02", OrganisationKind::Community),
    ("RZZ03", OrganisationKind::MentalHealth),
];

fn source(dice: &mut Dice, place: usize) -> SourceState {
    let (code, kind) = SOURCES[place];
    let minutes = [5, 90, 400, 3000][dice.throw(4) as usize];
    let mut supplies = CategorySet::EMPTY;
    for category in [
        Category::Allergies,
        Category::Medications,
        Category::Problems,
        Category::Results,
        Category::Documents,
        Category::Encounters,
    ] {
        if dice.throw(3) > 0 {
            supplies = supplies.with(category);
        }
    }
    SourceState {
        source: OdsCode::parse(code).expect("a code"),
        kind,
        name: format!("Source {code}"),
        short_name: format!("Source {code}"),
        phone: "02079460100".to_owned(),
        shares: Vec::new(),
        leaves_out: Vec::new(),
        supplies,
        connected: dice.throw(8) > 0,
        last_received: (dice.throw(6) > 0).then(|| now() - minutes.minutes()),
        agreed_interval_minutes: 60,
        failed_since: (dice.throw(5) == 0).then(|| now() - 30.minutes()),
        newest_item: None,
        items: 0,
    }
}

const BODIES: [(Category, &str); 7] = [
    (
        Category::Allergies,
        r#"{"resourceType":"AllergyIntolerance","code":{"coding":[{"system":"http://snomed.info/sct","code":"716186003","display":"No known allergy"}]},"clinicalStatus":{"coding":[{"code":"active"}]}}"#,
    ),
    (
        Category::Allergies,
        r#"{"resourceType":"AllergyIntolerance","code":{"text":"Penicillin"},"clinicalStatus":{"coding":[{"code":"active"}]}}"#,
    ),
    (
        Category::Medications,
        r#"{"resourceType":"MedicationRequest","status":"active","intent":"order","medicationCodeableConcept":{"coding":[{"system":"https://dmd.nhs.uk","code":"CODE","display":"Drug CODE"}]}}"#,
    ),
    (
        Category::Medications,
        r#"{"resourceType":"MedicationRequest","status":"stopped","intent":"order","medicationCodeableConcept":{"text":"Drug CODE"}}"#,
    ),
    (
        Category::Problems,
        r#"{"resourceType":"Condition","code":{"coding":[{"system":"http://snomed.info/sct","code":"CODE","display":"Problem CODE"}]},"clinicalStatus":{"coding":[{"code":"active"}]}}"#,
    ),
    (Category::Problems, r#"{"resourceType":"Condition"}"#),
    (
        Category::Results,
        r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"CODE","display":"Test CODE"}]},"valueQuantity":{"value":4.2,"unit":"mmol/L"},"effectiveDateTime":"2026-09-01T10:00:00Z"}"#,
    ),
];

/// Some items, in any order, of any kind, from any source.
fn items(dice: &mut Dice, most: u64, bodies: &[usize]) -> Vec<Item> {
    let many = dice.throw(most + 1);
    (0..many)
        .map(|key| {
            let (category, body) = BODIES[bodies[dice.throw(bodies.len() as u64) as usize]];
            let code = 1 + dice.throw(4);
            let body = body.replace("CODE", &code.to_string());
            let current = !body.contains("stopped");
            let body = Json::parse(body.as_bytes(), Limits::default()).expect("JSON");
            let (ods, _) = SOURCES[dice.throw(SOURCES.len() as u64) as usize];
            Item {
                header: Header {
                    resource_type: body
                        .text_at(&["resourceType"])
                        .and_then(ResourceType::from_name)
                        .expect("a type"),
                    item: ItemId(key + 1),
                    version: 1,
                    category,
                    source: OdsCode::parse(ods).expect("a code"),
                    code_key: code,
                    current,
                    withdrawn: dice.throw(10) == 0,
                    deleted: false,
                    clinical_at: Some(now() - (24 * (1 + key as i64)).hours()),
                    received_at: now() - 1.hours(),
                    moment: 0,
                },
                body,
            }
        })
        .collect()
}

struct World {
    sources: Vec<SourceState>,
    items: Vec<Item>,
    broken: Vec<(ResourceType, ItemId)>,
    withheld: bool,
}

impl World {
    fn of(seed: u64, most: u64, bodies: &[usize]) -> Self {
        let mut dice = Dice(seed);
        let many = 1 + dice.throw(SOURCES.len() as u64) as usize;
        let sources = (0..many).map(|place| source(&mut dice, place)).collect();
        let items = items(&mut dice, most, bodies);
        let broken = if dice.throw(6) == 0 {
            vec![(ResourceType::ALLERGY_INTOLERANCE, ItemId(900))]
        } else {
            Vec::new()
        };
        Self {
            sources,
            items,
            broken,
            withheld: dice.throw(6) == 0,
        }
    }

    fn look<T>(&self, see: impl FnOnce(&Input) -> T) -> T {
        let headers: Vec<Header> = self.items.iter().map(|item| item.header.clone()).collect();
        let facts = ViewFacts {
            categories: CategorySet::whole_record(),
            withheld_notice: self.withheld,
            ..ViewFacts::default()
        };
        see(&Input {
            headers: &headers,
            items: &self.items,
            broken: &self.broken,
            history: &[],
            sources: &self.sources,
            facts: &facts,
            demographics: &Demographics::default(),
            practice: None,
            last_looked: None,
            now: now(),
        })
    }

    /// Whether a source that supplies this is late or has not answered.
    fn somebody_is_missing(&self, section: Section) -> bool {
        self.sources.iter().any(|source| {
            source.counts_for(section.categories())
                && source.reliability(now()) != Reliability::UpToDate
        })
    }

    fn keeps_the_promise(&self, section: Section, said: &[Nothing], place: &str) {
        let at = |wanted: &[&str]| said.iter().position(|one| wanted.contains(&one.code()));
        if self.somebody_is_missing(section)
            && let Some(absent) = at(&["N1", "N2"])
        {
            assert!(
                at(&["N3"]).is_some_and(|missing| missing < absent),
                "{place}: a source is missing and {said:?} is said"
            );
        }
        let broken = !self.broken.is_empty() && section == Section::Allergies;
        assert!(
            !broken || at(&["N2"]).is_none(),
            "{place}: an allergy could not be read and {said:?} is said"
        );
    }
}

const EVERYTHING: [usize; 7] = [0, 1, 2, 3, 4, 5, 6];

#[test]
fn nothing_is_called_absent_while_a_source_that_would_know_has_not_answered() {
    let filter = Filter::default;
    let mut tried = 0;
    let mut missing = 0;
    for seed in 0..5_000 {
        let world = World::of(seed, 3, &EVERYTHING);
        world.look(|input| {
            for request in [
                SectionRequest::Summary,
                SectionRequest::Allergies,
                SectionRequest::Problems,
                SectionRequest::Medicines {
                    list: MedicinesList::Current,
                    filter: filter(),
                },
                SectionRequest::Results {
                    view: ResultsView::ByTest,
                    filter: filter(),
                },
                SectionRequest::Documents { filter: filter() },
                SectionRequest::Encounters { filter: filter() },
                SectionRequest::CarePlans,
            ] {
                let section = request.section().expect("a section");
                let place = format!("seed {seed}, {}", section.code());
                let page = sections::arrange(&request, input);
                world.keeps_the_promise(section, &page.nothing, &place);
                tried += 1;
                missing += usize::from(world.somebody_is_missing(section));
                let Content::Summary(view) = &page.content else {
                    continue;
                };
                for (section, said) in [
                    (Section::Allergies, &view.allergies.nothing),
                    (Section::Medicines, &view.medicines.nothing),
                    (Section::Problems, &view.problems.nothing),
                    (Section::Results, &view.results.nothing),
                    (Section::Encounters, &view.visits.nothing),
                    (Section::Documents, &view.documents.nothing),
                ] {
                    let place = format!("seed {seed}, {} on the summary", section.code());
                    world.keeps_the_promise(section, said, &place);
                }
            }
            let label = sections::banner(input).allergies_label;
            let absent = matches!(label, AllergyLabel::NoKnown | AllergyLabel::NotRecorded);
            assert!(
                !(absent && world.somebody_is_missing(Section::Allergies)),
                "seed {seed}: the banner says {label:?} while a source is missing"
            );
        });
    }
    assert!(
        missing > tried / 4 && missing < tried,
        "the worlds are too alike: {missing} of {tried} have a gap"
    );
}

/// The keys of the items that a page shows or lists.
type Seen = BTreeSet<String>;

#[test]
fn every_medicine_problem_and_result_held_is_shown_listed_or_counted() {
    for seed in 0..2_000 {
        let world = World::of(seed, 12, &[2, 3]);
        let (seen, unread) = world.look(medicines);
        let shown = seen.len() + unread;
        assert_eq!(shown, world.items.len(), "seed {seed}: medicines");
        let world = World::of(seed, 12, &[4, 5]);
        let (seen, unread) = world.look(problems);
        let shown = seen.len() + unread;
        assert_eq!(shown, world.items.len(), "seed {seed}: problems");
        let world = World::of(seed, 12, &[6]);
        let (seen, unread) = world.look(results);
        let shown = seen.len() + unread;
        assert_eq!(shown, world.items.len(), "seed {seed}: results");
    }
}

fn medicines(input: &Input) -> (Seen, usize) {
    let mut seen = Seen::new();
    let mut unread = 0;
    for list in [MedicinesList::Current, MedicinesList::Past] {
        let request = SectionRequest::Medicines {
            list,
            filter: Filter::default(),
        };
        let Content::Medicines(view) = sections::arrange(&request, input).content else {
            continue;
        };
        if list == MedicinesList::Current {
            let bar = view.counts.iter().map(|one| one.rows).sum::<usize>();
            assert_eq!(bar, view.of, "the bar counts every row once");
        }
        let rows = view.rows.iter().flat_map(|row| &row.entries);
        let entries = rows
            .chain(&view.given)
            .chain(&view.in_error)
            .chain(&view.uncompared);
        seen.extend(entries.map(|entry| entry.seen.item.clone()));
        unread = view.unreadable;
    }
    (seen, unread)
}

fn problems(input: &Input) -> (Seen, usize) {
    let Content::Problems(view) = sections::arrange(&SectionRequest::Problems, input).content
    else {
        return (Seen::new(), 0);
    };
    let rows = view.active.iter().chain(&view.past).chain(&view.refuted);
    let seen = rows.flat_map(|row| &row.seen);
    (seen.map(|one| one.item.clone()).collect(), view.unreadable)
}

fn results(input: &Input) -> (Seen, usize) {
    let request = SectionRequest::Results {
        view: ResultsView::ByDate,
        filter: Filter::default(),
    };
    let Content::Results(page) = sections::arrange(&request, input).content else {
        return (Seen::new(), 0);
    };
    let values = page.values.iter().chain(&page.withdrawn);
    let seen = values.map(|(_, value)| value.seen.item.clone());
    (seen.collect(), page.unreadable)
}
