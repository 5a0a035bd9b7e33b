//! What a source was told about sharing what it holds: a practice's dissent code, and a council's
//! consent at a contact. Neither is a choice about Connect Care as a whole; each holds back what that
//! source sends.

use super::{FhirTime, Json};

/// Codes by which a system records that the person does not want their record shared locally: SNOMED
/// CT 416409005 "Refused consent for upload to local shared electronic record" with its Read v2 and
/// CTV3 forms, and Read `9Nd1.` / `XaKII` "No consent for electronic record sharing". Source: NHS
/// subset DocumentConsentSnCT (43961000000137), and the Read forms in use in North West London's
/// published opt-out queries. The code about the national Summary Care Record is not among them: it
/// is another choice.
pub const DISSENT_CODES: &[&str] = &["416409005", "93C1", "XaKRw", "9Nd1", "XaKII"];

/// Codes that take such a dissent back: SNOMED CT 417528008 "Consent given for upload to local shared
/// electronic record", 425691002 "Consent given for electronic record sharing", Read `9Nd7.`. Source:
/// as for [`DISSENT_CODES`].
pub const ASSENT_CODES: &[&str] = &["417528008", "425691002", "9Nd7"];

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatement {
    /// The person does not want it shared.
    pub refused: bool,
    /// When the person said so; `None` where the source does not say, or takes back what it sent.
    pub date_time: Option<FhirTime>,
}

/// Reads a dissent or assent code in a Consent, Condition, Observation or Flag; `None` where there is
/// none. Where one resource carries both, it is a dissent. One that was entered in error, or no longer
/// holds, takes its dissent back.
pub fn sharing_code(resource: &Json) -> Option<SourceStatement> {
    let kind = resource.text_at(&["resourceType"])?;
    if !["Consent", "Condition", "Observation", "Flag"].contains(&kind) {
        return None;
    }
    let codes: Vec<&str> = concepts(resource)
        .flat_map(|concept| concept.elements("coding"))
        .filter_map(|coding| coding.text_at(&["code"]))
        .map(|code| code.trim_end_matches('.'))
        .collect();
    let any = |list: &[&str]| codes.iter().any(|code| list.contains(code));
    let refused = any(DISSENT_CODES);
    if !refused && !any(ASSENT_CODES) {
        return None;
    }
    Some(stated(resource, refused, holds(resource)))
}

/// Reads a Consent about privacy as the answer at a contact: `deny`, or status `rejected`, refuses.
/// `None` for anything else, and for a choice about Connect Care itself.
pub fn contact_consent(resource: &Json) -> Option<SourceStatement> {
    let about_privacy = resource.text_at(&["resourceType"]) == Some("Consent")
        && resource
            .get("scope")
            .map_or(&[][..], |scope| scope.elements("coding"))
            .iter()
            .any(|coding| coding.text_at(&["code"]) == Some("patient-privacy"));
    if !about_privacy || super::choice_consent(resource).is_some() {
        return None;
    }
    let status = resource.text_at(&["status"]);
    let denied = resource.text_at(&["provision", "type"]) == Some("deny");
    let refused = status == Some("rejected") || denied;
    let holds = !matches!(status, Some("inactive" | "entered-in-error"));
    Some(stated(resource, refused, holds))
}

fn stated(resource: &Json, refused: bool, holds: bool) -> SourceStatement {
    SourceStatement {
        refused: refused && holds,
        // What is taken back counts from the event that takes it back, not from when it was said.
        date_time: holds.then(|| said_at(resource)).flatten(),
    }
}

/// The places in which a code may say it.
fn concepts(resource: &Json) -> impl Iterator<Item = &Json> {
    let provision = resource.get("provision");
    let of_provision = provision.map_or(&[][..], |provision| provision.elements("code"));
    ["code", "policyRule", "valueCodeableConcept"]
        .into_iter()
        .filter_map(|name| resource.get(name))
        .chain(resource.elements("category"))
        .chain(of_provision)
}

fn holds(resource: &Json) -> bool {
    let status = resource.text_at(&["status"]);
    let code_of = |name: &str| {
        resource
            .get(name)
            .and_then(|concept| concept.elements("coding").first())
            .and_then(|coding| coding.text_at(&["code"]))
    };
    !matches!(
        status,
        Some("inactive" | "rejected" | "entered-in-error" | "cancelled")
    ) && !matches!(
        code_of("clinicalStatus"),
        Some("inactive" | "resolved" | "remission")
    ) && !matches!(
        code_of("verificationStatus"),
        Some("refuted" | "entered-in-error")
    )
}

