//! The scanned form: taken in by what it is, bounded in size, and given out so that it can do nothing.
//! There is no scanner for malicious software here: a deployment that has one puts it before this page.

use axum::extract::{Multipart, Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use care_record::{CaseChange, CaseStep, DocumentKind, LARGEST_DOCUMENT_BYTES};

use super::super::allowed;
use super::tasks::unkept;
use super::work::open;
use crate::choice_work::Paper;
use crate::components::see_other;
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// The largest form that brings a paper; what is larger was refused before.
pub(super) const FORM_BYTES: usize = LARGEST_DOCUMENT_BYTES + 64 * 1024;
/// Most papers of one case.
const AT_MOST: usize = 20;

/// `POST /ig/choices/{case}/paper`.
pub(super) async fn keep(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
    form: Multipart,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    let (title, bytes) = read(form).await?;
    let mut work = worked.work.clone();
    if work.papers.len() >= AT_MOST {
        return Err(Problem::invalid(
            "This case holds too many papers",
            "Scan them as one file, or open another case.",
        ));
    }
    if bytes.is_empty() {
        return Err(Problem::invalid(
            "No file was chosen",
            "Choose the scanned form, then send it.",
        ));
    }
    let Some(kind) = DocumentKind::sniff(&bytes) else {
        return Err(Problem::invalid(
            "This file cannot be kept",
            "It is no PDF, JPEG or PNG file. Scan the form again and save it as one of these.",
        ));
    };
    let id = (work.papers.len() + 1).to_string();
    work.papers.push(Paper {
        id: id.clone(),
        title: if title.is_empty() {
            "Scanned form".to_owned()
        } else {
            title
        },
        kind: kind.ending().to_owned(),
        bytes: bytes.len(),
        at: state.clock.now(),
    });
    work.touched_by(&session.user.id);
    let step = CaseStep {
        number: worked.case.number,
        expected_version: worked.case.version,
        change: CaseChange {
            detail: Some(work.detail()),
            note: "A paper was kept.".to_owned(),
            ..CaseChange::default()
        },
    };
    let (caller, choices) = (session.caller(), state.record.choices());
    crate::blocking(move || choices.keep_document(&caller, &step, &id, &bytes))
        .await?
        .map_err(unkept)?;
    Ok(see_other(&format!("/ig/choices/{number}")))
}

/// The title and the file of the form. A larger file is refused before it is read whole.
async fn read(mut form: Multipart) -> Result<(String, Vec<u8>), Problem> {
    let broken = || Problem::invalid("The form did not arrive whole", "Send it again.");
    let (mut title, mut bytes) = (String::new(), Vec::new());
    while let Some(mut field) = form.next_field().await.map_err(|_| broken())? {
        let name = field.name().unwrap_or_default().to_owned();
        while let Some(chunk) = field.chunk().await.map_err(|_| broken())? {
            match name.as_str() {
                "paper" => bytes.extend_from_slice(&chunk),
                "title" => title.push_str(&String::from_utf8_lossy(&chunk)),
                _ => {}
            }
            if bytes.len() > LARGEST_DOCUMENT_BYTES {
                return Err(Problem::new(
                    axum::http::StatusCode::PAYLOAD_TOO_LARGE,
                    "too-long",
                    "This file is too large",
                    "It is larger than 5 MB. Scan it again in black and white, or in parts.",
                ));
            }
        }
    }
    Ok((title.trim().chars().take(120).collect(), bytes))
}

/// `GET /ig/choices/{case}/paper/{paper}`: saved as a file, never shown inside our pages.
pub(super) async fn serve(
    State(state): State<Shared>,
    session: Session,
    Path((number, paper)): Path<(String, String)>,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    if !worked.work.papers.iter().any(|one| one.id == paper) {
        return Err(Problem::not_found());
    }
    let (caller, choices, case) = (session.caller(), state.record.choices(), worked.case.number);
    let id = paper.clone();
    let found = crate::blocking(move || choices.document(&caller, case, &id))
        .await?
        .map_err(unkept)?
        .ok_or_else(Problem::not_found)?;
    let name = format!("{}-{paper}.{}", worked.case.reference, found.kind.ending());
    let headers = [
        (header::CONTENT_TYPE, found.kind.media_type().to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox".to_owned(),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, found.bytes).into_response())
}
