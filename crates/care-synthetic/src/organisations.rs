//! Invented organisations: who shares what, under which name on the wire, and how often.
//!
//! Never a real organisation: every code begins with X9, which begins no code in the published
//! lists, and every phone number lies in the range Ofcom keeps free for drama (020 7946 0000 to 0999).

/// An invented organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InventedOrganisation {
    /// Its code, in the form of an ODS code.
    pub ods: &'static str,
    /// The prefix of its kind: practice, trust, community, mh, council, carehome, pharmacy,
    /// ambulance, programme.
    pub kind: &'static str,
    /// Its full name.
    pub name: &'static str,
    /// The short name that stands beside every item.
    pub short_name: &'static str,
    /// Its phone number, in the drama range.
    pub phone: &'static str,
    /// Who answers that phone about data.
    pub contact: &'static str,
    /// The system it sends from; `None` for an organisation that is not a source.
    pub feed: Option<Feed>,
    /// What it shares, in plain words.
    pub shares: &'static str,
    /// What it leaves out, in plain words; empty where nothing is known to be left out.
    pub leaves_out: &'static str,
}

/// A system that sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feed {
    /// The system's id: `feed-gp`.
    pub id: &'static str,
    /// The name of the product on its wire: MSH-3, and `meta.source` of what it sends as FHIR.
    pub application: &'static str,
    /// The longest time between two deliveries before the source counts as late, in minutes.
    pub fresh_within_minutes: u32,
    /// Whether it sends HL7 v2.
    pub sends_v2: bool,
    /// Whether it sends FHIR.
    pub sends_fhir: bool,
}

impl InventedOrganisation {
    /// MSH-3: the sending application; empty where nothing is sent.
    pub fn sending_application(&self) -> &'static str {
        self.feed.map(|feed| feed.application).unwrap_or_default()
    }

    /// MSH-4: the sending facility, which is the organisation's code.
    pub fn sending_facility(&self) -> &'static str {
        self.ods
    }
}

const fn feed(
    id: &'static str,
    application: &'static str,
    fresh_within_minutes: u32,
    v2: bool,
    fhir: bool,
) -> Option<Feed> {
    Some(Feed {
        id,
        application,
        fresh_within_minutes,
        sends_v2: v2,
        sends_fhir: fhir,
    })
}

