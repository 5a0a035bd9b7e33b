//! P2 and P4 on sealed releases: pseudonyms that cannot be reversed or joined, and rows that name nobody.

use std::collections::BTreeMap;

use base64::Engine as _;
use care_core::release::{ReleaseSecret, Subject, is_pseudonym};
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::timelines::setting;
use super::*;

fn people_of(directory: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join("people.csv")).expect("people");
    text.lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .map(str::to_owned)
        .collect()
}

/// Everything in a release that can be read, Parquet unpacked.
fn everything(directory: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, bytes) in texts(directory) {
        all.extend_from_slice(name.as_bytes());
        all.extend_from_slice(&bytes);
        if name.ends_with(".parquet") {
            let file = std::fs::File::open(directory.join(&name)).expect("opened");
            let reader = SerializedFileReader::new(file).expect("Parquet");
            for row in reader.get_row_iter(None).expect("rows") {
                all.extend_from_slice(row.expect("a row").to_string().as_bytes());
                all.push(b'\n');
            }
        }
    }
    all
}

/// As a text might be hidden: plain, 16 bits a letter, hexadecimal, Base64 at each of three places, by
/// percent signs, and in groups as numbers are written.
fn encodings(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = text.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut found = vec![
        ("plain", bytes.to_vec()),
        ("UTF-16", wide),
        ("hexadecimal", hex.into_bytes()),
        ("percent", percent.into_bytes()),
    ];
    for shift in 0..3 {
        let padded: Vec<u8> = std::iter::repeat_n(b'x', shift)
            .chain(bytes.iter().copied())
            .collect();
        let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&padded);
        // Letters that depend on what stands before and after are left out.
        let inner = text
            .get(if shift == 0 { 0 } else { 4 }..text.len() - 4)
            .unwrap_or_default();
        if inner.len() >= 8 {
            found.push(("Base64", inner.as_bytes().to_vec()));
        }
    }
    if text.len() == 10 && text.bytes().all(|it| it.is_ascii_digit()) {
        found.push((
            "in groups",
            format!("{} {} {}", &text[..3], &text[3..6], &text[6..]).into_bytes(),
        ));
    }
    found
}

/// Whether a text in small letters holds these bytes, in letters of any size.
fn holds(all: &str, part: &[u8]) -> bool {
    all.contains(&String::from_utf8_lossy(part).to_lowercase())
}

fn readable(all: &[u8]) -> String {
    String::from_utf8_lossy(all).to_lowercase()
}

#[test]
fn rows_name_nobody_and_at_least_five_people_share_what_is_declared() {
    let seed = setting("RELEASE_SEED", 4);
    let control = setting("RELEASE_NEGATIVE_CONTROL", 0) == 1;
    let mut rig = Rig::new();
    let people: Vec<Somebody> = (0..setting("RELEASE_PEOPLE", 60))
        .map(|nth| Somebody {
            age: 20 + ((nth * 7 + seed) % 60) as u32,
            woman: (nth * 5 + seed).is_multiple_of(3),
            postcode: if nth.is_multiple_of(9) {
                "SE982BT"
            } else {
                "SE991QA"
            },
            ..Somebody::of(nth)
        })
        .collect();
    rig.people(&people);
    let extract = rig.released(planning(), &BTreeSet::new());
    let directory = rig.directory(&extract);
    if control {
        let path = directory.join("Patient.ndjson");
        let held = std::fs::read_to_string(&path).expect("read");
        std::fs::write(&path, format!("{held}{}\n", number(3).digits())).expect("written");
    }
    let all = readable(&everything(&directory));
    let mut searched = 0;
    let mut found = Vec::new();
    for somebody in &people {
        for canary in somebody.canaries() {
            for (encoding, bytes) in encodings(&canary) {
                searched += 1;
                if holds(&all, &bytes) {
                    found.push(encoding);
                }
            }
        }
    }
    let smallest = smallest_group(&directory);
    println!(
        "P4 seed {seed}: {} people, {searched} searches, {} identifiers found, smallest group {smallest}",
        people.len(),
        found.len()
    );
    assert!(found.is_empty(), "{found:?}");
    assert!(smallest >= 5, "{smallest}");
    let rows = std::fs::read_to_string(directory.join("patients.csv")).expect("read");
    assert_eq!(
        rows.lines().count(),
        people.len() + 1,
        "nobody is lost by being told with others"
    );
}

/// The fewest different people who share what the declared columns of `patients.csv` say.
fn smallest_group(directory: &Path) -> usize {
    let text = std::fs::read_to_string(directory.join("patients.csv")).expect("read");
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let (person, told) = line.split_once(',').expect("two columns");
        groups
            .entry(told.to_owned())
            .or_default()
            .insert(person.to_owned());
    }
    groups.values().map(BTreeSet::len).min().unwrap_or(0)
}

#[test]
fn pseudonyms_are_stable_within_a_project_and_join_nothing_across_projects() {
    let mut rig = Rig::new();
    let size = setting("RELEASE_PEOPLE", 60);
    rig.people(&(0..size).map(Somebody::of).collect::<Vec<_>>());
    let control = setting("RELEASE_NEGATIVE_CONTROL", 0) == 1;
    let other = Specification {
        project: if control {
            "diabetes-2026"
        } else {
            "stroke-2026"
        }
        .to_owned(),
        ..planning()
    };
    let first = rig.released(planning(), &BTreeSet::new());
    let again = rig.released(planning(), &BTreeSet::new());
    let elsewhere = rig.released(other, &BTreeSet::new());
    let [first_people, again_people, other_people] = [&first, &again, &elsewhere].map(|it| {
        people_of(&rig.directory(it))
            .into_iter()
            .collect::<BTreeSet<_>>()
    });
    assert_eq!(
        first_people, again_people,
        "the same person has the same pseudonym within a project"
    );
    let shared = first_people.intersection(&other_people).count();
    assert!(first_people.iter().all(|it| is_pseudonym(it)));
    // Everybody of the whole range of numbers that the demonstration uses, with keys that are not ours.
    let tries = setting("RELEASE_TRIES", 20_000);
    let mut matches = 0;
    for nth in 0..tries {
        let wrong = ReleaseSecret::new([(nth % 251) as u8; 32]).project("diabetes-2026");
        let guess = wrong.pseudonym(Subject::Number(number(nth % size)));
        matches += u64::from(first_people.contains(&guess));
    }
    // Neither the secret nor any key is in a file of any release.
    let secret =
        std::fs::read_to_string(rig.folder.path().join("release-secret")).expect("the secret");
    let raw = base64::engine::general_purpose::STANDARD
        .decode(secret.trim())
        .expect("Base64");
    let mut keys_found = 0;
    for extract in [&first, &again, &elsewhere] {
        let all = readable(&everything(&rig.directory(extract)));
        let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        for part in [raw.as_slice(), secret.trim().as_bytes(), hex.as_bytes()] {
            keys_found += usize::from(holds(&all, part));
        }
    }
    println!(
        "P2: {size} people, {tries} tries with wrong keys: {matches} matches; {shared} pseudonyms shared by two projects; key found in {keys_found} files"
    );
    assert_eq!((matches, shared, keys_found), (0, 0, 0));
}
