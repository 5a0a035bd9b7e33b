//! Between the identity provider's answer and a session: page C1b, when somebody has several roles.
//! Kept in memory for ten minutes, under a cookie of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Form, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::claims::{Identity, Profile};
use super::pages;
use super::session::{cookie, digest_of, random_text};
use crate::problem::Problem;
use crate::state::{AppState, Shared};

pub(super) const COOKIE: &str = "connect-care-choosing";
const MINUTES: i64 = 10;
const AT_MOST: usize = 10_000;

/// Somebody who has yet to choose a role.
#[derive(Clone)]
pub struct Choosing {
    pub identity: Identity,
    pub csrf: String,
    pub how: String,
    pub next: String,
    pub until: Timestamp,
}

/// Everybody who has yet to choose.
#[derive(Default)]
pub struct Waiting(Mutex<HashMap<String, Choosing>>);

impl Waiting {
    fn put(&self, digest: String, choosing: Choosing, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, one| one.until > now);
        if all.len() < AT_MOST {
            all.insert(digest, choosing);
        }
    }

    fn get(&self, digest: &str, now: Timestamp) -> Option<Choosing> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(digest).filter(|one| one.until > now).cloned()
    }

    fn take(&self, digest: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(digest);
    }
}

/// Sends somebody on with their role, or to choose one. Whoever comes back to their own locked session
/// goes on with it.
pub async fn arrive(
    state: &Shared,
    headers: &HeaderMap,
    identity: Identity,
    how: String,
    next: String,
) -> Result<Response, Problem> {
    let who = identity.id.clone();
    let identity = match state.may_choose(identity) {
        Ok(identity) => identity,
        Err(why) => {
            let sessions = state.sessions.clone();
            crate::blocking(move || sessions.refused(&who, why))
                .await?
                .map_err(Problem::unavailable)?;
            return Err(not_here(why));
        }
    };
    if let Some(locked) = state.locked(headers).await? {
        // Somebody who comes back with less proof than before is not the same user.
        let same_user = identity.profiles.iter().any(|one| {
            identity.user(one).is_some_and(|user| {
                (&user.id, user.role, &user.organisation)
                    == (&locked.user.id, locked.user.role, &locked.user.organisation)
            })
        });
        if same_user {
            let landing = landing(&locked.user, &next);
            let set = state.unlock(locked, format!("unlocked; {how}")).await?;
            return Ok(([(header::SET_COOKIE, set)], Redirect::to(&landing)).into_response());
        }
    }
    if let Some(profile) = identity.obvious().cloned() {
        return begin(state, &identity, &profile, how, &next, Vec::new()).await;
    }
    let secret = random_text()?;
    let now = state.clock.now();
    let until = now
        .saturating_add(SignedDuration::from_mins(MINUTES))
        .unwrap_or(now);
    let choosing = Choosing {
        identity,
        csrf: random_text()?,
        how,
        next,
        until,
    };
    state.signin.choosing.put(digest_of(&secret), choosing, now);
    let set = state.cookie(COOKIE, &secret, Some(MINUTES * 60));
    Ok(([(header::SET_COOKIE, set)], Redirect::to("/staff/role")).into_response())
}

fn not_here(why: &'static str) -> Problem {
    if why == "no role here" {
        return Problem::forbidden(
            "You cannot use Connect Care yet",
            "You have no role that may use it at an organisation that takes part. Ask your organisation's smartcard or identity team.",
        );
    }
    Problem::forbidden(
        "You cannot use Connect Care at the moment",
        "Your access has been switched off or changed. Ask your organisation's identity team or your information governance team.",
    )
}

async fn begin(
    state: &Shared,
    identity: &Identity,
    profile: &Profile,
    how: String,
    next: &str,
    mut cookies: Vec<String>,
) -> Result<Response, Problem> {
    let user = identity.user(profile).ok_or_else(|| {
        Problem::forbidden(
            "This role cannot be used",
            "It is not known here. Ask your organisation's identity team.",
        )
    })?;
    let landing = landing(&user, next);
    cookies.push(
        state
            .begin_session(user, identity, profile, how, None)
            .await?,
    );
    let mut response = Redirect::to(&landing).into_response();
    for one in cookies {
        if let Ok(value) = one.parse() {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    Ok(response)
}

/// Where a user begins.
fn landing(user: &care_record::User, next: &str) -> String {
    use care_core::vocabulary::Role;
    if next != "/" {
        return next.to_owned();
    }
    match user.role {
        Role::Patient | Role::Proxy => "/me".to_owned(),
        role => crate::console::home_of(role)
            .unwrap_or("/staff/find")
            .to_owned(),
    }
}

/// The secret of the form of page C1b, for somebody who has yet to choose.
pub(super) fn secret(state: &AppState, headers: &HeaderMap) -> Option<String> {
    let digest = digest_of(cookie(headers, COOKIE)?);
    state
        .signin
        .choosing
        .get(&digest, state.clock.now())
        .map(|one| one.csrf)
}

/// What page C1b is answered with.
#[derive(Deserialize)]
pub struct Chosen {
    profile: String,
}

/// `GET /staff/role`.
pub async fn show(State(state): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(waiting) = waiting(&state, &headers) {
        return pages::role(&state, &waiting.identity.profiles, None, &waiting.csrf);
    }
    match state.session(&headers).await? {
        Some(session) => pages::role(
            &state,
            &session.identity.profiles,
            Some(&session),
            &session.csrf,
        ),
        None => Ok(Redirect::to("/staff/login").into_response()),
    }
}

/// `POST /staff/role`.
pub async fn choose(
    State(state): State<Shared>,
    headers: HeaderMap,
    Form(chosen): Form<Chosen>,
) -> Result<Response, Problem> {
    let named = |identity: &Identity| {
        identity
            .profiles
            .iter()
            .find(|one| one.id == chosen.profile)
            .cloned()
    };
    let no_such = || {
        Problem::invalid(
            "Choose a role",
            "Go back and choose one of the roles listed.",
        )
    };
    if let Some(waiting) = waiting(&state, &headers) {
        let profile = named(&waiting.identity).ok_or_else(no_such)?;
        state
            .signin
            .choosing
            .take(&digest_of(cookie(&headers, COOKIE).unwrap_or_default()));
        let done = state.cookie(COOKIE, "", Some(0));
        return begin(
            &state,
            &waiting.identity,
            &profile,
            waiting.how,
            &waiting.next,
            vec![done],
        )
        .await;
    }
    let Some(session) = state.session(&headers).await? else {
        return Ok(Redirect::to("/staff/login").into_response());
    };
    let profile = named(&session.identity).ok_or_else(no_such)?;
    state
        .end_session(&session.key, &session.user, "changed role")
        .await?;
    begin(
        &state,
        &session.identity,
        &profile,
        "changed role".to_owned(),
        "/",
        Vec::new(),
    )
    .await
}

fn waiting(state: &Arc<AppState>, headers: &HeaderMap) -> Option<Choosing> {
    let digest = digest_of(cookie(headers, COOKIE)?);
    state.signin.choosing.get(&digest, state.clock.now())
}
