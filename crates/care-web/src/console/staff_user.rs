//! G9 one staff user: roles, last log-in, looks, flags; and "Suspend access".

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use care_core::review::Kind;
use care_core::sections::When;
use care_core::vocabulary::Role;
use care_record::{By, Case, CaseFilter, Sort, StaffMember};
use serde::{Deserialize, Serialize};

use super::{Asked, allowed, draw_form, guard, kind_title, state_title};
use crate::components::{see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// A flagged look.
#[derive(Serialize)]
struct Flagged {
    number: u64,
    what: String,
    when: When,
    state: String,
}

/// `GET /ig/staff/{id}`.
pub(super) async fn show(
    State(state): State<Shared>,
    session: Session,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    draw_user(&state, &session, id, &asked.done, "").await
}

async fn draw_user(
    state: &Shared,
    session: &Session,
    id: String,
    done: &str,
    error: &str,
) -> Result<Response, Problem> {
    let (record, caller, wanted) = (state.record.clone(), session.caller(), id.clone());
    let read = move || -> Result<(Option<StaffMember>, Vec<Case>), Problem> {
        let member = record.reviews().staff(&wanted);
        let member = member.map_err(Problem::unavailable)?;
        let filter = CaseFilter {
            about: Some(wanted),
            sort: Sort::Newest,
            limit: 50,
            ..CaseFilter::default()
        };
        let cases = record.casework().list(&caller, &filter);
        Ok((member, cases.map_err(super::failed)?))
    };
    let (member, cases) = crate::blocking(read).await??;
    let held = state.record.staff().user_by_name(&id);
    if member.is_none() && held.is_none() {
        return Err(Problem::not_found());
    }
    let roles: Vec<(String, String)> = match (&held, &member) {
        (Some(user), _) => state
            .record
            .staff()
            .roles_of(user)
            .iter()
            .map(|one| (one.role.title().to_owned(), one.organisation.to_string()))
            .collect(),
        (None, Some(member)) => {
            let role = Role::from_code(&member.role).map_or("", Role::title);
            vec![(role.to_owned(), member.organisation.clone())]
        }
        (None, None) => Vec::new(),
    };
    let suspended = held
        .as_ref()
        .and_then(|user| user.suspended.as_ref())
        .map(|one| (When::moment(one.at), one.by.clone(), one.why.clone()));
    let flagged: Vec<Flagged> = cases
        .iter()
        .filter(|case| Kind::from_code(&case.kind).is_some())
        .map(|case| Flagged {
            number: case.number,
            what: kind_title(&case.kind),
            when: When::moment(case.text("at").parse().unwrap_or(case.opened_at)),
            state: state_title(&case.state),
        })
        .collect();
    let name = match (&member, &held) {
        (Some(member), _) => member.name.clone(),
        (None, Some(user)) => user.details.name.clone(),
        (None, None) => id.clone(),
    };
    let own = id == session.user.id;
    let last = member.as_ref().map(|one| When::moment(one.signed_in_at));
    let kept = !done.is_empty();
    let encoded = encoded(&id);
    draw_form(
        session,
        "ig-staff.html",
        "Staff user",
        "ig-audit",
        !error.is_empty(),
        shown! { id, encoded, name, roles, suspended, flagged, last, own, kept, error },
    )
}

/// A user's id as it stands in an address.
pub(super) fn encoded(id: &str) -> String {
    form_urlencoded::byte_serialize(id.as_bytes()).collect()
}

/// What is done with a user's access, and why.
#[derive(Deserialize)]
pub(super) struct Access {
    #[serde(default)]
    step: String,
    #[serde(default)]
    why: String,
}

/// `POST /ig/staff/{id}`: suspend access, or give it back.
pub(super) async fn access(
    State(state): State<Shared>,
    session: Session,
    Path(id): Path<String>,
    Form(access): Form<Access>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    if id == session.user.id {
        let words = "Somebody else suspends your own access or gives it back";
        return draw_user(&state, &session, id, "", words).await;
    }
    if access.why.trim().is_empty() {
        return draw_user(&state, &session, id, "", "Say why").await;
    }
    let (record, by, user) = (
        state.record.clone(),
        By::from(&session.caller()),
        id.clone(),
    );
    let done = crate::blocking(move || match access.step.as_str() {
        "lift" => record.staff().lift(&user, &access.why, &by),
        _ => record.staff().suspend(&user, &access.why, &by),
    })
    .await?;
    done.map_err(Problem::unavailable)?;
    Ok(see_other(&format!("/ig/staff/{}?done=kept", encoded(&id))))
}
