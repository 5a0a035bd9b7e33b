//! Names as people of South East London bear them: by decade of birth, sex and community.
//!
//! The lists and their licences: `data/README.md`.

use std::sync::LazyLock;

use crate::calendar::Day;
use crate::dice::Dice;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sex {
    Female,
    Male,
}

impl Sex {
    fn letter(self) -> &'static str {
        match self {
            Self::Female => "F",
            Self::Male => "M",
        }
    }
}

/// An ethnic category of the NHS, with the list its names are drawn from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ethnicity {
    pub code: &'static str,
    pub display: &'static str,
    pub heritage: &'static str,
    weight: u32,
}

struct GivenName {
    decade: i32,
    sex: &'static str,
    name: &'static str,
    weight: u32,
}

static GIVEN: LazyLock<Vec<GivenName>> = LazyLock::new(|| {
    rows(include_str!("../data/given-names.tsv"))
        .filter_map(|row| match row[..] {
            [decade, sex, name, weight] => Some(GivenName {
                decade: decade.parse().ok()?,
                sex,
                name,
                weight: weight.parse().ok()?,
            }),
            _ => None,
        })
        .collect()
});

static FAMILY: LazyLock<Vec<(&'static str, u32)>> = LazyLock::new(|| {
    rows(include_str!("../data/surnames.tsv"))
        .filter_map(|row| match row[..] {
            [name, weight] => Some((name, weight.parse().ok()?)),
            _ => None,
        })
        .collect()
});

static ETHNICITIES: LazyLock<Vec<Ethnicity>> = LazyLock::new(|| {
    rows(include_str!("../data/ethnicities.tsv"))
        .filter_map(|row| match row[..] {
            [code, display, weight, heritage] => Some(Ethnicity {
                code,
                display,
                heritage,
                weight: weight.parse().ok()?,
            }),
            _ => None,
        })
        .collect()
});

/// (community, kind, names)
type HeritageRow = (&'static str, &'static str, Vec<&'static str>);

static HERITAGE: LazyLock<Vec<HeritageRow>> = LazyLock::new(|| {
    rows(include_str!("../data/heritage-names.tsv"))
        .filter_map(|row| match row[..] {
            [group, kind, names] => Some((group, kind, names.split(' ').collect())),
            _ => None,
        })
        .collect()
});

fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').collect())
}

/// An ethnicity, as often as it is met in London.
pub(crate) fn ethnicity(dice: &mut Dice) -> Ethnicity {
    const STATED: Ethnicity = Ethnicity {
        code: "Z",
        display: "Not stated",
        heritage: "-",
        weight: 0,
    };
    let place = dice.weighted(ETHNICITIES.iter().map(|ethnicity| ethnicity.weight));
    ETHNICITIES.get(place).copied().unwrap_or(STATED)
}

/// A given name of somebody born that day.
pub(crate) fn given(dice: &mut Dice, birth: Day, sex: Sex, heritage: &str) -> String {
    if let Some(names) = heritage_names(heritage, sex.letter()).filter(|_| !dice.chance(150)) {
        return dice.pick(names).copied().unwrap_or_default().to_owned();
    }
    let (year, _, _) = birth.parts();
    let decade = ((year - 1919).div_euclid(10) * 10 + 1924).clamp(1924, 1994);
    let fits = |name: &&GivenName| name.decade == decade && name.sex == sex.letter();
    let place = dice.weighted(GIVEN.iter().filter(fits).map(|name| name.weight));
    GIVEN
        .iter()
        .filter(fits)
        .nth(place)
        .map(|name| name.name.to_owned())
        .unwrap_or_default()
}

/// A family name.
pub(crate) fn family(dice: &mut Dice, heritage: &str) -> String {
    if let Some(names) = heritage_names(heritage, "S").filter(|_| !dice.chance(120)) {
        return dice.pick(names).copied().unwrap_or_default().to_owned();
    }
    let place = dice.weighted(FAMILY.iter().map(|(_, weight)| *weight));
    FAMILY
        .get(place)
        .map(|(name, _)| (*name).to_owned())
        .unwrap_or_default()
}

fn heritage_names(heritage: &str, kind: &str) -> Option<&'static [&'static str]> {
    HERITAGE
        .iter()
        .find(|(group, k, _)| *group == heritage && *k == kind)
        .map(|(_, _, names)| names.as_slice())
}

/// The language a person speaks best, as a BCP 47 code and in words.
pub(crate) fn language(dice: &mut Dice, heritage: &str) -> (&'static str, &'static str) {
    let other = match heritage {
        "indian" => ("gu", "Gujarati"),
        "muslim" => ("bn", "Bengali"),
        "chinese" => ("yue", "Cantonese"),
        "srilankan" => ("ta", "Tamil"),
        "european" => ("pl", "Polish"),
        "latin" => ("es", "Spanish"),
        "african" => ("yo", "Yoruba"),
        _ => ("en", "English"),
    };
    if dice.chance(220) {
        other
    } else {
        ("en", "English")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_read_whole() {
        assert!(GIVEN.len() > 1000 && FAMILY.len() > 1500);
        assert_eq!(ETHNICITIES.len(), 18);
        assert_eq!(HERITAGE.len() % 3, 0);
    }

    #[test]
    fn names_fit_the_decade() {
        let mut dice = Dice::new(3, "names");
        let births_1930: Vec<String> = (0..300)
            .map(|_| given(&mut dice, Day::of(1932, 5, 1), Sex::Female, "-"))
            .collect();
        assert!(births_1930.iter().any(|name| name == "Margaret"));
        assert!(!births_1930.iter().any(|name| name == "Chloe"));
    }
}
