//! The demonstration's configuration: made from the invented organisations, never read from a file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use care_core::vocabulary::Role;
use care_record::OptOutSettings;
use care_synthetic::{InventedOrganisation, InventedUser};
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};

use crate::config::{
    AppEntry, Client, Config, Log, LogFormat, OrganisationEntry, RoleEntry, UsedBy, ValidateSetting,
};
use crate::mesh::MailboxSettings;
use crate::opt_out_service::config::{ExchangeConfig, Operator, ServiceConfig};
use crate::signin::claims::map_role;
use crate::signin::demo_host;
use crate::signin::demo_identity::{DemoIdentity, DemoUser};
use crate::signin::keys::{DEMO_DIRECTORY, SigningKey, write_private};

/// Where a demonstration runs, kept beside its data so that other commands find it.
#[derive(Serialize, Deserialize)]
struct Ports {
    port: u16,
    mllp_port: u16,
    #[serde(default)]
    opt_out_port: Option<u16>,
    /// The database that holds the record, where it is not a file.
    #[serde(default)]
    postgres: Option<String>,
}

/// The mailboxes of the demonstration: Connect Care's, and the opt-out service's.
const MAILBOX: &str = "X26CARE1";
const OPT_OUT_MAILBOX: &str = "X26OPT01";

/// What the senders of the public HL7 v2 samples call themselves in MSH-4 (docs/samples.md). The
/// demonstration takes them for test systems of its hospital, so that anybody can send the samples
/// to it; a configured start knows only the facilities it lists.
const SAMPLE_FACILITIES: [&str; 12] = [
    "372521",
    "CASECENTER FACILITY",
    "CAV",
    "ELAB-3",
    "GHHSFacility",
    "IA Public Health Lab",
    "MDHHS",
    "Ntierprise Clinic",
    "R0A",
    "RCB",
    "SFAC",
    "XYZHOSPITAL",
];

const PORTS_FILE: &str = "demo.json";

/// Notes where the demonstration runs.
pub fn note_ports(
    data: &Path,
    config: &Config,
    mllp_port: u16,
    opt_out_port: u16,
) -> anyhow::Result<()> {
    let path = data.join(PORTS_FILE);
    std::fs::write(
        &path,
        serde_json::to_vec(&Ports {
            port: config.server.listen.port(),
            mllp_port,
            opt_out_port: Some(opt_out_port),
            postgres: config.record.postgres.clone(),
        })?,
    )
    .with_context(|| format!("{} cannot be written; check the directory", path.display()))
}

/// The configuration of the demonstration in this directory, where it last ran.
pub fn existing(data: &Path, port: u16, mllp_port: u16) -> anyhow::Result<Config> {
    let ports = std::fs::read(data.join(PORTS_FILE))
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Ports>(&bytes).ok());
    let ports = ports.unwrap_or(Ports {
        port,
        mllp_port,
        opt_out_port: None,
        postgres: None,
    });
    let mut config = of(data, ports.port, ports.mllp_port)?;
    config.record.postgres = ports.postgres;
    if let Some(port) = ports.opt_out_port {
        with_opt_out_service(&mut config, data, port);
    }
    Ok(config)
}

/// Adds the demonstration's own opt-out service, and our mailbox at its exchange.
pub fn with_opt_out_service(config: &mut Config, data: &Path, port: u16) {
    config.mesh = Some(mailbox(data, port, MAILBOX));
    config.opt_out_check.service_mailbox = OPT_OUT_MAILBOX.to_owned();
    config.demo_opt_out_service = Some(format!("http://localhost:{port}"));
}

fn mailbox(data: &Path, port: u16, mailbox: &str) -> MailboxSettings {
    let keys = data.join(DEMO_DIRECTORY);
    MailboxSettings {
        endpoint: format!("http://127.0.0.1:{port}"),
        mailbox: mailbox.to_owned(),
        password_file: Some(keys.join(format!("{mailbox}.password"))),
        password_variable: None,
        shared_key_file: Some(keys.join("mesh-shared-key")),
        shared_key_variable: None,
        client_certificate_file: None,
        authority_file: None,
        poll_seconds: 2,
        chunk_bytes: 15 << 20,
        max_message_bytes: 64 << 20,
    }
}

