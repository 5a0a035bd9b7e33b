//! Rows of a SQL on FHIR view, over what a source sent or over resources at hand, into a file that has
//! no name: it is gone when it is closed.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use care_core::fhir::views::{Cell, Column, View as Definition, ViewError};
use care_core::fhir::{Json, Limits};
use care_core::release::csv_line;
use care_core::vocabulary::PersonId;
use jiff::Timestamp;

use super::walk::Walk;
use super::{Answer, Holdings, read_entry};
use crate::disclosure::{DisclosureError, FhirResource, item_name};
use crate::picked::Picked;
use crate::release::ParquetFile;
use crate::store::{StoreError, StoredBody};
use crate::supply::SupplyCaller;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsForm {
    /// One JSON object a line.
    Ndjson,
    /// One JSON list of objects.
    Json,
    /// RFC 4180, with a line of names first where wanted.
    Csv {
        /// Whether the names of the columns stand in the first line.
        names: bool,
    },
    /// Parquet.
    Parquet,
}

/// What rows are made of.
#[derive(Debug, Clone, Default)]
pub struct RowsOf {
    /// Only of these people, by our id or the source's key; none: of everybody.
    pub people: Option<Vec<String>>,
    /// Only what was received at this time or later.
    pub since: Option<Timestamp>,
    /// What the token may read.
    pub picked: Picked,
}

/// What rows are wanted.
#[derive(Debug, Clone, Copy)]
pub struct RowsAsk {
    /// How they are written.
    pub form: RowsForm,
    /// The most rows; none: all of them.
    pub limit: Option<usize>,
}

