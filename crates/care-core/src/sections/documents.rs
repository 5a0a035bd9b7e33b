//! Letters and reports: the list, and one document with its text or file.
//!
//! Source: the screen design, C14; hazard H29. A file that cannot be read says so; it is never blank.

use base64::Engine;
use serde::Serialize;

use super::input::{Input, Seen};
use super::item::Item;
use super::read;
use super::request::{Filter, Section};
use super::wanted::{DOCUMENT_ROWS, documents};
use super::when::When;
use crate::fhir::{Json, ResourceType};
use crate::vocabulary::ItemId;

/// One document in the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DocumentRow {
    /// Where it came from.
    pub seen: Seen,
    /// The date of the document.
    pub date: Option<When>,
    /// Its title.
    pub title: String,
    /// Its type, where the title is another text.
    pub kind: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// Specialty or setting.
    pub specialty: Option<String>,
    /// "PDF, 210 KB", as far as the source said.
    pub length: Option<String>,
    /// Superseded, Preliminary … ; `None` when current and final.
    pub status: Option<String>,
}

/// The documents page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DocumentsView {
    /// Newest first.
    pub rows: Vec<DocumentRow>,
    /// How many there are with the filter.
    pub of: usize,
    /// How many there are without it.
    pub all: usize,
    /// The page, from 1.
    pub page: usize,
    /// How many pages there are.
    pub pages: usize,
}

/// What a document holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Content {
    /// Text, line by line as sent.
    Text {
        /// The lines.
        lines: Vec<String>,
    },
    /// A file to open.
    File {
        /// Its place among the document's contents, from 0.
        place: usize,
        /// "PDF", "Image (JPEG)", "Word" …
        name: &'static str,
        /// "210 KB".
        size: String,
    },
    /// Nothing readable was sent (S8).
    Missing {
        /// What the page says.
        words: String,
    },
}

/// One document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DocumentPage {
    /// The row of the list.
    pub row: DocumentRow,
    /// To whom it was sent, where said.
    pub to: Option<String>,
    /// What it holds, in the order sent.
    pub contents: Vec<Content>,
    /// The files themselves with their places, for "Open the file"; never in the page.
    #[serde(skip)]
    pub files: Vec<(usize, File)>,
    /// "Outpatient visit 21-Sep-2026".
    pub belongs_to: Option<String>,
    /// The ids of the newer and the older document in the list.
    pub newer: Option<String>,
    /// The older one.
    pub older: Option<String>,
}

/// A file of a document, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its media type as sent.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Arranges the documents that were loaded: one page of them.
pub(super) fn arrange(input: &Input, filter: &Filter) -> DocumentsView {
    let matching = documents(input.headers, filter);
    let page = filter.page.max(1);
    let rows = matching
        .iter()
        .skip((page - 1).saturating_mul(DOCUMENT_ROWS))
        .take(DOCUMENT_ROWS)
        .filter_map(|header| input.item(header.resource_type, header.item))
        .map(|item| row(item, input))
        .collect();
    DocumentsView {
        rows,
        of: matching.len(),
        all: input.headers_of(Section::Documents).count(),
        page,
        pages: matching.len().div_ceil(DOCUMENT_ROWS).max(1),
    }
}

pub(super) fn row(item: &Item, input: &Input) -> DocumentRow {
    let body = &item.body;
    let kind = read::concept_at(body, "type");
    let attachment = body.path(&["content", "attachment"]).unwrap_or(&Json::Null);
    let title = [
        body.text_at(&["description"]),
        body.text_at(&["title"]),
        attachment.text_at(&["title"]),
    ]
    .into_iter()
    .flatten()
    .find(|text| !text.trim().is_empty())
    .map(str::to_owned)
    .or_else(|| kind.clone())
    .unwrap_or_else(|| "Document without a title".to_owned());
    let status = [body.text_at(&["docStatus"]), body.text_at(&["status"])]
        .into_iter()
        .flatten()
        .find(|status| !matches!(*status, "current" | "final"))
        .map(read::words_of_code);
    DocumentRow {
        date: item
            .header
            .clinical_at
            .map(When::day)
            .or_else(|| read::when_at(body, &["date", "created"]).map(When::date_only)),
        seen: input.seen(&item.header),
        kind: kind.filter(|kind| *kind != title),
        title,
        author: read::who(body, &["author", "authenticator", "custodian"]),
        specialty: body
            .path(&["context"])
            .and_then(|context| read::concept_at(context, "practiceSetting"))
            .or_else(|| read::concept_at(body, "category")),
        length: length(attachment),
        status,
    }
}

fn length(attachment: &Json) -> Option<String> {
    let name = attachment.text_at(&["contentType"]).map(type_words);
    let size = attachment
        .get("size")
        .and_then(Json::as_number)
        .and_then(|size| size.parse::<usize>().ok())
        .or_else(|| attachment.text_at(&["data"]).map(|data| data.len() / 4 * 3))
        .map(size_words);
    let parts: Vec<String> = name.map(str::to_owned).into_iter().chain(size).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn type_words(media_type: &str) -> &'static str {
    let plain = media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match plain.as_str() {
        "application/pdf" => "PDF",
        "text/plain" => "Text",
        "text/html" | "application/xhtml+xml" => "Web page",
        "text/rtf" | "application/rtf" => "RTF",
        "image/jpeg" | "image/jpg" => "Image (JPEG)",
        "image/png" => "Image (PNG)",
        "image/tiff" => "Image (TIFF)",
        "application/msword"
        | "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "Word",
        _ => "File",
    }
}

