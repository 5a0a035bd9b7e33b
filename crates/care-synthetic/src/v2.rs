//! HL7 v2.4 as British trusts send it: the messages of one person from one sender.
//!
//! Segments end in CR; no MLLP framing. Dates are London time without an offset, as the sending
//! systems write them. Shapes: HL7 v2.4 chapters 3, 4, 7, 9, 10, 11, with the ITK spellings for
//! NHS number, trace status (PID-32) and practice (PD1-3).

use crate::calendar::{Day, When};
use crate::clinicians::Clinician;
use crate::names::Sex;
use crate::organisations::{InventedOrganisation, PROGRAMME, organisation};
use crate::outgoing::{Outgoing, Payload};
use crate::person::{Kin, Person};

/// One segment; fields are set by their number in the standard.
pub(crate) struct Segment {
    name: &'static str,
    fields: Vec<String>,
}

impl Segment {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            fields: Vec::new(),
        }
    }

    /// Sets a field to a value that is already encoded.
    pub fn set(mut self, number: usize, value: impl Into<String>) -> Self {
        if self.fields.len() < number {
            self.fields.resize(number, String::new());
        }
        if let Some(field) = number
            .checked_sub(1)
            .and_then(|place| self.fields.get_mut(place))
        {
            *field = value.into();
        }
        self
    }

    /// Sets a field to plain text, which is escaped.
    pub fn text(self, number: usize, value: &str) -> Self {
        self.set(number, escaped(value))
    }

    fn write(&self, out: &mut String) {
        out.push_str(self.name);
        for field in &self.fields {
            out.push('|');
            out.push_str(field);
        }
        out.push('\r');
    }
}

/// Text with the separators written as escapes.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\E\\"),
            '|' => out.push_str("\\F\\"),
            '^' => out.push_str("\\S\\"),
            '&' => out.push_str("\\T\\"),
            '~' => out.push_str("\\R\\"),
            '\n' => out.push_str("\\.br\\"),
            '\r' => {}
            other => out.push(other),
        }
    }
    out
}

/// Sends messages about one person from one organisation.
pub(crate) struct V2Sender<'a> {
    pub organisation: &'static InventedOrganisation,
    pub person: &'a Person,
    /// The local number, PID-3's `MR`.
    pub local_number: String,
    /// Begins every control id: made from the seed, so that two stories do not share ids.
    pub run: String,
    pub count: u32,
    pub out: Vec<Outgoing>,
    pub allergies: Vec<V2Allergy>,
}

/// An AL1 segment's content.
#[derive(Debug, Clone)]
pub(crate) struct V2Allergy {
    /// Table 0127: DA drug, FA food, EA environment.
    pub kind: &'static str,
    pub code: &'static str,
    pub text: &'static str,
    /// Table 0128: SV, MO, MI.
    pub severity: &'static str,
    pub reaction: &'static str,
    pub noted: Day,
}

/// A stay or visit, the content of PV1.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub number: String,
    /// Table 0004: I, O, E.
    pub class: &'static str,
    pub location: String,
    pub specialty: &'static str,
    pub consultant: Clinician,
    pub reason: String,
    pub starts: When,
    pub ends: Option<When>,
    pub discharge: &'static str,
}

/// A booked slot, the content of SCH.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub number: String,
    pub starts: When,
    pub minutes: i32,
    pub service: &'static str,
    pub place: &'static str,
    pub with: Clinician,
    pub reason: String,
    /// The filler's status: Booked, Cancelled, Complete, Noshow.
    pub status: &'static str,
}

/// A referral, the content of RF1.
#[derive(Debug, Clone)]
pub(crate) struct Referral {
    pub number: String,
    pub to: &'static InventedOrganisation,
    pub service: &'static str,
    pub reason: String,
    pub from: Clinician,
    /// Table 0283: A accepted, P pending.
    pub status: &'static str,
    /// Table 0280: R routine, A as soon as possible.
    pub priority: &'static str,
    pub ends: Option<Day>,
}

/// One OBX of a report.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// `NM`, `SN`, `ST`, `TX`.
    pub kind: &'static str,
    /// OBX-3, encoded.
    pub code: String,
    /// OBX-5, encoded.
    pub value: String,
    /// OBX-6, encoded.
    pub unit: &'static str,
    pub range: String,
    pub flag: &'static str,
}

