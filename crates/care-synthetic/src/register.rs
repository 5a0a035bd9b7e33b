//! What a national register would know of the people of a story: for services that must reach them.

use crate::calendar::When;
use crate::cast::cast;
use crate::person::{Person, cast_person, ordinary_person};
use crate::story::Story;

/// Somebody of the story, as a register knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterEntry {
    /// Ten digits.
    pub nhs_number: String,
    /// Family name.
    pub family: String,
    /// Given name.
    pub given: String,
    /// `1945-07-14`.
    pub birth_date: String,
    /// The lines of the address, the postcode aside.
    pub address: Vec<String>,
    /// Postcode.
    pub postcode: String,
    /// Mobile phone, if there is one.
    pub mobile: String,
}

impl Story {
    /// Everybody in the story, the cast first.
    pub fn register(&self) -> impl Iterator<Item = RegisterEntry> {
        let (seed, today) = (self.seed, When::of(self.now).day);
        let members = cast().iter().zip(1..);
        let told = members.map(move |(member, lane)| cast_person(member, lane, seed, today));
        let others = 0..self.people() - cast().len() as u32;
        told.chain(others.map(move |index| ordinary_person(seed, index, today)))
            .map(entry)
    }
}

fn entry(person: Person) -> RegisterEntry {
    RegisterEntry {
        birth_date: person.birth.iso(),
        address: vec![
            person.address.line,
            person.address.district,
            person.address.town.to_owned(),
        ],
        postcode: person.address.postcode,
        mobile: person.mobile.unwrap_or_default(),
        nhs_number: person.nhs_number,
        family: person.family,
        given: person.given,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_told_of_is_on_the_register_once() {
        let now = "2026-11-23T09:00:00Z".parse().expect("a time");
        let story = Story::new(7, 40, now);
        let register: Vec<RegisterEntry> = story.register().collect();
        let numbers: Vec<String> = story.nhs_numbers().collect();
        assert_eq!(
            register
                .iter()
                .map(|one| one.nhs_number.clone())
                .collect::<Vec<_>>(),
            numbers
        );
        let jacob = register
            .iter()
            .find(|one| one.nhs_number == crate::JACOB)
            .expect("there");
        assert_eq!(
            (jacob.given.as_str(), jacob.family.as_str()),
            ("Jacob", "Stern")
        );
        assert!(!jacob.mobile.is_empty());
    }
}
