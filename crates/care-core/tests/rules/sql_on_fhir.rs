//! The official SQL on FHIR v2 tests, read from the shared data, and what a view refuses.
//!
//! The figures in docs/standards.md are what this prints.

use std::path::Path;

use care_core::fhir::views::View;
use care_core::fhir::{Json, Limits};
use jiff::Timestamp;

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), Limits::default()).expect("JSON")
}

/// The rows of every resource, as objects.
fn table(view: &View, resources: &[Json]) -> Result<Vec<Json>, String> {
    let mut table = Vec::new();
    for resource in resources {
        let rows = view
            .rows(resource, Timestamp::UNIX_EPOCH)
            .map_err(|error| error.to_string())?;
        for row in rows {
            assert_eq!(
                row.len(),
                view.columns().len(),
                "a row is as wide as the view"
            );
            let members = view.columns().iter().zip(&row);
            table.push(Json::Object(
                members
                    .map(|(column, cell)| (column.name.clone().into(), cell.to_json()))
                    .collect(),
            ));
        }
    }
    Ok(table)
}

/// Members in the order of their names and numbers by value: the tests do not fix either.
fn comparable(json: &Json) -> String {
    match json {
        Json::Object(members) => {
            let mut texts: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{name}={}", comparable(value)))
                .collect();
            texts.sort();
            texts.join("\u{1}")
        }
        Json::Array(values) => {
            let texts: Vec<String> = values.iter().map(comparable).collect();
            format!("[{}]", texts.join(","))
        }
        Json::Number(text) => text.parse::<f64>().expect("a number").to_string(),
        other => other.to_string(),
    }
}

fn sorted(rows: &[Json]) -> Vec<String> {
    let mut texts: Vec<String> = rows.iter().map(comparable).collect();
    texts.sort();
    texts
}

fn holds(case: &Json, resources: &[Json]) -> Result<(), String> {
    let view = View::read(case.get("view").expect("a view")).map_err(|error| error.to_string());
    let answer = view
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|view| table(view, resources));
    if case.get("expectError").and_then(Json::as_bool) == Some(true) {
        return answer.map_or(Ok(()), |_| Err("it was not refused".to_owned()));
    }
    let rows = answer?;
    if sorted(&rows) != sorted(case.elements("expect")) {
        return Err(format!("{rows:?}"));
    }
    let columns: Vec<&str> = case
        .elements("expectColumns")
        .iter()
        .filter_map(Json::as_text)
        .collect();
    let found: Vec<&str> = view
        .iter()
        .flat_map(|view| view.columns())
        .map(|column| column.name.as_str())
        .collect();
    if !columns.is_empty() && columns != found {
        return Err(format!("columns {found:?}"));
    }
    Ok(())
}

