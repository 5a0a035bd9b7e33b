//! What FHIRPath must do besides the official suite: references, extensions, choices, limits
//! and linear cost.

use care_core::fhir::path::{Context, Path, PathError, PathFault, PathLimits, Resolve, Value};
use care_core::fhir::{Json, Limits};

pub(super) fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), Limits::default()).expect("JSON")
}

pub(super) fn context() -> Context<'static> {
    Context::new("2026-11-23T10:00:00Z".parse().expect("a timestamp"))
}

/// The answer as text, items joined by commas; or the kind of fault.
fn ask(resource: &Json, expression: &str) -> Result<String, PathFault> {
    let path = Path::parse(expression).map_err(|error| error.fault)?;
    let context = context().limits(PathLimits {
        steps: 200_000,
        items: 20_000,
        text_bytes: 100_000,
    });
    let answer = path
        .evaluate(resource, &context)
        .map_err(|error| error.fault)?;
    let texts: Vec<String> = answer.iter().map(Value::to_string).collect();
    Ok(texts.join(","))
}

pub(super) fn sample() -> Json {
    json(
        r##"{"resourceType":"Bundle","type":"collection","entry":[
        {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p",
          "birthDate":"1974-12-25","_birthDate":{"extension":[{"url":"born","valueTime":"14:35:45"}]},
          "_gender":{"extension":[{"url":"absent","valueCode":"unknown"}]},
          "contained":[{"resourceType":"Organization","id":"o","name":"Inside"}],
          "managingOrganization":{"reference":"#o"},
          "multipleBirthInteger":2}},
        {"fullUrl":"urn:uuid:2","resource":{"resourceType":"Observation","id":"a","status":"final",
          "code":{"text":"x"},"subject":{"reference":"urn:uuid:1"},
          "valueQuantity":{"value":1.50,"unit":"g","system":"http://unitsofmeasure.org","code":"g"}}},
        {"fullUrl":"urn:uuid:3","resource":{"resourceType":"Observation","id":"b","status":"final",
          "code":{"text":"y"},"subject":{"reference":"Patient/p"},
          "performer":[{"reference":"Practitioner/elsewhere"}],
          "valueQuantity":{"value":5,"comparator":"<","system":"http://unitsofmeasure.org","code":"g"}}}
        ]}"##,
    )
}

#[test]
fn references_extensions_and_choices_are_followed() {
    let bundle = sample();
    for (expression, expected) in [
        (
            "Bundle.entry.resource.ofType(Observation).subject.resolve().id",
            "p,p",
        ),
        (
            "entry.resource.managingOrganization.resolve().name",
            "Inside",
        ),
        (
            "entry.resource.where(subject.where(resolve() is Patient).exists()).id",
            "a,b",
        ),
        (
            "entry.resource.performer.where(resolve() is Practitioner).count()",
            "1",
        ),
        ("entry.resource.performer.resolve().count()", "0"),
        (
            "entry.resource.birthDate.extension('born').value",
            "14:35:45",
        ),
        ("entry.resource.gender.hasValue()", "false"),
        ("entry.resource.gender.exists()", "true"),
        ("entry.resource.multipleBirth", "2"),
        ("entry.resource.multipleBirth is integer", "true"),
        ("entry.resource.value.value", "1.50,5"),
        ("entry[1].resource.value = 1500 'mg'", "true"),
        ("entry[1].resource.value.toString()", "1.50 'g'"),
        // A result below a limit is not the limit.
        ("entry[2].resource.value.toQuantity()", ""),
        ("entry.resource.contained.name", "Inside"),
        ("entry.resource.ofType(DomainResource).count()", "3"),
        ("entry.resource.repeat(contained).id", "o"),
        ("descendants().ofType(Organization).name", "Inside"),
        (
            "entry.resource.ofType(Observation).subject.getReferenceKey(Patient)",
            "p",
        ),
        ("entry[0].resource.getResourceKey()", "p"),
        (
            "entry.resource.select(iif($this is Patient, 'P', 'O')).join('')",
            "POO",
        ),
        ("entry.defineVariable('n', count()).select(%n).first()", "3"),
        ("%resource.type", "collection"),
        ("(1 | 2 | 3).sort($this desc)", "3,2,1"),
        ("(1|2|3|4).sum()", "10"),
        ("@2024-02-29 + 1 year", "2025-02-28"),
        ("@2024-01-31 + 1 month", "2024-02-29"),
        ("@T23:30 + 45 minutes", "00:15"),
        ("@2014 + 24 months", "2016"),
        (
            "@2014-01-01T08:05:00.000+08:00 - 1 day",
            "2013-12-31T08:05:00.000+08:00",
        ),
        ("1.50 + 0.5", "2.00"),
        ("2147483647 + 1", ""),
        ("1 / 0", ""),
        ("'abc'.matches('(?i)B')", "true"),
        (
            "'11/30/1972'.replaceMatches('(?<m>\\\\d\\\\d)/(?<d>\\\\d\\\\d)/(?<y>\\\\d{4})', '${y}-$1')",
            "1972-11",
        ),
        ("'été'.length()", "3"),
        ("'été'.substring(1, 1)", "t"),
        ("'a,b'.split(',').count()", "2"),
        ("coalesce({}, 'x')", "x"),
        ("entry[0].resource is System.Patient", "false"),
        ("1.0.toInteger()", ""),
        ("'+5'.toInteger()", "5"),
        ("1 year > 11 months", "true"),
        ("today() - 1 year", "2025-11-23"),
    ] {
        assert_eq!(
            ask(&bundle, expression),
            Ok(expected.to_owned()),
            "{expression}"
        );
    }
}

