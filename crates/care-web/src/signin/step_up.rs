//! Confirming who somebody is before something grave: opening protected information, disclosing, and
//! changing who has access. A sign-in or confirmation of a few minutes ago is enough.
//!
//! Source: OpenID Connect Core 3.1.2.1 (`max_age`, `acr_values`), RFC 9470.

use axum::extract::{Path, State};
use axum::response::Response;

use super::oidc::{self, StepUp};
use super::session::Session;
use crate::components::{Frame, Head, page, see_other, shown};
use crate::problem::Problem;
use crate::state::{AppState, Shared};

/// Which forms need it, by the beginning of the address, and what they do.
const NEEDED: [(&str, &str); 7] = [
    ("/staff/emergency/", "open protected information"),
    ("/ig/disclosures", "work on a disclosure"),
    ("/ig/extracts", "work on an extract"),
    ("/ig/seals", "change what is sealed"),
    ("/ig/staff", "change somebody’s access"),
    ("/ops/", "change how Connect Care runs"),
    ("/integration/matching", "change whose record is whose"),
];
/// A sealed item is opened within a visit.
const SEALED: &str = "/sealed";

/// What a form at this address does, where it needs a confirmation.
pub(super) fn what(path: &str) -> Option<&'static str> {
    if path.starts_with("/staff/record/") && path.ends_with(SEALED) {
        return Some("open sealed information");
    }
    NEEDED
        .iter()
        .find(|(begin, _)| path.starts_with(begin))
        .map(|(_, what)| *what)
}

impl AppState {
    /// The user must confirm who they are before this form is taken.
    pub(super) fn must_confirm(&self, session: &Session, path: &str) -> bool {
        let minutes = jiff::SignedDuration::from_mins(self.config.signin.step_up.minutes);
        let until = session.confirmed.saturating_add(minutes);
        what(path).is_some() && until.is_ok_and(|until| until < self.clock.now())
    }
}

/// `GET /staff/step-up/{id}`: says why, and that nothing is lost.
pub async fn show(
    State(state): State<Shared>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let Some(form) = state.kept_form(&session.user.id, &id) else {
        return Ok(see_other("/staff/find?notice=ended"));
    };
    let shown = shown! {
        id,
        what => what(&form.path).unwrap_or("go on"),
        minutes => state.config.signin.step_up.minutes,
    };
    let head = Head::new("Confirm that it is you", "login");
    page("step-up.html", &head, Some(&Frame::of(&session)), shown)
}

/// `GET /staff/step-up/{id}/start`: off to the identity provider, which asks again.
pub async fn start(
    State(state): State<Shared>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    if state.kept_form(&session.user.id, &id).is_none() {
        return Ok(see_other("/staff/find?notice=ended"));
    }
    let step_up = StepUp {
        key: session.key.clone(),
        user: session.user.id.clone(),
    };
    oidc::begin(&state, format!("/staff/kept/{id}"), Some(step_up)).await
}

#[cfg(test)]
mod tests {
    use super::what;

    #[test]
    fn what_is_grave_is_named_and_what_is_ordinary_is_not() {
        for path in [
            "/staff/emergency/AB",
            "/ig/disclosures/new",
            "/ig/staff/x",
            "/staff/record/AB/item/CD/sealed",
        ] {
            assert!(what(path).is_some(), "{path}");
        }
        for path in [
            "/staff/find",
            "/staff/confirm/AB",
            "/staff/record/AB/close",
            "/me/choices",
            "/staff/logout",
        ] {
            assert!(what(path).is_none(), "{path}");
        }
    }
}
