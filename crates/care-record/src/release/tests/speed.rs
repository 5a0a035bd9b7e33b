//! How fast a release is made, against how fast the disk takes bytes. Not part of the tests; run it with
//!
//!     RELEASE_PEOPLE=10000 cargo test --release -p care-record --lib release::tests::speed -- --ignored --nocapture

use std::io::Write as _;
use std::time::Instant;

use super::timelines::setting;
use super::*;

const RESULTS: &str = r#"{"resourceType":"ViewDefinition","name":"results","status":"active","resource":"Observation",
  "select":[{"column":[{"name":"id","path":"id"},{"name":"person","path":"subject.getReferenceKey(Patient)"},
    {"name":"taken","path":"effective.ofType(dateTime)"},{"name":"code","path":"code.coding.code.first()"},
    {"name":"value","path":"value.ofType(Quantity).value","type":"decimal"},{"name":"unit","path":"value.ofType(Quantity).unit"}]}]}"#;

#[allow(clippy::disallowed_methods)] // A measurement.
fn clock() -> Instant {
    Instant::now()
}

/// The greatest memory of this process so far, in MB.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: u64 = line
        .and_then(|it| it.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    kilobytes / 1024
}

fn results(nth: u64, many: u64) -> Vec<Change> {
    let one = |item: u64| {
        let (hundredths, day) = ((nth * 7 + item * 13) % 900 + 100, item % 28 + 1);
        let body = format!(
            r#"{{"resourceType":"Observation","id":"o{nth}-{item}","meta":{{"profile":["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation"]}},"status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory","display":"Laboratory"}}]}}],"code":{{"coding":[{{"system":"http://snomed.info/sct","code":"1000731000000107","display":"Serum creatinine level"}}],"text":"Creatinine"}},"subject":{{"reference":"Patient/p{nth}"}},"effectiveDateTime":"2026-10-{day:02}T08:00:00+00:00","valueQuantity":{{"value":{}.{:02},"unit":"umol/L","system":"http://unitsofmeasure.org","code":"umol/L"}},"referenceRange":[{{"low":{{"value":45,"unit":"umol/L"}},"high":{{"value":84,"unit":"umol/L"}}}}]}}"#,
            hundredths / 100,
            hundredths % 100
        );
        put(
            nth,
            100 + item,
            ResourceType::OBSERVATION,
            Category::Results,
            ("RJ1", false),
            "",
            body,
        )
    };
    (0..many).map(one).collect()
}

#[test]
#[ignore = "a measurement"]
fn a_release_to_parquet_against_the_disk() {
    let (people, each) = (
        setting("RELEASE_PEOPLE", 1_000),
        setting("RELEASE_RESOURCES", 200),
    );
    let mut rig = Rig::new();
    for nth in 0..people {
        let mut changes = changes_of(&Somebody::of(nth), start());
        changes.extend(results(nth, each));
        rig.commit(changes);
    }
    let memory_before = peak_mb();
    let mut specification = planning();
    specification.forms = vec![Form::Table(TableWanted {
        name: "results".to_owned(),
        view: RESULTS.to_owned(),
        declared: vec!["code".to_owned()],
        parquet: true,
        csv: false,
    })];
    let checked = rig.checked(specification, &BTreeSet::new());
    let approved = rig.approved(&checked);
    let began = clock();
    let sealed = rig
        .releases
        .run(&officer(), approved.number, approved.version)
        .expect("ran");
    let took = began.elapsed().as_secs_f64();
    let file = sealed
        .sealed
        .as_ref()
        .expect("sealed")
        .files
        .iter()
        .find(|it| it.name.ends_with(".parquet"))
        .expect("a table")
        .clone();
    let resources = (people * each) as f64;
    // What the disk takes: as many bytes as the resources have, with one sync at the end.
    let read_bytes = resources * 950.0;
    let block = vec![7_u8; 1 << 20];
    let began = clock();
    let mut out = std::fs::File::create(rig.folder.path().join("rate")).expect("made");
    for _ in 0..256 {
        out.write_all(&block).expect("written");
    }
    out.sync_all().expect("synced");
    let rate = 268.435 / began.elapsed().as_secs_f64();
    println!(
        "release: {people} people x {each} resources in {took:.1} s: {:.0} resources/s, {:.1} MB/s of FHIR read, {} rows, \
         {:.1} MB of Parquet; disk {rate:.0} MB/s, ratio {:.2}; memory {} MB before, {} MB at most",
        resources / took,
        read_bytes / took / 1e6,
        file.rows,
        file.bytes as f64 / 1e6,
        read_bytes / took / 1e6 / rate,
        memory_before,
        peak_mb()
    );
}
