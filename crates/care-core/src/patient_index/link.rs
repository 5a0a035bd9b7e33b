//! The linking rule: link, new, or ask a person.
//!
//! Source: issue 2 ("Identify") and hazards H01 and H02: a wrong link is worse than a split, so only
//! two things link by themselves, and everything doubtful waits for a person.

use crate::vocabulary::{Demographics, NhsNumber, NumberStatus, PersonId};

use super::{Details, details};

/// A person who may be the one a delivery is about, with everything the rule compares.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The person.
    pub person: PersonId,
    /// Who answers for this person: another one when the two were joined, else the same. Two
    /// candidates with one root are one person.
    pub root: PersonId,
    /// How the candidate was found.
    pub basis: Basis,
    /// The verified NHS number that the person, or anyone joined with them, holds.
    pub numbers: Vec<NhsNumber>,
    /// What each source said of them.
    pub details: Vec<Details>,
}

/// How a candidate was found, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// The same source used one of these local numbers before.
    LocalId,
    /// Holds the verified number that was sent.
    VerifiedNumber,
    /// The number that was sent is not verified, or the holder's is not.
    UnverifiedNumber,
    /// Same family name, given name and birth date.
    Details,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// The delivery is about this person.
    Existing {
        /// Under whose key the items are filed.
        person: PersonId,
        /// Why.
        evidence: Vec<Evidence>,
    },
    /// Nobody known. `possible` are people whom a steward should compare with the new one: they have
    /// the same details and no number of their own.
    New {
        /// Possibly the same person.
        possible: Vec<PersonId>,
    },
    /// Not sure: nothing of the delivery is shown until a person has decided.
    AskAPerson {
        /// What is doubtful.
        why: Doubt,
        /// Who it may be.
        candidates: Vec<PersonId>,
    },
}

/// A fact that speaks for a link. Plain words, without the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The number is the same and the source verified it.
    NumberAgrees,
    /// The source used this local number before.
    LocalIdAgrees,
    /// The birth date is the same.
    BirthDateAgrees,
    /// Family or given name agrees.
    NameAgrees,
    /// The name is another one; the number and birth date decided.
    NameDiffers,
}

impl Evidence {
    /// The evidence in a sentence's part.
    pub fn text(self) -> &'static str {
        match self {
            Self::NumberAgrees => "the verified NHS number is the same",
            Self::LocalIdAgrees => "the source used this local number before",
            Self::BirthDateAgrees => "the birth date is the same",
            Self::NameAgrees => "the name agrees",
            Self::NameDiffers => "the name differs",
        }
    }
}

/// What is doubtful.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Verified number or local number known, but the birth date is another one.
    BirthDateDiffers,
    /// The verified number is known, but a birth date is missing on one side.
    BirthDateMissing,
    /// The local number is known, but for somebody with an entirely different name.
    NameDiffers,
    /// The local number is known, but that person has another verified NHS number.
    NumberDiffers,
    /// Two different people fit.
    TwoPeopleFit,
    /// The number is not verified and somebody holds it.
    NumberNotVerified,
    /// Name and birth date are those of somebody known, and nothing stronger says so.
    OnlyDetailsAgree,
}

impl Doubt {
    /// The code on a worklist row.
    pub fn code(self) -> &'static str {
        match self {
            Self::BirthDateDiffers => "birth-date-differs",
            Self::BirthDateMissing => "birth-date-missing",
            Self::NameDiffers => "name-differs",
            Self::NumberDiffers => "number-differs",
            Self::TwoPeopleFit => "two-people-fit",
            Self::NumberNotVerified => "number-not-verified",
            Self::OnlyDetailsAgree => "only-details-agree",
        }
    }

    /// What a steward reads.
    pub fn text(self) -> &'static str {
        match self {
            Self::BirthDateDiffers => {
                "The number is known, but the date of birth is not the one we hold."
            }
            Self::BirthDateMissing => {
                "The NHS number is known, but a date of birth is missing, so it cannot be compared."
            }
            Self::NameDiffers => {
                "The source used this local number before for somebody with a different name."
            }
            Self::NumberDiffers => {
                "The source used this local number before for somebody with another NHS number."
            }
            Self::TwoPeopleFit => "What was sent fits two people.",
            Self::NumberNotVerified => {
                "The NHS number was not verified by the source, and somebody else holds it."
            }
            Self::OnlyDetailsAgree => {
                "Name and date of birth are those of somebody we know; no verified NHS number says so."
            }
        }
    }
}

