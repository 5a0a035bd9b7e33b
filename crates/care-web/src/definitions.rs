//! The deployment's own definitions, out of the directory its configuration names: what validation
//! knows besides R4 and UK Core.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use care_core::fhir::{Json, Limits, Rulebook, xml};

use crate::cli::validate::looks_like_xml;

/// Directories within one another.
const DEEPEST: usize = 6;
/// Files read.
const MOST_FILES: usize = 20_000;

/// The rules of R4 and UK Core, and those of a directory: `.json`, `.xml` and `.ndjson` files.
///
/// Errors: a file that cannot be read, with its path and how to mend it. What a definition itself
/// lacks (a base nobody holds, a path its type does not have) is logged; the rest of it counts.
pub fn rulebook(directory: Option<&Path>) -> anyhow::Result<Rulebook> {
    let Some(directory) = directory else {
        return Ok(Rulebook::with([]));
    };
    let mut files = Vec::new();
    find(directory, 0, &mut files)?;
    files.sort();
    let mut resources = Vec::new();
    for file in &files {
        resources.extend(read(file)?);
    }
    let book = Rulebook::with(resources);
    let (structures, sets, systems) = book.counts();
    tracing::info!(
        structures,
        sets,
        systems,
        "definitions of this deployment were read"
    );
    for (url, words) in book.faults() {
        tracing::warn!(url, "a definition can be used in part only: {words}");
    }
    Ok(book)
}

fn find(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(directory).with_context(|| {
        format!(
            "the definitions {} cannot be read; check fhir.definitions",
            directory.display()
        )
    })?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            if depth < DEEPEST {
                find(&path, depth + 1, files)?;
            }
            continue;
        }
        let is_definition = path
            .extension()
            .and_then(|end| end.to_str())
            .is_some_and(|end| matches!(end, "json" | "xml" | "ndjson"));
        if is_definition {
            files.push(path);
        }
        if files.len() > MOST_FILES {
            bail!("more than {MOST_FILES} definitions; keep only those that are used");
        }
    }
    Ok(())
}

/// The resources of a file.
fn read(path: &Path) -> anyhow::Result<Vec<Json>> {
    let named = || format!("the definition {} cannot be read", path.display());
    let bytes = fs::read(path).with_context(named)?;
    if path.extension().is_some_and(|end| end == "ndjson") {
        let lines = bytes.split(|byte| *byte == b'\n');
        return lines
            .filter(|line| !line.trim_ascii().is_empty())
            .map(|line| Json::parse(line, Limits::default()).with_context(named))
            .collect();
    }
    let one = if looks_like_xml(&bytes) {
        xml::parse(&bytes, Limits::default()).with_context(named)?
    } else {
        Json::parse(&bytes, Limits::default()).with_context(named)?
    };
    Ok(vec![one])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_definitions_is_read_with_its_subdirectories() {
        let directory = tempfile::tempdir().expect("a directory");
        let inner = directory.path().join("own");
        fs::create_dir(&inner).expect("a directory");
        let profile = r#"{"resourceType":"StructureDefinition","url":"http://x/p","type":"Patient",
            "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",
            "differential":{"element":[{"id":"Patient.name","path":"Patient.name","min":1}]}}"#;
        fs::write(inner.join("p.json"), profile).expect("written");
        fs::write(directory.path().join("readme.md"), "no definition").expect("written");
        let book = rulebook(Some(directory.path())).expect("read");
        assert!(book.has_profile("http://x/p") && book.counts().0 == 1);
        fs::write(inner.join("q.json"), "{").expect("written");
        let error = rulebook(Some(directory.path()))
            .expect_err("a broken file")
            .to_string();
        assert!(error.contains("q.json"), "{error}");
        assert!(rulebook(Some(&directory.path().join("absent"))).is_err());
    }
}
