//! Code systems and short code tables, each with its source.

/// NHS Data Dictionary ETHNIC CATEGORY, as UKCore-EthnicCategoryEngland has it.
pub(super) const ETHNIC_CATEGORIES: &[(&str, &str)] = &[
    ("A", "White - British"),
    ("B", "White - Irish"),
    ("C", "White - Any other White background"),
    ("D", "Mixed - White and Black Caribbean"),
    ("E", "Mixed - White and Black African"),
    ("F", "Mixed - White and Asian"),
    ("G", "Mixed - Any other mixed background"),
    ("H", "Asian or Asian British - Indian"),
    ("J", "Asian or Asian British - Pakistani"),
    ("K", "Asian or Asian British - Bangladeshi"),
    ("L", "Asian or Asian British - Any other Asian background"),
    ("M", "Black or Black British - Caribbean"),
    ("N", "Black or Black British - African"),
    ("P", "Black or Black British - Any other Black background"),
    ("R", "Other Ethnic Groups - Chinese"),
    ("S", "Other Ethnic Groups - Any other ethnic group"),
    ("Z", "Not stated"),
    ("99", "Not known"),
];

/// NHS number status (UKCore-NHSNumberVerificationStatusEngland).
pub(super) const NUMBER_STATUSES: &[(&str, &str)] = &[
    ("01", "Number present and verified"),
    ("02", "Number present but not traced"),
    ("03", "Trace required"),
    ("04", "Trace attempted - No match or multiple match found"),
    (
        "05",
        "Trace needs to be resolved - (NHS number or patient detail conflict)",
    ),
    ("06", "Trace in progress"),
    ("07", "Number not present and trace not required"),
    ("08", "Trace postponed (baby under six weeks old)"),
];

/// Marital status (UKCore-PersonMaritalStatusEngland).
pub(super) const MARITAL_STATUSES: &[(&str, &str)] = &[
    ("S", "Single"),
    ("M", "Married/Civil Partner"),
    (
        "D",
        "Divorced/Person whose Civil Partnership has been dissolved",
    ),
    ("W", "Widowed/Surviving Civil Partner"),
    ("P", "Separated"),
    ("N", "Not disclosed"),
    ("8", "Not applicable"),
    ("9", "Not known"),
];

/// Where a discharged person goes (codes of UKCore-DischargeDestinationEngland, in short words).
pub(super) const DISCHARGE_DESTINATIONS: &[(&str, &str)] = &[
    ("19", "Usual place of residence"),
    ("29", "Temporary place of residence"),
    (
        "30",
        "Repatriation from high security psychiatric accommodation",
    ),
    ("37", "Court"),
    ("38", "Penal establishment or police station"),
    ("48", "High security psychiatric hospital, Scotland"),
    (
        "49",
        "Another NHS provider, high security psychiatric accommodation",
    ),
    ("50", "Another NHS provider, medium secure unit"),
    ("51", "Another NHS provider, general ward"),
    ("52", "Another NHS provider, maternity or neonatal ward"),
    (
        "53",
        "Another NHS provider, mental health or learning disability ward",
    ),
    ("54", "NHS run care home"),
    ("65", "Local authority residential accommodation"),
    ("66", "Local authority foster care"),
    ("79", "Not applicable, died or stillborn"),
    ("84", "Non-NHS hospital, medium secure unit"),
    ("85", "Non-NHS care home"),
    ("87", "Non-NHS hospital"),
    ("88", "Non-NHS hospice"),
    ("98", "Not applicable, not discharged"),
    ("99", "Not known"),
];

/// How a person was discharged (codes of UKCore-DischargeMethodEngland, in short words).
pub(super) const DISCHARGE_METHODS: &[(&str, &str)] = &[
    ("1", "On clinical advice or with clinical consent"),
    ("3", "By tribunal, Home Secretary or court"),
    ("4", "Died"),
    ("5", "Stillbirth"),
    ("6", "Discharged themselves"),
    ("7", "Discharged by a relative or advocate"),
    ("8", "Not applicable, not discharged"),
    ("9", "Not known"),
];

