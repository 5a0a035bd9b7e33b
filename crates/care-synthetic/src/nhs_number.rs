//! NHS numbers that were never issued and never will be: 999 000 0000 to 999 999 9999.
//!
//! Source of the check digit: NHS Data Dictionary, NHS NUMBER (Modulus 11).

/// Serials below this belong to the cast and are never given to an ordinary person.
const FIRST_ORDINARY_SERIAL: u64 = 1_000;
/// Ordinary places: two serials each, because one of two neighbours always has a check digit.
const PLACES: u64 = (1_000_000 - FIRST_ORDINARY_SERIAL) / 2;
/// Shares no factor with `PLACES`, so that multiplying by it visits every place once.
const STRIDE: u64 = 271_829;

/// How many ordinary people there can be.
pub const MOST_PEOPLE: u32 = PLACES as u32;

/// The number of the ordinary person with this index; different for every index below
/// [`MOST_PEOPLE`], and never one of the cast's.
pub fn ordinary_number(seed: u64, index: u32) -> String {
    let start = crate::dice::mix(seed) % PLACES;
    let place = (start + u64::from(index) % PLACES * STRIDE) % PLACES;
    let serial = FIRST_ORDINARY_SERIAL + 2 * place;
    with_check_digit(serial)
        .or_else(|| with_check_digit(serial + 1))
        .unwrap_or_default()
}

/// Ten digits from six after 999; `None` where no check digit fits.
fn with_check_digit(serial: u64) -> Option<String> {
    let nine = format!("999{serial:06}");
    let weighted: u32 = nine
        .bytes()
        .enumerate()
        .map(|(place, digit)| u32::from(digit - b'0') * (10 - place as u32))
        .sum();
    match 11 - weighted % 11 {
        10 => None,
        11 => Some(format!("{nine}0")),
        check => Some(format!("{nine}{check}")),
    }
}

/// Whether ten digits are in the never-issued range and carry the right check digit.
pub fn is_invented(number: &str) -> bool {
    let serial = number
        .strip_prefix("999")
        .and_then(|rest| rest.get(..6))
        .and_then(|s| s.parse().ok());
    serial
        .and_then(with_check_digit)
        .is_some_and(|right| right == number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_ordinary_number_is_valid_and_different_and_not_the_casts() {
        let numbers: HashSet<String> = (0..60_000)
            .map(|index| ordinary_number(42, index))
            .collect();
        assert_eq!(numbers.len(), 60_000);
        assert!(numbers.iter().all(|number| is_invented(number)));
        assert!(!numbers.iter().any(|number| number.starts_with("999000")));
    }

    #[test]
    fn a_wrong_check_digit_is_not_an_invented_number() {
        assert!(is_invented("9990000018"));
        assert!(!is_invented("9990000019"));
        assert!(!is_invented("4010232137"));
    }
}
