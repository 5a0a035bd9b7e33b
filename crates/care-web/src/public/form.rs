//! The paper form for a choice: one file of questions, drawn as a page that prints on two sides of A4
//! and as PDF in three forms. Source: screens, section 10.

use std::collections::HashMap;

use anyhow::Context;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::draw;
use super::leaflet::pages::pdf_answer;
use super::leaflet::sentence::{self, Part};
use crate::components::shown;
use crate::documents;
use crate::problem::Problem;
use crate::state::Shared;

const PLAIN: &str = include_str!("../../content/form/en.toml");
const EASY: &str = include_str!("../../content/form/en-easy.toml");

/// A file of questions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FormFile {
    title: String,
    version: String,
    intro: Vec<String>,
    part: Vec<PartFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartFile {
    heading: String,
    picture: String,
    #[serde(default)]
    page: bool,
    #[serde(default)]
    lines: Vec<String>,
    #[serde(default)]
    boxes: Vec<String>,
    #[serde(default)]
    notes: Vec<String>,
}

/// A form, ready to be drawn or printed.
#[derive(Debug, Serialize)]
struct Form {
    title: String,
    version: String,
    easy: bool,
    intro: Vec<Vec<Part>>,
    parts: Vec<FormPart>,
}

#[derive(Debug, Serialize)]
struct FormPart {
    heading: String,
    picture: String,
    page: bool,
    lines: Vec<String>,
    boxes: Vec<String>,
    notes: Vec<Vec<Part>>,
}

impl Form {
    fn read(text: &str, easy: bool, values: &HashMap<&str, String>) -> anyhow::Result<Self> {
        let file: FormFile = toml::from_str(text).context("the questions of the paper form")?;
        let filled = |all: &[String]| -> anyhow::Result<Vec<Vec<Part>>> {
            all.iter()
                .map(|text| sentence::fill(text, values, false))
                .collect()
        };
        let parts = file.part.into_iter().map(|part| {
            Ok(FormPart {
                notes: filled(&part.notes)?,
                heading: part.heading,
                picture: part.picture,
                page: part.page,
                lines: part.lines,
                boxes: part.boxes,
            })
        });
        Ok(Self {
            easy,
            intro: filled(&file.intro)?,
            parts: parts.collect::<anyhow::Result<_>>()?,
            title: file.title,
            version: file.version,
        })
    }

    fn pdf(&self, large: bool) -> Result<Vec<u8>, documents::DocumentError> {
        let data = serde_json::json!({
            "title": self.title,
            "large_print": large,
            "foot": format!("Connect Care, form version {}", self.version),
            "form": self,
        });
        documents::pdf("choice-form.typ", &data)
    }
}

fn form(state: &Shared, easy: bool) -> Result<Form, Problem> {
    let values = state.content.values(&state.config.server.base_url);
    Form::read(if easy { EASY } else { PLAIN }, easy, &values)
        .map_err(|why| Problem::unavailable(format!("{why:#}")))
}

/// `GET /choices/form`.
pub async fn plain(State(state): State<Shared>) -> Result<Response, Problem> {
    let form = form(&state, false)?;
    let with = shown! { form };
    draw(
        &state,
        "public-form.html",
        "Paper form: your choice",
        "choices",
        with,
    )
}

/// `GET /choices/form/{format}`: `easy-read` as a page; `form.pdf`, `large-print.pdf` and
/// `easy-read.pdf` to print.
pub async fn format(
    State(state): State<Shared>,
    Path(format): Path<String>,
) -> Result<Response, Problem> {
    let (easy, large) = match format.as_str() {
        "easy-read" => {
            let form = form(&state, true)?;
            let title = "Paper form in Easy Read: your choice";
            return draw(
                &state,
                "public-form.html",
                title,
                "choices",
                shown! { form },
            );
        }
        "form.pdf" => (false, false),
        "large-print.pdf" => (false, true),
        "easy-read.pdf" => (true, false),
        _ => return Err(Problem::not_found()),
    };
    let form = form(&state, easy)?;
    let made = crate::blocking(move || form.pdf(large)).await?;
    let body = made.map_err(Problem::unavailable)?;
    Ok(pdf_answer(&format!("connect-care-choice-{format}"), body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::public::Content;

    #[test]
    fn the_form_prints_in_every_format() {
        let content = Content::open(None).expect("content");
        let values = content.values("https://care.example.org");
        for (text, easy) in [(PLAIN, false), (EASY, true)] {
            let form = Form::read(text, easy, &values).expect("it reads");
            for part in &form.parts {
                assert!(documents::picture(&format!("{}.svg", part.picture)).is_some());
            }
            for large in [false, true] {
                let made = form.pdf(large).expect("a PDF");
                documents::tests::keep(&format!("form-{easy}-{large}"), &made);
            }
        }
    }
}
