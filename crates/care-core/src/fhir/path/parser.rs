//! Words to a tree, by how strongly each operator binds.
//!
//! Refuses what is too deep before it is built, so that nothing that walks the tree can run out of
//! stack. Source: FHIRPath N1 grammar and section 6.8 (precedence).

use regex::{Regex, RegexBuilder};

use super::ast::{Call, Expr, Kind, Operator, SIGN_BINDING, TYPE_BINDING, TypeUse};
use super::error::{PathError, PathFault};
use super::function::Function;
use super::lexer::{Token, words};
use super::number;
use super::quantity::{CalendarUnit, Quantity, Unit};
use super::types::NamedType;

/// Longest expression in bytes.
const LONGEST: usize = 64 << 10;
/// Most nodes below one another. A search parameter's union of 60 paths passes.
const DEEPEST: usize = 120;
/// Most brackets, arguments and right sides inside one another: each costs more stack than a step.
const MOST_OPEN: usize = 60;
/// Names of variables and elements are no longer than this in an error.
const SHOWN: usize = 60;

type Parsed<T> = Result<T, PathError>;

/// Parses a whole expression.
pub(super) fn parse(text: &str) -> Parsed<Expr> {
    if text.len() > LONGEST {
        return Err(PathError::limit(0, "the expression is longer than 64 KiB"));
    }
    let mut parser = Parser {
        words: words(text)?,
        next: 0,
        open: 0,
    };
    let expr = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(PathError::syntax(
            parser.at(),
            "something follows after the expression",
            "join it with an operator, or take it away",
        )),
    }
}

/// Makes a pattern; `is_full` for one that must match the whole text.
pub(super) fn pattern(text: &str, flags: &str, is_full: bool, at: usize) -> Parsed<Regex> {
    let whole = if is_full {
        format!("^(?:{text})$")
    } else {
        text.to_owned()
    };
    RegexBuilder::new(&whole)
        .dot_matches_new_line(!flags.contains('m'))
        .multi_line(flags.contains('m'))
        .case_insensitive(flags.contains('i'))
        .size_limit(1 << 20)
        .dfa_size_limit(1 << 20)
        .nest_limit(50)
        .build()
        .map_err(|_| {
            PathError::operand(
                at,
                "this is no regular expression this engine can match in linear time",
                "write it without look-around and back-references, and with smaller repetitions",
            )
        })
}

