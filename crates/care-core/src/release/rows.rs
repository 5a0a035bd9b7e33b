//! Groups of rows: how many different people share what the declared columns say. Rows of a group
//! that is too small do not leave.

use std::collections::HashMap;

/// Counts the people of each group while rows pass by, person after person.
#[derive(Debug, Clone, Default)]
pub struct Classes {
    seen: HashMap<Box<str>, Group>,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    last_person: u32,
    people: u32,
}

impl Classes {
    /// Notes a row of a person. All rows of one person come together; people are told apart by any
    /// number.
    pub fn note<'a>(&mut self, person: u32, declared: impl IntoIterator<Item = &'a str>) {
        let group = self.seen.entry(key(declared).into()).or_insert(Group {
            last_person: person,
            people: 1,
        });
        if group.last_person != person {
            group.last_person = person;
            group.people += 1;
        }
    }

    /// How many people have such rows.
    pub fn people<'a>(&self, declared: impl IntoIterator<Item = &'a str>) -> u32 {
        self.seen
            .get(key(declared).as_str())
            .map_or(0, |group| group.people)
    }

    /// How many groups there are.
    pub fn groups(&self) -> usize {
        self.seen.len()
    }
}

/// Values with their lengths, so that no two lists read alike.
fn key<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let mut key = String::new();
    for value in values {
        key.push_str(&value.len().to_string());
        key.push(':');
        key.push_str(value);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_counts_people_and_not_rows() {
        let mut classes = Classes::default();
        for (person, row) in [
            (1, ["a", "b"]),
            (1, ["a", "b"]),
            (2, ["a", "b"]),
            (2, ["ab", ""]),
            (3, ["a", "b"]),
        ] {
            classes.note(person, row);
        }
        assert_eq!(classes.people(["a", "b"]), 3);
        assert_eq!(classes.people(["ab", ""]), 1);
        assert_eq!(classes.people(["", "ab"]), 0);
    }
}
