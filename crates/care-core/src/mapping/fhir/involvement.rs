//! Which organisations a resource says have a part in a person's care.
//!
//! Source: the access model, 8.1 (relationships that systems verify).

use jiff::Timestamp;

use super::FhirContext;
use super::bundle::{Delivery, Entry};
use super::patient::registered_practice;
use crate::fhir::{self, FhirTime, Json, ReferenceTarget, ResourceType};
use crate::vocabulary::{Involvement, InvolvementKind, OdsCode, OrganisationKind};

/// The involvements one entry states.
pub(super) fn involvements(
    entry: &Entry<'_>,
    delivery: &Delivery<'_>,
    context: &FhirContext<'_>,
) -> Vec<Involvement> {
    let facts = Facts {
        entry,
        delivery,
        context,
        status: entry.resource.text_at(&["status"]).unwrap_or_default(),
    };
    match entry.resource_type {
        ResourceType::PATIENT => facts.registered_gp(),
        ResourceType::ENCOUNTER => facts.encounter(),
        ResourceType::APPOINTMENT => facts.appointment(),
        ResourceType::SERVICE_REQUEST => facts.referral(),
        ResourceType::EPISODE_OF_CARE => facts.episode(),
        ResourceType::CARE_TEAM => facts.care_team(),
        _ => Vec::new(),
    }
}

struct Facts<'a> {
    entry: &'a Entry<'a>,
    delivery: &'a Delivery<'a>,
    context: &'a FhirContext<'a>,
    status: &'a str,
}

impl Facts<'_> {
    fn resource(&self) -> &Json {
        self.entry.resource
    }

    fn made(
        &self,
        kind: InvolvementKind,
        organisation: OdsCode,
        starts: Option<Timestamp>,
        ends: Option<Timestamp>,
    ) -> Involvement {
        Involvement {
            kind,
            organisation,
            source_key: format!("{}/{}", self.entry.resource_type, self.entry.key),
            starts,
            ends,
            cancelled: matches!(self.status, "cancelled" | "revoked" | "entered-in-error"),
        }
    }

    fn organisation_at(&self, reference: Option<&Json>) -> Option<OdsCode> {
        ods_of(reference?, self.resource(), Some(self.delivery))
    }

    fn start_of(&self, path: &[&str]) -> Option<Timestamp> {
        Some(FhirTime::parse(self.resource().text_at(path)?)?.earliest())
    }

    fn end_of(&self, path: &[&str]) -> Option<Timestamp> {
        Some(FhirTime::parse(self.resource().text_at(path)?)?.latest())
    }

    fn registered_gp(&self) -> Vec<Involvement> {
        registered_practice(self.resource(), self.delivery)
            .map(|practice| Involvement {
                kind: InvolvementKind::RegisteredGp,
                organisation: practice,
                source_key: String::new(),
                starts: None,
                ends: None,
                cancelled: false,
            })
            .into_iter()
            .collect()
    }

    fn encounter(&self) -> Vec<Involvement> {
        let class = self
            .resource()
            .text_at(&["class", "code"])
            .unwrap_or_default();
        let kind = match (self.context.source_kind, class) {
            (OrganisationKind::Ambulance, _) => InvolvementKind::AmbulanceIncident,
            (OrganisationKind::CareHome, "IMP") => InvolvementKind::CareHomeResident,
            (_, "IMP" | "ACUTE" | "NONAC" | "SS" | "OBSENC") => InvolvementKind::Inpatient,
            (_, "EMER") => InvolvementKind::EdAttendance,
            _ => InvolvementKind::Appointment,
        };
        let starts = self.start_of(&["period", "start"]);
        let mut ends = self.end_of(&["period", "end"]);
        if self.status == "finished" || kind == InvolvementKind::Appointment {
            ends = ends.or_else(|| self.end_of(&["period", "start"]));
        }
        if starts.is_none() && (self.status == "planned" || kind == InvolvementKind::Appointment) {
            return Vec::new();
        }
        let organisation = self
            .organisation_at(self.resource().get("serviceProvider"))
            .unwrap_or_else(|| self.context.source.clone());
        vec![self.made(kind, organisation, starts, ends)]
    }

    fn appointment(&self) -> Vec<Involvement> {
        let Some(starts) = self.start_of(&["start"]) else {
            return Vec::new();
        };
        let ends = self.end_of(&["end"]).unwrap_or(starts);
        let organisation = self
            .resource()
            .elements("participant")
            .iter()
            .find_map(|participant| self.organisation_at(participant.get("actor")))
            .unwrap_or_else(|| self.context.source.clone());
        vec![self.made(
            InvolvementKind::Appointment,
            organisation,
            Some(starts),
            Some(ends),
        )]
    }

    fn referral(&self) -> Vec<Involvement> {
        if self.status == "draft" {
            return Vec::new();
        }
        let starts = self.start_of(&["authoredOn"]);
        let ends = (self.status == "completed").then_some(self.context.received_at);
        let mut found: Vec<OdsCode> = Vec::new();
        for performer in self.resource().elements("performer") {
            if let Some(organisation) = self.organisation_at(Some(performer))
                && !found.contains(&organisation)
            {
                found.push(organisation);
            }
        }
        found
            .into_iter()
            .map(|organisation| {
                self.made(InvolvementKind::OpenReferral, organisation, starts, ends)
            })
            .collect()
    }

    fn episode(&self) -> Vec<Involvement> {
        let kind = match (self.context.source_kind, self.status) {
            (OrganisationKind::CareHome, _) => InvolvementKind::CareHomeResident,
            (_, "planned" | "waitlist") => InvolvementKind::OpenReferral,
            _ => InvolvementKind::Caseload,
        };
        let organisation = self
            .organisation_at(self.resource().get("managingOrganization"))
            .unwrap_or_else(|| self.context.source.clone());
        let ends = self
            .end_of(&["period", "end"])
            .or_else(|| (self.status == "finished").then_some(self.context.received_at));
        vec![self.made(
            kind,
            organisation,
            self.start_of(&["period", "start"]),
            ends,
        )]
    }

    fn care_team(&self) -> Vec<Involvement> {
        if matches!(self.status, "proposed" | "") {
            return Vec::new();
        }
        let ends = self.end_of(&["period", "end"]).or_else(|| {
            matches!(self.status, "inactive" | "suspended").then_some(self.context.received_at)
        });
        let mut managing: Vec<OdsCode> = self
            .resource()
            .elements("managingOrganization")
            .iter()
            .filter_map(|reference| self.organisation_at(Some(reference)))
            .collect();
        if managing.is_empty() {
            managing.push(self.context.source.clone());
        }
        let starts = self.start_of(&["period", "start"]);
        managing
            .into_iter()
            .map(|organisation| self.made(InvolvementKind::Caseload, organisation, starts, ends))
            .collect()
    }
}

