//! The frame every page stands in.
//!
//! Source: the screen design, section 4: header, service navigation, banner, menu, main, footer.

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use minijinja::{Value, context};
use serde::Serialize;

use super::{draw, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::telemetry::PageContext;

/// What the head of a page says. No name and nothing about the person: titles show on shared screens.
#[derive(Debug, Clone, Serialize)]
pub struct Head {
    /// "Medicines"; the frame adds "– Connect Care".
    pub title: String,
    /// The form has errors: the title begins "Error: ".
    pub error: bool,
    /// The entry of the service navigation that is current: "find", "recent", "access",
    /// "governance", "help".
    pub here: &'static str,
}

impl Head {
    /// A page of this title.
    pub fn new(title: impl Into<String>, here: &'static str) -> Self {
        Self {
            title: title.into(),
            error: false,
            here,
        }
    }

    /// The same with errors in its form.
    #[must_use]
    pub fn with_error(mut self, error: bool) -> Self {
        self.error = error;
        self
    }
}

/// Who looks, for the header and the forms.
#[derive(Debug, Clone, Serialize)]
pub struct Frame {
    name: String,
    role: &'static str,
    organisation: String,
    csrf: String,
    may_change_role: bool,
    /// Where the governance console begins for this role.
    governance: Option<&'static str>,
}

impl Frame {
    /// The frame of a signed-in user.
    pub fn of(session: &Session) -> Self {
        Self {
            name: session.user.name.clone(),
            role: session.user.role.title(),
            organisation: session.organisation.name.clone(),
            csrf: session.csrf.clone(),
            may_change_role: session.has_other_roles(),
            governance: crate::console::home_of(session.user.role),
        }
    }
}

/// A page: its template, its head, who looks (nobody on the log-in page) and what it shows. The
/// security headers are set around every request, under the same nonce.
pub fn page(
    template: &str,
    head: &Head,
    frame: Option<&Frame>,
    with: Value,
) -> Result<Response, Problem> {
    let nonce = PageContext::current().nonce;
    let body = draw(
        template,
        context! { ..shown!{ head, frame, nonce }, ..with },
    )?;
    Ok(Html(body).into_response())
}

/// After a form: look at this address next.
pub fn see_other(address: &str) -> Response {
    (
        StatusCode::SEE_OTHER,
        [(header::LOCATION, address.to_owned())],
    )
        .into_response()
}
