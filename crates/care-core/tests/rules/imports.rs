//! Which module of this crate may import which: the `crate::` paths of the sources, compared with
//! the table in ARCHITECTURE.md. The table is the rule; a row too many is as wrong as one too few.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::samples::files;

type Imports = BTreeMap<String, BTreeSet<String>>;

/// What the sources do: from each module, the other modules it names. A bare file is a module too.
fn of_sources() -> Imports {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Imports::new();
    for path in files(&sources) {
        let text = std::fs::read_to_string(&path).unwrap();
        let below = path.strip_prefix(&sources).unwrap();
        let first = below.iter().next().unwrap().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        if module == "lib" {
            assert!(
                !text.contains("crate::"),
                "lib.rs names modules and nothing else"
            );
            continue;
        }
        let named = found.entry(module.to_owned()).or_default();
        named.extend(named_in(&text).filter(|other| other != module));
    }
    found
}

/// The modules that a source text names: `crate::fhir`, `crate::{fhir, vocabulary}`, and
/// `super::super::…` is not used to leave a module.
fn named_in(text: &str) -> impl Iterator<Item = String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect();
    let rests: Vec<String> = code.split("crate::").skip(1).map(str::to_owned).collect();
    rests
        .into_iter()
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => heads(list.split_once(';').map_or(list, |(list, _)| list)),
            None => vec![name_at(&rest)],
        })
}

/// The first names of a braced list: of `fhir::{Json, Kind}, vocabulary}` they are two.
fn heads(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = vec![name_at(list.trim_start())];
    for (place, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name_at(list[place + 1..].trim_start())),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn name_at(text: &str) -> String {
    text.chars()
        .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
        .collect()
}

/// What ARCHITECTURE.md allows: the rows of the table headed "Module of `care-core`".
fn of_table() -> Imports {
    let map = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ARCHITECTURE.md");
    let text = std::fs::read_to_string(map).unwrap();
    let (_, table) = text
        .split_once("| Module of `care-core` | May import |\n|---|---|\n")
        .expect("the table of imports");
    table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .flat_map(|row| {
            let (modules, allowed) = row.trim_matches('|').split_once('|').expect("two cells");
            let allowed: BTreeSet<String> = quoted(allowed).collect();
            quoted(modules).map(move |module| (module, allowed.clone()))
        })
        .collect()
}

fn quoted(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// Each import that is not allowed, and each that is allowed and not made.
fn differences(made: &Imports, allowed: &Imports) -> Vec<String> {
    let pairs = |all: &Imports| -> BTreeSet<(String, String)> {
        let each = |(module, others): (&String, &BTreeSet<String>)| {
            let module = module.clone();
            others
                .clone()
                .into_iter()
                .map(move |other| (module.clone(), other))
        };
        all.iter().flat_map(each).collect()
    };
    let (made, allowed) = (pairs(made), pairs(allowed));
    let forbidden = made.difference(&allowed).map(|(a, b)| {
        format!("{a} imports {b}, which ARCHITECTURE.md does not allow; find the rule's home, or change the table and say why")
    });
    let unused = allowed.difference(&made).map(|(a, b)| {
        format!("ARCHITECTURE.md lets {a} import {b}, which it does not; take it out of the table")
    });
    forbidden.chain(unused).collect()
}

#[test]
fn modules_import_one_way_and_as_the_map_says() {
    let (made, allowed) = (of_sources(), of_table());
    assert!(made.len() > 10, "the sources were found");
    let modules = |all: &Imports| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(modules(&made), modules(&allowed), "every module has a row");
    let differences = differences(&made, &allowed);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// A module is taken away again and again once nothing it imports is left; a circle never is.
#[test]
fn the_table_has_no_circle() {
    let mut left = of_table();
    loop {
        let names: BTreeSet<String> = left.keys().cloned().collect();
        left.retain(|_, others| others.iter().any(|other| names.contains(other)));
        if left.len() == names.len() {
            break;
        }
    }
    assert!(
        left.is_empty(),
        "these import each other: {:?}",
        left.keys()
    );
}

#[test]
fn a_forbidden_import_would_be_seen_however_it_is_written() {
    for text in [
        "use crate::hl7v2::Message;",
        "pub(crate) use crate::{fhir::{Json, Kind}, hl7v2::Message};",
        "use crate::{\n    vocabulary::NhsNumber,\n    hl7v2,\n};",
        "fn f(message: &crate::hl7v2::Message<'_>) {}",
    ] {
        assert!(named_in(text).any(|name| name == "hl7v2"), "{text}");
        let mut made = of_sources();
        made.entry("access".to_owned())
            .or_default()
            .extend(named_in(text));
        assert!(!differences(&made, &of_table()).is_empty(), "{text}");
    }
    assert_eq!(named_in("// not crate::hl7v2, see there").count(), 0);
}

/// No I/O, no clock, no randomness, no environment, no async.
#[test]
fn the_rules_reach_for_nothing_outside() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let outside = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "std::io",
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "async fn",
        "tokio",
        "rand::",
    ];
    for path in files(&sources) {
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for word in outside {
                assert!(
                    !line.contains(word),
                    "{}: {word} in `{}`",
                    path.display(),
                    line.trim()
                );
            }
        }
    }
}
