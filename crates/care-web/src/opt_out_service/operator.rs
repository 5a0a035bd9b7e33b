//! The operators' pages: a call on the phone, a form in the post, letters to send. An operator sees the
//! register's demographics and the choice; nothing clinical exists here.

use axum::Router;
use axum::extract::{Form, FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use care_core::secondary_use::ChoiceReason;
use care_core::vocabulary::NhsNumber;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::case::{Case, CaseForm, SETTERS, why_not};
use super::frame::{Own, Trouble, draw};
use super::letters::{PURPOSES, cannot_act, confirmation, day_in_words, london, not_identified};
use super::online::{pdf, row_of};
use super::people::{FieldError, Typed, age_on};
use super::register::Registered;
use super::sessions::{cookie, digest, is_passphrase, random_text, reference, set_cookie};
use super::store::{NewChoice, Work};
use super::{Service, Shared};
use crate::components::{see_other, shown};

const COOKIE: &str = "optout-operator";
const OPERATOR: &str = "operator";
const HOURS: i64 = 10;
const WRONG_PASSPHRASES: u32 = 10;
const MOST: u32 = 200;

/// The addresses.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/operator/login", get(login).post(sign_in))
        .route("/operator/logout", post(sign_out))
        .route("/operator", get(home))
        .route("/operator/new/{channel}", get(find).post(open))
        .route("/operator/case/{reference}", get(case).post(decide))
        .route("/operator/letters", get(letters))
        .route("/operator/letters/{number}", get(one_letter).post(posted))
}

/// An operator who is signed in.
struct SignedIn {
    id: String,
    own: Own,
    key: String,
}

impl FromRequestParts<Shared> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Shared) -> Result<Self, Response> {
        let to_login = || see_other("/operator/login");
        let token = cookie(&parts.headers, COOKIE).ok_or_else(to_login)?;
        let key = digest(&token);
        let id = service
            .store
            .kept(OPERATOR, &key, service.clock.now())
            .map_err(|error| Trouble::from(error).into_response())?
            .ok_or_else(to_login)?;
        let operator = service
            .config
            .operators
            .iter()
            .find(|operator| operator.id == id);
        let operator = operator.ok_or_else(to_login)?;
        Ok(Self {
            own: Own {
                name: operator.name.clone(),
                csrf: service.keys.seal("csrf", &key),
            },
            id,
            key,
        })
    }
}

impl SignedIn {
    fn guard(&self, service: &Service, given: &str) -> Result<(), Trouble> {
        if service.keys.is_seal("csrf", &self.key, given) {
            Ok(())
        } else {
            Err(Trouble::ended())
        }
    }
}

async fn login(State(service): State<Shared>) -> Result<Response, Trouble> {
    login_page(&service, &[])
}

fn login_page(service: &Service, errors: &[FieldError]) -> Result<Response, Trouble> {
    let operators: Vec<(&str, &str)> = service
        .config
        .operators
        .iter()
        .map(|operator| (operator.id.as_str(), operator.name.as_str()))
        .collect();
    draw(
        service,
        "optout-login.html",
        "Operators: log in",
        None,
        !errors.is_empty(),
        shown! { operators, errors },
    )
}

#[derive(Deserialize)]
struct SignIn {
    #[serde(default)]
    operator: String,
    #[serde(default)]
    passphrase: String,
}

