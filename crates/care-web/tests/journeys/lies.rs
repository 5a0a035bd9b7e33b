//! Sign-in cannot be fooled (promise S7): an identity provider that we control answers with a malformed
//! token or flow, once for each line of the table, and the running service must refuse each.
//!
//! The table is printed: the case, what the browser got, and the reason in the service's log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::rig::Browser;
use crate::served::{SECRET, Served};

const SIGNIN: &str =
    "accepted_acr = [\"AAL3_ANY\"]\nminimum_identity_level = 3\nminimum_authentication_level = 3\n";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key pair of P-256.
struct Key(EcdsaKeyPair);

impl Key {
    fn fresh() -> Self {
        let random = SystemRandom::new();
        let bytes =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        Self(
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes.as_ref())
                .expect("a key"),
        )
    }

    fn jwk(&self, kid: &str) -> Value {
        let point = self.0.public_key().as_ref();
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid,
                "x": b64(&point[1..33]), "y": b64(&point[33..65]) })
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        self.0
            .sign(&SystemRandom::new(), text.as_bytes())
            .expect("signed")
            .as_ref()
            .to_vec()
    }
}

fn hmac(secret: &[u8], text: &str) -> Vec<u8> {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    aws_lc_rs::hmac::sign(&key, text.as_bytes())
        .as_ref()
        .to_vec()
}

/// What the provider answers with in one flow.
struct Plan {
    token_status: StatusCode,
    token_body: Option<String>,
    id_token: Option<String>,
    userinfo_status: StatusCode,
    userinfo: Value,
    challenge: String,
}

#[derive(Default)]
struct Inside {
    plans: Mutex<HashMap<String, Plan>>,
    jwks: Mutex<Value>,
    issuer: Mutex<String>,
}

/// A provider that says what it is told to.
struct Provider {
    inside: Arc<Inside>,
    issuer: String,
    key: Key,
    other: Key,
}

impl Provider {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let issuer = format!(
            "http://127.0.0.1:{}",
            listener.local_addr().expect("an address").port()
        );
        let (key, other) = (Key::fresh(), Key::fresh());
        let inside = Arc::new(Inside::default());
        *inside.jwks.lock().expect("a lock") = json!({ "keys": [key.jwk("one")] });
        inside.issuer.lock().expect("a lock").clone_from(&issuer);
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route(
                "/jwks",
                get(|State(all): State<Arc<Inside>>| async move {
                    Json(all.jwks.lock().expect("a lock").clone())
                }),
            )
            .route("/token", post(token))
            .route("/userinfo", get(userinfo).post(userinfo))
            .with_state(inside.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.expect("served") });
        Self {
            inside,
            issuer,
            key,
            other,
        }
    }

    fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "JWT", "kid": "one" })
    }
}

