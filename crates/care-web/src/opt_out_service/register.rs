//! The register: whom the service can know, and how it reaches them. Loaded from outside; a choice
//! never changes it.

use serde::{Deserialize, Serialize};

/// Somebody on the register.
#[derive(Clone, Serialize, Deserialize)]
pub struct Registered {
    /// Ten digits, checked when loaded.
    pub nhs_number: String,
    /// Family name.
    pub family: String,
    /// Given name.
    pub given: String,
    /// `1945-07-14`.
    pub birth_date: String,
    /// Postcode.
    pub postcode: String,
    /// The lines of the address, the postcode aside.
    pub address: Vec<String>,
    /// Mobile phone, if known.
    #[serde(default)]
    pub mobile: String,
    /// Email, if known.
    #[serde(default)]
    pub email: String,
}

/// A text as it is compared: letters and digits alone, in capitals, accents as they are.
pub fn plain(text: &str) -> String {
    text.chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .collect()
}

impl Registered {
    /// "Jacob Stern".
    pub fn name(&self) -> String {
        format!("{} {}", self.given, self.family)
    }

    /// The lines of a letter's address.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.name()];
        lines.extend(self.address.iter().filter(|line| !line.is_empty()).cloned());
        lines.push(self.postcode.clone());
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_postcodes_are_compared_without_spaces_dashes_and_case() {
        assert_eq!(plain("se99 3sr"), "SE993SR");
        assert_eq!(plain("O’Neill-Byrne"), "ONEILLBYRNE");
    }
}
