//! C7 to C20 and C22: the record of a visit. One handler draws every section; the template follows
//! from what was disclosed.

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use care_core::sections::{
    Content, File, Filter, MedicinesList, ResultsView, Section, SectionRequest,
};
use care_core::vocabulary::{ItemId, OdsCode, base32_decode};
use care_record::{DisclosureError, Page};
use serde::{Deserialize, Serialize};

use super::{ask, failed, not_there};
use crate::components::{Frame, Head, page, see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// Filters of a section: codes only, never text about the person.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    list: String,
    view: String,
    mark: String,
    source: String,
    group: String,
    show: String,
    months: String,
    page: String,
}

/// What the filter's form is filled with.
#[derive(Serialize)]
pub(super) struct Filled {
    group: String,
    show: String,
    months: String,
    source: String,
    sources: Vec<(String, String)>,
    on: bool,
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

impl Asked {
    fn filter(&self) -> Filter {
        Filter {
            source: OdsCode::parse(&self.source).ok(),
            new_only: self.show == "new",
            out_of_range: self.show == "out-of-range",
            months: self.months.parse().ok(),
            group: some(&self.group),
            mark: some(&self.mark),
            page: self.page.parse().unwrap_or(1),
        }
    }

    pub(super) fn request(&self, section: Section) -> SectionRequest {
        let filter = self.filter();
        match section {
            Section::Summary => SectionRequest::Summary,
            Section::Timeline => SectionRequest::Timeline { filter },
            Section::Problems => SectionRequest::Problems,
            Section::Medicines => SectionRequest::Medicines {
                list: if self.list == "past" {
                    MedicinesList::Past
                } else {
                    MedicinesList::Current
                },
                filter,
            },
            Section::Allergies => SectionRequest::Allergies,
            Section::Results => SectionRequest::Results {
                view: match self.view.as_str() {
                    "by-date" => ResultsView::ByDate,
                    "reports" => ResultsView::Reports,
                    _ => ResultsView::ByTest,
                },
                filter,
            },
            Section::Encounters => SectionRequest::Encounters { filter },
            Section::Documents => SectionRequest::Documents { filter },
            Section::CarePlans => SectionRequest::CarePlans,
            Section::SocialCare => SectionRequest::SocialCare,
            Section::Team => SectionRequest::Team,
            Section::Search => SectionRequest::Search {
                words: String::new(),
            },
            Section::Sources => SectionRequest::Sources,
        }
    }
}

/// `GET /staff/record/{visit}/`.
pub(super) async fn first(_: Session, Path(visit): Path<String>) -> Result<Response, Problem> {
    Ok(see_other(&format!(
        "/staff/record/{}/summary",
        safe(&visit)?
    )))
}

/// A visit id holds letters and digits only; anything else is nobody's visit.
pub(super) fn safe(visit: &str) -> Result<&str, Problem> {
    let fits = visit
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if fits { Ok(visit) } else { Err(not_there()) }
}

/// `GET /staff/record/{visit}/{section}`.
pub(super) async fn section(
    State(state): State<Shared>,
    session: Session,
    Path((visit, section)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let section = Section::from_code(&section).ok_or_else(not_there)?;
    draw(&state, &session, &visit, asked.request(section), &asked).await
}

/// `GET /staff/record/{visit}/results/{test}`.
pub(super) async fn test(
    State(state): State<Shared>,
    session: Session,
    Path((visit, test)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let code_key = base32_decode(&test).map_err(|_| not_there())?;
    draw(
        &state,
        &session,
        &visit,
        SectionRequest::Test { code_key },
        &Asked::default(),
    )
    .await
}

/// `GET /staff/record/{visit}/documents/{document}`.
pub(super) async fn document(
    State(state): State<Shared>,
    session: Session,
    Path((visit, document)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let item = ItemId::parse(&document).map_err(|_| not_there())?;
    draw(
        &state,
        &session,
        &visit,
        SectionRequest::Document { item },
        &Asked::default(),
    )
    .await
}

/// `GET /staff/record/{visit}/item/{item}`.
pub(super) async fn item(
    State(state): State<Shared>,
    session: Session,
    Path((visit, item)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let item = ItemId::parse(&item).map_err(|_| not_there())?;
    draw(
        &state,
        &session,
        &visit,
        SectionRequest::Item { item },
        &Asked::default(),
    )
    .await
}

/// `GET /staff/record/{visit}/search`.
pub(super) async fn search_form(
    State(state): State<Shared>,
    session: Session,
    Path(visit): Path<String>,
) -> Result<Response, Problem> {
    let request = SectionRequest::Search {
        words: String::new(),
    };
    draw(&state, &session, &visit, request, &Asked::default()).await
}

/// Words to search for.
#[derive(Deserialize)]
pub(super) struct Words {
    #[serde(default)]
    words: String,
}

/// `POST /staff/record/{visit}/search`: the words never stand in an address.
pub(super) async fn search(
    State(state): State<Shared>,
    session: Session,
    Path(visit): Path<String>,
    Form(Words { words }): Form<Words>,
) -> Result<Response, Problem> {
    draw(
        &state,
        &session,
        &visit,
        SectionRequest::Search { words },
        &Asked::default(),
    )
    .await
}

async fn draw(
    state: &Shared,
    session: &Session,
    visit: &str,
    request: SectionRequest,
    asked: &Asked,
) -> Result<Response, Problem> {
    let visit = safe(visit)?.to_owned();
    let (caller, id, wanted) = (session.caller(), visit.clone(), request.clone());
    let disclosed = match ask(state, move |door| door.section(&caller, &id, &wanted)).await? {
        Ok(disclosed) => disclosed,
        Err(why) => return failed(why),
    };
    let head = Head::new(title(&request, &disclosed.section.content, asked), "record");
    let base = format!("/staff/record/{visit}/");
    let (template, shown) = again(state, &request, &disclosed, &base);
    page(template, &head, Some(&Frame::of(session)), shown)
}

/// The template of a page and what it is shown: the same page and base give the same bytes.
pub(crate) fn again(
    state: &Shared,
    request: &SectionRequest,
    page: &Page,
    base: &str,
) -> (&'static str, minijinja::Value) {
    let one_item = matches!(
        request,
        SectionRequest::Document { .. } | SectionRequest::Item { .. }
    );
    let shown = shown! {
        base,
        banner => &page.banner,
        alerts => &page.alerts,
        menu => &page.menu,
        section => &page.section,
        one_item,
        query => filled(state, request),
    };
    (template(&page.section.content), shown)
}

/// A title without anything about the person: titles show on shared screens and in history.
fn title(request: &SectionRequest, content: &Content, asked: &Asked) -> String {
    let place = match (request, content) {
        (SectionRequest::Item { .. }, _) => "One item",
        (SectionRequest::Document { .. }, _) => "Document",
        (SectionRequest::Test { .. }, _) => "One test",
        _ => request.section().map_or("Record", Section::title),
    };
    let pages = match content {
        Content::Timeline(view) => view.pages,
        Content::Documents(view) => view.pages,
        Content::Results(view) => view.pages,
        _ => 1,
    };
    if pages > 1 {
        format!("{place} (page {} of {pages})", asked.filter().page.max(1))
    } else {
        place.to_owned()
    }
}

pub(crate) fn template(content: &Content) -> &'static str {
    match content {
        Content::Summary(_) => "summary.html",
        Content::Timeline(_) => "timeline.html",
        Content::Problems(_) => "problems.html",
        Content::Medicines(_) => "medicines.html",
        Content::Allergies(_) => "allergies.html",
        Content::Results(_) => "results.html",
        Content::Test(_) => "test.html",
        Content::Encounters(_) => "encounters.html",
        Content::Documents(_) => "documents.html",
        Content::Document(_) => "document.html",
        Content::Groups(_) => "groups.html",
        Content::Search(_) => "search.html",
        Content::Sources(_) => "sources.html",
        Content::Item(_) => "item.html",
        Content::NotForRole | Content::NotThere => "record.html",
    }
}

/// The filter's form, filled with what was asked.
pub(super) fn filled(state: &Shared, request: &SectionRequest) -> Filled {
    let filter = match request {
        SectionRequest::Timeline { filter }
        | SectionRequest::Medicines { filter, .. }
        | SectionRequest::Results { filter, .. }
        | SectionRequest::Encounters { filter }
        | SectionRequest::Documents { filter } => filter.clone(),
        _ => Filter::default(),
    };
    let show = match () {
        () if filter.new_only => "new",
        () if filter.out_of_range => "out-of-range",
        () => "",
    };
    Filled {
        on: filter.is_on(),
        show: show.to_owned(),
        months: filter
            .months
            .map_or_else(String::new, |months| months.to_string()),
        source: filter
            .source
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
        group: filter.group.unwrap_or_default(),
        sources: state
            .directory
            .sources()
            .iter()
            .map(|source| {
                (
                    source.organisation.ods.to_string(),
                    source.organisation.short_name.clone(),
                )
            })
            .collect(),
    }
}

/// `GET /staff/record/{visit}/documents/{document}/file/{place}`: the file as it was sent.
pub(super) async fn file(
    State(state): State<Shared>,
    session: Session,
    Path((visit, document, place)): Path<(String, String, usize)>,
) -> Result<Response, Problem> {
    let item = ItemId::parse(&document).map_err(|_| not_there())?;
    let (caller, visit) = (session.caller(), safe(&visit)?.to_owned());
    let request = SectionRequest::Document { item };
    let disclosed = match ask(&state, move |door| door.section(&caller, &visit, &request)).await? {
        Ok(disclosed) => disclosed,
        Err(why) => return failed(why),
    };
    let Content::Document(document) = &disclosed.section.content else {
        return Err(not_there());
    };
    let (_, file) = document
        .files
        .iter()
        .find(|(at, _)| *at == place)
        .ok_or_else(not_there)?;
    send(file)
}

/// Only kinds that a browser shows without running anything are shown; others are saved.
fn send(file: &File) -> Result<Response, Problem> {
    let shown = matches!(
        file.media_type.as_str(),
        "application/pdf" | "image/png" | "image/jpeg"
    );
    let media_type = if shown {
        file.media_type.as_str()
    } else {
        "application/octet-stream"
    };
    let kind = HeaderValue::from_str(media_type).map_err(Problem::unavailable)?;
    let place = if shown {
        "inline"
    } else {
        "attachment; filename=\"document\""
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(place)),
    ];
    Ok((headers, file.bytes.clone()).into_response())
}

/// `POST /staff/record/{visit}/close`.
pub(super) async fn close(
    State(state): State<Shared>,
    session: Session,
    Path(visit): Path<String>,
) -> Result<Response, Problem> {
    let caller = session.caller();
    match ask(&state, move |door| door.close(&caller, &visit)).await? {
        Ok(_) => Ok(see_other("/staff/find?notice=closed")),
        Err(why) => failed(why),
    }
}

/// `GET /staff/record/{visit}/wrong-person`.
pub(super) async fn wrong_person(
    session: Session,
    Path(visit): Path<String>,
) -> Result<Response, Problem> {
    let base = format!("/staff/record/{}/", safe(&visit)?);
    let head = Head::new("Did you open this by mistake?", "record");
    page(
        "wrong-person.html",
        &head,
        Some(&Frame::of(&session)),
        shown! { base },
    )
}

/// `POST /staff/record/{visit}/wrong-person`.
pub(super) async fn report_wrong_person(
    State(state): State<Shared>,
    session: Session,
    Path(visit): Path<String>,
) -> Result<Response, Problem> {
    let caller = session.caller();
    match ask(&state, move |door| door.wrong_person(&caller, &visit)).await? {
        Ok(_) => Ok(see_other("/staff/find?notice=reported")),
        Err(DisclosureError::VisitEnded) => Ok(see_other("/staff/find?notice=ended")),
        Err(why) => failed(why),
    }
}
