//! Which features of search and of what stands beside it the requests had: a table, so that a feature
//! nobody asked for is seen.

use std::collections::BTreeMap;

use super::compare::Both;
use super::grammar::Request;

/// What can be asked for, in the order of the table. A feature without a request is told as missing.
const FEATURES: &[&str] = &[
    "search of a type",
    "POST _search",
    "search of the system",
    "search in a compartment",
    "next page",
    "prefix eq ne",
    "prefix gt ge lt le",
    "prefix sa eb ap",
    "several values",
    ":exact",
    ":contains",
    ":missing",
    ":not",
    ":text",
    ":identifier",
    ":of-type",
    ":in :not-in",
    ":above :below",
    ":Type",
    "composite",
    "near",
    "_id",
    "_lastUpdated",
    "_tag _profile _security _source",
    "_list",
    "_text",
    "_content",
    "chain of 1",
    "chain of 2",
    "chain of 3",
    "_has of 1",
    "_has of 2",
    "_has of 3",
    "chain and _has together",
    "_include",
    "_include=*",
    "_include:iterate",
    "_revinclude",
    "_revinclude:iterate",
    "_sort",
    "_sort on several keys",
    "_count",
    "_total=accurate",
    "_total=estimate",
    "_total=none",
    "_summary=true",
    "_summary=text",
    "_summary=data",
    "_summary=count",
    "_elements",
    "_pretty",
    "XML",
    "Prefer strict",
    "Prefer lenient",
    "unknown parameter",
    "read",
    "HEAD",
    "vread",
    "If-None-Match",
    "If-Modified-Since",
    "history of an item",
    "history of a type",
    "history of the system",
    "history _since",
    "history _at",
    "$everything",
    "$summary",
    "$lastn",
    "$match",
    "$meta",
    "$diff",
    "$run",
    "batch",
    "transaction of reads",
];

/// Of sources only.
const OF_SOURCES: &[&str] = &[
    "$export of the system",
    "$export of patients",
    "$export of a group",
    "$export _since",
    "$export _elements",
    "$export _typeFilter",
    "update",
    "update of another's",
    "patch",
    "patch by FHIRPath",
    "delete",
    "delete of another's",
    "conditional create",
    "conditional update",
    "conditional patch",
    "conditional delete",
    "If-Match",
    "transaction of writes",
    "Subscription $status",
    "Subscription $events",
];

/// How often each was asked, and how often the answer held a resource.
#[derive(Default)]
pub struct Coverage(BTreeMap<&'static str, (usize, usize)>);

impl Coverage {
    /// Counts a request.
    pub fn note(&mut self, request: &Request, both: &Both, holds: bool) {
        let ok = both.with.status < 300;
        for feature in features(request) {
            let count = self.0.entry(feature).or_default();
            count.0 += 1;
            count.1 += usize::from(ok && holds);
        }
    }

    /// Counts a page that was followed.
    pub fn note_page(&mut self, holds: bool) {
        let count = self.0.entry("next page").or_default();
        count.0 += 1;
        count.1 += usize::from(holds);
    }

    /// Prints the table; gives what was never asked for.
    pub fn print(&self, with_sources: bool) -> Vec<&'static str> {
        let of_sources = if with_sources { OF_SOURCES } else { &[] };
        let all: Vec<&str> = FEATURES.iter().chain(of_sources).copied().collect();
        println!(
            "\n{:36} {:>8} {:>12}",
            "feature", "requests", "held something"
        );
        for feature in &all {
            let (asked, held) = self.0.get(feature).copied().unwrap_or_default();
            println!("{feature:36} {asked:>8} {held:>12}");
        }
        let missing = all.into_iter().filter(|one| !self.0.contains_key(one));
        missing.collect()
    }
}

