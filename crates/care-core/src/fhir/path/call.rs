//! Which function does what: the list of all of them, and those that ask a question of each item.
//!
//! Arguments that are questions (`where`, `select`…) are asked once an item, with `$this` and
//! `$index` set; all other arguments are answered once, about the `$this` of the caller.

use super::ast::{Call, Expr};
use super::compare::Distinct;
use super::error::PathError;
use super::evaluate::{Answer, Evaluator, Frame, Items, boolean, single, truth};
use super::function::Function as F;
use super::value::Value;

impl<'a> Evaluator<'a> {
    pub(super) fn call(&mut self, call: &'a Call, at: usize, frame: Frame<'_, 'a>) -> Answer<'a> {
        let input = match &call.input {
            Some(input) => self.eval(input, frame)?,
            None => frame.this.to_vec(),
        };
        let scope = self.variables.len();
        let answer = self.question(call, input, at, frame)?;
        if call.function != F::DefineVariable {
            self.variables.truncate(scope);
        }
        self.kept(answer, at)
    }

    /// Functions whose arguments are questions; the others go on to `plain_call`.
    fn question(
        &mut self,
        call: &'a Call,
        input: Items<'a>,
        at: usize,
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        let first = call.arguments.first();
        let second = call.arguments.get(1);
        match (call.function, first) {
            (F::Where, Some(criterion)) => self.filter(input, criterion, frame),
            (F::Exists, Some(criterion)) => {
                let found = self.any(&input, criterion, frame, true)?;
                Ok(boolean(Some(found)))
            }
            (F::All, Some(criterion)) => {
                let broken = self.any(&input, criterion, frame, false)?;
                Ok(boolean(Some(!broken)))
            }
            (F::Select, Some(projection)) => self.select(&input, projection, frame),
            (F::Repeat, Some(projection)) => self.repeat(&input, projection, at, frame),
            (F::RepeatAll, Some(projection)) => self.repeat_all(&input, projection, at, frame),
            (F::Aggregate, Some(step)) => self.aggregate(&input, step, second, frame),
            (F::Iif, Some(criterion)) => self.iif(call, &input, criterion, at, frame),
            (F::Sort, _) => self.sort(call, input, at, frame),
            (F::Coalesce, _) => self.coalesce(call, frame),
            (F::Trace, Some(name)) => {
                self.ask(name, frame)?;
                Ok(input)
            }
            (F::DefineVariable, Some(name)) => self.define_variable(name, second, input, at, frame),
            _ => {
                let mut arguments = Vec::new();
                for argument in &call.arguments {
                    arguments.push(self.ask(argument, frame)?);
                }
                self.plain_call(call, input, &arguments, at)
            }
        }
    }

    /// An argument's answer; variables it defines end with it.
    pub(super) fn ask(&mut self, argument: &'a Expr, frame: Frame<'_, 'a>) -> Answer<'a> {
        let scope = self.variables.len();
        let answer = self.eval(argument, frame)?;
        self.variables.truncate(scope);
        Ok(answer)
    }

    fn filter(
        &mut self,
        input: Items<'a>,
        criterion: &'a Expr,
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        let mut kept = Vec::new();
        for (index, item) in input.into_iter().enumerate() {
            let answer = self.ask(criterion, frame.about(&item, index))?;
            if truth(&answer, criterion.at)? == Some(true) {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    /// Whether some item's answer is true (`wanted`), or some item's is not true.
    fn any(
        &mut self,
        input: &[Value<'a>],
        criterion: &'a Expr,
        frame: Frame<'_, 'a>,
        wanted: bool,
    ) -> Result<bool, PathError> {
        for (index, item) in input.iter().enumerate() {
            let answer = self.ask(criterion, frame.about(item, index))?;
            if (truth(&answer, criterion.at)? == Some(true)) == wanted {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn select(
        &mut self,
        input: &[Value<'a>],
        projection: &'a Expr,
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        let mut found = Vec::new();
        for (index, item) in input.iter().enumerate() {
            found.append(&mut self.ask(projection, frame.about(item, index))?);
            self.room(found.len(), projection.at)?;
        }
        Ok(found)
    }

    pub(super) fn room(&self, items: usize, at: usize) -> Result<(), PathError> {
        if items > self.context.limits.items {
            return Err(PathError::limit(at, "a collection grows too long"));
        }
        Ok(())
    }

    fn repeat(
        &mut self,
        input: &[Value<'a>],
        projection: &'a Expr,
        at: usize,
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        let mut found = Distinct::default();
        let mut fresh = input.to_vec();
        while !fresh.is_empty() {
            let answers = self.select(&fresh, projection, frame)?;
            fresh.clear();
            for item in answers {
                if found.add(item.clone(), &mut self.budget) {
                    fresh.push(item);
                }
                self.check_budget(at)?;
                self.room(found.len(), at)?;
            }
        }
        Ok(found.into_items())
    }

    /// As `repeat`, without leaving out what was there before.
    fn repeat_all(
        &mut self,
        input: &[Value<'a>],
        projection: &'a Expr,
        at: usize,
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        let mut found = Vec::new();
        let mut fresh = input.to_vec();
        while !fresh.is_empty() {
            fresh = self.select(&fresh, projection, frame)?;
            found.extend(fresh.iter().cloned());
            self.room(found.len(), at)?;
        }
        Ok(found)
    }

    fn aggregate(
        &mut self,
        input: &[Value<'a>],
        step: &'a Expr,
        start: Option<&'a Expr>,
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        let mut total = match start {
            Some(start) => self.ask(start, frame)?,
            None => Vec::new(),
        };
        for (index, item) in input.iter().enumerate() {
            let inner = Frame {
                total: Some(&total),
                ..frame.about(item, index)
            };
            total = self.ask(step, inner)?;
        }
        Ok(total)
    }

    fn iif(
        &mut self,
        call: &'a Call,
        input: &[Value<'a>],
        criterion: &'a Expr,
        at: usize,
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        let frame = if call.input.is_some() {
            single(input, at)?;
            Frame {
                this: input,
                ..frame
            }
        } else {
            frame
        };
        let answer = self.ask(criterion, frame)?;
        let place = match single(&answer, criterion.at)? {
            None => 2,
            Some(item) => match item.as_bool() {
                Some(true) => 1,
                Some(false) => 2,
                None => {
                    return Err(PathError::operand(
                        criterion.at,
                        "the question of iif() is neither true nor false",
                        "ask with exists() or a comparison",
                    ));
                }
            },
        };
        match call.arguments.get(place) {
            Some(branch) => self.ask(branch, frame),
            None => Ok(Vec::new()),
        }
    }

    fn coalesce(&mut self, call: &'a Call, frame: Frame<'_, 'a>) -> Answer<'a> {
        for argument in &call.arguments {
            let answer = self.ask(argument, frame)?;
            if !answer.is_empty() {
                return Ok(answer);
            }
        }
        Ok(Vec::new())
    }

    fn define_variable(
        &mut self,
        name: &'a Expr,
        value: Option<&'a Expr>,
        input: Items<'a>,
        at: usize,
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        let wrong = || {
            PathError::operand(
                at,
                "the name of a variable is a text that is not taken",
                "write defineVariable('name'), with a name that is not context or resource",
            )
        };
        let found = self.ask(name, frame)?;
        let Some(Some(Value::Text(name))) = single(&found, at)?.map(Value::plain) else {
            return Err(wrong());
        };
        let is_taken = matches!(
            name.as_ref(),
            "context" | "resource" | "rootResource" | "ucum" | "sct" | "loinc"
        ) || self.variables.iter().any(|(known, _)| *known == name);
        if is_taken {
            return Err(wrong());
        }
        let values = match value {
            Some(value) => self.ask(
                value,
                Frame {
                    this: &input,
                    ..frame
                },
            )?,
            None => input.clone(),
        };
        self.variables.push((name.into_owned(), values));
        Ok(input)
    }

    /// By each key in turn; items without a key come first.
    fn sort(
        &mut self,
        call: &'a Call,
        input: Items<'a>,
        at: usize,
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        let mut keyed = Vec::with_capacity(input.len());
        for (index, item) in input.into_iter().enumerate() {
            let mut keys = Vec::new();
            if call.arguments.is_empty() {
                keys.push(Some(item.clone()));
            }
            for key in &call.arguments {
                let answer = self.ask(key, frame.about(&item, index))?;
                keys.push(single(&answer, key.at)?.cloned());
            }
            keyed.push((keys, item));
        }
        self.charge(keyed.len().saturating_mul(8), at)?;
        type Keyed<'a> = (Vec<Option<Value<'a>>>, Value<'a>);
        let order = |(left, _): &Keyed<'a>, (right, _): &Keyed<'a>| {
            let mut order = std::cmp::Ordering::Equal;
            for (place, (left, right)) in left.iter().zip(right).enumerate() {
                let down = call.downwards.get(place) == Some(&true);
                order = order.then_with(|| super::collections::key_order(left, right, down));
            }
            order
        };
        let keyed = super::collections::sorted(keyed, &order);
        Ok(keyed.into_iter().map(|(_, item)| item).collect())
    }

    /// Functions whose arguments are already answered.
    fn plain_call(
        &mut self,
        call: &'a Call,
        input: Items<'a>,
        arguments: &[Items<'a>],
        at: usize,
    ) -> Answer<'a> {
        match call.function {
            F::Empty
            | F::Exists
            | F::AllTrue
            | F::AnyTrue
            | F::AllFalse
            | F::AnyFalse
            | F::SubsetOf
            | F::SupersetOf
            | F::Count
            | F::Distinct
            | F::IsDistinct
            | F::Single
            | F::First
            | F::Last
            | F::Tail
            | F::Skip
            | F::Take
            | F::Intersect
            | F::Exclude
            | F::Union
            | F::Combine
            | F::Children
            | F::Descendants
            | F::Not
            | F::Type => self.collection(call.function, input, arguments, at),
            F::Extension
            | F::HasValue
            | F::GetValue
            | F::Resolve
            | F::ConformsTo
            | F::MemberOf
            | F::HtmlChecks
            | F::ResourceKey
            | F::ReferenceKey => self.fhir(call, &input, arguments, at),
            F::IndexOf
            | F::LastIndexOf
            | F::Substring
            | F::StartsWith
            | F::EndsWith
            | F::Contains
            | F::Upper
            | F::Lower
            | F::Replace
            | F::Matches
            | F::MatchesFull
            | F::ReplaceMatches
            | F::Length
            | F::ToChars
            | F::Encode
            | F::Decode
            | F::Escape
            | F::Unescape
            | F::Trim
            | F::Split
            | F::Join => self.texts(call, &input, arguments, at),
            F::Now | F::Today | F::TimeOfDay => Ok(self.time_now(call.function)),
            F::Sum | F::Min | F::Max | F::Average => self.summary(call.function, &input, at),
            other => match super::convert::conversion(other) {
                Some((target, asks)) => {
                    super::convert::convert(target, asks, &input, arguments, at)
                }
                None => super::maths::apply(other, &input, arguments, at),
            },
        }
    }
}
