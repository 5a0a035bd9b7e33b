//! A ViewDefinition, read and checked before the first resource comes.

use std::fmt;

use super::cell::ColumnKind;
use crate::fhir::path::{Element, Path, PathError, Value};
use crate::fhir::{Json, ResourceType};

/// How deep selects may nest.
const DEEPEST: usize = 32;
/// How many columns a view may have.
const MOST_COLUMNS: usize = 1_000;
/// The place of a row among its siblings.
pub(super) const ROW_INDEX: &str = "rowIndex";

/// A definition that was read.
#[derive(Debug, Clone)]
pub struct View {
    pub(super) resource: ResourceType,
    pub(super) constants: Vec<Constant>,
    pub(super) conditions: Vec<Path>,
    pub(super) select: Vec<Select>,
    columns: Vec<Column>,
    name: String,
}

/// One column of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name: a letter, then letters, digits and underscores.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// The FHIR type the definition says, where it does.
    pub fhir_type: Option<String>,
    /// It holds a list.
    pub is_collection: bool,
    /// What the definition says of it.
    pub description: Option<String>,
}

/// A value that expressions name.
#[derive(Debug, Clone)]
pub(super) struct Constant {
    pub(super) name: String,
    value: Json,
    of_type: String,
}

impl Constant {
    pub(super) fn value(&self) -> Value<'_> {
        Value::Element(Element::of_type(&self.value, &self.of_type))
    }
}

/// One select: a question for the rows, columns, and further selects.
#[derive(Debug, Clone)]
pub(super) struct Select {
    pub(super) rows: RowsOf,
    pub(super) columns: Vec<(Path, bool)>,
    pub(super) selects: Vec<Select>,
    pub(super) union: Vec<Select>,
    /// How many cells a row of this select has.
    pub(super) width: usize,
}

/// What a select's rows are made of.
#[derive(Debug, Clone)]
pub(super) enum RowsOf {
    /// The element at hand.
    Here,
    /// Each of an expression's answers.
    Each(Path),
    /// The same, and one row of nothing where there is none.
    EachOrNothing(Path),
    /// Each answer, and of each again, to any depth.
    Repeated(Vec<Path>),
}

/// Why a definition or a row of it cannot be had: where, what, and how to mend it. Holds nothing of
/// the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewError {
    /// Where in the definition: `select[0].column[1].path`.
    pub at: String,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl ViewError {
    pub(super) fn new(at: impl Into<String>, what: impl Into<String>, mend: &str) -> Self {
        Self {
            at: at.into(),
            what: what.into(),
            mend: mend.to_owned(),
        }
    }

    pub(super) fn path(at: impl Into<String>, error: &PathError) -> Self {
        Self {
            at: at.into(),
            what: error.what.clone(),
            mend: error.mend.clone(),
        }
    }
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ViewDefinition.{}: {}; {}",
            self.at, self.what, self.mend
        )
    }
}

impl std::error::Error for ViewError {}

impl View {
    /// Reads a ViewDefinition.
    ///
    /// Errors: the first thing that is wrong with it, with its place: no or an unknown resource type,
    /// a name that SQL would not take or that stands twice, an expression that cannot be read or
    /// names an unknown constant, parts of a union whose columns differ.
    pub fn read(definition: &Json) -> Result<Self, ViewError> {
        let type_name = definition.text_at(&["resource"]).ok_or_else(|| {
            ViewError::new(
                "resource",
                "the resource type is missing",
                "say what the rows are made of, such as Patient",
            )
        })?;
        let resource = ResourceType::from_name(type_name).ok_or_else(|| {
            ViewError::new(
                "resource",
                "R4 has no resource of this type",
                "check the spelling; types begin with a capital letter",
            )
        })?;
        let constants = definition
            .elements("constant")
            .iter()
            .enumerate()
            .map(|(place, one)| constant(one, &format!("constant[{place}]")))
            .collect::<Result<Vec<_>, _>>()?;
        let reader = Reader {
            constants: &constants,
        };
        let mut columns = Vec::new();
        let select = reader.selects(definition, "select", "", &mut columns, 0)?;
        if columns.is_empty() {
            return Err(ViewError::new(
                "select",
                "the view has no columns",
                "add a select with a column",
            ));
        }
        distinct(&columns)?;
        let conditions = definition
            .elements("where")
            .iter()
            .enumerate()
            .map(|(place, one)| reader.path(one, "path", &format!("where[{place}]")))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            resource,
            conditions,
            select,
            columns,
            name: definition.text_at(&["name"]).unwrap_or_default().to_owned(),
            constants,
        })
    }

    /// The type of resource whose rows these are.
    pub fn resource_type(&self) -> ResourceType {
        self.resource
    }

    /// The definition's name; empty where it has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
}

