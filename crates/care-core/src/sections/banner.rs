//! The patient banner, the alert strip and the record menu: on every page about one person.
//!
//! Source: ISB 1505 (banner) and the screen design, section 4. Only facts recorded by a source.

use serde::Serialize;

use super::allergies::{self, AllergyLabel};
use super::input::Input;
use super::item::Item;
use super::read;
use super::request::Section;
use super::when::{When, age_of, clock, local, short_partial};
use super::words::{address_line, address_parts, phone, staff_name};
use crate::fhir::ResourceType;
use crate::vocabulary::{Category, ContactSystem, Demographics, Gender};

/// The banner.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Banner {
    /// `SMITH, Jane (Mrs)`.
    pub name: String,
    /// What the person likes to be called.
    pub preferred: Option<String>,
    /// Birth date; `None` is said as "Not known".
    pub born: Option<When>,
    /// Age; for somebody who died, the age at death.
    pub age: Option<String>,
    /// Date of death: `None` while alive.
    pub died: Option<Died>,
    /// In full.
    pub gender: &'static str,
    /// `999 123 4567`, or "Not known".
    pub nhs_number: String,
    /// "Emergency access until 14:35", "Partly sealed", "Check identity", "Test person" …
    pub tags: Vec<String>,
    /// The address in one line, or why there is none.
    pub address_short: String,
    /// Usual and temporary addresses, line by line.
    pub addresses: Vec<(&'static str, Vec<String>)>,
    /// Phones and email in the order home, work, mobile, email.
    pub contacts: Vec<(&'static str, String)>,
    /// Communication needs as recorded.
    pub needs: Vec<String>,
    /// Flags by kind with their number.
    pub flags: Vec<(String, usize)>,
    /// The exact label of the fifth part.
    pub allergies_label: AllergyLabel,
    /// Its words.
    pub allergies_words: &'static str,
    /// Each allergy with the date last updated.
    pub allergies: Vec<(String, Option<When>)>,
    /// The reader's role includes allergies.
    pub allergies_for_role: bool,
    /// The address is protected: no address or phone anywhere.
    pub restricted: bool,
}

/// That the person has died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Died {
    /// When, as far as it is known.
    pub when: Option<When>,
}

/// Who a person is, without anything clinical: for C4 and C5.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Identity {
    /// `SMITH, Jane (Mrs)`.
    pub name: String,
    /// What the person likes to be called.
    pub preferred: Option<String>,
    /// Birth date.
    pub born: Option<When>,
    /// Age, or age at death.
    pub age: Option<String>,
    /// That the person has died.
    pub died: Option<Died>,
    /// In full.
    pub gender: &'static str,
    /// `999 123 4567`, or "Not known".
    pub nhs_number: String,
    /// In one line; "Protected" when it is.
    pub address: String,
    /// Phone numbers; none when protected.
    pub phones: Vec<String>,
    /// The address is protected.
    pub restricted: bool,
    /// The number is of an invented person.
    pub test_person: bool,
}

/// Who a person is at this moment, as a page that is not the record says it.
pub fn identity(known: &Demographics, now: jiff::Timestamp) -> Identity {
    let dead = known.died.map(|date| Died {
        when: date.map(When::partial),
    });
    let until = match known.died.flatten().and_then(|date| date.to_date()) {
        Some(date) => date
            .to_zoned(super::when::london())
            .map_or(now, |day| day.timestamp()),
        None => now,
    };
    let age_known =
        known.died.is_none() || known.died.flatten().is_some_and(|d| d.to_date().is_some());
    Identity {
        name: known
            .names
            .first()
            .map_or_else(|| "Name not recorded".to_owned(), staff_name),
        preferred: known.names.first().and_then(|name| name.preferred.clone()),
        born: known.birth_date.map(When::partial),
        age: if age_known {
            age_of(known.birth_date, until)
        } else {
            None
        },
        died: dead,
        gender: known.gender.unwrap_or(Gender::Unknown).title(),
        nhs_number: known
            .nhs_number
            .map_or_else(|| "Not known".to_owned(), |n| n.to_string()),
        address: if known.restricted {
            "Protected".to_owned()
        } else {
            known
                .addresses
                .first()
                .map_or_else(|| "Not recorded".to_owned(), address_line)
        },
        phones: if known.restricted {
            Vec::new()
        } else {
            phones(known)
        },
        restricted: known.restricted,
        test_person: known
            .nhs_number
            .is_some_and(|number| number.digits().starts_with("999")),
    }
}

