//! The run: reads each person who may leave through a view made for the release, takes out what may
//! not leave, and writes the files. One person is in memory at a time.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use care_core::access::release_view;
use care_core::fhir::views::{Cell, View as TableView};
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::release::{
    Classes, Counted, DateRule, Form, Generalised, Identifying, Known, LeftOut, PersonInRelease,
    ProjectKey, Protected, Rules, Specification, Table, TableWanted, TokenKey, condition_name,
    csv_line, deidentify, generalise, patient, protect,
};
use care_core::secondary_use::DataForm;
use care_core::vocabulary::{Category, CategorySet, OrganisationKind};
use jiff::Timestamp;

use super::cohort::{Candidate, Decided, Leaving, is_unchanged, sets_choices_aside};
use super::error::{Answer, ReleaseError};
use super::extract::{Counts, SealedFile};
use super::files::{self, Hashed};
use super::parquet_file::ParquetFile;
use super::spool::Spool;
use crate::directory::Directory;
use crate::store::{Store, StoredBody};

/// The names of our own files.
pub(super) const PEOPLE: &str = "people.csv";
pub(super) const LEFT_OUT: &str = "left_out.txt";

/// What a run is made of.
pub(super) struct Work<'a> {
    pub store: &'a dyn Store,
    pub organisations: &'a Directory,
    pub specification: &'a Specification,
    pub decided: &'a Decided,
    pub project: ProjectKey,
    pub tokens: TokenKey,
    /// The tag of a person in what is kept about releases.
    pub tag: &'a dyn Fn(&Candidate) -> u64,
    pub earlier: &'a [care_core::release::Family],
    pub directory: &'a Path,
    pub now: Timestamp,
}

/// What a run made.
pub(super) struct Made {
    pub files: Vec<SealedFile>,
    pub counts: Counts,
    pub shown: care_core::release::Family,
    /// Who is in it.
    pub people: Vec<care_core::vocabulary::PersonId>,
}

/// A table of the specification, on its way.
struct OpenTable<'a> {
    wanted: &'a TableWanted,
    view: TableView,
    declared: Vec<usize>,
    spool: Spool,
    classes: Classes,
}

/// A table of counts, on its way.
struct OpenCounts<'a> {
    name: &'a str,
    by: &'a [Counted],
    table: Table,
}

struct Open<'a> {
    resources: Option<BTreeMap<&'static str, Hashed>>,
    tables: Vec<OpenTable<'a>>,
    counts: Vec<OpenCounts<'a>>,
}

/// Reads a ViewDefinition of a specification.
pub(super) fn read_view(wanted: &TableWanted) -> Result<(TableView, Vec<usize>), String> {
    let json = Json::parse(wanted.view.as_bytes(), Limits::default())
        .map_err(|_| format!("the view of table {} is not JSON", wanted.name))?;
    let view = TableView::read(&json).map_err(|error| {
        format!(
            "the view of table {}: {}: {}; {}",
            wanted.name, error.at, error.what, error.mend
        )
    })?;
    let place = |name: &String| {
        let found = view
            .columns()
            .iter()
            .position(|column| column.name == *name);
        found.ok_or_else(|| format!("table {} has no column {name} to declare", wanted.name))
    };
    let declared = wanted
        .declared
        .iter()
        .map(place)
        .collect::<Result<Vec<_>, _>>()?;
    Ok((view, declared))
}

