//! Results and observations: values as sent, never converted, joined or recalculated.
//!
//! Source: the screen design, C12; CUI graphs and tables; hazards H11 to H14 and H16. Across the
//! page time runs from left to right, down the page newest first.

use std::collections::BTreeMap;

use serde::Serialize;

use super::chart::{self, Chart, ChartPoint, Spark};
use super::input::{Input, Seen};
use super::item::Item;
use super::read::{self, Quantity};
use super::request::{Filter, ResultsView as Arrangement};
use super::when::When;
use crate::fhir::{Json, ResourceType};
use crate::vocabulary::base32_encode;

/// How many earlier values the table shows beside the latest.
const EARLIER: usize = 4;

/// One value of one test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Value {
    /// Where it came from.
    pub seen: Seen,
    /// When the sample was taken or the observation made, with the time where one was sent.
    pub taken: Option<When>,
    /// The value without its unit, digits as sent: `5.9`, `less than 5`, `120/80`, `Positive`.
    pub value: String,
    /// The unit as sent; empty where there is none.
    pub unit: String,
    /// High, Low, Critical high, Abnormal …, as the laboratory sent it.
    pub flag: Option<String>,
    /// The flag says the value is out of its range.
    pub out_of_range: bool,
    /// The reference range with who it applies to.
    pub range: Option<String>,
    /// Provisional, Amended, Cancelled, Entered in error; `None` when final.
    pub status: Option<String>,
    /// Comments as sent.
    pub comments: Vec<String>,
    /// The sample, where named.
    pub sample: Option<String>,
    /// Who reported it.
    pub by: Option<String>,
    /// The name of the test.
    #[serde(skip)]
    pub(super) test: String,
    #[serde(skip)]
    pub(super) place: Option<f64>,
    #[serde(skip)]
    pub(super) low_high: (Option<f64>, Option<f64>),
    #[serde(skip)]
    pub(super) taken_ms: i64,
}

/// One test: its latest value, what came before, the trend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestRow {
    /// The last part of its page's address.
    pub test: String,
    /// Its name as sent.
    pub name: String,
    /// Its unit as sent.
    pub unit: String,
    /// The latest value.
    pub latest: Value,
    /// Up to four values before it, oldest first.
    pub earlier: Vec<Value>,
    /// The trend, where there are two numbers or more.
    pub spark: Option<Spark>,
    /// Sources, each once.
    pub sources: Vec<String>,
}

/// Tests of one group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// Its code in a filter.
    pub code: &'static str,
    /// Its title.
    pub title: &'static str,
    /// The time span of every trend of the table: "12 months".
    pub span: String,
    /// Its rows, by name.
    pub rows: Vec<TestRow>,
}

/// A report in the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReportRow {
    /// Where it came from.
    pub seen: Seen,
    /// Its title.
    pub title: String,
    /// Its kind.
    pub kind: Option<String>,
    /// Author or laboratory.
    pub by: Option<String>,
    /// Final, Provisional …
    pub status: Option<String>,
}

/// The results page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResultsPage {
    /// Which arrangement is selected.
    pub view: Arrangement,
    /// By test.
    pub groups: Vec<Group>,
    /// By date: test name and value, newest first.
    pub values: Vec<(String, Value)>,
    /// Reports.
    pub reports: Vec<ReportRow>,
    /// How many rows are shown.
    pub shown: usize,
    /// How many there are without the filter.
    pub of: usize,
    /// The page, from 1, and how many there are.
    pub page: usize,
    /// How many pages there are.
    pub pages: usize,
    /// Cancelled or entered in error.
    pub withdrawn: Vec<(String, Value)>,
    /// Observations whose name could not be read (S8).
    pub unreadable: usize,
}

/// One test over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestPage {
    /// Its name as sent.
    pub name: String,
    /// One for each unit or method: they are never joined.
    pub series: Vec<Series>,
}

/// One test in one unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// The unit as sent.
    pub unit: String,
    /// The latest value, shown large.
    pub latest: Value,
    /// The one before it.
    pub previous: Option<Value>,
    /// The chart, where there are two numbers or more.
    pub chart: Option<Chart>,
    /// Every value, newest first.
    pub values: Vec<Value>,
}

