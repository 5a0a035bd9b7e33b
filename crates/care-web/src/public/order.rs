//! Ordering paper copies, braille, audio or a sign language video: a form that opens a case. It needs no
//! log-in and holds no right, so there is nothing another site could misuse it for.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use care_record::{Order, OrderError};
use serde::{Deserialize, Serialize};

use super::{ON_REQUEST, draw};
use crate::components::{Head, page, shown};
use crate::problem::Problem;
use crate::state::Shared;

/// The longest answers taken, in characters.
const LONGEST_NAME: usize = 100;
const LONGEST_ADDRESS: usize = 500;
/// The most copies one order may ask for: a practice's waiting room.
const MOST_COPIES: u32 = 200;

/// What the form sends.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Wanted {
    what: String,
    language: String,
    copies: String,
    name: String,
    address: String,
}

/// What may be ordered.
const WHAT: &[(&str, &str)] = &[
    ("leaflet", "The leaflet"),
    ("form", "The paper form for my choice"),
];

/// `GET /leaflet/order/{format}`.
pub async fn ask(
    State(state): State<Shared>,
    Path(format): Path<String>,
) -> Result<Response, Problem> {
    let wanted = Wanted {
        what: "leaflet".to_owned(),
        language: "en".to_owned(),
        copies: "1".to_owned(),
        ..Wanted::default()
    };
    form(&state, &format, &wanted, &[])
}

/// Draws the form, with what was wrong: the field's name and what to do.
fn form(
    state: &Shared,
    format: &str,
    wanted: &Wanted,
    errors: &[(&'static str, String)],
) -> Result<Response, Problem> {
    let known = ON_REQUEST.iter().find(|(code, _)| *code == format);
    let (_, title) = known.ok_or_else(Problem::not_found)?;
    let languages: Vec<(&str, &str)> = state
        .leaflets
        .all()
        .iter()
        .map(|one| (one.code.as_str(), one.english.as_str()))
        .chain([("other", "Another language: we phone you")])
        .collect();
    let head = Head::new("Ask us for another format", "leaflet").with_error(!errors.is_empty());
    let content = &state.content;
    let with =
        shown! { format, title, wanted, errors, languages, content, what => WHAT, own => () };
    page("public-order.html", &head, None, with)
}

/// `POST /leaflet/order/{format}`.
pub async fn send(
    State(state): State<Shared>,
    Path(format): Path<String>,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Problem> {
    let days = state.content.contact.reply_days;
    let order = match read(&state, &format, &wanted, days) {
        Ok(order) => order,
        Err(errors) => return form(&state, &format, &wanted, &errors),
    };
    let orders = state.record.orders();
    let asked = crate::blocking(move || orders.ask(&order)).await?;
    let reference = asked.map_err(|why| match why {
        OrderError::TooMany => Problem::new(
            axum::http::StatusCode::TOO_MANY_REQUESTS,
            "throttled",
            "We cannot take your order now",
            format!(
                "Very many orders came in. Phone us on {}, or try again later.",
                state.content.contact.phone
            ),
        ),
        OrderError::Store(_) => Problem::unavailable(why),
    })?;
    draw(
        &state,
        "public-ordered.html",
        "We have your order",
        "leaflet",
        shown! { reference, days },
    )
}

/// The order, or what is wrong with the answers.
fn read(
    state: &Shared,
    format: &str,
    wanted: &Wanted,
    within_days: u16,
) -> Result<Order, Vec<(&'static str, String)>> {
    let mut errors = Vec::new();
    if !WHAT.iter().any(|(code, _)| *code == wanted.what) {
        errors.push(("what", "Choose what you want".to_owned()));
    }
    let known = state.leaflets.get(&wanted.language).is_some() || wanted.language == "other";
    if !known {
        errors.push(("language", "Choose a language".to_owned()));
    }
    let copies = wanted.copies.trim().parse::<u32>().ok();
    let copies = copies.filter(|copies| (1..=MOST_COPIES).contains(copies));
    if copies.is_none() {
        errors.push((
            "copies",
            format!("Enter a number of copies from 1 to {MOST_COPIES}"),
        ));
    }
    let (name, address) = (wanted.name.trim(), wanted.address.trim());
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        errors.push((
            "name",
            format!("Enter a name of up to {LONGEST_NAME} characters"),
        ));
    }
    if address.is_empty() || address.chars().count() > LONGEST_ADDRESS {
        errors.push((
            "address",
            format!("Enter an address of up to {LONGEST_ADDRESS} characters, or a phone number"),
        ));
    }
    match copies {
        Some(copies) if errors.is_empty() => Ok(Order {
            what: wanted.what.clone(),
            format: format.to_owned(),
            language: wanted.language.clone(),
            copies,
            name: name.to_owned(),
            address: address.to_owned(),
            within_days,
        }),
        _ => Err(errors),
    }
}
