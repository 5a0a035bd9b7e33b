//! What this server can do, for provisioning systems (RFC 7643, 5 to 7), and who takes part.

use care_core::vocabulary::Organisation;
use care_record::Directory;
use serde_json::{Value, json};

use super::resources::{GROUP, STAFF, USER};

/// The most resources of one answer.
pub const MOST: usize = 1_000;
const ORGANISATION: &str = "urn:connect-care:params:scim:schemas:1.0:Organization";

/// `/ServiceProviderConfig`.
pub fn service(base: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": MOST },
        "changePassword": { "supported": false },
        "sort": { "supported": false },
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "Bearer token", "primary": true,
            "description": "The token in the file that staff.provisioning names",
        }],
        "meta": { "resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig") },
    })
}

/// `/ResourceTypes`.
pub fn resource_types(base: &str) -> Vec<Value> {
    let one = |name: &str, endpoint: &str, schema: &str, extensions: Value| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": name, "name": name, "endpoint": endpoint, "schema": schema, "schemaExtensions": extensions,
            "meta": { "resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{name}") },
        })
    };
    vec![
        one(
            "User",
            "/Users",
            USER,
            json!([{ "schema": STAFF, "required": false }]),
        ),
        one("Group", "/Groups", GROUP, json!([])),
        one("Organization", "/Organizations", ORGANISATION, json!([])),
    ]
}

struct Attribute(
    &'static str,
    &'static str,
    bool,
    &'static str,
    &'static str,
    &'static [Attribute],
);

/// `/Schemas`: what is kept of each attribute.
pub fn schemas(base: &str) -> Vec<Value> {
    const VALUE: Attribute = Attribute("value", "string", false, "readWrite", "", &[]);
    const DISPLAY: Attribute = Attribute("display", "string", false, "readOnly", "", &[]);
    const TYPE: Attribute = Attribute("type", "string", false, "readWrite", "", &[]);
    const PRIMARY: Attribute = Attribute("primary", "boolean", false, "readWrite", "", &[]);
    let user = [
        Attribute(
            "userName",
            "string",
            false,
            "readWrite",
            "The id the identity provider knows them by",
            &[],
        ),
        Attribute(
            "name",
            "complex",
            false,
            "readWrite",
            "",
            &[
                Attribute("formatted", "string", false, "readWrite", "", &[]),
                Attribute("familyName", "string", false, "readWrite", "", &[]),
                Attribute("givenName", "string", false, "readWrite", "", &[]),
            ],
        ),
        Attribute("displayName", "string", false, "readWrite", "", &[]),
        Attribute(
            "active",
            "boolean",
            false,
            "readWrite",
            "False: may not sign in, from the next request on",
            &[],
        ),
        Attribute(
            "emails",
            "complex",
            true,
            "readWrite",
            "One is kept",
            &[VALUE, TYPE, PRIMARY],
        ),
        Attribute(
            "roles",
            "complex",
            true,
            "readWrite",
            "ROLE@ORGANISATION, such as district_nurse@X9C01",
            &[VALUE, DISPLAY],
        ),
        Attribute(
            "entitlements",
            "complex",
            true,
            "readWrite",
            "break-seal: may open sealed items on a recorded ground",
            &[VALUE],
        ),
        Attribute("groups", "complex", true, "readOnly", "", &[VALUE, DISPLAY]),
    ];
    let group = [
        Attribute(
            "displayName",
            "string",
            false,
            "readWrite",
            "ROLE@ORGANISATION, or a name that staff.groups maps",
            &[],
        ),
        Attribute(
            "members",
            "complex",
            true,
            "readWrite",
            "",
            &[VALUE, DISPLAY],
        ),
    ];
    let staff = [
        Attribute(
            "suspended",
            "boolean",
            false,
            "readOnly",
            "Suspended by information governance; not lifted by active",
            &[],
        ),
        Attribute(
            "effectiveRoles",
            "string",
            true,
            "readOnly",
            "Own roles and those of the groups",
            &[],
        ),
    ];
    let organisation = [
        Attribute("displayName", "string", false, "readOnly", "", &[]),
        Attribute(
            "kind",
            "string",
            false,
            "readOnly",
            "practice, trust, community …",
            &[],
        ),
    ];
    vec![
        schema(base, USER, "User", &user),
        schema(base, GROUP, "Group", &group),
        schema(base, STAFF, "Staff", &staff),
        schema(base, ORGANISATION, "Organization", &organisation),
    ]
}

fn schema(base: &str, id: &str, name: &str, attributes: &[Attribute]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": id, "name": name, "description": name,
        "attributes": attributes.iter().map(attribute).collect::<Vec<_>>(),
        "meta": { "resourceType": "Schema", "location": format!("{base}/Schemas/{id}") },
    })
}

fn attribute(Attribute(name, kind, many, mutability, words, parts): &Attribute) -> Value {
    let unique =
        *name == "userName" || *name == "displayName" && parts.is_empty() && !words.is_empty();
    json!({
        "name": name, "type": kind, "multiValued": many, "description": words,
        "required": *name == "userName", "caseExact": false, "mutability": mutability,
        "returned": "default", "uniqueness": if unique { "server" } else { "none" },
        "subAttributes": parts.iter().map(attribute).collect::<Vec<_>>(),
    })
}

/// The organisations that take part. They are configuration, because each rests on a signed agreement:
/// a provisioning system reads them and cannot add one.
pub fn organisations(base: &str, directory: &Directory) -> Vec<Value> {
    let mut all: Vec<&Organisation> = directory.organisations().collect();
    all.sort_by(|one, other| one.ods.as_str().cmp(other.ods.as_str()));
    all.into_iter()
        .map(|one| {
            json!({
                "schemas": [ORGANISATION], "id": one.ods.as_str(), "displayName": one.name,
                "kind": one.kind.prefix(),
                "meta": { "resourceType": "Organization", "location": format!("{base}/Organizations/{}", one.ods) },
            })
        })
        .collect()
}
