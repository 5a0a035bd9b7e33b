//! The rows of one resource.

use jiff::Timestamp;

use super::cell::Cell;
use super::definition::{ROW_INDEX, RowsOf, Select, View, ViewError};
use crate::fhir::Json;
use crate::fhir::path::{Context, Path, Value};

type Row = Vec<Cell>;

/// Rows that one resource may give: a product of several lists grows fast.
const MOST_ROWS: usize = 100_000;
/// How deep `repeat` goes.
const DEEPEST: usize = 64;

impl View {
    /// The rows of a resource, each with as many cells as the view has columns. None where the
    /// resource is of another type or a condition leaves it out.
    ///
    /// Errors: an expression that cannot be answered, several values where the column is no
    /// collection, a structure where a value is wanted, more than 100,000 rows.
    pub fn rows(&self, resource: &Json, now: Timestamp) -> Result<Vec<Row>, ViewError> {
        if resource.text_at(&["resourceType"]) != Some(self.resource.name()) {
            return Ok(Vec::new());
        }
        let mut context = Context::new(now).resource(resource);
        for constant in &self.constants {
            context = context.variable(constant.name.as_str(), vec![constant.value()]);
        }
        let focus = Value::Element(crate::fhir::path::Element::root(resource));
        for (place, condition) in self.conditions.iter().enumerate() {
            let at = || format!("where[{place}].path");
            let answer = ask(condition, &focus, &context, at)?;
            match answer.as_slice() {
                [] => return Ok(Vec::new()),
                [one] => match one.as_bool() {
                    Some(true) => {}
                    Some(false) => return Ok(Vec::new()),
                    None => return Err(not_true_or_false(at())),
                },
                _ => return Err(not_true_or_false(at())),
            }
        }
        product(&self.select, &focus, &context, 0, "select")
    }
}

fn not_true_or_false(at: String) -> ViewError {
    ViewError::new(
        at,
        "the condition answers something other than true or false",
        "end it with a comparison or with exists()",
    )
}

fn ask<'a>(
    path: &'a Path,
    focus: &Value<'a>,
    context: &'a Context<'a>,
    at: impl Fn() -> String,
) -> Result<Vec<Value<'a>>, ViewError> {
    path.evaluate_value(focus.clone(), context)
        .map_err(|error| ViewError::path(at(), &error))
}

/// Every row of the first with every row of the second, and so on.
fn product(
    selects: &[Select],
    focus: &Value<'_>,
    context: &Context<'_>,
    index: usize,
    at: &str,
) -> Result<Vec<Row>, ViewError> {
    let mut rows = vec![Vec::new()];
    for (place, select) in selects.iter().enumerate() {
        let found = select_rows(select, focus, context, index, &format!("{at}[{place}]"))?;
        rows = joined(rows, &found, at)?;
    }
    Ok(rows)
}

fn joined(left: Vec<Row>, right: &[Row], at: &str) -> Result<Vec<Row>, ViewError> {
    if left.len().saturating_mul(right.len()) > MOST_ROWS {
        return Err(ViewError::new(
            at,
            "one resource gives too many rows",
            "put lists that have nothing to do with each other into views of their own",
        ));
    }
    if let [only] = right {
        return Ok(left
            .into_iter()
            .map(|mut row| {
                row.extend(only.iter().cloned());
                row
            })
            .collect());
    }
    Ok(left
        .iter()
        .flat_map(|row| {
            right
                .iter()
                .map(|more| row.iter().chain(more).cloned().collect())
        })
        .collect())
}

fn select_rows(
    select: &Select,
    focus: &Value<'_>,
    context: &Context<'_>,
    index: usize,
    at: &str,
) -> Result<Vec<Row>, ViewError> {
    // An expression may ask which row it is in, so each row has a context of its own.
    let here = context.clone().variable(ROW_INDEX, vec![whole(index)]);
    let foci = match &select.rows {
        RowsOf::Here => return one_focus(select, focus, &here, index, at),
        RowsOf::Each(path) => ask(path, focus, &here, || format!("{at}.forEach"))?,
        RowsOf::EachOrNothing(path) => {
            let found = ask(path, focus, &here, || format!("{at}.forEachOrNull"))?;
            if found.is_empty() {
                return Ok(vec![vec![Cell::Null; select.width]]);
            }
            found
        }
        RowsOf::Repeated(paths) => {
            let mut found = Vec::new();
            repeated(paths, focus, &here, at, 0, &mut found)?;
            found
        }
    };
    let mut rows = Vec::new();
    for (place, one) in foci.iter().enumerate() {
        let below = context.clone().variable(ROW_INDEX, vec![whole(place)]);
        rows.extend(one_focus(select, one, &below, place, at)?);
        if rows.len() > MOST_ROWS {
            return Err(ViewError::new(
                at,
                "one resource gives too many rows",
                "narrow the expression",
            ));
        }
    }
    Ok(rows)
}

fn whole(index: usize) -> Value<'static> {
    Value::Integer(i32::try_from(index).unwrap_or(i32::MAX))
}

/// Every element that the paths reach, over and over, parents before their children.
fn repeated<'a>(
    paths: &'a [Path],
    focus: &Value<'a>,
    context: &'a Context<'a>,
    at: &str,
    depth: usize,
    out: &mut Vec<Value<'a>>,
) -> Result<(), ViewError> {
    if depth >= DEEPEST || out.len() > MOST_ROWS {
        return Err(ViewError::new(
            format!("{at}.repeat"),
            "the resource nests too deeply for this view",
            "narrow the expression",
        ));
    }
    for path in paths {
        for one in ask(path, focus, context, || format!("{at}.repeat"))? {
            out.push(one.clone());
            repeated(paths, &one, context, at, depth + 1, out)?;
        }
    }
    Ok(())
}

/// The rows about one element: its columns, with each row of the selects, with each row of the union.
fn one_focus(
    select: &Select,
    focus: &Value<'_>,
    context: &Context<'_>,
    index: usize,
    at: &str,
) -> Result<Vec<Row>, ViewError> {
    let mut own = Vec::with_capacity(select.width);
    for (place, (path, is_collection)) in select.columns.iter().enumerate() {
        let at = || format!("{at}.column[{place}].path");
        let answer = ask(path, focus, context, at)?;
        own.push(cell(&answer, *is_collection, at)?);
    }
    let below = format!("{at}.select");
    let nested = product(&select.selects, focus, context, index, &below)?;
    let mut rows = joined(vec![own], &nested, at)?;
    if !select.union.is_empty() {
        let mut parts = Vec::new();
        for (place, part) in select.union.iter().enumerate() {
            let at = format!("{at}.unionAll[{place}]");
            parts.extend(select_rows(part, focus, context, index, &at)?);
        }
        rows = joined(rows, &parts, at)?;
    }
    Ok(rows)
}

fn cell(
    answer: &[Value<'_>],
    is_collection: bool,
    at: impl Fn() -> String,
) -> Result<Cell, ViewError> {
    let plain = |value: &Value<'_>| {
        Cell::of(value).ok_or_else(|| {
            ViewError::new(
                at(),
                "the column's value is a structure",
                "go on to one of its elements",
            )
        })
    };
    if is_collection {
        return answer
            .iter()
            .map(plain)
            .collect::<Result<_, _>>()
            .map(Cell::List);
    }
    match answer {
        [] => Ok(Cell::Null),
        [one] => plain(one),
        _ => Err(ViewError::new(
            at(),
            "the column has several values for one row",
            "take one of them with first(), join texts, make rows of them with forEach, or set collection",
        )),
    }
}
