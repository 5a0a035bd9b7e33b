//! What is asked for: the specification of an extract. Approvals are given to its digest, so that a
//! changed specification has none.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::secondary_use::{DataForm, LegalBasis, Origin, Purpose};
use crate::vocabulary::Category;

use super::SMALLEST_GROUP;
use super::dates::DateRule;
use super::elements::may_leave;
use super::exceptional::{ExceptionalKind, unanswered};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Specification {
    /// What it is called in the register.
    pub title: String,
    /// What for, in words for the public.
    pub purpose_words: String,
    /// The purpose code of the secondary-use rules.
    pub purpose: String,
    /// The code of the legal basis.
    pub legal_basis: String,
    /// The code of the form of the data.
    pub data_form: String,
    /// Where the care was given: the code of the origin.
    pub origin: String,
    /// The document that the basis rests on: what and where.
    pub evidence: String,
    /// The document was seen.
    pub evidence_held: bool,
    /// The Confidentiality Advisory Group lifted its standard condition.
    #[serde(default)]
    pub exemption_claimed: bool,
    /// The project: pseudonyms are stable within it and unlike those of any other.
    pub project: String,
    /// Who gets it.
    pub destination: String,
    /// The day by which it is destroyed.
    pub destroy_by: Date,
    /// About whom.
    pub cohort: Cohort,
    /// The kinds of information: categories of the record, by code.
    pub categories: Vec<String>,
    /// In which forms.
    pub forms: Vec<Form>,
    /// What becomes of dates.
    pub dates: DateRule,
    /// The fewest people that may be told alike.
    pub smallest_group: u32,
    /// Words beside codes too: identifiable releases only.
    #[serde(default)]
    pub words: bool,
    /// Why choices are set aside, where they are.
    #[serde(default)]
    pub exceptional: Exceptional,
    /// Its tables feed the planning pages.
    #[serde(default)]
    pub for_planning: bool,
}

/// About whom. What is empty asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cohort {
    /// Registered with one of these practices, or cared for by one of these organisations (ODS codes).
    #[serde(default)]
    pub organisations: Vec<String>,
    /// At least this old.
    #[serde(default)]
    pub youngest: Option<u32>,
    /// At most this old.
    #[serde(default)]
    pub oldest: Option<u32>,
    /// `female` or `male`.
    #[serde(default)]
    pub gender: Option<String>,
    /// With one of these recorded, as `system|code`.
    #[serde(default)]
    pub codes: Vec<String>,
    /// Items from this day.
    #[serde(default)]
    pub from: Option<Date>,
    /// Items to this day.
    #[serde(default)]
    pub to: Option<Date>,
    /// Only people with one of these NHS numbers were asked for. A few are refused: named people are a
    /// disclosure case.
    #[serde(default)]
    pub named: Vec<String>,
}

/// Answers to the questions of an exceptional circumstance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exceptional {
    /// By the question's name.
    #[serde(default)]
    pub answers: BTreeMap<String, String>,
}

/// One form of the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// FHIR resources, one a line, one file a type.
    Ndjson,
    /// A table from a SQL-on-FHIR ViewDefinition.
    Table(TableWanted),
    /// Counts of people.
    Counts {
        /// The file's name.
        name: String,
        /// What people are counted by.
        by: Vec<Counted>,
    },
}

/// A table wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableWanted {
    /// The file's name.
    pub name: String,
    /// The ViewDefinition, JSON.
    pub view: String,
    /// The columns by which rows are grouped: each group has enough people.
    pub declared: Vec<String>,
    /// Parquet beside CSV.
    pub parquet: bool,
    /// CSV.
    pub csv: bool,
}

/// What people are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counted {
    /// The postcode district.
    Area,
    /// Ten years.
    AgeBand,
    /// Gender.
    Gender,
    /// A long-term condition that is on record.
    Condition,
    /// A service used in the period.
    Service,
    /// The practice.
    Practice,
}

impl Counted {
    /// Every one, in the order of the form.
    pub const ALL: &'static [Self] = &[
        Self::Area,
        Self::AgeBand,
        Self::Gender,
        Self::Condition,
        Self::Service,
        Self::Practice,
    ];

    /// The column's name.
    pub fn code(self) -> &'static str {
        match self {
            Self::Area => "area",
            Self::AgeBand => "age_band",
            Self::Gender => "gender",
            Self::Condition => "condition",
            Self::Service => "service",
            Self::Practice => "practice",
        }
    }

    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Area => "Area",
            Self::AgeBand => "Age",
            Self::Gender => "Gender",
            Self::Condition => "Condition",
            Self::Service => "Use of services",
            Self::Practice => "Practice",
        }
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.code() == code)
    }
}

/// Something about a specification that cannot be: the field, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsound {
    /// The field's name on the form.
    pub field: &'static str,
    /// What is wrong and how to mend it.
    pub why: String,
}

/// A kept specification cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the kept specification cannot be read; make the request again")]
pub struct SpecificationError;

