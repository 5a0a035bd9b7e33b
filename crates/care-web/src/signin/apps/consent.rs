//! The page on which somebody lets an app read for them, in plain words; and the list of what they allowed,
//! where they stop it. Nothing is chosen beforehand that they cannot take away.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use care_core::fhir::ResourceType;
use care_core::vocabulary::{NhsNumber, Role};
use care_record::{AppKeep, AppKept, AppStep, DisclosureError, FhirAsk, Stated};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::authorize::{Ask, back};
use super::client::Fields;
use super::exchange::{Code, code_times, end_grant};
use super::{App, Grant, grants_of};
use crate::components::{Frame, Head, page, see_other, shown};
use crate::config::UsedBy;
use crate::problem::Problem;
use crate::signin::claims::Profile;
use crate::signin::scopes::Scopes;
use crate::signin::{Session, digest_of, random_text};
use crate::state::Shared;
use crate::telemetry::PageContext;

/// What is asked for, as a line to tick.
#[derive(Serialize)]
struct Line {
    name: String,
    words: String,
    /// Whether it stands ticked: at first all do; after a mistake, those that were.
    ticked: bool,
}

/// Who looks, for the frame of the public's pages.
#[derive(Serialize)]
struct Own {
    user: String,
    csrf: String,
    person: &'static str,
    acting_for: bool,
    settled: bool,
}

/// Something wrong with a field of the form.
#[derive(Serialize)]
struct FieldError {
    field: &'static str,
    words: &'static str,
}

/// The person an app may read about: NHS number and id.
type Subject = (String, String);

/// `GET /apps/allow/{id}`.
pub async fn show(
    State(state): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    match reached(&state, &headers, &id).await? {
        Ok((session, ask)) => draw(&state, &session, &id, &ask, None),
        Err(elsewhere) => Ok(elsewhere),
    }
}

/// The session and the request, or where to go first.
async fn reached(
    state: &Shared,
    headers: &HeaderMap,
    id: &str,
) -> Result<Result<(Session, Ask), Response>, Problem> {
    let gone = || {
        Problem::new(
            axum::http::StatusCode::NOT_FOUND,
            "not-found",
            "This request is no longer there",
            "It was answered, or is older than ten minutes. Go back to the app and begin again.",
        )
    };
    let ask = state.signin.apps.asks.get(id, state.clock.now());
    let ask = ask.ok_or_else(gone)?;
    let app = state.signin.apps.get(&ask.app).ok_or_else(gone)?;
    let Some(session) = state.session(headers).await? else {
        let login = match app.entry.used_by {
            UsedBy::Patients => "/me/login",
            UsedBy::Staff => "/staff/login",
        };
        return Ok(Err(see_other(&format!("{login}?next=/apps/allow/{id}"))));
    };
    let is_staff = !matches!(session.user.role, Role::Patient | Role::Proxy);
    match app.entry.used_by {
        UsedBy::Patients if session.user.role == Role::Patient => {}
        UsedBy::Staff if is_staff => {}
        UsedBy::Patients if session.user.role == Role::Proxy => {
            return Err(Problem::forbidden(
                "This app cannot be connected for somebody else",
                "You act for another person. An app can be connected to your own record only.",
            ));
        }
        UsedBy::Patients => {
            return Err(Problem::forbidden(
                "This app is for patients",
                "You are logged in as staff. Log out, then log in as a patient.",
            ));
        }
        UsedBy::Staff => {
            return Err(Problem::forbidden(
                "This app is for staff",
                "You are logged in as a patient. Nothing was connected.",
            ));
        }
    }
    if ask
        .opened_by
        .as_ref()
        .is_some_and(|user| *user != session.user.id)
    {
        return Err(Problem::forbidden(
            "Somebody else opened this app",
            "Open the app again from your own page.",
        ));
    }
    if !session.is_proved() {
        return Ok(Err(see_other("/me/prove")));
    }
    Ok(Ok((session, ask)))
}

