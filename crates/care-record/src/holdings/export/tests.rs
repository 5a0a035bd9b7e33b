//! An export's files are there for a day and no longer.

use std::sync::Arc;

use care_core::vocabulary::{OdsCode, Organisation, OrganisationKind};
use jiff::{Timestamp, ToSpan as _};

use super::*;
use crate::picked::PickedWords;
use crate::{
    Directory, FeedValidation, FhirDelivery, FhirFormat, FhirMethod, FixedClock, Options, Record,
    Source,
};

const ADA: &[u8] = br#"{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","id":"ada","name":[{"family":"Cole","given":["Ada"]}],"birthDate":"1950-01-01"},"request":{"method":"PUT","url":"Patient/ada"}}]}"#;

fn source(code: &OdsCode) -> Source {
    let kind = OrganisationKind::Trust;
    Source {
        organisation: Organisation {
            ods: code.clone(),
            kind,
            name: "Harbour Hospital".to_owned(),
            short_name: "Harbour".to_owned(),
            phone: String::new(),
        },
        feeds: vec!["feed-hospital".to_owned()],
        agreed_interval_minutes: 60,
        shares: Vec::new(),
        leaves_out: Vec::new(),
        supplies: Source::usually_supplies(kind),
        numbers_are_traced: true,
        connected: true,
    }
}

#[test]
fn files_of_an_export_expire_after_a_day_and_are_taken_away() {
    let directory = tempfile::tempdir().expect("a directory");
    let start: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
    let clock = Arc::new(FixedClock::at(start));
    let code = OdsCode::parse("RJ1").expect("a code");
    let record = Record::open(Options {
        registry: Directory::new(Vec::new(), vec![source(&code)]),
        reserve_bytes: 0,
        watch: false,
        validation: FeedValidation::off(),
        clock: clock.clone(),
        ..Options::new(directory.path())
    })
    .expect("the record opens");
    let sent = record.intake().receive_fhir(&FhirDelivery {
        client: "feed-hospital",
        source: &code,
        method: FhirMethod::Post,
        path: "",
        body: ADA,
        format: FhirFormat::Json,
        request_id: None,
    });
    assert_eq!(sent.status, 200, "{}", String::from_utf8_lossy(&sent.body));
    let caller = SupplyCaller {
        client: "feed-hospital".to_owned(),
        source: code,
        request: String::new(),
    };
    let exports = record.exports();
    let ask = ExportAsk {
        of: ExportOf::System,
        words: PickedWords::default(),
        base: "https://care.example.org/fhir/R4".to_owned(),
        since: None,
        elements: Vec::new(),
        request: String::new(),
        passed_over: Vec::new(),
    };
    let id = exports.begin(&caller, &ask).expect("begun");
    let manifest = loop {
        match exports.state(&caller, &id).expect("a state").state {
            ExportState::Complete(manifest) => break manifest,
            ExportState::Failed { why } => panic!("{why}"),
            ExportState::Running { .. } => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
    };
    assert_eq!(manifest.expires_at, start + 24.hours());
    let name = manifest.output[0].name.clone();
    let files = directory.path().join(DIRECTORY).join(&id);
    // Until the last second they are there; from then on neither the job nor a byte of it is
    for (hours, is_there) in [(0, true), (23, true), (24, false), (48, false)] {
        clock.set(start + hours.hours());
        exports.sweep().expect("swept");
        assert_eq!(exports.state(&caller, &id).is_ok(), is_there, "{hours} h");
        assert_eq!(
            exports.file(&caller, &id, &name).is_ok(),
            is_there,
            "{hours} h"
        );
        assert_eq!(files.exists(), is_there, "{hours} h");
    }
}
