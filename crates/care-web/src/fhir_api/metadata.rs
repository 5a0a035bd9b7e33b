//! `GET /fhir/R4/metadata`: the CapabilityStatement. Says only what runs.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use care_core::fhir::ResourceType;
use serde_json::json;

use crate::state::Shared;

/// Open to anyone.
pub async fn show(State(state): State<Shared>) -> Response {
    let base = &state.config.server.base_url;
    let resources: Vec<_> = ResourceType::all()
        .map(|one| resource(one.name()))
        .collect();
    let body = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-23",
        "kind": "instance",
        "software": { "name": "Connect Care", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": "A read-only shared care record", "url": format!("{base}/fhir/R4") },
        "fhirVersion": "4.0.1",
        "format": ["json", "xml"],
        "rest": [{
            "mode": "server",
            "documentation": "Readers see what their role, the person's choices and their relationship allow; what is hidden and what is absent read the same. Answers are JSON; sources may send XML.",
            "security": {
                "cors": false,
                "service": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR" }] }],
                "description": format!("Bearer tokens; systems get them at {base}/oauth/token with private_key_jwt"),
            },
            "resource": resources,
            "interaction": [{ "code": "transaction" }, { "code": "batch" }],
        }],
    });
    (
        [(header::CONTENT_TYPE, "application/fhir+json")],
        body.to_string(),
    )
        .into_response()
}

fn resource(name: &str) -> serde_json::Value {
    let mut one = json!({
        "type": name,
        "interaction": [
            { "code": "read" }, { "code": "search-type" },
            { "code": "create", "documentation": "Sources only" },
            { "code": "update", "documentation": "Sources only" },
        ],
        "versioning": "versioned",
        "updateCreate": true,
    });
    let search = if name == super::audit::TYPE {
        super::audit::parameters()
    } else if name == "Patient" {
        json!([{ "name": "identifier", "type": "token", "documentation": "NHS number, by POST to _search only" }])
    } else {
        json!([{ "name": "patient", "type": "reference", "documentation": "Required" }])
    };
    if let Some(members) = one.as_object_mut() {
        members.insert("searchParam".to_owned(), search);
        if name == "Patient" {
            members.insert("operation".to_owned(), json!([{ "name": "everything", "definition": "http://hl7.org/fhir/OperationDefinition/Patient-everything" }]));
        }
    }
    one
}
