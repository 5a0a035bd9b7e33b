//! Connect Care opened from another system: what is let in, and everything that is not (S7).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::rig::{Browser, Demo, Page};

const NUMBER: &str = "9990000018";

/// Signs as the demonstration's other system does, or with a key of nobody.
struct Host {
    key: EcdsaKeyPair,
    stranger: EcdsaKeyPair,
    base: String,
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Host {
    fn of(demo: &Demo) -> Self {
        let pem = std::fs::read_to_string(demo.data.path().join("demo-keys/demo-host.pem"))
            .expect("a key");
        let body: String = pem
            .lines()
            .filter(|line| !line.starts_with("---"))
            .collect();
        let read = |bytes: &[u8]| {
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes).expect("a key")
        };
        let other =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .expect("a key");
        Self {
            key: read(&STANDARD.decode(body).expect("base64")),
            stranger: read(other.as_ref()),
            base: demo.base.clone(),
        }
    }

    fn claims(&self, jti: &str) -> Value {
        let now = jiff::Timestamp::now().as_second();
        json!({
            "iss": "demo-host", "aud": format!("{}/staff/launch", self.base), "sub": "hospital-nurse",
            "role": "hospital_nurse@X9T01", "patient": NUMBER, "reason": "not-present", "jti": jti, "iat": now, "exp": now + 60,
        })
    }

    fn sign(&self, header: &Value, claims: &Value, key: &EcdsaKeyPair) -> String {
        let text = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = key
            .sign(&SystemRandom::new(), text.as_bytes())
            .expect("signed");
        format!("{text}.{}", b64(signature.as_ref()))
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": "ES256", "typ": "JWT" }), claims, &self.key)
    }
}

/// Posts as a browser does from another system's page.
async fn post(browser: &mut Browser, token: &str) -> Page {
    let from = [
        ("origin", "https://records.example.org"),
        ("sec-fetch-site", "cross-site"),
    ];
    browser
        .post_with("/staff/launch", &[("launch_token", token)], &from)
        .await
}

async fn arrives(browser: &mut Browser, first: Page) -> Page {
    assert_eq!(
        first.to.as_deref(),
        Some("/staff/launch/open"),
        "{}",
        first.text
    );
    let second = browser.get("/staff/launch/open").await;
    let confirm = second
        .to
        .unwrap_or_else(|| panic!("to C5: {}", second.text));
    assert!(
        confirm.starts_with("/staff/confirm/") && !confirm.contains("999"),
        "{confirm}"
    );
    browser.get(&confirm).await
}

#[tokio::test]
async fn a_launch_leads_to_the_person_and_every_other_one_is_refused() {
    let demo = Demo::with_people(1).await;
    let host = Host::of(&demo);
    // Given a nurse at the hospital's own system; when it opens Connect Care; then C5 asks why
    let mut browser = Browser::new(&demo);
    let token = host.token(&host.claims("first"));
    let first = post(&mut browser, &token).await;
    let page = arrives(&mut browser, first).await;
    assert!(
        page.text.contains("Check this is the right person") && page.text.contains("OSEI"),
        "{}",
        page.text
    );
    assert!(
        page.text.contains("value=\"not-present\" checked"),
        "the reason stands ready"
    );
    // A second time the same token is nothing, for anybody
    let again = post(&mut Browser::new(&demo), &token).await;
    assert_eq!(again.status, 403);
    assert!(again.text.contains("has expired"), "{}", again.text);
    // And the address it led to is nothing for another browser
    let stranger = Browser::new(&demo).get("/staff/launch/open").await;
    assert_eq!(stranger.status, 403);

    let spoil = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut claims = host.claims(name);
        change(&mut claims);
        (name.to_owned(), host.token(&claims))
    };
    let now = jiff::Timestamp::now().as_second();
    let plain = json!({ "alg": "ES256", "typ": "JWT" });
    let unsigned = |alg: &str| {
        format!(
            "{}.{}.",
            b64(json!({ "alg": alg }).to_string()),
            b64(host.claims("n").to_string())
        )
    };
    let mut cases = vec![
        spoil("another host", &|c| c["iss"] = "other-host".into()),
        spoil("another audience", &|c| {
            c["aud"] = "https://other.example.org/staff/launch".into()
        }),
        spoil("no audience", &|c| {
            c.as_object_mut().expect("claims").remove("aud");
        }),
        spoil("expired", &|c| {
            c["iat"] = (now - 200).into();
            c["exp"] = (now - 140).into();
        }),
        spoil("good for an hour", &|c| c["exp"] = (now + 3600).into()),
        spoil("made tomorrow", &|c| {
            c["iat"] = (now + 86400).into();
            c["exp"] = (now + 86460).into();
        }),
        spoil("ends before it begins", &|c| c["exp"] = (now - 5).into()),
        spoil("no id of its own", &|c| c["jti"] = "".into()),
        spoil("no user", &|c| {
            c.as_object_mut().expect("claims").remove("sub");
        }),
        spoil("a user nobody knows", &|c| c["sub"] = "ghost".into()),
        spoil("a role the user has not", &|c| {
            c["role"] = "hospital_doctor@X9T01".into()
        }),
        spoil("a user of another organisation", &|c| {
            c["sub"] = "gp".into();
            c["role"] = "gp@X9P01".into();
        }),
        spoil("a patient as user", &|c| {
            c["sub"] = "patient".into();
            c["role"] = "patient@X9T01".into();
        }),
        spoil("a number that is none", &|c| {
            c["patient"] = "9990000019".into()
        }),
    ];
    cases.push((
        "another key".into(),
        host.sign(&plain, &host.claims("k"), &host.stranger),
    ));
    cases.push((
        "an unknown key id".into(),
        host.sign(
            &json!({ "alg": "ES256", "kid": "x" }),
            &host.claims("k2"),
            &host.key,
        ),
    ));
    cases.push(("no signature".into(), unsigned("none")));
    cases.push(("HS256".into(), unsigned("HS256")));
    cases.push(("nothing".into(), String::new()));
    cases.push(("no token".into(), "a.b".into()));
    cases.push(("20 kB".into(), "x".repeat(20_000)));
    for (name, token) in &cases {
        let mut browser = Browser::new(&demo);
        let page = post(&mut browser, token).await;
        let accepted = page.status != 403 || !browser.cookies.is_empty();
        let words = page
            .text
            .split("<p>")
            .nth(1)
            .and_then(|rest| rest.split("</p>").next())
            .unwrap_or_default();
        println!(
            "launch: {name:34} {} {} {}",
            if accepted { "ACCEPTED" } else { "refused " },
            page.status.as_u16(),
            words.chars().take(60).collect::<String>()
        );
        assert!(!accepted, "{name}: {}", page.text);
    }
    // Somebody who was taken out of the directory is not launched either
    assert!(
        demo.command(&[
            "directory",
            "suspend",
            "hospital-nurse",
            "--because",
            "left"
        ])
        .status
        .success()
    );
    let page = post(&mut Browser::new(&demo), &host.token(&host.claims("late"))).await;
    assert_eq!(page.status, 403, "{}", page.text);
    let log = demo.log();
    let after = log.split_once("Ctrl-C stops it.").expect("the greeting").1;
    assert!(!after.contains(NUMBER), "no number is in the log");
}

