//! FHIRPath made at random: whatever the text and whatever the question, the engine never panics.

use care_core::fhir::path::{Path, PathFault};
use proptest::prelude::*;

use super::fhirpath_rules::{sample, small};

/// Pieces of expressions, put together at random: most are wrong, some are right.
fn pieces() -> impl Strategy<Value = String> {
    let words = vec![
        "Patient",
        "name",
        "given",
        "$this",
        "$index",
        "$total",
        "%resource",
        "{}",
        "(",
        ")",
        "[",
        "]",
        ".",
        ",",
        "+",
        "-",
        "*",
        "/",
        "div",
        "mod",
        "&",
        "|",
        "=",
        "~",
        "!=",
        "!~",
        "<",
        ">=",
        "and",
        "or",
        "xor",
        "implies",
        "in",
        "contains",
        "is",
        "as",
        "Quantity",
        "System.String",
        "1",
        "0",
        "2147483647",
        "-1",
        "0.00000000000000000000000001",
        "9999999999999999999999999999",
        "1.5",
        "'a'",
        "''",
        "'[a'",
        "'\\u00e9'",
        "@2015",
        "@2015-02-28T10:00:00.5+14:00",
        "@T10:30",
        "@9999-12-31",
        "4 days",
        "1 'mg'",
        "1 'm/s'",
        "0 '1'",
        "true",
        "false",
        "entry",
        "resource",
        "1000000000 years",
        "value",
        "subject",
        "id",
    ];
    let functions = vec![
        "where",
        "select",
        "all",
        "exists",
        "repeat",
        "iif",
        "first",
        "last",
        "tail",
        "skip",
        "take",
        "single",
        "count",
        "distinct",
        "sort",
        "aggregate",
        "children",
        "descendants",
        "toString",
        "toInteger",
        "toQuantity",
        "toDecimal",
        "toDate",
        "toDateTime",
        "toTime",
        "substring",
        "indexOf",
        "replace",
        "replaceMatches",
        "matches",
        "split",
        "join",
        "encode",
        "decode",
        "escape",
        "unescape",
        "toChars",
        "length",
        "abs",
        "round",
        "power",
        "log",
        "ln",
        "sqrt",
        "exp",
        "ceiling",
        "truncate",
        "lowBoundary",
        "highBoundary",
        "precision",
        "comparable",
        "resolve",
        "extension",
        "hasValue",
        "type",
        "ofType",
        "combine",
        "exclude",
        "intersect",
        "subsetOf",
        "not",
        "trace",
        "defineVariable",
        "sum",
        "avg",
        "min",
        "max",
        "yearOf",
        "dateOf",
        "htmlChecks",
        "getReferenceKey",
        "coalesce",
        "repeatAll",
        "now",
    ];
    let piece = prop_oneof![
        3 => prop::sample::select(words).prop_map(str::to_owned),
        2 => prop::sample::select(functions).prop_map(|name| format!(".{name}(")),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..14).prop_map(|pieces| {
        let mut text = pieces.join(" ");
        let open = text
            .matches('(')
            .count()
            .saturating_sub(text.matches(')').count());
        text.push_str(&")".repeat(open));
        text
    })
}

/// Expressions that are always well formed.
fn sound() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1",
        "(-3)",
        "2.50",
        "'abc'",
        "''",
        "true",
        "{}",
        "@2015-02",
        "@2015-02-28T10:00:00Z",
        "@T10:30:15.5",
        "4 days",
        "1 'mg'",
        "2.5 'm'",
        "$this",
        "entry",
        "entry.resource",
        "entry.resource.value",
        "entry.resource.subject",
        "entry.resource.id",
        "%resource",
        "9999999999999999999999999999",
        "0.0000000000000000000000000001",
        "2147483647",
        "@9999-12-31",
        "@0001-01-01T00:00:00+14:00",
        "1 year",
        "1000000000000 'd'",
    ])
    .prop_map(str::to_owned);
    let operators = prop::sample::select(vec![
        "+", "-", "*", "/", "div", "mod", "&", "|", "=", "~", "!=", "!~", "<", ">=", "and", "or",
        "xor", "implies", "in", "contains",
    ]);
    let plain = prop::sample::select(vec![
        "first()",
        "last()",
        "count()",
        "distinct()",
        "toString()",
        "toInteger()",
        "toQuantity()",
        "toDecimal()",
        "toDateTime()",
        "toDate()",
        "toTime()",
        "abs()",
        "round(3)",
        "power(3)",
        "power(0.5)",
        "power(-2)",
        "sqrt()",
        "ln()",
        "exp()",
        "log(10)",
        "lowBoundary()",
        "highBoundary(28)",
        "lowBoundary(17)",
        "highBoundary(6)",
        "precision()",
        "length()",
        "toChars()",
        "upper()",
        "descendants()",
        "children()",
        "type()",
        "resolve()",
        "not()",
        "hasValue()",
        "encode('hex')",
        "decode('hex')",
        "decode('base64')",
        "escape('html')",
        "unescape('json')",
        "split('')",
        "substring(1)",
        "truncate()",
        "ceiling()",
        "floor()",
        "sum()",
        "avg()",
        "min()",
        "yearOf()",
        "dateOf()",
        "timeOf()",
        "ofType(Quantity)",
        "sort()",
        "is(System.Integer)",
        "extension('a')",
        "replace('', 'x')",
        "matches('a*')",
        "join(',')",
        "repeat(children())",
        "htmlChecks()",
        "toQuantity('kg')",
        "millisecondOf()",
    ]);
    leaf.prop_recursive(5, 40, 2, move |inner| {
        prop_oneof![
            (inner.clone(), operators.clone(), inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            (inner.clone(), plain.clone()).prop_map(|(left, call)| format!("{left}.{call}")),
            (inner.clone(), inner.clone())
                .prop_map(|(left, right)| format!("{left}.where({right}.exists())")),
            (inner.clone(), inner.clone())
                .prop_map(|(left, right)| format!("{left}.select({right})")),
            (inner.clone(), inner.clone())
                .prop_map(|(left, right)| format!("{left}.aggregate($total | {right})")),
            inner.prop_map(|inner| format!("-({inner})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_text_makes_the_engine_panic(expression in pieces()) {
        let bundle = sample();
        if let Ok(path) = Path::parse(&expression) {
            let context = small();
            let answer = path.evaluate(&bundle, &context);
            prop_assert!(answer.iter().flatten().all(|value| value.to_string().len() < 1 << 20));
        }
    }

    #[test]
    fn no_sound_expression_makes_the_engine_panic(expression in sound()) {
        let bundle = sample();
        let path = Path::parse(&expression);
        prop_assert!(
            path.as_ref().map_or_else(|error| error.fault == PathFault::Limit, |_| true),
            "{expression}: {path:?}"
        );
        if let Ok(path) = path {
            let context = small();
            if let Ok(answer) = path.evaluate(&bundle, &context) {
                for value in &answer {
                    let _ = (value.to_string(), value.to_json());
                }
            }
        }
    }
}