fn draw(
    state: &Shared,
    session: &Session,
    id: &str,
    ask: &Ask,
    error: Option<(&FieldError, &Fields)>,
) -> Result<Response, Problem> {
    let app = state
        .signin
        .apps
        .get(&ask.app)
        .ok_or_else(Problem::not_found)?;
    let staff = app.entry.used_by == UsedBy::Staff;
    let errors: Vec<&FieldError> = error.iter().map(|(error, _)| *error).collect();
    let sent = |name: &str| {
        let value = error.map(|(_, fields)| fields.get(name));
        value.unwrap_or_default().to_owned()
    };
    let (number, reason) = (sent("nhs-number"), sent("reason"));
    let mut lines = lines(&ask.scopes);
    if let Some((_, fields)) = error {
        for line in &mut lines {
            line.ticked = !fields.get(&line.name).is_empty();
        }
    }
    let identity = ["openid", "fhirUser", "profile"]
        .iter()
        .any(|name| ask.scopes.has(name));
    let lasts = lasts(state, app, &ask.scopes);
    let (name, run_by) = (&app.entry.name, &app.entry.run_by);
    let layout = if staff {
        "frame.html"
    } else {
        "public-frame.html"
    };
    let own = Own {
        user: session.user.name.clone(),
        csrf: session.csrf.clone(),
        person: "",
        acting_for: false,
        settled: true,
    };
    let content = &state.content;
    let csrf = &session.csrf;
    let head = Head::new("Connect an app", "").with_error(error.is_some());
    let shown = shown! {
        layout, own, content, csrf, id, staff, name, run_by, lines, identity, lasts, errors, number, reason
    };
    let frame = staff.then(|| Frame::of(session));
    let mut response = page("app-allow.html", &head, frame.as_ref(), shown)?;
    // The form's answer leads to the app: a browser lets it go only where this says.
    let to = match ask.redirect_uri.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => {
            let host = rest.split(['/', '?']).next().unwrap_or_default();
            format!("{scheme}://{host}")
        }
        _ => {
            let scheme = ask.redirect_uri.split(':').next().unwrap_or_default();
            format!("{scheme}:")
        }
    };
    let policy = crate::serve::policy(&PageContext::current().nonce, &to);
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// Until when the app may go on, in words.
fn lasts(state: &Shared, app: &App, scopes: &Scopes) -> String {
    if scopes.has("offline_access") {
        format!(
            "For {} days, also while you are not using it. You can stop it at any time.",
            app.entry.offline_days
        )
    } else if scopes.has("online_access") {
        "Until you log out of Connect Care.".to_owned()
    } else {
        let minutes = (state.config.tokens.lifetime_seconds + 59) / 60;
        format!("For {minutes} minutes.")
    }
}

fn lines(scopes: &Scopes) -> Vec<Line> {
    let words = |(kind, _, _, query): (Option<ResourceType>, bool, bool, Option<&str>)| {
        let what = match kind {
            None => "Everything in the record that you can see yourself".to_owned(),
            Some(kind) => plain(kind.name()),
        };
        match query {
            Some(query) => format!("{what}, only {}", condition(query)),
            None => what,
        }
    };
    scopes
        .spoken()
        .enumerate()
        .map(|(place, one)| Line {
            name: format!("scope-{place}"),
            words: words(one),
            ticked: true,
        })
        .collect()
}

/// What a type is called on a page.
fn plain(kind: &str) -> String {
    let words = match kind {
        "AllergyIntolerance" => "Allergies",
        "Appointment" => "Appointments",
        "CarePlan" => "Care plans",
        "Condition" => "Health problems",
        "Consent" => "Your choices",
        "DiagnosticReport" => "Test reports",
        "DocumentReference" => "Letters and documents",
        "Encounter" => "Visits to hospitals, clinics and practices",
        "Immunization" => "Vaccinations",
        "MedicationRequest" => "Medicines that were prescribed",
        "MedicationStatement" => "Medicines that are taken",
        "Observation" => "Test results and measurements",
        "Patient" => "Name, birth date, address and phone number",
        "Procedure" => "Operations and other procedures",
        other => {
            let mut words = String::new();
            for letter in other.chars() {
                if letter.is_uppercase() && !words.is_empty() {
                    words.push(' ');
                    words.extend(letter.to_lowercase());
                } else {
                    words.push(letter);
                }
            }
            return words;
        }
    };
    words.to_owned()
}