/// One laboratory or observation report.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub number: String,
    /// OBR-4, encoded.
    pub code: String,
    pub section: &'static str,
    pub requester: Clinician,
    /// OBR-25: F, P, C.
    pub status: &'static str,
    pub lines: Vec<Line>,
    pub note: Option<String>,
}

/// A letter: text, or a PDF in base64, or both.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub number: String,
    /// TXA-2, encoded: a table 0270 code and the document's title.
    pub kind: String,
    pub title: String,
    pub author: Clinician,
    pub text: String,
    pub pdf: Option<String>,
}

impl<'a> V2Sender<'a> {
    pub fn new(
        organisation: &'static InventedOrganisation,
        person: &'a Person,
        local_number: String,
        run: &str,
    ) -> Self {
        Self {
            organisation,
            person,
            local_number,
            run: run.to_owned(),
            count: 0,
            out: Vec::new(),
            allergies: Vec::new(),
        }
    }

    /// A28 add person, or A31 update person.
    pub fn person(&mut self, event: &'static str, when: When) {
        let mut segments = vec![self.evn(event, when), self.pid(), self.pd1()];
        segments.extend(self.nk1());
        segments.extend(self.al1());
        self.send("ADT", event, "ADT_A05", when, segments);
    }

    /// A visit event: A01 admit, A02 transfer, A03 discharge, A04 register, A05 pre-admit,
    /// A08 update, A11 cancel admission, A13 cancel discharge.
    pub fn visit(&mut self, event: &'static str, when: When, visit: &Visit) {
        let structure = match event {
            "A02" => "ADT_A02",
            "A03" => "ADT_A03",
            "A05" => "ADT_A05",
            "A11" => "ADT_A09",
            _ => "ADT_A01",
        };
        let mut segments = vec![self.evn(event, when), self.pid(), self.pd1()];
        if event != "A03" {
            segments.extend(self.nk1());
        }
        segments.push(self.pv1(visit, matches!(event, "A03" | "A08" | "A13")));
        segments.push(Segment::new("PV2").set(3, format!("^{}", escaped(&visit.reason))));
        if matches!(event, "A01" | "A04" | "A08") {
            segments.extend(self.al1());
        }
        self.send("ADT", event, structure, when, segments);
    }

    /// A40 (merge patient, identifier list) or A34 (merge patient, number only): what stays is this
    /// person, what gives way is `prior`.
    pub fn merge(&mut self, event: &'static str, when: When, prior: &str) {
        let structure = if event == "A40" { "ADT_A39" } else { "ADT_A30" };
        let segments = vec![
            self.evn(event, when),
            self.pid(),
            self.pd1(),
            Segment::new("MRG").set(1, prior).set(7, name(self.person)),
        ];
        self.send("ADT", event, structure, when, segments);
    }

    /// ORU^R01 with one OBR for each report.
    pub fn reports(&mut self, when: When, taken: When, reports: &[Report], visit: Option<&Visit>) {
        let mut segments = vec![self.pid(), self.pd1()];
        segments.push(match visit {
            Some(visit) => self.pv1(visit, false),
            None => Segment::new("PV1").set(1, "1").set(2, "O"),
        });
        for (report, place) in reports.iter().zip(1..) {
            segments.push(
                Segment::new("ORC")
                    .set(1, "RE")
                    .set(3, report.number.as_str())
                    .set(5, "CM")
                    .set(12, report.requester.v2()),
            );
            segments.push(
                Segment::new("OBR")
                    .set(1, place.to_string())
                    .set(3, report.number.as_str())
                    .set(4, report.code.as_str())
                    .set(7, taken.v2())
                    .set(14, taken.plus(55).v2())
                    .set(16, report.requester.v2())
                    .set(22, when.v2())
                    .set(24, report.section)
                    .set(25, report.status),
            );
            if let Some(note) = &report.note {
                segments.push(Segment::new("NTE").set(1, "1").set(2, "L").text(3, note));
            }
            for (line, place) in report.lines.iter().zip(1..) {
                segments.push(
                    Segment::new("OBX")
                        .set(1, place.to_string())
                        .set(2, line.kind)
                        .set(3, line.code.as_str())
                        .set(5, line.value.as_str())
                        .set(6, line.unit)
                        .set(7, line.range.as_str())
                        .set(8, line.flag)
                        .set(11, report.status)
                        .set(14, taken.v2()),
                );
            }
        }
        self.send("ORU", "R01", "ORU_R01", when, segments);
    }