/// Makes the files. Nothing outside the directory changes.
pub(super) fn produce(work: &Work<'_>) -> Answer<Made> {
    let specification = work.specification;
    let leaving = work.decided.leaving();
    let told = told(specification, &leaving);
    let mut counts = work.decided.counts;
    let mut open = open(work)?;
    let mut in_release: Vec<(&Leaving<'_>, String)> = Vec::new();
    for (place, (one, told)) in leaving.iter().zip(&told).enumerate() {
        let Some(told) = told else {
            counts.too_few_alike += 1;
            continue;
        };
        if !is_unchanged(work.store, one.candidate)? {
            counts.changed += 1;
            continue;
        }
        let pseudonym = work.project.pseudonym(one.candidate.subject());
        let person = u32::try_from(place).unwrap_or(u32::MAX);
        counts.values_removed += write_person(work, &mut open, one, told, &pseudonym, person)?;
        in_release.push((one, pseudonym));
    }
    // Whoever changed while the files were made is in them already: the run starts again.
    for (one, _) in &in_release {
        if !is_unchanged(work.store, one.candidate)? {
            return Err(ReleaseError::Changed);
        }
    }
    counts.released = in_release.len() as u64;
    let mut files = Vec::new();
    let mut shown = care_core::release::Family::default();
    for file in open.resources.into_iter().flat_map(BTreeMap::into_values) {
        files.push(file.seal()?);
    }
    for table in open.tables {
        counts.rows_kept_back += close_table(work, table, &mut files)?;
    }
    for counted in open.counts {
        let protected = close_counts(work, counted, &shown, &mut files)?;
        shown.sets.extend(protected.family.sets);
    }
    if !specification.is_counts_only() {
        commitments(work, &in_release, &mut files)?;
    }
    let people = in_release
        .iter()
        .map(|(one, _)| one.candidate.person)
        .collect();
    Ok(Made {
        files,
        counts,
        shown,
        people,
    })
}

/// How each person is told; exactly in an identifiable release.
fn told(specification: &Specification, leaving: &[Leaving<'_>]) -> Vec<Option<Generalised>> {
    let described: Vec<_> = leaving
        .iter()
        .map(|one| one.candidate.described.clone())
        .collect();
    let smallest = if specification.is_identifiable() || specification.is_counts_only() {
        1
    } else {
        specification.smallest_group
    };
    generalise(&described, smallest)
}

fn open<'a>(work: &Work<'a>) -> Answer<Open<'a>> {
    let mut open = Open {
        resources: None,
        tables: Vec::new(),
        counts: Vec::new(),
    };
    for form in &work.specification.forms {
        match form {
            Form::Ndjson => open.resources = Some(BTreeMap::new()),
            Form::Table(wanted) => {
                let (view, declared) = read_view(wanted).map_err(ReleaseError::Blocked)?;
                let spool = Spool::create(work.directory, &wanted.name)?;
                open.tables.push(OpenTable {
                    wanted,
                    view,
                    declared,
                    spool,
                    classes: Classes::default(),
                });
            }
            Form::Counts { name, by } => {
                let dimensions = by.iter().map(|one| one.code().to_owned()).collect();
                let table = Table {
                    dimensions,
                    ..Table::default()
                };
                open.counts.push(OpenCounts { name, by, table });
            }
        }
    }
    Ok(open)
}

/// What the release may read of a person: the approved categories and nothing protected.
fn scope(work: &Work<'_>, one: &Leaving<'_>, categories: CategorySet) -> care_core::access::View {
    let aside = sets_choices_aside(work.specification);
    let candidate = one.candidate;
    let hidden = if aside {
        Vec::new()
    } else {
        candidate.withheld.clone()
    };
    release_view(
        &one.member,
        categories,
        candidate.gp_dissent && !aside,
        hidden,
    )
}

fn write_person(
    work: &Work<'_>,
    open: &mut Open<'_>,
    one: &Leaving<'_>,
    told: &Generalised,
    pseudonym: &str,
    person: u32,
) -> Answer<u64> {
    let specification = work.specification;
    let categories: CategorySet = specification
        .categories
        .iter()
        .filter_map(|code| Category::from_code(code))
        .collect();
    let items = work
        .store
        .whole(one.candidate.person, &scope(work, one, categories))?;
    let items: Vec<StoredBody> = items
        .into_iter()
        .filter(|item| in_period(specification, item))
        .collect();
    count_person(work, open, one, told, &items);
    if open.resources.is_none() && open.tables.is_empty() {
        return Ok(0);
    }
    let patients = patients(work, one)?;
    let identifying = identifying(work, one, &patients)?;
    let rules = Rules {
        dates: if specification.is_identifiable() {
            specification.dates
        } else {
            careful(specification.dates)
        },
        words: specification.words && specification.is_identifiable(),
        identifiable: specification.is_identifiable(),
    };
    let leaves = PersonInRelease {
        pseudonym,
        shift_days: work.project.shift_days(one.candidate.subject()),
        told,
        identifying: &identifying,
    };
    let named = categories
        .contains(Category::Demographics)
        .then(|| patients.first())
        .flatten();
    let known = named.map(|json| Known {
        number: one.candidate.numbers.first().copied(),
        family: json.text_at(&["name", "family"]).unwrap_or_default(),
        given: json.text_at(&["name", "given"]).unwrap_or_default(),
        birth_date: json.text_at(&["birthDate"]).unwrap_or_default(),
    });
    write_resource(
        work,
        open,
        "Patient",
        &patient(&leaves, rules, known.as_ref()),
        person,
    )?;
    let mut removed = 0;
    for item in &items {
        let resource_type = item.header.resource_type;
        if resource_type == ResourceType::PATIENT || item.header.withdrawn {
            continue;
        }
        // What cannot be read cannot leave; the store's own check reports it.
        let Ok(json) = Json::parse(&item.body, Limits::default()) else {
            continue;
        };
        let Some((out, values)) = deidentify(&json, rules, &leaves, &work.project) else {
            continue;
        };
        removed += values;
        write_resource(work, open, resource_type.name(), &out, person)?;
    }
    Ok(removed)
}

