//! Pages C1 (log in) and C1b (choose a role), and the demonstration's list of users. Plain HTML:
//! every task works without a script.

use axum::extract::{Query, State};
use axum::response::Response;
use care_core::vocabulary::{OdsCode, Role};
use serde::{Deserialize, Serialize};

use super::claims::Profile;
use super::demo_identity::{Asked, DemoUser};
use super::session::{Session, is_own_path};
use crate::components::{Frame, Head, page, shown};
use crate::problem::Problem;
use crate::state::{AppState, Shared};

/// How the page was reached.
#[derive(Deserialize)]
pub struct Reached {
    next: Option<String>,
    out: Option<String>,
}

/// Whether the service works, in words.
#[derive(Serialize)]
struct Status {
    code: &'static str,
    words: &'static str,
}

/// `GET /staff/login`.
pub async fn login(
    State(state): State<Shared>,
    Query(reached): Query<Reached>,
) -> Result<Response, Problem> {
    let next = reached
        .next
        .filter(|path| is_own_path(path))
        .unwrap_or_else(|| "/".to_owned());
    let for_patients = next == "/me" || next.starts_with("/me/");
    let notice = match (reached.out.is_some(), next.as_str()) {
        (true, _) => "You have logged out.",
        (false, "/" | "/me") => "",
        (false, _) => {
            "Log in to go on. If you were logged in before, your time has run out, or you logged out."
        }
    };
    let title = if for_patients {
        "Log in to see your Connect Care record"
    } else {
        "Log in to Connect Care"
    };
    let shown = shown! {
        next, notice, for_patients,
        status => status(&state).await,
        help_phone => state.config.server.help_phone,
    };
    page("login.html", &Head::new(title, "login"), None, shown)
}

/// What the line on the log-in page says: read as a page of the record reads, so it is not a promise.
async fn status(state: &Shared) -> Status {
    let operations = state.record.operations();
    let health = crate::blocking(move || operations.health()).await;
    match health {
        Ok(Ok(health)) if health.writable => Status {
            code: "working",
            words: "Connect Care is working.",
        },
        Ok(Ok(health)) if health.on_reserve => Status {
            code: "late",
            words: "Connect Care is working, but new information may be late.",
        },
        _ => Status {
            code: "not-working",
            words: "Connect Care is not working at the moment. You may not be able to open records.",
        },
    }
}

/// One role of page C1b.
#[derive(Serialize)]
struct Choice {
    id: String,
    role: &'static str,
    organisation: String,
    chosen: bool,
}

pub(super) fn role(
    state: &AppState,
    profiles: &[Profile],
    session: Option<&Session>,
    csrf: &str,
) -> Result<Response, Problem> {
    let choice = |(place, profile): (usize, &Profile)| {
        let organisation = OdsCode::parse(&profile.organisation)
            .ok()
            .and_then(|code| {
                state
                    .directory
                    .organisation(&code)
                    .map(|one| one.name.clone())
            })
            .unwrap_or_default();
        let chosen = match session {
            Some(session) => {
                session.user.role.code() == profile.role
                    && session.user.organisation.as_str() == profile.organisation
            }
            None => place == 0,
        };
        Choice {
            id: profile.id.clone(),
            role: Role::from_code(&profile.role).map_or("", Role::title),
            organisation,
            chosen,
        }
    };
    let shown = shown! {
        csrf,
        profiles => profiles.iter().enumerate().map(choice).collect::<Vec<Choice>>(),
    };
    let head = Head::new("Choose your role", "role");
    page("role.html", &head, session.map(Frame::of).as_ref(), shown)
}

/// The users of one organisation.
#[derive(Serialize)]
struct Group<'a> {
    organisation: &'a str,
    users: Vec<Listed<'a>>,
}

/// One user of the demonstration.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    name: &'a str,
    job: &'a str,
    /// May also sign in without having proved who they are.
    person: bool,
}

/// The demonstration's identity provider asks who you are.
pub(super) fn demo_users(users: &[DemoUser], asked: &Asked) -> Result<Response, Problem> {
    let mut groups: Vec<Group> = Vec::new();
    for user in users {
        let listed = Listed {
            id: &user.id,
            name: &user.name,
            job: &user.job,
            person: !user.is_staff(),
        };
        let organisation = match (&user.own_number, user.family_numbers.is_empty()) {
            (None, true) => user.organisation_name.as_str(),
            _ => "Patients and carers",
        };
        match groups
            .iter_mut()
            .find(|group| group.organisation == organisation)
        {
            Some(group) => group.users.push(listed),
            None => groups.push(Group {
                organisation,
                users: vec![listed],
            }),
        }
    }
    let shown = shown! { groups, fields => asked.fields().collect::<Vec<_>>() };
    let head = Head::new("Demonstration: who are you today?", "login");
    page("demo-users.html", &head, None, shown)
}
