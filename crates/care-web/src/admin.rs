//! The operator's door to a running service: a socket in the record's own directory, which only the
//! user who runs the service may open. So `access explain` and `directory …` work while it runs.
//!
//! One line of JSON asks, one line answers. Every request is an act with its entry, under the number of
//! the operating system's user who asked. Nothing clinical is ever answered.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use care_core::vocabulary::{NhsNumber, OdsCode, Role};
use care_record::{By, Caller, ImportRow, OpenError, Record, Standing, Stated, User};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::config::Config;
use crate::serve::Stop;
use crate::state::Shared;

/// The longest request, in bytes: a directory of 50,000 people fits.
const REQUEST_BYTES: u64 = 32 << 20;

/// What an operator asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Request {
    /// What the rules say to a user about a person, and why.
    Explain(Box<Explain>),
    /// Brings the staff directory to what a file says.
    Import {
        rows: Vec<ImportRow>,
        whole: bool,
        dry_run: bool,
    },
    /// Everybody in the staff directory.
    Staff,
    /// Suspends somebody's access.
    Suspend { user: String, because: String },
    /// Gives it back.
    Lift { user: String, because: String },
    /// The deployment's own search parameters.
    SearchParameters,
    /// Adds one: a SearchParameter resource as JSON.
    AddSearchParameter { definition: String },
    /// Takes one away, by its address.
    RemoveSearchParameter { url: String },
}

/// A question to the rules.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Explain {
    pub user: String,
    /// `role@ODS`, where the user has several.
    pub role: Option<String>,
    /// The facts of a user whom the staff directory does not know.
    pub facts: Option<Facts>,
    pub person: String,
    pub purpose: String,
    pub permission: String,
    pub break_glass: Option<(String, String)>,
}

/// What an identity provider would say of a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Facts {
    pub name: String,
    pub role: String,
    pub organisation: String,
    pub can_break_seal: bool,
    pub own_number: Option<String>,
    pub family_numbers: Vec<String>,
}

/// The answer, in words for people and as values for programs.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    pub words: String,
    pub value: Value,
    /// It was done as asked.
    pub ok: bool,
}

/// Where the socket of a record lies.
fn place(config: &Config) -> PathBuf {
    config.record.data.join("admin").join("socket")
}

/// Asks: the record itself when nobody has it open, else the service that has.
pub fn ask(config: &Config, request: &Request) -> anyhow::Result<Answer> {
    match crate::app::open_record(config) {
        Ok(record) => {
            let by = By::system("command line");
            let answer = answer(&record, request, &by);
            record.close();
            answer
        }
        Err(error) if in_use(&error) => ask_service(&place(config), request).with_context(|| {
            "the record is in use by a service that does not answer here; run this as the user who runs it"
        }),
        Err(error) => Err(error),
    }
}

fn in_use(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<OpenError>(),
        Some(OpenError::InUse(_) | OpenError::DatabaseInUse)
    )
}

fn ask_service(socket: &Path, request: &Request) -> anyhow::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut text = String::new();
    BufReader::new(stream.take(REQUEST_BYTES)).read_line(&mut text)?;
    let told: Result<Answer, String> = serde_json::from_str(&text)?;
    told.map_err(anyhow::Error::msg)
}

/// Listens until the stop. A start that cannot listen goes on without: only these commands miss it.
pub async fn serve(state: Shared, mut stop: Stop) {
    let socket = place(&state.config);
    let listener = match listen(&socket) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%error, "no socket for operators' commands");
            return;
        }
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                tokio::spawn(talk(state.clone(), stream));
            },
            () = stop.wait() => break,
        }
    }
    // Left behind it would only be replaced at the next start.
    let _ = std::fs::remove_file(&socket);
}

/// The directory is made for its owner alone before the socket is, so that nobody else ever reaches it.
fn listen(socket: &Path) -> std::io::Result<UnixListener> {
    let directory = socket.parent().unwrap_or(Path::new("."));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(socket)
}

