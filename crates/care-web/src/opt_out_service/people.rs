//! Who somebody says they are, and whether the register knows them. What is wrong with what was typed is
//! said; whether anybody was found is not.

use care_core::vocabulary::NhsNumber;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::register::{Registered, plain};
use super::store::{Store, StoreError};

/// Something wrong with a field of a form.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct FieldError {
    pub field: &'static str,
    pub words: &'static str,
}

/// What was typed.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Typed {
    #[serde(default)]
    pub csrf: String,
    #[serde(default)]
    pub given: String,
    #[serde(default)]
    pub family: String,
    #[serde(default, rename = "birth-day")]
    pub day: String,
    #[serde(default, rename = "birth-month")]
    pub month: String,
    #[serde(default, rename = "birth-year")]
    pub year: String,
    #[serde(default, rename = "nhs-number")]
    pub number: String,
    #[serde(default)]
    pub postcode: String,
    #[serde(default)]
    pub channel: String,
}

/// Who somebody says they are; every field can be what it should be.
pub struct Claim {
    pub given: String,
    pub family: String,
    pub birth_date: Date,
    pub number: Option<NhsNumber>,
    pub postcode: String,
}

impl Typed {
    /// The date that was typed.
    pub fn birth_date(&self) -> Option<Date> {
        let whole = |text: &str| text.trim().parse::<i16>().ok();
        let (year, month, day) = (whole(&self.year)?, whole(&self.month)?, whole(&self.day)?);
        Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
    }

    /// The claim, or what is wrong with it.
    pub fn claim(&self, today: Date) -> Result<Claim, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut wrong = |field, words| errors.push(FieldError { field, words });
        for (field, value, words) in [
            ("given", &self.given, "Enter your first name"),
            ("family", &self.family, "Enter your last name"),
        ] {
            if plain(value).is_empty() || value.chars().count() > 100 {
                wrong(field, words);
            }
        }
        let birth_date = self
            .birth_date()
            .filter(|date| *date <= today && date.year() > 1890);
        if birth_date.is_none() {
            wrong(
                "birth-day",
                "Enter a date of birth that is in the past, such as 14 7 1945",
            );
        }
        let (typed_number, typed_postcode) =
            (!self.number.trim().is_empty(), plain(&self.postcode));
        let number = NhsNumber::parse(&self.number).ok();
        if typed_number && number.is_none() {
            wrong(
                "nhs-number",
                "Check the NHS number: it has 10 digits and one of them may be mistyped",
            );
        }
        if !typed_number && !(5..=8).contains(&typed_postcode.len()) {
            wrong("postcode", "Enter your NHS number or your postcode");
        }
        match birth_date {
            Some(birth_date) if errors.is_empty() => Ok(Claim {
                given: self.given.trim().to_owned(),
                family: self.family.trim().to_owned(),
                birth_date,
                number,
                postcode: typed_postcode,
            }),
            _ => Err(errors),
        }
    }
}

impl Claim {
    /// The one person on the register whom all of it fits.
    pub fn find(&self, store: &Store) -> Result<Option<Registered>, StoreError> {
        let born = self.birth_date.to_string();
        let fits = |person: &Registered| {
            plain(&person.given) == plain(&self.given)
                && plain(&person.family) == plain(&self.family)
                && person.birth_date == born
        };
        let mut found = match self.number {
            Some(number) => store.person(number)?.into_iter().collect(),
            None => store.person_by_details(&born, &self.family, &self.postcode)?,
        };
        found.retain(fits);
        Ok(if found.len() == 1 { found.pop() } else { None })
    }

    /// What tries are counted by: the same claim again, however it is typed.
    pub fn key(&self) -> String {
        let who = match self.number {
            Some(number) => number.digits(),
            None => format!("{} {}", plain(&self.family), self.postcode),
        };
        super::sessions::digest(&format!("claim {who} {}", self.birth_date))
    }
}

/// Whole years from one day to another.
pub fn age_on(born: Date, today: Date) -> u32 {
    let years = i32::from(today.year()) - i32::from(born.year());
    let before = (today.month(), today.day()) < (born.month(), born.day());
    u32::try_from(years - i32::from(before)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_grows_on_the_birthday() {
        let born = Date::constant(2010, 11, 24);
        assert_eq!(age_on(born, Date::constant(2026, 11, 23)), 15);
        assert_eq!(age_on(born, Date::constant(2026, 11, 24)), 16);
        assert_eq!(age_on(born, Date::constant(2000, 1, 1)), 0);
    }
}
