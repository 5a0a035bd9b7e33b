//! A call or a paper form, from its arrival to its end: who it is about, who asks, what they showed, what
//! was chosen. Whether it can be done is for the rules alone (`secondary_use`).

use care_core::secondary_use::{Channel, ChoiceReason, ChoiceRequest, Setter, accept_choice};
use serde::{Deserialize, Serialize};

use super::people::FieldError;

/// A call or a form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Whom it is about: ten digits.
    pub nhs_number: String,
    /// `telephone` or `paper`.
    pub channel: String,
    /// The operator who took it.
    pub taken_by: String,
    /// The operator who checked it as a second person.
    #[serde(default)]
    pub checked_by: String,
    /// What was filled in.
    #[serde(default)]
    pub form: CaseForm,
    /// The reference of the choice, or why there is none.
    #[serde(default)]
    pub outcome: String,
}

/// What an operator fills in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseForm {
    #[serde(default)]
    pub csrf: String,
    #[serde(default)]
    pub version: i64,
    #[serde(default)]
    pub act: String,
    #[serde(default, rename = "fact-name")]
    pub fact_name: Option<String>,
    #[serde(default, rename = "fact-birth")]
    pub fact_birth: Option<String>,
    #[serde(default, rename = "fact-address")]
    pub fact_address: Option<String>,
    #[serde(default)]
    pub received: String,
    #[serde(default)]
    pub setter: String,
    #[serde(default, rename = "setter-name")]
    pub setter_name: String,
    #[serde(default)]
    pub evidence: String,
    #[serde(default)]
    pub capacity: Option<String>,
    #[serde(default)]
    pub secure: Option<String>,
    #[serde(default)]
    pub choice: String,
    #[serde(default)]
    pub explained: Option<String>,
    #[serde(default, rename = "large-print")]
    pub large_print: Option<String>,
}

/// Who may ask, as the page offers it.
pub const SETTERS: [(&str, &str); 6] = [
    ("self", "The person"),
    (
        "parental_responsibility",
        "Somebody with parental responsibility",
    ),
    ("lpa_health_welfare", "An attorney for health and welfare"),
    (
        "lpa_property_finance",
        "An attorney for property and finance",
    ),
    ("court_deputy", "A deputy appointed by the court"),
    (
        "informal_carer",
        "A carer or relative without formal authority",
    ),
];

impl Case {
    /// What keeps the form from being decided.
    pub fn errors(&self) -> Vec<FieldError> {
        let form = &self.form;
        let mut errors = Vec::new();
        let mut need = |holds: bool, field, words| {
            if !holds {
                errors.push(FieldError { field, words });
            }
        };
        let facts = [&form.fact_name, &form.fact_birth, &form.fact_address];
        need(
            facts.iter().all(|fact| fact.is_some()),
            "fact-name",
            "Tick all three facts once each matched; if one does not, choose “Could not identify”",
        );
        if self.channel == "paper" {
            let date = form.received.parse::<jiff::civil::Date>();
            need(
                date.is_ok(),
                "received",
                "Enter the date the form arrived, such as 2026-11-03",
            );
        }
        let known = SETTERS.iter().any(|(code, _)| *code == form.setter);
        need(known, "setter-self", "Say who is asking");
        if known && form.setter != "self" {
            need(
                !form.setter_name.trim().is_empty(),
                "setter-name",
                "Enter the name of the person who is asking",
            );
            let formal = form.setter != "informal_carer";
            need(
                !formal || !form.evidence.trim().is_empty(),
                "evidence",
                "Say which document you saw, and its date",
            );
        }
        let chosen = matches!(form.choice.as_str(), "out" | "in");
        need(chosen, "choice-out", "Say what was chosen");
        need(
            form.explained.is_some(),
            "explained",
            "Tick once you have explained what the choice does",
        );
        errors
    }

