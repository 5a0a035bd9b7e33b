//! The choice online, for anybody of 13 or over: who you are, a code to the phone or email that the
//! register holds, the choice, check, done. One question a page; no script.
//!
//! Whether the register knows somebody cannot be told from here: the same words, the same page and the
//! same time, matched or not; a code that was never sent is wrong in the same words as a mistyped one.

use std::time::Duration;

use axum::Router;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use care_core::secondary_use::{Channel, ChoiceRequest, Setter, accept_choice};
use care_core::vocabulary::NhsNumber;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::frame::{Trouble, draw};
use super::letters::{PURPOSES, confirmation, day_in_words, london};
use super::people::{Claim, FieldError, Typed, age_on};
use super::register::Registered;
use super::sessions::{self, cookie, digest, random_text, reference, set_cookie};
use super::store::{Choice, NewChoice};
use super::{Service, Shared};
use crate::components::{see_other, shown};
use crate::documents;

const COOKIE: &str = "optout";
const WAY: &str = "way";
/// Minutes from the first page to the last.
const MINUTES: i64 = 30;
/// Minutes a code can be used.
const CODE_MINUTES: i64 = 15;
const WRONG_CODES: u32 = 5;
/// Tries an hour for one claimed person, and from one address.
const CLAIMS: u32 = 5;
const FROM_ONE_ADDRESS: u32 = 60;
/// Finding somebody takes this long, whether there is anybody or not.
const FLOOR: Duration = Duration::from_millis(600);

/// Somebody on their way.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Way {
    /// The NHS number, where the claim fitted somebody.
    number: Option<String>,
    /// The seal of the code; of a code that nobody was sent, where it did not.
    code: String,
    code_until: Option<Timestamp>,
    wrong: u32,
    /// The code was right.
    known: bool,
    choice: Option<bool>,
    reference: Option<String>,
}

/// The addresses.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(start))
        .route("/who", get(who).post(say_who))
        .route("/code", get(code).post(say_code))
        .route("/choice", get(choice).post(say_choice))
        .route("/check", get(check).post(confirm))
        .route("/done", get(done))
        .route("/letter", get(letter))
        .route("/history", get(history))
        .route("/leave", get(leave).post(leave))
        .route("/paper-form", get(paper_form))
        .route("/messages", get(messages))
}

async fn start(State(service): State<Shared>) -> Result<Response, Trouble> {
    draw(
        &service,
        "optout-start.html",
        "Choose if data about you is used for research and planning",
        None,
        false,
        shown! { purposes => PURPOSES },
    )
}

async fn paper_form(State(service): State<Shared>) -> Result<Response, Trouble> {
    draw(
        &service,
        "optout-form.html",
        "Paper form",
        None,
        false,
        shown! { purposes => PURPOSES },
    )
}

/// The way of this browser: its key, the secret of its forms, and how far it is.
struct On {
    key: String,
    csrf: String,
    way: Way,
}

impl On {
    /// The way of this browser, unless it ended.
    fn of(service: &Service, headers: &HeaderMap) -> Result<Self, Trouble> {
        let token = cookie(headers, COOKIE).ok_or(Trouble::ended())?;
        let key = digest(&token);
        let kept = service.store.kept(WAY, &key, service.clock.now())?;
        let way = kept
            .and_then(|text| serde_json::from_str(&text).ok())
            .ok_or(Trouble::ended())?;
        Ok(Self {
            csrf: service.keys.seal("csrf", &key),
            key,
            way,
        })
    }

    /// The same, once the code was right.
    fn known(
        service: &Service,
        headers: &HeaderMap,
    ) -> Result<(Self, NhsNumber, Registered), Trouble> {
        let on = Self::of(service, headers)?;
        let number = on.way.number.as_deref().filter(|_| on.way.known);
        let number = number
            .and_then(|text| NhsNumber::parse(text).ok())
            .ok_or(Trouble::ended())?;
        let person = service.store.person(number)?.ok_or(Trouble::ended())?;
        Ok((on, number, person))
    }

    fn guard(&self, service: &Service, given: &str) -> Result<(), Trouble> {
        if service.keys.is_seal("csrf", &self.key, given) {
            Ok(())
        } else {
            Err(Trouble::ended())
        }
    }

    fn keep(&self, service: &Service) -> Result<(), Trouble> {
        let now = service.clock.now();
        let text = serde_json::to_string(&self.way).map_err(|_| Trouble::unavailable())?;
        let until = now + SignedDuration::from_mins(MINUTES);
        Ok(service.store.keep(WAY, &self.key, &text, until, now)?)
    }
}