/// The configuration of the demonstration's opt-out service, on this port; `pages` is the port of
/// Connect Care's own pages.
pub fn opt_out_service(data: &Path, pages: u16, port: u16) -> anyhow::Result<ServiceConfig> {
    const NAME: &str = "National data opt-out";
    let operator = |id: &str, name: &str| Operator {
        id: id.to_owned(),
        name: name.to_owned(),
        passphrase: String::new(),
    };
    let national = crate::public::Content::open(None)?.national;
    let keys = data.join(DEMO_DIRECTORY);
    let mailboxes =
        [MAILBOX, OPT_OUT_MAILBOX].map(|id| (id.to_owned(), keys.join(format!("{id}.password"))));
    Ok(ServiceConfig {
        listen: format!("127.0.0.1:{port}").parse()?,
        base_url: format!("http://localhost:{port}"),
        data: data.join("opt-out-service"),
        name: NAME.to_owned(),
        phone: national.phone,
        hours: national.hours,
        address: national
            .address
            .into_iter()
            .skip_while(|line| line == NAME)
            .collect(),
        address_header: None,
        about: Some(format!("http://localhost:{pages}/choices")),
        mesh: Some(mailbox(data, port, OPT_OUT_MAILBOX)),
        workflow: OptOutSettings::default().workflow,
        askers: vec![MAILBOX.to_owned()],
        exchange: Some(ExchangeConfig {
            mailboxes: BTreeMap::from(mailboxes),
            shared_key_file: Some(keys.join("mesh-shared-key")),
            shared_key_variable: None,
        }),
        operators: vec![
            operator("opt-out-operator", "Olive Tanner, operator"),
            operator("opt-out-second", "Pat Lindqvist, second operator"),
        ],
        demo: true,
    })
}

/// The configuration of a demonstration in this directory, on these ports.
pub fn of(data: &Path, port: u16, mllp_port: u16) -> anyhow::Result<Config> {
    let keys = data.join(DEMO_DIRECTORY);
    let base = format!("http://localhost:{port}");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\nbase_url = \"{base}\"\nhelp_phone = \"020 7946 0100\"\n\
         [record]\ndata = \"\"\nwitness = \"\"\n\
         [signin]\nissuer = \"{base}/demo-identity\"\nclient_id = \"connect-care\"\naccepted_acr = [\"AAL3_ANY\"]\n\
         [mllp]\nlisten = \"127.0.0.1:{mllp_port}\"\n"
    );
    let mut config: Config = toml::from_str(&text).context("the demonstration's configuration")?;
    config.demo = true;
    config.portal.clinical_copy = true;
    // Everything in the demonstration came in today.
    config.portal.clinical_delay_days = 0;
    config.portal.notices.folder = Some(data.join("notices"));
    config.audit.replay = ["privacy-officer", "caldicott-guardian"]
        .map(str::to_owned)
        .to_vec();
    config.record.data = data.join("record");
    config.record.witness = data.join("witness");
    config.signin.client_secret_file = Some(keys.join("client-secret"));
    config
        .signin
        .roles
        .extend(Role::ALL.iter().map(|role| RoleEntry {
            code: demo_code(*role),
            at: None,
            role: role.code().to_owned(),
        }));
    config.tokens.signing_key_file = Some(keys.join("tokens.pem"));
    config.staff.provisioning = vec![crate::config::Provisioning {
        id: "demo-provisioning".to_owned(),
        token_file: keys.join(SCIM_TOKEN),
    }];
    config.hosts = vec![crate::config::HostEntry {
        id: demo_host::ID.to_owned(),
        organisation: care_synthetic::TRUST.ods.to_owned(),
        keys_file: Some(keys.join(HOST_KEYS)),
        signs_in: true,
        fhir: Some(format!("{base}/demo-host/fhir")),
        client_id: Some(demo_host::CLIENT.to_owned()),
        client_secret_file: None,
        user_claim: "sub".to_owned(),
    }];
    config.log = Log {
        format: LogFormat::Plain,
        level: "warn".to_owned(),
    };
    config.organisations = care_synthetic::organisations().iter().map(entry).collect();
    if let Some(mllp) = &mut config.mllp {
        mllp.facilities = feeds()
            .map(|(id, ods)| (ods.to_owned(), id.to_owned()))
            .chain(SAMPLE_FACILITIES.map(|name| (name.to_owned(), "feed-hospital".to_owned())))
            .collect::<BTreeMap<_, _>>();
    }
    config.clients = feeds()
        .map(|(id, ods)| Client {
            id: id.to_owned(),
            organisation: ods.to_owned(),
            keys_file: Some(keys.join(format!("{id}.jwks.json"))),
            jwks_uri: None,
            introspects: false,
            scopes: vec!["system/*.cruds".to_owned()],
        })
        .collect();
    config.apps = apps(&keys);
    config.subscriptions.hosts = ["localhost", "127.0.0.1"].map(String::from).to_vec();
    Ok(config)
}

