//! `GET /fhir/R4/metadata`: the CapabilityStatement, made of the tables that route and read requests
//! (`table`, the operations, `care_core::fhir::search::Parameters`). Says only what runs.

use std::sync::{Mutex, PoisonError};

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use care_core::fhir::ResourceType;
use care_core::fhir::search::{ParameterKind, Parameters, SearchParameter, definition};
use serde::Deserialize;
use serde_json::{Value, json};

use super::table::{self, Level};
use crate::problem::{ApiProblem, Problem};
use crate::state::{AppState, Shared};

/// The day the tables last changed.
const DATE: &str = "2026-11-23";
/// What a deployment's own parameter is defined under, below the base.
const OWN_DEFINITION: &str = "/fhir/R4/SearchParameter/";

/// What is asked.
#[derive(Deserialize)]
pub struct Asked {
    mode: Option<String>,
}

/// The statement as it was last made, and the number of search parameters it was made of.
static MADE: Mutex<Option<(usize, String)>> = Mutex::new(None);

/// Open to anyone.
pub async fn show(
    State(state): State<Shared>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiProblem> {
    let body = match asked.mode.as_deref() {
        None | Some("" | "full" | "normative") => statement(&state),
        Some("terminology") => terminology(&state).to_string(),
        Some(_) => {
            let mend = "mode is full, normative or terminology.";
            return Err(Problem::invalid("This mode is none of metadata's", mend).into());
        }
    };
    Ok(([(header::CONTENT_TYPE, "application/fhir+json")], body).into_response())
}

fn statement(state: &AppState) -> String {
    let all = state.record.search_parameters().all();
    let parameters = &*all;
    let stamp: usize = ResourceType::all()
        .map(|kind| parameters.of(kind).count())
        .sum();
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((held, text)) = &*made
        && *held == stamp
    {
        return text.clone();
    }
    let text = capabilities(state, parameters).to_string();
    *made = Some((stamp, text.clone()));
    text
}

fn head(state: &AppState, kind: &str) -> Value {
    let base = &state.config.server.base_url;
    json!({
        "resourceType": kind,
        "url": format!("{base}/fhir/R4/metadata"),
        "version": env!("CARGO_PKG_VERSION"),
        "name": "ConnectCare",
        "title": "Connect Care",
        "status": "active",
        "date": DATE,
        "kind": "instance",
        "software": { "name": "Connect Care", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": "A shared care record", "url": format!("{base}/fhir/R4") },
    })
}

fn merge(mut into: Value, more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut into, more) {
        all.extend(more);
    }
    into
}

fn capabilities(state: &AppState, parameters: &Parameters) -> Value {
    let reverse = reverse_includes(parameters);
    let base = &state.config.server.base_url;
    let resources: Vec<Value> = table::kinds()
        .map(|kind| resource(kind, parameters, &reverse[usize::from(kind.number())], base))
        .collect();
    let system = table::INTERACTIONS
        .iter()
        .filter(|one| one.level == Level::System)
        .map(|one| json!({ "code": one.code, "documentation": one.words }))
        .chain([json!({ "code": "batch", "documentation": "Each entry for itself" })]);
    let compartments = [
        "patient",
        "encounter",
        "practitioner",
        "relatedPerson",
        "device",
    ]
    .map(|name| format!("http://hl7.org/fhir/CompartmentDefinition/{name}"));
    merge(
        head(state, "CapabilityStatement"),
        json!({
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json", "application/fhir+xml", "json", "xml"],
            "patchFormat": ["application/json-patch+json", "application/fhir+json", "application/fhir+xml"],
            "instantiates": ["http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"],
            "implementationGuide": ["http://hl7.org/fhir/smart-app-launch/ImplementationGuide/hl7.fhir.uv.smart-app-launch"],
            "rest": [{
                "mode": "server",
                "documentation": "People read about one person at a time, as their role, the person's choices and their relationship allow; what is hidden and what is absent read the same. Sources write, and read back exactly what they sent themselves.",
                "security": security(state),
                "resource": resources,
                "interaction": system.collect::<Vec<_>>(),
                "compartment": compartments,
                "operation": operations(None),
            }],
        }),
    )
}

/// The operations of a type, or of the whole system.
fn operations(kind: Option<ResourceType>) -> Vec<Value> {
    table::operations_of(kind)
        .into_iter()
        .map(|(name, definition)| json!({ "name": name, "definition": definition }))
        .collect()
}

fn security(state: &AppState) -> Value {
    let base = &state.config.server.base_url;
    let mut addresses = vec![
        json!({ "url": "token", "valueUri": format!("{base}/oauth/token") }),
        json!({ "url": "introspect", "valueUri": format!("{base}/oauth/introspect") }),
        json!({ "url": "revoke", "valueUri": format!("{base}/oauth/revoke") }),
    ];
    if !state.config.apps.is_empty() {
        let manage = format!("{base}/apps");
        addresses.insert(
            0,
            json!({ "url": "authorize", "valueUri": format!("{base}/oauth/authorize") }),
        );
        addresses.push(json!({ "url": "manage", "valueUri": manage }));
    }
    json!({
        "cors": state.config.apps.iter().any(|app| !app.origins.is_empty()),
        "service": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR" }], "text": "OAuth2 with SMART App Launch 2.2" }],
        "description": format!("Bearer tokens. {base}/.well-known/smart-configuration says how to get one. CORS is open to the origins of registered apps; this statement and that page, to any."),
        "extension": [{ "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris", "extension": addresses }],
    })
}

/// For each type by number: the references that may point at it, as `Type:parameter`.
fn reverse_includes(parameters: &Parameters) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new(); ResourceType::all().count()];
    for kind in table::kinds() {
        for one in parameters.of(kind).filter(|one| is_reference(one)) {
            let name = format!("{kind}:{}", one.code);
            let targets = one
                .targets
                .iter()
                .filter_map(|name| ResourceType::from_name(name));
            for target in targets {
                all[usize::from(target.number())].push(name.clone());
            }
        }
    }
    all
}

