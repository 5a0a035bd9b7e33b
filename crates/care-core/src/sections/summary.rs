//! The summary: eleven blocks in one order, each with its own words for nothing.
//!
//! Source: the screen design, C7. An empty block stays, with its N1 to N5 words.

use serde::Serialize;

use super::allergies::{self, AllergiesView};
use super::documents::{self, DocumentRow};
use super::encounters::{self, VisitRow};
use super::input::Input;
use super::listed::{self, Line};
use super::medicines::{self, MedicineRow};
use super::nothing::{Held, Nothing, say};
use super::problems::{self, ProblemRow};
use super::request::{Filter, MedicinesList, Section};
use super::results::{self, TestRow};
use super::source::Freshness;
use super::sources_page::{self, SourceRow};
use super::wanted::newest_received;
use super::when::When;
use crate::fhir::ResourceType;
use crate::vocabulary::Category;

/// What every block has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Block<T> {
    /// The section it stands for: its link.
    pub section: &'static str,
    /// The rows shown.
    pub rows: Vec<T>,
    /// How many there are in all: "See all 23".
    pub of: usize,
    /// Its words for nothing.
    pub nothing: Vec<Nothing>,
    /// Sources that are late or not available, said under the heading.
    pub gaps: Vec<String>,
    /// The reader's role includes it.
    pub for_role: bool,
}

/// The summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SummaryView {
    /// "New since you last looked 02-Oct-2026 14:05", or since the last discharge.
    pub new_title: String,
    /// Up to six, most recently received first.
    pub new: Vec<Line>,
    /// How many are new in all.
    pub new_of: usize,
    /// Allergies.
    pub allergies: Block<allergies::AllergyRow>,
    /// The allergies' own words.
    pub allergies_view: AllergiesView,
    /// Medicines: the first twelve.
    pub medicines: Block<MedicineRow>,
    /// "12 current medicines. …"
    pub medicines_bar: String,
    /// Active problems: up to ten.
    pub problems: Block<ProblemRow>,
    /// Past problems: up to five.
    pub past_problems: Vec<ProblemRow>,
    /// Results: the last eight tests.
    pub results: Block<TestRow>,
    /// Visits: the next three.
    pub visits: Block<VisitRow>,
    /// Visits: the last five.
    pub past_visits: Vec<VisitRow>,
    /// Decisions and plans.
    pub plans: Block<Line>,
    /// Social care.
    pub social: Block<Line>,
    /// Documents: the last five.
    pub documents: Block<DocumentRow>,
    /// Team and contacts.
    pub team: Block<Line>,
    /// The practice with its phone.
    pub practice: Option<(String, String)>,
    /// Sources, one line each.
    pub sources: Vec<SourceRow>,
    /// S3: nothing is held at all: "Connect Care holds no records for this person. …"
    pub no_records: Option<String>,
}

/// How a section's emptiness is named in a sentence.
pub(super) fn plural(section: Section) -> &'static str {
    match section {
        Section::Encounters => "Appointments and visits",
        Section::CarePlans => "Care plans",
        Section::SocialCare => "Social care",
        Section::Team => "Team and contacts",
        Section::Summary | Section::Timeline | Section::Search | Section::Sources => "Records",
        other => other.title(),
    }
}

/// The words for nothing of a section that holds so much.
pub(super) fn said(input: &Input, section: Section, held: Held) -> Vec<Nothing> {
    if !input.for_role(section) {
        return vec![Nothing::not_for_role()];
    }
    let held = Held {
        held_back: input.facts.withheld_notice,
        route: input.facts.may_break_seal,
        ..held
    };
    say(plural(section), &held, &input.freshness(section))
}

fn block<T>(input: &Input, section: Section, rows: Vec<T>, of: usize, held: Held) -> Block<T> {
    // Said once on the page and not in each of eleven blocks (hazard H36), unless the block is empty.
    let empty = rows.is_empty();
    let nothing = said(input, section, held)
        .into_iter()
        .filter(|nothing| {
            empty
                || !matches!(
                    nothing,
                    Nothing::HeldBack { .. } | Nothing::NotAvailable { .. }
                )
        })
        .collect();
    let freshness: Freshness = input.freshness(section);
    Block {
        section: section.code(),
        rows,
        of,
        nothing,
        gaps: if empty {
            Vec::new()
        } else {
            freshness
                .gaps
                .iter()
                .map(super::source::Gap::line)
                .collect()
        },
        for_role: input.for_role(section),
    }
}

fn take<T>(mut rows: Vec<T>, most: usize) -> Vec<T> {
    rows.truncate(most);
    rows
}

fn of(items: usize) -> Held {
    Held {
        items,
        ..Held::default()
    }
}

