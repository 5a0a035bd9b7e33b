//! G5 Exceptional-circumstance disclosures: from who asks to the log of what left.
//!
//! Prepared by privacy officers; decided by a Caldicott Guardian who did not prepare the case.

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use care_core::sections::{When, identity};
use care_core::vocabulary::{Category, Role};
use care_record::{
    Basis, Case, CaseFilter, Decided, ExceptionalError, Plan, Record, Release, Request, Scope,
    ScopeCounts, Sort, Told, plan_of,
};
use jiff::Timestamp;
use minijinja::context;
use serde::Serialize;

use super::list::midnight;
use super::review::happened;
use super::{
    Asked, Cell, Column, FILE, FilterField, List, PAGE, age, allowed, draw_form, guard, pack,
    state_title,
};
use crate::components::{see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

const ADDRESS: &str = "/ig/disclosures";

/// Who may ask: code and title.
const ASKERS: [(&str, &str); 6] = [
    ("police", "Police"),
    ("court", "Court"),
    ("ukhsa", "UK Health Security Agency"),
    ("regulator", "Regulator"),
    ("coroner", "Coroner"),
    ("other", "Somebody else"),
];

/// How a pack may leave.
const WAYS: [(&str, &str); 3] = [
    ("secure-mail", "By secure email"),
    ("by-hand", "By hand, on an encrypted medium"),
    ("post", "By tracked post"),
];

/// A kind of information on the console's pages.
pub(super) fn category_title(category: Category) -> String {
    let plain = category.code().replace('_', " ");
    let mut letters = plain.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn asker_title(code: &str) -> &str {
    ASKERS
        .iter()
        .find(|(one, _)| *one == code)
        .map_or(code, |(_, title)| title)
}

async fn ask<T: Send + 'static>(
    state: &Shared,
    call: impl FnOnce(Record) -> Result<T, ExceptionalError> + Send + 'static,
) -> Result<Result<T, ExceptionalError>, Problem> {
    let record = state.record.clone();
    crate::blocking(move || call(record)).await
}

/// The words for the form; other failures are pages of their own.
fn words_of(why: ExceptionalError) -> Result<String, Problem> {
    match why {
        ExceptionalError::Missing(words) => Ok(words.to_owned()),
        ExceptionalError::NobodyThere => {
            Ok("No one found with this NHS number. Check it".to_owned())
        }
        ExceptionalError::SecondPerson => Err(Problem::forbidden(
            "A second person decides",
            "You prepared this case. Another Caldicott Guardian decides it.",
        )),
        ExceptionalError::NotForRole => Err(Problem::forbidden(
            "A Caldicott Guardian does this",
            "Ask the Caldicott Guardian to open this case.",
        )),
        ExceptionalError::OtherStep => Err(Problem::invalid(
            "This case is at another step",
            "Open it again: somebody may have gone on with it.",
        )),
        ExceptionalError::ProducedBefore => Err(Problem::invalid(
            "The pack was produced before",
            "A pack is produced once. If it was lost, open a new case and say so there.",
        )),
        ExceptionalError::Case(why) => Err(super::failed(why)),
        other => Err(Problem::unavailable(other)),
    }
}

/// The fields of a form, by name.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn one(&self, name: &str) -> String {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
    }

    fn all(&self, name: &str) -> Vec<String> {
        let found = self.0.iter().filter(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).collect()
    }

    fn version(&self) -> u32 {
        self.one("version").parse().unwrap_or_default()
    }

    fn moment(&self, name: &str) -> Option<Timestamp> {
        super::day_in_address(&self.one(name))
    }
}

/// `GET /ig/disclosures`.
pub(super) async fn list(
    State(state): State<Shared>,
    session: Session,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    allowed(&session, guard::DISCLOSURES)?;
    let list = listed(&state, &session, &asked, (asked.offset(), PAGE)).await?;
    draw_form(
        &session,
        "ig-disclosures.html",
        "Disclosures",
        "ig-disclosures",
        false,
        shown! { list },
    )
}