fn phones(known: &Demographics) -> Vec<String> {
    known
        .contacts
        .iter()
        .filter(|contact| contact.system != ContactSystem::Email)
        .map(|contact| phone(&contact.value))
        .collect()
}

/// The banner of the person.
pub fn banner(input: &Input) -> Banner {
    let known = input.demographics;
    let who = identity(known, input.now);
    let hidden = input.facts.location_removed || known.restricted;
    let allergies = allergies::arrange(input);
    Banner {
        tags: tags(input, who.test_person),
        address_short: if hidden {
            "Protected. Not shown.".to_owned()
        } else {
            who.address.clone()
        },
        addresses: if hidden { Vec::new() } else { addresses(known) },
        contacts: if hidden { Vec::new() } else { contacts(known) },
        needs: needs(input),
        flags: flags(input),
        allergies_label: allergies.label,
        allergies_words: allergies.label_words,
        allergies: allergies
            .rows
            .iter()
            .filter(|_| input.for_role(Section::Allergies))
            .map(|row| (row.substance.clone(), row.updated.clone()))
            .collect(),
        allergies_for_role: input.for_role(Section::Allergies),
        restricted: hidden,
        name: who.name,
        preferred: who.preferred,
        born: who.born,
        age: who.age,
        died: who.died,
        gender: who.gender,
        nhs_number: who.nhs_number,
    }
}

fn tags(input: &Input, test_person: bool) -> Vec<String> {
    let mut tags = Vec::new();
    tags.extend(
        input
            .facts
            .emergency_until
            .map(|until| format!("Emergency access until {}", clock(local(until).time()))),
    );
    if input.facts.withheld_notice {
        tags.push("Partly sealed".to_owned());
    }
    if !input.facts.identity_doubt.is_empty() {
        tags.push("Check identity".to_owned());
    }
    if input.demographics.nhs_number.is_none() {
        tags.push("Unverified identity".to_owned());
    }
    if input.facts.records_open > 1 {
        tags.push(format!(
            "You have {} records open",
            input.facts.records_open
        ));
    }
    if test_person {
        tags.push("Test person".to_owned());
    }
    tags
}

fn addresses(known: &Demographics) -> Vec<(&'static str, Vec<String>)> {
    known
        .addresses
        .iter()
        .map(|address| {
            let label = if address.temporary {
                "Temporary address"
            } else {
                "Usual address"
            };
            (label, address_parts(address))
        })
        .collect()
}

fn contacts(known: &Demographics) -> Vec<(&'static str, String)> {
    let order = [
        (ContactSystem::HomePhone, "Home"),
        (ContactSystem::WorkPhone, "Work"),
        (ContactSystem::Mobile, "Mobile"),
        (ContactSystem::Email, "Email"),
    ];
    order
        .into_iter()
        .flat_map(|(system, label)| {
            known
                .contacts
                .iter()
                .filter(move |contact| contact.system == system)
                .map(move |contact| {
                    let value = match system {
                        ContactSystem::Email => contact.value.clone(),
                        _ => phone(&contact.value),
                    };
                    (label, value)
                })
        })
        .collect()
}

/// One kind of alert, in the order of the strip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertKind {
    /// Some records may belong to someone else.
    Identity,
    /// Resuscitation and escalation.
    Resuscitation,
    /// Safeguarding.
    Safeguarding,
    /// Severe allergy.
    SevereAllergy,
    /// Risk to staff visiting alone.
    StaffRisk,
    /// Infection or implant.
    Warning,
    /// Reasonable adjustment or communication need.
    Adjustment,
    /// Any other flag.
    Other,
    /// A source is not available.
    Source,
}

impl AlertKind {
    fn words(self) -> &'static str {
        match self {
            Self::Identity => "Check identity",
            Self::Resuscitation => "Resuscitation decision",
            Self::Safeguarding => "Safeguarding",
            Self::SevereAllergy => "Severe allergy",
            Self::StaffRisk => "Risk to staff",
            Self::Warning => "Warning",
            Self::Adjustment => "Reasonable adjustment",
            Self::Other => "Alert",
            Self::Source => "Source not available",
        }
    }
}