/// Arranges the summary.
pub(super) fn arrange(input: &Input) -> SummaryView {
    let allergies = allergies::arrange(input);
    let medicines = medicines::arrange(input, MedicinesList::Current, &Filter::default());
    let problems = problems::arrange(input);
    let visits = encounters::arrange(input, &Filter::default());
    let count = |section: Section| input.headers_of(section).filter(|h| !h.withdrawn).count();
    let active = input
        .headers_of(Section::Problems)
        .filter(|h| h.resource_type == ResourceType::CONDITION && h.current && !h.withdrawn)
        .count();
    let plans = lines(
        input,
        |c| matches!(c, Category::CarePlans | Category::AboutMe | Category::Legal),
        8,
    );
    let social = lines(input, |c| c == Category::SocialCare, 5);
    let team = team_lines(input);
    let tests = results::newest_tests(input, 8);
    let (new_title, new, new_of) = new_since(input, &visits.past);
    SummaryView {
        new_title,
        new,
        new_of,
        allergies: block(
            input,
            Section::Allergies,
            allergies.rows.clone(),
            allergies.rows.len(),
            allergies.held(),
        ),
        medicines: block(
            input,
            Section::Medicines,
            take(medicines.rows, 12),
            medicines.current,
            of(medicines.current + medicines.unreadable),
        ),
        medicines_bar: medicines.bar,
        problems: block(
            input,
            Section::Problems,
            take(problems.active, 10),
            active,
            of(count(Section::Problems)),
        ),
        past_problems: take(problems.past, 5),
        results: block(
            input,
            Section::Results,
            tests,
            count(Section::Results),
            of(count(Section::Results)),
        ),
        visits: block(
            input,
            Section::Encounters,
            take(visits.coming, 3),
            count(Section::Encounters),
            of(count(Section::Encounters)),
        ),
        past_visits: take(visits.past, 5),
        plans: block(
            input,
            Section::CarePlans,
            plans,
            count(Section::CarePlans),
            of(count(Section::CarePlans)),
        ),
        social: block(
            input,
            Section::SocialCare,
            social,
            count(Section::SocialCare),
            of(count(Section::SocialCare)),
        ),
        documents: block(
            input,
            Section::Documents,
            newest_documents(input),
            count(Section::Documents),
            of(count(Section::Documents)),
        ),
        team: block(
            input,
            Section::Team,
            team,
            count(Section::Team),
            of(count(Section::Team) + usize::from(input.practice.is_some())),
        ),
        practice: input
            .practice
            .map(|practice| (practice.name.clone(), super::words::phone(&practice.phone))),
        sources: sources_page::rows(input),
        no_records: no_records(input),
        allergies_view: allergies,
    }
}

fn lines(input: &Input, of: impl Fn(Category) -> bool, most: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = input
        .items
        .iter()
        .filter(|item| of(item.header.category) && item.header.current && !item.header.withdrawn)
        .filter(|item| item.header.resource_type != ResourceType::FLAG)
        .map(|item| listed::line(item, input))
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.seen.sort_ms));
    take(lines, most)
}

fn team_lines(input: &Input) -> Vec<Line> {
    let mut lines: Vec<Line> = input
        .items_of(Section::Team)
        .filter(|item| !item.header.withdrawn)
        .map(|item| listed::line(item, input))
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.seen.sort_ms));
    take(listed::same_contacts_together(lines), 6)
}

fn newest_documents(input: &Input) -> Vec<DocumentRow> {
    super::wanted::documents(input.headers, &Filter::default())
        .into_iter()
        .take(5)
        .filter_map(|header| input.item(header.resource_type, header.item))
        .map(|item| documents::row(item, input))
        .collect()
}

fn new_since(input: &Input, past_visits: &[VisitRow]) -> (String, Vec<Line>, usize) {
    let discharge = past_visits
        .iter()
        .filter(|visit| visit.inpatient)
        .find_map(|visit| visit.ends.clone());
    let (title, from_ms) = match (input.last_looked, discharge) {
        (Some(looked), _) => (
            format!("New since you last looked {}", When::moment(looked).short),
            looked.as_millisecond(),
        ),
        (None, Some(left)) => {
            let from = left.sort_ms;
            (
                format!(
                    "New since last hospital discharge {}",
                    left.date_only().short
                ),
                from,
            )
        }
        (None, None) => return ("New since you last looked".to_owned(), Vec::new(), 0),
    };
    let new: Vec<_> = newest_received(input.headers)
        .into_iter()
        .filter(|header| header.received_at.as_millisecond() > from_ms)
        .collect();
    let lines = new
        .iter()
        .take(6)
        .filter_map(|header| input.item(header.resource_type, header.item))
        .map(|item| listed::line(item, input))
        .collect();
    (title, lines, new.len())
}

fn no_records(input: &Input) -> Option<String> {
    let held = input.headers.iter().any(super::wanted::on_timeline);
    if held || input.facts.withheld_notice {
        return None;
    }
    let freshness = input.freshness(Section::Summary);
    let verb = if freshness.of == 1 { "was" } else { "were" };
    Some(format!(
        "Connect Care holds no records for this person. {} {verb} asked, {} answered.",
        super::words::count(freshness.of, "source", "sources"),
        freshness.answered
    ))
}