/// Arranges the observations and reports that were loaded.
pub(super) fn arrange(input: &Input, view: Arrangement, filter: &Filter) -> ResultsPage {
    let (values, unreadable) = values(input);
    let (withdrawn, good): (Vec<_>, Vec<_>) =
        values.into_iter().partition(|value| value.seen.withdrawn);
    let of_good = good.len();
    let kept: Vec<Value> = good
        .into_iter()
        .filter(|value| passes(value, filter, input))
        .collect();
    let named = |values: Vec<Value>| values.into_iter().map(|v| (v.test.clone(), v)).collect();
    let mut page = ResultsPage {
        view,
        groups: Vec::new(),
        values: Vec::new(),
        reports: Vec::new(),
        shown: kept.len(),
        of: of_good,
        page: filter.page.max(1),
        pages: 1,
        withdrawn: named(withdrawn),
        unreadable,
    };
    let rows = super::wanted::PAGE_ROWS;
    match view {
        Arrangement::ByTest => {
            page.groups = groups(kept, input);
            page.groups
                .retain(|g| filter.group.as_deref().is_none_or(|code| g.code == code));
        }
        Arrangement::ByDate => {
            let held = input.headers_of_type(ResourceType::OBSERVATION);
            page.of = if filter.is_on() { of_good } else { held };
            page.pages = if filter.is_on() {
                1
            } else {
                held.div_ceil(rows).max(1)
            };
            let mut sorted = kept;
            sorted.sort_by_key(|value| std::cmp::Reverse(value.taken_ms));
            page.values = named(sorted);
        }
        Arrangement::Reports => {
            page.of = input.headers_of_type(ResourceType::DIAGNOSTIC_REPORT);
            page.pages = page.of.div_ceil(rows).max(1);
            page.reports = reports(input, filter);
            page.shown = page.reports.len();
        }
    }
    page
}

fn passes(value: &Value, filter: &Filter, input: &Input) -> bool {
    let from = filter
        .months
        .map(|months| input.now.as_millisecond() - i64::from(months) * 30 * 24 * 60 * 60 * 1000);
    (!filter.out_of_range || value.out_of_range)
        && (!filter.new_only || value.seen.new)
        && from.is_none_or(|from| value.taken_ms >= from)
        && filter
            .source
            .as_ref()
            .is_none_or(|s| value.seen.source == input.short_name(s))
}

/// Every value that was loaded, and how many could not be read.
pub(super) fn values(input: &Input) -> (Vec<Value>, usize) {
    let mut unreadable = 0;
    let values = input
        .of_type(ResourceType::OBSERVATION)
        .filter_map(|item| {
            let value = read_value(item, input);
            unreadable += usize::from(value.is_none());
            value
        })
        .collect();
    (values, unreadable)
}

fn read_value(item: &Item, input: &Input) -> Option<Value> {
    let body = &item.body;
    let test = read::concept_at(body, "code")?;
    let (value, unit, place) = value_words(body);
    let taken = read::when_at(
        body,
        &[
            "effectiveDateTime",
            "effectivePeriod",
            "effectiveInstant",
            "issued",
        ],
    );
    let flags: Vec<&Json> = body.elements("interpretation").iter().collect();
    let flag = flags.first().and_then(|flag| flag_words(flag));
    let range = body.path(&["referenceRange"]);
    let limit = |name: &str| {
        range
            .and_then(|range| range.get(name))
            .and_then(Quantity::read)
            .and_then(|q| q.place())
    };
    Some(Value {
        out_of_range: flags.iter().any(|flag| {
            read::has_code(
                flag,
                &[
                    "H", "HH", "HU", "L", "LL", "LU", "A", "AA", "POS", "R", "<", ">",
                ],
            )
        }),
        flag,
        range: range.and_then(range_words),
        status: status_words(body),
        comments: read::notes(body),
        sample: body.get("specimen").and_then(read::reference_words),
        by: read::who(body, &["performer"]),
        taken_ms: taken.as_ref().map_or_else(
            || {
                item.header
                    .clinical_at
                    .unwrap_or(item.header.received_at)
                    .as_millisecond()
            },
            |when| when.sort_ms,
        ),
        low_high: (limit("low"), limit("high")),
        seen: input.seen(&item.header),
        taken,
        value,
        unit,
        place,
        test,
    })
}