/// One line of the strip.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// Its kind.
    pub kind: AlertKind,
    /// The bold words.
    pub kind_words: &'static str,
    /// The text as recorded.
    pub text: String,
    /// When.
    pub date: Option<When>,
    /// From whom.
    pub source: Option<String>,
    /// The last part of the page's address, after `record/{visit}/`.
    pub link: String,
}

/// How many lines of the strip stand open.
const OPEN_LINES: usize = 3;

/// The alert strip: the first three lines, and the rest behind "and 2 more".
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Alerts {
    /// Lines that stand open.
    pub first: Vec<Alert>,
    /// Lines behind "and … more".
    pub more: Vec<Alert>,
}

/// The alert strip of the person.
pub fn alerts(input: &Input) -> Alerts {
    let mut alerts: Vec<Alert> = identity_alerts(input);
    alerts.extend(
        active_flags(input)
            .into_iter()
            .map(|item| flag_alert(item, input)),
    );
    alerts.extend(resuscitation(input));
    alerts.extend(severe_allergies(input));
    alerts.extend(source_alerts(input));
    alerts.sort_by_key(|alert| alert.kind);
    let more = alerts.split_off(alerts.len().min(OPEN_LINES));
    Alerts {
        first: alerts,
        more,
    }
}

fn alert(kind: AlertKind, text: String, link: String) -> Alert {
    Alert {
        kind,
        kind_words: kind.words(),
        text,
        date: None,
        source: None,
        link,
    }
}

fn identity_alerts(input: &Input) -> Vec<Alert> {
    input
        .facts
        .identity_doubt
        .iter()
        .map(|(source, records)| {
            let what = super::words::count(*records as usize, "record", "records");
            let verb = if *records == 1 { "is" } else { "are" };
            let text = format!(
                "Some records may belong to someone else. {what} from {} {verb} being checked and {verb} not shown.",
                input.short_name(source)
            );
            alert(AlertKind::Identity, text, "sources".to_owned())
        })
        .collect()
}

/// Words by which a flag's kind is told apart: for its place in the strip only.
fn flag_kind(item: &Item, words: &str) -> AlertKind {
    let words = words.to_lowercase();
    let any = |needles: &[&str]| needles.iter().any(|needle| words.contains(needle));
    if item.header.category == Category::Safeguarding || any(&["safeguard", "child protection"]) {
        AlertKind::Safeguarding
    } else if any(&["resuscit", "dnacpr", "respect form", "cardiopulmonary"]) {
        AlertKind::Resuscitation
    } else if any(&[
        "risk to staff",
        "lone work",
        "visit alone",
        "violen",
        "aggress",
        "visit in pairs",
    ]) {
        AlertKind::StaffRisk
    } else if any(&["infect", "mrsa", "implant", "pacemaker", "colonis"]) {
        AlertKind::Warning
    } else if any(&[
        "adjustment",
        "communicat",
        "interpreter",
        "hearing",
        "sight",
        "vision",
        "large print",
    ]) {
        AlertKind::Adjustment
    } else {
        AlertKind::Other
    }
}

fn active_flags<'a>(input: &Input<'a>) -> Vec<&'a Item> {
    input
        .of_type(ResourceType::FLAG)
        .filter(|item| !item.header.withdrawn && item.header.current)
        .collect()
}

fn flag_words(item: &Item) -> String {
    read::concept_at(&item.body, "code").unwrap_or_else(|| "Alert without words".to_owned())
}

fn flag_alert(item: &Item, input: &Input) -> Alert {
    let text = flag_words(item);
    let kind_of = |item: &Item| {
        flag_kind(
            item,
            &format!(
                "{} {}",
                text,
                read::concepts_at(&item.body, "category").join(" ")
            ),
        )
    };
    let kind = kind_of(item);
    let text = match kind {
        AlertKind::Resuscitation => format!("{text}. Check the original form."),
        _ => text.clone(),
    };
    Alert {
        date: read::when_at(&item.body, &["period"])
            .map(When::date_only)
            .or_else(|| item.header.clinical_at.map(When::day)),
        source: Some(input.short_name(&item.header.source)),
        ..alert(kind, text, format!("item/{}", item.header.item))
    }
}