struct Parser {
    words: Vec<(Token, usize)>,
    next: usize,
    /// Brackets and signs now open.
    open: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.words
            .get(self.next)
            .map_or(&Token::End, |(token, _)| token)
    }

    fn at(&self) -> usize {
        let last = self.words.last().map_or(0, |(_, at)| *at);
        self.words.get(self.next).map_or(last, |(_, at)| *at)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn takes(&mut self, sign: &'static str) -> bool {
        let is_it = *self.peek() == Token::Sign(sign);
        self.next += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, sign: &'static str) -> Parsed<()> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(PathError::syntax(
            self.at(),
            format!("a {sign} was expected"),
            "check that every bracket is closed",
        ))
    }

    fn node(&self, kind: Kind, at: usize, below: usize) -> Parsed<Expr> {
        if below >= DEEPEST {
            return Err(too_deep(at));
        }
        Ok(Expr {
            kind,
            at,
            depth: below + 1,
        })
    }

    /// An expression whose operators bind more strongly than `least`.
    fn expression(&mut self, least: u8) -> Parsed<Expr> {
        self.open += 1;
        if self.open > MOST_OPEN {
            return Err(too_deep(self.at()));
        }
        let mut left = self.signed()?;
        loop {
            let at = self.at();
            let word = match self.peek() {
                Token::Name(name) => name.as_str(),
                Token::Sign(sign) => sign,
                _ => break,
            };
            if matches!(word, "is" | "as") {
                if TYPE_BINDING <= least {
                    break;
                }
                let how = if word == "is" {
                    TypeUse::Is
                } else {
                    TypeUse::As
                };
                self.next += 1;
                let wanted = self.type_name()?;
                let depth = left.depth;
                left = self.node(Kind::Test(how, Some(Box::new(left)), wanted), at, depth)?;
                continue;
            }
            let Some((operator, binding)) = Operator::find(word) else {
                break;
            };
            if binding <= least {
                break;
            }
            self.next += 1;
            let right = self.expression(binding)?;
            let depth = left.depth.max(right.depth);
            left = self.node(Kind::Binary(operator, Box::new((left, right))), at, depth)?;
        }
        self.open -= 1;
        Ok(left)
    }

    fn signed(&mut self) -> Parsed<Expr> {
        let at = self.at();
        let is_minus = match self.peek() {
            Token::Sign("-") => true,
            Token::Sign("+") => false,
            _ => return self.postfix(),
        };
        self.next += 1;
        let inner = self.expression(SIGN_BINDING)?;
        let depth = inner.depth;
        let kind = if is_minus {
            Kind::Negate(Box::new(inner))
        } else {
            Kind::Plus(Box::new(inner))
        };
        self.node(kind, at, depth)
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let mut left = self.term()?;
        loop {
            let at = self.at();
            if self.takes(".") {
                left = self.step(Some(left))?;
            } else if self.takes("[") {
                let place = self.expression(0)?;
                self.expect("]")?;
                let depth = left.depth.max(place.depth);
                left = self.node(Kind::Item(Box::new(left), Box::new(place)), at, depth)?;
            } else {
                return Ok(left);
            }
        }
    }

    fn term(&mut self) -> Parsed<Expr> {
        let at = self.at();
        let kind = match self.peek().clone() {
            Token::Sign("(") => {
                self.next += 1;
                let inner = self.expression(0)?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Sign("{") => {
                self.next += 1;
                self.expect("}")?;
                return self.node(Kind::Nothing, at, 0);
            }
            Token::Sign("%") => {
                self.next += 1;
                return self.variable(at);
            }
            Token::Number(text) => {
                self.next += 1;
                return self.number(&text, at);
            }
            Token::Name(name) if name == "true" || name == "false" => Kind::Boolean(name == "true"),
            Token::Name(_) | Token::Quoted(_) | Token::Dollar(_) => return self.step(None),
            Token::Text(text) => Kind::Text(text),
            Token::Moment(moment) => Kind::Moment(moment),
            Token::End => {
                return Err(PathError::syntax(
                    at,
                    "the expression stops where a value was expected",
                    "write a path, a value or a bracketed expression",
                ));
            }
            Token::Sign(_) => {
                return Err(PathError::syntax(
                    at,
                    "an operator or bracket stands where a value was expected",
                    "write a path, a value or a bracketed expression before it",
                ));
            }
        };
        self.next += 1;
        self.node(kind, at, 0)
    }

    fn variable(&mut self, at: usize) -> Parsed<Expr> {
        match self.take() {
            Token::Name(name) | Token::Quoted(name) | Token::Text(name) => {
                self.node(Kind::Variable(name), at, 0)
            }
            _ => Err(PathError::syntax(
                at,
                "a % without a name",
                "write %resource, or %`ext-…` for a name with dashes",
            )),
        }
    }

    /// A number, and its unit where one follows.
    fn number(&mut self, text: &str, at: usize) -> Parsed<Expr> {
        let value = number::parse(text).ok_or_else(|| {
            PathError::syntax(at, "a number of more than 28 digits", "write fewer digits")
        })?;
        let unit = match self.peek() {
            Token::Text(code) => Some(Unit::Ucum(code.clone().into())),
            Token::Name(word) => {
                CalendarUnit::from_word(word).map(|unit| Unit::Calendar(unit, word.clone().into()))
            }
            _ => None,
        };
        let kind = match unit {
            Some(unit) => {
                self.next += 1;
                Kind::Quantity(Quantity { value, unit })
            }
            None => match text.parse() {
                Ok(whole) => Kind::Integer(whole),
                Err(_) => Kind::Decimal(value),
            },
        };
        self.node(kind, at, 0)
    }

    /// A name or a function, after an input or at the beginning.
    fn step(&mut self, input: Option<Expr>) -> Parsed<Expr> {
        let at = self.at();
        let depth = input.as_ref().map_or(0, |input| input.depth);
        let name = match self.take() {
            Token::Name(name) if self.takes("(") => return self.call(input, &name, at),
            Token::Name(name) | Token::Quoted(name) => name,
            Token::Dollar(name) if input.is_none() => return self.dollar(&name, at),
            _ => {
                return Err(PathError::syntax(
                    at,
                    "a name was expected",
                    "write an element or a function; put unusual names in backticks",
                ));
            }
        };
        let kind = match input {
            Some(input) => Kind::Member(Box::new(input), name),
            None => Kind::Name(name),
        };
        self.node(kind, at, depth)
    }

    fn dollar(&mut self, name: &str, at: usize) -> Parsed<Expr> {
        let kind = match name {
            "this" => Kind::This,
            "index" => Kind::Index,
            "total" => Kind::Total,
            _ => {
                return Err(PathError::syntax(
                    at,
                    "this word with $ does not exist",
                    "there are $this, $index and $total",
                ));
            }
        };
        self.node(kind, at, 0)
    }

    fn call(&mut self, input: Option<Expr>, name: &str, at: usize) -> Parsed<Expr> {
        let depth = input.as_ref().map_or(0, |input| input.depth);
        let how = match name {
            "is" => Some(TypeUse::Is),
            "as" => Some(TypeUse::As),
            "ofType" => Some(TypeUse::OfType),
            _ => None,
        };
        if let Some(how) = how {
            let wanted = self.type_name()?;
            self.expect(")")?;
            return self.node(Kind::Test(how, input.map(Box::new), wanted), at, depth);
        }
        let (function, least, most) =
            Function::find(name).ok_or_else(|| unknown_function(name, at))?;
        let (arguments, downwards) = self.arguments(function)?;
        if !(least..=most).contains(&arguments.len()) {
            return Err(PathError::syntax(
                at,
                format!("{name}() has {} arguments", arguments.len()),
                match (least, most) {
                    (0, 0) => "write none".to_owned(),
                    _ if least == most => format!("write {least}"),
                    _ => format!("write {least} to {most}"),
                },
            ));
        }
        let depth = arguments
            .iter()
            .fold(depth, |most, one| most.max(one.depth));
        let pattern = fixed_pattern(function, &arguments)?;
        let call = Call {
            input,
            function,
            arguments,
            downwards,
            pattern,
        };
        self.node(Kind::Call(Box::new(call)), at, depth)
    }

    fn arguments(&mut self, function: Function) -> Parsed<(Vec<Expr>, Vec<bool>)> {
        let (mut found, mut downwards) = (Vec::new(), Vec::new());
        if self.takes(")") {
            return Ok((found, downwards));
        }
        loop {
            let argument = self.expression(0)?;
            let (argument, down) = match function {
                Function::Sort => self.sort_key(argument),
                _ => (argument, false),
            };
            found.push(argument);
            downwards.push(down);
            if !self.takes(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok((found, downwards))
    }

    /// `key`, `-key`, `key asc`, `key desc`.
    fn sort_key(&mut self, key: Expr) -> (Expr, bool) {
        let (key, minus) = match key.kind {
            Kind::Negate(inner) => (*inner, true),
            kind => (Expr { kind, ..key }, false),
        };
        let word = match self.peek() {
            Token::Name(word) if word == "asc" => Some(false),
            Token::Name(word) if word == "desc" => Some(true),
            _ => None,
        };
        self.next += usize::from(word.is_some());
        (key, minus != word.unwrap_or(false))
    }

    /// `Patient`, `FHIR.Patient`, `System.String`.
    fn type_name(&mut self) -> Parsed<NamedType> {
        let at = self.at();
        let first = self.type_word()?;
        let (namespace, name) = if self.type_has_second(&first) {
            self.next += 1;
            (Some(first), self.type_word()?)
        } else {
            (None, first)
        };
        NamedType::find(namespace.as_deref(), &name).ok_or_else(|| {
            PathError::new(
                PathFault::Unknown,
                at,
                format!("there is no type {}", shown(&name)),
                "write a FHIR R4 type such as Patient or a System type such as String",
            )
        })
    }

    fn type_has_second(&self, first: &str) -> bool {
        *self.peek() == Token::Sign(".") && matches!(first, "FHIR" | "System")
    }

    fn type_word(&mut self) -> Parsed<String> {
        let at = self.at();
        match self.take() {
            Token::Name(name) | Token::Quoted(name) => Ok(name),
            _ => Err(PathError::syntax(
                at,
                "a type was expected",
                "write its name, such as Quantity or FHIR.string",
            )),
        }
    }
}

fn too_deep(at: usize) -> PathError {
    PathError::new(
        PathFault::Limit,
        at,
        "the expression is nested too deeply",
        "split it: no more than 120 steps may hang on one another, nor 60 brackets stand inside one another",
    )
}

fn shown(name: &str) -> String {
    name.chars().take(SHOWN).collect()
}

fn unknown_function(name: &str, at: usize) -> PathError {
    let what = format!("there is no function {}()", shown(name));
    if Function::is_left_out(name) {
        let mend = "this engine leaves it out; say it with other functions";
        return PathError::new(PathFault::Unsupported, at, what, mend);
    }
    let mend = match Function::near(name) {
        Some(near) => format!("write {near}()"),
        None => "check its name; capital letters count".to_owned(),
    };
    PathError::new(PathFault::Unknown, at, what, mend)
}

/// The pattern of `matches('…')`, made once where it stands in the expression.
fn fixed_pattern(function: Function, arguments: &[Expr]) -> Parsed<Option<Regex>> {
    let is_full = match function {
        Function::Matches | Function::ReplaceMatches => false,
        Function::MatchesFull => true,
        _ => return Ok(None),
    };
    let has_flags = function != Function::ReplaceMatches && arguments.len() > 1;
    match arguments.first() {
        Some(Expr {
            kind: Kind::Text(text),
            at,
            ..
        }) if !has_flags => pattern(text, "", is_full, *at).map(Some),
        _ => Ok(None),
    }
}