/// The value without its unit, the unit, and the place on a chart.
fn value_words(body: &Json) -> (String, String, Option<f64>) {
    if let Some(quantity) = body.get("valueQuantity").and_then(Quantity::read) {
        let place = quantity.place();
        return (quantity.amount(), quantity.unit, place);
    }
    if let Some(words) = plain_value(body) {
        return (words, String::new(), None);
    }
    let components = body.elements("component");
    if let Some(pressure) = blood_pressure(components) {
        return pressure;
    }
    let parts: Vec<String> = components
        .iter()
        .filter_map(|part| {
            let name = read::concept_at(part, "code")?;
            let value = part
                .get("valueQuantity")
                .and_then(Quantity::read)
                .map(|quantity| quantity.words())
                .or_else(|| plain_value(part))?;
            Some(format!("{name} {value}"))
        })
        .collect();
    if !parts.is_empty() {
        return (parts.join(", "), String::new(), None);
    }
    let reason = read::concept_at(body, "dataAbsentReason");
    (
        reason.unwrap_or_else(|| "No value sent".to_owned()),
        String::new(),
        None,
    )
}

fn plain_value(body: &Json) -> Option<String> {
    let text = |name: &str| body.text_at(&[name]).map(str::to_owned);
    let range = |limit: &str| {
        body.path(&["valueRange", limit])
            .and_then(Quantity::read)
            .map(|q| q.words())
    };
    text("valueString")
        .or_else(|| read::concept_at(body, "valueCodeableConcept"))
        .or_else(|| {
            body.get("valueInteger")
                .and_then(Json::as_number)
                .map(super::words::number)
        })
        .or_else(|| {
            body.get("valueBoolean")
                .and_then(Json::as_bool)
                .map(|yes| if yes { "Yes" } else { "No" }.to_owned())
        })
        .or_else(|| {
            text("valueDateTime")
                .and_then(|t| When::fhir(&t))
                .map(|when| when.short)
        })
        .or_else(|| text("valueTime"))
        .or_else(|| Some(format!("{} to {}", range("low")?, range("high")?)))
        .or_else(|| {
            let ratio = body.get("valueRatio")?;
            let part = |name: &str| ratio.get(name).and_then(Quantity::read).map(|q| q.words());
            Some(format!(
                "{} to {}",
                part("numerator")?,
                part("denominator")?
            ))
        })
}

/// `120/80` with its unit, from the two components of a blood pressure.
///
/// Source: LOINC 8480-6 and 8462-4; SNOMED CT 72313002, 271649006 and 1091811000000102, 271650006.
fn blood_pressure(components: &[Json]) -> Option<(String, String, Option<f64>)> {
    let part = |codes: &[&str]| {
        components
            .iter()
            .find(|part| read::has_code_at(part, "code", codes))
            .and_then(|part| part.get("valueQuantity"))
            .and_then(Quantity::read)
    };
    let systolic = part(&["8480-6", "72313002", "271649006"])?;
    let diastolic = part(&["8462-4", "1091811000000102", "271650006"])?;
    let place = systolic.place();
    Some((
        format!("{}/{}", systolic.amount(), diastolic.amount()),
        systolic.unit,
        place,
    ))
}

/// The laboratory's flag in words. Source: HL7 v3 ObservationInterpretation.
fn flag_words(flag: &Json) -> Option<String> {
    let code = flag.path(&["coding", "code"]).and_then(Json::as_text);
    let known = match code {
        Some("H" | "HU" | ">") => Some("High"),
        Some("L" | "LU" | "<") => Some("Low"),
        Some("HH") => Some("Critical high"),
        Some("LL") => Some("Critical low"),
        Some("A") => Some("Abnormal"),
        Some("AA") => Some("Critical abnormal"),
        Some("N") => Some("Normal"),
        Some("POS") => Some("Positive"),
        Some("NEG") => Some("Negative"),
        Some("R") => Some("Resistant"),
        Some("S") => Some("Susceptible"),
        Some("I") => Some("Intermediate"),
        _ => None,
    };
    known.map(str::to_owned).or_else(|| read::concept(flag))
}

fn range_words(range: &Json) -> Option<String> {
    let limit = |name: &str| range.get(name).and_then(Quantity::read);
    let words = match (limit("low"), limit("high")) {
        (Some(low), Some(high)) => format!("{} to {}", low.amount(), high.amount()),
        (Some(low), None) => format!("{} or more", low.amount()),
        (None, Some(high)) => format!("{} or less", high.amount()),
        (None, None) => range.text_at(&["text"])?.to_owned(),
    };
    Some(match read::concept_at(range, "appliesTo") {
        Some(whom) => format!("{words}, {whom}"),
        None => words,
    })
}

