//! Files for `load` and `send`: found, read, and recognised by what is in them.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// HL7 v2 messages.
    HL7v2,
    /// One FHIR resource as JSON.
    Json,
    /// A FHIR resource a line.
    NdJson,
    /// One FHIR resource as XML.
    Xml,
    /// None of these.
    Other(&'static str),
}

/// Every file under these paths, in order of name; hidden ones are left out.
pub fn walk(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        let about = std::fs::metadata(path)
            .with_context(|| format!("{} cannot be read; check the path", path.display()))?;
        if about.is_dir() {
            walk_into(path, &mut found)?
        } else {
            found.push(path.clone())
        }
    }
    Ok(found)
}

fn walk_into(directory: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(directory)
        .with_context(|| format!("{} cannot be read", directory.display()))?;
    let mut inside: Vec<_> = entries
        .collect::<Result<_, _>>()
        .with_context(|| format!("{} cannot be read", directory.display()))?;
    inside.sort_by_key(std::fs::DirEntry::file_name);
    for entry in inside {
        let hidden = entry.file_name().as_encoded_bytes().first() == Some(&b'.');
        let kind = entry
            .file_type()
            .with_context(|| format!("{} cannot be read", entry.path().display()))?;
        match (hidden, kind.is_dir(), kind.is_file()) {
            (false, true, _) => walk_into(&entry.path(), found)?,
            (false, _, true) => found.push(entry.path()),
            _ => {}
        }
    }
    Ok(())
}

/// A file's bytes.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// What these bytes are. The content decides; the name only where content cannot.
pub fn kind_of(path: &Path, bytes: &[u8]) -> Kind {
    let name = path
        .extension()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let text = bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(bytes)
        .trim_ascii_start();
    let wrapped = text.strip_prefix(b"\x0b").unwrap_or(text);
    if ["MSH", "FHS", "BHS"].iter().any(|segment| {
        wrapped.starts_with(segment.as_bytes())
            && wrapped.get(3).is_some_and(u8::is_ascii_punctuation)
    }) {
        return Kind::HL7v2;
    }
    match (name.as_str(), text.first()) {
        ("hl7" | "er7", _) => Kind::HL7v2,
        ("ndjson" | "jsonl", Some(b'{')) => Kind::NdJson,
        (_, Some(b'{')) if is_lines_of_json(text) => Kind::NdJson,
        ("json", _) | (_, Some(b'{')) => Kind::Json,
        ("html" | "htm" | "svg" | "xsd" | "xsl" | "xslt" | "csproj", _) => {
            Kind::Other("no FHIR and no HL7 v2 by its name")
        }
        (_, Some(b'<')) => Kind::Xml,
        (_, None) => Kind::Other("the file is empty"),
        _ => Kind::Other("no HL7 v2, FHIR JSON, NDJSON or XML"),
    }
}

/// Two lines or more, of which the first two are objects by themselves.
fn is_lines_of_json(text: &[u8]) -> bool {
    let mut lines = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty());
    let whole = |line: &[u8]| line.starts_with(b"{") && line.ends_with(b"}");
    let (first, second) = (lines.next(), lines.next());
    first.is_some_and(|line| line.len() > 2 && whole(line)) && second.is_some_and(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_what_is_in_them() {
        let cases: &[(&str, &[u8], Kind)] = &[
            ("a.txt", b"\r\nMSH|^~\\&|A", Kind::HL7v2),
            ("a.dat", b"\x0bMSH|^~\\&|A", Kind::HL7v2),
            ("a.json", b" {\"resourceType\":\"Patient\"}", Kind::Json),
            (
                "a.json",
                b"{\n \"resourceType\":\"Patient\"\n}\n",
                Kind::Json,
            ),
            (
                "a.json",
                b"{\"resourceType\":\"Patient\"}\n{\"resourceType\":\"Patient\"}\n",
                Kind::NdJson,
            ),
            ("a.ndjson", b"{\"resourceType\":\"Patient\"}", Kind::NdJson),
            (
                "a.xml",
                b"\xef\xbb\xbf<Patient xmlns=\"http://hl7.org/fhir\"/>",
                Kind::Xml,
            ),
            (
                "a.csv",
                b"a,b\n1,2\n",
                Kind::Other("no HL7 v2, FHIR JSON, NDJSON or XML"),
            ),
            ("a.md", b"", Kind::Other("the file is empty")),
        ];
        for (name, bytes, kind) in cases {
            assert_eq!(kind_of(Path::new(name), bytes), *kind, "{name}");
        }
    }
}
