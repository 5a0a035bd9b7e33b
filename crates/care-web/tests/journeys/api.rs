//! The addresses for systems: what runs is what is documented, and nobody comes in without a key.

use care_synthetic::users;
use serde_json::Value;

use crate::rig::{Browser, Demo};

async fn json(browser: &mut Browser, path: &str) -> Value {
    let page = browser.get(path).await;
    assert_eq!(page.status, 200, "{path}: {}", page.text);
    serde_json::from_str(&page.text).expect("JSON")
}

#[tokio::test]
async fn every_documented_address_is_there_and_closed_ones_ask_for_a_token() {
    let demo = Demo::start().await;
    let mut browser = Browser::new(&demo);
    let documented = json(&mut browser, "/openapi.json").await;
    let http = reqwest::Client::new();
    for (path, methods) in documented["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let address = format!(
                "{}{}",
                demo.base,
                path.replace("{type}", "Observation")
                    .replace("{id}", "0000000000000")
            );
            let method = method.to_uppercase().parse().expect("a method");
            let answer = http
                .request(method, &address)
                .header("content-type", "application/x-www-form-urlencoded")
                .body("a=b")
                .send()
                .await
                .expect("an answer");
            let closed = operation["security"]
                .as_array()
                .is_some_and(|list| !list.is_empty());
            let (status, body) = (
                answer.status().as_u16(),
                answer.text().await.expect("a body"),
            );
            if closed {
                assert_eq!(status, 401, "{path}");
                assert!(body.contains("OperationOutcome"), "{path}: {body}");
            } else {
                assert!(
                    ![404, 405].contains(&status),
                    "{path} is not there: {status}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_capability_statement_names_this_release_and_smart_says_how_to_sign_in() {
    let demo = Demo::start().await;
    let mut browser = Browser::new(&demo);
    let metadata = json(&mut browser, "/fhir/R4/metadata").await;
    assert_eq!(metadata["fhirVersion"], "4.0.1");
    let smart = json(&mut browser, "/fhir/R4/.well-known/smart-configuration").await;
    assert_eq!(
        smart["token_endpoint"],
        format!("{}/oauth/token", demo.base)
    );
    assert_eq!(
        smart["token_endpoint_auth_methods_supported"][0],
        "private_key_jwt"
    );
    let discovery = json(
        &mut browser,
        "/demo-identity/.well-known/openid-configuration",
    )
    .await;
    assert_eq!(discovery["issuer"], format!("{}/demo-identity", demo.base));
}

#[tokio::test]
async fn a_forged_unsigned_or_foreign_token_is_refused() {
    use base64::Engine;
    let demo = Demo::start().await;
    let token = demo.token(&["--as", users()[0].id, "--permission", "given"]);
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let parts: Vec<&str> = token.split('.').collect();
    let changed = {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(parts[1])
            .expect("base64");
        encode(
            &String::from_utf8(bytes)
                .expect("text")
                .replace("\"gp\"", "\"caldicott_guardian\""),
        )
    };
    let forged = [
        format!("{}.{changed}.{}", parts[0], parts[2]),
        format!("{}.{}.", encode("{\"alg\":\"none\"}"), parts[1]),
        format!(
            "{}.{}.{}",
            encode("{\"alg\":\"HS256\"}"),
            parts[1],
            parts[2]
        ),
        "not-a-token".to_owned(),
        String::new(),
    ];
    let http = reqwest::Client::new();
    for token in forged {
        let address = format!("{}/fhir/R4/Patient", demo.base);
        let answer = http
            .post(address)
            .bearer_auth(&token)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 401, "{token}");
    }
}

#[tokio::test]
async fn a_system_signs_in_with_its_key_and_its_assertion_is_good_once() {
    let demo = Demo::start().await;
    let pem = std::fs::read(demo.data.path().join("demo-keys/feed-hospital.pem"))
        .expect("the feed's key");
    let other = std::fs::read(demo.data.path().join("demo-keys/feed-gp.pem")).expect("another key");
    let now = jiff::Timestamp::now().as_second();
    let sign = |client: &str, pem: &[u8], aud: &str, exp: i64, jti: &str| {
        let key = jsonwebtoken::EncodingKey::from_ec_pem(pem).expect("a key");
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES384);
        let claims =
            serde_json::json!({"iss": client, "sub": client, "aud": aud, "exp": exp, "jti": jti});
        jsonwebtoken::encode(&header, &claims, &key).expect("signed")
    };
    let address = format!("{}/oauth/token", demo.base);
    let ask = async |assertion: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", assertion),
        ];
        let answer = reqwest::Client::new()
            .post(&address)
            .form(&form)
            .send()
            .await
            .expect("an answer");
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.expect("JSON"),
        )
    };
    let good = sign("feed-hospital", &pem, &address, now + 200, "one");
    let (status, body) = ask(&good).await;
    assert_eq!(
        (status, body["token_type"].as_str()),
        (200, Some("bearer")),
        "{body}"
    );
    for (what, assertion) in [
        ("replayed", good.clone()),
        (
            "another client's key",
            sign("feed-hospital", &other, &address, now + 200, "two"),
        ),
        (
            "unknown client",
            sign("feed-nobody", &pem, &address, now + 200, "three"),
        ),
        (
            "another audience",
            sign(
                "feed-hospital",
                &pem,
                "https://elsewhere.example.org",
                now + 200,
                "four",
            ),
        ),
        (
            "expired",
            sign("feed-hospital", &pem, &address, now - 200, "five"),
        ),
        (
            "too long",
            sign("feed-hospital", &pem, &address, now + 4000, "six"),
        ),
        (
            "no id",
            sign("feed-hospital", &pem, &address, now + 200, ""),
        ),
    ] {
        let (status, body) = ask(&assertion).await;
        assert_eq!(
            (status, body["error"].as_str()),
            (401, Some("invalid_client")),
            "{what}: {body}"
        );
        assert!(
            body["error_description"]
                .as_str()
                .is_some_and(|text| text.len() > 10),
            "{what}: {body}"
        );
    }
}

