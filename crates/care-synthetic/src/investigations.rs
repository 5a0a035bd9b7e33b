//! Laboratory tests and bedside observations with British units, reference ranges and flags, and
//! the course of a person's values over the years.

use serde_json::{Value, json};

use crate::calendar::When;
use crate::clinicians::Clinician;
use crate::dice::Dice;
use crate::fhir::{FhirSender, clinician_reference, concept, quantity};
use crate::v2::{Line, Report, escaped};

/// One test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Test {
    /// The laboratory's own code.
    pub code: &'static str,
    pub name: &'static str,
    /// SNOMED CT code of the test, or empty.
    pub snomed: &'static str,
    pub unit: &'static str,
    pub ucum: &'static str,
    /// Reference range; an end at which nothing is abnormal is absent.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// What a healthy person has, and how far people lie from it.
    pub usual: f64,
    pub spread: f64,
    pub decimals: usize,
}

/// Tests done together from one sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panel {
    pub key: &'static str,
    pub code: &'static str,
    pub name: &'static str,
    pub snomed: &'static str,
    /// OBR-24.
    pub section: &'static str,
    pub tests: &'static [Test],
}

#[allow(
    clippy::too_many_arguments,
    reason = "a row of the tables below reads as one line"
)]
const fn t(
    code: &'static str,
    name: &'static str,
    snomed: &'static str,
    unit: &'static str,
    ucum: &'static str,
    low: Option<f64>,
    high: Option<f64>,
    usual: f64,
    spread: f64,
    decimals: usize,
) -> Test {
    Test {
        code,
        name,
        snomed,
        unit,
        ucum,
        low,
        high,
        usual,
        spread,
        decimals,
    }
}

