//! The proof that a look stands in the audit log, as a file for the person to keep (issue 4).

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use care_record::OwnProof;

use super::{Oneself, ask};
use crate::problem::Problem;
use crate::state::Shared;

/// `GET /me/who-looked/{entry}/proof`.
pub(super) async fn download(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    Path(entry): Path<u64>,
) -> Result<Response, Problem> {
    let caller = session.caller();
    let names = state.content.policy.show_staff_names;
    let proof = ask(&state, move |door| door.own_proof(&caller, entry, names)).await?;
    match proof.into_inner() {
        OwnProof::File(text) => {
            let named = format!("attachment; filename=\"connect-care-proof-{entry}.json\"");
            let headers = [
                (header::CONTENT_TYPE, "application/json".to_owned()),
                (header::CONTENT_DISPOSITION, named),
            ];
            Ok((headers, text).into_response())
        }
        OwnProof::NotYet => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "The proof is not ready yet",
            "It is made within a minute of the look. Wait a minute and try again.",
        )),
    }
}