/// An exact date never leaves but in an identifiable release, whatever was asked for.
fn careful(dates: DateRule) -> DateRule {
    if dates == DateRule::Exact {
        DateRule::Shifted
    } else {
        dates
    }
}

fn in_period(specification: &Specification, item: &StoredBody) -> bool {
    let cohort = &specification.cohort;
    if cohort.from.is_none() && cohort.to.is_none() {
        return true;
    }
    let Some(at) = item.header.clinical_at else {
        return false;
    };
    let day = at.to_zoned(jiff::tz::get!("Europe/London")).date();
    cohort.from.is_none_or(|first| day >= first) && cohort.to.is_none_or(|last| day <= last)
}

/// The person as each source describes them: to know what names them.
fn patients(work: &Work<'_>, one: &Leaving<'_>) -> Answer<Vec<Json>> {
    let who = [
        Category::Demographics,
        Category::Location,
        Category::Contacts,
    ]
    .into_iter()
    .collect();
    let view = scope(work, one, who);
    let headers = work
        .store
        .headers_of(one.candidate.person, &view, ResourceType::PATIENT)?;
    let wanted: Vec<_> = headers
        .iter()
        .map(|header| (header.resource_type, header.item))
        .collect();
    let bodies = work.store.bodies(one.candidate.person, &view, &wanted)?;
    let parsed = bodies
        .iter()
        .map(|body| Json::parse(&body.body, Limits::default()));
    parsed
        .map(|json| json.map_err(|error| ReleaseError::Unavailable(Box::new(error))))
        .collect()
}

fn identifying(work: &Work<'_>, one: &Leaving<'_>, patients: &[Json]) -> Answer<Identifying> {
    let mut found = Identifying::default();
    let Some(answering) = crate::identity::answering(work.store, one.candidate.person)? else {
        return Err(ReleaseError::Changed);
    };
    for (_, value, _) in &answering.row.identifiers {
        found.add(value);
    }
    for details in &answering.row.details {
        found.add_name(&details.family);
        found.add_name(&details.given);
        found.add(&details.postcode);
        found.add(&details.birth_date);
    }
    for patient in patients {
        for name in patient.elements("name").iter().chain(
            patient
                .elements("contact")
                .iter()
                .filter_map(|it| it.get("name")),
        ) {
            for part in ["family", "given", "text"] {
                for text in name.elements(part).iter().filter_map(Json::as_text) {
                    found.add_name(text);
                }
            }
        }
        for identifier in patient.elements("identifier") {
            found.add(identifier.text_at(&["value"]).unwrap_or_default());
        }
        for telecom in patient.elements("telecom") {
            found.add(telecom.text_at(&["value"]).unwrap_or_default());
        }
        for address in patient.elements("address") {
            found.add(address.text_at(&["postalCode"]).unwrap_or_default());
            for line in address.elements("line").iter().filter_map(Json::as_text) {
                found.add(line);
            }
        }
        found.add(patient.text_at(&["birthDate"]).unwrap_or_default());
    }
    Ok(found)
}

fn write_resource(
    work: &Work<'_>,
    open: &mut Open<'_>,
    resource_type: &'static str,
    resource: &Json,
    person: u32,
) -> Answer<()> {
    if let Some(files) = &mut open.resources {
        let file = match files.entry(resource_type) {
            std::collections::btree_map::Entry::Occupied(held) => held.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => free.insert(Hashed::create(
                work.directory,
                &format!("{resource_type}.ndjson"),
            )?),
        };
        let mut line = String::with_capacity(512);
        resource.write_to(&mut line);
        line.push('\n');
        file.write_all(line.as_bytes())?;
        file.rows += 1;
    }
    for table in &mut open.tables {
        if table.view.resource_type().name() != resource_type {
            continue;
        }
        let rows = table.view.rows(resource, work.now).map_err(|error| {
            ReleaseError::Blocked(format!(
                "table {}: {}: {}",
                table.wanted.name, error.at, error.what
            ))
        })?;
        for cells in rows {
            let declared: Vec<String> = table
                .declared
                .iter()
                .map(|place| text(&cells, *place))
                .collect();
            table
                .classes
                .note(person, declared.iter().map(String::as_str));
            table.spool.push(&cells)?;
        }
    }
    Ok(())
}