/// `category=http://…|laboratory` as "those of the category laboratory".
fn condition(query: &str) -> String {
    let parts = form_urlencoded::parse(query.as_bytes()).map(|(name, value)| {
        let values: Vec<&str> = value
            .split(',')
            .map(|one| one.rsplit('|').next().unwrap_or_default())
            .collect();
        let values = values.join(" or ").replace('-', " ");
        let name = name.replace(['-', ':'], " ");
        format!("those of the {name} {values}")
    });
    parts.collect::<Vec<_>>().join(" and ")
}

/// `POST /apps/allow/{id}`.
pub async fn answer(
    State(state): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let (session, ask) = match reached(&state, &headers, &id).await? {
        Ok(found) => found,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let fields = Fields::read(&body)
        .map_err(|_| Problem::invalid("This form cannot be read", "Go back and send it again."))?;
    if fields.get("answer") != "allow" {
        state.signin.apps.asks.take(&id, state.clock.now());
        return Ok(back(
            &state,
            &ask.redirect_uri,
            &ask.state,
            &[
                ("error", "access_denied"),
                ("error_description", "the person did not allow this"),
            ],
        ));
    }
    let chosen = chosen(&ask.scopes, &fields);
    let again = |error: FieldError| draw(&state, &session, &id, &ask, Some((&error, &fields)));
    if chosen.spoken().next().is_none() {
        return again(FieldError {
            field: "scope-0",
            words: "Choose what the app may read, or do not allow it",
        });
    }
    let app = state
        .signin
        .apps
        .get(&ask.app)
        .ok_or_else(Problem::not_found)?;
    let staff = app.entry.used_by == UsedBy::Staff;
    let stated = match stated(staff, &fields) {
        Ok(stated) => stated,
        Err(error) => return again(error),
    };
    let subject = match subject(&state, &session, staff, &fields, &stated).await? {
        Ok(subject) => subject,
        Err(error) => return again(error),
    };
    let Some(ask) = state.signin.apps.asks.take(&id, state.clock.now()) else {
        return Ok(see_other(&format!("/apps/allow/{id}")));
    };
    allow(&state, &session, app, ask, chosen, stated, subject).await
}

/// The scopes whose line stayed ticked, and those that are no lines.
fn chosen(asked: &Scopes, fields: &Fields) -> Scopes {
    let all = asked.to_string();
    let words = all.split(' ');
    let mut line = 0;
    let kept = words.filter(|word| {
        if Scopes::read(word).spoken().next().is_none() {
            return true;
        }
        line += 1;
        !fields.get(&format!("scope-{}", line - 1)).is_empty()
    });
    Scopes::read(&kept.collect::<Vec<_>>().join(" "))
}

fn stated(staff: bool, fields: &Fields) -> Result<Stated, FieldError> {
    let (purpose, permission) = match (staff, fields.get("reason")) {
        (false, _) => ("self_view", "not_applicable"),
        (true, "permission-today") => ("direct_care", "given"),
        (true, "not-present") => ("direct_care", "not_present"),
        _ => {
            return Err(FieldError {
                field: "reason-permission-today",
                words: "Say why you need to see this record",
            });
        }
    };
    Ok(Stated {
        purpose: purpose.to_owned(),
        permission: Some(permission.to_owned()),
        break_glass: None,
        case: None,
    })
}

/// Whose record it is about: found through the rules, so that nobody connects an app to a record they may
/// not see.
async fn subject(
    state: &Shared,
    session: &Session,
    staff: bool,
    fields: &Fields,
    stated: &Stated,
) -> Result<Result<Subject, FieldError>, Problem> {
    let number = if staff {
        NhsNumber::parse(fields.get("nhs-number")).ok()
    } else {
        session.user.own_number
    };
    let no = |words| FieldError {
        field: "nhs-number",
        words,
    };
    let Some(number) = number else {
        return Ok(Err(no("Enter the NHS number, like 999 000 0018")));
    };
    let (door, caller) = (state.record.disclosure(), session.caller());
    let ask = FhirAsk {
        stated: stated.clone(),
        only_person: Some(number),
    };
    let found = crate::blocking(move || door.fhir_find(&caller, &ask, number)).await?;
    match found {
        Ok(found) => Ok(match found.into_inner() {
            Some(patient) => Ok((number.digits(), patient.id)),
            None => Err(no("Not available through Connect Care")),
        }),
        Err(DisclosureError::Refused(_) | DisclosureError::NotThere) => {
            Ok(Err(no("Not available through Connect Care")))
        }
        Err(DisclosureError::TooManyTries { minutes }) => Err(Problem::too_many(
            "Many NHS numbers of nobody were asked for in the last hour.",
            minutes,
        )),
        Err(other) => Err(Problem::unavailable(other)),
    }
}

async fn allow(
    state: &Shared,
    session: &Session,
    app: &App,
    ask: Ask,
    scopes: Scopes,
    stated: Stated,
    subject: Subject,
) -> Result<Response, Problem> {
    let now = state.clock.now();
    let offline = scopes.has("offline_access");
    let days = i64::from(app.entry.offline_days) * 24;
    let until = if offline {
        now.saturating_add(SignedDuration::from_hours(days))
            .unwrap_or(now)
    } else {
        session.ends
    };
    let same = |one: &&Profile| {
        one.role == session.user.role.code()
            && one.organisation == session.user.organisation.to_string()
    };
    let profile = session.identity.profiles.iter().find(same).cloned();
    let profile = profile.ok_or_else(Problem::not_found)?;
    let grant = Grant {
        app: app.entry.id.clone(),
        identity: session.identity.clone(),
        profile,
        scope: scopes.to_string(),
        patient: Some(subject),
        purpose: stated.purpose,
        permission: stated.permission.unwrap_or_default(),
        since: now,
        until,
        session: (!offline).then(|| session.key.clone()),
        authenticated: session.confirmed,
    };
    let key = format!("{}{}", grants_of(&session.user.id), random_text()?);
    let code = random_text()?;
    let (good_until, kept_until) = code_times(now);
    let kept_code = Code {
        app: app.entry.id.clone(),
        grant: key.clone(),
        redirect_uri: ask.redirect_uri.clone(),
        challenge: ask.challenge,
        nonce: ask.nonce,
        good_until,
    };
    let json = |value: serde_json::Result<Vec<u8>>| value.map_err(Problem::unavailable);
    let keep = |what, key, value, until| AppKeep {
        what,
        key,
        value: Some(value),
        until,
    };
    let keeps = vec![
        keep(
            AppKept::Grant,
            key,
            json(serde_json::to_vec(&grant))?,
            until,
        ),
        keep(
            AppKept::Code,
            digest_of(&code),
            json(serde_json::to_vec(&kept_code))?,
            kept_until,
        ),
    ];
    let (sessions, who) = (state.sessions.clone(), session.user.id.clone());
    let detail = format!("app {}: allowed, scope {scopes}", app.entry.id);
    crate::blocking(move || {
        let step = AppStep {
            who: &who,
            detail: &detail,
            ends: false,
        };
        sessions.keep_app(keeps, step)
    })
    .await?
    .map_err(Problem::unavailable)?;
    Ok(back(
        state,
        &ask.redirect_uri,
        &ask.state,
        &[("code", code.as_str())],
    ))
}

/// One app that may read, on the list.
#[derive(Serialize)]
struct Allowed {
    key: String,
    name: String,
    run_by: String,
    words: Vec<String>,
    since: String,
    until: String,
}

#[derive(Serialize)]
struct ToOpen {
    id: String,
    name: String,
    run_by: String,
}

/// `GET /apps`: what the user allowed, and the apps that can be opened from here.
pub async fn list(State(state): State<Shared>, session: Session) -> Result<Response, Problem> {
    let (sessions, prefix) = (state.sessions.clone(), grants_of(&session.user.id));
    let kept = crate::blocking(move || sessions.apps_kept(AppKept::Grant, &prefix))
        .await?
        .map_err(Problem::unavailable)?;
    let now = state.clock.now();
    let allowed: Vec<Allowed> = kept
        .iter()
        .filter_map(|(key, bytes)| {
            let grant: Grant = serde_json::from_slice(bytes).ok()?;
            let entry = &state.signin.apps.get(&grant.app)?.entry;
            (grant.until > now).then(|| Allowed {
                key: key.clone(),
                name: entry.name.clone(),
                run_by: entry.run_by.clone(),
                words: lines(&Scopes::read(&grant.scope))
                    .into_iter()
                    .map(|line| line.words)
                    .collect(),
                since: day(grant.since),
                until: until_words(&grant),
            })
        })
        .collect();
    let staff = !matches!(session.user.role, Role::Patient | Role::Proxy);
    let used_by = if staff {
        UsedBy::Staff
    } else {
        UsedBy::Patients
    };
    let open: Vec<ToOpen> = state
        .signin
        .apps
        .to_open(used_by)
        .map(|app| ToOpen {
            id: app.entry.id.clone(),
            name: app.entry.name.clone(),
            run_by: app.entry.run_by.clone(),
        })
        .collect();
    let layout = if staff {
        "frame.html"
    } else {
        "public-frame.html"
    };
    let own = Own {
        user: session.user.name.clone(),
        csrf: session.csrf.clone(),
        person: "",
        acting_for: false,
        settled: true,
    };
    let (content, csrf) = (&state.content, &session.csrf);
    let frame = staff.then(|| Frame::of(&session));
    page(
        "apps.html",
        &Head::new("Connected apps", ""),
        frame.as_ref(),
        shown! { layout, own, content, csrf, staff, allowed, open },
    )
}

fn until_words(grant: &Grant) -> String {
    match grant.session {
        Some(_) => "Until you log out".to_owned(),
        None => format!("Until {}", day(grant.until)),
    }
}

/// `2 October 2026`.
fn day(at: Timestamp) -> String {
    let local = at.to_zoned(jiff::tz::get!("Europe/London"));
    local.strftime("%-d %B %Y").to_string()
}

/// `POST /apps/stop`: takes back what the user allowed.
pub async fn stop(
    State(state): State<Shared>,
    session: Session,
    body: Bytes,
) -> Result<Response, Problem> {
    let fields = Fields::read(&body).map_err(|_| Problem::not_found())?;
    let key = fields.get("key");
    if !key.starts_with(&grants_of(&session.user.id)) {
        return Err(Problem::not_found());
    }
    end_grant(&state, key, &session.user.id, "app: the user stopped it").await?;
    Ok(see_other("/apps"))
}

/// `POST /apps/open`: to the app, in the user's context (EHR launch).
pub async fn open(
    State(state): State<Shared>,
    session: Session,
    body: Bytes,
) -> Result<Response, Problem> {
    let fields = Fields::read(&body).map_err(|_| Problem::not_found())?;
    let staff = !matches!(session.user.role, Role::Patient | Role::Proxy);
    let used_by = if staff {
        UsedBy::Staff
    } else {
        UsedBy::Patients
    };
    let app = state.signin.apps.get(fields.get("app"));
    let app = app.filter(|app| app.entry.used_by == used_by);
    let app = app.ok_or_else(Problem::not_found)?;
    let address = state.open_app(app, &session.user.id)?;
    let address = address.ok_or_else(Problem::not_found)?;
    // A page of its own: the form may lead to our own addresses only.
    let name = &app.entry.name;
    let layout = if staff {
        "frame.html"
    } else {
        "public-frame.html"
    };
    let own = Own {
        user: session.user.name.clone(),
        csrf: session.csrf.clone(),
        person: "",
        acting_for: false,
        settled: true,
    };
    let content = &state.content;
    let frame = staff.then(|| Frame::of(&session));
    page(
        "app-open.html",
        &Head::new(format!("Open {name}"), ""),
        frame.as_ref(),
        shown! { layout, own, content, name, address },
    )
}
