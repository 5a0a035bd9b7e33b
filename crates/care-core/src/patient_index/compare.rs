//! How strongly two sets of details point to one person: for lists that a person chooses from.
//! Never for linking: that is [`super::link`]'s, and rests on numbers.
//!
//! Units: bits, the log2 of how much likelier the agreement is for one person than for two.
//!
//! Source: Fellegi & Sunter 1969. The weights are estimates from the usual error rates of demographic
//! fields (a verified number is wrong once in some ten million; names differ for one person in
//! twenty records); they were not fitted to any deployment's data.

use crate::vocabulary::{Demographics, NumberStatus};

use super::{Details, details};

/// Before anything is compared: one among about half a million people is meant.
const ONE_AMONG_BITS: f64 = 19.0;

/// How strongly two sets of demographics point to one person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatchScore {
    bits: f64,
    is_certain: bool,
}

/// How sure a match is, in the words of FHIR's match-grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchGrade {
    /// The verified number and the birth date agree, and nothing contradicts.
    Certain,
    /// Most likely this person.
    Probable,
    /// May be this person.
    Possible,
    /// Too little agrees.
    CertainlyNot,
}

impl MatchGrade {
    /// FHIR's code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Probable => "probable",
            Self::Possible => "possible",
            Self::CertainlyNot => "certainly-not",
        }
    }
}

impl MatchScore {
    /// The evidence, in bits; 0 is none either way.
    pub fn bits(self) -> f64 {
        self.bits
    }

    /// The same as a probability, 0 to 1.
    pub fn probability(self) -> f64 {
        let odds = (self.bits - ONE_AMONG_BITS).exp2();
        odds / (1.0 + odds)
    }

    /// How sure that is.
    pub fn grade(self) -> MatchGrade {
        let probability = self.probability();
        if self.is_certain && probability > 0.99 {
            MatchGrade::Certain
        } else if probability > 0.95 {
            MatchGrade::Probable
        } else if probability > 0.1 {
            MatchGrade::Possible
        } else {
            MatchGrade::CertainlyNot
        }
    }
}

/// Compares what is asked with what is known. A field that is missing on one side adds nothing.
///
/// ```
/// use care_core::patient_index::{MatchGrade, compare};
/// use care_core::vocabulary::Demographics;
/// let nobody = Demographics::default();
/// assert_eq!(compare(&nobody, &nobody).grade(), MatchGrade::CertainlyNot);
/// ```
pub fn compare(asked: &Demographics, known: &Demographics) -> MatchScore {
    let (left, right) = (details(asked), details(known));
    let number = number_bits(asked, known);
    let birth = birth_bits(&left.birth_date, &right.birth_date);
    let rest = [
        family_bits(&left, &right),
        given_bits(&left.given, &right.given),
        when_both(&left.gender, &right.gender, 1.0, -5.0),
        postcode_bits(&left.postcode, &right.postcode),
    ];
    let names_contradict = rest[0] < 0.0 && rest[1] < 0.0;
    MatchScore {
        bits: number + birth + rest.iter().sum::<f64>(),
        is_certain: number > 0.0
            && known.number_status == Some(NumberStatus::Verified)
            && birth > 10.0
            && !names_contradict,
    }
}

fn when_both(left: &str, right: &str, same: f64, other: f64) -> f64 {
    match (left.is_empty() || right.is_empty(), left == right) {
        (true, _) => 0.0,
        (false, true) => same,
        (false, false) => other,
    }
}

fn number_bits(asked: &Demographics, known: &Demographics) -> f64 {
    match (asked.nhs_number, known.nhs_number) {
        (Some(left), Some(right)) if left == right => 26.0,
        (Some(_), Some(_)) => -8.0,
        _ => 0.0,
    }
}