/// `GET /ig/disclosures.csv`.
pub(super) async fn file(
    State(state): State<Shared>,
    session: Session,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    allowed(&session, guard::DISCLOSURES)?;
    let list = listed(&state, &session, &asked, (0, FILE)).await?;
    Ok(list.file("disclosures"))
}

async fn listed(
    state: &Shared,
    session: &Session,
    asked: &Asked,
    (offset, limit): (u32, u32),
) -> Result<List, Problem> {
    let (caller, now) = (session.caller(), state.clock.now());
    let filter = CaseFilter {
        kinds: vec!["disclosure".to_owned()],
        open: match asked.state.as_str() {
            "closed" => Some(false),
            "all" => None,
            _ => Some(true),
        },
        owner: asked.owner_id(&caller.user.id),
        sort: Sort::from_code(&asked.sort),
        offset,
        limit,
        ..CaseFilter::default()
    };
    let found = ask(state, move |record| {
        let counts = record.casework().counts(&filter)?;
        let exceptional = record.exceptional();
        let cases = exceptional.list(&caller, &filter)?;
        let named: Result<Vec<_>, ExceptionalError> = cases
            .into_iter()
            .map(|case| Ok((exceptional.named(&case)?, case)))
            .collect();
        Ok((named?, counts))
    })
    .await?;
    let (cases, counts) = match found {
        Ok(found) => found,
        Err(why) => return Err(words_of(why).err().unwrap_or_else(Problem::not_found)),
    };
    let rows = cases
        .iter()
        .map(|(known, case)| {
            let (request, _) = plan_of(case);
            let person = known.as_ref().map_or_else(String::new, |known| {
                let who = identity(known, now);
                format!("{}\n{}", who.name, who.nhs_number)
            });
            vec![
                Cell::link(&case.reference, format!("{ADDRESS}/{}", case.number)),
                Cell::text(person),
                Cell::text(format!(
                    "{}, {}",
                    asker_title(&request.asker),
                    request.asker_name
                )),
                Cell::text(Basis::from_code(&request.basis).map_or("", Basis::title)),
                Cell::tag(state_title(&case.state), "blue"),
                Cell::text(age(case.opened_at, now)),
                Cell::text(&case.owner),
                Cell::day(case.due_at, "No due date"),
            ]
        })
        .collect();
    let columns = [
        "Reference",
        "Person",
        "Asked by",
        "Legal basis",
        "State",
        "Age",
        "Owner",
        "Due",
    ]
    .map(Column::text);
    let total = counts.iter().map(|one| one.count).sum();
    let oldest = counts.iter().map(|one| one.oldest).min();
    Ok(List::new("Disclosures", ADDRESS, &columns)
        .rows(rows, (total, oldest), asked.page(), now)
        .nothing("No disclosure waits.")
        .filters(vec![
            FilterField::open_or_closed(&asked.state),
            FilterField::owner(&asked.owner),
            FilterField::sort(&asked.sort),
        ]))
}

/// `GET /ig/disclosures/new`.
pub(super) async fn form(session: Session) -> Result<Response, Problem> {
    allowed(&session, guard::DISCLOSURES)?;
    draw_new(&session, &Request::default(), "")
}

fn draw_new(session: &Session, request: &Request, error: &str) -> Result<Response, Problem> {
    let bases = Basis::ALL.map(|basis| (basis.code(), basis.title()));
    draw_form(
        session,
        "ig-disclosure-new.html",
        "A new disclosure",
        "ig-disclosures",
        !error.is_empty(),
        shown! { request, error, bases, askers => ASKERS },
    )
}

/// `POST /ig/disclosures/new`.
pub(super) async fn open(
    State(state): State<Shared>,
    session: Session,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    allowed(&session, guard::DISCLOSURES)?;
    let fields = Fields(fields);
    let request = Request {
        asker: fields.one("asker"),
        asker_name: fields.one("asker-name"),
        proof: fields.one("proof"),
        basis: fields.one("basis"),
    };
    let (caller, number, kept) = (session.caller(), fields.one("nhs-number"), request.clone());
    let opened = ask(&state, move |record| {
        record.exceptional().open(&caller, &number, request)
    })
    .await?;
    match opened {
        Ok(case) => Ok(see_other(&format!("{ADDRESS}/{}", case.number))),
        Err(why) => draw_new(&session, &kept, &words_of(why)?),
    }
}