async fn sign_in(
    State(service): State<Shared>,
    headers: HeaderMap,
    Form(said): Form<SignIn>,
) -> Result<Response, Trouble> {
    from_our_own_page(&service, &headers)?;
    let now = service.clock.now();
    let operator = service
        .config
        .operators
        .iter()
        .find(|operator| operator.id == said.operator);
    let tries = service.store.count_try(
        &digest(&format!("operator {}", said.operator)),
        now - SignedDuration::from_hours(1),
        now,
    )?;
    if tries > WRONG_PASSPHRASES && !service.config.demo {
        return Err(Trouble::throttled());
    }
    let kept = operator
        .map(|operator| operator.passphrase.clone())
        .unwrap_or_default();
    let demo = service.config.demo;
    let right = demo
        || tokio::task::spawn_blocking(move || is_passphrase(&kept, &said.passphrase))
            .await
            .unwrap_or(false);
    let (Some(operator), true) = (operator, right) else {
        let wrong = [FieldError {
            field: "operator",
            words: "The name or the passphrase is not right",
        }];
        return login_page(&service, &wrong);
    };
    let token = random_text().ok_or(Trouble::unavailable())?;
    let until = now + SignedDuration::from_hours(HOURS);
    service
        .store
        .change(now, &operator.id, "signed in", |_| Ok(()))?;
    service
        .store
        .keep(OPERATOR, &digest(&token), &operator.id, until, now)?;
    let mut response = see_other("/operator");
    let secure = service.config.base_url.starts_with("https://");
    if let Some(value) = set_cookie(COOKIE, Some(&token), secure) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// A form from another site is refused by the browser's own word.
fn from_our_own_page(service: &Service, headers: &HeaderMap) -> Result<(), Trouble> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
    };
    let foreign = text("sec-fetch-site")
        .is_some_and(|site| !matches!(site, "same-origin" | "none"))
        || text("origin").is_some_and(|origin| {
            origin != service.config.base_url && origin != "null" && !service.config.demo
        });
    if foreign {
        Err(Trouble::ended())
    } else {
        Ok(())
    }
}

#[derive(Deserialize)]
struct Plain {
    #[serde(default)]
    csrf: String,
}

async fn sign_out(
    State(service): State<Shared>,
    operator: SignedIn,
    Form(said): Form<Plain>,
) -> Result<Response, Trouble> {
    operator.guard(&service, &said.csrf)?;
    service.store.drop_kept(OPERATOR, &operator.key)?;
    Ok(see_other("/operator/login"))
}

/// A piece of work, as a list shows it.
#[derive(Serialize)]
struct Row {
    reference: String,
    channel: &'static str,
    opened: String,
    state: &'static str,
}

fn row(work: &Work) -> Row {
    Row {
        reference: work.reference.clone(),
        channel: channel_words(&work.kind),
        opened: work
            .opened
            .to_zoned(london())
            .strftime("%-d %b %Y, %H:%M")
            .to_string(),
        state: match work.state.as_str() {
            "second-check" => "Waiting for a second person",
            "open" => "Being filled in",
            _ => "Closed",
        },
    }
}

fn channel_words(channel: &str) -> &'static str {
    if channel == "paper" {
        "Paper form"
    } else {
        "Phone call"
    }
}

async fn home(State(service): State<Shared>, operator: SignedIn) -> Result<Response, Trouble> {
    let rows: Vec<Row> = service.store.open_work(MOST)?.iter().map(row).collect();
    let letters = service.store.messages(Some("letter"), 1000)?;
    let to_post = letters.iter().filter(|letter| !letter.done).count();
    draw(
        &service,
        "optout-operator.html",
        "Operators",
        Some(&operator.own),
        false,
        shown! { rows, to_post },
    )
}

async fn find(
    State(service): State<Shared>,
    operator: SignedIn,
    Path(channel): Path<String>,
) -> Result<Response, Trouble> {
    find_page(&service, &operator, &channel, &Typed::default(), &[])
}

fn find_page(
    service: &Service,
    operator: &SignedIn,
    channel: &str,
    typed: &Typed,
    errors: &[FieldError],
) -> Result<Response, Trouble> {
    if !matches!(channel, "telephone" | "paper") {
        return Err(Trouble::not_found());
    }
    let birth_error = errors.iter().any(|error| error.field == "birth-day");
    let title = if channel == "paper" {
        "Paper form: who is it about?"
    } else {
        "Phone call: who is it about?"
    };
    draw(
        service,
        "optout-find.html",
        title,
        Some(&operator.own),
        !errors.is_empty(),
        shown! { title, channel, typed, errors, birth_error },
    )
}