/// Why there are no rows.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The view cannot be applied to one of the resources.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The source may not, or the record cannot answer.
    #[error(transparent)]
    Record(#[from] DisclosureError),
    /// The disk cannot hold the rows now.
    #[error("the rows could not be written")]
    Disk(#[from] io::Error),
}

impl From<StoreError> for RowsError {
    fn from(cause: StoreError) -> Self {
        Self::Record(cause.into())
    }
}

/// Rows that were written, to be read from the start.
#[derive(Debug)]
pub struct RowsFile {
    /// The bytes.
    pub file: File,
    /// How many rows.
    pub rows: usize,
}

impl Holdings {
    /// The rows of a view over what the source sent.
    pub fn rows(
        &self,
        caller: &SupplyCaller,
        definition: &Definition,
        of: &RowsOf,
        wanted: &RowsAsk,
    ) -> Result<RowsFile, RowsError> {
        let mut rows = self.rows_writer(definition, wanted)?;
        let people = match &of.people {
            None => vec![None],
            Some(ids) => self.people(caller, ids)?.into_iter().map(Some).collect(),
        };
        for person in people {
            self.rows_of(caller, definition, of, person, &mut rows)?;
        }
        Ok(rows.finish()?)
    }

    /// The rows of a view over resources at hand, which were decided about before.
    pub fn rows_at_hand(
        &self,
        definition: &Definition,
        resources: &[FhirResource],
        wanted: &RowsAsk,
    ) -> Result<RowsFile, RowsError> {
        let mut rows = self.rows_writer(definition, wanted)?;
        for one in resources {
            if rows.is_full() {
                break;
            }
            rows.add(definition, &one.body, self.now())?;
        }
        Ok(rows.finish()?)
    }

    fn rows_writer(&self, definition: &Definition, wanted: &RowsAsk) -> io::Result<RowsWriter> {
        let file = nameless(&self.inner.data_directory)?;
        RowsWriter::new(file, definition.columns(), wanted)
    }

    fn people(&self, caller: &SupplyCaller, ids: &[String]) -> Answer<Vec<PersonId>> {
        let mut people = Vec::with_capacity(ids.len());
        for id in ids {
            let id = id.strip_prefix("Patient/").unwrap_or(id);
            people.push(self.person(caller, id)?);
        }
        people.sort_unstable();
        people.dedup();
        Ok(people)
    }

    fn rows_of(
        &self,
        caller: &SupplyCaller,
        definition: &Definition,
        of: &RowsOf,
        person: Option<PersonId>,
        rows: &mut RowsWriter,
    ) -> Result<(), RowsError> {
        let (view, now) = (caller.view()?, self.now());
        let kind = definition.resource_type();
        let mut walk = Walk::new(&*self.inner.store, &view, None)
            .of_type(Some(kind))
            .of_person(person)
            .since(of.since);
        while let Some(mut page) = walk.next_page()? {
            if rows.is_full() {
                break;
            }
            page.retain(|one| !one.header.deleted && of.picked.fits(kind, &one.body, now));
            self.tell_people(caller, &page)?;
            for one in page {
                let one = super::outgoing(one);
                rows.add(definition, &one.body, now)?;
            }
        }
        Ok(())
    }

    /// An entry for each person on a page, and one for things about nobody.
    fn tell_people(&self, caller: &SupplyCaller, page: &[StoredBody]) -> Answer<()> {
        let mut entries: Vec<care_core::audit::Entry> = Vec::new();
        for one in page {
            let person = one.owner();
            let item = item_name(&one.header);
            match entries.iter_mut().find(|entry| entry.person == person) {
                Some(entry) => entry.items.push(item),
                None => {
                    let mut entry = read_entry(caller, self.now(), "POST ViewDefinition/$run");
                    entry.person = person;
                    entry.items.push(item);
                    entries.push(entry);
                }
            }
        }
        self.write(entries)
    }
}

/// A file that nobody else can open and that is gone when it is closed.
fn nameless(directory: &Path) -> io::Result<File> {
    let name = crate::uuid::fresh_uuid().map_err(io::Error::other)?;
    let path = directory.join(format!(".rows-{name}"));
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

enum Out {
    Text(BufWriter<File>),
    Parquet(Box<ParquetFile<BufWriter<File>>>),
}

struct RowsWriter {
    out: Out,
    form: RowsForm,
    names: Vec<String>,
    limit: Option<usize>,
    rows: usize,
}

impl RowsWriter {
    fn new(file: File, columns: &[Column], wanted: &RowsAsk) -> io::Result<Self> {
        let out = BufWriter::with_capacity(1 << 18, file);
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let mut writer = Self {
            out: match wanted.form {
                RowsForm::Parquet => Out::Parquet(Box::new(
                    ParquetFile::new(out, columns).map_err(io::Error::other)?,
                )),
                _ => Out::Text(out),
            },
            form: wanted.form,
            names,
            limit: wanted.limit,
            rows: 0,
        };
        match wanted.form {
            RowsForm::Csv { names: true } => {
                let line = csv_line(writer.names.iter().map(String::as_str));
                writer.text(&line)?;
            }
            RowsForm::Json => writer.text("[")?,
            _ => {}
        }
        Ok(writer)
    }

    fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.rows >= limit)
    }

    /// The rows of one resource. Bytes that are no resource give none.
    fn add(
        &mut self,
        definition: &Definition,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), RowsError> {
        let Ok(resource) = Json::parse(body, Limits::default()) else {
            return Ok(());
        };
        for row in definition.rows(&resource, now)? {
            if self.is_full() {
                break;
            }
            self.row(&row)?;
        }
        Ok(())
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.rows += 1;
        match self.form {
            RowsForm::Csv { .. } => {
                let texts: Vec<String> = cells.iter().map(Cell::to_text).collect();
                self.text(&csv_line(texts.iter().map(String::as_str)))
            }
            RowsForm::Ndjson => {
                let line = format!("{}\n", self.object(cells));
                self.text(&line)
            }
            RowsForm::Json => {
                let comma = if self.rows > 1 { "," } else { "" };
                let text = format!("{comma}{}", self.object(cells));
                self.text(&text)
            }
            RowsForm::Parquet => match &mut self.out {
                Out::Parquet(file) => file.row(cells).map_err(io::Error::other),
                Out::Text(_) => Ok(()),
            },
        }
    }

    fn object(&self, cells: &[Cell]) -> Json {
        let members = self.names.iter().zip(cells);
        Json::Object(
            members
                .map(|(name, cell)| (name.clone().into(), cell.to_json()))
                .collect(),
        )
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        match &mut self.out {
            Out::Text(out) => out.write_all(text.as_bytes()),
            Out::Parquet(_) => Ok(()),
        }
    }

    fn finish(mut self) -> io::Result<RowsFile> {
        if self.form == RowsForm::Json {
            self.text("]")?;
        }
        let out = match self.out {
            Out::Text(out) => out,
            Out::Parquet(file) => file.finish().map_err(io::Error::other)?,
        };
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(RowsFile {
            file,
            rows: self.rows,
        })
    }
}
