//! C5 Check this is the right person, and why: so that finding and opening takes two submissions.

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use care_core::sections::{When, identity, staff_name};
use care_core::vocabulary::{PartialDate, PersonName};
use care_record::{Confirm, DisclosureError, Stopped, Why};
use serde::{Deserialize, Serialize};

use super::{FieldError, ask, failed, refusal};
use crate::components::{Frame, Head, page, see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// One reason of C5.
#[derive(Serialize)]
struct Reason {
    id: &'static str,
    code: &'static str,
    words: &'static str,
    hint: String,
}

/// One answer of a list.
#[derive(Serialize)]
pub(super) struct Choice {
    pub code: &'static str,
    pub words: &'static str,
}

/// What was sent.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    reason: String,
    stopped: String,
    case: String,
    text: String,
}

/// The field of the error that says no reason was chosen: the first reason stands in its place.
const NO_REASON: &str = "reason-permission-today";

/// The reasons for opening the record of somebody who has died.
fn after_death(confirm: &Confirm) -> Vec<Reason> {
    let reason = |id, code, words, hint: &str| Reason {
        id,
        code,
        words,
        hint: hint.to_owned(),
    };
    let mut reasons = vec![reason(
        "reason-not-present",
        "not-present",
        "Care that follows the death",
        "For example, certifying the death, or what is owed to the people close to them",
    )];
    if confirm.may_safeguard {
        reasons.push(reason(
            "reason-safeguarding",
            "safeguarding",
            "Safeguarding",
            "You need a case reference",
        ));
    }
    reasons.push(reason(
        "reason-something-else",
        "something-else",
        "Something else",
        "",
    ));
    reasons
}

/// "2 records from City Hospital are being checked and are not shown" (S12).
fn doubt(state: &Shared, confirm: &Confirm) -> Vec<String> {
    let line = |(source, records): &(care_core::vocabulary::SourceCode, u32)| {
        let name = state
            .directory
            .organisation(source)
            .map_or_else(|| source.to_string(), |known| known.short_name.clone());
        let (noun, verb) = if *records == 1 {
            ("record", "is")
        } else {
            ("records", "are")
        };
        format!("{records} {noun} from {name} {verb} being checked and {verb} not shown.")
    };
    confirm.state.identity_doubt.iter().map(line).collect()
}

fn reasons(confirm: &Confirm) -> Vec<Reason> {
    let reason = |id, code, words, hint: &str| Reason {
        id,
        code,
        words,
        hint: hint.to_owned(),
    };
    let mut reasons = vec![reason(
        "reason-permission-today",
        "permission-today",
        "The person has given permission",
        "Asked today",
    )];
    // Nobody can ask somebody who has died (S13).
    if confirm.state.deceased {
        return after_death(confirm);
    }
    if let Some(given) = confirm.permission_on_file {
        reasons.push(Reason {
            hint: format!(
                "Ongoing care by this team, recorded {}",
                When::day(given).short
            ),
            ..reason(
                "reason-permission-earlier",
                "permission-earlier",
                "The person gave permission earlier for this care",
                "",
            )
        });
    }
    reasons.push(reason(
        "reason-best-interests",
        "best-interests",
        "I cannot ask, and it is in their best interests",
        "For example, they are unconscious or lack capacity",
    ));
    reasons.push(reason(
        "reason-not-present",
        "not-present",
        "Direct care without the person present",
        "For example, triage, results, planning a visit, a team meeting",
    ));
    if confirm.may_safeguard {
        reasons.push(reason(
            "reason-safeguarding",
            "safeguarding",
            "Safeguarding",
            "You need a case reference",
        ));
    }
    reasons.push(reason(
        "reason-something-else",
        "something-else",
        "Something else",
        "",
    ));
    reasons
}

/// How the page was reached.
#[derive(Deserialize)]
pub(super) struct Reached {
    /// The reader went on past the page that stops them first.
    on: Option<String>,
    /// A reason to choose beforehand, from the system that opened this page.
    reason: Option<String>,
}

