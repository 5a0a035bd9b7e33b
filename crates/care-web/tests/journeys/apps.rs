//! Apps that read for a person or for staff (SMART App Launch 2.2): what works, and every way in which it
//! must not.

use std::collections::HashMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::rig::{Browser, Demo, Page};

const BACK: &str = "http://localhost:9090/callback";
const OWN: &str = "openid fhirUser launch/patient offline_access patient/*.rs";
const MAYA: &str = "9990000131";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An app on the other side.
struct App<'d> {
    demo: &'d Demo,
    id: &'static str,
    scope: &'static str,
    verifier: String,
    http: reqwest::Client,
}

type Pairs = Vec<(&'static str, String)>;

impl<'d> App<'d> {
    fn new(demo: &'d Demo, id: &'static str, scope: &'static str) -> Self {
        Self {
            demo,
            id,
            scope,
            verifier: b64([id.as_bytes()[3]; 40]),
            http: reqwest::Client::new(),
        }
    }

    fn ask(&self) -> Pairs {
        vec![
            ("response_type", "code".into()),
            ("client_id", self.id.into()),
            ("redirect_uri", BACK.into()),
            ("scope", self.scope.into()),
            ("state", "a-state".into()),
            ("nonce", "a-nonce".into()),
            ("aud", format!("{}/fhir/R4", self.demo.base)),
            (
                "code_challenge",
                b64(Sha256::digest(self.verifier.as_bytes())),
            ),
            ("code_challenge_method", "S256".into()),
        ]
    }

    /// Where the browser is sent when the app asks.
    async fn authorize(&self, browser: &mut Browser, ask: &Pairs) -> Page {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(ask)
            .finish();
        browser.get(&format!("/oauth/authorize?{query}")).await
    }

    /// Asks, and lets the signed-in user answer with these fields.
    async fn allowed(
        &self,
        browser: &mut Browser,
        more: &[(&str, &str)],
    ) -> HashMap<String, String> {
        let asked = self.authorize(browser, &self.ask()).await;
        let to = asked
            .to
            .unwrap_or_else(|| panic!("to consent: {}", asked.text));
        let page = browser.get(&to).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let csrf = page.field("csrf");
        let mut form = vec![
            ("csrf", csrf.as_str()),
            ("answer", "allow"),
            ("scope-0", "yes"),
        ];
        form.extend(more);
        let answer = browser.post(&to, &form).await;
        let to = answer.to.unwrap_or_else(|| panic!("back: {}", answer.text));
        assert!(to.starts_with(BACK), "{to}");
        queries(&to)
    }

    fn exchange(&self, code: &str) -> Pairs {
        vec![
            ("grant_type", "authorization_code".into()),
            ("code", code.into()),
            ("redirect_uri", BACK.into()),
            ("code_verifier", self.verifier.clone()),
            ("client_id", self.id.into()),
        ]
    }

    async fn token(&self, form: &Pairs) -> (StatusCode, Value) {
        self.token_as(form, None).await
    }

    async fn token_as(&self, form: &Pairs, basic: Option<(&str, &str)>) -> (StatusCode, Value) {
        self.post("token", form, basic).await
    }

    async fn post(
        &self,
        place: &str,
        form: &Pairs,
        basic: Option<(&str, &str)>,
    ) -> (StatusCode, Value) {
        let request = self.http.post(format!("{}/oauth/{place}", self.demo.base));
        let request = match basic {
            Some((id, secret)) => request.basic_auth(id, Some(secret)),
            None => request,
        };
        let answer = request.form(form).send().await.expect("an answer");
        let status = answer.status();
        (status, answer.json().await.unwrap_or_default())
    }

    fn refresh(&self, token: &str) -> Pairs {
        vec![
            ("grant_type", "refresh_token".into()),
            ("refresh_token", token.into()),
            ("client_id", self.id.into()),
        ]
    }

    async fn read(&self, path: &str, token: &str) -> (StatusCode, Value) {
        let request = self.http.get(format!("{}/fhir/R4/{path}", self.demo.base));
        let answer = request.bearer_auth(token).send().await.expect("an answer");
        (answer.status(), answer.json().await.unwrap_or_default())
    }
}

fn queries(address: &str) -> HashMap<String, String> {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn claims(token: &str) -> Value {
    let body = token.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).expect("base64")).expect("JSON")
}

