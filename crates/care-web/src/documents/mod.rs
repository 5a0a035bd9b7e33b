//! Documents as PDF: leaflets, letters, forms and packs, tagged for screen readers (PDF/UA-1).
//!
//! A template is a Typst file in `templates/`; what it says arrives as JSON and is read by the template
//! as values, so that nothing a person wrote can become markup. A document knows no time and reads no
//! file and no network: the same template and data give the same bytes.
//!
//! Every template takes, beside its own members: `title` (required), `language` (a code such as `cy`,
//! English if absent; Arabic is set from right to left) and `large_print` (true: 18 point and more).
//!
//! Source of the form: ISO 14289-1 (PDF/UA-1). Large print: 16 point or more (screens, section 16).

mod fonts;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;
use sha2::{Digest, Sha256};
use typst::diag::{FileError, FileResult, SourceDiagnostic, Warned};
use typst::foundations::{Bytes, Datetime, Duration, Smart};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World, WorldExt};
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

include!(concat!(env!("OUT_DIR"), "/documents.rs"));

/// Where a template reads what it is given.
const DATA: &str = "data.json";

/// Setting a document needs deeper calls than the threads of the web server have room for.
const STACK_BYTES: usize = 32 << 20;

/// Why a document was not made.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// No such template.
    #[error("there is no template {0}; the templates are the .typ files of documents/templates")]
    NoTemplate(String),
    /// The template and its data do not fit.
    #[error(
        "the document {template} was not made, line {line}: {what}; compare the data with the head of the template"
    )]
    NotMade {
        /// Its template.
        template: String,
        /// The line of the template, from 1; 0 if the fault has no place.
        line: usize,
        /// What the typesetter said, without anything that came from the data.
        what: String,
    },
    /// The machine has no room.
    #[error("the document {template} was not made: no thread could be started; try again")]
    NoRoom {
        /// Its template.
        template: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
}

/// Makes a document of this template (`letter.typ`) with this data.
///
/// Characters that none of the fonts has are shown as the replacement character.
/// Errors: no such template; members that the template needs and the data lacks. No error holds
/// anything of the data.
pub fn pdf(template: &str, data: &Value) -> Result<Vec<u8>, DocumentError> {
    let desk = Desk::of(template, data)?;
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("documents".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || desk.print())
            .map_err(|cause| DocumentError::NoRoom {
                template: template.to_owned(),
                cause,
            })?
            .join()
            .unwrap_or_else(|_| {
                Err(DocumentError::NotMade {
                    template: template.to_owned(),
                    line: 0,
                    what: "the typesetter stopped".to_owned(),
                })
            })
    })
}

/// Whether a document can show this character.
pub fn prints(letter: char) -> bool {
    fonts::has(letter)
}

/// A picture as SVG by its file's name.
pub fn picture(name: &str) -> Option<&'static str> {
    let found = PICTURES.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

/// One document in the making.
struct Desk {
    template: String,
    main: FileId,
    data: Bytes,
    digest: String,
}

static LIBRARY: LazyLock<LazyHash<Library>> = LazyLock::new(|| LazyHash::new(Library::default()));

static SOURCES: LazyLock<HashMap<FileId, Source>> = LazyLock::new(|| {
    let files = TEMPLATES.iter().filter_map(|(name, text)| {
        let id = file(name)?;
        Some((id, Source::new(id, (*text).to_owned())))
    });
    files.collect()
});

fn file(name: &str) -> Option<FileId> {
    let path = VirtualPath::new(name).ok()?;
    Some(RootedPath::new(VirtualRoot::Project, path).intern())
}

impl Desk {
    fn of(template: &str, data: &Value) -> Result<Self, DocumentError> {
        let known = TEMPLATES.iter().any(|(name, _)| *name == template);
        let main = known.then(|| file(template)).flatten();
        let main = main.ok_or_else(|| DocumentError::NoTemplate(template.to_owned()))?;
        let text = fonts::printable(data).to_string();
        let digest = Sha256::digest(text.as_bytes());
        Ok(Self {
            template: template.to_owned(),
            main,
            digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            data: Bytes::from_string(text),
        })
    }

    fn print(&self) -> Result<Vec<u8>, DocumentError> {
        let Warned { output, .. } = typst::compile(self);
        let printed = output.and_then(|document| typst_pdf::pdf(&document, &self.options()?));
        // The typesetter remembers what it set, for the next time. What it set is about a person.
        typst::comemo::evict(0);
        printed.map_err(|faults| self.explain(faults.first()))
    }

    fn options(&self) -> typst::diag::SourceResult<PdfOptions> {
        let standards = PdfStandards::new(&[PdfStandard::Ua_1]).map_err(|why| {
            let detached = typst::syntax::Span::detached();
            typst::ecow::eco_vec![SourceDiagnostic::error(detached, why.message().clone())]
        })?;
        Ok(PdfOptions {
            ident: Smart::Custom(format!("{} {}", self.template, self.digest)),
            creator: Smart::Custom(Some("Connect Care".to_owned())),
            standards,
            ..PdfOptions::default()
        })
    }

    fn explain(&self, fault: Option<&SourceDiagnostic>) -> DocumentError {
        let place = fault.and_then(|fault| {
            let source = SOURCES.get(&fault.span.id()?)?;
            let at = self.range(fault.span)?.start;
            Some((source, source.lines().byte_to_line(at)? + 1))
        });
        let (template, line) = match place {
            Some((source, line)) => (source.id().vpath().get_without_slash().to_owned(), line),
            None => (self.template.clone(), 0),
        };
        let what = fault.map(|fault| without_data(&fault.message));
        DocumentError::NotMade {
            template,
            line,
            what: what.unwrap_or_default(),
        }
    }
}

/// A message without the quoted parts that no template contains: those came from the data.
fn without_data(message: &str) -> String {
    let parts = message.split(['"', '`']).enumerate();
    let kept = parts.map(|(place, part)| {
        let ours = || TEMPLATES.iter().any(|(_, text)| text.contains(part));
        match place % 2 {
            1 if ours() => format!("\"{part}\""),
            1 => "(hidden)".to_owned(),
            _ => part.to_owned(),
        }
    });
    kept.collect()
}

impl World for Desk {
    fn library(&self) -> &LazyHash<Library> {
        &LIBRARY
    }

    fn book(&self) -> &LazyHash<FontBook> {
        fonts::book()
    }

    fn main(&self) -> FileId {
        self.main
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        SOURCES.get(&id).cloned().ok_or(FileError::AccessDenied)
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if Some(id) == file(DATA) {
            return Ok(self.data.clone());
        }
        let name = id.vpath().get_without_slash();
        let picture = name.strip_prefix("pictures/").and_then(picture);
        picture
            .map(Bytes::from_string)
            .ok_or(FileError::AccessDenied)
    }

    fn font(&self, index: usize) -> Option<Font> {
        fonts::font(index)
    }

    /// A document knows no date but those in its data.
    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests;