fn features(request: &Request) -> Vec<&'static str> {
    let mut found = of_template(request);
    for (name, value) in &request.headers {
        found.extend(of_header(name, value));
    }
    let is_search = matches!(
        request.template,
        "search" | "posted search" | "compartment" | "system search"
    );
    for (name, value) in &request.parameters {
        found.extend(of_result(name, value));
        if is_search {
            of_criterion(name, value, &mut found);
        }
        if request.template == "$export" {
            found.extend(match &**name {
                "_since" => Some("$export _since"),
                "_elements" => Some("$export _elements"),
                "_typeFilter" => Some("$export _typeFilter"),
                _ => None,
            });
        }
        if request.template.ends_with("history") {
            found.extend(match &**name {
                "_since" => Some("history _since"),
                "_at" => Some("history _at"),
                _ => None,
            });
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn of_template(request: &Request) -> Vec<&'static str> {
    let path = &*request.path;
    let body = request.body.as_deref().unwrap_or_default();
    vec![match request.template {
        "search" => "search of a type",
        "posted search" => "POST _search",
        "system search" => "search of the system",
        "compartment" => "search in a compartment",
        "read" if request.method == "HEAD" => "HEAD",
        "history" => "history of an item",
        "type history" => "history of a type",
        "system history" => "history of the system",
        "batch" if body.contains("\"transaction\"") => "transaction of reads",
        "$export" if path.starts_with("Group") => "$export of a group",
        "$export" if path.starts_with("Patient") => "$export of patients",
        "$export" => "$export of the system",
        "writing transaction" => "transaction of writes",
        other => other,
    }]
}

fn of_header(name: &str, value: &str) -> Option<&'static str> {
    Some(match (name, value) {
        ("prefer", "handling=strict") => "Prefer strict",
        ("prefer", "handling=lenient") => "Prefer lenient",
        ("accept", "application/fhir+xml") => "XML",
        ("if-none-match", _) => "If-None-Match",
        ("if-modified-since", _) => "If-Modified-Since",
        ("if-match", _) => "If-Match",
        _ => return None,
    })
}

fn of_result(name: &str, value: &str) -> Option<&'static str> {
    Some(match (name, value) {
        ("_count", _) => "_count",
        ("_total", "accurate") => "_total=accurate",
        ("_total", "estimate") => "_total=estimate",
        ("_total", _) => "_total=none",
        ("_summary", "true") => "_summary=true",
        ("_summary", "text") => "_summary=text",
        ("_summary", "data") => "_summary=data",
        ("_summary", "count") => "_summary=count",
        ("_elements", _) => "_elements",
        ("_pretty", _) => "_pretty",
        ("_format", value) if value.contains("xml") => "XML",
        ("_sort", value) if value.contains(',') => "_sort on several keys",
        ("_sort", _) => "_sort",
        ("_include", "*") => "_include=*",
        ("_include", _) => "_include",
        ("_include:iterate", _) => "_include:iterate",
        ("_revinclude", _) => "_revinclude",
        ("_revinclude:iterate", _) => "_revinclude:iterate",
        _ => return None,
    })
}

fn of_criterion(name: &str, value: &str, found: &mut Vec<&'static str>) {
    let backwards = name.matches("_has:").count();
    let forwards = name.split("_has:").map(|part| part.matches('.').count());
    let forwards: usize = forwards.sum();
    found.extend(match (forwards, backwards) {
        (0, 0) => None,
        (1, 0) => Some("chain of 1"),
        (2, 0) => Some("chain of 2"),
        (_, 0) => Some("chain of 3"),
        (0, 1) => Some("_has of 1"),
        (0, 2) => Some("_has of 2"),
        (0, _) => Some("_has of 3"),
        _ => Some("chain and _has together"),
    });
    let last = name.rsplit(['.']).next().unwrap_or(name);
    // What follows the last `_has:` is a type, a link, and then the parameter.
    let last = match last.rsplit_once("_has:") {
        Some((_, rest)) => rest.splitn(3, ':').nth(2).unwrap_or(rest),
        None => last,
    };
    let (code, modifier) = last.split_once(':').unwrap_or((last, ""));
    found.extend(match code {
        "_id" => Some("_id"),
        "_lastUpdated" => Some("_lastUpdated"),
        "_tag" | "_profile" | "_security" | "_source" => Some("_tag _profile _security _source"),
        "_list" => Some("_list"),
        "_text" => Some("_text"),
        "_content" => Some("_content"),
        "near" => Some("near"),
        "not-a-parameter" => Some("unknown parameter"),
        _ => None,
    });
    found.extend(match modifier {
        "exact" => Some(":exact"),
        "contains" => Some(":contains"),
        "missing" => Some(":missing"),
        "not" => Some(":not"),
        "text" => Some(":text"),
        "identifier" => Some(":identifier"),
        "of-type" => Some(":of-type"),
        "in" | "not-in" => Some(":in :not-in"),
        "above" | "below" => Some(":above :below"),
        other if other.starts_with(char::is_uppercase) => Some(":Type"),
        _ => None,
    });
    if value.contains('$') {
        found.push("composite");
    }
    if value.contains(',') {
        found.push("several values");
    }
    let after = value.get(2..).unwrap_or_default();
    if after.starts_with(|letter: char| letter.is_ascii_digit() || letter == '-') {
        found.extend(match &value[..2] {
            "eq" | "ne" => Some("prefix eq ne"),
            "gt" | "ge" | "lt" | "le" => Some("prefix gt ge lt le"),
            "sa" | "eb" | "ap" => Some("prefix sa eb ap"),
            _ => None,
        });
    }
}