const RENAL: &[Test] = &[
    t(
        "NA",
        "Sodium",
        "1000661000000107",
        "mmol/L",
        "mmol/L",
        Some(133.0),
        Some(146.0),
        140.0,
        4.0,
        0,
    ),
    t(
        "K",
        "Potassium",
        "1000651000000109",
        "mmol/L",
        "mmol/L",
        Some(3.5),
        Some(5.3),
        4.4,
        0.6,
        1,
    ),
    t(
        "UREA",
        "Urea",
        "1000951000000103",
        "mmol/L",
        "mmol/L",
        Some(2.5),
        Some(7.8),
        5.4,
        2.0,
        1,
    ),
    t(
        "CREA",
        "Creatinine",
        "1000731000000107",
        "umol/L",
        "umol/L",
        Some(45.0),
        Some(104.0),
        76.0,
        18.0,
        0,
    ),
    t(
        "EGFR",
        "eGFR (CKD-EPI)",
        "",
        "mL/min/1.73m2",
        "mL/min/{1.73_m2}",
        Some(60.0),
        None,
        85.0,
        8.0,
        0,
    ),
];
const BLOOD_COUNT: &[Test] = &[
    t(
        "HB",
        "Haemoglobin",
        "1022431000000105",
        "g/L",
        "g/L",
        Some(115.0),
        Some(165.0),
        136.0,
        12.0,
        0,
    ),
    t(
        "WBC",
        "White cell count",
        "1022541000000102",
        "10\\S\\9/L",
        "10*9/L",
        Some(4.0),
        Some(11.0),
        6.9,
        2.2,
        1,
    ),
    t(
        "PLT",
        "Platelets",
        "1022651000000100",
        "10\\S\\9/L",
        "10*9/L",
        Some(150.0),
        Some(410.0),
        255.0,
        70.0,
        0,
    ),
    t(
        "RBC",
        "Red cell count",
        "1022451000000103",
        "10\\S\\12/L",
        "10*12/L",
        Some(3.8),
        Some(5.8),
        4.6,
        0.5,
        2,
    ),
    t(
        "MCV",
        "Mean cell volume",
        "",
        "fL",
        "fL",
        Some(80.0),
        Some(100.0),
        90.0,
        5.0,
        1,
    ),
    t(
        "MCH",
        "Mean cell haemoglobin",
        "1022471000000107",
        "pg",
        "pg",
        Some(27.0),
        Some(32.0),
        29.6,
        1.6,
        1,
    ),
    t(
        "NEUT",
        "Neutrophils",
        "1022551000000104",
        "10\\S\\9/L",
        "10*9/L",
        Some(2.0),
        Some(7.5),
        4.1,
        1.6,
        1,
    ),
    t(
        "LYMP",
        "Lymphocytes",
        "1022581000000105",
        "10\\S\\9/L",
        "10*9/L",
        Some(1.0),
        Some(4.0),
        2.0,
        0.7,
        1,
    ),
];
const LIVER: &[Test] = &[
    t(
        "BILI",
        "Bilirubin",
        "999691000000104",
        "umol/L",
        "umol/L",
        None,
        Some(21.0),
        9.0,
        5.0,
        0,
    ),
    t(
        "ALT",
        "Alanine aminotransferase",
        "1018251000000107",
        "U/L",
        "U/L",
        None,
        Some(41.0),
        22.0,
        11.0,
        0,
    ),
    t(
        "ALP",
        "Alkaline phosphatase",
        "1000621000000104",
        "U/L",
        "U/L",
        Some(30.0),
        Some(130.0),
        78.0,
        25.0,
        0,
    ),
    t(
        "ALB",
        "Albumin",
        "1000821000000103",
        "g/L",
        "g/L",
        Some(35.0),
        Some(50.0),
        42.0,
        4.0,
        0,
    ),
];
const LIPIDS: &[Test] = &[
    t(
        "CHOL",
        "Cholesterol",
        "1005671000000105",
        "mmol/L",
        "mmol/L",
        None,
        Some(5.0),
        5.0,
        0.9,
        1,
    ),
    t(
        "HDL",
        "HDL cholesterol",
        "1005681000000107",
        "mmol/L",
        "mmol/L",
        Some(1.0),
        None,
        1.4,
        0.3,
        1,
    ),
    t(
        "TRIG",
        "Triglycerides",
        "1005691000000109",
        "mmol/L",
        "mmol/L",
        None,
        Some(1.7),
        1.4,
        0.6,
        1,
    ),
    t(
        "LDL",
        "LDL cholesterol",
        "1022191000000100",
        "mmol/L",
        "mmol/L",
        None,
        Some(3.0),
        2.9,
        0.7,
        1,
    ),
];
const SUGAR: &[Test] = &[t(
    "HBA1C",
    "HbA1c (IFCC)",
    "999791000000106",
    "mmol/mol",
    "mmol/mol",
    Some(20.0),
    Some(41.0),
    36.0,
    4.0,
    0,
)];
const THYROID: &[Test] = &[
    t(
        "TSH",
        "Thyroid stimulating hormone",
        "1022791000000101",
        "mIU/L",
        "m[iU]/L",
        Some(0.27),
        Some(4.2),
        2.0,
        0.9,
        2,
    ),
    t(
        "FT4",
        "Free T4",
        "",
        "pmol/L",
        "pmol/L",
        Some(11.0),
        Some(22.0),
        15.5,
        2.0,
        1,
    ),
];
const CLOTTING: &[Test] = &[t(
    "INR",
    "INR",
    "165581004",
    "",
    "1",
    Some(2.0),
    Some(3.0),
    2.4,
    0.7,
    1,
)];
const INFLAMMATION: &[Test] = &[t(
    "CRP",
    "C reactive protein",
    "1001371000000100",
    "mg/L",
    "mg/L",
    None,
    Some(5.0),
    3.0,
    2.0,
    0,
)];
const BONE: &[Test] = &[
    t(
        "CA",
        "Calcium (adjusted)",
        "",
        "mmol/L",
        "mmol/L",
        Some(2.2),
        Some(2.6),
        2.4,
        0.1,
        2,
    ),
    t(
        "PHOS",
        "Phosphate",
        "1000701000000101",
        "mmol/L",
        "mmol/L",
        Some(0.8),
        Some(1.5),
        1.1,
        0.2,
        2,
    ),
    t(
        "VITD",
        "25-OH vitamin D",
        "",
        "nmol/L",
        "nmol/L",
        Some(50.0),
        None,
        58.0,
        20.0,
        0,
    ),
];
const HEART: &[Test] = &[t(
    "BNP",
    "NT-proBNP",
    "",
    "ng/L",
    "ng/L",
    None,
    Some(400.0),
    180.0,
    90.0,
    0,
)];
const ALBUMIN_RATIO: &[Test] = &[t(
    "ACR",
    "Urine albumin:creatinine ratio",
    "1023491000000104",
    "mg/mmol",
    "mg/mmol",
    None,
    Some(3.0),
    1.4,
    0.8,
    1,
)];
const HAEMATINICS: &[Test] = &[
    t(
        "B12",
        "Vitamin B12",
        "993391000000108",
        "ng/L",
        "ng/L",
        Some(197.0),
        Some(771.0),
        400.0,
        110.0,
        0,
    ),
    t(
        "FERR",
        "Ferritin",
        "",
        "ug/L",
        "ug/L",
        Some(15.0),
        Some(300.0),
        95.0,
        45.0,
        0,
    ),
    t(
        "FOL",
        "Folate",
        "",
        "ug/L",
        "ug/L",
        Some(3.9),
        Some(20.0),
        8.5,
        3.0,
        1,
    ),
];

