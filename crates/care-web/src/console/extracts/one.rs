//! One extract: what was asked for, what the checks found, who approved, the files, and what may be done.

use std::path::PathBuf;

use axum::body::Body;
use axum::extract::{Form, Path, State};
use axum::http::header;
use axum::response::Response;
use care_core::release::{Form as ResultForm, SmallSafe, Verifier, questions};
use care_core::sections::When;
use care_core::vocabulary::{Category, Role};
use care_record::{Counts, Extract, Findings, ReleaseError, SealedFile, Step, verify_release};
use serde::{Deserialize, Serialize};

use super::form::{basis_title, category_title, counts_title, form_title, purpose_title};
use super::{ADDRESS, ROLES, allowed, ask, colour, day, failed, today};
use crate::components::{see_other, shown};
use crate::console::{draw_form, state_title};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// A line of the preview.
#[derive(Serialize)]
struct Line {
    words: &'static str,
    count: String,
}

/// People by what becomes of them: exact for those who decide.
fn lines(counts: &Counts, exact: bool, sealed: bool) -> Vec<Line> {
    let told = |count: u64| match exact {
        true => grouped(count),
        false => SmallSafe::of(count).text().to_owned(),
    };
    let mut lines = vec![
        Line {
            words: "People asked for",
            count: told(counts.asked_for),
        },
        Line {
            words: "Removed: national data opt-out",
            count: told(counts.opted_out),
        },
        Line {
            words: "Removed: no NHS number that can be checked",
            count: told(counts.not_checkable),
        },
        Line {
            words: "Removed: objected to Connect Care",
            count: told(counts.objected),
        },
    ];
    let mut some = |words, count: u64| {
        if count > 0 {
            lines.push(Line {
                words,
                count: told(count),
            });
        }
    };
    some("Removed: did not consent", counts.not_consenting);
    some("Removed: changed during the run", counts.changed);
    some("Removed: told by too few others", counts.too_few_alike);
    some(
        "Without what their practice holds (Type 1 opt-out)",
        counts.without_gp_items,
    );
    some(
        "Rows kept back: too few people share what they say",
        counts.rows_kept_back,
    );
    some(
        "Values removed because they named the person",
        counts.values_removed,
    );
    let words = if sealed {
        "People in the release"
    } else {
        "People who may leave"
    };
    lines.push(Line {
        words,
        count: told(counts.released),
    });
    lines
}

fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What the checks found, in words.
#[derive(Serialize)]
struct Told {
    when: When,
    verdict: &'static str,
    passed: bool,
    waiting: bool,
    stopped: Vec<String>,
    opt_out: String,
    check: String,
    obligations: Vec<&'static str>,
    lines: Vec<Line>,
}

fn told(extract: &Extract, findings: &Findings, exact: bool) -> Told {
    let waiting = extract.step == Step::Checking;
    let passed = findings.released && findings.stopped.is_empty();
    Told {
        when: When::moment(findings.at),
        verdict: match (passed, waiting) {
            (true, _) => "Passed",
            (false, true) => "Waiting",
            (false, false) => "Stopped",
        },
        passed,
        waiting,
        stopped: findings.stopped.clone(),
        opt_out: opt_out(findings, waiting, exact),
        check: match findings.checked_at {
            Some(at) => format!(
                "Check {}, by {}, asked {}",
                findings.check,
                findings.check_method,
                When::moment(at).short
            ),
            None if findings.check.is_empty() => "None was needed".to_owned(),
            None => format!(
                "Check {} was asked for and is not answered yet",
                findings.check
            ),
        },
        obligations: findings
            .obligations
            .iter()
            .filter_map(|code| obligation(code))
            .collect(),
        lines: lines(&findings.counts, exact, false),
    }
}

