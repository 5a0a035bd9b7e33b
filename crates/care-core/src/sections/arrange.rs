//! From a request and what was read to a page: heading, freshness, words for nothing, content.

use serde::Serialize;

use super::allergies::{self, AllergiesView};
use super::documents::{self, DocumentPage, DocumentsView};
use super::encounters::{self, EncountersView};
use super::input::Input;
use super::listed::{self, Lines, SearchView, TimelineView};
use super::medicines::{self, MedicinesView};
use super::nothing::{Held, Nothing};
use super::one_item::{self, ItemPage};
use super::problems::{self, ProblemsView};
use super::request::{Section, SectionRequest};
use super::results::{self, ResultsPage, TestPage};
use super::source::Freshness;
use super::sources_page::{self, SourcesView};
use super::summary::{self, SummaryView, said};
use crate::fhir::ResourceType as T;

/// What a page shows below its heading.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", content = "view", rename_all = "kebab-case")]
pub enum Content {
    /// C7.
    Summary(Box<SummaryView>),
    /// C8.
    Timeline(TimelineView),
    /// C9.
    Problems(ProblemsView),
    /// C10.
    Medicines(MedicinesView),
    /// C11.
    Allergies(AllergiesView),
    /// C12.
    Results(ResultsPage),
    /// C12, one test.
    Test(TestPage),
    /// C13.
    Encounters(EncountersView),
    /// C14.
    Documents(DocumentsView),
    /// C14, one document.
    Document(Box<DocumentPage>),
    /// C15, C16, C17.
    Groups(Vec<Lines>),
    /// C18.
    Search(SearchView),
    /// C19.
    Sources(SourcesView),
    /// C20.
    Item(Box<ItemPage>),
    /// The role does not include it: only the words for nothing stand there.
    NotForRole,
    /// Nothing is there under this address, for this reader.
    NotThere,
}

/// A page of the record without its banner.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SectionView {
    /// The section's code: the menu entry that is current.
    pub section: Option<&'static str>,
    /// The heading: the section's title, or the title of the one thing shown.
    pub title: String,
    /// The freshness line.
    pub freshness: Freshness,
    /// "From 4 of 5 sources."
    pub from_words: String,
    /// "City Hospital not available since 09:12."
    pub gap_lines: Vec<String>,
    /// What the page says of emptiness, in order.
    pub nothing: Vec<Nothing>,
    /// How many items could not be shown (S8).
    pub unreadable: usize,
    /// `SMITH, Jane  Born …`.
    pub one_line: String,
    /// The content.
    pub content: Content,
}

/// Arranges the page.
pub fn arrange(request: &SectionRequest, input: &Input) -> SectionView {
    let section = request.section();
    let (content, mut held, mut unreadable) = match section {
        Some(section) if !input.for_role(section) => (Content::NotForRole, Held::default(), 0),
        _ => content(request, input),
    };
    if !matches!(content, Content::NotForRole) {
        let uncounted = uncounted(&content, input);
        held.items += uncounted;
        unreadable += uncounted;
    }
    let place = section
        .or_else(|| section_of(&content))
        .unwrap_or(Section::Summary);
    let freshness = input.freshness(place);
    let alone = matches!(
        content,
        Content::Item(_)
            | Content::Document(_)
            | Content::NotThere
            | Content::Test(_)
            | Content::Sources(_)
    );
    SectionView {
        section: section.or_else(|| section_of(&content)).map(Section::code),
        title: title(&content, place),
        from_words: freshness.from_words(),
        gap_lines: freshness
            .gaps
            .iter()
            .map(super::source::Gap::line)
            .collect(),
        nothing: if alone {
            Vec::new()
        } else {
            said(input, place, held)
        },
        freshness,
        unreadable,
        one_line: super::banner::one_line(input.demographics),
        content,
    }
}

/// Items that could not be read and that the content has not counted itself.
fn uncounted(content: &Content, input: &Input) -> usize {
    let counted = match content {
        Content::Allergies(_) => input.broken_of(T::ALLERGY_INTOLERANCE),
        _ => 0,
    };
    input.broken.len() - counted
}

fn title(content: &Content, section: Section) -> String {
    match content {
        Content::Item(page) => page.title.clone(),
        Content::Document(page) => page.row.title.clone(),
        Content::Test(page) => page.name.clone(),
        Content::NotThere => "Not found in this record".to_owned(),
        Content::Allergies(_) => "Allergies and reactions".to_owned(),
        Content::Groups(_) if section == Section::CarePlans => {
            "Care plans and decisions".to_owned()
        }
        _ => section.title().to_owned(),
    }
}

fn section_of(content: &Content) -> Option<Section> {
    match content {
        Content::Item(page) => page.section.and_then(Section::from_code),
        _ => None,
    }
}