async fn open(
    State(service): State<Shared>,
    operator: SignedIn,
    Path(channel): Path<String>,
    Form(typed): Form<Typed>,
) -> Result<Response, Trouble> {
    operator.guard(&service, &typed.csrf)?;
    let now = service.clock.now();
    let claim = match typed.claim(now.to_zoned(london()).date()) {
        Ok(claim) => claim,
        Err(errors) => return find_page(&service, &operator, &channel, &typed, &errors),
    };
    let found = claim.find(&service.store)?;
    let what = if found.is_some() {
        "found somebody"
    } else {
        "found nobody"
    };
    service.store.change(
        now,
        &operator.id,
        &format!("looked on the register: {what}"),
        |_| Ok(()),
    )?;
    let Some(person) = found else {
        let nobody = [FieldError {
            field: "given",
            words: "Nobody on the register fits all of this. Ask for each again; say only that you cannot go on",
        }];
        return find_page(&service, &operator, &channel, &typed, &nobody);
    };
    let work = Work {
        reference: reference(if channel == "paper" { "P" } else { "T" })
            .ok_or(Trouble::unavailable())?,
        kind: channel.clone(),
        state: "open".to_owned(),
        opened: now,
        version: 0,
        detail: text(&Case {
            nhs_number: person.nhs_number,
            channel,
            taken_by: operator.id.clone(),
            ..Case::default()
        }),
    };
    service.store.change(
        now,
        &operator.id,
        &format!("opened {}", work.reference),
        |change| change.put_work(&work),
    )?;
    Ok(see_other(&format!("/operator/case/{}", work.reference)))
}

fn text(case: &Case) -> String {
    serde_json::to_string(case).unwrap_or_default()
}

/// A case with whom it is about.
struct Opened {
    work: Work,
    case: Case,
    number: NhsNumber,
    person: Registered,
}

fn opened(service: &Service, reference: &str) -> Result<Opened, Trouble> {
    let work = service.store.work(reference)?.ok_or(Trouble::not_found())?;
    let case: Case = serde_json::from_str(&work.detail).map_err(|_| Trouble::unavailable())?;
    let number = NhsNumber::parse(&case.nhs_number).map_err(|_| Trouble::unavailable())?;
    let person = service.store.person(number)?.ok_or(Trouble::not_found())?;
    Ok(Opened {
        work,
        case,
        number,
        person,
    })
}

async fn case(
    State(service): State<Shared>,
    operator: SignedIn,
    Path(reference): Path<String>,
) -> Result<Response, Trouble> {
    let opened = opened(&service, &reference)?;
    case_page(&service, &operator, &opened, &[])
}

fn case_page(
    service: &Service,
    operator: &SignedIn,
    opened: &Opened,
    errors: &[FieldError],
) -> Result<Response, Trouble> {
    let Opened {
        work,
        case,
        person,
        number,
    } = opened;
    let history: Vec<[String; 4]> = service.store.choices(*number)?.iter().map(row_of).collect();
    let born = person.birth_date.parse::<jiff::civil::Date>().ok();
    let today = service.clock.now().to_zoned(london()).date();
    let who = shown_person(person, *number, born.map(|born| age_on(born, today)));
    let setter = SETTERS
        .iter()
        .find(|(code, _)| *code == case.form.setter)
        .map_or("", |(_, words)| words);
    let made = service
        .store
        .choices(*number)?
        .into_iter()
        .find(|choice| choice.reference == case.outcome);
    let own_work = case.taken_by == operator.id;
    draw(
        service,
        "optout-case.html",
        channel_words(&case.channel),
        Some(&operator.own),
        !errors.is_empty(),
        shown! {
            work_reference => work.reference, state => work.state, version => work.version,
            form => case.form, channel => case.channel, outcome => case.outcome, who, setter, own_work, history,
            errors, setters => SETTERS, purposes => PURPOSES,
            made_out => made.as_ref().is_some_and(|made| made.opted_out),
            made_day => made.map(|made| day_in_words(made.at)).unwrap_or_default(),
        },
    )
}

