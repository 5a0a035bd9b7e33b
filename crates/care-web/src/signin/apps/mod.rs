//! Apps that people and staff let read for them: SMART App Launch 2.2, as the authorisation server.
//!
//! `authorize` takes an app's request, `consent` asks the person in plain words, `exchange` gives tokens,
//! `client` says which client calls, `about` answers about tokens and takes them back, `discovery` says
//! what of all this runs. What somebody allowed is a grant, kept in the record; an app's access token
//! names it and holds nothing about the person. What a token shows is decided by the rules, at each request.
//! Source: HL7 SMART App Launch 2.2; RFC 6749, 7636, 7009, 7662, 9207, 9700; OpenID Connect Core.

pub mod about;
pub mod authorize;
mod client;
pub mod consent;
pub mod discovery;
pub mod exchange;

use std::collections::HashMap;
use std::sync::Mutex;

use care_record::{AppKept, User};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::authorize::Asks;
pub(super) use self::client::Keys;
use super::claims::{Identity, Profile};
use super::keys::KeyError;
use super::scopes::Scopes;
use super::tokens::PersonClaims;
use crate::config::{AppEntry, Config, UsedBy};
use crate::problem::Problem;
use crate::state::{AppState, Shared};

/// A registered app.
pub(super) struct App {
    pub entry: AppEntry,
    pub scopes: Scopes,
    pub proof: Proof,
}

/// How a client shows that it is itself.
pub(super) enum Proof {
    /// Not at all: PKCE alone binds its codes to it.
    Public,
    Secret(String),
    Keys(Keys),
}

/// The registered apps, and what is under way with them.
#[derive(Default)]
pub struct Apps {
    all: HashMap<String, App>,
    asks: Asks,
    launches: Mutex<HashMap<String, (String, Timestamp)>>,
}

impl Apps {
    /// Reads the secrets and keys that the configuration names.
    pub fn open(config: &Config) -> Result<Self, KeyError> {
        let mut all = HashMap::new();
        for entry in &config.apps {
            let proof = if let Some(path) = &entry.secret_file {
                let secret = std::fs::read_to_string(path)
                    .map_err(|cause| KeyError::File(path.clone(), cause))?;
                Proof::Secret(secret.trim().to_owned())
            } else {
                match Keys::open(entry.keys_file.as_deref(), entry.jwks_uri.as_deref())? {
                    Some(keys) => Proof::Keys(keys),
                    None => Proof::Public,
                }
            };
            let app = App {
                entry: entry.clone(),
                scopes: Scopes::read(&entry.scopes.join(" ")),
                proof,
            };
            all.insert(entry.id.clone(), app);
        }
        Ok(Self {
            all,
            ..Self::default()
        })
    }

    pub(super) fn get(&self, id: &str) -> Option<&App> {
        self.all.get(id)
    }

    /// The apps for this kind of user that can be opened from here.
    pub(super) fn to_open(&self, used_by: UsedBy) -> impl Iterator<Item = &App> {
        self.all
            .values()
            .filter(move |app| app.entry.used_by == used_by && app.entry.launch_uri.is_some())
    }
}

/// What somebody allowed an app: kept in the record under the grant's key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Grant {
    pub app: String,
    pub identity: Identity,
    pub profile: Profile,
    /// The scopes allowed.
    pub scope: String,
    /// The one person it is good for: NHS number and id.
    pub patient: Option<(String, String)>,
    pub purpose: String,
    pub permission: String,
    pub since: Timestamp,
    pub until: Timestamp,
    /// The session it ends with, by its key; none: it outlives the session.
    pub session: Option<String>,
    /// When the user showed who they are.
    pub authenticated: Timestamp,
}

impl Grant {
    pub fn user(&self) -> Option<User> {
        self.identity.user(&self.profile)
    }

    /// What a token under this grant states.
    pub fn person(&self, user: &User) -> PersonClaims {
        PersonClaims {
            name: user.name.clone(),
            role: user.role.code().to_owned(),
            organisation: user.organisation.to_string(),
            can_break_seal: false,
            own_number: user.own_number.as_ref().map(|number| number.digits()),
            family_numbers: Vec::new(),
            patient: self.patient.as_ref().map(|(number, _)| number.clone()),
            purpose: self.purpose.clone(),
            permission: self.permission.clone(),
            break_glass: None,
        }
    }

    /// The address of the resource that stands for the user.
    pub fn fhir_user(&self, base: &str, user: &User) -> String {
        let own = user.own_number.as_ref().map(|number| number.digits());
        match &self.patient {
            Some((number, id)) if own.as_ref() == Some(number) => {
                format!("{base}/fhir/R4/Patient/{id}")
            }
            _ => format!("{base}/fhir/R4/Practitioner/{}", user.id),
        }
    }
}

/// Where the grants of a user are kept; the user's own id does not stand in the key.
fn grants_of(user: &str) -> String {
    let digest = super::digest_of(&format!("grants of {user}"));
    format!("{}/", digest.get(..32).unwrap_or(&digest))
}

/// The grant of this key, while it and the session it hangs on last.
pub(super) async fn grant(state: &Shared, key: &str) -> Result<Option<Grant>, Problem> {
    let (sessions, key) = (state.sessions.clone(), key.to_owned());
    let found = crate::blocking(move || {
        let Some(bytes) = sessions.app_kept(AppKept::Grant, &key)? else {
            return Ok(None);
        };
        let grant = serde_json::from_slice::<Grant>(&bytes).ok();
        let lasts = match grant.as_ref().and_then(|grant| grant.session.as_deref()) {
            Some(session) => sessions.get(session)?.is_some(),
            None => true,
        };
        Ok::<_, care_record::SessionError>(grant.filter(|_| lasts))
    });
    let found = found.await?.map_err(Problem::unavailable)?;
    let now = state.clock.now();
    Ok(found.filter(|grant| grant.until > now))
}

impl AppState {
    /// An origin from which pages of a registered app call us.
    pub(crate) fn is_app_origin(&self, origin: &str) -> bool {
        let apps = &self.config.apps;
        apps.iter()
            .any(|app| app.origins.iter().any(|one| one == origin))
    }
}
