//! The request as a form: what it shows, and how its fields become a specification.

use care_core::release::{
    Cohort, Counted, DateRule, Exceptional, ExceptionalKind, Form, Specification, TableWanted,
    conditions, may_leave, questions,
};
use care_core::secondary_use::{DataForm, LegalBasis, Origin, Purpose};
use care_core::vocabulary::Category;
use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::Serialize;

/// Tables that are ready to be chosen: name, title, definition, declared columns.
const TABLES: &[(&str, &str, &str, &[&str])] = &[
    (
        "patients",
        "People: gender, age band, area",
        include_str!("views/patients.json"),
        &["gender", "age_band", "area"],
    ),
    (
        "conditions",
        "Problems and diagnoses",
        include_str!("views/conditions.json"),
        &["code"],
    ),
    (
        "results",
        "Results",
        include_str!("views/results.json"),
        &["code"],
    ),
    (
        "medicines",
        "Medicines",
        include_str!("views/medicines.json"),
        &["code"],
    ),
    (
        "encounters",
        "Use of services",
        include_str!("views/encounters.json"),
        &["class"],
    ),
];

/// Tables of counts that are ready to be chosen: name, title, dimensions.
const COUNTS: &[(&str, &str, &[Counted])] = &[
    ("by_area", "People by area", &[Counted::Area]),
    ("by_age", "People by age", &[Counted::AgeBand]),
    ("by_condition", "People by condition", &[Counted::Condition]),
    (
        "by_service",
        "People by use of services",
        &[Counted::Service],
    ),
    ("by_practice", "People by practice", &[Counted::Practice]),
    (
        "by_condition_and_age",
        "People by condition and age",
        &[Counted::Condition, Counted::AgeBand],
    ),
    (
        "by_age_and_gender",
        "People by age and gender",
        &[Counted::AgeBand, Counted::Gender],
    ),
];

/// The title of a table of counts; its name where it is none of ours.
pub fn counts_title(name: &str) -> String {
    COUNTS.iter().find(|(held, ..)| *held == name).map_or_else(
        || name.replace('_', " "),
        |(_, title, _)| (*title).to_owned(),
    )
}

/// The counts that the planning pages show.
pub fn planning_counts() -> Vec<Form> {
    COUNTS
        .iter()
        .map(|(name, _, by)| Form::Counts {
            name: (*name).to_owned(),
            by: by.to_vec(),
        })
        .collect()
}

/// Fields as sent: several of one name where boxes were ticked.
pub type Fields = Vec<(String, String)>;

fn one<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields
        .iter()
        .find(|(held, _)| held == name)
        .map(|(_, value)| value.trim())
        .unwrap_or_default()
}

fn all<'a>(fields: &'a Fields, name: &'a str) -> impl Iterator<Item = &'a str> {
    fields
        .iter()
        .filter(move |(held, _)| held == name)
        .map(|(_, value)| value.as_str())
}

fn ticked(fields: &Fields, name: &str) -> bool {
    one(fields, name) == "yes"
}

/// A day as people type it: `03-Nov-2027`, `3/11/2027`, `2027-11-03`.
fn day(typed: &str) -> Option<Date> {
    ["%d-%b-%Y", "%d/%m/%Y", "%Y-%m-%d", "%d %b %Y", "%d %B %Y"]
        .iter()
        .find_map(|form| Date::strptime(form, typed).ok())
}

/// What is wrong with a field.
#[derive(Debug, Clone, Serialize)]
pub struct FieldError {
    /// The field.
    pub field: String,
    /// What to do.
    pub words: String,
}

impl FieldError {
    /// An error at a field.
    pub fn new(field: &str, words: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            words: words.into(),
        }
    }
}

