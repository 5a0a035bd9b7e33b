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