/// A kind of information to tick.
#[derive(Serialize)]
struct Tick {
    code: &'static str,
    title: String,
    chosen: bool,
    count: Option<usize>,
}

fn ticks(scope: &Scope, counts: Option<&ScopeCounts>) -> Vec<Tick> {
    let leaves = |category: &&Category| **category != Category::AccessLog;
    Category::ALL
        .iter()
        .filter(leaves)
        .map(|category| Tick {
            code: category.code(),
            title: category_title(*category),
            chosen: scope.categories.iter().any(|code| code == category.code()),
            count: counts.and_then(|counts| {
                let found = counts
                    .items
                    .iter()
                    .find(|(code, _)| code == category.code());
                found.map(|(_, count)| *count)
            }),
        })
        .collect()
}

/// `GET /ig/disclosures/{number}`.
pub(super) async fn one(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<u64>,
) -> Result<Response, Problem> {
    allowed(&session, guard::DISCLOSURES)?;
    draw_one(&state, &session, number, "").await
}

async fn draw_one(
    state: &Shared,
    session: &Session,
    number: u64,
    error: &str,
) -> Result<Response, Problem> {
    let caller = session.caller();
    let found = ask(state, move |record| {
        let exceptional = record.exceptional();
        let (case, events) = exceptional.get(&caller, number)?;
        let (_, plan) = plan_of(&case);
        let counts = match plan.scope.categories.is_empty() {
            true => None,
            false => Some(exceptional.preview(&caller, &case)?),
        };
        Ok((exceptional.named(&case)?, counts, case, events))
    })
    .await?;
    let (known, counts, case, events) = match found {
        Ok(found) => found,
        Err(why) => return Err(words_of(why).err().unwrap_or_else(Problem::not_found)),
    };
    let now = state.clock.now();
    let (request, plan) = plan_of(&case);
    let basis = Basis::from_code(&request.basis);
    let who = known.as_ref().map(|known| identity(known, now));
    let questions: Vec<(usize, &str, String)> = basis
        .map(Basis::questions)
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(place, question)| {
            let answer = plan.answers.get(place).cloned().unwrap_or_default();
            (place, question, answer)
        })
        .collect();
    let day = |at: Option<Timestamp>| at.map_or_else(String::new, |at| When::day(at).short);
    let mine = case.detail["prepared by"]
        .as_array()
        .is_some_and(|who| who.iter().any(|id| id == &session.user.id));
    let events: Vec<_> = events.iter().map(happened).collect();
    let steps = shown! {
        request, plan, who, questions, error, events, mine, number,
        by_law => basis.is_some_and(Basis::is_by_law),
        basis => basis.map(Basis::title),
        asker => asker_title(&request.asker),
        ticks => ticks(&plan.scope, counts.as_ref()),
        from => day(plan.scope.from),
        until => day(plan.scope.until.map(|end| end - jiff::SignedDuration::from_secs(1))),
        previewed => counts.is_some(),
        total => counts.as_ref().map_or(0, |counts| {
            counts.items.iter().map(|(_, count)| count).sum::<usize>()
        }),
        withheld => counts.as_ref().is_some_and(|counts| counts.withheld),
        objected => counts.as_ref().is_some_and(|counts| counts.objected),
        guardian => session.user.role == Role::CaldicottGuardian,
        ways => WAYS,
    };
    let stands = shown! {
        reference => case.reference,
        case_version => case.version,
        released => case.detail["release"]["at"].as_str().and_then(|at| at.parse().ok()).map(When::moment),
        step => case.state,
        state => state_title(&case.state),
        decision => case.detail.get("decision"),
        release => case.detail.get("release"),
        owner => case.owner,
        due => case.due_at.map(When::day),
    };
    draw_form(
        session,
        "ig-disclosure.html",
        "Disclosure",
        "ig-disclosures",
        !error.is_empty(),
        context! { ..steps, ..stands },
    )
}

