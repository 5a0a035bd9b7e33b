//! The tests: codes, British units, reference ranges, what a healthy person has.
//!
//! SNOMED CT codes are those of the pathology profiles of England where we are sure of them; a local
//! laboratory code always stands beside. Ranges are those common in English laboratories; each
//! laboratory prints its own, and ours is invented.

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

#[rustfmt::skip]
const RENAL: &[Test] = &[
    t("NA", "Sodium", "1000661000000107", "mmol/L", "mmol/L", Some(133.0), Some(146.0), 140.0, 4.0, 0),
    t("K", "Potassium", "1000651000000109", "mmol/L", "mmol/L", Some(3.5), Some(5.3), 4.4, 0.6, 1),
    t("UREA", "Urea", "1000951000000103", "mmol/L", "mmol/L", Some(2.5), Some(7.8), 5.4, 2.0, 1),
    t("CREA", "Creatinine", "1000731000000107", "umol/L", "umol/L", Some(45.0), Some(104.0), 76.0, 18.0, 0),
    t("EGFR", "eGFR (CKD-EPI)", "", "mL/min/1.73m2", "mL/min/{1.73_m2}", Some(60.0), None, 85.0, 8.0, 0),
];
#[rustfmt::skip]
const BLOOD_COUNT: &[Test] = &[
    t("HB", "Haemoglobin", "1022431000000105", "g/L", "g/L", Some(115.0), Some(165.0), 136.0, 12.0, 0),
    t("WBC", "White cell count", "1022541000000102", "10\\S\\9/L", "10*9/L", Some(4.0), Some(11.0), 6.9, 2.2, 1),
    t("PLT", "Platelets", "1022651000000100", "10\\S\\9/L", "10*9/L", Some(150.0), Some(410.0), 255.0, 70.0, 0),
    t("RBC", "Red cell count", "1022451000000103", "10\\S\\12/L", "10*12/L", Some(3.8), Some(5.8), 4.6, 0.5, 2),
    t("MCV", "Mean cell volume", "", "fL", "fL", Some(80.0), Some(100.0), 90.0, 5.0, 1),
    t("MCH", "Mean cell haemoglobin", "1022471000000107", "pg", "pg", Some(27.0), Some(32.0), 29.6, 1.6, 1),
    t("NEUT", "Neutrophils", "1022551000000104", "10\\S\\9/L", "10*9/L", Some(2.0), Some(7.5), 4.1, 1.6, 1),
    t("LYMP", "Lymphocytes", "1022581000000105", "10\\S\\9/L", "10*9/L", Some(1.0), Some(4.0), 2.0, 0.7, 1),
];
#[rustfmt::skip]
const LIVER: &[Test] = &[
    t("BILI", "Bilirubin", "999691000000104", "umol/L", "umol/L", None, Some(21.0), 9.0, 5.0, 0),
    t("ALT", "Alanine aminotransferase", "1018251000000107", "U/L", "U/L", None, Some(41.0), 22.0, 11.0, 0),
    t("ALP", "Alkaline phosphatase", "1000621000000104", "U/L", "U/L", Some(30.0), Some(130.0), 78.0, 25.0, 0),
    t("ALB", "Albumin", "1000821000000103", "g/L", "g/L", Some(35.0), Some(50.0), 42.0, 4.0, 0),
];
#[rustfmt::skip]
const LIPIDS: &[Test] = &[
    t("CHOL", "Cholesterol", "1005671000000105", "mmol/L", "mmol/L", None, Some(5.0), 5.0, 0.9, 1),
    t("HDL", "HDL cholesterol", "1005681000000107", "mmol/L", "mmol/L", Some(1.0), None, 1.4, 0.3, 1),
    t("TRIG", "Triglycerides", "1005691000000109", "mmol/L", "mmol/L", None, Some(1.7), 1.4, 0.6, 1),
    t("LDL", "LDL cholesterol", "1022191000000100", "mmol/L", "mmol/L", None, Some(3.0), 2.9, 0.7, 1),
];
#[rustfmt::skip]
const SUGAR: &[Test] = &[
    t("HBA1C", "HbA1c (IFCC)", "999791000000106", "mmol/mol", "mmol/mol", Some(20.0), Some(41.0), 36.0, 4.0, 0, )];
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
#[rustfmt::skip]
const CLOTTING: &[Test] = &[
    t("INR", "INR", "165581004", "", "1", Some(2.0), Some(3.0), 2.4, 0.7, 1, )];
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
#[rustfmt::skip]
const HEART: &[Test] = &[
    t("BNP", "NT-proBNP", "", "ng/L", "ng/L", None, Some(400.0), 180.0, 90.0, 0, )];
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
