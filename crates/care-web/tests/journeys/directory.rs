//! The staff directory: SCIM 2.0 over real sockets, files by the command line, and how soon what was
//! taken away is gone.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::rig::{Browser, Demo, everything};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// A provisioning system.
pub struct Scim {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Scim {
    pub fn of(demo: &Demo) -> Self {
        let token = demo.data.path().join("demo-keys").join("scim-token");
        Self {
            http: reqwest::Client::new(),
            base: format!("{}/scim/v2", demo.base),
            token: std::fs::read_to_string(token).expect("a token"),
        }
    }

    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> (StatusCode, Value, Option<String>) {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/scim+json")
                .body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let etag = answer
            .headers()
            .get("etag")
            .map(|tag| tag.to_str().expect("text").to_owned());
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::Null),
            etag,
        )
    }

    /// The id of a user by the name the identity provider uses.
    pub async fn id(&self, user: &str) -> String {
        let path = format!("/Users?filter=userName%20eq%20%22{user}%22");
        let (status, found, _) = self.ask(Method::GET, &path, None, &[]).await;
        assert_eq!(
            (status, &found["totalResults"]),
            (StatusCode::OK, &json!(1)),
            "{found}"
        );
        found["Resources"][0]["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    }

    pub async fn patch(&self, id: &str, operation: Value) -> (StatusCode, Value) {
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation] });
        let (status, value, _) = self
            .ask(Method::PATCH, &format!("/Users/{id}"), Some(body), &[])
            .await;
        (status, value)
    }
}