/// Reads the parts of a definition that know its constants.
struct Reader<'d> {
    constants: &'d [Constant],
}

impl Reader<'_> {
    /// The selects under `member`; their columns are added to `columns`.
    fn selects(
        &self,
        of: &Json,
        member: &str,
        at: &str,
        columns: &mut Vec<Column>,
        depth: usize,
    ) -> Result<Vec<Select>, ViewError> {
        of.elements(member)
            .iter()
            .enumerate()
            .map(|(place, one)| {
                let at = format!("{at}{member}[{place}]");
                self.select(one, &at, columns, depth + 1)
            })
            .collect()
    }

    fn select(
        &self,
        of: &Json,
        at: &str,
        columns: &mut Vec<Column>,
        depth: usize,
    ) -> Result<Select, ViewError> {
        if depth > DEEPEST || columns.len() > MOST_COLUMNS {
            return Err(ViewError::new(
                at,
                "the view is too deep or too wide",
                "make several views of it",
            ));
        }
        let before = columns.len();
        let rows = self.rows(of, at)?;
        let own = of
            .elements("column")
            .iter()
            .enumerate()
            .map(|(place, one)| {
                let (column, path) = self.column(one, &format!("{at}.column[{place}]"))?;
                let is_collection = column.is_collection;
                columns.push(column);
                Ok((path, is_collection))
            })
            .collect::<Result<_, ViewError>>()?;
        let below = format!("{at}.");
        let selects = self.selects(of, "select", &below, columns, depth)?;
        let union = self.union(of, &below, columns, depth)?;
        Ok(Select {
            rows,
            columns: own,
            selects,
            union,
            width: columns.len() - before,
        })
    }

    /// The parts of a union have the same columns in the same order; they count once.
    fn union(
        &self,
        of: &Json,
        at: &str,
        columns: &mut Vec<Column>,
        depth: usize,
    ) -> Result<Vec<Select>, ViewError> {
        let mut parts = Vec::new();
        let mut first: Option<Vec<Column>> = None;
        for (place, one) in of.elements("unionAll").iter().enumerate() {
            let at = format!("{at}unionAll[{place}]");
            let mut found = Vec::new();
            parts.push(self.select(one, &at, &mut found, depth + 1)?);
            let same = |left: &Column, right: &Column| {
                (&left.name, left.kind, left.is_collection)
                    == (&right.name, right.kind, right.is_collection)
            };
            match &first {
                Some(expected)
                    if expected.len() != found.len()
                        || !expected.iter().zip(&found).all(|(l, r)| same(l, r)) =>
                {
                    return Err(ViewError::new(
                        at,
                        "its columns differ from those of the first part",
                        "give every part of unionAll the same columns, of the same types, in the same order",
                    ));
                }
                Some(_) => {}
                None => first = Some(found),
            }
        }
        columns.extend(first.into_iter().flatten());
        Ok(parts)
    }

    fn rows(&self, of: &Json, at: &str) -> Result<RowsOf, ViewError> {
        let given: Vec<&str> = ["forEach", "forEachOrNull", "repeat"]
            .into_iter()
            .filter(|name| of.get(name).is_some())
            .collect();
        match given[..] {
            [] => Ok(RowsOf::Here),
            ["forEach"] => Ok(RowsOf::Each(self.path(of, "forEach", at)?)),
            ["forEachOrNull"] => Ok(RowsOf::EachOrNothing(self.path(of, "forEachOrNull", at)?)),
            ["repeat"] => of
                .elements("repeat")
                .iter()
                .map(|text| self.expression(text.as_text(), &format!("{at}.repeat")))
                .collect::<Result<_, _>>()
                .map(RowsOf::Repeated),
            _ => Err(ViewError::new(
                at,
                "it has more than one of forEach, forEachOrNull and repeat",
                "keep one of them, and put the other into a select of its own",
            )),
        }
    }

    fn column(&self, of: &Json, at: &str) -> Result<(Column, Path), ViewError> {
        let name = name(of, at)?;
        let path = self.path(of, "path", at)?;
        let fhir_type = of.text_at(&["type"]).map(str::to_owned);
        let is_collection = of.get("collection").and_then(Json::as_bool) == Some(true);
        let column = Column {
            name,
            kind: fhir_type
                .as_deref()
                .map_or(ColumnKind::Text, ColumnKind::of_type),
            fhir_type,
            is_collection,
            description: of.text_at(&["description"]).map(str::to_owned),
        };
        Ok((column, path))
    }

    fn path(&self, of: &Json, member: &str, at: &str) -> Result<Path, ViewError> {
        self.expression(of.text_at(&[member]), &format!("{at}.{member}"))
    }

    /// An expression, with every `%name` in it known.
    fn expression(&self, text: Option<&str>, at: &str) -> Result<Path, ViewError> {
        let text = text.ok_or_else(|| {
            ViewError::new(
                at,
                "the expression is missing",
                "write a FHIRPath, such as id",
            )
        })?;
        let path = Path::parse(text).map_err(|error| ViewError::path(at, &error))?;
        let known = |name: &str| {
            self.constants.iter().any(|one| one.name == name)
                || matches!(
                    name,
                    ROW_INDEX | "resource" | "rootResource" | "context" | "ucum" | "sct" | "loinc"
                )
                || name.starts_with("vs-")
                || name.starts_with("ext-")
        };
        match path.variables().into_iter().find(|name| !known(name)) {
            Some(_) => Err(ViewError::new(
                at,
                "the expression names a constant that is not defined",
                "add it to constant, or correct its name",
            )),
            None => Ok(path),
        }
    }
}

