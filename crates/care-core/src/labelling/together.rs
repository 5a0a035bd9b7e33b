//! What drafts of one delivery say about one another: a result is as sensitive as the report it is
//! part of, and a report as sensitive as its most sensitive result.
//!
//! One step only, from what each draft calls for by itself: one sensitive result hides its report,
//! and not the other results.

use std::collections::HashMap;

use crate::fhir::Json;
use crate::mapping::{Draft, SOURCE_REFERENCE};
use crate::vocabulary::Sensitivity;

/// Which way protection passes along a reference.
#[derive(Clone, Copy, PartialEq)]
enum Passes {
    /// From what is referenced to what references it.
    ToHolder,
    /// Both ways.
    BothWays,
}

/// Raises the levels, which stand in the order of the drafts.
pub(super) fn raise_together(drafts: &[Draft], levels: &mut [Sensitivity]) {
    if levels.iter().all(|level| *level == Sensitivity::Normal) {
        return;
    }
    let places: HashMap<String, usize> = drafts
        .iter()
        .enumerate()
        .map(|(place, draft)| {
            (
                format!("{}/{}", draft.resource_type, draft.source_key),
                place,
            )
        })
        .collect();
    let own = levels.to_vec();
    for (holder, draft) in drafts.iter().enumerate() {
        let mut found = Vec::new();
        collect(&draft.body, "", draft.resource_type.name(), &mut found);
        for (target, passes) in found {
            let Some(part) = places.get(target).copied() else {
                continue;
            };
            raise(levels, holder, own.get(part));
            if passes == Passes::BothWays {
                raise(levels, part, own.get(holder));
            }
        }
    }
}

fn raise(levels: &mut [Sensitivity], place: usize, to: Option<&Sensitivity>) {
    if let (Some(level), Some(to)) = (levels.get_mut(place), to) {
        *level = (*level).max(*to);
    }
}

/// The references along which protection passes, found anywhere in a body.
fn collect<'a>(
    value: &'a Json,
    name: &str,
    resource_type: &str,
    found: &mut Vec<(&'a str, Passes)>,
) {
    match value {
        Json::Array(values) => {
            for value in values {
                collect(value, name, resource_type, found);
            }
        }
        Json::Object(members) => {
            let target = value
                .get("reference")
                .or_else(|| value.get("url"))
                .and_then(Json::as_text)
                .and_then(|text| text.strip_prefix(SOURCE_REFERENCE));
            if let (Some(target), Some(passes)) = (target, passes_along(resource_type, name)) {
                found.push((target, passes));
            }
            for (name, value) in members {
                collect(value, name, resource_type, found);
            }
        }
        _ => {}
    }
}

fn passes_along(resource_type: &str, name: &str) -> Option<Passes> {
    match (resource_type, name) {
        ("DiagnosticReport", "result" | "specimen" | "imagingStudy" | "link")
        | ("Observation", "hasMember" | "specimen")
        | ("DocumentReference", "attachment") => Some(Passes::BothWays),
        (_, "encounter" | "medicationReference")
        | ("DocumentReference", "related")
        | ("Provenance", "target") => Some(Passes::ToHolder),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::fhir::{Json, Limits, ResourceType};
    use crate::labelling::{CodeLists, label_all};
    use crate::mapping::Draft;
    use crate::vocabulary::{OrganisationKind, Sensitivity};

    fn draft(key: &str, text: &str) -> Draft {
        let body = Json::parse(text.as_bytes(), Limits::default()).expect(text);
        Draft {
            resource_type: ResourceType::from_name(
                body.text_at(&["resourceType"]).expect("a type"),
            )
            .expect("a type"),
            source_key: key.to_owned(),
            body,
            event_at: jiff::Timestamp::UNIX_EPOCH,
            withdrawn: false,
        }
    }

    fn levels(drafts: Vec<Draft>) -> Vec<Sensitivity> {
        label_all(drafts, OrganisationKind::Trust, CodeLists::shipped())
            .iter()
            .map(|labelled| labelled.sensitivity())
            .collect()
    }

    #[test]
    fn a_sensitive_result_hides_its_report_and_not_the_other_results() {
        use Sensitivity::{Normal, RcgpSensitive};
        let found = levels(vec![
            draft(
                "r",
                r#"{"resourceType":"DiagnosticReport","code":{"text":"Virology"},"result":[
                {"reference":"urn:connect-care:source:Observation/a"},
                {"reference":"urn:connect-care:source:Observation/b"}]}"#,
            ),
            draft(
                "a",
                r#"{"resourceType":"Observation","code":{"text":"HIV 1 antibody"}}"#,
            ),
            draft(
                "b",
                r#"{"resourceType":"Observation","code":{"text":"Rubella IgG"}}"#,
            ),
        ]);
        assert_eq!(found, [RcgpSensitive, RcgpSensitive, Normal]);
    }

    #[test]
    fn what_happened_in_a_protected_encounter_is_protected() {
        use Sensitivity::{Normal, StatutoryExcluded};
        let found = levels(vec![
            draft(
                "n",
                r#"{"resourceType":"Condition","code":{"text":"Rash"},
                "encounter":{"reference":"urn:connect-care:source:Encounter/e"}}"#,
            ),
            draft(
                "m",
                r#"{"resourceType":"Condition","code":{"text":"Rash"}}"#,
            ),
            draft(
                "e",
                r#"{"resourceType":"Encounter","serviceProvider":{"display":"Sexual health clinic"}}"#,
            ),
        ]);
        assert_eq!(found, [StatutoryExcluded, Normal, StatutoryExcluded]);
    }

    #[test]
    fn a_report_about_a_sensitive_topic_hides_its_results() {
        use Sensitivity::RcgpSensitive;
        let found = levels(vec![
            draft(
                "a",
                r#"{"resourceType":"Observation","code":{"text":"Result"}}"#,
            ),
            draft(
                "r",
                r#"{"resourceType":"DiagnosticReport","code":{"text":"Chlamydia screen"},"result":[
                {"reference":"urn:connect-care:source:Observation/a"}]}"#,
            ),
        ]);
        assert_eq!(found, [RcgpSensitive, RcgpSensitive]);
    }
}
