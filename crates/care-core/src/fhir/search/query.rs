//! A request's parameters, read.

use super::criterion::{Criterion, Modifier, Question, Term};
use super::held_codes::{self, Way, holds_set, is_by_form, systems_with};
use super::matches::parent_of;
use super::parameters::{ParameterKind, Parameters, SearchParameter};
use super::terms::{self, plain, split};
use super::text::folded;
use crate::fhir::ResourceType;

/// How many links a chain may have.
const LONGEST_CHAIN: usize = 3;
/// How many values one parameter may list, and how many parameters a request may have.
const MOST_VALUES: usize = 1_000;
const MOST_PARAMETERS: usize = 200;
/// How many codes above or below those asked for a search may mean.
const MOST_ALONG: usize = 2_000;

/// What to do with parameters nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Handling {
    /// Refuse the request: to pass one over would give more than was asked.
    #[default]
    Strict,
    /// Pass them over, and say so.
    Lenient,
}

/// Whether the number of all matches is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// No.
    None,
    /// Roughly is enough.
    Estimate,
    /// Exactly.
    Accurate,
}

/// How much of each resource is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summary {
    /// The elements marked for summaries.
    True,
    /// The narrative, id and meta, and what is mandatory.
    Text,
    /// All but the narrative.
    Data,
    /// Only the number of matches.
    Count,
    /// All.
    False,
}

/// One key of the order.
#[derive(Debug, Clone)]
pub struct SortKey {
    /// The parameter whose values order.
    pub parameter: SearchParameter,
    /// Greatest first.
    pub downwards: bool,
}

/// Resources to give along.
#[derive(Debug, Clone)]
pub struct Include {
    /// Towards what is pointed at, or from what points here.
    pub reverse: bool,
    /// Asked again of what was given along.
    pub iterate: bool,
    /// The type that has the reference.
    pub source: ResourceType,
    /// The reference; none: every one.
    pub parameter: Option<SearchParameter>,
    /// Only resources of this type.
    pub target: Option<ResourceType>,
}

/// Why a request cannot be answered. Names the parameter and never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {what}; {mend}")]
pub struct QueryError {
    /// The parameter, as it was written, cut to a bound.
    pub parameter: String,
    /// What is wrong.
    pub what: &'static str,
    /// How to mend it.
    pub mend: String,
    /// FHIR's code of the kind of issue.
    pub code: &'static str,
}

/// A search that was read.
#[derive(Debug, Clone)]
pub struct Query {
    /// The type asked for; none: every type.
    pub resource_type: Option<ResourceType>,
    /// Of every type, only these.
    pub types: Vec<ResourceType>,
    /// All of them must be met.
    pub criteria: Vec<Criterion>,
    /// The order.
    pub sort: Vec<SortKey>,
    /// What to give along.
    pub includes: Vec<Include>,
    /// How many on a page.
    pub count: Option<usize>,
    /// Whether the number of all is wanted.
    pub total: Option<Total>,
    /// How much of each.
    pub summary: Option<Summary>,
    /// Only these elements.
    pub elements: Vec<String>,
    /// The token of a page.
    pub page: Option<String>,
    /// Parameters that were passed over.
    pub ignored: Vec<String>,
    /// What was understood, for the link to itself.
    pub understood: Vec<(String, String)>,
}

/// What reading needs to know: the parameters there are, and this server's address, so that its own
/// references are known.
#[derive(Clone, Copy)]
struct Asked<'p> {
    parameters: &'p Parameters,
    base: &'p str,
}

