//! `directory import · list · suspend · lift`: the staff directory from the command line, whether the
//! service runs or not.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use care_record::ImportRow;
use clap::{Args, Subcommand};

use super::{Place, TEMPLATE, Usage, print};
use crate::admin::{self, Request};

/// The staff directory
#[derive(Subcommand)]
pub enum DirectoryCommand {
    /// Bring the directory to what a CSV or JSON file says
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care directory import staff.csv --dry-run\n  connect-care directory import staff.json --whole --config /etc/connect-care.toml\n\nCSV columns: user_id,name,email,role,organisation,active,break_seal; one row a role.\n")]
    Import(ImportArgs),
    /// Everybody in the directory, with their roles
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care directory list\n  connect-care directory list --json\n")]
    List(ListArgs),
    /// Suspend somebody's access from the next request on
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care directory suspend district-nurse --because \"smartcard reported lost\"\n")]
    Suspend(WhoArgs),
    /// Give suspended access back
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care directory lift district-nurse --because \"new smartcard issued\"\n")]
    Lift(WhoArgs),
}

/// Which file.
#[derive(Args)]
pub struct ImportArgs {
    /// CSV with a heading row, or JSON: an array of objects with the same names
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file names everybody: who is not in it is switched off
    #[arg(long)]
    whole: bool,
    /// Say what would change and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
    /// Write what was done as JSON
    #[arg(long)]
    json: bool,
}

/// Of which record.
#[derive(Args)]
pub struct ListArgs {
    #[command(flatten)]
    place: Place,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

/// Whom, and why.
#[derive(Args)]
pub struct WhoArgs {
    /// The id the identity provider knows them by
    #[arg(value_name = "USER")]
    user: String,
    /// Why, in words; it stands in the audit log
    #[arg(long, value_name = "TEXT")]
    because: String,
    #[command(flatten)]
    place: Place,
}

/// Does it.
pub fn run(command: DirectoryCommand) -> anyhow::Result<ExitCode> {
    let (place, request, json) = match command {
        DirectoryCommand::Import(args) => {
            let request = Request::Import {
                rows: rows(&args.file)?,
                whole: args.whole,
                dry_run: args.dry_run,
            };
            (args.place, request, args.json)
        }
        DirectoryCommand::List(args) => (args.place, Request::Staff, args.json),
        DirectoryCommand::Suspend(WhoArgs {
            user,
            because,
            place,
        }) => (place, Request::Suspend { user, because }, false),
        DirectoryCommand::Lift(WhoArgs {
            user,
            because,
            place,
        }) => (place, Request::Lift { user, because }, false),
    };
    let answer = admin::ask(&place.configuration()?, &request)?;
    if json {
        print(&serde_json::to_string_pretty(&answer.value)?);
    } else {
        print(&answer.words);
    }
    Ok(if answer.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn rows(file: &Path) -> anyhow::Result<Vec<ImportRow>> {
    let text = std::fs::read_to_string(file).with_context(|| {
        format!(
            "{} cannot be read as UTF-8 text; check the path",
            file.display()
        )
    })?;
    let text = text.trim_start_matches('\u{feff}');
    let is_json = file
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("json"));
    if is_json {
        return serde_json::from_str(text)
            .with_context(|| format!("{} is no JSON array of users", file.display()));
    }
    of_csv(text)
}

fn of_csv(text: &str) -> anyhow::Result<Vec<ImportRow>> {
    const KNOWN: [&str; 7] = [
        "user_id",
        "name",
        "email",
        "role",
        "organisation",
        "active",
        "break_seal",
    ];
    let mut lines = table(text)?.into_iter();
    let heading: Vec<String> = lines
        .next()
        .unwrap_or_default()
        .iter()
        .map(|cell| cell.trim().to_ascii_lowercase())
        .collect();
    if let Some(odd) = heading.iter().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(Usage(format!(
            "the column {odd:?} is not known; use {}",
            KNOWN.join(",")
        ))
        .into());
    }
    if !heading.iter().any(|name| name == "user_id") {
        return Err(
            Usage("the first row must name the columns, user_id among them".to_owned()).into(),
        );
    }
    let mut rows = Vec::new();
    for (at, cells) in lines.enumerate() {
        if cells.len() != heading.len() {
            anyhow::bail!(
                "row {} has {} cells and the heading {}",
                at + 1,
                cells.len(),
                heading.len()
            );
        }
        let cell = |name: &str| {
            let place = heading.iter().position(|one| one == name);
            place
                .and_then(|place| cells.get(place))
                .map(|text| text.trim().to_owned())
        };
        let truth = |name: &str, otherwise: bool| match cell(name)
            .unwrap_or_default()
            .to_ascii_lowercase()
            .as_str()
        {
            "" => Ok(otherwise),
            "true" | "yes" | "1" => Ok(true),
            "false" | "no" | "0" => Ok(false),
            other => anyhow::bail!("row {}: {name} is {other:?}; write true or false", at + 1),
        };
        rows.push(ImportRow {
            user_id: cell("user_id").unwrap_or_default(),
            name: cell("name").unwrap_or_default(),
            email: cell("email").unwrap_or_default(),
            role: cell("role").unwrap_or_default(),
            organisation: cell("organisation").unwrap_or_default(),
            active: truth("active", true)?,
            break_seal: truth("break_seal", false)?,
        });
    }
    Ok(rows)
}

/// The cells of a CSV text (RFC 4180). Empty lines are left out.
fn table(text: &str) -> anyhow::Result<Vec<Vec<String>>> {
    let mut all = Vec::new();
    let mut row: Vec<String> = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() => quoted = true,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell).trim_end_matches('\r').to_owned());
                all.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    if quoted {
        anyhow::bail!("a quoted cell is not closed");
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        all.push(row);
    }
    all.retain(|row| row.iter().any(|cell| !cell.trim().is_empty()));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_file_is_read_with_its_quotes_and_refused_with_its_faults() {
        let rows = of_csv("user_id,name,role,organisation,active\r\na,\"Osei, \"\"Amy\"\"\",gp,X9P01,no\r\n\r\nb,B,,,\n").expect("rows");
        assert_eq!(rows[0].name, "Osei, \"Amy\"");
        assert_eq!(
            (rows.len(), rows[0].active, rows[1].active),
            (2, false, true)
        );
        for bad in [
            "name\nx",
            "user_id,colour\na,b",
            "user_id,active\na,perhaps",
            "user_id,name\na",
            "user_id\n\"a",
        ] {
            assert!(of_csv(bad).is_err(), "{bad}");
        }
    }
}
