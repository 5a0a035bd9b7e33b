//! Walks a parsed expression over borrowed values.
//!
//! Every node and every item takes a step from the budget, so time is bounded by the limits and, for
//! paths and filters, linear in the input.

use super::ast::Call;
use super::ast::{Expr, Kind, Operator, TypeUse};
use super::compare::{self, Budget, Distinct};
use super::context::Context;
use super::element::{Element, Member};
use super::error::{PathError, PathFault};
use super::function::Function;
use super::operators::{calculated, logic, ordered, signed};
use super::references::BundleIndex;
use super::types::NamedType;
use super::value::Value;
use crate::fhir::{Definitions, Json, TypeDefinition};

pub(super) type Items<'a> = Vec<Value<'a>>;
pub(super) type Answer<'a> = Result<Items<'a>, PathError>;

/// What `$this`, `$index` and `$total` are now.
#[derive(Clone, Copy)]
pub(super) struct Frame<'f, 'a> {
    pub(super) this: &'f [Value<'a>],
    pub(super) index: Option<usize>,
    pub(super) total: Option<&'f [Value<'a>]>,
}

impl<'f, 'a> Frame<'f, 'a> {
    /// The same frame about one item.
    pub(super) fn about(self, item: &'f Value<'a>, index: usize) -> Self {
        Self {
            this: std::slice::from_ref(item),
            index: Some(index),
            ..self
        }
    }
}

