//! Which bodies a page needs. Headers are cheap and bodies are not: the summary of a person with
//! 20,000 items reads a hundred or so.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::item::{Header, Item};
use super::read;
use super::request::{Filter, MedicinesList, ResultsView, Section, SectionRequest};
use crate::fhir::ResourceType;
use crate::vocabulary::{Category, ItemId};

/// Rows on one page of a long list.
pub const PAGE_ROWS: usize = 50;
/// Documents on one page.
pub const DOCUMENT_ROWS: usize = 25;
/// Values of one test that the by-test table reads: the latest, four earlier and the trend.
pub(super) const TREND_POINTS: usize = 12;

type Wanted = Vec<(ResourceType, ItemId)>;

/// The bodies a page needs, each once: those of its rows, and those the banner and the alert strip
/// speak of.
pub fn wanted(request: &SectionRequest, headers: &[Header]) -> Wanted {
    let mut chosen: Vec<&Header> = banner_headers(headers);
    match request {
        SectionRequest::Summary => chosen.extend(summary_headers(headers)),
        SectionRequest::Timeline { filter } => {
            chosen.extend(page_of(
                newest(headers.iter().filter(|h| on_timeline(h))),
                filter,
                PAGE_ROWS,
            ));
        }
        SectionRequest::Problems => chosen.extend(all(headers, Section::Problems)),
        SectionRequest::Medicines { list, .. } => chosen.extend(medicine_headers(headers, *list)),
        SectionRequest::Allergies => {}
        SectionRequest::Results { view, filter } => {
            chosen.extend(result_headers(headers, *view, filter))
        }
        SectionRequest::Test { code_key } => chosen.extend(
            all(headers, Section::Results)
                .into_iter()
                .filter(|h| h.code_key == *code_key),
        ),
        SectionRequest::Encounters { filter } => {
            let of = headers
                .iter()
                .filter(|h| Section::Encounters.shows(h.resource_type, h.category));
            chosen.extend(page_of(newest(of), filter, PAGE_ROWS * 4));
        }
        SectionRequest::Documents { filter } => {
            chosen.extend(page_of(documents(headers, filter), filter, DOCUMENT_ROWS));
        }
        SectionRequest::Document { item } | SectionRequest::Item { item } => {
            chosen.extend(headers.iter().filter(|h| h.item == *item));
        }
        SectionRequest::CarePlans => chosen.extend(all(headers, Section::CarePlans)),
        SectionRequest::SocialCare => chosen.extend(all(headers, Section::SocialCare)),
        SectionRequest::Team => chosen.extend(all(headers, Section::Team)),
        SectionRequest::Search { words } if !words.trim().is_empty() => {
            chosen.extend(headers.iter().filter(|h| on_timeline(h)));
        }
        SectionRequest::Search { .. } | SectionRequest::Sources => {}
    }
    let mut seen = HashSet::new();
    chosen
        .into_iter()
        .map(|header| (header.resource_type, header.item))
        .filter(|key| seen.insert(*key))
        .collect()
}

/// The bodies that those already read point to and the page shows: the medicine of a request, the
/// file of a document, the values of a report. Call once, after [`wanted`]; what the view does not
/// permit is simply not read.
pub fn follow(request: &SectionRequest, items: &[Item]) -> Wanted {
    let have: HashSet<_> = items
        .iter()
        .map(|i| (i.header.resource_type, i.header.item))
        .collect();
    let mut more = Vec::new();
    for item in items {
        if let Some(medicine) = item.body.get("medicationReference") {
            more.extend(read::target(medicine));
        }
        let shown_alone = matches!(
            request,
            SectionRequest::Document { item: id } | SectionRequest::Item { item: id } if *id == item.header.item
        );
        if shown_alone {
            more.extend(item.body.elements("result").iter().filter_map(read::target));
            more.extend(item.body.elements("content").iter().filter_map(|content| {
                let url = content.text_at(&["attachment", "url"])?;
                let (_, id) = url.rsplit_once("Binary/")?;
                Some((ResourceType::BINARY, ItemId::parse(id).ok()?))
            }));
            more.extend(
                item.body
                    .path(&["context"])
                    .iter()
                    .flat_map(|context| context.elements("encounter"))
                    .filter_map(read::target),
            );
            more.extend(item.body.get("encounter").and_then(read::target));
        }
    }
    let mut seen = have;
    more.into_iter().filter(|key| seen.insert(*key)).collect()
}

/// Items with a time and a meaning of their own; parts such as `Patient` and `Binary` are shown
/// with what they belong to.
pub(super) fn on_timeline(header: &Header) -> bool {
    use ResourceType as T;
    ![
        T::PATIENT,
        T::BINARY,
        T::PROVENANCE,
        T::PRACTITIONER,
        T::PRACTITIONER_ROLE,
        T::ORGANIZATION,
        T::LOCATION,
        T::MEDICATION,
        T::SPECIMEN,
        T::LIST,
        T::RELATED_PERSON,
        T::AUDIT_EVENT,
    ]
    .contains(&header.resource_type)
}

fn banner_headers(headers: &[Header]) -> Vec<&Header> {
    headers
        .iter()
        .filter(|header| match header.resource_type {
            ResourceType::ALLERGY_INTOLERANCE => true,
            ResourceType::FLAG | ResourceType::CONSENT => !header.withdrawn,
            _ => header.category == Category::Alerts && !header.withdrawn,
        })
        .collect()
}