/// `GET /staff/confirm/{choice}`. The user's own record, and a relative's, stop the reader first.
pub(super) async fn show(
    State(state): State<Shared>,
    session: Session,
    Path(choice): Path<String>,
    Query(reached): Query<Reached>,
) -> Result<Response, Problem> {
    let (caller, handle) = (session.caller(), choice.clone());
    let confirm = match ask(&state, move |door| door.confirm(&caller, &handle)).await? {
        Ok(confirm) => confirm.into_inner(),
        Err(DisclosureError::Refused(why)) => {
            return refusal::refused(&state, &session, &choice, why);
        }
        Err(why) => return failed(why),
    };
    let near = confirm.state.own_record || confirm.state.family;
    if near && reached.on.is_none() {
        return interrupt(&session, &choice, confirm.state.own_record);
    }
    // Permission given today and best interests are never chosen beforehand, whoever asks.
    let on_file = confirm.permission_on_file.is_some();
    let reason = reached.reason.filter(|code| {
        !confirm.state.deceased
            && (code == "not-present" || (code == "permission-earlier" && on_file))
    });
    let sent = Sent {
        reason: reason.unwrap_or_default(),
        ..Sent::default()
    };
    form(&state, &session, &choice, &confirm, sent, &[])
}

fn interrupt(session: &Session, choice: &str, own: bool) -> Result<Response, Problem> {
    let title = if own {
        "This is your own record"
    } else {
        "This person is a member of your family"
    };
    let head = Head::new(title, "find");
    page(
        "interruption.html",
        &head,
        Some(&Frame::of(session)),
        shown! { choice, own },
    )
}

async fn draw(
    state: &Shared,
    session: &Session,
    choice: String,
    sent: Sent,
    errors: &[FieldError],
) -> Result<Response, Problem> {
    let (caller, handle) = (session.caller(), choice.clone());
    let confirm = match ask(state, move |door| door.confirm(&caller, &handle)).await? {
        Ok(confirm) => confirm,
        Err(DisclosureError::Refused(why)) => {
            return refusal::refused(state, session, &choice, why);
        }
        Err(why) => return failed(why),
    };
    form(state, session, &choice, &confirm, sent, errors)
}

fn form(
    state: &Shared,
    session: &Session,
    choice: &str,
    confirm: &Confirm,
    sent: Sent,
    errors: &[FieldError],
) -> Result<Response, Problem> {
    let who = identity(&confirm.known, state.clock.now());
    let reasons = reasons(confirm);
    let first = reasons.first().map_or("", |reason| reason.id);
    let errors: Vec<FieldError> = errors
        .iter()
        .map(|error| FieldError {
            field: if error.field == NO_REASON {
                first
            } else {
                error.field
            },
            words: error.words,
        })
        .collect();
    let (typed_name, typed_birth) = mismatches(confirm);
    // Only permission given earlier is chosen beforehand: never permission given today or best interests.
    let chosen = match sent.reason.as_str() {
        "" if confirm.permission_on_file.is_some() && !confirm.state.deceased => {
            "permission-earlier"
        }
        "" if confirm.last_was_not_present => "not-present",
        other => other,
    };
    let head = Head::new("Check this is the right person", "find").with_error(!errors.is_empty());
    let shown = shown! {
        choice, who, typed_name, typed_birth, errors, chosen,
        form => sent.clone(),
        practice => confirm.practice,
        replaced => confirm.replaced_number.is_some(),
        claimed_until => confirm.claimed_until.map(When::moment),
        doubt => doubt(state, confirm),
        reasons,
        stopped => Stopped::ALL.map(|answer| Choice { code: answer.code(), words: answer.words() }),
    };
    page("confirm.html", &head, Some(&Frame::of(session)), shown)
}

