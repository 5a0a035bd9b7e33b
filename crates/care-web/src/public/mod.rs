//! The public site: what people are told, for anybody, without signing in and without a script.
//!
//! What can be generated is: who takes part and what they share comes from the directory, who can
//! see what from the access rules, whether it works from the health checks. Shows nobody's data.

mod content;
mod form;
mod leaflet;
mod order;
pub mod status;
mod transparency;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use care_core::access::{self, CARE_ROLES, EmergencyOverride, PermissionModel};
use care_core::vocabulary::{Category, CategorySet, OrganisationKind, Role};
use minijinja::{Value, context};
use serde::Serialize;

pub use content::Content;
pub use leaflet::Leaflets;

use crate::components::{Head, page, shown};
use crate::problem::Problem;
use crate::state::Shared;

/// Pages that say the same to everybody: address, template, title, entry of the navigation.
const STILL: &[(&str, &str, &str, &str)] = &[
    ("/", "public-home.html", "How we use your information", ""),
    ("/about", "public-about.html", "About Connect Care", "about"),
    ("/choices", "public-choices.html", "Your choices", "choices"),
    (
        "/choices/connect-care",
        "public-choice.html",
        "Choose whether staff can see your record",
        "choices",
    ),
    (
        "/choices/national-data-opt-out",
        "public-national.html",
        "National data opt-out",
        "choices",
    ),
    ("/privacy", "public-privacy.html", "Privacy", ""),
    (
        "/accessibility",
        "public-accessibility.html",
        "Accessibility",
        "",
    ),
    ("/contact", "public-contact.html", "Contact us", "contact"),
];

/// Forms of the leaflet, of letters and of the paper form that we send when asked.
const ON_REQUEST: &[(&str, &str)] = &[
    ("paper", "Paper copies"),
    ("braille", "Braille"),
    ("audio", "Audio"),
    ("bsl", "British Sign Language (BSL) video"),
];

/// The addresses of the site.
pub fn router() -> Router<Shared> {
    let still = STILL
        .iter()
        .fold(Router::new(), |router, (path, template, title, here)| {
            router.route(
                path,
                get(async move |State(state): State<Shared>| {
                    draw(&state, template, title, here, context! {})
                }),
            )
        });
    still
        .route("/what-is-shared", get(what_is_shared))
        .route("/who-can-see", get(who_can_see))
        .route("/organisations", get(organisations))
        .route("/cookies", get(cookies))
        .route("/service-status", get(status::page))
        .route("/choices/exceptional-circumstances", get(exceptional))
        .route("/choices/form", get(form::plain))
        .route("/choices/form/{format}", get(form::format))
        .route("/leaflet/order/{format}", get(order::ask).post(order::send))
        .route("/transparency", get(transparency::page))
        .route("/transparency.csv", get(transparency::file))
        .merge(leaflet::router())
}

/// Draws a public page with the content every one of them has.
pub(crate) fn draw(
    state: &Shared,
    template: &str,
    title: &str,
    here: &'static str,
    with: Value,
) -> Result<Response, Problem> {
    let content = &state.content;
    page(
        template,
        &Head::new(title, here),
        None,
        context! { ..with, ..shown! { content, own => () } },
    )
}

/// An organisation that shares.
#[derive(Serialize)]
struct Shares<'a> {
    name: &'a str,
    kind: &'static str,
    connected: bool,
    shares: &'a [String],
    leaves_out: &'a [String],
}

async fn what_is_shared(State(state): State<Shared>) -> Result<Response, Problem> {
    let sources: Vec<Shares> = state
        .directory
        .sources()
        .iter()
        .filter(|source| source.organisation.kind != OrganisationKind::Programme)
        .map(|source| Shares {
            name: &source.organisation.name,
            kind: source.organisation.kind.title(),
            connected: source.connected,
            shares: &source.shares,
            leaves_out: &source.leaves_out,
        })
        .collect();
    let kinds = words(CategorySet::whole_record());
    let with = shown! { sources, kinds };
    draw(
        &state,
        "public-shared.html",
        "What is shared",
        "shared",
        with,
    )
}

/// One job and what it may see.
#[derive(Serialize)]
struct Sees {
    job: &'static str,
    everything: bool,
    sees: Vec<&'static str>,
    not: Vec<&'static str>,
    emergency: bool,
}

async fn who_can_see(State(state): State<Shared>) -> Result<Response, Problem> {
    let settings = state.config.access_settings();
    let roles = CARE_ROLES
        .iter()
        .chain(&[Role::AdminClerical, Role::SafeguardingLead]);
    let jobs: Vec<Sees> = roles.map(|role| sees(*role)).collect();
    let with = shown! {
        jobs,
        asks_first => settings.permission == PermissionModel::Ask,
        emergency_opens => settings.objection_in_emergency != EmergencyOverride::Never,
        emergency_minutes => settings.emergency_minutes,
    };
    draw(&state, "public-who.html", "Who can see", "who", with)
}

/// What the access rules let a job see, at most.
fn sees(role: Role) -> Sees {
    let seen = access::categories_of(role);
    let hidden: CategorySet = CategorySet::whole_record()
        .iter()
        .filter(|category| !seen.contains(*category))
        .collect();
    Sees {
        job: role.title(),
        everything: hidden.is_empty(),
        sees: words(seen),
        not: words(hidden),
        emergency: access::has_emergency_right(role),
    }
}

fn words(categories: CategorySet) -> Vec<&'static str> {
    categories
        .iter()
        .filter(|category| *category != Category::AccessLog)
        .map(access::in_plain_words)
        .collect()
}

/// Who takes part, a kind at a time.
async fn organisations(State(state): State<Shared>) -> Result<Response, Problem> {
    /// Name, phone, and whether it sends.
    type Member<'a> = (&'a str, &'a str, bool);
    let mut kinds: Vec<(&str, Vec<Member<'_>>)> = Vec::new();
    for kind in OrganisationKind::ALL {
        let mut members: Vec<(&str, &str, bool)> = state
            .directory
            .organisations()
            .filter(|one| one.kind == *kind && *kind != OrganisationKind::Programme)
            .map(|one| {
                let source = state.directory.source(&one.ods);
                let sends = source.is_some_and(|source| source.connected);
                (one.name.as_str(), one.phone.as_str(), sends)
            })
            .collect();
        members.sort_unstable();
        if !members.is_empty() {
            kinds.push((kind.title(), members));
        }
    }
    let with = shown! { kinds };
    draw(
        &state,
        "public-organisations.html",
        "Organisations that take part",
        "shared",
        with,
    )
}

async fn cookies(State(state): State<Shared>) -> Result<Response, Problem> {
    let cookies = state.cookies();
    draw(
        &state,
        "public-cookies.html",
        "Cookies",
        "",
        shown! { cookies },
    )
}

/// When a choice does not apply, with how often that was.
async fn exceptional(State(state): State<Shared>) -> Result<Response, Problem> {
    let (year, rows) = transparency::exceptions(&state).await?;
    let with = shown! { year, rows, last_year => year - 1 };
    draw(
        &state,
        "public-exceptional.html",
        "When a choice does not apply",
        "choices",
        with,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_see_is_the_role_matrix_and_no_opinion_of_its_own() {
        for role in CARE_ROLES {
            let told = sees(*role);
            let allowed = access::categories_of(*role);
            for category in CategorySet::whole_record().iter() {
                let said = told.sees.contains(&access::in_plain_words(category));
                assert_eq!(said, allowed.contains(category), "{role:?} {category}");
            }
        }
        assert!(sees(Role::Gp).everything);
        assert!(!sees(Role::SocialWorker).everything);
    }
}