async fn talk(state: Shared, stream: tokio::net::UnixStream) {
    let by = match stream.peer_cred() {
        Ok(peer) => By::system(format!("command line, user {}", peer.uid())),
        Err(_) => return,
    };
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(read.take(REQUEST_BYTES));
    let arrived = tokio::time::timeout(Duration::from_secs(30), reader.read_line(&mut line)).await;
    if !matches!(arrived, Ok(Ok(bytes)) if bytes > 0) {
        return;
    }
    let told: Result<Answer, String> = match serde_json::from_str::<Request>(&line) {
        Err(_) => Err("the service does not know this request; use the same version".to_owned()),
        Ok(request) => {
            let record = state.record.clone();
            let done = crate::blocking(move || answer(&record, &request, &by)).await;
            match done {
                Ok(done) => done.map_err(|error| format!("{error:#}")),
                Err(_) => Err("the service could not do it; its log says why".to_owned()),
            }
        }
    };
    let mut text = serde_json::to_vec(&told).unwrap_or_default();
    text.push(b'\n');
    // Whoever asked and went away has no use for the answer.
    let _ = write.write_all(&text).await;
}

fn answer(record: &Record, request: &Request, by: &By) -> anyhow::Result<Answer> {
    let staff = record.staff();
    match request {
        Request::Explain(explain) => explained(record, explain),
        Request::Import {
            rows,
            whole,
            dry_run,
        } => {
            let report = staff.import(rows, *whole, *dry_run, by)?;
            let ok = report.problems.is_empty();
            let mut words: Vec<String> = report
                .problems
                .iter()
                .map(|one| format!("row {}: {}", one.row, one.words))
                .collect();
            words.push(format!(
                "{}{} put in, {} changed, {} as before, {} switched off",
                match (ok, dry_run) {
                    (false, _) => "Nothing was changed: mend the rows above. ",
                    (true, true) => "Dry run, nothing was changed. It would be: ",
                    (true, false) => "",
                },
                report.created.len(),
                report.changed.len(),
                report.unchanged,
                report.switched_off.len()
            ));
            Ok(Answer {
                words: words.join("\n"),
                value: serde_json::to_value(&report)?,
                ok,
            })
        }
        Request::Staff => {
            let mut words = Vec::new();
            let mut value = Vec::new();
            for user in staff.users() {
                let state = match (&user.suspended, user.details.active) {
                    (Some(_), _) => "suspended",
                    (None, true) => "active",
                    (None, false) => "off",
                };
                let roles: Vec<String> = staff
                    .roles_of(&user)
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                words.push(format!(
                    "{:32} {:9} {}",
                    user.details.user_name,
                    state,
                    roles.join(" ")
                ));
                value.push(json!({
                    "user_id": user.details.user_name, "name": user.details.name, "state": state, "roles": roles,
                }));
            }
            Ok(Answer {
                words: words.join("\n"),
                value: value.into(),
                ok: true,
            })
        }
        Request::Suspend { user, because } => {
            staff.suspend(user, because, by)?;
            Ok(done(format!(
                "{user} may do nothing more, from the next request on."
            )))
        }
        Request::SearchParameters => search_parameters(record),
        Request::AddSearchParameter { definition } => {
            let types = record
                .search_parameters()
                .add(definition.as_bytes(), &by.id)?;
            let names: Vec<&str> = types.iter().map(|of| of.name()).collect();
            Ok(done(format!(
                "It is being worked into the index of {}; `search-parameter list` says how far.",
                names.join(", ")
            )))
        }
        Request::RemoveSearchParameter { url } => {
            anyhow::ensure!(
                record.search_parameters().remove(url, &by.id)?,
                "there is no such search parameter; `search-parameter list` names them"
            );
            Ok(done("It can be asked for no more.".to_owned()))
        }
        Request::Lift { user, because } => {
            staff.lift(user, because, by)?;
            Ok(done(format!(
                "{user} has access again, as the staff directory says."
            )))
        }
    }
}

