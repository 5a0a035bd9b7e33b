//! Signing in and out, and what must not work. Real sockets, real tokens.

use crate::rig::{Browser, Demo};

#[tokio::test]
async fn a_user_signs_in_with_a_fresh_session_and_logs_out_for_good() {
    let demo = Demo::start().await;
    let mut browser = Browser::new(&demo);
    // Given somebody who planted a session id before sign-in
    browser
        .cookies
        .insert("connect-care".to_owned(), "planted".to_owned());
    assert_eq!(
        browser.get("/staff/role").await.to.as_deref(),
        Some("/staff/login")
    );
    // When the user signs in
    let arrived = browser.sign_in("district-nurse").await;
    // Then the session is a new one, and nothing of it can be read by a script or sent by another site
    assert_eq!(arrived.to.as_deref(), Some("/staff/find"));
    let cookie = arrived
        .set_cookies
        .iter()
        .find(|set| set.starts_with("connect-care="))
        .expect("a session");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"),
        "{cookie}"
    );
    assert_ne!(browser.cookies["connect-care"], "planted");
    assert!(browser.cookies["connect-care"].len() >= 43, "256 bits");
    let role = browser.get("/staff/role").await;
    assert_eq!(role.status, 200);
    assert!(role.text.contains("District nurse"), "{}", role.text);
    // And logging out ends it, also for whoever kept the cookie
    let kept = browser.cookies.clone();
    let csrf = role.field("csrf");
    let out = browser.post("/staff/logout", &[("csrf", &csrf)]).await;
    assert_eq!(out.to.as_deref(), Some("/staff/login?out=1"));
    browser.cookies = kept;
    assert_eq!(
        browser.get("/staff/role").await.to.as_deref(),
        Some("/staff/login")
    );
}

#[tokio::test]
async fn an_answer_of_the_provider_is_good_once_for_the_browser_that_asked() {
    let demo = Demo::start().await;
    let mut browser = Browser::new(&demo);
    let used = browser.to_callback("gp").await;
    assert_eq!(browser.get(&used).await.status, 303);
    // Replayed
    assert_eq!(browser.get(&used).await.status, 400);
    // A used code under a state of its own
    let fresh = browser.to_callback("gp").await;
    let code = |address: &str| {
        address
            .split("code=")
            .nth(1)
            .expect("a code")
            .split('&')
            .next()
            .expect("a code")
            .to_owned()
    };
    let swapped = fresh.replace(&code(&fresh), &code(&used));
    assert_eq!(browser.get(&swapped).await.status, 400);
    // Another state
    let fresh = browser.to_callback("gp").await;
    let state = fresh
        .split("state=")
        .nth(1)
        .expect("a state")
        .split('&')
        .next()
        .expect("a state")
        .to_owned();
    assert_eq!(
        browser.get(&fresh.replace(&state, "another")).await.status,
        400
    );
    // Another issuer
    let fresh = browser.to_callback("gp").await;
    assert_eq!(
        browser
            .get(&fresh.replace("demo-identity", "other-identity"))
            .await
            .status,
        400
    );
    // Another browser: sign-in cannot be forced on somebody else
    let fresh = browser.to_callback("gp").await;
    let mut other = Browser::new(&demo);
    assert_eq!(other.get(&fresh).await.status, 400);
    assert!(!other.cookies.contains_key("connect-care"));
    // Nothing of this is in the log but reasons
    assert!(!demo.log().contains(&state) && !demo.log().contains(&code(&used)));
}

#[tokio::test]
async fn a_form_from_elsewhere_is_refused_and_one_of_ours_is_taken() {
    let demo = Demo::start().await;
    let mut browser = Browser::new(&demo);
    browser.sign_in("hospital-nurse").await;
    let csrf = browser.get("/staff/role").await.field("csrf");
    for (form, headers) in [
        (vec![], vec![]),
        (vec![("csrf", "guessed")], vec![]),
        (
            vec![("csrf", csrf.as_str())],
            vec![("sec-fetch-site", "cross-site")],
        ),
        (
            vec![("csrf", csrf.as_str())],
            vec![("origin", "https://elsewhere.example.org")],
        ),
        (vec![("csrf", csrf.as_str())], vec![("origin", "null")]),
    ] {
        let page = browser.post_with("/staff/logout", &form, &headers).await;
        assert_eq!(page.status, 403, "{form:?} {headers:?}");
    }
    let origin = [
        ("origin", demo.base.as_str()),
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(
        browser
            .post_with("/staff/logout", &[("csrf", &csrf)], &origin)
            .await
            .status,
        303
    );
}

#[tokio::test]
async fn every_user_of_the_demonstration_can_sign_in() {
    let demo = Demo::start().await;
    for user in care_synthetic::users() {
        let mut browser = Browser::new(&demo);
        let arrived = browser.sign_in(user.id).await;
        let to = arrived.to.unwrap_or_default();
        let fits = match user.role {
            "patient" | "proxy" => to == "/me",
            // Those with a console begin there.
            _ => to == "/staff/find" || to == "/ig" || to.starts_with("/ig/"),
        };
        assert!(fits, "{} begins at {to}", user.id);
    }
}

#[tokio::test]
async fn pages_carry_the_headers_that_keep_them_from_leaking() {
    let demo = Demo::start().await;
    let mut browser = Browser::new(&demo);
    for path in ["/staff/login", "/no-such-page"] {
        let page = browser.get(path).await;
        let header = |name: &str| {
            page.headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self' 'nonce-"), "{policy}");
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "same-origin");
    }
    assert_eq!(browser.get("/no-such-page").await.status, 404);
}