fn all(headers: &[Header], section: Section) -> Vec<&Header> {
    headers
        .iter()
        .filter(|h| section.shows(h.resource_type, h.category))
        .collect()
}

pub(super) fn newest<'a>(headers: impl Iterator<Item = &'a Header>) -> Vec<&'a Header> {
    let mut sorted: Vec<&Header> = headers.collect();
    sorted.sort_by_key(|h| std::cmp::Reverse((h.clinical_at, h.received_at, h.item)));
    sorted
}

fn page_of<'a>(headers: Vec<&'a Header>, filter: &Filter, rows: usize) -> Vec<&'a Header> {
    let start = filter.page.saturating_sub(1).saturating_mul(rows);
    headers.into_iter().skip(start).take(rows).collect()
}

/// The headers of the documents list, newest first, narrowed by source.
pub(super) fn documents<'a>(headers: &'a [Header], filter: &Filter) -> Vec<&'a Header> {
    newest(headers.iter().filter(|h| {
        Section::Documents.shows(h.resource_type, h.category)
            && filter
                .source
                .as_ref()
                .is_none_or(|source| h.source == *source)
    }))
}

fn medicine_headers(headers: &[Header], list: MedicinesList) -> Vec<&Header> {
    let medicines = all(headers, Section::Medicines);
    match list {
        MedicinesList::Past => medicines,
        MedicinesList::Current => current_medicines(medicines),
    }
}

/// Current medicines, the stopped ones of the same code, and every medicine stopped or given lately
/// enough to be compared.
fn current_medicines(medicines: Vec<&Header>) -> Vec<&Header> {
    let newest_first = newest(medicines.into_iter());
    let mut others = 0;
    newest_first
        .into_iter()
        .filter(|header| {
            if header.current {
                return true;
            }
            others += 1;
            others <= 200
        })
        .collect()
}

fn result_headers<'a>(
    headers: &'a [Header],
    view: ResultsView,
    filter: &Filter,
) -> Vec<&'a Header> {
    let of_type =
        |wanted: ResourceType| newest(headers.iter().filter(move |h| h.resource_type == wanted));
    match view {
        ResultsView::ByTest => latest_of_each_test(of_type(ResourceType::OBSERVATION), usize::MAX),
        ResultsView::ByDate if filter.is_on() => of_type(ResourceType::OBSERVATION),
        ResultsView::ByDate => page_of(of_type(ResourceType::OBSERVATION), filter, PAGE_ROWS),
        ResultsView::Reports => {
            page_of(of_type(ResourceType::DIAGNOSTIC_REPORT), filter, PAGE_ROWS)
        }
    }
}

/// The newest values of each of the newest tests.
fn latest_of_each_test(newest_first: Vec<&Header>, tests: usize) -> Vec<&Header> {
    let mut taken: HashMap<u64, usize> = HashMap::new();
    newest_first
        .into_iter()
        .filter(|header| {
            if !taken.contains_key(&header.code_key) && taken.len() >= tests {
                return false;
            }
            let count = taken.entry(header.code_key).or_default();
            *count += 1;
            *count <= TREND_POINTS
        })
        .collect()
}

fn summary_headers(headers: &[Header]) -> Vec<&Header> {
    use ResourceType as T;
    let mut by_type: BTreeMap<ResourceType, Vec<&Header>> = BTreeMap::new();
    for header in headers {
        by_type
            .entry(header.resource_type)
            .or_default()
            .push(header);
    }
    let of = |types: &[ResourceType]| -> Vec<&Header> {
        newest(
            types
                .iter()
                .filter_map(|t| by_type.get(t))
                .flatten()
                .copied(),
        )
    };
    let mut chosen: Vec<&Header> = newest_received(headers).into_iter().take(6).collect();
    chosen.extend(current_medicines(of(&[
        T::MEDICATION_REQUEST,
        T::MEDICATION_STATEMENT,
    ])));
    let (active, past): (Vec<_>, Vec<_>) = of(&[T::CONDITION]).into_iter().partition(|h| h.current);
    chosen.extend(active.into_iter().take(30));
    chosen.extend(past.into_iter().take(15));
    chosen.extend(latest_of_each_test(of(&[T::OBSERVATION]), 8));
    let visits = of(&[T::APPOINTMENT, T::ENCOUNTER]);
    chosen.extend(visits.into_iter().take(40));
    chosen.extend(of(&[T::CARE_PLAN, T::CONSENT]).into_iter().take(20));
    chosen.extend(
        of(&[T::DOCUMENT_REFERENCE, T::COMPOSITION])
            .into_iter()
            .take(5),
    );
    chosen.extend(of(&[T::CARE_TEAM, T::RELATED_PERSON]).into_iter().take(20));
    chosen.extend(
        newest(headers.iter().filter(|h| {
            h.current && matches!(h.category, Category::SocialCare | Category::AboutMe)
        }))
        .into_iter()
        .take(20),
    );
    chosen
}

/// Everything with a meaning of its own, most recently received first.
pub(super) fn newest_received(headers: &[Header]) -> Vec<&Header> {
    let mut sorted: Vec<&Header> = headers.iter().filter(|h| on_timeline(h)).collect();
    sorted.sort_by_key(|h| std::cmp::Reverse((h.received_at, h.clinical_at, h.item)));
    sorted
}