/// The ODS code of the organisation a reference leads to: by its identifier, or by way of a
/// resource contained or sent along (an organisation, or the role or service that names one).
pub(super) fn ods_of(
    reference: &Json,
    resource: &Json,
    delivery: Option<&Delivery<'_>>,
) -> Option<OdsCode> {
    if let Some(identifier) = reference.get("identifier")
        && let Some(code) = ods_identifier(identifier)
    {
        return Some(code);
    }
    let target = fhir::reference_target(reference)?;
    let found = match &target {
        ReferenceTarget::Contained(id) => fhir::contained(resource, id),
        other => delivery
            .and_then(|delivery| delivery.find(other))
            .map(|entry| entry.resource),
    }?;
    let next = match fhir::resource_type(found)?.name() {
        "Organization" => return found.elements("identifier").iter().find_map(ods_identifier),
        "PractitionerRole" => found.get("organization"),
        "HealthcareService" => found.get("providedBy"),
        "Location" => found.get("managingOrganization"),
        _ => None,
    }?;
    // One step further only: roles, services and places name their organisation directly.
    if let Some(identifier) = next.get("identifier")
        && let Some(code) = ods_identifier(identifier)
    {
        return Some(code);
    }
    let organisation = delivery?.find(&fhir::reference_target(next)?)?;
    (organisation.resource_type == ResourceType::ORGANIZATION).then(|| {
        organisation
            .resource
            .elements("identifier")
            .iter()
            .find_map(ods_identifier)
    })?
}

fn ods_identifier(identifier: &Json) -> Option<OdsCode> {
    let system = identifier.text_at(&["system"])?;
    let is_ods = system == fhir::ODS_SYSTEM
        || system.ends_with("/ods-organization-code")
        || system.ends_with("/ods-site-code");
    is_ods
        .then(|| OdsCode::parse(identifier.text_at(&["value"])?).ok())
        .flatten()
}
