//! What names one person: looked for in every text that is about to leave, as a second wall behind
//! the allow-list. A source may have put a name or a number where no one expects it.

/// The words and numbers that name a person, as they are compared: small letters and digits alone.
#[derive(Clone, Default)]
pub struct Identifying {
    /// Found anywhere in a text.
    parts: Vec<String>,
    /// Found as a whole word: short ones, which are in many words by chance.
    words: Vec<String>,
}

impl std::fmt::Debug for Identifying {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identifying(hidden)")
    }
}

/// Names of this many letters or more are looked for inside words.
const LONG: usize = 5;

impl Identifying {
    /// Adds a number, address line, postcode, phone or date: as a whole. The words of an address are
    /// too common to look for.
    pub fn add(&mut self, text: &str) {
        self.add_one(&plain(text));
    }

    /// Adds a name: as a whole, and each of its words of three letters or more.
    pub fn add_name(&mut self, name: &str) {
        self.add(name);
        for word in name.split(|it: char| !it.is_alphanumeric()) {
            self.add_one(&plain(word));
        }
    }

    fn add_one(&mut self, plain: &str) {
        let letters = plain.chars().count();
        let list = match letters {
            0..=2 => return,
            3..LONG => &mut self.words,
            _ => &mut self.parts,
        };
        if !list.iter().any(|held| held == plain) {
            list.push(plain.to_owned());
        }
    }

    /// Whether a text names the person.
    pub fn named_in(&self, text: &str) -> bool {
        if self.parts.is_empty() && self.words.is_empty() {
            return false;
        }
        let whole = plain(text);
        if self.parts.iter().any(|part| whole.contains(part.as_str())) {
            return true;
        }
        text.split(|it: char| !it.is_alphanumeric())
            .map(plain)
            .chain([whole.clone()])
            .any(|word| self.words.contains(&word))
    }
}

fn plain(text: &str) -> String {
    text.chars()
        .filter(|it| it.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_found_however_they_are_written_and_not_in_other_words() {
        let mut jacob = Identifying::default();
        for text in [
            "9990000107",
            "SE99 3RC",
            "Flat 3, 12 Ropery Close",
            "1986-03-04",
        ] {
            jacob.add(text);
        }
        for name in ["Stern", "Jacob Anne-Marie", "Lee"] {
            jacob.add_name(name);
        }
        for text in [
            "999 000 0107",
            "NHS:999-000-0107",
            "STERN",
            "jacob's",
            "Lee",
            "lee,",
            "se993rc",
            "marie",
            "19860304",
        ] {
            assert!(jacob.named_in(text), "{text}");
        }
        for text in [
            "73211009", "active", "sleep", "12", "SE99", "final", "closed",
        ] {
            assert!(!jacob.named_in(text), "{text}");
        }
        assert_eq!(format!("{jacob:?}"), "Identifying(hidden)");
    }
}