#[test]
fn what_is_wrong_is_said_with_its_kind() {
    let bundle = sample();
    for (expression, expected) in [
        ("", PathFault::Syntax),
        ("entry.", PathFault::Syntax),
        ("(entry", PathFault::Syntax),
        ("entry)", PathFault::Syntax),
        ("'open", PathFault::Syntax),
        ("entry.first(1)", PathFault::Syntax),
        ("@2015-13", PathFault::Syntax),
        ("entry.frist()", PathFault::Unknown),
        ("entry is Pattient", PathFault::Unknown),
        ("%nobody", PathFault::Unknown),
        ("entry.resource.valueQuantity", PathFault::Unknown),
        ("entry.single()", PathFault::Operand),
        ("entry.resource.id.length()", PathFault::Operand),
        ("'a' < 1", PathFault::Operand),
        ("'a'.matches('(?=b)')", PathFault::Operand),
        ("'a'.matches('a{1000}{1000}')", PathFault::Operand),
        ("code.memberOf('http://x')", PathFault::Unsupported),
        ("slice('a', 'b')", PathFault::Unsupported),
        ("1.repeat($this + 1)", PathFault::Limit),
        ("'a'.repeat($this & $this)", PathFault::Limit),
        ("1.repeatAll($this)", PathFault::Limit),
    ] {
        let found = ask(&bundle, expression);
        // Outside a resource with a code, memberOf() of nothing is nothing.
        if expected == PathFault::Unsupported && found == Ok(String::new()) {
            continue;
        }
        assert_eq!(found, Err(expected), "{expression}");
    }
}

#[test]
fn an_error_says_where_and_how_to_mend_it_and_nothing_of_the_resource() {
    let bundle = sample();
    let path = Path::parse("entry.resource.id.length()").expect("a path");
    let context = context();
    let error: PathError = path.evaluate(&bundle, &context).expect_err("several items");
    assert_eq!(error.offset, 18);
    let text = error.to_string();
    assert!(text.contains("first()"), "{text}");
    let near = Path::parse("entry.EXISTS()").expect_err("capitals");
    assert!(near.mend.contains("exists()"), "{near}");
}

#[test]
fn sorting_what_has_no_whole_order_keeps_every_item() {
    let moments: Vec<String> = (0..200)
        .map(|n| match n % 4 {
            0 => format!("@20{:02}", 10 + n % 7),
            1 => format!("@20{:02}-{:02}", 10 + n % 5, 1 + n % 12),
            2 => format!("@20{:02}-01-01T00:00:{:02}Z", 10 + n % 9, n % 60),
            _ => format!("@20{:02}-01-01T{:02}:00:00", 10 + n % 3, n % 24),
        })
        .collect();
    let bundle = json("{}");
    for chunk in moments.chunks(50) {
        let text = chunk.join(").combine(");
        let text = text.replacen(").combine(", ".combine(", 1) + ")";
        let count = format!("{text}.sort().count()");
        assert_eq!(ask(&bundle, &count), Ok(chunk.len().to_string()));
    }
}

#[test]
fn strict_mode_knows_every_element() {
    let bundle = sample();
    let path = Path::parse("entry.resource.ofType(Patient).surname").expect("a path");
    let context = context().strict();
    let error = path
        .evaluate(&bundle, &context)
        .expect_err("no such element");
    assert_eq!(error.fault, PathFault::Unknown);
}

struct Elsewhere(Json);

impl Resolve for Elsewhere {
    fn resolve(&self, reference: &str) -> Option<&Json> {
        (reference == "Practitioner/elsewhere").then_some(&self.0)
    }
}