/// What the page says beside a value that is not simply final.
fn status_words(body: &Json) -> Option<String> {
    Some(match body.text_at(&["status"])? {
        "final" => return None,
        "preliminary" | "registered" => "Provisional".to_owned(),
        "amended" | "corrected" => "Amended".to_owned(),
        other => read::words_of_code(other),
    })
}

const GROUPS: [(&str, &str); 6] = [
    ("blood", "Blood and other laboratory tests"),
    ("microbiology", "Microbiology"),
    ("imaging", "Imaging"),
    ("pathology", "Pathology"),
    ("heart-and-lung", "Heart and lung tests"),
    ("observations", "Observations"),
];

fn group_of(item: &Item) -> usize {
    let has = |codes: &[&str]| read::has_code_at(&item.body, "category", codes);
    if has(&["MB", "microbiology", "408454008", "VR", "SR"]) {
        1
    } else if has(&["imaging", "RAD", "394914008", "CT", "XRC", "NMR", "RUS"]) {
        2
    } else if has(&["SP", "PAT", "CP", "CH-PATH", "394915009"]) {
        3
    } else if has(&["EC", "procedure", "PF", "CUS"]) {
        4
    } else if has(&[
        "vital-signs",
        "survey",
        "exam",
        "social-history",
        "activity",
    ]) {
        5
    } else {
        0
    }
}

fn groups(values: Vec<Value>, input: &Input) -> Vec<Group> {
    let place_of: BTreeMap<String, (usize, u64)> = input
        .of_type(ResourceType::OBSERVATION)
        .map(|item| {
            (
                item.header.item.to_string(),
                (group_of(item), item.header.code_key),
            )
        })
        .collect();
    let mut grouped: Vec<BTreeMap<(String, u64, String), Vec<Value>>> =
        GROUPS.iter().map(|_| BTreeMap::new()).collect();
    for value in values {
        let (group, key) = place_of.get(&value.seen.item).copied().unwrap_or_default();
        if let Some(rows) = grouped.get_mut(group) {
            rows.entry((value.test.to_lowercase(), key, value.unit.clone()))
                .or_default()
                .push(value);
        }
    }
    GROUPS
        .iter()
        .zip(grouped)
        .filter(|(_, rows)| !rows.is_empty())
        .map(|((code, title), rows)| {
            let from = rows
                .values()
                .flatten()
                .map(|value| value.taken_ms)
                .min()
                .unwrap_or_default();
            let to = input.now.as_millisecond();
            Group {
                code,
                title,
                span: chart::span_words(from, to),
                rows: rows
                    .into_iter()
                    .filter_map(|((_, key, unit), values)| test_row(key, unit, values, from, to))
                    .collect(),
            }
        })
        .collect()
}

fn test_row(key: u64, unit: String, mut values: Vec<Value>, from: i64, to: i64) -> Option<TestRow> {
    values.sort_by_key(|value| value.taken_ms);
    let spark = chart::spark(&points(&values), (from, to), &spark_words(&values));
    let latest = values.pop()?;
    let mut sources: Vec<String> = Vec::new();
    for value in values.iter().chain([&latest]) {
        if !sources.contains(&value.seen.source) {
            sources.push(value.seen.source.clone());
        }
    }
    let first_shown = values.len().saturating_sub(EARLIER);
    Some(TestRow {
        test: base32_encode(key),
        name: latest.test.clone(),
        unit,
        earlier: values.split_off(first_shown),
        latest,
        spark,
        sources,
    })
}

fn points(oldest_first: &[Value]) -> Vec<ChartPoint> {
    oldest_first
        .iter()
        .filter_map(|value| {
            Some(ChartPoint {
                at_ms: value.taken_ms,
                value: value.place?,
                out_of_range: value.out_of_range,
                low: value.low_high.0,
                high: value.low_high.1,
                label: value.value.clone(),
                date: value
                    .taken
                    .as_ref()
                    .map(|when| when.short.clone())
                    .unwrap_or_default(),
            })
        })
        .collect()
}