const PANELS: &[Panel] = &[
    Panel {
        key: "renal",
        code: "UE",
        name: "Urea and electrolytes",
        snomed: "1000971000000107",
        section: "CH",
        tests: RENAL,
    },
    Panel {
        key: "fbc",
        code: "FBC",
        name: "Full blood count",
        snomed: "1022441000000101",
        section: "HM",
        tests: BLOOD_COUNT,
    },
    Panel {
        key: "liver",
        code: "LFT",
        name: "Liver function tests",
        snomed: "",
        section: "CH",
        tests: LIVER,
    },
    Panel {
        key: "lipids",
        code: "LIP",
        name: "Lipid profile",
        snomed: "1005661000000103",
        section: "CH",
        tests: LIPIDS,
    },
    Panel {
        key: "hba1c",
        code: "A1C",
        name: "HbA1c",
        snomed: "",
        section: "CH",
        tests: SUGAR,
    },
    Panel {
        key: "thyroid",
        code: "TFT",
        name: "Thyroid function tests",
        snomed: "",
        section: "CH",
        tests: THYROID,
    },
    Panel {
        key: "inr",
        code: "INR",
        name: "INR",
        snomed: "165581004",
        section: "HM",
        tests: CLOTTING,
    },
    Panel {
        key: "crp",
        code: "CRP",
        name: "C reactive protein",
        snomed: "1001371000000100",
        section: "CH",
        tests: INFLAMMATION,
    },
    Panel {
        key: "bone",
        code: "BONE",
        name: "Bone profile",
        snomed: "",
        section: "CH",
        tests: BONE,
    },
    Panel {
        key: "bnp",
        code: "BNP",
        name: "NT-proBNP",
        snomed: "",
        section: "CH",
        tests: HEART,
    },
    Panel {
        key: "acr",
        code: "ACR",
        name: "Urine albumin:creatinine ratio",
        snomed: "1023491000000104",
        section: "CH",
        tests: ALBUMIN_RATIO,
    },
    Panel {
        key: "haematinics",
        code: "HAEM",
        name: "Haematinics",
        snomed: "",
        section: "HM",
        tests: HAEMATINICS,
    },
];

pub(crate) fn panel(key: &str) -> Option<&'static Panel> {
    PANELS.iter().find(|panel| panel.key == key)
}

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

/// Bedside observations with their NEWS2 scores.
/// Source of the bands: Royal College of Physicians, National Early Warning Score (NEWS) 2, 2017, scale 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bedside {
    pub respirations: i32,
    pub saturation: i32,
    pub on_oxygen: bool,
    pub systolic: i32,
    pub diastolic: i32,
    pub pulse: i32,
    pub alert: bool,
    /// Tenths of a degree Celsius.
    pub temperature_tenths: i32,
}

