//! M1 home, and M2 what is shared about you.

use axum::extract::State;
use axum::response::Response;
use care_record::{ChoiceStatus, ConnectCareChoice, LookKind, OwnRecord};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::told::often;
use super::{Oneself, ask, draw, moment, own_record, requests};
use crate::components::{Head, shown};
use crate::problem::Problem;
use crate::state::Shared;

/// The choice that holds, in one sentence.
pub(super) fn choice_sentence(record: &OwnRecord) -> &'static str {
    if record.choice_unreadable {
        return "We cannot read your choice. Until this is mended, nobody can open your record. Please call us.";
    }
    let Some(choice) = &record.choice else {
        return "Your record is shared with staff who care for you.";
    };
    match (choice.connect_care, choice.status) {
        (ConnectCareChoice::None, _) if choice.restricts() => {
            "Some of your record is kept private."
        }
        (ConnectCareChoice::None, _) => "Your record is shared with staff who care for you.",
        (_, ChoiceStatus::NotUpheld) => {
            "You asked us not to share your record. We could not agree to that, and it is shared with staff who care for you."
        }
        (ConnectCareChoice::Objected, _) => "Your record is not shared.",
        (ConnectCareChoice::ObjectedExceptEmergency, _) => {
            "Your record is shared in an emergency only."
        }
    }
}

/// `GET /me`.
pub(super) async fn home(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    let record = own_record(&state, &session, "home").await?;
    let year = SignedDuration::from_hours(365 * 24);
    let since = state
        .clock
        .now()
        .saturating_sub(year)
        .unwrap_or(Timestamp::MIN);
    let caller = session.caller();
    let looks = ask(&state, move |door| door.who_looked(&caller, since)).await?;
    let last = looks
        .iter()
        .find(|look| look.kind == LookKind::Opened && !look.own)
        .map(|look| {
            let place = match look.team {
                "" => look.place.clone(),
                team => format!("the {}, {}", team.to_lowercase(), look.place),
            };
            (super::day(look.at), place, look.job.clone())
        });
    let letters = requests::letters(&state, &session).await?;
    let asked = requests::requests(&letters);
    let open: Vec<_> = asked.iter().filter(|one| one.open).take(5).collect();
    let messages: Vec<_> = requests::messages(&letters).into_iter().take(5).collect();
    let rights = record.rights.words();
    let choice = choice_sentence(&record);
    let head = Head::new("Your Connect Care record", "me");
    draw(
        &state,
        &session,
        &record,
        "me-home.html",
        &head,
        shown! { choice, last, open, messages, rights },
    )
}

#[derive(Serialize)]
struct Shares {
    name: String,
    phone: String,
    connected: bool,
    shares: Vec<String>,
    leaves_out: Vec<String>,
    often: String,
    last: Option<String>,
    holds_something: bool,
}

/// `GET /me/shared`.
pub(super) async fn shared(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    let record = own_record(&state, &session, "shared").await?;
    let sources: Vec<Shares> = record
        .sources
        .iter()
        .map(|source| Shares {
            name: source.name.clone(),
            phone: source.phone.clone(),
            connected: source.connected,
            shares: source.shares.clone(),
            leaves_out: source.leaves_out.clone(),
            often: often(source.agreed_interval_minutes),
            last: source.last_received.map(moment),
            holds_something: source.holds_something,
        })
        .collect();
    let head = Head::new("What is shared about you", "me-shared");
    draw(
        &state,
        &session,
        &record,
        "me-shared.html",
        &head,
        shown! { sources },
    )
}
