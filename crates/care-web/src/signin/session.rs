//! Sessions of people: a random cookie, kept by its digest; ended by silence, by age or by logging out.
//!
//! Source: screens 16. The last use of a session is kept in memory only, so after a restart a
//! session counts as last used when it began: it ends too early rather than too late.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Redirect, Response};
use care_core::vocabulary::Organisation;
use care_record::{Caller, SessionRecord, User};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::apps::Apps;
use super::choosing::Waiting;
use super::claims::{Identity, Profile};
use super::demo_identity::DemoIdentity;
use super::kept_forms::KeptForms;
use super::launch::Launches;
use super::launch::demo_host::DemoHost;
use super::oidc::StepUp;
use super::provider::Provider;
use super::throttle::Throttle;
use super::tokens::Tokens;
use crate::problem::Problem;
use crate::state::{AppState, Shared};
use crate::telemetry::PageContext;

/// A signed-in user, for one request. As an extractor it sends anybody else to the sign-in page.
#[derive(Debug, Clone)]
pub struct Session {
    /// Binds searches and visits to this session, and stays when the cookie changes. Safe to keep, never
    /// to show.
    pub digest: String,
    /// A digest of the present cookie: what the session is kept under.
    pub(super) key: String,
    /// When the user last showed the identity provider who they are.
    pub(super) confirmed: Timestamp,
    /// Who, in the role they chose.
    pub user: User,
    /// The organisation they work for in that role.
    pub organisation: Organisation,
    /// The secret every form carries in a hidden field named `csrf`.
    pub csrf: String,
    /// When silence will end it.
    pub expires: Timestamp,
    /// When it ends whatever happens.
    pub ends: Timestamp,
    /// Every role they may change to.
    pub(super) identity: Identity,
}

impl Session {
    /// What the record believes from here on.
    pub fn caller(&self) -> Caller {
        Caller {
            user: self.user.clone(),
            session: self.digest.clone(),
            request: PageContext::current().request_id,
        }
    }

    /// Staff, or somebody who has proved who they are: nobody else sees a record.
    pub fn is_proved(&self) -> bool {
        self.identity.is_proved(self.user.role)
    }

    /// The birth date that the identity provider vouches for, where it says one.
    pub fn birth_date(&self) -> Option<&str> {
        self.identity.birth_date.as_deref()
    }

    /// The user holds more than one role, so "change role" leads somewhere.
    pub fn has_other_roles(&self) -> bool {
        self.identity.profiles.len() > 1
    }
}

/// The user as a session keeps them.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptUser {
    identity: Identity,
    profile: Profile,
    /// What searches and visits are bound to; at first the digest of the cookie.
    #[serde(default)]
    binding: Option<String>,
    /// When the user last showed the identity provider who they are; at first the sign-in.
    #[serde(default)]
    confirmed: Option<Timestamp>,
}

/// What silence made of a session.
#[derive(PartialEq)]
enum Silence {
    Short,
    /// Logging in again goes on with it.
    Locked,
    Ended,
}

/// A session that is locked: what logging in again goes on with.
pub(super) struct Locked {
    pub key: String,
    pub csrf: String,
    pub user: User,
    kept: KeptUser,
    record: SessionRecord,
}

/// Who is signed in, and how people sign in.
pub struct SignIn {
    last_used: Mutex<HashMap<String, Timestamp>>,
    /// Sign-ins that fail.
    pub(super) throttle: Throttle,
    /// People between the provider's answer and a role.
    pub(super) choosing: Waiting,
    /// The identity provider, and who is on the way to it.
    pub(super) provider: Provider,
    /// Forms that wait while somebody logs in again.
    pub(super) kept_forms: KeptForms,
    /// People whom other systems sent.
    pub(super) launches: Launches,
    /// The demonstration's other system.
    pub(super) demo_host: DemoHost,
    /// The demonstration's own provider.
    pub demo: Option<DemoIdentity>,
    /// Systems that sign in with a key, and the tokens they get.
    pub tokens: Tokens,
    /// Apps that people and staff let read for them.
    pub(super) apps: Apps,
}