fn content(request: &SectionRequest, input: &Input) -> (Content, Held, usize) {
    let items = |items: usize| Held {
        items,
        ..Held::default()
    };
    match request {
        SectionRequest::Summary => {
            let view = summary::arrange(input);
            let held = input
                .headers
                .iter()
                .filter(|h| super::wanted::on_timeline(h))
                .count();
            (Content::Summary(Box::new(view)), items(held), 0)
        }
        SectionRequest::Timeline { filter } => {
            let view = listed::timeline(input, filter);
            let of = view.of;
            (Content::Timeline(view), items(of), 0)
        }
        SectionRequest::Problems => {
            let view = problems::arrange(input);
            let (held, unreadable) = (view.rows() + view.unreadable, view.unreadable);
            (Content::Problems(view), items(held), unreadable)
        }
        SectionRequest::Medicines { list, filter } => {
            let view = medicines::arrange(input, *list, filter);
            let unreadable = view.unreadable;
            let held =
                view.current + view.of + view.given.len() + view.uncompared.len() + unreadable;
            (Content::Medicines(view), items(held), unreadable)
        }
        SectionRequest::Allergies => {
            let view = allergies::arrange(input);
            let (held, unreadable) = (view.held(), view.unreadable);
            (Content::Allergies(view), held, unreadable)
        }
        SectionRequest::Results { view, filter } => {
            let page = results::arrange(input, *view, filter);
            let held = input
                .headers_of(Section::Results)
                .filter(|h| !h.withdrawn)
                .count();
            let unreadable = page.unreadable;
            (Content::Results(page), items(held), unreadable)
        }
        SectionRequest::Encounters { filter } => {
            let view = encounters::arrange(input, filter);
            let of = view.of;
            (Content::Encounters(view), items(of), 0)
        }
        SectionRequest::Documents { filter } => {
            let view = documents::arrange(input, filter);
            let all = view.all;
            (Content::Documents(view), items(all), 0)
        }
        SectionRequest::CarePlans => groups(input, Section::CarePlans, &CARE_PLANS),
        SectionRequest::SocialCare => groups(input, Section::SocialCare, &SOCIAL_CARE),
        SectionRequest::Team => {
            let (content, held, unreadable) = groups(input, Section::Team, &TEAM);
            (
                content,
                Held {
                    items: held.items + usize::from(input.practice.is_some()),
                    ..held
                },
                unreadable,
            )
        }
        SectionRequest::Search { words } => {
            (Content::Search(listed::search(input, words)), items(1), 0)
        }
        SectionRequest::Sources => (Content::Sources(sources_page::arrange(input)), items(1), 0),
        SectionRequest::Test { code_key } => {
            alone(results::test_page(input, *code_key).map(Content::Test))
        }
        SectionRequest::Document { item } => {
            alone(documents::page(input, *item).map(|page| Content::Document(Box::new(page))))
        }
        SectionRequest::Item { item } => {
            alone(one_item::page(input, *item).map(|page| Content::Item(Box::new(page))))
        }
    }
}

fn alone(content: Option<Content>) -> (Content, Held, usize) {
    (
        content.unwrap_or(Content::NotThere),
        Held {
            items: 1,
            ..Held::default()
        },
        0,
    )
}

type Heading = (&'static str, &'static str, &'static [T]);

const CARE_PLANS: [Heading; 4] = [
    ("decisions", "Decisions", &[T::CONSENT]),
    ("plans", "Plans", &[T::CARE_PLAN]),
    ("goals", "Goals", &[T::GOAL]),
    (
        "about-me",
        "About me",
        &[T::QUESTIONNAIRE_RESPONSE, T::OBSERVATION],
    ),
];
const SOCIAL_CARE: [Heading; 4] = [
    (
        "status",
        "Safeguarding and legal status",
        &[T::FLAG, T::CONSENT],
    ),
    (
        "package",
        "Care and support",
        &[T::CARE_PLAN, T::SERVICE_REQUEST, T::EPISODE_OF_CARE],
    ),
    ("people", "Key worker and team", &[T::CARE_TEAM]),
    (
        "visits",
        "Visits and assessments",
        &[T::ENCOUNTER, T::QUESTIONNAIRE_RESPONSE, T::OBSERVATION],
    ),
];
const TEAM: [Heading; 3] = [
    ("teams", "Teams", &[T::CARE_TEAM]),
    ("contacts", "Family and carers", &[T::RELATED_PERSON]),
    ("episodes", "Services involved", &[T::EPISODE_OF_CARE]),
];

fn groups(input: &Input, section: Section, headings: &[Heading]) -> (Content, Held, usize) {
    let groups = listed::grouped(input, section, headings);
    let held = groups
        .iter()
        .filter(|g| g.code != "in-error")
        .map(|g| g.lines.len())
        .sum();
    (
        Content::Groups(groups),
        Held {
            items: held,
            ..Held::default()
        },
        0,
    )
}