/// A name as SQL takes it without quotes.
fn name(of: &Json, at: &str) -> Result<String, ViewError> {
    let name = of.text_at(&["name"]).unwrap_or_default();
    let is_sound = name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name.len() <= 255
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_sound {
        Ok(name.to_owned())
    } else {
        Err(ViewError::new(
            format!("{at}.name"),
            "the name is missing or has signs that SQL does not take",
            "begin with a letter and go on with letters, digits and underscores",
        ))
    }
}

fn constant(of: &Json, at: &str) -> Result<Constant, ViewError> {
    let name = name(of, at)?;
    let Json::Object(members) = of else {
        return Err(no_value(at));
    };
    let mut values = members.iter().filter_map(|(member, value)| {
        let of_type = member.strip_prefix("value")?;
        Some((of_type, value))
    });
    let (Some((of_type, value)), None) = (values.next(), values.next()) else {
        return Err(no_value(at));
    };
    // `valueDateTime` holds a `dateTime`: primitive types begin with a small letter.
    let mut letters = of_type.chars();
    let of_type = letters
        .next()
        .map(|first| first.to_ascii_lowercase().to_string() + letters.as_str())
        .unwrap_or_default();
    Ok(Constant {
        name,
        value: value.clone(),
        of_type,
    })
}

fn no_value(at: &str) -> ViewError {
    ViewError::new(
        at,
        "the constant has no value, or several",
        "give it one, such as valueString",
    )
}

fn distinct(columns: &[Column]) -> Result<(), ViewError> {
    let mut seen = std::collections::BTreeSet::new();
    match columns.iter().find(|column| !seen.insert(&column.name)) {
        Some(twice) => Err(ViewError::new(
            "select",
            format!("the column {} stands twice", twice.name),
            "give each column a name of its own",
        )),
        None => Ok(()),
    }
}
