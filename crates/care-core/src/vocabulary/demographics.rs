//! Who a person is, as sources send it.

use std::fmt;

use super::{NhsNumber, OdsCode};

/// A date known to the year, the month or the day, and no further.
///
/// Ordering is by year, then month, then day, an unknown part first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartialDate {
    /// The year, 1 to 9999.
    pub year: i16,
    /// The month, 1 to 12, if known.
    pub month: Option<i8>,
    /// The day, if known; only with a month.
    pub day: Option<i8>,
}

impl PartialDate {
    /// A whole date.
    pub fn from_date(date: jiff::civil::Date) -> Self {
        Self {
            year: date.year(),
            month: Some(date.month()),
            day: Some(date.day()),
        }
    }

    /// Reads `YYYY`, `YYYY-MM` or `YYYY-MM-DD`; a day that is not in the calendar is refused.
    pub fn parse_fhir(text: &str) -> Option<Self> {
        let digits = |part: &str, width: usize| {
            (part.len() == width && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse::<i16>().ok())
                .flatten()
        };
        let mut parts = text.split('-');
        let year = digits(parts.next()?, 4)?;
        let month = match parts.next() {
            Some(part) => Some(digits(part, 2)? as i8),
            None => None,
        };
        let day = match parts.next() {
            Some(part) => Some(digits(part, 2)? as i8),
            None => None,
        };
        if parts.next().is_some() || year == 0 {
            return None;
        }
        jiff::civil::Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).ok()?;
        Some(Self { year, month, day })
    }

    /// The whole date, where the day is known.
    pub fn to_date(self) -> Option<jiff::civil::Date> {
        jiff::civil::Date::new(self.year, self.month?, self.day?).ok()
    }

    /// The first day this date can mean.
    pub fn first_day(self) -> jiff::civil::Date {
        jiff::civil::Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1))
            .unwrap_or(jiff::civil::Date::MIN)
    }
}

impl fmt::Display for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        if let Some(month) = self.month {
            write!(f, "-{month:02}")?;
        }
        if let Some(day) = self.day {
            write!(f, "-{day:02}")?;
        }
        Ok(())
    }
}

/// Gender as the NHS Data Dictionary's PERSON STATED GENDER and FHIR's administrative gender say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Gender {
    /// Male.
    Male,
    /// Female.
    Female,
    /// Other Specific.
    Other,
    /// Not Known.
    Unknown,
    /// Not Specified.
    NotSpecified,
}

impl Gender {
    /// In full, as screens show it (ISB 1507).
    pub fn title(self) -> &'static str {
        match self {
            Self::Male => "Male",
            Self::Female => "Female",
            Self::Other => "Other Specific",
            Self::Unknown => "Not Known",
            Self::NotSpecified => "Not Specified",
        }
    }
}

/// A name in its parts, spelled as sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PersonName {
    /// Family name.
    pub family: String,
    /// Given names in order; the first is the one people use unless a preferred name says otherwise.
    pub given: Vec<String>,
    /// Titles, such as Mrs.
    pub prefix: Vec<String>,
    /// What the person likes to be called, if another name.
    pub preferred: Option<String>,
}

/// An address, lines as sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Address {
    /// Lines without the postcode.
    pub lines: Vec<String>,
    /// Postcode.
    pub postcode: Option<String>,
    /// A temporary address, not the usual one.
    pub temporary: bool,
}

/// Which kind of contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContactSystem {
    /// Phone at home.
    HomePhone,
    /// Phone at work.
    WorkPhone,
    /// Mobile phone.
    Mobile,
    /// Email.
    Email,
}

/// A way to reach a person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContactPoint {
    /// Which kind.
    pub system: ContactSystem,
    /// The number or address, as sent.
    pub value: String,
}

/// How sure the source is of the NHS number.
///
/// Source: UKCore-NHSNumberVerificationStatus; `01` there is present and verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NumberStatus {
    /// The number is present and was traced.
    Verified,
    /// The number is present and was not traced, or the source did not say.
    Unverified,
}

/// What one source says of who a person is. Every part may be missing.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Demographics {
    /// NHS number with a right check digit.
    pub nhs_number: Option<NhsNumber>,
    /// What the source says of that number; `None` where no number was sent.
    pub number_status: Option<NumberStatus>,
    /// The number as sent where its check digit is wrong: shown to stewards, never linked on.
    pub unusable_number: Option<String>,
    /// The source's own (hospital, practice …) number of this person, with its assigner.
    pub local_ids: Vec<(String, String)>,
    /// Names, current first.
    pub names: Vec<PersonName>,
    /// Birth date.
    pub birth_date: Option<PartialDate>,
    /// Gender.
    pub gender: Option<Gender>,
    /// Addresses, usual first.
    pub addresses: Vec<Address>,
    /// Phones and email, in the order home, work, mobile, email.
    pub contacts: Vec<ContactPoint>,
    /// The practice the person is registered with.
    pub practice: Option<OdsCode>,
    /// Date of death, or `Some(None)` when the source only says the person died.
    pub died: Option<Option<PartialDate>>,
    /// The address and phone are protected (PDS "R").
    pub restricted: bool,
}

impl fmt::Debug for Demographics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Demographics(hidden)")
    }
}