/// The practice that everyone of the cast is registered with.
pub const PRACTICE: InventedOrganisation = InventedOrganisation {
    ods: "X9P01",
    kind: "practice",
    name: "Quaggy Lane Surgery",
    short_name: "Quaggy Lane Surgery",
    phone: "020 7946 0101",
    contact: "Practice manager",
    feed: feed("feed-gp", "QUAGGYGP", 1440, false, true),
    shares: "Problems, medicines, allergies, results, vaccinations, consultations and letters of people registered here",
    leaves_out: "Free text of consultations before 2019, and letters scanned before 2015",
};
/// A practice that takes part but does not send yet.
pub const SECOND_PRACTICE: InventedOrganisation = InventedOrganisation {
    ods: "X9P02",
    kind: "practice",
    name: "Ravensbank Medical Practice",
    short_name: "Ravensbank Practice",
    phone: "020 7946 0102",
    contact: "Practice manager",
    feed: None,
    shares: "Nothing yet: this practice is not connected",
    leaves_out: "Everything it holds",
};
/// The acute hospital trust.
pub const TRUST: InventedOrganisation = InventedOrganisation {
    ods: "X9T01",
    kind: "trust",
    name: "Wharfside University Hospitals NHS Trust",
    short_name: "Wharfside Hospital",
    phone: "020 7946 0110",
    contact: "Integration team",
    feed: feed("feed-hospital", "WHARFPAS", 60, true, true),
    shares: "Admissions, emergency attendances, outpatient appointments, laboratory results, discharge medicines and letters",
    leaves_out: "Images, nursing charts other than NEWS2, and letters before 2017",
};
/// The community provider.
pub const COMMUNITY: InventedOrganisation = InventedOrganisation {
    ods: "X9C01",
    kind: "community",
    name: "Ladywell Vale Community Health",
    short_name: "Ladywell Vale Community",
    phone: "020 7946 0120",
    contact: "Clinical systems desk",
    feed: feed("feed-community", "VALECOMM", 240, true, true),
    shares: "District nursing and therapy caseloads, visits, care plans, wound and weight observations",
    leaves_out: "Photographs of wounds",
};
/// The mental health trust.
pub const MENTAL_HEALTH: InventedOrganisation = InventedOrganisation {
    ods: "X9M01",
    kind: "mh",
    name: "Silverbirch Mental Health NHS Trust",
    short_name: "Silverbirch Mental Health",
    phone: "020 7946 0130",
    contact: "Digital service desk",
    feed: feed("feed-mental-health", "BIRCHCARE", 240, true, true),
    shares: "Referrals, team caseloads, care plans, crisis plans, letters, and medicines started by the trust",
    leaves_out: "Progress notes and psychology notes",
};
/// The council.
pub const COUNCIL: InventedOrganisation = InventedOrganisation {
    ods: "X9L01",
    kind: "council",
    name: "Eltmere Borough Council",
    short_name: "Eltmere Council",
    phone: "020 7946 0140",
    contact: "Adult social care systems team",
    feed: feed("feed-council", "ELTMERESC", 1440, false, true),
    shares: "Key worker, support packages, assessments, equipment, carers, safeguarding status",
    leaves_out: "Case notes, finances, key-safe codes, and records about third parties",
};
/// A care home: an employer of users, not a source.
pub const CARE_HOME: InventedOrganisation = InventedOrganisation {
    ods: "X9H01",
    kind: "carehome",
    name: "Larch House Care Home",
    short_name: "Larch House",
    phone: "020 7946 0150",
    contact: "Home manager",
    feed: None,
    shares: "Nothing: it reads and does not send",
    leaves_out: "",
};
/// A pharmacy: an employer of users, not a source.
pub const PHARMACY: InventedOrganisation = InventedOrganisation {
    ods: "X9F01",
    kind: "pharmacy",
    name: "Nightjar Pharmacy",
    short_name: "Nightjar Pharmacy",
    phone: "020 7946 0160",
    contact: "Superintendent pharmacist",
    feed: None,
    shares: "Nothing: it reads and does not send",
    leaves_out: "",
};
/// An ambulance service: an employer of users, not a source.
pub const AMBULANCE: InventedOrganisation = InventedOrganisation {
    ods: "X9A01",
    kind: "ambulance",
    name: "Thames Bridges Ambulance Service",
    short_name: "Thames Bridges Ambulance",
    phone: "020 7946 0170",
    contact: "Clinical hub",
    feed: None,
    shares: "Nothing: it reads and does not send",
    leaves_out: "",
};
/// The programme that runs Connect Care.
pub const PROGRAMME: InventedOrganisation = InventedOrganisation {
    ods: "X9Z01",
    kind: "programme",
    name: "Connect Care Programme",
    short_name: "Connect Care",
    phone: "020 7946 0180",
    contact: "Information governance team",
    feed: None,
    shares: "Nothing: it runs the service",
    leaves_out: "",
};

/// Every invented organisation, sources first.
pub fn organisations() -> &'static [InventedOrganisation] {
    const ALL: [InventedOrganisation; 10] = [
        PRACTICE,
        TRUST,
        COMMUNITY,
        MENTAL_HEALTH,
        COUNCIL,
        SECOND_PRACTICE,
        CARE_HOME,
        PHARMACY,
        AMBULANCE,
        PROGRAMME,
    ];
    &ALL
}

/// The organisation with this code.
pub fn organisation(ods: &str) -> Option<&'static InventedOrganisation> {
    organisations()
        .iter()
        .find(|organisation| organisation.ods == ods)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_phones_and_feeds_are_invented_and_different() {
        let codes: HashSet<_> = organisations().iter().map(|o| o.ods).collect();
        assert_eq!(codes.len(), organisations().len());
        assert!(
            organisations()
                .iter()
                .all(|o| o.ods.starts_with("X9") && o.phone.starts_with("020 7946 0"))
        );
        let feeds: Vec<_> = organisations()
            .iter()
            .filter_map(|o| o.feed)
            .map(|f| f.id)
            .collect();
        assert_eq!(
            feeds,
            [
                "feed-gp",
                "feed-hospital",
                "feed-community",
                "feed-mental-health",
                "feed-council"
            ]
        );
    }

    #[test]
    fn no_code_is_a_real_one() {
        let lists = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/ods");
        let Ok(files) = std::fs::read_dir(lists) else {
            println!("skipped: the published lists of organisations are not here");
            return;
        };
        for file in files.flatten() {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            for organisation in organisations() {
                assert!(
                    !text.contains(organisation.ods),
                    "{} is in {:?}",
                    organisation.ods,
                    file.path()
                );
            }
        }
    }
}