fn opt_out(findings: &Findings, waiting: bool, exact: bool) -> String {
    if waiting {
        return "Applies; the check is not answered yet".to_owned();
    }
    if findings.released && findings.opt_out_applied {
        let count = findings.counts.opted_out;
        let count = if exact {
            grouped(count)
        } else {
            SmallSafe::of(count).text().to_owned()
        };
        return format!("Applied: {count} people removed");
    }
    if !findings.released {
        return "Nothing may leave".to_owned();
    }
    let why = match findings.reason.as_str() {
        "anonymised" => "nobody can be told from it",
        "required-by-law" => "a law or a court requires it, and the instrument is held",
        "overriding-public-interest" => {
            "the public interest overrides, and the positive test is held"
        }
        "communicable-disease" => "regulation 3",
        "cag-exemption" => "the standard condition was lifted, and the letter is held",
        "out-of-scope-origin" => "the opt-out does not reach this care",
        "payment-exemption" => "a payment that the policy exempts",
        _ => "the rules say so",
    };
    format!("Not applied: {why}")
}

fn obligation(code: &str) -> Option<&'static str> {
    Some(match code {
        "report-unverifiable" => {
            "Some people have no NHS number that can be checked: they are left out and counted here."
        }
        "request-evidence" => "A document was claimed and is not held: ask for it.",
        "remove-gp-items" => "What practices hold stays at home for people with a Type 1 opt-out.",
        "whole-record-removed" => "The whole record of those who opted out is left out.",
        "recheck-required" => "The opt-out check must be made again.",
        "fix-invalid-nhs-numbers" => "The check was refused for invalid NHS numbers.",
        _ => return None,
    })
}

#[derive(Serialize)]
struct ShownFile {
    name: String,
    size: String,
    rows: u64,
    sha256: String,
    link: Option<String>,
}

fn shown_file(extract: &Extract, file: &SealedFile, may_fetch: bool) -> ShownFile {
    let bytes = file.bytes;
    let size = match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    };
    ShownFile {
        link: may_fetch.then(|| format!("{ADDRESS}/{}/files/{}", extract.number, file.name)),
        name: file.name.clone(),
        size,
        rows: file.rows,
        sha256: file.sha256.clone(),
    }
}

/// What was asked for, as pairs of label and words.
fn asked_for(extract: &Extract, state: &Shared) -> Vec<(&'static str, String)> {
    let it = &extract.specification;
    let cohort = &it.cohort;
    let name = |ods: &String| {
        let found = state
            .directory
            .sources()
            .iter()
            .find(|one| one.organisation.ods.as_str() == ods);
        found.map_or_else(|| ods.clone(), |one| one.organisation.name.clone())
    };
    let condition = |code: &String| {
        let plain = code.rsplit('|').next().unwrap_or_default();
        care_core::release::condition_name(plain).map_or_else(|| code.clone(), str::to_owned)
    };
    let ages = match (cohort.youngest, cohort.oldest) {
        (None, None) => "any age".to_owned(),
        (Some(first), None) => format!("{first} and over"),
        (None, Some(last)) => format!("up to {last}"),
        (Some(first), Some(last)) => format!("{first} to {last}"),
    };
    let list = |values: Vec<String>, otherwise: &str| {
        if values.is_empty() {
            otherwise.to_owned()
        } else {
            values.join(", ")
        }
    };
    let period = match (cohort.from, cohort.to) {
        (None, None) => "everything on record".to_owned(),
        (from, to) => format!(
            "{} to {}",
            from.map_or("the beginning".to_owned(), |it| day(it).short),
            to.map_or("now".to_owned(), |it| day(it).short)
        ),
    };
    let forms = it.forms.iter().map(|form| match form {
        ResultForm::Ndjson => "FHIR resources (NDJSON)".to_owned(),
        ResultForm::Table(table) => format!(
            "table {} (CSV and Parquet; groups by {})",
            table.name,
            list(table.declared.clone(), "nothing")
        ),
        ResultForm::Counts { name, .. } => format!("counts: {}", counts_title(name).to_lowercase()),
    });
    vec![
        ("For", it.purpose_words.clone()),
        ("Purpose", it.purpose().map_or("", purpose_title).to_owned()),
        ("Legal basis", basis_title(it.legal_basis()).to_owned()),
        (
            "Evidence",
            format!(
                "{} ({})",
                it.evidence,
                if it.evidence_held { "seen" } else { "not seen" }
            ),
        ),
        ("Form", form_title(it.data_form()).to_owned()),
        ("Project", it.project.clone()),
        ("Goes to", it.destination.clone()),
        (
            "About",
            format!(
                "{}; {ages}; {}; with {}",
                list(
                    cohort.organisations.iter().map(name).collect(),
                    "people of any organisation"
                ),
                match cohort.gender.as_deref() {
                    Some("female") => "women and girls",
                    Some("male") => "men and boys",
                    _ => "any gender",
                },
                list(
                    cohort.codes.iter().map(condition).collect(),
                    "any condition or none"
                ),
            ),
        ),
        ("Items from", period),
        (
            "Kinds of information",
            it.categories
                .iter()
                .filter_map(|code| Category::from_code(code))
                .map(category_title)
                .collect::<Vec<_>>()
                .join(", "),
        ),
        ("Result", forms.collect::<Vec<_>>().join("; ")),
        ("Dates", it.dates.title().to_owned()),
        (
            "Told alike",
            format!("at least {} people", it.smallest_group),
        ),
        ("Destroy by", day(it.destroy_by).short),
    ]
}