impl Bedside {
    /// Observations of somebody this ill: 0 well, 1 unwell, 2 very unwell.
    pub fn roll(dice: &mut Dice, illness: i32) -> Self {
        Self {
            respirations: dice.between(13, 18) + illness * dice.between(2, 4),
            saturation: (98 - illness * dice.between(1, 3) - dice.between(0, 1)).max(86),
            on_oxygen: illness >= 2,
            systolic: dice.between(118, 148) - illness * dice.between(3, 12),
            diastolic: dice.between(66, 86) - illness * dice.between(1, 6),
            pulse: dice.between(62, 84) + illness * dice.between(6, 16),
            alert: illness < 2 || dice.chance(700),
            temperature_tenths: dice.between(362, 371) + illness * dice.between(2, 8),
        }
    }

    fn parts(&self) -> [i32; 7] {
        let band = |value: i32, bands: &[(i32, i32)]| {
            bands
                .iter()
                .find(|(upto, _)| value <= *upto)
                .map_or(3, |(_, score)| *score)
        };
        [
            band(self.respirations, &[(8, 3), (11, 1), (20, 0), (24, 2)]),
            band(self.saturation, &[(91, 3), (93, 2), (95, 1), (100, 0)]),
            if self.on_oxygen { 2 } else { 0 },
            band(self.systolic, &[(90, 3), (100, 2), (110, 1), (219, 0)]),
            band(self.pulse, &[(40, 3), (50, 1), (90, 0), (110, 1), (130, 2)]),
            if self.alert { 0 } else { 3 },
            band(
                self.temperature_tenths,
                &[(350, 3), (360, 1), (380, 0), (390, 1), (999, 2)],
            ),
        ]
    }

    /// The total score.
    pub fn score(&self) -> i32 {
        self.parts().iter().sum()
    }

    fn degrees(&self) -> String {
        format!(
            "{}.{}",
            self.temperature_tenths / 10,
            self.temperature_tenths % 10
        )
    }

    /// As an ORU^R01 report of the ward's observation system.
    pub fn report(&self, number: String, nurse: Clinician) -> Report {
        let line = |code: &str,
                    name: &str,
                    snomed: &str,
                    kind: &'static str,
                    value: String,
                    unit: &'static str| Line {
            kind,
            code: local_and_snomed(code, name, snomed).replace("WHARFLAB", "WHARFOBS"),
            value,
            unit,
            range: String::new(),
            flag: "",
        };
        let air = if self.on_oxygen {
            "Oxygen 2 L/min"
        } else {
            "Air"
        };
        let lines = vec![
            line(
                "RR",
                "Respiratory rate",
                "86290005",
                "NM",
                self.respirations.to_string(),
                "/min",
            ),
            line(
                "SPO2",
                "Oxygen saturation",
                "103228002",
                "NM",
                self.saturation.to_string(),
                "%",
            ),
            line("AIRO2", "Air or oxygen", "", "ST", air.to_owned(), ""),
            line(
                "SBP",
                "Systolic blood pressure",
                "72313002",
                "NM",
                self.systolic.to_string(),
                "mm[Hg]",
            ),
            line(
                "DBP",
                "Diastolic blood pressure",
                "1091811000000102",
                "NM",
                self.diastolic.to_string(),
                "mm[Hg]",
            ),
            line(
                "HR",
                "Pulse rate",
                "78564009",
                "NM",
                self.pulse.to_string(),
                "/min",
            ),
            line(
                "ACVPU",
                "ACVPU",
                "1104441000000107",
                "ST",
                if self.alert { "Alert" } else { "New confusion" }.to_owned(),
                "",
            ),
            line(
                "TEMP",
                "Temperature",
                "276885007",
                "NM",
                self.degrees(),
                "Cel",
            ),
            Line {
                flag: if self.score() >= 5 { "A" } else { "" },
                ..line(
                    "NEWS2",
                    "NEWS2 total score",
                    "1104051000000101",
                    "NM",
                    self.score().to_string(),
                    "",
                )
            },
        ];
        Report {
            number,
            code: local_and_snomed("NEWS2", "NEWS2 observations", "1104051000000101")
                .replace("WHARFLAB", "WHARFOBS"),
            section: "NRS",
            requester: nurse,
            status: "F",
            lines,
            note: None,
        }
    }
}