/// Where an app that somebody tries with the demonstration runs.
const APP_PLACE: &str = "http://localhost:9090";
/// The secret and the keys of the demonstration's confidential apps.
const STAFF_APP_SECRET: &str = "my-staff-app.secret";
const SERVER_APP: &str = "my-server-app";

/// Apps registered for whoever tries their own with the demonstration (docs/how-to/smart-apps.md): one of
/// each kind of client.
fn apps(keys: &Path) -> Vec<AppEntry> {
    let scopes = |words: &str| words.split(' ').map(str::to_owned).collect();
    let own =
        "openid fhirUser profile launch launch/patient offline_access online_access patient/*.rs";
    let app = |id: &str, name: &str| AppEntry {
        id: id.to_owned(),
        name: name.to_owned(),
        run_by: "whoever tries it on this machine".to_owned(),
        used_by: UsedBy::Patients,
        redirect_uris: vec![format!("{APP_PLACE}/callback")],
        origins: vec![APP_PLACE.to_owned()],
        scopes: scopes(own),
        secret_file: None,
        keys_file: None,
        jwks_uri: None,
        launch_uri: Some(format!("{APP_PLACE}/launch")),
        offline_days: 90,
    };
    vec![
        app("my-app", "My app"),
        AppEntry {
            used_by: UsedBy::Staff,
            secret_file: Some(keys.join(STAFF_APP_SECRET)),
            origins: Vec::new(),
            scopes: scopes(
                "openid fhirUser launch launch/patient online_access patient/*.rs user/*.rs",
            ),
            ..app("my-staff-app", "My staff app")
        },
        AppEntry {
            keys_file: Some(keys.join(format!("{SERVER_APP}.jwks.json"))),
            origins: Vec::new(),
            ..app(SERVER_APP, "My server app")
        },
    ]
}

/// The token of the demonstration's provisioning system, among its keys.
const SCIM_TOKEN: &str = "scim-token";
/// The public keys of the demonstration's other system.
const HOST_KEYS: &str = "demo-host.jwks.json";

/// Every feed with its organisation's code.
pub fn feeds() -> impl Iterator<Item = (&'static str, &'static str)> {
    care_synthetic::organisations()
        .iter()
        .filter_map(|one| Some((one.feed?.id, one.ods)))
}

fn entry(one: &InventedOrganisation) -> OrganisationEntry {
    let words = |text: &str| {
        if text.is_empty() {
            Vec::new()
        } else {
            vec![text.to_owned()]
        }
    };
    OrganisationEntry {
        ods: one.ods.to_owned(),
        kind: one.kind.to_owned(),
        name: one.name.to_owned(),
        short_name: one.short_name.to_owned(),
        phone: one.phone.to_owned(),
        feeds: one.feed.iter().map(|feed| feed.id.to_owned()).collect(),
        agreed_interval_minutes: one.feed.map_or(1440, |feed| feed.fresh_within_minutes),
        shares: words(one.shares),
        leaves_out: words(one.leaves_out),
        supplies: None,
        numbers_are_traced: one.feed.is_some(),
        validate: ValidateSetting::default(),
        connected: one.ods != care_synthetic::SECOND_PRACTICE.ods,
    }
}

/// The keys of the demonstration, made on the first start.
pub struct DemoKeys {
    /// Of the identity provider.
    pub identity: SigningKey,
    /// Of each feed.
    pub feeds: BTreeMap<&'static str, SigningKey>,
}

/// Reads the keys, and makes those that are not there.
pub fn keys(data: &Path) -> anyhow::Result<DemoKeys> {
    let place = data.join(DEMO_DIRECTORY);
    let passwords = [MAILBOX, OPT_OUT_MAILBOX].map(|id| format!("{id}.password"));
    let secrets = ["client-secret", "mesh-shared-key", STAFF_APP_SECRET].map(String::from);
    for name in secrets.iter().chain(&passwords) {
        let secret = place.join(name);
        if !secret.exists() {
            let text = crate::signin::random_text()
                .map_err(|_| anyhow::anyhow!("the machine gave no random numbers"))?;
            write_private(&secret, text.as_bytes())?;
        }
    }
    let token = place.join(SCIM_TOKEN);
    if !token.exists() {
        let text = crate::signin::random_text()
            .map_err(|_| anyhow::anyhow!("the machine gave no random numbers"))?;
        write_private(&token, text.as_bytes())?;
    }
    SigningKey::read_or_make(&place.join("tokens.pem"), Algorithm::ES256)?;
    let host = SigningKey::read_or_make(&place.join(demo_host::KEY_FILE), Algorithm::ES256)?;
    write_private(
        &place.join(HOST_KEYS),
        &serde_json::to_vec(&host.public_set())?,
    )?;
    let mut all = BTreeMap::new();
    for (id, _) in feeds() {
        let key = SigningKey::read_or_make(&place.join(format!("{id}.pem")), Algorithm::ES384)?;
        write_private(
            &place.join(format!("{id}.jwks.json")),
            &serde_json::to_vec(&key.public_set())?,
        )?;
        all.insert(id, key);
    }
    let app = place.join(format!("{SERVER_APP}.pem"));
    let app = SigningKey::read_or_make(&app, Algorithm::ES384)?;
    write_private(
        &place.join(format!("{SERVER_APP}.jwks.json")),
        &serde_json::to_vec(&app.public_set())?,
    )?;
    let identity = SigningKey::read_or_make(&place.join("identity.pem"), Algorithm::ES256)?;
    Ok(DemoKeys {
        identity,
        feeds: all,
    })
}

