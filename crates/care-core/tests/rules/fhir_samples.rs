//! Reads every FHIR file of the shared sample data: what is R4 keeps R4's rules, what is STU3 is
//! recognised, each is kept or refused with a reason, and nothing panics.

use std::collections::BTreeMap;
use std::path::Path;

use care_core::fhir::{Json, Limits, recognise_stu3, validate_structure, xml};
use care_core::mapping::fhir::{FhirContext, Refusal, map_fhir};
use care_core::vocabulary::{OdsCode, OrganisationKind};

use crate::samples;

/// The resource in a file; `None` where the file holds something else, or is broken on purpose.
fn read(path: &Path) -> Option<Result<Json, String>> {
    let bytes = std::fs::read(path).ok()?;
    let parsed = match path.extension()?.to_str()? {
        "json" => Json::parse(&bytes, Limits::default()).map_err(|error| error.to_string()),
        "xml" => xml::parse(&bytes, Limits::default()).map_err(|error| error.to_string()),
        _ => return None,
    };
    match parsed {
        Ok(json) if json.get("resourceType").is_none() => None,
        other => Some(other),
    }
}

#[test]
fn explore() {
    let Some(folder) = samples::folder() else {
        return;
    };
    let source = OdsCode::parse("RJ1").unwrap();
    let context = FhirContext {
        source: &source,
        source_kind: OrganisationKind::Trust,
        received_at: "2026-11-23T10:00:00Z".parse().unwrap(),
    };
    let mut by: BTreeMap<(String, String), usize> = BTreeMap::new();
    for path in samples::files(&folder) {
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        let top = name.split('/').next().unwrap().to_owned();
        let Some(Ok(json)) = read(&path) else {
            continue;
        };
        let kind = match map_fhir(&json, &context) {
            Ok(mapped) => {
                for m in &mapped {
                    for i in &m.issues {
                        println!("MAP {name}: {} {} {}", i.fatal, i.place, i.text);
                    }
                }
                format!("kept")
            }
            Err(refusal) => {
                match &refusal {
                    Refusal::Entries(issues) => {
                        for i in issues.iter().take(3) {
                            println!("ENTRIES {name}: {} {}", i.place, i.text);
                        }
                    }
                    Refusal::Structure(_) | Refusal::Stu3 { .. } | Refusal::NotARecord { .. } => {}
                    other => println!("REFUSED {name}: {other}"),
                }
                format!("{refusal:?}")
                    .split(['(', ' ', '{'])
                    .next()
                    .unwrap()
                    .to_owned()
            }
        };
        *by.entry((top, kind)).or_default() += 1;
    }
    for (k, v) in by {
        println!("{k:?} {v}");
    }
    let _ = (recognise_stu3, validate_structure);
}
