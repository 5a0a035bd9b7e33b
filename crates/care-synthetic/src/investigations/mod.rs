//! Laboratory tests and bedside observations with British units, reference ranges and flags, and
//! the course of a person's values over the years.

mod bedside;
mod catalogue;
mod held;

use crate::clinicians::Clinician;
use crate::dice::Dice;
use crate::v2::{Line, Report, escaped};

pub(crate) use bedside::Bedside;
pub(crate) use catalogue::{Panel, Test, panel};
pub(crate) use held::category;

/// How a person's values run: a lasting offset for each test, and shifts that illness brings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Course {
    /// Makes the lasting offsets: one person, one number.
    pub temper: u64,
    /// (test, how far from usual today, how much that changed in each year).
    pub shifts: Vec<(&'static str, f64, f64)>,
}

impl Course {
    pub fn new(seed: u64, lane: u32) -> Self {
        Self {
            temper: crate::dice::mix(seed ^ u64::from(lane).wrapping_mul(0x5851_F42D_4C95_7F2D)),
            shifts: Vec::new(),
        }
    }

    /// Illness moves a test: by `today`, having grown by `a_year` each year.
    pub fn shift(&mut self, test: &'static str, today: f64, a_year: f64) {
        self.shifts.push((test, today, a_year));
    }

    /// The value of a test this many years before today, written with the test's decimals.
    pub fn value(&self, test: &Test, years_ago: f64, dice: &mut Dice) -> String {
        let mut own = Dice::new(self.temper, test.code);
        let lasting = own.wobble() * 0.5;
        let passing = dice.wobble() * 0.45;
        let shift: f64 = self
            .shifts
            .iter()
            .filter(|(code, _, _)| *code == test.code)
            .map(|(_, today, a_year)| today - a_year * years_ago)
            .sum();
        let value = test.usual + (lasting + passing) * test.spread + shift;
        let least = if test.decimals == 0 { 1.0 } else { 0.1 };
        format!("{:.*}", test.decimals, value.max(least))
    }
}

/// `H`, `L` or nothing.
pub(crate) fn flag(test: &Test, value: &str) -> &'static str {
    let Ok(value) = value.parse::<f64>() else {
        return "";
    };
    if test.high.is_some_and(|high| value > high) {
        "H"
    } else if test.low.is_some_and(|low| value < low) {
        "L"
    } else {
        ""
    }
}

fn bound(test: &Test, value: f64) -> String {
    let text = format!("{:.*}", test.decimals, value);
    // Ranges are printed without a fraction of nought.
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn range(test: &Test) -> String {
    match (test.low, test.high) {
        (Some(low), Some(high)) => format!("{} - {}", bound(test, low), bound(test, high)),
        (Some(low), None) => format!(">{}", bound(test, low)),
        (None, Some(high)) => format!("<{}", bound(test, high)),
        (None, None) => String::new(),
    }
}

fn local_and_snomed(code: &str, name: &str, snomed: &str) -> String {
    if snomed.is_empty() {
        format!("{code}^{}^WHARFLAB", escaped(name))
    } else {
        format!(
            "{code}^{}^WHARFLAB^{snomed}^{}^SCT",
            escaped(name),
            escaped(name)
        )
    }
}

/// A laboratory report of one panel, for ORU^R01.
pub(crate) fn laboratory_report(
    panel: &Panel,
    number: String,
    requester: Clinician,
    course: &Course,
    years_ago: f64,
    dice: &mut Dice,
) -> Report {
    let values = panel_values(panel, course, years_ago, dice);
    let lines = panel
        .tests
        .iter()
        .zip(values)
        .map(|(test, value)| {
            // An eGFR over 90 is reported as a comparison, not as a number.
            let over = test.code == "EGFR" && value.parse::<f64>().is_ok_and(|v| v > 90.0);
            Line {
                kind: if over { "SN" } else { "NM" },
                code: local_and_snomed(test.code, test.name, test.snomed),
                flag: flag(test, &value),
                value: if over { ">^90".to_owned() } else { value },
                unit: test.unit,
                range: range(test),
            }
        })
        .collect();
    Report {
        number,
        code: local_and_snomed(panel.code, panel.name, panel.snomed),
        section: panel.section,
        requester,
        status: "F",
        lines,
        note: None,
    }
}

/// The values of a panel, in the order of its tests; eGFR follows creatinine.
fn panel_values(panel: &Panel, course: &Course, years_ago: f64, dice: &mut Dice) -> Vec<String> {
    let mut values: Vec<String> = panel
        .tests
        .iter()
        .map(|test| course.value(test, years_ago, dice))
        .collect();
    let place = |code: &str| panel.tests.iter().position(|test| test.code == code);
    if let (Some(creatinine), Some(rate)) = (place("CREA"), place("EGFR")) {
        let creatinine = values
            .get(creatinine)
            .and_then(|v| v.parse::<f64>().ok())
            .unwrap_or(80.0);
        if let Some(value) = values.get_mut(rate) {
            *value = format!("{:.0}", filtration_rate(creatinine));
        }
    }
    values
}

/// A plain fall of filtration with creatinine, near enough to CKD-EPI for an older adult to look right
/// on a chart. Only invented people have it.
fn filtration_rate(creatinine: f64) -> f64 {
    (5_600.0 / creatinine + 2.0).clamp(5.0, 118.0)
}

/// The unit as people write it: v2 escapes the caret.
fn plain_unit(test: &Test) -> &'static str {
    match test.unit {
        "10\\S\\9/L" => "10^9/L",
        "10\\S\\12/L" => "10^12/L",
        other => other,
    }
}

/// The values of a panel for one day, paired with their tests: for sources that send FHIR.
pub(crate) fn panel_results(
    panel: &'static Panel,
    course: &Course,
    years_ago: f64,
    dice: &mut Dice,
) -> Vec<(&'static Test, String)> {
    panel
        .tests
        .iter()
        .zip(panel_values(panel, course, years_ago, dice))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_follow_the_range() {
        let potassium = &panel("renal").expect("a panel").tests[1];
        assert_eq!(flag(potassium, "5.4"), "H");
        assert_eq!(flag(potassium, "5.3"), "");
        assert_eq!(flag(potassium, "3.4"), "L");
        assert_eq!(range(potassium), "3.5 - 5.3");
    }

    #[test]
    fn a_shift_makes_a_trend() {
        let mut course = Course::new(1, 1);
        course.shift("HBA1C", 40.0, 4.0);
        let mut dice = Dice::new(1, "trend");
        let value = |years, dice: &mut Dice| {
            course
                .value(&panel("hba1c").expect("a panel").tests[0], years, dice)
                .parse::<f64>()
                .unwrap_or_default()
        };
        assert!(value(0.0, &mut dice) > value(8.0, &mut dice) + 20.0);
    }

    #[test]
    fn the_score_of_a_worked_example_is_right() {
        let ill = Bedside {
            respirations: 22,
            saturation: 93,
            on_oxygen: true,
            systolic: 105,
            diastolic: 60,
            pulse: 112,
            alert: true,
            temperature_tenths: 385,
        };
        assert_eq!(ill.score(), 2 + 2 + 2 + 1 + 2 + 1);
        let well = Bedside {
            respirations: 16,
            saturation: 97,
            on_oxygen: false,
            systolic: 125,
            diastolic: 75,
            pulse: 70,
            alert: true,
            temperature_tenths: 367,
        };
        assert_eq!(well.score(), 0);
    }
}
