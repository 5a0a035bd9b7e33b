//! One line for any item: its kind in words, its title, its date and source. The timeline, the
//! search, "new since you last looked", care plans and social care are made of these.

use serde::Serialize;

use super::input::{Input, Seen};
use super::item::Item;
use super::medicine_line::medicine_name;
use super::read;
use super::request::{Filter, Section};
use super::wanted::{PAGE_ROWS, newest, on_timeline};
use super::when::When;
use crate::fhir::{Json, ResourceType};
use crate::vocabulary::Category;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Where it came from.
    pub seen: Seen,
    /// "Medicine", "Result" …
    pub kind: String,
    /// Its title as sent.
    pub title: String,
    /// Status in words, where it says more than "current".
    pub status: Option<String>,
    /// When, with the time where one was sent.
    pub when: Option<When>,
    /// Who, where, why, what was noted: as sent.
    pub more: Vec<String>,
    /// Other sources that list the same contact, by name and phone: their marks stand beside the first.
    pub also: Vec<String>,
    /// "Review was due 01-Aug-2026" or "Review due …".
    pub review: Option<String>,
}

/// Lines under a heading.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lines {
    /// Its code: the anchor.
    pub code: &'static str,
    /// The heading.
    pub title: String,
    /// The lines.
    pub lines: Vec<Line>,
}

/// The timeline: a page of lines by month.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimelineView {
    /// By month, newest first.
    pub months: Vec<Lines>,
    /// How many there are.
    pub of: usize,
    /// The page, from 1.
    pub page: usize,
    /// How many pages there are.
    pub pages: usize,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchView {
    /// The words, to show in the form.
    pub words: String,
    /// By section in menu order.
    pub groups: Vec<Lines>,
    /// How many hits.
    pub hits: usize,
    /// Files whose text could not be searched.
    pub not_searched: usize,
}

/// What kind of thing an item is, in a word or two.
pub(super) fn kind_words(resource_type: ResourceType, category: Category) -> &'static str {
    use ResourceType as T;
    match resource_type {
        T::ALLERGY_INTOLERANCE => "Allergy",
        T::CONDITION => "Problem",
        T::PROCEDURE => "Procedure",
        T::IMMUNIZATION => "Immunisation",
        T::FAMILY_MEMBER_HISTORY => "Family history",
        T::MEDICATION_REQUEST | T::MEDICATION_STATEMENT => "Medicine",
        T::MEDICATION_ADMINISTRATION => "Medicine given",
        T::MEDICATION_DISPENSE => "Medicine supplied",
        T::OBSERVATION if category == Category::SocialCare => "Social care",
        T::OBSERVATION => "Result",
        T::DIAGNOSTIC_REPORT => "Report",
        T::ENCOUNTER => "Visit",
        T::APPOINTMENT => "Appointment",
        T::SERVICE_REQUEST => "Referral",
        T::DOCUMENT_REFERENCE | T::COMPOSITION => "Document",
        T::CARE_PLAN => "Plan",
        T::GOAL => "Goal",
        T::CONSENT => "Decision",
        T::FLAG => "Alert",
        T::CARE_TEAM => "Team",
        T::RELATED_PERSON => "Contact",
        T::EPISODE_OF_CARE => "Episode of care",
        T::QUESTIONNAIRE_RESPONSE => "Assessment",
        T::RISK_ASSESSMENT => "Risk assessment",
        _ => "Item",
    }
}

/// The title of an item, as sent.
pub(super) fn title(item: &Item, input: &Input) -> Option<String> {
    let body = &item.body;
    use ResourceType as T;
    match item.header.resource_type {
        T::MEDICATION_REQUEST
        | T::MEDICATION_STATEMENT
        | T::MEDICATION_ADMINISTRATION
        | T::MEDICATION_DISPENSE => {
            let referred = body
                .get("medicationReference")
                .and_then(read::target)
                .and_then(|(kind, id)| input.item(kind, id));
            medicine_name(body, referred.map(|item| &item.body))
        }
        T::OBSERVATION => read::concept_at(body, "code")
            .map(|name| format!("{name}: {}", super::results::value_line(body))),
        T::IMMUNIZATION => read::concept_at(body, "vaccineCode"),
        T::DOCUMENT_REFERENCE | T::COMPOSITION => Some(super::documents::row(item, input).title),
        T::FAMILY_MEMBER_HISTORY => body
            .path(&["condition"])
            .and_then(|c| read::concept_at(c, "code"))
            .or_else(|| read::concept_at(body, "relationship")),
        T::RELATED_PERSON => read::human_name(body),
        T::CONSENT => {
            read::concept_at(body, "category").or_else(|| read::concept_at(body, "scope"))
        }
        T::GOAL => read::concept_at(body, "description"),
        T::ENCOUNTER => read::concept_at(body, "type")
            .or_else(|| read::concept_at(body, "serviceType"))
            .or_else(|| body.text_at(&["class", "display"]).map(read::words_of_code)),
        T::APPOINTMENT => body
            .text_at(&["description"])
            .map(str::to_owned)
            .or_else(|| read::concept_at(body, "serviceType"))
            .or_else(|| read::concept_at(body, "appointmentType")),
        _ => ["title", "name"]
            .iter()
            .find_map(|name| body.text_at(&[name]).map(str::to_owned))
            .or_else(|| read::concept_at(body, "code"))
            .or_else(|| read::concept_at(body, "category"))
            .or_else(|| read::concept_at(body, "type"))
            .or_else(|| body.text_at(&["description"]).map(str::to_owned)),
    }
    .filter(|title| !title.trim().is_empty())
}