#[tokio::test]
async fn a_provisioning_system_writes_users_and_groups_as_the_standard_says() {
    let demo = Demo::start().await;
    let scim = Scim::of(&demo);
    // Nobody without the token
    for header in [
        None,
        Some("Bearer wrong"),
        Some("Basic abc"),
        Some("Bearer "),
    ] {
        let mut request = reqwest::Client::new().get(format!("{}/scim/v2/Users", demo.base));
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let refused = request.send().await.expect("an answer");
        assert_eq!(refused.status(), 401, "{header:?}");
        assert!(refused.headers().contains_key("www-authenticate"));
    }
    // What the server can do
    for (path, name, wanted) in [
        ("/ServiceProviderConfig", "/patch/supported", json!(true)),
        ("/ResourceTypes", "/totalResults", json!(3)),
        ("/ResourceTypes/User", "/endpoint", json!("/Users")),
        ("/Schemas", "/totalResults", json!(4)),
        ("/Organizations/X9C01", "/kind", json!("community")),
    ] {
        let (status, found, _) = scim.ask(Method::GET, path, None, &[]).await;
        assert_eq!(
            (status, found.pointer(name)),
            (StatusCode::OK, Some(&wanted)),
            "{path} {found}"
        );
    }
    // Create, read, and not twice
    let new = json!({
        "schemas": [USER], "userName": "N.Okafor", "externalId": "e-77", "name": {"givenName": "Ngozi", "familyName": "Okafor"},
        "emails": [{"value": "ngozi@example.org", "primary": true}], "active": true, "password": "never kept",
        "roles": [{"value": "hospital_nurse@X9T01"}],
    });
    let (status, made, tag) = scim
        .ask(Method::POST, "/Users", Some(new.clone()), &[])
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(tag.as_deref(), Some("W/\"1\""));
    assert!(!made.to_string().contains("never kept"));
    assert_eq!(made["displayName"], "Ngozi Okafor");
    let id = made["id"].as_str().expect("an id").to_owned();
    let (status, taken, _) = scim
        .ask(Method::POST, "/Users", Some(new.clone()), &[])
        .await;
    assert_eq!(
        (status, &taken["scimType"]),
        (StatusCode::CONFLICT, &json!("uniqueness"))
    );
    let (status, _, _) = scim
        .ask(
            Method::GET,
            &format!("/Users/{id}"),
            None,
            &[("if-none-match", "W/\"1\"")],
        )
        .await;
    assert_eq!(status, StatusCode::NOT_MODIFIED);
    // Change, with and without the version it was read at
    let (status, changed) = scim
        .patch(
            &id,
            json!({"op": "Add", "path": "roles", "value": [{"value": "safeguarding_lead@X9T01"}]}),
        )
        .await;
    assert_eq!(
        (status, changed["roles"].as_array().map(Vec::len)),
        (StatusCode::OK, Some(2)),
        "{changed}"
    );
    let (status, _, _) = scim
        .ask(
            Method::PUT,
            &format!("/Users/{id}"),
            Some(new.clone()),
            &[("if-match", "W/\"1\"")],
        )
        .await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED);
    let (status, put, _) = scim
        .ask(
            Method::PUT,
            &format!("/Users/{id}"),
            Some(new.clone()),
            &[("if-match", "W/\"2\"")],
        )
        .await;
    assert_eq!(
        (status, put["roles"].as_array().map(Vec::len)),
        (StatusCode::OK, Some(1))
    );
    // A group gives a role
    let group = json!({ "schemas": [GROUP], "displayName": "pharmacist@X9T01", "members": [{"value": id}] });
    let (status, made, _) = scim.ask(Method::POST, "/Groups", Some(group), &[]).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let (_, user, _) = scim
        .ask(
            Method::GET,
            &format!("/Users/{id}?attributes=groups"),
            None,
            &[],
        )
        .await;
    assert_eq!(user["groups"][0]["display"], "pharmacist@X9T01");
    assert!(user.get("userName").is_none() && user.get("id").is_some());
    // Paging and filters
    let (_, page, _) = scim
        .ask(Method::GET, "/Users?startIndex=3&count=2", None, &[])
        .await;
    assert_eq!(
        (&page["itemsPerPage"], &page["startIndex"]),
        (&json!(2), &json!(3))
    );
    // What cannot be meant
    let table = [
        (
            Method::POST,
            "/Users",
            json!({"userName": "x"}),
            400,
            "invalidSyntax",
        ),
        (
            Method::POST,
            "/Users",
            json!({"schemas": [USER]}),
            400,
            "invalidValue",
        ),
        (
            Method::POST,
            "/Users",
            json!({"schemas": [USER], "userName": "x", "roles": [{"value": "wizard@X9T01"}]}),
            400,
            "invalidValue",
        ),
        (
            Method::POST,
            "/Users",
            json!({"schemas": [USER], "userName": "x", "roles": [{"value": "gp@Z9Z99"}]}),
            400,
            "invalidValue",
        ),
        (
            Method::POST,
            "/Users",
            json!({"schemas": [USER], "userName": "x", "roles": [{"value": "patient@X9T01"}]}),
            400,
            "invalidValue",
        ),
        (
            Method::POST,
            "/Users",
            json!({"schemas": [USER], "userName": "x", "active": 7}),
            400,
            "invalidValue",
        ),
        (
            Method::POST,
            "/Groups",
            json!({"schemas": [GROUP], "displayName": "g", "members": [{"value": "nobody"}]}),
            400,
            "invalidValue",
        ),
        (
            Method::GET,
            "/Users?filter=userName%20like%201",
            Value::Null,
            400,
            "invalidFilter",
        ),
        (Method::GET, "/Users/none", Value::Null, 404, ""),
        (Method::GET, "/Devices", Value::Null, 404, ""),
        (Method::DELETE, "/Users", Value::Null, 405, ""),
        (Method::POST, "/Organizations", json!({}), 405, ""),
    ];
    for (method, path, body, status, kind) in table {
        let (answered, told, _) = scim.ask(method.clone(), path, Some(body), &[]).await;
        assert_eq!(answered.as_u16(), status, "{method} {path} {told}");
        assert_eq!(
            told["scimType"].as_str().unwrap_or_default(),
            kind,
            "{method} {path} {told}"
        );
        assert_eq!(
            told["schemas"][0],
            "urn:ietf:params:scim:api:messages:2.0:Error"
        );
    }
    let (status, told) = scim
        .patch(&id, json!({"op": "replace", "path": "id", "value": "mine"}))
        .await;
    assert_eq!(
        (status, &told["scimType"]),
        (StatusCode::BAD_REQUEST, &json!("mutability"))
    );
    // Gone, and written down
    let (status, _, _) = scim
        .ask(Method::DELETE, &format!("/Users/{id}"), None, &[])
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _, _) = scim
        .ask(Method::GET, &format!("/Users/{id}"), None, &[])
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

