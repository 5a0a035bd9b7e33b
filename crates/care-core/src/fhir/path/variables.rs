//! Which `%variables` an expression names, so that an unknown one is found before a resource comes.

use super::ast::{Expr, Kind};
use super::function::Function;

/// Adds the names of variables that the caller must set; those an expression defines for itself are left out.
pub(super) fn wanted<'e>(expr: &'e Expr, out: &mut Vec<&'e str>) {
    let mut defined = Vec::new();
    walk(expr, out, &mut defined);
    out.retain(|name| !defined.contains(name));
}

fn walk<'e>(expr: &'e Expr, out: &mut Vec<&'e str>, defined: &mut Vec<&'e str>) {
    match &expr.kind {
        Kind::Variable(name) => out.push(name),
        Kind::Member(inner, _) | Kind::Negate(inner) | Kind::Plus(inner) => {
            walk(inner, out, defined);
        }
        Kind::Item(list, place) => {
            walk(list, out, defined);
            walk(place, out, defined);
        }
        Kind::Call(call) => {
            if let Some(input) = &call.input {
                walk(input, out, defined);
            }
            if call.function == Function::DefineVariable
                && let Some(Kind::Text(name)) = call.arguments.first().map(|name| &name.kind)
            {
                defined.push(name);
            }
            for argument in &call.arguments {
                walk(argument, out, defined);
            }
        }
        Kind::Binary(_, sides) => {
            walk(&sides.0, out, defined);
            walk(&sides.1, out, defined);
        }
        Kind::Test(_, Some(inner), _) => walk(inner, out, defined),
        Kind::Nothing
        | Kind::Boolean(_)
        | Kind::Integer(_)
        | Kind::Decimal(_)
        | Kind::Text(_)
        | Kind::Moment(_)
        | Kind::Quantity(_)
        | Kind::This
        | Kind::Index
        | Kind::Total
        | Kind::Name(_)
        | Kind::Test(_, None, _) => {}
    }
}