    /// The rules' answer.
    pub fn answer(&self, age_years: u32) -> ChoiceReason {
        accept_choice(&ChoiceRequest {
            setter: Setter::from_code(&self.form.setter),
            age_years: Some(age_years),
            has_nhs_number: true,
            lacks_capacity: self.form.capacity.is_some(),
            in_secure_setting: self.form.secure.is_some(),
            channel: Channel::from_code(&self.channel),
        })
        .reason
    }

    /// Somebody else must check it before it holds.
    pub fn needs_second_person(&self) -> bool {
        self.form.setter != "self"
    }

    /// What was chosen.
    pub fn opted_out(&self) -> bool {
        self.form.choice == "out"
    }
}

/// Why a choice cannot be set, in words for the person.
pub fn why_not(reason: ChoiceReason) -> &'static str {
    match reason {
        ChoiceReason::Ok => "",
        ChoiceReason::Under13NeedsProxy => {
            "For a child under 13, somebody with parental responsibility sets the choice."
        }
        ChoiceReason::PersonSetsOwnChoice => {
            "From the age of 13 everybody who can decide for themselves sets their own choice."
        }
        ChoiceReason::NoFormalAuthority => {
            "Only somebody with formal authority can set the choice for another person: parental responsibility for a child, an attorney, or a deputy appointed by the court."
        }
        ChoiceReason::NoNhsNumber => "The choice is kept against an NHS number, and there is none.",
        ChoiceReason::NotAChannel => {
            "The choice cannot be set in this way. In a secure setting the paper form is used."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(setter: &str, channel: &str) -> Case {
        let said = |text: &str| Some(text.to_owned());
        Case {
            channel: channel.to_owned(),
            form: CaseForm {
                fact_name: said("yes"),
                fact_birth: said("yes"),
                fact_address: said("yes"),
                received: "2026-11-03".to_owned(),
                setter: setter.to_owned(),
                setter_name: "Kim Example".to_owned(),
                evidence: "Lasting power of attorney, 2 May 2024".to_owned(),
                choice: "out".to_owned(),
                explained: said("yes"),
                ..CaseForm::default()
            },
            ..Case::default()
        }
    }

    /// Who asks, how, about whom of which age, without capacity: the answer.
    #[test]
    fn who_may_set_it_is_what_the_rules_say() {
        use ChoiceReason as R;
        for (setter, channel, age, lacks, expected) in [
            ("self", "telephone", 40, false, R::Ok),
            ("self", "paper", 13, false, R::Ok),
            ("self", "telephone", 12, false, R::Under13NeedsProxy),
            ("parental_responsibility", "telephone", 9, false, R::Ok),
            (
                "parental_responsibility",
                "paper",
                15,
                false,
                R::PersonSetsOwnChoice,
            ),
            ("lpa_health_welfare", "paper", 82, true, R::Ok),
            ("lpa_property_finance", "telephone", 82, true, R::Ok),
            ("court_deputy", "paper", 30, true, R::Ok),
            ("court_deputy", "paper", 30, false, R::PersonSetsOwnChoice),
            ("informal_carer", "paper", 82, true, R::NoFormalAuthority),
        ] {
            let mut case = case(setter, channel);
            case.form.capacity = lacks.then(|| "lacks".to_owned());
            assert!(case.errors().is_empty(), "{setter}");
            assert_eq!(case.answer(age), expected, "{setter} {channel} {age}");
            assert_eq!(case.needs_second_person(), setter != "self");
        }
        let mut secure = case("self", "telephone");
        secure.form.secure = Some("yes".to_owned());
        assert_eq!(secure.answer(40), R::NotAChannel);
    }

    #[test]
    fn a_form_that_is_not_complete_says_what_is_missing() {
        let empty = Case {
            channel: "paper".into(),
            ..Case::default()
        };
        let fields: Vec<&str> = empty.errors().iter().map(|error| error.field).collect();
        assert_eq!(
            fields,
            [
                "fact-name",
                "received",
                "setter-self",
                "choice-out",
                "explained"
            ]
        );
        let mut proxy = case("court_deputy", "paper");
        proxy.form.evidence.clear();
        assert_eq!(proxy.errors()[0].field, "evidence");
    }
}