/// Decides whom a delivery is about.
///
/// `sent` carries `NumberStatus::Verified` only where the source verified the number. `candidates`
/// are everybody found by a local number of the same source, by the NHS number, or by exact details.
/// In this order:
///
/// 1. Two different people found by local number or verified number: ask.
/// 2. A person found by local number: link, unless the birth date, the whole name or the verified
///    number contradicts.
/// 3. A person found by verified number: link when the birth dates agree, else ask.
/// 4. A verified number nobody holds makes a new person. Somebody with the same details and no
///    number is named as possibly the same, for a steward.
/// 5. Without a verified number, anybody with that number or those details: ask.
/// 6. Nobody: a new person.
///
/// Source: issue 2; access to a doubtful record is prevented by H01's control.
pub fn link(sent: &Demographics, candidates: &[Candidate]) -> Link {
    let sent_details = details(sent);
    let strong: Vec<&Candidate> = candidates
        .iter()
        .filter(|candidate| candidate.basis <= Basis::VerifiedNumber)
        .collect();
    match strongest(&strong) {
        Some(first) if strong.iter().any(|other| other.root != first.root) => {
            ask(Doubt::TwoPeopleFit, strong)
        }
        Some(first) if first.basis == Basis::LocalId => by_local_id(sent, &sent_details, first),
        Some(first) => by_number(&sent_details, first),
        None => without_strong(sent, candidates),
    }
}

fn strongest<'a>(strong: &[&'a Candidate]) -> Option<&'a Candidate> {
    strong
        .iter()
        .min_by_key(|candidate| candidate.basis)
        .copied()
}

fn ask<'a>(why: Doubt, candidates: impl IntoIterator<Item = &'a Candidate>) -> Link {
    let mut people: Vec<PersonId> = candidates.into_iter().map(|one| one.person).collect();
    people.sort_unstable();
    people.dedup();
    Link::AskAPerson {
        why,
        candidates: people,
    }
}

fn by_local_id(sent: &Demographics, sent_details: &Details, known: &Candidate) -> Link {
    let birth_date = birth_date_agreement(sent_details, &known.details);
    let name = name_agreement(sent_details, &known.details);
    let number_differs = verified_number(sent)
        .is_some_and(|number| !known.numbers.is_empty() && !known.numbers.contains(&number));
    let doubt = match (birth_date, name) {
        (Agreement::Differs, _) => Some(Doubt::BirthDateDiffers),
        (_, Agreement::Differs) => Some(Doubt::NameDiffers),
        _ if number_differs => Some(Doubt::NumberDiffers),
        _ => None,
    };
    match doubt {
        Some(why) => ask(why, [known]),
        None => {
            let mut evidence = vec![Evidence::LocalIdAgrees];
            evidence.extend((birth_date == Agreement::Agrees).then_some(Evidence::BirthDateAgrees));
            evidence.extend((name == Agreement::Agrees).then_some(Evidence::NameAgrees));
            Link::Existing {
                person: known.person,
                evidence,
            }
        }
    }
}

fn by_number(sent_details: &Details, known: &Candidate) -> Link {
    match birth_date_agreement(sent_details, &known.details) {
        Agreement::Differs => ask(Doubt::BirthDateDiffers, [known]),
        Agreement::Unknown => ask(Doubt::BirthDateMissing, [known]),
        Agreement::Agrees => {
            let mut evidence = vec![Evidence::NumberAgrees, Evidence::BirthDateAgrees];
            match name_agreement(sent_details, &known.details) {
                Agreement::Agrees => evidence.push(Evidence::NameAgrees),
                Agreement::Differs => evidence.push(Evidence::NameDiffers),
                Agreement::Unknown => {}
            }
            Link::Existing {
                person: known.person,
                evidence,
            }
        }
    }
}

fn without_strong(sent: &Demographics, candidates: &[Candidate]) -> Link {
    let sent_number = verified_number(sent);
    let weak = || {
        // Somebody with another verified number of their own is another person of the same name.
        candidates.iter().filter(|one| {
            one.basis == Basis::UnverifiedNumber || one.numbers.is_empty() || sent_number.is_none()
        })
    };
    let by_number = candidates
        .iter()
        .any(|one| one.basis == Basis::UnverifiedNumber);
    if sent_number.is_some() {
        let mut possible: Vec<PersonId> = weak().map(|one| one.person).collect();
        possible.sort_unstable();
        possible.dedup();
        Link::New { possible }
    } else if by_number {
        ask(Doubt::NumberNotVerified, weak())
    } else if candidates.is_empty() {
        Link::New {
            possible: Vec::new(),
        }
    } else {
        ask(Doubt::OnlyDetailsAgree, weak())
    }
}

