//! Page C2: Connect Care opened from another system, in its user's and its patient's context.
//!
//! Two ways in, one way on: a signed launch token that the other system posts (`token`), and SMART App
//! Launch (`smart`). Either names a user whom the staff directory knows and an NHS number, which never
//! stands in an address. What follows is C5 for that person: the reason is still asked and recorded, and
//! the rules decide as always. Every refusal is written down and says which part failed.

pub mod demo_host;
mod smart;
mod token;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use care_core::vocabulary::OdsCode;
use care_record::{DisclosureError, StaffRole, Standing};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;

use super::claims::{Identity, Profile};
use super::keys::{self, KeyError};
use super::session::{cookie, digest_of, random_text};
use crate::components::{Head, page, see_other, shown};
use crate::config::{Config, HostEntry};
use crate::problem::Problem;
use crate::state::{AppState, Shared};

pub use smart::callback;
pub(super) use smart::fetch;

pub(super) const COOKIE: &str = "connect-care-launch";
const MINUTES: i64 = 5;
const AT_MOST: usize = 10_000;

/// A system that may open Connect Care.
#[derive(Clone)]
pub(super) struct Host {
    pub entry: HostEntry,
    pub organisation: OdsCode,
    /// The public keys of its launch tokens.
    pub keys: JwkSet,
}

/// What somebody is being launched into.
#[derive(Clone)]
pub(super) struct Launch {
    pub host: String,
    /// The host's word is enough to sign the user in.
    pub signs_in: bool,
    pub user: String,
    pub role: StaffRole,
    pub number: String,
    /// A reason to choose beforehand: the code of C5.
    pub reason: Option<String>,
    until: Timestamp,
}

/// The systems, and who is being launched.
#[derive(Default)]
pub struct Launches {
    hosts: Vec<Host>,
    waiting: Mutex<HashMap<String, Launch>>,
    pub(super) smart: smart::OnTheWay,
}

/// Why nobody was launched: for the page, and in short for the audit log.
pub(super) struct Refused {
    pub host: String,
    pub why: &'static str,
    pub words: &'static str,
}

pub(super) const EXPIRED: &str =
    "The link from your system has expired. Open Connect Care from the record again.";
pub(super) const NOT_TRUSTED: &str =
    "The link from your system could not be trusted. Tell the people who run that system.";
pub(super) const NOT_A_USER: &str = "Your system named a user whom Connect Care does not know, or a role they do not have. Ask your organisation’s identity team.";
const NO_PERSON: &str = "The person whose record you had open was not found in Connect Care. Check the NHS number, or find the person yourself.";
const ANOTHER_USER: &str = "You logged in as somebody else than the user of your system. Open Connect Care from the record again.";

impl Launches {
    /// Reads the keys the configuration names.
    pub fn open(config: &Config) -> Result<Self, KeyError> {
        let mut hosts = Vec::new();
        for entry in &config.hosts {
            let Ok(organisation) = OdsCode::parse(&entry.organisation) else {
                continue;
            };
            let keys = match &entry.keys_file {
                Some(path) => keys::read_set(path)?,
                None => JwkSet { keys: Vec::new() },
            };
            hosts.push(Host {
                entry: entry.clone(),
                organisation,
                keys,
            });
        }
        Ok(Self {
            hosts,
            ..Self::default()
        })
    }

    pub(super) fn host(&self, id: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.entry.id == id)
    }

    /// The host whose FHIR address this is.
    pub(super) fn host_at(&self, fhir: &str) -> Option<&Host> {
        let plain = |address: &str| address.trim_end_matches('/').to_owned();
        self.hosts.iter().find(|host| {
            let held = host.entry.fhir.as_deref().map(plain);
            held.is_some_and(|held| held == plain(fhir))
        })
    }

    fn put(&self, key: String, launch: Launch, now: Timestamp) {
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, one| one.until > now);
        if all.len() < AT_MOST {
            all.insert(key, launch);
        }
    }

    fn get(&self, key: &str, now: Timestamp) -> Option<Launch> {
        let all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).filter(|one| one.until > now).cloned()
    }

    fn forget(&self, key: &str) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }
}

impl AppState {
    /// The role of a user whom the directory knows: the one named, or the only one at the host's
    /// organisation.
    pub(super) fn launch_role(
        &self,
        host: &Host,
        user: &str,
        named: Option<&StaffRole>,
    ) -> Option<StaffRole> {
        let Standing::Active { roles, .. } = self.record.staff().standing(user) else {
            return None;
        };
        let mut fitting = roles.into_iter().filter(|role| match named {
            Some(named) => role == named,
            None => role.organisation == host.organisation,
        });
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first)
    }

    pub(super) fn launch(
        &self,
        host: &Host,
        user: String,
        role: StaffRole,
        number: String,
    ) -> Launch {
        let now = self.clock.now();
        Launch {
            host: host.entry.id.clone(),
            signs_in: host.entry.signs_in,
            user,
            role,
            number,
            reason: None,
            until: now
                .saturating_add(SignedDuration::from_mins(MINUTES))
                .unwrap_or(now),
        }
    }

    /// Keeps a launch for this browser and sends it on. The browser is known by a cookie from here on,
    /// because a request that another site began carries none of ours.
    pub(super) fn launched(&self, launch: Launch) -> Result<Response, Problem> {
        let secret = random_text()?;
        self.signin
            .launches
            .put(digest_of(&secret), launch, self.clock.now());
        let set = self.cookie(COOKIE, &secret, Some(MINUTES * 60));
        let mut response = see_other("/staff/launch/open");
        if let Ok(set) = set.parse() {
            response.headers_mut().append(header::SET_COOKIE, set);
        }
        Ok(response)
    }

    /// Writes down why nobody was launched, and says it.
    pub(super) async fn not_launched(&self, refused: Refused) -> Result<Response, Problem> {
        let Refused { host, why, words } = refused;
        let sessions = self.sessions.clone();
        let why = format!("launch refused: {why}");
        tracing::warn!(why, "launch");
        crate::blocking(move || sessions.refused(&host, &why))
            .await?
            .map_err(Problem::unavailable)?;
        let head = Head::new("Connect Care did not open", "problem").with_error(false);
        let mut response = page("launch-refused.html", &head, None, shown! { words })?;
        *response.status_mut() = StatusCode::FORBIDDEN;
        Ok(response)
    }
}

