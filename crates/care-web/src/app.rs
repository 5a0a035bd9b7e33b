//! From a configuration to a running whole: opens the record and hands each face its handles.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use care_record::{Clock, Engine, FeedValidation, LaterDecisions, Options, Record, SystemClock};

use crate::config::Config;
use crate::fhir_api::Channels;
use crate::portal::Drafts;
use crate::public::{Content, Leaflets};
use crate::signin::apps::Apps;
use crate::signin::demo_identity::DemoIdentity;
use crate::signin::tokens::Tokens;
use crate::signin::{Launches, SignIn};
use crate::state::{AppState, Shared};
use crate::telemetry::Metrics;

/// Opens the record this configuration names.
pub fn open_record(config: &Config) -> anyhow::Result<Record> {
    open_record_at(config, Arc::new(SystemClock))
}

/// The same after a restore, with what is to happen to decisions that are later than the record.
pub fn open_restored(config: &Config, later: LaterDecisions) -> anyhow::Result<Record> {
    let options = Options {
        later_decisions: later,
        ..options(config, Arc::new(SystemClock))?
    };
    Ok(Record::open(options)?)
}

/// The same, under a clock of the caller's.
pub fn open_record_at(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Record> {
    Ok(Record::open(options(config, clock)?)?)
}

fn options(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Options> {
    let engine = match &config.record.postgres {
        None => Engine::Sqlite,
        Some(address) => Engine::Postgres {
            address: address.clone(),
            password: config.postgres_password()?,
        },
    };
    let book = crate::definitions::rulebook(config.fhir.definitions.as_deref())?;
    Ok(Options {
        engine,
        clock,
        decisions: config.record.decisions.clone(),
        registry: config.directory(),
        validation: FeedValidation::new(Arc::new(book), config.validate_by_source()),
        witness: Some(config.record.witness.clone()),
        publication: config.audit.publication(),
        settings: config.access_settings(),
        throttle: !config.unthrottled,
        review: config.review.settings(),
        group_roles: config.staff.group_roles(),
        opt_out: config.opt_out_settings(),
        proxies: config.portal.proxy_policy(),
        ..Options::new(&config.record.data)
    })
}

/// Opens everything the faces share.
pub fn open(config: Config, demo: Option<DemoIdentity>) -> anyhow::Result<Shared> {
    open_at(config, demo, Arc::new(SystemClock))
}

/// The same, under a clock of the caller's.
pub fn open_at(
    config: Config,
    demo: Option<DemoIdentity>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Shared> {
    let record = open_record_at(&config, clock.clone())?;
    let tokens = Tokens::open(&config)?;
    let launches = Launches::open(&config)?;
    let apps = Apps::open(&config)?;
    let signin = SignIn::new(tokens, apps, launches, demo, config.unthrottled)
        .context("the HTTPS client did not start")?;
    let mut content = Content::open(config.content.as_deref())?;
    if let Some(address) = &config.demo_opt_out_service {
        content.national.address_online.clone_from(address);
    }
    let own = config.content.as_deref().and_then(Path::parent);
    let own = own.map(|folder| folder.join("leaflet"));
    let leaflets = Leaflets::open(&content, own.as_deref(), &config.server.base_url)?;
    let channels =
        Channels::new(record.subscriptions(), &config).context("the HTTPS client did not start")?;
    Ok(Arc::new(AppState {
        channels,
        content,
        leaflets,
        figures: record.figures(),
        drafts: Drafts::default(),
        clock,
        directory: Arc::new(config.directory()),
        sessions: record.sessions(),
        record,
        signin,
        metrics: Metrics::default(),
        config,
    }))
}
