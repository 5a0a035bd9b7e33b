//! How the service's pages are drawn, and what it says when something is wrong.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use minijinja::{Value, context};
use serde::Serialize;

use super::Service;
use super::store::StoreError;
use crate::components::{Head, page, shown};
use crate::telemetry;

/// Something a person must be told.
#[derive(Debug)]
pub struct Trouble {
    status: StatusCode,
    title: &'static str,
    text: &'static str,
}

impl Trouble {
    /// There is nothing at this address.
    pub fn not_found() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            title: "Page not found",
            text: "If you typed the address, check it is correct. You can start again.",
        }
    }

    /// We cannot do it now.
    pub fn unavailable() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: "Sorry, there is a problem",
            text: "Nothing was changed. Try again in a moment, or phone us.",
        }
    }

    /// The way was lost or took too long.
    pub fn ended() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            title: "Start again",
            text: "Your time on this page has ended, or it was opened in another way. Nothing was changed. Start again.",
        }
    }

    /// Too many tries.
    pub fn throttled() -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            title: "Too many tries",
            text: "Wait an hour and start again, or phone us. Nothing was changed.",
        }
    }

    /// Only operators.
    pub fn not_yours() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            title: "You cannot do this",
            text: "Somebody else must do it: who took a request for another person cannot also check it.",
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(cause, "the opt-out service's store");
        Self::unavailable()
    }
}

impl From<crate::problem::Problem> for Trouble {
    fn from(_: crate::problem::Problem) -> Self {
        Self::unavailable()
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let head = Head::new(self.title, "").with_error(true);
        let (title, text, reference) = (self.title, self.text, telemetry::reference());
        let with = shown! { title, text, reference, place => Place::default(), own => () };
        let mut response = page("optout-trouble.html", &head, None, with).unwrap_or_else(|_| {
            let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (plain, format!("{title}. {text}")).into_response()
        });
        *response.status_mut() = self.status;
        response
    }
}

/// What every page says of the deployment.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Place {
    name: String,
    phone: String,
    hours: String,
    address: Vec<String>,
    about: Option<String>,
    demo: bool,
}

impl Place {
    fn of(service: &Service) -> Self {
        let config = &service.config;
        Self {
            name: config.name.clone(),
            phone: config.phone.clone(),
            hours: config.hours.clone(),
            address: config.address.clone(),
            about: config.about.clone(),
            demo: config.demo,
        }
    }
}

/// An operator who is signed in, for the frame.
#[derive(Debug, Clone, Serialize)]
pub struct Own {
    pub name: String,
    pub csrf: String,
}

/// Draws a page.
pub fn draw(
    service: &Service,
    template: &str,
    title: &str,
    own: Option<&Own>,
    errors: bool,
    with: Value,
) -> Result<Response, Trouble> {
    let head = Head::new(title, "").with_error(errors);
    let place = Place::of(service);
    Ok(page(
        template,
        &head,
        None,
        context! { ..with, ..shown! { place, own } },
    )?)
}
