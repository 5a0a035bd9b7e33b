//! C21 Print: sections chosen by tick boxes, on one page made for paper. Each section is recorded as
//! printed before it is shown.

use axum::extract::{Path, Query, RawForm, State};
use axum::response::Response;
use care_core::sections::{Section, When};
use care_record::Page;
use serde::{Deserialize, Serialize};

use super::record::{Asked, Filled, filled, safe, template};
use super::{FieldError, ask, failed};
use crate::components::{Frame, Head, draw as draw_part, page, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// Printed where nothing else was chosen.
const USUAL: [Section; 3] = [Section::Summary, Section::Medicines, Section::Allergies];
/// Sections that are forms, not content.
const NEVER: [Section; 1] = [Section::Search];

/// One tick box.
#[derive(Serialize)]
struct Box {
    code: &'static str,
    title: &'static str,
    ticked: bool,
}

/// Which section the reader came from.
#[derive(Deserialize)]
pub(super) struct Reached {
    section: Option<String>,
}

/// `GET /staff/record/{visit}/print`.
pub(super) async fn form(
    session: Session,
    Path(visit): Path<String>,
    Query(reached): Query<Reached>,
) -> Result<Response, Problem> {
    let one = reached.section.as_deref().and_then(Section::from_code);
    let ticked = one.map_or_else(|| USUAL.to_vec(), |section| vec![section]);
    draw(&session, safe(&visit)?, &ticked, &[])
}

fn draw(
    session: &Session,
    visit: &str,
    ticked: &[Section],
    errors: &[FieldError],
) -> Result<Response, Problem> {
    let boxes: Vec<Box> = Section::ALL
        .iter()
        .filter(|section| !NEVER.contains(section))
        .map(|section| Box {
            code: section.code(),
            title: section.title(),
            ticked: ticked.contains(section),
        })
        .collect();
    let base = format!("/staff/record/{visit}/");
    let head = Head::new("Print", "record").with_error(!errors.is_empty());
    let shown = shown! { base, boxes, errors };
    page("print-choose.html", &head, Some(&Frame::of(session)), shown)
}

/// `POST /staff/record/{visit}/print`: the print view.
pub(super) async fn prepare(
    State(state): State<Shared>,
    session: Session,
    Path(visit): Path<String>,
    RawForm(form): RawForm,
) -> Result<Response, Problem> {
    let visit = safe(&visit)?.to_owned();
    let chosen: Vec<String> = form_urlencoded::parse(&form)
        .filter(|(name, _)| name == "section")
        .map(|(_, code)| code.into_owned())
        .collect();
    let sections: Vec<Section> = Section::ALL
        .iter()
        .copied()
        .filter(|section| !NEVER.contains(section))
        .filter(|section| chosen.iter().any(|code| code == section.code()))
        .collect();
    if sections.is_empty() {
        let error = FieldError {
            field: "section-summary",
            words: "Choose at least one section",
        };
        return draw(&session, &visit, &[], &[error]);
    }
    let mut pages = Vec::new();
    for section in sections {
        let (caller, id) = (session.caller(), visit.clone());
        let wanted = Asked::default().request(section);
        match ask(&state, move |door| door.print(&caller, &id, &wanted)).await? {
            Ok(disclosed) => pages.push(disclosed.into_inner()),
            Err(why) => return failed(why),
        }
    }
    let now = When::moment(state.clock.now());
    // A sheet has no filters; sections with a filter on the screen are given an empty one.
    let unfiltered = filled(&state, &Asked::default().request(Section::Summary));
    sheet(&session, &visit, &pages, (&unfiltered, &now))
}

/// What a sheet of paper says of how it came to be.
#[derive(Serialize)]
struct Printed<'a> {
    who: &'a str,
    role: &'a str,
    when: &'a When,
    why: String,
}

fn sheet(
    session: &Session,
    visit: &str,
    pages: &[Page],
    (unfiltered, now): (&Filled, &When),
) -> Result<Response, Problem> {
    let base = format!("/staff/record/{visit}/");
    let mut parts = Vec::new();
    for one in pages {
        let shown = shown! {
            parent => "bare.html",
            base,
            banner => &one.banner,
            section => &one.section,
            one_item => false,
            query => unfiltered,
        };
        parts.push(draw_part(template(&one.section.content), shown)?);
    }
    let first = pages.first();
    let printed = Printed {
        who: &session.user.name,
        role: session.user.role.title(),
        when: now,
        why: first.map_or_else(String::new, |one| one.visit.why.clone()),
    };
    let shown = shown! {
        base, printed,
        parts_drawn => parts,
        banner => first.map(|one| &one.banner),
        one_line => first.map(|one| &one.section.one_line),
    };
    page(
        "print.html",
        &Head::new("Print view", "record"),
        Some(&Frame::of(session)),
        shown,
    )
}