fn text(cells: &[Cell], place: usize) -> String {
    cells.get(place).map(Cell::to_text).unwrap_or_default()
}

/// Writes a table's rows whose groups are large enough; gives how many stay.
fn close_table(work: &Work<'_>, table: OpenTable<'_>, files: &mut Vec<SealedFile>) -> Answer<u64> {
    let OpenTable {
        wanted,
        view,
        declared,
        spool,
        classes,
    } = table;
    let smallest = if work.specification.is_identifiable() {
        1
    } else {
        work.specification.smallest_group
    };
    let columns = view.columns();
    let mut csv = match wanted.csv {
        true => Some(Hashed::create(
            work.directory,
            &format!("{}.csv", wanted.name),
        )?),
        false => None,
    };
    let mut parquet = match wanted.parquet {
        true => {
            let file = Hashed::create(work.directory, &format!("{}.parquet", wanted.name))?;
            Some(ParquetFile::new(file, columns)?)
        }
        false => None,
    };
    if let Some(csv) = &mut csv {
        csv.write_all(csv_line(columns.iter().map(|column| column.name.as_str())).as_bytes())?;
    }
    let (mut rows, mut kept_back) = (0, 0);
    spool.drain(columns.len(), |cells| -> Answer<()> {
        let said: Vec<String> = declared.iter().map(|place| text(&cells, *place)).collect();
        if !declared.is_empty() && classes.people(said.iter().map(String::as_str)) < smallest {
            kept_back += 1;
            return Ok(());
        }
        rows += 1;
        if let Some(csv) = &mut csv {
            let texts: Vec<String> = cells.iter().map(Cell::to_text).collect();
            csv.write_all(csv_line(texts.iter().map(String::as_str)).as_bytes())?;
        }
        if let Some(parquet) = &mut parquet {
            parquet.row(&cells)?;
        }
        Ok(())
    })?;
    if let Some(mut file) = csv {
        file.rows = rows;
        files.push(file.seal()?);
    }
    if let Some(file) = parquet {
        let mut file = file.finish()?;
        file.rows = rows;
        files.push(file.seal()?);
    }
    Ok(kept_back)
}

/// Counts a person in every table of counts.
fn count_person(
    work: &Work<'_>,
    open: &mut Open<'_>,
    one: &Leaving<'_>,
    told: &Generalised,
    items: &[StoredBody],
) {
    if open.counts.is_empty() {
        return;
    }
    let tag = (work.tag)(one.candidate);
    for counts in &mut open.counts {
        let mut cells: Vec<Vec<String>> = vec![Vec::new()];
        for by in counts.by {
            let values = values(work, *by, one.candidate, told, items);
            let longer = cells.iter().flat_map(|cell| {
                values
                    .iter()
                    .map(|value| cell.iter().cloned().chain([value.clone()]).collect())
            });
            cells = longer.collect();
        }
        for cell in cells {
            counts.table.add(cell, tag);
        }
    }
}

/// What a person counts as: one value, or several for conditions and services.
fn values(
    work: &Work<'_>,
    by: Counted,
    candidate: &Candidate,
    told: &Generalised,
    items: &[StoredBody],
) -> Vec<String> {
    let unknown = |text: &str| {
        if text.is_empty() {
            "not known".to_owned()
        } else {
            text.to_owned()
        }
    };
    let ten = care_core::release::AgeBand { width: 10 };
    match by {
        Counted::Area => vec![unknown(&care_core::release::area_of(
            &candidate.described.postcode,
            true,
        ))],
        Counted::AgeBand => vec![ten.of(candidate.described.age_years)],
        Counted::Gender => vec![unknown(&told.gender)],
        Counted::Practice => vec![unknown(&candidate.practice)],
        Counted::Condition => distinct(items, "none of the list", |item| {
            (item.header.resource_type == ResourceType::CONDITION && item.header.current)
                .then_some(())?;
            let json = Json::parse(&item.body, Limits::default()).ok()?;
            let codes = json
                .get("code")?
                .elements("coding")
                .iter()
                .filter_map(|it| it.text_at(&["code"]));
            codes.filter_map(condition_name).next().map(str::to_owned)
        }),
        Counted::Service => distinct(items, "none", |item| {
            (item.header.resource_type == ResourceType::ENCOUNTER).then_some(())?;
            let json = Json::parse(&item.body, Limits::default()).ok()?;
            let kind = work
                .organisations
                .organisation(&item.header.source)
                .map(|it| it.kind);
            Some(service(json.text_at(&["class", "code"]).unwrap_or_default(), kind).to_owned())
        }),
    }
}

