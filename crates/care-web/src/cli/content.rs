//! `content languages` and `content leaflet`: what a deployment says to the public, checked before it is
//! shown to anybody.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::{TEMPLATE, print};
use crate::public::{Content, Leaflets};

/// The words of the public site and the leaflet
#[derive(Subcommand)]
pub enum ContentCommand {
    /// Check the content and say which languages of the leaflet a person has signed off
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care content languages\n  connect-care content languages --content /etc/connect-care/content.toml --json\n")]
    Languages(LanguagesArgs),
    /// Write the leaflet in every language and size as PDF into a folder, for looking at
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care content leaflet --out leaflets/ --site https://care.example.org\n")]
    Leaflet(LeafletArgs),
}

/// Which content, and how to tell.
#[derive(Args)]
pub struct LanguagesArgs {
    /// The deployment's content file; left out, the one the program carries
    #[arg(long, value_name = "FILE")]
    content: Option<PathBuf>,
    /// Write the list as JSON
    #[arg(long)]
    json: bool,
}

/// Which content, and where to.
#[derive(Args)]
pub struct LeafletArgs {
    /// The deployment's content file; left out, the one the program carries
    #[arg(long, value_name = "FILE")]
    content: Option<PathBuf>,
    /// The address of the website, printed in the leaflet
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "https://care.example.org"
    )]
    site: String,
    /// The folder to write to; it is made where there is none
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Does it.
pub fn run(command: &ContentCommand) -> anyhow::Result<ExitCode> {
    match command {
        ContentCommand::Languages(args) => languages(args)?,
        ContentCommand::Leaflet(args) => leaflet(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn open(content: Option<&Path>, site: &str) -> anyhow::Result<Leaflets> {
    let words = Content::open(content)?;
    let folder = content
        .and_then(Path::parent)
        .map(|folder| folder.join("leaflet"));
    Leaflets::open(&words, folder.as_deref(), site)
}

fn languages(args: &LanguagesArgs) -> anyhow::Result<()> {
    let all = open(args.content.as_deref(), "https://care.example.org")?;
    if args.json {
        let rows: Vec<serde_json::Value> = all
            .all()
            .iter()
            .map(|one| {
                serde_json::json!({
                    "language": one.code, "name": one.english, "text": one.text,
                    "signed_off": one.signed, "to_be_checked": one.machine.is_some(),
                })
            })
            .collect();
        print(&serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    for one in all.all() {
        let standing = match (&one.signed, &one.machine) {
            (Some(signed), _) => format!("checked by {} on {}", signed.by, signed.on),
            (None, Some(_)) => "machine-assisted, to be checked by a person".to_owned(),
            (None, None) => "the first language".to_owned(),
        };
        print(&format!(
            "{:<8} {:<22} text {}  {standing}",
            one.code, one.english, one.text
        ));
    }
    Ok(())
}

fn leaflet(args: &LeafletArgs) -> anyhow::Result<()> {
    let all = open(args.content.as_deref(), &args.site)?;
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("the folder {} cannot be made", args.out.display()))?;
    for one in all.all() {
        for (large, end) in [(false, ""), (true, "-large-print")] {
            let made = all.pdf(one, large)?;
            let file = args.out.join(format!("leaflet-{}{end}.pdf", one.code));
            std::fs::write(&file, &*made)
                .with_context(|| format!("{} cannot be written", file.display()))?;
            print(&file.display().to_string());
        }
    }
    Ok(())
}