/// How many requests were still answered after something was taken away, and how long until one was not.
async fn until<F: AsyncFnMut() -> bool>(mut gone: F) -> (u32, Duration) {
    let began = Instant::now();
    let mut answered = 0;
    while !gone().await {
        answered += 1;
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it still holds after a minute"
        );
    }
    (answered, began.elapsed())
}

#[tokio::test]
async fn what_is_taken_away_is_gone_within_a_second_for_sessions_and_tokens() {
    let demo = Demo::with_people(1).await;
    let scim = Scim::of(&demo);
    let id = scim.id("district-nurse").await;
    let token = demo.token(&[
        "--as",
        "district-nurse",
        "--person",
        "9990000018",
        "--permission",
        "given",
    ]);
    let mut browser = Browser::new(&demo);
    browser.sign_in("district-nurse").await;
    let record = browser
        .open("9990000018", "not-present")
        .await
        .unwrap_or_else(|page| panic!("{}", page.text));
    assert!(everything(&demo, &token, "9990000018").await.is_ok());
    for (off, on) in [
        (
            json!({"op": "replace", "path": "active", "value": false}),
            json!({"op": "replace", "path": "active", "value": true}),
        ),
        (
            json!({"op": "remove", "path": "roles"}),
            json!({"op": "add", "path": "roles", "value": [{"value": "district_nurse@X9C01"}]}),
        ),
    ] {
        let (status, _) = scim.patch(&id, off.clone()).await;
        assert_eq!(status, StatusCode::OK);
        let session =
            until(async || browser.get(&format!("{record}/summary")).await.status != 200).await;
        let bearer =
            until(async || everything(&demo, &token, "9990000018").await == Err(401)).await;
        println!(
            "{off}: session refused after {:?}, bearer token after {:?}",
            session.1, bearer.1
        );
        assert_eq!(
            (session.0, bearer.0),
            (0, 0),
            "the very next request is refused"
        );
        // And signing in again does not help
        let back = browser.to_callback("district-nurse").await;
        assert_eq!(browser.get(&back).await.status, 403);
        scim.patch(&id, on).await;
        browser.sign_in("district-nurse").await;
    }
    // Suspended by an officer: the provisioning system cannot lift it
    let out = demo.command(&[
        "directory",
        "suspend",
        "district-nurse",
        "--because",
        "card lost",
    ]);
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert_eq!(browser.get("/staff/find").await.status, 303);
    scim.patch(
        &id,
        json!({"op": "replace", "path": "active", "value": true}),
    )
    .await;
    let back = browser.to_callback("district-nurse").await;
    let refused = browser.get(&back).await;
    assert_eq!(refused.status, 403);
    assert!(
        refused
            .text
            .contains("Your access has been switched off or changed"),
        "{}",
        refused.text
    );
    let out = demo.command(&[
        "directory",
        "lift",
        "district-nurse",
        "--because",
        "card found",
    ]);
    assert!(out.status.success());
    browser.sign_in("district-nurse").await;
}

#[tokio::test]
async fn the_command_line_asks_the_running_service() {
    let demo = Demo::with_people(1).await;
    let told = demo.command(&[
        "access",
        "explain",
        "--as",
        "district-nurse",
        "--person",
        "9990000018",
        "--permission",
        "given",
    ]);
    assert!(
        told.status.success(),
        "{}",
        String::from_utf8_lossy(&told.stderr)
    );
    let file = demo.data.path().join("staff.csv");
    std::fs::write(
        &file,
        "user_id,name,role,organisation\nnew.nurse,New Nurse,hospital_nurse,X9T01\n",
    )
    .expect("written");
    let path = file.to_str().expect("text");
    let dry = demo.command(&["directory", "import", path, "--dry-run"]);
    assert!(
        String::from_utf8_lossy(&dry.stdout).contains("1 put in"),
        "{dry:?}"
    );
    let list =
        || String::from_utf8_lossy(&demo.command(&["directory", "list"]).stdout).into_owned();
    assert!(!list().contains("new.nurse"), "a dry run changes nothing");
    assert!(
        demo.command(&["directory", "import", path])
            .status
            .success()
    );
    assert!(list().contains("new.nurse") && list().contains("hospital_nurse@X9T01"));
    std::fs::write(&file, "user_id,role,organisation\nx,wizard,X9T01\n").expect("written");
    let bad = demo.command(&["directory", "import", path]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&bad.stdout).contains("row 1: wizard is no role"),
        "{bad:?}"
    );
}
