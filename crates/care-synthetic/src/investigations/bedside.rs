//! Bedside observations and the NEWS2 score.

use crate::clinicians::Clinician;
use crate::dice::Dice;
use crate::v2::{Line, Report};

use super::local_and_snomed;

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