fn size_words(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        _ => format!(
            "{} MB",
            super::words::number(&bytes.div_ceil(1_000_000).to_string())
        ),
    }
}

/// One document; `None` when it was not loaded.
pub(super) fn page(input: &Input, id: ItemId) -> Option<DocumentPage> {
    let item = input.items.iter().find(|item| {
        item.header.item == id
            && Section::Documents.shows(item.header.resource_type, item.header.category)
    })?;
    let list = documents(input.headers, &Filter::default());
    let place = list.iter().position(|header| header.item == id);
    let at = |place: Option<usize>| {
        place
            .and_then(|place| list.get(place))
            .map(|header| header.item.to_string())
    };
    Some(DocumentPage {
        row: row(item, input),
        to: read::who(&item.body, &["recipient"]),
        contents: contents(item, input),
        files: files(item, input),
        belongs_to: belongs_to(item, input),
        newer: at(place.and_then(|place| place.checked_sub(1))),
        older: at(place.map(|place| place + 1)),
    })
}

fn belongs_to(item: &Item, input: &Input) -> Option<String> {
    let reference = item
        .body
        .path(&["context", "encounter"])
        .or_else(|| item.body.get("encounter"))?;
    if let Some((resource_type, id)) = read::target(reference)
        && let Some(visit) = input.item(resource_type, id)
    {
        let seen = input.seen(&visit.header);
        let kind = read::concept_at(&visit.body, "type").unwrap_or_else(|| "Visit".to_owned());
        return Some(match seen.date {
            Some(date) => format!("{kind} {}", date.short),
            None => kind,
        });
    }
    read::reference_words(reference)
}

fn contents(item: &Item, input: &Input) -> Vec<Content> {
    let mut contents: Vec<Content> = item
        .body
        .elements("content")
        .iter()
        .enumerate()
        .map(|(place, content)| {
            content_of(
                place,
                content.get("attachment").unwrap_or(&Json::Null),
                input,
            )
        })
        .collect();
    for section in item.body.elements("section") {
        let mut lines: Vec<String> = section
            .text_at(&["title"])
            .map(str::to_owned)
            .into_iter()
            .collect();
        lines.extend(
            section
                .text_at(&["text", "div"])
                .map(read::plain_text)
                .unwrap_or_default(),
        );
        if !lines.is_empty() {
            contents.push(Content::Text { lines });
        }
    }
    if contents.is_empty() {
        contents.extend(
            item.body
                .text_at(&["text", "div"])
                .map(read::plain_text)
                .filter(|l| !l.is_empty())
                .map(|lines| Content::Text { lines }),
        );
    }
    if contents.is_empty() {
        contents.push(missing("The source sent no text and no file."));
    }
    contents
}

fn missing(words: &str) -> Content {
    Content::Missing {
        words: words.to_owned(),
    }
}

fn content_of(place: usize, attachment: &Json, input: &Input) -> Content {
    let Some(file) = attached(attachment, input) else {
        return missing(match attachment.text_at(&["data"]) {
            Some(_) => "This file could not be read. It has been reported.",
            None => "The source did not send the file itself.",
        });
    };
    match type_words(&file.media_type) {
        "Text" => Content::Text {
            lines: text_lines(&file.bytes),
        },
        "Web page" => Content::Text {
            lines: read::plain_text(&String::from_utf8_lossy(&file.bytes)),
        },
        name => Content::File {
            place,
            name,
            size: size_words(file.bytes.len()),
        },
    }
}

fn text_lines(bytes: &[u8]) -> Vec<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::WINDOWS_1252.decode(bytes).0.into_owned(),
    };
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

fn attached(attachment: &Json, input: &Input) -> Option<File> {
    let read_base64 = |data: &str| {
        let compact: String = data.chars().filter(|c| !c.is_whitespace()).collect();
        base64::engine::general_purpose::STANDARD
            .decode(compact)
            .ok()
            .filter(|bytes| !bytes.is_empty())
    };
    let media_type = |json: &Json| {
        json.text_at(&["contentType"])
            .unwrap_or("application/octet-stream")
            .to_owned()
    };
    if let Some(data) = attachment.text_at(&["data"]) {
        return Some(File {
            media_type: media_type(attachment),
            bytes: read_base64(data)?,
        });
    }
    let (_, id) = attachment.text_at(&["url"])?.rsplit_once("Binary/")?;
    let binary = input.item(ResourceType::BINARY, ItemId::parse(id).ok()?)?;
    Some(File {
        media_type: media_type(&binary.body),
        bytes: read_base64(binary.body.text_at(&["data"])?)?,
    })
}

fn files(item: &Item, input: &Input) -> Vec<(usize, File)> {
    item.body
        .elements("content")
        .iter()
        .enumerate()
        .filter_map(|(place, content)| Some((place, attached(content.get("attachment")?, input)?)))
        .collect()
}