#[derive(Serialize)]
struct ShownEvent {
    when: When,
    who: String,
    state: String,
    note: String,
}

/// `GET /ig/extracts/{number}`.
pub async fn page(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<u64>,
) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    show(&state, &session, number, "").await
}

async fn show(
    state: &Shared,
    session: &Session,
    number: u64,
    error: &str,
) -> Result<Response, Problem> {
    let caller = session.caller();
    let found = ask(state, move |record| record.releases().get(&caller, number)).await?;
    let (extract, events) = found.map_err(failed)?;
    let decides = session.user.role != Role::Analyst;
    let own = extract.requester == session.user.id;
    let approved_already = extract
        .standing_approvals()
        .any(|one| one.by == session.user.id);
    let awaiting = matches!(
        extract.step,
        Step::AwaitingApproval | Step::AwaitingSecondApproval
    );
    let approvals: Vec<_> = extract
        .standing_approvals()
        .map(|one| {
            (
                one.name.clone(),
                Role::from_code(&one.role).map_or("", Role::title),
                When::moment(one.at),
                one.note.clone(),
            )
        })
        .collect();
    let files: Vec<ShownFile> = extract
        .sealed
        .iter()
        .flat_map(|it| &it.files)
        .map(|file| shown_file(&extract, file, own && extract.step == Step::Sealed))
        .collect();
    let exceptional: Vec<(&str, String)> = extract
        .specification
        .exceptional_kind()
        .map(|kind| {
            let answers = &extract.specification.exceptional.answers;
            questions(kind)
                .iter()
                .map(|it| (it.words, answers.get(it.name).cloned().unwrap_or_default()))
                .collect()
        })
        .unwrap_or_default();
    let history: Vec<ShownEvent> = events
        .into_iter()
        .map(|event| ShownEvent {
            when: When::moment(event.at),
            who: event.who,
            state: Step::from_code(&event.state)
                .map_or_else(|| state_title(&event.state), |step| step.title().to_owned()),
            note: event.note,
        })
        .collect();
    let title = format!("Extract {}", extract.reference);
    draw_form(
        session,
        "ig-extract.html",
        &title,
        "ig-extracts",
        !error.is_empty(),
        shown! {
            title, error, number, events => history, files, approvals, exceptional,
            reference => extract.reference,
            name => extract.specification.title,
            version => extract.version,
            digest => extract.digest,
            step => extract.step.title(),
            colour => colour(extract.step),
            asked_by => extract.requester_name,
            asked_at => When::moment(extract.requested_at),
            asked => asked_for(&extract, state),
            found => extract.findings.as_ref().map(|it| told(&extract, it, decides)),
            exceptional_title => extract.specification.exceptional_kind().map(|kind| kind.title()),
            sealed => extract.sealed.as_ref().map(|it| (When::moment(it.at), lines(&it.counts, decides, true))),
            destroyed => extract.destroyed_at.map(When::moment),
            due => extract.specification.destroy_by <= today(state),
            key => state.record.releases().verifier_key(),
            may_change => own && extract.step.can_be_changed(),
            may_check => extract.step.can_be_changed(),
            may_approve => decides && awaiting && !own && !approved_already,
            own_request => decides && awaiting && own,
            approved_already => awaiting && approved_already,
            may_run => matches!(extract.step, Step::Approved | Step::Running),
            interrupted => extract.step == Step::Running,
            may_end => extract.step.can_be_changed() && (own || decides),
            own,
            may_destroy => extract.step == Step::Sealed && (own || decides),
            may_verify => extract.step == Step::Sealed,
        },
    )
}

