//! `send`: an MLLP sender for engineers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use care_core::hl7v2::split_messages;
use clap::Args;

use super::feed_client::{MllpClient, ack_code};
use super::progress::Progress;
use super::{TEMPLATE, files, print, runtime};

/// Send HL7 v2 files to an MLLP listener and wait for each answer. Prints a tally.
#[derive(Args)]
#[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care send admission.hl7 --to localhost:2575\n  connect-care send messages/ --to localhost:2575 --json\n")]
pub struct SendArgs {
    /// Files, or directories to walk
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The listener
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "N", default_value_t = 60)]
    timeout: u64,
    /// Write the tally as JSON
    #[arg(long)]
    json: bool,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
}

/// Does it. Fails when any answer was not AA or CA.
pub fn run(args: SendArgs) -> anyhow::Result<ExitCode> {
    let tally = runtime()?.block_on(send(&args))?;
    if args.json {
        print(&serde_json::to_string_pretty(&tally)?);
    } else {
        for (code, count) in &tally {
            print(&format!("{code:8} {count}"));
        }
    }
    let good = tally
        .keys()
        .all(|code| ["AA", "CA", "not sent", "skipped"].contains(&code.as_str()));
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn send(args: &SendArgs) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut tally: BTreeMap<String, u64> = BTreeMap::new();
    let timeout = Duration::from_secs(args.timeout);
    let progress = Progress::new("messages sent");
    let mut client = None;
    for path in files::walk(&args.paths)? {
        let bytes = files::read(&path)?;
        if files::kind_of(&path, &bytes) != files::Kind::HL7v2 {
            *tally.entry("skipped".to_owned()).or_default() += 1;
            continue;
        }
        for message in split_messages(&bytes) {
            let code = if args.dry_run {
                "not sent".to_owned()
            } else {
                one(&mut client, args, message, timeout).await?
            };
            *tally.entry(code).or_default() += 1;
            progress.one(String::new);
        }
    }
    progress.end();
    Ok(tally)
}

async fn one(
    client: &mut Option<MllpClient>,
    args: &SendArgs,
    message: &[u8],
    timeout: Duration,
) -> anyhow::Result<String> {
    let mut open = match client.take() {
        Some(open) => open,
        None => MllpClient::connect(&args.to, timeout).await?,
    };
    // A listener that closes without an answer has kept nothing: said, and the next gets a new connection.
    match open.send(message).await {
        Ok(answer) => {
            *client = Some(open);
            Ok(ack_code(&answer))
        }
        Err(_) => Ok("no answer".to_owned()),
    }
}
