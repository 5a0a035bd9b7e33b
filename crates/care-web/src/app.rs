//! From a configuration to a running whole: opens the record and hands each face its handles.

use std::sync::Arc;

use anyhow::Context;
use care_record::{Options, Record, SystemClock};

use crate::config::Config;
use crate::signin::SignIn;
use crate::signin::demo_identity::DemoIdentity;
use crate::signin::tokens::Tokens;
use crate::state::{AppState, Shared};
use crate::telemetry::Metrics;

/// Opens the record this configuration names.
pub fn open_record(config: &Config) -> anyhow::Result<Record> {
    let options = Options {
        registry: config.directory(),
        witness: Some(config.record.witness.clone()),
        settings: config.access_settings(),
        ..Options::new(&config.record.data)
    };
    Ok(Record::open(options)?)
}

/// Opens everything the faces share.
pub fn open(config: Config, demo: Option<DemoIdentity>) -> anyhow::Result<Shared> {
    let record = open_record(&config)?;
    let tokens = Tokens::open(&config)?;
    let signin = SignIn::new(tokens, demo).context("the HTTPS client did not start")?;
    Ok(Arc::new(AppState {
        clock: Arc::new(SystemClock),
        directory: Arc::new(config.directory()),
        sessions: record.sessions(),
        record,
        signin,
        metrics: Metrics::default(),
        config,
    }))
}