#[tokio::test]
async fn a_token_reads_what_its_holder_may_see_and_hidden_reads_as_absent() {
    let demo = Demo::with_people(14).await;
    let http = reqwest::Client::new();
    let find = async |token: &str, number: &str| {
        let address = format!("{}/fhir/R4/Patient/_search", demo.base);
        let answer = http
            .post(address)
            .bearer_auth(token)
            .form(&[("identifier", number)])
            .send()
            .await
            .expect("an answer");
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.expect("JSON"),
        )
    };
    let get = async |token: &str, path: &str| {
        let answer = http
            .get(format!("{}/fhir/R4/{path}", demo.base))
            .bearer_auth(token)
            .send()
            .await
            .expect("an answer");
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.expect("JSON"),
        )
    };
    // Given the district nurse, whose list Amara is on, with permission
    let nurse = demo.token(&[
        "--as",
        "district-nurse",
        "--person",
        "9990000018",
        "--permission",
        "given",
    ]);
    let (status, found) = find(&nurse, "9990000018").await;
    assert_eq!((status, found["total"].as_i64()), (200, Some(1)), "{found}");
    let id = found["entry"][0]["resource"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    // Then she reads her allergies, page by page, and everything
    let (status, allergies) =
        get(&nurse, &format!("AllergyIntolerance?patient={id}&_count=1")).await;
    assert_eq!(
        (status, allergies["type"].as_str()),
        (200, Some("searchset")),
        "{allergies}"
    );
    assert!(
        allergies["total"].as_i64().is_some_and(|total| total > 0),
        "{allergies}"
    );
    assert!(
        !allergies["link"].to_string().contains("9990000018"),
        "no number stands in an address"
    );
    let (_, everything) = get(&nurse, &format!("Patient/{id}/$everything?_count=1000")).await;
    let entries = everything["entry"].as_array().expect("entries");
    assert_eq!(entries[0]["resource"]["resourceType"], "Patient");
    assert!(entries.len() > 20, "{}", entries.len());
    let item = &entries[1]["resource"];
    let address = format!(
        "{}/{}",
        item["resourceType"].as_str().expect("a type"),
        item["id"].as_str().expect("an id")
    );
    assert_eq!(get(&nurse, &address).await.0, 200, "{address}");
    // And neither somebody else's token, nor a person who objected, nor one who is not there says more
    let (_, other) = find(
        &demo.token(&[
            "--as",
            "district-nurse",
            "--person",
            "9990000026",
            "--permission",
            "given",
        ]),
        "9990000018",
    )
    .await;
    assert_eq!(other["total"], 0, "a token is for one person: {other}");
    let analyst = demo.token(&["--as", "analyst", "--permission", "given"]);
    let refused = get(&analyst, &format!("AllergyIntolerance?patient={id}")).await;
    assert!(
        [403, 404].contains(&refused.0) && refused.1["resourceType"] == "OperationOutcome",
        "{refused:?}"
    );
    let (status, unknown) = get(&nurse, "Observation/0000000000000-0000000000000").await;
    assert_eq!(
        (status, unknown["resourceType"].as_str()),
        (404, Some("OperationOutcome"))
    );
    let (status, unsupported) = get(&nurse, &format!("Observation?patient={id}&nonsense=1")).await;
    assert_eq!(
        (status, unsupported["issue"][0]["location"][0].as_str()),
        (400, Some("http.nonsense")),
        "{unsupported}"
    );
}