/// "6 results from 03-Jan-2026 to 02-Oct-2026, lowest 4.1, highest 6.2, latest 5.9 High".
fn spark_words(oldest_first: &[Value]) -> String {
    let numbers: Vec<&Value> = oldest_first
        .iter()
        .filter(|value| value.place.is_some())
        .collect();
    let (Some(first), Some(latest)) = (numbers.first(), numbers.last()) else {
        return String::new();
    };
    let by = |a: &&&Value, b: &&&Value| {
        a.place
            .partial_cmp(&b.place)
            .unwrap_or(std::cmp::Ordering::Equal)
    };
    let lowest = numbers
        .iter()
        .min_by(by)
        .map(|value| value.value.as_str())
        .unwrap_or_default();
    let highest = numbers
        .iter()
        .max_by(by)
        .map(|value| value.value.as_str())
        .unwrap_or_default();
    let day = |value: &Value| {
        value.taken.clone().map_or_else(
            || "a date not recorded".to_owned(),
            |when| when.date_only().short,
        )
    };
    let flag = latest
        .flag
        .as_ref()
        .map(|flag| format!(" {flag}"))
        .unwrap_or_default();
    format!(
        "{} from {} to {}, lowest {lowest}, highest {highest}, latest {}{flag}",
        super::words::count(numbers.len(), "result", "results"),
        day(first),
        day(latest),
        latest.value
    )
}

fn reports(input: &Input, filter: &Filter) -> Vec<ReportRow> {
    let mut rows: Vec<ReportRow> = input
        .of_type(ResourceType::DIAGNOSTIC_REPORT)
        .filter(|item| {
            filter
                .source
                .as_ref()
                .is_none_or(|source| item.header.source == *source)
        })
        .map(|item| ReportRow {
            seen: input.seen(&item.header),
            title: read::concept_at(&item.body, "code").unwrap_or_else(|| "Report".to_owned()),
            kind: read::concept_at(&item.body, "category"),
            by: read::who(&item.body, &["resultsInterpreter", "performer"]),
            status: item
                .body
                .text_at(&["status"])
                .map(|sent| status_words(&item.body).unwrap_or_else(|| read::words_of_code(sent))),
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.seen.sort_ms));
    rows
}

/// One test over time; `None` when no value of it was loaded.
pub(super) fn test_page(input: &Input, code_key: u64) -> Option<TestPage> {
    let of_test = |value: &Value| {
        input.of_type(ResourceType::OBSERVATION).any(|item| {
            item.header.code_key == code_key && item.header.item.to_string() == value.seen.item
        })
    };
    let mut by_unit: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for value in values(input).0.into_iter().filter(of_test) {
        by_unit.entry(value.unit.clone()).or_default().push(value);
    }
    let mut series: Vec<Series> = by_unit
        .into_iter()
        .filter_map(|(unit, values)| one_series(unit, values))
        .collect();
    series.sort_by_key(|series| std::cmp::Reverse(series.latest.taken_ms));
    Some(TestPage {
        name: series.first()?.latest.test.clone(),
        series,
    })
}

fn one_series(unit: String, mut values: Vec<Value>) -> Option<Series> {
    values.sort_by_key(|value| value.taken_ms);
    let standing: Vec<Value> = values
        .iter()
        .filter(|value| !value.seen.withdrawn)
        .cloned()
        .collect();
    let chart = chart::chart(&points(&standing), &unit, &spark_words(&standing));
    values.reverse();
    let mut newest = standing.into_iter().rev();
    let latest = newest.next().or_else(|| values.first().cloned())?;
    Some(Series {
        unit,
        latest,
        previous: newest.next(),
        chart,
        values,
    })
}

/// The newest tests for the summary: at most `tests` rows, newest value first.
pub(super) fn newest_tests(input: &Input, tests: usize) -> Vec<TestRow> {
    let good = values(input)
        .0
        .into_iter()
        .filter(|value| !value.seen.withdrawn)
        .collect();
    let mut rows: Vec<TestRow> = groups(good, input)
        .into_iter()
        .flat_map(|group| group.rows)
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.latest.taken_ms));
    rows.truncate(tests);
    rows
}

/// The value of an observation and its unit in one text, for titles of lists.
pub(super) fn value_line(body: &Json) -> String {
    let (value, unit, _) = value_words(body);
    if unit.is_empty() {
        value
    } else {
        format!("{value} {unit}")
    }
}
