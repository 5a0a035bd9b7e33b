//! Facts and answers of `secondary-use evaluate` as JSON. Source: the access model, 8.9.
//!
//! What is left out is read with caution: no basis, no evidence, no consent, no check, data that
//! tells people apart and that the opt-out reaches.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::reading::{Node, answer_each};
use crate::vocabulary::NhsNumber;

use super::choice::{Channel, ChoiceObligation, ChoiceRequest, Setter, accept_choice};
use super::decision::{Decision, Obligation, Reason};
use super::facts::{
    CheckStatus, DataForm, Disclosure, LegalBasis, OptOutCheck, Origin, Person, PersonNumber,
    Purpose, Settings,
};
use super::rules::decide;

pub use crate::reading::EvaluateError;

/// Answers the facts in a text: one object, or a list of them.
///
/// Errors: the text is not JSON, a value has the wrong type, or `kind` is missing or unknown; the
/// error names the place, never the value.
pub fn evaluate(text: &str) -> Result<String, EvaluateError> {
    answer_each(text, |node| {
        let kind = node.member("kind")?;
        match kind.text()? {
            Some("disclosure") => Ok(Answer::Disclosure(disclose(node, false)?)),
            Some("status_use") => Ok(Answer::Disclosure(disclose(node, true)?)),
            Some("set_choice") => Ok(Answer::Choice(set_choice(node)?)),
            _ => Err(kind.refused("write disclosure, status_use or set_choice")),
        }
    })
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Disclosure(DisclosureAnswer),
    Choice(ChoiceAnswer),
}

#[derive(Serialize)]
struct DisclosureAnswer {
    release: &'static str,
    opt_out_applies: bool,
    included: Vec<Option<String>>,
    excluded: Vec<Option<String>>,
    reason: &'static str,
    obligations: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gp_items_removed_for: Vec<Option<String>>,
}

#[derive(Serialize)]
struct ChoiceAnswer {
    accepted: bool,
    reason: &'static str,
    obligations: Vec<&'static str>,
}

fn disclose(node: &Node<'_>, status_use: bool) -> Result<DisclosureAnswer, EvaluateError> {
    let mut wanted = disclosure(&node.member("disclosure")?)?;
    if status_use && wanted.purpose != Some(Purpose::ShareOptOutStatus) {
        wanted.purpose = Some(Purpose::DisplayOptOutStatus);
    }
    let patients = node.member("patients")?.elements()?;
    let cohort = patients.iter().map(person).collect::<Result<Vec<_>, _>>()?;
    let check = opt_out_check(&node.member("opt_out_check")?)?;
    let decision = decide(&wanted, &cohort, check.as_ref(), Settings::default());
    let numbers = patients
        .iter()
        .map(|patient| Ok(patient.member("nhs_number")?.text()?.map(str::to_owned)))
        .collect::<Result<Vec<_>, EvaluateError>>()?;
    Ok(answer(&decision, &numbers))
}

/// People go by the number that was sent for them, right or wrong; `null` where none was.
fn answer(decision: &Decision, numbers: &[Option<String>]) -> DisclosureAnswer {
    let named = |places: &[usize]| -> Vec<Option<String>> {
        places
            .iter()
            .filter_map(|place| numbers.get(*place).cloned())
            .collect()
    };
    DisclosureAnswer {
        release: if decision.is_released() {
            "released"
        } else {
            "blocked"
        },
        opt_out_applies: decision.opt_out_applies(),
        included: named(decision.included()),
        excluded: named(decision.excluded()),
        reason: Reason::code(decision.reason()),
        obligations: decision.obligations().map(Obligation::code).collect(),
        gp_items_removed_for: named(decision.gp_items_removed_for()),
    }
}

