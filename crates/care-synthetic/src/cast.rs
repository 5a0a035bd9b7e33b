//! The cast: invented people with a part to play. Their numbers are fixed for ever; their ages hold
//! on the day the story is told, so their birth dates move with it.

use crate::organisations::COMMUNITY;

/// A person with a part to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CastMember {
    /// NHS number, ten digits.
    pub nhs_number: &'static str,
    /// Given name.
    pub given: &'static str,
    /// Family name.
    pub family: &'static str,
    /// Age on the day the story is told.
    pub age_years: i32,
    /// The part, in a sentence.
    pub part: &'static str,
}

/// Amara Osei.
pub const AMARA: &str = "9990000018";
/// Bernard Whitlock.
pub const BERNARD: &str = "9990000026";
/// Chloe Adeyemi.
pub const CHLOE: &str = "9990000034";
/// Dilys Fenwick.
pub const DILYS: &str = "9990000042";
/// Elif Kaya.
pub const ELIF: &str = "9990000050";
/// Fatima Noor.
pub const FATIMA: &str = "9990000069";
/// George Marlow.
pub const GEORGE: &str = "9990000077";
/// Henry Marlow.
pub const HENRY: &str = "9990000085";
/// Ines Duarte.
pub const INES: &str = "9990000093";
/// Jacob Stern.
pub const JACOB: &str = "9990000107";
/// Kwame Boateng.
pub const KWAME: &str = "9990000115";
/// Lucy Pembroke.
pub const LUCY: &str = "9990000123";
/// Maya Patel.
pub const MAYA: &str = "9990000131";
/// Niamh Brennan.
pub const NIAMH: &str = "9990000158";
/// The number Niamh Brennan had before two records of hers were joined.
pub const NIAMH_SUPERSEDED: &str = "9990000166";

const fn member(
    nhs_number: &'static str,
    given: &'static str,
    family: &'static str,
    age_years: i32,
    part: &'static str,
) -> CastMember {
    CastMember {
        nhs_number,
        given,
        family,
        age_years,
        part,
    }
}

/// Everyone with a part, in the order of the contract.
pub fn cast() -> &'static [CastMember] {
    const ALL: [CastMember; 14] = [
        member(
            AMARA,
            "Amara",
            "Osei",
            81,
            "the ordinary complex case: every section filled from five sources",
        ),
        member(
            BERNARD,
            "Bernard",
            "Whitlock",
            67,
            "has objected to Connect Care",
        ),
        member(
            CHLOE,
            "Chloe",
            "Adeyemi",
            34,
            "objected except in an emergency",
        ),
        member(
            DILYS,
            "Dilys",
            "Fenwick",
            45,
            "restricted address, watched record",
        ),
        member(ELIF, "Elif", "Kaya", 9, "a child whose mother acts for her"),
        member(
            FATIMA,
            "Fatima",
            "Noor",
            28,
            "sealed, sealed-and-locked and sensitive items",
        ),
        member(
            GEORGE,
            "George",
            "Marlow",
            52,
            "a twin at one address with Henry",
        ),
        member(
            HENRY,
            "Henry",
            "Marlow",
            52,
            "a twin at one address with George",
        ),
        member(INES, "Ines", "Duarte", 76, "died 10 days ago"),
        member(
            JACOB,
            "Jacob",
            "Stern",
            40,
            "has a national data opt-out, which changes nothing for care",
        ),
        member(
            KWAME,
            "Kwame",
            "Boateng",
            58,
            "no allergy recorded by anyone; one source always unavailable",
        ),
        member(
            LUCY,
            "Lucy",
            "Pembroke",
            63,
            "no known allergies at the GP, penicillin allergy at the hospital",
        ),
        member(MAYA, "Maya", "Patel", 30, "is the user `patient`"),
        member(
            NIAMH,
            "Niamh",
            "Brennan",
            55,
            "her NHS number was superseded; two records joined",
        ),
    ];
    &ALL
}

/// The people whose records are watched. No message says so: the demonstration sets the mark.
pub fn watched() -> &'static [&'static str] {
    &[DILYS]
}

/// The source that a demonstration shows as not available for this person, if any: the
/// organisation's code.
pub fn unavailable_source_for(nhs_number: &str) -> Option<&'static str> {
    (nhs_number == KWAME).then_some(COMMUNITY.ods)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nhs_number::is_invented;

    #[test]
    fn every_number_of_the_cast_is_invented_and_valid() {
        assert!(cast().iter().all(|member| is_invented(member.nhs_number)));
        assert!(is_invented(NIAMH_SUPERSEDED));
    }
}