async fn who(State(service): State<Shared>, headers: HeaderMap) -> Result<Response, Trouble> {
    if let Ok(on) = On::of(&service, &headers) {
        return who_page(&service, &on.csrf, &Typed::default(), &[]);
    }
    let token = random_text().ok_or(Trouble::unavailable())?;
    let key = digest(&token);
    let on = On {
        csrf: service.keys.seal("csrf", &key),
        key,
        way: Way::default(),
    };
    on.keep(&service)?;
    let mut page = who_page(&service, &on.csrf, &Typed::default(), &[])?;
    let secure = service.config.base_url.starts_with("https://");
    if let Some(value) = set_cookie(COOKIE, Some(&token), secure) {
        page.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(page)
}

fn who_page(
    service: &Service,
    csrf: &str,
    typed: &Typed,
    errors: &[FieldError],
) -> Result<Response, Trouble> {
    let birth_error = errors.iter().any(|error| error.field == "birth-day");
    draw(
        service,
        "optout-who.html",
        "Who are you?",
        None,
        !errors.is_empty(),
        shown! { csrf, typed, errors, birth_error },
    )
}

async fn say_who(
    State(service): State<Shared>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Trouble> {
    let floor = tokio::time::Instant::now() + FLOOR;
    let mut on = On::of(&service, &headers)?;
    on.guard(&service, &typed.csrf)?;
    let today = service.clock.now().to_zoned(london()).date();
    let claim = match typed.claim(today) {
        Ok(claim) => claim,
        Err(errors) => return who_page(&service, &on.csrf, &typed, &errors),
    };
    if age_on(claim.birth_date, today) < 13 {
        let young = [FieldError {
            field: "birth-day",
            words: "Online is for people of 13 or over. For a child, phone us or use the paper form",
        }];
        return who_page(&service, &on.csrf, &typed, &young);
    }
    let asker = asker(&service, &headers);
    let answer = look_up(&service, &mut on, &claim, asker.as_deref());
    tokio::time::sleep_until(floor).await;
    answer?;
    Ok(see_other("/code"))
}

/// The address the proxy says, where the configuration names its header: the last one, which is the
/// proxy's own word.
fn asker(service: &Service, headers: &HeaderMap) -> Option<String> {
    let name = service.config.address_header.as_deref()?;
    let said = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    said.rsplit(',').next().map(|last| last.trim().to_owned())
}

/// Looks for the person, makes a code either way, and sends it where there is somebody to send it to.
fn look_up(
    service: &Service,
    on: &mut On,
    claim: &Claim,
    asker: Option<&str>,
) -> Result<(), Trouble> {
    let now = service.clock.now();
    let hour_ago = now - SignedDuration::from_hours(1);
    let by_claim = service.store.count_try(&claim.key(), hour_ago, now)?;
    let by_address = match asker {
        Some(asker) => {
            let address = digest(&format!("address {asker}"));
            service.store.count_try(&address, hour_ago, now)?
        }
        None => 0,
    };
    if by_claim > CLAIMS || by_address > FROM_ONE_ADDRESS {
        return Err(Trouble::throttled());
    }
    let found = claim
        .find(&service.store)?
        .filter(|person| may_online(person, service, now));
    let code = sessions::code().ok_or(Trouble::unavailable())?;
    let (way, to) = match &found {
        Some(person) if !person.mobile.is_empty() => ("text", person.mobile.as_str()),
        Some(person) if !person.email.is_empty() => ("email", person.email.as_str()),
        // The same writing is done where nobody is sent anything.
        _ => ("none", ""),
    };
    let words = if way == "none" {
        String::new()
    } else {
        format!(
            "{code} is your code for the national data opt-out. Nobody will ask you for it by phone. It can be used for {CODE_MINUTES} minutes."
        )
    };
    service
        .store
        .change(now, "online", "a code was asked for", |change| {
            change.post(way, to, &words, now)
        })?;
    on.way = Way {
        number: found.map(|person| person.nhs_number),
        code: service.keys.seal("code", &format!("{} {code}", on.key)),
        code_until: Some(now + SignedDuration::from_mins(CODE_MINUTES)),
        ..Way::default()
    };
    on.keep(service)
}

/// The rules say who may set it online.
fn may_online(person: &Registered, service: &Service, now: Timestamp) -> bool {
    let today = now.to_zoned(london()).date();
    let born = person.birth_date.parse().ok();
    accept_choice(&ChoiceRequest {
        setter: Some(Setter::Oneself),
        age_years: born.map(|born| age_on(born, today)),
        has_nhs_number: true,
        lacks_capacity: false,
        in_secure_setting: false,
        channel: Some(Channel::Online),
    })
    .is_accepted()
        && !service.config.phone.is_empty()
}

async fn code(State(service): State<Shared>, headers: HeaderMap) -> Result<Response, Trouble> {
    let on = On::of(&service, &headers)?;
    code_page(&service, &on, &[])
}

fn code_page(service: &Service, on: &On, errors: &[FieldError]) -> Result<Response, Trouble> {
    if on.way.code.is_empty() {
        return Err(Trouble::ended());
    }
    draw(
        service,
        "optout-code.html",
        "Enter the code",
        None,
        !errors.is_empty(),
        shown! { csrf => on.csrf, errors, minutes => CODE_MINUTES },
    )
}

#[derive(Deserialize)]
struct SaidCode {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    code: String,
}

async fn say_code(
    State(service): State<Shared>,
    headers: HeaderMap,
    Form(said): Form<SaidCode>,
) -> Result<Response, Trouble> {
    let mut on = On::of(&service, &headers)?;
    on.guard(&service, &said.csrf)?;
    let now = service.clock.now();
    let typed: String = said.code.chars().filter(char::is_ascii_digit).collect();
    let in_time = on.way.code_until.is_some_and(|until| now < until);
    let fits = service
        .keys
        .is_seal("code", &format!("{} {typed}", on.key), &on.way.code);
    if fits && in_time && on.way.wrong < WRONG_CODES && on.way.number.is_some() {
        on.way.known = true;
        on.way.code.clear();
        on.keep(&service)?;
        return Ok(see_other("/choice"));
    }
    on.way.wrong += 1;
    on.keep(&service)?;
    let words = if on.way.wrong >= WRONG_CODES || !in_time {
        "The code can no longer be used. Start again, or phone us"
    } else {
        "The code is not right. Check the message, or start again"
    };
    code_page(
        &service,
        &on,
        &[FieldError {
            field: "code",
            words,
        }],
    )
}

fn now_says(choices: &[Choice]) -> String {
    match choices.first() {
        None => "You have not made a choice. Data about you may be used.".to_owned(),
        Some(last) => {
            let what = if last.opted_out { "may not" } else { "may" };
            format!(
                "Data about you {what} be used. You chose this on {}.",
                day_in_words(last.at)
            )
        }
    }
}

async fn choice(State(service): State<Shared>, headers: HeaderMap) -> Result<Response, Trouble> {
    let (on, number, _) = On::known(&service, &headers)?;
    choice_page(&service, &on, number, &[])
}

fn choice_page(
    service: &Service,
    on: &On,
    number: NhsNumber,
    errors: &[FieldError],
) -> Result<Response, Trouble> {
    let now = now_says(&service.store.choices(number)?);
    let chosen = match on.way.choice {
        Some(true) => "out",
        Some(false) => "in",
        None => "",
    };
    draw(
        service,
        "optout-choice.html",
        "Your choice",
        None,
        !errors.is_empty(),
        shown! { csrf => on.csrf, errors, now, chosen, purposes => PURPOSES },
    )
}

#[derive(Deserialize)]
struct SaidChoice {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    choice: String,
}

async fn say_choice(
    State(service): State<Shared>,
    headers: HeaderMap,
    Form(said): Form<SaidChoice>,
) -> Result<Response, Trouble> {
    let (mut on, number, _) = On::known(&service, &headers)?;
    on.guard(&service, &said.csrf)?;
    on.way.choice = match said.choice.as_str() {
        "out" => Some(true),
        "in" => Some(false),
        _ => {
            let missing = [FieldError {
                field: "choice-in",
                words: "Say what you want to choose",
            }];
            return choice_page(&service, &on, number, &missing);
        }
    };
    on.keep(&service)?;
    Ok(see_other("/check"))
}

async fn check(State(service): State<Shared>, headers: HeaderMap) -> Result<Response, Trouble> {
    let (on, _, person) = On::known(&service, &headers)?;
    let Some(out) = on.way.choice else {
        return Ok(see_other("/choice"));
    };
    draw(
        &service,
        "optout-check.html",
        "Check your answer",
        None,
        false,
        shown! { csrf => on.csrf, out, name => person.name(), purposes => PURPOSES },
    )
}

#[derive(Deserialize)]
struct Confirmed {
    #[serde(default)]
    csrf: String,
}

async fn confirm(
    State(service): State<Shared>,
    headers: HeaderMap,
    Form(said): Form<Confirmed>,
) -> Result<Response, Trouble> {
    let (mut on, number, person) = On::known(&service, &headers)?;
    on.guard(&service, &said.csrf)?;
    // A form sent twice is one choice.
    if on.way.reference.is_some() {
        return Ok(see_other("/done"));
    }
    let opted_out = on.way.choice.ok_or(Trouble::ended())?;
    let reference = reference("N").ok_or(Trouble::unavailable())?;
    let now = service.clock.now();
    let letter = confirmation(&service.config, &person, opted_out, &reference, now, false);
    let choice = NewChoice {
        nhs_number: number,
        opted_out,
        reference: &reference,
        channel: "online",
        setter: "self",
        taken_by: "online",
    };
    service.store.change(
        now,
        "online",
        &format!("choice {reference} set online"),
        |change| {
            change.choose(&choice, now)?;
            change.post(
                "letter",
                &person.lines().join("\n"),
                &letter.to_string(),
                now,
            )
        },
    )?;
    on.way.reference = Some(reference);
    on.keep(&service)?;
    Ok(see_other("/done"))
}

async fn done(State(service): State<Shared>, headers: HeaderMap) -> Result<Response, Trouble> {
    let (on, number, _) = On::known(&service, &headers)?;
    let made = made(&service, &on, number)?;
    draw(
        &service,
        "optout-done.html",
        "Your choice has been saved",
        None,
        false,
        shown! {
            reference => made.reference, out => made.opted_out, day => day_in_words(made.at), csrf => on.csrf,
        },
    )
}

/// The choice that was made on this way.
fn made(service: &Service, on: &On, number: NhsNumber) -> Result<Choice, Trouble> {
    let choices = service.store.choices(number)?;
    let made = choices
        .into_iter()
        .find(|choice| Some(&choice.reference) == on.way.reference.as_ref());
    made.ok_or(Trouble::ended())
}

async fn letter(State(service): State<Shared>, headers: HeaderMap) -> Result<Response, Trouble> {
    let (on, number, person) = On::known(&service, &headers)?;
    let made = made(&service, &on, number)?;
    let data = confirmation(
        &service.config,
        &person,
        made.opted_out,
        &made.reference,
        made.at,
        false,
    );
    pdf(data, "choice.pdf").await
}

/// A letter as a file.
pub(super) async fn pdf(data: serde_json::Value, name: &str) -> Result<Response, Trouble> {
    let made = tokio::task::spawn_blocking(move || documents::pdf("letter.typ", &data)).await;
    let bytes = match made {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => {
            tracing::error!(%error, "a letter was not made");
            return Err(Trouble::unavailable());
        }
        Err(_) => return Err(Trouble::unavailable()),
    };
    let headers = [
        (header::CONTENT_TYPE, "application/pdf".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    Ok((StatusCode::OK, headers, bytes).into_response())
}

async fn history(State(service): State<Shared>, headers: HeaderMap) -> Result<Response, Trouble> {
    let (on, number, _) = On::known(&service, &headers)?;
    let choices = service.store.choices(number)?;
    let now = now_says(&choices);
    let rows: Vec<[String; 4]> = choices.iter().map(row_of).collect();
    draw(
        &service,
        "optout-history.html",
        "Your choices so far",
        None,
        false,
        shown! { now, rows, csrf => on.csrf },
    )
}

/// A choice in words: when, what, by which way, by whom.
pub(super) fn row_of(choice: &Choice) -> [String; 4] {
    let what = if choice.opted_out {
        "May not be used"
    } else {
        "May be used"
    };
    let way = match choice.channel.as_str() {
        "online" => "Online",
        "telephone" => "By phone",
        _ => "On paper",
    };
    let by = if choice.setter == "self" {
        "You"
    } else {
        "Somebody who acts for you"
    };
    [day_in_words(choice.at), what.into(), way.into(), by.into()]
}

/// Ends the way: nothing of it stays in the browser or here.
async fn leave(State(service): State<Shared>, headers: HeaderMap) -> Result<Response, Trouble> {
    if let Some(token) = cookie(&headers, COOKIE) {
        service.store.drop_kept(WAY, &digest(&token))?;
    }
    let mut response = see_other("/");
    let secure = service.config.base_url.starts_with("https://");
    if let Some(value) = set_cookie(COOKIE, None, secure) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// The demonstration's phone and post box: what would have gone out by text or email.
async fn messages(State(service): State<Shared>) -> Result<Response, Trouble> {
    if !service.config.demo {
        return Err(Trouble::not_found());
    }
    let sent = service.store.messages(None, 100)?;
    let rows: Vec<[String; 4]> = sent
        .into_iter()
        .filter(|message| matches!(message.way.as_str(), "text" | "email"))
        .map(|message| {
            let time = message.at.to_zoned(london()).strftime("%H:%M").to_string();
            [time, message.way, message.address, message.body]
        })
        .collect();
    draw(
        &service,
        "optout-messages.html",
        "Messages that would be sent",
        None,
        false,
        shown! { rows },
    )
}