/// Puts the invented staff into an empty staff directory.
pub fn fill_directory(record: &care_record::Record) -> anyhow::Result<()> {
    let staff = record.staff();
    if !staff.is_empty() {
        return Ok(());
    }
    let row = |user: &InventedUser| care_record::ImportRow {
        user_id: user.id.to_owned(),
        name: user.name.to_owned(),
        role: user.role.to_owned(),
        organisation: user.organisation.to_owned(),
        active: true,
        break_seal: user.can_break_seal,
        ..care_record::ImportRow::default()
    };
    let rows: Vec<_> = care_synthetic::users()
        .iter()
        .filter(|user| user.role != "patient" && user.role != "proxy")
        .map(row)
        .collect();
    let report = staff.import(
        &rows,
        true,
        false,
        &care_record::By::system("demonstration"),
    )?;
    if let Some(problem) = report.problems.first() {
        anyhow::bail!("the invented staff cannot be kept: {}", problem.words);
    }
    Ok(())
}

/// The demonstration's identity provider, with every invented user.
pub fn identity(config: &Config, key: SigningKey) -> DemoIdentity {
    let users = care_synthetic::users()
        .iter()
        .filter_map(|user| demo_user(user, config))
        .collect();
    DemoIdentity::new(users, key)
}

fn demo_user(user: &InventedUser, config: &Config) -> Option<DemoUser> {
    let role = Role::from_code(user.role)?;
    let organisation = care_synthetic::organisation(user.organisation)?;
    let person: Vec<String> = user
        .person
        .iter()
        .map(|number| (*number).to_owned())
        .collect();
    let is_patient = role == Role::Patient;
    Some(DemoUser {
        id: user.id.to_owned(),
        name: user.name.to_owned(),
        job: user.job.to_owned(),
        role_code: national_code(role, organisation.kind, config),
        organisation: organisation.ods.to_owned(),
        organisation_name: organisation.name.to_owned(),
        activities: if user.can_break_seal {
            vec![config.signin.claims.break_seal_activity.clone()]
        } else {
            Vec::new()
        },
        own_number: if is_patient {
            person.first().cloned()
        } else {
            None
        },
        family_numbers: if is_patient { Vec::new() } else { person },
    })
}

/// The national code that the role map turns into this role at this kind of organisation, or else
/// one of the demonstration's own: some roles have no national code.
fn national_code(role: Role, kind: &str, config: &Config) -> String {
    config
        .signin
        .roles
        .iter()
        .map(|entry| &entry.code)
        .find(|code| map_role(code, kind, &config.signin.roles) == Some(role))
        .cloned()
        .unwrap_or_else(|| demo_code(role))
}

fn demo_code(role: Role) -> String {
    format!("CC-{}", role.code())
}

/// What the user table prints: id, name, role, organisation.
pub fn user_rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str, &'static str)>
{
    care_synthetic::users().iter().map(|user| {
        let organisation =
            care_synthetic::organisation(user.organisation).map_or("", |one| one.short_name);
        (user.id, user.name, user.job, organisation)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_of_the_demonstration_gets_the_role_they_were_given() {
        let config = of(Path::new("nowhere"), 8080, 2575).expect("a configuration");
        for user in care_synthetic::users() {
            let demo = demo_user(user, &config).expect("a user");
            let kind = care_synthetic::organisation(user.organisation)
                .expect("an organisation")
                .kind;
            let role = map_role(&demo.role_code, kind, &config.signin.roles).expect("a role");
            assert_eq!(role.code(), user.role, "{}", user.id);
        }
    }

    #[test]
    fn a_production_start_would_refuse_it() {
        let config = of(Path::new("nowhere"), 8080, 2575).expect("a configuration");
        let faults = config.faults();
        for key in ["server.base_url", "signin.issuer", "tokens, clients"] {
            assert!(faults.iter().any(|fault| fault.key == key), "{key}");
        }
    }
}
