//! The one redaction at egress: whatever the way out, a view without `location` carries no address,
//! phone or place from which a protected person could be found (hazard H10).

use care_core::access::View;
use care_core::fhir::Json;
use care_core::vocabulary::{Category, Demographics};

/// Members that say where somebody can be found. Source: the national register's restricted
/// response leaves out the same.
const WHERE: [&str; 5] = [
    "address",
    "telecom",
    "contact",
    "generalPractitioner",
    "photo",
];

/// Takes what says where the person is out of their demographics.
pub(super) fn demographics(known: &mut Demographics) {
    known.addresses.clear();
    known.contacts.clear();
    known.practice = None;
}

/// Takes what the view leaves out of a resource. Only resources that carry addresses change.
pub(crate) fn resource(body: &mut Json, view: &View) {
    if view.categories().contains(Category::Location) {
        return;
    }
    let kind = body.text_at(&["resourceType"]).unwrap_or_default();
    match kind {
        "Patient" | "RelatedPerson" | "Person" => {
            for member in WHERE {
                body.set(member, Json::Null);
            }
        }
        "Encounter" => {
            body.set("location", Json::Null);
            if let Some(stay) = body.get_mut("hospitalization") {
                stay.set("origin", Json::Null);
                stay.set("destination", Json::Null);
            }
        }
        "Appointment" => remove_places(body),
        _ => {}
    }
}

/// Whether this type is ever changed by [`resource`]: others go out as their stored bytes.
pub(crate) fn touches(resource_type: care_core::fhir::ResourceType, view: &View) -> bool {
    !view.categories().contains(Category::Location)
        && matches!(
            resource_type.name(),
            "Patient" | "RelatedPerson" | "Person" | "Encounter" | "Appointment"
        )
}

fn remove_places(appointment: &mut Json) {
    if let Some(Json::Array(participants)) = appointment.get_mut("participant") {
        participants.retain(|one| {
            !one.text_at(&["actor", "reference"])
                .is_some_and(|text| text.contains("Location"))
                && one.text_at(&["actor", "type"]) != Some("Location")
        });
    }
}