fn birth_bits(left: &str, right: &str) -> f64 {
    if left.is_empty() || right.is_empty() {
        return 0.0;
    }
    if left == right {
        // A year alone says less than a day.
        return match left.len() {
            10 => 14.4,
            7 => 9.5,
            _ => 6.0,
        };
    }
    let parts = |text: &str| -> Vec<String> { text.split('-').map(str::to_owned).collect() };
    match (parts(left).as_slice(), parts(right).as_slice()) {
        ([y, m, d], [y2, m2, d2]) if y == y2 && m == d2 && d == m2 => 8.0,
        (shorter, longer) | (longer, shorter) if longer.starts_with(shorter) => 5.0,
        ([y, m, d], [y2, m2, d2]) => {
            let differ = [y != y2, m != m2, d != d2];
            if differ.iter().filter(|one| **one).count() == 1 {
                2.0
            } else {
                -5.0
            }
        }
        _ => -5.0,
    }
}

fn family_bits(left: &Details, right: &Details) -> f64 {
    let exact = when_both(&left.family, &right.family, 7.6, -4.0);
    let sounds_alike =
        !left.phonetic_family.is_empty() && left.phonetic_family == right.phonetic_family;
    if exact < 0.0 && sounds_alike {
        3.5
    } else {
        exact
    }
}

fn given_bits(left: &str, right: &str) -> f64 {
    let exact = when_both(left, right, 5.5, -3.0);
    let begins_alike = left.chars().next() == right.chars().next();
    let short_form = left.starts_with(right) || right.starts_with(left);
    match exact {
        bits if bits >= 0.0 => bits,
        _ if short_form => 3.0,
        _ if begins_alike => 0.5,
        bits => bits,
    }
}

fn postcode_bits(left: &str, right: &str) -> f64 {
    let exact = when_both(left, right, 10.6, -2.0);
    // The inward part of a postcode is its last three letters.
    let district = |text: &str| text.get(..text.len().saturating_sub(3)).map(str::to_owned);
    if exact < 0.0
        && district(left).is_some_and(|one| !one.is_empty() && Some(one) == district(right))
    {
        3.0
    } else {
        exact
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::{Gender, NhsNumber, PartialDate, PersonName};

    fn known() -> Demographics {
        Demographics {
            nhs_number: NhsNumber::parse("9990000018").ok(),
            number_status: Some(NumberStatus::Verified),
            names: vec![PersonName {
                family: "Okafor".to_owned(),
                given: vec!["Amara".to_owned()],
                ..PersonName::default()
            }],
            birth_date: PartialDate::parse_fhir("1948-03-12"),
            gender: Some(Gender::Female),
            ..Demographics::default()
        }
    }

    #[test]
    fn the_more_agrees_the_surer_and_a_contradiction_takes_it_back() {
        let whole = known();
        let change = |change: &dyn Fn(&mut Demographics)| {
            let mut asked = known();
            change(&mut asked);
            compare(&asked, &whole).grade()
        };
        let renamed = |one: &mut Demographics, family: &str, given: &str| {
            one.names[0].family = family.to_owned();
            one.names[0].given = vec![given.to_owned()];
        };
        use MatchGrade::*;
        assert_eq!(change(&|_| {}), Certain);
        assert_eq!(
            change(&|one| renamed(one, "Smith", "John")),
            Probable,
            "the names contradict"
        );
        assert_eq!(change(&|one| one.nhs_number = None), Probable, "no number");
        assert_eq!(
            change(&|one| {
                one.nhs_number = None;
                renamed(one, "Okafor", "");
                one.names[0].given.clear();
            }),
            Possible,
            "a family name and a birth date"
        );
        assert_eq!(
            change(&|one| {
                one.nhs_number = None;
                one.birth_date = None;
            }),
            CertainlyNot,
            "a name alone"
        );
        assert_eq!(
            change(&|one| {
                one.nhs_number = NhsNumber::parse("9990000026").ok();
                one.birth_date = PartialDate::parse_fhir("1990-01-01");
            }),
            CertainlyNot,
            "another number and another birth date"
        );
        assert_eq!(
            change(&|one| {
                one.nhs_number = None;
                one.birth_date = PartialDate::parse_fhir("1948-12-03");
            }),
            Possible,
            "day and month changed places"
        );
    }
}
