//! Where items came from, as FHIR Provenance: which organisation, which delivery, when.
//!
//! One for each category and protection level that a delivery brought, labelled like the items it
//! names, so that it never tells of items its reader may not see.
//! Source: FHIR R4 Provenance; v2-to-FHIR's practice of naming the message as the source entity.

use std::collections::BTreeMap;

use care_core::fhir::{Json, ODS_SYSTEM, ResourceType};
use care_core::vocabulary::{Category, PersonId, Sensitivity, SourceCode};
use jiff::Timestamp;

use super::item::{body, item_id, logical_id};
use crate::store::{Change, PutItem};

/// The system of a delivery's id: who sent it and the sender's own id of it.
const DELIVERY_SYSTEM: &str = "urn:connect-care:delivery";

/// The delivery that items came by.
pub(super) struct Origin<'a> {
    pub source: &'a SourceCode,
    pub gp_sourced: bool,
    pub sender: &'a str,
    pub control_id: &'a str,
    pub kind: &'a str,
    pub received_at: Timestamp,
}

type Group = (Option<PersonId>, Category, Sensitivity);

/// A Provenance for each group of the items among these changes.
pub(super) fn provenances(changes: &[Change], origin: &Origin<'_>) -> Vec<Change> {
    let mut groups: BTreeMap<Group, Vec<Json>> = BTreeMap::new();
    for change in changes {
        if let Change::Item(put) = change {
            let id = logical_id(put.person, put.item);
            let target = Json::object([(
                "reference",
                Json::text(format!("{}/{id}", put.resource_type)),
            )]);
            let group = (put.person, put.category, put.sensitivity);
            groups.entry(group).or_default().push(target);
        }
    }
    groups
        .into_iter()
        .map(|(group, targets)| Change::Item(provenance(group, targets, origin)))
        .collect()
}

fn provenance(group: Group, targets: Vec<Json>, origin: &Origin<'_>) -> PutItem {
    let (person, category, sensitivity) = group;
    let key = format!(
        "{}|{}|{category}|{}",
        origin.sender,
        origin.control_id,
        sensitivity.code()
    );
    let item = item_id(origin.source, ResourceType::PROVENANCE, &key);
    let resource = resource(targets, origin);
    let id = logical_id(person, item);
    PutItem {
        person,
        resource_type: ResourceType::PROVENANCE,
        item,
        category,
        sensitivity,
        source: origin.source.clone(),
        gp_sourced: origin.gp_sourced,
        code_key: 0,
        current: true,
        withdrawn: false,
        deleted: false,
        order: Default::default(),
        expect: Default::default(),
        clinical_at: Some(origin.received_at),
        event_at: origin.received_at,
        received_at: origin.received_at,
        body: body(
            ResourceType::PROVENANCE,
            &id,
            resource,
            origin.source,
            (category, sensitivity),
        ),
    }
}

fn resource(targets: Vec<Json>, origin: &Origin<'_>) -> Json {
    let identified = |system: &'static str, value: String| {
        let identifier = Json::object([("system", system.into()), ("value", Json::text(value))]);
        Json::object([("identifier", identifier)])
    };
    let mut agent = Json::object([("who", identified(ODS_SYSTEM, origin.source.to_string()))]);
    if let Some(who) = agent.get_mut("who") {
        who.set("type", "Organization".into());
    }
    let delivery = format!("{}|{}", origin.sender, origin.control_id);
    let mut what = identified(DELIVERY_SYSTEM, delivery);
    what.set("display", Json::text(origin.kind));
    let entity = Json::object([("role", "source".into()), ("what", what)]);
    Json::object([
        ("target", Json::Array(targets)),
        ("recorded", Json::text(format!("{:.3}", origin.received_at))),
        ("agent", Json::Array(vec![agent])),
        ("entity", Json::Array(vec![entity])),
    ])
}
