//! `serve`: the production start.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{TEMPLATE, runtime};
use crate::config::Config;
use crate::serve::{Sockets, Stop};
use crate::{app, serve, telemetry};

/// Start for production. Refuses unsafe settings, demonstration sign-in and demonstration keys.
#[derive(Args)]
#[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care config check --config /etc/connect-care.toml\n  connect-care serve --config /etc/connect-care.toml\n")]
pub struct ServeArgs {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Does it.
pub fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read_safe(&args.config)?;
    telemetry::begin(&config.log);
    runtime()?.block_on(async {
        let stop = Stop::on_signal()?;
        let state = app::open(config, None)?;
        let sockets = Sockets::bind(&state).await?;
        tracing::info!(http = %state.config.server.listen, "serving");
        serve::run(state, sockets, stop).await
    })?;
    Ok(ExitCode::SUCCESS)
}
