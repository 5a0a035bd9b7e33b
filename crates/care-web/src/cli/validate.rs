//! `fhir validate`: R4 resources in files against R4, UK Core and profiles. `fhir path`: a FHIRPath asked of one.
//! `fhir view`: the rows of a SQL on FHIR ViewDefinition.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use care_core::fhir::path::{Context as PathContext, Path as FhirPath, Value};
use care_core::fhir::views::{Cell, View};
use care_core::fhir::{
    IssueSeverity, Json, Limits, OutcomeIssue, Rulebook, Validation, outcome, recognise_stu3,
};
use care_record::{Clock, SystemClock};
use clap::{Args, Subcommand};

use super::{TEMPLATE, print};

/// FHIR files
#[derive(Subcommand)]
pub enum FhirCommand {
    /// Check R4 resources: structure, values, invariants, UK Core and other profiles
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care fhir validate patient.json\n  connect-care fhir validate *.json *.xml\n  connect-care fhir validate --profile https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient patient.json\n")]
    Validate(ValidateArgs),
    /// Ask a FHIRPath expression of a resource; one value a line
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care fhir path 'Patient.name.given' patient.json\n  connect-care fhir path --json 'entry.resource.ofType(Observation).value' bundle.xml\n")]
    Path(PathArgs),
    /// Make the rows of a SQL on FHIR ViewDefinition; one JSON object a line
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care fhir view patients.view.json patient.json\n  connect-care fhir view --csv results.view.json bundles/*.ndjson > results.csv\n")]
    View(ViewArgs),
}

/// Which view of which files.
#[derive(Args)]
pub struct ViewArgs {
    /// A ViewDefinition as JSON
    #[arg(value_name = "VIEWDEFINITION")]
    definition: PathBuf,
    /// FHIR JSON, NDJSON or XML: resources and Bundles
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Comma-separated values with a first row of names
    #[arg(long)]
    csv: bool,
    /// Rows are JSON already; accepted so that every read command takes it
    #[arg(long, hide = true)]
    json: bool,
}

/// Which question of which file.
#[derive(Args)]
pub struct PathArgs {
    /// FHIRPath, such as 'Patient.name.given'
    expression: String,
    /// FHIR JSON or XML
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A JSON list of the values, each with its type
    #[arg(long)]
    json: bool,
}

/// Which files, by which rules.
#[derive(Args)]
pub struct ValidateArgs {
    /// FHIR JSON or XML
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Also against this profile of R4, UK Core or --definitions; may be given several times
    #[arg(long = "profile", value_name = "URL")]
    profiles: Vec<String>,
    /// Own StructureDefinitions, ValueSets, CodeSystems and Questionnaires
    #[arg(long, value_name = "DIR")]
    definitions: Option<PathBuf>,
    /// One OperationOutcome a file instead of one line an issue
    #[arg(long)]
    json: bool,
}

/// Does what was asked.
pub fn run(command: FhirCommand) -> anyhow::Result<ExitCode> {
    match command {
        FhirCommand::Validate(args) => validate(&args),
        FhirCommand::Path(args) => path(&args),
        FhirCommand::View(args) => view(&args),
    }
}

/// Prints the values of an expression; nothing where the answer is empty.
fn path(args: &PathArgs) -> anyhow::Result<ExitCode> {
    let path = FhirPath::parse(&args.expression)?;
    let bytes = std::fs::read(&args.file)
        .with_context(|| format!("{} cannot be read; check the path", args.file.display()))?;
    let resource = read(&bytes).map_err(anyhow::Error::msg)?;
    let context = PathContext::new(SystemClock.now());
    let answer = path.evaluate(&resource, &context)?;
    if args.json {
        print(&Json::Array(answer.iter().map(typed_json).collect()).to_string());
    } else {
        answer.iter().for_each(|value| print(&value.to_string()));
    }
    Ok(ExitCode::SUCCESS)
}

fn typed_json(value: &Value<'_>) -> Json {
    Json::object([
        ("type", value.type_of().name().into()),
        ("value", value.to_json().into_owned()),
    ])
}

/// Prints the rows of every resource; fails at the first that cannot be had, with its file.
fn view(args: &ViewArgs) -> anyhow::Result<ExitCode> {
    let definition = read(&file(&args.definition)?).map_err(anyhow::Error::msg)?;
    let view = View::read(&definition)?;
    let names = view.columns().iter().map(|column| column.name.clone());
    if args.csv {
        print(&comma_separated(names));
    }
    let now = SystemClock.now();
    for path in &args.files {
        for resource in resources(&file(path)?).map_err(anyhow::Error::msg)? {
            let rows = view
                .rows(&resource, now)
                .with_context(|| format!("a resource of {} gives no row", path.display()))?;
            for row in rows {
                if args.csv {
                    print(&comma_separated(row.iter().map(Cell::to_text)));
                } else {
                    let cells = view.columns().iter().zip(&row);
                    let members =
                        cells.map(|(column, cell)| (column.name.clone().into(), cell.to_json()));
                    print(&Json::Object(members.collect()).to_string());
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn file(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path)
        .with_context(|| format!("{} cannot be read; check the path", path.display()))
}

/// The resources of a file: itself, the entries of a Bundle, the lines of NDJSON.
fn resources(bytes: &[u8]) -> Result<Vec<Json>, String> {
    let one = match read(bytes) {
        Ok(one) => one,
        Err(error) if looks_like_xml(bytes) => return Err(error),
        Err(error) => {
            let lines = bytes.split(|byte| *byte == b'\n');
            let lines = lines.filter(|line| !line.trim_ascii().is_empty());
            let found: Result<Vec<Json>, String> = lines.map(read).collect();
            return found.map_err(|_| error);
        }
    };
    if one.text_at(&["resourceType"]) != Some("Bundle") {
        return Ok(vec![one]);
    }
    let entries = one.elements("entry").iter();
    Ok(entries
        .filter_map(|entry| entry.get("resource"))
        .cloned()
        .collect())
}

/// One line of comma-separated values: texts with commas, quotes or line ends are quoted.
fn comma_separated(texts: impl Iterator<Item = String>) -> String {
    let quoted = texts.map(|text| {
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    });
    quoted.collect::<Vec<_>>().join(",")
}

/// Prints the issues of each file; fails when any has an error.
fn validate(args: &ValidateArgs) -> anyhow::Result<ExitCode> {
    let book = crate::definitions::rulebook(args.definitions.as_deref())?;
    if let Some(url) = args.profiles.iter().find(|url| !book.has_profile(url)) {
        anyhow::bail!(
            "the profile {url} is neither of R4 nor of UK Core; give its definition with --definitions DIR"
        );
    }
    let mut sound = true;
    for file in &args.files {
        let bytes = std::fs::read(file)
            .with_context(|| format!("{} cannot be read; check the path", file.display()))?;
        let issues = issues(&book, &args.profiles, &bytes);
        sound &= !issues
            .iter()
            .any(|issue| issue.severity >= IssueSeverity::Error);
        if args.json {
            print(&outcome(&issues).to_string());
            continue;
        }
        for issue in &issues {
            let place = issue.expression.as_deref().unwrap_or_default();
            let words = [issue.details.as_str(), issue.diagnostics.as_str()];
            let words = words.iter().filter(|text| !text.is_empty());
            let words = words.copied().collect::<Vec<_>>().join("; ");
            print(&format!(
                "{}: {} {place}: {words}",
                file.display(),
                issue.severity.code()
            ));
        }
        if issues.is_empty() {
            print(&format!("{}: sound", file.display()));
        }
    }
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn issues(book: &Rulebook, profiles: &[String], bytes: &[u8]) -> Vec<OutcomeIssue> {
    let whole = |code, details: String, diagnostics: &str| {
        vec![OutcomeIssue {
            severity: IssueSeverity::Error,
            code,
            details,
            diagnostics: diagnostics.to_owned(),
            expression: None,
        }]
    };
    match read(bytes) {
        Err(error) => whole(
            "structure",
            error,
            "Send a FHIR R4 resource as JSON or XML.",
        ),
        Ok(resource) => match recognise_stu3(&resource) {
            Some(why) => whole(
                "not-supported",
                format!("this is FHIR STU3: {why}"),
                "Send R4.",
            ),
            None => Validation::new(book, SystemClock.now())
                .profiles(profiles)
                .issues(&resource)
                .into_iter()
                .map(Into::into)
                .collect(),
        },
    }
}

/// A FHIR resource in JSON or XML.
fn read(bytes: &[u8]) -> Result<Json, String> {
    if looks_like_xml(bytes) {
        care_core::fhir::xml::parse(bytes, Limits::default()).map_err(|error| error.to_string())
    } else {
        Json::parse(bytes, Limits::default()).map_err(|error| error.to_string())
    }
}

/// Whether the first letter is one of XML.
pub fn looks_like_xml(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}
