//! G1 Home: how much waits and since when, and this month's numbers.

use axum::extract::State;
use axum::response::Response;
use care_core::review::Kind;
use care_record::{CaseCount, CaseFilter};
use jiff::Timestamp;
use serde::Serialize;

use super::list::month_began;
use super::{age, allowed, ask, draw, guard};
use crate::components::shown;
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// One card: what waits, how many, since when, and where to go.
#[derive(Serialize)]
struct Card {
    title: &'static str,
    address: &'static str,
    count: u64,
    oldest: Option<String>,
}

/// Cases of a choice that somebody has to process.
pub const CHOICE_KINDS: &[&str] = &["choice", "choice-confirmation", "call-about-choice"];

/// Which open cases a card counts.
fn counted(title: &str, one: &CaseCount) -> bool {
    let kind = one.kind.as_str();
    match title {
        "Emergency access to review" => kind == Kind::EmergencyAccess.code(),
        "\u{201c}I do not recognise this\u{201d}" => kind == Kind::NotRecognised.code(),
        "Self-reported mistakes" => kind == Kind::SelfReported.code(),
        "Choices to process" => CHOICE_KINDS.contains(&kind),
        "Disclosures awaiting decision" => kind == "disclosure" && one.state == "awaiting-decision",
        "Extracts awaiting approval" => kind == "extract" && one.state.starts_with("awaiting"),
        _ => Kind::from_code(kind).is_some_and(Kind::is_plain_flag),
    }
}

/// The cards in their fixed order.
const CARDS: &[(&str, &str)] = &[
    (
        "Emergency access to review",
        "/ig/review?kind=emergency-access",
    ),
    ("Flags to review", "/ig/review?kind=flags"),
    (
        "\u{201c}I do not recognise this\u{201d}",
        "/ig/review?kind=not-recognised",
    ),
    ("Choices to process", "/ig/choices"),
    ("Disclosures awaiting decision", "/ig/disclosures"),
    ("Extracts awaiting approval", "/ig/extracts"),
    ("Self-reported mistakes", "/ig/review?kind=self-reported"),
];

fn cards(open: &[CaseCount], now: Timestamp) -> Vec<Card> {
    CARDS
        .iter()
        .map(|(title, address)| {
            let these = || open.iter().filter(|one| counted(title, one));
            Card {
                title,
                address,
                count: these().map(|one| one.count).sum(),
                oldest: these().map(|one| one.oldest).min().map(|at| age(at, now)),
            }
        })
        .collect()
}

/// `GET /ig`.
pub(super) async fn home(
    State(state): State<Shared>,
    session: Session,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let now = state.clock.now();
    let began = month_began(now);
    let (open, month) = ask(&state, move |record| {
        let cases = record.casework();
        let open = cases.counts(&CaseFilter {
            open: Some(true),
            ..CaseFilter::default()
        })?;
        let month = cases.counts(&CaseFilter {
            opened_from: Some(began),
            ..CaseFilter::default()
        })?;
        Ok((open, month))
    })
    .await?;
    let sum = |wanted: &dyn Fn(&CaseCount) -> bool| -> u64 {
        month
            .iter()
            .filter(|one| wanted(one))
            .map(|one| one.count)
            .sum()
    };
    let of = |kind: Kind| move |one: &CaseCount| one.kind == kind.code();
    let numbers = [
        ("Emergency accesses", sum(&of(Kind::EmergencyAccess))),
        ("Reported by patients", sum(&of(Kind::NotRecognised))),
        ("Self-reported mistakes", sum(&of(Kind::SelfReported))),
        (
            "Reviews closed",
            sum(&|one| Kind::from_code(&one.kind).is_some() && one.state.starts_with("closed")),
        ),
        (
            "Found not appropriate",
            sum(&|one| one.state == "closed-not-appropriate"),
        ),
        (
            "Disclosures asked for",
            sum(&|one| one.kind == "disclosure"),
        ),
    ];
    let month_name = care_core::sections::local(now)
        .strftime("%B %Y")
        .to_string();
    let cards = cards(&open, now);
    draw(
        &session,
        "ig-home.html",
        "Information governance",
        "ig-home",
        shown! { cards, numbers, month_name },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_open_case_stands_on_one_card() {
        let oldest: Timestamp = "2026-10-01T10:00:00Z".parse().expect("a moment");
        let counts: Vec<CaseCount> = Kind::ALL
            .iter()
            .map(|kind| kind.code())
            .chain(["choice", "choice-confirmation", "call-about-choice"])
            .map(|kind| CaseCount {
                kind: kind.to_owned(),
                state: "open".to_owned(),
                count: 1,
                oldest,
            })
            .collect();
        let drawn = cards(&counts, oldest);
        let total: u64 = drawn.iter().map(|card| card.count).sum();
        assert_eq!(total, counts.len() as u64);
        assert!(
            drawn
                .iter()
                .all(|card| (card.count > 0) == card.oldest.is_some())
        );
    }
}