#[test]
fn the_official_views_give_the_rows_they_should() {
    let directory =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sql-on-fhir/tests");
    let Ok(files) = std::fs::read_dir(&directory) else {
        println!("skipped: the shared samples are not beside this checkout");
        return;
    };
    let (mut passed, mut failed) = (0, Vec::new());
    for file in files {
        let file = file.expect("a file").path();
        let suite = json(&std::fs::read_to_string(&file).expect("a test file"));
        for case in suite.elements("tests") {
            match holds(case, suite.elements("resources")) {
                Ok(()) => passed += 1,
                Err(why) => failed.push(format!(
                    "{} / {}: {why}",
                    suite.text_at(&["title"]).unwrap_or_default(),
                    case.text_at(&["title"]).unwrap_or_default()
                )),
            }
        }
    }
    println!("SQL on FHIR v2: {passed} of {} pass", passed + failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(passed > 0, "no test was found");
}

/// Each definition with the words its refusal must hold.
#[test]
fn a_view_that_cannot_be_is_refused_with_its_place() {
    let column = r#"{"name":"id","path":"id"}"#;
    let refused = [
        (r#"{"select":[]}"#.to_owned(), "resource"),
        (r#"{"resource":"Pateint","select":[]}"#.to_owned(), "no resource of this type"),
        (r#"{"resource":"Patient"}"#.to_owned(), "no columns"),
        (format!(r#"{{"resource":"Patient","select":[{{"column":[{column},{column}]}}]}}"#), "stands twice"),
        (r#"{"resource":"Patient","select":[{"column":[{"name":"1a","path":"id"}]}]}"#.to_owned(), "column[0].name"),
        (r#"{"resource":"Patient","select":[{"column":[{"name":"a;b","path":"id"}]}]}"#.to_owned(), "SQL does not take"),
        (r#"{"resource":"Patient","select":[{"column":[{"name":"a","path":"name.("}]}]}"#.to_owned(), "select[0].column[0].path"),
        (r#"{"resource":"Patient","select":[{"column":[{"name":"a","path":"%x"}]}]}"#.to_owned(), "constant"),
        (r#"{"resource":"Patient","select":[{"forEach":"name","forEachOrNull":"name","column":[{"name":"a","path":"family"}]}]}"#.to_owned(), "more than one"),
    ];
    for (definition, words) in refused {
        let error = View::read(&json(&definition))
            .expect_err(&definition)
            .to_string();
        assert!(error.contains(words), "{definition}: {error}");
    }
}

#[test]
fn a_row_that_cannot_be_is_refused_without_a_word_of_the_resource() {
    let patient = json(
        r#"{"resourceType":"Patient","id":"a","active":true,"name":[{"family":"Osei"},{"family":"Mensah"}]}"#,
    );
    let column = |path: &str| {
        json(&format!(
            r#"{{"resource":"Patient","select":[{{"column":[{{"name":"a","path":"{path}"}}]}}]}}"#
        ))
    };
    for (path, words) in [
        ("name.family", "several values"),
        ("name.first()", "a structure"),
    ] {
        let view = View::read(&column(path)).expect("a view");
        let error = view
            .rows(&patient, Timestamp::UNIX_EPOCH)
            .expect_err(path)
            .to_string();
        assert!(error.contains(words), "{path}: {error}");
        assert!(!error.contains("Osei"), "{error}");
    }
    let condition = json(
        r#"{"resource":"Patient","where":[{"path":"name.family.first()"}],"select":[{"column":[{"name":"a","path":"id"}]}]}"#,
    );
    let view = View::read(&condition).expect("a view");
    assert!(view.rows(&patient, Timestamp::UNIX_EPOCH).is_err());
}

#[test]
fn rows_know_their_place_and_repeat_goes_to_the_leaves() {
    let questionnaire = json(
        r#"{"resourceType":"QuestionnaireResponse","id":"q","status":"completed","item":[
            {"linkId":"1","item":[{"linkId":"1.1"},{"linkId":"1.2","item":[{"linkId":"1.2.1"}]}]},
            {"linkId":"2"}]}"#,
    );
    let view = View::read(&json(
        r#"{"resource":"QuestionnaireResponse","select":[{"repeat":["item"],"column":[
            {"name":"place","path":"%rowIndex","type":"integer"},{"name":"link","path":"linkId"}]}]}"#,
    ))
    .expect("a view");
    let rows = table(&view, &[questionnaire]).expect("rows");
    let texts: Vec<String> = rows.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            r#"{"place":0,"link":"1"}"#,
            r#"{"place":1,"link":"1.1"}"#,
            r#"{"place":2,"link":"1.2"}"#,
            r#"{"place":3,"link":"1.2.1"}"#,
            r#"{"place":4,"link":"2"}"#,
        ]
    );
}

#[test]
fn a_product_of_lists_ends_at_a_bound() {
    let names = vec![r#"{"family":"a"}"#; 400].join(",");
    let patient = json(&format!(r#"{{"resourceType":"Patient","name":[{names}]}}"#));
    let view = View::read(&json(
        r#"{"resource":"Patient","select":[
            {"forEach":"name","column":[{"name":"a","path":"family"}]},
            {"forEach":"name","column":[{"name":"b","path":"family"}]}]}"#,
    ))
    .expect("a view");
    let error = view
        .rows(&patient, Timestamp::UNIX_EPOCH)
        .expect_err("too many");
    assert!(error.to_string().contains("too many rows"), "{error}");
}