impl AppState {
    /// The session of these headers, if there is one that has not ended. Using it keeps it awake.
    pub async fn session(
        self: &Arc<Self>,
        headers: &HeaderMap,
    ) -> Result<Option<Session>, Problem> {
        let Some((key, record, kept)) = self.kept_session(headers).await? else {
            return Ok(None);
        };
        let (Some(user), now) = (kept.identity.user(&kept.profile), self.clock.now()) else {
            return Ok(None);
        };
        match self.silence(&key, &record, now) {
            Silence::Short => {}
            Silence::Locked => return Ok(None),
            Silence::Ended => {
                self.end_session(&key, &user, "ended by silence or age")
                    .await?;
                return Ok(None);
            }
        }
        let user = match self.still(user.clone()) {
            Ok(user) => user,
            Err(why) => {
                self.end_session(&key, &user, why).await?;
                return Ok(None);
            }
        };
        let Some(organisation) = self.directory.organisation(&user.organisation).cloned() else {
            return Ok(None);
        };
        self.signin.touch(&key, now);
        let lock = SignedDuration::from_mins(self.config.signin.lock_minutes);
        let expires = now
            .saturating_add(lock)
            .unwrap_or(record.until)
            .min(record.until);
        Ok(Some(Session {
            digest: kept.binding.unwrap_or_else(|| key.clone()),
            key,
            confirmed: kept.confirmed.unwrap_or(record.since),
            user,
            organisation,
            csrf: record.csrf,
            expires,
            ends: record.until,
            identity: kept.identity,
        }))
    }

    /// What is kept under the cookie of these headers, ended or not.
    async fn kept_session(
        self: &Arc<Self>,
        headers: &HeaderMap,
    ) -> Result<Option<(String, SessionRecord, KeptUser)>, Problem> {
        let Some(secret) = cookie(headers, self.session_cookie()) else {
            return Ok(None);
        };
        let key = digest_of(secret);
        let (sessions, wanted) = (self.sessions.clone(), key.clone());
        let kept = crate::blocking(move || sessions.get(&wanted))
            .await?
            .map_err(Problem::unavailable)?;
        Ok(kept.and_then(|record| {
            let user = serde_json::from_str::<KeptUser>(&record.user).ok()?;
            Some((key, record, user))
        }))
    }

    fn silence(&self, key: &str, record: &SessionRecord, now: Timestamp) -> Silence {
        let last_used = self.signin.last_used(key).unwrap_or(record.since);
        let past = |minutes: i64| {
            last_used
                .saturating_add(SignedDuration::from_mins(minutes))
                .is_ok_and(|end| now > end)
        };
        if now > record.until || past(self.config.signin.idle_minutes) {
            Silence::Ended
        } else if past(self.config.signin.lock_minutes) {
            Silence::Locked
        } else {
            Silence::Short
        }
    }

    /// The locked session of these headers, if there is one.
    pub(super) async fn locked(
        self: &Arc<Self>,
        headers: &HeaderMap,
    ) -> Result<Option<Locked>, Problem> {
        let Some((key, record, kept)) = self.kept_session(headers).await? else {
            return Ok(None);
        };
        let user = kept.identity.user(&kept.profile);
        let Some(user) = user.and_then(|user| self.still(user).ok()) else {
            return Ok(None);
        };
        let locked = self.silence(&key, &record, self.clock.now()) == Silence::Locked;
        Ok(locked.then(|| Locked {
            key,
            csrf: record.csrf.clone(),
            user,
            kept,
            record,
        }))
    }

    /// Goes on with a locked session in the role it had, under a new secret: the same visits, the same
    /// end. Gives the cookie to set.
    pub(super) async fn unlock(
        self: &Arc<Self>,
        locked: Locked,
        how: String,
    ) -> Result<String, Problem> {
        let kept = KeptUser {
            binding: Some(locked.kept.binding.unwrap_or_else(|| locked.key.clone())),
            confirmed: Some(self.clock.now()),
            ..locked.kept
        };
        self.renew(&locked.key, locked.user, kept, locked.record, how)
            .await
    }

    /// Writes down that the user of this session showed who they are, and gives it a new secret.
    pub(super) async fn confirm_session(
        self: &Arc<Self>,
        headers: &HeaderMap,
        step_up: &StepUp,
        how: String,
    ) -> Result<String, Problem> {
        let gone = || {
            Problem::login(
                "You were logged out in the meantime",
                "Log in again, then repeat what you wanted to do.",
            )
        };
        let found = self.kept_session(headers).await?;
        let (key, record, kept) = found
            .filter(|(key, ..)| *key == step_up.key)
            .ok_or_else(gone)?;
        let user = kept.identity.user(&kept.profile).ok_or_else(gone)?;
        let user = self.still(user).map_err(|_| gone())?;
        let kept = KeptUser {
            binding: Some(kept.binding.unwrap_or_else(|| key.clone())),
            confirmed: Some(self.clock.now()),
            ..kept
        };
        self.renew(&key, user, kept, record, format!("confirmed; {how}"))
            .await
    }

