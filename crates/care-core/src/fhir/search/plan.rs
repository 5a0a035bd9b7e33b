//! What of a query an index can say: a tree of terms that finds every resource that meets the criteria,
//! and whether it finds no other.
//!
//! What cannot be said in terms becomes [`Wanted::Everything`]: more is found than is asked, never less,
//! and [`Criterion::matches`] looks at each again. A property test compares the two.

use super::buckets::{When, around, exactly, from, is_beyond, is_midnight, stretch, up_to};
use super::criterion::{Comparison, Criterion, Modifier, Question, Term};
use super::index_terms::{among, base, id_term, is_listed, sort, when};
use super::parameters::{ParameterKind, SearchParameter};
use super::scope::{NO_PARAMETER, Scope};
use super::text::folded;
use super::value::Span;
use crate::fhir::ResourceType;
use crate::vocabulary::SourceCode;

/// Which of the resources of one type of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Those kept under this term.
    Term(String),
    /// Those kept under a term that begins so.
    Prefix(String),
    /// Those that are in all of these.
    All(Vec<Wanted>),
    /// Those that are in one of these.
    Any(Vec<Wanted>),
    /// Those that are not in this.
    Not(Box<Wanted>),
    /// What `wanted` finds, all of which stands on one list: for an engine that walks along lists.
    Listed {
        /// The list's name, a term of each resource on it.
        list: String,
        /// Which of those on it.
        wanted: Box<Wanted>,
    },
    /// All.
    Everything,
}

/// A query in terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which resources may meet it.
    pub wanted: Wanted,
    /// Whether each of them does.
    pub exact: bool,
}

impl Plan {
    fn exactly(wanted: Wanted) -> Self {
        Self {
            wanted,
            exact: true,
        }
    }

    fn roughly(wanted: Wanted) -> Self {
        Self {
            wanted,
            exact: false,
        }
    }

    fn unknown() -> Self {
        Self::roughly(Wanted::Everything)
    }

    /// All of these.
    fn all(plans: impl IntoIterator<Item = Self>) -> Self {
        let mut exact = true;
        let mut wanted = Vec::new();
        for plan in plans {
            exact &= plan.exact;
            match plan.wanted {
                Wanted::Everything => {}
                Wanted::All(more) => wanted.extend(more),
                one => wanted.push(one),
            }
        }
        let wanted = match wanted.len() {
            0 => Wanted::Everything,
            1 => wanted.remove(0),
            _ => Wanted::All(wanted),
        };
        Self { wanted, exact }
    }

    /// Any of these.
    fn any(plans: impl IntoIterator<Item = Self>) -> Self {
        let mut exact = true;
        let mut wanted = Vec::new();
        for plan in plans {
            exact &= plan.exact;
            match plan.wanted {
                Wanted::Everything => return Self::unknown(),
                Wanted::Any(more) => wanted.extend(more),
                one => wanted.push(one),
            }
        }
        let wanted = match wanted.len() {
            1 => wanted.remove(0),
            _ => Wanted::Any(wanted),
        };
        Self { wanted, exact }
    }

    /// None of these; what is known only roughly cannot be left out.
    fn not(self) -> Self {
        if self.exact {
            Self::exactly(Wanted::Not(Box::new(self.wanted)))
        } else {
            Self::unknown()
        }
    }
}

/// The term that every resource of a type of a source has: what [`Wanted::Everything`] and a lone
/// [`Wanted::Not`] stand on.
pub fn every(source: &SourceCode, resource_type: ResourceType) -> String {
    base(source.as_str(), resource_type)
}

/// What finds the resources of this type and source that meet all criteria.
pub fn plan(source: &SourceCode, resource_type: ResourceType, criteria: &[Criterion]) -> Plan {
    let plans = criteria
        .iter()
        .map(|criterion| one(source.as_str(), resource_type, criterion));
    Plan::all(plans)
}

fn one(source: &str, resource_type: ResourceType, criterion: &Criterion) -> Plan {
    match &criterion.question {
        Question::Parameter {
            parameter,
            modifier,
            terms,
        } => {
            let asked = Asked {
                scope: Scope::new(source, resource_type, parameter.key()),
                parameter,
            };
            asked.plan(*modifier, terms)
        }
        Question::Chain { parameter, .. } => {
            let scope = Scope::new(source, resource_type, parameter.key());
            Plan::roughly(Wanted::Term(scope.term(sort::EXISTS, &[])))
        }
        Question::Words { narrative, any } => {
            let scope = Scope::new(source, resource_type, NO_PARAMETER);
            words(scope, *narrative, any)
        }
        Question::Has { .. } | Question::InList(_) => Plan::unknown(),
    }
}

fn words(scope: Scope, narrative: bool, any: &[Vec<String>]) -> Plan {
    let sort = if narrative { sort::TOLD } else { sort::WORD };
    let groups = any.iter().map(|words| {
        let each = words
            .iter()
            .map(|word| Plan::roughly(Wanted::Term(scope.term(sort, &[word]))));
        Plan::all(each)
    });
    let more = Plan::roughly(Wanted::Term(scope.term(sort::TOO_MUCH, &[sort])));
    Plan::any(groups.chain([more]))
}