fn said_at(resource: &Json) -> Option<FhirTime> {
    [
        &["dateTime"][..],
        &["effectiveDateTime"],
        &["recordedDate"],
        &["onsetDateTime"],
        &["period", "start"],
        &["issued"],
    ]
    .into_iter()
    .find_map(|path| resource.text_at(path))
    .and_then(FhirTime::parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::{ChoiceStatement, ChoiceStatus, Limits, choice_consent_json};

    fn check(json: &str, expected: Option<(bool, Option<&str>)>) {
        let resource = Json::parse(json.as_bytes(), Limits::default()).expect("JSON");
        let said = sharing_code(&resource);
        let expected = expected.map(|(refused, at)| SourceStatement {
            refused,
            date_time: at.and_then(FhirTime::parse),
        });
        assert_eq!(said, expected, "{json}");
    }

    #[test]
    fn a_dissent_code_is_read_wherever_a_practice_may_put_it() {
        let snomed = r#"{"coding":[{"system":"http://snomed.info/sct","code":"416409005"}]}"#;
        let read = r#"{"coding":[{"system":"http://read.info/readv2","code":"93C1."}]}"#;
        let assent = r#"{"coding":[{"system":"http://snomed.info/sct","code":"417528008"}]}"#;
        let national = r#"{"coding":[{"system":"http://snomed.info/sct","code":"416308001"}]}"#;
        let table = [
            (
                format!(
                    r#"{{"resourceType":"Condition","code":{snomed},"recordedDate":"2026-03-02"}}"#
                ),
                Some((true, Some("2026-03-02"))),
            ),
            (
                format!(
                    r#"{{"resourceType":"Observation","status":"final","code":{read},"effectiveDateTime":"2026-03-02"}}"#
                ),
                Some((true, Some("2026-03-02"))),
            ),
            (
                format!(
                    r#"{{"resourceType":"Observation","status":"final","code":{{"text":"Consent"}},"valueCodeableConcept":{read}}}"#
                ),
                Some((true, None)),
            ),
            (
                format!(
                    r#"{{"resourceType":"Flag","status":"active","code":{snomed},"period":{{"start":"2026-01-01"}}}}"#
                ),
                Some((true, Some("2026-01-01"))),
            ),
            (
                format!(
                    r#"{{"resourceType":"Consent","status":"active","category":[{snomed}],"dateTime":"2026-01-01"}}"#
                ),
                Some((true, Some("2026-01-01"))),
            ),
            (
                format!(
                    r#"{{"resourceType":"Consent","status":"active","provision":{{"code":[{assent}]}},"dateTime":"2026-02-01"}}"#
                ),
                Some((false, Some("2026-02-01"))),
            ),
            (
                format!(
                    r#"{{"resourceType":"Flag","status":"entered-in-error","code":{snomed},"period":{{"start":"2026-01-01"}}}}"#
                ),
                Some((false, None)),
            ),
            (
                format!(
                    r#"{{"resourceType":"Condition","code":{snomed},"clinicalStatus":{{"coding":[{{"code":"resolved"}}]}}}}"#
                ),
                Some((false, None)),
            ),
            (
                format!(r#"{{"resourceType":"Condition","code":{national}}}"#),
                None,
            ),
            (
                format!(r#"{{"resourceType":"DocumentReference","category":[{snomed}]}}"#),
                None,
            ),
        ];
        for (json, expected) in table {
            check(&json, expected);
        }
    }

    #[test]
    fn the_answer_at_a_contact_is_a_consent_about_privacy_that_is_not_about_connect_care() {
        let scope = r#""scope":{"coding":[{"code":"patient-privacy"}]}"#;
        let table = [
            (
                format!(r#"{{"resourceType":"Consent","status":"rejected",{scope}}}"#),
                Some(true),
            ),
            (
                format!(
                    r#"{{"resourceType":"Consent","status":"active",{scope},"provision":{{"type":"deny"}}}}"#
                ),
                Some(true),
            ),
            (
                format!(
                    r#"{{"resourceType":"Consent","status":"active",{scope},"provision":{{"type":"permit"}}}}"#
                ),
                Some(false),
            ),
            (
                format!(
                    r#"{{"resourceType":"Consent","status":"inactive",{scope},"provision":{{"type":"deny"}}}}"#
                ),
                Some(false),
            ),
            (
                r#"{"resourceType":"Consent","status":"active","provision":{"type":"deny"}}"#
                    .to_owned(),
                None,
            ),
        ];
        for (json, expected) in table {
            let resource = Json::parse(json.as_bytes(), Limits::default()).expect("JSON");
            let said = contact_consent(&resource).map(|said| said.refused);
            assert_eq!(said, expected, "{json}");
        }
        let ours = choice_consent_json(
            &ChoiceStatement {
                objected: true,
                except_emergency: false,
                date_time: None,
                status: ChoiceStatus::Decided,
                blocked: Vec::new(),
                withheld: Vec::new(),
            },
            "Patient/p",
        );
        assert_eq!(contact_consent(&ours), None);
    }
}
