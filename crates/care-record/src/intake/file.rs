//! Files: the same deliveries, several in one.

use care_core::hl7v2::split_messages;
use care_core::vocabulary::OdsCode;

use super::{DeliveryOutcome, FhirDelivery, FhirFormat, FhirMethod, Intake, Senders, V2Delivery};

/// A file as it was read.
#[derive(Debug, Clone, Copy)]
pub struct FileDelivery<'a> {
    /// The feed's id; files are usually `load`.
    pub feed: &'a str,
    /// Whose file it is, as the operator says; required for FHIR, whose resources do not name their
    /// sender.
    pub source: &'a OdsCode,
    /// The file's name, for results and to know NDJSON by its ending.
    pub name: &'a str,
    /// The bytes.
    pub bytes: &'a [u8],
    /// What senders call themselves in MSH-4.
    pub senders: &'a Senders,
}

/// What became of one message, resource or line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileResult {
    /// Where in the file: `ward.hl7 message 3`, `people.ndjson line 12`, or the name alone.
    pub place: String,
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// What was wrong; no patient data.
    pub reasons: Vec<String>,
}

pub(super) fn receive(intake: &Intake, file: &FileDelivery<'_>) -> Vec<FileResult> {
    let blank = |byte: &&u8| !byte.is_ascii_whitespace() && !matches!(**byte, 0xef | 0xbb | 0xbf);
    match file.bytes.iter().find(blank) {
        Some(b'{') if is_ndjson(file) => lines(intake, file),
        Some(b'{' | b'[') => vec![fhir(
            intake,
            file,
            file.name.to_owned(),
            file.bytes,
            FhirFormat::Json,
        )],
        Some(b'<') => vec![fhir(
            intake,
            file,
            file.name.to_owned(),
            file.bytes,
            FhirFormat::Xml,
        )],
        _ => messages(intake, file),
    }
}

fn is_ndjson(file: &FileDelivery<'_>) -> bool {
    let ending = file.name.rsplit('.').next().unwrap_or_default();
    ending.eq_ignore_ascii_case("ndjson") || ending.eq_ignore_ascii_case("jsonl")
}

fn lines(intake: &Intake, file: &FileDelivery<'_>) -> Vec<FileResult> {
    file.bytes
        .split(|byte| *byte == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(number, line)| {
            let place = format!("{} line {}", file.name, number + 1);
            fhir(intake, file, place, line, FhirFormat::Json)
        })
        .collect()
}

/// A resource alone is posted to its type, a Bundle to the base. Which of the two is found without
/// reading the whole: a wrong guess is answered by name.
fn fhir(
    intake: &Intake,
    file: &FileDelivery<'_>,
    place: String,
    body: &[u8],
    format: FhirFormat,
) -> FileResult {
    let answer = super::fhir::receive_file(
        &intake.parts,
        &FhirDelivery {
            client: file.feed,
            source: file.source,
            method: FhirMethod::Post,
            path: "",
            body,
            format,
            request_id: None,
        },
    );
    FileResult {
        place,
        outcome: answer.outcome,
        reasons: answer.reasons,
    }
}

fn messages(intake: &Intake, file: &FileDelivery<'_>) -> Vec<FileResult> {
    let messages = split_messages(file.bytes);
    let several = messages.len() > 1;
    let senders = Senders {
        assumed: Some(
            file.senders
                .assumed
                .clone()
                .unwrap_or_else(|| file.source.clone()),
        ),
        ..file.senders.clone()
    };
    messages
        .into_iter()
        .enumerate()
        .map(|(number, bytes)| {
            let answer = super::v2::receive_file(
                &intake.parts,
                &V2Delivery {
                    feed: file.feed,
                    peer: None,
                    bytes,
                    senders: &senders,
                },
            );
            FileResult {
                place: if several {
                    format!("{} message {}", file.name, number + 1)
                } else {
                    file.name.to_owned()
                },
                outcome: answer.outcome,
                reasons: answer.reasons,
            }
        })
        .collect()
}