/// The specification that the fields say, and what could not be read. What is left empty and must not
/// be is found by the specification's own check.
pub fn read(fields: &Fields, today: Date) -> (Specification, Vec<FieldError>) {
    let mut errors = Vec::new();
    let mut age = |name: &str| -> Option<u32> {
        let typed = one(fields, name);
        let read = typed.parse().ok().filter(|age| *age < 130);
        if read.is_none() && !typed.is_empty() {
            errors.push(FieldError::new(
                name,
                "Enter an age in whole years, or leave it empty",
            ));
        }
        read
    };
    let (youngest, oldest) = (age("youngest"), age("oldest"));
    let mut date = |name: &str, otherwise: Option<Date>| -> Option<Date> {
        let typed = one(fields, name);
        let read = if typed.is_empty() {
            otherwise
        } else {
            day(typed)
        };
        if read.is_none() && !typed.is_empty() {
            errors.push(FieldError::new(name, "Enter a day, like 03-Nov-2027"));
        }
        read
    };
    let (from, to) = (date("from", None), date("to", None));
    let destroy_by = date("destroy_by", None);
    if destroy_by.is_none() && one(fields, "destroy_by").is_empty() {
        errors.push(FieldError::new(
            "destroy_by",
            "Enter the day by which it is destroyed",
        ));
    }
    let smallest = one(fields, "smallest_group").parse().unwrap_or(0);
    let answers = ExceptionalKind::ALL
        .iter()
        .flat_map(|kind| questions(*kind).iter().map(move |it| (kind, it)));
    let answers = answers.filter_map(|(kind, question)| {
        let text = one(fields, &answer_field(*kind, question.name));
        (!text.is_empty()).then(|| (*kind, question.name.to_owned(), text.to_owned()))
    });
    let basis = LegalBasis::from_code(one(fields, "legal_basis")).unwrap_or(LegalBasis::None);
    let wanted = ExceptionalKind::of(basis);
    let answers = answers
        .filter(|(kind, ..)| Some(*kind) == wanted)
        .map(|(_, name, text)| (name, text))
        .collect();
    let specification = Specification {
        title: one(fields, "title").to_owned(),
        purpose_words: one(fields, "purpose_words").to_owned(),
        purpose: one(fields, "purpose").to_owned(),
        legal_basis: one(fields, "legal_basis").to_owned(),
        data_form: one(fields, "data_form").to_owned(),
        origin: one(fields, "origin").to_owned(),
        evidence: one(fields, "evidence").to_owned(),
        evidence_held: ticked(fields, "evidence_held"),
        exemption_claimed: ticked(fields, "exemption_claimed"),
        project: one(fields, "project").to_owned(),
        destination: one(fields, "destination").to_owned(),
        destroy_by: destroy_by.unwrap_or(today),
        cohort: Cohort {
            organisations: all(fields, "organisations").map(str::to_owned).collect(),
            youngest,
            oldest,
            gender: Some(one(fields, "gender").to_owned())
                .filter(|code| matches!(code.as_str(), "female" | "male")),
            codes: all(fields, "codes").map(str::to_owned).collect(),
            from,
            to,
            named: Vec::new(),
        },
        categories: all(fields, "categories").map(str::to_owned).collect(),
        forms: forms(fields),
        dates: DateRule::from_code(one(fields, "dates")).unwrap_or(DateRule::Shifted),
        smallest_group: smallest,
        words: ticked(fields, "words"),
        exceptional: Exceptional { answers },
        for_planning: ticked(fields, "for_planning"),
    };
    (specification, errors)
}

fn answer_field(kind: ExceptionalKind, question: &str) -> String {
    format!("{}-{question}", kind.code())
}

fn forms(fields: &Fields) -> Vec<Form> {
    let mut forms = Vec::new();
    if ticked(fields, "ndjson") {
        forms.push(Form::Ndjson);
    }
    let chosen: Vec<&str> = all(fields, "tables").collect();
    for (name, _, view, declared) in TABLES {
        if chosen.contains(name) {
            forms.push(Form::Table(TableWanted {
                name: (*name).to_owned(),
                view: (*view).to_owned(),
                declared: declared.iter().map(|it| (*it).to_owned()).collect(),
                parquet: true,
                csv: true,
            }));
        }
    }
    let view = one(fields, "own_view");
    if !view.is_empty() {
        let declared = one(fields, "own_declared")
            .split([',', ' '])
            .filter(|it| !it.is_empty());
        forms.push(Form::Table(TableWanted {
            name: one(fields, "own_name").to_owned(),
            view: view.to_owned(),
            declared: declared.map(str::to_owned).collect(),
            parquet: true,
            csv: true,
        }));
    }
    let chosen: Vec<&str> = all(fields, "counts").collect();
    for (name, _, by) in COUNTS {
        if chosen.contains(name) {
            forms.push(Form::Counts {
                name: (*name).to_owned(),
                by: by.to_vec(),
            });
        }
    }
    forms
}