/// The number, where the source verified it.
fn verified_number(sent: &Demographics) -> Option<NhsNumber> {
    match sent.number_status {
        Some(NumberStatus::Verified) => sent.nhs_number,
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Agreement {
    Agrees,
    Differs,
    Unknown,
}

fn birth_date_agreement(sent: &Details, known: &[Details]) -> Agreement {
    let mut dates = known
        .iter()
        .map(|one| one.birth_date.as_str())
        .filter(|date| !date.is_empty())
        .peekable();
    if sent.birth_date.is_empty() || dates.peek().is_none() {
        Agreement::Unknown
    } else if dates.any(|date| date == sent.birth_date) {
        Agreement::Agrees
    } else {
        Agreement::Differs
    }
}

/// One part of the name is enough: people marry, and sources shorten.
fn name_agreement(sent: &Details, known: &[Details]) -> Agreement {
    let named = |one: &Details| !one.family.is_empty() || !one.given.is_empty();
    let same = |left: &str, right: &str| !left.is_empty() && left == right;
    let agrees = |one: &Details| {
        same(&one.family, &sent.family)
            || same(&one.given, &sent.given)
            || same(&one.phonetic_family, &sent.phonetic_family)
    };
    if !named(sent) || !known.iter().any(named) {
        Agreement::Unknown
    } else if known.iter().any(agrees) {
        Agreement::Agrees
    } else {
        Agreement::Differs
    }
}

/// Why a source's statement that two records are one person is not followed by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeDoubt {
    /// The two hold different verified NHS numbers.
    NumbersDiffer,
    /// Their birth dates differ.
    BirthDatesDiffer,
}

impl MergeDoubt {
    /// The code on a worklist row.
    pub fn code(self) -> &'static str {
        match self {
            Self::NumbersDiffer => "numbers-differ",
            Self::BirthDatesDiffer => "birth-dates-differ",
        }
    }
}

