//! Our JSON parser against another one, and against itself.

use care_core::fhir::{Json, JsonFault, Limits};
use proptest::prelude::*;

use crate::samples;

/// Our value as `serde_json` sees it; numbers by their value.
fn as_serde(json: &Json) -> serde_json::Value {
    match json {
        Json::Null => serde_json::Value::Null,
        Json::Bool(value) => (*value).into(),
        Json::Number(text) => serde_json::from_str(text).expect("a number both accept"),
        Json::Text(text) => text.as_str().into(),
        Json::Array(values) => values.iter().map(as_serde).collect(),
        Json::Object(members) => serde_json::Value::Object(
            members
                .iter()
                .map(|(name, value)| (name.to_string(), as_serde(value)))
                .collect(),
        ),
    }
}

fn parse(text: &str) -> Result<Json, JsonFault> {
    Json::parse(text.as_bytes(), Limits::default()).map_err(|error| error.fault)
}

#[test]
fn every_json_sample_reads_as_the_other_parser_reads_it() {
    let Some(folder) = samples::folder() else {
        return;
    };
    let mut compared = 0;
    for path in samples::files(&folder) {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let text = text.trim_start_matches('\u{feff}');
        let theirs = serde_json::from_str::<serde_json::Value>(text);
        match (parse(text), theirs) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(as_serde(&ours), theirs, "{}", path.display());
                compared += 1;
            }
            (Err(JsonFault::DuplicateName), Ok(_)) => {}
            (Err(_), Err(_)) => {}
            (ours, theirs) => panic!("{}: {ours:?} but {theirs:?}", path.display()),
        }
    }
    assert!(compared > 300, "only {compared} samples were compared");
}

fn any_json() -> impl Strategy<Value = Json> {
    let number = r"-?(0|[1-9][0-9]{0,27})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,3})?";
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        number.prop_map(|text| Json::Number(text.into())),
        any::<String>().prop_map(Json::Text),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Json::Array),
            prop::collection::btree_map(".{0,12}", inner, 0..8).prop_map(|members| {
                Json::Object(
                    members
                        .into_iter()
                        .map(|(name, value)| (name.into(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_we_write_we_read_back_unchanged(json in any_json()) {
        let text = json.to_string();
        prop_assert_eq!(parse(&text).expect("our own text"), json);
    }

    #[test]
    fn we_accept_what_the_other_parser_accepts(text in r#"[\[\]{}:,"\\a0-9eE.+\-tfn \n]{0,24}"#) {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match parse(&text) {
            Ok(_) => prop_assert!(theirs.is_ok() || text.contains(['e', 'E']), "{text}"),
            Err(JsonFault::DuplicateName) => {}
            Err(fault) => prop_assert!(theirs.is_err(), "{text}: {fault:?}"),
        }
    }

    #[test]
    fn no_bytes_panic_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Json::parse(&bytes, Limits::default());
    }
}