/// How a person was admitted (codes of UKCore-AdmissionMethodEngland, in short words).
pub(super) const ADMISSION_METHODS: &[(&str, &str)] = &[
    ("11", "Elective: waiting list"),
    ("12", "Elective: booked"),
    ("13", "Elective: planned"),
    ("21", "Emergency: emergency department"),
    ("22", "Emergency: GP"),
    ("23", "Emergency: bed bureau"),
    ("24", "Emergency: consultant clinic"),
    ("25", "Emergency: mental health crisis team"),
    ("2A", "Emergency: emergency department of another provider"),
    ("2B", "Emergency: transfer from another hospital"),
    ("2C", "Emergency: baby born at home as intended"),
    ("2D", "Emergency: other"),
    ("28", "Emergency: other means"),
    ("31", "Maternity: before birth"),
    ("32", "Maternity: after birth"),
    ("82", "Birth of a baby here"),
    ("83", "Baby born elsewhere"),
    ("81", "Transfer from another hospital"),
    ("98", "Not applicable"),
    ("99", "Not known"),
];

/// Where an admitted person came from (codes of UKCore-SourceOfAdmissionEngland, in short words).
pub(super) const ADMISSION_SOURCES: &[(&str, &str)] = &[
    ("19", "Usual place of residence"),
    ("29", "Temporary place of residence"),
    ("39", "Penal establishment, court or police"),
    (
        "49",
        "Another NHS provider, high security psychiatric accommodation",
    ),
    (
        "51",
        "Another NHS provider, general ward or emergency department",
    ),
    ("52", "Another NHS provider, maternity or neonatal ward"),
    (
        "53",
        "Another NHS provider, mental health or learning disability ward",
    ),
    ("54", "NHS run care home"),
    ("65", "Local authority residential accommodation"),
    ("66", "Local authority foster care"),
    ("79", "Born in or on the way to hospital"),
    ("85", "Non-NHS care home"),
    ("87", "Non-NHS hospital"),
    ("88", "Non-NHS hospice"),
    ("98", "Not applicable"),
    ("99", "Not known"),
];

/// Interpretations (HL7 table 0078 codes that v3-ObservationInterpretation has too).
pub(super) const INTERPRETATIONS: &[(&str, &str)] = &[
    ("H", "High"),
    ("L", "Low"),
    ("HH", "Critical high"),
    ("LL", "Critical low"),
    ("HU", "Significantly high"),
    ("LU", "Significantly low"),
    ("N", "Normal"),
    ("A", "Abnormal"),
    ("AA", "Critical abnormal"),
    ("<", "Off scale low"),
    (">", "Off scale high"),
    ("S", "Susceptible"),
    ("R", "Resistant"),
    ("I", "Intermediate"),
    ("POS", "Positive"),
    ("NEG", "Negative"),
    ("IND", "Indeterminate"),
    ("DET", "Detected"),
    ("ND", "Not detected"),
    ("U", "Significant change up"),
    ("D", "Significant change down"),
    ("B", "Better"),
    ("W", "Worse"),
];

/// LOINC codes of vital signs (the FHIR vital signs profiles).
pub(super) const VITAL_SIGNS: &[&str] = &[
    "8867-4", "8310-5", "9279-1", "2708-6", "59408-5", "8480-6", "8462-4", "85354-9", "29463-7",
    "8302-2", "39156-5", "8478-0", "8287-5",
];

/// The words of a code in a table.
pub(super) fn words(table: &[(&str, &'static str)], code: &str) -> Option<&'static str> {
    table
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, words)| *words)
}

/// The address of the code system that HL7 v2 calls by this short name (HL7 table 0396 and what UK
/// senders write); `None` for one that only the sender knows.
pub(super) fn system_of(name: &str, code: &str) -> Option<String> {
    let name = name.trim().to_ascii_uppercase();
    let known = match name.as_str() {
        "LN" | "LOINC" => "http://loinc.org",
        // SNM3 is an older edition in table 0396; UK senders write it for SNOMED CT.
        "SCT" | "SNOMED" | "SNOMED CT" | "SNOMED-CT" | "SNOMEDCT" | "SCT2" => {
            "http://snomed.info/sct"
        }
        "SNM3" | "SNM" if code.len() >= 6 && code.bytes().all(|b| b.is_ascii_digit()) => {
            "http://snomed.info/sct"
        }
        "I10" | "ICD10" | "ICD-10" => "http://hl7.org/fhir/sid/icd-10",
        "OPCS4" | "OPCS-4" | "O4" => "https://fhir.hl7.org.uk/CodeSystem/OPCS-4",
        "DMD" | "DM+D" | "DM&D" => "https://dmd.nhs.uk",
        "UCUM" => "http://unitsofmeasure.org",
        "MDC" => "urn:iso:std:iso:11073:10101",
        _ => {
            let table = name.strip_prefix("HL7")?;
            let is_table = table.len() == 4 && table.bytes().all(|b| b.is_ascii_digit());
            return is_table.then(|| format!("http://terminology.hl7.org/CodeSystem/v2-{table}"));
        }
    };
    Some(known.to_owned())
}
