//! What practices, community and mental health teams and councils hold, as FHIR resources: problems,
//! allergies, vaccinations, consultations, letters, plans, teams, caseloads, packages of care.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::calendar::{Day, When};
use crate::clinicians::Clinician;
use crate::fhir::{
    FhirSender, clinician_reference, coded, concept, confidentiality, organisation_reference,
};
use crate::organisations::InventedOrganisation;

/// The system of the category of a choice about Connect Care.
const CONSENT_SYSTEM: &str = "https://connect-care.example/CodeSystem/consent";

/// A problem as a source lists it.
#[derive(Debug, Clone)]
pub(crate) struct Problem<'a> {
    pub id: &'a str,
    pub snomed: &'a str,
    pub text: &'a str,
    pub onset: Day,
    pub resolved: Option<Day>,
    pub by: Clinician,
    pub note: &'a str,
}

/// An allergy or intolerance with its detail.
#[derive(Debug, Clone)]
pub(crate) struct Allergy<'a> {
    pub id: &'a str,
    pub snomed: &'a str,
    pub text: &'a str,
    /// `allergy` or `intolerance`.
    pub kind: &'a str,
    /// `medication`, `food`, `environment`.
    pub category: &'a str,
    /// `high`, `low`, or empty.
    pub criticality: &'a str,
    /// SNOMED code and words of the reaction; empty words for none known.
    pub reaction: (&'a str, &'a str),
    /// `mild`, `moderate`, `severe`, or empty.
    pub severity: &'a str,
    pub noted: Day,
    pub recorded: Day,
    pub by: Clinician,
}

/// A letter or form in a source's document store.
#[derive(Debug, Clone)]
pub(crate) struct Document<'a> {
    pub id: &'a str,
    pub kind: Value,
    pub title: &'a str,
    pub text: &'a str,
    pub pdf: Option<Vec<u8>>,
    pub written: When,
    pub author: Clinician,
}