/// `POST /ig/disclosures/{number}`: the step that the pressed button names.
pub(super) async fn step(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<u64>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    allowed(&session, guard::DISCLOSURES)?;
    let fields = Fields(fields);
    let at = (number, fields.version());
    let caller = session.caller();
    let done = match fields.one("step").as_str() {
        step @ ("preview" | "ask") => {
            let (plan, ready) = (plan(&fields), step == "ask");
            ask(&state, move |record| {
                record.exceptional().plan(&caller, at, plan, ready)
            })
            .await?
        }
        "decide" => {
            let decided = match fields.one("decision").as_str() {
                "approve" => Decided::Approve,
                "in-part" => Decided::InPart(fields.all("category")),
                "refuse" => Decided::Refuse,
                _ => return draw_one(&state, &session, number, "Choose a decision").await,
            };
            let (reason, told) = (fields.one("reason"), told(&fields));
            ask(&state, move |record| {
                record
                    .exceptional()
                    .decide(&caller, at, &decided, &reason, &told)
            })
            .await?
        }
        "close" => {
            let note = fields.one("note");
            ask(&state, move |record| {
                record.exceptional().close(&caller, at, &note)
            })
            .await?
        }
        "release" => return release(&state, &session, at, &fields).await,
        _ => return draw_one(&state, &session, number, "Choose what to do").await,
    };
    match done {
        Ok(_) => Ok(see_other(&format!("{ADDRESS}/{number}"))),
        Err(why) => draw_one(&state, &session, number, &words_of(why)?).await,
    }
}

fn plan(fields: &Fields) -> Plan {
    let next_day = |at: Timestamp| {
        let day = care_core::sections::local(at).date();
        day.tomorrow().ok().and_then(midnight)
    };
    Plan {
        answers: (0..3)
            .map(|place| fields.one(&format!("answer-{place}")))
            .collect(),
        instrument: fields.one("instrument"),
        test: fields.one("test"),
        scope: Scope {
            categories: fields.all("category"),
            from: fields.moment("from"),
            until: fields.moment("until").and_then(next_day),
        },
        least: fields.one("least"),
    }
}

fn told(fields: &Fields) -> Told {
    let review_on = fields.moment("review-on").map_or_else(String::new, |at| {
        care_core::sections::local(at).date().to_string()
    });
    Told {
        tell: fields.one("tell") == "yes",
        reason: fields.one("tell-reason"),
        review_on,
    }
}

/// Produces the pack: the answer is the file itself, once.
async fn release(
    state: &Shared,
    session: &Session,
    at: (u64, u32),
    fields: &Fields,
) -> Result<Response, Problem> {
    let release = Release {
        to: fields.one("to"),
        how: fields.one("how"),
        format: fields.one("format"),
    };
    let (caller, format) = (session.caller(), release.format.clone());
    let done = ask(state, move |record| {
        record.exceptional().release(&caller, at, &release)
    })
    .await?;
    let (case, given) = match done {
        Ok(done) => done,
        Err(why) => return draw_one(state, session, at.0, &words_of(why)?).await,
    };
    let now = state.clock.now();
    let (kind, name, bytes) = if format == "fhir" {
        (
            "application/fhir+json",
            "disclosure.json",
            pack::as_fhir(&given, now),
        )
    } else {
        let about = about(&case);
        let made = crate::blocking(move || pack::as_pdf(&case, &given, &about, now)).await?;
        let bytes = made.map_err(Problem::unavailable)?;
        ("application/pdf", "disclosure.pdf", bytes)
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    Ok((headers, bytes).into_response())
}

fn about(case: &Case) -> Vec<(&'static str, String)> {
    let (request, _) = plan_of(case);
    let decided = case.detail["decision"]["name"].as_str().unwrap_or_default();
    vec![
        (
            "Asked by",
            format!("{}, {}", asker_title(&request.asker), request.asker_name),
        ),
        (
            "Legal basis",
            Basis::from_code(&request.basis)
                .map_or("", Basis::title)
                .to_owned(),
        ),
        ("Decided by", decided.to_owned()),
        (
            "Given to",
            case.detail["release"]["to"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        ),
    ]
}