/// One line for an item; an item without readable words still has its kind, so none is lost.
pub(super) fn line(item: &Item, input: &Input) -> Line {
    let kind = kind_words(item.header.resource_type, item.header.category);
    Line {
        kind: kind.to_owned(),
        title: title(item, input).unwrap_or_else(|| format!("{kind} without a title")),
        status: read::status(&item.body).filter(|status| {
            !matches!(
                status.as_str(),
                "Active" | "Final" | "Current" | "Finished" | "Completed" | "Fulfilled"
            )
        }),
        when: read::when_at(
            &item.body,
            &[
                "effectiveDateTime",
                "period",
                "start",
                "onsetDateTime",
                "performedDateTime",
                "occurrenceDateTime",
                "authoredOn",
                "dateTime",
                "date",
                "recordedDate",
            ],
        )
        .or_else(|| item.header.clinical_at.map(When::day)),
        more: more(&item.body, input),
        also: Vec::new(),
        review: matches!(
            item.header.resource_type,
            ResourceType::CARE_PLAN | ResourceType::CONSENT | ResourceType::GOAL
        )
        .then(|| review(&item.body, input))
        .flatten(),
        seen: input.seen(&item.header),
    }
}

/// Contacts with the same name and the same phone number stand on one row with a mark for each source.
/// What one source says and another does not keeps that source's name: nothing is merged (R6).
pub(super) fn same_contacts_together(lines: Vec<Line>) -> Vec<Line> {
    let mut together: Vec<Line> = Vec::new();
    for line in lines {
        let same = |other: &&mut Line| {
            line.kind == "Contact"
                && other.kind == line.kind
                && other.title.eq_ignore_ascii_case(&line.title)
                && phones(other).any(|number| phones(&line).any(|mine| mine == number))
        };
        let Some(first) = together.iter_mut().find(same) else {
            together.push(line);
            continue;
        };
        let source = line.seen.source;
        for words in line.more {
            if !first.more.contains(&words) {
                first.more.push(format!("{words} ({source})"));
            }
        }
        if source != first.seen.source && !first.also.contains(&source) {
            first.also.push(source);
        }
    }
    together
}

/// The phone numbers among a line's words, as digits.
fn phones(line: &Line) -> impl Iterator<Item = String> {
    line.more.iter().filter_map(|words| {
        let digits: String = words.chars().filter(char::is_ascii_digit).collect();
        let number = words
            .chars()
            .all(|one| one.is_ascii_digit() || " +-()".contains(one));
        (number && digits.len() >= 9).then_some(digits)
    })
}

fn more(body: &Json, input: &Input) -> Vec<String> {
    let mut more: Vec<String> = Vec::new();
    more.extend(body.text_at(&["description"]).map(str::to_owned));
    more.extend(body.elements("activity").iter().filter_map(|activity| {
        let detail = activity.get("detail")?;
        detail
            .text_at(&["description"])
            .map(str::to_owned)
            .or_else(|| read::concept_at(detail, "code"))
    }));
    more.extend(
        body.elements("provision")
            .iter()
            .flat_map(|provision| read::concepts_at(provision, "code")),
    );
    more.extend(body.elements("participant").iter().filter_map(|part| {
        let name = read::reference_words(
            part.get("member")
                .or_else(|| part.get("individual"))
                .or_else(|| part.get("actor"))?,
        )?;
        Some(match read::concept_at(part, "role") {
            Some(role) => format!("{role}: {name}"),
            None => name,
        })
    }));
    more.extend(
        body.elements("relationship")
            .iter()
            .filter_map(read::concept),
    );
    if !input.facts.location_removed {
        more.extend(
            body.elements("telecom")
                .iter()
                .filter_map(|contact| contact.text_at(&["value"]))
                .map(super::words::phone),
        );
    }
    more.extend(read::who(
        body,
        &["author", "performer", "managingOrganization"],
    ));
    more.extend(body.elements("item").iter().filter_map(|answer| {
        let text = answer.text_at(&["text"])?;
        let value = answer
            .path(&["answer", "valueString"])
            .and_then(Json::as_text)?;
        Some(format!("{text}: {value}"))
    }));
    more.extend(read::notes(body));
    more.dedup();
    more
}

fn review(body: &Json, input: &Input) -> Option<String> {
    let due = read::end_at(body, "period")?.date_only();
    Some(if due.sort_ms < input.now.as_millisecond() {
        format!("Review was due {}", due.short)
    } else {
        format!("Review due {}", due.short)
    })
}

