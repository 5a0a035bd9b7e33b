//! What the feeds of the demonstration do not send: every source says something of every kind about the
//! same people, some of it sealed, some of it pointing at what other sources sent.

use serde_json::{Value, json};

pub const SNOMED: &str = "http://snomed.info/sct";
const SENSITIVITY: &str = "https://connect-care.example/CodeSystem/sensitivity";

/// What one source says of one person: a transaction. `patient` is the source's Patient, whole.
pub fn bundle(feed: &str, number: usize, patient: &Value) -> Value {
    let tale = Tale { feed, number };
    let mut entries = vec![tale.patient(patient)];
    for (place, (kind, body)) in tale.resources().into_iter().enumerate() {
        entries.push(tale.entry(kind, place, body));
    }
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

/// Observations of a source that point at another's things, by our own ids of them.
pub fn pointing(feed: &str, number: usize, base: &str, at: &[String]) -> Value {
    let tale = Tale { feed, number };
    let entries: Vec<Value> = at
        .iter()
        .enumerate()
        .map(|(place, address)| {
            let kind = address.split('/').next().unwrap_or_default();
            let to = if place % 2 == 0 { format!("{base}/fhir/R4/{address}") } else { address.clone() };
            let mut body = json!({
                "status": "final", "code": tale.code("Pulse rate", "78564009"),
                "effectiveDateTime": format!("2025-0{}-11T10:00:00Z", 1 + place % 9),
                "valueQuantity": {"value": 60 + place, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
            });
            let reference = json!({"reference": to});
            match kind {
                "Encounter" => body["encounter"] = reference,
                "Specimen" => body["specimen"] = reference,
                "Device" => body["device"] = reference,
                "Practitioner" | "Organization" => body["performer"] = json!([reference]),
                "ServiceRequest" | "CarePlan" => body["basedOn"] = json!([reference]),
                "Procedure" | "Immunization" => body["partOf"] = json!([reference]),
                "Observation" => body["hasMember"] = json!([reference]),
                _ => body["focus"] = json!([reference]),
            }
            tale.entry("Observation", 200 + place, body)
        })
        .collect();
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

struct Tale<'t> {
    feed: &'t str,
    number: usize,
}

impl Tale<'_> {
    fn key(&self, kind: &str, place: usize) -> String {
        format!("twin-{}-{}-{kind}-{place}", self.feed, self.number)
    }

    fn to(&self, kind: &str, place: usize) -> Value {
        json!({"reference": format!("{kind}/{}", self.key(kind, place))})
    }

    fn me(&self) -> Value {
        self.to("Patient", 0)
    }

    /// A word that nothing else holds.
    fn word(&self, kind: &str) -> String {
        let letters: String = self
            .feed
            .chars()
            .filter(|one| one.is_alphabetic())
            .collect();
        let own = char::from(b'a' + (self.number % 26) as u8);
        format!("kanari{letters}{}{own}", kind.to_lowercase())
    }

    fn code(&self, text: &str, code: &str) -> Value {
        json!({"coding": [{"system": SNOMED, "code": code, "display": text}], "text": text})
    }

    fn patient(&self, of: &Value) -> Value {
        let mut body = json!({"resourceType": "Patient", "id": self.key("Patient", 0)});
        for name in ["identifier", "name", "birthDate", "gender", "address"] {
            if let Some(value) = of.get(name) {
                body[name] = value.clone();
            }
        }
        json!({"resource": body, "request": {"method": "PUT", "url": format!("Patient/{}", self.key("Patient", 0))}})
    }

    fn entry(&self, kind: &str, place: usize, mut body: Value) -> Value {
        let key = self.key(kind, place);
        body["resourceType"] = json!(kind);
        body["id"] = json!(key);
        if ![
            "Provenance",
            "QuestionnaireResponse",
            "Composition",
            "Bundle",
        ]
        .contains(&kind)
        {
            body["identifier"] = json!([{"system": format!("https://{}.example/Id/{}", self.feed, kind.to_lowercase()), "value": key}]);
        }
        let subject = match kind {
            "AllergyIntolerance" | "Immunization" | "EpisodeOfCare" | "RelatedPerson"
            | "Device" => Some("patient"),
            "Practitioner" | "Organization" | "Location" | "HealthcareService"
            | "PractitionerRole" | "Provenance" | "Group" | "Appointment" | "Coverage" | "Task" => {
                None
            }
            _ => Some("subject"),
        };
        if let Some(name) = subject {
            body[name] = self.me();
        }
        let word = self.word(kind);
        body["text"] = json!({"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{word} told by {}</div>", self.feed)});
        let label = match (place + self.number) % 7 {
            3 => Some("sealed"),
            5 => Some("sealed-locked"),
            _ => None,
        };
        let is_about_somebody = subject.is_some();
        if let Some(code) = label.filter(|_| is_about_somebody) {
            body["meta"] = json!({"security": [{"system": SENSITIVITY, "code": code}]});
        } else if place % 4 == 1 {
            body["meta"] = json!({"tag": [{"system": "https://tags.example", "code": word}]});
        }
        json!({"resource": body, "request": {"method": "PUT", "url": format!("{kind}/{key}")}})
    }

    fn resources(&self) -> Vec<(&'static str, Value)> {
        let day = |month: usize| {
            format!(
                "202{}-{:02}-{:02}",
                3 + self.number % 3,
                1 + month % 12,
                1 + self.number % 28
            )
        };
        let at = |month: usize| format!("{}T0{}:15:00Z", day(month), self.feed.len() % 10);
        let period =
            |month: usize| json!({"start": at(month), "end": format!("{}T23:00:00Z", day(month))});
        let quantity = |value: f64, unit: &str| json!({"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit});
        let by = self.to("Practitioner", 1);
        let met = self.to("Encounter", 4);
        let own = |offset: f64| offset + self.number as f64 / 10.0 + self.feed.len() as f64;
        vec![
            (
                "Organization",
                json!({"name": format!("Ward {}", self.word("org")), "active": true}),
            ),
            (
                "Practitioner",
                json!({"name": [{"family": format!("Own{}", self.word("prac")), "given": ["Ada"]}], "gender": "female"}),
            ),
            (
                "Location",
                json!({"name": format!("Room {}", self.number), "status": "active", "position": {"latitude": 51.4 + self.number as f64 / 100.0, "longitude": -0.02}}),
            ),
            (
                "PractitionerRole",
                json!({"practitioner": by, "organization": self.to("Organization", 0), "active": true}),
            ),
            (
                "Encounter",
                json!({"status": "finished", "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}, "period": period(2), "serviceProvider": self.to("Organization", 0), "participant": [{"individual": by}], "reasonCode": [self.code("Fall", "217082002")]}),
            ),
            (
                "Encounter",
                json!({"status": "in-progress", "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}, "period": {"start": at(5)}, "partOf": met, "participant": [{"individual": by}]}),
            ),
            (
                "Condition",
                json!({"clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}, "code": self.code("Asthma", "195967001"), "encounter": met, "onsetDateTime": day(3), "recordedDate": day(3), "asserter": by, "note": [{"text": self.word("note")}]}),
            ),
            (
                "Condition",
                json!({"clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "resolved"}]}, "code": self.code("Diabetes mellitus type 2", "44054006"), "onsetAge": quantity(own(30.0), "a"), "abatementDateTime": day(7)}),
            ),
            (
                "Specimen",
                json!({"status": "available", "type": self.code("Blood", "119297000"), "collection": {"collectedDateTime": at(3), "collector": by}, "receivedTime": at(4)}),
            ),
            (
                "Observation",
                json!({"status": "final", "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}], "code": self.code("Haemoglobin", "718-7"), "effectiveDateTime": at(3), "valueQuantity": quantity(own(100.0), "g/L"), "specimen": self.to("Specimen", 8), "performer": [by], "encounter": met}),
            ),
            (
                "Observation",
                json!({"status": "amended", "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}], "code": self.code("Blood pressure", "75367002"), "effectivePeriod": period(4), "component": [{"code": self.code("Systolic", "271649006"), "valueQuantity": quantity(own(110.0), "mm[Hg]")}, {"code": self.code("Diastolic", "271650006"), "valueQuantity": quantity(own(70.0), "mm[Hg]")}], "hasMember": [self.to("Observation", 9)]}),
            ),
            (
                "Observation",
                json!({"status": "final", "code": self.code("Smoking status", "229819007"), "effectiveDateTime": day(6), "valueCodeableConcept": self.code("Ex-smoker", "8517006"), "derivedFrom": [self.to("Observation", 10)]}),
            ),
            (
                "Observation",
                json!({"status": "preliminary", "code": self.code("Weight", "27113001"), "effectiveDateTime": at(8), "valueString": self.word("value"), "device": self.to("Device", 30), "focus": [self.to("Condition", 6)]}),
            ),
            (
                "Procedure",
                json!({"status": "completed", "code": self.code("Appendicectomy", "80146002"), "performedDateTime": day(4), "encounter": met, "reasonReference": [self.to("Condition", 6)], "performer": [{"actor": by}], "basedOn": [self.to("ServiceRequest", 22)]}),
            ),
            (
                "MedicationRequest",
                json!({"status": "active", "intent": "order", "medicationCodeableConcept": self.code("Amoxicillin", "27658006"), "authoredOn": at(5), "requester": by, "encounter": met, "reasonReference": [self.to("Condition", 7)]}),
            ),
            (
                "MedicationStatement",
                json!({"status": "active", "medicationCodeableConcept": self.code("Paracetamol", "387517004"), "effectivePeriod": {"start": day(2)}, "context": met, "basedOn": [self.to("MedicationRequest", 14)]}),
            ),
            (
                "AllergyIntolerance",
                json!({"clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]}, "criticality": "high", "code": self.code("Penicillin", "764146007"), "onsetDateTime": day(1), "recorder": by, "reaction": [{"manifestation": [self.code("Rash", "271807003")], "severity": "severe"}]}),
            ),
            (
                "Immunization",
                json!({"status": "completed", "vaccineCode": self.code("Influenza vaccine", "46233009"), "occurrenceDateTime": day(9), "location": self.to("Location", 2), "lotNumber": self.word("lot"), "performer": [{"actor": by}]}),
            ),
            (
                "DiagnosticReport",
                json!({"status": "final", "code": self.code("Full blood count", "26604007"), "effectiveDateTime": at(3), "issued": at(4), "result": [self.to("Observation", 9), self.to("Observation", 10)], "encounter": met, "performer": [self.to("Organization", 0)], "conclusion": self.word("conclusion"), "specimen": [self.to("Specimen", 8)]}),
            ),
            (
                "DocumentReference",
                json!({"status": "current", "type": self.code("Letter", "823681000000100"), "date": at(6), "author": [by], "description": self.word("letter"), "content": [{"attachment": {"contentType": "text/plain", "data": "SGVsbG8=", "title": self.word("title")}}], "context": {"encounter": [met], "period": period(6)}}),
            ),
            (
                "CarePlan",
                json!({"status": "active", "intent": "plan", "title": self.word("plan"), "period": {"start": day(1)}, "encounter": met, "careTeam": [self.to("CareTeam", 21)], "goal": [self.to("Goal", 23)], "addresses": [self.to("Condition", 6)]}),
            ),
            (
                "CareTeam",
                json!({"status": "active", "name": self.word("team"), "participant": [{"member": by}], "encounter": met}),
            ),
            (
                "ServiceRequest",
                json!({"status": "active", "intent": "order", "code": self.code("Physiotherapy", "91251008"), "authoredOn": at(7), "requester": by, "encounter": met, "reasonReference": [self.to("Condition", 6)]}),
            ),
            (
                "Goal",
                json!({"lifecycleStatus": "active", "description": {"text": self.word("goal")}, "startDate": day(2), "target": [{"dueDate": day(11)}]}),
            ),
            (
                "Appointment",
                json!({"status": "booked", "start": at(10), "end": at(10), "participant": [{"actor": self.me(), "status": "accepted"}, {"actor": by, "status": "accepted"}, {"actor": self.to("Location", 2), "status": "accepted"}], "basedOn": [self.to("ServiceRequest", 22)]}),
            ),
            (
                "Flag",
                json!({"status": "active", "code": self.code("Falls risk", "129839007"), "period": {"start": day(2)}, "author": by, "encounter": met}),
            ),
            (
                "RelatedPerson",
                json!({"name": [{"family": self.word("kin"), "given": ["Robin"]}], "birthDate": "1961-05-04", "telecom": [{"system": "phone", "value": format!("0700900{:04}", self.number)}], "relationship": [self.code("Sibling", "375005")]}),
            ),
            (
                "Task",
                json!({"status": "requested", "intent": "order", "for": self.me(), "focus": self.to("ServiceRequest", 22), "authoredOn": at(7), "requester": by, "encounter": met, "description": self.word("task")}),
            ),
            (
                "Communication",
                json!({"status": "completed", "sent": at(8), "sender": by, "encounter": met, "payload": [{"contentString": self.word("said")}]}),
            ),
            (
                "QuestionnaireResponse",
                json!({"status": "completed", "authored": at(8), "author": by, "encounter": met, "identifier": {"system": format!("https://{}.example/Id/qr", self.feed), "value": self.word("qr")}, "item": [{"linkId": "1", "answer": [{"valueString": self.word("answer")}]}]}),
            ),
            (
                "Device",
                json!({"status": "active", "deviceName": [{"name": self.word("device"), "type": "user-friendly-name"}], "type": self.code("Walking stick", "87405001"), "owner": self.to("Organization", 0)}),
            ),
            (
                "EpisodeOfCare",
                json!({"status": "active", "period": {"start": day(1)}, "careManager": by, "managingOrganization": self.to("Organization", 0)}),
            ),
            (
                "List",
                json!({"status": "current", "mode": "working", "title": self.word("list"), "code": self.code("Problem list", "160685001"), "date": at(9), "source": by, "entry": [{"item": self.to("Condition", 6)}, {"item": self.to("Observation", 9)}]}),
            ),
            (
                "Coverage",
                json!({"status": "active", "beneficiary": self.me(), "payor": [self.to("Organization", 0)], "period": {"start": day(1)}}),
            ),
            (
                "ClinicalImpression",
                json!({"status": "completed", "date": at(9), "assessor": by, "encounter": met, "problem": [self.to("Condition", 6)], "summary": self.word("impression")}),
            ),
            (
                "RiskAssessment",
                json!({"status": "final", "occurrenceDateTime": day(9), "encounter": met, "prediction": [{"outcome": self.code("Fall", "217082002"), "probabilityDecimal": own(0.0) / 100.0}], "performer": by}),
            ),
            (
                "Provenance",
                json!({"target": [self.to("Observation", 9), self.to("Condition", 6)], "recorded": at(9), "agent": [{"who": by, "onBehalfOf": self.to("Organization", 0)}]}),
            ),
            (
                "Group",
                json!({"type": "person", "actual": true, "name": self.word("group"), "member": [{"entity": self.me()}], "managingEntity": self.to("Organization", 0)}),
            ),
            (
                "Basic",
                json!({"code": {"text": self.word("basic")}, "created": day(9), "author": by}),
            ),
        ]
    }
}
