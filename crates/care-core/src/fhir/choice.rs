//! What a person decided about Connect Care itself, said as a FHIR Consent.
//!
//! The shape is ours and documented in docs/choice-consent.md: scope `patient-privacy`, category
//! `connect-care-choice`, and `provision.type`; "except in an emergency" is a nested permit for the
//! purpose of emergency treatment; a blocked organisation is a nested denial for a recipient, a source
//! that is held back a nested denial for a custodian. What sources themselves were told is read by
//! [`super::source_word`].

use super::{FhirTime, Json};

/// The code system of our own Consent categories.
pub const CONSENT_SYSTEM: &str = "https://connect-care.example/CodeSystem/consent";
/// The category of a choice about Connect Care.
pub const CHOICE_CODE: &str = "connect-care-choice";
/// Where the reference that a person was given stands among identifiers.
pub const CHOICE_REFERENCE: &str = "https://connect-care.example/Id/choice-reference";
/// How a choice reached us, and why an objection was not upheld: extensions of our own.
pub const CHOICE_CHANNEL: &str = "https://connect-care.example/StructureDefinition/choice-channel";
const NOT_UPHELD: &str = "https://connect-care.example/StructureDefinition/choice-not-upheld";
const SCOPE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
const PURPOSE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const POLICY_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const PART_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const EMERGENCY: &str = "ETREAT";
/// Who would receive the information: an organisation that may not look.
const RECIPIENT: &str = "IRCP";
/// Who holds it: a source whose items are not shown elsewhere.
const CUSTODIAN: &str = "CST";

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
    /// Codes of organisations that may not look.
    pub blocked: Vec<String>,
    /// Codes of sources whose items are not shown elsewhere.
    pub withheld: Vec<String>,
}

/// What stands beside a choice in its Consent, for whoever reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChoiceCircumstances {
    /// The reference the person was given.
    pub reference: Option<String>,
    /// Who decided, in words: "The person".
    pub performer: String,
    /// How it reached us, by code.
    pub channel: String,
    /// Evidence of the right to choose for another was seen.
    pub evidence_seen: bool,
    /// Who did not uphold the objection, and the reason they recorded.
    pub not_upheld: Option<(String, String)>,
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
        blocked: denied_actors(provision, RECIPIENT),
        withheld: denied_actors(provision, CUSTODIAN),
    })
}

/// The Consent that says a choice of a person, in the shape [`choice_consent`] reads.
pub fn choice_consent_json(choice: &ChoiceStatement, patient_reference: &str) -> Json {
    let emergency = choice.except_emergency.then(|| {
        Json::object([
            ("type", "permit".into()),
            (
                "purpose",
                Json::list(vec![coding(PURPOSE_SYSTEM, EMERGENCY)]),
            ),
        ])
    });
    let denied = |role: &'static str| move |code: &String| denial(role, code);
    let nested = emergency
        .into_iter()
        .chain(choice.blocked.iter().map(denied(RECIPIENT)))
        .chain(choice.withheld.iter().map(denied(CUSTODIAN)))
        .collect();
    let (kind, policy) = if choice.objected {
        ("deny", "OPTOUT")
    } else {
        ("permit", "OPTIN")
    };
    let status = match choice.status {
        ChoiceStatus::Decided => "active",
        ChoiceStatus::Pending => "proposed",
        ChoiceStatus::Void => "rejected",
    };
    Json::object([
        ("resourceType", "Consent".into()),
        ("status", status.into()),
        ("scope", concept(SCOPE_SYSTEM, "patient-privacy")),
        (
            "category",
            Json::list(vec![concept(CONSENT_SYSTEM, CHOICE_CODE)]),
        ),
        (
            "patient",
            Json::object([("reference", patient_reference.into())]),
        ),
        (
            "dateTime",
            Json::from(choice.date_time.as_ref().map(FhirTime::as_str)),
        ),
        ("policyRule", concept(POLICY_SYSTEM, policy)),
        (
            "provision",
            Json::object([("type", kind.into()), ("provision", Json::list(nested))]),
        ),
    ])
}

