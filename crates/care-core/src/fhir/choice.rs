//! What a person decided about Connect Care itself, said as a FHIR Consent.
//!
//! The shape is ours and documented in docs/choice-consent.md: scope `patient-privacy`, category
//! `connect-care-choice`, and `provision.type`; "except in an emergency" is a nested permit for the
//! purpose of emergency treatment.

use super::{FhirTime, Json};

/// The code system of our own Consent categories.
pub const CONSENT_SYSTEM: &str = "https://connect-care.example/CodeSystem/consent";
/// The category of a choice about Connect Care.
pub const CHOICE_CODE: &str = "connect-care-choice";
const SCOPE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
const PURPOSE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const POLICY_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const EMERGENCY: &str = "ETREAT";

/// A person's choice about sharing through Connect Care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoiceStatement {
    /// Whether they object.
    pub objected: bool,
    /// Whether they object except in an emergency; only with `objected`.
    pub except_emergency: bool,
    /// Since when, where said.
    pub date_time: Option<FhirTime>,
    /// Whether the statement holds: `active`. A draft or proposed one is pending; an inactive,
    /// rejected or mistaken one counts for nothing.
    pub status: ChoiceStatus,
}

/// How far a choice has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChoiceStatus {
    /// It holds.
    Decided,
    /// It was made and is being looked at.
    Pending,
    /// It no longer holds, or never did.
    Void,
}

/// Reads a Consent that is a choice about Connect Care; `None` where the resource is another thing.
///
/// In doubt an objection: a choice whose provision has no type is read as one.
pub fn choice_consent(consent: &Json) -> Option<ChoiceStatement> {
    if consent.text_at(&["resourceType"]) != Some("Consent") || !is_choice(consent) {
        return None;
    }
    let provision = consent.get("provision");
    let objected = provision.and_then(|p| p.text_at(&["type"])) != Some("permit");
    let except_emergency = objected
        && provision
            .map_or(&[][..], |provision| provision.elements("provision"))
            .iter()
            .any(is_emergency_permit);
    Some(ChoiceStatement {
        objected,
        except_emergency,
        date_time: consent.text_at(&["dateTime"]).and_then(FhirTime::parse),
        status: match consent.text_at(&["status"]) {
            Some("active") => ChoiceStatus::Decided,
            Some("draft" | "proposed") => ChoiceStatus::Pending,
            _ => ChoiceStatus::Void,
        },
    })
}

/// The Consent that says a choice of a person, in the shape [`choice_consent`] reads.
pub fn choice_consent_json(choice: &ChoiceStatement, patient_reference: &str) -> Json {
    let coding = |system: &str, code: &str| {
        Json::object([("system", Json::from(system)), ("code", Json::from(code))])
    };
    let concept = |system, code| Json::object([("coding", Json::list(vec![coding(system, code)]))]);
    let emergency = choice.except_emergency.then(|| {
        Json::list(vec![Json::object([
            ("type", Json::from("permit")),
            (
                "purpose",
                Json::list(vec![coding(PURPOSE_SYSTEM, EMERGENCY)]),
            ),
        ])])
    });
    let (kind, policy) = if choice.objected {
        ("deny", "OPTOUT")
    } else {
        ("permit", "OPTIN")
    };
    let status = match choice.status {
        ChoiceStatus::Decided => "active",
        ChoiceStatus::Pending => "proposed",
        ChoiceStatus::Void => "inactive",
    };
    Json::object([
        ("resourceType", Json::from("Consent")),
        ("status", Json::from(status)),
        ("scope", concept(SCOPE_SYSTEM, "patient-privacy")),
        (
            "category",
            Json::list(vec![concept(CONSENT_SYSTEM, CHOICE_CODE)]),
        ),
        (
            "patient",
            Json::object([("reference", Json::from(patient_reference))]),
        ),
        (
            "dateTime",
            Json::from(choice.date_time.as_ref().map(FhirTime::as_str)),
        ),
        ("policyRule", concept(POLICY_SYSTEM, policy)),
        (
            "provision",
            Json::object([
                ("type", Json::from(kind)),
                ("provision", emergency.unwrap_or_default()),
            ]),
        ),
    ])
}

fn is_choice(consent: &Json) -> bool {
    consent
        .elements("category")
        .iter()
        .flat_map(|concept| concept.elements("coding"))
        .any(|coding| {
            coding.text_at(&["system"]) == Some(CONSENT_SYSTEM)
                && coding.text_at(&["code"]) == Some(CHOICE_CODE)
        })
}

fn is_emergency_permit(provision: &Json) -> bool {
    provision.text_at(&["type"]) == Some("permit")
        && provision.elements("purpose").iter().any(|purpose| {
            purpose.text_at(&["system"]) == Some(PURPOSE_SYSTEM)
                && purpose.text_at(&["code"]) == Some(EMERGENCY)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::validate_structure;

    #[test]
    fn a_choice_reads_back_as_it_was_written_and_is_valid_r4() {
        for (objected, except_emergency) in [(false, false), (true, false), (true, true)] {
            for status in [
                ChoiceStatus::Decided,
                ChoiceStatus::Pending,
                ChoiceStatus::Void,
            ] {
                let choice = ChoiceStatement {
                    objected,
                    except_emergency,
                    date_time: FhirTime::parse("2026-11-23T10:00:00Z"),
                    status,
                };
                let json = choice_consent_json(&choice, "Patient/p");
                assert_eq!(choice_consent(&json), Some(choice));
                assert_eq!(validate_structure(&json), []);
            }
        }
    }

    #[test]
    fn another_consent_is_no_choice_and_a_silent_one_objects() {
        let other = Json::object([
            ("resourceType", Json::from("Consent")),
            ("status", Json::from("active")),
        ]);
        assert_eq!(choice_consent(&other), None);
        let choice = ChoiceStatement {
            objected: false,
            except_emergency: false,
            date_time: None,
            status: ChoiceStatus::Decided,
        };
        let mut silent = choice_consent_json(&choice, "Patient/p");
        silent.set("provision", Json::Null);
        assert!(choice_consent(&silent).expect("a choice").objected);
    }
}