    /// MDM^T02: a letter with its content.
    pub fn letter(&mut self, when: When, letter: &Letter, visit: Option<&Visit>) {
        let class = visit.map_or_else(
            || Segment::new("PV1").set(1, "1").set(2, "O"),
            |visit| self.pv1(visit, true),
        );
        let mut segments = vec![
            self.evn("T02", when),
            self.pid(),
            class,
            Segment::new("TXA")
                .set(1, "1")
                .set(2, letter.kind.as_str())
                .set(3, if letter.pdf.is_some() { "AP" } else { "TX" })
                .set(4, when.v2())
                .set(6, when.v2())
                .set(9, letter.author.v2())
                .set(12, letter.number.as_str())
                .text(
                    16,
                    &format!(
                        "{}.{}",
                        letter.title,
                        if letter.pdf.is_some() { "pdf" } else { "txt" }
                    ),
                )
                .set(17, "AU")
                .set(19, "AV"),
        ];
        let code = format!(
            "{}^{}^L",
            letter.kind.split('^').next().unwrap_or_default(),
            escaped(&letter.title)
        );
        let mut place = 0;
        let mut line = |kind: &'static str, value: String| {
            place += 1;
            Segment::new("OBX")
                .set(1, place.to_string())
                .set(2, kind)
                .set(3, code.as_str())
                .set(5, value)
                .set(11, "F")
        };
        match &letter.pdf {
            Some(pdf) => segments.push(line("ED", format!("^application^pdf^Base64^{pdf}"))),
            None => {
                for text in letter.text.lines() {
                    segments.push(line("TX", escaped(text)));
                }
            }
        }
        self.send("MDM", "T02", "MDM_T02", when, segments);
    }

    /// SIU: S12 booked, S13 moved, S15 cancelled.
    pub fn slot(&mut self, event: &'static str, when: When, slot: &Slot) {
        let ends = slot.starts.plus(slot.minutes);
        let segments = vec![
            Segment::new("SCH")
                .set(1, slot.number.as_str())
                .set(2, slot.number.as_str())
                .set(
                    6,
                    format!(
                        "^{}",
                        if event == "S15" {
                            "Cancelled"
                        } else {
                            "Booked"
                        }
                    ),
                )
                .set(7, format!("^{}", escaped(&slot.reason)))
                .set(8, format!("^{}", escaped(slot.service)))
                .set(9, slot.minutes.to_string())
                .set(10, "min")
                .set(
                    11,
                    format!("^^{}^{}^{}", slot.minutes, slot.starts.v2(), ends.v2()),
                )
                .set(16, slot.with.v2())
                .set(25, slot.status),
            self.pid(),
            self.pd1(),
            Segment::new("PV1")
                .set(1, "1")
                .set(2, "O")
                .set(
                    3,
                    format!("{}^^^{}", escaped(slot.place), self.organisation.ods),
                )
                .set(9, slot.with.v2())
                .set(10, escaped(slot.service)),
            Segment::new("RGS").set(1, "1"),
            Segment::new("AIS")
                .set(1, "1")
                .set(3, format!("^{}", escaped(slot.service)))
                .set(4, slot.starts.v2())
                .set(7, slot.minutes.to_string())
                .set(8, "min")
                .set(10, slot.status),
            Segment::new("AIL").set(1, "1").set(
                3,
                format!("{}^^^{}", escaped(slot.place), self.organisation.ods),
            ),
            Segment::new("AIP").set(1, "1").set(3, slot.with.v2()),
        ];
        self.send("SIU", event, "SIU_S12", when, segments);
    }

    /// REF^I12: somebody was referred.
    pub fn referral(&mut self, when: When, referral: &Referral) {
        let from = organisation(referral.from.organisation).map_or("", |o| o.name);
        let mut rf1 = Segment::new("RF1")
            .set(
                1,
                format!(
                    "{}^{}",
                    referral.status,
                    if referral.status == "A" {
                        "Accepted"
                    } else {
                        "Pending"
                    }
                ),
            )
            .set(
                2,
                format!(
                    "{}^{}",
                    referral.priority,
                    if referral.priority == "R" {
                        "Routine"
                    } else {
                        "Urgent"
                    }
                ),
            )
            .set(3, format!("^{}", escaped(referral.service)))
            .set(6, format!("{}^{}", referral.number, self.organisation.ods))
            .set(7, when.v2())
            .set(10, format!("^{}", escaped(&referral.reason)));
        if let Some(ends) = referral.ends {
            rf1 = rf1.set(8, ends.compact());
        }
        let segments = vec![
            rf1,
            Segment::new("PRD")
                .set(1, "RP^Referring provider^HL70286")
                .set(2, referral.from.v2_name())
                .set(
                    4,
                    format!("{}^^^{}", escaped(from), referral.from.organisation),
                )
                .set(7, format!("{}^^{}", referral.from.organisation, "ODS")),
            Segment::new("PRD")
                .set(1, "RT^Referred to provider^HL70286")
                .set(
                    4,
                    format!("{}^^^{}", escaped(referral.to.name), referral.to.ods),
                )
                .set(7, format!("{}^^{}", referral.to.ods, "ODS")),
            self.pid(),
            self.pd1(),
            Segment::new("PV1")
                .set(1, "1")
                .set(2, "O")
                .set(10, escaped(referral.service)),
        ];
        self.send("REF", "I12", "REF_I12", when, segments);
    }

    fn send(
        &mut self,
        kind: &str,
        event: &str,
        structure: &str,
        when: When,
        segments: Vec<Segment>,
    ) {
        let Some(feed) = self.organisation.feed else {
            return;
        };
        self.count += 1;
        let initial = feed.application.get(..1).unwrap_or("X");
        let control_id = format!(
            "{}{initial}{:06}{:05}",
            self.run, self.person.lane, self.count
        );
        let mut message = String::with_capacity(1024);
        Segment::new("MSH")
            .set(1, "^~\\&")
            .set(2, self.organisation.sending_application())
            .set(3, self.organisation.sending_facility())
            .set(4, "CONNECTCARE")
            .set(5, PROGRAMME.ods)
            .set(6, when.v2())
            .set(8, format!("{kind}^{event}^{structure}"))
            .set(9, control_id)
            .set(10, "P")
            .set(11, "2.4")
            .set(14, "AL")
            .set(15, "NE")
            .set(16, "GBR")
            .set(17, "UNICODE UTF-8")
            .set(18, "EN")
            .write(&mut message);
        for segment in &segments {
            segment.write(&mut message);
        }
        self.out.push(Outgoing {
            feed: feed.id,
            at: when.timestamp(),
            payload: Payload::V2(message.into_bytes()),
        });
    }

    fn evn(&self, event: &str, when: When) -> Segment {
        Segment::new("EVN").set(1, event).set(2, when.v2())
    }

    fn pid(&self) -> Segment {
        let person = self.person;
        let mut pid = Segment::new("PID")
            .set(1, "1")
            .set(
                3,
                format!(
                    "{}^^^NHS^NH~{}^^^{}^MR",
                    person.nhs_number, self.local_number, self.organisation.ods
                ),
            )
            .set(5, name(person))
            .set(7, person.birth.compact())
            .set(8, if person.sex == Sex::Female { "F" } else { "M" })
            .set(11, v2_address(person))
            .set(13, phones(person))
            .set(15, format!("{}^{}", person.language.0, person.language.1))
            .set(
                22,
                format!(
                    "{}^{}^NHSETHNIC",
                    person.ethnicity.0,
                    escaped(person.ethnicity.1)
                ),
            )
            .set(32, "01");
        if let Some(died) = person.died {
            pid = pid.set(29, died.compact()).set(30, "Y");
        }
        pid
    }

    fn pd1(&self) -> Segment {
        let practice = organisation(self.person.practice).map_or("", |practice| practice.name);
        let pd1 = Segment::new("PD1").set(
            3,
            format!(
                "{}^^{}",
                escaped(practice).to_uppercase(),
                self.person.practice
            ),
        );
        // PD1-12 is the protection indicator: the address is not to be disclosed.
        if self.person.restricted {
            pd1.set(12, "Y")
        } else {
            pd1
        }
    }

    fn nk1(&self) -> Option<Segment> {
        let kin = self.person.next_of_kin.as_ref()?;
        Some(
            Segment::new("NK1")
                .set(1, "1")
                .set(
                    2,
                    format!(
                        "{}^{}^^^{}",
                        escaped(&kin.family),
                        escaped(&kin.given),
                        kin.title
                    ),
                )
                .set(
                    3,
                    format!("{}^{}^HL70063", kin.relation_code(), kin.relation),
                )
                .set(5, format!("{}^PRN^CP", kin.phone))
                .set(7, "N^Next of kin^HL70131"),
        )
    }

    fn al1(&self) -> Vec<Segment> {
        self.allergies
            .iter()
            .zip(1..)
            .map(|(allergy, place)| {
                Segment::new("AL1")
                    .set(1, place.to_string())
                    .set(2, allergy.kind)
                    .set(3, format!("{}^{}^SCT", allergy.code, escaped(allergy.text)))
                    .set(4, allergy.severity)
                    .text(5, allergy.reaction)
                    .set(6, allergy.noted.compact())
            })
            .collect()
    }

    fn pv1(&self, visit: &Visit, closing: bool) -> Segment {
        let mut pv1 = Segment::new("PV1")
            .set(1, "1")
            .set(2, visit.class)
            .set(3, visit.location.as_str())
            .set(7, visit.consultant.v2())
            .set(10, escaped(visit.specialty))
            .set(
                19,
                format!("{}^^^{}^VN", visit.number, self.organisation.ods),
            )
            .set(44, visit.starts.v2());
        if visit.class == "I" {
            pv1 = pv1.set(
                4,
                if visit.location.starts_with("Kestrel") {
                    "21"
                } else {
                    "11"
                },
            );
        }
        if let Some(ends) = visit.ends.filter(|_| closing) {
            pv1 = pv1.set(36, visit.discharge).set(45, ends.v2());
        }
        pv1
    }
}