/// One evaluation.
pub(super) struct Evaluator<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) input: Value<'a>,
    pub(super) budget: Budget,
    pub(super) variables: Vec<(String, Items<'a>)>,
    pub(super) bundle: Option<BundleIndex<'a>>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(input: Value<'a>, context: &'a Context<'a>) -> Self {
        Self {
            context,
            input,
            budget: Budget {
                left: context.limits.steps,
            },
            variables: Vec::new(),
            bundle: None,
        }
    }

    /// The whole expression.
    pub(super) fn run(&mut self, expr: &'a Expr) -> Answer<'a> {
        let input = self.input.clone();
        let frame = Frame {
            this: std::slice::from_ref(&input),
            index: None,
            total: None,
        };
        let answer = self.eval(expr, frame)?;
        self.check_budget(expr.at)?;
        Ok(answer)
    }

    pub(super) fn check_budget(&self, at: usize) -> Result<(), PathError> {
        if self.budget.left == 0 {
            return Err(PathError::limit(at, "the expression takes too many steps"));
        }
        Ok(())
    }

    pub(super) fn charge(&mut self, steps: usize, at: usize) -> Result<(), PathError> {
        self.budget.take(steps as u64);
        self.check_budget(at)
    }

    /// Takes a step for each item, and refuses a collection that is too long.
    pub(super) fn kept(&mut self, items: Items<'a>, at: usize) -> Answer<'a> {
        self.charge(items.len(), at)?;
        if items.len() > self.context.limits.items {
            return Err(PathError::limit(at, "a collection grows too long"));
        }
        Ok(items)
    }

    pub(super) fn eval(&mut self, expr: &'a Expr, frame: Frame<'_, 'a>) -> Answer<'a> {
        self.charge(1, expr.at)?;
        match &expr.kind {
            Kind::This => self.kept(frame.this.to_vec(), expr.at),
            Kind::Name(name) => self.name(name, expr.at, frame),
            Kind::Member(input, name) => {
                let input = self.eval(input, frame)?;
                self.members(&input, name, expr.at)
            }
            Kind::Item(input, place) => self.item(input, place, frame),
            Kind::Call(call) => self.call(call, expr.at, frame),
            Kind::Binary(operator, sides) => {
                self.binary(*operator, &sides.0, &sides.1, expr.at, frame)
            }
            Kind::Test(how, input, wanted) => {
                self.test(*how, input.as_deref(), wanted, expr.at, frame)
            }
            Kind::Negate(inner) | Kind::Plus(inner) => {
                let negate = matches!(expr.kind, Kind::Negate(_));
                let inner = self.eval(inner, frame)?;
                signed(inner, negate, expr.at)
            }
            Kind::Variable(name) => self.variable(name, expr.at),
            Kind::Total => Ok(frame.total.map(<[Value<'a>]>::to_vec).unwrap_or_default()),
            Kind::Index => Ok(frame
                .index
                .and_then(|index| i32::try_from(index).ok())
                .map(Value::Integer)
                .into_iter()
                .collect()),
            constant => Ok(literal(constant).into_iter().collect()),
        }
    }

    /// A name at the beginning: the type of `$this`, or an element of it.
    fn name(&mut self, name: &str, at: usize, frame: Frame<'_, 'a>) -> Answer<'a> {
        if name.starts_with(|letter: char| letter.is_ascii_uppercase())
            && let Some(wanted) = Definitions::r4().get(name)
        {
            let found = frame.this.iter().filter(|item| is_of(item, wanted));
            let found: Items<'a> = found.cloned().collect();
            return self.kept(found, at);
        }
        self.members(frame.this, name, at)
    }

    pub(super) fn members(&mut self, input: &[Value<'a>], name: &str, at: usize) -> Answer<'a> {
        let mut found = Vec::new();
        for item in input {
            self.charge(1, at)?;
            match item {
                Value::Element(element) => match element.member(name, &mut found) {
                    Member::Found => {}
                    Member::Unknown if !self.context.is_strict => {}
                    Member::Unknown => {
                        return Err(PathError::new(
                            PathFault::Unknown,
                            at,
                            format!("{} has no element of this name", item.type_of().name()),
                            "check the name against FHIR R4",
                        ));
                    }
                    Member::Spelled(plain, of_type) => {
                        return Err(PathError::new(
                            PathFault::Unknown,
                            at,
                            "a choice element is named with its type, as only JSON and XML do",
                            format!("write {plain}.ofType({of_type})"),
                        ));
                    }
                },
                Value::Type(of_type) => match name {
                    "namespace" => found.push(Value::text(of_type.namespace())),
                    "name" => found.push(Value::text(of_type.name())),
                    _ => {}
                },
                Value::Quantity(quantity) => match name {
                    "value" => found.push(Value::Decimal(quantity.value)),
                    "unit" | "code" => {
                        found.push(Value::text(quantity.unit_text().to_owned()));
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        self.kept(found, at)
    }

    fn item(&mut self, input: &'a Expr, place: &'a Expr, frame: Frame<'_, 'a>) -> Answer<'a> {
        let input = self.eval(input, frame)?;
        let found = self.eval(place, frame)?;
        let place = one_integer(&found, place.at)?;
        Ok(place
            .and_then(|place| usize::try_from(place).ok())
            .and_then(|place| input.into_iter().nth(place))
            .into_iter()
            .collect())
    }

    fn variable(&mut self, name: &str, at: usize) -> Answer<'a> {
        if let Some((_, values)) = self.variables.iter().rev().find(|(known, _)| known == name) {
            let values = values.clone();
            return self.kept(values, at);
        }
        let known = self
            .context
            .variables
            .iter()
            .find(|(known, _)| known == name);
        if let Some((_, values)) = known {
            return self.kept(values.clone(), at);
        }
        let base = "http://hl7.org/fhir";
        let text = match name {
            "context" => return Ok(vec![self.input.clone()]),
            "resource" => return Ok(self.resource().into_iter().collect()),
            "rootResource" => return Ok(self.root_resource().into_iter().collect()),
            "ucum" => "http://unitsofmeasure.org".to_owned(),
            "sct" => "http://snomed.info/sct".to_owned(),
            "loinc" => "http://loinc.org".to_owned(),
            _ => match (name.strip_prefix("vs-"), name.strip_prefix("ext-")) {
                (Some(rest), _) => format!("{base}/ValueSet/{rest}"),
                (_, Some(rest)) => format!("{base}/StructureDefinition/{rest}"),
                _ => {
                    return Err(PathError::new(
                        PathFault::Unknown,
                        at,
                        "nobody gave this variable a value",
                        "there are %context, %resource, %rootResource, %ucum, %sct, %loinc, \
                         %`vs-…`, %`ext-…` and what the caller or defineVariable() sets",
                    ));
                }
            },
        };
        Ok(vec![Value::text(text)])
    }

    /// `%resource`: the resource the input is or is in.
    pub(super) fn resource(&self) -> Option<Value<'a>> {
        let given = self.context.resource.map(Element::root).map(Value::Element);
        given.or_else(|| match &self.input {
            Value::Element(element) if element.is_resource() => Some(self.input.clone()),
            Value::Element(element) => element.owner().map(Element::root).map(Value::Element),
            _ => None,
        })
    }

    fn root_resource(&self) -> Option<Value<'a>> {
        let given = self.context.root_resource;
        let owner = || self.input.as_element().and_then(Element::owner);
        let root: Option<&'a Json> = given.or_else(owner).or(self.context.resource);
        root.map(Element::root).map(Value::Element)
    }

    fn test(
        &mut self,
        how: TypeUse,
        input: Option<&'a Expr>,
        wanted: &NamedType,
        at: usize,
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        if how == TypeUse::Is
            && let Some(input) = input
            && let Kind::Call(call) = &input.kind
            && call.function == Function::Resolve
        {
            return self.resolves_to(call, wanted, at, frame);
        }
        let items = match input {
            Some(input) => self.eval(input, frame)?,
            None => frame.this.to_vec(),
        };
        match how {
            TypeUse::OfType => {
                let cast = items
                    .into_iter()
                    .filter(|item| item.type_of().is_cast(wanted));
                let cast = cast.collect();
                self.kept(cast, at)
            }
            // R4's own search parameters cast lists, so a list is let through here.
            TypeUse::As => Ok(items
                .into_iter()
                .filter(|item| item.type_of().is_cast(wanted))
                .collect()),
            TypeUse::Is => Ok(single(&items, at)?
                .map(|item| Value::Boolean(item.type_of().is(wanted)))
                .into_iter()
                .collect()),
        }
    }

    /// `resolve() is Patient`, answered from the reference itself where it says so.
    fn resolves_to(
        &mut self,
        call: &'a Call,
        wanted: &NamedType,
        at: usize,
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        let references = match &call.input {
            Some(input) => self.eval(input, frame)?,
            None => frame.this.to_vec(),
        };
        let Some(reference) = single(&references, at)? else {
            return Ok(Vec::new());
        };
        Ok(self
            .type_of_target(reference, at)?
            .map(|of_type| Value::Boolean(of_type.is(wanted)))
            .into_iter()
            .collect())
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &'a Expr,
        right: &'a Expr,
        at: usize,
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        use Operator as O;
        let scope = self.variables.len();
        let left = self.eval(left, frame)?;
        self.variables.truncate(scope);
        if let O::And | O::Or | O::Xor | O::Implies = operator {
            let left = truth(&left, at)?;
            // What the left side settles is not asked again.
            match (operator, left) {
                (O::And, Some(false)) => return Ok(vec![Value::Boolean(false)]),
                (O::Or, Some(true)) | (O::Implies, Some(false)) => {
                    return Ok(vec![Value::Boolean(true)]);
                }
                _ => {}
            }
            let right = self.eval(right, frame)?;
            self.variables.truncate(scope);
            return Ok(boolean(logic(operator, left, truth(&right, at)?)));
        }
        let right = self.eval(right, frame)?;
        self.variables.truncate(scope);
        let budget = &mut self.budget;
        match operator {
            O::Union => self.union(left, right, at),
            O::Equal => Ok(boolean(compare::equal(&left, &right, budget))),
            O::NotEqual => {
                let equal = compare::equal(&left, &right, budget);
                Ok(boolean(equal.map(|equal| !equal)))
            }
            O::Equivalent => {
                let alike = compare::equivalent(&left, &right, budget);
                Ok(vec![Value::Boolean(alike)])
            }
            O::NotEquivalent => {
                let alike = compare::equivalent(&left, &right, budget);
                Ok(vec![Value::Boolean(!alike)])
            }
            O::In => self.member_of(&left, &right, at),
            O::Contains => self.member_of(&right, &left, at),
            O::Less | O::LessOrEqual | O::Greater | O::GreaterOrEqual => {
                ordered(operator, &left, &right, at)
            }
            O::Concatenate => self.concatenate(&left, &right, at),
            _ => calculated(operator, &left, &right, at),
        }
    }

    pub(super) fn union(&mut self, left: Items<'a>, right: Items<'a>, at: usize) -> Answer<'a> {
        let mut all = Distinct::default();
        for item in left.into_iter().chain(right) {
            all.add(item, &mut self.budget);
            self.check_budget(at)?;
        }
        self.kept(all.into_items(), at)
    }

    fn member_of(&mut self, one: &[Value<'a>], all: &[Value<'a>], at: usize) -> Answer<'a> {
        let Some(one) = single(one, at)? else {
            return Ok(Vec::new());
        };
        let budget = &mut self.budget;
        let found = all
            .iter()
            .any(|item| compare::items_equal(item, one, budget) == Some(true));
        Ok(vec![Value::Boolean(found)])
    }

    fn concatenate(&mut self, left: &[Value<'a>], right: &[Value<'a>], at: usize) -> Answer<'a> {
        let text = |items: &[Value<'a>]| -> Result<String, PathError> {
            match single(items, at)?.map(Value::plain) {
                None => Ok(String::new()),
                Some(Some(Value::Text(text))) => Ok(text.into_owned()),
                Some(_) => Err(PathError::operand(
                    at,
                    "& joins texts only",
                    "turn other values into text with toString()",
                )),
            }
        };
        let joined = text(left)? + &text(right)?;
        self.made_text(joined, at)
    }

    /// A text that was made: no longer than the limit, and paid for by its length.
    pub(super) fn made_text(&mut self, text: String, at: usize) -> Answer<'a> {
        self.charge(text.len() / 4, at)?;
        if text.len() > self.context.limits.text_bytes {
            return Err(PathError::limit(at, "a text grows too long"));
        }
        Ok(vec![Value::text(text)])
    }
}

fn is_of(item: &Value<'_>, wanted: &TypeDefinition) -> bool {
    match item {
        Value::Element(element) => element
            .definition()
            .is_some_and(|found| super::types::is_a(found, wanted)),
        _ => false,
    }
}

fn literal<'a>(kind: &'a Kind) -> Option<Value<'a>> {
    Some(match kind {
        Kind::Boolean(value) => Value::Boolean(*value),
        Kind::Integer(value) => Value::Integer(*value),
        Kind::Decimal(value) => Value::Decimal(*value),
        Kind::Text(text) => Value::text(text.as_str()),
        Kind::Moment(moment) => Value::Moment(*moment),
        Kind::Quantity(quantity) => Value::Quantity(quantity.clone()),
        _ => return None,
    })
}

/// The one item; an error where there are several.
pub(super) fn single<'v, 'a>(
    items: &'v [Value<'a>],
    at: usize,
) -> Result<Option<&'v Value<'a>>, PathError> {
    match items {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(PathError::operand(
            at,
            "one item was expected here, and there are several",
            "choose one with first() or where(), or ask all with exists() or all()",
        )),
    }
}

/// The truth of a collection of one; anything that is no truth value counts as true.
pub(super) fn truth(items: &[Value<'_>], at: usize) -> Result<Option<bool>, PathError> {
    Ok(single(items, at)?.map(|item| item.as_bool().unwrap_or(true)))
}

/// The whole number of a collection of one.
pub(super) fn one_integer(items: &[Value<'_>], at: usize) -> Result<Option<i32>, PathError> {
    match single(items, at)?.map(Value::plain) {
        None => Ok(None),
        Some(Some(Value::Integer(value))) => Ok(Some(value)),
        Some(_) => Err(PathError::operand(
            at,
            "a whole number was expected",
            "write a whole number, or turn the value into one with toInteger()",
        )),
    }
}

pub(super) fn boolean<'a>(answer: Option<bool>) -> Items<'a> {
    answer.map(Value::Boolean).into_iter().collect()
}