impl Query {
    /// Reads the parameters of a search in the order they were sent, already percent-decoded.
    ///
    /// Errors: an unknown parameter or modifier (when strict), a value that cannot be read, a chain
    /// that leads nowhere or is too long, too many values.
    pub fn read<'t>(
        resource_type: Option<ResourceType>,
        pairs: impl IntoIterator<Item = (&'t str, &'t str)>,
        parameters: &Parameters,
        base: &str,
        handling: Handling,
    ) -> Result<Self, QueryError> {
        let asked = Asked { parameters, base };
        let mut query = Self {
            resource_type,
            types: Vec::new(),
            criteria: Vec::new(),
            sort: Vec::new(),
            includes: Vec::new(),
            count: None,
            total: None,
            summary: None,
            elements: Vec::new(),
            page: None,
            ignored: Vec::new(),
            understood: Vec::new(),
        };
        for (number, (name, value)) in pairs.into_iter().enumerate() {
            if number >= MOST_PARAMETERS {
                return Err(wrong(
                    name,
                    "there are too many parameters",
                    "ask several searches",
                ));
            }
            if value.is_empty() {
                // An empty value says nothing (R4 3.1.1.3).
                continue;
            }
            match query.one(name, value, asked) {
                Ok(()) => query.understood.push((name.to_owned(), value.to_owned())),
                Err(error) if error.code == NOT_SUPPORTED && handling == Handling::Lenient => {
                    query.ignored.push(error.parameter);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(query)
    }

    fn one(&mut self, name: &str, value: &str, asked: Asked<'_>) -> Result<(), QueryError> {
        let (head, modifier) = name.split_once(':').unwrap_or((name, ""));
        match head {
            "_count" => {
                let count = value.parse().map_err(|_| {
                    wrong(
                        name,
                        "it is no number of resources",
                        "write a whole number, 0 or more",
                    )
                })?;
                self.count = Some(count);
            }
            "_sort" => self.sort = self.sort_keys(name, value, asked)?,
            "_include" | "_revinclude" => {
                let iterate = match modifier {
                    "" => false,
                    "iterate" | "recurse" => true,
                    _ => {
                        return Err(not_supported(
                            name,
                            "this modifier is unknown here",
                            "leave it out",
                        ));
                    }
                };
                let is_reverse = head == "_revinclude";
                let include = include(self.resource_type, name, value, is_reverse, iterate, asked)?;
                self.includes.push(include);
            }
            "_total" => {
                self.total = Some(match value {
                    "none" => Total::None,
                    "estimate" => Total::Estimate,
                    "accurate" => Total::Accurate,
                    _ => {
                        return Err(wrong(
                            name,
                            "this is none of its values",
                            "write none, estimate or accurate",
                        ));
                    }
                });
            }
            "_summary" => {
                self.summary = Some(match value {
                    "true" => Summary::True,
                    "text" => Summary::Text,
                    "data" => Summary::Data,
                    "count" => Summary::Count,
                    "false" => Summary::False,
                    _ => {
                        return Err(wrong(
                            name,
                            "this is none of its values",
                            "write true, text, data, count or false",
                        ));
                    }
                });
            }
            "_elements" => {
                self.elements.extend(value.split(',').map(|one| {
                    // `Patient.name` is as good as `name`.
                    one.rsplit('.').next().unwrap_or(one).trim().to_owned()
                }));
            }
            "_format" | "_pretty" => {}
            "_page" => self.page = Some(value.to_owned()),
            "_type" if self.resource_type.is_none() => {
                for one in value.split(',') {
                    let found = ResourceType::from_name(one).ok_or_else(|| {
                        wrong(name, "R4 has no such resource type", "check the spelling")
                    })?;
                    self.types.push(found);
                }
            }
            _ => {
                let criterion = self.criterion(self.resource_type, name, value, asked, 0)?;
                self.criteria.push(criterion);
            }
        }
        Ok(())
    }

    /// Reads one criterion about a resource of this type.
    fn criterion(
        &self,
        resource_type: Option<ResourceType>,
        name: &str,
        value: &str,
        asked: Asked<'_>,
        links: usize,
    ) -> Result<Criterion, QueryError> {
        if links > LONGEST_CHAIN {
            return Err(wrong(
                name,
                "the chain is too long",
                "use at most three links",
            ));
        }
        let question = if let Some(rest) = name.strip_prefix("_has:") {
            self.has(resource_type, rest, value, asked, links)?
        } else if let Some((link, rest)) = name.split_once('.') {
            self.chain(resource_type, link, rest, value, asked, links)?
        } else {
            self.plain_question(resource_type, name, value, asked)?
        };
        Ok(Criterion {
            name: shown(name),
            question,
        })
    }

    fn plain_question(
        &self,
        resource_type: Option<ResourceType>,
        name: &str,
        value: &str,
        asked: Asked<'_>,
    ) -> Result<Question, QueryError> {
        match name {
            "_text" | "_content" => return words(name, value),
            "_list" => return Ok(Question::InList(plain(value))),
            _ => {}
        }
        let (code, modifier) = name.split_once(':').unwrap_or((name, ""));
        let parameter = asked
            .parameters
            .find(resource_type, code)
            .ok_or_else(|| unknown(name))?;
        let modifier = read_modifier(parameter, modifier).ok_or_else(|| {
            not_supported(
                name,
                "this parameter has no such modifier",
                "see the CapabilityStatement",
            )
        })?;
        let values = split(value, ',');
        if values.len() > MOST_VALUES {
            return Err(wrong(
                name,
                "it lists too many values",
                "ask several searches",
            ));
        }
        let terms = values
            .iter()
            .map(|one| {
                terms::read(parameter, modifier, one, asked.base)
                    .map_err(|mend| wrong(name, "the value cannot be read", mend))
            })
            .collect::<Result<_, _>>()?;
        let (modifier, terms) = match (modifier, parameter.kind) {
            (Modifier::Above, ParameterKind::Token) => along(name, Way::Above, terms)?,
            (Modifier::Below, ParameterKind::Token) => along(name, Way::Below, terms)?,
            (Modifier::In | Modifier::NotIn, _) => {
                let is_held = |term: &Term| matches!(term, Term::Uri(set) if holds_set(set));
                if !terms.iter().all(is_held) {
                    return Err(wrong(
                        name,
                        "this value set is not held here",
                        "list the codes, or name a value set of FHIR R4 that is a finite list",
                    ));
                }
                (modifier, terms)
            }
            _ => (modifier, terms),
        };
        Ok(Question::Parameter {
            parameter: parameter.clone(),
            modifier,
            terms,
        })
    }

    /// `subject:Patient` of `subject:Patient.name`, and what follows.
    fn chain(
        &self,
        resource_type: Option<ResourceType>,
        link: &str,
        rest: &str,
        value: &str,
        asked: Asked<'_>,
        links: usize,
    ) -> Result<Question, QueryError> {
        let whole = format!("{link}.{rest}");
        let (code, type_name) = match link.split_once(':') {
            Some((code, type_name)) => (code, Some(type_name)),
            None => (link, None),
        };
        let parameter = asked
            .parameters
            .find(resource_type, code)
            .ok_or_else(|| unknown(&whole))?;
        if parameter.kind != ParameterKind::Reference {
            return Err(wrong(
                &whole,
                "it is no reference, so nothing follows it",
                "end the name before the dot",
            ));
        }
        let targets: Vec<ResourceType> = match type_name {
            Some(name) => {
                let one = ResourceType::from_name(name).ok_or_else(|| {
                    wrong(&whole, "R4 has no such resource type", "check the spelling")
                })?;
                if !parameter.targets.is_empty()
                    && !parameter.targets.iter().any(|target| **target == *name)
                {
                    return Err(wrong(
                        &whole,
                        "the reference never points at this type",
                        "name another type",
                    ));
                }
                vec![one]
            }
            None if parameter.targets.is_empty() => ResourceType::all().collect(),
            None => parameter
                .targets
                .iter()
                .filter_map(|name| ResourceType::from_name(name))
                .collect(),
        };
        let mut then = Vec::new();
        let mut first_error = None;
        for target in &targets {
            match self.criterion(Some(*target), rest, value, asked, links + 1) {
                Ok(criterion) => then.push((*target, criterion)),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        match first_error {
            Some(error) if then.is_empty() => Err(QueryError {
                parameter: shown(&whole),
                ..error
            }),
            _ => Ok(Question::Chain {
                parameter: parameter.clone(),
                targets,
                then,
            }),
        }
    }

    /// `Observation:patient:code` of `_has:Observation:patient:code`.
    fn has(
        &self,
        resource_type: Option<ResourceType>,
        rest: &str,
        value: &str,
        asked: Asked<'_>,
        links: usize,
    ) -> Result<Question, QueryError> {
        let whole = format!("_has:{rest}");
        let form = || {
            wrong(
                &whole,
                "it is not complete",
                "write _has:Type:reference:parameter",
            )
        };
        let mut parts = rest.splitn(3, ':');
        let (Some(source), Some(reference), Some(then)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(form());
        };
        let source = ResourceType::from_name(source)
            .ok_or_else(|| wrong(&whole, "R4 has no such resource type", "check the spelling"))?;
        let parameter = asked
            .parameters
            .find(Some(source), reference)
            .filter(|parameter| parameter.kind == ParameterKind::Reference)
            .ok_or_else(|| {
                wrong(
                    &whole,
                    "that type has no such reference",
                    "see the CapabilityStatement",
                )
            })?;
        let points_here = resource_type.is_none_or(|here| {
            parameter.targets.is_empty()
                || parameter
                    .targets
                    .iter()
                    .any(|target| **target == *here.name())
        });
        if !points_here {
            return Err(wrong(
                &whole,
                "that reference never points at this type",
                "use another reference",
            ));
        }
        let then = self
            .criterion(Some(source), then, value, asked, links + 1)
            .map_err(|error| QueryError {
                parameter: shown(&whole),
                ..error
            })?;
        Ok(Question::Has {
            resource_type: source,
            parameter: parameter.clone(),
            then: Box::new(then),
        })
    }

    fn sort_keys(
        &self,
        name: &str,
        value: &str,
        asked: Asked<'_>,
    ) -> Result<Vec<SortKey>, QueryError> {
        value
            .split(',')
            .map(|one| {
                let (downwards, code) = match one.strip_prefix('-') {
                    Some(code) => (true, code),
                    None => (false, one),
                };
                let parameter =
                    asked
                        .parameters
                        .find(self.resource_type, code)
                        .filter(|parameter| {
                            !matches!(
                                parameter.kind,
                                ParameterKind::Composite | ParameterKind::Special
                            )
                        });
                parameter
                    .map(|parameter| SortKey {
                        parameter: parameter.clone(),
                        downwards,
                    })
                    .ok_or_else(|| {
                        not_supported(
                            name,
                            "it names no parameter of this type",
                            "order by parameters of the type asked for",
                        )
                    })
            })
            .collect()
    }
}

const NOT_SUPPORTED: &str = "not-supported";

fn shown(name: &str) -> String {
    name.chars().take(120).collect()
}

fn wrong(name: &str, what: &'static str, mend: &str) -> QueryError {
    QueryError {
        parameter: shown(name),
        what,
        mend: mend.to_owned(),
        code: "invalid",
    }
}

fn not_supported(name: &str, what: &'static str, mend: &str) -> QueryError {
    QueryError {
        code: NOT_SUPPORTED,
        ..wrong(name, what, mend)
    }
}

fn unknown(name: &str) -> QueryError {
    not_supported(
        name,
        "there is no such search parameter",
        "see the CapabilityStatement; one that were passed over would give more than was asked",
    )
}

fn words(name: &str, value: &str) -> Result<Question, QueryError> {
    let any: Vec<Vec<String>> = split(value, ',')
        .iter()
        .map(|group| {
            folded(&plain(group))
                .split(' ')
                .map(str::to_owned)
                .collect()
        })
        .filter(|group: &Vec<String>| group.iter().any(|word| !word.is_empty()))
        .collect();
    if any.is_empty() {
        return Err(wrong(
            name,
            "it has no words",
            "write at least one letter or digit",
        ));
    }
    Ok(Question::Words {
        narrative: name == "_text",
        any,
    })
}

/// Codes asked for with all that is above or below them, as codes that are asked for as they are. Where
/// the form of the codes says it (ICD-10, OPCS-4), each value is looked at instead.
fn along(name: &str, way: Way, terms: Vec<Term>) -> Result<(Modifier, Vec<Term>), QueryError> {
    let by_form = |term: &Term| matches!(term, Term::Token { system: Some(system), .. } if is_by_form(system));
    let is_by_form = terms.iter().any(by_form);
    let mut found = Vec::new();
    for term in &terms {
        let Term::Token {
            system,
            code: Some(code),
        } = term
        else {
            return Err(wrong(name, "it names no code", "write system|code"));
        };
        let systems: Vec<&str> = match system.as_deref() {
            Some(_) if by_form(term) => {
                found.push(term.clone());
                continue;
            }
            Some(system) => vec![system],
            None => systems_with(code),
        };
        let mut is_held = false;
        for system in systems {
            let all = held_codes::along(system, code, way).unwrap_or_default();
            is_held |= !all.is_empty();
            found.extend(all.into_iter().map(|code| Term::Token {
                system: Some(system.to_owned()),
                code: Some(code),
            }));
        }
        if !is_held {
            return Err(wrong(
                name,
                "no hierarchy of this code system is held here",
                "list the codes; held are the code systems of FHIR R4, ICD-10 and OPCS-4, as system|code",
            ));
        }
        if found.len() > MOST_ALONG {
            return Err(wrong(
                name,
                "too many codes are meant",
                "ask several searches",
            ));
        }
    }
    match (is_by_form, way) {
        (false, _) => Ok((Modifier::None, found)),
        (true, Way::Above) => Ok((Modifier::Above, terms)),
        (true, Way::Below) => Ok((Modifier::Below, terms)),
    }
}

fn read_modifier(parameter: &SearchParameter, text: &str) -> Option<Modifier> {
    use ParameterKind as Kind;
    let kind = parameter.kind;
    Some(match (text, kind) {
        ("", _) => Modifier::None,
        ("missing", _) => Modifier::Missing,
        ("exact", Kind::String) => Modifier::Exact,
        ("contains", Kind::String) => Modifier::Contains,
        ("not", Kind::Token) => Modifier::Not,
        ("text", Kind::Token) => Modifier::Text,
        ("in", Kind::Token) => Modifier::In,
        ("not-in", Kind::Token) => Modifier::NotIn,
        ("of-type", Kind::Token) => Modifier::OfType,
        ("above", Kind::Token | Kind::Uri) => Modifier::Above,
        ("below", Kind::Token | Kind::Uri) => Modifier::Below,
        ("identifier", Kind::Reference) => Modifier::Identifier,
        ("above", Kind::Reference) if has_parents(parameter) => Modifier::Above,
        ("below", Kind::Reference) if has_parents(parameter) => Modifier::Below,
        (name, Kind::Reference) => Modifier::Type(ResourceType::from_name(name)?),
        _ => return None,
    })
}

/// Whether a reference points at something that may be part of another of its kind.
fn has_parents(parameter: &SearchParameter) -> bool {
    let targets = parameter.targets.iter();
    targets
        .filter_map(|name| ResourceType::from_name(name))
        .any(|target| parent_of(target).is_some())
}

/// `Type:parameter`, `Type:parameter:Target`, `Type:*`.
fn include(
    searched: Option<ResourceType>,
    name: &str,
    value: &str,
    reverse: bool,
    iterate: bool,
    asked: Asked<'_>,
) -> Result<Include, QueryError> {
    let mut parts = value.splitn(3, ':');
    let source = match parts.next() {
        // `*` alone means every reference of the type that is searched.
        Some("*") if !reverse => searched,
        first => first.and_then(ResourceType::from_name),
    };
    let source = source.ok_or_else(|| {
        wrong(
            name,
            "it begins with no R4 resource type",
            "write Type:parameter",
        )
    })?;
    let code = parts.next().unwrap_or("*");
    let parameter = match code {
        "*" => None,
        code => Some(
            asked
                .parameters
                .find(Some(source), code)
                .filter(|parameter| parameter.kind == ParameterKind::Reference)
                .cloned()
                .ok_or_else(|| {
                    not_supported(
                        name,
                        "that type has no such reference",
                        "see the CapabilityStatement",
                    )
                })?,
        ),
    };
    let target = parts
        .next()
        .filter(|target| !target.is_empty())
        .map(|target| {
            ResourceType::from_name(target).ok_or_else(|| {
                wrong(
                    name,
                    "it ends with no R4 resource type",
                    "write Type:parameter:Target",
                )
            })
        })
        .transpose()?;
    Ok(Include {
        reverse,
        iterate,
        source,
        parameter,
        target,
    })
}