impl Kin {
    /// Table 0063.
    fn relation_code(&self) -> &'static str {
        match self.relation {
            "Wife" | "Husband" => "SPO",
            "Daughter" | "Son" => "CHD",
            "Mother" => "MTH",
            "Father" => "FTH",
            "Sister" | "Brother" => "SIB",
            _ => "OTH",
        }
    }
}

fn name(person: &Person) -> String {
    let official = format!(
        "{}^{}^{}^^{}^^L",
        escaped(&person.family).to_uppercase(),
        escaped(&person.given),
        person.middle.as_deref().map(escaped).unwrap_or_default(),
        person.title,
    );
    match &person.preferred {
        Some(preferred) => format!(
            "{official}~{}^{}^^^^^N",
            escaped(&person.family).to_uppercase(),
            escaped(preferred)
        ),
        None => official,
    }
}

fn v2_address(person: &Person) -> String {
    let address = &person.address;
    format!(
        "{}^{}^{}^^{}^GBR^H",
        escaped(&address.line),
        escaped(&address.district),
        address.town,
        address.postcode
    )
}

fn phones(person: &Person) -> String {
    let home = person
        .home_phone
        .as_ref()
        .map(|phone| format!("{phone}^PRN^PH"));
    let mobile = person
        .mobile
        .as_ref()
        .map(|phone| format!("{phone}^PRN^CP"));
    [home, mobile]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_at_their_numbers() {
        let mut out = String::new();
        Segment::new("PV1").set(2, "I").set(4, "21").write(&mut out);
        assert_eq!(out, "PV1||I||21\r");
    }

    #[test]
    fn separators_in_text_are_escaped() {
        assert_eq!(
            escaped("a|b^c&d~e\\f\ng"),
            "a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f\\.br\\g"
        );
    }
}