/// The fields of a specification, to be changed.
pub fn fields_of(specification: &Specification) -> Fields {
    let mut fields: Fields = Vec::new();
    let mut put = |name: &str, value: &str| fields.push((name.to_owned(), value.to_owned()));
    let yes = |it: bool| if it { "yes" } else { "" };
    let it = specification;
    for (name, value) in [
        ("title", &it.title),
        ("purpose_words", &it.purpose_words),
        ("purpose", &it.purpose),
        ("legal_basis", &it.legal_basis),
        ("data_form", &it.data_form),
        ("origin", &it.origin),
        ("evidence", &it.evidence),
        ("project", &it.project),
        ("destination", &it.destination),
    ] {
        put(name, value);
    }
    put("evidence_held", yes(it.evidence_held));
    put("exemption_claimed", yes(it.exemption_claimed));
    put("words", yes(it.words));
    put("for_planning", yes(it.for_planning));
    let written = |day: Option<Date>| {
        day.map(|day| day.strftime("%d-%b-%Y").to_string())
            .unwrap_or_default()
    };
    put("destroy_by", &written(Some(it.destroy_by)));
    put("from", &written(it.cohort.from));
    put("to", &written(it.cohort.to));
    let number = |age: Option<u32>| age.map(|age| age.to_string()).unwrap_or_default();
    put("youngest", &number(it.cohort.youngest));
    put("oldest", &number(it.cohort.oldest));
    put("gender", it.cohort.gender.as_deref().unwrap_or_default());
    put("dates", it.dates.code());
    put("smallest_group", &it.smallest_group.to_string());
    for (name, values) in [
        ("organisations", &it.cohort.organisations),
        ("codes", &it.cohort.codes),
        ("categories", &it.categories),
    ] {
        for value in values {
            put(name, value);
        }
    }
    for form in &it.forms {
        match form {
            Form::Ndjson => put("ndjson", "yes"),
            Form::Table(table)
                if TABLES
                    .iter()
                    .any(|(name, _, view, _)| *name == table.name && *view == table.view) =>
            {
                put("tables", &table.name)
            }
            Form::Table(table) => {
                put("own_name", &table.name);
                put("own_view", &table.view);
                put("own_declared", &table.declared.join(", "));
            }
            Form::Counts { name, .. } => put("counts", name),
        }
    }
    if let Some(kind) = it.exceptional_kind() {
        for (name, text) in &it.exceptional.answers {
            put(&answer_field(kind, name), text);
        }
    }
    fields
}

