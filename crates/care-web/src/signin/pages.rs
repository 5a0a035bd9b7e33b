//! Pages C1 (log in) and C1b (choose a role), and the demonstration's list of users. Plain HTML:
//! every task works without a script.

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use care_core::vocabulary::{OdsCode, Role};
use serde::Deserialize;

use super::claims::Profile;
use super::demo_identity::{Asked, DemoUser};
use super::session::{Session, is_own_path};
use crate::problem::escape;
use crate::state::{AppState, Shared};

/// How the page was reached.
#[derive(Deserialize)]
pub struct Reached {
    next: Option<String>,
    out: Option<String>,
}

/// `GET /staff/login`.
pub async fn login(State(_): State<Shared>, Query(reached): Query<Reached>) -> Response {
    let next = reached
        .next
        .filter(|path| is_own_path(path))
        .unwrap_or_else(|| "/".to_owned());
    let out = if reached.out.is_some() {
        "<p>You have logged out.</p>"
    } else {
        ""
    };
    let next = escape(&next);
    frame(
        "Log in",
        &format!(
            "<h1>Log in to Connect Care</h1>{out}\
             <p><a class=\"nhsuk-button\" role=\"button\" draggable=\"false\" href=\"/staff/login/start?next={next}\">Continue</a></p>\
             <p>For staff directly involved in a person’s care.</p>\
             <p>Every view is recorded. The person can see who looked, when, and why.</p>"
        ),
    )
}

pub(super) fn role(
    state: &AppState,
    profiles: &[Profile],
    session: Option<&Session>,
    csrf: &str,
) -> Response {
    let options: String = profiles
        .iter()
        .enumerate()
        .map(|(place, profile)| {
            let title = Role::from_code(&profile.role).map_or("", Role::title);
            let organisation = OdsCode::parse(&profile.organisation)
                .ok()
                .and_then(|code| state.directory.organisation(&code).map(|one| one.name.clone()))
                .unwrap_or_default();
            let checked = match session {
                Some(session) => session.user.role.code() == profile.role && session.user.organisation.as_str() == profile.organisation,
                None => place == 0,
            };
            format!(
                "<div class=\"nhsuk-radios__item\"><input class=\"nhsuk-radios__input\" type=\"radio\" name=\"profile\" id=\"profile-{place}\" value=\"{}\"{}>\
                 <label class=\"nhsuk-label nhsuk-radios__label\" for=\"profile-{place}\">{}, {}</label></div>",
                escape(&profile.id), if checked { " checked" } else { "" }, escape(title), escape(&organisation)
            )
        })
        .collect();
    frame(
        "Choose your role",
        &format!(
            "<form method=\"post\" action=\"/staff/role\"><input type=\"hidden\" name=\"csrf\" value=\"{}\">\
             <fieldset class=\"nhsuk-fieldset\"><legend class=\"nhsuk-fieldset__legend nhsuk-fieldset__legend--l\"><h1 class=\"nhsuk-fieldset__heading\">Choose your role</h1></legend>\
             <div class=\"nhsuk-radios\">{options}</div></fieldset>\
             <button class=\"nhsuk-button\" type=\"submit\">Continue</button></form>",
            escape(csrf)
        ),
    )
}

/// The demonstration's identity provider asks who you are.
pub(super) fn demo_users(users: &[DemoUser], asked: &Asked) -> Response {
    let rows: String = users
        .iter()
        .map(|user| {
            format!(
                "<tr class=\"nhsuk-table__row\"><td class=\"nhsuk-table__cell\"><button class=\"nhsuk-button nhsuk-button--secondary\" type=\"submit\" name=\"user\" value=\"{id}\">{id}</button></td>\
                 <td class=\"nhsuk-table__cell\">{}</td><td class=\"nhsuk-table__cell\">{}</td></tr>",
                escape(&user.name), escape(&user.job), id = escape(&user.id)
            )
        })
        .collect();
    let hidden: String = asked
        .fields()
        .map(|(name, value)| {
            format!(
                "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
                escape(value)
            )
        })
        .collect();
    frame(
        "Demonstration identity provider",
        &format!(
            "<h1>Who are you today?</h1><p>This stands in for a national identity service. Everybody here is invented.</p>\
             <form method=\"post\" action=\"/demo-identity/authorize\">{hidden}\
             <table class=\"nhsuk-table\"><caption class=\"nhsuk-table__caption\">People who can log in</caption>\
             <thead><tr><th scope=\"col\">Log in as</th><th scope=\"col\">Name</th><th scope=\"col\">Job</th></tr></thead><tbody>{rows}</tbody></table></form>"
        ),
    )
}

pub(super) fn frame(title: &str, main: &str) -> Response {
    let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    let page = format!(
        "<!DOCTYPE html><html lang=\"en\" class=\"nhsuk-template\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"format-detection\" content=\"telephone=no\"><title>{title} – Connect Care</title></head>\
         <body class=\"nhsuk-template__body\"><div class=\"nhsuk-width-container\"><main class=\"nhsuk-main-wrapper\" id=\"maincontent\">{main}</main></div></body></html>"
    );
    (html, page).into_response()
}
