//! The configuration: one typed struct, one TOML file, unknown keys refused.
//!
//! Nothing else reads the environment. Secrets never stand in the file: a key names the file or the
//! environment variable that holds the secret.

mod apps;
mod hosts;
pub mod portal;
mod rules;
mod staff;
mod subscriptions;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use care_core::access::Settings;
use care_core::secondary_use::check::LineEnd;
use care_core::vocabulary::{Category, OdsCode, Organisation, OrganisationKind, Role};
use care_record::{Directory, OptOutSettings, Source, Validate};
use serde::{Deserialize, Serialize};

pub use apps::{AppEntry, UsedBy};
pub use hosts::HostEntry;
pub use rules::Access;
pub use staff::{Provisioning, StaffDirectory, TOKEN_CHARS};
pub use subscriptions::Subscriptions;

/// Everything a deployment decides.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file with the words of the public pages; left out, the demonstration's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<PathBuf>,
    /// Where the faces listen.
    pub server: Server,
    /// Where the record lies.
    pub record: RecordPlace,
    /// Where the audit log is published, and who signs it too.
    #[serde(default)]
    pub audit: crate::witness::Audit,
    /// Who says who a user is.
    pub signin: Signin,
    /// The staff directory.
    #[serde(default)]
    pub staff: StaffDirectory,
    /// Access tokens for systems.
    #[serde(default)]
    pub tokens: Tokens,
    /// The HL7 v2 listener; left out, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mllp: Option<Mllp>,
    /// Our mailbox at the message exchange; left out, no opt-out check can be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<crate::mesh::MailboxSettings>,
    /// The check for national data opt-outs.
    #[serde(default)]
    pub opt_out_check: OptOutCheckConfig,
    /// FHIR bodies.
    #[serde(default)]
    pub fhir: Fhir,
    /// Whom sources' subscriptions may call.
    #[serde(default)]
    pub subscriptions: Subscriptions,
    /// Settings of the access rules (access model, 8.6).
    #[serde(default)]
    pub access: Access,
    /// The pages of patients and of those who act for them.
    #[serde(default)]
    pub portal: portal::Portal,
    /// Which looks are looked at again.
    #[serde(default)]
    pub review: crate::console::ReviewSettings,
    /// What is written to standard error while running.
    #[serde(default)]
    pub log: Log,
    /// Organisations that take part.
    #[serde(default)]
    pub organisations: Vec<OrganisationEntry>,
    /// Systems that may sign in with a key.
    #[serde(default)]
    pub clients: Vec<Client>,
    /// Apps that people and staff may let read for them.
    #[serde(default)]
    pub apps: Vec<AppEntry>,
    /// Systems that may open Connect Care for their user and patient.
    #[serde(default)]
    pub hosts: Vec<HostEntry>,
    /// Set by `connect-care demo` alone; a file cannot say it.
    #[serde(skip)]
    pub demo: bool,
    /// Where the demonstration's own opt-out service is; a deployment's stands in its content file.
    #[serde(skip)]
    pub demo_opt_out_service: Option<String>,
    /// Nobody who guesses is stopped: a demonstration under load. A file cannot say it.
    #[serde(skip)]
    pub unthrottled: bool,
}

/// Where the faces listen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port of HTTP.
    pub listen: SocketAddr,
    /// The address people use, without a path: `https://care.example.org`.
    pub base_url: String,
    /// For trying a configuration on one machine: plain `http://localhost` is accepted for our own
    /// address and the identity provider's, and nothing beyond this machine.
    #[serde(default)]
    pub trial: bool,
    /// The number people phone for help, shown on the log-in page and on problem pages.
    #[serde(default)]
    pub help_phone: String,
    /// Seconds a stop waits for what is under way.
    #[serde(default = "ten")]
    pub drain_seconds: u64,
    /// The largest body of a form, in bytes.
    #[serde(default = "form_bytes")]
    pub max_form_bytes: usize,
}

/// Where the record lies.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordPlace {
    /// The directory of the store.
    pub data: PathBuf,
    /// The directory checkpoints are copied to: another disk than `data`.
    pub witness: PathBuf,
    /// The directory of the journal of decisions: another disk than `data`; left out, it lies in `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decisions: Option<PathBuf>,
    /// The PostgreSQL database that holds the record, without a password; left out, the record is a
    /// file in `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<String>,
    /// The file that holds the password of the PostgreSQL user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres_password_file: Option<PathBuf>,
}