/// What was typed and is not what is held, to stand beside the field.
fn mismatches(confirm: &Confirm) -> (Option<String>, Option<String>) {
    let Some(typed) = &confirm.typed else {
        return (None, None);
    };
    let same = |left: &str, right: &str| left.trim().eq_ignore_ascii_case(right.trim());
    let held = confirm.known.names.first();
    let family_fits = confirm
        .known
        .names
        .iter()
        .any(|name| same(&name.family, &typed.family));
    let given_fits = typed.given.trim().is_empty()
        || held.is_some_and(|name| name.given.iter().any(|given| same(given, &typed.given)));
    let name = (!family_fits || !given_fits).then(|| {
        let given = Some(typed.given.trim().to_owned()).filter(|given| !given.is_empty());
        staff_name(&PersonName {
            family: typed.family.clone(),
            given: given.into_iter().collect(),
            ..PersonName::default()
        })
    });
    let typed_birth = PartialDate::parse_fhir(&typed.birth_date);
    let birth = typed_birth
        .filter(|date| Some(*date) != confirm.known.birth_date)
        .map(|date| When::partial(date).short);
    (name, birth)
}

/// The reason that was sent, or what is missing from it.
fn why(sent: &Sent) -> Result<Why, FieldError> {
    let error = |field, words| Err(FieldError { field, words });
    match sent.reason.as_str() {
        "permission-today" => Ok(Why::PermissionToday),
        "permission-earlier" => Ok(Why::PermissionEarlier),
        "not-present" => Ok(Why::NotPresent),
        "best-interests" => match Stopped::ALL
            .into_iter()
            .find(|answer| answer.code() == sent.stopped)
        {
            Some(stopped) => Ok(Why::BestInterests { stopped }),
            None => error("stopped-too-ill", "Say what stopped you asking"),
        },
        "safeguarding" if sent.case.trim().is_empty() => error("case", "Enter the case reference"),
        "safeguarding" => Ok(Why::Safeguarding {
            case: sent.case.trim().to_owned(),
        }),
        "something-else" if sent.text.trim().is_empty() => {
            error("text", "Say why you need to see this record")
        }
        "something-else" => Ok(Why::SomethingElse {
            text: sent.text.trim().chars().take(500).collect(),
        }),
        _ => error(NO_REASON, "Say why you need to see this record"),
    }
}

/// `POST /staff/confirm/{choice}`.
pub(super) async fn open(
    State(state): State<Shared>,
    session: Session,
    Path(choice): Path<String>,
    Form(sent): Form<Sent>,
) -> Result<Response, Problem> {
    let why = match why(&sent) {
        Ok(why) => why,
        Err(error) => return draw(&state, &session, choice, sent, &[error]).await,
    };
    let (caller, handle) = (session.caller(), choice.clone());
    match ask(&state, move |door| door.open(&caller, &handle, &why)).await? {
        Ok(opened) => Ok(see_other(&format!(
            "/staff/record/{}/summary",
            opened.visit
        ))),
        Err(DisclosureError::Refused(why)) => refusal::refused(&state, &session, &choice, why),
        Err(why) => failed(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_complete_or_says_what_is_missing() {
        let sent = |reason: &str, stopped: &str, case: &str, text: &str| Sent {
            reason: reason.into(),
            stopped: stopped.into(),
            case: case.into(),
            text: text.into(),
        };
        let field = |sent: &Sent| why(sent).err().map(|error| error.field);
        assert_eq!(
            field(&sent("", "", "", "")),
            Some("reason-permission-today")
        );
        assert_eq!(
            field(&sent("best-interests", "", "", "")),
            Some("stopped-too-ill")
        );
        assert_eq!(field(&sent("safeguarding", "", " ", "")), Some("case"));
        assert_eq!(field(&sent("something-else", "", "", "")), Some("text"));
        assert_eq!(field(&sent("best-interests", "too-ill", "", "")), None);
        assert_eq!(field(&sent("not-present", "", "", "")), None);
    }
}