    /// The same session under a new secret and with a new secret for its forms.
    async fn renew(
        self: &Arc<Self>,
        old: &str,
        user: User,
        kept: KeptUser,
        record: SessionRecord,
        how: String,
    ) -> Result<String, Problem> {
        let secret = random_text()?;
        let record = SessionRecord {
            user: serde_json::to_string(&kept).map_err(Problem::unavailable)?,
            csrf: random_text()?,
            ..record
        };
        let (sessions, new, before) = (self.sessions.clone(), digest_of(&secret), old.to_owned());
        let key = new.clone();
        crate::blocking(move || sessions.renew(&before, &new, &user, &record, &how))
            .await?
            .map_err(Problem::unavailable)?;
        self.signin.forget(old);
        self.signin.touch(&key, self.clock.now());
        Ok(self.cookie(self.session_cookie(), &secret, None))
    }

    /// Begins a session under a new secret and gives the cookie to set. An older session of the
    /// browser is not continued: a secret known before sign-in is worth nothing after it. `confirmed` is
    /// when the user showed the identity provider who they are, where that is not now.
    pub(super) async fn begin_session(
        self: &Arc<Self>,
        user: User,
        identity: &Identity,
        profile: &Profile,
        how: String,
        confirmed: Option<Timestamp>,
    ) -> Result<String, Problem> {
        let secret = random_text()?;
        let now = self.clock.now();
        let until = now
            .saturating_add(SignedDuration::from_hours(
                self.config.signin.absolute_hours,
            ))
            .unwrap_or(now);
        let record = SessionRecord {
            user: kept_user(identity, profile, confirmed)?,
            csrf: random_text()?,
            since: now,
            until,
        };
        let digest = digest_of(&secret);
        let sessions = self.sessions.clone();
        let kept_as = digest.clone();
        crate::blocking(move || sessions.sign_in(&kept_as, &user, &record, &how))
            .await?
            .map_err(Problem::unavailable)?;
        self.signin.touch(&digest, now);
        Ok(self.cookie(self.session_cookie(), &secret, None))
    }

    /// Ends a session.
    pub(super) async fn end_session(
        self: &Arc<Self>,
        digest: &str,
        user: &User,
        how: &'static str,
    ) -> Result<(), Problem> {
        self.signin.forget(digest);
        let (sessions, digest, user) = (self.sessions.clone(), digest.to_owned(), user.clone());
        crate::blocking(move || sessions.sign_out(&digest, &user, how))
            .await?
            .map_err(Problem::unavailable)
    }

    /// Every cookie this program sets: its name, what it is for, and how long it stays.
    pub(crate) fn cookies(&self) -> [(&'static str, &'static str, &'static str); 4] {
        [
            (
                self.session_cookie(),
                "Keeps you logged in",
                "Until you log out or close the browser",
            ),
            (
                super::oidc::COOKIE,
                "Links your log in to this browser while you log in",
                "10 minutes",
            ),
            (
                super::launch::COOKIE,
                "Links what another system opened for you to this browser",
                "5 minutes",
            ),
            (
                super::choosing::COOKIE,
                "Links your choice of role to this browser while you log in",
                "10 minutes",
            ),
        ]
    }

    pub(super) fn session_cookie(&self) -> &'static str {
        // A browser keeps a `__Host-` cookie only when it came over TLS.
        if self.config.secure() {
            "__Host-connect-care"
        } else {
            "connect-care"
        }
    }

    /// A cookie as it is set: for the browser session, or for so many seconds.
    pub(super) fn cookie(&self, name: &str, value: &str, seconds: Option<i64>) -> String {
        let secure = if self.config.secure() { "; Secure" } else { "" };
        let age = seconds
            .map(|age| format!("; Max-Age={age}"))
            .unwrap_or_default();
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}")
    }
}

fn kept_user(
    identity: &Identity,
    profile: &Profile,
    confirmed: Option<Timestamp>,
) -> Result<String, Problem> {
    let kept = KeptUser {
        identity: identity.clone(),
        profile: profile.clone(),
        binding: None,
        confirmed,
    };
    serde_json::to_string(&kept).map_err(Problem::unavailable)
}

impl SignIn {
    /// Nobody signed in yet.
    pub fn new(
        tokens: Tokens,
        apps: Apps,
        launches: Launches,
        demo: Option<DemoIdentity>,
        unthrottled: bool,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            last_used: Mutex::default(),
            throttle: Throttle::new(unthrottled),
            choosing: Waiting::default(),
            provider: Provider::new()?,
            kept_forms: KeptForms::default(),
            launches,
            demo_host: DemoHost::default(),
            demo,
            tokens,
            apps,
        })
    }

    fn last_used(&self, digest: &str) -> Option<Timestamp> {
        self.last_used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(digest)
            .copied()
    }

    fn touch(&self, digest: &str, now: Timestamp) {
        let mut all = self
            .last_used
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if all.len() > 20_000 {
            let yesterday = now
                .saturating_sub(SignedDuration::from_hours(24))
                .unwrap_or(now);
            all.retain(|_, used| *used > yesterday);
        }
        all.insert(digest.to_owned(), now);
    }

    fn forget(&self, digest: &str) {
        self.last_used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(digest);
    }
}