/// The timeline page.
pub(super) fn timeline(input: &Input, filter: &Filter) -> TimelineView {
    let headers = newest(input.headers.iter().filter(|header| on_timeline(header)));
    let page = filter.page.max(1);
    let mut months: Vec<Lines> = Vec::new();
    for header in headers
        .iter()
        .skip((page - 1).saturating_mul(PAGE_ROWS))
        .take(PAGE_ROWS)
    {
        let Some(item) = input.item(header.resource_type, header.item) else {
            continue;
        };
        let month = header.clinical_at.map_or_else(
            || "Date not recorded".to_owned(),
            |at| {
                super::when::long_date(super::when::local(at).date())
                    .split_once(' ')
                    .map_or_else(String::new, |(_, month)| month.to_owned())
            },
        );
        let line = line(item, input);
        match months.last_mut().filter(|lines| lines.title == month) {
            Some(lines) => lines.lines.push(line),
            None => months.push(Lines {
                code: "month",
                title: month,
                lines: vec![line],
            }),
        }
    }
    TimelineView {
        months,
        of: headers.len(),
        page,
        pages: headers.len().div_ceil(PAGE_ROWS).max(1),
    }
}

/// Every loaded item whose texts hold all the words.
pub(super) fn search(input: &Input, words: &str) -> SearchView {
    let needles: Vec<String> = words
        .to_lowercase()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let mut view = SearchView {
        words: words.trim().to_owned(),
        groups: Vec::new(),
        hits: 0,
        not_searched: 0,
    };
    if needles.is_empty() {
        return view;
    }
    let found: Vec<&Item> = input
        .items
        .iter()
        .filter(|item| on_timeline(&item.header))
        .filter(|item| {
            let mut text = String::new();
            gather_text(&item.body, &mut text);
            text.push_str(&title(item, input).unwrap_or_default().to_lowercase());
            needles.iter().all(|needle| text.contains(needle.as_str()))
        })
        .collect();
    view.hits = found.len();
    view.not_searched = input
        .items_of(Section::Documents)
        .filter(|item| {
            item.body
                .path(&["content", "attachment", "contentType"])
                .and_then(Json::as_text)
                .is_some_and(|kind| !kind.starts_with("text/"))
        })
        .count();
    let mut taken: Vec<bool> = vec![false; found.len()];
    for section in &Section::ALL[2..11] {
        let mut lines: Vec<Line> = Vec::new();
        for (place, item) in found.iter().enumerate() {
            if !taken[place] && section.shows(item.header.resource_type, item.header.category) {
                taken[place] = true;
                lines.push(line(item, input));
            }
        }
        push_group(&mut view.groups, section.code(), section.title(), lines);
    }
    let rest = found
        .iter()
        .zip(&taken)
        .filter(|(_, taken)| !**taken)
        .map(|(item, _)| line(item, input))
        .collect();
    push_group(&mut view.groups, "other", "Other", rest);
    view
}

fn push_group(groups: &mut Vec<Lines>, code: &'static str, title: &str, mut lines: Vec<Line>) {
    if !lines.is_empty() {
        lines.sort_by_key(|line| std::cmp::Reverse(line.seen.sort_ms));
        groups.push(Lines {
            code,
            title: title.to_owned(),
            lines,
        });
    }
}

/// Every text of a body in small letters, attachments and references left out.
fn gather_text(body: &Json, out: &mut String) {
    match body {
        Json::Text(text) => {
            out.push_str(&text.to_lowercase());
            out.push(' ');
        }
        Json::Array(values) => values.iter().for_each(|value| gather_text(value, out)),
        Json::Object(members) => members
            .iter()
            .filter(|(name, _)| {
                !matches!(
                    name.as_ref(),
                    "data" | "reference" | "system" | "url" | "id" | "meta" | "resourceType"
                )
            })
            .for_each(|(_, value)| gather_text(value, out)),
        _ => {}
    }
}

/// The loaded items of a section as lines, in groups by kind, newest first.
pub(super) fn grouped(
    input: &Input,
    section: Section,
    headings: &[(&'static str, &'static str, &[ResourceType])],
) -> Vec<Lines> {
    let items: Vec<&Item> = input
        .items_of(section)
        .filter(|item| !item.header.withdrawn)
        .collect();
    let mut groups = Vec::new();
    for (code, title, types) in headings {
        let lines = items
            .iter()
            .filter(|item| types.contains(&item.header.resource_type))
            .map(|item| line(item, input))
            .collect();
        push_group(&mut groups, code, title, same_contacts_together(lines));
    }
    let known = |item: &&&Item| {
        headings
            .iter()
            .any(|(_, _, types)| types.contains(&item.header.resource_type))
    };
    let rest = items
        .iter()
        .filter(|item| !known(item))
        .map(|item| line(item, input))
        .collect();
    push_group(&mut groups, "other", "Other", rest);
    let withdrawn = input
        .items_of(section)
        .filter(|item| item.header.withdrawn)
        .map(|item| line(item, input))
        .collect();
    push_group(
        &mut groups,
        "in-error",
        "Withdrawn or entered in error",
        withdrawn,
    );
    groups
}