impl FhirSender<'_> {
    pub fn problem(&mut self, problem: &Problem<'_>) {
        let status = if problem.resolved.is_some() {
            ("resolved", "Resolved")
        } else {
            ("active", "Active")
        };
        let mut body = json!({
            "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": status.0, "display": status.1}]},
            "verificationStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed", "display": "Confirmed"}]},
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "problem-list-item", "display": "Problem List Item"}]}],
            "code": concept(problem.snomed, problem.text),
            "onsetDateTime": problem.onset.iso(),
            "recordedDate": problem.onset.iso(),
            "asserter": clinician_reference(&problem.by),
        });
        if let Some(fields) = body.as_object_mut() {
            if let Some(resolved) = problem.resolved {
                fields.insert("abatementDateTime".into(), json!(resolved.iso()));
            }
            if !problem.note.is_empty() {
                fields.insert("note".into(), json!([{"text": problem.note}]));
            }
        }
        self.add("Condition", problem.id, body);
    }

    pub fn allergy(&mut self, allergy: &Allergy<'_>) {
        let mut body = json!({
            "clinicalStatus": allergy_status("active", "Active"),
            "verificationStatus": allergy_certainty(),
            "type": allergy.kind,
            "category": [allergy.category],
            "code": concept(allergy.snomed, allergy.text),
            "onsetDateTime": allergy.noted.iso(),
            "recordedDate": allergy.recorded.iso(),
            "recorder": clinician_reference(&allergy.by),
        });
        if let Some(fields) = body.as_object_mut() {
            if !allergy.criticality.is_empty() {
                fields.insert("criticality".into(), json!(allergy.criticality));
            }
            if !allergy.reaction.1.is_empty() {
                let mut reaction =
                    json!({"manifestation": [concept(allergy.reaction.0, allergy.reaction.1)]});
                if let Some(reaction) = reaction
                    .as_object_mut()
                    .filter(|_| !allergy.severity.is_empty())
                {
                    reaction.insert("severity".into(), json!(allergy.severity));
                }
                fields.insert("reaction".into(), json!([reaction]));
            }
        }
        self.add("AllergyIntolerance", allergy.id, body);
    }

    /// The statement, in code, that there are no known allergies.
    pub fn no_known_allergies(&mut self, recorded: Day, by: &Clinician) {
        self.add(
            "AllergyIntolerance",
            "allergy-none",
            json!({
                "clinicalStatus": allergy_status("active", "Active"),
                "verificationStatus": allergy_certainty(),
                "code": concept("716186003", "No known allergies"),
                "recordedDate": recorded.iso(),
                "recorder": clinician_reference(by),
            }),
        );
    }

    /// A vaccination: SNOMED code of the procedure may be empty.
    pub fn vaccination(
        &mut self,
        id: &str,
        snomed: &str,
        text: &str,
        given: Day,
        batch: &str,
        by: &Clinician,
    ) {
        self.add("Immunization", id, json!({
            "status": "completed",
            "vaccineCode": {"text": text},
            "extension": [{
                "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure",
                "valueCodeableConcept": concept(snomed, text),
            }],
            "occurrenceDateTime": given.iso(),
            "primarySource": true,
            "lotNumber": batch,
            "performer": [{"actor": clinician_reference(by)}],
        }));
    }

    /// A consultation in general practice, with what was written.
    pub fn consultation(
        &mut self,
        id: &str,
        when: When,
        mode: &str,
        with: &Clinician,
        reason: &str,
        written: &str,
    ) {
        self.add("Encounter", id, json!({
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"},
            "type": [{"text": mode}],
            "participant": [{"individual": clinician_reference(with)}],
            "period": {"start": when.fhir(), "end": when.plus(12).fhir()},
            "reasonCode": [{"text": reason}],
            "serviceProvider": self.own_organisation(),
            "text": {"status": "additional", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{}</p></div>", html(written))},
        }));
    }

    /// A visit or contact that a community or mental health team made.
    pub fn contact(
        &mut self,
        id: &str,
        when: When,
        minutes: i32,
        kind: &str,
        with: &Clinician,
        reason: &str,
    ) {
        self.add("Encounter", id, json!({
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HH", "display": "home health"},
            "type": [{"text": kind}],
            "participant": [{"individual": clinician_reference(with)}],
            "period": {"start": when.fhir(), "end": when.plus(minutes).fhir()},
            "reasonCode": [{"text": reason}],
            "serviceProvider": self.own_organisation(),
        }));
    }

    pub fn document(&mut self, document: &Document<'_>) {
        let (content_type, bytes) = match &document.pdf {
            Some(pdf) => ("application/pdf", pdf.clone()),
            None => (
                "text/plain; charset=utf-8",
                document.text.as_bytes().to_vec(),
            ),
        };
        self.add(
            "DocumentReference",
            document.id,
            json!({
                "status": "current",
                "docStatus": "final",
                "type": document.kind,
                "category": [concept("823651000000106", "Clinical note")],
                "date": document.written.fhir(),
                "author": [clinician_reference(&document.author)],
                "custodian": self.own_organisation(),
                "description": document.title,
                "content": [{"attachment": {
                    "contentType": content_type,
                    "data": STANDARD.encode(&bytes),
                    "size": bytes.len(),
                    "title": document.title,
                    "creation": document.written.fhir(),
                }}],
            }),
        );
    }

    /// A team's list: the person is on it from this day, and still is unless it says otherwise.
    pub fn caseload(
        &mut self,
        id: &str,
        team: &str,
        kind: &str,
        from: Day,
        until: Option<Day>,
        lead: &Clinician,
    ) {
        let mut period = json!({"start": from.iso()});
        if let (Some(until), Some(fields)) = (until, period.as_object_mut()) {
            fields.insert("end".into(), json!(until.iso()));
        }
        let team_reference = self.reference("CareTeam", &format!("team-{id}"));
        self.add(
            "EpisodeOfCare",
            &format!("episode-{id}"),
            json!({
                "status": if until.is_some() { "finished" } else { "active" },
                "type": [{"text": kind}],
                "managingOrganization": self.own_organisation(),
                "period": period,
                "careManager": clinician_reference(lead),
                "team": [team_reference],
            }),
        );
        self.add(
            "CareTeam",
            &format!("team-{id}"),
            json!({
                "status": if until.is_some() { "inactive" } else { "active" },
                "name": team,
                "period": period,
                "participant": [{
                    "role": [{"text": lead.job}],
                    "member": clinician_reference(lead),
                    "onBehalfOf": self.own_organisation(),
                }],
                "managingOrganization": [self.own_organisation()],
                "telecom": [{"system": "phone", "value": self.organisation.phone, "use": "work"}],
            }),
        );
    }

    /// The person lives in a care home, placed or known by the sender.
    pub fn resident(&mut self, home: &InventedOrganisation, from: Day) {
        self.add("EpisodeOfCare", "episode-residence", json!({
            "status": "active",
            "type": [{"coding": [{"system": "https://connect-care.example/CodeSystem/involvement", "code": "care_home_resident", "display": "Lives in a care home"}], "text": "Care home placement"}],
            "managingOrganization": organisation_reference(home.ods),
            "period": {"start": from.iso()},
        }));
    }

    /// A care plan: sections of (heading, text), each an activity.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a different element of one CarePlan"
    )]
    pub fn plan(
        &mut self,
        id: &str,
        kind: Value,
        title: &str,
        summary: &str,
        made: Day,
        review: Option<Day>,
        author: &Clinician,
        parts: &[(&str, &str)],
    ) {
        let activities: Vec<Value> = parts
            .iter()
            .map(|(heading, text)| json!({"detail": {"status": "in-progress", "code": {"text": heading}, "description": text}}))
            .collect();
        let mut body = json!({
            "status": "active",
            "intent": "plan",
            "category": [kind],
            "title": title,
            "description": summary,
            "created": made.iso(),
            "period": {"start": made.iso()},
            "author": clinician_reference(author),
            "contributor": [self.own_organisation()],
        });
        if let Some(fields) = body.as_object_mut() {
            if !activities.is_empty() {
                fields.insert("activity".into(), json!(activities));
            }
            if let Some(review) = review {
                fields.insert(
                    "period".into(),
                    json!({"start": made.iso(), "end": review.iso()}),
                );
                fields.insert(
                    "note".into(),
                    json!([{"text": format!("Review due {}", review.words())}]),
                );
            }
        }
        self.add("CarePlan", id, body);
    }

    /// Something that must be seen before the rest.
    pub fn alert(&mut self, id: &str, kind: (&str, &str), code: Value, from: Day, by: &Clinician) {
        self.add("Flag", id, json!({
            "status": "active",
            "category": [coded("https://connect-care.example/CodeSystem/flag-kind", kind.0, kind.1)],
            "code": code,
            "period": {"start": from.iso()},
            "author": clinician_reference(by),
        }));
    }

    /// A form with its answers: (question, answer).
    pub fn answers(
        &mut self,
        id: &str,
        form: &str,
        title: &str,
        when: When,
        by: &Clinician,
        answers: &[(&str, &str)],
    ) {
        let items: Vec<Value> = answers
            .iter()
            .zip(1..)
            .map(|((question, answer), place)| json!({"linkId": place.to_string(), "text": question, "answer": [{"valueString": answer}]}))
            .collect();
        self.add("QuestionnaireResponse", id, json!({
            "status": "completed",
            "questionnaire": format!("https://connect-care.example/Questionnaire/{form}"),
            "text": {"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{}</p></div>", html(title))},
            "authored": when.fhir(),
            "author": {"type": "Practitioner", "display": by.spoken()},
            "item": items,
        }));
    }

    /// Somebody in the person's life.
    pub fn relative(
        &mut self,
        id: &str,
        relation: (&str, &str),
        name: (&str, &str, &str),
        phone: &str,
        note: &str,
    ) {
        let mut relationships = vec![
            json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": relation.0, "display": relation.1}], "text": relation.1}),
        ];
        if !note.is_empty() {
            relationships.push(json!({"text": note}));
        }
        self.add("RelatedPerson", id, json!({
            "active": true,
            "relationship": relationships,
            "name": [{"use": "official", "prefix": [name.0], "given": [name.1], "family": name.2}],
            "telecom": [{"system": "phone", "value": phone}],
        }));
    }

    /// An objection to Connect Care, as the Consent that a source which records it sends: the
    /// category `connect-care-choice`, a denial, and a nested permit where an emergency is excepted.
    pub fn objection(&mut self, except_emergency: bool, decided: Day) {
        let mut provision = json!({"type": "deny", "period": {"start": decided.iso()}});
        if let Some(fields) = provision.as_object_mut().filter(|_| except_emergency) {
            let emergency = json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "ETREAT", "display": "Emergency Treatment"});
            fields.insert(
                "provision".into(),
                json!([{"type": "permit", "purpose": [emergency]}]),
            );
        }
        self.add("Consent", "choice", json!({
            "status": "active",
            "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy", "display": "Privacy Consent"}]},
            "category": [coded(CONSENT_SYSTEM, "connect-care-choice", "Choice about Connect Care")],
            "dateTime": decided.at(11, 20).fhir(),
            "organization": [self.own_organisation()],
            "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT", "display": "opt-out"}]},
            "provision": provision,
        }));
    }

    /// Marks what was added last with a security label.
    pub fn label_last(&mut self, security: Value) {
        self.change_last("meta", json!({"security": [security]}));
    }
}

/// The label of an item sealed at the person's request.
pub(crate) fn sealed() -> Value {
    json!({"system": crate::fhir::SENSITIVITY_SYSTEM, "code": "sealed", "display": "Sealed at the person's request"})
}

/// The label of an item sealed and locked.
pub(crate) fn sealed_locked() -> Value {
    json!({"system": crate::fhir::SENSITIVITY_SYSTEM, "code": "sealed-locked", "display": "Sealed and locked"})
}

/// The label of a very restricted item.
pub(crate) fn very_restricted() -> Value {
    confidentiality("V")
}

fn allergy_status(code: &str, display: &str) -> Value {
    json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": code, "display": display}]})
}

fn allergy_certainty() -> Value {
    json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "code": "confirmed", "display": "Confirmed"}]})
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\n', "<br/>")
}