impl FromRequestParts<Shared> for Session {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Response> {
        match state.session(&parts.headers).await {
            Ok(Some(session)) => Ok(session),
            Ok(None) => Err(to_sign_in(&parts.method, parts.uri.path()).into_response()),
            Err(problem) => Err(problem.page()),
        }
    }
}

/// To the sign-in page, and back to this page afterwards where it can be opened again.
fn to_sign_in(method: &Method, path: &str) -> Redirect {
    if *method == Method::GET && is_own_path(path) {
        Redirect::to(&format!("/staff/login?next={path}"))
    } else {
        Redirect::to("/staff/login")
    }
}

/// A path of ours, safe to send a browser to.
pub(crate) fn is_own_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte))
}

/// The value of a cookie.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// 256 random bits as text.
pub(crate) fn random_text() -> Result<String, Problem> {
    use base64::Engine;
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(Problem::unavailable)?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

/// What a secret is kept under.
pub(crate) fn digest_of(secret: &str) -> String {
    Sha256::digest(secret.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use care_record::FixedClock;

    fn identity() -> Identity {
        let profile = Profile {
            id: "p-1".into(),
            role: "district_nurse".into(),
            organisation: "X9C01".into(),
            can_break_seal: false,
        };
        Identity {
            id: "district-nurse".into(),
            name: "Maureen Oduya".into(),
            own_number: None,
            family_numbers: Vec::new(),
            profiles: vec![profile],
            selected: None,
            states_roles: true,
            proof: None,
            birth_date: None,
        }
    }

    #[tokio::test]
    async fn a_session_locks_after_15_silent_minutes_and_ends_after_30_and_after_12_hours() {
        let place = tempfile::tempdir().expect("a directory");
        let config =
            crate::cli::demo_config::of(place.path(), 8080, 2575).expect("a configuration");
        crate::cli::demo_config::keys(place.path()).expect("keys");
        let start: Timestamp = "2026-10-01T08:00:00Z".parse().expect("a time");
        let clock = Arc::new(FixedClock::at(start));
        let state = crate::app::open_at(config, None, clock.clone()).expect("a state");
        let identity = identity();
        let sign_in = async || {
            let user = identity.user(&identity.profiles[0]).expect("a user");
            let set = state
                .begin_session(user, &identity, &identity.profiles[0], "test".into(), None)
                .await
                .expect("begun");
            let pair = set.split(';').next().expect("a cookie").to_owned();
            HeaderMap::from_iter([(
                header::COOKIE,
                HeaderValue::from_str(&pair).expect("a header"),
            )])
        };
        let after = |minutes: i64| clock.set(start + SignedDuration::from_mins(minutes));
        let silent = sign_in().await;
        after(15);
        assert!(
            state.session(&silent).await.expect("an answer").is_some(),
            "15 minutes are allowed"
        );
        after(31);
        assert!(
            state.session(&silent).await.expect("an answer").is_none(),
            "16 silent minutes lock it"
        );
        let locked = state
            .locked(&silent)
            .await
            .expect("an answer")
            .expect("locked");
        let unlocked = state.unlock(locked, "test".into()).await.expect("unlocked");
        let pair = unlocked.split(';').next().expect("a cookie").to_owned();
        assert!(
            state.session(&silent).await.expect("an answer").is_none(),
            "the old secret is worth nothing"
        );
        let silent = HeaderMap::from_iter([(
            header::COOKIE,
            HeaderValue::from_str(&pair).expect("a header"),
        )]);
        assert!(state.session(&silent).await.expect("an answer").is_some());
        after(62);
        assert!(
            state.session(&silent).await.expect("an answer").is_none(),
            "31 silent minutes end it"
        );
        assert!(state.locked(&silent).await.expect("an answer").is_none());
        after(63);
        assert!(
            state.session(&silent).await.expect("an answer").is_none(),
            "for good"
        );
        after(0);
        let busy = sign_in().await;
        for minute in (10..12 * 60).step_by(10) {
            after(minute);
            assert!(
                state.session(&busy).await.expect("an answer").is_some(),
                "minute {minute}"
            );
        }
        after(12 * 60 + 1);
        assert!(
            state.session(&busy).await.expect("an answer").is_none(),
            "12 hours end it"
        );
        state.record.close();
    }
}