/// An empty form: planning with pseudonyms, a year to keep it.
pub fn empty(today: Date) -> Fields {
    let next = today.checked_add(1.year()).unwrap_or(today);
    [
        ("data_form", "pseudonymised_reidentifiable"),
        ("origin", "england_publicly_funded_care"),
        ("dates", "shifted"),
        ("smallest_group", "5"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into_iter()
    .chain([(
        "destroy_by".to_owned(),
        next.strftime("%d-%b-%Y").to_string(),
    )])
    .collect()
}

/// One thing to choose.
#[derive(Serialize)]
pub struct Choice {
    code: String,
    title: String,
    chosen: bool,
}

/// A question of an exceptional circumstance.
#[derive(Serialize)]
struct Asked {
    field: String,
    words: &'static str,
    value: String,
}

/// Everything the form shows.
#[derive(Serialize)]
pub struct Shown {
    value: std::collections::BTreeMap<String, String>,
    purposes: Vec<Choice>,
    bases: Vec<Choice>,
    data_forms: Vec<Choice>,
    origins: Vec<Choice>,
    dates: Vec<Choice>,
    genders: Vec<Choice>,
    organisations: Vec<Choice>,
    conditions: Vec<Choice>,
    categories: Vec<Choice>,
    tables: Vec<Choice>,
    counts: Vec<Choice>,
    exceptional: Vec<(String, Vec<Asked>)>,
    types: String,
}

/// The fields that hold one text or one tick.
const SINGLE: &[&str] = &[
    "title",
    "purpose_words",
    "destination",
    "project",
    "destroy_by",
    "evidence",
    "evidence_held",
    "exemption_claimed",
    "youngest",
    "oldest",
    "from",
    "to",
    "smallest_group",
    "words",
    "ndjson",
    "for_planning",
    "own_name",
    "own_view",
    "own_declared",
];

/// Each of them, empty where it was not sent.
fn values(fields: &Fields) -> std::collections::BTreeMap<String, String> {
    let value = |name: &&str| ((*name).to_owned(), one(fields, name).to_owned());
    SINGLE.iter().map(value).collect()
}

/// The form with these fields.
pub fn shown(fields: &Fields, organisations: &[(String, String)]) -> Shown {
    let many = |name: &'static str, list: Vec<(String, String)>| -> Vec<Choice> {
        let chosen: Vec<&str> = all(fields, name).collect();
        list.into_iter()
            .map(|(code, title)| Choice {
                chosen: chosen.contains(&code.as_str()),
                code,
                title,
            })
            .collect()
    };
    let texts = |list: &[(&str, &str)]| {
        list.iter()
            .map(|(code, title)| ((*code).to_owned(), (*title).to_owned()))
            .collect::<Vec<_>>()
    };
    let exceptional = ExceptionalKind::ALL.iter().map(|kind| {
        let asked = questions(*kind).iter().map(|it| {
            let field = answer_field(*kind, it.name);
            Asked {
                value: one(fields, &field).to_owned(),
                words: it.words,
                field,
            }
        });
        (kind.title().to_owned(), asked.collect())
    });
    Shown {
        value: values(fields),
        purposes: many(
            "purpose",
            PURPOSES
                .iter()
                .map(|it| (it.code().to_owned(), purpose_title(*it).to_owned()))
                .collect(),
        ),
        bases: many(
            "legal_basis",
            LegalBasis::ALL
                .iter()
                .filter(|it| {
                    !matches!(
                        it,
                        LegalBasis::None | LegalBasis::ImpliedConsent | LegalBasis::ExplicitConsent
                    )
                })
                .map(|it| (it.code().to_owned(), basis_title(*it).to_owned()))
                .collect(),
        ),
        data_forms: many(
            "data_form",
            DataForm::ALL
                .iter()
                .rev()
                .map(|it| (it.code().to_owned(), form_title(*it).to_owned()))
                .collect(),
        ),
        origins: many(
            "origin",
            Origin::ALL
                .iter()
                .map(|it| (it.code().to_owned(), origin_title(*it).to_owned()))
                .collect(),
        ),
        dates: many(
            "dates",
            DateRule::ALL
                .iter()
                .map(|it| (it.code().to_owned(), it.title().to_owned()))
                .collect(),
        ),
        genders: many(
            "gender",
            texts(&[("", "Everybody"), ("female", "Female"), ("male", "Male")]),
        ),
        organisations: many("organisations", organisations.to_vec()),
        conditions: many(
            "codes",
            conditions()
                .map(|(code, name)| (format!("http://snomed.info/sct|{code}"), name.to_owned()))
                .collect(),
        ),
        categories: many(
            "categories",
            Category::ALL
                .iter()
                .filter(|it| **it != Category::AccessLog)
                .map(|it| (it.code().to_owned(), category_title(*it)))
                .collect(),
        ),
        tables: many(
            "tables",
            TABLES
                .iter()
                .map(|(name, title, ..)| ((*name).to_owned(), (*title).to_owned()))
                .collect(),
        ),
        counts: many(
            "counts",
            COUNTS
                .iter()
                .map(|(name, title, _)| ((*name).to_owned(), (*title).to_owned()))
                .collect(),
        ),
        exceptional: exceptional.collect(),
        types: may_leave().join(", "),
    }
}

/// The purposes of extracts; the others are not asked for in this way.
const PURPOSES: &[Purpose] = &[
    Purpose::Planning,
    Purpose::Research,
    Purpose::NationalClinicalAudit,
    Purpose::PublicHealth,
    Purpose::NationalCollection,
    Purpose::Regulation,
    Purpose::FraudInvestigation,
    Purpose::Inquest,
    Purpose::Litigation,
    Purpose::PublicInterest,
];

/// A purpose in words.
pub fn purpose_title(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Research => "Research",
        Purpose::Planning => "Planning of services",
        Purpose::NationalClinicalAudit => "National clinical audit",
        Purpose::PublicHealth => "Public health",
        Purpose::IndividualCare => "Individual care",
        Purpose::InvoiceValidation => "Validation of invoices",
        Purpose::PrescriptionCharges => "Prescription charges",
        Purpose::FraudInvestigation => "Fraud investigation",
        Purpose::Regulation => "Regulation",
        Purpose::Inquest => "Inquest",
        Purpose::Litigation => "Litigation",
        Purpose::NationalCollection => "National collection",
        Purpose::PublicInterest => "Overriding public interest, for example an epidemic",
        Purpose::Marketing => "Marketing",
        Purpose::DisplayOptOutStatus | Purpose::ShareOptOutStatus => "The opt-out itself",
    }
}

