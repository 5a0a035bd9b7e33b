use super::*;
use crate::fhir::Limits;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","active":true,"identifier":[{"system":"urn:a","value":"1"},{"system":"urn:a","value":"2"},{"system":"urn:a","value":"3"}],"name":[{"use":"official","family":"Cole","given":["Ann","May"],"_given":[null,{"id":"second"}]}],"birthDate":"1960-04-01","deceasedBoolean":false,"contact":[{"name":{"text":"Bo"},"gender":"male"}]}"#;

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), Limits::default())
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn patched(patch: &str) -> Result<String, String> {
    apply(&json(PATIENT), &json(patch), Timestamp::UNIX_EPOCH)
        .map(|changed| changed.to_string())
        .map_err(|error| error.to_string())
}

/// Each row: the patch, and what stands in the result in place of what stood.
fn check(rows: &[(&str, &[(&str, &str)])]) {
    for (patch, changes) in rows {
        let mut expected = PATIENT.to_owned();
        for (before, after) in *changes {
            assert!(expected.contains(before), "{before} is not there");
            expected = expected.replacen(before, after, 1);
        }
        assert_eq!(patched(patch).as_deref(), Ok(expected.as_str()), "{patch}");
    }
}

#[test]
fn json_patch_does_each_operation_of_rfc_6902() {
    check(&[
        (
            r#"[{"op":"replace","path":"/birthDate","value":"1961-04-01"}]"#,
            &[("1960-04", "1961-04")],
        ),
        (
            r#"[{"op":"remove","path":"/identifier/1"}]"#,
            &[(r#",{"system":"urn:a","value":"2"}"#, "")],
        ),
        (
            r#"[{"op":"add","path":"/identifier/1","value":{"value":"x"}}]"#,
            &[(
                r#"{"system":"urn:a","value":"2"}"#,
                r#"{"value":"x"},{"system":"urn:a","value":"2"}"#,
            )],
        ),
        (
            r#"[{"op":"add","path":"/identifier/-","value":{"value":"x"}}]"#,
            &[(r#""value":"3"}"#, r#""value":"3"},{"value":"x"}"#)],
        ),
        (
            r#"[{"op":"add","path":"/gender","value":"female"}]"#,
            &[(
                r#""gender":"male"}]}"#,
                r#""gender":"male"}],"gender":"female"}"#,
            )],
        ),
        (
            r#"[{"op":"add","path":"/active","value":false}]"#,
            &[(r#""active":true"#, r#""active":false"#)],
        ),
        (
            r#"[{"op":"move","from":"/identifier/0","path":"/identifier/2"}]"#,
            &[
                (r#"[{"system":"urn:a","value":"1"},"#, "["),
                (
                    r#""value":"3"}"#,
                    r#""value":"3"},{"system":"urn:a","value":"1"}"#,
                ),
            ],
        ),
        (
            r#"[{"op":"copy","from":"/identifier/0","path":"/identifier/0"}]"#,
            &[(
                r#"[{"system":"urn:a","value":"1"}"#,
                r#"[{"system":"urn:a","value":"1"},{"system":"urn:a","value":"1"}"#,
            )],
        ),
        (
            r#"[{"op":"test","path":"/name/0","value":{"family":"Cole","use":"official","given":["Ann","May"],"_given":[null,{"id":"second"}]}},{"op":"replace","path":"/name/0/family","value":"Day"}]"#,
            &[("Cole", "Day")],
        ),
        (
            r#"[{"op":"add","path":"/name/0/extension","value":[]},{"op":"remove","path":"/name/0/extension"}]"#,
            &[],
        ),
        // An operation may do what a later one mends: only the result is looked at.
        (
            r#"[{"op":"add","path":"/x~1y~0","value":1},{"op":"test","path":"/x~1y~0","value":1.0},{"op":"remove","path":"/x~1y~0"}]"#,
            &[],
        ),
        (r#"[{"op":"test","path":"/active","value":true}]"#, &[]),
    ]);
}

fn operation(kind: &str, path: &str, more: &str) -> String {
    let more = if more.is_empty() {
        String::new()
    } else {
        format!(",{more}")
    };
    format!(
        r#"{{"name":"operation","part":[{{"name":"type","valueCode":"{kind}"}},{{"name":"path","valueString":"{path}"}}{more}]}}"#
    )
}

fn parameters(operations: &[String]) -> String {
    format!(
        r#"{{"resourceType":"Parameters","parameter":[{}]}}"#,
        operations.join(",")
    )
}

#[test]
fn fhirpath_patch_does_each_operation_of_r4() {
    /// Type, path, value, and further parts.
    type Row = (
        &'static str,
        &'static str,
        &'static str,
        &'static [(&'static str, &'static str)],
    );
    let rows: [Row; 18] = [
        (
            "replace",
            "Patient.birthDate",
            r#"{"name":"value","valueDate":"1961-04-01"}"#,
            &[("1960-04", "1961-04")],
        ),
        (
            "replace",
            "Patient.name.where(use='official').family",
            r#"{"name":"value","valueString":"Day"}"#,
            &[("Cole", "Day")],
        ),
        (
            "replace",
            "Patient.name.given[0]",
            r#"{"name":"value","valueString":"Eve"}"#,
            &[("\"Ann\"", "\"Eve\"")],
        ),
        (
            "replace",
            "Patient.deceased",
            r#"{"name":"value","valueDateTime":"2026-01-01"}"#,
            &[(
                r#""deceasedBoolean":false"#,
                r#""deceasedDateTime":"2026-01-01""#,
            )],
        ),
        (
            "replace",
            "Patient.contact[0]",
            r#"{"name":"value","part":[{"name":"name","valueHumanName":{"text":"Di"}},{"name":"relationship","valueCodeableConcept":{"text":"aunt"}}]}"#,
            &[(
                r#"{"name":{"text":"Bo"},"gender":"male"}"#,
                r#"{"name":{"text":"Di"},"relationship":[{"text":"aunt"}]}"#,
            )],
        ),
        (
            "add",
            "Patient",
            r#"{"name":"name","valueString":"gender"},{"name":"value","valueCode":"female"}"#,
            &[(
                r#""gender":"male"}]}"#,
                r#""gender":"male"}],"gender":"female"}"#,
            )],
        ),
        (
            "add",
            "Patient",
            r#"{"name":"name","valueString":"identifier"},{"name":"value","valueIdentifier":{"value":"x"}}"#,
            &[(r#""value":"3"}"#, r#""value":"3"},{"value":"x"}"#)],
        ),
        (
            "add",
            "Patient",
            r#"{"name":"name","valueString":"multipleBirth"},{"name":"value","valueInteger":2}"#,
            &[(
                r#""gender":"male"}]}"#,
                r#""gender":"male"}],"multipleBirthInteger":2}"#,
            )],
        ),
        (
            "add",
            "Patient.contact[0]",
            r#"{"name":"name","valueString":"telecom"},{"name":"value","valueContactPoint":{"value":"1"}}"#,
            &[(
                r#""gender":"male"}"#,
                r#""gender":"male","telecom":[{"value":"1"}]}"#,
            )],
        ),
        (
            "add",
            "Patient",
            r#"{"name":"name","valueString":"contact"},{"name":"value","part":[{"name":"name","valueHumanName":{"text":"Di"}}]}"#,
            &[(
                r#""gender":"male"}"#,
                r#""gender":"male"},{"name":{"text":"Di"}}"#,
            )],
        ),
        (
            "add",
            "Patient.birthDate",
            r#"{"name":"name","valueString":"extension"},{"name":"value","valueExtension":{"url":"urn:x","valueBoolean":true}}"#,
            &[(
                r#""birthDate":"1960-04-01""#,
                r#""birthDate":"1960-04-01","_birthDate":{"extension":[{"url":"urn:x","valueBoolean":true}]}"#,
            )],
        ),
        (
            "insert",
            "Patient.identifier",
            r#"{"name":"index","valueInteger":1},{"name":"value","valueIdentifier":{"value":"x"}}"#,
            &[(
                r#"{"system":"urn:a","value":"2"}"#,
                r#"{"value":"x"},{"system":"urn:a","value":"2"}"#,
            )],
        ),
        (
            "insert",
            "Patient.name.given",
            r#"{"name":"index","valueInteger":1},{"name":"value","valueString":"Bea"}"#,
            &[(
                r#""Ann","May"],"_given":[null,"#,
                r#""Ann","Bea","May"],"_given":[null,null,"#,
            )],
        ),
        (
            "insert",
            "Patient.telecom",
            r#"{"name":"index","valueInteger":0},{"name":"value","valueContactPoint":{"value":"1"}}"#,
            &[(
                r#""gender":"male"}]}"#,
                r#""gender":"male"}],"telecom":[{"value":"1"}]}"#,
            )],
        ),
        (
            "delete",
            "Patient.identifier[1]",
            "",
            &[(r#",{"system":"urn:a","value":"2"}"#, "")],
        ),
        (
            "delete",
            "Patient.name.given[1]",
            "",
            &[(
                r#""given":["Ann","May"],"_given":[null,{"id":"second"}]"#,
                r#""given":["Ann"]"#,
            )],
        ),
        ("delete", "Patient.photo", "", &[]),
        (
            "move",
            "Patient.identifier",
            r#"{"name":"source","valueInteger":2},{"name":"destination","valueInteger":0}"#,
            &[
                (r#",{"system":"urn:a","value":"3"}"#, ""),
                (
                    r#"[{"system":"urn:a","value":"1"}"#,
                    r#"[{"system":"urn:a","value":"3"},{"system":"urn:a","value":"1"}"#,
                ),
            ],
        ),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(kind, path, more, changes)| (parameters(&[operation(kind, path, more)]), *changes))
        .collect();
    let rows: Vec<(&str, &[(&str, &str)])> = rows
        .iter()
        .map(|(patch, changes)| (patch.as_str(), *changes))
        .collect();
    check(&rows);
    let emptied = parameters(&[
        operation("delete", "Patient.contact.gender", ""),
        operation("delete", "Patient.contact.name.text", ""),
    ]);
    let without = PATIENT.replace(r#","contact":[{"name":{"text":"Bo"},"gender":"male"}]"#, "");
    assert_eq!(
        patched(&emptied),
        Ok(without),
        "an element that says nothing any more is none"
    );
}

#[test]
fn what_cannot_be_applied_names_the_operation_the_path_and_the_way_to_mend_it() {
    let value = r#"{"name":"value","valueString":"x"}"#;
    let rows = [
        (r#"{"a":1}"#.to_owned(), "this is no patch"),
        ("[]".to_owned(), "no operations"),
        (
            r#"[{"op":"test","path":"/active","value":false}]"#.to_owned(),
            "operation 1, test /active: the value there is another",
        ),
        (
            r#"[{"op":"replace","path":"/active","value":true},{"op":"remove","path":"/photo"}]"#
                .to_owned(),
            "operation 2, remove /photo: there is nothing",
        ),
        (
            r#"[{"op":"remove","path":"/identifier/3"}]"#.to_owned(),
            "without a number that is in it",
        ),
        (
            r#"[{"op":"remove","path":"/identifier/01"}]"#.to_owned(),
            "without a number that is in it",
        ),
        (
            r#"[{"op":"remove","path":"/identifier/-"}]"#.to_owned(),
            "without a number that is in it",
        ),
        (
            r#"[{"op":"remove","path":"identifier"}]"#.to_owned(),
            "begin it with a slash",
        ),
        (r#"[{"op":"remove","path":"/a~2"}]"#.to_owned(), "write ~0"),
        (r#"[{"op":"remove"}]"#.to_owned(), "has no path"),
        (
            r#"[{"op":"add","path":"/gender"}]"#.to_owned(),
            "has no value",
        ),
        (
            r#"[{"op":"grow","path":"/gender"}]"#.to_owned(),
            "(unknown)",
        ),
        (
            r#"[{"op":"move","from":"/name","path":"/name/0/text"}]"#.to_owned(),
            "into itself",
        ),
        (
            r#"[{"op":"replace","path":"/id","value":"p2"}]"#.to_owned(),
            "cannot change id",
        ),
        (
            r#"[{"op":"remove","path":"/id"}]"#.to_owned(),
            "cannot change id",
        ),
        (
            r#"[{"op":"replace","path":"/resourceType","value":"Person"}]"#.to_owned(),
            "cannot change resourceType",
        ),
        (
            r#"[{"op":"replace","path":"","value":"x"}]"#.to_owned(),
            "cannot change resourceType",
        ),
        (
            r#"[{"op":"add","path":"/colour","value":"red"}]"#.to_owned(),
            "Patient.colour: the patched resource would not be valid",
        ),
        (
            r#"[{"op":"replace","path":"/birthDate","value":"spring"}]"#.to_owned(),
            "Patient.birthDate: the patched resource would not be valid",
        ),
        (parameters(&[]), "no operations"),
        (parameters(&[operation("grow", "Patient", "")]), "(unknown)"),
        (
            parameters(&[operation("replace", "Patient.photo", value)]),
            "operation 1, replace Patient.photo: the path finds nothing",
        ),
        (
            parameters(&[operation("replace", "Patient.identifier", value)]),
            "several elements",
        ),
        (
            parameters(&[operation("replace", "Patient.active.not()", value)]),
            "worked out",
        ),
        (
            parameters(&[operation("replace", "Patient.where(", value)]),
            "no FHIRPath",
        ),
        (
            parameters(&[operation("replace", "Patient", value)]),
            "PUT it",
        ),
        (
            parameters(&[operation("delete", "Patient", "")]),
            "DELETE it",
        ),
        (
            parameters(&[operation("delete", "Patient.identifier", "")]),
            "several elements",
        ),
        (
            parameters(&[operation(
                "add",
                "Patient",
                r#"{"name":"name","valueString":"birthDate"},{"name":"value","valueDate":"1960"}"#,
            )]),
            "use replace",
        ),
        (
            parameters(&[operation(
                "add",
                "Patient",
                r#"{"name":"name","valueString":"deceased"},{"name":"value","valueDateTime":"1960"}"#,
            )]),
            "use replace",
        ),
        (
            parameters(&[operation(
                "add",
                "Patient",
                r#"{"name":"name","valueString":"colour"},{"name":"value","valueString":"red"}"#,
            )]),
            "no such element",
        ),
        (
            parameters(&[operation(
                "insert",
                "Patient.identifier",
                r#"{"name":"index","valueInteger":9},{"name":"value","valueIdentifier":{"value":"x"}}"#,
            )]),
            "beyond the list, which has 3",
        ),
        (
            parameters(&[operation(
                "insert",
                "Patient.identifier.where(value='2')",
                r#"{"name":"index","valueInteger":0},{"name":"value","valueIdentifier":{"value":"x"}}"#,
            )]),
            "one whole list",
        ),
        (
            parameters(&[operation(
                "insert",
                "Patient.birthDate",
                r#"{"name":"index","valueInteger":0},{"name":"value","valueDate":"1960"}"#,
            )]),
            "once only",
        ),
        (
            parameters(&[operation(
                "move",
                "Patient.identifier",
                r#"{"name":"source","valueInteger":3},{"name":"destination","valueInteger":0}"#,
            )]),
            "source is beyond",
        ),
    ];
    for (patch, expected) in rows {
        let error = patched(&patch).expect_err(&patch);
        assert!(error.contains(expected), "{patch}\n{error}");
        assert!(
            !error.contains("Cole") && !error.contains("where(use"),
            "{error}"
        );
    }
}

#[test]
fn a_patch_that_grows_without_end_is_stopped() {
    let mut doubling =
        vec![r#"{"op":"add","path":"/extension","value":[{"url":"urn:x"}]}"#.to_owned()];
    doubling.extend((0..60).map(|_| {
        r#"{"op":"copy","from":"/extension","path":"/extension/0/extension"}"#.to_owned()
    }));
    let error = patched(&format!("[{}]", doubling.join(","))).expect_err("stopped");
    assert!(error.contains("levels deep"), "{error}");
    let mut wide = vec![r#"{"op":"add","path":"/name/0/x","value":[1,2]}"#.to_owned()];
    for place in 0..60 {
        wide.push(format!(
            r#"{{"op":"copy","from":"/name/0","path":"/y{place}"}}"#
        ));
        wide.push(format!(
            r#"{{"op":"copy","from":"/y{place}","path":"/name/0/z{place}"}}"#
        ));
    }
    let error = patched(&format!("[{}]", wide.join(","))).expect_err("stopped");
    assert!(error.contains("more than"), "{error}");
    let many = vec![r#"{"op":"test","path":"/active","value":true}"#; MOST_OPERATIONS + 1];
    let error = patched(&format!("[{}]", many.join(","))).expect_err("stopped");
    assert!(error.contains("1000 operations"), "{error}");
}