#[tokio::test]
async fn a_launched_user_confirms_before_an_emergency_and_replaces_who_sat_there_before() {
    let demo = Demo::with_people(1).await;
    let host = Host::of(&demo);
    let mut browser = Browser::new(&demo);
    browser.sign_in("hospital-doctor").await;
    let before = browser.cookies["connect-care"].clone();
    let first = post(&mut browser, &host.token(&host.claims("swap"))).await;
    let page = arrives(&mut browser, first).await;
    assert_ne!(browser.cookies["connect-care"], before);
    assert!(
        page.text.contains("Grace Amponsah"),
        "the nurse of the launch is signed in"
    );
    let mut old = Browser::new(&demo);
    old.cookies.insert("connect-care".into(), before);
    assert_eq!(
        old.get("/staff/find").await.status,
        303,
        "the doctor was logged out"
    );
    let csrf = page.field("csrf");
    let to = browser
        .post("/staff/emergency/AAAA", &[("csrf", &csrf)])
        .await
        .to;
    assert!(
        to.is_some_and(|to| to.starts_with("/staff/step-up/")),
        "a launch is no confirmation"
    );
}

#[tokio::test]
async fn smart_app_launch_leads_to_the_person() {
    let demo = Demo::with_people(1).await;
    let mut browser = Browser::new(&demo);
    let chosen = browser
        .post(
            "/demo-host/open",
            &[("user", "ed-doctor"), ("person", NUMBER)],
        )
        .await;
    let link = chosen
        .text
        .split("href=\"")
        .find(|rest| rest.contains("/staff/launch?"))
        .or_else(|| {
            chosen
                .text
                .split("href=\"")
                .find(|rest| rest.contains("launch?"))
        });
    let link = link
        .expect("a link")
        .split('"')
        .next()
        .expect("closed")
        .replace("&amp;", "&")
        .replace("&#x2f;", "/");
    let begun = browser.get(&link).await;
    let authorize = begun
        .to
        .unwrap_or_else(|| panic!("to the host: {}", begun.text));
    assert!(
        authorize.contains("code_challenge_method=S256") && authorize.contains("aud="),
        "{authorize}"
    );
    let back = browser.get(&authorize).await.to.expect("back");
    // Another browser cannot use the answer, nor this one an answer of another issuer
    let mut other = Browser::new(&demo);
    assert_eq!(other.get(&back).await.status, 403);
    // (the state is used up by that try: begin again)
    let chosen = browser
        .post(
            "/demo-host/open",
            &[("user", "ed-doctor"), ("person", NUMBER)],
        )
        .await;
    let link = chosen
        .text
        .split("href=\"")
        .find(|rest| rest.contains("launch?"))
        .expect("a link");
    let link = link
        .split('"')
        .next()
        .expect("closed")
        .replace("&amp;", "&")
        .replace("&#x2f;", "/");
    let authorize = browser.get(&link).await.to.expect("to the host");
    let back = browser.get(&authorize).await.to.expect("back");
    let first = browser.get(&back).await;
    let page = arrives(&mut browser, first).await;
    assert!(page.text.contains("OSEI"), "{}", page.text);
    assert_eq!(browser.get(&back).await.status, 403, "once");
    let unknown = browser
        .get("/staff/launch?iss=https://evil.example.org/fhir&launch=x")
        .await;
    assert_eq!(unknown.status, 403);
    assert!(unknown.text.contains("could not be trusted"));
}