/// A legal basis in words.
pub fn basis_title(basis: LegalBasis) -> &'static str {
    match basis {
        LegalBasis::Section251Regulation2 => "Section 251 support, regulation 2",
        LegalBasis::Section251Regulation5 => "Section 251 support, regulation 5",
        LegalBasis::Regulation3 => {
            "Regulation 3: communicable disease and other risks to public health"
        }
        LegalBasis::ExplicitConsent => "Explicit consent",
        LegalBasis::ImpliedConsent => "Implied consent",
        LegalBasis::RequiredByLaw => "A law requires it",
        LegalBasis::CourtOrder => "A court orders it",
        LegalBasis::OverridingPublicInterest => "The public interest overrides",
        LegalBasis::None => "None",
    }
}

/// A form of the data in words.
pub fn form_title(form: DataForm) -> &'static str {
    match form {
        DataForm::Confidential => "Identifiable: with name, birth date and NHS number",
        DataForm::Pseudonymised => {
            "Pseudonyms: one person can be followed within the project, and not named"
        }
        DataForm::Anonymised => "Anonymous rows: pseudonyms of this extract alone",
        DataForm::Aggregate => "Counts only, small numbers suppressed",
    }
}

fn origin_title(origin: Origin) -> &'static str {
    match origin {
        Origin::PublicCare => "Publicly funded care in England",
        Origin::AdultSocialCare => "Adult social care in England",
        Origin::PrivateInNhs => "Private care in an NHS setting",
        Origin::PrivateIndependent => "Private care in an independent setting",
        Origin::Wales => "Care in Wales",
    }
}

/// A kind of information in words.
pub fn category_title(category: Category) -> String {
    let plain = category.code().replace('_', " ");
    let mut letters = plain.chars();
    match letters.next() {
        Some('g') if plain.starts_with("gp ") => format!("GP{}", &plain[2..]),
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> Date {
        "2026-11-23".parse().expect("a day")
    }

    #[test]
    fn what_a_form_says_reads_back_into_the_same_form() {
        let mut fields = empty(today());
        for (name, value) in [
            ("title", "Frailty"),
            ("purpose", "planning"),
            ("legal_basis", "s251_reg5"),
            ("evidence", "letter"),
            ("evidence_held", "yes"),
            ("project", "frailty"),
            ("destination", "ICB"),
            ("purpose_words", "To plan"),
            ("categories", "problems"),
            ("categories", "results"),
            ("tables", "conditions"),
            ("counts", "by_age"),
            ("ndjson", "yes"),
            ("youngest", "65"),
            ("from", "01-Jan-2026"),
        ] {
            fields.push((name.to_owned(), value.to_owned()));
        }
        let (specification, errors) = read(&fields, today());
        assert!(errors.is_empty(), "{errors:?}");
        assert!(
            specification.unsound(today()).is_empty(),
            "{:?}",
            specification.unsound(today())
        );
        let (again, errors) = read(&fields_of(&specification), today());
        assert!(errors.is_empty());
        assert_eq!(again, specification);
    }

    #[test]
    fn every_ready_table_can_be_read_and_declares_columns_it_has() {
        for (name, _, view, declared) in TABLES {
            let json =
                care_core::fhir::Json::parse(view.as_bytes(), care_core::fhir::Limits::default())
                    .expect("JSON");
            let view = care_core::fhir::views::View::read(&json)
                .unwrap_or_else(|error| panic!("{name}: {error:?}"));
            for column in *declared {
                assert!(
                    view.columns().iter().any(|it| it.name == **column),
                    "{name}.{column}"
                );
            }
        }
    }

    #[test]
    fn ages_and_days_that_mean_nothing_are_said_at_their_field() {
        let fields = vec![
            ("youngest".to_owned(), "old".to_owned()),
            ("from".to_owned(), "31-Feb-2026".to_owned()),
        ];
        let (_, errors) = read(&fields, today());
        let found: Vec<&str> = errors.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(found, ["youngest", "from", "destroy_by"]);
    }
}