/// What speaks against joining two people whom a source (A34, A40) calls one.
pub fn merge_doubts(survivor: &Candidate, prior: &Candidate) -> Vec<MergeDoubt> {
    let mut doubts = Vec::new();
    let numbers_differ = !survivor.numbers.is_empty()
        && !prior.numbers.is_empty()
        && !survivor
            .numbers
            .iter()
            .any(|number| prior.numbers.contains(number));
    if numbers_differ {
        doubts.push(MergeDoubt::NumbersDiffer);
    }
    let agreements: Vec<Agreement> = prior
        .details
        .iter()
        .map(|one| birth_date_agreement(one, &survivor.details))
        .collect();
    if agreements.contains(&Agreement::Differs) && !agreements.contains(&Agreement::Agrees) {
        doubts.push(MergeDoubt::BirthDatesDiffer);
    }
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::{PartialDate, PersonName};

    fn person(
        number: &str,
        status: NumberStatus,
        family: &str,
        given: &str,
        born: &str,
    ) -> Demographics {
        Demographics {
            nhs_number: NhsNumber::parse(number).ok(),
            number_status: NhsNumber::parse(number).ok().map(|_| status),
            names: vec![PersonName {
                family: family.to_owned(),
                given: vec![given.to_owned()],
                ..PersonName::default()
            }],
            birth_date: PartialDate::parse_fhir(born),
            ..Demographics::default()
        }
    }

    fn candidate(person: u64, basis: Basis, number: &str, known: &Demographics) -> Candidate {
        Candidate {
            person: PersonId(person),
            root: PersonId(person),
            basis,
            numbers: NhsNumber::parse(number).ok().into_iter().collect(),
            details: vec![details(known)],
        }
    }

    const AMARA: &str = "9990000018";
    const BERNARD: &str = "9990000026";

    fn word(link: &Link) -> String {
        match link {
            Link::Existing { person, .. } => format!("link {}", person.0),
            Link::New { possible } if possible.is_empty() => "new".to_owned(),
            Link::New { possible } => format!("new, perhaps {}", possible[0].0),
            Link::AskAPerson { why, .. } => format!("ask {}", why.code()),
        }
    }

    #[test]
    fn the_linking_rule_as_a_table() {
        use Basis::{Details as ByDetails, LocalId, UnverifiedNumber, VerifiedNumber};
        use NumberStatus::{Unverified, Verified};
        let amara = || person(AMARA, Verified, "Osei", "Amara", "1945-03-02");
        let born_later = || person(AMARA, Verified, "Osei", "Amara", "1945-02-03");
        let no_birth = || person(AMARA, Verified, "Osei", "Amara", "");
        let unsure = || person(AMARA, Unverified, "Osei", "Amara", "1945-03-02");
        let numberless = || person("", Verified, "Osei", "Amara", "1945-03-02");
        let other_name = || person(AMARA, Verified, "Fenwick", "Dilys", "1945-03-02");
        let married = || person(AMARA, Verified, "Mensah", "Amara", "1945-03-02");
        let known = |person, basis, number| candidate(person, basis, number, &amara());
        let rows: Vec<(&str, Demographics, Vec<Candidate>, &str)> = vec![
            ("nobody known", amara(), vec![], "new"),
            (
                "number and birth date",
                amara(),
                vec![known(1, VerifiedNumber, AMARA)],
                "link 1",
            ),
            (
                "number, other name",
                other_name(),
                vec![known(1, VerifiedNumber, AMARA)],
                "link 1",
            ),
            (
                "number, other birth date",
                born_later(),
                vec![known(1, VerifiedNumber, AMARA)],
                "ask birth-date-differs",
            ),
            (
                "number, no birth date",
                no_birth(),
                vec![known(1, VerifiedNumber, AMARA)],
                "ask birth-date-missing",
            ),
            (
                "unverified number",
                unsure(),
                vec![known(1, UnverifiedNumber, AMARA)],
                "ask number-not-verified",
            ),
            ("unverified number nobody has", unsure(), vec![], "new"),
            (
                "local number",
                numberless(),
                vec![known(1, LocalId, "")],
                "link 1",
            ),
            (
                "local number, married",
                married(),
                vec![known(1, LocalId, AMARA)],
                "link 1",
            ),
            (
                "local number, other name",
                other_name(),
                vec![known(1, LocalId, AMARA)],
                "ask name-differs",
            ),
            (
                "local number, other birth date",
                born_later(),
                vec![known(1, LocalId, AMARA)],
                "ask birth-date-differs",
            ),
            (
                "local number, other number",
                amara(),
                vec![known(1, LocalId, BERNARD)],
                "ask number-differs",
            ),
            (
                "local number and number apart",
                amara(),
                vec![known(1, LocalId, ""), known(2, VerifiedNumber, AMARA)],
                "ask two-people-fit",
            ),
            (
                "details only",
                numberless(),
                vec![known(1, ByDetails, AMARA)],
                "ask only-details-agree",
            ),
            (
                "new number, a numberless namesake",
                amara(),
                vec![known(1, ByDetails, "")],
                "new, perhaps 1",
            ),
            (
                "new number, a namesake with a number",
                amara(),
                vec![known(1, ByDetails, BERNARD)],
                "new",
            ),
        ];
        for (name, sent, candidates, expected) in rows {
            assert_eq!(word(&link(&sent, &candidates)), expected, "{name}");
        }
    }

    #[test]
    fn two_joined_records_are_one_person_and_items_stay_under_the_source_s_own() {
        let sent = person(AMARA, NumberStatus::Verified, "Osei", "Amara", "1945-03-02");
        let mut old = candidate(1, Basis::LocalId, "", &sent);
        old.root = PersonId(2);
        let new = candidate(2, Basis::VerifiedNumber, AMARA, &sent);
        assert_eq!(word(&link(&sent, &[new, old])), "link 1");
    }

    #[test]
    fn a_merge_of_two_numbers_or_two_birth_dates_is_doubtful() {
        let one = person(AMARA, NumberStatus::Verified, "Osei", "Amara", "1945-03-02");
        let other = person(
            BERNARD,
            NumberStatus::Verified,
            "Osei",
            "Amara",
            "1945-03-20",
        );
        let doubts = merge_doubts(
            &candidate(1, Basis::LocalId, AMARA, &one),
            &candidate(2, Basis::LocalId, BERNARD, &other),
        );
        assert_eq!(
            doubts,
            [MergeDoubt::NumbersDiffer, MergeDoubt::BirthDatesDiffer]
        );
        let same = merge_doubts(
            &candidate(1, Basis::LocalId, AMARA, &one),
            &candidate(2, Basis::LocalId, "", &one),
        );
        assert!(same.is_empty());
    }
}