/// Sign-in of people by OpenID Connect.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signin {
    /// The identity provider's issuer address.
    pub issuer: String,
    /// Our id there.
    pub client_id: String,
    /// The environment variable that holds our secret there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_variable: Option<String>,
    /// The file that holds our secret there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// Scopes asked for besides `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// Strengths of authentication accepted (`acr`); empty accepts none.
    #[serde(default = "acrs")]
    pub accepted_acr: Vec<String>,
    /// Vectors of trust (`vot`) accepted from people who are not staff. Whatever is accepted, only
    /// those that begin with P9 show a record.
    #[serde(default = "crate::signin::people::vectors")]
    pub accepted_vectors: Vec<String>,
    /// Least assurance of identity (`idassurancelevel`, 0 to 4); 0 asks for none.
    #[serde(default)]
    pub minimum_identity_level: u8,
    /// Least assurance of authentication (`authentication_assurance_level`, 0 to 3); 0 asks for none
    /// beside `accepted_acr`.
    #[serde(default)]
    pub minimum_authentication_level: u8,
    /// Signatures accepted on ID tokens: with public keys only.
    #[serde(default = "signatures")]
    pub signing_algorithms: Vec<String>,
    /// What is asked again before something grave.
    #[serde(default)]
    pub step_up: StepUp,
    /// Minutes without a request after which a session is locked: logging in again goes on with it.
    #[serde(default = "fifteen")]
    pub lock_minutes: i64,
    /// Minutes without a request after which a session ends.
    #[serde(default = "thirty_minutes")]
    pub idle_minutes: i64,
    /// Hours after which a session ends whatever happens.
    #[serde(default = "twelve")]
    pub absolute_hours: i64,
    /// Which claim says what.
    #[serde(default)]
    pub claims: Claims,
    /// Which national role at which kind of organisation is which role here; the first that fits.
    #[serde(default = "role_map")]
    pub roles: Vec<RoleEntry>,
}

/// Before protected information is opened, something is disclosed or somebody's access is changed, the
/// user confirms who they are, unless they did so a moment ago.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StepUp {
    /// A confirmation holds for so many minutes.
    pub minutes: i64,
    /// Strengths of authentication accepted (`acr`); empty: those that signing in accepts.
    pub accepted_acr: Vec<String>,
}

impl Default for StepUp {
    fn default() -> Self {
        Self {
            minutes: 5,
            accepted_acr: Vec::new(),
        }
    }
}

/// Which claim says what. The defaults are the names NHS CIS2 uses.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Claims {
    /// The user's id.
    pub user_id: String,
    /// The user's name.
    pub name: String,
    /// The list of the user's roles; `a.b` is the member `b` of the claim `a`.
    pub roles: String,
    /// The job role code of a role.
    pub role_code: String,
    /// The organisation code of a role.
    pub role_organisation: String,
    /// The provider's id of a role.
    pub role_id: String,
    /// The activity codes of a role.
    pub role_activities: String,
    /// The assurance of identity.
    pub identity_level: String,
    /// The assurance of authentication.
    pub authentication_level: String,
    /// The role chosen at the provider, where it asked.
    pub selected_role: String,
    /// The user's own NHS number, where the provider states it.
    pub own_number: String,
    /// NHS numbers of people the user acts for or declared as family.
    pub family_numbers: String,
    /// The activity code that lets its holder open sealed items on a recorded ground.
    pub break_seal_activity: String,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            user_id: "nhsid_useruid".into(),
            name: "name".into(),
            roles: "nhsid_nrbac_roles".into(),
            role_code: "role_code".into(),
            role_organisation: "org_code".into(),
            role_id: "person_roleid".into(),
            role_activities: "activity_codes".into(),
            identity_level: "idassurancelevel".into(),
            authentication_level: "authentication_assurance_level".into(),
            selected_role: "selected_roleid".into(),
            own_number: "nhs_number".into(),
            family_numbers: "family_nhs_numbers".into(),
            break_seal_activity: "B0062".into(),
        }
    }
}

/// One line of the role map.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleEntry {
    /// The national job role (`R8000`), matched as the last part of `S0010:G0020:R8000`.
    pub code: String,
    /// The kind of organisation (`practice`, `trust` …); left out, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The role's code here.
    pub role: String,
}

/// Access tokens for systems.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// The file that holds the key tokens are signed with: PKCS#8 PEM, P-256.
    pub signing_key_file: Option<PathBuf>,
    /// Seconds a system's token lives.
    pub lifetime_seconds: i64,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            signing_key_file: None,
            lifetime_seconds: 300,
        }
    }
}