/// The register's demographics, as an operator reads them.
#[derive(Serialize)]
struct Shown {
    name: String,
    number: String,
    born: String,
    address: Vec<String>,
}

fn shown_person(person: &Registered, number: NhsNumber, age: Option<u32>) -> Shown {
    let born = person.birth_date.parse::<jiff::civil::Date>();
    let born = born
        .map(|born| born.strftime("%-d %B %Y").to_string())
        .unwrap_or_default();
    Shown {
        name: person.name(),
        number: number.to_string(),
        born: age.map_or(born.clone(), |age| format!("{born} ({age} years)")),
        address: person.lines().into_iter().skip(1).collect(),
    }
}

async fn decide(
    State(service): State<Shared>,
    operator: SignedIn,
    Path(reference): Path<String>,
    Form(form): Form<CaseForm>,
) -> Result<Response, Trouble> {
    operator.guard(&service, &form.csrf)?;
    let mut opened = opened(&service, &reference)?;
    if form.version != opened.work.version {
        let changed = [FieldError {
            field: "top",
            words: "Somebody else changed this meanwhile. Look at it again",
        }];
        return case_page(&service, &operator, &opened, &changed);
    }
    match (opened.work.state.as_str(), form.act.as_str()) {
        ("open", "cannot-identify") => close_unidentified(&service, &operator, &mut opened)?,
        ("open", _) => {
            opened.case.form = CaseForm {
                csrf: String::new(),
                ..form
            };
            let errors = opened.case.errors();
            if !errors.is_empty() {
                return case_page(&service, &operator, &opened, &errors);
            }
            take(&service, &operator, &mut opened)?;
        }
        ("second-check", act) => {
            if opened.case.taken_by == operator.id {
                return Err(Trouble::not_yours());
            }
            opened.case.checked_by.clone_from(&operator.id);
            if act == "agree" {
                set(&service, &operator, &mut opened)?;
            } else {
                refuse(
                    &service,
                    &operator,
                    &mut opened,
                    "The evidence of authority was not enough.",
                )?;
            }
        }
        _ => {}
    }
    Ok(see_other(&format!("/operator/case/{reference}")))
}

/// What the rules say of it: refused, waiting for a second person, or set.
fn take(service: &Service, operator: &SignedIn, opened: &mut Opened) -> Result<(), Trouble> {
    let today = service.clock.now().to_zoned(london()).date();
    let born = opened
        .person
        .birth_date
        .parse()
        .map_err(|_| Trouble::unavailable())?;
    match opened.case.answer(age_on(born, today)) {
        ChoiceReason::Ok if opened.case.needs_second_person() => {
            opened.work.state = "second-check".to_owned();
            put(
                service,
                operator,
                opened,
                "waits for a second person",
                |_, _| Ok(()),
            )
        }
        ChoiceReason::Ok => set(service, operator, opened),
        reason => refuse(service, operator, opened, why_not(reason)),
    }
}

/// The choice is set, and its letter waits to be posted.
fn set(service: &Service, operator: &SignedIn, opened: &mut Opened) -> Result<(), Trouble> {
    let reference = reference("N").ok_or(Trouble::unavailable())?;
    let now = service.clock.now();
    let (out, large) = (
        opened.case.opted_out(),
        opened.case.form.large_print.is_some(),
    );
    let letter = confirmation(&service.config, &opened.person, out, &reference, now, large);
    opened.case.outcome.clone_from(&reference);
    opened.work.state = "closed-done".to_owned();
    let (number, person) = (opened.number, opened.person.clone());
    let case = opened.case.clone();
    put(
        service,
        operator,
        opened,
        &format!("choice {reference} set"),
        |change, now| {
            change.choose(
                &NewChoice {
                    nhs_number: number,
                    opted_out: out,
                    reference: &reference,
                    channel: &case.channel,
                    setter: &case.form.setter,
                    taken_by: &case.taken_by,
                },
                now,
            )?;
            change.post(
                "letter",
                &person.lines().join("\n"),
                &letter.to_string(),
                now,
            )?;
            Ok(())
        },
    )
}