impl FhirSender<'_> {
    /// A laboratory result the source holds, as an Observation.
    pub fn laboratory(&mut self, key: &str, test: &Test, value: &str, taken: When) {
        let mut reference_range = json!({"text": range(test)});
        if let Some(fields) = reference_range.as_object_mut() {
            for (end, bound_value) in [("low", test.low), ("high", test.high)] {
                if let Some(number) = bound_value {
                    fields.insert(
                        end.into(),
                        quantity(&bound(test, number), plain_unit(test), test.ucum),
                    );
                }
            }
        }
        let mut body = json!({
            "status": "final",
            "category": [category("laboratory", "Laboratory")],
            "code": concept(test.snomed, test.name),
            "effectiveDateTime": taken.fhir(),
            "performer": [self.own_organisation()],
            "valueQuantity": quantity(value, plain_unit(test), test.ucum),
            "referenceRange": [reference_range],
        });
        let mark = flag(test, value);
        if let Some(fields) = body.as_object_mut().filter(|_| !mark.is_empty()) {
            fields.insert(
                "interpretation".into(),
                json!([{"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
                    "code": mark, "display": if mark == "H" { "High" } else { "Low" },
                }]}]),
            );
        }
        self.add("Observation", key, body);
    }

    /// A measurement made in the consulting room or at home.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a different element of one Observation"
    )]
    pub fn measurement(
        &mut self,
        key: &str,
        snomed: &str,
        name: &str,
        value: &str,
        unit: &str,
        ucum: &str,
        taken: When,
        by: &Clinician,
    ) {
        self.add(
            "Observation",
            key,
            json!({
                "status": "final",
                "category": [category("vital-signs", "Vital Signs")],
                "code": concept(snomed, name),
                "effectiveDateTime": taken.fhir(),
                "performer": [clinician_reference(by)],
                "valueQuantity": quantity(value, unit, ucum),
            }),
        );
    }

    /// A blood pressure, both numbers in one Observation.
    pub fn blood_pressure(
        &mut self,
        key: &str,
        systolic: i32,
        diastolic: i32,
        taken: When,
        by: &Clinician,
    ) {
        let part = |code: &str, name: &str, value: i32| json!({"code": concept(code, name), "valueQuantity": quantity(&value.to_string(), "mmHg", "mm[Hg]")});
        self.add(
            "Observation",
            key,
            json!({
                "status": "final",
                "category": [category("vital-signs", "Vital Signs")],
                "code": concept("75367002", "Blood pressure"),
                "effectiveDateTime": taken.fhir(),
                "performer": [clinician_reference(by)],
                "component": [
                    part("72313002", "Systolic arterial pressure", systolic),
                    part("1091811000000102", "Diastolic arterial pressure", diastolic),
                ],
            }),
        );
    }

    /// Something observed that is said in words or by a code.
    pub fn finding(
        &mut self,
        key: &str,
        kind: (&str, &str),
        code: Value,
        value: Value,
        taken: When,
        by: &Clinician,
    ) {
        self.add(
            "Observation",
            key,
            json!({
                "status": "final",
                "category": [category(kind.0, kind.1)],
                "code": code,
                "effectiveDateTime": taken.fhir(),
                "performer": [clinician_reference(by)],
                "valueCodeableConcept": value,
            }),
        );
    }
}

/// The unit as people write it: v2 escapes the caret.
fn plain_unit(test: &Test) -> &'static str {
    match test.unit {
        "10\\S\\9/L" => "10^9/L",
        "10\\S\\12/L" => "10^12/L",
        other => other,
    }
}

pub(crate) fn category(code: &str, display: &str) -> Value {
    json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": code, "display": display}]})
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
        let potassium = &RENAL[1];
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
                .value(&SUGAR[0], years, dice)
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