/// The HL7 v2 listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mllp {
    /// Address and port.
    pub listen: SocketAddr,
    /// The feed a message belongs to, by its sending facility (MSH-4, whole or one component):
    /// `"X9T01" = "feed-hospital"`. A name that is no ODS code means the feed's only sender.
    #[serde(default)]
    pub facilities: BTreeMap<String, String>,
    /// The largest message, in bytes.
    #[serde(default = "frame_bytes")]
    pub max_message_bytes: usize,
    /// Seconds a connection may be silent between messages.
    #[serde(default = "five_minutes")]
    pub idle_seconds: u64,
    /// Seconds a started message may take to arrive.
    #[serde(default = "thirty")]
    pub message_seconds: u64,
    /// Connections at once.
    #[serde(default = "connections")]
    pub max_connections: usize,
    /// Connections at once from one address.
    #[serde(default = "peer_connections")]
    pub max_connections_per_peer: usize,
    /// What a sender gets while nothing can be written: `answer` (AR) or `close`.
    #[serde(default)]
    pub on_store_fault: OnStoreFault,
}

/// What an MLLP sender gets while nothing can be written. Never a positive acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStoreFault {
    /// An AR acknowledgement that says so; the connection stays.
    #[default]
    Answer,
    /// No answer; the connection is closed and the sender tries again.
    Close,
}

/// The check for national data opt-outs. Mailboxes and workflow change: verify before use.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptOutCheckConfig {
    /// The mailbox of the service that answers.
    pub service_mailbox: String,
    /// The workflow of questions and answers.
    pub workflow: String,
    /// The most numbers in one list.
    pub list_limit: usize,
    /// How lines end: `lf` or `crlf`.
    pub line_end: String,
    /// The oldest result that may be used, in days: 21 at most.
    pub max_age_days: u32,
}

impl Default for OptOutCheckConfig {
    fn default() -> Self {
        let settings = OptOutSettings::default();
        Self {
            service_mailbox: settings.service_mailbox,
            workflow: settings.workflow,
            list_limit: settings.list_limit,
            line_end: settings.line_end.code().to_owned(),
            max_age_days: settings.max_age_days,
        }
    }
}

/// FHIR bodies.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fhir {
    /// The largest body, in bytes.
    pub max_body_bytes: usize,
    /// Items on one page of a search.
    pub page_items: usize,
    /// A directory of the deployment's own StructureDefinitions, ValueSets, CodeSystems and
    /// Questionnaires (JSON or XML, or Bundles of them) that validation knows besides R4 and UK Core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definitions: Option<PathBuf>,
    /// A directory of the deployment's own ViewDefinitions, each in a file of its own: `NAME.json` is run
    /// as `ViewDefinition/NAME/$run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub views: Option<PathBuf>,
}

/// What follows where a source's FHIR breaks a rule of validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValidateSetting {
    /// Only R4's structure is looked at.
    Off,
    /// It is kept, and the answer names the rules.
    #[default]
    Warn,
    /// Nothing of the delivery is kept.
    Refuse,
}

impl From<ValidateSetting> for Validate {
    fn from(setting: ValidateSetting) -> Self {
        match setting {
            ValidateSetting::Off => Self::Off,
            ValidateSetting::Warn => Self::Warn,
            ValidateSetting::Refuse => Self::Refuse,
        }
    }
}

impl Default for Fhir {
    fn default() -> Self {
        Self {
            max_body_bytes: 32 << 20,
            page_items: 50,
            definitions: None,
            views: None,
        }
    }
}

/// Whether staff must ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PermissionSetting {
    /// Staff ask the person.
    #[default]
    Ask,
    /// Permission is implied by care.
    Implied,
}

/// What is written while running.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `json` or `plain`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Json,
            level: "info".into(),
        }
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Plain,
}

/// An organisation that takes part.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganisationEntry {
    /// ODS code.
    pub ods: String,
    /// `practice`, `trust`, `community`, `mh`, `council`, `carehome`, `pharmacy`, `ambulance`, `programme`.
    pub kind: String,
    /// Full name.
    pub name: String,
    /// The name that stands beside every item.
    pub short_name: String,
    /// The phone number to call when an item is in doubt.
    pub phone: String,
    /// The feeds it sends through; none means it only reads.
    #[serde(default)]
    pub feeds: Vec<String>,
    /// Minutes of silence agreed; past it the source is late.
    #[serde(default = "day_minutes")]
    pub agreed_interval_minutes: u32,
    /// What it shares, in plain words.
    #[serde(default)]
    pub shares: Vec<String>,
    /// What it leaves out, in plain words.
    #[serde(default)]
    pub leaves_out: Vec<String>,
    /// The categories it normally supplies, by code; left out, what its kind usually does. A section
    /// says so when a source that supplies it does not answer.
    #[serde(default)]
    pub supplies: Option<Vec<String>>,
    /// Its NHS numbers are traced against the national register.
    #[serde(default)]
    pub numbers_are_traced: bool,
    /// What follows where its FHIR breaks a rule of validation: `off`, `warn` or `refuse`.
    #[serde(default)]
    pub validate: ValidateSetting,
    /// False while it is a source that is not connected yet.
    #[serde(default = "yes")]
    pub connected: bool,
}