fn distinct(
    items: &[StoredBody],
    otherwise: &str,
    of: impl Fn(&StoredBody) -> Option<String>,
) -> Vec<String> {
    let mut found: Vec<String> = items.iter().filter_map(of).collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        found.push(otherwise.to_owned());
    }
    found
}

/// A service by the class of the encounter (HL7 v3 ActCode) and the kind of organisation.
fn service(class: &str, kind: Option<OrganisationKind>) -> &'static str {
    match (class, kind) {
        ("EMER", _) => "Emergency department",
        ("IMP" | "ACUTE" | "NONAC" | "SS", _) => "Hospital admission",
        (_, Some(OrganisationKind::Practice)) => "General practice",
        (_, Some(OrganisationKind::MentalHealth)) => "Mental health services",
        (_, Some(OrganisationKind::Community)) => "Community health services",
        (_, Some(OrganisationKind::Council)) => "Social care",
        (_, Some(OrganisationKind::Trust)) => "Hospital outpatients",
        (_, Some(OrganisationKind::Ambulance)) => "Ambulance",
        _ => "Other services",
    }
}

fn close_counts(
    work: &Work<'_>,
    counted: OpenCounts<'_>,
    shown: &care_core::release::Family,
    files: &mut Vec<SealedFile>,
) -> Answer<Protected> {
    let mut table = counted.table;
    table.finish();
    let mut before = work.earlier.to_vec();
    before.push(shown.clone());
    let protected = if work.specification.data_form() == DataForm::Confidential {
        // Even an identifiable release tells counts as counts are told.
        protect(&table, &[])
    } else {
        protect(&table, &before)
    };
    let mut text = csv_line(
        table
            .dimensions
            .iter()
            .map(String::as_str)
            .chain(["people"]),
    );
    for (cell, shown) in &protected.cells {
        let count = shown.text();
        text.push_str(&csv_line(
            cell.iter().map(String::as_str).chain([count.as_str()]),
        ));
    }
    let rows = protected.cells.len() as u64;
    files.push(files::whole(
        work.directory,
        &format!("{}.csv", counted.name),
        &text,
        rows,
    )?);
    Ok(protected)
}

/// Who is in it, by pseudonym and token; and the hashes of those who are not.
fn commitments(
    work: &Work<'_>,
    in_release: &[(&Leaving<'_>, String)],
    files: &mut Vec<SealedFile>,
) -> Answer<()> {
    let mut lines: Vec<(String, String)> = in_release
        .iter()
        .map(|(one, pseudonym)| {
            (
                pseudonym.clone(),
                work.tokens.token(one.candidate.subject()),
            )
        })
        .collect();
    lines.sort_unstable();
    let mut people = csv_line(["person", "token"]);
    for (pseudonym, token) in &lines {
        people.push_str(&csv_line([pseudonym.as_str(), token.as_str()]));
    }
    files.push(files::whole(
        work.directory,
        PEOPLE,
        &people,
        lines.len() as u64,
    )?);
    let in_it: std::collections::BTreeSet<_> = in_release
        .iter()
        .map(|(one, _)| one.candidate.person)
        .collect();
    let out: Vec<String> = work
        .decided
        .candidates
        .iter()
        .filter(|candidate| !in_it.contains(&candidate.person))
        .map(|candidate| work.tokens.token(candidate.subject()))
        .collect();
    let list = LeftOut::of(out.iter().map(String::as_str), &work.tokens).to_text();
    let rows = list.lines().count() as u64;
    files.push(files::whole(work.directory, LEFT_OUT, &list, rows)?);
    Ok(())
}
