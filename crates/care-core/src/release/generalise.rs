//! Who a person is, told so coarsely that at least five people of the release are told alike: age
//! band, gender, area.
//!
//! Steps from fine to coarse; at each step those whose group is large enough stay at it, and the
//! others go on together. Whoever is left at the end has nothing told of them; where these are fewer
//! than five, the smallest group goes with them.

use std::collections::BTreeMap;

use crate::vocabulary::Gender;

/// What is known of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Whole years.
    pub age_years: Option<u32>,
    /// As the sources say.
    pub gender: Option<Gender>,
    /// The postcode.
    pub postcode: String,
}

/// Age in bands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgeBand {
    /// Years in a band: 5, 10, 20.
    pub width: u32,
}

impl AgeBand {
    /// `65-69`; 90 and over is one band; `unknown` without an age.
    pub fn of(self, age_years: Option<u32>) -> String {
        match age_years {
            None => "unknown".to_owned(),
            Some(90..) => "90 and over".to_owned(),
            Some(age) => {
                let first = age - age % self.width;
                format!("{first}-{}", (first + self.width - 1).min(89))
            }
        }
    }
}

/// A person as they are told. An empty text: not told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generalised {
    /// `65-69`.
    pub age_band: String,
    /// `female`, `male`, `other`, `unknown`.
    pub gender: String,
    /// `SE99`, or `SE`.
    pub area: String,
}

/// The district of a postcode (`SE99`), or the letters of its area (`SE`). Empty where the text is no
/// postcode.
pub fn area_of(postcode: &str, district: bool) -> String {
    let compact: String = postcode
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|it| it.to_ascii_uppercase())
        .collect();
    let Some(outward) = compact
        .len()
        .checked_sub(3)
        .and_then(|end| compact.get(..end))
    else {
        return String::new();
    };
    let letters: String = outward
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect();
    let is_outward = (2..=4).contains(&outward.len()) && (1..=2).contains(&letters.len());
    match (is_outward, district) {
        (false, _) => String::new(),
        (true, true) => outward.to_owned(),
        (true, false) => letters,
    }
}

fn gender_of(gender: Option<Gender>) -> &'static str {
    match gender {
        Some(Gender::Male) => "male",
        Some(Gender::Female) => "female",
        Some(Gender::Other) => "other",
        Some(Gender::Unknown | Gender::NotSpecified) | None => "unknown",
    }
}

/// One step: years in a band (0: none told), gender told, district, area.
type Step = (u32, bool, bool, bool);

const STEPS: [Step; 7] = [
    (5, true, true, true),
    (10, true, true, true),
    (10, true, false, true),
    (20, true, false, true),
    (20, true, false, false),
    (20, false, false, false),
    (0, false, false, false),
];

fn at_step(person: &Described, (width, gender, district, area): Step) -> Generalised {
    Generalised {
        age_band: match width {
            0 => String::new(),
            width => AgeBand { width }.of(person.age_years),
        },
        gender: if gender {
            gender_of(person.gender).to_owned()
        } else {
            String::new()
        },
        area: if area {
            area_of(&person.postcode, district)
        } else {
            String::new()
        },
    }
}

/// How each person is told; `None` for all where there are fewer than `smallest` in all. Where a few are
/// left at the end, the smallest group is told as little as they are, so that nobody stays behind.
pub fn generalise(people: &[Described], smallest: u32) -> Vec<Option<Generalised>> {
    let mut told: Vec<Option<Generalised>> = vec![None; people.len()];
    let mut left: Vec<usize> = (0..people.len()).collect();
    for step in STEPS {
        let mut groups: BTreeMap<Generalised, Vec<usize>> = BTreeMap::new();
        for place in left.drain(..) {
            if let Some(person) = people.get(place) {
                groups.entry(at_step(person, step)).or_default().push(place);
            }
        }
        for (group, members) in groups {
            if members.len() < smallest as usize {
                left.extend(members);
                continue;
            }
            for place in members {
                if let Some(slot) = told.get_mut(place) {
                    *slot = Some(group.clone());
                }
            }
        }
        left.sort_unstable();
    }
    if !left.is_empty() && people.len() >= smallest as usize {
        left.extend(smallest_group(&told));
        for place in left {
            if let Some(slot) = told.get_mut(place) {
                *slot = Some(Generalised::default());
            }
        }
    }
    told
}

/// Who is in the smallest group that is told alike.
fn smallest_group(told: &[Option<Generalised>]) -> Vec<usize> {
    let mut groups: BTreeMap<&Generalised, Vec<usize>> = BTreeMap::new();
    for (place, one) in told.iter().enumerate() {
        if let Some(one) = one {
            groups.entry(one).or_default().push(place);
        }
    }
    groups
        .into_values()
        .min_by_key(Vec::len)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_and_areas_read_as_people_write_them() {
        let five = AgeBand { width: 5 };
        assert_eq!(five.of(Some(67)), "65-69");
        assert_eq!(five.of(Some(0)), "0-4");
        assert_eq!(five.of(Some(104)), "90 and over");
        assert_eq!(AgeBand { width: 20 }.of(Some(85)), "80-89");
        assert_eq!(five.of(None), "unknown");
        for (postcode, district, area) in [
            ("SE99 3RC", "SE99", "SE"),
            ("se993rc", "SE99", "SE"),
            ("E1 6AN", "E1", "E"),
            ("W1A 0AX", "W1A", "W"),
            ("", "", ""),
            ("12 Ropery Close", "", ""),
        ] {
            assert_eq!(area_of(postcode, true), district, "{postcode}");
            assert_eq!(area_of(postcode, false), area, "{postcode}");
        }
    }

    #[test]
    fn at_least_five_people_are_always_told_alike() {
        let mut throw = 0x5eed_u64;
        let mut dice = |sides: u64| {
            throw ^= throw >> 12;
            throw ^= throw << 25;
            throw ^= throw >> 27;
            (throw.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
        };
        for _ in 0..300 {
            let people: Vec<Described> = (0..dice(120))
                .map(|_| Described {
                    age_years: (dice(9) > 0).then(|| dice(100) as u32),
                    gender: [None, Some(Gender::Male), Some(Gender::Female)][dice(3) as usize],
                    postcode: ["SE99 1AA", "SE98 1AA", "E1 6AN", ""][dice(4) as usize].to_owned(),
                })
                .collect();
            let told = generalise(&people, 5);
            let mut groups: BTreeMap<&Generalised, u32> = BTreeMap::new();
            for one in told.iter().flatten() {
                *groups.entry(one).or_default() += 1;
            }
            assert!(groups.values().all(|people| *people >= 5), "{groups:?}");
            let kept_back = told.iter().filter(|one| one.is_none()).count();
            assert_eq!(kept_back, if people.len() < 5 { people.len() } else { 0 });
        }
    }
}