struct Asked<'p> {
    scope: Scope,
    parameter: &'p SearchParameter,
}

impl Asked<'_> {
    fn plan(&self, modifier: Modifier, terms: &[Term]) -> Plan {
        let some =
            |modifier: Modifier| Plan::any(terms.iter().map(|term| self.one(modifier, term)));
        match modifier {
            Modifier::Missing => {
                let here = self.exists();
                let (yes, no) = (Term::Missing(true), Term::Missing(false));
                match (terms.contains(&yes), terms.contains(&no)) {
                    _ if &*self.parameter.code == "_id" => Plan::unknown(),
                    (true, true) => Plan::exactly(Wanted::Everything),
                    (true, false) => Plan::exactly(here.wanted).not(),
                    (false, true) => Plan::exactly(here.wanted),
                    (false, false) => Plan::unknown(),
                }
            }
            Modifier::Not => some(Modifier::None).not(),
            Modifier::NotIn => Plan::unknown(),
            _ => some(modifier),
        }
    }

    /// Whatever has a value of this parameter.
    fn exists(&self) -> Plan {
        if &*self.parameter.code == "_id" {
            return Plan::unknown();
        }
        Plan::roughly(Wanted::Term(self.scope.term(sort::EXISTS, &[])))
    }

    fn term(&self, sort: &str, parts: &[&str]) -> Plan {
        Plan::exactly(Wanted::Term(self.scope.term(sort, parts)))
    }

    fn one(&self, modifier: Modifier, term: &Term) -> Plan {
        match (term, modifier) {
            (Term::Text(text), Modifier::None | Modifier::Exact)
                if self.parameter.kind == ParameterKind::String =>
            {
                self.text(text, modifier)
            }
            (Term::Token { system, code }, Modifier::None | Modifier::Identifier) => {
                self.token(system.as_deref(), code.as_deref())
            }
            (
                Term::OfType {
                    system,
                    code,
                    value,
                },
                _,
            ) => self.term(sort::OF_TYPE, &[system, code, value]),
            (
                Term::Reference {
                    resource_type,
                    id,
                    url,
                },
                Modifier::None | Modifier::Type(_),
            ) => self.reference(*resource_type, id, url.as_deref()),
            (Term::Uri(uri), Modifier::None) if self.parameter.kind == ParameterKind::Uri => {
                self.term(sort::ADDRESS, &[uri])
            }
            (Term::Date { comparison, span }, Modifier::None) => self.date(*comparison, *span),
            (
                Term::Number {
                    comparison,
                    span,
                    value,
                },
                Modifier::None,
            ) => self.number((sort::NUMBER, ""), *comparison, *span, *value),
            (
                Term::Quantity {
                    comparison,
                    span,
                    value,
                    canonical,
                    ..
                },
                Modifier::None,
            ) => {
                let sent = self.number((sort::NUMBER, ""), *comparison, *span, *value);
                let Some((span, value, units)) = canonical else {
                    return sent;
                };
                let base_units = self.number((sort::CANONICAL, units), *comparison, *span, *value);
                Plan::any([sent, base_units])
            }
            (Term::Composite(parts), Modifier::None) => self.composite(parts),
            _ => self.exists(),
        }
    }

    /// Texts are found by how they begin, folded; an exact text begins so too.
    fn text(&self, text: &str, modifier: Modifier) -> Plan {
        let text = match modifier {
            Modifier::Exact => folded(text),
            _ => text.to_owned(),
        };
        if text.is_empty() {
            return self.exists();
        }
        let (term, is_cut) = self.scope.text(&text);
        match (is_cut, modifier) {
            (true, _) => Plan::roughly(Wanted::Term(term)),
            (false, Modifier::Exact) => Plan::roughly(Wanted::Prefix(term)),
            (false, _) => Plan::exactly(Wanted::Prefix(term)),
        }
    }

    fn token(&self, system: Option<&str>, code: Option<&str>) -> Plan {
        let Some(code) = code else {
            return self.exists();
        };
        if &*self.parameter.code == "_id" {
            let item = code.rsplit('-').next().unwrap_or(code);
            return Plan::roughly(Wanted::Term(id_term(self.scope, item)));
        }
        if self.parameter.kind == ParameterKind::Reference {
            return match system {
                None => self.term(sort::KNOWN_AS, &[code]),
                Some(system) => self.term(sort::KNOWN_IN, &[system, code]),
            };
        }
        let Plan { wanted, exact } = match system {
            None => self.term(sort::CODE, &[code]),
            Some("") => Plan::roughly(self.term(sort::CODE, &[code]).wanted),
            Some(system) => Plan::any([
                self.term(sort::CODED, &[system, code]),
                self.term(sort::IMPLIED, &[code]),
            ]),
        };
        if !is_listed(self.parameter.key()) {
            return Plan { wanted, exact };
        }
        let wanted = Wanted::Listed {
            list: self.scope.list(code),
            wanted: Box::new(wanted),
        };
        Plan { wanted, exact }
    }

    fn reference(&self, of: Option<ResourceType>, id: &str, url: Option<&str>) -> Plan {
        if let Some(url) = url {
            let (address, version) = match url.split_once('|') {
                Some((address, version)) => (address, Some(version)),
                None => (url, None),
            };
            let found = self.term(sort::ADDRESS, &[address]);
            return match (of, version) {
                (None, None) => found,
                _ => Plan::roughly(found.wanted),
            };
        }
        match of {
            Some(of) => self.term(sort::REFERENCE, &[of.name(), id]),
            // Ids are one of a kind, but not by a rule that every sender keeps.
            None => Plan::any(
                ResourceType::all().map(|of| self.term(sort::REFERENCE, &[of.name(), id])),
            ),
        }
    }

    /// Whatever lies in one of these places, or begins (`<`) or ends (`>`) there.
    fn in_time(&self, side: &str, places: Vec<When>) -> Wanted {
        let terms = places.into_iter().flat_map(|place| {
            let of = |side| Wanted::Term(when(self.scope, side, place));
            [of("="), of(side)]
        });
        Wanted::Any(terms.collect())
    }

    fn date(&self, comparison: Comparison, asked: Span<i64>) -> Plan {
        // What ends at the last moment that can be told is never after it.
        let after = |side| self.edge(asked.high, self.in_time(side, from(asked.high)));
        let before = |side| {
            let last = asked.low.saturating_sub(1);
            self.edge(asked.low, self.in_time(side, up_to(last)))
        };
        match comparison {
            Comparison::Equal => self.within(asked),
            Comparison::Greater => after(">"),
            Comparison::GreaterOrEqual => Plan::any([after(">"), self.within(asked)]),
            Comparison::Less => before("<"),
            Comparison::LessOrEqual => Plan::any([before("<"), self.within(asked)]),
            Comparison::StartsAfter => after("<"),
            Comparison::EndsBefore => before(">"),
            Comparison::NotEqual | Comparison::Approximately => self.exists(),
        }
    }

    /// Days say it exactly where the edge is a midnight among the years that have places.
    fn edge(&self, edge: i64, wanted: Wanted) -> Plan {
        if is_midnight(edge) && !is_beyond(edge) && !is_beyond(edge.saturating_sub(1)) {
            Plan::exactly(wanted)
        } else {
            Plan::roughly(wanted)
        }
    }

    fn within(&self, asked: Span<i64>) -> Plan {
        if let Some(place) = exactly(asked) {
            return Plan::exactly(Wanted::Term(when(self.scope, "=", place)));
        }
        match around(asked) {
            Some(place) => Plan::roughly(Wanted::Term(when(self.scope, "=", place))),
            None => self.exists(),
        }
    }

    /// Whatever lies between these numbers (`=`), begins (`<`) or ends (`>`) there.
    fn among(&self, of: (&str, &str), sides: &[&str], low: f64, high: f64) -> Wanted {
        let wider = |number: f64| number.abs().mul_add(1e-9, 1e-12);
        let (is_fine, places) = stretch(low - wider(low), high + wider(high));
        let terms = places.flat_map(|place| {
            sides.iter().map(move |side| {
                Wanted::Term(among(self.scope, of.0, of.1, (side, is_fine), place))
            })
        });
        Wanted::Any(terms.collect())
    }

    fn number(
        &self,
        of: (&str, &str),
        comparison: Comparison,
        asked: Span<f64>,
        value: f64,
    ) -> Plan {
        let (least, most) = (f64::NEG_INFINITY, f64::INFINITY);
        let wanted = match comparison {
            Comparison::Equal => self.among(of, &["=", "<"], asked.low, asked.high),
            Comparison::Greater | Comparison::GreaterOrEqual => {
                self.among(of, &["=", ">"], value, most)
            }
            Comparison::StartsAfter => self.among(of, &["=", "<"], value, most),
            Comparison::Less | Comparison::LessOrEqual => self.among(of, &["=", "<"], least, value),
            Comparison::EndsBefore => self.among(of, &["=", ">"], least, value),
            Comparison::Approximately => {
                let tenth = (value.abs() / 10.0).max(asked.high - value);
                let (low, high) = (value - tenth, value + tenth);
                let across = Wanted::All(vec![
                    self.among(of, &["<"], least, high),
                    self.among(of, &[">"], low, most),
                ]);
                Wanted::Any(vec![self.among(of, &["="], low, high), across])
            }
            Comparison::NotEqual => return self.exists(),
        };
        Plan::roughly(wanted)
    }

    /// A composite is found by its first part.
    fn composite(&self, parts: &[Term]) -> Plan {
        let term = |part: &str| Plan::roughly(self.term(sort::FIRST, &[part]).wanted);
        match parts.first() {
            Some(Term::Token {
                code: Some(code), ..
            }) => term(code),
            Some(Term::Reference { id, url: None, .. }) => term(id),
            _ => self.exists(),
        }
    }
}