impl Specification {
    /// As it is kept: one text for one specification.
    pub fn to_text(&self) -> String {
        // Plain values always have a JSON form; an empty text would read back as an error.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what was kept.
    pub fn parse(text: &str) -> Result<Self, SpecificationError> {
        serde_json::from_str(text).map_err(|_| SpecificationError)
    }

    /// What approvals are given to: SHA-256 of the kept text, in hexadecimal.
    pub fn digest(&self) -> String {
        let digest = Sha256::digest(self.to_text().as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The purpose.
    pub fn purpose(&self) -> Option<Purpose> {
        Purpose::from_code(&self.purpose)
    }

    /// The legal basis; one that cannot be read is none.
    pub fn legal_basis(&self) -> LegalBasis {
        LegalBasis::from_code(&self.legal_basis).unwrap_or(LegalBasis::None)
    }

    /// The form of the data; one that cannot be read is the most careful.
    pub fn data_form(&self) -> DataForm {
        DataForm::from_code(&self.data_form).unwrap_or(DataForm::Confidential)
    }

    /// Where the care was given; what cannot be read is within the opt-out.
    pub fn origin(&self) -> Origin {
        Origin::from_code(&self.origin).unwrap_or(Origin::PublicCare)
    }

    /// Names and numbers leave.
    pub fn is_identifiable(&self) -> bool {
        self.data_form() == DataForm::Confidential
    }

    /// Only counts leave.
    pub fn is_counts_only(&self) -> bool {
        self.forms
            .iter()
            .all(|form| matches!(form, Form::Counts { .. }))
    }

    /// Choices are set aside, on this ground.
    pub fn exceptional_kind(&self) -> Option<ExceptionalKind> {
        ExceptionalKind::of(self.legal_basis())
    }

    /// What about it cannot be. Empty: it can be checked and decided.
    pub fn unsound(&self, today: Date) -> Vec<Unsound> {
        let mut found = Vec::new();
        let mut say = |field, why: String| found.push(Unsound { field, why });
        for (field, text, ask) in [
            ("title", &self.title, "Give the extract a title"),
            (
                "purpose_words",
                &self.purpose_words,
                "Say in plain words what it is for",
            ),
            ("project", &self.project, "Name the project"),
            ("destination", &self.destination, "Say who gets it"),
            (
                "evidence",
                &self.evidence,
                "Say which document it rests on and where that is kept",
            ),
        ] {
            if text.trim().is_empty() {
                say(field, ask.to_owned());
            }
        }
        if self.purpose().is_none() {
            say("purpose", "Choose a purpose from the list".to_owned());
        }
        if LegalBasis::from_code(&self.legal_basis).is_none() {
            say(
                "legal_basis",
                "Choose a legal basis from the list".to_owned(),
            );
        }
        if DataForm::from_code(&self.data_form).is_none() {
            say(
                "data_form",
                "Choose how far people can be told from the data".to_owned(),
            );
        }
        if self.destroy_by <= today {
            say("destroy_by", "Choose a day after today".to_owned());
        }
        if self.smallest_group < SMALLEST_GROUP {
            say(
                "smallest_group",
                format!("At least {SMALLEST_GROUP} people must be told alike"),
            );
        }
        if !self.is_identifiable() && self.dates == DateRule::Exact {
            say(
                "dates",
                "Exact dates are for identifiable extracts only; choose another rule".to_owned(),
            );
        }
        if !self.is_identifiable() && self.words {
            say(
                "words",
                "Written words are for identifiable extracts only; leave them out".to_owned(),
            );
        }
        if matches!(self.data_form(), DataForm::Aggregate) && !self.is_counts_only() {
            say(
                "forms",
                "Suppressed counts cannot hold rows about people; ask for counts only".to_owned(),
            );
        }
        if self.forms.is_empty() {
            say("forms", "Choose at least one form of the result".to_owned());
        }
        if self.categories.is_empty()
            || self
                .categories
                .iter()
                .any(|code| Category::from_code(code).is_none_or(|it| it == Category::AccessLog))
        {
            say(
                "categories",
                "Choose at least one kind of information from the list".to_owned(),
            );
        }
        if self
            .cohort
            .youngest
            .zip(self.cohort.oldest)
            .is_some_and(|(first, last)| first > last)
        {
            say(
                "oldest",
                "The greatest age must not be below the least".to_owned(),
            );
        }
        if self
            .cohort
            .from
            .zip(self.cohort.to)
            .is_some_and(|(first, last)| first > last)
        {
            say("to", "The last day must not be before the first".to_owned());
        }
        if let Some(kind) = self.exceptional_kind() {
            for question in unanswered(kind, &self.exceptional.answers) {
                say(
                    "exceptional",
                    format!("Answer in at least three words: {}", question.words),
                );
            }
        }
        let mut names = Vec::new();
        for form in &self.forms {
            let name = match form {
                Form::Ndjson => continue,
                Form::Table(table) => &table.name,
                Form::Counts { name, .. } => name,
            };
            let fits = (1..=40).contains(&name.len())
                && name
                    .bytes()
                    .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_');
            if !fits || names.contains(&name) || RESERVED.contains(&name.as_str()) {
                say(
                    "forms",
                    "Give each table its own name of small letters, digits and underscores"
                        .to_owned(),
                );
            }
            names.push(name);
        }
        found
    }

    /// The resource types that may leave and are of use to the forms.
    pub fn resource_types(&self) -> Vec<&'static str> {
        may_leave()
    }
}

const RESERVED: [&str; 3] = ["people", "certificate", "left_out"];
