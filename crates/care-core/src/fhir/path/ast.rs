//! A parsed expression: a tree made once and asked often.

use regex::Regex;
use rust_decimal::Decimal;

use super::function::Function;
use super::moment::Moment;
use super::quantity::Quantity;
use super::types::NamedType;

/// One node of the tree.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    /// Byte of the text it stands at.
    pub(super) at: usize,
    /// How many nodes stand below one another here.
    pub(super) depth: usize,
}

/// What a node does.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Nothing,
    Boolean(bool),
    Integer(i32),
    Decimal(Decimal),
    Text(String),
    Moment(Moment),
    Quantity(Quantity<'static>),
    This,
    Index,
    Total,
    Variable(String),
    /// A name at the beginning: an element of `$this`, or its type.
    Name(String),
    Member(Box<Expr>, String),
    Item(Box<Expr>, Box<Expr>),
    Call(Box<Call>),
    Negate(Box<Expr>),
    Plus(Box<Expr>),
    Binary(Operator, Box<(Expr, Expr)>),
    Test(TypeUse, Option<Box<Expr>>, NamedType),
}

/// A function called.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) input: Option<Expr>,
    pub(super) function: Function,
    pub(super) arguments: Vec<Expr>,
    /// For `sort`: which arguments sort downwards.
    pub(super) downwards: Vec<bool>,
    /// For `matches` and its kin, where the pattern stands in the expression.
    pub(super) pattern: Option<Regex>,
}

/// What is asked of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TypeUse {
    Is,
    As,
    OfType,
}

/// Operators with two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Multiply,
    Divide,
    Div,
    Mod,
    Add,
    Subtract,
    Concatenate,
    Union,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
}

impl Operator {
    /// The operator a word or sign stands for, and how strongly it binds.
    pub(super) fn find(word: &str) -> Option<(Self, u8)> {
        Some(match word {
            "implies" => (Self::Implies, 1),
            "or" => (Self::Or, 2),
            "xor" => (Self::Xor, 2),
            "and" => (Self::And, 3),
            "in" => (Self::In, 4),
            "contains" => (Self::Contains, 4),
            "=" => (Self::Equal, 5),
            "!=" => (Self::NotEqual, 5),
            "~" => (Self::Equivalent, 5),
            "!~" => (Self::NotEquivalent, 5),
            "<" => (Self::Less, 6),
            "<=" => (Self::LessOrEqual, 6),
            ">" => (Self::Greater, 6),
            ">=" => (Self::GreaterOrEqual, 6),
            "|" => (Self::Union, 7),
            "+" => (Self::Add, 9),
            "-" => (Self::Subtract, 9),
            "&" => (Self::Concatenate, 9),
            "*" => (Self::Multiply, 10),
            "/" => (Self::Divide, 10),
            "div" => (Self::Div, 10),
            "mod" => (Self::Mod, 10),
            _ => return None,
        })
    }
}

/// How strongly `is` and `as` bind.
pub(super) const TYPE_BINDING: u8 = 8;
/// How strongly a sign before a value binds.
pub(super) const SIGN_BINDING: u8 = 11;
