//! `token`: a bearer token for the FHIR API, in the demonstration only.

use std::path::PathBuf;
use std::process::ExitCode;

use care_core::vocabulary::{NhsNumber, Purpose, Role};
use care_record::{Clock, SystemClock};
use clap::Args;
use jsonwebtoken::Algorithm;

use super::{TEMPLATE, Usage, demo, demo_config, print};
use crate::admin::{Explain, Facts};
use crate::signin::keys::SigningKey;
use crate::signin::tokens::{AccessClaims, PersonClaims, audience};

/// A bearer token for the FHIR API of the demonstration; good for one hour.
#[derive(Args)]
#[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care token --as district-nurse --person 9990000018 --permission given\n  connect-care token --as feed-hospital\n  connect-care token --as ed-doctor --person 9990000034 --permission unable --break-glass best_interest --because \"unconscious in the emergency department\"\n")]
pub struct TokenArgs {
    #[command(flatten)]
    who: Asking,
    /// The data directory of the demonstration
    #[arg(long, value_name = "DIR", default_value = "./demo-data")]
    data: PathBuf,
    /// SMART scopes, separated by spaces; left out, all a person or a feed may have
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// Write the token with what it says as JSON
    #[arg(long)]
    json: bool,
}

/// Who asks, about whom, and on what grounds.
#[derive(Args)]
pub struct Asking {
    /// User id of the demonstration, or the id of a feed
    #[arg(long = "as", value_name = "USER")]
    user: String,
    /// The one person the token is good for
    #[arg(long, value_name = "NHSNUMBER")]
    person: Option<String>,
    /// Purpose code
    #[arg(long, value_name = "PURPOSE")]
    purpose: Option<String>,
    /// Permission code
    #[arg(long, value_name = "PERMISSION", default_value = "not_asked")]
    permission: String,
    /// Justification of break-glass
    #[arg(long, value_name = "REASON", requires = "because")]
    break_glass: Option<String>,
    /// What is happening, for break-glass
    #[arg(long, value_name = "TEXT", requires = "break_glass")]
    because: Option<String>,
}

/// The permission codes of the access model, 8.1.
const PERMISSIONS: [&str; 9] = [
    "given",
    "standing",
    "given_by_attorney",
    "given_by_parent",
    "refused",
    "not_asked",
    "unable",
    "not_present",
    "not_applicable",
];

impl Asking {
    /// The question `access explain` asks. In the demonstration its invented users are known; elsewhere
    /// the staff directory's are.
    pub fn explain(&self, role: Option<String>, demo: bool) -> anyhow::Result<Explain> {
        let person = self
            .person
            .clone()
            .ok_or_else(|| Usage("name the person with --person".to_owned()))?;
        NhsNumber::parse(&person).map_err(|error| Usage(format!("--person: {error}")))?;
        let claims = if demo { Some(self.claims()?) } else { None };
        let facts = claims.as_ref().map(|claims| Facts {
            name: claims.name.clone(),
            role: claims.role.clone(),
            organisation: claims.organisation.clone(),
            can_break_seal: claims.can_break_seal,
            own_number: claims.own_number.clone(),
            family_numbers: claims.family_numbers.clone(),
        });
        let purpose = claims.map(|claims| claims.purpose).or(self.purpose.clone());
        Ok(Explain {
            user: self.user.clone(),
            role,
            facts,
            person,
            purpose: purpose.unwrap_or_else(|| Purpose::DirectCare.code().to_owned()),
            permission: self.permission.clone(),
            break_glass: self.break_glass.clone().zip(self.because.clone()),
        })
    }

    /// What a token of this says. Wrong words are wrong use.
    pub fn claims(&self) -> anyhow::Result<PersonClaims> {
        let user = care_synthetic::users()
            .iter()
            .find(|user| user.id == self.user)
            .ok_or_else(|| {
                let feeds = demo_config::feeds().map(|(id, _)| id);
                let known: Vec<&str> = care_synthetic::users()
                    .iter()
                    .map(|user| user.id)
                    .chain(feeds)
                    .collect();
                Usage(format!(
                    "nobody here has the user id {}; choose one of: {}",
                    self.user,
                    known.join(", ")
                ))
            })?;
        let role = Role::from_code(user.role)
            .ok_or_else(|| Usage(format!("{} has no role here", self.user)))?;
        let patient = match &self.person {
            Some(text) => Some(
                NhsNumber::parse(text)
                    .map_err(|error| Usage(format!("--person: {error}")))?
                    .digits(),
            ),
            None => None,
        };
        if !PERMISSIONS.contains(&self.permission.as_str()) {
            return Err(Usage(format!(
                "--permission is one of: {}",
                PERMISSIONS.join(", ")
            ))
            .into());
        }
        // An unknown purpose is passed on: that the rules refuse it is worth seeing.
        let purpose = self
            .purpose
            .clone()
            .unwrap_or_else(|| usual_purpose(role).code().to_owned());
        let people: Vec<String> = user
            .person
            .iter()
            .map(|number| (*number).to_owned())
            .collect();
        let is_patient = role == Role::Patient;
        Ok(PersonClaims {
            name: user.name.to_owned(),
            role: user.role.to_owned(),
            organisation: user.organisation.to_owned(),
            can_break_seal: user.can_break_seal,
            own_number: if is_patient {
                people.first().cloned()
            } else {
                None
            },
            family_numbers: if is_patient { Vec::new() } else { people },
            patient,
            purpose,
            permission: self.permission.clone(),
            break_glass: self.break_glass.clone().zip(self.because.clone()),
        })
    }
}

fn usual_purpose(role: Role) -> Purpose {
    match role {
        Role::Patient => Purpose::SelfView,
        Role::Proxy => Purpose::ProxyView,
        Role::PrivacyOfficer => Purpose::AuditReview,
        Role::AdminClerical => Purpose::CareAdmin,
        _ => Purpose::DirectCare,
    }
}

/// Does it.
pub fn run(args: TokenArgs) -> anyhow::Result<ExitCode> {
    let is_feed = demo_config::feeds().any(|(id, _)| id == args.who.user);
    let (person, usual_scope) = if is_feed {
        (None, "system/*.cruds")
    } else {
        (Some(args.who.claims()?), "user/*.rs")
    };
    let config = demo_config::existing(&args.data, demo::DEFAULT_PORT, demo::DEFAULT_MLLP_PORT)?;
    let path = config.tokens.signing_key_file.clone().unwrap_or_default();
    if !path.exists() {
        anyhow::bail!(
            "{} holds no demonstration; start one with: connect-care demo --data {}",
            args.data.display(),
            args.data.display()
        );
    }
    let key = SigningKey::read(&path, Algorithm::ES256)?;
    let now = SystemClock.now().as_second();
    let claims = AccessClaims {
        iss: config.server.base_url.clone(),
        aud: audience(&config),
        sub: args.who.user.clone(),
        scope: args.scope.unwrap_or_else(|| usual_scope.to_owned()),
        iat: now,
        exp: now + 3600,
        jti: crate::signin::random_text()
            .map_err(|_| anyhow::anyhow!("the machine gave no random numbers"))?,
        person,
        client_id: None,
        grant: None,
    };
    let token = key.sign("at+jwt", &claims)?;
    if args.json {
        print(&serde_json::to_string_pretty(
            &serde_json::json!({ "token": token, "expires_in": 3600, "base": claims.aud }),
        )?);
    } else {
        print(&token);
    }
    Ok(ExitCode::SUCCESS)
}