#[test]
fn the_callers_resolver_and_variables_are_asked() {
    let bundle = sample();
    let elsewhere = Elsewhere(json(r#"{"resourceType":"Practitioner","id":"elsewhere"}"#));
    let path = Path::parse("entry.resource.performer.resolve().id & %tail").expect("a path");
    let context = context()
        .resolver(&elsewhere)
        .variable("tail", vec![Value::Text("!".into())]);
    let answer = path.evaluate(&bundle, &context).expect("an answer");
    assert_eq!(
        answer.first().map(Value::to_string).as_deref(),
        Some("elsewhere!")
    );
}

#[test]
fn deep_expressions_are_refused_and_never_overflow_the_stack() {
    let bundle = json("{}");
    for (open, middle, close, least) in [
        ("(", "1", ")", 20),
        ("-", "1", "", 20),
        ("iif(true,", "1", ")", 20),
        ("1+", "1", "", 60),
        ("1.union(", "1", ")", 20),
        ("", "1", "|1", 60),
        ("", "entry", ".entry", 60),
        ("", "entry", "[0]", 60),
        ("", "1", " is Integer", 60),
    ] {
        let nested = |times: usize| open.repeat(times) + middle + &close.repeat(times);
        assert!(ask(&bundle, &nested(least)).is_ok(), "{open}{close}");
        assert_eq!(
            ask(&bundle, &nested(5000)),
            Err(PathFault::Limit),
            "{open}{close}"
        );
    }
    // The deepest that is let in, on a small stack.
    let deepest = |open: &'static str, close: &'static str| {
        let run = move || {
            for depth in (1..130).rev() {
                let text = open.repeat(depth) + "1" + &close.repeat(depth);
                if let Ok(path) = Path::parse(&text) {
                    // Nested repetitions may run out of steps, never out of stack.
                    let context = small();
                    let fault = path.evaluate(&json("{}"), &context).err();
                    return fault.is_none_or(|error| error.fault == PathFault::Limit);
                }
            }
            false
        };
        let small = std::thread::Builder::new().stack_size(3 << 19);
        small
            .spawn(run)
            .expect("a thread")
            .join()
            .expect("no overflow")
    };
    for (open, close) in [
        ("1.select(", ")"),
        ("1.where(true or ", ")"),
        ("1.aggregate(1 + ", ")"),
        ("1.repeat(", ")"),
        ("(1 + (2 * ", "))"),
        ("iif(true, ", ")"),
        ("{}.exists(", ")"),
        ("1.sort(-", ")"),
        ("1 = (1).union(", ")"),
        ("", ".first()"),
        ("", " and true"),
    ] {
        assert!(deepest(open, close), "{open}{close}");
    }
}

/// A Bundle of so many Observations.
fn bundle_of(count: usize) -> Json {
    let mut text = String::from(r#"{"resourceType":"Bundle","type":"collection","entry":["#);
    for number in 0..count {
        if number > 0 {
            text.push(',');
        }
        text.push_str(&format!(
            r#"{{"fullUrl":"urn:uuid:{number}","resource":{{"resourceType":"Observation",
            "id":"{number}","status":"final","code":{{"text":"x"}},
            "effectiveDateTime":"2020-01-01T00:00:{:02}Z",
            "subject":{{"reference":"urn:uuid:{}"}},
            "valueQuantity":{{"value":{number}.50,"system":"http://unitsofmeasure.org","code":"g"}}}}}}"#,
            number % 60,
            (number + 1) % count,
        ));
    }
    text.push_str("]}");
    json(&text)
}

#[test]
fn steps_grow_in_line_with_the_bundle() {
    let (small, large) = (bundle_of(1_000), bundle_of(10_000));
    for expression in [
        "Bundle.entry.resource.where(value > 100 'g').count()",
        "Bundle.entry.resource.value.value.distinct().count()",
        "Bundle.entry.resource.subject.resolve().count()",
        "Bundle.entry.resource.where(subject.resolve() is Observation).count()",
        "Bundle.descendants().count()",
        "Bundle.entry.resource.effective.distinct().count()",
        "Bundle.entry.resource.sort(-value.value).first().id",
        "(Bundle.entry.resource.id | Bundle.entry.fullUrl).count()",
        "Bundle.entry.repeat(resource).count()",
        "Bundle.entry.all(fullUrl.exists() and resource is Observation)",
        "Bundle.entry.resource.value.sum()",
        "Bundle.entry.resource.id.subsetOf(%resource.entry.resource.id)",
    ] {
        let path = Path::parse(expression).expect(expression);
        let context = context();
        let steps = |bundle: &Json| {
            let input = Value::Element(care_core::fhir::path::Element::root(bundle));
            let (answer, steps) = path.evaluate_counted(input, &context).expect(expression);
            assert_eq!(answer.len(), 1, "{expression}");
            steps as f64
        };
        let growth = steps(&large) / steps(&small);
        assert!(
            (9.0..=11.0).contains(&growth),
            "{expression} grew {growth} times"
        );
    }
}

/// A context that gives up early.
pub(super) fn small() -> Context<'static> {
    context().limits(PathLimits {
        steps: 50_000,
        items: 5_000,
        text_bytes: 10_000,
    })
}
