//! A kept choice as the FHIR Consent that the API gives and the person's own copy holds.
//! Source: docs/choice-consent.md.

use care_core::fhir::{
    self, ChoiceCircumstances, ChoiceStatement, FhirTime, Json, add_circumstances,
    choice_consent_json,
};
use care_core::vocabulary::{ItemId, PersonId};

use super::{Choice, ChoiceStatus, ConnectCareChoice, SetBy};

/// The id, within the person, of the Consent that says the choice that holds. Items of sources have
/// ids made by a digest, so this small number is nobody else's.
pub(crate) const CHOICE_ITEM: ItemId = ItemId(1);

/// The Consent of a choice. `whole` tells everything, for the person and those who act for or work
/// for them; others read whether it is shared and which sources are held back, which their pages say
/// too, and not who may not look.
pub(crate) fn consent(person: PersonId, choice: &Choice, whole: bool) -> Json {
    let texts = |codes: Vec<care_core::vocabulary::OdsCode>| {
        codes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let statement = ChoiceStatement {
        objected: choice.connect_care != ConnectCareChoice::None,
        except_emergency: choice.connect_care == ConnectCareChoice::ObjectedExceptEmergency,
        date_time: Some(FhirTime::from_timestamp(choice.decided_at)),
        status: match choice.status {
            ChoiceStatus::Decided => fhir::ChoiceStatus::Decided,
            ChoiceStatus::Pending => fhir::ChoiceStatus::Pending,
            ChoiceStatus::NotUpheld => fhir::ChoiceStatus::Void,
        },
        blocked: if whole {
            texts(choice.blocked_organisations.clone())
        } else {
            Vec::new()
        },
        withheld: texts(choice.withheld()),
    };
    let mut consent = choice_consent_json(&statement, &format!("Patient/{person}"));
    if whole {
        let by = SetBy::from_code(&choice.set_by);
        let known = ChoiceCircumstances {
            reference: choice.reference.clone(),
            performer: by.map_or("", SetBy::words).to_owned(),
            channel: choice.channel.clone(),
            evidence_seen: !choice.evidence.is_empty(),
            not_upheld: choice
                .not_upheld
                .as_ref()
                .map(|why| (why.by.clone(), why.reason.clone())),
        };
        add_circumstances(&mut consent, &known);
    }
    let updated = format!("{:.3}", choice.decided_at);
    consent.set("id", format!("{person}-{CHOICE_ITEM}").into());
    consent.set(
        "meta",
        Json::object([
            ("versionId", choice.number.max(1).to_string().into()),
            ("lastUpdated", updated.into()),
        ]),
    );
    consent
}