fn search_parameters(record: &Record) -> anyhow::Result<Answer> {
    let mut words = Vec::new();
    let mut value = Vec::new();
    for one in record.search_parameters().own()? {
        let state = match one.progress {
            None => "ready".to_owned(),
            Some((done, total)) => format!("{done} of {total} items"),
        };
        words.push(format!("{:48} {state}", one.url));
        value.push(json!({ "url": one.url, "ready": one.ready, "state": state }));
    }
    if words.is_empty() {
        words.push("There are none beside those of FHIR R4.".to_owned());
    }
    Ok(Answer {
        words: words.join("\n"),
        value: value.into(),
        ok: true,
    })
}

fn done(words: String) -> Answer {
    Answer {
        value: json!({ "done": true }),
        words,
        ok: true,
    }
}

fn explained(record: &Record, explain: &Explain) -> anyhow::Result<Answer> {
    let number = NhsNumber::parse(&explain.person)?;
    let caller = Caller {
        user: user(record, explain)?,
        session: "command line".to_owned(),
        request: String::new(),
    };
    let stated = Stated {
        purpose: explain.purpose.clone(),
        permission: Some(explain.permission.clone()),
        break_glass: explain.break_glass.clone(),
        case: None,
    };
    let told = record
        .disclosure()
        .explain(&caller, &stated, number)?
        .into_inner();
    Ok(Answer {
        value: json!({
            "allowed": told.allowed, "reason": told.reason, "audit_flags": told.flags,
            "visible_categories": told.categories, "trace": told.trace,
        }),
        words: told.words,
        ok: true,
    })
}

/// The user as the staff directory knows them; else as the question states them.
fn user(record: &Record, explain: &Explain) -> anyhow::Result<User> {
    let staff = record.staff();
    let number = |text: &String| NhsNumber::parse(text).ok();
    let facts = explain.facts.as_ref();
    if let Standing::Active { roles, break_seal } = staff.standing(&explain.user) {
        let wanted = explain.role.as_deref();
        let mut fitting = roles
            .iter()
            .filter(|one| wanted.is_none_or(|wanted| one.to_string() == wanted));
        let role = fitting.next().with_context(|| {
            format!(
                "{} has no such role; they have: {}",
                explain.user,
                list(&roles)
            )
        })?;
        if fitting.next().is_some() {
            anyhow::bail!(
                "{} has several roles; choose with --role: {}",
                explain.user,
                list(&roles)
            );
        }
        let held = staff.user_by_name(&explain.user);
        return Ok(User {
            id: explain.user.clone(),
            name: held.map(|one| one.details.name.clone()).unwrap_or_default(),
            role: role.role,
            organisation: role.organisation.clone(),
            can_break_seal: break_seal,
            own_number: facts.and_then(|facts| facts.own_number.as_ref().and_then(number)),
            family_numbers: facts
                .map(|facts| facts.family_numbers.iter().filter_map(number).collect())
                .unwrap_or_default(),
        });
    }
    let facts = facts.with_context(|| {
        format!("{} is not in the staff directory, or may not sign in; `connect-care directory list` shows who may", explain.user)
    })?;
    Ok(User {
        id: explain.user.clone(),
        name: facts.name.clone(),
        role: Role::from_code(&facts.role).context("the role is not known")?,
        organisation: OdsCode::parse(&facts.organisation)?,
        can_break_seal: facts.can_break_seal,
        own_number: facts.own_number.as_ref().and_then(number),
        family_numbers: facts.family_numbers.iter().filter_map(number).collect(),
    })
}

fn list(roles: &[care_record::StaffRole]) -> String {
    let all: Vec<String> = roles.iter().map(ToString::to_string).collect();
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}
