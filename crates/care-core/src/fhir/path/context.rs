//! What an expression may know besides its input: the time, variables, other resources, limits.

use std::borrow::Cow;

use jiff::Timestamp;

use super::value::Value;
use crate::fhir::Json;

/// Gives the resource a reference points at, where the caller holds it.
pub trait Resolve {
    /// The resource, or none where it is not known (or may not be seen).
    fn resolve(&self, reference: &str) -> Option<&Json>;
}

/// Says whether codes are in value sets.
pub trait Terminology {
    /// Whether a code (with its system, where there is one) is in a value set; none where that
    /// cannot be said.
    fn has_code(&self, value_set: &str, system: Option<&str>, code: &str) -> Option<bool>;
}

/// How much an expression may ask of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathLimits {
    /// Evaluation steps: one for each operation and each item it looks at.
    pub steps: u64,
    /// Items in any one collection.
    pub items: usize,
    /// Bytes of any one text that is made.
    pub text_bytes: usize,
}

impl Default for PathLimits {
    /// 10 million steps, a million items, 1 MiB of text: a Bundle of 10,000 resources passes.
    fn default() -> Self {
        Self {
            steps: 10_000_000,
            items: 1_000_000,
            text_bytes: 1 << 20,
        }
    }
}

/// What an expression may know besides its input.
#[derive(Clone)]
pub struct Context<'a> {
    pub(super) now: Timestamp,
    pub(super) resource: Option<&'a Json>,
    pub(super) root_resource: Option<&'a Json>,
    pub(super) variables: Vec<(Cow<'a, str>, Vec<Value<'a>>)>,
    pub(super) resolver: Option<&'a dyn Resolve>,
    pub(super) terminology: Option<&'a dyn Terminology>,
    pub(super) limits: PathLimits,
    pub(super) is_strict: bool,
}

impl<'a> Context<'a> {
    /// A context in which it is `now`, without variables or other resources.
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            resource: None,
            root_resource: None,
            variables: Vec::new(),
            resolver: None,
            terminology: None,
            limits: PathLimits::default(),
            is_strict: false,
        }
    }

    /// What `%resource` is, where it is not the input; a Bundle here also answers references.
    #[must_use]
    pub fn resource(mut self, resource: &'a Json) -> Self {
        self.resource = Some(resource);
        self
    }

    /// What `%rootResource` is, where it is not the input.
    #[must_use]
    pub fn root_resource(mut self, resource: &'a Json) -> Self {
        self.root_resource = Some(resource);
        self
    }

    /// A variable, written `%name` in the expression.
    #[must_use]
    pub fn variable(mut self, name: impl Into<Cow<'a, str>>, values: Vec<Value<'a>>) -> Self {
        self.variables.push((name.into(), values));
        self
    }

    /// Who answers `resolve()` for what is not in the resource or its Bundle.
    #[must_use]
    pub fn resolver(mut self, resolver: &'a dyn Resolve) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// Who answers `memberOf()`.
    #[must_use]
    pub fn terminology(mut self, terminology: &'a dyn Terminology) -> Self {
        self.terminology = Some(terminology);
        self
    }

    /// Other limits.
    #[must_use]
    pub fn limits(mut self, limits: PathLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Elements a type does not have are an error instead of nothing.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.is_strict = true;
        self
    }
}