/// What another system posts.
#[derive(Deserialize)]
pub struct Posted {
    #[serde(default)]
    launch_token: String,
}

/// `POST /staff/launch`: a signed launch token.
pub async fn posted(
    State(state): State<Shared>,
    Form(posted): Form<Posted>,
) -> Result<Response, Problem> {
    match token::check(&state, &posted.launch_token).await? {
        Ok(launch) => state.launched(launch),
        Err(refused) => state.not_launched(refused).await,
    }
}

/// What a SMART launch begins with.
#[derive(Deserialize)]
pub struct Smart {
    iss: Option<String>,
    launch: Option<String>,
}

/// `GET /staff/launch`: SMART App Launch.
pub async fn smart(
    State(state): State<Shared>,
    Query(asked): Query<Smart>,
) -> Result<Response, Problem> {
    let (Some(iss), Some(launch)) = (asked.iss, asked.launch) else {
        return Ok(see_other("/staff/find"));
    };
    match smart::begin(&state, &iss, &launch).await? {
        Ok(response) => Ok(response),
        Err(refused) => state.not_launched(refused).await,
    }
}

/// `GET /staff/launch/open`: signs in where that is still needed, then C5 for the person.
pub async fn open(State(state): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    let key = cookie(&headers, COOKIE).map(digest_of).unwrap_or_default();
    let Some(launch) = state.signin.launches.get(&key, state.clock.now()) else {
        let refused = Refused {
            host: "unknown".to_owned(),
            why: "no launch waits for this browser",
            words: EXPIRED,
        };
        return state.not_launched(refused).await;
    };
    let mut cookies = Vec::new();
    let session = match state.session(&headers).await? {
        Some(session) if session.user.id == launch.user => session,
        Some(other) if launch.signs_in => {
            let how = "another user was launched at this browser";
            state.end_session(&other.key, &other.user, how).await?;
            sign_in(&state, &launch, &mut cookies).await?
        }
        None if launch.signs_in => sign_in(&state, &launch, &mut cookies).await?,
        None => return Ok(see_other("/staff/login/start?next=/staff/launch/open")),
        Some(_) => {
            state.signin.launches.forget(&key);
            let refused = Refused {
                host: launch.host,
                why: "another user is signed in",
                words: ANOTHER_USER,
            };
            return state.not_launched(refused).await;
        }
    };
    state.signin.launches.forget(&key);
    let (door, caller) = (state.record.disclosure(), session.caller());
    let number = launch.number.clone();
    let found = crate::blocking(move || door.find_by_number(&caller, &number)).await?;
    let choice = match found {
        Ok(Ok(found)) => found.into_inner(),
        Ok(Err(_)) | Err(DisclosureError::Refused(_)) => None,
        Err(why) => return Err(Problem::unavailable(why)),
    };
    let mut response = match choice {
        Some(choice) => {
            let reason = launch
                .reason
                .map(|code| format!("?reason={code}"))
                .unwrap_or_default();
            see_other(&format!("/staff/confirm/{choice}{reason}"))
        }
        None => {
            let refused = Refused {
                host: launch.host,
                why: "the person was not found",
                words: NO_PERSON,
            };
            state.not_launched(refused).await?
        }
    };
    cookies.push(state.cookie(COOKIE, "", Some(0)));
    for set in cookies {
        if let Ok(set) = set.parse() {
            response.headers_mut().append(header::SET_COOKIE, set);
        }
    }
    Ok(response)
}

/// Signs the user in on the host's word. That is no confirmation of who they are: before protected
/// information is opened, the identity provider asks.
async fn sign_in(
    state: &Shared,
    launch: &Launch,
    cookies: &mut Vec<String>,
) -> Result<super::Session, Problem> {
    let gone = || Problem::forbidden("Connect Care did not open", NOT_A_USER);
    let staff = state.record.staff();
    let held = staff.user_by_name(&launch.user).ok_or_else(gone)?;
    let profile = Profile {
        id: launch.role.to_string(),
        role: launch.role.role.code().to_owned(),
        organisation: launch.role.organisation.to_string(),
        can_break_seal: held.details.break_seal,
    };
    let identity = Identity {
        id: held.details.user_name.clone(),
        name: held.details.name.clone(),
        own_number: None,
        family_numbers: Vec::new(),
        profiles: vec![profile.clone()],
        selected: None,
        birth_date: None,
        proof: None,
        states_roles: true,
    };
    let user = identity.user(&profile).ok_or_else(gone)?;
    let user = state.still(user).map_err(|_| gone())?;
    let how = format!("launched by {}", launch.host);
    let set = state
        .begin_session(user, &identity, &profile, how, Some(Timestamp::UNIX_EPOCH))
        .await?;
    let pair = set.split(';').next().unwrap_or_default().to_owned();
    cookies.push(set);
    let mut own = HeaderMap::new();
    if let Ok(value) = pair.parse() {
        own.insert(header::COOKIE, value);
    }
    state.session(&own).await?.ok_or_else(gone)
}