/// A system that may sign in with a key (SMART Backend Services).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its id: the feed's.
    pub id: String,
    /// The organisation whose data it sends.
    pub organisation: String,
    /// The file that holds its public keys as a JWK set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_file: Option<PathBuf>,
    /// The address of its public keys, in place of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// It may ask about anybody's token (RFC 7662): for a gateway that stands before another API.
    #[serde(default)]
    pub introspects: bool,
    /// Scopes it may have.
    #[serde(default = "client_scopes")]
    pub scopes: Vec<String>,
}

/// `scheme://user:password@host/name`.
fn has_password(address: &str) -> bool {
    let authority = address.split_once("://").map(|(_, rest)| rest);
    let user = authority.and_then(|rest| rest.split('/').next()?.rsplit_once('@'));
    user.is_some_and(|(user, _)| user.contains(':'))
}

fn ten() -> u64 {
    10
}
fn thirty() -> u64 {
    30
}
fn five_minutes() -> u64 {
    300
}
fn fifteen() -> i64 {
    15
}
fn thirty_minutes() -> i64 {
    30
}
fn signatures() -> Vec<String> {
    ["RS256", "PS256", "ES256", "ES384"]
        .map(String::from)
        .to_vec()
}
fn twelve() -> i64 {
    12
}
fn yes() -> bool {
    true
}
fn day_minutes() -> u32 {
    1440
}
fn form_bytes() -> usize {
    64 << 10
}
fn frame_bytes() -> usize {
    16 << 20
}
fn connections() -> usize {
    512
}
fn peer_connections() -> usize {
    64
}
fn scopes() -> Vec<String> {
    ["profile", "nationalrbacaccess"].map(String::from).to_vec()
}
fn acrs() -> Vec<String> {
    vec!["AAL3_ANY".into(), "AAL2_OR_AAL3_ANY".into()]
}
fn client_scopes() -> Vec<String> {
    vec!["system/*.cruds".into()]
}

/// The national job roles of the access model 8.1, at the kinds of organisation that tell them apart.
fn role_map() -> Vec<RoleEntry> {
    [
        ("R8000", Some("practice"), "gp"),
        ("R8000", Some("mh"), "mental_health_practitioner"),
        ("R8000", None, "hospital_doctor"),
        ("R0260", Some("mh"), "mental_health_practitioner"),
        ("R0260", Some("practice"), "gp"),
        ("R0260", None, "hospital_doctor"),
        ("R8001", Some("mh"), "mental_health_practitioner"),
        ("R8001", Some("community"), "district_nurse"),
        ("R8001", None, "hospital_nurse"),
        ("R8003", Some("ambulance"), "ambulance_clinician"),
        ("R8003", Some("pharmacy"), "pharmacist"),
        ("R8003", None, "occupational_therapist"),
        ("R8004", None, "student_clinician"),
        ("R8006", None, "admin_clerical"),
        ("R8009", None, "admin_clerical"),
        ("R8010", None, "admin_clerical"),
        ("R8012", None, "analyst"),
        ("R8015", None, "system_admin"),
        ("R0243", None, "social_worker"),
        ("R0001", None, "privacy_officer"),
        ("R5105", None, "caldicott_guardian"),
    ]
    .map(|(code, at, role)| RoleEntry {
        code: code.into(),
        at: at.map(Into::into),
        role: role.into(),
    })
    .to_vec()
}

/// Something wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The key.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// How to mend it.
    pub mend: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: {}\n    why: {}\n    mend: {}",
            self.key, self.what, self.why, self.mend
        )
    }
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration {0} cannot be read; check the path and that this user may read it")]
    Unreadable(String, #[source] std::io::Error),
    /// It is no TOML of ours.
    #[error(
        "the configuration {0} is not understood; `connect-care config example` prints one that is"
    )]
    NotUnderstood(String, #[source] Box<toml::de::Error>),
    /// It is unsafe or contradicts itself.
    #[error("the configuration cannot be used:\n{}", list(.0))]
    Faults(Vec<Fault>),
    /// A secret is not where the configuration says.
    #[error("{0} is not set or cannot be read; put the secret there")]
    NoSecret(String),
}

