//! FHIRPath: questions asked of resources.
//!
//! A path is parsed once and asked often. It borrows the resource, never copies a tree, knows R4's
//! types (`value` finds `valueQuantity`, `birthDate` its extensions), keeps the precision of numbers
//! and times, and is bounded in depth, steps and output. It never panics and does no I/O; the time,
//! other resources and value sets arrive in the [`Context`].
//!
//! Source: FHIRPath N1 (2.0.0) and the 3.0 ballot's functions that the official suite tests; FHIR R4
//! section 2.9. What passes and what does not: docs/standards.md.

mod arithmetic;
mod ast;
mod call;
mod collections;
mod compare;
mod context;
mod convert;
mod element;
mod error;
mod evaluate;
mod function;
mod lexer;
mod maths;
mod moment;
mod number;
mod operators;
mod parser;
mod quantity;
mod references;
mod texts;
mod types;
mod value;
mod variables;

pub use context::{Context, PathLimits, Resolve, Terminology};
pub use element::Element;
pub use error::{PathError, PathFault};
pub use moment::{Moment, MomentKind, Precision};
pub(in crate::fhir) use quantity::canonical;
pub use quantity::{CalendarUnit, Quantity, Unit};
pub(in crate::fhir) use types::is_a;
pub use types::{SystemType, TypeOf};
pub use value::Value;

use super::Json;

/// A parsed expression.
///
/// ```
/// use care_core::fhir::{Json, Limits};
/// use care_core::fhir::path::{Context, Path};
///
/// let patient = br#"{"resourceType":"Patient","name":[{"given":["Ann","May"]}]}"#;
/// let patient = Json::parse(patient, Limits::default()).expect("JSON");
/// let path = Path::parse("Patient.name.given.first()").expect("a path");
/// let context = Context::new(jiff::Timestamp::UNIX_EPOCH);
/// let answer = path.evaluate(&patient, &context).expect("an answer");
/// assert_eq!(answer[0].to_string(), "Ann");
/// ```
#[derive(Debug, Clone)]
pub struct Path {
    text: Box<str>,
    root: ast::Expr,
}

impl Path {
    /// Reads an expression.
    ///
    /// Errors: where it is no FHIRPath, names a function or type nobody knows, or is nested too
    /// deeply.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        Ok(Self {
            text: text.into(),
            root: parser::parse(text)?,
        })
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The `%variables` the expression names and does not define itself, in the order they stand.
    pub fn variables(&self) -> Vec<&str> {
        let mut names = Vec::new();
        variables::wanted(&self.root, &mut names);
        names
    }

    /// Asks a resource (or other JSON). An empty answer is no error.
    ///
    /// Errors: operands of the wrong kind or number, unknown variables, and the context's limits.
    pub fn evaluate<'a>(
        &'a self,
        input: &'a Json,
        context: &'a Context<'a>,
    ) -> Result<Vec<Value<'a>>, PathError> {
        self.evaluate_value(Value::Element(Element::root(input)), context)
    }

    /// Asks one value, such as an element that another path found.
    ///
    /// Errors: as `evaluate`.
    pub fn evaluate_value<'a>(
        &'a self,
        input: Value<'a>,
        context: &'a Context<'a>,
    ) -> Result<Vec<Value<'a>>, PathError> {
        evaluate::Evaluator::new(input, context).run(&self.root)
    }

    /// As `evaluate_value`, with the steps it took: the measure of its cost.
    ///
    /// Errors: as `evaluate`.
    pub fn evaluate_counted<'a>(
        &'a self,
        input: Value<'a>,
        context: &'a Context<'a>,
    ) -> Result<(Vec<Value<'a>>, u64), PathError> {
        let mut evaluator = evaluate::Evaluator::new(input, context);
        let answer = evaluator.run(&self.root)?;
        Ok((answer, context.limits.steps - evaluator.budget.left))
    }

    /// The same, with the steps it took where there is no answer, too.
    pub(in crate::fhir) fn evaluate_paid<'a>(
        &'a self,
        input: Value<'a>,
        context: &'a Context<'a>,
    ) -> (Result<Vec<Value<'a>>, PathError>, u64) {
        let mut evaluator = evaluate::Evaluator::new(input, context);
        let answer = evaluator.run(&self.root);
        (answer, context.limits.steps - evaluator.budget.left)
    }

    /// Whether a rule holds of a value: none where the answer is empty, true for any one item that
    /// is no truth value.
    ///
    /// Errors: as `evaluate`, and where there are several items.
    pub fn holds<'a>(
        &'a self,
        input: Value<'a>,
        context: &'a Context<'a>,
    ) -> Result<Option<bool>, PathError> {
        evaluate::truth(&self.evaluate_value(input, context)?, 0)
    }
}