#[tokio::test]
async fn a_person_lets_an_app_read_refreshes_it_and_stops_it() {
    let demo = Demo::with_people(1).await;
    let app = App::new(&demo, "my-app", OWN);
    let mut browser = Browser::new(&demo);
    // Not signed in: the person is sent to log in first, and comes back to the same page
    let asked = app.authorize(&mut browser, &app.ask()).await;
    let to = asked.to.expect("to consent");
    let login = browser.get(&to).await.to.expect("to log in");
    assert_eq!(login, format!("/me/login?next={to}"));
    browser.sign_in("patient").await;
    let page = browser.get(&to).await;
    for words in [
        "Do you want to connect My app?",
        "Everything in the record",
        "For 90 days",
    ] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    let policy = page.headers["content-security-policy"]
        .to_str()
        .expect("text");
    assert!(
        policy.contains("form-action 'self' http://localhost:9090;"),
        "{policy}"
    );

    let back = app.allowed(&mut browser, &[]).await;
    assert_eq!(
        (back["state"].as_str(), back["iss"].as_str()),
        ("a-state", demo.base.as_str())
    );
    let (status, first) = app.token(&app.exchange(&back["code"])).await;
    assert_eq!(status, 200, "{first}");
    let access = text(&first, "access_token");
    assert!(
        !claims(access).to_string().contains("999"),
        "no number is in a token"
    );
    let id = claims(text(&first, "id_token"));
    let patient = text(&first, "patient");
    assert_eq!(id["nonce"], "a-nonce");
    assert_eq!(id["aud"], "my-app");
    assert_eq!(
        id["fhirUser"],
        format!("{}/fhir/R4/Patient/{patient}", demo.base)
    );
    let (status, own) = app.read(&format!("Patient/{patient}"), access).await;
    assert_eq!(
        (status, own["resourceType"].as_str()),
        (StatusCode::OK, Some("Patient")),
        "{own}"
    );
    // The ID token is no access token
    let (status, _) = app
        .read(&format!("Patient/{patient}"), text(&first, "id_token"))
        .await;
    assert_eq!(status, 401);

    // A refresh token is good once; the next one comes with the answer
    let (status, second) = app.token(&app.refresh(text(&first, "refresh_token"))).await;
    assert_eq!(status, 200, "{second}");
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    // On the list, and stopped there: nothing works from then on
    let list = browser.get("/apps").await;
    assert!(list.text.contains("Stop My app"), "{}", list.text);
    let (csrf, key) = (list.field("csrf"), list.field("key"));
    let stopped = browser
        .post("/apps/stop", &[("csrf", &csrf), ("key", &key)])
        .await;
    assert_eq!(stopped.to.as_deref(), Some("/apps"));
    for token in [&first, &second] {
        let (status, _) = app
            .read(&format!("Patient/{patient}"), text(token, "access_token"))
            .await;
        assert_eq!(status, 401, "stopped");
    }
    let (status, gone) = app
        .token(&app.refresh(text(&second, "refresh_token")))
        .await;
    assert_eq!(
        (status, &gone["error"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_grant"))
    );
    assert!(
        demo.log().lines().all(|line| !line.contains(MAYA)),
        "no number is in the log"
    );
}

#[tokio::test]
async fn staff_let_an_app_read_about_one_person_while_they_are_logged_in() {
    let demo = Demo::with_people(1).await;
    let app = App::new(
        &demo,
        "my-staff-app",
        "openid fhirUser launch/patient online_access patient/*.rs",
    );
    let secret = std::fs::read_to_string(demo.data.path().join("demo-keys/my-staff-app.secret"));
    let secret = secret.expect("a secret");
    let basic = Some(("my-staff-app", secret.trim()));
    let mut browser = Browser::new(&demo);
    browser.sign_in("district-nurse").await;
    let about = [
        ("nhs-number", "999 000 0018"),
        ("reason", "permission-today"),
    ];
    let back = app.allowed(&mut browser, &about).await;
    let (status, given) = app.token_as(&app.exchange(&back["code"]), basic).await;
    assert_eq!(status, 200, "{given}");
    let (access, patient) = (text(&given, "access_token"), text(&given, "patient"));
    let (status, found) = app
        .read(&format!("AllergyIntolerance?patient={patient}"), access)
        .await;
    assert_eq!(status, 200, "{found}");
    // Its own token, asked about with its secret
    let about = vec![("token", access.to_owned())];
    let (_, known) = app.post("introspect", &about, basic).await;
    assert_eq!(
        (&known["active"], &known["patient"]),
        (&json!(true), &json!(patient)),
        "{known}"
    );
    // Taken back
    let (status, _) = app.post("revoke", &about, basic).await;
    assert_eq!(status, 200);
    let (_, known) = app.post("introspect", &about, basic).await;
    assert_eq!(known, json!({ "active": false }));
    let (status, _) = app.read(&format!("Patient/{patient}"), access).await;
    assert_eq!(status, 401);
    // It goes on while the user is logged in, and no longer
    let refresh = app.refresh(text(&given, "refresh_token"));
    let (status, next) = app.token_as(&refresh, basic).await;
    assert_eq!(status, 200, "{next}");
    let csrf = browser.get("/apps").await.field("csrf");
    browser.post("/staff/logout", &[("csrf", &csrf)]).await;
    let refresh = app.refresh(text(&next, "refresh_token"));
    let (status, ended) = app.token_as(&refresh, basic).await;
    assert_eq!(status, 400, "{ended}");
}

/// A request to authorize, and what is wrong with it.
type SpoilAsk = fn(&mut Pairs);

fn set(pairs: &mut Pairs, name: &'static str, value: impl Into<String>) {
    pairs.retain(|(one, _)| *one != name);
    pairs.push((name, value.into()));
}

fn unset(pairs: &mut Pairs, name: &str) {
    pairs.retain(|(one, _)| *one != name);
}

const ASKS: &[(&str, SpoilAsk)] = &[
    ("an unknown client", |p| set(p, "client_id", "nobody")),
    ("no client", |p| unset(p, "client_id")),
    ("a system as client", |p| set(p, "client_id", "feed-gp")),
    ("another return address", |p| {
        set(p, "redirect_uri", "https://evil.example.org/callback")
    }),
    ("a return address with more behind", |p| {
        set(p, "redirect_uri", format!("{BACK}/more"))
    }),
    ("a return address with a query", |p| {
        set(p, "redirect_uri", format!("{BACK}?x=1"))
    }),
    ("no return address", |p| unset(p, "redirect_uri")),
    ("the implicit flow", |p| set(p, "response_type", "token")),
    ("no PKCE", |p| unset(p, "code_challenge")),
    ("plain PKCE", |p| set(p, "code_challenge_method", "plain")),
    ("a challenge that is none", |p| {
        set(p, "code_challenge", "x")
    }),
    ("no state", |p| unset(p, "state")),
    ("another API", |p| {
        set(p, "aud", "https://other.example.org/fhir")
    }),
    ("no API", |p| unset(p, "aud")),
    ("no scope", |p| unset(p, "scope")),
    ("only scopes nobody registered", |p| {
        set(p, "scope", "system/*.cruds patient/*.cud")
    }),
    ("a launch nobody began", |p| set(p, "launch", "x")),
    ("without asking the person", |p| set(p, "prompt", "none")),
    ("a part twice", |p| p.push(("scope", "openid".into()))),
];

/// What one try at the token address is made of.
struct Try {
    form: Pairs,
    basic: Option<(String, String)>,
    /// The same is sent before: the second answer counts.
    twice: bool,
    /// Sent before it, as it is: what it spoils.
    before: Option<Pairs>,
}

type SpoilTry = fn(&App<'_>, &App<'_>, &mut Try);

const CODES: &[(&str, SpoilTry)] = &[
    ("the code again", |_, _, t| t.twice = true),
    ("the code after a wrong try", |_, _, t| {
        let mut wrong = t.form.clone();
        set(&mut wrong, "code_verifier", "y".repeat(43));
        t.before = Some(wrong);
    }),
    ("another code", |_, _, t| set(&mut t.form, "code", "x")),
    ("no code", |_, _, t| unset(&mut t.form, "code")),
    ("another verifier", |_, _, t| {
        set(&mut t.form, "code_verifier", "z".repeat(43))
    }),
    ("the challenge as verifier", |app, _, t| {
        let challenge = b64(Sha256::digest(app.verifier.as_bytes()));
        set(&mut t.form, "code_verifier", challenge);
    }),
    ("no verifier", |_, _, t| unset(&mut t.form, "code_verifier")),
    ("another return address", |_, _, t| {
        set(&mut t.form, "redirect_uri", "http://localhost:9090/other")
    }),
    ("no return address", |_, _, t| {
        unset(&mut t.form, "redirect_uri")
    }),
    ("another client's code", |_, other, t| {
        set(&mut t.form, "client_id", other.id)
    }),
    ("a confidential client without its secret", |_, _, t| {
        set(&mut t.form, "client_id", "my-staff-app")
    }),
    ("a confidential client with a wrong secret", |_, _, t| {
        t.basic = Some(("my-staff-app".into(), "guess".into()));
        unset(&mut t.form, "client_id");
    }),
    ("the secret in the body", |_, _, t| {
        set(&mut t.form, "client_secret", "guess")
    }),
    ("a public client with a secret", |_, _, t| {
        t.basic = Some(("my-app".into(), String::new()))
    }),
    ("an unknown client", |_, _, t| {
        set(&mut t.form, "client_id", "nobody")
    }),
    ("no client", |_, _, t| unset(&mut t.form, "client_id")),
    ("a system's grant", |_, _, t| {
        set(&mut t.form, "grant_type", "client_credentials")
    }),
    ("a password", |_, _, t| {
        set(&mut t.form, "grant_type", "password")
    }),
    ("a part twice", |_, _, t| {
        let code = t.form[1].1.clone();
        t.form.push(("code", code));
    }),
];

/// Whether an answer gave anything.
fn gave(answer: &(StatusCode, Value)) -> bool {
    answer.0.is_success() || answer.1.get("access_token").is_some()
}

#[tokio::test]
async fn every_lie_of_an_app_is_refused() {
    let demo = Demo::with_people(1).await;
    let app = App::new(&demo, "my-app", OWN);
    let other = App::new(&demo, "my-server-app", OWN);
    let mut browser = Browser::new(&demo);
    browser.sign_in("patient").await;
    let mut accepted = Vec::new();
    let mut say = |name: &str, took: bool, status: StatusCode, words: &str| {
        let word = if took { "ACCEPTED" } else { "refused " };
        println!("app: {name:44} {word} {} {words}", status.as_u16());
        if took {
            accepted.push(name.to_owned());
        }
    };
    for (name, spoil) in ASKS {
        let mut ask = app.ask();
        spoil(&mut ask);
        let page = app.authorize(&mut browser, &ask).await;
        let to = page.to.unwrap_or_default();
        let told = queries(&to).remove("error").unwrap_or_default();
        let elsewhere = !to.is_empty() && !to.starts_with(&format!("{BACK}?error="));
        say(
            name,
            elsewhere || to.contains("/apps/allow/"),
            page.status,
            &told,
        );
    }
    for (name, spoil) in CODES {
        let back = app.allowed(&mut browser, &[]).await;
        let mut tried = Try {
            form: app.exchange(&back["code"]),
            basic: None,
            twice: false,
            before: None,
        };
        spoil(&app, &other, &mut tried);
        if let Some(before) = &tried.before {
            assert!(!gave(&app.token(before).await), "{name}");
        }
        let basic = tried
            .basic
            .as_ref()
            .map(|(id, secret)| (id.as_str(), secret.as_str()));
        let mut answer = app.token_as(&tried.form, basic).await;
        if tried.twice {
            let access = text(&answer.1, "access_token").to_owned();
            let patient = text(&answer.1, "patient").to_owned();
            answer = app.token_as(&tried.form, basic).await;
            let (status, _) = app.read(&format!("Patient/{patient}"), &access).await;
            assert_eq!(
                status, 401,
                "what the code gave the first time was taken back"
            );
        }
        say(
            name,
            gave(&answer),
            answer.0,
            answer.1["error"].as_str().unwrap_or_default(),
        );
    }
    let given = fresh(&app, &mut browser).await;
    let mut wider = app.refresh(text(&given, "refresh_token"));
    set(&mut wider, "scope", "patient/*.cruds");
    let answer = app.token(&wider).await;
    say(
        "a refresh that asks for more",
        gave(&answer),
        answer.0,
        text(&answer.1, "error"),
    );
    let mut stolen = app.refresh(text(&given, "refresh_token"));
    set(&mut stolen, "client_id", "my-server-app");
    let answer = app.token(&stolen).await;
    say(
        "another client's refresh token",
        gave(&answer),
        answer.0,
        text(&answer.1, "error"),
    );
    let again = app.refresh(text(&given, "refresh_token"));
    let (status, next) = app.token(&again).await;
    assert_eq!(status, 200, "{next}");
    let answer = app.token(&again).await;
    say(
        "a refresh token again",
        gave(&answer),
        answer.0,
        text(&answer.1, "error"),
    );
    let answer = app.token(&app.refresh(text(&next, "refresh_token"))).await;
    say(
        "the one after a refresh token that came again",
        gave(&answer),
        answer.0,
        text(&answer.1, "error"),
    );
    let (status, _) = app.read("metadata", text(&next, "access_token")).await;
    assert_eq!(status, 200);
    let patient = text(&next, "patient");
    let (status, _) = app
        .read(&format!("Patient/{patient}"), text(&next, "access_token"))
        .await;
    say("an access token after that", status == 200, status, "");
    assert_eq!(accepted, Vec::<String>::new());
}

async fn fresh(app: &App<'_>, browser: &mut Browser) -> Value {
    let back = app.allowed(browser, &[]).await;
    let (status, given) = app.token(&app.exchange(&back["code"])).await;
    assert_eq!(status, 200, "{given}");
    given
}

#[tokio::test]
async fn a_scope_narrows_what_a_token_reads_and_a_consent_narrows_the_scope() {
    let demo = Demo::with_people(1).await;
    let app = App::new(
        &demo,
        "my-app",
        "launch/patient patient/Patient.r patient/AllergyIntolerance.rs patient/Observation.rs?category=laboratory",
    );
    let mut browser = Browser::new(&demo);
    browser.sign_in("patient").await;
    // The second line is taken away
    let back = app.allowed(&mut browser, &[("scope-2", "yes")]).await;
    let (_, given) = app.token(&app.exchange(&back["code"])).await;
    assert_eq!(
        given["scope"],
        "launch/patient patient/Patient.r patient/Observation.rs?category=laboratory"
    );
    assert!(
        given.get("refresh_token").is_none() && given.get("id_token").is_none(),
        "{given}"
    );
}

#[tokio::test]
async fn a_server_app_signs_in_with_its_key_and_an_opened_app_knows_who_opened_it() {
    let demo = Demo::with_people(1).await;
    let app = App::new(&demo, "my-server-app", "launch patient/*.rs");
    let mut browser = Browser::new(&demo);
    browser.sign_in("patient").await;
    let csrf = browser.get("/apps").await.field("csrf");
    let page = browser
        .post("/apps/open", &[("csrf", &csrf), ("app", app.id)])
        .await;
    let link = page
        .text
        .split("href=\"")
        .find(|rest| rest.contains("launch="));
    let link = link.expect("a link").split('"').next().expect("closed");
    let link = link.replace("&amp;", "&").replace("&#x2f;", "/");
    let launch = queries(&link)["launch"].clone();
    let mut ask = app.ask();
    set(&mut ask, "launch", launch.clone());
    let to = app
        .authorize(&mut browser, &ask)
        .await
        .to
        .expect("to consent");
    // Another user cannot answer it
    let mut stranger = Browser::new(&demo);
    stranger.sign_in("gp").await;
    assert_eq!(stranger.get(&to).await.status, 403);
    let csrf = browser.get(&to).await.field("csrf");
    let form = [
        ("csrf", csrf.as_str()),
        ("answer", "allow"),
        ("scope-0", "yes"),
    ];
    let back = browser.post(&to, &form).await.to.expect("back");
    let code = queries(&back)["code"].clone();

    let pem = std::fs::read_to_string(demo.data.path().join("demo-keys/my-server-app.pem"));
    let body: String = pem
        .expect("a key")
        .lines()
        .filter(|line| !line.starts_with("---"))
        .collect();
    let key = EcdsaKeyPair::from_pkcs8(
        &ECDSA_P384_SHA384_FIXED_SIGNING,
        &STANDARD.decode(body).expect("base64"),
    )
    .expect("a key");
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({ "iss": app.id, "sub": app.id, "aud": format!("{}/oauth/token", demo.base), "exp": now + 200, "jti": "one" });
    let text = format!(
        "{}.{}",
        b64(r#"{"alg":"ES384","typ":"JWT"}"#),
        b64(claims.to_string())
    );
    let signature = key
        .sign(&SystemRandom::new(), text.as_bytes())
        .expect("signed");
    let mut form = app.exchange(&code);
    set(
        &mut form,
        "client_assertion",
        format!("{text}.{}", b64(signature.as_ref())),
    );
    set(
        &mut form,
        "client_assertion_type",
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    );
    let (status, given) = app.token(&form).await;
    assert_eq!(status, 200, "{given}");
    // The launch was used up
    set(&mut ask, "launch", launch);
    let again = app.authorize(&mut browser, &ask).await.to.expect("back");
    assert!(again.contains("error=invalid_request"), "{again}");
}

#[tokio::test]
async fn pages_of_registered_origins_may_call_and_no_other() {
    let demo = Demo::start().await;
    let http = reqwest::Client::new();
    let preflight = async |path: &str, origin: &str| {
        let request = http.request(reqwest::Method::OPTIONS, format!("{}{path}", demo.base));
        let request = request
            .header("origin", origin)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "authorization");
        request.send().await.expect("an answer")
    };
    let allowed = |answer: &reqwest::Response| {
        let header = answer.headers().get("access-control-allow-origin");
        header.map(|value| value.to_str().expect("text").to_owned())
    };
    let ours = "http://localhost:9090";
    for path in ["/fhir/R4/Patient/1", "/fhir/R4/metadata", "/oauth/token"] {
        let answer = preflight(path, ours).await;
        assert_eq!(
            (answer.status().as_u16(), allowed(&answer).as_deref()),
            (204, Some(ours)),
            "{path}"
        );
        assert!(
            answer
                .headers()
                .get("access-control-allow-credentials")
                .is_none()
        );
    }
    // What says how to get a token may be read by the pages of anybody (SMART App Launch 2.2)
    for path in [
        "/fhir/R4/metadata",
        "/fhir/R4/.well-known/smart-configuration",
        "/.well-known/smart-configuration",
    ] {
        let answer = preflight(path, "https://new.example.org").await;
        assert_eq!(allowed(&answer).as_deref(), Some("*"), "{path}");
    }
    for (path, origin) in [
        ("/fhir/R4/Patient/1", "https://evil.example.org"),
        ("/fhir/R4/Patient/1", "null"),
        ("/oauth/token", "https://evil.example.org"),
        (
            "/fhir/R4/Patient/1",
            "http://localhost:9090.evil.example.org",
        ),
        ("/staff/find", ours),
        ("/me", ours),
        ("/scim/v2/Users", ours),
    ] {
        let answer = preflight(path, origin).await;
        assert_eq!(allowed(&answer), None, "{path} {origin}");
    }
    let request = http
        .get(format!("{}/fhir/R4/metadata", demo.base))
        .header("origin", ours);
    let answer = request.send().await.expect("an answer");
    assert_eq!(allowed(&answer).as_deref(), Some(ours));
    let shown = answer.headers()["access-control-expose-headers"]
        .to_str()
        .expect("text");
    assert!(
        shown.contains("ETag") && shown.contains("X-Progress"),
        "{shown}"
    );
    let smart: Value = http
        .get(format!(
            "{}/fhir/R4/.well-known/smart-configuration",
            demo.base
        ))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "introspection_endpoint",
        "revocation_endpoint",
        "management_endpoint",
        "jwks_uri",
    ] {
        let place = text(&smart, name);
        let answer = http.get(place).send().await.expect("an answer");
        assert_ne!(answer.status(), 404, "{place}");
    }
    // What 2.2 requires of the page, given what it says it can do
    let list = |name: &str| smart[name].as_array().cloned().unwrap_or_default();
    let can = |name: &str| list("capabilities").contains(&json!(name));
    assert!(can("sso-openid-connect") && smart["issuer"] == demo.base);
    assert!(can("launch-standalone") && can("launch-ehr"));
    assert_eq!(list("code_challenge_methods_supported"), [json!("S256")]);
    for (name, needed) in [
        ("grant_types_supported", "authorization_code"),
        ("grant_types_supported", "client_credentials"),
        ("token_endpoint_auth_methods_supported", "private_key_jwt"),
        ("token_endpoint_auth_signing_alg_values_supported", "RS384"),
        ("token_endpoint_auth_signing_alg_values_supported", "ES384"),
        ("response_types_supported", "code"),
        ("scopes_supported", "offline_access"),
    ] {
        assert!(list(name).contains(&json!(needed)), "{name} {needed}");
    }
}