/// A secret, from its file or else from its environment variable.
pub fn secret(file: Option<&Path>, variable: Option<&str>) -> Result<String, ConfigError> {
    if let Some(path) = file {
        return std::fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .map_err(|_| ConfigError::NoSecret(path.display().to_string()));
    }
    let name = variable.unwrap_or_default();
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    let found = std::env::var(name).ok().filter(|secret| !secret.is_empty());
    found.ok_or(ConfigError::NoSecret(format!(
        "environment variable {name}"
    )))
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("  {fault}\n")).collect()
}

impl Config {
    /// Reads a file. What is unsafe is a list of faults, not an error: see [`Config::faults`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::Unreadable(name.clone(), cause))?;
        toml::from_str(&text).map_err(|cause| ConfigError::NotUnderstood(name, Box::new(cause)))
    }

    /// Reads a file for production: any fault refuses it.
    pub fn read_safe(path: &Path) -> Result<Self, ConfigError> {
        let config = Self::read(path)?;
        let faults = config.faults();
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::Faults(faults))
        }
    }

    /// The address people use is served over TLS.
    pub fn secure(&self) -> bool {
        self.server.base_url.starts_with("https://")
    }

    /// An address of this machine, in a configuration that is only being tried.
    fn is_trial_address(&self, address: &str) -> bool {
        let rest = address.strip_prefix("http://").unwrap_or_default();
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        self.server.trial
            && self.server.listen.ip().is_loopback()
            && ["localhost", "127.0.0.1", "[::1]"].contains(&name)
    }

    /// Our secret at the identity provider.
    pub fn client_secret(&self) -> Result<String, ConfigError> {
        if let Some(path) = &self.signin.client_secret_file {
            return std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .map_err(|_| ConfigError::NoSecret(path.display().to_string()));
        }
        let name = self
            .signin
            .client_secret_variable
            .clone()
            .unwrap_or_default();
        #[allow(
            clippy::disallowed_methods,
            reason = "this is the one place that reads the environment"
        )]
        std::env::var(&name)
            .ok()
            .filter(|secret| !secret.is_empty())
            .ok_or(ConfigError::NoSecret(format!(
                "environment variable {name}"
            )))
    }

    /// The password of the PostgreSQL user, where a file is named.
    pub fn postgres_password(&self) -> Result<Option<String>, ConfigError> {
        let Some(path) = &self.record.postgres_password_file else {
            return Ok(None);
        };
        std::fs::read_to_string(path)
            .map(|text| Some(text.trim().to_owned()))
            .map_err(|_| ConfigError::NoSecret(path.display().to_string()))
    }

    /// The settings of the access rules.
    pub fn access_settings(&self) -> Settings {
        self.access.settings()
    }

    /// The settings of the check for national data opt-outs.
    pub fn opt_out_settings(&self) -> OptOutSettings {
        let check = &self.opt_out_check;
        let mailbox = self
            .mesh
            .as_ref()
            .map(|mesh| mesh.mailbox.to_ascii_uppercase());
        OptOutSettings {
            mailbox: mailbox.unwrap_or_default(),
            service_mailbox: check.service_mailbox.to_ascii_uppercase(),
            workflow: check.workflow.clone(),
            list_limit: check.list_limit,
            line_end: LineEnd::from_code(&check.line_end).unwrap_or(LineEnd::Lf),
            max_age_days: check.max_age_days.min(21),
        }
    }

    /// Who takes part. Entries with an unknown kind or code are left out: [`Config::faults`] names them.
    pub fn directory(&self) -> Directory {
        let known: Vec<(Organisation, &OrganisationEntry)> = self
            .organisations
            .iter()
            .filter_map(|entry| Some((entry.organisation()?, entry)))
            .collect();
        let sources = known
            .iter()
            .filter(|(_, entry)| !entry.feeds.is_empty() || !entry.connected)
            .map(|(organisation, entry)| entry.source(organisation.clone()))
            .collect();
        Directory::new(
            known
                .into_iter()
                .map(|(organisation, _)| organisation)
                .collect(),
            sources,
        )
    }

    /// What follows for each source where its FHIR breaks a rule of validation.
    pub fn validate_by_source(&self) -> HashMap<OdsCode, Validate> {
        let of =
            |entry: &OrganisationEntry| Some((entry.organisation()?.ods, entry.validate.into()));
        self.organisations.iter().filter_map(of).collect()
    }

    /// Every reason not to run with this configuration. Empty for a safe one.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let RecordPlace { data, witness, .. } = &self.record;
        self.audit.faults(data, witness, &mut faults);
        self.network_faults(&mut faults);
        self.signin_faults(&mut faults);
        self.portal.faults(&mut faults);
        self.rule_faults(&mut faults);
        self.directory_faults(&mut faults);
        self.staff_faults(&mut faults);
        self.mesh_faults(&mut faults);
        self.host_faults(&mut faults);
        self.app_faults(&mut faults);
        self.subscription_faults(&mut faults);
        if let Err(why) = self.review.check() {
            faults.push(Fault {
                key: "review".into(),
                what: why.to_string(),
                why: "misuse would go unseen".into(),
                mend: "leave the setting out, or give a value between the two".into(),
            });
        }
        faults
    }

    fn network_faults(&self, faults: &mut Vec<Fault>) {
        let mut fault = |key: &str, what: &str, why: &str, mend: &str| {
            faults.push(Fault {
                key: key.into(),
                what: what.into(),
                why: why.into(),
                mend: mend.into(),
            });
        };
        let base = &self.server.base_url;
        if !base.starts_with("https://") && !self.is_trial_address(base) {
            fault(
                "server.base_url",
                "does not begin with https://",
                "session cookies and records would cross the network unprotected",
                "put a TLS proxy in front and give its https address",
            );
        }
        if base.ends_with('/') || base.matches('/').count() > 2 {
            fault(
                "server.base_url",
                "has a path",
                "pages live at the root of their host",
                "give scheme and host only, such as https://care.example.org",
            );
        }
        if !self.server.listen.ip().is_loopback() {
            fault(
                "server.listen",
                "listens beyond this machine",
                "this process speaks plain HTTP; only the TLS proxy beside it may reach it",
                "listen on 127.0.0.1 or ::1",
            );
        }
        if self.record.data == self.record.witness
            || self.record.witness.starts_with(&self.record.data)
        {
            fault(
                "record.witness",
                "lies within record.data",
                "whoever can rewrite the log could rewrite its witness",
                "name a directory on another disk or host",
            );
        }
        if self
            .record
            .postgres
            .as_ref()
            .is_some_and(|address| address.contains("password") || has_password(address))
        {
            fault(
                "record.postgres",
                "holds a password",
                "this file is read, copied and shown more widely than a password may be",
                "leave it out here and name its file in record.postgres_password_file",
            );
        }
        if self.record.postgres.is_none() && self.record.postgres_password_file.is_some() {
            fault(
                "record.postgres_password_file",
                "is given without record.postgres",
                "the record would lie in a file of record.data instead of in PostgreSQL",
                "give record.postgres as well, or take this key out",
            );
        }
        if let Some(mllp) = &self.mllp {
            if !mllp.listen.ip().is_loopback() {
                fault(
                    "mllp.listen",
                    "listens beyond this machine",
                    "MLLP has no encryption of its own",
                    "listen on 127.0.0.1 behind a TLS tunnel or VPN endpoint",
                );
            }
            if mllp.max_message_bytes == 0
                || mllp.max_connections == 0
                || mllp.max_connections_per_peer == 0
                || mllp.message_seconds == 0
                || mllp.idle_seconds == 0
            {
                fault(
                    "mllp",
                    "a limit is 0",
                    "nothing could be received",
                    "leave the key out to get its default",
                );
            }
        }
    }

    fn signin_faults(&self, faults: &mut Vec<Fault>) {
        let mut fault = |key: &str, what: &str, why: &str, mend: &str| {
            faults.push(Fault {
                key: key.into(),
                what: what.into(),
                why: why.into(),
                mend: mend.into(),
            });
        };
        let signin = &self.signin;
        if signin.issuer.contains("/demo-identity") {
            fault(
                "signin.issuer",
                "is the demonstration's identity provider",
                "anyone can sign in there as anyone",
                "give the issuer of your identity provider",
            );
        } else if !signin.issuer.starts_with("https://") && !self.is_trial_address(&signin.issuer) {
            fault(
                "signin.issuer",
                "does not begin with https://",
                "an identity could be forged on the way",
                "give the issuer's https address",
            );
        }
        if signin.accepted_acr.is_empty() {
            fault(
                "signin.accepted_acr",
                "is empty",
                "nobody could sign in",
                "name the strengths of authentication you accept, such as AAL3_ANY",
            );
        }
        if !(1..=30).contains(&signin.idle_minutes) {
            fault(
                "signin.idle_minutes",
                "is not between 1 and 30",
                "a record left open on a shared screen is open to all",
                "15 is the default",
            );
        }
        if !(1..=12).contains(&signin.absolute_hours) {
            fault(
                "signin.absolute_hours",
                "is not between 1 and 12",
                "a session must end with the shift",
                "12 is the default",
            );
        }
        if signin.client_secret_file.is_none() && signin.client_secret_variable.is_none() {
            fault(
                "signin",
                "names no client secret",
                "the identity provider would not know us",
                "set client_secret_file or client_secret_variable",
            );
        } else if self.client_secret().is_err() {
            fault(
                "signin",
                "the client secret is not where this says",
                "the identity provider would not know us",
                "create the file or set the environment variable before the start",
            );
        }
        if !(1..=signin.idle_minutes).contains(&signin.lock_minutes) {
            fault(
                "signin.lock_minutes",
                "is not between 1 and idle_minutes",
                "a record left open on a shared screen is open to all",
                "15 is the default",
            );
        }
        if !(0..=60).contains(&signin.step_up.minutes) {
            fault(
                "signin.step_up.minutes",
                "is not between 0 and 60",
                "whoever sits down at an open session could open protected information",
                "5 is the default",
            );
        }
        let signatures = [
            "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
        ];
        if signin.signing_algorithms.is_empty()
            || signin
                .signing_algorithms
                .iter()
                .any(|one| !signatures.contains(&one.as_str()))
        {
            fault(
                "signin.signing_algorithms",
                "names none, or one that does not use a public key",
                "an ID token could be forged, or nobody could sign in",
                "leave the key out to get RS256, PS256, ES256 and ES384",
            );
        }
        for entry in &signin.roles {
            if Role::from_code(&entry.role).is_none() {
                fault(
                    "signin.roles",
                    &format!("{} is no role", entry.role),
                    "users with it would be refused",
                    "use a role code of docs/access.md",
                );
            }
        }
        for path in self.tokens.signing_key_file.iter().chain(
            self.clients
                .iter()
                .filter_map(|client| client.keys_file.as_ref()),
        ) {
            if path
                .components()
                .any(|part| part.as_os_str() == crate::signin::keys::DEMO_DIRECTORY)
            {
                fault(
                    "tokens, clients",
                    "a key of the demonstration",
                    "its secret half lies unprotected on every machine that ran the demonstration",
                    "make keys of your own",
                );
            } else if !path.exists() {
                fault(
                    "tokens, clients",
                    &format!("the key file {} is not there", path.display()),
                    "systems could not sign in",
                    "create it, or leave the entry out",
                );
            }
        }
        if self.tokens.signing_key_file.is_none() && !self.clients.is_empty() {
            fault(
                "tokens.signing_key_file",
                "is not set",
                "systems could not be given tokens",
                "make a P-256 key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
            );
        }
    }

    fn mesh_faults(&self, faults: &mut Vec<Fault>) {
        let Some(mesh) = &self.mesh else { return };
        faults.extend(mesh.faults("mesh"));
        let check = &self.opt_out_check;
        let mut fault = |key: &str, what: &str, mend: &str| {
            faults.push(Fault {
                key: format!("opt_out_check.{key}"),
                what: what.into(),
                why: "no check could be made, or its answer could not be relied on".into(),
                mend: mend.into(),
            });
        };
        if check.service_mailbox.is_empty() {
            fault(
                "service_mailbox",
                "is not set",
                "give the mailbox of the check service, from its own page",
            );
        }
        if check.workflow.is_empty() {
            fault(
                "workflow",
                "is empty",
                "give the workflow of the check service, from its own page",
            );
        }
        if check.list_limit == 0 {
            fault("list_limit", "is 0", "leave the key out to get its default");
        }
        if LineEnd::from_code(&check.line_end).is_none() {
            fault(
                "line_end",
                "is neither lf nor crlf",
                "use lf unless the service says otherwise",
            );
        }
        if !(1..=21).contains(&check.max_age_days) {
            fault(
                "max_age_days",
                "is not between 1 and 21",
                "7 is the default; the policy allows 21 at most",
            );
        }
    }

    fn directory_faults(&self, faults: &mut Vec<Fault>) {
        let mut fault = |key: String, what: String, mend: &str| {
            faults.push(Fault {
                key,
                what,
                why: "its users and items would be refused".into(),
                mend: mend.into(),
            });
        };
        for entry in &self.organisations {
            if OdsCode::parse(&entry.ods).is_err() {
                fault(
                    "organisations.ods".into(),
                    format!("{} is no organisation code", entry.ods),
                    "give the ODS code",
                );
            }
            if OrganisationKind::from_prefix(&entry.kind).is_none() {
                fault(
                    "organisations.kind".into(),
                    format!("{} is no kind", entry.kind),
                    "use practice, trust, community, mh, council, carehome, pharmacy, ambulance or programme",
                );
            }
        }
        let known = |ods: &str| {
            self.organisations
                .iter()
                .any(|entry| entry.ods.eq_ignore_ascii_case(ods))
        };
        for client in &self.clients {
            let https = |address: &String| {
                address.starts_with("https://") || self.is_trial_address(address)
            };
            let keys = (client.keys_file.is_some(), client.jwks_uri.as_ref());
            if !matches!(keys, (true, None)) && !keys.1.is_some_and(https) {
                fault(
                    format!("clients.{}", client.id),
                    "has neither keys_file nor an https jwks_uri".to_owned(),
                    "give one of the two",
                );
            }
            if !known(&client.organisation) {
                fault(
                    format!("clients.{}", client.id),
                    format!("organisation {} is not listed", client.organisation),
                    "add it under [[organisations]]",
                );
            }
        }
    }

    /// A configuration to start from.
    pub fn example() -> &'static str {
        include_str!("config.example.toml")
    }
}