fn disclosure(node: &Node<'_>) -> Result<Disclosure, EvaluateError> {
    let exemption = node.member("cag_standard_condition")?.truth_if_there()? == Some(false);
    let test = node.member("public_interest_test")?.text()?;
    let sources = node.member("sources")?.texts()?;
    Ok(Disclosure {
        purpose: node.member("purpose")?.code(Purpose::from_code)?,
        data_form: node
            .member("data_form")?
            .code(DataForm::from_code)?
            .unwrap_or(DataForm::Confidential),
        legal_basis: node
            .member("legal_basis")?
            .code(LegalBasis::from_code)?
            .unwrap_or(LegalBasis::None),
        exemption_claimed: exemption,
        evidence_held: node.member("evidence_held")?.truth()?,
        instrument_named: node.member("instrument")?.is_given(),
        public_interest_test_positive: test == Some("positive_recorded"),
        origin: node
            .member("origin")?
            .code(Origin::from_code)?
            .unwrap_or(Origin::PublicCare),
        holds_gp_items: sources.is_empty() || sources.into_iter().any(is_gp_source),
    })
}

/// A source that is a practice, by its code or its name.
fn is_gp_source(source: &str) -> bool {
    let source = source.to_ascii_lowercase();
    source.starts_with("gp") || source.contains("practice") || source.contains("primary")
}

fn person(node: &Node<'_>) -> Result<Person, EvaluateError> {
    let number = match node.member("nhs_number")?.text()? {
        None => PersonNumber::Missing,
        Some(text) => NhsNumber::parse(text).map_or(PersonNumber::Invalid, PersonNumber::Usable),
    };
    Ok(Person {
        number,
        national_opt_out: node.member("national_data_opt_out")?.truth_if_there()?,
        type_1_opt_out: node.member("type1_opt_out")?.truth()?,
        consented: node.member("consented")?.truth()?,
    })
}

fn opt_out_check(node: &Node<'_>) -> Result<Option<OptOutCheck>, EvaluateError> {
    if !node.is_there() {
        return Ok(None);
    }
    let (sent_count, sent) = count_or_list(&node.member("sent")?)?;
    let (returned_count, returned) = count_or_list(&node.member("returned")?)?;
    let age = node.member("result_age_days")?.whole()?;
    Ok(Some(OptOutCheck {
        status: node
            .member("status")?
            .code(CheckStatus::from_code)?
            .unwrap_or(CheckStatus::NoResponse),
        age_days: age.and_then(|days| u32::try_from(days).ok()),
        sent_count,
        returned_count,
        sent,
        returned,
    }))
}

type CountOrList = (Option<u64>, Option<BTreeSet<NhsNumber>>);

/// What was sent or came back: how many, or which. A text in the list that is no NHS number names
/// nobody.
fn count_or_list(node: &Node<'_>) -> Result<CountOrList, EvaluateError> {
    if node.is_list() {
        let numbers = node
            .texts()?
            .into_iter()
            .filter_map(|text| NhsNumber::parse(text).ok());
        return Ok((None, Some(numbers.collect())));
    }
    let count = node.whole()?.and_then(|count| u64::try_from(count).ok());
    Ok((count, None))
}

fn set_choice(node: &Node<'_>) -> Result<ChoiceAnswer, EvaluateError> {
    let patient = node.member("patient")?;
    let age = patient.member("age")?.whole()?;
    let answer = accept_choice(&ChoiceRequest {
        setter: node.member("setter")?.code(Setter::from_code)?,
        age_years: age.and_then(|years| u32::try_from(years).ok()),
        has_nhs_number: patient.member("has_nhs_number")?.truth()?,
        lacks_capacity: lacks_capacity(&patient.member("capacity")?)?,
        in_secure_setting: patient.member("in_secure_setting")?.truth()?,
        channel: node.member("channel")?.code(Channel::from_code)?,
    });
    Ok(ChoiceAnswer {
        accepted: answer.is_accepted(),
        reason: answer.reason.code(),
        obligations: answer
            .obligations
            .iter()
            .map(|it| ChoiceObligation::code(*it))
            .collect(),
    })
}

/// `has` or `lacks`, as in the facts of access; or whether there is capacity.
fn lacks_capacity(node: &Node<'_>) -> Result<bool, EvaluateError> {
    match node.is_truth() {
        true => Ok(!node.truth()?),
        false => Ok(node.text()? == Some("lacks")),
    }
}