/// Adds to a choice's Consent what it came about with: reference, who, how, evidence, and why an
/// objection was not upheld.
pub fn add_circumstances(consent: &mut Json, known: &ChoiceCircumstances) {
    let extension =
        |url: &str, text: &str| Json::object([("url", url.into()), ("valueString", text.into())]);
    let mut extensions = Vec::new();
    if !known.channel.is_empty() {
        extensions.push(extension(CHOICE_CHANNEL, &known.channel));
    }
    if let Some((by, reason)) = &known.not_upheld {
        extensions.push(extension(NOT_UPHELD, &format!("{by}: {reason}")));
    }
    if !extensions.is_empty() {
        consent.set("extension", Json::Array(extensions));
    }
    if let Some(reference) = &known.reference {
        let identifier = Json::object([
            ("system", CHOICE_REFERENCE.into()),
            ("value", reference.as_str().into()),
        ]);
        consent.set("identifier", Json::Array(vec![identifier]));
    }
    if !known.performer.is_empty() {
        let performer = Json::object([("display", known.performer.as_str().into())]);
        consent.set("performer", Json::Array(vec![performer]));
    }
    if known.evidence_seen {
        let seen = Json::object([("verified", true.into())]);
        consent.set("verification", Json::Array(vec![seen]));
    }
}

fn coding(system: &str, code: &str) -> Json {
    Json::object([("system", system.into()), ("code", code.into())])
}

fn concept(system: &str, code: &str) -> Json {
    Json::object([("coding", Json::list(vec![coding(system, code)]))])
}

/// A denial for one organisation in one part.
fn denial(part: &'static str, organisation: &str) -> Json {
    let identifier = Json::object([("system", ODS.into()), ("value", organisation.into())]);
    let who = Json::object([("type", "Organization".into()), ("identifier", identifier)]);
    let actor = Json::object([("role", concept(PART_SYSTEM, part)), ("reference", who)]);
    Json::object([("type", "deny".into()), ("actor", Json::Array(vec![actor]))])
}

/// The organisations of nested denials in this part.
fn denied_actors(provision: Option<&Json>, part: &str) -> Vec<String> {
    let nested = provision.map_or(&[][..], |provision| provision.elements("provision"));
    nested
        .iter()
        .filter(|one| one.text_at(&["type"]) == Some("deny"))
        .flat_map(|one| one.elements("actor"))
        .filter(|actor| {
            let role = actor.get("role");
            let codings = role.map_or(&[][..], |role| role.elements("coding"));
            codings
                .iter()
                .any(|coding| coding.text_at(&["code"]) == Some(part))
        })
        .filter_map(|actor| actor.text_at(&["reference", "identifier", "value"]))
        .map(str::to_owned)
        .collect()
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

    fn statement(objected: bool, except_emergency: bool, status: ChoiceStatus) -> ChoiceStatement {
        ChoiceStatement {
            objected,
            except_emergency,
            date_time: FhirTime::parse("2026-11-23T10:00:00Z"),
            status,
            blocked: Vec::new(),
            withheld: Vec::new(),
        }
    }

    #[test]
    fn a_choice_reads_back_as_it_was_written_and_is_valid_r4() {
        for (objected, except_emergency) in [(false, false), (true, false), (true, true)] {
            for status in [
                ChoiceStatus::Decided,
                ChoiceStatus::Pending,
                ChoiceStatus::Void,
            ] {
                for (blocked, withheld) in
                    [(vec![], vec![]), (vec!["X9T01"], vec!["X9L01", "X9M01"])]
                {
                    let texts = |codes: Vec<&str>| codes.into_iter().map(str::to_owned).collect();
                    let choice = ChoiceStatement {
                        blocked: texts(blocked),
                        withheld: texts(withheld),
                        ..statement(objected, except_emergency, status)
                    };
                    let mut json = choice_consent_json(&choice, "Patient/p");
                    assert_eq!(choice_consent(&json), Some(choice.clone()));
                    let known = ChoiceCircumstances {
                        reference: Some("7F3K-11QZ".into()),
                        performer: "Attorney for health and welfare".into(),
                        channel: "telephone".into(),
                        evidence_seen: true,
                        not_upheld: Some(("Dr Voss".into(), "a child's safety".into())),
                    };
                    add_circumstances(&mut json, &known);
                    assert_eq!(choice_consent(&json), Some(choice));
                    assert_eq!(validate_structure(&json), []);
                }
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
        let choice = statement(false, false, ChoiceStatus::Decided);
        let mut silent = choice_consent_json(&choice, "Patient/p");
        silent.set("provision", Json::Null);
        assert!(choice_consent(&silent).expect("a choice").objected);
    }
}
