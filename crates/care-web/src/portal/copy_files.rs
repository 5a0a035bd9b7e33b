//! A person's own copy as a file: CSV that no spreadsheet runs, and FHIR.

use care_core::fhir::{Json, Limits};
use care_record::FhirResource;

use super::copy::{Section, What};
use super::told::Row;

/// A table as CSV: RFC 4180, with a byte order mark so that spreadsheets read it as Unicode.
pub(super) fn csv(sections: &[Section]) -> String {
    let mut text = String::from("\u{feff}");
    for section in sections {
        line(&mut text, &[section.heading.to_owned()]);
        line(&mut text, &section.columns);
        for row in &section.rows {
            line(&mut text, row);
        }
        text.push_str("\r\n");
    }
    text
}

fn line(text: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|one| cell(one)).collect();
    text.push_str(&cells.join(","));
    text.push_str("\r\n");
}

/// One cell, always in quotes. What a spreadsheet would take for a formula begins with an apostrophe.
/// Source: OWASP, CSV injection.
pub(super) fn cell(text: &str) -> String {
    let risky = text
        .trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
        .starts_with(['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠'])
        || text.starts_with(['\t', '\r', '\n']);
    let guard = if risky { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// A Bundle of what was asked for: looks as AuditEvent, choices as Consent, sources as List, and,
/// where the deployment allows it, the health information itself.
pub(super) fn bundle(
    sections: &[Section],
    looks: &[Row],
    clinical: &[FhirResource],
    now: &str,
) -> Result<String, care_core::fhir::JsonError> {
    let mut entries: Vec<Json> = Vec::new();
    for section in sections {
        match section.what {
            What::Looked => entries.extend(looks.iter().map(audit_event)),
            What::Choices => entries.extend(section.rows.iter().map(|row| consent(row))),
            What::Shared => entries.push(sources(section, now)),
            What::Health => {}
        }
    }
    for resource in clinical {
        entries.push(Json::parse(&resource.body, Limits::default())?);
    }
    let entries = entries
        .into_iter()
        .map(|resource| Json::object([("resource", resource)]))
        .collect();
    let bundle = Json::object([
        ("resourceType", "Bundle".into()),
        ("type", "collection".into()),
        ("timestamp", now.into()),
        ("entry", Json::list(entries)),
    ]);
    Ok(bundle.to_string())
}

fn text(words: &str) -> Json {
    Json::object([("text", words.into())])
}

fn coding(system: &str, code: &str, display: &str) -> Json {
    Json::object([
        ("system", system.into()),
        ("code", code.into()),
        ("display", display.into()),
    ])
}

fn audit_event(row: &Row) -> Json {
    let agent = Json::object([
        ("name", format!("{}, {}", row.job, row.place).into()),
        ("requestor", true.into()),
    ]);
    let mut description = format!("{}. {}", row.what, row.why);
    if !row.seen.is_empty() {
        description.push_str(&format!(" They looked at: {}.", row.seen.join(", ")));
    }
    Json::object([
        ("resourceType", "AuditEvent".into()),
        (
            "type",
            coding(
                "http://dicom.nema.org/resources/ontology/DCM",
                "110110",
                "Patient Record",
            ),
        ),
        ("action", "R".into()),
        ("recorded", row.machine.as_str().into()),
        ("outcomeDesc", description.into()),
        ("agent", Json::list(vec![agent])),
        (
            "source",
            Json::object([(
                "observer",
                Json::object([("display", "Connect Care".into())]),
            )]),
        ),
    ])
}

/// When, what, who, how, reference: as page M4 tells it.
fn consent(row: &[String]) -> Json {
    let cell = |place: usize| row.get(place).map_or("", String::as_str);
    let permits = cell(1).starts_with("Share");
    Json::object([
        ("resourceType", "Consent".into()),
        ("status", "active".into()),
        (
            "scope",
            Json::object([(
                "coding",
                Json::list(vec![coding(
                    "http://terminology.hl7.org/CodeSystem/consentscope",
                    "patient-privacy",
                    "Privacy Consent",
                )]),
            )]),
        ),
        (
            "category",
            Json::list(vec![text(&format!(
                "{}; {}; {}; reference {}",
                cell(1),
                cell(2),
                cell(3),
                cell(4)
            ))]),
        ),
        ("policyRule", text("Connect Care: sharing for care")),
        (
            "provision",
            Json::object([("type", if permits { "permit" } else { "deny" }.into())]),
        ),
    ])
}

fn sources(section: &Section, now: &str) -> Json {
    let entry = |row: &Vec<String>| {
        Json::object([("item", Json::object([("display", row.join(". ").into())]))])
    };
    Json::object([
        ("resourceType", "List".into()),
        ("status", "current".into()),
        ("mode", "snapshot".into()),
        ("title", section.heading.into()),
        ("date", now.into()),
        (
            "entry",
            Json::list(section.rows.iter().map(entry).collect()),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_a_spreadsheet_would_run_is_text() {
        for (given, written) in [
            ("Hospital nurse", "\"Hospital nurse\""),
            (
                "=HYPERLINK(\"http://x\")",
                "\"'=HYPERLINK(\"\"http://x\"\")\"",
            ),
            ("+44 20 7946 0180", "\"'+44 20 7946 0180\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("  =1", "\"'  =1\""),
            ("＝1", "\"'＝1\""),
            ("say \"hello\", all", "\"say \"\"hello\"\", all\""),
            ("two\r\nlines", "\"two\r\nlines\""),
        ] {
            assert_eq!(cell(given), written, "{given:?}");
        }
    }
}