/// Resuscitation decisions sent as a Consent. Source: HL7 consent category `dnr`.
fn resuscitation(input: &Input) -> Vec<Alert> {
    input
        .of_type(ResourceType::CONSENT)
        .filter(|item| item.header.current && !item.header.withdrawn)
        .filter_map(|item| {
            let words = read::concept_at(&item.body, "category")?;
            let is_one = read::has_code_at(&item.body, "category", &["dnr"])
                || flag_kind(item, &words) == AlertKind::Resuscitation;
            is_one.then(|| Alert {
                date: read::when_at(&item.body, &["dateTime"]).map(When::date_only),
                source: Some(input.short_name(&item.header.source)),
                ..alert(
                    AlertKind::Resuscitation,
                    format!("{words}. Check the original form."),
                    format!("item/{}", item.header.item),
                )
            })
        })
        .collect()
}

fn severe_allergies(input: &Input) -> Vec<Alert> {
    if !input.for_role(Section::Allergies) {
        return Vec::new();
    }
    allergies::arrange(input)
        .rows
        .into_iter()
        .filter(|row| row.severe)
        .map(|row| {
            let text = match row.reactions.as_slice() {
                [] => row.substance,
                reactions => format!("{}: {}", row.substance, reactions.join(", ").to_lowercase()),
            };
            Alert {
                date: row.updated,
                source: Some(row.sources.join(", ")),
                ..alert(AlertKind::SevereAllergy, text, "allergies".to_owned())
            }
        })
        .collect()
}

fn source_alerts(input: &Input) -> Vec<Alert> {
    input
        .freshness(Section::Summary)
        .gaps
        .into_iter()
        .filter(|gap| gap.state == super::source::Reliability::NotAvailable)
        .map(|gap| alert(AlertKind::Source, gap.line(), "sources".to_owned()))
        .collect()
}

fn needs(input: &Input) -> Vec<String> {
    let mut needs: Vec<String> = active_flags(input)
        .into_iter()
        .map(flag_words_pair)
        .filter(|(kind, _)| *kind == AlertKind::Adjustment)
        .map(|(_, words)| words)
        .collect();
    needs.dedup();
    needs
}

fn flag_words_pair(item: &Item) -> (AlertKind, String) {
    let words = flag_words(item);
    (flag_kind(item, &words), words)
}

fn flags(input: &Input) -> Vec<(String, usize)> {
    let mut kinds: Vec<AlertKind> = active_flags(input)
        .into_iter()
        .map(|item| flag_words_pair(item).0)
        .collect();
    kinds.sort();
    let mut counted: Vec<(String, usize)> = Vec::new();
    for kind in kinds {
        match counted
            .last_mut()
            .filter(|(words, _)| words == kind.words())
        {
            Some((_, count)) => *count += 1,
            None => counted.push((kind.words().to_owned(), 1)),
        }
    }
    counted
}

/// One entry of the record menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MenuEntry {
    /// The section's code: the last part of its address.
    pub code: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Items received since the reader last looked.
    pub new: usize,
    /// A source of it is late or not available.
    pub not_available: bool,
    /// The reader's role includes it.
    pub for_role: bool,
}

/// The record menu: every section, in the fixed order.
pub fn menu(input: &Input) -> Vec<MenuEntry> {
    Section::ALL
        .into_iter()
        .map(|section| {
            let own = !matches!(
                section,
                Section::Summary | Section::Timeline | Section::Search | Section::Sources
            );
            MenuEntry {
                code: section.code(),
                title: section.title(),
                new: if own {
                    input
                        .headers_of(section)
                        .filter(|header| input.is_new(header))
                        .count()
                } else {
                    0
                },
                not_available: own
                    && input.for_role(section)
                    && input
                        .freshness(section)
                        .gaps
                        .iter()
                        .any(|gap| gap.state == super::source::Reliability::NotAvailable),
                for_role: input.for_role(section),
            }
        })
        .collect()
}

/// The one-line identity above each heading where the banner has scrolled away:
/// `SMITH, Jane  Born 14-Jul-1945  NHS No. 999 123 4567`.
pub fn one_line(known: &Demographics) -> String {
    let name = known
        .names
        .first()
        .map_or_else(|| "Name not recorded".to_owned(), staff_name);
    let born = known
        .birth_date
        .map_or_else(|| "Not known".to_owned(), short_partial);
    let number = known
        .nhs_number
        .map_or_else(|| "Not known".to_owned(), |n| n.to_string());
    format!("{name}  Born {born}  NHS No. {number}")
}