fn is_reference(one: &SearchParameter) -> bool {
    one.kind == ParameterKind::Reference
}

fn resource(kind: ResourceType, parameters: &Parameters, reverse: &[String], base: &str) -> Value {
    let interactions: Vec<Value> = table::of_type(kind)
        .iter()
        .map(|one| match one.by {
            table::By::Source => json!({ "code": one.code, "documentation": "Sources only" }),
            table::By::Both => json!({ "code": one.code }),
        })
        .collect();
    let described = json!({
        "type": kind.name(),
        "profile": format!("http://hl7.org/fhir/StructureDefinition/{kind}"),
        "interaction": interactions,
    });
    if kind.name() == super::audit::TYPE {
        let own = json!({ "documentation": "For reviewers of the log", "searchParam": super::audit::parameters() });
        return merge(described, own);
    }
    if kind.name() == super::subscriptions::TYPE {
        return merge(described, subscriptions(base));
    }
    let searched: Vec<Value> = parameters
        .of(kind)
        .map(|one| parameter(kind, one, base))
        .chain(words())
        .collect();
    let includes: Vec<String> = std::iter::once("*".to_owned())
        .chain(
            parameters
                .of(kind)
                .filter(|one| is_reference(one))
                .map(|one| format!("{kind}:{}", one.code)),
        )
        .collect();
    let mut more = json!({
        "searchInclude": includes,
        "searchRevInclude": reverse,
        "searchParam": searched,
        "operation": operations(Some(kind)),
    });
    if table::is_written(kind) {
        let writes = json!({
            "versioning": "versioned",
            "readHistory": true,
            "updateCreate": true,
            "conditionalCreate": true,
            "conditionalRead": "full-support",
            "conditionalUpdate": true,
            "conditionalDelete": "single",
            "referencePolicy": ["literal", "logical", "local"],
        });
        more = merge(more, writes);
    }
    merge(described, more)
}

/// What is said of subscriptions: their topic, and what they are found by.
fn subscriptions(base: &str) -> Value {
    const TOPICS: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/capabilitystatement-subscriptiontopic-canonical";
    let kind = ResourceType::from_name(super::subscriptions::TYPE);
    let searched: Vec<Value> = super::subscriptions::PARAMETERS
        .iter()
        .map(|(name, of)| {
            let address = kind.map(|kind| definition(kind, name));
            json!({ "name": name, "definition": address, "type": of })
        })
        .collect();
    let operations = ["status", "events", "get-ws-binding-token"].map(|name| {
        let address = format!("http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-{name}");
        json!({ "name": name, "definition": address })
    });
    json!({
        "extension": [{ "url": TOPICS, "valueCanonical": format!("{base}{}", super::subscriptions::TOPIC) }],
        "supportedProfile": ["http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription"],
        "documentation": "Sources only, about their own items; rest-hook and websocket; empty, id-only and full-resource",
        "versioning": "versioned",
        "updateCreate": false,
        "searchParam": searched,
        "operation": operations,
    })
}

/// The two parameters that look at text as a whole.
fn words() -> impl Iterator<Item = Value> {
    [
        ("_text", "DomainResource-text"),
        ("_content", "Resource-content"),
    ]
    .into_iter()
    .map(|(name, id)| {
        let address = format!("http://hl7.org/fhir/SearchParameter/{id}");
        json!({ "name": name, "definition": address, "type": "string" })
    })
}

fn parameter(kind: ResourceType, one: &SearchParameter, base: &str) -> Value {
    let is_r4 = Parameters::r4().find(Some(kind), &one.code).is_some();
    let address = if is_r4 {
        definition(kind, &one.code)
    } else {
        format!("{base}{OWN_DEFINITION}{kind}-{}", one.code)
    };
    json!({ "name": &*one.code, "definition": address, "type": one.kind.code() })
}

/// What of terminology runs: codes are compared with the value sets the definitions bind and those the
/// product holds; there are no terminology operations.
fn terminology(state: &AppState) -> Value {
    merge(
        head(state, "TerminologyCapabilities"),
        json!({
            "description": "Codes are checked against the value sets that R4 binds, and :in, :above and :below use the value sets and hierarchies of R4's own code systems, ICD-10 and OPCS-4; another is refused. There are no terminology operations.",
            "codeSearch": "explicit",
        }),
    )
}