#[derive(Deserialize)]
pub struct Act {
    action: String,
    version: u32,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    read: String,
}

/// `POST /ig/extracts/{number}/act`.
pub async fn act(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<u64>,
    Form(act): Form<Act>,
) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    if act.action == "approve" && act.read != "yes" {
        return show(
            &state,
            &session,
            number,
            "Tick that you have read the request and the checks",
        )
        .await;
    }
    if act.action == "end" && act.note.trim().is_empty() {
        return show(&state, &session, number, "Say why").await;
    }
    if act.action == "verify" {
        return verified(&state, &session, number).await;
    }
    let caller = session.caller();
    let done = ask(&state, move |record| {
        let releases = record.releases();
        let note = act.note.trim();
        match act.action.as_str() {
            "check" => releases.check(&caller, number, act.version),
            "approve" => releases.approve(&caller, number, act.version, &act.digest, note),
            "run" => releases.run(&caller, number, act.version),
            "end" => releases.end(&caller, number, act.version, note),
            "destroy" => releases.destroy(&caller, number, act.version, note),
            _ => Err(ReleaseError::NotThere),
        }
    });
    match done.await? {
        Ok(_) => Ok(see_other(&format!("{ADDRESS}/{number}"))),
        Err(why @ (ReleaseError::Blocked(_) | ReleaseError::NotThisPerson(_))) => {
            let words = sentence(&why.to_string());
            show(&state, &session, number, &words).await
        }
        Err(why) => Err(failed(why)),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Verifies the sealed files as anybody with the public key would.
async fn verified(state: &Shared, session: &Session, number: u64) -> Result<Response, Problem> {
    let caller = session.caller();
    let found = ask(state, move |record| {
        let releases = record.releases();
        let directory = releases.sealed_directory(&caller, number)?;
        let (extract, _) = releases.get(&caller, number)?;
        let key = Verifier::parse(&releases.verifier_key())
            .map_err(|error| ReleaseError::Unavailable(Box::new(error)))?;
        let verified = verify_release(&directory, &key)
            .map_err(|error| ReleaseError::Files(Box::new(error)))?;
        Ok((extract, verified))
    });
    let (extract, verified) = found.await?.map_err(failed)?;
    let findings: Vec<String> = verified.findings.iter().map(ToString::to_string).collect();
    let title = format!("Extract {} verified", extract.reference);
    draw_form(
        session,
        "ig-extract-verified.html",
        &title,
        "ig-extracts",
        false,
        shown! { number, findings, reference => extract.reference, files => verified.files, people => verified.people },
    )
}

/// `GET /ig/extracts/{number}/files/{name}`: a sealed file, for whoever asked for it.
pub async fn file(
    State(state): State<Shared>,
    session: Session,
    Path((number, name)): Path<(u64, String)>,
) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    let caller = session.caller();
    let wanted = name.clone();
    let found = ask(&state, move |record| {
        record.releases().fetch(&caller, number, &wanted)
    })
    .await?;
    let path: PathBuf = found.map_err(failed)?;
    let file = tokio::fs::File::open(&path)
        .await
        .map_err(Problem::unavailable)?;
    let length = file.metadata().await.map_err(Problem::unavailable)?.len();
    let kind = match name.rsplit('.').next() {
        Some("csv") => "text/csv; charset=utf-8",
        Some("ndjson") => "application/x-ndjson",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    Response::builder()
        .header(header::CONTENT_TYPE, kind)
        .header(header::CONTENT_LENGTH, length)
        .header(
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        )
        .header(header::CACHE_CONTROL, "no-store")
        .body(Body::from_stream(tokio_util::io::ReaderStream::new(file)))
        .map_err(Problem::unavailable)
}