fn refuse(
    service: &Service,
    operator: &SignedIn,
    opened: &mut Opened,
    why: &str,
) -> Result<(), Trouble> {
    let now = service.clock.now();
    let letter = cannot_act(
        &service.config,
        &opened.person,
        why,
        &opened.work.reference,
        now,
    );
    opened.case.outcome = why.to_owned();
    opened.work.state = "closed-refused".to_owned();
    let person = opened.person.clone();
    put(
        service,
        operator,
        opened,
        "closed: cannot be set in this way",
        |change, now| {
            change.post(
                "letter",
                &person.lines().join("\n"),
                &letter.to_string(),
                now,
            )?;
            Ok(())
        },
    )
}

/// A caller is told by phone and nothing is posted, lest a stranger's call reach the person's home; a
/// writer gets a letter that says nothing of the register.
fn close_unidentified(
    service: &Service,
    operator: &SignedIn,
    opened: &mut Opened,
) -> Result<(), Trouble> {
    let now = service.clock.now();
    opened.case.outcome = "We could not be sure who was asking.".to_owned();
    opened.work.state = "closed-identity".to_owned();
    let by_post = opened.case.channel == "paper";
    let lines = opened.person.lines();
    let letter = not_identified(&service.config, lines.clone(), &opened.work.reference, now);
    put(
        service,
        operator,
        opened,
        "closed: could not identify",
        |change, now| {
            if by_post {
                change.post("letter", &lines.join("\n"), &letter.to_string(), now)?;
            }
            Ok(())
        },
    )
}

/// Writes the case and what it does together; a case that somebody changed meanwhile is left as it is.
fn put(
    service: &Service,
    operator: &SignedIn,
    opened: &Opened,
    what: &str,
    more: impl FnOnce(
        &super::store::Change<'_>,
        jiff::Timestamp,
    ) -> Result<(), super::store::StoreError>,
) -> Result<(), Trouble> {
    let now = service.clock.now();
    let work = Work {
        detail: text(&opened.case),
        ..opened.work.clone()
    };
    let act = format!("{}: {what}", work.reference);
    Ok(service.store.change(now, &operator.id, &act, |change| {
        if change.put_work(&work)? {
            more(change, now)
        } else {
            Ok(())
        }
    })?)
}

async fn letters(State(service): State<Shared>, operator: SignedIn) -> Result<Response, Trouble> {
    let letters = service.store.messages(Some("letter"), MOST)?;
    let rows: Vec<(i64, String, String, bool)> = letters
        .into_iter()
        .map(|letter| {
            let to = letter.address.lines().next().unwrap_or_default().to_owned();
            (letter.number, day_in_words(letter.at), to, letter.done)
        })
        .collect();
    draw(
        &service,
        "optout-letters.html",
        "Letters",
        Some(&operator.own),
        false,
        shown! { rows },
    )
}

async fn one_letter(
    State(service): State<Shared>,
    operator: SignedIn,
    Path(number): Path<i64>,
) -> Result<Response, Trouble> {
    let letter = service
        .store
        .message(number)?
        .filter(|letter| letter.way == "letter");
    let letter = letter.ok_or(Trouble::not_found())?;
    let now = service.clock.now();
    service.store.change(
        now,
        &operator.id,
        &format!("opened letter {number}"),
        |_| Ok(()),
    )?;
    let data = serde_json::from_str(&letter.body).map_err(|_| Trouble::unavailable())?;
    pdf(data, &format!("letter-{number}.pdf")).await
}

async fn posted(
    State(service): State<Shared>,
    operator: SignedIn,
    Path(number): Path<i64>,
    Form(said): Form<Plain>,
) -> Result<Response, Trouble> {
    operator.guard(&service, &said.csrf)?;
    let now = service.clock.now();
    service.store.change(
        now,
        &operator.id,
        &format!("posted letter {number}"),
        |change| change.posted(number),
    )?;
    Ok(see_other("/operator/letters"))
}