async fn discovery(State(all): State<Arc<Inside>>) -> Json<Value> {
    let issuer = all.issuer.lock().expect("a lock").clone();
    // It says that it signs with anything: a client that believes this is fooled.
    Json(json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"), "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256", "HS256", "none"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn token(
    State(all): State<Arc<Inside>>,
    Form(sent): Form<HashMap<String, String>>,
) -> Response {
    let plans = all.plans.lock().expect("a lock");
    let Some(plan) = sent.get("code").and_then(|code| plans.get(code)) else {
        return (
            StatusCode::BAD_REQUEST,
            Json(json!({ "error": "invalid_grant" })),
        )
            .into_response();
    };
    let verifier = sent.get("code_verifier").cloned().unwrap_or_default();
    if b64(Sha256::digest(verifier.as_bytes())) != plan.challenge {
        return (
            StatusCode::BAD_REQUEST,
            Json(json!({ "error": "invalid_grant" })),
        )
            .into_response();
    }
    if let Some(body) = &plan.token_body {
        return (
            plan.token_status,
            [("content-type", "application/json")],
            body.clone(),
        )
            .into_response();
    }
    let mut body =
        json!({ "access_token": sent["code"], "token_type": "Bearer", "expires_in": 300 });
    if let Some(id_token) = &plan.id_token {
        body["id_token"] = id_token.as_str().into();
    }
    (plan.token_status, Json(body)).into_response()
}

async fn userinfo(State(all): State<Arc<Inside>>, headers: axum::http::HeaderMap) -> Response {
    let shown = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let plans = all.plans.lock().expect("a lock");
    match plans.get(shown.trim_start_matches("Bearer ")) {
        Some(plan) => (plan.userinfo_status, Json(plan.userinfo.clone())).into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// One sign-in that has begun: what the service asked the provider for.
struct Begun {
    state: String,
    nonce: String,
    challenge: String,
    now: i64,
}

async fn begin(browser: &mut Browser, from: &str) -> (Begun, HashMap<String, String>) {
    let start = browser.get(from).await;
    let to = start
        .to
        .unwrap_or_else(|| panic!("to the provider: {} {}", start.status, start.text));
    let query = to.split_once('?').expect("a query").1;
    let asked: HashMap<String, String> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    assert_eq!(
        (
            asked["response_type"].as_str(),
            asked["code_challenge_method"].as_str()
        ),
        ("code", "S256")
    );
    let begun = Begun {
        state: asked["state"].clone(),
        nonce: asked["nonce"].clone(),
        challenge: asked["code_challenge"].clone(),
        now: jiff::Timestamp::now().as_second(),
    };
    (begun, asked)
}

fn claims(provider: &Provider, begun: &Begun, code: &str) -> Value {
    let half = Sha256::digest(code.as_bytes());
    json!({
        "iss": provider.issuer, "aud": "connect-care", "sub": "n-1", "nonce": begun.nonce,
        "iat": begun.now, "exp": begun.now + 300, "auth_time": begun.now, "acr": "AAL3_ANY",
        "authentication_assurance_level": "3", "at_hash": b64(&half[..16]),
    })
}

fn person() -> Value {
    json!({
        "sub": "n-1", "nhsid_useruid": "n-1", "name": "Nora Quill", "idassurancelevel": "3",
        "nhsid_nrbac_roles": [{ "person_roleid": "r-1", "org_code": "X9C01", "role_code": "S0010:G0020:R8001" }],
    })
}

fn pack(header: &Value, payload: &str, signature: impl FnOnce(&str) -> Vec<u8>) -> String {
    let text = format!("{}.{}", b64(header.to_string()), b64(payload));
    let signature = b64(signature(&text));
    format!("{text}.{signature}")
}

/// What one flow is made of, before a case spoils it.
struct Flow {
    header: Value,
    claims: Value,
    plan: Plan,
    /// The query of the way back.
    back: Vec<(&'static str, String)>,
    /// Keeps the cookie that began the sign-in.
    same_browser: bool,
    /// Comes back a second time: the second answer counts.
    twice: bool,
    /// A token in place of the one that would be made.
    instead: Option<String>,
}

type Spoil = fn(&Provider, &Begun, &mut Flow);

fn set(flow: &mut Flow, name: &str, value: Value) {
    flow.claims[name] = value;
}

fn unset(flow: &mut Flow, name: &str) {
    flow.claims.as_object_mut().expect("claims").remove(name);
}

fn other_key(p: &Provider, f: &mut Flow) {
    f.instead = Some(pack(&f.header, &f.claims.to_string(), |text| {
        p.other.sign(text)
    }));
}

fn replace(flow: &mut Flow, name: &str, value: Option<&str>) {
    flow.back.retain(|(one, _)| *one != name);
    if let (Some(value), Some(name)) = (
        value,
        ["code", "state", "iss", "error"]
            .into_iter()
            .find(|one| *one == name),
    ) {
        flow.back.push((name, value.to_owned()));
    }
}

/// Every case: its name and how it spoils a flow that would be accepted.
const CASES: &[(&str, Spoil)] = &[
    // Signature and key
    ("no signature: alg none", |_, _, f| {
        f.header["alg"] = "none".into();
        f.instead = Some(pack(&f.header, &f.claims.to_string(), |_| Vec::new()));
    }),
    ("no signature: alg nOnE", |_, _, f| {
        f.header["alg"] = "nOnE".into();
        f.instead = Some(pack(&f.header, &f.claims.to_string(), |_| Vec::new()));
    }),
    ("signature taken off", |_, _, f| {
        f.instead = Some(pack(&f.header, &f.claims.to_string(), |_| Vec::new()))
    }),
    ("one bit of the signature", |p, _, f| {
        f.instead = Some(pack(&f.header, &f.claims.to_string(), |text| {
            let mut s = p.key.sign(text);
            s[7] ^= 1;
            s
        }))
    }),
    ("signature all zeros", |_, _, f| {
        f.instead = Some(pack(&f.header, &f.claims.to_string(), |_| vec![0; 64]))
    }),
    ("signature of another token", |p, _, f| {
        f.instead = Some(pack(&f.header, &f.claims.to_string(), |_| {
            p.key.sign("another")
        }))
    }),
    ("another key under the known id", |p, _, f| other_key(p, f)),
    ("another key under its own id", |p, _, f| {
        f.header["kid"] = "two".into();
        other_key(p, f);
    }),
    ("another key without an id", |p, _, f| {
        f.header.as_object_mut().expect("a header").remove("kid");
        other_key(p, f);
    }),
    ("the key in the token (jwk)", |p, _, f| {
        f.header["jwk"] = p.other.jwk("two");
        other_key(p, f);
    }),
    ("the key at an address (jku)", |p, _, f| {
        f.header["jku"] = "https://attacker.example.org/jwks".into();
        other_key(p, f);
    }),
    ("the key at an address (x5u)", |p, _, f| {
        f.header["x5u"] = "https://attacker.example.org/cert".into();
        other_key(p, f);
    }),
    ("HS256 with our client secret", |_, _, f| {
        f.header = json!({"alg": "HS256", "typ": "JWT"});
        f.instead = Some(pack(&f.header, &f.claims.to_string(), |text| {
            hmac(SECRET.as_bytes(), text)
        }));
    }),
    ("HS256 with the public key as secret", |p, _, f| {
        f.header = json!({"alg": "HS256", "typ": "JWT", "kid": "one"});
        let key = p.key.jwk("one").to_string();
        f.instead = Some(pack(&f.header, &f.claims.to_string(), |text| {
            hmac(key.as_bytes(), text)
        }));
    }),
    ("HS256 with the public point as secret", |p, _, f| {
        f.header = json!({"alg": "HS256", "kid": "one"});
        let key = p.key.0.public_key().as_ref().to_vec();
        f.instead = Some(pack(&f.header, &f.claims.to_string(), |text| {
            hmac(&key, text)
        }));
    }),
    ("ES384 named over a P-256 key", |_, _, f| {
        f.header["alg"] = "ES384".into()
    }),
    ("RS256 named over a P-256 key", |_, _, f| {
        f.header["alg"] = "RS256".into()
    }),
    ("a header we must understand (crit)", |_, _, f| {
        f.header["crit"] = json!(["exp"]);
    }),
    ("an access token (typ at+jwt)", |_, _, f| {
        f.header["typ"] = "at+jwt".into()
    }),
    ("a logout token (typ logout+jwt)", |_, _, f| {
        f.header["typ"] = "logout+jwt".into()
    }),
    ("a token within a token (cty)", |_, _, f| {
        f.header["cty"] = "JWT".into()
    }),
    // Form
    ("claims that are no JSON", |p, _, f| {
        f.instead = Some(pack(&f.header, "{\"iss\":", |text| p.key.sign(text)))
    }),
    ("claims that are a list", |p, _, f| {
        f.instead = Some(pack(&f.header, "[]", |text| p.key.sign(text)))
    }),
    ("two parts", |_, _, f| {
        f.instead = Some(format!(
            "{}.{}",
            b64(f.header.to_string()),
            b64(f.claims.to_string())
        ))
    }),
    ("five parts", |_, _, f| f.instead = Some("a.b.c.d.e".into())),
    ("an empty token", |_, _, f| f.instead = Some(String::new())),
    // Who, for whom, when
    ("another issuer", |_, _, f| {
        set(f, "iss", "https://other.example.org".into())
    }),
    ("the issuer with a slash", |p, _, f| {
        set(f, "iss", format!("{}/", p.issuer).into())
    }),
    ("no issuer", |_, _, f| unset(f, "iss")),
    ("for another client", |_, _, f| {
        set(f, "aud", "other".into())
    }),
    ("for nobody", |_, _, f| unset(f, "aud")),
    ("for us and somebody we do not know", |_, _, f| {
        set(f, "aud", json!(["connect-care", "other"]))
    }),
    ("made for another party (azp)", |_, _, f| {
        set(f, "azp", "other".into())
    }),
    ("expired 61 seconds ago", |_, b, f| {
        set(f, "exp", (b.now - 61).into())
    }),
    ("never expires", |_, _, f| unset(f, "exp")),
    ("expiry in words", |_, _, f| {
        set(f, "exp", "tomorrow".into())
    }),
    ("made in five minutes", |_, b, f| {
        set(f, "iat", (b.now + 300).into())
    }),
    ("made an hour ago", |_, b, f| {
        set(f, "iat", (b.now - 3600).into())
    }),
    ("no time of issue", |_, _, f| unset(f, "iat")),
    ("not good before five minutes from now", |_, b, f| {
        set(f, "nbf", (b.now + 300).into())
    }),
    ("good from a time in words", |_, _, f| {
        set(f, "nbf", "soon".into())
    }),
    ("authenticated in the future", |_, b, f| {
        set(f, "auth_time", (b.now + 300).into())
    }),
    ("another nonce", |_, _, f| set(f, "nonce", "another".into())),
    ("no nonce", |_, _, f| unset(f, "nonce")),
    ("no subject", |_, _, f| unset(f, "sub")),
    ("another access token (at_hash)", |_, _, f| {
        set(f, "at_hash", "AAAAAAAAAAAAAAAAAAAAAA".into())
    }),
    // Assurance
    ("no strength of authentication", |_, _, f| unset(f, "acr")),
    ("a weaker authentication", |_, _, f| {
        set(f, "acr", "AAL1_USERPASS".into())
    }),
    ("strength from the unsigned answer only", |_, _, f| {
        unset(f, "acr");
        f.plan.userinfo["acr"] = "AAL3_ANY".into();
    }),
    ("strength as a list", |_, _, f| {
        set(f, "acr", json!(["AAL3_ANY"]))
    }),
    ("assurance of authentication 2", |_, _, f| {
        set(f, "authentication_assurance_level", "2".into())
    }),
    ("no assurance of authentication", |_, _, f| {
        unset(f, "authentication_assurance_level")
    }),
    ("assurance of identity 2", |_, _, f| {
        f.plan.userinfo["idassurancelevel"] = "2".into()
    }),
    ("no assurance of identity", |_, _, f| {
        f.plan
            .userinfo
            .as_object_mut()
            .expect("claims")
            .remove("idassurancelevel");
    }),
    // The flow
    ("no state", |_, _, f| replace(f, "state", None)),
    ("an unknown state", |_, _, f| {
        replace(f, "state", Some("guessed"))
    }),
    ("the way back twice", |_, _, f| f.twice = true),
    ("another browser", |_, _, f| f.same_browser = false),
    ("mixed-up issuer (iss)", |_, _, f| {
        replace(f, "iss", Some("https://other.example.org"))
    }),
    ("issuer left out (RFC 9207)", |_, _, f| {
        replace(f, "iss", None)
    }),
    ("no code", |_, _, f| replace(f, "code", None)),
    ("a used or guessed code", |_, _, f| {
        replace(f, "code", Some("guessed"))
    }),
    ("the provider says no", |_, _, f| {
        replace(f, "code", None);
        f.back.push(("error", "access_denied".into()));
    }),
    ("a code beside an error", |_, _, f| {
        f.back.push(("error", "access_denied".into()))
    }),
    ("another challenge (PKCE)", |_, _, f| {
        f.plan.challenge = b64(Sha256::digest(b"another"))
    }),
    ("no ID token", |_, _, f| {
        f.plan.token_body = Some("{\"access_token\":\"x\",\"token_type\":\"Bearer\"}".into())
    }),
    ("the token address fails", |_, _, f| {
        f.plan.token_status = StatusCode::INTERNAL_SERVER_ERROR
    }),
    ("the token address answers a page", |_, _, f| {
        f.plan.token_body = Some("<html></html>".into())
    }),
    ("the token address answers 2 MB", |_, _, f| {
        f.plan.token_body = Some(format!("{{\"access_token\":\"{}\"}}", "x".repeat(2 << 20)))
    }),
    ("information about another user", |_, _, f| {
        f.plan.userinfo["sub"] = "n-2".into()
    }),
    ("information fails", |_, _, f| {
        f.plan.userinfo_status = StatusCode::INTERNAL_SERVER_ERROR
    }),
    ("no user id", |_, _, f| {
        f.plan
            .userinfo
            .as_object_mut()
            .expect("claims")
            .remove("nhsid_useruid");
    }),
    ("no role that is known", |_, _, f| {
        f.plan.userinfo["nhsid_nrbac_roles"][0]["role_code"] = "R9999".into()
    }),
    ("a role where nobody takes part", |_, _, f| {
        f.plan.userinfo["nhsid_nrbac_roles"][0]["org_code"] = "Z9Z99".into()
    }),
];

async fn signs_in(
    served: &Served,
    provider: &Provider,
    browser: &mut Browser,
    spoil: Option<Spoil>,
) -> (u16, bool) {
    let (begun, _) = begin(browser, "/staff/login/start").await;
    finish(served, provider, browser, begun, spoil).await
}

async fn finish(
    served: &Served,
    provider: &Provider,
    browser: &mut Browser,
    begun: Begun,
    spoil: Option<Spoil>,
) -> (u16, bool) {
    let code = b64(Sha256::digest(begun.state.as_bytes()));
    let mut flow = Flow {
        header: provider.header(),
        claims: claims(provider, &begun, &code),
        plan: Plan {
            token_status: StatusCode::OK,
            token_body: None,
            id_token: None,
            userinfo_status: StatusCode::OK,
            userinfo: person(),
            challenge: begun.challenge.clone(),
        },
        back: vec![
            ("code", code.clone()),
            ("state", begun.state.clone()),
            ("iss", provider.issuer.clone()),
        ],
        same_browser: true,
        twice: false,
        instead: None,
    };
    if let Some(spoil) = spoil {
        spoil(provider, &begun, &mut flow);
    }
    let made = || {
        pack(&flow.header, &flow.claims.to_string(), |text| {
            provider.key.sign(text)
        })
    };
    flow.plan.id_token = Some(flow.instead.clone().unwrap_or_else(made));
    provider
        .inside
        .plans
        .lock()
        .expect("a lock")
        .insert(code, flow.plan);
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&flow.back)
        .finish();
    let path = format!("/staff/login/callback?{query}");
    let mut stranger = Browser::at(&served.base);
    let who = if flow.same_browser {
        browser
    } else {
        &mut stranger
    };
    let mut page = who.get(&path).await;
    if flow.twice {
        page = who.get(&path).await;
    }
    let accepted = page
        .set_cookies
        .iter()
        .any(|set| set.starts_with("connect-care=") && !set.contains("Max-Age=0"));
    (page.status.as_u16(), accepted)
}

/// The last reason the service wrote down.
fn reason(log: &str) -> String {
    let cause = log
        .lines()
        .rev()
        .find_map(|line| line.split_once("cause="))
        .map(|(_, rest)| rest);
    let text = cause.unwrap_or("refused, see the audit log");
    let text = text
        .trim_start_matches('"')
        .trim_start_matches("the identity provider: ");
    text.chars()
        .take(90)
        .collect::<String>()
        .trim_end_matches('"')
        .to_owned()
}

#[tokio::test]
async fn no_malformed_token_or_flow_is_accepted() {
    let provider = Provider::start().await;
    let data = tempfile::tempdir().expect("a directory");
    let served = Served::start(data, &provider.issuer, SIGNIN, "").await;
    let control = async |why: &str| {
        let mut browser = Browser::at(&served.base);
        // A session id planted beforehand is not taken over.
        browser
            .cookies
            .insert("connect-care".to_owned(), "planted".to_owned());
        let (status, accepted) = signs_in(&served, &provider, &mut browser, None).await;
        assert!(
            accepted && status == 303,
            "the unspoilt flow {why}: {status} {}",
            served.log()
        );
        assert_ne!(browser.cookies["connect-care"], "planted");
    };
    control("before").await;
    // A clock up to 60 seconds away is no lie
    for skew in [
        |_: &Provider, b: &Begun, f: &mut Flow| set(f, "exp", (b.now - 50).into()),
        |_: &Provider, b: &Begun, f: &mut Flow| set(f, "iat", (b.now + 50).into()),
    ] {
        let (_, accepted) = signs_in(
            &served,
            &provider,
            &mut Browser::at(&served.base),
            Some(skew),
        )
        .await;
        assert!(accepted, "a clock 50 seconds away is accepted");
    }
    let (mut refused, mut fooled) = (0, Vec::new());
    for (at, (name, spoil)) in CASES.iter().enumerate() {
        // Failures from one place are throttled; a sign-in that works begins their count anew.
        if at % 5 == 0 {
            control("in between").await;
        }
        let before = served.log().len();
        let (status, accepted) = signs_in(
            &served,
            &provider,
            &mut Browser::at(&served.base),
            Some(*spoil),
        )
        .await;
        let log = served.log();
        println!(
            "{:44} {} {}",
            name,
            if accepted { "ACCEPTED" } else { "refused " },
            if accepted {
                String::new()
            } else {
                format!("{status} {}", reason(&log[before..]))
            }
        );
        if accepted || !(400..500).contains(&status) {
            fooled.push(*name);
        } else {
            refused += 1;
        }
    }
    control("after").await;
    println!(
        "S7 sign-in: {} cases, {refused} refused, {} accepted",
        CASES.len(),
        fooled.len()
    );
    assert!(
        fooled.is_empty(),
        "accepted or failed otherwise: {fooled:?}"
    );
    assert!(CASES.len() >= 60);
    let log = served.log();
    assert!(
        !log.contains("Nora") && !log.contains("n-1"),
        "nobody's name is in the log"
    );
}

#[tokio::test]
async fn only_the_same_user_freshly_authenticated_confirms() {
    let provider = Provider::start().await;
    let data = tempfile::tempdir().expect("a directory");
    let signin =
        format!("{SIGNIN}[signin.step_up]\nminutes = 0\naccepted_acr = [\"AAL3_SMARTCARD\"]\n");
    let served = Served::start(data, &provider.issuer, &signin, "").await;
    let mut browser = Browser::at(&served.base);
    let (_, accepted) = signs_in(&served, &provider, &mut browser, None).await;
    assert!(accepted);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let csrf = browser.get("/staff/role").await.field("csrf");
    let sent = [
        ("csrf", csrf.as_str()),
        ("ground", "risk-to-life"),
        ("text", "she collapsed & cannot \"speak\""),
    ];
    let to = browser
        .post("/staff/emergency/AAAA", &sent)
        .await
        .to
        .expect("to the confirmation");
    assert!(to.starts_with("/staff/step-up/"), "{to}");
    let shown = browser.get(&to).await;
    assert!(
        shown.text.contains("Confirm that it is you"),
        "{}",
        shown.text
    );
    let strong: Spoil = |_, _, f| set(f, "acr", "AAL3_SMARTCARD".into());
    let lies: [(&str, Spoil); 5] = [
        ("the ordinary strength", |_, _, _| {}),
        ("somebody else confirms", |_, _, f| {
            set(f, "acr", "AAL3_SMARTCARD".into());
            f.plan.userinfo["nhsid_useruid"] = "n-2".into();
        }),
        ("an authentication of an hour ago", |_, b, f| {
            set(f, "acr", "AAL3_SMARTCARD".into());
            set(f, "auth_time", (b.now - 3600).into());
        }),
        ("no time of authentication", |_, _, f| {
            set(f, "acr", "AAL3_SMARTCARD".into());
            unset(f, "auth_time");
        }),
        ("expired", |_, b, f| {
            set(f, "acr", "AAL3_SMARTCARD".into());
            set(f, "exp", (b.now - 100).into());
        }),
    ];
    for (name, spoil) in lies {
        let before = served.log().len();
        let (begun, asked) = begin(&mut browser, &format!("{to}/start")).await;
        assert_eq!(
            (
                asked["max_age"].as_str(),
                asked["prompt"].as_str(),
                asked["acr_values"].as_str()
            ),
            ("0", "login", "AAL3_SMARTCARD")
        );
        let (status, accepted) = finish(&served, &provider, &mut browser, begun, Some(spoil)).await;
        println!(
            "{:44} {} {status} {}",
            format!("confirming: {name}"),
            if accepted { "ACCEPTED" } else { "refused " },
            reason(&served.log()[before..])
        );
        assert!(!accepted, "{name}");
    }
    let before = browser.cookies["connect-care"].clone();
    let (begun, _) = begin(&mut browser, &format!("{to}/start")).await;
    let (status, accepted) = finish(&served, &provider, &mut browser, begun, Some(strong)).await;
    assert!(accepted && status == 303);
    assert_ne!(
        browser.cookies["connect-care"], before,
        "a confirmed session has a new id"
    );
    let mut old = Browser::at(&served.base);
    old.cookies.insert("connect-care".to_owned(), before);
    assert_eq!(
        old.get("/staff/role").await.to.as_deref(),
        Some("/staff/login")
    );
    let kept = browser.get(&to.replace("step-up", "kept")).await;
    assert_eq!(kept.field("text"), "she collapsed & cannot \"speak\"");
    assert_eq!(kept.field("ground"), "risk-to-life");
}
