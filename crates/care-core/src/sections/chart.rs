//! Where the marks of a trend and a chart stand. Time to scale, straight lines, every point visible.
//!
//! Source: CUI graphs and tables. Places are for drawing only; the page always shows the number.

use serde::Serialize;

/// A value to draw.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChartPoint {
    pub at_ms: i64,
    pub value: f64,
    pub out_of_range: bool,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub label: String,
    pub date: String,
}

/// A mark at its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dot {
    /// From the left.
    pub x: String,
    /// From the top.
    pub y: String,
    /// Out of range: drawn filled.
    pub out: bool,
    /// The value as sent.
    pub label: String,
    /// When.
    pub date: String,
}

/// A band between two heights: the reference range.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Band {
    /// From the top.
    pub y: String,
    /// How high.
    pub height: String,
}

/// A small trend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spark {
    /// The `points` of a polyline.
    pub line: String,
    /// The marks.
    pub dots: Vec<Dot>,
    /// The reference range of the latest value.
    pub band: Option<Band>,
    /// What a screen reader says.
    pub words: String,
}

/// A chart with its axes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    /// The `points` of a polyline.
    pub line: String,
    /// The marks.
    pub dots: Vec<Dot>,
    /// The reference range of the latest value.
    pub band: Option<Band>,
    /// Labels of the value axis: height and words.
    pub values: Vec<(String, String)>,
    /// Labels of the time axis: place and words.
    pub times: Vec<(String, String)>,
    /// The unit.
    pub unit: String,
    /// What a screen reader says.
    pub words: String,
}

/// Width and height of a spark.
const SPARK: Frame = Frame {
    left: 4.0,
    top: 4.0,
    width: 112.0,
    height: 24.0,
};
/// The drawing field of a chart, inside a view of 720 by 280.
const CHART: Frame = Frame {
    left: 60.0,
    top: 16.0,
    width: 636.0,
    height: 216.0,
};

struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

/// From what to what, on each axis.
struct Scale<'a> {
    frame: &'a Frame,
    time: (i64, i64),
    value: (f64, f64),
}

impl Scale<'_> {
    fn x(&self, at_ms: i64) -> f64 {
        let span = (self.time.1 - self.time.0).max(1) as f64;
        self.frame.left + self.frame.width * ((at_ms - self.time.0) as f64 / span)
    }

    fn y(&self, value: f64) -> f64 {
        let span = self.value.1 - self.value.0;
        let share = if span > 0.0 {
            (value - self.value.0) / span
        } else {
            0.5
        };
        self.frame.top + self.frame.height * (1.0 - share.clamp(0.0, 1.0))
    }

    fn dots(&self, points: &[ChartPoint]) -> Vec<Dot> {
        points
            .iter()
            .map(|point| Dot {
                x: place(self.x(point.at_ms)),
                y: place(self.y(point.value)),
                out: point.out_of_range,
                label: point.label.clone(),
                date: point.date.clone(),
            })
            .collect()
    }

    fn band(&self, points: &[ChartPoint]) -> Option<Band> {
        let latest = points.last()?;
        if latest.low.is_none() && latest.high.is_none() {
            return None;
        }
        let top = self.y(latest.high.unwrap_or(self.value.1));
        let bottom = self.y(latest.low.unwrap_or(self.value.0));
        Some(Band {
            y: place(top),
            height: place((bottom - top).max(0.0)),
        })
    }
}

fn place(at: f64) -> String {
    format!("{at:.1}")
}

fn line(dots: &[Dot]) -> String {
    dots.iter()
        .map(|dot| format!("{},{}", dot.x, dot.y))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The lowest and highest of the values and the latest range, with a little room.
fn extent(points: &[ChartPoint]) -> (f64, f64) {
    let limits = points
        .last()
        .into_iter()
        .flat_map(|point| [point.low, point.high])
        .flatten();
    let (low, high) = points
        .iter()
        .map(|point| point.value)
        .chain(limits)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
            (low.min(v), high.max(v))
        });
    let room = if high > low { (high - low) * 0.08 } else { 1.0 };
    (low - room, high + room)
}

/// A trend of two values or more, within the time span that its whole table shares.
pub(super) fn spark(points: &[ChartPoint], time: (i64, i64), words: &str) -> Option<Spark> {
    if points.len() < 2 {
        return None;
    }
    let scale = Scale {
        frame: &SPARK,
        time,
        value: extent(points),
    };
    let dots = scale.dots(points);
    Some(Spark {
        line: line(&dots),
        band: scale.band(points),
        dots,
        words: words.to_owned(),
    })
}

/// A chart of two values or more, over the time they span.
pub(super) fn chart(points: &[ChartPoint], unit: &str, words: &str) -> Option<Chart> {
    let (first, last) = (points.first()?, points.last()?);
    if points.len() < 2 {
        return None;
    }
    let scale = Scale {
        frame: &CHART,
        time: (first.at_ms, last.at_ms),
        value: extent(points),
    };
    let dots = scale.dots(points);
    Some(Chart {
        line: line(&dots),
        band: scale.band(points),
        values: value_labels(&scale),
        times: time_labels(&scale),
        dots,
        unit: unit.to_owned(),
        words: words.to_owned(),
    })
}

fn value_labels(scale: &Scale) -> Vec<(String, String)> {
    let (low, high) = scale.value;
    let raw = (high - low) / 4.0;
    let magnitude = 10f64.powf(raw.abs().max(f64::MIN_POSITIVE).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|step| *step >= raw)
        .unwrap_or(raw);
    if !step.is_finite() || step <= 0.0 {
        return Vec::new();
    }
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let mut labels = Vec::new();
    let mut value = (low / step).ceil() * step;
    while value <= high && labels.len() < 12 {
        let text = super::words::number(&format!("{value:.decimals$}"));
        labels.push((place(scale.y(value)), text));
        value += step;
    }
    labels
}

fn time_labels(scale: &Scale) -> Vec<(String, String)> {
    let (from, to) = scale.time;
    [0, 1, 2, 3]
        .into_iter()
        .filter_map(|quarter| {
            let at_ms = from + (to - from) / 3 * quarter;
            let at = jiff::Timestamp::from_millisecond(at_ms).ok()?;
            Some((place(scale.x(at_ms)), super::when::When::day(at).short))
        })
        .collect()
}

/// A span of time in words: "12 months", "3 years".
pub(super) fn span_words(from_ms: i64, to_ms: i64) -> String {
    let days = (to_ms - from_ms).max(0) / (24 * 60 * 60 * 1000);
    let count = |number: i64, one: &str| {
        if number == 1 {
            format!("1 {one}")
        } else {
            format!("{number} {one}s")
        }
    };
    match days {
        0..=60 => count(days.max(1), "day"),
        61..=730 => count((days + 15) / 30, "month"),
        _ => count((days + 182) / 365, "year"),
    }
}
