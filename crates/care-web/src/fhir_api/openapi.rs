//! `GET /openapi.json`: every address for systems as OpenAPI 3.1, made of the tables that route them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use care_core::fhir::ResourceType;
use serde_json::{Map, Value, json};

use super::operations::Operation;
use super::table::{self, By, INTERACTIONS, Interaction};

const BASE: &str = "/fhir/R4";

/// An address that is no FHIR interaction.
pub struct Address {
    /// The address.
    pub path: &'static str,
    /// The method, in small letters.
    pub method: &'static str,
    /// What it does.
    pub words: &'static str,
}

const fn open(method: &'static str, path: &'static str, words: &'static str) -> Address {
    Address {
        path,
        method,
        words,
    }
}

/// Addresses anybody may ask. Those that need a client's own proof ask for it in the request.
pub const OPEN: &[Address] = &[
    open("get", "/health/live", "200 while the process runs"),
    open(
        "get",
        "/health/ready",
        "200 while a record page can be served",
    ),
    open("get", "/metrics", "Figures as Prometheus text"),
    open("get", "/version", "Name and version"),
    open("get", "/openapi.json", "This description"),
    open(
        "get",
        "/.well-known/smart-configuration",
        "How clients sign in (SMART App Launch 2.2)",
    ),
    open(
        "get",
        "/fhir/R4/.well-known/smart-configuration",
        "How clients sign in (SMART App Launch 2.2)",
    ),
    open(
        "get",
        "/.well-known/openid-configuration",
        "How ID tokens are checked (OpenID Connect Discovery)",
    ),
    open("get", "/oauth/jwks", "The key tokens are signed with"),
    open(
        "get",
        "/oauth/authorize",
        "An app asks to read for somebody, who is asked in the browser",
    ),
    open("post", "/oauth/authorize", "The same in a form"),
    open(
        "post",
        "/oauth/token",
        "A token for a code, a refresh token or a signed assertion",
    ),
    open(
        "post",
        "/oauth/introspect",
        "What a token is worth now (RFC 7662)",
    ),
    open("post", "/oauth/revoke", "Takes a token back (RFC 7009)"),
    open(
        "get",
        "/fhir/R4/metadata",
        "CapabilityStatement; mode=terminology: TerminologyCapabilities",
    ),
];

/// The description.
pub async fn show() -> Response {
    Json(description()).into_response()
}

fn description() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut add = |path: &str, method: &str, operation: Value| {
        let entry = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
        if let Some(methods) = entry.as_object_mut() {
            methods.insert(method.to_owned(), operation);
        }
    };
    for one in OPEN {
        let body =
            (one.method == "post").then(|| content("application/x-www-form-urlencoded", "Form"));
        add(
            one.path,
            one.method,
            operation(one.path, one.words, json!([]), body),
        );
    }
    for one in INTERACTIONS {
        let path = format!("{BASE}{}", one.path.trim_end_matches('/'));
        add(&path, one.method, interaction(&path, one));
    }
    for one in table::operations() {
        for (method, below) in table::addresses(one) {
            let path = format!("{BASE}{below}");
            add(&path, method, called(&path, one, method));
        }
    }
    let types: Vec<&str> = table::kinds().map(ResourceType::name).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Connect Care",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "FHIR R4 (4.0.1). What each type can be searched by stands in /fhir/R4/metadata.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Scopes as in SMART App Launch 2.2" },
            },
            "schemas": {
                "Type": { "type": "string", "enum": types },
                "Id": { "type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$" },
                "Resource": { "type": "object", "required": ["resourceType"], "properties": { "resourceType": { "type": "string" } } },
                "Patch": { "oneOf": [{ "type": "array", "items": { "type": "object" } }, { "$ref": "#/components/schemas/Resource" }] },
                "Form": { "type": "object", "additionalProperties": { "type": "string" } },
            },
            "responses": {
                "Resource": { "description": "A resource, or a Bundle of them", "content": content("application/fhir+json", "Resource")["content"] },
                "Outcome": { "description": "An OperationOutcome that says what is wrong, where, and how to mend it", "content": content("application/fhir+json", "Resource")["content"] },
            },
        },
    })
}

fn content(kind: &str, schema: &str) -> Value {
    let schema = format!("#/components/schemas/{schema}");
    json!({ "required": true, "content": { kind: { "schema": { "$ref": schema } } } })
}

fn interaction(path: &str, one: &Interaction) -> Value {
    let letter = one.letter;
    let mut scopes = vec![json!({ "bearer": [format!("system/*.{letter}")] })];
    if one.by == By::Both {
        scopes.push(json!({ "bearer": [format!("user/*.{letter}")] }));
        scopes.push(json!({ "bearer": [format!("patient/*.{letter}")] }));
    }
    let body = match (one.method, one.path.ends_with("/_search")) {
        ("post", true) => Some(content("application/x-www-form-urlencoded", "Form")),
        ("patch", _) => Some(content("application/json-patch+json", "Patch")),
        ("post" | "put", _) => Some(content("application/fhir+json", "Resource")),
        _ => None,
    };
    operation(path, one.words, json!(scopes), body)
}

/// An operation of FHIR's.
fn called(path: &str, one: &Operation, method: &str) -> Value {
    let needs = match one.name {
        "meta-add" | "meta-delete" => "system/*.u",
        _ => "system/*.rs",
    };
    let mut scopes = vec![json!({ "bearer": [needs] })];
    if !one.sources_only {
        scopes.push(json!({ "bearer": ["user/*.rs"] }));
        scopes.push(json!({ "bearer": ["patient/*.rs"] }));
    }
    let words = format!("${}: {}", one.name, one.definition);
    let body = (method == "post").then(|| content("application/fhir+json", "Resource"));
    operation(path, &words, json!(scopes), body)
}

fn operation(path: &str, words: &str, security: Value, body: Option<Value>) -> Value {
    let names = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> = names
        .map(|name| {
            let schema = if name == "type" { "Type" } else { "Id" };
            let schema = format!("#/components/schemas/{schema}");
            json!({ "name": name, "in": "path", "required": true, "schema": { "$ref": schema } })
        })
        .collect();
    let is_fhir = path.starts_with(BASE) && !path.contains(".well-known");
    let good = if is_fhir {
        json!({ "$ref": "#/components/responses/Resource" })
    } else {
        json!({ "description": "The answer" })
    };
    let wrong = if is_fhir {
        json!({ "$ref": "#/components/responses/Outcome" })
    } else {
        json!({ "description": "Says what is wrong and how to mend it" })
    };
    let mut described = json!({
        "summary": words, "security": security, "parameters": parameters,
        "responses": { "200": good, "default": wrong },
    });
    if let (Some(body), Some(members)) = (body, described.as_object_mut()) {
        members.insert("requestBody".to_owned(), body);
    }
    described
}
