//! Whether two people live at one address: compared here, told to nobody but as yes or no.

use std::collections::HashSet;

use care_core::access;
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::mapping::fhir::patient_demographics;
use care_core::patient_index;
use care_core::vocabulary::{PersonId, Role};

use crate::store::{Store, StoreError};

/// Both are said to live at the same first line and postcode.
pub(super) fn shared(
    store: &dyn Store,
    one: PersonId,
    other: PersonId,
) -> Result<bool, StoreError> {
    let first = of(store, one)?;
    Ok(!first.is_empty() && !first.is_disjoint(&of(store, other)?))
}

/// First line and postcode of every address that a source gives, folded.
fn of(store: &dyn Store, person: PersonId) -> Result<HashSet<String>, StoreError> {
    // The view of somebody who finds people: who and where they are, nothing clinical.
    let Some(view) = access::finding(Role::HospitalDoctor, false) else {
        return Ok(HashSet::new());
    };
    let wanted: Vec<_> = store
        .headers_of(person, &view, ResourceType::PATIENT)?
        .iter()
        .map(|header| (header.resource_type, header.item))
        .collect();
    let mut found = HashSet::new();
    for body in store.bodies(person, &view, &wanted)? {
        let Ok(json) = Json::parse(&body.body, Limits::default()) else {
            continue;
        };
        for address in patient_demographics(&json).0.addresses {
            if let (Some(line), Some(code)) = (address.lines.first(), &address.postcode) {
                let line = patient_index::fold(line);
                found.insert(format!("{line}|{}", patient_index::postcode(code)));
            }
        }
    }
    Ok(found)
}