impl OrganisationEntry {
    fn organisation(&self) -> Option<Organisation> {
        Some(Organisation {
            ods: OdsCode::parse(&self.ods).ok()?,
            kind: OrganisationKind::from_prefix(&self.kind)?,
            name: self.name.clone(),
            short_name: self.short_name.clone(),
            phone: self.phone.clone(),
        })
    }

    fn source(&self, organisation: Organisation) -> Source {
        let supplies = self.supplies.as_ref().map_or_else(
            || Source::usually_supplies(organisation.kind),
            |codes| {
                codes
                    .iter()
                    .filter_map(|code| Category::from_code(code))
                    .collect()
            },
        );
        Source {
            organisation,
            supplies,
            feeds: self.feeds.clone(),
            agreed_interval_minutes: self.agreed_interval_minutes,
            shares: self.shares.clone(),
            leaves_out: self.leaves_out.clone(),
            numbers_are_traced: self.numbers_are_traced,
            connected: self.connected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_understood_and_only_its_missing_files_are_faults() {
        let config: Config = toml::from_str(Config::example()).expect("the example is understood");
        let faults = config.faults();
        assert!(
            faults
                .iter()
                .all(|fault| fault.what.contains("not there") || fault.what.contains("not where")),
            "{faults:?}"
        );
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let text = Config::example().replace("[server]", "[server]\nlisten_everywhere = true");
        let error = toml::from_str::<Config>(&text).expect_err("unknown key");
        assert!(error.to_string().contains("listen_everywhere"), "{error}");
    }

    #[test]
    fn every_unsafe_setting_is_named_with_why_and_how_to_mend() {
        let unsafe_settings = [
            (
                "https://care.example.org",
                "http://care.example.org",
                "server.base_url",
            ),
            ("127.0.0.1:8080", "0.0.0.0:8080", "server.listen"),
            (
                "https://identity.example.org",
                "http://localhost:8080/demo-identity",
                "signin.issuer",
            ),
            (
                "idle_minutes = 30",
                "idle_minutes = 600",
                "signin.idle_minutes",
            ),
            (
                "/var/lib/connect-care-witness",
                "/var/lib/connect-care/witness",
                "record.witness",
            ),
            (
                "# postgres = \"host=/run/postgresql user=care",
                "postgres = \"postgresql://care:secret@localhost/care\" # \"",
                "record.postgres",
            ),
            (
                "# postgres_password_file",
                "postgres_password_file",
                "record.postgres_password_file",
            ),
            ("127.0.0.1:2575", "0.0.0.0:2575", "mllp.listen"),
            (
                "/etc/connect-care/tokens.pem",
                "/srv/demo-keys/tokens.pem",
                "tokens, clients",
            ),
        ];
        for (safe, changed, key) in unsafe_settings {
            assert!(Config::example().contains(safe), "the example has {safe}");
            let config: Config =
                toml::from_str(&Config::example().replace(safe, changed)).expect("understood");
            let found = config.faults();
            let fault = found
                .iter()
                .find(|fault| fault.key == key && !fault.what.contains("not there"));
            assert!(
                fault.is_some_and(|fault| !fault.why.is_empty() && !fault.mend.is_empty()),
                "{key}: {found:?}"
            );
        }
    }
}
