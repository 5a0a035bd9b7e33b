//! What to ask for: addresses made out of what the server itself answers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::wire::{Connection, Target};

/// Paths after the base.
#[derive(Default)]
pub struct Sample {
    pub reads: Vec<String>,
    pub codes: Vec<String>,
    pub conditions: Vec<String>,
    pub identifiers: Vec<String>,
    pub families: Vec<String>,
    pub includes: Vec<String>,
    pub population: Vec<String>,
    pub everything: Vec<String>,
}

/// The most Patients to walk over.
const WALKED: usize = 10_000;

/// How many resources a page of everybody's results holds. Codes that fill no page are not asked for, so that
/// a page weighs the same in a small store as in a large one.
const PAGE: usize = 50;

/// Walks the Patients a page at a time and takes so many of them, evenly spread, then one page of Observations
/// of some of those.
pub fn sample(target: &Target, people: usize, with_results: usize) -> anyhow::Result<Sample> {
    let mut connection = Connection::open(target)?;
    let mut patients: Vec<Value> = Vec::new();
    let mut next = Some(format!("{}/Patient?_count=100", target.root));
    while let Some(address) = next.take().filter(|_| patients.len() < WALKED) {
        let page = json(&mut connection, &address)?;
        patients.extend(resources(&page, "Patient").cloned());
        next = link(&page, "next");
    }
    let step = (patients.len() / people.max(1)).max(1);
    let patients: Vec<Value> = patients.into_iter().step_by(step).take(people).collect();
    let mut sample = Sample::default();
    for patient in &patients {
        let id = patient["id"].as_str().unwrap_or_default();
        sample.reads.push(format!("/Patient/{id}"));
        sample.everything.push(format!("/Patient/{id}/$everything"));
        sample.conditions.push(format!("/Condition?patient={id}"));
        sample.includes.push(format!(
            "/Encounter?patient={id}&_include=Encounter:service-provider&_count=20"
        ));
        if let Some(family) = patient["name"][0]["family"].as_str() {
            sample
                .families
                .push(format!("/Patient?family={}", escaped(family)));
        }
        let identifier = &patient["identifier"][0];
        if let (Some(system), Some(value)) =
            (identifier["system"].as_str(), identifier["value"].as_str())
        {
            sample.identifiers.push(format!(
                "/Patient?identifier={}",
                escaped(&format!("{system}|{value}"))
            ));
        }
    }
    let mut codes = BTreeSet::new();
    let apart = (patients.len() / with_results.max(1)).max(1);
    for patient in patients.iter().step_by(apart).take(with_results) {
        let id = patient["id"].as_str().unwrap_or_default();
        let address = format!("{}/Observation?patient={id}&_count=50", target.root);
        let page = json(&mut connection, &address)?;
        let mut own = BTreeSet::new();
        for result in resources(&page, "Observation") {
            let result_id = result["id"].as_str().unwrap_or_default();
            sample.reads.push(format!("/Observation/{result_id}"));
            let coding = &result["code"]["coding"][0];
            if let (Some(system), Some(code)) = (coding["system"].as_str(), coding["code"].as_str())
            {
                let code = escaped(&format!("{system}|{code}"));
                if own.insert(code.clone()) {
                    sample
                        .codes
                        .push(format!("/Observation?patient={id}&code={code}"));
                }
                codes.insert(code);
            }
        }
    }
    for code in codes {
        let page = format!("/Observation?code={code}&_sort=-date&_count={PAGE}");
        let address = format!("{}{page}", target.root);
        let found = json(&mut connection, &address)?;
        if resources(&found, "Observation").count() == PAGE {
            sample.population.push(page);
        }
    }
    Ok(sample)
}

fn json(connection: &mut Connection<'_>, address: &str) -> anyhow::Result<Value> {
    let answer = connection.get(address)?;
    if answer.status != 200 {
        let said = String::from_utf8_lossy(&answer.body);
        anyhow::bail!("{address} was answered {}: {:.300}", answer.status, said);
    }
    Ok(serde_json::from_slice(&answer.body)?)
}

fn resources<'v>(page: &'v Value, kind: &'static str) -> impl Iterator<Item = &'v Value> {
    let entries = page["entry"].as_array().into_iter().flatten();
    entries
        .map(|entry| &entry["resource"])
        .filter(move |resource| resource["resourceType"] == kind)
}

fn link(page: &Value, relation: &str) -> Option<String> {
    let mut links = page["link"].as_array()?.iter();
    let found = links.find(|link| link["relation"] == relation)?;
    found["url"].as_str().map(str::to_owned)
}

/// Every byte that has a meaning in an address is escaped.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
