//! The addresses of the leaflet: pages, PDFs, and the list of formats and languages.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{EASY, FIRST, Leaflet};
use crate::components::shown;
use crate::problem::Problem;
use crate::public::{ON_REQUEST, draw};
use crate::state::Shared;

pub fn router() -> Router<Shared> {
    Router::new()
        .route("/leaflet", get(first))
        .route("/leaflet/{format}", get(format))
}

async fn first(State(state): State<Shared>) -> Result<Response, Problem> {
    page(&state, FIRST, false)
}

/// `large-print`, `easy-read`, `languages`, a code of a language, a PDF of one of these, or a format
/// that is sent when somebody asks.
async fn format(
    State(state): State<Shared>,
    Path(format): Path<String>,
) -> Result<Response, Problem> {
    if let Some(name) = format.strip_suffix(".pdf") {
        return document(state, name).await;
    }
    match format.as_str() {
        "pdf" => document(state, FIRST).await,
        "large-print" => page(&state, FIRST, true),
        "easy-read" => page(&state, EASY, false),
        "languages" => languages(&state),
        code if ON_REQUEST.iter().any(|(known, _)| *known == code) => Ok(
            crate::components::see_other(&format!("/leaflet/order/{code}")),
        ),
        code => page(&state, code, false),
    }
}

fn page(state: &Shared, code: &str, large: bool) -> Result<Response, Problem> {
    let leaflet = state.leaflets.get(code).ok_or_else(Problem::not_found)?;
    let title = match (leaflet.easy, large, code) {
        (true, ..) => "Leaflet in Easy Read".to_owned(),
        (_, true, _) => "Leaflet in large print".to_owned(),
        (.., FIRST) => "Leaflet".to_owned(),
        _ => format!("Leaflet in {}", leaflet.english),
    };
    let languages = listed(state);
    let file = if leaflet.easy { "easy-read" } else { code };
    let with = shown! { leaflet, large, languages, file, on_request => ON_REQUEST };
    draw(state, "public-leaflet.html", &title, "leaflet", with)
}

/// Every language but the first, and without Easy Read.
fn listed(state: &Shared) -> Vec<&Leaflet> {
    let all = state.leaflets.all().iter();
    all.filter(|one| one.language != FIRST).collect()
}

fn languages(state: &Shared) -> Result<Response, Problem> {
    let languages = listed(state);
    draw(
        state,
        "public-languages.html",
        "Leaflet in other languages",
        "leaflet",
        shown! { languages },
    )
}

/// `cy`, `cy-large-print`, `easy-read`, `easy-read-large-print`.
async fn document(state: Shared, name: &str) -> Result<Response, Problem> {
    let (code, large) = match name.strip_suffix("-large-print") {
        Some(code) => (code, true),
        None if name == "large-print" => (FIRST, true),
        None => (name, false),
    };
    let code = if code == "easy-read" { EASY } else { code };
    let leaflet = state
        .leaflets
        .get(code)
        .ok_or_else(Problem::not_found)?
        .clone();
    let name = format!("connect-care-leaflet-{name}.pdf");
    let made = crate::blocking(move || state.leaflets.pdf(&leaflet, large)).await?;
    let body = made.map_err(Problem::unavailable)?;
    Ok(pdf_answer(&name, body.to_vec()))
}

/// A PDF for reading in the browser, with the name it is saved under.
pub fn pdf_answer(name: &str, body: Vec<u8>) -> Response {
    let fixed = [
        (header::CONTENT_TYPE, "application/pdf".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("inline; filename=\"{name}\""),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (fixed, body).into_response()
}
